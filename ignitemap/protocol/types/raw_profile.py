"""The raw profile: what pyignite's asyncio client writes and reads, without its corruptions.

| wire | read as |
| --- | --- |
| collection, map, Object[], enum[] | ``(kind, list)``, ``(kind, dict)``, ``(type_id, list)`` |
| Date | naive datetime in UTC |
| Timestamp | ``(naive datetime in UTC, nanoseconds within the ms)``, the datetime in whole ms |
| Time | timedelta |
| enum that the program did not register | ``(type_id, ordinal)`` |
| primitive arrays | list, and bytes for byte[] |
| complex object that the program did not register | `BinaryObject` |
| java.sql.Date (SQL DATE), which pyignite cannot read | date |
| all else | as in the mapping profile |

| Python | written as |
| --- | --- |
| list, tuple, range of int, float, bool | long[], double[], boolean[] |
| list, tuple of str, UUID, Decimal, datetime or date, timedelta or time, with None or without | String[], UUID[] and so on |
| tuple ``(kind, items)``, ``(kind, dict)`` | the collection or map of that kind; `EncodeValueError` for kinds that Java lacks |
| tuple ``(value, hint)`` | the value by the hint (types/raw_hints.py), at any depth |
| any other list, tuple | ArrayList, Object[] |
| set, frozenset, dict | HashSet, LinkedHashSet, LinkedHashMap |
| datetime, date | Date: naive means UTC, a date is its midnight; parts of a ms are an `EncodeValueError` |
| timedelta, time | Time: parts of a ms are an `EncodeValueError` |
| all else | as in the mapping profile |
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from struct import Struct
from types import NoneType
from typing import Any, Final, cast
from uuid import UUID as PythonUUID  # noqa: N811 - UUID is the spec here

from ignitemap.exceptions import DecodeError, EncodeValueError
from ignitemap.protocol.codecs import (
    MAX_ENCODE_DEPTH,
    NATIVE_DEPTH,
    Codecs,
    Encoder,
    Hinted,
    Spec,
    cannot_hold,
    encode_hinted,
    encode_object,
    optional,
    too_deep,
    wrong_type,
)
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.arrays import (
    BOOL_ARRAY,
    DOUBLE_ARRAY,
    LONG_ARRAY,
    TYPECODES,
    array_of,
    decode_numbers,
    encode_tuple,
    object_array_head,
    object_array_walker,
)
from ignitemap.protocol.types.collections import (
    LINKED_HASH_SET,
    USER_SET,
    collection_head,
    collection_walker,
    encode_list,
    encode_sorted,
)
from ignitemap.protocol.types.decimal import DECIMAL
from ignitemap.protocol.types.deep import read_deep
from ignitemap.protocol.types.enums import EnumValue, decode_enum, decode_enum_array, read_type_id
from ignitemap.protocol.types.maps import LINKED_HASH_MAP, USER_MAP, make_dict, map_head, map_walker
from ignitemap.protocol.types.temporal import (
    FIRST_MS,
    LAST_MS,
    NAIVE_EPOCH,
    UTIL_DATE,
    Timestamp,
    encode_date,
    encode_time,
)
from ignitemap.protocol.types.text import STRING
from ignitemap.protocol.types.uuid import UUID

__all__ = [
    "RAW_DATE",
    "RAW_TIME",
    "encode_collection",
    "encode_map",
    "register",
]

pack_head: Final = Struct("<BIb").pack
pack_long: Final = Struct("<Bq").pack
unpack_long: Final = Struct("<q").unpack_from
unpack_timestamp: Final = Struct("<qI").unpack_from

SINGLETON_LIST: Final = (
    5  # a server takes it with one item, and sends an opaque object for it (seen from a 2.17.0 node)
)
MS: Final = timedelta(milliseconds=1)


# --- writing ----------------------------------------------------------------------------------------------------------


def encode_raw_date(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a datetime or a date as a Date."""
    if isinstance(value, datetime):
        UTIL_DATE.encode(codecs, out, value)
    elif isinstance(value, date):
        encode_date(codecs, out, value)
    else:
        raise wrong_type("Date", value)


def encode_raw_time(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a timedelta or a time as a Time."""
    if isinstance(value, time):
        encode_time(codecs, out, value)
    elif isinstance(value, timedelta):
        millis, beyond = divmod(value, MS)
        if beyond:
            raise cannot_hold("Time", "holds whole milliseconds")
        out += pack_long(codes.TIME, millis)
    else:
        raise wrong_type("Time", value)


def encode_collection(codecs: Codecs, out: bytearray, kind: int, items: Iterable[Any]) -> None:
    """Write a collection of a kind."""
    if not USER_SET <= kind <= SINGLETON_LIST:
        raise EncodeValueError(f"{kind} is not a kind of collection")
    if isinstance(items, (set, frozenset)):
        encode_sorted(codecs, out, cast("Iterable[Any]", items), kind)
        return
    values = list(items)
    if kind > LINKED_HASH_SET and len(values) != 1:
        raise EncodeValueError("a singleton list has one item")
    codecs.depth += 1
    if codecs.depth > MAX_ENCODE_DEPTH:
        raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
    out += pack_head(codes.COLLECTION, len(values), kind)
    for item in values:
        encode_object(codecs, out, item)
    codecs.depth -= 1


def encode_map(codecs: Codecs, out: bytearray, kind: int, entries: Mapping[Any, Any]) -> None:
    """Write a map of a kind."""
    if not USER_MAP <= kind <= LINKED_HASH_MAP:
        raise EncodeValueError(f"{kind} is not a kind of map")
    codecs.depth += 1
    if codecs.depth > MAX_ENCODE_DEPTH:
        raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
    out += pack_head(codes.MAP, len(entries), kind)
    for key, item in entries.items():
        encode_object(codecs, out, key)
        encode_object(codecs, out, item)
    codecs.depth -= 1


# Their decoders are never asked: in this profile a value is read as what it is.
RAW_DATE: Final[Spec[Any]] = Spec("Date", encode_raw_date, UTIL_DATE.decode, code=codes.DATE, java="java.util.Date")
RAW_TIME: Final[Spec[Any]] = Spec("Time", encode_raw_time, UTIL_DATE.decode, code=codes.TIME, java="java.sql.Time")

PRIMITIVE_ARRAYS: Final[dict[type, Encoder]] = {
    int: LONG_ARRAY.encode,
    float: DOUBLE_ARRAY.encode,
    bool: BOOL_ARRAY.encode,
}
DATES: Final[Encoder] = array_of(optional(RAW_DATE)).encode
TIMES: Final[Encoder] = array_of(optional(RAW_TIME)).encode
OBJECT_ARRAYS: Final[dict[type, Encoder]] = {
    str: array_of(optional(STRING)).encode,
    PythonUUID: array_of(optional(UUID)).encode,
    Decimal: array_of(optional(DECIMAL)).encode,
    datetime: DATES,
    date: DATES,
    Timestamp: DATES,
    timedelta: TIMES,
    time: TIMES,
}


def array_encoder(values: Iterable[Any]) -> Encoder | None:
    """The encoder of the array that holds items of these classes; None where they need a collection."""
    classes = set(map(type, values))
    if len(classes) == 1:
        (cls,) = classes
        return PRIMITIVE_ARRAYS.get(cls) or OBJECT_ARRAYS.get(cls)
    classes.discard(NoneType)
    found = {OBJECT_ARRAYS.get(cls) for cls in classes}
    return found.pop() if len(found) == 1 else None


def encode_raw_list(codecs: Codecs, out: bytearray, value: list[Any]) -> None:
    """Write a list as the array of its items' type, or an ArrayList."""
    encode = array_encoder(value) or encode_list
    encode(codecs, out, value)


def encode_raw_tuple(codecs: Codecs, out: bytearray, value: tuple[Any, ...]) -> None:
    """Write a value by its hint, a collection or map of a kind, or what a list would be."""
    if len(value) == 2:
        first, second = value
        if isinstance(second, Spec):
            encode_hinted(codecs, out, Hinted(first, cast("Any", second)))
            return
        if first.__class__ is int:
            if isinstance(second, dict):
                encode_map(codecs, out, first, cast("Mapping[Any, Any]", second))
                return
            if isinstance(second, (list, tuple, set, frozenset)):
                encode_collection(codecs, out, first, cast("Iterable[Any]", second))
                return
    encode = array_encoder(value) or encode_tuple
    encode(codecs, out, value)


def encode_range(codecs: Codecs, out: bytearray, value: range) -> None:
    """Write a range as a long[]."""
    LONG_ARRAY.encode(codecs, out, list(value))


# --- reading ----------------------------------------------------------------------------------------------------------


def naive_instant(ms: int, pos: int) -> datetime:
    """The naive datetime in UTC for ms since the epoch."""
    if not FIRST_MS <= ms <= LAST_MS:
        raise DecodeError("an instant outside of the years 1 to 9999", offset=pos)
    return NAIVE_EPOCH + timedelta(0, ms // 1000, ms % 1000 * 1000)


def decode_raw_date(codecs: Codecs, buf: bytes, pos: int) -> tuple[datetime, int]:
    """Read a Date."""
    return naive_instant(unpack_long(buf, pos)[0], pos - 1), pos + 8


def decode_raw_timestamp(codecs: Codecs, buf: bytes, pos: int) -> tuple[tuple[datetime, int], int]:
    """Read a Timestamp."""
    ms, nanos = unpack_timestamp(buf, pos)
    if nanos > 999_999:
        raise DecodeError("a Timestamp with more nanoseconds than a millisecond has", offset=pos - 1)
    return (naive_instant(ms, pos - 1), nanos), pos + 12


def decode_raw_time(codecs: Codecs, buf: bytes, pos: int) -> tuple[timedelta, int]:
    """Read a Time."""
    return timedelta(0, 0, 0, unpack_long(buf, pos)[0]), pos + 8


def raw_enum(value: Any) -> Any:
    """A constant as (type id, ordinal), unless it is a member of a registered enum."""
    return (value.type_id, value.ordinal) if value.__class__ is EnumValue else value


def decode_raw_enum(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read a constant."""
    value, end = decode_enum(codecs, buf, pos)
    return raw_enum(value), end


def decode_raw_enum_array(codecs: Codecs, buf: bytes, pos: int) -> tuple[tuple[int, list[Any]], int]:
    """Read an array of constants."""
    items, end = decode_enum_array(codecs, buf, pos)
    return (read_type_id(buf, pos)[0], list(map(raw_enum, items))), end


def decode_raw_object_array(codecs: Codecs, buf: bytes, pos: int) -> tuple[tuple[int, list[Any]], int]:
    """Read an Object[]."""
    codecs.depth += 1
    if codecs.depth > NATIVE_DEPTH:
        return read_deep(codecs, buf, pos)
    component, count, pos = object_array_head(buf, pos)
    decoders = codecs.decoders
    items: list[Any] = []
    for _ in range(count):
        item, pos = decoders[buf[pos]](codecs, buf, pos + 1)
        items.append(item)
    codecs.depth -= 1
    return (component, items), pos


def decode_raw_collection(codecs: Codecs, buf: bytes, pos: int) -> tuple[tuple[int, list[Any]], int]:
    """Read a collection."""
    codecs.depth += 1
    if codecs.depth > NATIVE_DEPTH:
        return read_deep(codecs, buf, pos)
    count, kind = collection_head(buf, pos)
    pos += 5
    decoders = codecs.decoders
    items: list[Any] = []
    for _ in range(count):
        item, pos = decoders[buf[pos]](codecs, buf, pos + 1)
        items.append(item)
    codecs.depth -= 1
    return (kind, items), pos


def decode_raw_map(codecs: Codecs, buf: bytes, pos: int) -> tuple[tuple[int, dict[Any, Any]], int]:
    """Read a map."""
    codecs.depth += 1
    if codecs.depth > NATIVE_DEPTH:
        return read_deep(codecs, buf, pos)
    count, kind = map_head(buf, pos)
    pos += 5
    decoders = codecs.decoders
    keys: list[Any] = []
    values: list[Any] = []
    for _ in range(count):
        key, pos = decoders[buf[pos]](codecs, buf, pos + 1)
        keys.append(key)
        value, pos = decoders[buf[pos]](codecs, buf, pos + 1)
        values.append(value)
    codecs.depth -= 1
    return (kind, make_dict(keys, values)), pos


def with_kind(kind: int, content: Any) -> tuple[int, Any]:
    """A container as pyignite has it."""
    return kind, content


def register(codecs: Codecs) -> None:
    """Make a profile, that has all families, the raw one."""
    encoders: dict[type, Encoder] = {
        datetime: encode_raw_date,
        Timestamp: encode_raw_date,
        date: encode_raw_date,
        time: encode_raw_time,
        timedelta: encode_raw_time,
        list: encode_raw_list,
        tuple: encode_raw_tuple,
        range: encode_range,
    }
    codecs.encoders.update(encoders)
    codecs.decoders[codes.DATE] = decode_raw_date
    codecs.decoders[codes.TIMESTAMP] = decode_raw_timestamp
    codecs.decoders[codes.TIME] = decode_raw_time
    codecs.decoders[codes.ENUM] = decode_raw_enum
    codecs.decoders[codes.BINARY_ENUM] = decode_raw_enum
    codecs.decoders[codes.ENUM_ARRAY] = decode_raw_enum_array
    for code in TYPECODES:
        codecs.decoders[code] = decode_numbers
    codecs.decoders[codes.OBJECT_ARRAY] = decode_raw_object_array
    codecs.decoders[codes.COLLECTION] = decode_raw_collection
    codecs.decoders[codes.MAP] = decode_raw_map
    codecs.walkers[codes.OBJECT_ARRAY] = object_array_walker(with_kind)
    codecs.walkers[codes.COLLECTION] = collection_walker(with_kind)
    codecs.walkers[codes.MAP] = map_walker(with_kind)
