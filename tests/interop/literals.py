"""Values as text that Java reads, for it to write them and to judge what it was given: see Literal.java.

What a value's type is to Java, the function tells that is named for it. `literal` tells it as the mapping face does, by
the value's class.
"""

import struct
from array import array
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

import attrs

from ignitemap.protocol.codecs import Codecs, encode_object

__all__ = [
    "array_literal",
    "char_literal",
    "collection_literal",
    "date_literal",
    "decimal_literal",
    "double_literal",
    "float_literal",
    "instant_literal",
    "Literal",
    "literal_with",
    "map_literal",
    "numbers_literal",
    "object_literal",
    "sql_date_literal",
    "text_literal",
    "time_literal",
    "timestamp_literal",
]

Literal = Callable[[Any], str]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DAY: Final = 86_400_000
MILLISECOND: Final = timedelta(milliseconds=1)
NUMBERS: Final = {"h": "short", "i": "int", "q": "long", "f": "float", "d": "double"}


def text_literal(value: str) -> str:
    return f"text x{value.encode().hex()}"


def char_literal(value: str) -> str:
    return f"char {ord(value)}"


def float_bits(value: float) -> int:
    return struct.unpack("<i", struct.pack("<f", value))[0]


def double_bits(value: float) -> int:
    return struct.unpack("<q", struct.pack("<d", value))[0]


def float_literal(value: float) -> str:
    return f"float {float_bits(value)}"


def double_literal(value: float) -> str:
    return f"double {double_bits(value)}"


def decimal_literal(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    # By way of another Decimal: an int is read from no more than 4,300 digits.
    return f"decimal {-exponent} {int(Decimal((sign, digits, 0))):x}"


def instant_literal(value: datetime) -> str:
    """A java.util.Date."""
    return f"date {(value - EPOCH) // MILLISECOND}"


def timestamp_literal(value: datetime) -> str:
    beyond = value.microsecond % 1000 * 1000 + getattr(value, "nanosecond", 0)
    return f"timestamp {(value - EPOCH) // MILLISECOND} {beyond}"


def midnight(value: date) -> int:
    return (value.toordinal() - EPOCH.toordinal()) * DAY


def date_literal(value: date) -> str:
    return f"date {midnight(value)}"


def sql_date_literal(value: date) -> str:
    """A java.sql.Date."""
    return f"sqldate {midnight(value)}"


def time_literal(value: time) -> str:
    return f"time {((value.hour * 60 + value.minute) * 60 + value.second) * 1000 + value.microsecond // 1000}"


def numbers_literal(component: str, values: Iterable[Any]) -> str:
    """An array of primitives."""
    if component in {"float", "double"}:
        values = map(float_bits if component == "float" else double_bits, values)
    items = [str(value).lower() for value in values]
    return " ".join([f"{component}[]", str(len(items)), *items])


def array_literal(component: str, of: Literal, values: Iterable[Any]) -> str:
    """An array of objects, each of which may be None."""
    return collection_literal(f"{component}[]", lambda value: "null" if value is None else of(value), values)


def collection_literal(kind: str, of: Literal, values: Iterable[Any]) -> str:
    items = [of(value) for value in values]
    return " ".join([kind, str(len(items)), *items])


def map_literal(kind: str, of: Literal, values: dict[Any, Any]) -> str:
    return " ".join([kind, str(len(values)), *(of(part) for pair in values.items() for part in pair)])


def object_literal(name: str, **fields: str) -> str:
    """An object of a class in this package, by the literals of its fields."""
    return " ".join(["object", name, str(len(fields)), *(f"{field} {value}" for field, value in fields.items())])


def literal_with(codecs: Codecs) -> Literal:
    """The literal of a value that has a type of its own to the mapping face; ``codecs`` know its models and enums."""

    def encoded(value: Any) -> bytes:
        out = bytearray()
        encode_object(codecs, out, value)
        return bytes(out)

    def of_set(kind: str) -> Literal:
        # The order in which elements are written is that of their bytes.
        return lambda value: collection_literal(kind, literal, sorted(value, key=encoded))

    by_class: dict[type, Literal] = {
        type(None): lambda value: "null",
        bool: lambda value: f"bool {value}".lower(),
        int: lambda value: f"long {value}",
        float: double_literal,
        str: text_literal,
        bytes: lambda value: f"byte[] x{value.hex()}",
        UUID: lambda value: f"uuid {value}",
        Decimal: decimal_literal,
        date: date_literal,
        time: time_literal,
        array: lambda value: numbers_literal(NUMBERS[value.typecode], value),
        list: lambda value: collection_literal("ArrayList", literal, value),
        tuple: lambda value: collection_literal("object[]", literal, value),
        set: of_set("HashSet"),
        frozenset: of_set("LinkedHashSet"),
        dict: lambda value: map_literal("LinkedHashMap", literal, value),
    }

    def literal(value: Any) -> str:
        known = by_class.get(type(value))
        if known is not None:
            return known(value)
        if isinstance(value, datetime):
            return timestamp_literal(value)
        if isinstance(value, Enum):
            return f"{type(value).__name__.lower()} {value.name}"
        names = [each.name for each in attrs.fields(type(value)) if not each.name.startswith("_")]
        fields = {_camel(name): literal(getattr(value, name)) for name in names}
        return object_literal(type(value).__name__, **fields)

    return literal


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
