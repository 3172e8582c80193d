"""A long run in a bad network: `python -m bench.soak [MINUTES] [SEED]`, 30 minutes by default.

Two real nodes behind proxies that harm what passes; every 10 s a fault, which lasts up to 5 s: latency, a narrow line,
slices, connections cut by RST or FIN at some byte, half closed, black holes of either way, nobody there. Meanwhile 32
tasks write, read, replace, delete and scan; values tell their key and their write, so that a lost or a wrong answer
shows. Printed are operations by outcome, wrong answers, resident memory, file descriptors and tasks, each minute and at
the end. Exits with 1 for a wrong answer, an error that nobody expects, an operation that took longer than it may,
memory more than 60 MB over what it was after the first half minute, or tasks or descriptors that were not there then.
For Linux, where /proc tells the resident set.
"""

import asyncio
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs

import ignitemap as ig
from ignitemap.local import cluster
from tests.chaos.proxy import Proxy

TASKS = 32
TIMEOUT = 5.0
EVERY = 10.0
LASTS = 5.0
WARM = 30.0
LIMIT = 60  # MB
FIXED = 200

Cache = ig.Cache[str, str]


def resident() -> float:
    """The resident set of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors() -> int:
    """How many files and sockets are open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def fixed(number: int) -> str:
    """The value of an entry that is only read."""
    return f"fixed {number}:" + "x" * (number * 7 % 300)


# --- faults -----------------------------------------------------------------------------------------------------------

Fault = Callable[[Proxy, random.Random], None]


def latency(proxy: Proxy, chance: random.Random) -> None:
    for toxics in (proxy.up, proxy.down):
        toxics.delay, toxics.jitter = 0.02, chance.uniform(0, 0.1)


def narrow(proxy: Proxy, chance: random.Random) -> None:
    proxy.up.rate = proxy.down.rate = 64 * 1024


def sliced(proxy: Proxy, chance: random.Random) -> None:
    proxy.up.slice = proxy.down.slice = chance.randint(20, 200)


def cut(proxy: Proxy, chance: random.Random) -> None:
    for link in proxy.open:
        toxics, way = chance.choice(((proxy.up, link.up), (proxy.down, link.down)))
        toxics.cut_at, toxics.cut_by = way.passed + chance.randrange(4000), chance.choice(("rst", "fin", "half"))


def reset(proxy: Proxy, chance: random.Random) -> None:
    proxy.reset()


def deaf(proxy: Proxy, chance: random.Random) -> None:
    proxy.up.swallow = True


def mute(proxy: Proxy, chance: random.Random) -> None:
    proxy.down.swallow = True


def black_hole(proxy: Proxy, chance: random.Random) -> None:
    proxy.up.swallow = proxy.down.swallow = True


def nobody(proxy: Proxy, chance: random.Random) -> None:
    proxy.refuse()
    proxy.reset()


def drops(proxy: Proxy, chance: random.Random) -> None:
    proxy.refuses = True
    proxy.reset()


FAULTS: tuple[Fault, ...] = (latency, narrow, sliced, cut, cut, reset, deaf, mute, black_hole, nobody, drops)
SILENT = (deaf, mute, black_hole)  # what was swallowed is gone, so these connections can't be used again


async def harm(proxies: list[Proxy], chance: random.Random, met: Counter[str]) -> None:
    """A fault of one proxy or of both, time and again."""
    while True:
        await asyncio.sleep(EVERY - LASTS)
        fault = chance.choice(FAULTS)
        victims = chance.choice((proxies[:1], proxies[1:], proxies))
        for proxy in victims:
            fault(proxy, chance)
        met[fault.__name__] += 1
        await asyncio.sleep(LASTS)
        await heal(victims, broken=fault in SILENT)


async def heal(proxies: list[Proxy], *, broken: bool) -> None:
    """All is well again."""
    for proxy in proxies:
        proxy.heal()
        await proxy.listen()
        if broken:
            proxy.reset()
        proxy.links = proxy.open


# --- load -------------------------------------------------------------------------------------------------------------


@attrs.define
class Load:
    """What the tasks do, and what they saw."""

    cache: Cache
    chance: random.Random
    outcomes: Counter[str] = attrs.field(factory=Counter[str])
    wrong: list[Any] = attrs.field(factory=list)
    unexpected: Counter[str] = attrs.field(factory=Counter[str])
    longest: float = 0.0
    stop: bool = False

    async def timed(self, name: str, operation: Awaitable[Any]) -> tuple[str, Any]:
        """The outcome of an operation, and its answer."""
        started = time.monotonic()
        answer: Any = None
        try:
            answer = await operation
            outcome = "ok"
        except (ig.OutcomeUnknownError, ig.CursorLost):
            outcome = "unknown"
        except ig.NotSentError:
            outcome = "not sent"
        except ig.IgniteMapError as error:
            outcome = "unexpected"
            self.unexpected[f"{name}: {error!r}"] += 1
        if name != "scan":  # which is many operations
            self.longest = max(self.longest, time.monotonic() - started)
        self.outcomes[outcome] += 1
        return outcome, answer

    def judge(self, what: str, found: Any, *right: Any) -> None:
        """An answer is one of those that are right."""
        if found not in right:
            self.wrong.append((what, found, right))

    async def work(self, number: int) -> None:
        """One task with keys of its own; behind an unknown outcome it takes others."""
        generation, key, value, count = 0, f"{number}/0", None, 0
        while not self.stop:
            count += 1
            draw = self.chance.random()
            new = f"{key}={count}"
            outcome, answer = "ok", None
            if draw < 0.45:
                place = self.chance.randrange(FIXED)
                outcome, found = await self.timed("get", self.cache.get(f"fixed {place}"))
                if outcome == "ok":
                    self.judge(f"fixed {place}", found, fixed(place))
                continue
            if draw < 0.6:
                outcome, found = await self.timed("get", self.cache.get(key))
                if outcome == "ok":
                    self.judge(key, found, value)
                continue
            if draw < 0.65:
                places = [self.chance.randrange(FIXED) for _ in range(20)]
                outcome, found = await self.timed("get_many", self.cache.get_many(f"fixed {each}" for each in places))
                if outcome == "ok":
                    self.judge("get_many", found, {f"fixed {each}": fixed(each) for each in places})
                continue
            if draw < 0.652:
                outcome, found = await self.timed("scan", self.scan())
                if outcome == "ok":
                    self.judge("scan", found, FIXED)
                continue
            if draw < 0.85:
                outcome, answer = await self.timed("set", self.cache.set(key, new))
            elif draw < 0.92:
                outcome, answer = await self.timed("replace", self.cache.replace(key, new))
                new = new if value is not None else None
                if outcome == "ok":
                    self.judge(f"replace {key}", answer, value is not None)
            else:
                outcome, answer = await self.timed("delete", self.cache.delete(key))
                if outcome == "ok":
                    self.judge(f"delete {key}", answer, value is not None)
                new = None
            if outcome == "ok":
                value = new
            elif outcome != "not sent":
                generation += 1
                key, value = f"{number}/{generation}", None

    async def scan(self) -> int:
        """How many of the entries that are only read a scan finds, each as it should be."""
        found = 0
        async for key, value in self.cache.items():
            if key.startswith("fixed "):
                found += 1
                self.judge(key, value, fixed(int(key[6:])))
        return found


async def soak(minutes: float, seed: int) -> int:
    """The exit code."""
    chance = random.Random(seed)
    met = Counter[str]()
    async with cluster(nodes=2) as nodes:
        targets = [address.split(":") for address in nodes.addresses]
        proxies = [Proxy(host, int(port), seed=seed, count_frames=False) for host, port in targets]
        for proxy in proxies:
            await proxy.listen()
        url = "ignite://" + ",".join(f"127.0.0.1:{proxy.port}" for proxy in proxies)
        async with ig.connect(url, timeout=TIMEOUT, heartbeat=2.0, discovery=False) as client:
            cache = await client.cache("soak", str, str)
            await cache.update({f"fixed {number}": fixed(number) for number in range(FIXED)})
            load = Load(cache, chance)
            own = asyncio.current_task()
            started = time.monotonic()
            working = [asyncio.create_task(load.work(number)) for number in range(TASKS)]
            harming: asyncio.Task[None] | None = None
            base, minute = (0.0, 0, 0), 0
            while time.monotonic() - started < minutes * 60:
                await asyncio.sleep(1)
                for task in working:
                    if task.done():
                        task.result()
                passed = time.monotonic() - started
                if harming is None and passed >= min(WARM, minutes * 15):
                    base = (resident(), descriptors(), len(asyncio.all_tasks()))
                    print(f"warm: {base[0]:.1f} MB, {base[1]} descriptors, {base[2]} tasks", flush=True)
                    harming = asyncio.create_task(harm(proxies, chance, met))
                if passed // 60 > minute:
                    minute += 1
                    total = sum(load.outcomes.values())
                    print(f"{minute} min: {total} operations, {len(load.wrong)} wrong, {resident():.1f} MB", flush=True)
            assert harming is not None
            harming.cancel()
            await asyncio.wait([harming])
            await heal(proxies, broken=True)
            await asyncio.sleep(2 * TIMEOUT)  # all is well again, and the load goes on
            rest = (resident(), descriptors(), len(asyncio.all_tasks()))
            load.stop = True
            await asyncio.gather(*working)
            await asyncio.sleep(TIMEOUT)
            assert asyncio.all_tasks() == {own}
            assert not any(each.protocol.in_flight for each in client.raw.session.nodes.open)
        for proxy in proxies:
            await proxy.aclose()
    total = sum(load.outcomes.values())
    print(f"seed {seed}, faults: {dict(met)}")
    print(f"{total} operations: {dict(load.outcomes)}; longest {load.longest:.2f} s of {TIMEOUT} s")
    print(f"{len(load.wrong)} wrong answers {load.wrong[:5]}, unexpected errors: {dict(load.unexpected)}")
    print(f"start: {base[0]:.1f} MB, {base[1]} descriptors, {base[2]} tasks")
    print(f"end:   {rest[0]:.1f} MB, {rest[1]} descriptors, {rest[2]} tasks")
    bad = load.wrong or load.unexpected or load.longest > TIMEOUT + 1 or rest[0] > base[0] + LIMIT
    return int(bool(bad) or rest[1] > base[1] or rest[2] > base[2])


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    given = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    sys.exit(asyncio.run(soak(given, int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32))))
