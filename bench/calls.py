"""How many Python functions one `await cache[k]` runs: `python bench/calls.py`.

Counts the `call` events of sys.setprofile in frames of ignitemap and of the code that it generates, from the await to
its result, on a real node (or the cluster that IGNITEMAP_URL names). A coroutine that is resumed counts again. Prints
the list, and exits with 1 when there are more than LIMIT.
"""

import asyncio
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import ignitemap as ig
from ignitemap.local import cluster

LIMIT = 40

_PACKAGE = Path(ig.__file__).parent


def place(frame: FrameType) -> str | None:
    """Where a function of ours lives and what it is called; None for those of others."""
    code = frame.f_code
    if code.co_filename.startswith("<ignitemap"):
        return f"{code.co_filename} {code.co_qualname}"
    path = Path(code.co_filename)
    return f"{path.relative_to(_PACKAGE)} {code.co_qualname}" if path.is_relative_to(_PACKAGE) else None


async def calls_of_get(cache: ig.Cache[int, str]) -> list[str]:
    """The functions that one `await cache[k]` runs, in order."""
    seen: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and (called := place(frame)):
            seen.append(called)

    sys.setprofile(note)
    try:
        await cache[7]
    finally:
        sys.setprofile(None)
    return seen


async def measure(url: str) -> list[str]:
    """The middle one of a few runs: a heartbeat or news of the topology may fall into one of them."""
    async with ig.connect(url) as client:
        cache = await client.cache("bench-calls", int, str)
        try:
            await cache.set(7, "seven")
            for _ in range(10):  # code is generated and nodes are dialled at first use
                await cache[7]
            runs = [await calls_of_get(cache) for _ in range(11)]
            return sorted(runs, key=len)[len(runs) // 2]
        finally:
            await client.drop("bench-calls")


async def main() -> int:
    given = os.environ.get("IGNITEMAP_URL")
    async with nullcontext() if given else cluster(nodes=2) as running:
        calls = await measure(given or running.url)
    for number, called in enumerate(calls, 1):
        print(f"{number:>3} {called}")
    print(f"{len(calls)} Python calls in one await cache[k], at most {LIMIT}")
    return len(calls) > LIMIT


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
