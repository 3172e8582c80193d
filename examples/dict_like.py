"""A cache is a dict that is awaited: the operations that dicts have, and those that only a shared one needs.

python examples/dict_like.py      # starts a node, or uses IGNITEMAP_URL
"""

import asyncio
import os

import ignitemap as ig


async def like_a_dict(ages: ig.Cache[str, int]) -> None:
    """What has the name and meaning that dict gives it."""
    await ages.set("ann", 41)
    await ages.update({"bob": 37, "zoë": 29})
    print("ann is", await ages["ann"])
    print("nobody is", await ages.get("nobody", "not there"))
    print("bob was", await ages.pop("bob"))
    print("all of them:", await ages.items().to_dict())
    try:
        await ages["bob"]
    except KeyError as error:
        print("a missing key is a KeyError:", error)


async def for_a_shared_dict(ages: ig.Cache[str, int]) -> None:
    """What is decided in one step on the server, so that two programs can't both win."""
    print("added:", await ages.add("carl", 50), "then", await ages.add("carl", 51))
    print("replaced what is 50:", await ages.replace("carl", 52, expected=50))
    print("after a birthday:", await ages.modify("carl", lambda age: age + 1))
    print("one more birthday for all:", sum(await asyncio.gather(*[birthday(ages, name) for name in ("ann", "carl")])))


async def birthday(ages: ig.Cache[str, int], name: str) -> int:
    """A coroutine like any other: hundreds of them share one connection."""
    return await ages.modify(name, lambda age: age + 1)


async def entries_that_expire(ages: ig.Cache[str, int]) -> None:
    """A time to live, in seconds."""
    await ages.set("mayfly", 1, ttl=0.05)
    await asyncio.sleep(0.1)
    print("the mayfly is there:", await ages.contains("mayfly"))


async def main() -> None:
    """Open a cache, use it, drop it."""
    async with ig.connect(os.environ.get("IGNITEMAP_URL") or "local://") as client:
        ages = await client.cache("example_ages", str, int)
        await like_a_dict(ages)
        await for_a_shared_dict(ages)
        await entries_that_expire(ages)
        print("entries:", await ages.size())
        await client.drop(ages.name)


if __name__ == "__main__":
    asyncio.run(main())
