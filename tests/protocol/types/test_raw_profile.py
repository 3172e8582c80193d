"""The raw profile: what every type reads as, what Python values are written as, and what is refused."""

import datetime as dt
import enum
import struct
import uuid
from array import array
from collections import OrderedDict
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings, strategies as st

from ignitemap.exceptions import DecodeError, EncodeError, EncodeOverflowError, EncodeTypeError, EncodeValueError
from ignitemap.protocol.binary_type import KnownTypes, binary_type
from ignitemap.protocol.codecs import ANY, Codecs, Hinted, Spec, decode_object, encode_object
from ignitemap.protocol.types import codes, mapping_codecs, raw_codecs, raw_hints as hints
from ignitemap.protocol.types.binary_object import BinaryObject, object_bytes
from ignitemap.protocol.types.enums import EnumValue, make_enum_codec
from ignitemap.protocol.types.temporal import Timestamp
from tests import strategies

DAY = dt.datetime.fromisoformat("2024-02-29")
NOON = dt.datetime.fromisoformat("2024-02-29T12:00:00.123")
FINE = dt.datetime.fromisoformat("2024-02-29T12:00:00.123456")
ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


def write(value: Any, codecs: Codecs | None = None) -> bytes:
    out = bytearray()
    encode_object(codecs or raw_codecs(), out, value)
    return bytes(out)


def read(data: bytes, codecs: Codecs | None = None) -> Any:
    value, end = decode_object(codecs or raw_codecs(), data, 0)
    assert end == len(data)
    return value


def same(left: Any, right: Any) -> bool:
    """Equal, of the same class all the way down."""
    return repr(left) == repr(right)


class Pair(NamedTuple):
    """A tuple with names."""

    a: str
    b: int


UNTYPED: list[tuple[Any, int, Any]] = [
    (None, codes.NULL, None),
    (5, codes.LONG, 5),
    (2.5, codes.DOUBLE, 2.5),
    (True, codes.BOOL, True),
    ("a\0b😀", codes.STRING, "a\0b😀"),
    (b"ab", codes.BYTE_ARRAY, b"ab"),
    (bytearray(b"ab"), codes.BYTE_ARRAY, b"ab"),
    (Decimal("1.10"), codes.DECIMAL, Decimal("1.10")),
    (ONE, codes.UUID, ONE),
    (NOON, codes.DATE, NOON),
    (NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=2))), codes.DATE, NOON - dt.timedelta(hours=2)),
    (dt.date(2024, 2, 29), codes.DATE, DAY),
    (dt.timedelta(days=4, milliseconds=5), codes.TIME, dt.timedelta(days=4, milliseconds=5)),
    (dt.timedelta(seconds=-1), codes.TIME, dt.timedelta(seconds=-1)),
    (dt.time(1, 2, 3), codes.TIME, dt.timedelta(hours=1, minutes=2, seconds=3)),
    ([1, -2], codes.LONG_ARRAY, [1, -2]),
    ((1, 2, 3), codes.LONG_ARRAY, [1, 2, 3]),
    (range(3), codes.LONG_ARRAY, [0, 1, 2]),
    ([1.5, float("inf")], codes.DOUBLE_ARRAY, [1.5, float("inf")]),
    ([True, False], codes.BOOL_ARRAY, [True, False]),
    (["a", None, "b"], codes.STRING_ARRAY, ["a", None, "b"]),
    (("a", "b"), codes.STRING_ARRAY, ["a", "b"]),
    ([ONE, None, TWO], codes.UUID_ARRAY, [ONE, None, TWO]),
    ([Decimal("1.10"), None], codes.DECIMAL_ARRAY, [Decimal("1.10"), None]),
    ([NOON, None, dt.date(2024, 2, 29)], codes.DATE_ARRAY, [NOON, None, DAY]),
    ([dt.timedelta(1), dt.time(1)], codes.TIME_ARRAY, [dt.timedelta(1), dt.timedelta(hours=1)]),
    ([], codes.COLLECTION, (1, [])),
    ([None, None], codes.COLLECTION, (1, [None, None])),
    ([1, None], codes.COLLECTION, (1, [1, None])),
    ([1, 2.5], codes.COLLECTION, (1, [1, 2.5])),
    ([1, True], codes.COLLECTION, (1, [1, True])),
    ([1, "ab"], codes.COLLECTION, (1, [1, "ab"])),
    ([1, [2, 3]], codes.COLLECTION, (1, [1, [2, 3]])),
    ([1, {"a": 1}], codes.COLLECTION, (1, [1, (2, {"a": 1})])),
    ([[1], []], codes.COLLECTION, (1, [[1], (1, [])])),
    ([b"a"], codes.COLLECTION, (1, [b"a"])),
    ({}, codes.MAP, (2, {})),
    ({"a": 1, "b": [2]}, codes.MAP, (2, {"a": 1, "b": [2]})),
    (OrderedDict(z=1, a=2), codes.MAP, (2, {"z": 1, "a": 2})),
    ({5}, codes.COLLECTION, (3, [5])),
    (set(), codes.COLLECTION, (3, [])),
    (frozenset("a"), codes.COLLECTION, (4, ["a"])),
    ((), codes.OBJECT_ARRAY, (-1, [])),
    ((1, "ab"), codes.OBJECT_ARRAY, (-1, [1, "ab"])),
    ((1, b"ab"), codes.OBJECT_ARRAY, (-1, [1, b"ab"])),
    ((True, [1]), codes.OBJECT_ARRAY, (-1, [True, [1]])),
    (("a", [1]), codes.OBJECT_ARRAY, (-1, ["a", [1]])),
    ((1, [2, 3]), codes.COLLECTION, (1, [2, 3])),
    ((2, (2, 3)), codes.COLLECTION, (2, [2, 3])),
    ((3, {2}), codes.COLLECTION, (3, [2])),
    ((4, frozenset({2})), codes.COLLECTION, (4, [2])),
    ((-1, ["x", 5]), codes.COLLECTION, (-1, ["x", 5])),
    ((0, []), codes.COLLECTION, (0, [])),
    ((1, {"a": (1, [2])}), codes.MAP, (1, {"a": (1, [2])})),
    ((2, {}), codes.MAP, (2, {})),
    (array("i", [1, 2]), codes.INT_ARRAY, [1, 2]),
    (array("f", [1.5]), codes.FLOAT_ARRAY, [1.5]),
    (memoryview(b"ab"), codes.BYTE_ARRAY, b"ab"),
    (EnumValue(5, 6), codes.ENUM, (5, 6)),
    (Pair("x", 1), codes.OBJECT_ARRAY, (-1, ["x", 1])),
]


@pytest.mark.parametrize(("value", "code", "result"), UNTYPED, ids=[repr(value)[:40] for value, _, _ in UNTYPED])
def test_untyped(value: Any, code: int, result: Any) -> None:
    """A value without a hint is written with the type code that pyignite chooses, and read as pyignite reads it."""
    data = write(value)
    assert data[0] == code
    assert same(read(data), result)


HINTED: list[tuple[Any, Any, bytes, Any]] = [
    (5, hints.ByteObject, b"\x01\x05", 5),
    (5, hints.ShortObject, b"\x02\x05\0", 5),
    (5, hints.IntObject, b"\x03\x05\0\0\0", 5),
    (True, hints.IntObject, b"\x03\x01\0\0\0", 1),
    (-1, hints.LongObject, b"\x04" + b"\xff" * 8, -1),
    (1.5, hints.FloatObject, b"\x05\0\0\xc0\x3f", 1.5),
    (1, hints.DoubleObject, b"\x06" + struct.pack("<d", 1), 1.0),
    ("ы", hints.CharObject, b"\x07\x4b\x04", "ы"),
    (65, hints.CharObject, b"\x07\x41\0", "A"),
    (False, hints.BoolObject, b"\x08\0", False),
    (1, hints.BoolObject, b"\x08\x01", True),
    ("a", hints.String, b"\x09\x01\0\0\0a", "a"),
    ("ы".encode(), hints.String, b"\x09\x02\0\0\0\xd1\x8b", "ы"),
    (ONE, hints.UUIDObject, write(ONE), ONE),
    (Decimal("1.10"), hints.DecimalObject, write(Decimal("1.10")), Decimal("1.10")),
    (NOON, hints.DateObject, write(NOON), NOON),
    ((NOON, 1000), hints.TimestampObject, b"\x21" + write(NOON)[1:] + b"\xe8\x03\0\0", (NOON, 1000)),
    ((NOON, 999_999), hints.TimestampObject, b"\x21" + write(NOON)[1:] + b"\x3f\x42\x0f\0", (NOON, 999_999)),
    ((FINE, 0), hints.TimestampObject, b"\x21" + write(NOON)[1:] + b"\x40\xf5\x06\0", (NOON, 456_000)),
    ((FINE, 789), hints.TimestampObject, b"\x21" + write(NOON)[1:] + b"\x55\xf8\x06\0", (NOON, 456_789)),
    (FINE, hints.TimestampObject, b"\x21" + write(NOON)[1:] + b"\x40\xf5\x06\0", (NOON, 456_000)),
    (Timestamp.of(FINE, 789), hints.TimestampObject, b"\x21" + write(NOON)[1:] + b"\x55\xf8\x06\0", (NOON, 456_789)),
    (dt.timedelta(1), hints.TimeObject, b"\x24" + (86_400_000).to_bytes(8, "little"), dt.timedelta(1)),
    ((5, -6), hints.EnumObject, struct.pack("<Bii", 28, 5, -6), (5, -6)),
    ((5, 6), hints.BinaryEnumObject, struct.pack("<Bii", 38, 5, 6), (5, 6)),
    (EnumValue(5, 6), hints.BinaryEnumObject, struct.pack("<Bii", 38, 5, 6), (5, 6)),
    ([1, 2], hints.ByteArrayObject, b"\x0c\x02\0\0\0\x01\x02", b"\x01\x02"),
    ((-128, -1, 0, 255), hints.ByteArrayObject, b"\x0c\x04\0\0\0\x80\xff\0\xff", b"\x80\xff\0\xff"),
    (memoryview(b"a"), hints.ByteArrayObject, b"\x0c\x01\0\0\0a", b"a"),
    ([1], hints.ShortArrayObject, b"\x0d\x01\0\0\0\x01\0", [1]),
    (range(2), hints.IntArrayObject, b"\x0e\x02\0\0\0\0\0\0\0\x01\0\0\0", [0, 1]),
    (array("i", [7]), hints.IntArrayObject, b"\x0e\x01\0\0\0\x07\0\0\0", [7]),
    ({7}, hints.LongArrayObject, b"\x0f\x01\0\0\0\x07" + bytes(7), [7]),
    ([1.5], hints.FloatArrayObject, b"\x10\x01\0\0\0\0\0\xc0\x3f", [1.5]),
    ((1.5,), hints.DoubleArrayObject, b"\x11\x01\0\0\0" + struct.pack("<d", 1.5), [1.5]),
    ("ab", hints.CharArrayObject, b"\x12\x02\0\0\0a\0b\0", ["a", "b"]),
    (["ы"], hints.CharArrayObject, b"\x12\x01\0\0\0\x4b\x04", ["ы"]),
    ([True], hints.BoolArrayObject, b"\x13\x01\0\0\0\x01", [True]),
    (["a", None], hints.StringArrayObject, write(["a", None]), ["a", None]),
    ([], hints.StringArrayObject, b"\x14\0\0\0\0", []),
    ([ONE], hints.UUIDArrayObject, write([ONE]), [ONE]),
    ([None, NOON], hints.DateArrayObject, write([None, NOON]), [None, NOON]),
    ([(NOON, 5), None], hints.TimestampArrayObject, None, [(NOON, 5), None]),
    ([dt.timedelta(1)], hints.TimeArrayObject, write([dt.timedelta(1)]), [dt.timedelta(1)]),
    ({Decimal(1): 2}.keys(), hints.DecimalArrayObject, write([Decimal(1)]), [Decimal(1)]),
    ((-1, [(1, 2), None]), hints.EnumArrayObject, None, (-1, [(1, 2), None])),
    ((77, [(1, 2)]), hints.BinaryEnumArrayObject, struct.pack("<BiIBii", 29, 77, 1, 38, 1, 2), (77, [(1, 2)])),
    ((-1, [1, "a", None]), hints.ObjectArrayObject, None, (-1, [1, "a", None])),
    ((77, 5), hints.ObjectArrayObject, struct.pack("<BiI", 23, 77, 1) + write(5), (77, [5])),
    ((-1, "ab"), hints.ObjectArrayObject, struct.pack("<BiI", 23, -1, 1) + write("ab"), (-1, ["ab"])),
    ((hints.CollectionObject.HASH_SET, [1]), hints.CollectionObject, None, (3, [1])),
    ((hints.CollectionObject.USER_SET, [1, "a"]), hints.CollectionObject, None, (-1, [1, "a"])),
    ((hints.CollectionObject.ARR_LIST, 5), hints.CollectionObject, None, (1, [5])),
    ((1, range(2)), hints.CollectionObject, None, (1, [0, 1])),
    ((hints.MapObject.HASH_MAP, {"a": 1}), hints.MapObject, None, (1, {"a": 1})),
    ((hints.MapObject.LINKED_HASH_MAP, OrderedDict(b=1, a=2)), hints.MapObject, None, (2, {"b": 1, "a": 2})),
    ((1, None), hints.MapObject, b"\x65", None),
    ([1, "a"], hints.AnyDataObject, write([1, "a"]), (1, [1, "a"])),
]


@pytest.mark.parametrize(("value", "hint", "data", "result"), HINTED, ids=[repr(value)[:40] for value, *_ in HINTED])
def test_hints(value: Any, hint: Spec[Any], data: bytes | None, result: Any) -> None:
    """A hint decides what is written: alone, in a tuple with the value, and within containers."""
    codecs = raw_codecs()
    out = bytearray()
    hint.encode(codecs, out, value)
    written = bytes(out)
    assert written[0] in (hint.code, codes.NULL) or hint is hints.AnyDataObject
    if data is not None:
        assert written == data
    assert same(hint.decode(codecs, written, 0), (result, len(written)))
    assert write((value, hint)) == write(Hinted(value, hint)) == written
    assert write([(value, hint), 5]).endswith(written + write(5))
    assert write((1, {"k": (value, hint)})).endswith(written)
    assert codecs.depth == 0


@pytest.mark.parametrize("name", [name for name in hints.__all__ if isinstance(getattr(hints, name), hints.Hint)])
def test_every_hint(name: str) -> None:
    """Every hint writes None as null, reads what is there whatever its type, and refuses an object of no type."""
    hint: hints.Hint = getattr(hints, name)
    assert write((None, hint)) == b"\x65"
    assert hint.nullable
    for data in (write("text"), write([1, "x"])):
        assert hint.decode(raw_codecs(), data, 0)[0] == read(data)
    for value in (object(), 1j):
        with pytest.raises(EncodeError):
            write((value, hint))
    if hint.default is not None:
        assert read(write((hint.default, hint))) in (hint.default, b"", [])
        assert isinstance(hint.default, hint.pythonic or object)
    if hint.pythonic is list:
        assert hint.default is not hint.default


REFUSED: list[tuple[Any, Any, type[EncodeError]]] = [
    (300, hints.ByteObject, EncodeOverflowError),
    (2**31, hints.IntObject, EncodeOverflowError),
    (1.0, hints.IntObject, EncodeTypeError),
    ("5", hints.IntObject, EncodeTypeError),
    (2**63, None, EncodeOverflowError),
    ([2**63], None, EncodeOverflowError),
    (1e300, hints.FloatObject, EncodeOverflowError),
    ("ab", hints.CharObject, EncodeValueError),
    ("😀", hints.CharObject, EncodeValueError),
    (65536, hints.CharObject, EncodeOverflowError),
    (-1, hints.CharObject, EncodeOverflowError),
    (2, hints.BoolObject, EncodeTypeError),
    (b"\xff", hints.String, EncodeValueError),
    (5, hints.String, EncodeTypeError),
    ("\ud800", None, EncodeValueError),
    (FINE, None, EncodeValueError),
    (FINE, hints.DateObject, EncodeValueError),
    ("2024", hints.DateObject, EncodeTypeError),
    (dt.timedelta(microseconds=1), None, EncodeValueError),
    (5, hints.TimeObject, EncodeTypeError),
    ((FINE, 1000), hints.TimestampObject, EncodeValueError),
    ((NOON, 1_000_000), hints.TimestampObject, EncodeValueError),
    ((NOON, -1), hints.TimestampObject, EncodeValueError),
    ((NOON, 1.0), hints.TimestampObject, EncodeTypeError),
    ((NOON,), hints.TimestampObject, EncodeTypeError),
    ((5, 0), hints.TimestampObject, EncodeTypeError),
    ([NOON, 0], hints.EnumObject, EncodeTypeError),
    ((0, 1), hints.EnumObject, EncodeValueError),
    ((2**31, 1), hints.EnumObject, EncodeValueError),
    ((1, 2**31), hints.EnumObject, EncodeOverflowError),
    ((1, "a"), hints.EnumObject, EncodeTypeError),
    ([256], hints.ByteArrayObject, EncodeOverflowError),
    ([-129], hints.ByteArrayObject, EncodeOverflowError),
    (["a"], hints.ByteArrayObject, EncodeTypeError),
    ("ab", hints.ByteArrayObject, EncodeTypeError),
    ("ab", hints.StringArrayObject, EncodeTypeError),
    (b"ab", hints.IntArrayObject, EncodeTypeError),
    ({"a": 1}, hints.StringArrayObject, EncodeTypeError),
    ([1], hints.StringArrayObject, EncodeTypeError),
    ([2**31], hints.IntArrayObject, EncodeOverflowError),
    ((0, []), hints.ObjectArrayObject, EncodeValueError),
    (("a", []), hints.ObjectArrayObject, EncodeValueError),
    ([1, []], hints.ObjectArrayObject, EncodeTypeError),
    ([1, [2]], hints.CollectionObject, EncodeTypeError),
    (("1", [2]), hints.CollectionObject, EncodeTypeError),
    ((6, [2]), hints.CollectionObject, EncodeValueError),
    ((-2, []), None, EncodeValueError),
    ((7, [1, 2]), None, EncodeValueError),
    ((5, [1, 2]), None, EncodeValueError),
    ((3, {}), None, EncodeValueError),
    ((-1, {}), hints.MapObject, EncodeValueError),
    (("1", {}), hints.MapObject, EncodeTypeError),
    ((1, [1]), hints.MapObject, EncodeTypeError),
    (5, hints.BinaryObject, EncodeTypeError),
    ((b"x", 0), hints.WrappedDataObject, EncodeTypeError),
    (5, hints.Null, EncodeTypeError),
    (object(), None, EncodeTypeError),
    ([object()], None, EncodeTypeError),
]


@pytest.mark.parametrize(("value", "hint", "error"), REFUSED, ids=[repr(value)[:40] for value, *_ in REFUSED])
def test_refused(value: Any, hint: Any, error: type[EncodeError]) -> None:
    """What pyignite stores wrongly, or what makes a server close the connection, is an error before anything is sent."""
    with pytest.raises(error):
        write(value if hint is None else (value, hint))


def test_singleton_list() -> None:
    """The kind that a server takes with exactly one item is written with one."""
    assert write((5, ["x"])).hex() == "180100000005" + write("x").hex()


def test_wire_only() -> None:
    """Types that a server or Java writes and Python values do not: named classes, java.sql.Date, enum arrays."""
    assert read(bytes.fromhex("fe0f000000663aded540976600b420cb8b010000")) == dt.date(2023, 11, 14)
    assert read(bytes.fromhex("1700000000090100000061" + "01000000" + "65")) == (97, [None])
    assert read(bytes.fromhex("1d00000000090100000061" + "01000000" + "2602000000" + "03000000")) == (97, [(2, 3)])
    assert read(bytes.fromhex("0702d8")) == "\ud802"
    for data in ("21" + "ff" * 8 + "40420f00", "21" + "ff" * 7 + "7f" + "00000000", "0b" + "ff" * 7 + "7f"):
        with pytest.raises(DecodeError):
            read(bytes.fromhex(data))


class Color(enum.Enum):
    RED = 1


class Registered:
    """A program with one enum."""

    codec = make_enum_codec(Color, "Color")

    def encoder_for(self, cls: type) -> Any:
        return self.codec.encode if cls is Color else None

    def decoder_for(self, type_id: int) -> Any:
        return None

    def enum_for(self, type_id: int) -> Any:
        return self.codec.member if type_id == self.codec.known.id else None


def test_registered_enum() -> None:
    """The members of an enum that the program registered come back as themselves, in lists and arrays too."""
    codecs = raw_codecs(resolver=Registered())
    assert read(write(Color.RED, codecs), codecs) is Color.RED
    data = write((-1, [Color.RED, (5, 6)]), codecs)
    assert read(data, codecs) == (-1, [Color.RED, [5, 6]])
    as_array = write(((Registered.codec.known.id, [(Registered.codec.known.id, 0)]), hints.EnumArrayObject), codecs)
    assert read(as_array, codecs)[1] == [Color.RED]
    with pytest.raises(EncodeTypeError, match="not registered"):
        write(Color.RED)


def test_objects() -> None:
    """An object of a type that the program did not register is inert, its fields read as the profile reads them."""
    known = KnownTypes()
    person = binary_type("Person", [("born", codes.DATE), ("tags", codes.COLLECTION)])
    known.learn(person)
    born, tags = write(NOON), write((1, ["a"]))
    (schema,) = person.schemas
    data = object_bytes(person.id, schema, born + tags, [24, 24 + len(born)])
    codecs = raw_codecs(known=known)
    found = read(struct.pack("<BI", 27, len(data)) + data + bytes(4), codecs)
    assert type(found) is BinaryObject
    assert found.to_dict() == {"born": NOON, "tags": (1, ["a"])}
    assert write(found, codecs) == write((found, hints.BinaryObject), codecs) == data
    assert read(write((1, [found]), codecs), codecs) == (1, [found])


def test_profiles_are_apart() -> None:
    """The raw profile does not change the mapping profile, and both can share what the cluster knows."""
    known = KnownTypes()
    raw, mapping = raw_codecs(known=known), mapping_codecs(known=known)
    assert raw.known is mapping.known
    data = write([1, "x"], mapping)
    assert read(data, mapping) == [1, "x"]
    assert read(data, raw) == (1, [1, "x"])
    with pytest.raises(EncodeValueError, match="time zone"):
        write(NOON, mapping)


@settings(strategies.RELAXED)
@given(strategies.values)
def test_what_is_read_can_be_written(value: Any) -> None:
    """What the raw profile reads of any value that the mapping profile wrote, it can write, and then reads the same."""
    try:
        read(write(read(write(value, mapping_codecs()))))
    except DecodeError as error:  # as keys: (kind, items), and (datetime, ns), which without a hint is an array
        assert "cannot hash" in str(error)  # noqa: PT017
    except EncodeValueError as error:  # (type id, items) looks like (kind, items)
        assert "is not a kind" in str(error) or "one item" in str(error)  # noqa: PT017


@settings(strategies.RELAXED)
@given(st.lists(strategies.longs | st.none() | strategies.texts | st.booleans() | strategies.floats, max_size=5))
def test_lists_come_back(items: list[Any]) -> None:
    """A list comes back as a list if its items are of one class, else as an ArrayList."""
    assert same(read(write(items)), items) or same(read(write(items)), (1, items))


def test_any_in_the_raw_profile() -> None:
    """The untyped spec is the profile's own."""
    assert ANY.decode(raw_codecs(), write(NOON), 0)[0] == NOON
