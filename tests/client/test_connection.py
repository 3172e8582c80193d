"""One connection: how it opens, how requests share it, what its callers learn when it ends."""

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.client.connection import (
    Address,
    ConnectionLost,
    Expired,
    Limits,
    NodeConnection,
    open_connection,
)
from ignitemap.protocol.connection import Failure, Notification, Topology
from ignitemap.protocol.handshake import Credentials, Handshake, Refused
from ignitemap.protocol.operations import CacheGet, CacheGetNames
from tests.client.fake_server import FakeNode, fake_nodes, session_of, until

NAMES = CacheGetNames.code
UNKNOWN = 999  # answered with a failure, whatever its body


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """A fake node."""
    async with fake_nodes(1) as nodes:
        yield nodes[0]


class Opened:
    """What connections told their owner."""

    def __init__(self) -> None:
        self.lost: list[NodeConnection] = []
        self.topologies: list[Topology] = []

    async def open(self, node: FakeNode, handshake: Handshake | None = None, **limits: Any) -> NodeConnection:
        return await open_connection(
            node.address,
            handshake or Handshake(),
            Limits(**limits),
            None,
            lambda connection: self.topologies.append(connection.protocol.topology),
            self.lost.append,
        )


@pytest.fixture
def opened() -> Opened:
    """Opens connections."""
    return Opened()


def ask(connection: NodeConnection) -> Any:
    """A request for cache names."""
    return connection.request(NAMES, bytearray())


# --- handshake ------------------------------------------------------------------------------------------------------


async def test_open_and_close(node: FakeNode, opened: Opened) -> None:
    """A connection shakes hands, answers, tells of the topology, and closes once."""
    connection = await opened.open(node)
    assert connection.protocol.node_id == node.id
    assert isinstance(await ask(connection), bytes)
    assert opened.topologies == [Topology(1, 0)]
    assert str(node.port) in repr(connection)
    await connection.aclose()
    await connection.aclose()
    assert opened.lost == [connection]
    with pytest.raises(ConnectionLost):
        ask(connection)


async def test_version_fallback(node: FakeNode, opened: Opened) -> None:
    """A node that speaks an older protocol is asked again in its version, on the same socket."""

    def older(connection: Any, handshake: Handshake) -> None:
        if handshake.version > (1, 4, 0):
            connection.refuse(Refused((1, 4, 0), "Unsupported version", 1))
        else:
            connection.accept(handshake)

    node.on_handshake = older
    connection = await opened.open(node)
    assert [each.version for each in node.handshakes] == [(1, 7, 0), (1, 4, 0)]
    assert node.accepted == 1
    assert connection.protocol.context.version == (1, 4, 0)
    assert isinstance(await ask(connection), bytes)
    await connection.aclose()


async def test_version_fallback_that_hangs_up(node: FakeNode, opened: Opened) -> None:
    """A node that names its version and hangs up is a ConnectError, not a wait."""

    def older(connection: Any, handshake: Handshake) -> None:
        connection.refuse(Refused((1, 4, 0), "Unsupported version", 1))
        connection.close()

    node.on_handshake = older
    with pytest.raises(ig.ConnectError):
        await opened.open(node, connect_timeout=5)


async def test_refused_handshake(node: FakeNode, opened: Opened) -> None:
    """A refusal is a ConnectError with the node's words, shortened and without control characters."""
    node.on_handshake = lambda connection, _: connection.refuse(Refused((1, 7, 0), "in recovery\r\n" + "x" * 9000, 11))
    with pytest.raises(ig.ConnectError, match="status 11") as caught:
        await opened.open(node)
    assert len(caught.value.message) < 700
    assert "\r" not in caught.value.message
    assert caught.value.node == str(node.address)
    await until(lambda: not node.connections)


async def test_refused_user(node: FakeNode, opened: Opened) -> None:
    """A refused user is an AuthenticationError that shows no password, after one attempt."""
    node.on_handshake = lambda connection, _: connection.refuse(Refused((0, 0, 0), "wrong", 2000))
    handshake = Handshake(credentials=Credentials("ann", "hunter2-CANARY"))
    with pytest.raises(ig.AuthenticationError) as caught:
        await opened.open(node, handshake)
    assert len(node.handshakes) == 1
    assert "hunter2" not in repr(caught.value) + repr(handshake)


@pytest.mark.parametrize("stage", ["accept", "handshake"])
async def test_silence_ends_at_the_connect_timeout(node: FakeNode, opened: Opened, stage: str) -> None:
    """A node that says nothing is given up after connect_timeout, and the socket is closed."""
    node.on_handshake = lambda connection, _: None if stage == "accept" else connection.send(b"\x2a\x00\x00")
    with pytest.raises(ig.ConnectError, match=r"within 0\.05 s"):
        await opened.open(node, connect_timeout=0.05)
    await until(lambda: not node.connections)


async def test_hangs_up_in_the_handshake(node: FakeNode, opened: Opened) -> None:
    """A node that accepts and hangs up is a ConnectError."""
    node.on_handshake = lambda connection, _: connection.close()
    with pytest.raises(ig.ConnectError, match="closed the connection"):
        await opened.open(node)
    node.on_accept = lambda connection: connection.abort()
    with pytest.raises(ig.ConnectError):
        await opened.open(node)


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xff\xff\xff", b"\x02\x00\x00\x00\x01\x0c"]
)
async def test_something_else_answers(node: FakeNode, opened: Opened, data: bytes) -> None:
    """What doesn't speak the protocol is a ConnectError that says so, with the ProtocolError as its cause."""
    node.on_handshake = lambda connection, _: connection.send(data)
    with pytest.raises(ig.ConnectError, match="does not speak") as caught:
        await opened.open(node)
    assert isinstance(caught.value.__cause__, ig.ProtocolError)


async def test_garbage_behind_the_handshake(node: FakeNode, opened: Opened) -> None:
    """A node that accepts and sends nonsense in the same breath is a ConnectError."""

    def accept(connection: Any, handshake: Handshake) -> None:
        connection.transport.set_write_buffer_limits(0)
        connection.accept(handshake)
        connection.send(bytes(16))

    node.on_handshake = accept
    try:
        connection = await opened.open(node)
    except ig.ConnectError:
        return
    await connection.closed  # the two came apart
    assert isinstance(connection.failure, ig.ProtocolError)


async def test_nobody_listens(opened: Opened) -> None:
    """A closed port and a host that doesn't exist are ConnectErrors that name them."""
    async with fake_nodes(1) as nodes:
        (node,) = nodes
    with pytest.raises(ig.ConnectError, match=f"{node.port}: Connection refused"):
        await opened.open(node)
    for host in ("no such host", "a..b"):
        with pytest.raises(ig.ConnectError, match=host):
            await open_connection(Address(host, 1), Handshake(), Limits(), None, lambda _: None, lambda _: None)


async def test_cancelled_while_it_opens(node: FakeNode, opened: Opened) -> None:
    """A cancelled attempt leaves no socket."""
    asked = asyncio.Event()
    node.on_handshake = lambda connection, _: asked.set()
    attempt = asyncio.create_task(opened.open(node))
    await asked.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    await until(lambda: not node.connections)


# --- broken rules ---------------------------------------------------------------------------------------------------

BROKEN = {
    "short frame": struct.pack("<i", 3) + b"abc",
    "negative length": struct.pack("<i", -4),
    "too long": struct.pack("<i", 2**30) + bytes(20),
    "never asked": struct.pack("<iqh", 10, 77_777, 0),
    "cut header": struct.pack("<iqh", 12, 1, 3) + b"\0\0",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
async def test_broken_frames_close_the_connection(node: FakeNode, opened: Opened, data: bytes) -> None:
    """Bytes that break the rules close the connection; all who wait learn it, and that they were sent."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node)
    waiting = [ask(connection) for _ in range(3)]
    calls = await held.take(3)
    calls[0].connection.send(data)
    done, _ = await asyncio.wait(waiting)
    for future in done:
        error = future.exception()
        assert isinstance(error, ConnectionLost)
        assert error.sent
        assert isinstance(error.cause, ig.ProtocolError)
        assert error.cause.node == str(node.address)
    assert opened.lost == [connection]
    await until(lambda: not node.connections)


async def test_answers_together_with_a_broken_frame(node: FakeNode, opened: Opened) -> None:
    """Who was answered in the bytes that a broken frame ends is not left waiting."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node)
    waiting = [ask(connection), ask(connection)]
    calls = await held.take(2)
    body = struct.pack("<iqhi", 14, calls[0].id, 0, 0)
    calls[0].connection.send(body + BROKEN["short frame"])
    done, _ = await asyncio.wait(waiting)
    assert all(isinstance(future.exception(), ConnectionLost) for future in done)


async def test_notifications_are_no_answers(node: FakeNode, opened: Opened) -> None:
    """What a node says on its own disturbs no request."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node)
    waiting = ask(connection)
    call = await held.next()
    call.connection.notify(Notification(call.id, 2007, b"xyz"))
    call.connection.notify(Notification(5, 2007, b"", Failure(1, None)))
    call.answer(["a"])
    assert isinstance(await waiting, bytes)
    await connection.aclose()


# --- coalescing -----------------------------------------------------------------------------------------------------


async def test_requests_of_one_tick_leave_together(node: FakeNode, opened: Opened) -> None:
    """While something is in flight, the requests of one tick leave in one write; a lone request leaves at once."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node)
    (server,) = node.connections
    first = ask(connection)
    assert connection._unsent == 0
    await held.next()
    del server.chunks[:]
    futures = [ask(connection) for _ in range(50)]
    calls = await held.take(50)
    assert len(server.chunks) == 1
    for call in reversed([held.calls[0], *calls]):
        call.answer([str(call.id)])
    answers = await asyncio.gather(first, *futures)
    assert [answer[-1:] for answer in answers] == [str(number)[-1:].encode() for number in range(1, 52)]
    await connection.aclose()


async def test_many_bytes_leave_before_the_tick_is_over(node: FakeNode, opened: Opened) -> None:
    """Large requests don't pile up until the end of the tick."""
    connection = await opened.open(node)
    futures = [connection.request(UNKNOWN, bytearray(40_000)) for _ in range(3)]
    assert connection._unsent <= 40_000 + 14
    assert all(isinstance(answer, Failure) for answer in await asyncio.gather(*futures))
    await connection.aclose()


# --- deadlines ------------------------------------------------------------------------------------------------------


async def test_requests_expire(node: FakeNode, opened: Opened) -> None:
    """A request without an answer expires after the timeout, give or take a sixteenth; its late answer is dropped."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node, timeout=0.08)
    loop = asyncio.get_running_loop()
    started = loop.time()
    futures = [ask(connection) for _ in range(3)]
    calls = await held.take(3)
    with pytest.raises(Expired) as caught:
        await futures[0]
    assert caught.value.sent
    assert loop.time() - started >= 0.08
    await asyncio.wait(futures)
    assert connection.protocol.in_flight == {}
    for call in calls:
        call.answer([])
    assert isinstance(await connection.request(CacheGet.code, bytearray(b"\0\0\0\0\0\x65")), bytes)
    assert connection.protocol.in_flight == connection.protocol.forgotten == {}
    assert connection.late_answers == connection.expired == 3
    assert not connection.lost
    await connection.aclose()


async def test_deadlines_of_their_own(node: FakeNode, opened: Opened) -> None:
    """A watched request keeps its own deadline, be it shorter or longer than the connection's."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node, timeout=0.04)
    now = asyncio.get_running_loop().time()
    usual = ask(connection)
    long = ask(connection)
    connection.watch(long, now + 30)
    forever = ask(connection)
    connection.watch(forever, None)
    await held.take(3)
    with pytest.raises(Expired):
        await usual
    assert not long.done()
    assert not forever.done()
    connection.unwatch(long)
    connection.unwatch(forever)
    done, _ = await asyncio.wait([long, forever])
    assert all(isinstance(future.exception(), Expired) for future in done)
    late = ask(connection)
    connection.watch(late, now)
    with pytest.raises(Expired):
        await late
    connection.unwatch(late)
    assert connection._watched == {}
    await connection.aclose()


async def test_what_expires_unsent_is_never_sent(node: FakeNode, opened: Opened) -> None:
    """On a socket that takes no more, expired requests are not sent, then or later; the others are."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node, timeout=0.04)
    connection.pause_writing()
    expiring = [ask(connection) for _ in range(3)]
    kept = ask(connection)
    connection.watch(kept, None)
    done, _ = await asyncio.wait(expiring)
    assert [error.sent for future in done if isinstance(error := future.exception(), Expired)] == [False] * 3
    assert len(connection.protocol.in_flight) == 1
    behind = ask(connection)
    connection.resume_writing()
    for call in await held.take(2):
        call.answer([])
    await asyncio.gather(kept, behind)
    connection.unwatch(kept)
    assert node.count(CacheGetNames) == 2
    assert connection._unsent == 0
    await connection.aclose()


async def test_unwanted_answers_are_handed_over(node: FakeNode, opened: Opened) -> None:
    """An answer whose caller has expired or was cancelled goes to who asked for it."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node)
    unwanted: list[Any] = []
    expired, cancelled = ask(connection), ask(connection)
    calls = await held.take(2)
    connection.watch(expired, asyncio.get_running_loop().time(), unwanted.append)
    connection.watch(cancelled, None, unwanted.append)
    with pytest.raises(Expired):
        await expired
    cancelled.cancel()
    connection.unwatch(expired)
    connection.unwatch(cancelled)
    calls[1].answer(["x"])
    calls[0].fail(5, "y")
    await until(lambda: len(unwanted) == 2)
    assert isinstance(unwanted[0], bytes)
    assert unwanted[1] == Failure(5, "y")
    assert connection._watched == {}
    await connection.aclose()


# --- back-pressure --------------------------------------------------------------------------------------------------


async def test_slots_are_given_in_order(node: FakeNode, opened: Opened) -> None:
    """With all slots taken callers wait, first come first served, and nobody overtakes them."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node, in_flight=2)
    futures = [ask(connection), ask(connection)]
    assert not connection.free
    order: list[int] = []
    most = 0

    async def caller(number: int) -> None:
        nonlocal most
        await connection.wait_until_free("CacheGetNames", 0, None)
        order.append(number)
        future = ask(connection)
        most = max(most, len(connection.protocol.in_flight))
        await future

    callers = [asyncio.create_task(caller(number)) for number in range(6)]
    for _ in range(8):
        call = await held.next()
        call.answer([])
        assert not connection.free or len(order) == 6
    await asyncio.gather(*futures, *callers)
    assert order == list(range(6))
    assert most <= 2
    assert connection.free
    await connection.aclose()


async def test_overloaded_at_the_deadline(node: FakeNode, opened: Opened) -> None:
    """Who waits for a slot until the deadline gets Overloaded and has sent nothing."""
    node.hold(CacheGetNames)
    connection = await opened.open(node, in_flight=1)
    future = ask(connection)
    with pytest.raises(ig.Overloaded) as caught:
        await connection.wait_until_free("CacheGetNames", 0, asyncio.get_running_loop().time() + 0.02)
    assert caught.value.operation == "CacheGetNames"
    assert isinstance(caught.value, ig.NotSentError)
    assert not connection._waiters
    future.cancel()
    await connection.aclose()


async def test_a_slot_of_a_cancelled_caller_goes_on(node: FakeNode, opened: Opened) -> None:
    """A caller that is cancelled, waiting or in the moment that it gets its slot, passes it on."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node, in_flight=1)
    first = ask(connection)
    waiters = [asyncio.create_task(connection.wait_until_free("", 0, None)) for _ in range(3)]
    await until(lambda: len(connection._waiters) == 3)
    waiters[0].cancel()
    (await held.next()).answer([])
    await first
    assert connection._granted == 1
    waiters[1].cancel()  # it has the slot, and does not know it yet
    await waiters[2]
    assert connection.free
    assert waiters[1].cancelled()
    await connection.aclose()


async def test_bytes_that_wait_are_bounded(node: FakeNode, opened: Opened) -> None:
    """On a socket that takes no more, callers wait once enough bytes do, and go on when it takes them."""
    connection = await opened.open(node, unsent_bytes=100_000)
    connection.pause_writing()
    futures = [connection.request(UNKNOWN, bytearray(60_000)) for _ in range(2)]
    assert not connection.free
    assert len(futures) == 2
    waiters = [asyncio.create_task(connection.wait_until_free("", 60_000, None)) for _ in range(3)]
    await until(lambda: len(connection._waiters) == 3)
    connection.resume_writing()
    assert connection._granted == 2  # the third would be too much before these have sent
    await asyncio.gather(*futures)
    await asyncio.gather(*waiters)
    await connection.aclose()


async def test_a_socket_that_takes_no_more(node: FakeNode, opened: Opened) -> None:
    """A node that stops reading pauses the client; when it reads again everything arrives."""
    connection = await opened.open(node)
    (server,) = node.connections
    server.transport.pause_reading()
    futures = []
    while not connection._paused:
        futures.append(connection.request(UNKNOWN, bytearray(200_000)))
        await asyncio.sleep(0)
    futures.append(ask(connection))
    server.transport.resume_reading()
    await asyncio.gather(*futures)
    assert connection.free
    await connection.aclose()


# --- the end --------------------------------------------------------------------------------------------------------


async def test_the_end_tells_what_was_sent(node: FakeNode, opened: Opened) -> None:
    """When the connection ends, sent and unsent requests learn which they were, and waiting callers go on."""
    held = node.hold(CacheGetNames)
    connection = await opened.open(node, in_flight=2)
    sent = ask(connection)
    call = await held.next()
    connection.pause_writing()
    unsent = ask(connection)
    waiter = asyncio.create_task(connection.wait_until_free("", 0, None))
    await until(lambda: connection._waiters)
    call.close()
    done = await asyncio.gather(sent, unsent, return_exceptions=True)
    assert [error.sent for error in done if isinstance(error, ConnectionLost)] == [True, False]
    await waiter
    await connection.wait_until_free("", 0, None)
    with pytest.raises(ConnectionLost) as caught:
        ask(connection)
    assert not caught.value.sent
    assert opened.lost == [connection]


async def test_close_of_a_stuck_socket(node: FakeNode, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose node doesn't read is closed after a moment, with its bytes unsent."""
    monkeypatch.setattr("ignitemap.client.connection.CLOSE_SECONDS", 0.02)
    connection = await opened.open(node)
    (server,) = node.connections
    server.transport.pause_reading()
    futures = []
    while not connection._paused:
        futures.append(connection.request(UNKNOWN, bytearray(200_000)))
        await asyncio.sleep(0)
    await connection.aclose()
    done = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(error, ConnectionLost) for error in done)
    server.abort()


async def test_too_large_a_request(node: FakeNode, opened: Opened) -> None:
    """A request beyond the largest frame is an EncodeError, and the connection goes on."""
    connection = await opened.open(node, frame=1000)
    with pytest.raises(ig.EncodeError):
        connection.request(9999, bytearray(2000))  # an operation that there is not: its body may be anything
    assert isinstance(await ask(connection), bytes)
    await connection.aclose()


async def test_cancellation_leaves_the_connection_usable(node: FakeNode) -> None:
    """A cancelled caller's answer is dropped, whether it comes before or after those of others."""
    async with session_of(node) as session:
        held = node.hold(CacheGetNames)
        tasks = [asyncio.create_task(session.call(CacheGetNames())) for _ in range(4)]
        calls = await held.take(4)
        tasks[0].cancel()
        tasks[2].cancel()
        for call in reversed(calls):
            call.answer([str(call.id)])
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True, False, True, False]
        assert [answers[1], answers[3]] == [[str(calls[1].id)], [str(calls[3].id)]]
        (connection,) = session.nodes.open
        await until(lambda: not connection.protocol.in_flight)


def test_limits_are_numbers() -> None:
    """The bounds have the documented defaults."""
    assert attrs.asdict(Limits()) == {
        "in_flight": 1024,
        "unsent_bytes": 4 * 1024 * 1024,
        "frame": 64 * 1024 * 1024,
        "timeout": 30.0,
        "connect_timeout": 10.0,
    }
