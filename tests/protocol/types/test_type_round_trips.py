"""Every value of the mapping profile comes back as what it was, and hostile bytes end in a decode error."""

import random
import struct
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings, strategies as st

from ignitemap.exceptions import DecodeError, EncodeTypeError, EncodeValueError
from ignitemap.protocol.codecs import (
    MALFORMED,
    MAX_DECODE_DEPTH,
    MAX_ENCODE_DEPTH,
    Codecs,
    SchemaMissing,
    decode_object,
    encode_object,
)
from ignitemap.protocol.types import codes, mapping_codecs
from ignitemap.protocol.types.binary_object import object_bytes
from tests import strategies

READABLE = (DecodeError, *MALFORMED)


def write(value: Any, codecs: Codecs | None = None) -> bytes:
    out = bytearray()
    encode_object(codecs or mapping_codecs(), out, value)
    return bytes(out)


def read(data: bytes, codecs: Codecs | None = None) -> Any:
    value, end = decode_object(codecs or mapping_codecs(), data, 0)
    assert end == len(data)
    return value


def same(left: Any, right: Any) -> bool:
    """Equal, of the same class all the way down, with the same exponent and sign."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, (Decimal, float)):
        return repr(left) == repr(right)
    if isinstance(left, dict):
        return same(list(left), list(right)) and same(list(left.values()), list(right.values()))
    return bool(left == right)


@settings(strategies.RELAXED)
@given(strategies.values)
@example([[], {}, set(), (), frozenset(), "", b"", [None]])
@example(float("inf"))
@example(-0.0)
@example(Decimal("1." + "7" * 999))
@example(datetime.max.replace(tzinfo=UTC))
@example(datetime.min.replace(tzinfo=UTC))
@example(date.max)
@example(time.max.replace(microsecond=999000))
def test_round_trip(value: Any) -> None:
    """A value comes back equal and as the same Python type, and is written to the same bytes again."""
    data = write(value)
    back = read(data)
    assert same(back, value)
    assert write(back) == data


@given(strategies.values)
@settings(strategies.RELAXED, max_examples=30)
def test_truncated(value: Any) -> None:
    """Every truncation of a valid value is a decode error."""
    data = write(value)
    for end in range(min(len(data), 400)):
        with pytest.raises(READABLE):
            decode_object(mapping_codecs(), data[:end], 0)


@given(strategies.values, st.randoms(use_true_random=False))
@settings(strategies.RELAXED, max_examples=60)
def test_mutated(value: Any, source: random.Random) -> None:
    """Whatever the bytes, a decoder ends within them or in a decode error."""
    data = bytearray(write(value))
    codecs = mapping_codecs()
    for _ in range(20):
        mutated = bytearray(data)
        for _ in range(source.randint(1, 3)):
            mutated[source.randrange(len(mutated))] = source.choice(
                (0, 1, 0x7F, 0x80, 0xFF, source.randrange(256), *codes.NAMES)
            )
        check_hostile(codecs, bytes(mutated))


@settings(strategies.RELAXED)
@given(st.binary(max_size=80))
def test_random_bytes(data: bytes) -> None:
    """Random bytes are read to something or to a decode error."""
    check_hostile(mapping_codecs(), data)


def check_hostile(codecs: Codecs, data: bytes) -> None:
    codecs.depth = codecs.repeated = 0
    try:
        _, end = decode_object(codecs, data, 0)
    except (*READABLE, SchemaMissing):
        return
    assert 0 < end <= len(data)


COUNTED = {
    codes.STRING: "",
    codes.BYTE_ARRAY: "",
    codes.SHORT_ARRAY: "",
    codes.INT_ARRAY: "",
    codes.LONG_ARRAY: "",
    codes.FLOAT_ARRAY: "",
    codes.DOUBLE_ARRAY: "",
    codes.CHAR_ARRAY: "",
    codes.BOOL_ARRAY: "",
    codes.STRING_ARRAY: "",
    codes.UUID_ARRAY: "",
    codes.DATE_ARRAY: "",
    codes.DECIMAL_ARRAY: "",
    codes.TIMESTAMP_ARRAY: "",
    codes.TIME_ARRAY: "",
    codes.COLLECTION: "",
    codes.MAP: "",
    codes.WRAPPED: "",
    codes.OPTIMIZED: "",
    codes.OBJECT_ARRAY: "ffffffff",
    codes.ENUM_ARRAY: "01000000",
    codes.DECIMAL: "00000000",
}


@pytest.mark.parametrize("code", COUNTED)
@pytest.mark.parametrize("count", [-(2**31), -1, 2**16, 2**28, 2**31 - 1])
def test_count_attack(code: int, count: int) -> None:
    """A count that the bytes cannot hold is refused before anything is allocated."""
    data = bytes((code,)) + bytes.fromhex(COUNTED[code]) + struct.pack("<i", count) + b"\x01" + b"\x65" * 1000
    with pytest.raises(READABLE):
        decode_object(mapping_codecs(), data, 0)


def nested_lists(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_encode_depth() -> None:
    """A value may nest as deep as the limit; deeper ones and cycles are refused."""
    assert read(write(nested_lists(MAX_ENCODE_DEPTH))) == nested_lists(MAX_ENCODE_DEPTH)
    for make in (list, tuple, set, frozenset, dict):
        value: Any = make()
        for _ in range(MAX_ENCODE_DEPTH):
            value = {1: value} if make is dict else (make((value,)) if make is not set else [value])
        with pytest.raises(EncodeValueError, match="deeper"):
            write(value)
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(EncodeValueError, match="deeper"):
        write(cycle)


@pytest.mark.parametrize(
    "head", ["180100000001", "17ffffffff01000000", "19010000000165"], ids=["list", "tuple", "dict"]
)
def test_decode_depth(head: str) -> None:
    """Nesting is read up to the limit and refused beyond it, however deep."""
    level = bytes.fromhex(head)
    read(level * MAX_DECODE_DEPTH + b"\x65")
    for levels in (MAX_DECODE_DEPTH + 1, 100_000):
        with pytest.raises(DecodeError, match="deeper"):
            read(level * levels + b"\x65")


def test_handle_repeats_an_object() -> None:
    """A handle stands for the object that it points back to."""
    inner = bytes.fromhex("1801000000010801")
    data = bytes.fromhex("180200000001") + inner + b"\x66" + struct.pack("<i", len(inner))
    assert read(data) == [[True], [True]]


def test_handles_nest_as_deep_as_values() -> None:
    """Handles count towards the limit of nesting."""
    codecs = mapping_codecs()
    codecs.depth = MAX_DECODE_DEPTH
    with pytest.raises(DecodeError, match="deeper"):
        decode_object(codecs, bytes.fromhex("656601000000"), 1)


@pytest.mark.parametrize("distance", [0, -1, 7, 2**31 - 1, 6])
def test_bad_handle(distance: int) -> None:
    """A handle to nowhere, to the future or into a cycle is a decode error."""
    with pytest.raises(DecodeError):
        read(bytes.fromhex("180100000001") + b"\x66" + struct.pack("<i", distance))


def test_handles_do_not_multiply_work() -> None:
    """Handles within handles would double the work at every level; they end in a decode error soon."""
    data = b""
    heads = 60
    lists = bytes.fromhex("180200000001") * heads + b"\x65"
    data = lists
    # every level: the inner list, and a handle to that same inner list
    for level in range(heads):
        inner_start = 6 * (heads - level)
        data += b"\x66" + struct.pack("<i", len(data) - inner_start)
    with pytest.raises(DecodeError, match="handles"):
        read(data)


@pytest.mark.parametrize("code", [codes.CLASS, codes.PROXY, codes.FACTORY_PROXY, codes.TRANSFORMED])
def test_java_only(code: int) -> None:
    """What only Java can read is refused by name."""
    with pytest.raises(DecodeError, match=codes.code_name(code)):
        read(bytes((code,)) + b"\x01" * 30)


@pytest.mark.parametrize("code", [0, 26, 39, 98, 200])
def test_unknown_code(code: int) -> None:
    """A code that the protocol does not have is refused by number."""
    with pytest.raises(DecodeError, match=f"type code {code} "):
        read(bytes((code,)) * 30)


def test_same_hash_attack() -> None:
    """Keys that were made to share one hash code are refused before a dict or set of them is built."""
    modulus = (1 << 61) - 1
    keys = [UUID(int=index * modulus) for index in range(5000)]
    head = struct.pack("<i", len(keys))
    pairs = b"".join(write(key) + b"\x65" for key in keys)
    with pytest.raises(DecodeError, match="hash"):
        read(b"\x19" + head + b"\x01" + pairs)
    with pytest.raises(DecodeError, match="hash"):
        read(b"\x18" + head + b"\x03" + b"".join(map(write, keys)))


def test_python_cannot_tell_apart() -> None:
    """Java keys that are equal in Python are refused, not merged."""
    int_and_long = bytes.fromhex("0301000000040100000000000000")
    with pytest.raises(DecodeError, match="one to Python"):
        read(bytes.fromhex("180200000003") + int_and_long)
    with pytest.raises(DecodeError, match="one to Python"):
        read(bytes.fromhex("190200000001") + bytes.fromhex("03010000006504010000000000000065"))


def test_unhashable() -> None:
    """A map keyed by lists, and a set of them, is a decode error."""
    with pytest.raises(DecodeError, match="hash"):
        read(bytes.fromhex("19010000000118000000000165"))
    for kind in ("03", "04"):
        with pytest.raises(DecodeError, match="hash"):
            read(bytes.fromhex("1801000000" + kind + "180000000001"))


def test_kinds() -> None:
    """A kind that Java does not have is a decode error."""
    for kind in ("05", "7f", "fe"):
        with pytest.raises(DecodeError, match="kind of collection"):
            read(bytes.fromhex("1800000000" + kind))
    for kind in ("03", "ff"):
        with pytest.raises(DecodeError, match="kind of map"):
            read(bytes.fromhex("1900000000" + kind))


def test_equal_sets_have_equal_bytes() -> None:
    """The order in which a set was filled does not show in its bytes."""
    numbers = [random.Random(1).getrandbits(60) for _ in range(200)]
    backwards = numbers[::-1]
    assert write(set(numbers)) == write(set(backwards))
    assert write(frozenset(map(str, numbers))) == write(frozenset(map(str, reversed(numbers))))


def test_unsupported_class() -> None:
    """A class that Ignite has no type for is an EncodeTypeError that names it."""
    with pytest.raises(EncodeTypeError, match="complex"):
        write(1j)


def test_object_attack() -> None:
    """Every truncation and every header that lies about its length is a decode error."""
    data = object_bytes(5, 6, write(1) + write("x"), [24, 33])
    for end in range(len(data)):
        with pytest.raises(READABLE):
            decode_object(mapping_codecs(), data[:end], 0)
    for length in (0, 23, 2**31 - 1, 2**32 - 1):
        with pytest.raises(READABLE):
            decode_object(mapping_codecs(), data[:12] + struct.pack("<I", length) + data[16:], 0)
