"""The embedded node beside a real one: `python bench/embedded.py [ROUNDS]`.

The same client asks both nodes, one operation after the other, in turns of CALLS operations: a real node over loopback,
an embedded one in its own process (embedded://), and for comparison one that `python -m ignitemap serve` runs in another
process. Prints operations a second, medians of the rounds, and the ratio of the first two, which must be at least LEAST;
how long a process takes from its imports to its first answer, and a test to a fresh node; and how much longer an entry
takes to be stored when there are many already. Exits with 1 when a limit is missed.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import ignitemap as ig
from ignitemap.local import cluster

LEAST = 1.0
CALLS = 300
ROUNDS = 15
FIRST_ANSWER = 50.0
FRESH_NODE = 10.0
CHUNK, CHUNKS = 20_000, 12
GROWTH = 1.5

Work = Callable[[int], Awaitable[Any]]

START = """
import asyncio, time
import ignitemap as ig
ig.connect, ig.embedded.Node, ig.Cache, ig.Client
async def main():
    start = time.perf_counter()
    async with ig.connect("embedded://") as client:
        names = await client.cache_names()
        print((time.perf_counter() - start) * 1e3)
asyncio.run(main())
"""


async def works(client: ig.Client) -> dict[str, Work]:
    """Operations on one client, by name."""
    atomic = await client.cache("bench-embedded", int, str, durability="fast")
    locked = await client.cache("bench-embedded-tx", int, str, durability="fast", atomicity="transactional")
    await client.sql("create table if not exists bench_embedded (id int primary key, name varchar)")
    for key in range(CALLS):
        await client.sql("merge into bench_embedded (id, name) values (?, ?)", key, f"name {key}")

    async def transaction(key: int) -> None:
        async with client.transaction():
            await locked.set(key, "x")

    return {
        "put": lambda key: atomic.set(key, "x" * 100),
        "get": atomic.get,
        "replace if equal": lambda key: atomic.replace(key, "y", expected="z"),
        "transaction of one put": transaction,
        "SELECT by key": lambda key: client.sql("select name from bench_embedded where id = ?", key),
        "UPDATE by key": lambda key: client.sql("update bench_embedded set name = ? where id = ?", "n", key),
    }


async def rate(work: Work) -> float:
    """Operations a second, one after the other."""
    start = time.perf_counter()
    for key in range(CALLS):
        await work(key)
    return CALLS / (time.perf_counter() - start)


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The URL of an embedded node in a process of its own."""
    node = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ignitemap", "serve", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert node.stdout is not None
    try:
        yield (await node.stdout.readline()).decode().strip()
    finally:
        node.terminate()
        await node.wait()


async def beside_a_real_node(rounds: int) -> int:
    """Print rates and ratios; how many are below LEAST."""
    missed = 0
    async with cluster(nodes=1, jvm_tiers="default") as real, served() as url:
        urls = {"real": real.url, "embedded": "embedded://", "served": url}
        clients = {side: await ig.connect(url) for side, url in urls.items()}
        try:
            sides = {side: await works(client) for side, client in clients.items()}
            seen: dict[str, dict[str, list[float]]] = {name: {side: [] for side in sides} for name in sides["real"]}
            for number in range(-3, rounds):  # a JVM takes its time to be quick
                for name, rates in seen.items():
                    for side in sides if number % 2 else reversed(sides):
                        found = await rate(sides[side][name])
                        if number >= 0:
                            rates[side].append(found)
        finally:
            for client in clients.values():
                await client.aclose()
    print(f"{'operations a second':<24}" + "".join(f"{side:>12}" for side in urls) + f"{'ratio':>9}")
    for name, rates in seen.items():
        ratios = [ours / theirs for ours, theirs in zip(rates["embedded"], rates["real"], strict=True)]
        ratio = statistics.median(ratios)
        missed += ratio < LEAST
        shown = "".join(f"{statistics.median(each):>12,.0f}" for each in rates.values())
        print(f"{name:<24}{shown}{ratio:>9.2f}{'' if ratio >= LEAST else ' MISSED'}")
    return missed


def first_answer(rounds: int) -> int:
    """Print how long the first answer takes in a process that has imported all it needs."""
    took = [
        float(subprocess.run([sys.executable, "-c", START], capture_output=True, check=True, text=True).stdout)
        for _ in range(rounds)
    ]
    middle = statistics.median(took)
    print(f"first answer after the imports: {middle:.1f} ms, at least {min(took):.1f}, at most {FIRST_ANSWER:g}")
    return middle > FIRST_ANSWER


async def fresh_nodes(rounds: int) -> int:
    """Print how long a node on loopback takes to start, answer a client and end, as for one test."""
    took: list[float] = []
    for _ in range(rounds * 4):
        start = time.perf_counter()
        async with ig.embedded.Node() as node, ig.connect(node.url) as client:
            await client.cache_names()
        took.append((time.perf_counter() - start) * 1e3)
    middle = statistics.median(took)
    print(f"a fresh node with a client: {middle:.1f} ms, at least {min(took):.1f}, at most {FRESH_NODE:g}")
    return middle > FRESH_NODE


async def growth() -> int:
    """Print the CPU time that an entry takes to be stored, by how many there are."""
    registry = ig.Registry()

    @registry.model
    class City:
        id: int = ig.key()
        name: str
        country: str = ig.field(index=True)
        population: ig.Int

    took: list[float] = []
    async with ig.connect("embedded://", registry=registry) as client:
        cities = await client.cache(City, key=int)
        for chunk in range(CHUNKS):
            made = [City(chunk * CHUNK + each, f"City {each}", "DE", each) for each in range(CHUNK)]
            start = time.process_time()
            await cities.save_many(made)
            took.append((time.process_time() - start) / CHUNK * 1e6)
    print(f"µs to store an entry, {CHUNK:,} at a time: " + " ".join(f"{each:.0f}" for each in took))
    ratio = min(took[-3:]) / min(took[:3])
    print(f"{CHUNK * CHUNKS:,} entries: {ratio:.2f} times the first ones, at most {GROWTH:g}")
    return ratio > GROWTH


async def measure(rounds: int) -> int:
    return await beside_a_real_node(rounds) + await fresh_nodes(rounds) + await growth()


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    return bool(first_answer(rounds) + asyncio.run(measure(rounds)))


if __name__ == "__main__":
    sys.exit(main())
