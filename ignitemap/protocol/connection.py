"""One connection's protocol, without I/O: framing, the handshake, request ids in flight, flags, close.

Rules, for both roles:

- ``receive_data`` takes bytes in any slices and returns events; ``data_to_send`` returns what must go out. Neither
  blocks, and nothing here knows sockets, clocks or the table of operations: bodies are plain bytes, copied once.
- The first frame each way is the handshake; a client sends nothing behind it before its answer has come.
- A client's request has an id of its own and a token of its caller; the answer with that id returns the token. Of a
  request whose caller has gone only the id is kept (``forget``), so that its answer is dropped, counted, and never given
  to another. The ids kept are bounded: answers to older ones are dropped, too.
- A frame that is too short, too long, or an answer to an id that was never given away ends the connection with a
  ProtocolError: there is no way to read on. An answer that can't be decoded is no concern of this module.
- Whoever waits when the connection ends is named by ``close``, whether it was the peer or this end that ended it.
- Work is linear in the bytes received, at any slicing; no buffer grows beyond the largest frame allowed.
"""

import enum
import struct
from collections import OrderedDict
from typing import Final, Generic, TypeVar
from uuid import UUID

import attrs

from ignitemap.exceptions import DecodeError, EncodeValueError, FrameTooLarge, ProtocolError, UnexpectedReply
from ignitemap.protocol.codecs import Codecs
from ignitemap.protocol.handshake import (
    Accepted,
    Handshake,
    Refused,
    read_answer,
    read_handshake,
    write_accepted,
    write_handshake,
    write_refused,
)
from ignitemap.protocol.wire import ProtocolContext
from ignitemap.protocol.words import decode_nullable_text, encode_nullable_text

__all__ = [
    "MAX_FORGOTTEN",
    "MAX_FRAME",
    "MAX_HANDSHAKE",
    "Connection",
    "ConnectionState",
    "Event",
    "Failure",
    "HandshakeAsked",
    "IncomingRequest",
    "Notification",
    "Role",
    "Topology",
]

MAX_FRAME: Final = 64 * 1024 * 1024
MAX_HANDSHAKE: Final = 64 * 1024  # nobody has proved who he is yet
MAX_FORGOTTEN: Final = 16_384
"""How many ids of forgotten requests are kept. A node that never answers would else fill the memory."""
FLAGS_SINCE: Final = (1, 4, 0)

FLAG_ERROR: Final = 1
FLAG_TOPOLOGY: Final = 2
FLAG_NOTIFICATION: Final = 4

_REQUEST_HEAD: Final = struct.Struct("<ihq")  # length, operation, request id
_pack_request: Final = _REQUEST_HEAD.pack
_ANSWER_HEAD: Final = struct.Struct("<iqh")  # length, request id, flags
_unpack_answer: Final = _ANSWER_HEAD.unpack_from
_HEAD: Final = 14  # bytes of either
_OLD_HEAD: Final = struct.Struct("<iq")
_TOPOLOGY: Final = struct.Struct("<qi")
_length: Final = struct.Struct("<i").unpack_from
_codecs = Codecs()

T = TypeVar("T")


class Role(enum.Enum):
    """Which end this is."""

    CLIENT = "client"
    SERVER = "server"


class ConnectionState(enum.Enum):
    """Where the connection is in its life."""

    HANDSHAKE = "handshake"
    OPEN = "open"
    CLOSED = "closed"


_OPEN: Final = ConnectionState.OPEN  # asked for every frame: a member takes five times as long to find as a global


@attrs.frozen
class Failure:
    """The server answered with an error."""

    status: int
    message: str | None


@attrs.frozen
class Notification:
    """The server speaks on its own, about a resource of this connection."""

    resource: int
    operation: int
    body: bytes
    failure: Failure | None = None


@attrs.frozen
class HandshakeAsked:
    """A client shook hands: the server must accept or refuse."""

    handshake: Handshake


@attrs.frozen
class IncomingRequest:
    """A client's request: the server must answer its id."""

    operation: int
    id: int
    body: bytes


@attrs.frozen(order=True)
class Topology:
    """The version of the cluster's topology that affinity depends on."""

    major: int = 0
    minor: int = 0


Payload = bytes | Failure | Notification | Accepted | Refused | HandshakeAsked | IncomingRequest

Event = tuple[T | None, Payload]
"""(the caller's token, what came for it). Events that answer no request have no token."""


class Connection(Generic[T]):
    """The state machine of one connection. ``T`` is what a client's caller hands in to be given back with the answer.

    ``handshake`` is what a client asks for; a server leaves it out. ``max_frame`` bounds frames in both directions,
    in bytes.
    """

    def __init__(self, role: Role, handshake: Handshake | None = None, *, max_frame: int = MAX_FRAME) -> None:
        self.role = role
        self.state = ConnectionState.HANDSHAKE
        self.context = ProtocolContext()
        self.node_id: UUID | None = None
        self.topology = Topology()
        self.in_flight: dict[int, T] = {}
        self.forgotten: OrderedDict[int, T | None] = OrderedDict()
        """Requests whose callers have gone and whose answers may still come; with the token where that was kept."""
        self.late = 0
        """How many answers to forgotten requests have come."""
        self.last_id = 0
        self.max_frame = max_frame
        self._asked = Handshake() if handshake is None else handshake
        self._outgoing: list[bytes] = []
        self._partial = bytearray()
        self._needed = 0  # bytes in _partial before another look at it makes sense
        self._forgotten_to = 0  # ids up to here may have been forgotten, and were too many to keep
        if role is Role.CLIENT:
            self._frame(write_handshake(self._asked))

    # --- both roles -------------------------------------------------------------------------------------------------

    def data_to_send(self) -> list[bytes]:
        """What must go out, in order; each piece is returned once."""
        data = self._outgoing
        self._outgoing = []
        return data

    def receive_data(self, data: bytes) -> list[Event[T]]:
        """Take received bytes; the events that they complete.

        Raises ProtocolError (FrameTooLarge, UnexpectedReply) when the peer broke the rules; the connection is then
        closed, and ``close`` names who waits. Events completed before the broken frame are lost with it: their requests
        count as in flight again.
        """
        if self.state is ConnectionState.CLOSED:
            raise ProtocolError("bytes after the connection was closed")
        if self._partial:
            self._partial += data
            if len(self._partial) < self._needed:
                return []
            data = bytes(self._partial)
            self._partial.clear()
        events: list[Event[T]] = []
        try:
            rest = self._read_frames(data, events)
        except ProtocolError as error:
            self.state = ConnectionState.CLOSED
            # Below every real id, since the real ones are gone: all of these requests were sent.
            self.in_flight.update((-n, token) for n, (token, _) in enumerate(events, 1) if token is not None)
            if isinstance(error, DecodeError):  # it says that the connection lives on, but here a frame's head is wrong
                raise ProtocolError(error.message) from error
            raise
        if rest < len(data):
            self._partial += data[rest:] if rest else data
        return events

    def close(self) -> list[T]:
        """The connection ended: the tokens of all requests that were still in flight."""
        self.state = ConnectionState.CLOSED
        self._partial.clear()
        waiting = list(self.in_flight.values())
        self.in_flight.clear()
        self.forgotten.clear()
        return waiting

    # --- client -----------------------------------------------------------------------------------------------------

    def send_request(self, operation: int, body: bytes | bytearray, token: T) -> int:
        """Frame a request; its id. The answer's event carries ``token``.

        Raises EncodeValueError for a request longer than ``max_frame``, RuntimeError on a connection that is not open:
        its answer could never come.
        """
        if self.state is not _OPEN:
            raise RuntimeError(f"a request on a connection in state {self.state.value}")
        length = len(body) + 10
        if length > self.max_frame:
            raise EncodeValueError(f"a request of {length} bytes, at most {self.max_frame} are allowed")
        self.last_id = request_id = self.last_id + 1
        self._outgoing.append(_pack_request(length, operation, request_id) + body)
        self.in_flight[request_id] = token
        return request_id

    def forget(self, request_id: int, *, keep: bool = False) -> T | None:
        """The caller of a request has gone: it is in flight no longer, and its answer will be dropped.

        With ``keep`` the answer's event carries the token all the same. The token is returned that is kept no longer,
        because too many requests were forgotten after its own.
        """
        token = self.in_flight.pop(request_id, None)
        if token is None:
            return None
        self.forgotten[request_id] = token if keep else None
        if len(self.forgotten) <= MAX_FORGOTTEN:
            return None
        oldest, kept = self.forgotten.popitem(last=False)
        self._forgotten_to = max(self._forgotten_to, oldest)
        return kept

    # --- server -----------------------------------------------------------------------------------------------------

    def accept(self, accepted: Accepted) -> None:
        """Answer the handshake with yes."""
        self._frame(write_accepted(accepted))
        self.context = accepted.context
        self.node_id = accepted.node_id
        self.state = ConnectionState.OPEN

    def refuse(self, refused: Refused) -> None:
        """Answer the handshake with no; the client may try again on this connection."""
        self._frame(write_refused(refused, self._asked.version))

    def send_answer(self, request_id: int, body: bytes | bytearray, *, topology: Topology | None = None) -> None:
        """Answer a request. ``topology``: what the client must learn of a changed topology."""
        self._answer(request_id, 0, body, topology)

    def send_failure(self, request_id: int, failure: Failure, *, topology: Topology | None = None) -> None:
        """Answer a request with an error."""
        self._answer(request_id, FLAG_ERROR, _failure_bytes(failure), topology)

    def send_notification(self, notification: Notification) -> None:
        """Tell the client of something it subscribed to."""
        flags = FLAG_NOTIFICATION
        body = notification.body
        if notification.failure is not None:
            flags |= FLAG_ERROR
            body = _failure_bytes(notification.failure)
        head = struct.pack("<h", notification.operation)
        self._outgoing.append(_ANSWER_HEAD.pack(10 + len(head) + len(body), notification.resource, flags) + head + body)

    # --- frames -----------------------------------------------------------------------------------------------------

    def _frame(self, body: bytes) -> None:
        self._outgoing.append(struct.pack("<i", len(body)) + body)

    def _answer(self, request_id: int, flags: int, body: bytes | bytearray, topology: Topology | None) -> None:
        if self.context.version < FLAGS_SINCE:
            # A status of four bytes in place of the flags; the body of a failure begins with it.
            status = b"" if flags else bytes(4)
            self._outgoing.append(_OLD_HEAD.pack(8 + len(status) + len(body), request_id) + status + body)
        elif topology is None:
            self._outgoing.append(_ANSWER_HEAD.pack(10 + len(body), request_id, flags) + body)
        else:
            head = _ANSWER_HEAD.pack(10 + _TOPOLOGY.size + len(body), request_id, flags | FLAG_TOPOLOGY)
            self._outgoing.append(head + _TOPOLOGY.pack(topology.major, topology.minor) + body)

    def _read_frames(self, data: bytes, events: list[Event[T]]) -> int:
        """Read all complete frames; where the rest starts."""
        end_of_data = len(data)
        start = 0
        while start + 4 <= end_of_data:
            if self.state is not _OPEN:
                end = self._frame_end(data, start, 1, min(self.max_frame, MAX_HANDSHAKE))
                if end > end_of_data:
                    break
                self._read_handshake(data[start + 4 : end], events)
            elif self.role is Role.CLIENT:
                return self._read_answers(data, start, events)
            else:
                end = self._frame_end(data, start, 10, self.max_frame)
                if end > end_of_data:
                    break
                _, operation, request_id = _REQUEST_HEAD.unpack_from(data, start)
                events.append((None, IncomingRequest(operation, request_id, data[start + _HEAD : end])))
            start = end
        else:
            self._needed = 4
        return start

    def _read_answers(self, data: bytes, start: int, events: list[Event[T]]) -> int:
        """Read all complete frames of an open client's connection; where the rest starts."""
        end_of_data, most = len(data), self.max_frame
        take = self.in_flight.pop
        old = self.context.version < FLAGS_SINCE
        while start + _HEAD <= end_of_data:
            length, request_id, flags = _unpack_answer(data, start)
            end = start + 4 + length
            if end > end_of_data or length < 10 or length > most:
                self._frame_end(data, start, 10, most)
                return start
            if flags or old:
                self._read_flagged(data, start + _HEAD, end, request_id, flags, events)
            else:
                token = take(request_id, None)
                if token is None:
                    token = self._late(request_id)
                if token is not None:
                    events.append((token, data[start + _HEAD : end]))
            start = end
        if start + 4 <= end_of_data:
            self._frame_end(data, start, 10, most)
        else:
            self._needed = 4
        return start

    def _frame_end(self, data: bytes, start: int, least: int, most: int) -> int:
        """Where the frame at ``start`` ends; its length is checked before a byte of it is waited for."""
        (length,) = _length(data, start)
        if length < least:
            raise ProtocolError(f"a frame of {length} bytes, at least {least} are needed")
        if length > most:
            raise FrameTooLarge(f"a frame of {length} bytes, at most {most} are allowed", size=length, limit=most)
        end: int = start + 4 + length
        self._needed = end - start
        return end

    def _read_handshake(self, body: bytes, events: list[Event[T]]) -> None:
        if self.role is Role.SERVER:
            self._asked = read_handshake(body)
            events.append((None, HandshakeAsked(self._asked)))
            return
        answer = read_answer(body, self._asked)
        if isinstance(answer, Accepted):
            self.context = answer.context
            self.node_id = answer.node_id
            self.state = ConnectionState.OPEN
        events.append((None, answer))

    def _read_flagged(
        self, data: bytes, pos: int, end: int, request_id: int, flags: int, events: list[Event[T]]
    ) -> None:
        """Read an answer with an error or a topology change, a notification, or any answer of a server before 1.4.0."""
        try:
            if self.context.version < FLAGS_SINCE:
                # A status of four bytes stands in place of the flags, 0 or an error.
                pos -= 2
                flags = FLAG_ERROR if any(data[pos : pos + 4]) else 0
                pos += 0 if flags else 4
            if flags & FLAG_TOPOLOGY:
                self.topology = max(self.topology, Topology(*_TOPOLOGY.unpack_from(data, pos)))
                pos += _TOPOLOGY.size
            operation = 0
            if flags & FLAG_NOTIFICATION:
                (operation,) = struct.unpack_from("<h", data, pos)
                pos += 2
            failure = None
            if flags & FLAG_ERROR:
                (status,) = struct.unpack_from("<i", data, pos)
                message, pos = decode_nullable_text(_codecs, data, pos + 4)
                failure = Failure(status, message)
            if pos > end:
                raise ProtocolError("an answer that ends inside its header")
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise ProtocolError(f"an answer with a cut or malformed header: {type(error).__name__}") from error
        if flags & FLAG_NOTIFICATION:
            events.append((None, Notification(request_id, operation, data[pos:end], failure)))
            return
        token = self.in_flight.pop(request_id, None)
        if token is None:
            token = self._late(request_id)
        if token is not None:
            events.append((token, data[pos:end] if failure is None else failure))

    def _late(self, request_id: int) -> T | None:
        """What was kept of a forgotten request whose answer has come. Raises UnexpectedReply for any other."""
        if request_id in self.forgotten:
            self.late += 1
            return self.forgotten.pop(request_id)
        if 0 < request_id <= self._forgotten_to:
            self.late += 1
            return None
        raise UnexpectedReply(f"an answer to request {request_id}, which is not in flight")


def _failure_bytes(failure: Failure) -> bytes:
    out = bytearray(struct.pack("<i", failure.status))
    encode_nullable_text(_codecs, out, failure.message)
    return bytes(out)
