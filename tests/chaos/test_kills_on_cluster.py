"""Real nodes that are killed under load: no acknowledged write is lost, and each operation ends as one thing.

CHAOS_ROUNDS=20 pytest tests/chaos/test_kills_on_cluster.py -m stress -s    # 20 kills in place of 3
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.local import LocalCluster, cluster as local_cluster

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "3"))
TIMEOUT = 10.0
WITHOUT_SUCCESS = 10.0  # seconds behind a kill until the survivors must have answered again


@attrs.define
class Writer:
    """Writes growing numbers under one key. Behind a write of unknown outcome it takes another key."""

    load: Load
    number: int
    generation: int = 0
    written: int = 0

    @property
    def key(self) -> str:
        return f"{self.number}/{self.generation}"

    async def work(self) -> None:
        """Write and read until told to stop."""
        load = self.load
        while not load.stop:
            self.written += 1
            key, value = self.key, f"{self.key}={self.written}"
            outcome, _ = await load.timed(load.cache.set(key, value))
            load.outcomes[outcome] += 1
            if outcome == "ok":
                load.acknowledged[key] = value
            elif outcome != "not sent":
                load.perhaps[key] = value
                self.generation += 1
                continue
            if self.written % 4 == 0:
                outcome, found = await load.timed(load.cache.get(key))
                load.outcomes[f"read: {outcome}"] += 1
                if outcome == "ok":
                    load.check(key, found)


@attrs.define
class Load:
    """Many writers, and what they know of what they wrote."""

    cache: ig.Cache[str, str]
    acknowledged: dict[str, str] = attrs.field(factory=dict[str, str])
    perhaps: dict[str, str] = attrs.field(factory=dict[str, str])
    outcomes: Counter[str] = attrs.field(factory=lambda: Counter[str]())
    wrong: list[Any] = attrs.field(factory=list[Any])
    longest: float = 0.0
    in_flight: int = 0
    stop: bool = False

    async def timed(self, operation: Any) -> tuple[str, Any]:
        """The outcome of an operation and its answer."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.in_flight += 1
        answer = None
        try:
            answer = await operation
            outcome = "ok"
        except ig.OutcomeUnknownError:
            outcome = "unknown"
        except ig.NotSentError:
            outcome = "not sent"
        except ig.ServerError:
            outcome = "server error"
        self.in_flight -= 1
        self.longest = max(self.longest, loop.time() - started)
        return outcome, answer

    def check(self, key: str, found: str | None) -> None:
        """A key has what was acknowledged last, or what was written behind it with an unknown outcome."""
        if found != self.acknowledged.get(key) and found != self.perhaps.get(key, ""):
            self.wrong.append((key, found, self.acknowledged.get(key), self.perhaps.get(key)))

    async def check_all(self) -> None:
        """Look at every key."""
        keys = sorted(self.acknowledged.keys() | self.perhaps.keys())
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            found = await self.cache.get_many(part)
            for key in part:
                self.check(key, found.get(key))
        assert self.wrong == []

    async def more(self, writes: int) -> None:
        """Wait until so many more writes were acknowledged."""
        target = self.outcomes["ok"] + writes
        async with asyncio.timeout(120):
            while self.outcomes["ok"] < target:
                await self.cache.size()


async def one_round(load: Load, nodes: LocalCluster, victim: int, writers: int, *, survivors: bool) -> None:
    """Kill a node under load, look at what is left of the writes, and start it again."""
    loop = asyncio.get_running_loop()
    load.stop = False
    before = load.outcomes.copy()
    async with asyncio.TaskGroup() as group:
        for number in range(writers):
            group.create_task(Writer(load, number, generation=load.outcomes["ok"]).work())
        await load.more(3 * writers)
        in_flight = load.in_flight
        await nodes.kill(victim)
        killed = loop.time()
        if survivors:
            await load.more(1)
            assert loop.time() - killed < WITHOUT_SUCCESS
            await load.more(2 * writers)
        load.stop = True
        if not survivors:
            await nodes.start(victim)
    if survivors:
        await load.check_all()
        await nodes.start(victim)
    assert load.longest <= TIMEOUT + 1
    new = load.outcomes - before
    assert in_flight >= writers * 0.9
    assert new["unknown"] <= writers
    assert new["server error"] <= writers
    print(f"killed node {victim}: {dict(new)}, longest {load.longest:.2f} s")


async def rebalanced(client: ig.Client, nodes: int) -> None:
    """Wait until all nodes own their partitions: the next one may be killed."""
    session = client.raw.session
    async with asyncio.timeout(60):
        while True:
            moving = await client.sql("SELECT COUNT(*) FROM SYS.PARTITION_STATES WHERE STATE <> 'OWNING'")
            owners = await client.sql("SELECT COUNT(DISTINCT NODE_ID) FROM SYS.PARTITION_STATES WHERE IS_PRIMARY")
            if moving[0][0] == 0 and owners[0][0] == nodes and len(session.nodes.open) == nodes:
                return


@pytest.mark.stress
@pytest.mark.timeout(120 + 60 * ROUNDS)
async def test_kills() -> None:
    """Of three nodes one is killed under 1,000 operations in flight, again and again: nothing acknowledged is lost."""
    async with (
        local_cluster(nodes=3, heap="384m") as nodes,
        ig.connect(nodes.url, timeout=TIMEOUT) as client,
    ):
        cache = await client.cache("kills", str, str)
        assert (await cache.guarantees()).survives_one_node
        load = Load(cache)
        for number in range(ROUNDS):
            await one_round(load, nodes, number % 3, 1000, survivors=True)
            await rebalanced(client, 3)
        await load.check_all()
        assert load.outcomes["ok"] >= 5000 * ROUNDS


@pytest.mark.stress
async def test_a_killed_node_that_keeps_its_data() -> None:
    """One node with files is killed under load and started again: it has every acknowledged write."""
    async with (
        local_cluster(nodes=1, persistence=True) as nodes,
        ig.connect(nodes.url, timeout=TIMEOUT) as client,
    ):
        cache = await client.cache("kept", str, str)
        assert await client.raw.get_cluster().is_wal_enabled("kept")
        load = Load(cache)
        for _ in range(2):
            await one_round(load, nodes, 0, 100, survivors=False)
            await load.check_all()
