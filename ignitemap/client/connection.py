"""The asyncio shell around protocol.Connection: one socket to one node, shared by all callers.

A request is a future under its id. Requests of one loop tick leave in one write, unless nothing is in flight: then
the request goes out at once, since a lone caller would pay for the extra tick. Deadlines cost nothing per request: a
timer notes the last id sixteen times per timeout and expires what is older than sixteen notes. A request is sent once
its bytes were handed to the socket; one that expires before that is taken back and never leaves.

A request that was sent holds its slot until its answer comes or its deadline passes, also when its caller was cancelled:
the node still works on it. A node that says nothing at all is asked for a sign of life, and given up without one.
"""

import asyncio
import os
import socket
import ssl
import struct
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Final, NoReturn, cast

import attrs

from ignitemap.exceptions import (
    AuthenticationError,
    ConnectError,
    ForkedClientError,
    Overloaded,
    ProtocolError,
    TlsError,
    server_error,
)
from ignitemap.protocol.connection import (
    Connection,
    ConnectionState,
    Failure,
    Notification,
    Role,
)
from ignitemap.protocol.handshake import LEAST_VERSION, SUPPORTED_VERSIONS, Accepted, Handshake, Refused
from ignitemap.protocol.operations.general import Heartbeat

__all__ = [
    "Address",
    "Answer",
    "ConnectionLost",
    "Dial",
    "Expired",
    "Limits",
    "NoAnswer",
    "NodeConnection",
    "open_connection",
]

Answer = bytes | Failure
Dial = Callable[[asyncio.BaseProtocol], None]
"""Connects a protocol to a node in this process: what there is in place of an address."""

STATUS_AUTH_FAILED: Final = 2000
LANDING_BUFFER: Final = 64 * 1024
LANDING_FIRST: Final = 16 * 1024  # until a read fills it: an idle connection is small
MARKS: Final = 16  # a deadline is kept to within a sixteenth of the timeout
KEPT_SECONDS: Final = 30.0  # how long a cancelled request keeps its slot where there is no timeout
BEAT: Final = 0.6
"""Of a heartbeat interval. Silence shows after one beat or two, and is the end after three: 1.8 intervals."""
FLUSH_AT: Final = 16 * 1024
CLOSE_SECONDS: Final = 2.0
IDLE_LOOK: Final = 1.0  # seconds between two looks whether a connection that is no longer wanted is idle
NO_LIMIT: Final = 1e9  # seconds, where asyncio has a limit of its own unless it is given one
FRAME_HEAD: Final = 14  # bytes of a request before its body
_request_id: Final = struct.Struct("<6xq").unpack_from  # behind length and operation


@attrs.frozen
class Address:
    """Where a node listens for clients."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen(kw_only=True)
class Limits:
    """The bounds of one connection: requests in flight, bytes waiting to be sent, bytes of one frame, seconds."""

    in_flight: int = 1024
    unsent_bytes: int = 4 * 1024 * 1024
    frame: int = 64 * 1024 * 1024
    timeout: float | None = 30.0
    connect_timeout: float | None = 10.0


class NoAnswer(Exception):  # noqa: N818 - a signal to the session, which turns it into the caller's error
    """The request has no answer; ``sent`` tells whether a byte of it may have left."""

    def __init__(self, sent: bool, cause: BaseException | None = None) -> None:
        super().__init__(sent)
        self.sent = sent
        self.cause = cause


class ConnectionLost(NoAnswer):
    """The connection ended before the answer came."""


class Expired(NoAnswer):
    """The deadline passed before the answer came."""


@attrs.define(eq=False)
class _Watch:
    """What one request has beyond others: a deadline of its own, a use for an answer that nobody waits for."""

    timer: asyncio.TimerHandle | None
    on_unwanted: Callable[[Answer], None] | None


class NodeConnection(asyncio.BufferedProtocol):
    """A connection to one node. ``request`` is all that a session needs of it once it is open."""

    def __init__(
        self,
        address: Address,
        handshake: Handshake,
        limits: Limits,
        on_topology: Callable[["NodeConnection"], None],
        on_lost: Callable[["NodeConnection"], None],
    ) -> None:
        self.address = address
        self.limits = limits
        self.protocol: Connection[asyncio.Future[Answer]] = Connection(Role.CLIENT, handshake, max_frame=limits.frame)
        self.lost = False
        self.failure: BaseException | None = None
        """Why the connection was lost, where that is known."""
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[Accepted | Refused] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._on_topology = on_topology
        self._on_lost = on_lost
        self._topology = self.protocol.topology
        self._transport: asyncio.Transport | None = None
        self._landing = memoryview(bytearray(LANDING_FIRST))
        self._paused = False
        self._flush_scheduled = False
        self._held: list[bytes] = []  # frames before those that the protocol has still to give
        self._unsent = 0  # bytes not yet handed to the transport
        self._sent_id = 0  # requests up to this id were handed to the transport
        self._waiters: OrderedDict[asyncio.Future[None], int] = (
            OrderedDict()
        )  # for a slot, with the bytes they will send
        self._granted = 0  # slots of callers that were woken and have not sent yet
        self._granted_bytes = 0
        self._watched: dict[asyncio.Future[Answer], _Watch] = {}
        self._marks: deque[int] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._beating: asyncio.TimerHandle | None = None
        self._beat_every = 0.0
        self._heard = True  # since the last beat
        self._asked = False  # for a sign of life, at the last beat
        self._unwritten = 0  # bytes that the socket had still to take at the last beat
        self._cancelled_answers = 0
        self.expired = 0
        """How many requests have had no answer before their deadline."""
        _connections.add(self)

    def __repr__(self) -> str:
        return f"<connection to {self.address}, {len(self.protocol.in_flight)} in flight>"

    # --- requests ---------------------------------------------------------------------------------------------------

    @property
    def free(self) -> bool:
        """Whether a request may be sent now without waiting for a slot."""
        return (
            len(self.protocol.in_flight) + self._granted < self.limits.in_flight
            and not self._waiters
            and self._unsent < self.limits.unsent_bytes
        )

    async def wait_until_free(self, operation: str, size: int, deadline: float | None) -> None:
        """Wait, first come first served, for a slot for a request of ``size`` bytes; send it before anything else.

        Returns at once when the connection is lost. Raises Overloaded at ``deadline`` (the loop's time).
        """
        if self.lost:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters[waiter] = size
        try:
            async with asyncio.timeout_at(deadline):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._give_back(size)
                self._wake()  # the slot is another's now
            else:
                self._waiters.pop(waiter, None)
            if isinstance(error, TimeoutError):
                raise Overloaded(
                    f"{operation}: no free slot on {self.address} ({len(self.protocol.in_flight)} requests in flight)",
                    operation=operation,
                    node=str(self.address),
                ) from None
            raise
        self._give_back(size)

    def request(self, operation: int, body: bytearray) -> asyncio.Future[Answer]:
        """Send a request; the future of its answer.

        The future fails with ConnectionLost when the connection ends first, with Expired after ``limits.timeout``.
        Cancelling it forgets the request: its answer is dropped when it comes. Raises ConnectionLost when the
        connection is lost already.
        """
        if self.lost:
            raise ConnectionLost(sent=False, cause=self.failure)
        future: asyncio.Future[Answer] = self._loop.create_future()
        idle = not self.protocol.in_flight
        self.protocol.send_request(operation, body, future)
        self._unsent += len(body) + FRAME_HEAD
        if idle or self._unsent > FLUSH_AT:
            self._flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)
        return future

    def watch(
        self,
        future: asyncio.Future[Answer],
        deadline: float | None,
        on_unwanted: Callable[[Answer], None] | None = None,
    ) -> None:
        """Give the request sent last a deadline of its own, in the loop's time; None waits for ever.

        ``on_unwanted`` gets the answer if it comes when the caller has gone. Call ``unwatch`` when the wait is over.
        """
        timer = None
        if deadline is not None:
            timer = self._loop.call_at(deadline, self._expire, ((self.protocol.last_id, future),))
        self._watched[future] = _Watch(timer, on_unwanted)

    def unwatch(self, future: asyncio.Future[Answer]) -> None:
        """The wait for a watched request is over, with or without an answer."""
        watch = self._watched.get(future)
        if watch is None:
            return  # the connection was lost
        if watch.timer is not None:
            watch.timer.cancel()
        if watch.on_unwanted is None or not _may_be_answered(future):
            del self._watched[future]

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._paused or self.lost or self._transport is None:
            return
        pieces = self.protocol.data_to_send()
        if self._held:
            pieces = self._held + pieces
            self._held = []
        if pieces:
            self._sent_id = self.protocol.last_id
            self._unsent = 0
            self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _expire(self, requests: Iterable[tuple[int, asyncio.Future[Answer]]]) -> None:
        unsent: set[int] = set()
        for request_id, future in requests:
            if future.done() and not future.cancelled():
                continue  # its answer has come in the same moment
            sent = request_id <= self._sent_id
            if sent:
                watch = self._watched.get(future)
                dropped = self.protocol.forget(request_id, keep=watch is not None and watch.on_unwanted is not None)
                if dropped is not None:
                    self._watched.pop(dropped, None)
            else:
                unsent.add(request_id)
            if not future.done():
                self.expired += 1
                _fail(future, Expired(sent))
        if unsent:
            self._take_back(unsent)
        self._wake()

    def _take_back(self, unsent: set[int]) -> None:
        """Requests whose callers were told that they were not sent must never be."""
        frames = self._held + self.protocol.data_to_send()
        self._held = [frame for frame in frames if _request_id(frame)[0] not in unsent]
        self._unsent = sum(map(len, self._held))
        for request_id in unsent:
            self._watched.pop(self.protocol.in_flight.pop(request_id), None)

    def _sweep(self) -> None:
        """Expire requests that are older than the timeout and have no deadline of their own, and cancelled ones."""
        if self.lost:
            return
        timeout = self.limits.timeout
        self._sweeper = self._loop.call_later((KEPT_SECONDS if timeout is None else timeout) / MARKS, self._sweep)
        self._marks.append(self.protocol.last_id)
        if len(self._marks) <= MARKS:
            return
        oldest = self._marks.popleft()
        expired: list[tuple[int, asyncio.Future[Answer]]] = []
        for request_id, future in self.protocol.in_flight.items():  # in the order of their ids
            if request_id > oldest:
                break
            if future.cancelled() or (timeout is not None and future not in self._watched):
                expired.append((request_id, future))
        if expired:
            self._expire(expired)

    def _beat(self) -> None:
        """Ask a silent node for a sign of life; without one until the next beat the connection is lost."""
        if self.lost or self._transport is None:
            return
        self._beating = self._loop.call_later(self._beat_every, self._beat)
        unwritten = self._transport.get_write_buffer_size()
        if self._heard or unwritten < self._unwritten:  # a node that is busy reading is alive
            self._heard = self._asked = False
        elif self._asked:
            silent = 2 * self._beat_every
            self.abort(ConnectError(f"{self.address} has said nothing for {silent:g} s", node=str(self.address)))
        else:
            self._asked = True
            _ = self.request(Heartbeat.code, bytearray())
        self._unwritten = unwritten

    def _wake(self) -> None:
        """Let as many waiting callers go on as there are slots. A slot is theirs until they have sent."""
        limits = self.limits
        while (
            self._waiters
            and len(self.protocol.in_flight) + self._granted < limits.in_flight
            and self._unsent + self._granted_bytes < limits.unsent_bytes
        ):
            waiter, size = self._waiters.popitem(last=False)
            if not waiter.done():
                waiter.set_result(None)
                self._granted += 1
                self._granted_bytes += size

    def _give_back(self, size: int) -> None:
        self._granted -= 1
        self._granted_bytes -= size

    # --- what asyncio calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected: shake hands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without deriving from it
        self._transport.write(b"".join(self.protocol.data_to_send()))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes land."""
        return self._landing

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        if self.lost:
            return  # nobody waits for what a connection says after it was given up
        self._heard = True
        data = bytes(self._landing[:nbytes])
        if nbytes == LANDING_FIRST:
            self._landing = memoryview(bytearray(LANDING_BUFFER))
        try:
            events = self.protocol.receive_data(data)
        except ProtocolError as error:
            error.node = str(self.address)
            self.abort(error)
            return
        for future, payload in events:
            if future is not None:
                if not future.done():
                    future.set_result(payload)  # type: ignore[arg-type]  # an event with a token is an Answer
                    continue
                if future.cancelled():
                    self._cancelled_answers += 1
                if (watch := self._watched.pop(future, None)) is not None and watch.on_unwanted is not None:
                    watch.on_unwanted(payload)  # type: ignore[arg-type]  # as above
            elif isinstance(payload, Accepted | Refused):
                if not self.opened.done():
                    self.opened.set_result(payload)
            else:
                assert isinstance(payload, Notification)
        if self.protocol.topology is not self._topology:
            self._topology = self.protocol.topology
            self._on_topology(self)
        if self._waiters:
            self._wake()

    def eof_received(self) -> None:
        """The node closed its side: nothing more can come, and nothing more is sent."""
        self._mark_lost(None)

    def pause_writing(self) -> None:
        """The socket takes no more for now: frames stay here, where it is known that they were not sent."""
        self._paused = True

    def resume_writing(self) -> None:
        """The socket takes more again."""
        self._paused = False
        self._flush()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: every request still waiting learns whether it may have left."""
        self._mark_lost(exc)
        for timer in (self._sweeper, self._beating):
            if timer is not None:
                timer.cancel()
        for watch in self._watched.values():
            if watch.timer is not None:
                watch.timer.cancel()
        self._watched.clear()
        sent = {future: request_id <= self._sent_id for request_id, future in self.protocol.in_flight.items()}
        for future in self.protocol.close():  # also those whose answers came together with a broken frame
            if not future.done():
                _fail(future, ConnectionLost(sent.get(future, True), self.failure))
        if not self.opened.done():
            _fail(self.opened, ConnectionLost(sent=True, cause=self.failure))
        while self._waiters:
            waiter, size = self._waiters.popitem(last=False)
            if not waiter.done():
                self._granted += 1
                self._granted_bytes += size
                waiter.set_result(None)  # it finds the connection lost
        if not self.closed.done():
            self.closed.set_result(None)

    # --- life -------------------------------------------------------------------------------------------------------

    def start_sweeping(self) -> None:
        """Begin to watch deadlines: the connection is open."""
        self._sweep()

    def keep_alive(self, interval: float) -> None:
        """From now on a node that says nothing for two intervals (in seconds) is given up, and never kept idle longer."""
        if self._beating is not None:
            self._beating.cancel()
        self._beat_every = interval * BEAT
        self._beating = self._loop.call_later(self._beat_every, self._beat)

    @property
    def late_answers(self) -> int:
        """How many answers have come for callers who had gone: expired or cancelled."""
        return self.protocol.late + self._cancelled_answers

    @property
    def peer(self) -> str | None:
        """The address that the socket is connected to, without its port; None where there is no such thing."""
        name = None if self._transport is None else self._transport.get_extra_info("peername")
        return name[0] if isinstance(name, tuple) and name and isinstance(name[0], str) else None

    def disown(self) -> None:
        """The process was forked and this is the child: the socket is the parent's, not a byte may pass it here."""
        self.lost = True
        self.failure = ForkedClientError("the client was made before a fork: a child process connects anew")
        shared = None if self._transport is None else self._transport.get_extra_info("socket")
        if shared is None or shared.fileno() < 0:
            return
        # Closing the transport would write to the socket (TLS says good-bye) and take it out of an epoll set that both
        # processes share. So the child's descriptor gets another socket, one that is dead.
        dead, other = socket.socketpair()
        other.close()
        os.dup2(dead.fileno(), shared.fileno(), inheritable=False)
        dead.close()

    def retry_handshake(self, handshake: Handshake) -> None:
        """Shake hands again on the same socket, after a refusal. Raises ConnectionLost when it is gone."""
        if self.lost or self._transport is None:
            raise ConnectionLost(sent=False, cause=self.failure)
        self.opened = self._loop.create_future()
        self.protocol = Connection(Role.CLIENT, handshake, max_frame=self.limits.frame)
        self._topology = self.protocol.topology
        self._transport.write(b"".join(self.protocol.data_to_send()))

    def abort(self, cause: BaseException | None = None) -> None:
        """Drop the connection now."""
        self._mark_lost(cause)
        if self._transport is not None:
            self._transport.abort()

    async def aclose(self) -> None:
        """Close after what was written has left; at most 2 s."""
        self._mark_lost(None)
        if self._transport is None:
            return
        self._transport.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.shield(self.closed)
        except TimeoutError:
            self._transport.abort()
            await self.closed

    def close_when_idle(self) -> None:
        """Close as soon as nothing is in flight: nobody is given this connection any more."""
        if self.lost:
            return
        if self.protocol.in_flight or self._watched or self._waiters or self._granted:
            self._loop.call_later(IDLE_LOOK, self.close_when_idle)
        elif self._transport is not None:
            self._transport.close()

    def _mark_lost(self, cause: BaseException | None) -> None:
        """From now on nobody is given this connection, even if the socket takes a moment to close."""
        if self.failure is None:
            self.failure = cause
        if not self.lost:
            self.lost = True
            self._on_lost(self)


_connections: Final[weakref.WeakSet[NodeConnection]] = weakref.WeakSet()
"""All connections of the process, for the moment when it is forked."""


def _disown_all() -> None:
    for connection in list(_connections):
        connection.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)


def _may_be_answered(future: asyncio.Future[Answer]) -> bool:
    """Whether the answer to a request that nobody waits for may still come."""
    if not future.done() or future.cancelled():
        return True
    failure = future.exception()
    return isinstance(failure, Expired) and failure.sent


def _fail(future: asyncio.Future[Answer] | asyncio.Future[Accepted | Refused], error: BaseException) -> None:
    """Fail a future whose waiter may be gone at the same moment: asyncio must not log it as never retrieved."""
    future.set_exception(error)
    future.exception()


async def open_connection(
    address: Address,
    handshake: Handshake,
    limits: Limits,
    tls: ssl.SSLContext | None,
    on_topology: Callable[[NodeConnection], None],
    on_lost: Callable[[NodeConnection], None],
    *,
    make: Callable[..., NodeConnection] = NodeConnection,
    dial: Dial | None = None,
) -> NodeConnection:
    """Connect and shake hands, all within ``limits.connect_timeout``. ``make`` is the connection's class.

    ``dial`` connects it to a node of this process, without a socket.

    Raises ConnectError, TlsError (certificate, host name, or a refusal inside TLS), AuthenticationError.
    """
    connection = make(address, handshake, limits, on_topology, on_lost)
    try:
        async with asyncio.timeout(limits.connect_timeout):
            if dial is not None:
                dial(connection)
            else:
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    address.host,
                    address.port,
                    ssl=tls,
                    server_hostname=address.host if tls is not None else None,
                    ssl_handshake_timeout=None if tls is None else limits.connect_timeout or NO_LIMIT,
                )
            answer = await connection.opened
            if (
                isinstance(answer, Refused)
                and answer.version in SUPPORTED_VERSIONS
                and handshake.least <= answer.version < handshake.version
            ):
                connection.retry_handshake(attrs.evolve(handshake, version=answer.version))
                answer = await connection.opened
    except (OSError, ConnectionLost) as error:
        connection.abort(error)
        _raise_connect_error(error, address, limits, tls)
    except (ValueError, OverflowError) as error:  # from the resolver, before there is a socket
        raise ConnectError(f"{address}: no host and port to connect to: {error}", node=str(address)) from error
    except BaseException:
        connection.abort()
        raise
    node = str(address)
    if isinstance(answer, Refused):
        connection.abort()
        said = server_error(answer.status, answer.message, node=node).message  # shortened, control characters escaped
        if answer.status == STATUS_AUTH_FAILED:
            raise AuthenticationError(f"{node}: {said}", node=node)
        if LEAST_VERSION <= answer.version < handshake.least:
            offered, least = (".".join(map(str, each)) for each in (answer.version, handshake.least))
            raise ConnectError(f"{node} speaks protocol {offered}, and at least {least} was asked for", node=node)
        raise ConnectError(f"{node} refused the handshake (status {answer.status}): {said}", node=node)
    if connection.lost:
        raise ConnectError(f"{node} closed the connection after the handshake", node=node) from connection.failure
    assert connection.protocol.state is ConnectionState.OPEN
    connection.start_sweeping()
    return connection


def _raise_connect_error(
    error: OSError | ConnectionLost, address: Address, limits: Limits, tls: ssl.SSLContext | None
) -> NoReturn:
    """What a caller is told of a connection that did not come about."""
    node = str(address)
    lost = isinstance(error, ConnectionLost)
    cause = error.cause if isinstance(error, ConnectionLost) else error
    if isinstance(cause, ProtocolError):
        raise ConnectError(
            f"{node} does not speak Ignite's thin client protocol: {cause.message}", node=node
        ) from cause
    if isinstance(cause, ssl.SSLError):
        raise TlsError(f"{node}: {_tls_reason(cause)}", node=node) from cause
    if tls is not None and (lost or isinstance(cause, ConnectionResetError | ConnectionAbortedError | BrokenPipeError)):
        # Under TLS 1.3 the refusal of a client certificate shows only on the first read. A node without TLS hangs up.
        raise TlsError(f"{node} closed the connection during the TLS handshake", node=node) from cause
    if lost:
        raise ConnectError(f"{node} closed the connection during the handshake", node=node) from cause
    assert isinstance(cause, OSError)
    if isinstance(cause, TimeoutError) and cause.errno is None and limits.connect_timeout is not None:
        raise ConnectError(f"{node} did not answer within {limits.connect_timeout:g} s", node=node) from cause
    if cause.errno is None or isinstance(cause, socket.gaierror):
        reason = cause.strerror or str(cause) or type(cause).__name__
    else:
        reason = os.strerror(cause.errno)
    raise ConnectError(f"{node}: {reason}", node=node) from cause


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {error.verify_message}"
    return f"TLS failed: {error.reason or type(error).__name__}"
