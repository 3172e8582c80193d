"""A session of 17 operations, cut behind every byte of either way, by FIN and by RST.

After each cut the operation that was under way has ended with the one error that is right for it, what it has done is
what that error allows, and the next operations are right again. In every other run nobody can be reached behind the
cut for a while: what is called then is not sent.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Literal

import attrs
import pytest

import ignitemap as ig
from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address
from ignitemap.embedded import Node
from tests.chaos.mutants import MUTANTS
from tests.chaos.proxy import Proxy

SAMPLE = 300  # runs in an ordinary test run
NEXT = 3  # operations behind a cut that must be right
PEOPLE = {1: "Ann:1", 2: "Bob:2", 3: "Cyd:3", 4: "Dan:4", 5: "Eve:5", 6: "Fay:6", 7: "Gus:7"}
KEYS = 20  # that a run may have

Way = Literal["up", "down"]
How = Literal["rst", "fin"]


@attrs.frozen
class Step:
    """One operation on the keys from ``base`` on, what it answers, and what it leaves behind."""

    name: str
    effect: Literal["read", "write", "pages"]
    run: Callable[[AioCache, int], Awaitable[Any]]
    answer: Callable[[int], Any]
    before: Callable[[int], dict[int, Any]] = lambda base: {}
    after: Callable[[int], dict[int, Any]] = lambda base: {}


def value(key: int, write: int) -> str:
    """A value that tells its key and its write."""
    return f"{key:015d}:{write:03d}"


async def all_of(cache: AioCache, base: int) -> Any:
    """All entries of the cache that is only read, in pages of two."""
    people = await cache.client.get_cache("people")
    async with people.scan(page_size=3) as cursor:
        return {key: value async for key, value in cursor}


def _writes(number: int, name: str, call: Any, answer: Any, old: bool, new: bool) -> Step:
    def state(present: bool, write: int) -> Callable[[int], dict[int, Any]]:
        return lambda base: {base + number: value(base + number, write) if present else None}

    return Step(
        name,
        "write",
        lambda cache, base: call(cache, base + number, value(base + number, 1), value(base + number, 2)),
        lambda base: answer(base + number) if callable(answer) else answer,
        state(old, 1),
        state(new, 2),
    )


def old(key: int) -> str:
    """What a key had before the run."""
    return value(key, 1)


STEPS = (
    Step("get", "read", lambda cache, base: cache.get(1), lambda base: "one"),
    _writes(1, "put", lambda cache, key, a, b: cache.put(key, b), None, False, True),
    Step("contains_key", "read", lambda cache, base: cache.contains_key(1), lambda base: True),
    _writes(2, "put_if_absent", lambda cache, key, a, b: cache.put_if_absent(key, b), True, False, True),
    Step("get_all", "read", lambda cache, base: cache.get_all([1, 2, 3]), lambda base: {1: "one", 2: "two"}),
    _writes(3, "put_all", lambda cache, key, a, b: cache.put_all({key: b}), None, True, True),
    _writes(4, "get_and_put", lambda cache, key, a, b: cache.get_and_put(key, b), old, True, True),
    _writes(5, "replace", lambda cache, key, a, b: cache.replace(key, b), True, True, True),
    Step("contains_keys", "read", lambda cache, base: cache.contains_keys([1, 2]), lambda base: True),
    _writes(6, "replace_if_equals", lambda cache, key, a, b: cache.replace_if_equals(key, a, b), True, True, True),
    _writes(7, "get_and_remove", lambda cache, key, a, b: cache.get_and_remove(key), old, True, False),
    Step("scan", "pages", all_of, lambda base: PEOPLE),
    _writes(8, "remove_key", lambda cache, key, a, b: cache.remove_key(key), True, True, False),
    _writes(9, "remove_if_equals", lambda cache, key, a, b: cache.remove_if_equals(key, a), True, True, False),
    _writes(10, "clear_key", lambda cache, key, a, b: cache.clear_key(key), None, True, False),
    _writes(11, "get_and_replace", lambda cache, key, a, b: cache.get_and_replace(key, b), old, True, True),
    _writes(
        12, "get_and_put_if_absent", lambda cache, key, a, b: cache.get_and_put_if_absent(key, b), None, False, True
    ),
)


@attrs.define
class Bench:
    """A node, a proxy before it, and a client that comes without the proxy."""

    proxy: Proxy
    direct: AioCache
    runs: int = 0

    async def prepare(self) -> int:
        """The base of a run's keys, with the values that they have before it."""
        self.runs += 1
        base = self.runs * KEYS
        entries: dict[int, Any] = {}
        for step in STEPS:
            entries |= step.before(base)
        await self.direct.put_all({key: value for key, value in entries.items() if value is not None})
        return base

    async def client(self) -> AioClient:
        """A client through the proxy."""
        client = AioClient(Options(discovery=False, partition_awareness=False, heartbeat=None))
        return await client.open([Address("127.0.0.1", self.proxy.port)])

    async def state(self, keys: Iterable[int]) -> dict[int, Any]:
        """What keys have now; None for nothing."""
        wanted = list(keys)
        found = await self.direct.get_all(wanted) if wanted else {}
        return {key: found.get(key) for key in wanted}


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """What a run needs."""
    async with Node(idle_timeout=None) as node, Proxy("127.0.0.1", node.port or 0) as proxy:
        direct = AioClient(Options(discovery=False, partition_awareness=False, heartbeat=None))
        await direct.open([Address("127.0.0.1", node.port or 0)])
        try:
            cache = await direct.create_cache("cut")
            await cache.put_all({1: "one", 2: "two"})
            await (await direct.create_cache("people")).put_all(PEOPLE)
            yield Bench(proxy, cache)
        finally:
            await direct.close()


async def whole(bench: Bench) -> tuple[int, int]:
    """The session without a cut: how many bytes go up and down."""
    base = await bench.prepare()
    client = await bench.client()
    cache = await client.get_cache("cut")
    for step in STEPS:
        assert await step.run(cache, base) == step.answer(base), step.name
        assert await bench.state(step.after(base)) == step.after(base), step.name
    await client.close()
    link = bench.proxy.links[-1]
    return link.up.received, link.down.received


async def one_run(bench: Bench, way: Way, at: int, how: How, *, away: bool) -> str:
    """The session with one cut; the name of the operation that met it. ``away``: nobody is there for a while."""
    proxy = bench.proxy
    base = await bench.prepare()
    proxy.links.clear()
    toxics = proxy.up if way == "up" else proxy.down
    toxics.cut_at, toxics.cut_by = at, how
    cuts = proxy.cuts
    proxy.refuses_after_cut = away
    try:
        client = await bench.client()
    except ig.ClusterUnavailable:
        assert proxy.cuts == cuts + 1
        proxy.refuses = False
        client = await bench.client()  # at once
        met = "connect"
    except ig.OutcomeUnknownError:  # the client's question for the cluster's configuration, and nobody to ask again
        assert away
        assert proxy.cuts == cuts + 1
        proxy.refuses = False
        client = await bench.client()
        met = "configuration"
    else:
        met = "configuration" if proxy.cuts > cuts else ""
    try:
        cache = await client.get_cache("cut")
        right = 0
        for step in STEPS:
            if right == NEXT:
                break
            link = proxy.links[-1]
            error: Exception | None = None
            answer: Any = None
            try:
                answer = await step.run(cache, base)
            except ig.IgniteMapError as caught:
                error = caught
            if met:
                right += 1
            elif proxy.cuts > cuts:
                met = step.name
                state = await bench.state(step.after(base))
                assert state in (step.before(base), step.after(base)), (step.name, state)
                check_cut(step, error, answer, base, away=away)
                if way == "up" and len(link.up.frames) > 1 and at < link.up.received:
                    assert state == step.before(base) or step.before(base) == step.after(base)
                if away:
                    await check_not_sent(bench, cache, base)
                    proxy.refuses = False
                continue
            assert error is None, (step.name, error)
            assert answer == step.answer(base), (step.name, answer)
        session = client.session
        assert not any(connection.protocol.in_flight for connection in session.nodes.open)
    finally:
        proxy.refuses = proxy.refuses_after_cut = False
        toxics.cut_at = None
        await client.close()
    return met


def check_cut(step: Step, error: Exception | None, answer: Any, base: int, *, away: bool) -> None:
    """What an operation says that was under way when its connection was cut; a byte of it had left."""
    if step.effect == "read" and not away:
        assert error is None, (step.name, error)
        assert answer == step.answer(base)
    elif step.effect == "pages":
        # Its first page is a read; the others go with the connection.
        if error is None:
            assert not away
            assert answer == step.answer(base)
        else:
            assert isinstance(error, ig.CursorLost | ig.OutcomeUnknownError), (step.name, error)
            assert away or isinstance(error, ig.CursorLost)
    else:
        assert isinstance(error, ig.OutcomeUnknownError), (step.name, error, answer)
        assert not isinstance(error, ig.NotSentError | TimeoutError), (step.name, error)


async def check_not_sent(bench: Bench, cache: AioCache, base: int) -> None:
    """While nobody is there an operation is not sent, and never done."""
    key = base + KEYS - 1
    links = len(bench.proxy.links)
    with pytest.raises(ig.NotSentError) as caught:
        await cache.put(key, value(key, 9))
    assert not isinstance(caught.value, ig.OutcomeUnknownError)
    assert all(link.up.received == 0 or link.up.passed == 0 for link in bench.proxy.links[links:])
    assert await bench.state([key]) == {key: None}


async def cuts(plan: Iterable[tuple[Way, int, How]], bench: Bench) -> set[str]:
    """Runs with a cut each; which operations have met one. A run that hangs fails."""
    met = set[str]()
    for way, at, how in plan:
        try:
            async with asyncio.timeout(20):
                met.add(await one_run(bench, way, at, how, away=(at + (how == "fin")) % 2 == 1))
        except (AssertionError, TimeoutError) as error:
            error.add_note(f"cut {way} behind byte {at} by {how}")
            raise
    return met


def every(up: int, down: int) -> list[tuple[Way, int, How]]:
    """All cuts that there can be."""
    ways: tuple[tuple[Way, int], ...] = (("up", up), ("down", down))
    hows: tuple[How, ...] = ("rst", "fin")
    return [(way, at, how) for way, size in ways for at in range(size) for how in hows]


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost node is dialled again at once: here it is the errors that count."""
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    monkeypatch.setattr("ignitemap.client.nodes.DIALS_IN_WINDOW", 10**9)


async def test_some_cuts() -> None:
    """A sample of all cuts, another one in each run: the right error each time, then all is well again."""
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(2**32)))
    async with bench() as made:
        up, down = await whole(made)
        plan = random.Random(seed).sample(every(up, down), SAMPLE)
        try:
            await cuts(plan, made)
        except (AssertionError, TimeoutError) as error:
            error.add_note(f"CHAOS_SEED={seed}")
            raise


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.parametrize("shard", range(4))
async def test_all_cuts(shard: int) -> None:
    """Cut behind every byte: the right error each time, then all is well again; every operation is met."""
    async with bench() as made:
        up, down = await whole(made)
        met = await cuts(every(up, down)[shard::4], made)
    assert met == {"connect", "configuration", *(step.name for step in STEPS)}


@pytest.mark.parametrize(
    "mutant", ["sends_writes_again", "says_not_sent", "takes_sent_for_unsent", "takes_silence_for_yes"]
)
async def test_cuts_find(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that tells the wrong outcome, or sends a write twice, is found by a cut in the first write."""
    async with bench() as made:
        await whole(made)
        MUTANTS[mutant](monkeypatch)
        up = made.proxy.links[-1].up
        put = next(number for number, step in enumerate(STEPS) if step.name == "put_if_absent")
        start = up.frames[2 + put]
        with pytest.raises(AssertionError):
            await cuts([("up", start + 5, "rst"), ("up", start + 5, "fin"), ("up", start + 25, "rst")], made)
            down = made.proxy.links[-1].down
            await cuts([("down", at, "fin") for at in range(down.frames[-1])], made)
