"""Normal forms: whatever the protocol lets a client write in several ways comes back as a real node sends it."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings, strategies as st

from ignitemap.embedded.objects import NULL, marshalled_long, marshalled_text, object_codecs, same, text_of, wrapped
from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import MALFORMED, decode_object, encode_object
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.extent import object_end

OBJECTS = object_codecs()
OBJECT = bytes.fromhex("67012b005b317265eaade02827000000f3f1dc39250000000307000000090300000" + "0426f62181d")


def kept(data: bytes) -> bytes:
    """An object as a node keeps it; all of the bytes are read."""
    value, end = decode_object(OBJECTS, data, 0)
    assert end == len(data)
    assert isinstance(value, bytes)
    return value


def sent(value: bytes) -> bytes:
    """A kept object as a client gets it."""
    out = bytearray()
    encode_object(OBJECTS, out, value)
    return bytes(out)


def collection(kind: int, *items: bytes) -> bytes:
    return struct.pack("<Bib", 24, len(items), kind) + b"".join(items)


WRAPPED = b"\x1b" + struct.pack("<i", len(OBJECT)) + OBJECT + bytes(4)
INT = struct.pack("<Bi", 3, 1)

# Left what is sent, right what a 2.17.0 node sends back (facts: protocol, round trips).
ROUND_TRIPS = {
    "a complex object": (OBJECT, WRAPPED),
    "a wrapped object": (WRAPPED, WRAPPED),
    "an object at an offset": (
        b"\x1b" + struct.pack("<i", len(OBJECT) + 3) + b"abc" + OBJECT + struct.pack("<i", 3),
        WRAPPED,
    ),
    "an object in a list": (collection(1, OBJECT), collection(1, WRAPPED)),
    "an enum": (struct.pack("<Bii", 28, 5, 1), struct.pack("<Bii", 38, 5, 1)),
    "an enum array": (
        struct.pack("<Bii", 29, 5, 1) + struct.pack("<Bii", 28, 5, 1),
        struct.pack("<Bii", 23, -1, 1) + struct.pack("<Bii", 38, 5, 1),
    ),
    "an object array with a type": (struct.pack("<Bii", 23, 5, 1) + INT, struct.pack("<Bii", 23, -1, 1) + INT),
    "an object array with a class": (
        struct.pack("<Bi", 23, 0) + marshalled_text("a.B") + struct.pack("<i", 1) + INT,
        struct.pack("<Bii", 23, -1, 1) + INT,
    ),
    "any set": (collection(-1, INT), collection(3, INT)),
    "any collection": (collection(0, INT), collection(1, INT)),
    "a singleton list": (collection(5, INT), collection(1, INT)),
    "any map": (struct.pack("<Bib", 25, 1, 0) + INT + NULL, struct.pack("<Bib", 25, 1, 1) + INT + NULL),
    "a boolean of 2": (b"\x08\x02", b"\x08\x00"),
    "booleans": (b"\x13\x03\0\0\0\x00\x01\x02", b"\x13\x03\0\0\0\x00\x01\x00"),
    "text that is no UTF-8": (b"\x09\x02\0\0\0a\xff", marshalled_text("a\ufffd")),
    "a long decimal": (b"\x1e" + struct.pack("<ii", 2, 3) + b"\0\0\x05", b"\x1e" + struct.pack("<ii", 2, 1) + b"\x05"),
    "minus nothing": (b"\x1e" + struct.pack("<ii", 0, 1) + b"\x80", b"\x1e" + struct.pack("<ii", 0, 1) + b"\0"),
    "too many nanos": (struct.pack("<Bqi", 33, 1000, 5_000_000), struct.pack("<Bqi", 33, 1005, 0)),
    "a handle": (
        collection(1, OBJECT, struct.pack("<Bi", 102, len(OBJECT))),
        collection(1, WRAPPED, WRAPPED),
    ),
    "a negative decimal": (b"\x1e" + struct.pack("<ii", 1, 1) + b"\x8f", b"\x1e" + struct.pack("<ii", 1, 1) + b"\x8f"),
    "a Java object": (b"\xfe\x02\0\0\0ab", b"\xfe\x02\0\0\0ab"),
}


@pytest.mark.parametrize(("given", "back"), ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_round_trips(given: bytes, back: bytes) -> None:
    """What comes back is what a real node sends back, and sending that changes nothing more."""
    assert sent(kept(given)) == back
    assert kept(back) == kept(given)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary() | st.uuids(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=200, derandomize=True, deadline=None, database=None)
def test_what_the_library_writes_is_normal(value: object) -> None:
    """What this library writes is kept as it is, byte for byte."""
    out = bytearray()
    encode_object(mapping_codecs(), out, value)
    assert sent(kept(bytes(out))) == bytes(out)


BROKEN = {
    "an unknown code": b"\x63\0\0\0\0",
    "a cut long": b"\x04\0\0",
    "a cut text": b"\x09\x05\0\0\0ab",
    "an empty decimal": b"\x1e" + struct.pack("<ii", 0, 0),
    "a collection of an unknown kind": collection(9, INT),
    "a singleton list of two": collection(5, INT, INT),
    "a map of an unknown kind": struct.pack("<Bib", 25, 1, 7) + INT + INT,
    "more items than bytes": struct.pack("<Bib", 24, 1 << 30, 1),
    "a handle to nowhere": collection(1, struct.pack("<Bi", 102, 100)),
    "a handle forward": collection(1, struct.pack("<Bi", 102, -1)),
    "a list that holds itself": collection(1, struct.pack("<Bi", 102, 6)),
    "an object of another version": OBJECT[:1] + b"\x02" + OBJECT[2:],
    "an object of no length": OBJECT[:12] + struct.pack("<i", 5) + OBJECT[16:],
    "an object that is cut": OBJECT[:-1],
    "an object with its footer outside": OBJECT[:20] + struct.pack("<i", 999) + OBJECT[24:],
    "a wrapper of no object": b"\x1b\x01\0\0\0a" + bytes(4),
    "a wrapper with a wrong offset": WRAPPED[:-4] + struct.pack("<i", 999),
    "an enum of a class without its name": struct.pack("<Bii", 28, 0, 1) + bytes(5),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_objects(data: bytes) -> None:
    """What a real node hangs up on is refused."""
    with pytest.raises((DecodeError, *MALFORMED)):
        decode_object(OBJECTS, data, 0)


def test_handles_that_multiply() -> None:
    """Handles to containers of handles are refused before they stand for more than is bearable."""
    bomb = collection(1, INT)
    for _ in range(40):
        bomb = collection(1, bomb, *[struct.pack("<Bi", 102, len(bomb) + 5 * n) for n in range(9)])
    with pytest.raises(DecodeError):
        decode_object(OBJECTS, bomb, 0)


def test_random_bytes() -> None:
    """Any bytes are an object with an end inside of them, or refused as malformed: nothing else is raised."""
    dice = random.Random(1)  # noqa: S311 - no secret
    for _ in range(3000):
        data = bytearray(dice.choice(list(ROUND_TRIPS.values()))[0])
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            value, end = decode_object(OBJECTS, bytes(data), 0)
        except (DecodeError, *MALFORMED):
            continue
        assert end <= len(data)
        assert object_end(value, 0) == len(value)


def test_collections_that_equal_nothing() -> None:
    """Values are equal by their bytes, but a collection or map with an array in it equals nothing, itself included."""
    data = b"\x0c\x01\0\0\0x"
    assert same(INT, INT)
    assert same(data, data)
    assert not same(INT, NULL)
    assert same(collection(1, INT, collection(1, INT)), collection(1, INT, collection(1, INT)))
    for value in (
        collection(1, data),
        collection(1, INT, collection(1, struct.pack("<Bii", 23, -1, 0))),
        struct.pack("<Bib", 25, 1, 1) + INT + data,
    ):
        assert not same(value, value)


def test_small_things() -> None:
    """Texts and numbers are written as the protocol has them, and only texts are read as texts."""
    assert text_of(marshalled_text("ä")) == "ä"
    assert text_of(NULL) is None
    with pytest.raises(DecodeError):
        text_of(INT)
    assert marshalled_long(-1) == b"\x04" + b"\xff" * 8
    assert wrapped(OBJECT) == WRAPPED
    assert wrapped(INT) == INT
