"""Whether a client's work grows in step with the data: `python bench/growth.py [ENTRIES]`.

Two caches, of FEW and of ENTRIES int -> str, are read with `items` in turns; and one key after the other is read by 64
and by 512 tasks. Prints wall-clock and CPU time of each entry, medians of ROUNDS, and exits with 1 when an entry of many
takes more than LIMIT times as long as one of few, or a get among 512 longer than among 64. How much memory the same
takes, memory.py tells. Runs on two real nodes, or on the cluster that IGNITEMAP_URL names.
"""

import asyncio
import gc
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from workloads import concurrent, text

import ignitemap as ig
from ignitemap.local import cluster

FEW = 10_000
ENTRIES = 1_000_000
ROUNDS = 7
GETS = 20_000
LIMIT = 1.15

Texts = ig.Cache[int, str]


async def items(cache: Texts) -> int:
    """Read all entries, one by one."""
    count = 0
    async for _ in cache.items():
        count += 1
    return count


async def gets(cache: Texts, at_once: int) -> int:
    """Read GETS keys, each by one of so many tasks."""
    await concurrent(at_once, cache.__getitem__, ((key % FEW,) for key in range(GETS)))
    return GETS


async def sample(work: Callable[[], Awaitable[int]], expected: int) -> tuple[float, float]:
    """Microseconds an entry, by the clock and of the client's CPU."""
    gc.collect()
    wall, cpu, count = time.perf_counter(), time.process_time(), 0
    while count < min(expected, 200_000):  # short work is repeated, so that all samples take about as long
        count += await work()
    assert count % expected == 0, f"{count} entries, not {expected}"
    return (time.perf_counter() - wall) / count * 1e6, (time.process_time() - cpu) / count * 1e6


async def measure(url: str, entries: int) -> int:
    """Print the figures; how many marks were missed."""
    missed = 0
    async with ig.connect(url, partition_awareness=False) as client:
        name = f"bench-growth-{os.getpid()}"
        few: Texts = await client.cache(f"{name}-few", int, str, durability="fast")
        many: Texts = await client.cache(f"{name}-many", int, str, durability="fast")
        try:
            await few.update((key, text(key)) for key in range(FEW))
            await many.update((key, text(key)) for key in range(entries))
            works: dict[str, tuple[Callable[[], Awaitable[int]], int]] = {
                f"items of {FEW:,}": (lambda: items(few), FEW),
                f"items of {entries:,}": (lambda: items(many), entries),
                "64 gets at once": (lambda: gets(few, 64), GETS),
                "512 gets at once": (lambda: gets(few, 512), GETS),
            }
            seen: dict[str, list[tuple[float, float]]] = {work: [] for work in works}
            for number in range(-1, ROUNDS):
                for work in works if number % 2 else reversed(works):
                    taken = await sample(*works[work])
                    if number >= 0:
                        seen[work].append(taken)
            for work, taken in seen.items():
                wall, cpu = (statistics.median(column) for column in zip(*taken, strict=True))
                print(f"{work:<24}{wall:8.2f} µs{cpu:8.2f} µs of CPU")
            for one, other, most in zip(list(works)[::2], list(works)[1::2], (LIMIT, 1.0), strict=True):
                ratios = [later[0] / first[0] for first, later in zip(seen[one], seen[other], strict=True)]
                cpus = [later[1] / first[1] for first, later in zip(seen[one], seen[other], strict=True)]
                ratio, cpu = statistics.median(ratios), statistics.median(cpus)
                passed = ratio <= most / 0.9  # the clock's noise
                missed += not passed
                print(
                    f"{other}: {ratio:.2f} times {one}, {cpu:.2f} of CPU, at most {most:g}{'' if passed else ': MISSED'}"
                )
        finally:
            await client.drop(few.name)
            await client.drop(many.name)
    return missed


async def main() -> int:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    given = os.environ.get("IGNITEMAP_URL")
    async with nullcontext() if given else cluster(nodes=2, jvm_tiers="default") as running:
        return await measure(given or running.url, entries)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()) > 0)
