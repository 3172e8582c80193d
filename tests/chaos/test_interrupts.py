"""Operations that are cancelled or interrupted: wherever it happens, the others go on as if nothing had."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager
from typing import Any, Literal

import attrs
import pytest

import ignitemap as ig
from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address
from ignitemap.embedded import Node, cluster as embedded_cluster
from tests.chaos.mutants import MUTANTS
from tests.chaos.proxy import Proxy
from tests.chaos.test_cut import KEYS, PEOPLE, STEPS

When = Literal["waiting", "resumed"]
State = Literal["idle", "dialling", "full"]

ERRORS: tuple[type[BaseException], ...] = (asyncio.CancelledError, KeyboardInterrupt, MemoryError)


def open_cursors(*nodes: Node) -> int:
    """How many cursors clients have open on some nodes."""
    return sum(connection.session._counted for node in nodes for connection in node._connections)


async def until(condition: Any) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


# --- at every suspension point ----------------------------------------------------------------------------------------


@attrs.define
class Driven:
    """Awaits a coroutine by hand and throws an error into it where it is suspended for the ``at``-th time."""

    coroutine: Coroutine[Any, Any, Any]
    at: int
    error: BaseException
    when: When
    """While what it waits for is still to come, or when that has come and the caller was to go on."""
    suspended: int = 0
    thrown: bool = False

    def __await__(self) -> Generator[Any, Any, Any]:
        throw = False
        while True:
            try:
                if throw:
                    self.thrown = True
                    waited_for = self.coroutine.throw(self.error)
                else:
                    waited_for = self.coroutine.send(None)
            except StopIteration as end:
                return end.value
            throw = not self.thrown and self.suspended == self.at
            self.suspended += 1
            if not throw or self.when == "resumed":
                yield waited_for
            elif waited_for is not None:
                waited_for._asyncio_future_blocking = False  # the task never sees it
                if isinstance(self.error, asyncio.CancelledError):
                    waited_for.cancel()  # as Task.cancel does


@attrs.define
class Sweep:
    """A node and a client with one connection, and few slots."""

    node: Node
    client: AioClient
    cache: AioCache
    runs: int = 0

    async def interrupt(self, name: str, state: State, error: BaseException, when: When, at: int) -> bool:
        """Interrupt an operation; whether it was still running at that point. Everything must be well behind it."""
        step = next(each for each in STEPS if each.name == name)
        self.runs += 1
        base = self.runs * KEYS
        entries = {key: each for key, each in step.before(base).items() if each is not None}
        if entries:
            await self.cache.put_all(entries)
        nodes = self.client.session.nodes
        others: list[asyncio.Task[Any]] = []
        if state == "dialling":
            for connection in nodes.open:
                connection.abort()
        elif state == "full":
            others = [asyncio.create_task(self.cache.contains_keys([1, 2])) for _ in range(2)]
            await asyncio.sleep(0)
        driven = Driven(step.run(self.cache, base), at, error, when)
        before = nodes.any()
        caught: BaseException | None = None
        try:
            answer = await driven
        except BaseException as what:
            caught = what
        else:
            assert answer == step.answer(base)
        assert caught is (error if driven.thrown else None), (name, caught)
        assert all(await asyncio.gather(*others))
        # The next three operations are right.
        assert await self.cache.get(1) == "one"
        key = base + KEYS - 1
        await self.cache.put(key, f"{key}:new")
        assert await self.cache.replace_if_equals(key, f"{key}:new", f"{key}:newer") is True
        assert await self.cache.get(key) == f"{key}:newer"
        state_now = await self.cache.get_all(list(step.after(base)))
        assert {each: state_now.get(each) for each in step.after(base)} in (step.before(base), step.after(base))
        # Nothing is left.
        (connection,) = nodes.open
        if state != "dialling":
            assert connection is before
        await until(lambda: not connection.protocol.in_flight)
        await until(lambda: not open_cursors(self.node))
        await until(lambda: not self.client.session._background)
        left = (len(connection._watched), len(connection._waiters), connection._granted, connection._granted_bytes)
        assert left == (0, 0, 0, 0), "watched, waiting, granted slots and bytes are left"
        assert connection.free
        return driven.thrown


@asynccontextmanager
async def sweep() -> AsyncIterator[Sweep]:
    """What a sweep needs."""
    async with Node(idle_timeout=None) as node:
        options = Options(discovery=False, partition_awareness=False, heartbeat=None, max_in_flight=2)
        client = await AioClient(options).open([Address("127.0.0.1", node.port or 0)])
        try:
            cache = await client.create_cache("cut")
            await cache.put_all({1: "one", 2: "two"})
            await (await client.create_cache("people")).put_all(PEOPLE)
            yield Sweep(node, client, cache)
        finally:
            await client.close()


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost node is dialled again at once."""
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    monkeypatch.setattr("ignitemap.client.nodes.DIALS_IN_WINDOW", 10**9)


@pytest.mark.parametrize("state", ["idle", "dialling", "full"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.usefixtures("no_waits")
async def test_interrupts_at_every_point(error: type[BaseException], state: State) -> None:
    """An error thrown into an operation wherever it is suspended comes out, and the next operations are right."""
    thrown = 0
    async with sweep() as made:
        for step in STEPS:
            for when in ("waiting", "resumed"):
                at = 0
                async with asyncio.timeout(20):
                    while await made.interrupt(step.name, state, error("thrown by a test"), when, at):
                        at += 1
                assert at > (0 if state == "idle" else 1) or when == "resumed", (step.name, when)
                thrown += at
    assert thrown >= 2 * len(STEPS)


async def test_interrupts_find_a_client_that_keeps_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot that an interrupted caller keeps is found."""
    MUTANTS["keeps_slots"](monkeypatch)
    async with sweep() as made:
        with pytest.raises(AssertionError, match="granted slots"):
            await made.interrupt("get", "full", asyncio.CancelledError(), "resumed", 0)


# --- a storm of cancels -----------------------------------------------------------------------------------------------

STORED = 500
AT_ONCE = 1000


def padded(key: int, write: int) -> str:
    """A value that tells its key and its write, of one of many lengths: a frame taken for another would show."""
    return f"{key}:{write}:" + "x" * (key * 7 % 300)


@attrs.define
class Storm:
    """Operations, many at a time, of which a share is cancelled at all times of their lives."""

    cache: AioCache
    chance: random.Random
    right: int = 0
    cancelled: int = 0
    wrong: list[Any] = attrs.field(factory=list[Any])
    writes: int = 0

    async def one(self, key: int, kind: float) -> None:
        """One operation."""
        if kind < 0.8:
            self.judge(key, await self.cache.get(key))
        elif kind < 0.95:
            self.writes += 1
            await self.cache.put(key, padded(key, self.writes))
        else:
            keys = [key, (key + 7) % STORED, (key + 13) % STORED]
            found = await self.cache.get_all(keys)
            if found.keys() != set(keys):
                self.wrong.append((keys, found))
            for each, value in found.items():
                self.judge(each, value)
        self.right += 1

    def judge(self, key: int, value: Any) -> None:
        """Whether a value is one of the key's."""
        if not isinstance(value, str) or value != padded(key, int(value.split(":")[1])):
            self.wrong.append((key, value))

    async def rage(self, operations: int, share: float) -> None:
        """Start so many operations and cancel a share of them."""
        loop = asyncio.get_running_loop()
        chance = self.chance
        for _ in range(operations // AT_ONCE):
            batch = [asyncio.create_task(self.one(chance.randrange(STORED), chance.random())) for _ in range(AT_ONCE)]
            victims = [task for task in batch if chance.random() < share]
            for place, victim in enumerate(victims):
                if place % 10 == 0:
                    victim.cancel()  # before it begins
                else:
                    loop.call_later(chance.random() * 0.06, victim.cancel)
            for result in await asyncio.gather(*batch, return_exceptions=True):
                if isinstance(result, asyncio.CancelledError):
                    self.cancelled += 1
                elif result is not None:
                    raise result


async def storm(operations: int, share: float) -> Storm:
    """A storm over two connections behind proxies that delay and slice; nothing may be left of it."""
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(2**32)))
    async with embedded_cluster(nodes=2, idle_timeout=None) as nodes:
        ports = [node.port or 0 for node in nodes.nodes]
        async with Proxy("127.0.0.1", ports[0], seed=seed) as one, Proxy("127.0.0.1", ports[1], seed=seed) as two:
            options = Options(discovery=False, heartbeat=None, max_in_flight=300)
            client = await AioClient(options).open([Address("127.0.0.1", each.port) for each in (one, two)])
            try:
                cache = await client.create_cache("storm")
                session = client.session
                await until(lambda: len(session.nodes.open) == 2)
                await cache.put_all({key: padded(key, 0) for key in range(STORED)})
                connections = session.nodes.open
                for proxy in (one, two):
                    for toxics in (proxy.up, proxy.down):
                        toxics.delay, toxics.jitter, toxics.slice = 0.001, 0.03, 1459
                made = Storm(cache, random.Random(seed))
                await made.rage(operations, share)
                for proxy in (one, two):
                    proxy.heal()
                assert made.wrong == [], f"CHAOS_SEED={seed}"
                assert made.right + made.cancelled == operations // AT_ONCE * AT_ONCE
                # The answers to the last cancelled ones are still on their way.
                await until(lambda: not any(connection.protocol.in_flight for connection in connections))
                assert session.nodes.open == connections
                assert [len(proxy.links) for proxy in (one, two)] == [1, 1]
                late = sum(connection.late_answers for connection in connections)
                assert 0 < late <= session.statistics.cancelled <= made.cancelled
                for connection in connections:
                    assert not connection.lost
                    assert connection.free
                    assert (len(connection._watched), len(connection._waiters), connection._granted) == (0, 0, 0)
                for key, value in (await cache.get_all(range(STORED))).items():
                    made.judge(key, value)
                assert made.wrong == []
                return made
            finally:
                await client.close()


async def test_cancelled_operations() -> None:
    """Thousands of cancels at all times: no wrong answer, no connection closed, nothing left in flight."""
    made = await storm(6_000, 0.5)
    assert made.cancelled >= 2_000


@pytest.mark.stress
@pytest.mark.timeout(300)
async def test_storm_of_cancels() -> None:
    """100,000 cancels in 300,000 operations: no wrong answer, no connection closed, nothing left in flight."""
    made = await storm(300_000, 0.45)
    assert made.cancelled >= 100_000


@pytest.mark.parametrize("mutant", ["gives_ids_twice", "drops_cancelled_requests"])
async def test_the_storm_finds_a_client_that(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that hands answers to others, or closes connections for its cancels, is found."""
    MUTANTS[mutant](monkeypatch)
    with pytest.raises((AssertionError, ig.IgniteMapError, ValueError, TypeError)):
        await storm(3_000, 0.5)


@pytest.mark.usefixtures("no_waits")
async def test_cancels_while_dialling() -> None:
    """Callers that are cancelled while a connection is dialled leave the dial to the others."""
    async with Node(idle_timeout=None) as node, Proxy("127.0.0.1", node.port or 0) as proxy:
        options = Options(discovery=False, partition_awareness=False, heartbeat=None)
        client = await AioClient(options).open([Address("127.0.0.1", proxy.port)])
        try:
            cache = await client.create_cache("storm")
            await cache.put(1, "one")
            for _ in range(20):
                proxy.down.hold_from = 0
                links = len(proxy.links)
                proxy.reset()
                await until(lambda: not client.session.nodes.open)
                tasks = [asyncio.create_task(cache.get(1)) for _ in range(50)]
                await until(lambda links=links: len(proxy.links) > links)
                for task in tasks[::2]:
                    task.cancel()
                await asyncio.sleep(0)
                proxy.heal()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                assert ended[1::2] == ["one"] * 25
                assert all(isinstance(each, asyncio.CancelledError) for each in ended[::2])
                assert len(proxy.links) == links + 1
            (connection,) = client.session.nodes.open
            assert not connection.protocol.in_flight
        finally:
            await client.close()
