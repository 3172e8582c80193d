"""The extent of objects, and pages in which one object cannot be read."""

import random
import struct
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import (
    ANY,
    MALFORMED,
    Codecs,
    EntryTypes,
    SchemaMissing,
    Spec,
    decode_object,
    encode_object,
)
from ignitemap.protocol.codegen import compile_operation, compile_server_side
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import EntryCursor, QueryScan
from ignitemap.protocol.types import codes, mapping_codecs, raw_codecs
from ignitemap.protocol.types.binary_object import object_bytes
from ignitemap.protocol.types.extent import Unreadable, object_end, tolerant
from ignitemap.protocol.types.numeric import INT
from ignitemap.protocol.wire import ProtocolContext
from tests import strategies


def write(value: Any, codecs: Codecs | None = None) -> bytes:
    out = bytearray()
    encode_object(codecs or mapping_codecs(), out, value)
    return bytes(out)


OBJECT = object_bytes(5, 6, write(1) + write("x"), [24, 33])
WIRE = [
    OBJECT,
    struct.pack("<BI", codes.WRAPPED, len(OBJECT)) + OBJECT + bytes(4),
    bytes.fromhex("1c000000000902000000616205000000"),  # an enum of a class that is not registered
    bytes.fromhex("1d3930000002000000" + "1c3930000000000000" + "65"),
    bytes.fromhex("1d0000000009010000006102000000" + "1c3930000000000000" + "65"),
    bytes.fromhex("1700000000090100000061" + "02000000" + "65" + "0801"),
    bytes.fromhex("1402000000" + "090100000061" + "65"),
    bytes.fromhex("1802000000010801" + "6602000000"),
    bytes.fromhex("fe0400000065666768"),
]


@settings(strategies.RELAXED)
@given(strategies.values, st.sampled_from(WIRE))
def test_an_object_ends_where_reading_it_ends(value: Any, other: bytes) -> None:
    """The extent of every value is what reading it takes, whatever is behind it."""
    data = write(value)
    both = b"\x18" + struct.pack("<Ib", 2, 1) + data + other
    assert object_end(data + other, 0) == len(data)
    assert object_end(data + other, len(data)) == len(data) + len(other)
    assert object_end(both + b"\x65", 0) == len(both)
    for end in random.Random(1).sample(range(len(both)), min(len(both), 20)):
        with pytest.raises(DecodeError):
            object_end(both[:end], 0)


def test_extent_needs_no_recursion() -> None:
    """The extent of 100,000 nested lists is found."""
    data = bytes.fromhex("180100000001") * 100_000 + b"\x65"
    assert object_end(data, 0) == len(data)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "00",
        "20",
        "23",
        "fd",
        "18ffffffff01",
        "19ffffff7f01",
        "09ffffffff",
        "1e00000000ffffffff",
        "67",
        "1bffffffff",
    ],
)
def test_no_extent(data: str) -> None:
    """Where an extent cannot be told, that is a decode error."""
    with pytest.raises(DecodeError):
        object_end(bytes.fromhex(data), 0)


class Page:
    """Ten thousand entries, of which some values cannot be read."""

    def __init__(self, bad: dict[int, bytes]) -> None:
        self.bad = bad
        self.request = QueryScan(CacheRef(1), None, 10_000, -1, False)
        entries = [(index, f"value {index}") for index in range(10_000)]

        def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
            index = int(value.rpartition(" ")[2])
            out.extend(bad.get(index) or write(value))

        server = compile_server_side(QueryScan, EntryTypes(INT, Spec("any", encode, ANY.decode)))
        out = bytearray()
        server.encode(mapping_codecs(), ProtocolContext(), out, self.request, EntryCursor(7, entries, False))
        self.body = bytes(out)

    def read(self, codecs: Codecs, value: Spec[Any]) -> list[tuple[Any, Any]]:
        client = compile_operation(QueryScan, EntryTypes(INT, value))
        found = client.decode(codecs, ProtocolContext(), self.body, self.request)
        return list(found.entries)


BAD = {
    3: bytes.fromhex("180100000001") * 1001 + b"\x65",  # nests too deep
    77: bytes.fromhex("0902000000fffe"),  # is no UTF-8
    500: bytes.fromhex("180100000009" + "65"),  # no kind of collection
    5000: bytes.fromhex("19010000000118000000000165"),  # a list as the key of a map
    9998: bytes.fromhex("180200000001" + "65" + "6607000000"),  # a list that contains itself
    9999: bytes.fromhex("1e0000000000000000"),  # a decimal without digits
}


@pytest.mark.parametrize("make", [mapping_codecs, raw_codecs], ids=["mapping", "raw"])
def test_one_bad_entry_does_not_lose_the_others(make: Any) -> None:
    """Of a page of 10,000 entries with undecodable values among them all others are read, and each of these is told."""
    page = Page(BAD)
    strict = make()
    with pytest.raises((DecodeError, *MALFORMED)):
        page.read(strict, ANY)
    codecs = make()
    found = dict(page.read(codecs, tolerant(ANY)))
    assert len(found) == 10_000
    for key, value in found.items():
        if key in BAD:
            assert isinstance(value, Unreadable)
            assert value.data == BAD[key]
            assert isinstance(value.error, DecodeError)
        else:
            assert value == f"value {key}"
    assert codecs.depth == 0


def test_tolerance_has_limits() -> None:
    """What has no extent is an error still, and a schema that must be learned first is asked for."""
    with pytest.raises(DecodeError, match="cannot be told"):
        Page({5: bytes((codes.CLASS,)) + bytes(8)}).read(mapping_codecs(), tolerant(ANY))
    with pytest.raises(SchemaMissing):
        Page({5: OBJECT}).read(mapping_codecs(), tolerant(ANY))


def test_values_that_need_a_key_that_cannot_be_read() -> None:
    """A value that is joined with its key is unreadable if the key is."""
    joined: Spec[Any] = Spec("joined", ANY.encode, lambda codecs, buf, pos, key: decode_object(codecs, buf, pos))
    data = write(1)
    bad = Unreadable(b"", DecodeError("no"))
    assert tolerant(joined).decode(mapping_codecs(), data, 0, 5) == (1, len(data))
    value, end = tolerant(joined).decode(mapping_codecs(), data, 0, bad)
    assert (value.data, end) == (data, len(data))
