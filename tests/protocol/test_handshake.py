"""The first frame each way: the bytes that real ends were seen to send, every version, and malformed ones."""

import struct
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.connection import Connection, Role
from ignitemap.protocol.handshake import (
    CURRENT_VERSION,
    SUPPORTED_VERSIONS,
    Accepted,
    Credentials,
    Handshake,
    Refused,
    read_answer,
    read_handshake,
    write_accepted,
    write_handshake,
    write_refused,
)
from ignitemap.protocol.wire import Feature, ProtocolContext

NODE = UUID("a135ea16-0138-45d3-b7b2-7936a934b79b")
EVERY = frozenset(Feature)
WITHOUT_TX = EVERY - {Feature.TX_AWARE_QUERIES}
VERSIONS = sorted(SUPPORTED_VERSIONS)
UNKNOWN_VERSIONS = [(1, 8, 0), (2, 0, 0), (1, 7, 1), (0, 9, 0), (1, -1, 0), (32767, 0, 0)]

# (what a client asks for, its frame as real clients and nodes were seen to exchange it)
REQUESTS = {
    "all features": (Handshake(), "11000000 01 0100 0700 0000 02 0c03000000 ffff0f 65"),
    "attributes": (
        Handshake(user_attributes={"k": "v"}),
        "22000000 01 0100 0700 0000 02 0c03000000 ffff0f 19 01000000 01 0901000000 6b 0901000000 76",
    ),
    "credentials": (
        Handshake(credentials=Credentials("ignite", "ignite")),
        "27000000 01 0100 0700 0000 02 0c03000000 ffff0f 65 0906000000 69676e697465 0906000000 69676e697465",
    ),
    "1.6.0": (Handshake((1, 6, 0), frozenset()), "08000000 01 0100 0600 0000 02"),
}

# (what was asked, the node's answer, what it says)
ANSWERS: dict[str, tuple[Handshake, str, Accepted | Refused]] = {
    "yes": (
        Handshake(),
        "1a000000 01 0c03000000 ffff0b 0a d345380116ea35a1 9bb734a93679b2b7",
        Accepted(ProtocolContext((1, 7, 0), WITHOUT_TX), NODE),
    ),
    "unknown version": (
        Handshake((1, 8, 0)),
        "2a000000 00 0100 0700 0000 09 1a000000" + b"Unsupported version: 1.8.0".hex() + "01000000",
        Refused((1, 7, 0), "Unsupported version: 1.8.0", 1),
    ),
    "credentials": (
        Handshake(),
        "46000000 00 0000 0000 0000 09 36000000"
        + b"The user name or password is incorrect [userName=null]".hex()
        + "d0070000",
        Refused((0, 0, 0), "The user name or password is incorrect [userName=null]", 2000),
    ),
}


def frame_of(handshake: Handshake) -> bytes:
    """The only frame of a new client."""
    (frame,) = Connection[Any](Role.CLIENT, handshake).data_to_send()
    return frame


@pytest.mark.parametrize("name", REQUESTS)
def test_a_handshake_is_the_frame_that_a_real_node_took(name: str) -> None:
    """Our handshakes are the bytes of worked exchanges with a 2.17.0 node, and our server reads them."""
    asked, frame = REQUESTS[name]
    assert frame_of(asked).hex() == frame.replace(" ", "")
    assert read_handshake(frame_of(asked)[4:]) == asked


def test_the_handshake_of_the_java_client_is_read() -> None:
    """Java sends a single attribute as a map of another kind, which means the same."""
    body = bytes.fromhex("01010007000000020c03000000ffff0f190100000000" + "09010000006b" + "090100000076")
    assert read_handshake(body) == Handshake(user_attributes={"k": "v"})


def test_the_handshake_of_pyignite_is_read() -> None:
    """A client with one feature byte and no attributes is understood."""
    assert read_handshake(bytes.fromhex("01010007000000020c0100000004")) == Handshake(features=frozenset({2}))
    assert read_handshake(bytes.fromhex("010100070000000265")) == Handshake(features=frozenset())


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_of_a_real_node_is_read(name: str) -> None:
    """A 2.17.0 node's yes and no mean what they meant there, and our server says them in the same bytes."""
    asked, frame, meaning = ANSWERS[name]
    data = bytes.fromhex(frame.replace(" ", ""))
    assert struct.unpack_from("<i", data) == (len(data) - 4,)
    assert read_answer(data[4:], asked) == meaning
    written = write_accepted(meaning) if isinstance(meaning, Accepted) else write_refused(meaning, asked.version)
    assert written == data[4:]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
FEATURES = st.frozensets(st.sampled_from(Feature))
CREDENTIALS = st.none() | st.builds(Credentials, TEXT, TEXT)


@given(
    version=st.sampled_from(VERSIONS),
    features=FEATURES,
    credentials=CREDENTIALS,
    attributes=st.dictionaries(TEXT, TEXT, max_size=3),
)
@settings(max_examples=70, derandomize=True, database=None)
def test_a_handshake_reads_back(
    version: tuple[int, int, int], features: frozenset[int], credentials: Credentials | None, attributes: dict[str, str]
) -> None:
    """What a client asks for is what the server learns, as far as the version can say it."""
    asked = Handshake(version, features, credentials, attributes)
    known = features if version >= (1, 7, 0) else frozenset[int]()
    said = attributes if Feature.USER_ATTRIBUTES in known else {}
    assert read_handshake(write_handshake(asked)) == Handshake(version, known, credentials, said)


@given(version=st.sampled_from(VERSIONS), features=FEATURES, offered=FEATURES, node=st.uuids())
@settings(max_examples=70, derandomize=True, database=None)
def test_a_yes_reads_back(
    version: tuple[int, int, int], features: frozenset[int], offered: frozenset[int], node: UUID
) -> None:
    """Both ends have the features that both know; the node names itself from 1.4.0 on."""
    features = features if version >= (1, 7, 0) else frozenset[int]()
    body = write_accepted(Accepted(ProtocolContext(version, offered), node))
    answer = read_answer(body, Handshake(version, features))
    assert answer == Accepted(ProtocolContext(version, features & offered), node if version >= (1, 4, 0) else None)


@given(
    version=st.sampled_from(VERSIONS),
    offered=st.tuples(*[st.integers(-(2**15), 2**15 - 1)] * 3),
    message=TEXT,
    status=st.integers(-(2**31), 2**31 - 1),
)
@settings(max_examples=70, derandomize=True, database=None)
def test_a_no_reads_back(
    version: tuple[int, int, int], offered: tuple[int, int, int], message: str, status: int
) -> None:
    """A refusal carries its version and text always, its status from 1.1.0 on."""
    refused = Refused(offered, message, status)
    body = write_refused(refused, version)
    assert len(body) == 7 + 5 + len(message.encode()) + (4 if version >= (1, 1, 0) else 0)
    read = read_answer(body, Handshake(version, frozenset()))
    assert read == (refused if version >= (1, 1, 0) else attrs.evolve(refused, status=1))


@pytest.mark.parametrize("version", UNKNOWN_VERSIONS)
@pytest.mark.parametrize("rest", [b"", b"\x0c\x03\0\0\0\xff\xff\x0f\x65", b"\xff\xff\xff"])
def test_a_version_that_nobody_knows_is_read_as_far_as_it_can_be(version: tuple[int, int, int], rest: bytes) -> None:
    """A later client is told which version to take, whatever its handshake goes on with."""
    body = struct.pack("<bhhhb", 1, *version, 2) + rest
    assert read_handshake(body) == Handshake(version, frozenset())


@pytest.mark.parametrize("data", [b"\xff" * 8, b"\xff" * 100, bytes([0xFF, 0xFF, 0x0F]) + b"\xaa" * 1000])
def test_features_of_later_servers_are_ignored(data: bytes) -> None:
    """Bits that this version doesn't know are not among the features, however many there are."""
    blob = b"\x0c" + struct.pack("<i", len(data)) + data
    answer = read_answer(b"\x01" + blob + b"\x65", Handshake())
    assert answer == Accepted(ProtocolContext(CURRENT_VERSION, EVERY), None)
    assert read_handshake(bytes.fromhex("0101000700000002") + blob + b"\x65").features == EVERY


def test_a_server_cannot_give_features_that_were_not_asked_for() -> None:
    """The features of a connection are never more than what the client asked for."""
    body = write_accepted(Accepted(ProtocolContext(), NODE))
    answer = read_answer(body, Handshake(features=frozenset({3, 11})))
    assert isinstance(answer, Accepted)
    assert answer.context.features == {3, 11}


def test_a_password_is_never_shown() -> None:
    """Neither credentials nor a handshake show the password."""
    asked = Handshake(credentials=Credentials("user", "CANARY"))
    assert "user" in repr(asked)
    assert "CANARY" not in repr(asked) + str(asked) + repr(asked.credentials) + f"{asked}"


WHOLE = {
    "request": write_handshake(
        Handshake(credentials=Credentials("user", "password"), user_attributes={"a": "b", "c": ""})
    ),
    "yes": write_accepted(Accepted(ProtocolContext(), NODE)),
    "no": write_refused(Refused((1, 7, 0), "no", 1), (1, 7, 0)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_cut_handshake_is_refused(name: str) -> None:
    """A handshake or answer that is cut at any byte is a DecodeError, unless only the credentials are missing."""
    body = WHOLE[name]
    without_credentials = len(body) - len("userpassword") - 10
    for end in range(len(body)):
        if name == "request" and end == without_credentials:
            assert read_handshake(body[:end]).credentials is None
            continue
        with pytest.raises(DecodeError):
            read_handshake(body[:end]) if name == "request" else read_answer(body[:end], Handshake())


@pytest.mark.parametrize(
    "body",
    [
        "02 0100 0700 0000 02",  # not a handshake
        "01 0100 0700 0000 00",  # ODBC
        "01 0100 0700 0000 01",  # JDBC
        "01 0100 0700 0000 02 09 01000000 41",  # features that are a string
        "01 0100 0700 0000 02 0c ffffffff",  # a negative length
        "01 0100 0700 0000 02 0c 01000000 01",  # attributes promised and missing
        "01 0100 0700 0000 02 0c 01000000 01 18 01000000 01",  # attributes that are a list
        "01 0100 0700 0000 02 0c 01000000 01 19 ffffffff 01",  # a negative number of attributes
        "01 0100 0700 0000 02 0c 01000000 01 19 ffffff7f 01",  # more attributes than bytes
        "01 0100 0700 0000 02 0c 01000000 01 19 01000000 01 0901000000ff 65",  # an attribute that is not UTF-8
        "01 0100 0700 0000 02 65 0901000000 41",  # a user without a password
        "01 0100 0700 0000 02 65 03 01000000 65",  # a user that is a number
    ],
)
def test_a_malformed_handshake_is_refused(body: str) -> None:
    """A handshake that breaks the rules is a DecodeError, and never half understood."""
    with pytest.raises(DecodeError):
        read_handshake(bytes.fromhex(body.replace(" ", "")))


def test_null_texts_are_empty() -> None:
    """Null in the place of an attribute, a name or a message reads as an empty text."""
    body = bytes.fromhex("0101000700000002" + "0c0100000001" + "190100000001" + "6565" + "6565")
    assert read_handshake(body) == Handshake(
        features=frozenset({0}), user_attributes={"": ""}, credentials=Credentials("", "")
    )
    assert read_answer(bytes.fromhex("00" + "000000000000" + "65" + "01000000"), Handshake()) == Refused(
        (0, 0, 0), "", 1
    )
