"""A program that counts in the objects of one cache, in three releases, each with a counter of its own.

    python -m tests.interop.tallies URL CACHE RELEASE TIMES

waits for a line on stdin, adds 1 to its release's counter in every object, so many times, and ends.
"""

import asyncio
import sys
from typing import Any

import ignitemap as ig

TYPE_NAME = "com.acme.interop.Tally"
KEYS = range(6)
MIGRATING = frozenset({"2", "3"})


def releases() -> dict[str, tuple[ig.Registry, type, str]]:
    """The registry, the class and the counter of each release."""
    first, second, third, wrong = (ig.Registry() for _ in range(4))

    @first.model(type_name=TYPE_NAME)
    class First:
        id: int = ig.key()
        label: str = ""
        nick: str = ""
        ones: int = 0

    # Adds fields, has them in another order, renames one, and no longer has one.
    @second.model(type_name=TYPE_NAME)
    class Second:
        id: int = ig.key()
        twos: int = ig.field(default=0, index=True)
        tags: list[str] = ig.field(factory=list)
        called: str = ig.field(default="", aliases=("nick",))
        label: str = ""

    @third.model(type_name=TYPE_NAME)
    class Third:
        id: int = ig.key()
        label: str = ""
        threes: int = ig.field(default=0, index=True)
        twos: int = ig.field(default=0, index=True)

    @wrong.model(type_name=TYPE_NAME)
    class Wrong:
        id: int = ig.key()
        ones: str = ""

    return {
        "1": (first, First, "ones"),
        "2": (second, Second, "twos"),
        "3": (third, Third, "threes"),
        "wrong": (wrong, Wrong, "ones"),
    }


async def count(cache: ig.Cache[Any, Any], counter: str, times: int) -> None:
    """Add 1 to a counter in every object, so many times, all objects at once."""

    def add(tally: Any) -> Any:
        return ig.evolve(tally, **{counter: getattr(tally, counter) + 1})

    async def count_in(key: int) -> None:
        for _ in range(times):
            await cache.modify(key, add, attempts=100_000)

    async with asyncio.TaskGroup() as tasks:
        for key in KEYS:
            tasks.create_task(count_in(key))


async def main(url: str, name: str, release: str, times: int) -> None:
    registry, model, counter = releases()[release]
    async with ig.connect(url, registry=registry) as client:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        cache = await client.cache(name, model, migrate=release in MIGRATING)
        await count(cache, counter, times)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
