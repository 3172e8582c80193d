"""Bad networks: whatever they do, each operation ends in time with one outcome that is true, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address
from ignitemap.embedded import Node
from tests.chaos.mutants import MUTANTS
from tests.chaos.proxy import Proxy
from tests.chaos.test_cut import KEYS, PEOPLE, STEPS, Step

TIMEOUT = 0.5
ENOUGH = 20.0  # seconds in which a network that harms nothing must have done everything, on any machine
AT_ONCE = 20  # networks side by side

Toxic = Callable[[Proxy, random.Random], None]


def latency(proxy: Proxy, chance: random.Random) -> None:
    """Everything takes its time, now more and now less."""
    for toxics in (proxy.up, proxy.down):
        toxics.delay, toxics.jitter = 0.01, chance.uniform(0.0, 0.04)


def narrow(proxy: Proxy, chance: random.Random) -> None:
    """8 KB a second."""
    proxy.up.rate = proxy.down.rate = 8192


def sliced(proxy: Proxy, chance: random.Random) -> None:
    """Bytes arrive one by one."""
    proxy.up.slice = proxy.down.slice = 1


def reset(proxy: Proxy, chance: random.Random) -> None:
    """RST behind some byte."""
    toxics = chance.choice((proxy.up, proxy.down))
    toxics.cut_at, toxics.cut_by = chance.randrange(200, 700), "rst"


def finished(proxy: Proxy, chance: random.Random) -> None:
    """FIN behind some byte."""
    toxics = chance.choice((proxy.up, proxy.down))
    toxics.cut_at, toxics.cut_by = chance.randrange(200, 700), "fin"


def half_closed(proxy: Proxy, chance: random.Random) -> None:
    """One way ends behind some byte, the other stays open."""
    toxics = chance.choice((proxy.up, proxy.down))
    toxics.cut_at, toxics.cut_by = chance.randrange(200, 700), "half"


def deaf(proxy: Proxy, chance: random.Random) -> None:
    """What the client says never arrives."""
    proxy.up.swallow = True


def mute(proxy: Proxy, chance: random.Random) -> None:
    """What the node says never arrives."""
    proxy.down.swallow = True


def black_hole(proxy: Proxy, chance: random.Random) -> None:
    """Nothing arrives."""
    proxy.up.swallow = proxy.down.swallow = True


def slow_to_close(proxy: Proxy, chance: random.Random) -> None:
    """The node closes, and the client learns of it much later."""
    proxy.slow_close = 0.3
    proxy.down.hold_from = chance.randrange(4, 8)
    proxy.links[-1].node.close("fin")


TOXICS: tuple[Toxic, ...] = (
    latency,
    narrow,
    sliced,
    reset,
    finished,
    half_closed,
    deaf,
    mute,
    black_hole,
    slow_to_close,
)
HARMLESS = (latency, sliced)
OPERATIONS = tuple(step for step in STEPS if step.name not in {"contains_keys", "replace", "put_all", "clear_key"})[:12]


class Lag:
    """How late the loop is at most: a busy machine must not look like a late client."""

    def __init__(self) -> None:
        self.most = 0.0
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_later(0.01, self._look, self._loop.time() + 0.01)

    def _look(self, due: float) -> None:
        now = self._loop.time()
        self.most = max(self.most, now - due)
        self._handle = self._loop.call_at(now + 0.01, self._look, now + 0.01)

    def stop(self) -> None:
        self._handle.cancel()


async def outcome(step: Step, cache: AioCache, base: int) -> tuple[float, Any]:
    """How long an operation took, and its answer or its error."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        answer = await step.run(cache, base)
    except ig.IgniteMapError as error:
        return loop.time() - started, error
    return loop.time() - started, answer


async def poisoned(direct: AioCache, port: int, toxic: Toxic, seed: int, lag: Lag) -> set[str]:
    """Twelve operations at once in a bad network; the outcomes that there were."""
    chance = random.Random(f"{toxic.__name__} {seed}")
    base = (1 + seed * len(TOXICS) + TOXICS.index(toxic)) * KEYS
    before: dict[int, Any] = {}
    for step in OPERATIONS:
        before |= step.before(base)
    await direct.put_all({key: value for key, value in before.items() if value is not None})
    async with Proxy("127.0.0.1", port, seed=seed) as proxy:
        allowed = ENOUGH if toxic in HARMLESS else TIMEOUT
        options = Options(timeout=allowed, heartbeat=None, discovery=False, partition_awareness=False)
        client = await AioClient(options).open([Address("127.0.0.1", proxy.port)])
        try:
            cache = await client.get_cache("cut")
            assert await cache.get(1) == "one"
            toxic(proxy, chance)
            ended = await asyncio.gather(*(outcome(step, cache, base) for step in OPERATIONS))
            proxy.heal()
            if toxic not in HARMLESS and toxic is not narrow:
                broken = client.session.nodes.open
                proxy.reset()
                await asyncio.gather(*(connection.closed for connection in broken))
            assert await cache.get(2) == "two", "it does not recover"
            for connection in client.session.nodes.open:
                await until(lambda connection=connection: not connection.protocol.in_flight)
                assert (len(connection._watched), len(connection._waiters), connection._granted) == (0, 0, 0)
        finally:
            await client.close()
    found = await direct.get_all(before)
    kinds = set[str]()
    for step, (seconds, answer) in zip(OPERATIONS, ended, strict=True):
        where = f"{toxic.__name__} {seed}: {step.name} -> {answer!r}"
        # A scan is many operations, each with a deadline of its own.
        if step.effect != "pages":
            assert seconds <= allowed * 1.1 + 0.05 + lag.most, f"{where} after {seconds:.3f} s, lag {lag.most:.3f} s"
        state = {key: found.get(key) for key in step.after(base)}
        if isinstance(answer, ig.OutcomeUnknownError | ig.CursorLost):
            kinds.add("unknown")
            assert not isinstance(answer, ig.NotSentError), where
            assert state in (step.before(base), step.after(base)), where
        elif isinstance(answer, ig.NotSentError):
            kinds.add("not sent")
            assert state == step.before(base), where
        else:
            kinds.add("ok")
            assert answer == step.answer(base), where
            assert state == step.after(base), where
    if toxic in HARMLESS:
        assert kinds == {"ok"}, toxic.__name__
    return kinds


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    """In the end there are as many tasks and file descriptors as there were."""
    tasks, fds = asyncio.all_tasks(), descriptors()
    yield
    await until(lambda: asyncio.all_tasks() == tasks)
    await until(lambda: descriptors() == fds)


@asynccontextmanager
async def node_with_data() -> AsyncIterator[tuple[Node, AioClient, AioCache]]:
    """A node, a client of it, and its cache."""
    async with Node(idle_timeout=None) as node:
        options = Options(discovery=False, partition_awareness=False, heartbeat=None)
        client = await AioClient(options).open([Address("127.0.0.1", node.port or 0)])
        try:
            cache = await client.create_cache("cut")
            await cache.put_all({1: "one", 2: "two"})
            await (await client.create_cache("people")).put_all(PEOPLE)
            yield node, client, cache
        finally:
            await client.close()


async def poison(toxics: tuple[Toxic, ...], seeds: range) -> dict[str, set[str]]:
    """Operations in bad networks, several of them side by side; the outcomes for each kind."""
    kinds: dict[str, set[str]] = {toxic.__name__: set() for toxic in toxics}
    async with no_leaks(), node_with_data() as (node, _, direct):
        cases = [(toxic, seed) for seed in seeds for toxic in toxics]
        for start in range(0, len(cases), AT_ONCE):
            lag = Lag()
            group = cases[start : start + AT_ONCE]
            try:
                async with asyncio.timeout(60):
                    ended = await asyncio.gather(
                        *(poisoned(direct, node.port or 0, toxic, seed, lag) for toxic, seed in group)
                    )
            finally:
                lag.stop()
            for (toxic, _), outcomes in zip(group, ended, strict=True):
                kinds[toxic.__name__] |= outcomes
            await until(lambda: len(node._connections) == 1)
    return kinds


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost node is dialled again at once."""
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    monkeypatch.setattr("ignitemap.client.nodes.DIALS_IN_WINDOW", 10**9)


async def test_bad_networks() -> None:
    """In ten kinds of bad networks operations end in time, as what they are, and nothing is left behind."""
    kinds = await poison(TOXICS, range(2))
    for toxic in (deaf, mute, black_hole):
        assert kinds[toxic.__name__] == {"unknown"}


@pytest.mark.stress
@pytest.mark.timeout(300)
async def test_many_bad_networks() -> None:
    """The same with twenty seeds for each kind: 2,400 operations."""
    kinds = await poison(TOXICS, range(20))
    for toxic in (reset, finished, half_closed):
        assert {"ok", "unknown"} <= kinds[toxic.__name__]


@pytest.mark.parametrize(
    ("mutant", "toxic"),
    [
        ("has_no_deadline", mute),
        ("says_not_sent", reset),
        ("sends_writes_again", reset),
        ("takes_silence_for_yes", deaf),
    ],
)
async def test_bad_networks_find_a_client_that(mutant: str, toxic: Toxic, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without deadlines, or with the wrong outcomes, is found."""
    MUTANTS[mutant](monkeypatch)
    with pytest.raises((AssertionError, TimeoutError)):
        async with asyncio.timeout(5):
            await poison((toxic,), range(10))


# --- scans that are left ----------------------------------------------------------------------------------------------


def open_cursors(node: Node) -> int:
    """How many cursors clients have open."""
    return sum(connection.session._counted for connection in node._connections)


async def leave_scans(scans: int) -> None:
    """Begin scans and leave them in all ways that there are; no cursor is open behind them."""
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(2**32)))
    chance = random.Random(seed)
    async with Node(idle_timeout=None) as node, ig.connect(node.url, discovery=False) as client:
        mapping = await client.cache("left", int, int)
        await mapping.update({key: key for key in range(40)})
        cache = await client.raw.get_cache("left")

        async def abandon() -> None:
            async for key, value in cache.scan(page_size=10):
                assert key == value
                if chance.random() < 0.1:
                    break  # what is left is garbage

        async def leave_early() -> None:
            async with cache.scan(page_size=10) as cursor:
                async for key, value in cursor:
                    assert key == value
                    if chance.random() < 0.1:
                        return

        async def never_read() -> None:
            await cache.scan(page_size=10)

        async def fail() -> None:
            async for _ in cache.scan(page_size=10):
                if chance.random() < 0.1:
                    raise ZeroDivisionError

        async def by_mapping() -> None:
            async for _ in mapping.keys():
                break

        async def cancelled() -> None:
            task = asyncio.create_task(leave_early())
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

        ways = (abandon, leave_early, fail, by_mapping, cancelled, never_read)
        left = 0
        while left < scans:
            ended = await asyncio.gather(*(chance.choice(ways)() for _ in range(20)), return_exceptions=True)
            wrong = [each for each in ended if each is not None and not isinstance(each, ZeroDivisionError)]
            assert not wrong, f"CHAOS_SEED={seed}"
            left += 20
        async with asyncio.timeout(1):
            while open_cursors(node):
                await asyncio.sleep(0)
        assert await mapping.get(5) == 5
        await until(lambda: not client.raw.session._background)


async def test_scans_that_are_left() -> None:
    """600 scans abandoned, broken off, failed or cancelled: a second later no cursor is open on the node."""
    await leave_scans(600)


@pytest.mark.stress
async def test_many_scans_that_are_left() -> None:
    """The same with 10,000."""
    await leave_scans(10_000)


async def test_left_scans_find_a_client_that_leaves_cursors_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that doesn't close the cursors of scans that are left is found."""

    async def nothing(*_: Any) -> None:
        """What should close the cursor."""

    monkeypatch.setattr("ignitemap.client.session.Session._release", nothing)
    with pytest.raises((AssertionError, TimeoutError)):
        await leave_scans(200)
