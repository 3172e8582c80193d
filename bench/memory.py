"""How much the memory of a client grows while it writes and reads many entries: `python bench/memory.py [ENTRIES]`.

Each workload runs in a process of its own: `update` and `save_many` of entries from a generator, and a loop over all
of them with `items`. Printed is how far the resident set rose, at most, over what it was when client and cache were open;
the caches have no backups and are dropped. Runs on a real node, or on the cluster that IGNITEMAP_URL names, and exits
with 1 when a workload takes more than LIMIT. For Linux, where /proc tells the resident set.
"""

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import ignitemap as ig
from ignitemap.local import cluster

ENTRIES = 1_000_000
LIMIT = 60  # MB

Cache = ig.Cache[Any, Any]


@ig.model(type_name="bench.memory.House")
class House:
    """An entry of `save_many`, of about 100 bytes."""

    id: int = ig.key()
    street: str
    city: str
    residents: int
    latitude: float


def texts(count: int) -> Iterator[tuple[int, str]]:
    """Entries of about 100 bytes."""
    return ((number, f"{number:080}") for number in range(count))


def houses(count: int) -> Iterator[House]:
    """Models of about 100 bytes."""
    return (House(number, f"{number % 977} long street", f"city {number % 5}", number, 1.5) for number in range(count))


async def update(cache: Cache, count: int) -> None:
    """Write entries."""
    await cache.update(texts(count))


async def save_many(cache: Cache, count: int) -> None:
    """Write models."""
    await cache.save_many(houses(count))


async def items(cache: Cache, count: int) -> None:
    """Read all that was written before."""
    seen = 0
    async for _ in cache.items():
        seen += 1
    assert seen == count, f"{seen} of {count}"


# In this order: what one writes, the next one reads.
WORKLOADS: dict[str, tuple[str, Callable[[Cache, int], Awaitable[None]]]] = {
    "update": ("texts", update),
    "items": ("texts", items),
    "save_many": ("houses", save_many),
    "items of models": ("houses", items),
}


async def opened(client: ig.Client, kind: str, name: str) -> Cache:
    """A cache of texts or models."""
    if kind == "texts":
        return await client.cache(name, int, str, durability="fast")
    return await client.cache(name, House, durability="fast")


def resident() -> int:
    """The resident set in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def measure(url: str, workload: str, name: str, count: int) -> None:
    """Do one workload, and print the seconds it took, the resident set before it in MB, and how far that rose."""
    kind, work = WORKLOADS[workload]
    async with ig.connect(url) as client:
        cache = await opened(client, kind, name)
        before, began = resident(), time.perf_counter()
        await work(cache, count)
        took = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{took:.1f} {before / 1e6:.1f} {(peak - before) / 1e6:.1f}")


def report(url: str, count: int) -> int:
    """Run all workloads, one after the other; 1 when one of them takes too much memory."""
    print(f"{'workload':<16} {'entries':>10} {'seconds':>8} {'MB at start':>12} {'MB more':>8}")
    worst = 0.0
    for workload, (kind, _) in WORKLOADS.items():
        arguments = [sys.executable, __file__, "--one", url, workload, f"bench_memory_{os.getpid()}_{kind}", str(count)]
        took, before, growth = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.split()
        print(f"{workload:<16} {count:>10} {took:>8} {before:>12} {growth:>8}", flush=True)
        worst = max(worst, float(growth))
    print(f"at most {worst:.1f} MB over the start, of {LIMIT} that are allowed")
    return int(worst > LIMIT)


async def drop(url: str) -> None:
    """Drop what the workloads have left."""
    async with ig.connect(url) as client:
        for name in await client.cache_names():
            if name.startswith(f"bench_memory_{os.getpid()}_"):
                await client.drop(name)


async def main(count: int) -> int:
    given = os.environ.get("IGNITEMAP_URL")
    async with nullcontext() if given else cluster(nodes=2) as running:
        url = given or running.url
        try:
            return await asyncio.to_thread(report, url, count)
        finally:
            await drop(url)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        asyncio.run(measure(*sys.argv[2:5], int(sys.argv[5])))
    else:
        sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES)))
