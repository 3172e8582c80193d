"""Conversions between the SQL types, of values as SQLite stores them, with H2's rules and H2's errors."""

import math
import uuid
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from ignitemap.embedded.sql import moments
from ignitemap.embedded.sql.errors import H2Error, conversion_failed
from ignitemap.embedded.sql.numbers import (
    as_float,
    decimal,
    decimal_of_double,
    decimal_plain,
    double_text,
    float_text,
    set_scale,
)
from ignitemap.embedded.sql.types import DATES, INTEGERS, RANGES, STRINGS, SqlType

__all__ = [
    "Converter",
    "convert",
    "converter",
    "java_length",
    "sql_text",
    "stored_uuid",
    "text_of",
    "to_boolean",
    "uuid_of",
]

Converter = Callable[[Any], Any]

SIGNS: Final = 1 << 127 | 1 << 63
HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")
TRUE_WORDS: Final = frozenset(("true", "t", "yes", "y"))
FALSE_WORDS: Final = frozenset(("false", "f", "no", "n"))
LONG_LOW, LONG_HIGH = RANGES[SqlType.LONG]


def stored_uuid(value: uuid.UUID) -> str:
    """A UUID as it is stored: hex digits whose order is Java's, which compares two signed longs."""
    return f"{value.int ^ SIGNS:032x}"


def uuid_of(stored: str) -> uuid.UUID:
    """The UUID that is stored."""
    return uuid.UUID(int=int(stored, 16) ^ SIGNS)


def text_of(sql_type: SqlType, value: Any) -> str:
    """A value as H2 converts it to VARCHAR."""
    if sql_type in STRINGS:
        return str(value)
    if sql_type is SqlType.BOOLEAN:
        return "TRUE" if value else "FALSE"
    if sql_type is SqlType.DECIMAL:
        return decimal_plain(value)
    if sql_type is SqlType.DOUBLE:
        return double_text(value)
    if sql_type is SqlType.FLOAT:
        return float_text(value)
    if sql_type is SqlType.TIME:
        return moments.time_text(value)
    if sql_type is SqlType.TIMESTAMP:
        return moments.timestamp_text(value)
    if sql_type is SqlType.UUID:
        return str(uuid_of(value))
    if sql_type in {SqlType.BYTES, SqlType.OBJECT}:
        return bytes(value).hex()
    return str(value)


def sql_text(sql_type: SqlType, value: Any) -> str:
    """A value as H2 writes it into SQL, which names columns."""
    if value is None:
        return "NULL"
    if sql_type in STRINGS:
        return quoted(value)
    if sql_type is SqlType.UUID:
        return quoted(text_of(sql_type, value))
    if sql_type in DATES:
        return f"{sql_type.name} '{text_of(sql_type, value)}'"
    if sql_type in {SqlType.BYTES, SqlType.OBJECT}:
        return f"X'{bytes(value).hex()}'"
    if sql_type in {SqlType.FLOAT, SqlType.DOUBLE} and not math.isfinite(float(value)):
        number = float(value)
        return "SQRT(-1)" if math.isnan(number) else "POWER(0, -1)" if number > 0 else "(-POWER(0, -1))"
    return text_of(sql_type, value)


def quoted(text: str) -> str:
    """A string literal of H2."""
    if all(" " <= char <= "\x7f" for char in text):
        return "'" + text.replace("'", "''") + "'"
    return f"STRINGDECODE({quoted(java_encoded(text))})"


def java_encoded(text: str) -> str:
    """Java's escapes for what is not ASCII."""
    escapes = {"\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
    out: list[str] = []
    for char in text:
        if char in escapes:
            out.append(escapes[char])
        elif " " <= char < "\x80":
            out.append(char)
        else:
            units = char.encode("utf-16-be", "surrogatepass").hex()
            out.extend(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
    return "".join(out)


def to_boolean(source: SqlType, value: Any) -> int:
    """A value as BOOLEAN: 1 or 0."""
    if source in STRINGS:
        word = value.lower()
        if word in TRUE_WORDS:
            return 1
        if word in FALSE_WORDS:
            return 0
        return int(bool(parsed_decimal(value)))
    if source is SqlType.DECIMAL:
        return int(bool(decimal(value)))
    if source in INTEGERS or source in {SqlType.FLOAT, SqlType.DOUBLE, SqlType.BOOLEAN}:
        return int(float(value) != 0 and value != "NaN") if not isinstance(value, int) else int(value != 0)
    raise conversion_failed(text_of(source, value))


def parsed_decimal(text: str) -> Decimal:
    """Java's new BigDecimal(text)."""
    if not text.isascii() or "_" in text or text.lower().lstrip("+-")[:1] not in set(".0123456789"):
        raise conversion_failed(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise conversion_failed(text) from None


def parsed_integer(target: SqlType, text: str) -> int:
    """Java's parseInt and its kind: out of range is a failed conversion too."""
    stripped = text.strip()
    digits = stripped[1:] if stripped[:1] in {"+", "-"} else stripped
    if not digits.isascii() or not digits.isdigit():
        raise conversion_failed(text)
    value = int(stripped)
    low, high = RANGES[target]
    if not low <= value <= high:
        raise conversion_failed(text)
    return value


def parsed_double(text: str) -> float:
    """Java's parseDouble."""
    stripped = text.strip()
    if stripped in {"NaN", "+NaN", "-NaN"}:
        return math.nan
    if stripped.lstrip("+-") == "Infinity":
        return -math.inf if stripped.startswith("-") else math.inf
    body = stripped[:-1] if stripped[-1:] in set("dDfF") and "x" not in stripped.lower() else stripped
    if not body.isascii() or "_" in body or not body or body.lower().lstrip("+-")[:1] not in set(".0123456789"):
        raise conversion_failed(text)
    try:
        return float(body)
    except ValueError:
        raise conversion_failed(text) from None


def in_range(target: SqlType, value: int) -> int:
    """An integer that fits the type."""
    low, high = RANGES[target]
    if not low <= value <= high:
        raise H2Error(22004, f'Numeric value out of range: "{value}" in column ')
    return value


def to_integer(target: SqlType, source: SqlType, value: Any) -> int:
    """A value as an integer type."""
    if source in STRINGS:
        return parsed_integer(target, value)
    if source in INTEGERS or source is SqlType.BOOLEAN:
        return in_range(target, int(value))
    if source is SqlType.DECIMAL:
        number = decimal(value)
        if not LONG_LOW <= number <= LONG_HIGH:
            raise H2Error(22004, f'Numeric value out of range: "{value}" in column ')
        return in_range(target, int(set_scale(number, 0)))
    if source in {SqlType.FLOAT, SqlType.DOUBLE}:
        double = float(value)
        if math.isnan(double):
            return 0
        if not -(2.0**63) <= double <= 2.0**63:
            raise H2Error(22004, f'Numeric value out of range: "{double_text(double)}" in column ')
        rounded = math.floor(double + 0.5) if abs(double) < 2**52 else int(double)
        return in_range(target, min(rounded, LONG_HIGH))
    if source is SqlType.BYTES:
        return int.from_bytes(bytes(value), "big", signed=len(value) in {1, 2, 4, 8})
    raise conversion_failed(text_of(source, value))


def to_decimal(source: SqlType, value: Any) -> str:
    """A value as DECIMAL."""
    if source in STRINGS:
        return str(parsed_decimal(value.strip()))
    if source in INTEGERS or source is SqlType.BOOLEAN:
        return str(int(value))
    if source is SqlType.DOUBLE:
        return decimal_of_double(value, double_text(value))
    if source is SqlType.FLOAT:
        return decimal_of_double(value, float_text(value))
    raise conversion_failed(text_of(source, value))


def to_double(target: SqlType, source: SqlType, value: Any) -> float | str:
    """A value as DOUBLE or REAL; NaN is stored as a text."""
    if source in STRINGS:
        number = parsed_double(value)
    elif source in INTEGERS or source in {SqlType.BOOLEAN, SqlType.DECIMAL, SqlType.FLOAT, SqlType.DOUBLE}:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    else:
        raise conversion_failed(text_of(source, value))
    if target is SqlType.FLOAT:
        number = as_float(number)
    return "NaN" if math.isnan(number) else number + 0.0


def to_date(source: SqlType, value: Any) -> str:
    """A value as DATE."""
    if source in STRINGS:
        return moments.parse_date(value.strip())
    if source is SqlType.TIMESTAMP:
        return str(value)[:10]
    if source is SqlType.TIME:
        return "1970-01-01"
    return moments.parse_date(text_of(source, value))


def to_time(source: SqlType, value: Any) -> int:
    """A value as TIME."""
    if source in STRINGS:
        return moments.parse_time(value.strip())
    if source is SqlType.TIMESTAMP:
        return moments.split(source, value)[1]
    if source is SqlType.DATE:
        return 0
    return moments.parse_time(text_of(source, value))


def to_timestamp(source: SqlType, value: Any) -> str:
    """A value as TIMESTAMP."""
    if source in STRINGS:
        return moments.parse_timestamp(value.strip())
    if source is SqlType.DATE:
        return f"{value} 00:00:00.000000000"
    if source is SqlType.TIME:
        return moments.timestamp_value(moments.EPOCH, value)
    return moments.parse_timestamp(text_of(source, value))


def to_bytes(source: SqlType, value: Any) -> bytes:
    """A value as BINARY."""
    if source in STRINGS:
        return moments.hex_bytes(value.strip())
    if source in {SqlType.BYTES, SqlType.OBJECT}:
        return bytes(value)
    if source is SqlType.UUID:
        return uuid_of(value).bytes
    sizes = {SqlType.BYTE: 1, SqlType.SHORT: 2, SqlType.INT: 4, SqlType.LONG: 8}
    if source in sizes:
        return int(value).to_bytes(sizes[source], "big", signed=True)
    return moments.hex_bytes(text_of(source, value))


def to_uuid(source: SqlType, value: Any) -> str:
    """A value as UUID."""
    if source in STRINGS or source is SqlType.DATE:
        return uuid_of_digits(text_of(source, value))
    if source is SqlType.BYTES or source in INTEGERS:
        data = to_bytes(source, value)
        return uuid_of_digits(data.hex()) if len(data) < 16 else stored_uuid(uuid.UUID(bytes=data[:16]))
    raise conversion_failed(text_of(source, value))


def uuid_of_digits(text: str) -> str:
    """The UUID of hex digits: 16 of them are the high half, those before or behind are in the low one."""
    high = low = 0
    count = 0
    for char in text:
        if char in HEX_DIGITS:
            low = (low << 4 | int(char, 16)) & 0xFFFF_FFFF_FFFF_FFFF
            count += 1
            if count == 16:
                high, low = low, 0
        elif char != "-" and char > " ":
            raise conversion_failed(text)
    return stored_uuid(uuid.UUID(int=high << 64 | low))


def convert(source: SqlType, target: SqlType, value: Any) -> Any:
    """A value of one type as another; NULL stays NULL.

    Raises:
        H2Error: It can't be.
    """
    if value is None or source is target:
        return value
    if target in {SqlType.STRING, SqlType.ILIKE}:
        return text_of(source, value)
    if target is SqlType.CHAR:
        return text_of(source, value).rstrip(" ")
    if target is SqlType.BOOLEAN:
        return to_boolean(source, value)
    if target in INTEGERS:
        return to_integer(target, source, value)
    if target is SqlType.DECIMAL:
        return to_decimal(source, value)
    if target in {SqlType.FLOAT, SqlType.DOUBLE}:
        return to_double(target, source, value)
    if target is SqlType.DATE:
        return to_date(source, value)
    if target is SqlType.TIME:
        return to_time(source, value)
    if target is SqlType.TIMESTAMP:
        return to_timestamp(source, value)
    if target is SqlType.BYTES:
        return to_bytes(source, value)
    if target is SqlType.UUID:
        return to_uuid(source, value)
    if target is SqlType.NULL:
        return None
    raise conversion_failed(text_of(source, value))


@lru_cache(512)
def converter(source: SqlType, target: SqlType) -> Converter:
    """`convert` for two types."""

    def apply(value: Any) -> Any:
        return convert(source, target, value)

    return apply


def java_length(value: str | bytes) -> int:
    """The length of a text in UTF-16 units, or of bytes."""
    if isinstance(value, bytes) or value.isascii():
        return len(value)
    return len(value) + sum(char > "\uffff" for char in value)
