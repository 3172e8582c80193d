"""The raw layer: pyignite's asynchronous methods, hints and cache properties, one call an operation.

Code written for pyignite's AioClient runs after a change of its imports:

    from ignitemap.raw import AioClient, IntObject

    client = AioClient()
    async with client.connect("127.0.0.1", 10800):
        ...

The raw client under a connected `ig.Client` is the same thing, as here.

    python examples/raw_cache.py      # starts a node, or uses IGNITEMAP_URL
"""

import asyncio
import os

import ignitemap as ig
from ignitemap.raw import (
    PROP_BACKUPS_NUMBER,
    PROP_CACHE_ATOMICITY_MODE,
    PROP_NAME,
    AioCache,
    CacheAtomicityMode,
    CacheError,
    IntObject,
    LongObject,
    PeekModes,
    ShortArrayObject,
)


async def keys_and_values(cache: AioCache) -> None:
    """None stands for a missing key here, and conditional writes tell whether they wrote."""
    await cache.put("a", 1)
    await cache.put_all({"b": 2, "c": 3})
    print("get:", await cache.get("a"), await cache.get("nothing"))
    print("get_all:", await cache.get_all(["a", "b", "nothing"]))
    print("replace_if_equals:", await cache.replace_if_equals("a", 1, 10), await cache.replace_if_equals("a", 1, 11))
    print("get_and_remove:", await cache.get_and_remove("c"))
    print("size:", await cache.get_size(PeekModes.PRIMARY))


async def hints(cache: AioCache) -> None:
    """A hint says which Ignite type a value is written as; 1 as Integer and 1 as Long are two keys."""
    await cache.put(1, "an Integer", key_hint=IntObject)
    await cache.put(1, "a Long", key_hint=LongObject)
    print(await cache.get(1, key_hint=IntObject), "and", await cache.get(1))
    await cache.put_all({"array": ([1, 2, 3], ShortArrayObject)})
    print("array:", await cache.get("array"))


async def main() -> None:
    """Create a cache by its properties, use it, destroy it."""
    async with ig.connect(os.environ.get("IGNITEMAP_URL") or "local://") as client:
        cache = await client.raw.create_cache(
            {
                PROP_NAME: "example_raw",
                PROP_BACKUPS_NUMBER: 1,
                PROP_CACHE_ATOMICITY_MODE: CacheAtomicityMode.ATOMIC,
            }
        )
        await keys_and_values(cache)
        await hints(cache)
        async with cache.scan(page_size=2) as cursor:
            print("scan:", sorted([str(key) async for key, _ in cursor]))
        await cache.destroy()
        try:
            await cache.get("a")
        except CacheError as error:
            print("afterwards:", type(error).__name__)


if __name__ == "__main__":
    asyncio.run(main())
