"""SQL values as marshalled objects and back: what the wire and the entries hold against what SQLite stores.

An OBJECT (a complex object, a collection, an enum, ...) is stored as its marshalled bytes. Where one goes to a client,
a complex object is wrapped, as a real node wraps it.
"""

import math
import struct
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from struct import Struct
from typing import Any, Final
from uuid import UUID

from ignitemap.embedded.sql import moments
from ignitemap.embedded.sql.errors import out_of_range
from ignitemap.embedded.sql.numbers import decimal
from ignitemap.embedded.sql.types import RANGES, SqlType
from ignitemap.embedded.sql.values import stored_uuid, uuid_of
from ignitemap.protocol.codecs import Codecs
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.decimal import decode_decimal, encode_decimal
from ignitemap.protocol.types.extent import object_end
from ignitemap.protocol.types.temporal import SQL_DATE_BODY, SQL_DATE_LENGTH

__all__ = ["Marshal", "marshal", "marshaller", "unmarshal"]

Marshal = Callable[[Any], bytes]

CODECS: Final = Codecs()
"""Decimals are read and written without looking at any of it."""
NULL: Final = bytes((codes.NULL,))
EPOCH: Final = moments.EPOCH
DAY_MS: Final = 86_400_000
SQL_DATE: Final = bytes((codes.OPTIMIZED,)) + SQL_DATE_LENGTH.to_bytes(4, "little") + SQL_DATE_BODY

pack_byte: Final = Struct("<Bb").pack
pack_short: Final = Struct("<Bh").pack
pack_int: Final = Struct("<Bi").pack
pack_long: Final = Struct("<Bq").pack
pack_float: Final = Struct("<Bf").pack
pack_double: Final = Struct("<Bd").pack
pack_head: Final = Struct("<BI").pack
pack_uuid: Final = Struct("<BQQ").pack
pack_timestamp: Final = Struct("<Bqi").pack
pack_plain_long: Final = Struct("<q").pack
unpack_byte: Final = Struct("<b").unpack_from
unpack_short: Final = Struct("<h").unpack_from
unpack_int: Final = Struct("<i").unpack_from
unpack_uint: Final = Struct("<I").unpack_from
unpack_long: Final = Struct("<q").unpack_from
unpack_float: Final = Struct("<f").unpack_from
unpack_double: Final = Struct("<d").unpack_from
unpack_uuid: Final = Struct("<QQ").unpack_from
unpack_timestamp: Final = Struct("<qi").unpack_from


# --- from SQLite to the wire ------------------------------------------------------------------------------------------


def integer_marshal(sql_type: SqlType, pack: Callable[[int, int], bytes], code: int) -> Marshal:
    low, high = RANGES[sql_type]

    def apply(value: Any) -> bytes:
        try:
            return pack(code, value)
        except struct.error:
            if isinstance(value, int) and low <= value <= high:
                raise
            raise out_of_range(value if sql_type is not SqlType.LONG else 2**63 - 1) from None

    return apply


def marshal_text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return pack_head(codes.STRING, len(data)) + data


def marshal_decimal(value: str) -> bytes:
    out = bytearray()
    encode_decimal(CODECS, out, decimal(value))
    return bytes(out)


def marshal_float(value: Any) -> bytes:
    number = float(value) + 0.0  # H2 has no negative zero
    try:
        return pack_float(codes.FLOAT, number)
    except OverflowError:
        return pack_float(codes.FLOAT, math.copysign(math.inf, number))


def marshal_date(value: str) -> bytes:
    return SQL_DATE + pack_plain_long((date.fromisoformat(value).toordinal() - EPOCH) * DAY_MS)


def marshal_timestamp(value: str) -> bytes:
    ordinal, nanos = moments.split(SqlType.TIMESTAMP, value)
    millis, beyond = divmod(nanos, 1_000_000)
    return pack_timestamp(codes.TIMESTAMP, (ordinal - EPOCH) * DAY_MS + millis, beyond)


def marshal_uuid(value: str) -> bytes:
    number = uuid_of(value).int
    return pack_uuid(codes.UUID, number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF)


def marshal_object(value: bytes) -> bytes:
    """An object for a client: a complex one is wrapped."""
    if value[0] != codes.OBJECT:
        return value
    return pack_head(codes.WRAPPED, len(value)) + value + b"\0\0\0\0"


MARSHALS: Final[dict[SqlType, Marshal]] = {
    SqlType.STRING: marshal_text,
    SqlType.CHAR: marshal_text,
    SqlType.ILIKE: marshal_text,
    SqlType.BOOLEAN: lambda value: bytes((codes.BOOL, 1 if value else 0)),
    SqlType.BYTE: integer_marshal(SqlType.BYTE, pack_byte, codes.BYTE),
    SqlType.SHORT: integer_marshal(SqlType.SHORT, pack_short, codes.SHORT),
    SqlType.INT: integer_marshal(SqlType.INT, pack_int, codes.INT),
    SqlType.LONG: integer_marshal(SqlType.LONG, pack_long, codes.LONG),
    SqlType.DECIMAL: marshal_decimal,
    SqlType.FLOAT: marshal_float,
    SqlType.DOUBLE: lambda value: pack_double(codes.DOUBLE, float(value) + 0.0),
    SqlType.TIME: lambda value: pack_long(codes.TIME, value // 1_000_000),
    SqlType.DATE: marshal_date,
    SqlType.TIMESTAMP: marshal_timestamp,
    SqlType.BYTES: lambda value: pack_head(codes.BYTE_ARRAY, len(value)) + value,
    SqlType.OBJECT: marshal_object,
    SqlType.UUID: marshal_uuid,
    SqlType.NULL: lambda value: NULL,
    SqlType.UNKNOWN: lambda value: NULL,
}


def marshaller(sql_type: SqlType) -> Marshal:
    """The function from a stored value to the cell that a client gets."""
    inner = MARSHALS[sql_type]

    def apply(value: Any) -> bytes:
        return NULL if value is None else inner(value)

    return apply


def marshal(sql_type: SqlType, value: Any) -> bytes:
    """A stored value as it is written into an entry: complex objects are bare."""
    if value is None:
        return NULL
    return bytes(value) if sql_type is SqlType.OBJECT else MARSHALS[sql_type](value)


# --- from the wire to SQLite ------------------------------------------------------------------------------------------


def unmarshal_timestamp(ms: int, nanos: int) -> str:
    days, millis = divmod(ms, DAY_MS)
    return moments.timestamp_value(EPOCH + days, millis * 1_000_000 + nanos)


def unmarshal(data: bytes, pos: int = 0) -> tuple[SqlType, Any]:
    """The type and the stored value of the object at ``pos``.

    Raises:
        H2Error: A date is outside of the years 1 to 9999.
        DecodeError: The bytes are malformed.
    """
    code = data[pos]
    at = pos + 1
    if code == codes.INT:
        return SqlType.INT, unpack_int(data, at)[0]
    if code == codes.STRING:
        (length,) = unpack_uint(data, at)
        return SqlType.STRING, data[at + 4 : at + 4 + length].decode("utf-8", "surrogatepass")
    if code == codes.LONG:
        return SqlType.LONG, unpack_long(data, at)[0]
    if code == codes.NULL:
        return SqlType.NULL, None
    if code == codes.DOUBLE:
        number = unpack_double(data, at)[0]
        return SqlType.DOUBLE, "NaN" if math.isnan(number) else number
    if code == codes.BOOL:
        return SqlType.BOOLEAN, int(data[at] != 0)
    if code == codes.DECIMAL:
        value: Decimal = decode_decimal(CODECS, data, at)[0]
        return SqlType.DECIMAL, str(value)
    if code == codes.TIMESTAMP:
        return SqlType.TIMESTAMP, unmarshal_timestamp(*unpack_timestamp(data, at))
    if code == codes.UUID:
        high, low = unpack_uuid(data, at)
        return SqlType.UUID, stored_uuid(UUID(int=high << 64 | low))
    if code == codes.OPTIMIZED and data.startswith(SQL_DATE, pos):
        ms = unpack_long(data, pos + len(SQL_DATE))[0]
        return SqlType.DATE, moments.date_text(EPOCH + (ms + DAY_MS // 2) // DAY_MS)
    if code == codes.DATE:
        return SqlType.TIMESTAMP, unmarshal_timestamp(unpack_long(data, at)[0], 0)
    if code == codes.TIME:
        return SqlType.TIME, unpack_long(data, at)[0] % DAY_MS * 1_000_000
    if code == codes.BYTE:
        return SqlType.BYTE, unpack_byte(data, at)[0]
    if code == codes.SHORT:
        return SqlType.SHORT, unpack_short(data, at)[0]
    if code == codes.FLOAT:
        number = unpack_float(data, at)[0]
        return SqlType.FLOAT, "NaN" if math.isnan(number) else number
    if code == codes.BYTE_ARRAY:
        (length,) = unpack_uint(data, at)
        return SqlType.BYTES, bytes(data[at + 4 : at + 4 + length])
    if code == codes.CHAR:
        return SqlType.STRING, data[at : at + 2].decode("utf-16-le", "surrogatepass")
    if code == codes.WRAPPED:
        (length,) = unpack_uint(data, at)
        (offset,) = unpack_uint(data, at + 4 + length)
        start = at + 4 + offset
        return SqlType.OBJECT, bytes(data[start : object_end(data, start)])
    whole = bytes(data[pos : object_end(data, pos)])
    if whole[0] == codes.ENUM:  # clients write both codes for the same constant
        return SqlType.OBJECT, bytes((codes.BINARY_ENUM,)) + whole[1:]
    return SqlType.OBJECT, whole
