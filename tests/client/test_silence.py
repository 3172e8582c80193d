"""Nodes that say nothing, nodes that are away, and what a client does meanwhile: all in virtual time."""

import asyncio
import math
import random
from collections.abc import Iterator

import pytest

import ignitemap as ig
from ignitemap.client.connection import BEAT, KEPT_SECONDS, MARKS
from ignitemap.client.nodes import DIAL_WINDOW, DIALS_IN_WINDOW
from ignitemap.client.session import LEAST_HEARTBEAT, Session
from ignitemap.protocol.connection import MAX_FORGOTTEN
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import CacheGet, CachePut, GetIdleTimeout, Heartbeat
from tests.client.virtual import MemoryNode, Network, in_memory, virtual_time

CACHE = CacheRef(7)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """Runs coroutines in virtual time."""
    with virtual_time() as runner:
        yield runner


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


async def outcome(session: Session, key: int, timeout: float | None = None) -> tuple[float, object]:
    """How long a get took, and what came of it."""
    started = now()
    try:
        answer: object = await session.call(CacheGet(CACHE, key), timeout=timeout)
    except ig.IgniteMapError as error:
        answer = error
    return now() - started, answer


# --- a black hole -----------------------------------------------------------------------------------------------------


@pytest.mark.stress
def test_ten_thousand_operations_on_a_black_hole(runner: asyncio.Runner) -> None:
    """All of 10,000 operations end within 1.25 times their timeout, with the right error, and leave no entry."""

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        session = await network.session(timeout=1.0, heartbeat=None, discovery=False)
        (connection,) = session.nodes.open
        node.silent = True
        ended = await asyncio.gather(*(outcome(session, key) for key in range(10_000)))
        assert max(seconds for seconds, _ in ended) <= 1.25
        assert min(seconds for seconds, _ in ended) >= 1.0
        kinds = {type(error) for _, error in ended}
        assert kinds <= {ig.OperationTimeout, ig.Overloaded, ig.NotSentTimeout}
        unknown = sum(isinstance(error, ig.OperationTimeout) for _, error in ended)
        assert unknown == len(node.times(CacheGet)) == connection.expired
        assert not connection.protocol.in_flight
        assert not connection._watched
        assert not connection._waiters
        assert connection._granted == 0
        assert connection.free
        # Its slots are free: when it speaks again, it is of use at once.
        node.silent = False
        assert (await outcome(session, 5))[1] == 5
        assert session.nodes.open == (connection,)
        await session.aclose()

    runner.run(scenario())


@pytest.mark.stress
def test_what_is_forgotten_is_bounded(runner: asyncio.Runner) -> None:
    """However many requests expire, a bounded number of ids is kept, and late answers to all of them are dropped."""

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        session = await network.session(timeout=1.0, heartbeat=None, discovery=False)
        (connection,) = session.nodes.open
        (transport,) = node.transports
        node.silent = True
        sent = MAX_FORGOTTEN + 5000
        for start in range(0, sent, 1000):
            await asyncio.gather(*(outcome(session, key) for key in range(start, min(start + 1000, sent))))
        assert connection.expired == sent
        assert len(connection.protocol.forgotten) == MAX_FORGOTTEN
        node.silent = False
        last = connection.protocol.last_id
        for number in range(last - sent + 1, last + 1):
            transport.server.send_answer(number, b"\x65")
        transport.deliver()
        assert connection.late_answers == sent
        assert not connection.protocol.forgotten
        assert (await outcome(session, 3))[1] == 3
        assert not connection.lost
        transport.server.send_answer(connection.protocol.last_id + 1, b"\x65")
        transport.deliver()
        assert isinstance(connection.failure, ig.UnexpectedReply)
        await session.aclose()

    runner.run(scenario())


@pytest.mark.parametrize("timeout", [5.0, None])
def test_cancelled_requests_give_their_slots_back(runner: asyncio.Runner, timeout: float | None) -> None:
    """A cancelled request holds its slot while the node may work on it, but not longer than the timeout."""

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        session = await network.session(timeout=timeout, max_in_flight=8, heartbeat=None, discovery=False)
        (connection,) = session.nodes.open
        node.silent = True
        tasks = [asyncio.create_task(session.call(CacheGet(CACHE, key))) for key in range(6)]
        opening = [asyncio.create_task(session.call(CacheGet(CACHE, key), used=[])) for key in range(2)]
        await asyncio.sleep(0.1)
        for task in (*tasks, *opening):
            task.cancel()
        await asyncio.gather(*tasks, *opening, return_exceptions=True)
        assert session.statistics.cancelled == 8
        assert not connection.free
        kept = KEPT_SECONDS if timeout is None else timeout
        await asyncio.sleep(kept * (1 + 2 / MARKS))
        assert connection.free
        assert not connection.protocol.in_flight
        assert len(connection.protocol.forgotten) == 8
        assert connection.expired == 0
        await session.aclose()

    runner.run(scenario())


# --- heartbeats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [30.0, None])
def test_a_silent_node_is_given_up_within_two_intervals(runner: asyncio.Runner, timeout: float | None) -> None:
    """Two heartbeat intervals after its last word a node's connection is lost: reads go elsewhere, writes are unknown."""

    async def scenario() -> None:
        network = Network(2)
        session = await network.session(timeout=timeout, heartbeat=4.0, partition_awareness=False)
        silent = next(node for node in network.nodes if node.transports)
        (connection,) = session.nodes.open
        await asyncio.sleep(100 * random.random())  # anywhere between two beats
        await session.call(CacheGet(CACHE, 0))
        last_word = now()
        silent.silent = True
        read = asyncio.create_task(session.call(CacheGet(CACHE, 5)))
        write = asyncio.create_task(session.call(CachePut(CACHE, 5, 5)))
        await connection.closed
        assert 4.0 * BEAT <= now() - last_word <= 8.0
        with pytest.raises(ig.OutcomeUnknownError) as caught:
            await write
        assert not isinstance(caught.value, ig.OperationTimeout)
        assert "has said nothing for 4.8 s" in str(caught.value.__cause__)
        assert await read == 5
        assert in_memory([silent]) == []
        await session.aclose()

    for seed in range(20):
        random.seed(seed)
        runner.run(scenario())


def test_a_talking_node_is_left_alone(runner: asyncio.Runner) -> None:
    """A node that answers is not asked for signs of life; an idle one is asked often enough for its idle timeout."""

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        session = await network.session(heartbeat=10.0, discovery=False)
        for _ in range(50):
            await asyncio.sleep(4)
            await session.call(CacheGet(CACHE, 1))
        assert node.times(Heartbeat) == []
        await asyncio.sleep(3600)
        beats = node.times(Heartbeat)
        assert 3600 / 12 - 2 <= len(beats) <= 3600 / 12 + 2
        assert session.nodes.open
        await session.aclose()

    runner.run(scenario())


@pytest.mark.parametrize(
    ("idle", "interval"), [(0, 30.0), (3_000, 1.0), (600, LEAST_HEARTBEAT), (10**9, 30.0), (-5, 30.0)]
)
def test_the_interval_follows_the_idle_timeout(runner: asyncio.Runner, idle: int, interval: float) -> None:
    """The heartbeat is a third of the server's idle timeout, between half a second and the option."""

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        node.answers[GetIdleTimeout] = lambda request: idle
        session = await network.session(discovery=False)
        await asyncio.sleep(3 * interval)
        heard = [when for when, _ in node.received]
        await asyncio.sleep(20 * interval)
        beats = node.times(Heartbeat)
        assert beats[-1] - beats[-2] == pytest.approx(2 * BEAT * interval)
        assert max(later - sooner for sooner, later in zip(heard, heard[1:], strict=False)) < max(idle / 1000, 60)
        await session.aclose()

    runner.run(scenario())


def test_no_heartbeat(runner: asyncio.Runner) -> None:
    """With heartbeat=None, or a node that knows none, a silent node is left alone."""

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        session = await network.session(heartbeat=None, discovery=False)
        node.silent = True
        await asyncio.sleep(3600)
        assert node.times(Heartbeat) == node.times(GetIdleTimeout) == []
        assert session.nodes.open
        await session.aclose()

    runner.run(scenario())


def test_a_node_that_is_busy_reading_is_alive(runner: asyncio.Runner) -> None:
    """As long as a node takes bytes it may be silent: its answer can't come before it has all of the request."""

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        session = await network.session(heartbeat=1.0, discovery=False)
        (connection,) = session.nodes.open
        (transport,) = node.transports
        node.silent = True
        transport.unwritten = 1000
        for _ in range(100):
            await asyncio.sleep(BEAT)
            transport.unwritten -= 1
        assert not connection.lost
        await connection.closed
        await session.aclose()

    runner.run(scenario())


# --- one deadline -----------------------------------------------------------------------------------------------------


def test_one_deadline_for_all_stages(runner: asyncio.Runner) -> None:
    """Waiting for a slot, dialling, waiting for an answer and trying again share one deadline."""

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        session = await network.session(max_in_flight=1, heartbeat=None, discovery=False)
        node.silent = True
        first = asyncio.create_task(outcome(session, 1, 1.5))
        await asyncio.sleep(0)
        seconds, error = await outcome(session, 2, 2.0)  # of which 1.5 for the slot
        assert isinstance(error, ig.OperationTimeout)
        assert seconds == pytest.approx(2.0)
        assert (await first)[0] == pytest.approx(1.5)
        # Dialling takes 3 s, and the answer does not come.
        network.seconds_to_dial = 3.0
        for transport in list(node.transports):
            transport.end()
        await asyncio.sleep(0)
        seconds, error = await outcome(session, 3, 5.0)
        assert isinstance(error, ig.OperationTimeout)
        assert seconds == pytest.approx(5.0)
        for transport in list(node.transports):
            transport.end()
        await asyncio.sleep(0)
        seconds, error = await outcome(session, 3, 2.0)
        assert isinstance(error, ig.ClusterUnavailable)
        assert seconds == pytest.approx(2.0)
        await session.aclose()

    runner.run(scenario())


def test_waits_between_attempts_keep_the_deadline(runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the wait before another attempt would be, the operation ends at its deadline, as unknown."""
    monkeypatch.setattr(random, "uniform", lambda low, high: high)

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        policy = ig.RetryPolicy(attempts=50, backoff=0.4, max_backoff=100)
        session = await network.session(heartbeat=None, discovery=False, retry=policy)
        node.drops = "requests"
        node.silent = True
        seconds, error = await outcome(session, 1, 20.0)
        assert isinstance(error, ig.OutcomeUnknownError)
        assert seconds <= 20.0
        assert 2 <= len(node.times(CacheGet)) < 10
        await session.aclose()

    runner.run(scenario())


def test_no_timeout_at_all(runner: asyncio.Runner) -> None:
    """With None for all times, written out, an operation waits as long as it takes."""

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        session = await network.session(timeout=None, connect_timeout=None, heartbeat=None, discovery=False)
        (transport,) = node.transports
        del node.answers[CacheGet]
        for timeout in (None, math.inf):
            task = asyncio.create_task(session.call(CacheGet(CACHE, 1), timeout=timeout))
            await asyncio.sleep(100_000)
            assert not task.done()
            transport.server.send_answer(session.nodes.open[0].protocol.last_id, b"\x65")
            transport.deliver()
            assert await task is None
        await session.aclose()

    runner.run(scenario())


# --- no storm ---------------------------------------------------------------------------------------------------------


async def keep_calling(session: Session, until: float, pause: float) -> int:
    """Call again and again until some time; how many calls ended well."""
    well = 0
    while now() < until:
        try:
            await session.call(CacheGet(CACHE, 1), timeout=1.0)
            well += 1
        except ig.IgniteMapError:
            pass
        await asyncio.sleep(pause)
    return well


def most_dials(node: MemoryNode, seconds: float) -> int:
    """The most dials within any such time."""
    return max(sum(start <= other < start + seconds for other in node.dials) for start in node.dials)


@pytest.mark.parametrize(
    ("nodes", "callers", "jitter"),
    [
        pytest.param(1, 1000, "random", marks=pytest.mark.stress),
        (1, 50, "random"),
        (3, 50, "random"),
        (3, 20, "none"),
        (3, 20, "most"),
    ],
)
@pytest.mark.parametrize("fault", ["refuses", "drops", "hangs"])
def test_no_storm(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, nodes: int, callers: int, jitter: str, fault: str
) -> None:
    """Up to 1,000 callers and nodes that are away for 10 s: one dial at a time a node, 12 in 10 s, then one connection each."""
    if jitter != "random":
        monkeypatch.setattr(random, "uniform", lambda low, high: low if jitter == "none" else high)

    async def scenario() -> None:
        network = Network(nodes)
        session = await network.session(discovery=False, heartbeat=None)
        await asyncio.sleep(60)
        for node in network.nodes:
            node.dials.clear()
            node.up = fault == "drops"
            node.drops = "handshakes" if fault == "drops" else ""
            for transport in list(node.transports):
                transport.end()
        if fault == "hangs":
            network.seconds_to_dial = 2.0
        end = now() + 22
        calling = [asyncio.create_task(keep_calling(session, end, 2.0)) for _ in range(callers)]
        calling += [asyncio.create_task(keep_calling(session, end, 0.03)) for _ in range(3)]
        await asyncio.sleep(10)
        network.seconds_to_dial = 0.001
        for node in network.nodes:
            assert node.dials
            node.up, node.drops = True, ""
        well = await asyncio.gather(*calling)
        session.nodes.dial_rest()
        await asyncio.sleep(20)
        session.nodes.dial_rest()
        await asyncio.sleep(20)
        assert min(well) > 0
        for node in network.nodes:
            assert node.most_dialling == 1
            assert most_dials(node, DIAL_WINDOW) <= DIALS_IN_WINDOW
            assert len(node.transports) == 1
        assert len(session.nodes.open) == nodes
        await session.aclose()

    runner.run(scenario())
