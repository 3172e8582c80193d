"""Java's hash codes, against the plain loop and against values that a real cluster confirmed."""

import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given, strategies as st

from ignitemap.protocol.hashing import (
    bytes_hash,
    decimal_hash,
    field_id,
    long_hash,
    lowercase_hash,
    schema_id,
    sequence_hash,
    string_hash,
    type_id,
    uuid_hash,
)

INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(categories=None), max_size=40)


def signed(value: int) -> int:
    """The low 32 bits of a number as Java's int."""
    value &= 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value


def polynomial(items: Iterable[int], start: int) -> int:
    """The definition of all of Java's sequence hashes."""
    value = start
    for item in items:
        value = signed(31 * value + item)
    return value


def units(text: str) -> list[int]:
    """The UTF-16 code units of a text."""
    data = text.encode("utf-16-le", "surrogatepass")
    return [data[at] | data[at + 1] << 8 for at in range(0, len(data), 2)]


def signed_bytes(data: bytes) -> list[int]:
    """Bytes as Java has them, from -128 to 127."""
    return [byte - 256 if byte > 127 else byte for byte in data]


@contextmanager
def int_digits_limit(limit: int) -> Iterator[None]:
    """The smallest limit that a program may have set on int()."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0),
        ("hello", 99162322),
        ("zzproto_a", 394347658),
        ("user:1001", 303304367),
        ("😀key", 1276932636),
    ],
)
def test_string_vectors(text: str, value: int) -> None:
    """Strings hash as a real node hashes them, surrogate pairs as two units."""
    assert string_hash(text) == value


@given(TEXT)
@example("\x00")
@example("\ud800")
@example("é")
@example("\uffff" * 3)
@example("￿😀")
def test_string_is_polynomial(text: str) -> None:
    """The hash of a string is the polynomial over its UTF-16 units, lone surrogates included."""
    assert string_hash(text) == polynomial(units(text), 0)


@given(st.binary(max_size=80))
@example(b"\x80")
@example(b"\x7f\xff\x00\x80")
def test_bytes_is_polynomial(data: bytes) -> None:
    """The hash of bytes is the polynomial over signed bytes from 1, for bytes and bytearray alike."""
    value = polynomial(signed_bytes(data), 1)
    assert bytes_hash(data) == value
    assert bytes_hash(bytearray(data)) == value


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 767, 768, 769, 1023, 1024, 1025, 5000])
@pytest.mark.parametrize("fill", [b"\x00", b"\x7f", b"\x80", b"\xff", bytes(range(256))])
def test_chunk_borders(size: int, fill: bytes) -> None:
    """No length around the size of a chunk, and no extreme byte, changes the formula."""
    data = (fill * (size // len(fill) + 1))[:size]
    with int_digits_limit(640):
        assert bytes_hash(data) == polynomial(signed_bytes(data), 1)
        for text in (
            bytes(byte & 0x7F for byte in data).decode(),
            data.decode("latin-1"),
            "€" + data.decode("latin-1"),
        ):
            assert string_hash(text) == polynomial(units(text), 0)


def test_bytes_vectors() -> None:
    """Empty bytes, a byte[] key and the fields of a complex object hash as a real node says."""
    assert bytes_hash(b"") == 1
    assert bytes_hash(bytes.fromhex("0102ff")) == 30813
    assert bytes_hash(bytes.fromhex("030100000009020000006b6b")) == 2046721350
    assert bytes_hash(bytes.fromhex("03070000000903000000426f62")) == signed(0x28E0ADEA)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("zzproto.Person", 1701982555),
        ("ZZPROTO.PERSON", 1701982555),
        ("id", 3355),
        ("ID", 3355),
        ("name", 3373707),
        ("", 0),
    ],
)
def test_name_vectors(name: str, value: int) -> None:
    """Names of types and fields hash without regard to case."""
    assert type_id(name) == field_id(name) == lowercase_hash(name) == value


@pytest.mark.parametrize(
    ("name", "lowered"),
    [
        ("ΟΔΟΣ", "οδοσ"),  # str.lower() would write a final sigma
        ("İd", "id"),  # str.lower() would add a combining dot
        ("\U00010400", "\U00010400"),  # a capital letter, but each of its two units alone has no case
        ("\u212aELVIN", "kelvin"),
        ("ÀÉ", "àé"),
        ("\ud801", "\ud801"),
        ("ẞ", "ß"),
    ],
)
def test_lower_case_is_by_unit(name: str, lowered: str) -> None:
    """Each UTF-16 unit is lower-cased on its own, as Java's Character.toLowerCase(char) does it."""
    assert lowercase_hash(name) == polynomial(units(lowered), 0)


def test_only_one_character_grows() -> None:
    """The dotted capital I is the only character of the BMP whose lower() is not one unit."""
    assert [code for code in range(0x10000) if len(units(chr(code).lower())) != 1] == [0x130]


def test_schema_vectors() -> None:
    """Schema ids depend on the order, and that of no fields is not 0."""
    assert schema_id([3355, 3373707]) == 970781171
    assert schema_id([3373707, 3355]) != 970781171
    assert schema_id([]) == signed(0x811C9DC5)
    assert schema_id([3355]) == signed(0x633403DD)


@given(st.lists(INT, max_size=5))
def test_schema_is_fnv(ids: list[int]) -> None:
    """A schema id is FNV-1 over the ids' bytes, lowest first."""
    value = 0x811C9DC5
    for one in ids:
        for shift in (0, 8, 16, 24):
            value = (value ^ (one >> shift & 0xFF)) * 0x01000193 % 2**32
    assert schema_id(ids) == signed(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(42, 42), (-1, 0), (0, 0), (1234567890123, 1912276436), (-(2**63), -(2**31)), (1700000000123, -807048720)],
)
def test_long_vectors(value: int, expected: int) -> None:
    """Longs hash as a real node hashes them."""
    assert long_hash(value) == expected


@given(LONG)
def test_long_is_java(value: int) -> None:
    """The hash of a long is its upper half xor its lower half, whichever way its bits are read."""
    bits = value & (2**64 - 1)
    assert long_hash(value) == long_hash(bits) == signed((bits ^ bits >> 32) & 0xFFFFFFFF)


def test_uuid_vector() -> None:
    """A UUID hashes as a real node hashes it."""
    assert uuid_hash(uuid.UUID("a135ea16-0138-45d3-b7b2-7936a934b79b").int) == -1098161816


@given(st.uuids())
def test_uuid_is_java(value: uuid.UUID) -> None:
    """The hash of a UUID is the xor of its four words."""
    words = [value.int >> shift & 0xFFFFFFFF for shift in (96, 64, 32, 0)]
    assert uuid_hash(value.int) == signed(words[0] ^ words[1] ^ words[2] ^ words[3])


@pytest.mark.parametrize(
    ("unscaled", "scale", "value"),
    [
        (12345, 2, 382697),
        (-12345, 2, -382693),
        (123456789012345678901234567890, 3, -748148566),
        (0, 0, 0),
        (0, 5, 5),
        (0, -3, -3),
    ],
)
def test_decimal_vectors(unscaled: int, scale: int, value: int) -> None:
    """Decimals hash by value and scale, not normalised, as a real node hashes them."""
    assert decimal_hash(unscaled, scale) == value


def test_decimal_keeps_scale() -> None:
    """1.1 and 1.10 have different hashes."""
    assert decimal_hash(11, 1) != decimal_hash(110, 2)


@given(st.integers(), INT)
def test_decimal_is_java(unscaled: int, scale: int) -> None:
    """The hash of a decimal is the polynomial over its 32-bit words, with the sign put on before the scale."""
    words: list[int] = []
    rest = abs(unscaled)
    while rest:
        words.insert(0, rest & 0xFFFFFFFF)
        rest >>= 32
    whole = polynomial(words, 0)
    assert decimal_hash(unscaled, scale) == signed(31 * (-whole if unscaled < 0 else whole) + scale)


def test_sequence_vectors() -> None:
    """Arrays and lists hash as a real node hashes them."""
    assert sequence_hash([]) == 1
    assert sequence_hash([1, -2]) == 990
    assert sequence_hash([string_hash("a"), string_hash("b")]) == 4066
    assert sequence_hash([1, 2]) == 994


@given(st.lists(INT))
def test_sequence_is_polynomial(hashes: list[int]) -> None:
    """The hash of a sequence is the polynomial over its elements' hashes from 1."""
    assert sequence_hash(iter(hashes)) == polynomial(hashes, 1)
