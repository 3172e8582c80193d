"""A node of a cluster is killed under load and started again: nothing acknowledged is lost, and work goes on."""

import asyncio
import collections
from typing import Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.local import cluster as local_cluster

WORKERS = 20
KEYS_EACH = 25
ENOUGH = 1000


@attrs.define
class Load:
    """Writers that each own some keys, and what they know of them."""

    cache: ig.Cache[int, int]
    acknowledged: dict[int, int] = attrs.field(factory=dict[int, int])
    attempted: dict[int, set[int]] = attrs.field(factory=lambda: collections.defaultdict(set))
    outcomes: collections.Counter[str] = attrs.field(factory=collections.Counter)
    wrong: list[Any] = attrs.field(factory=list)
    stop: bool = False
    last_success: float = 0.0

    async def work(self, worker: int) -> None:
        """Write and read until told to stop. Values grow, so a lost or an old one shows."""
        value = 0
        while not self.stop:
            value += 1
            key = worker * KEYS_EACH + value % KEYS_EACH
            self.attempted[key].add(value)
            try:
                await self.cache.set(key, value)
            except ig.NotSentError:
                self.outcomes["not sent"] += 1
                self.attempted[key].discard(value)
            except ig.OutcomeUnknownError:
                self.outcomes["unknown"] += 1
            except ig.ServerError:
                self.outcomes["server error"] += 1
            else:
                self.outcomes["ok"] += 1
                self.acknowledged[key] = value
                self.attempted[key] = {value}
                self.last_success = asyncio.get_running_loop().time()
            try:
                found = await self.cache.get(key)
            except (ig.NotSentError, ig.OutcomeUnknownError, ig.ServerError):
                self.outcomes["failed read"] += 1
            else:
                self.check(key, found)

    def check(self, key: int, found: int | None) -> None:
        """What is read is the last acknowledged value, or one whose outcome is unknown."""
        last = self.acknowledged.get(key)
        if found != last and found not in self.attempted[key]:
            self.wrong.append((key, found, last, self.attempted[key]))


@pytest.mark.stress
async def test_a_killed_node() -> None:
    """Killing a node loses no acknowledged write; the survivor takes over; the node is used again when it is back."""
    loop = asyncio.get_running_loop()
    async with local_cluster(nodes=2) as nodes, ig.connect(nodes.url, timeout=20) as client:
        cache = await client.cache("failover", int, int)
        session = client.raw.session
        load = Load(cache)

        async def successes(count: int) -> None:
            target = load.outcomes["ok"] + count
            async with asyncio.timeout(20):
                while load.outcomes["ok"] < target:
                    await cache.size()

        async with asyncio.TaskGroup() as group:
            for worker in range(WORKERS):
                group.create_task(load.work(worker))
            await successes(ENOUGH)
            assert len(session.nodes.open) == 2
            await nodes.kill(1)
            killed = loop.time()
            await successes(1)
            assert loop.time() - killed < 10
            await successes(ENOUGH)
            assert len(session.nodes.open) == 1
            unknown = load.outcomes["unknown"]
            assert unknown <= WORKERS  # no more than were in flight
            assert unknown <= WORKERS

            await nodes.start(1)
            async with asyncio.timeout(15):
                while len(session.nodes.open) < 2:
                    await cache.get(0)
            await _settled(session)
            session.statistics.routed = session.statistics.to_owner = 0
            owners = len({connection.protocol.node_id for connection in session.nodes.open})
            await successes(ENOUGH)
            load.stop = True
        assert owners == 2
        assert session.statistics.to_owner > session.statistics.routed / 2 > 0
        assert load.wrong == []
        found = await cache.get_many(range(WORKERS * KEYS_EACH))
        for key in load.acknowledged:
            load.check(key, found.get(key))
        assert load.wrong == []
        assert load.outcomes["ok"] > 3 * ENOUGH
        assert load.outcomes["unknown"] == unknown


async def _settled(session: Any) -> None:
    """Wait until both nodes own partitions in the client's eyes."""
    async with asyncio.timeout(15):
        while True:
            await session.nodes.open[0].request(1050, bytearray())
            mappings = [mapping for mapping in session._affinity.values() if mapping.owners]
            if mappings and all(len(set(mapping.owners)) == 2 for mapping in mappings):
                return
