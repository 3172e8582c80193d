"""One connection's protocol: frames in any slices, answers to their callers, and every way to break the rules."""

import random
import struct
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st

from ignitemap.exceptions import DecodeError, EncodeValueError, FrameTooLarge, ProtocolError, UnexpectedReply
from ignitemap.protocol.connection import (
    MAX_FRAME,
    MAX_HANDSHAKE,
    Connection,
    ConnectionState,
    Failure,
    HandshakeAsked,
    IncomingRequest,
    Notification,
    Role,
    Topology,
)
from ignitemap.protocol.handshake import Accepted, Credentials, Handshake, Refused
from ignitemap.protocol.wire import ProtocolContext

NODE = UUID(int=77)
OLD = ((1, 0, 0), (1, 1, 0), (1, 2, 0), (1, 3, 0))
VERSIONS = (*OLD, (1, 4, 0), (1, 5, 0), (1, 6, 0), (1, 7, 0))


def context_of(version: tuple[int, int, int]) -> ProtocolContext:
    """A dialect without features."""
    return ProtocolContext(version, frozenset())


def pair(
    context: ProtocolContext | None = None, *, max_frame: int = MAX_FRAME
) -> tuple[Connection[Any], Connection[Any]]:
    """A client and a server that have shaken hands."""
    context = ProtocolContext() if context is None else context
    client: Connection[Any] = Connection(Role.CLIENT, Handshake(context.version, context.features), max_frame=max_frame)
    server: Connection[Any] = Connection(Role.SERVER, max_frame=max_frame)
    server.receive_data(b"".join(client.data_to_send()))
    server.accept(Accepted(context, NODE))
    client.receive_data(b"".join(server.data_to_send()))
    return client, server


def frame(payload: bytes) -> bytes:
    """A payload behind its length."""
    return struct.pack("<i", len(payload)) + payload


def reply(number: int, body: bytes = b"", flags: int = 0) -> bytes:
    """The frame of an answer."""
    return frame(struct.pack("<qh", number, flags) + body)


def text(value: str) -> bytes:
    """A string as the protocol writes it."""
    return b"\x09" + struct.pack("<i", len(value.encode())) + value.encode()


# --- the life of a connection -------------------------------------------------------------------------------------------


def test_a_client_begins_with_its_handshake_and_nothing_else() -> None:
    """A new client has one frame to send, a new server none, and neither is open."""
    client: Connection[str] = Connection(Role.CLIENT)
    (first,) = client.data_to_send()
    assert first[4:12] == bytes.fromhex("0101000700000002")
    assert client.data_to_send() == []
    server: Connection[str] = Connection(Role.SERVER)
    assert server.data_to_send() == []
    assert client.state is server.state is ConnectionState.HANDSHAKE


@pytest.mark.parametrize("version", VERSIONS)
def test_two_ends_agree_on_a_version(version: tuple[int, int, int]) -> None:
    """After a yes both ends are open in the same dialect, and the client knows the node where the version says it."""
    context = context_of(version) if version < (1, 7, 0) else ProtocolContext(version, frozenset({3, 11}))
    client, server = pair(context)
    assert client.state is server.state is ConnectionState.OPEN
    assert client.context == server.context == context
    assert client.node_id == (NODE if version >= (1, 4, 0) else None)


def test_the_handshake_may_come_byte_by_byte() -> None:
    """Both first frames are read from single bytes, and the connection opens with the last one."""
    client: Connection[str] = Connection(Role.CLIENT)
    server: Connection[str] = Connection(Role.SERVER)
    (asked,) = client.data_to_send()
    events = [event for byte in asked for event in server.receive_data(bytes([byte]))]
    assert events == [(None, HandshakeAsked(Handshake()))]
    accepted = Accepted(ProtocolContext(), NODE)
    server.accept(accepted)
    (answer,) = server.data_to_send()
    for byte in answer[:-1]:
        assert client.receive_data(bytes([byte])) == []
    assert client.state is ConnectionState.HANDSHAKE
    assert client.receive_data(answer[-1:]) == [(None, accepted)]
    assert client.state is ConnectionState.OPEN


def test_a_server_learns_who_shakes_hands() -> None:
    """The handshake reaches the server's caller whole, and the server stays shut until it says yes."""
    asked = Handshake(credentials=Credentials("u", "p"), user_attributes={"app": "test"})
    client: Connection[str] = Connection(Role.CLIENT, asked)
    server: Connection[str] = Connection(Role.SERVER)
    assert server.receive_data(b"".join(client.data_to_send())) == [(None, HandshakeAsked(asked))]
    assert server.state is ConnectionState.HANDSHAKE


def test_a_refused_client_learns_why_and_may_ask_again() -> None:
    """A no carries the version that the server would take; the connection stays, and the server reads another try."""
    asked = Handshake((1, 7, 0))
    client: Connection[str] = Connection(Role.CLIENT, asked)
    server: Connection[str] = Connection(Role.SERVER)
    server.receive_data(b"".join(client.data_to_send()))
    refused = Refused((1, 6, 0), "Unsupported version: 1.7.0", 1)
    server.refuse(refused)
    assert client.receive_data(b"".join(server.data_to_send())) == [(None, refused)]
    assert client.state is server.state is ConnectionState.HANDSHAKE
    again: Connection[str] = Connection(Role.CLIENT, Handshake(refused.version, frozenset()))
    ((_, asked_again),) = server.receive_data(b"".join(again.data_to_send()))
    assert asked_again == HandshakeAsked(Handshake((1, 6, 0), frozenset()))
    server.accept(Accepted(context_of((1, 6, 0)), NODE))
    again.receive_data(b"".join(server.data_to_send()))
    assert again.state is ConnectionState.OPEN


def test_no_request_goes_out_before_the_handshake_or_after_the_end() -> None:
    """A request on a connection that is not open is the program's error: real servers lose it, and nobody answers."""
    client: Connection[str] = Connection(Role.CLIENT)
    with pytest.raises(RuntimeError, match="handshake"):
        client.send_request(1, b"", "early")
    client, _ = pair()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.send_request(1, b"", "late")
    assert not client.in_flight
    assert client.data_to_send() == []


def test_close_names_who_waits_once() -> None:
    """Closing returns the tokens of requests in flight, without forgotten and answered ones; a second time, nobody."""
    client, _ = pair()
    ids = [client.send_request(1, b"", token) for token in "abcd"]
    client.receive_data(reply(ids[0]))
    client.forget(ids[2])
    assert client.close() == ["b", "d"]
    assert client.close() == []
    assert client.state is ConnectionState.CLOSED
    assert not client.in_flight


@pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER])
@pytest.mark.parametrize("data", [b"\x01", reply(1), b"\x00" * 3, frame(b"\x01")])
def test_nothing_is_read_after_close(role: Role, data: bytes) -> None:
    """Bytes after the end are a ProtocolError at once, even part of a frame: nothing is collected for a dead connection."""
    connection = pair()[role is Role.SERVER]
    connection.receive_data(b"\x0c")
    connection.close()
    for _ in range(3):
        with pytest.raises(ProtocolError, match="closed"):
            connection.receive_data(data)


# --- answers ------------------------------------------------------------------------------------------------------------


def test_answers_in_any_order_reach_their_callers() -> None:
    """1,000 answers in a random order, in random slices: each caller gets its own, once."""
    client, _ = pair()
    chance = random.Random(1)
    ids = {client.send_request(1000, b"", token): token for token in range(1000)}
    assert len(ids) == 1000
    stream = b"".join(
        reply(number, struct.pack("<i", token)) for number, token in chance.sample(sorted(ids.items()), 1000)
    )
    events: list[Any] = []
    while stream:
        size = chance.randint(0, 60)
        events += client.receive_data(stream[:size])
        stream = stream[size:]
    assert sorted(token for token, _ in events) == list(range(1000))
    assert all(body == struct.pack("<i", token) for token, body in events)
    assert not client.in_flight


def test_a_second_answer_to_one_request_ends_the_connection() -> None:
    """A duplicate of an answer is an UnexpectedReply: it would otherwise be taken for another request's."""
    client, _ = pair()
    number = client.send_request(1, b"", "one")
    client.send_request(1, b"", "two")
    assert client.receive_data(reply(number, b"x")) == [("one", b"x")]
    with pytest.raises(UnexpectedReply, match=f"request {number}"):
        client.receive_data(reply(number, b"x"))
    assert client.state is ConnectionState.CLOSED
    assert client.close() == ["two"]


@pytest.mark.parametrize("number", [0, -1, 2, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("flags", [0, 1, 2, 3, 8])
def test_an_answer_that_nobody_asked_for_ends_the_connection(number: int, flags: int) -> None:
    """An id that was never given away is an UnexpectedReply, with any flags."""
    client, _ = pair()
    client.send_request(1, b"", "one")
    body = bytes(12) * bool(flags & 2) + bytes.fromhex("0100000065") * (flags & 1)
    with pytest.raises(UnexpectedReply):
        client.receive_data(reply(number, body, flags))
    assert client.close() == ["one"]


def test_the_answer_to_a_forgotten_request_is_dropped() -> None:
    """Who has gone gets nothing, in whatever form the answer comes, and nobody else gets it either."""
    client, _ = pair()
    ids = [client.send_request(1, b"", token) for token in ("gone", "stays", "gone too")]
    client.forget(ids[0])
    client.forget(ids[2])
    stream = reply(ids[0], b"old") + reply(ids[1], b"new") + reply(ids[2], bytes.fromhex("0100000065"), 1)
    assert client.receive_data(stream) == [("stays", b"new")]
    assert not client.in_flight
    client.forget(ids[0])  # long answered: nothing to do
    assert not client.in_flight
    with pytest.raises(UnexpectedReply):
        client.receive_data(reply(ids[0]))


def test_answers_before_a_broken_frame_are_lost_with_it_but_their_callers_are_named() -> None:
    """When the peer breaks the rules, close() names everybody who got no answer: also those whose answers came along."""
    client, _ = pair()
    ids = [client.send_request(1, b"", token) for token in "abc"]
    with pytest.raises(ProtocolError):
        client.receive_data(reply(ids[0]) + reply(ids[1], bytes(20)) + struct.pack("<i", -5))
    assert client.state is ConnectionState.CLOSED
    assert sorted(client.close()) == ["a", "b", "c"]
    assert client.close() == []


# --- flags --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topology", [None, Topology(2, 30)])
@pytest.mark.parametrize("failure", [None, Failure(1000, "Cache does not exist"), Failure(1, None), Failure(-5, "")])
def test_flags_say_what_stands_before_the_body(topology: Topology | None, failure: Failure | None) -> None:
    """An error, a change of topology, both or neither: what the server says is what the client's caller gets."""
    client, server = pair()
    number = client.send_request(1, b"", "token")
    if failure is None:
        server.send_answer(number, b"body", topology=topology)
    else:
        server.send_failure(number, failure, topology=topology)
    assert client.receive_data(b"".join(server.data_to_send())) == [("token", b"body" if failure is None else failure)]
    assert client.topology == (topology or Topology())


def test_a_topology_never_goes_back() -> None:
    """Answers overtake each other, so an older topology than the known one is ignored."""
    client, server = pair()
    for number, topology in ((1, Topology(2, 30)), (2, Topology(3, 0)), (3, Topology(2, 31)), (4, Topology(1, 99))):
        client.send_request(1, b"", number)
        server.send_answer(number, b"", topology=topology)
    events = client.receive_data(b"".join(server.data_to_send()))
    assert [token for token, _ in events] == [1, 2, 3, 4]
    assert client.topology == Topology(3, 0)


@pytest.mark.parametrize("failure", [None, Failure(1, "no"), Failure(1, None)])
def test_a_notification_answers_no_request(failure: Failure | None) -> None:
    """A notification carries a resource in the place of the request id, and leaves the request of that id in flight."""
    client, server = pair()
    number = client.send_request(2006, b"", "token")
    told = Notification(number, 2007, b"" if failure else b"event", failure)
    server.send_notification(told)
    assert client.receive_data(b"".join(server.data_to_send())) == [(None, told)]
    assert client.close() == ["token"]


def test_the_notification_of_a_real_node_is_read() -> None:
    """The continuous query event that a 2.17.0 node was seen to send is about resource 1, operation 2007."""
    client, _ = pair()
    payload = bytes.fromhex("01000000000000000400d707" + "010000000301000000650901000000" + "6100")
    ((token, event),) = client.receive_data(frame(payload))
    assert token is None
    assert event == Notification(1, 2007, payload[12:])


def test_unknown_flags_are_ignored() -> None:
    """A flag of a later server changes nothing in what this client reads."""
    client, _ = pair()
    client.send_request(1, b"", "token")
    assert client.receive_data(reply(1, b"body", 0x7FF8)) == [("token", b"body")]


@pytest.mark.parametrize(
    ("flags", "body"),
    [
        (1, b""),
        (1, b"\x01\x00\x00"),
        (1, b"\x01\x00\x00\x00"),
        (1, b"\x01\x00\x00\x00\x09\x05\x00\x00\x00ab"),
        (1, b"\x01\x00\x00\x00\x09\x02\x00\x00\x00\xff\xfe"),
        (1, b"\x01\x00\x00\x00\x09\xff\xff\xff\xffab"),
        (1, b"\x01\x00\x00\x00\x0cab"),
        (2, bytes(11)),
        (3, bytes(12)),
        (4, b"\x01"),
        (5, b"\x01\x00\x01\x00"),
    ],
)
@pytest.mark.parametrize("behind", [b"", reply(2, b"\x65" * 40)])
def test_a_header_that_is_cut_or_malformed_ends_the_connection(flags: int, body: bytes, behind: bytes) -> None:
    """What the flags promise must stand inside the frame: the next frame's bytes are never taken for it."""
    client, _ = pair()
    for token in ("one", "two"):
        client.send_request(1, b"", token)
    with pytest.raises(ProtocolError) as caught:
        client.receive_data(reply(1, body, flags) + behind)
    assert not isinstance(caught.value, DecodeError)  # that would say that the connection lives on
    assert sorted(client.close()) == ["one", "two"]


# --- versions before flags ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", OLD)
def test_before_1_4_a_status_stands_in_the_place_of_flags(version: tuple[int, int, int]) -> None:
    """Old answers are an id and a status of four bytes; errors have their message, and topologies are not told."""
    client, server = pair(context_of(version))
    for token in ("a", "b", "c", "d"):
        client.send_request(1, b"", token)
    server.send_answer(1, b"body", topology=Topology(1, 1))
    server.send_failure(2, Failure(0x0002_0004, "no"), topology=Topology(1, 1))
    server.send_failure(3, Failure(1, None))
    server.send_answer(4, b"")
    sent = server.data_to_send()
    assert sent[0] == frame(struct.pack("<qi", 1, 0) + b"body")
    assert sent[1] == frame(struct.pack("<qi", 2, 0x0002_0004) + text("no"))
    events: list[Any] = []
    for byte in b"".join(sent):
        events += client.receive_data(bytes([byte]))
    assert events == [("a", b"body"), ("b", Failure(0x0002_0004, "no")), ("c", Failure(1, None)), ("d", b"")]
    assert client.topology == Topology()


@pytest.mark.parametrize(
    "payload", [bytes(10), bytes(11), struct.pack("<qi", 1, 1), struct.pack("<qi", 1, 1) + b"\x09"]
)
def test_before_1_4_a_cut_header_ends_the_connection(payload: bytes) -> None:
    """An old answer without its four bytes of status, or without the message of its error, is a ProtocolError."""
    client, _ = pair(context_of((1, 3, 0)))
    client.send_request(1, b"", "token")
    with pytest.raises(ProtocolError):
        client.receive_data(frame(payload) + bytes(30))
    assert client.close() == ["token"]


# --- lengths ------------------------------------------------------------------------------------------------------------

BAD_LENGTHS = [0, -1, 1, 9, -(2**31), 2**31 - 1, MAX_FRAME + 1]


@pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER])
@pytest.mark.parametrize("length", BAD_LENGTHS)
@pytest.mark.parametrize("slicing", [1, 4])
def test_an_impossible_length_is_refused_before_its_body(role: Role, length: int, slicing: int) -> None:
    """A frame too short, negative or too long ends the connection with the fourth byte of its length."""
    connection = pair()[role is Role.SERVER]
    head = struct.pack("<i", length)
    for start in range(0, 4 - slicing, slicing):
        assert connection.receive_data(head[start : start + slicing]) == []
    with pytest.raises(ProtocolError) as caught:
        connection.receive_data(head[4 - slicing :])
    assert isinstance(caught.value, FrameTooLarge) is (length > MAX_FRAME)
    if isinstance(caught.value, FrameTooLarge):
        assert (caught.value.size, caught.value.limit) == (length, MAX_FRAME)
    assert connection.state is ConnectionState.CLOSED


@pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER])
@pytest.mark.parametrize("length", [0, -1, -(2**31), 2**31 - 1, MAX_HANDSHAKE + 1, 0x50545448])
def test_before_the_handshake_frames_are_small(role: Role, length: int) -> None:
    """Somebody who hasn't shaken hands can't make either end wait for more than a handshake's worth of bytes."""
    connection: Connection[str] = Connection(role)
    with pytest.raises(ProtocolError) as caught:
        connection.receive_data(struct.pack("<i", length))
    assert isinstance(caught.value, FrameTooLarge) is (length > 0)


def test_the_frame_limit_is_exact() -> None:
    """A frame of exactly the limit passes in both directions, one byte more does not."""
    client, server = pair(max_frame=100)
    client.send_request(1, bytes(90), "fits")
    with pytest.raises(EncodeValueError, match="101 bytes"):
        client.send_request(1, bytes(91), "too long")
    assert list(client.in_flight.values()) == ["fits"]
    ((_, request),) = server.receive_data(b"".join(client.data_to_send()))
    assert request == IncomingRequest(1, 1, bytes(90))
    server.send_answer(1, bytes(90))
    assert client.receive_data(b"".join(server.data_to_send())) == [("fits", bytes(90))]
    client.send_request(1, b"", "next")
    with pytest.raises(FrameTooLarge):
        client.receive_data(reply(2, bytes(91)))
    assert client.close() == ["next"]


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", bytes(64)]
)
def test_other_protocols_are_refused(garbage: bytes) -> None:
    """HTTP, TLS and zeros at the door of a server are a ProtocolError."""
    server: Connection[str] = Connection(Role.SERVER)
    with pytest.raises(ProtocolError):
        for start in range(len(garbage)):
            server.receive_data(garbage[start : start + 1])


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"\x01\x01", bytes.fromhex("0101000700000003"), bytes.fromhex("010100070000000209ff")]
)
def test_a_malformed_handshake_ends_the_connection(body: bytes) -> None:
    """A handshake that can't be read is a ProtocolError, and the server is closed."""
    server: Connection[str] = Connection(Role.SERVER)
    with pytest.raises(ProtocolError):
        server.receive_data(frame(body))
    assert server.state is ConnectionState.CLOSED


def test_a_malformed_handshake_answer_ends_the_connection() -> None:
    """An answer to the handshake that can't be read closes the client."""
    client: Connection[str] = Connection(Role.CLIENT)
    with pytest.raises(ProtocolError) as caught:
        client.receive_data(frame(b"\x01\x0c\xff\xff\xff\x7f"))
    assert not isinstance(caught.value, DecodeError)
    assert client.state is ConnectionState.CLOSED


# --- slices, and the work that they cost --------------------------------------------------------------------------------


@given(
    bodies=st.lists(st.binary(max_size=40), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 600), max_size=20),
    context=st.sampled_from([ProtocolContext(), context_of((1, 3, 0))]),
)
@settings(max_examples=70, derandomize=True, deadline=None, database=None)
def test_slices_change_nothing(bodies: list[bytes], cuts: list[int], context: ProtocolContext) -> None:
    """Any slicing of the same bytes gives the same events at both ends."""
    client, server = pair(context)
    for index, body in enumerate(bodies):
        client.send_request(index, body, index)
    stream = b"".join(client.data_to_send())
    places = sorted(min(cut, len(stream)) for cut in cuts)
    got: list[Any] = []
    for start, end in zip([0, *places], [*places, len(stream)], strict=True):
        got += server.receive_data(stream[start:end])
    assert got == [(None, IncomingRequest(i, i + 1, body)) for i, body in enumerate(bodies)]
    for _, request in reversed(got):
        server.send_answer(request.id, request.body)
    stream = b"".join(server.data_to_send())
    places = sorted(min(cut, len(stream)) for cut in cuts)
    got = []
    for start, end in zip([0, *places], [*places, len(stream)], strict=True):
        got += client.receive_data(stream[start:end])
    assert got == list(reversed(list(enumerate(bodies))))


class CountingBuffer(bytearray):
    """A buffer that counts the bytes that are copied into and out of it."""

    copied = 0

    def __iadd__(self, data: Any) -> Any:
        self.copied += len(data)
        return super().__iadd__(data)

    def __bytes__(self) -> bytes:
        self.copied += len(self)
        return bytes(memoryview(self))


@pytest.mark.parametrize("slice_size", [1, 7, 100, 4096, 65536])
@pytest.mark.parametrize("body_size", [0, 50, 30_000])
def test_work_is_linear_in_the_bytes_received(slice_size: int, body_size: int) -> None:
    """However the bytes are cut, each goes at most twice through the buffer: as the head of a frame, then as its rest."""
    client, _ = pair()
    buffer = client._partial = CountingBuffer()
    count = 4 if slice_size == 1 and body_size > 1000 else max(4, 200_000 // (body_size + 14))
    for token in range(count):
        client.send_request(1, b"", token)
    stream = b"".join(reply(number + 1, bytes(body_size)) for number in range(count))
    events = 0
    for start in range(0, len(stream), slice_size):
        events += len(client.receive_data(stream[start : start + slice_size]))
    assert events == count
    assert buffer.copied <= 4 * len(stream)
    assert len(buffer) == 0


def test_a_burst_of_answers_is_not_copied_again() -> None:
    """100,000 answers in one piece never pass through the buffer; each body is cut out once."""
    client, _ = pair()
    buffer = client._partial = CountingBuffer()
    for token in range(100_000):
        client.send_request(1, b"", token)
    stream = b"".join(reply(number + 1, b"\x65") for number in range(100_000))
    assert [token for token, _ in client.receive_data(stream)] == list(range(100_000))
    assert buffer.copied == 0


def test_a_large_frame_is_only_as_large_as_what_came() -> None:
    """A length that promises 64 MiB reserves nothing: the buffer holds the bytes received."""
    client, _ = pair()
    assert client.receive_data(struct.pack("<i", MAX_FRAME)) == []
    assert client.receive_data(bytes(1000)) == []
    assert len(client._partial) == 1004


# --- the server's end ---------------------------------------------------------------------------------------------------


def test_a_server_hands_on_requests_as_they_are() -> None:
    """Request ids are the client's business: duplicates, zero and negatives come through, and are answered."""
    client, server = pair()
    requests = [(1000, 5, b"x"), (-1, 0, b""), (1, -7, b"y"), (1000, 5, b"z")]
    stream = b"".join(frame(struct.pack("<hq", operation, number) + body) for operation, number, body in requests)
    assert server.receive_data(stream) == [(None, IncomingRequest(*request)) for request in requests]
    server.send_answer(-7, b"answer")
    assert server.data_to_send() == [reply(-7, b"answer")]
    assert client.state is ConnectionState.OPEN


def test_data_goes_out_once_and_in_order() -> None:
    """What must be sent is returned once, one piece a frame, in the order of the calls."""
    _, server = pair()
    server.send_answer(2, b"a")
    server.send_failure(1, Failure(1, "b"))
    server.send_notification(Notification(3, 2007, b"c"))
    pieces = server.data_to_send()
    assert pieces == [
        reply(2, b"a"),
        reply(1, struct.pack("<i", 1) + text("b"), 1),
        reply(3, struct.pack("<h", 2007) + b"c", 4),
    ]
    assert server.data_to_send() == []


def test_a_request_before_the_handshake_is_refused() -> None:
    """A client that sends requests at once is not understood: its first frame is no handshake."""
    server: Connection[str] = Connection(Role.SERVER)
    with pytest.raises(ProtocolError):
        server.receive_data(frame(struct.pack("<hq", 1000, 1)))


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(4))
def test_a_million_answers_reach_their_callers(seed: int) -> None:
    """250,000 answers per seed, out of order, some to forgotten callers, in random slices: none reaches another."""
    chance = random.Random(seed)
    client, _ = pair()
    waiting: dict[int, int] = {}
    answered = 0
    while answered < 250_000:
        for _ in range(512 - len(waiting)):
            token = chance.getrandbits(60)
            number = client.send_request(1000, b"", token)
            waiting[number] = token
        client.data_to_send()
        chosen = chance.sample(sorted(waiting), 300)
        gone = set(chosen[::7])
        for number in gone:
            client.forget(number)
        stream = b"".join(reply(number, struct.pack("<q", waiting[number])) for number in chosen)
        at = 0
        events: list[Any] = []
        while at < len(stream):
            size = chance.choice((1, 3, 17, 300, 5000))
            events += client.receive_data(stream[at : at + size])
            at += size
        assert [token for token, _ in events] == [waiting[number] for number in chosen if number not in gone]
        assert all(struct.unpack("<q", body)[0] == token for token, body in events)
        answered += len(chosen)
        for number in chosen:
            del waiting[number]
    assert len(client.in_flight) == len(waiting)
    with pytest.raises(UnexpectedReply):
        client.receive_data(reply(client.last_id + 1))
    assert sorted(client.close()) == sorted(waiting.values())
