"""The asyncio shell around protocol.Connection: one socket to one node, shared by all callers.

A request is a future under its id. Requests of one loop tick leave in one write, unless nothing is in flight: then
the request goes out at once, since a lone caller would pay for the extra tick. Deadlines cost nothing per request: a
timer notes the last id eight times per timeout and expires what is older than eight notes.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import attrs

from ignitemap.exceptions import (
    AuthenticationError,
    ConnectError,
    NotSentTimeout,
    OperationTimeout,
    Overloaded,
    ProtocolError,
    TlsError,
)
from ignitemap.protocol.connection import (
    Connection,
    ConnectionState,
    Failure,
    Notification,
    Role,
    Topology,
)
from ignitemap.protocol.handshake import SUPPORTED_VERSIONS, Accepted, Handshake, Refused

__all__ = ["Address", "ConnectionLost", "Limits", "NodeConnection", "open_connection"]

Answer = bytes | Failure

STATUS_AUTH_FAILED: Final = 2000
LANDING_BUFFER: Final = 64 * 1024
MARKS: Final = 8
FLUSH_AT: Final = 64 * 1024


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
    connect_timeout: float = 10.0


class ConnectionLost(Exception):  # noqa: N818 - a signal to the session, which turns it into the caller's error
    """The connection ended with the request unanswered; ``sent`` tells whether a byte of it may have left."""

    def __init__(self, sent: bool, cause: BaseException | None) -> None:
        super().__init__(sent)
        self.sent = sent
        self.cause = cause


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
        self.protocol: Connection[asyncio.Future[Answer]] = Connection(
            Role.CLIENT, handshake, max_frame=limits.frame
        )
        self.lost = False
        self.requests = 0
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[Accepted | Refused] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._on_topology = on_topology
        self._on_lost = on_lost
        self._topology = Topology()
        self._transport: asyncio.Transport | None = None
        self._landing = memoryview(bytearray(LANDING_BUFFER))
        self._paused = False
        self._flush_scheduled = False
        self._unsent = 0
        self._sent_id = 0  # requests up to this id were handed to the transport
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._marks: deque[int] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._failure: BaseException | None = None

    def __repr__(self) -> str:
        return f"<connection to {self.address}, {len(self.protocol.in_flight)} in flight>"

    # --- requests ---------------------------------------------------------------------------------------------------

    @property
    def free(self) -> bool:
        """Whether a request may be sent now without waiting for a slot."""
        return (
            len(self.protocol.in_flight) < self.limits.in_flight
            and not self._waiters
            and self._unsent < self.limits.unsent_bytes
        )

    async def wait_until_free(self, operation: str, seconds: float | None) -> None:
        """Wait, first come first served, for a slot. Raises Overloaded after ``seconds``."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            raise Overloaded(
                f"{operation}: no free slot on {self.address} ({len(self.protocol.in_flight)} requests in flight)",
                operation=operation,
                node=str(self.address),
            ) from None
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif waiter.cancelled() or not self.free:
                self._wake()

    def request(self, operation: int, body: bytearray) -> asyncio.Future[Answer]:
        """Send a request; the future of its answer.

        The future fails with ConnectionLost when the connection ends first. Cancelling it forgets the request: its
        answer is dropped when it comes. Raises ConnectionLost when the connection is lost already.
        """
        if self.lost:
            raise ConnectionLost(sent=False, cause=self._failure)
        future: asyncio.Future[Answer] = self._loop.create_future()
        idle = not self.protocol.in_flight
        self.protocol.send_request(operation, body, future)
        self.requests += 1
        self._unsent += len(body) + 14
        if idle or self._unsent > FLUSH_AT:
            self._flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)
        return future

    def expire_in(self, seconds: float, future: asyncio.Future[Answer], name: str) -> asyncio.TimerHandle:
        """Give the request sent last a timeout of its own; cancel the handle when its answer has come."""
        return self._loop.call_later(seconds, self._expire, future, self.protocol.last_id, seconds, name)

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._paused or self._transport is None:
            return
        pieces = self.protocol.data_to_send()
        if pieces:
            self._sent_id = self.protocol.last_id
            self._unsent = 0
            self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _expire(self, future: asyncio.Future[Answer], request_id: int, timeout: float | None, name: str = "") -> None:
        if future.done():
            return
        what = f"{name or 'the request'}: no answer from {self.address} within {timeout} s"
        node = str(self.address)
        error: OperationTimeout | NotSentTimeout
        if request_id <= self._sent_id:
            error = OperationTimeout(what, operation=name or None, node=node, timeout=timeout)
        else:
            error = NotSentTimeout(what, operation=name or None, node=node, timeout=timeout)
        self.protocol.forget(request_id)
        _fail(future, error)

    def _sweep(self) -> None:
        """Expire requests that are older than the timeout."""
        timeout = self.limits.timeout
        if timeout is None or self.lost:
            return
        self._sweeper = self._loop.call_later(timeout / MARKS, self._sweep)
        self._marks.append(self.protocol.last_id)
        if len(self._marks) <= MARKS:
            return
        oldest = self._marks.popleft()
        expired: list[tuple[int, asyncio.Future[Answer]]] = []
        for request_id, future in self.protocol.in_flight.items():  # in the order of their ids
            if request_id > oldest:
                break
            if future is not None:
                expired.append((request_id, future))
        for request_id, future in expired:
            self._expire(future, request_id, timeout)

    def _wake(self) -> None:
        """Let as many waiting callers go on as there are slots."""
        slots = self.limits.in_flight - len(self.protocol.in_flight)
        while self._waiters and slots > 0 and self._unsent < self.limits.unsent_bytes:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                slots -= 1

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
        try:
            events = self.protocol.receive_data(bytes(self._landing[:nbytes]))
        except ProtocolError as error:
            error.node = str(self.address)
            self.abort(error)
            return
        for future, payload in events:
            if future is not None:
                if not future.done():
                    future.set_result(payload)  # type: ignore[arg-type]  # an event with a token is an Answer
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
        """The node closed its side: nothing more can come."""

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
        self.lost = True
        cause = self._failure if self._failure is not None else exc
        self._failure = cause
        if self._sweeper is not None:
            self._sweeper.cancel()
        waiting = [(request_id, future) for request_id, future in self.protocol.in_flight.items() if future is not None]
        self.protocol.close()
        for request_id, future in waiting:
            if not future.done():
                _fail(future, ConnectionLost(request_id <= self._sent_id, cause))
        if not self.opened.done():
            _fail(self.opened, ConnectionLost(sent=True, cause=cause))
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)  # it finds the connection lost
        if not self.closed.done():
            self.closed.set_result(None)
        self._on_lost(self)

    # --- life -------------------------------------------------------------------------------------------------------

    def start_sweeping(self) -> None:
        """Begin to watch deadlines: the connection is open."""
        self._sweep()

    def retry_handshake(self, handshake: Handshake) -> None:
        """Shake hands again on the same socket, after a refusal."""
        assert self._transport is not None
        self.opened = self._loop.create_future()
        self.protocol = Connection(Role.CLIENT, handshake, max_frame=self.limits.frame)
        self._transport.write(b"".join(self.protocol.data_to_send()))

    def abort(self, cause: BaseException | None = None) -> None:
        """Drop the connection now."""
        self.lost = True
        if self._failure is None:
            self._failure = cause
        if self._transport is not None:
            self._transport.abort()

    async def aclose(self) -> None:
        """Close after what was written has left; at most 2 s."""
        self.lost = True
        if self._transport is not None:
            self._transport.close()
            try:
                async with asyncio.timeout(2):
                    await asyncio.shield(self.closed)
            except TimeoutError:
                self._transport.abort()


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
) -> NodeConnection:
    """Connect and shake hands, both within ``limits.connect_timeout``.

    Raises ConnectError, TlsError (certificate, host name, or a refusal inside TLS), AuthenticationError.
    """
    node = str(address)
    loop = asyncio.get_running_loop()
    connection = NodeConnection(address, handshake, limits, on_topology, on_lost)
    try:
        async with asyncio.timeout(limits.connect_timeout):
            await loop.create_connection(
                lambda: connection,
                address.host,
                address.port,
                ssl=tls,
                server_hostname=address.host if tls is not None else None,
            )
            answer = await connection.opened
            if isinstance(answer, Refused) and answer.version in SUPPORTED_VERSIONS and answer.version < handshake.version:
                handshake = attrs.evolve(handshake, version=answer.version)
                connection.retry_handshake(handshake)
                answer = await connection.opened
    except TimeoutError as error:
        connection.abort(error)
        raise ConnectError(f"{node} did not answer within {limits.connect_timeout} s", node=node) from error
    except ssl.SSLError as error:
        connection.abort(error)
        raise TlsError(f"{node}: {_tls_reason(error)}", node=node) from error
    except ConnectionLost as lost:
        if tls is not None:
            # Under TLS 1.3 the refusal of a client certificate shows only here, on the first read.
            raise TlsError(f"{node} closed the TLS connection during the handshake", node=node) from lost.cause
        raise ConnectError(f"{node} closed the connection during the handshake", node=node) from lost.cause
    except OSError as error:
        raise ConnectError(f"{node}: {error.strerror or type(error).__name__}", node=node) from error
    except BaseException:
        connection.abort()
        raise
    if isinstance(answer, Refused):
        connection.abort()
        if answer.status == STATUS_AUTH_FAILED:
            raise AuthenticationError(f"{node}: {answer.message}", node=node)
        raise ConnectError(f"{node} refused the handshake (status {answer.status}): {answer.message}", node=node)
    assert connection.protocol.state is ConnectionState.OPEN
    connection.start_sweeping()
    return connection


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {error.verify_message}"
    return f"TLS failed: {error.reason or type(error).__name__}"
