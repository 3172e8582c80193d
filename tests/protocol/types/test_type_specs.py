"""Declared types: what they write, what they read instead of their own code, and what they refuse."""

import collections
import copy
import ctypes
import datetime as dt
import enum
import math
import pickle
import struct
import uuid
from array import array
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings, strategies as st

from ignitemap.exceptions import (
    DecodeError,
    EncodeOverflowError,
    EncodeTypeError,
    EncodeValueError,
    ModelError,
)
from ignitemap.protocol.codecs import ANY, MALFORMED, Codecs, Spec, decode_object, encode_object, optional
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.arrays import (
    BOOL_ARRAY,
    BYTE_ARRAY,
    BYTES,
    CHAR_ARRAY,
    DATE_ARRAY,
    DECIMAL_ARRAY,
    DOUBLE_ARRAY,
    FLOAT_ARRAY,
    INT_ARRAY,
    LONG_ARRAY,
    SHORT_ARRAY,
    STRING_ARRAY,
    TIME_ARRAY,
    TIMESTAMP_ARRAY,
    UUID_ARRAY,
    array_of,
    object_array_of,
)
from ignitemap.protocol.types.collections import frozenset_of, list_of, set_of, tuple_of
from ignitemap.protocol.types.decimal import DECIMAL
from ignitemap.protocol.types.enums import EnumValue, enum_of, make_enum_codec
from ignitemap.protocol.types.maps import dict_of
from ignitemap.protocol.types.numeric import BOOL, BYTE, DOUBLE, FLOAT, INT, LONG, SHORT
from ignitemap.protocol.types.opaque import OpaqueObject
from ignitemap.protocol.types.temporal import DATE, SQL_DATE, TIME, TIMEDELTA, TIMESTAMP, UTIL_DATE, Timestamp
from ignitemap.protocol.types.text import CHAR, STRING
from ignitemap.protocol.types.uuid import UUID
from tests import strategies

UTC = dt.UTC
NOON = dt.datetime(2024, 2, 29, 12, 0, 0, 123456, UTC)
SOME_UUID = uuid.UUID(int=2**127 + 5)


def write(spec: Spec[Any], value: Any, codecs: Codecs | None = None) -> bytes:
    out = bytearray()
    spec.encode(codecs or mapping_codecs(), out, value)
    return bytes(out)


def read(spec: Spec[Any], data: bytes, codecs: Codecs | None = None) -> Any:
    value, end = spec.decode(codecs or mapping_codecs(), data, 0)
    assert end == len(data)
    return value


SPECS: list[tuple[Spec[Any], st.SearchStrategy[Any]]] = [
    (BYTE, st.integers(-128, 127)),
    (SHORT, st.integers(-(2**15), 2**15 - 1)),
    (INT, st.integers(-(2**31), 2**31 - 1)),
    (LONG, strategies.longs),
    (FLOAT, st.floats(width=32, allow_nan=False)),
    (DOUBLE, strategies.floats),
    (BOOL, st.booleans()),
    (CHAR, st.characters(max_codepoint=0xFFFF, exclude_categories=[])),
    (STRING, strategies.texts),
    (BYTES, st.binary()),
    (DECIMAL, strategies.decimals),
    (DATE, strategies.dates),
    (SQL_DATE, strategies.dates),
    (TIME, strategies.times),
    (TIMESTAMP, strategies.aware_datetimes),
    (
        UTIL_DATE,
        strategies.aware_datetimes.map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000)),
    ),
    (TIMEDELTA, st.integers(-(10**14), 10**14).map(lambda ms: dt.timedelta(milliseconds=ms))),
    (UUID, st.uuids()),
    (SHORT_ARRAY, st.lists(st.integers(-(2**15), 2**15 - 1))),
    (INT_ARRAY, st.lists(st.integers(-(2**31), 2**31 - 1))),
    (LONG_ARRAY, st.lists(strategies.longs)),
    (FLOAT_ARRAY, st.lists(st.floats(width=32, allow_nan=False))),
    (DOUBLE_ARRAY, st.lists(strategies.floats)),
    (BOOL_ARRAY, st.lists(st.booleans())),
    (CHAR_ARRAY, st.lists(st.characters(max_codepoint=0xFFFF, exclude_categories=[]))),
    (array_of(BYTE), st.lists(st.integers(-128, 127))),
    (STRING_ARRAY, st.lists(strategies.texts)),
    (UUID_ARRAY, st.lists(st.uuids())),
    (DECIMAL_ARRAY, st.lists(strategies.decimals)),
    (DATE_ARRAY, st.lists(strategies.dates)),
    (TIMESTAMP_ARRAY, st.lists(strategies.aware_datetimes)),
    (TIME_ARRAY, st.lists(strategies.times)),
    (object_array_of(list_of(INT)), st.lists(st.lists(st.integers(0, 9)))),
    (array_of(optional(STRING)), st.lists(st.none() | strategies.texts)),
    (list_of(ANY), st.lists(strategies.values)),
    (tuple_of(INT), st.lists(st.integers(0, 9)).map(tuple)),
    (set_of(STRING), st.sets(strategies.texts)),
    (frozenset_of(tuple_of(INT)), st.frozensets(st.lists(st.integers(0, 9)).map(tuple))),
    (dict_of(STRING, list_of(DECIMAL)), st.dictionaries(strategies.texts, st.lists(strategies.decimals))),
    (optional(LONG), st.none() | strategies.longs),
]


@pytest.mark.parametrize(("spec", "values"), SPECS, ids=[spec.name for spec, _ in SPECS])
@settings(strategies.RELAXED, max_examples=30)
@given(data=st.data())
def test_round_trip(spec: Spec[Any], values: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """What a declared type writes, it reads as the same value of the same Python type; cut short it is refused."""
    value = data.draw(values)
    written = write(spec, value)
    back = read(spec, written)
    assert (back, type(back)) == (value, type(value))
    cut = data.draw(st.integers(0, len(written) - 1))
    with pytest.raises((DecodeError, *MALFORMED)):
        spec.decode(mapping_codecs(), written[:cut], 0)


@pytest.mark.parametrize("spec", [spec for spec, _ in SPECS if not spec.nullable], ids=lambda spec: spec.name)
def test_null_is_refused(spec: Spec[Any]) -> None:
    """Null where a value is declared is a decode error that says null; with optional() it is None."""
    with pytest.raises(DecodeError, match=r"null where .* is declared"):
        read(spec, b"\x65")
    assert read(optional(spec), b"\x65") is None
    assert write(optional(spec), None) == b"\x65"
    with pytest.raises(EncodeTypeError):
        write(spec, None)


@pytest.mark.parametrize(
    "spec", [spec for spec, _ in SPECS if spec is not ANY and not spec.nullable], ids=lambda spec: spec.name
)
def test_wrong_class_is_refused(spec: Spec[Any]) -> None:
    """A value of another class is an EncodeTypeError that does not show it, and a foreign object a DecodeError."""
    with pytest.raises(EncodeTypeError) as caught:
        write(spec, collections.UserString("secret"))
    assert "secret" not in str(caught.value)
    foreign = write(ANY, EnumValue(77, 1))
    with pytest.raises(DecodeError, match="enum"):
        read(spec, foreign)


@pytest.mark.parametrize(
    ("spec", "bits"), [(BYTE, 8), (SHORT, 16), (INT, 32), (LONG, 64)], ids=["byte", "short", "int", "long"]
)
def test_integer_range(spec: Spec[int], bits: int) -> None:
    """An integer beyond its type is an EncodeOverflowError; a bool is none; every width is read."""
    edge = 1 << (bits - 1)
    for value in (-edge, edge - 1):
        assert read(spec, write(spec, value)) == value
    for value in (-edge - 1, edge, 2**70):
        with pytest.raises(EncodeOverflowError):
            write(spec, value)
        with pytest.raises(OverflowError):
            write(list_of(spec), [value])
    with pytest.raises(EncodeTypeError):
        write(spec, True)
    for other in (BYTE, SHORT, INT, LONG):
        assert read(spec, write(other, -5)) == -5
    with pytest.raises(DecodeError, match=f"expected {spec.name}, the cluster has a boolean"):
        read(spec, b"\x08\x01")


def test_untyped_int_range() -> None:
    """An untyped int is a long or an error, never wrapped."""
    with pytest.raises(EncodeOverflowError):
        write(ANY, 2**63)


def test_double() -> None:
    """DOUBLE takes floats and ints that it holds exactly, and reads floats."""
    assert read(DOUBLE, write(DOUBLE, 2**53)) == 2.0**53
    for value, error in (
        (2**53 + 1, EncodeValueError),
        (10**400, EncodeOverflowError),
        (Decimal(1), EncodeTypeError),
        (True, EncodeTypeError),
    ):
        with pytest.raises(error):
            write(DOUBLE, value)
    assert math.isnan(read(DOUBLE, write(DOUBLE, math.nan)))
    assert math.copysign(1, read(DOUBLE, write(DOUBLE, -0.0))) == -1
    assert read(DOUBLE, write(FLOAT, 0.5)) == 0.5
    with pytest.raises(DecodeError, match="a long"):
        read(DOUBLE, write(LONG, 1))


def test_float() -> None:
    """FLOAT rounds floats, as it was asked to; it refuses what becomes infinite, and ints that it would round."""
    assert read(FLOAT, write(FLOAT, 0.1)) == struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert read(FLOAT, write(FLOAT, math.inf)) == math.inf
    assert read(FLOAT, write(DOUBLE, 0.1)) == 0.1
    assert read(FLOAT, write(FLOAT, 3)) == 3.0
    for value, error in (
        (1e300, EncodeOverflowError),
        (2**24 + 1, EncodeValueError),
        (2**200, EncodeOverflowError),
        ("1", EncodeTypeError),
    ):
        with pytest.raises(error):
            write(FLOAT, value)
        with pytest.raises(error):
            write(FLOAT_ARRAY, [value])


def test_bool() -> None:
    """BOOL takes bools alone; only 1 is read as true."""
    for value in (0, 1, "yes"):
        with pytest.raises(EncodeTypeError):
            write(BOOL, value)
    assert read(BOOL, b"\x08\x02") is False
    assert read(ANY, b"\x08\x02") is False
    assert read(BOOL_ARRAY, b"\x13\x03\x00\x00\x00\x00\x01\x02") == [False, True, False]


def test_text() -> None:
    """Lone surrogates are refused in text and kept in chars; a char is one UTF-16 unit."""
    with pytest.raises(EncodeValueError) as caught:
        write(STRING, "secret\ud800")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert read(CHAR, write(CHAR, "\ud800")) == "\ud800"
    for value in ("", "ab", "😀"):
        with pytest.raises(EncodeValueError):
            write(CHAR, value)
    with pytest.raises(EncodeTypeError):
        write(CHAR, 65)
    assert read(CHAR_ARRAY, write(CHAR_ARRAY, ["\ud83d", "\ude00"])) == ["\ud83d", "\ude00"]

    class Shout(str):
        __slots__ = ()

        def encode(self, *args: Any) -> bytes:
            return b"shout"

    assert read(ANY, write(ANY, Shout("quiet"))) == "quiet"


def test_decimal() -> None:
    """Decimals keep their scale at any size; NaN, infinities and impossible scales are refused."""
    for text in ("1.10", "-0.001", "1E+5", "0E+3", "0.000", "1E-400", "123456789" * 200 + ".5", "-" + "9" * 30_000):
        value = Decimal(text)
        assert read(DECIMAL, write(DECIMAL, value)).as_tuple() == value.as_tuple()
    for text in ("NaN", "sNaN", "Infinity", "-Infinity"):
        with pytest.raises(EncodeValueError):
            write(DECIMAL, Decimal(text))
    with pytest.raises(EncodeOverflowError):
        write(DECIMAL, Decimal("1E-3000000000"))
    assert str(read(DECIMAL, write(DECIMAL, Decimal("-0.0")))) == "0.0"
    assert str(read(DECIMAL, bytes.fromhex("1e020000000100000080"))) == "0.00"
    with pytest.raises(DecodeError, match="0 bytes of digits"):
        read(DECIMAL, bytes.fromhex("1e0000000000000000"))
    with pytest.raises(EncodeTypeError):
        write(DECIMAL, 1.5)


def test_naive_datetime() -> None:
    """A naive datetime is refused unless the client says what it means."""
    naive = NOON.replace(tzinfo=None)
    for spec in (ANY, TIMESTAMP):
        with pytest.raises(EncodeValueError, match="time zone"):
            write(spec, naive)
        assert read(spec, write(spec, naive, mapping_codecs(naive_datetime="utc"))) == naive.replace(tzinfo=UTC)
        assert read(spec, write(spec, naive, mapping_codecs(naive_datetime="local"))) == naive.astimezone(UTC)
    with pytest.raises(EncodeValueError):
        write(ANY, dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))))


def test_naive_datetime_beyond_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local time that the platform cannot convert is an EncodeValueError."""

    class Unconvertible(dt.datetime):
        def astimezone(self, tz: Any = None) -> Any:
            raise OverflowError

    with pytest.raises(EncodeValueError, match="1 to 9999"):
        write(TIMESTAMP, Unconvertible(2024, 1, 1), mapping_codecs(naive_datetime="local"))


def test_instants() -> None:
    """TIMESTAMP reads a Date; a Date at midnight is a date, another an instant; other zones are the same instant."""
    date_at_noon = struct.pack("<Bq", 11, 43_200_001)
    assert read(TIMESTAMP, date_at_noon) == dt.datetime(1970, 1, 1, 12, 0, 0, 1000, UTC)
    assert read(ANY, date_at_noon) == dt.datetime(1970, 1, 1, 12, 0, 0, 1000, UTC)
    with pytest.raises(DecodeError, match="midnight"):
        read(DATE, date_at_noon)
    assert read(DATE, write(TIMESTAMP, dt.datetime(2024, 1, 1, tzinfo=UTC))) == dt.date(2024, 1, 1)
    with pytest.raises(DecodeError, match="midnight"):
        read(DATE, struct.pack("<Bqi", 33, 0, 1))
    assert read(TIMESTAMP, struct.pack("<Bq", 11, 0)) == dt.datetime(1970, 1, 1, tzinfo=UTC)
    zone = dt.timezone(dt.timedelta(hours=-7))
    assert write(TIMESTAMP, NOON.astimezone(zone)) == write(TIMESTAMP, NOON)
    with pytest.raises(EncodeValueError, match="milliseconds"):
        write(UTIL_DATE, NOON)
    for spec in (DATE, SQL_DATE):
        with pytest.raises(EncodeTypeError):
            write(spec, NOON)
        assert read(DATE, write(spec, dt.date(2024, 2, 29))) == dt.date(2024, 2, 29)


def test_sql_date_of_other_zones() -> None:
    """A java.sql.Date holds the midnight of its JVM's zone; the date is that of the nearest UTC midnight."""
    for hours in (-11, -5, 0, 5, 12):
        ms = 1_699_920_000_000 - hours * 3_600_000
        data = bytes.fromhex("fe0f000000663aded5409766") + struct.pack("<q", ms)
        assert read(ANY, data) == read(DATE, data) == dt.date(2023, 11, 14)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Bq", 11, 253_402_300_800_000),
        struct.pack("<Bq", 11, 253_402_300_800_001),
        struct.pack("<Bq", 11, -62_135_596_800_001),
        struct.pack("<Bq", 11, -62_135_683_200_000),
        struct.pack("<Bq", 11, 2**63 - 1),
        struct.pack("<Bqi", 33, 253_402_300_800_000, 0),
        struct.pack("<Bqi", 33, -(2**63), 5),
        struct.pack("<Bqi", 33, 0, 1_000_000),
        struct.pack("<Bqi", 33, 0, -1),
        bytes.fromhex("fe0f000000663aded5409766ffffffffffffff7f"),
    ],
    ids=bytes.hex,
)
def test_years_beyond_python(data: bytes) -> None:
    """An instant outside of the years 1 to 9999 is a decode error."""
    with pytest.raises(DecodeError):
        read(ANY, data)


def test_nanoseconds() -> None:
    """Nanoseconds that a datetime cannot hold survive reading, changing the zone, copying and writing back."""
    data = struct.pack("<Bqi", 33, 1_700_000_000_123, 456_789)
    value = read(ANY, data)
    assert isinstance(value, Timestamp)
    assert value.nanosecond == 789
    zone = dt.timezone(dt.timedelta(hours=2))
    hour = dt.timedelta(hours=1)
    kept = [value, value.astimezone(zone), value + hour - hour, hour + value - hour, copy.deepcopy(value)]
    for each in (
        *kept,
        pickle.loads(pickle.dumps(value)),
        value.replace(tzinfo=UTC),
        eval(repr(value), {"datetime": dt, "Timestamp": Timestamp}),
    ):
        assert each == value
        assert write(ANY, each) == write(TIMESTAMP, each) == data
    plain = dt.datetime.combine(value.date(), value.timetz())
    assert plain != value
    assert Timestamp.of(plain, 0) == plain
    assert hash(Timestamp.of(plain, 0)) == hash(plain)
    assert plain < value < plain + dt.timedelta(microseconds=1)
    assert plain <= value <= value
    assert value > plain
    assert value >= plain
    assert not value < plain
    assert Timestamp.of(plain, 1) < value <= Timestamp.of(plain, 800)
    assert value > plain - hour
    assert value >= plain - hour
    assert not value <= plain - hour
    assert value - plain == dt.timedelta(0)
    assert value != "x"
    with pytest.raises(TypeError):
        assert value < "x"
    with pytest.raises(TypeError):
        value + 1  # type: ignore[operator]
    with pytest.raises(ValueError, match="nanosecond"):
        Timestamp.of(plain, 1000)
    assert Timestamp(2024, 1, 1).nanosecond == 0
    with pytest.raises(EncodeValueError):
        write(UTIL_DATE, Timestamp.of(dt.datetime(2024, 1, 1, tzinfo=UTC), 5))


def test_time_and_timedelta() -> None:
    """Time and timedelta hold whole milliseconds and no zone; an untyped timedelta is refused."""
    for value in (dt.time(1, 2, 3, 4), dt.time(1, tzinfo=UTC)):
        for spec in (ANY, TIME):
            with pytest.raises(EncodeValueError):
                write(spec, value)
    with pytest.raises(EncodeValueError):
        write(TIMEDELTA, dt.timedelta(microseconds=1))
    with pytest.raises(EncodeTypeError):
        write(ANY, dt.timedelta(1))
    assert read(TIMEDELTA, write(INT, -5)) == dt.timedelta(milliseconds=-5)
    assert read(TIME, struct.pack("<Bq", 36, -3_600_000)) == dt.time(23)
    with pytest.raises((DecodeError, *MALFORMED)):
        read(TIMEDELTA, write(LONG, 2**62))


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    CRIMSON = RED


class Level(enum.IntEnum):
    LOW = 10


class Access(enum.Flag):
    READ = 1
    WRITE = 2


def test_enum() -> None:
    """An enum travels by ordinal, aliases included; another enum, ordinal or class is refused; it is announced."""
    codecs = mapping_codecs()
    spec = enum_of(Color, "com.acme.Color")
    data = write(spec, Color.CRIMSON, codecs)
    assert data[0] == 28
    assert data[5:] == bytes(4)
    assert [known.constants for known in codecs.unannounced] == [{"RED": 0, "GREEN": 1}]
    write(spec, Color.GREEN, codecs)
    assert len(codecs.unannounced) == 1
    codecs.known.announced.add((codecs.unannounced.pop().id, 0))
    write(spec, Color.GREEN, codecs)
    assert codecs.unannounced == []
    assert read(spec, data) is Color.RED
    assert read(spec, b"\x26" + data[1:]) is Color.RED
    assert read(spec, b"\x1c" + bytes(4) + write(STRING, "com.acme.Color") + b"\x01\x00\x00\x00") is Color.GREEN
    with pytest.raises(DecodeError, match="ordinal 2"):
        read(spec, data[:5] + b"\x02\x00\x00\x00")
    with pytest.raises(DecodeError, match="expected com.acme.Color"):
        read(spec, b"\x1c\x01" + data[2:])
    with pytest.raises(EncodeTypeError):
        write(spec, Level.LOW)
    flags = enum_of(Access, "Access")
    assert read(flags, write(flags, Access.WRITE)) is Access.WRITE
    with pytest.raises(EncodeValueError):
        write(flags, Access.READ | Access.WRITE)


def test_enum_ordinals() -> None:
    """Ordinals can be given, and must then name every member once."""
    spec = enum_of(Color, "C", {"GREEN": 7, "RED": 3})
    assert write(spec, Color.GREEN)[5] == 7
    for ordinals in ({"RED": 1}, {"RED": 1, "GREEN": 1}, {"RED": 1, "GREEN": 2, "BLUE": 3}):
        with pytest.raises(ModelError):
            make_enum_codec(Color, "C", ordinals)


@pytest.mark.parametrize("member", [Color.RED, Level.LOW, Access.READ])
def test_unregistered_enum(member: Any) -> None:
    """A member of an enum that is not registered is refused, even if it is an int as well."""
    with pytest.raises(EncodeTypeError, match="not registered"):
        write(ANY, member)


def test_unknown_enum_value() -> None:
    """A constant of an enum that the program does not know comes back inert and is written back identically."""
    data = bytes.fromhex("1c0500000009000000")
    value = read(ANY, data)
    assert value == EnumValue(5, 9)
    assert write(ANY, value) == data
    with pytest.raises(DecodeError, match="expected C, the cluster has a byte"):
        read(enum_of(Color, "C"), b"\x01\x01")
    with pytest.raises(DecodeError, match="claims more"):
        read(ANY, b"\x1d\x01\x00\x00\x00\xff\xff\xff\x7f\x65")
    named = b"\x1c" + bytes(4) + write(STRING, "a.B") + b"\x01\x00\x00\x00"
    assert read(ANY, named).ordinal == 1
    array_bytes = b"\x1d" + bytes(4) + write(STRING, "a.B") + b"\x02\x00\x00\x00" + data + b"\x65"
    assert read(ANY, array_bytes) == [value, None]
    assert read(list_of(ANY), array_bytes) == [value, None]
    with pytest.raises(DecodeError):
        read(ANY, b"\x1d\x01\x00\x00\x00" + struct.pack("<i", 1) + b"\x08\x01")


def test_opaque() -> None:
    """An object of Java's optimized marshaller is kept as it is and does not show its bytes."""
    data = bytes.fromhex("fe0500000066aabbccdd")
    value = read(ANY, data)
    assert value == OpaqueObject(bytes.fromhex("66aabbccdd"))
    assert write(ANY, value) == data
    assert "aabb" not in repr(value)
    with pytest.raises(DecodeError, match="optimized"):
        read(DATE, data)


@pytest.mark.parametrize("kind", [-1, 0, 1, 2, 3, 4])
def test_collections_stand_in_for_each_other(kind: int) -> None:
    """Every kind of collection and an Object[] is read as what is declared, if nothing is lost."""
    items = write(INT, 1) + write(LONG, 2)
    for data in (
        struct.pack("<BIb", 24, 2, kind) + items,
        struct.pack("<BiI", 23, -1, 2) + items,
        write(INT_ARRAY, [1, 2]),
    ):
        assert read(list_of(INT), data) == [1, 2]
        assert read(tuple_of(INT), data) == (1, 2)
        assert read(set_of(INT), data) == {1, 2}
        assert read(frozenset_of(INT), data) == frozenset({1, 2})
        assert read(INT_ARRAY, data) == [1, 2]
    doubled = struct.pack("<BIb", 24, 2, kind) + write(INT, 1) + write(LONG, 1)
    assert read(list_of(INT), doubled) == [1, 1]
    for spec in (set_of(INT), frozenset_of(INT)):
        with pytest.raises(DecodeError, match="one to Python"):
            read(spec, doubled)
    with pytest.raises(DecodeError, match="expected int, the cluster has a String"):
        read(list_of(INT), struct.pack("<BIb", 24, 1, kind) + write(STRING, "x"))


def test_arrays_as_lists() -> None:
    """Arrays of any type are read as a declared list, item by item."""
    assert read(list_of(INT), write(BYTES, b"\xff\x01")) == [-1, 1]
    assert read(list_of(DOUBLE), write(FLOAT_ARRAY, [0.5])) == [0.5]
    assert read(list_of(CHAR), write(CHAR_ARRAY, ["a"])) == ["a"]
    assert read(list_of(optional(STRING)), write(array_of(optional(STRING)), ["a", None])) == ["a", None]
    assert read(LONG_ARRAY, write(SHORT_ARRAY, [5])) == [5]
    with pytest.raises(DecodeError):
        read(list_of(STRING), write(INT_ARRAY, [1]))
    for spec in (STRING_ARRAY, object_array_of(INT), list_of(INT), dict_of(INT, INT)):
        data = write(spec, {} if spec.code == 25 else [])
        at = 5 if spec.code == 23 else 1
        attack = data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :] + b"\x65"
        with pytest.raises(DecodeError, match="claims more"):
            read(spec, attack)
    named = struct.pack("<Bi", 23, 0) + write(STRING, "a.B") + struct.pack("<I", 1) + write(INT, 5)
    assert read(list_of(INT), named) == [5]
    assert read(ANY, named) == (5,)


def test_handles_in_declared_collections() -> None:
    """A declared list or dict follows a handle as well."""
    inner = write(list_of(INT), [1])
    data = struct.pack("<BIb", 24, 2, 1) + inner + b"\x66" + struct.pack("<i", len(inner))
    assert read(list_of(list_of(INT)), data) == [[1], [1]]
    inner = write(dict_of(STRING, INT), {"a": 1})
    data = struct.pack("<BIb", 24, 2, 1) + inner + b"\x66" + struct.pack("<i", len(inner))
    assert read(list_of(dict_of(STRING, INT)), data) == [{"a": 1}, {"a": 1}]


def test_unhashable_specs() -> None:
    """A set or dict key of what Python cannot hash is refused when it is declared."""
    for declare in (set_of, frozenset_of, lambda spec: dict_of(spec, INT)):
        for item in (list_of(INT), set_of(INT), dict_of(INT, INT), tuple_of(list_of(INT)), INT_ARRAY):
            with pytest.raises(ModelError):
                declare(item)


@pytest.mark.parametrize("make", [list_of, tuple_of, set_of, array_of])
def test_declared_depth(make: Callable[[Spec[Any]], Spec[Any]]) -> None:
    """Declared collections count towards the limit of nesting as others do."""
    codecs = mapping_codecs()
    codecs.depth = 1000
    value: Any = {list_of: [1], tuple_of: (1,), set_of: {1}, array_of: [1]}[make]
    spec = make(ANY)
    data = write(spec, value)
    with pytest.raises(EncodeValueError, match="deeper"):
        spec.encode(codecs, bytearray(), value)
    with pytest.raises(DecodeError, match="deeper"):
        spec.decode(codecs, data, 0)
    spec = dict_of(INT, INT)
    with pytest.raises(EncodeValueError, match="deeper"):
        spec.encode(codecs, bytearray(), {1: 1})
    with pytest.raises(DecodeError, match="deeper"):
        spec.decode(codecs, write(spec, {1: 1}), 0)


def test_buffers() -> None:
    """Primitive arrays take any buffer of numbers that they hold exactly, and nothing that is text or bytes."""
    assert write(INT_ARRAY, array("i", [1, -2])) == write(INT_ARRAY, [1, -2]) == write(INT_ARRAY, (1, -2))
    assert write(INT_ARRAY, memoryview(array("i", [1, 0, -2, 0]))[::2]) == write(INT_ARRAY, [1, -2])
    assert write(INT_ARRAY, array("h", [5])) == write(INT_ARRAY, [5])
    assert write(INT_ARRAY, array("I", [5])) == write(INT_ARRAY, [5])
    assert write(DOUBLE_ARRAY, array("f", [0.5])) == write(DOUBLE_ARRAY, [0.5])
    assert write(FLOAT_ARRAY, array("d", [0.5])) == write(FLOAT_ARRAY, [0.5])
    assert write(BOOL_ARRAY, memoryview(b"\x01\x00").cast("?")) == write(BOOL_ARRAY, [True, False])
    assert write(BYTES, memoryview(b"abc")[::2]) == write(BYTES, bytearray(b"ac")) == write(BYTE_ARRAY, b"ac")
    with pytest.raises(EncodeOverflowError):
        write(INT_ARRAY, array("q", [2**40]))
    with pytest.raises(EncodeOverflowError):
        write(FLOAT_ARRAY, [1e300])
    for spec, value in (
        (INT_ARRAY, b"abc"),
        (INT_ARRAY, "abc"),
        (INT_ARRAY, [1, True]),
        (INT_ARRAY, [1.0]),
        (INT_ARRAY, array("d", [1])),
        (INT_ARRAY, memoryview(bytes(16)).cast("i", (2, 2))),
        (INT_ARRAY, {1}),
        (DOUBLE_ARRAY, [Decimal(1)]),
        (BOOL_ARRAY, [1]),
        (CHAR_ARRAY, "abc"),
        (CHAR_ARRAY, [1]),
        (BYTES, array("i", [1])),
        (STRING_ARRAY, "abc"),
        (STRING_ARRAY, [1]),
    ):
        with pytest.raises(EncodeTypeError):
            write(spec, value)


def test_foreign_byte_order() -> None:
    """A buffer in the other byte order is refused, not misread."""
    swapped = (ctypes.c_int32.__ctype_be__ * 2)(1, 2)
    with pytest.raises(EncodeValueError, match="byte order"):
        write(INT_ARRAY, swapped)
    with pytest.raises(EncodeTypeError, match="little-endian"):
        write(ANY, memoryview(swapped))


def test_untyped_buffers() -> None:
    """Untyped, a buffer is the array of its items' size, and what Java has no array for is refused."""
    assert read(ANY, write(ANY, array("b", [-1]))) == b"\xff"
    assert read(ANY, write(ANY, bytearray(b"ab"))) == b"ab"
    assert read(ANY, write(ANY, memoryview(b"abc")[::2])) == b"ac"
    assert read(ANY, write(ANY, memoryview(array("i", [7])))) == array("i", [7])
    assert read(ANY, write(ANY, memoryview(b"\x01\x00").cast("?"))) == [True, False]
    assert write(ANY, array("l", [7])) == write(LONG_ARRAY if array("l").itemsize == 8 else INT_ARRAY, [7])
    for value in (array("I", [1]), memoryview(bytes(4)).cast("B", (2, 2))):
        with pytest.raises(EncodeTypeError):
            write(ANY, value)


def test_typed_arrays_hold_one_type() -> None:
    """An item of another type in an array of objects of one type is a decode error."""
    with pytest.raises(DecodeError, match="expected String"):
        read(ANY, b"\x14\x01\x00\x00\x00" + write(INT, 1))
    assert read(ANY, b"\x14\x02\x00\x00\x00" + write(STRING, "a") + b"\x65") == ["a", None]


class Point(NamedTuple):
    x: int
    y: int


def test_subclasses() -> None:
    """Subclasses of builtins are written as what they are a kind of."""
    for value, plain in (
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(int, a=1), {"a": 1}),
        (Point(1, 2), (1, 2)),
    ):
        assert write(ANY, value) == write(ANY, plain)

    class Name(str):
        __slots__ = ()

    a = Name("a")
    for value, plain in (([a], ["a"]), ((a,), ("a",)), ({a}, {"a"}), ({a: 1}, {"a": 1}), ({1: a}, {1: "a"})):
        assert write(ANY, value) == write(ANY, plain)


def test_untyped_equals_declared() -> None:
    """What is written by class has the bytes of the type that the table of the documentation gives it."""
    for value, spec in (
        (1, LONG),
        (1.5, DOUBLE),
        (True, BOOL),
        ("a", STRING),
        (b"a", BYTES),
        (Decimal(1), DECIMAL),
        (NOON, TIMESTAMP),
        (NOON.date(), DATE),
        (dt.time(1), TIME),
        (SOME_UUID, UUID),
        ([1], list_of(LONG)),
        ((1,), tuple_of(LONG)),
        ({1}, set_of(LONG)),
        (frozenset({1}), frozenset_of(LONG)),
        ({1: "a"}, dict_of(LONG, STRING)),
        (array("i", [1]), INT_ARRAY),
    ):
        out = bytearray()
        encode_object(mapping_codecs(), out, value)
        assert bytes(out) == write(spec, value)
        assert decode_object(mapping_codecs(), bytes(out), 0)[0] == value
