"""pyignite's type hints, by its names: how a value of the raw layer is to be written.

A hint is a `Spec`, and goes wherever one goes: ``value_hint=IntObject``, ``(5, IntObject)``, a field of a schema. It
decides what is written. What is read is decided by what the cluster has, so that a hint never hides a value of another
type. None is null to every hint.

| hint | takes |
| --- | --- |
| ByteObject ... LongObject | int that fits; bool as 0 or 1 |
| FloatObject, DoubleObject | float, and an int that it holds exactly |
| CharObject | str of one UTF-16 unit, or the unit's number |
| BoolObject | bool, 0, 1 |
| String | str, or its UTF-8 bytes |
| DateObject | datetime in whole ms (naive is UTC), date |
| TimestampObject | ``(datetime, nanoseconds within its ms)``, or a datetime alone |
| TimeObject | timedelta in whole ms, time |
| EnumObject, BinaryEnumObject | ``(type_id, ordinal)`` |
| ByteArrayObject | bytes, any buffer, ints from -128 to 255 |
| other arrays | any collection of what the hint of the items takes; primitive ones also buffers |
| EnumArrayObject, BinaryEnumArrayObject, ObjectArrayObject | ``(type_id, items)``, with ``OBJECT`` for Java's Object |
| CollectionObject, MapObject | ``(kind, items)``, ``(kind, dict)``; their attributes are the kinds |
| BinaryObject | any complex object |
| WrappedDataObject | nothing: the server wraps objects itself |

>>> await cache.put(1, 7, key_hint=IntObject, value_hint=ShortObject)
>>> await cache.get(1, key_hint=IntObject), await cache.get(1)  # a Long is another key
(7, None)
>>> now = datetime.datetime(2026, 5, 1, 12, 30)
>>> await cache.put_all({
...     "byte": (1, ByteObject), "long": (1, LongObject), "float": (0.5, FloatObject), "double": (1, DoubleObject),
...     "char": ("x", CharObject), "bool": (1, BoolObject), "text": ("x", String), "any": ("x", AnyDataObject),
...     "uuid": (uuid.UUID(int=7), UUIDObject), "decimal": (Decimal("2.90"), DecimalObject),
...     "date": (now, DateObject), "timestamp": ((now, 5), TimestampObject), "time": (now.time(), TimeObject),
...     "list": ((CollectionObject.LINKED_LIST, [1, 2]), CollectionObject),
...     "map": ((MapObject.LINKED_HASH_MAP, {1: "x"}), MapObject),
... })
>>> await cache.get("double"), await cache.get("time"), await cache.get("list")
(1.0, datetime.timedelta(seconds=45000), (2, [1, 2]))

Arrays:

>>> await cache.put_all({
...     "bytes": (b"ab", ByteArrayObject), "shorts": ([1], ShortArrayObject), "ints": ([1], IntArrayObject),
...     "longs": (range(3), LongArrayObject), "floats": ([0.5], FloatArrayObject), "doubles": ([1], DoubleArrayObject),
...     "chars": ("ab", CharArrayObject), "bools": ([True], BoolArrayObject), "texts": (["x", None], StringArrayObject),
...     "uuids": ([uuid.UUID(int=7)], UUIDArrayObject), "decimals": ([Decimal(1)], DecimalArrayObject),
...     "dates": ([now], DateArrayObject), "times": ([now.time()], TimeArrayObject),
...     "timestamps": ([(now, 5)], TimestampArrayObject),
...     "objects": ((ObjectArrayObject.OBJECT, [1, "x"]), ObjectArrayObject),
... })
>>> await cache.get("bytes"), await cache.get("longs"), await cache.get("chars"), await cache.get("objects")
(b'ab', [0, 1, 2], ['a', 'b'], (-1, [1, 'x']))

Enums, by the id of their type, and objects; Null and WrappedDataObject stand for what is read, not written:

>>> colour = (await client.put_binary_type("Colour", is_enum=True, schema={"RED": 0, "BLUE": 1}))["type_id"]
>>> await cache.put_all({"enum": ((colour, 1), EnumObject), "both": ((colour, [(colour, 0)]), EnumArrayObject)})
>>> await cache.put("binary", (colour, 1), value_hint=BinaryEnumObject)
>>> await cache.put("binaries", (colour, [(colour, 0)]), value_hint=BinaryEnumArrayObject)
>>> await cache.get("enum"), await cache.get("both")
((..., 1), (..., [(..., 0)]))
>>> class Town(metaclass=GenericObjectMeta, schema={"name": String}): ...
>>> await cache.put("town", Town("Bern"), value_hint=BinaryObject)
>>> Null.name, WrappedDataObject.name
('null', 'wrapped complex object')
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from struct import Struct, error
from typing import Any, ClassVar, Final, cast

import attrs

from ignitemap.exceptions import EncodeTypeError, EncodeValueError
from ignitemap.protocol.codecs import (
    MAX_ENCODE_DEPTH,
    Codecs,
    Encoder,
    Spec,
    cannot_hold,
    decode_object,
    encode_object,
    out_of_range,
    too_deep,
    wrong_type,
)
from ignitemap.protocol.types import arrays, codes
from ignitemap.protocol.types.arrays import BYTES, array_of, encode_bytes
from ignitemap.protocol.types.decimal import DECIMAL
from ignitemap.protocol.types.enums import EnumValue
from ignitemap.protocol.types.numeric import BOOL, BYTE, DOUBLE, FLOAT, INT, LONG, SHORT
from ignitemap.protocol.types.raw_profile import RAW_DATE, RAW_TIME, encode_collection, encode_map
from ignitemap.protocol.types.temporal import DAY, since_epoch
from ignitemap.protocol.types.text import CHAR, STRING, encode_str
from ignitemap.protocol.types.uuid import UUID

__all__ = [
    "AnyDataObject",
    "BinaryEnumArrayObject",
    "BinaryEnumObject",
    "BinaryObject",
    "BoolArrayObject",
    "BoolObject",
    "ByteArrayObject",
    "ByteObject",
    "CharArrayObject",
    "CharObject",
    "CollectionHint",
    "CollectionObject",
    "DateArrayObject",
    "DateObject",
    "DecimalArrayObject",
    "DecimalObject",
    "DoubleArrayObject",
    "DoubleObject",
    "EnumArrayObject",
    "EnumObject",
    "FloatArrayObject",
    "FloatObject",
    "Hint",
    "IntArrayObject",
    "IntObject",
    "LongArrayObject",
    "LongObject",
    "MapHint",
    "MapObject",
    "Null",
    "ObjectArrayHint",
    "ObjectArrayObject",
    "ShortArrayObject",
    "ShortObject",
    "String",
    "StringArrayObject",
    "TimeArrayObject",
    "TimeObject",
    "TimestampArrayObject",
    "TimestampObject",
    "UUIDArrayObject",
    "UUIDObject",
    "WrappedDataObject",
]

pack_char: Final = Struct("<BH").pack
pack_count: Final = Struct("<I").pack
pack_enum: Final = Struct("<Bii").pack
pack_array: Final = Struct("<BiI").pack
pack_timestamp: Final = Struct("<Bqi").pack

MAX_NANOS: Final = 999_999


def nothing() -> Any:
    """The default of most hints."""
    return None


@attrs.frozen(eq=False)
class Hint(Spec[Any]):
    """A spec with what pyignite's hints also have: the class of the values, and what an absent field of a schema is."""

    pythonic: type | None = attrs.field(default=None, repr=False, kw_only=True)
    make_default: Callable[[], Any] = attrs.field(default=nothing, repr=False, kw_only=True)

    @property
    def default(self) -> Any:
        """The value of a field that is not given; a new one each time."""
        return self.make_default()


@attrs.frozen(eq=False)
class CollectionHint(Hint):
    """The class of `CollectionObject`, with the kinds of collections."""

    USER_SET: ClassVar[int] = -1
    USER_COL: ClassVar[int] = 0
    ARR_LIST: ClassVar[int] = 1
    LINKED_LIST: ClassVar[int] = 2
    HASH_SET: ClassVar[int] = 3
    LINKED_HASH_SET: ClassVar[int] = 4
    SINGLETON_LIST: ClassVar[int] = 5


@attrs.frozen(eq=False)
class MapHint(Hint):
    """The class of `MapObject`, with the kinds of maps."""

    HASH_MAP: ClassVar[int] = 1
    LINKED_HASH_MAP: ClassVar[int] = 2


@attrs.frozen(eq=False)
class ObjectArrayHint(Hint):
    """The class of the hints that take ``(type_id, items)``."""

    OBJECT: ClassVar[int] = -1


def nullable(encode: Encoder) -> Encoder:
    """An encoder that writes None as null."""

    def encode_nullable(codecs: Codecs, out: bytearray, value: Any) -> None:
        if value is None:
            out.append(codes.NULL)
        else:
            encode(codecs, out, value)

    return encode_nullable


def hint(
    spec: Spec[Any],
    pythonic: type | None = None,
    make_default: Callable[[], Any] = nothing,
    *,
    encode: Encoder | None = None,
) -> Hint:
    """The hint that writes as ``spec`` does, or by ``encode``."""
    return Hint(
        spec.name,
        nullable(spec.encode if encode is None else encode),
        decode_object,
        code=spec.code,
        java=spec.java,
        nullable=True,
        hashable=spec.hashable,
        pythonic=pythonic,
        make_default=make_default,
    )


# --- scalars ----------------------------------------------------------------------------------------------------------


def number(spec: Spec[Any]) -> Hint:
    """The hint of a width of integers."""

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        spec.encode(codecs, out, int(value) if value.__class__ is bool else value)

    return hint(spec, int, int, encode=encode)


def encode_char(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a char."""
    if value.__class__ is int:
        try:
            out += pack_char(codes.CHAR, value)
        except error:
            raise out_of_range("char") from None
    else:
        CHAR.encode(codecs, out, value)


def encode_bool(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a boolean."""
    BOOL.encode(codecs, out, bool(value) if value.__class__ is int and value in (0, 1) else value)


def encode_text(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a string."""
    if isinstance(value, (bytes, bytearray)):
        try:
            encode_str(codecs, out, value.decode())
        except UnicodeDecodeError:
            raise cannot_hold("String", "takes bytes of UTF-8 only") from None
    else:
        STRING.encode(codecs, out, value)


def encode_timestamp(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a Timestamp: what of the datetime is finer than a ms comes on top of the nanoseconds below a microsecond."""
    moment, nanos = pair("Timestamp", value) if isinstance(value, tuple) else (value, getattr(value, "nanosecond", 0))
    if not isinstance(moment, datetime):
        raise wrong_type("Timestamp", moment)
    if type(nanos) is not int:
        raise wrong_type("the nanoseconds of a Timestamp", nanos)
    elapsed = since_epoch(codecs, "Timestamp", moment)
    beyond = elapsed.microseconds % 1000 * 1000
    if not 0 <= nanos <= MAX_NANOS or (beyond and nanos > 999):
        raise cannot_hold("Timestamp", f"takes a datetime in whole ms and up to {MAX_NANOS} ns")
    ms = elapsed.days * DAY + elapsed.seconds * 1000 + elapsed.microseconds // 1000
    out += pack_timestamp(codes.TIMESTAMP, ms, beyond + nanos)


def pair(name: str, value: Any) -> tuple[Any, Any]:
    """The two parts of a value that pyignite has as a tuple."""
    match value:
        case (first, second) if isinstance(value, tuple):
            return first, second
        case _:
            raise wrong_type(f"a tuple of two for {name}", value)


def type_id_of(name: str, value: Any) -> int:
    """The type id of a value that pyignite has as a tuple: an i32 that is not 0, which would stand for a name."""
    if type(value) is not int or not value or not -(2**31) <= value < 2**31:
        raise cannot_hold(name, "takes a type id: an int of 32 bits that is not 0")
    return value


def constant(code: int) -> Hint:
    """The hint of an enum under one of its two type codes."""

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        if isinstance(value, EnumValue):
            type_id, ordinal = value.type_id, value.ordinal
        else:
            type_id, ordinal = pair("enum", value)
            type_id = type_id_of("enum", type_id)
        if type(ordinal) is not int:
            raise wrong_type("the ordinal of an enum", ordinal)
        try:
            out += pack_enum(code, type_id, ordinal)
        except error:
            raise out_of_range("the ordinal of an enum") from None

    return Hint("enum", nullable(encode), decode_object, code=code, nullable=True, pythonic=tuple)


def encode_complex(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a complex object, and nothing else."""
    start = len(out)
    encode_object(codecs, out, value)
    if out[start] != codes.OBJECT:
        del out[start:]
        raise wrong_type("complex object", value)


def encode_wrapped(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Refuse data that is wrapped by hand."""
    raise EncodeTypeError("send the object itself: the server wraps it")


def encode_null(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Refuse a value where null is declared."""
    raise wrong_type("null", value)


ByteObject: Final = number(BYTE)
ShortObject: Final = number(SHORT)
IntObject: Final = number(INT)
LongObject: Final = number(LONG)
FloatObject: Final = hint(FLOAT, float, float)
DoubleObject: Final = hint(DOUBLE, float, float)
CharObject: Final = hint(CHAR, str, lambda: " ", encode=encode_char)
BoolObject: Final = hint(BOOL, bool, bool, encode=encode_bool)
String: Final = hint(STRING, str, encode=encode_text)
UUIDObject: Final = hint(UUID)
DecimalObject: Final = hint(DECIMAL, Decimal, lambda: Decimal("0.00"))
DateObject: Final = hint(RAW_DATE, datetime, lambda: datetime(1970, 1, 1))  # noqa: DTZ001 - as pyignite's
TimestampObject: Final = Hint(
    "Timestamp",
    nullable(encode_timestamp),
    decode_object,
    code=codes.TIMESTAMP,
    java="java.sql.Timestamp",
    nullable=True,
    pythonic=tuple,
    make_default=lambda: (datetime(1970, 1, 1), 0),  # noqa: DTZ001 - as pyignite's
)
TimeObject: Final = hint(RAW_TIME, timedelta, timedelta)
EnumObject: Final = constant(codes.ENUM)
BinaryEnumObject: Final = constant(codes.BINARY_ENUM)
BinaryObject: Final = Hint("complex object", nullable(encode_complex), decode_object, code=codes.OBJECT, nullable=True)
WrappedDataObject: Final = Hint(
    "wrapped complex object", nullable(encode_wrapped), decode_object, code=codes.WRAPPED, nullable=True
)
Null: Final = Hint("null", nullable(encode_null), decode_object, code=codes.NULL, nullable=True)
AnyDataObject: Final = Hint("any", encode_object, decode_object, code=codes.OBJECT, nullable=True)


# --- arrays -----------------------------------------------------------------------------------------------------------


def items_of(name: str, value: Any) -> Any:
    """The items of an array as a list, tuple or buffer."""
    if isinstance(value, (list, tuple)) or not isinstance(value, Collection) or isinstance(value, (bytes, bytearray)):
        return cast("Any", value)  # a spec of arrays refuses what is no array
    if isinstance(value, (str, Mapping)):
        raise wrong_type(name, cast("Any", value))
    try:
        memoryview(cast("Any", value))
    except TypeError:
        return list(cast("Iterable[Any]", value))
    return cast("Any", value)


def array(spec: Spec[Any]) -> Hint:
    """The hint of an array."""

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        spec.encode(codecs, out, items_of(spec.name, value))

    return hint(spec, list, list, encode=encode)


def encode_byte_array(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a byte[] of bytes, a buffer, or ints that are signed or not."""
    items = items_of(BYTES.name, value)
    if not isinstance(items, (list, tuple)):
        BYTES.encode(codecs, out, items)
        return
    numbers = cast("list[Any]", items)
    for cls in set(map(type, numbers)):
        if cls is not int:
            raise EncodeTypeError(f"expected byte[], got an item that is a Python {cls.__qualname__}")
    if numbers and not -128 <= min(numbers) <= max(numbers) <= 255:
        raise out_of_range("byte")
    encode_bytes(codecs, out, bytes([each & 0xFF for each in numbers]))


def encode_char_array(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a char[] of a str or of one str for each char."""
    arrays.CHAR_ARRAY.encode(codecs, out, list(value) if isinstance(value, str) else items_of("char[]", value))


ByteArrayObject: Final = hint(BYTES, list, list, encode=encode_byte_array)
ShortArrayObject: Final = array(arrays.SHORT_ARRAY)
IntArrayObject: Final = array(arrays.INT_ARRAY)
LongArrayObject: Final = array(arrays.LONG_ARRAY)
FloatArrayObject: Final = array(arrays.FLOAT_ARRAY)
DoubleArrayObject: Final = array(arrays.DOUBLE_ARRAY)
CharArrayObject: Final = hint(arrays.CHAR_ARRAY, list, list, encode=encode_char_array)
BoolArrayObject: Final = array(arrays.BOOL_ARRAY)
StringArrayObject: Final = array(array_of(String))
UUIDArrayObject: Final = array(array_of(UUIDObject))
DateArrayObject: Final = array(array_of(DateObject))
TimestampArrayObject: Final = array(array_of(TimestampObject))
TimeArrayObject: Final = array(array_of(TimeObject))
DecimalArrayObject: Final = array(array_of(DecimalObject))


# --- containers with a kind -------------------------------------------------------------------------------------------


def contents(name: str, value: Any) -> tuple[Any, Iterable[Any]]:
    """The kind and the items of a container. One item that is no collection stands for itself, as in pyignite."""
    kind, items = pair(name, value)
    if isinstance(items, (str, bytes, bytearray)) or not isinstance(items, Collection):
        return kind, [items]
    return kind, cast("Iterable[Any]", items)


def encode_collection_object(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write ``(kind, items)``."""
    kind, items = contents("collection", value)
    if type(kind) is not int:
        raise wrong_type("the kind of a collection", kind)
    encode_collection(codecs, out, kind, items)


def encode_map_object(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write ``(kind, dict)``."""
    kind, entries = pair("map", value)
    if entries is None:
        out.append(codes.NULL)
        return
    if type(kind) is not int:
        raise wrong_type("the kind of a map", kind)
    if not isinstance(entries, dict):
        raise wrong_type("dict", entries)
    encode_map(codecs, out, kind, cast("Mapping[Any, Any]", entries))


def object_array(name: str, code: int, encode_item: Encoder) -> ObjectArrayHint:
    """The hint of an array with a type id."""

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        type_id, found = contents(name, value)
        items = list(found)
        codecs.depth += 1
        if codecs.depth > MAX_ENCODE_DEPTH:
            raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
        out += pack_array(code, type_id_of(name, type_id), len(items))
        for item in items:
            encode_item(codecs, out, item)
        codecs.depth -= 1

    return ObjectArrayHint(
        name,
        nullable(encode),
        decode_object,
        code=code,
        nullable=True,
        hashable=False,
        pythonic=tuple,
    )


CollectionObject: Final = CollectionHint(
    "collection",
    nullable(encode_collection_object),
    decode_object,
    code=codes.COLLECTION,
    nullable=True,
    hashable=False,
)
MapObject: Final = MapHint(
    "map", nullable(encode_map_object), decode_object, code=codes.MAP, nullable=True, hashable=False
)
ObjectArrayObject: Final = object_array("Object[]", codes.OBJECT_ARRAY, encode_object)
EnumArrayObject: Final = object_array("enum[]", codes.ENUM_ARRAY, EnumObject.encode)
BinaryEnumArrayObject: Final = object_array("enum[]", codes.ENUM_ARRAY, BinaryEnumObject.encode)
