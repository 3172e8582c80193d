"""The asyncio shell around protocol.Connection, the node's side: one client.

Requests are answered one after another as they are read, without a task each: a handler is a synchronous function. What
must wait for a lock is parked and runs again. Bytes that can't be understood end the connection, as a real node does.

Nothing grows without bound: while a client does not read its answers, nothing more of it is read or answered.
"""

import asyncio
import logging
import sqlite3
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from ignitemap.embedded import errors
from ignitemap.embedded.errors import UNSUPPORTED, Refused
from ignitemap.embedded.handlers import HANDLERS, Handler, Needs
from ignitemap.embedded.handlers.transactions import roll_back
from ignitemap.embedded.session import Session
from ignitemap.embedded.transactions import Locked, Parked
from ignitemap.exceptions import DecodeError, ProtocolError
from ignitemap.protocol.codecs import MALFORMED
from ignitemap.protocol.connection import (
    Connection,
    ConnectionState,
    Failure,
    HandshakeAsked,
    IncomingRequest,
    Notification,
    Role,
    Topology,
)
from ignitemap.protocol.handshake import SUPPORTED_VERSIONS, Accepted, Handshake, Refused as RefusedHandshake
from ignitemap.protocol.operations import TxEnd
from ignitemap.protocol.wire import Feature, ProtocolContext

if TYPE_CHECKING:
    from ignitemap.embedded.node import Node

__all__ = ["ServerConnection"]

logger: Final = logging.getLogger("ignitemap.embedded")

ACTIVE: Final = 1
CURRENT: Final = (1, 7, 0)
FEATURES: Final = frozenset(Feature) - {Feature.TX_AWARE_QUERIES}  # as a real node with its default configuration
HIGH_WATER: Final = 256 * 1024  # bytes that may wait to be sent
ANSWERED_AT_ONCE: Final = 256 * 1024  # bytes of answers after which they are sent before more is answered
MAX_PARKED: Final = 1024
NO_VERSION: Final = (0, 0, 0)
TX_ID: Final = struct.Struct("<i")  # what a TxEnd begins with


class ServerConnection(asyncio.Protocol):
    """One client's connection to a node. ``address`` is the client's host, by which failed logins are counted."""

    def __init__(self, node: "Node", *, in_memory: bool = False) -> None:
        self.node = node
        self.in_memory = in_memory
        self.protocol: Connection[Any] = Connection(Role.SERVER, max_frame=node.max_frame)
        self.session = Session(node, self._notify)
        self.address = ""
        self.last_seen = 0.0
        self._cluster = node.cluster
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._requests: deque[IncomingRequest] = deque()
        self._parked: set[Parked] = set()
        self._muted: set[int] = set()  # requests that are not to be answered: a fault
        self._told = Topology()
        self._unsent = 0  # bytes answered in this turn
        self._paused = False
        self._ended = False
        self._handshaking: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    # --- what asyncio calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without deriving from it
        peer: tuple[str, ...] | None = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        if not self.node.admit(self):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        if not self.in_memory:
            self.last_seen = self._loop.time()
            self._deadline = self._loop.call_later(self.node.handshake_timeout, self.cut)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._ended:
            return
        if not self.in_memory:
            self.last_seen = self._loop.time()
        try:
            events = self.protocol.receive_data(data)
        except ProtocolError as error:
            logger.debug("a client at %s broke the protocol: %s", self.address, error)
            self._hang_up()
            return
        for _, event in events:
            if isinstance(event, IncomingRequest):
                self._requests.append(event)
            elif isinstance(event, HandshakeAsked):
                self._shake_hands(event.handshake)
        self._work()

    def eof_received(self) -> None:
        """The client closed its side: a real node closes too, and sends no more answers."""
        self._end()

    def pause_writing(self) -> None:
        """The client does not read: nor do we."""
        self._paused = True
        if self._transport is not None and not self._ended:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._paused = False
        if self._transport is not None and not self._ended:
            self._transport.resume_reading()
            self._work()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and all that belongs to it."""
        self._end()

    # --- requests ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Answer what has come, as long as the client takes the answers."""
        requests = self._requests
        while requests and not self._paused and not self._ended:
            if self._unsent > ANSWERED_AT_ONCE:
                self._cluster.end_turn()
                if self._unsent > ANSWERED_AT_ONCE:  # the turn ends later: with a file that has writes
                    self._loop.call_soon(self._work)
                    return
                continue
            request = requests.popleft()
            if self.node.faults.any and self.node.faults.meet(self, request):
                continue
            self.handle(request)
        self._cluster.end_turn()

    def handle(self, request: IncomingRequest) -> None:
        """Answer a request, park it, or hang up."""
        handler = HANDLERS.get(request.operation)
        if handler is None:
            code = request.operation
            self._refuse(
                request.id, errors.unsupported(code) if code in UNSUPPORTED else errors.invalid_operation(code)
            )
            return
        codec = handler.codec or handler.compiled()
        try:
            asked = codec.decode(self._cluster.codecs, self.session.context, request.body)
        except (DecodeError, *MALFORMED) as error:
            logger.debug("a client at %s sent a malformed %s: %s", self.address, handler.operation.__name__, error)
            self._hang_up()
            return
        self._answer(handler, request.id, asked)

    def _answer(self, handler: Handler, request_id: int, asked: Any) -> None:
        cluster = self._cluster
        try:
            if cluster.state != ACTIVE and handler.needs:
                self._check_state(handler)
            answer = handler.answer(self.session, asked)
            if handler.silent:
                self._send(request_id, b"")
            else:
                out = bytearray()
                codec = handler.codec or handler.compiled()
                codec.encode(cluster.codecs, self.session.context, out, asked, answer)
                self._send(request_id, out)
        except Refused as refused:
            self._refuse(request_id, refused)
        except Locked as locked:
            self._park(handler, request_id, asked, locked)
        except (DecodeError, *MALFORMED) as error:  # of something inside a request that only the handler looks at
            logger.debug("a client at %s sent a malformed %s: %s", self.address, handler.operation.__name__, error)
            self._hang_up()
        except sqlite3.Error as error:
            self._store_failed(handler, request_id, error)
        except Exception as error:  # a bug of ours: the client must not wait for ever, and somebody must see it
            name = handler.operation.__name__
            logger.exception("a bug in the embedded node: %s failed", name)
            self._refuse(request_id, errors.failed(f"{name} failed in the embedded node: {type(error).__name__}"))
        if cluster.ready:
            cluster.run_ready()

    def _check_state(self, handler: Handler) -> None:
        if self._cluster.state == 0:
            raise errors.inactive()
        if handler.needs is Needs.WRITABLE:
            raise errors.read_only()

    def _send(self, request_id: int, body: bytes | bytearray) -> None:
        if self._muted and request_id in self._muted:
            self._muted.remove(request_id)
            return
        topology = None
        if self._told is not self._cluster.topology:
            topology = self._told = self._cluster.topology
        self.protocol.send_answer(request_id, body, topology=topology)
        self._unsent += len(body) + 14
        self._cluster.waiting[self] = None

    def _refuse(self, request_id: int, refused: Refused) -> None:
        if self._muted and request_id in self._muted:
            self._muted.remove(request_id)
            return
        topology = None
        if self._told is not self._cluster.topology:
            topology = self._told = self._cluster.topology
        self.protocol.send_failure(request_id, Failure(refused.status, refused.message), topology=topology)
        self._unsent += len(refused.message) + 23
        self._cluster.waiting[self] = None

    def resume(self, request: IncomingRequest) -> None:
        """Answer a request that a fault had held."""
        if not self._ended:
            self.handle(request)
            self._cluster.end_turn()

    def carry_out(self, request: IncomingRequest) -> None:
        """Carry out a request and throw its answer away: a fault."""
        self._muted.add(request.id)
        self.handle(request)
        self._cluster.end_turn()

    def refuse(self, request: IncomingRequest, status: int, message: str) -> None:
        """Answer a request with an error, whatever it asks for: a fault. A transaction whose end fails is rolled back."""
        if request.operation == TxEnd.code and len(request.body) >= TX_ID.size:
            roll_back(self.session, TX_ID.unpack_from(request.body)[0])
        self._refuse(request.id, Refused(status, message))
        self._cluster.run_ready()
        self._cluster.end_turn()

    def _store_failed(self, handler: Handler, request_id: int, error: sqlite3.Error) -> None:
        """A request met what the store can't do: a full disk, a damaged file."""
        logger.error("%s: the store of the embedded node failed: %s", handler.operation.__name__, error)
        if self._cluster.store.lost_turn():
            # SQLite has rolled back what others wrote in this turn, and they wait for their answers.
            for connection in list(self._cluster.waiting):
                connection.cut()
        self._refuse(request_id, errors.failed(f"The store of the embedded node failed: {error}"))

    def _notify(self, notification: Notification) -> None:
        if not self._ended:
            self.protocol.send_notification(notification)
            self._unsent += len(notification.body) + 16
            self._cluster.waiting[self] = None

    # --- waiting for locks ------------------------------------------------------------------------------------------

    def _park(self, handler: Handler, request_id: int, asked: Any, locked: Locked) -> None:
        """Let a request wait behind a lock; everything else of the connection goes on."""
        if len(self._parked) >= MAX_PARKED:
            self._refuse(request_id, errors.failed("Too many requests of this connection wait for locks"))
            return

        def run(parked: Parked) -> None:
            self._parked.discard(parked)
            self.session.running = parked
            try:
                self._answer(handler, request_id, asked)
            finally:
                self.session.running = None

        def refuse(refused: Refused) -> None:
            self._parked.discard(parked)
            self._refuse(request_id, refused)

        parked = Parked(locked.lock, locked.transaction, run, refuse)
        self._parked.add(parked)
        locked.lock.waiters.append(parked)
        if locked.transaction is not None:
            locked.transaction.wait(parked)

    # --- the handshake ----------------------------------------------------------------------------------------------

    def _shake_hands(self, asked: Handshake) -> None:
        if self._handshaking is not None:
            self._hang_up()  # a second handshake before the answer to the first
        elif asked.version not in SUPPORTED_VERSIONS:
            text = "Unsupported version: {}.{}.{}".format(*asked.version)
            self._refuse_handshake(RefusedHandshake(CURRENT, text, errors.FAILED))
        elif self.node.users is None:
            self._accept(asked)
        else:
            self._handshaking = self._loop.create_task(self._authenticate(asked))

    async def _authenticate(self, asked: Handshake) -> None:
        """Check a password without holding up the others."""
        assert self.node.users is not None
        # Protocol 1.0 has no passwords: a real node does not read what is there (seen from 2.17.0).
        credentials = asked.credentials if asked.version >= (1, 1, 0) else None
        name = None if credentials is None else credentials.username
        right = await self.node.users.check(self.address, credentials)
        self._handshaking = None
        if self._ended:
            return
        if right:
            self._accept(asked)
        else:
            text = f"The user name or password is incorrect [userName={'null' if name is None else name}]"
            self._refuse_handshake(RefusedHandshake(NO_VERSION, text, errors.AUTHENTICATION_FAILED))

    def _accept(self, asked: Handshake) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        context = ProtocolContext(asked.version, asked.features & FEATURES)
        self.protocol.accept(Accepted(context, self.node.id))
        self.session.context = context
        self._flush()

    def _refuse_handshake(self, refused: RefusedHandshake) -> None:
        self.protocol.refuse(refused)
        self._flush()

    # --- sending and ending -----------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what was answered: its writes are lasting now."""
        self._unsent = 0
        if not self._ended:
            self._flush()

    def _flush(self) -> None:
        data = self.protocol.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data[0] if len(data) == 1 else b"".join(data))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes that no protocol has made: a fault."""
        if self._transport is not None and not self._ended:
            self._transport.write(data)

    def _hang_up(self) -> None:
        """Close behind the answers that are ready: what came cannot be understood."""
        self._cluster.end_turn()
        if self._transport is not None:
            self._transport.close()
        self._end()

    def cut(self) -> None:
        """Drop the connection now, and all answers with it."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._handshaking is not None:
            self._handshaking.cancel()
        self._requests.clear()
        for parked in self._parked:
            parked.gone = True
        self._parked.clear()
        self.protocol.state = ConnectionState.CLOSED
        self.protocol.close()
        self._cluster.waiting.pop(self, None)
        self.node.forget(self)
        self.session.close()
        self._cluster.run_ready()
        self._cluster.end_turn()
