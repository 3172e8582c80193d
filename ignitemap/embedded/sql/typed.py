"""What compiling an expression gives: its SQLite text, its Ignite types, and the text under which H2 knows it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import attrs

from ignitemap.embedded.sql.types import SqlType

__all__ = [
    "ANY_SCALE",
    "FALSE",
    "NULL",
    "TRUE",
    "Slot",
    "Typed",
    "collated",
    "joined",
    "literal",
    "literal_sql",
    "quote_name",
    "size_of",
    "unenclosed",
]

ANY_SCALE: Final = 32767
"""The scale of a DECIMAL that was declared without one: values keep theirs."""
SIZES: Final = {
    SqlType.UNKNOWN: (0, 0),
    SqlType.NULL: (0, 0),
    SqlType.BOOLEAN: (1, 0),
    SqlType.BYTE: (3, 0),
    SqlType.SHORT: (5, 0),
    SqlType.INT: (10, 0),
    SqlType.LONG: (19, 0),
    SqlType.FLOAT: (7, 0),
    SqlType.DOUBLE: (17, 0),
    SqlType.DECIMAL: (65535, ANY_SCALE),
}
"""Precision and scale of what has none of its own."""


@attrs.frozen
class Typed:
    """A compiled expression.

    H2 decides on conversions by the type that it expects (``type``), and converts the values that it meets
    (``value_type``); for a few functions these differ. A parameter has no type until it has a value.
    """

    sql: str
    type: SqlType
    value_type: SqlType
    text: str
    """As H2 prints it, which names columns without alias."""
    constant: bool = False
    value: Any = None
    """The value of a constant, as SQLite stores it."""
    cost: int = 0
    """H2's estimate: AND and OR evaluate the cheaper side first, and are printed so."""
    column: str | None = None
    """The name, if this is a column and nothing else."""
    parameter: int | None = None
    table: str | None = None
    schema: str | None = None
    precision: int = -1
    scale: int = -1
    nullable: bool = True
    unchecked: bool = False
    """An integer that may be out of its type's range: SQLite counts in 64 bits."""
    items: "tuple[Typed, ...] | None" = None
    """The values of a row ``(a, b)``."""
    affine: bool = False
    """Whether this is a column of a partitioned table whose value says in which partition a row is."""

    joined: str = ""
    """AND, OR or || if that is what joins its parts."""

    @property
    def late(self) -> SqlType:
        """The type once parameters have values."""
        return self.value_type if self.parameter is not None else self.type


@attrs.frozen
class Slot:
    """A place in the compiled statement that a parameter's value is bound to, in the form that is needed there."""

    parameter: int
    form: str
    """Names the conversion: one slot serves all places that need the same form."""
    prepare: Callable[[Any], Any]


def quote_name(name: str) -> str:
    """A name as SQLite takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal_sql(value: Any) -> str:
    """A stored value as SQLite text."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        if "\0" in value:
            return f"CAST(X'{value.encode().hex()}' AS TEXT)"
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float):
        if value in {float("inf"), float("-inf")}:
            return "9e999" if value > 0 else "(-9e999)"
        return repr(value) if value >= 0 else f"({value!r})"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return str(int(value)) if value >= 0 else f"({int(value)})"


def literal(sql_type: SqlType, value: Any, text: str) -> Typed:
    """A constant."""
    if value is None:
        return Typed("NULL", SqlType.NULL, SqlType.NULL, text, constant=True)
    precision = scale = -1
    if sql_type is SqlType.DECIMAL:
        _, digits, exponent = Decimal(value).as_tuple()
        precision, scale = len(digits), -int(exponent)
    return Typed(
        literal_sql(value), sql_type, sql_type, text, constant=True, value=value, precision=precision, scale=scale
    )


def size_of(*operands: Typed) -> tuple[int, int]:
    """The precision and scale that H2 takes the result of an operation on numbers to have: the largest of each."""
    sizes = [
        (each.precision, max(each.scale, 0)) if each.precision > 0 else SIZES.get(each.type, (65535, 0))
        for each in operands
    ]
    return max(precision for precision, _ in sizes), max(scale for _, scale in sizes)


def collated(sql: str, sql_type: SqlType, *others: str) -> str:
    """The left side of a comparison with the collation that its type needs.

    An explicit collation inside an operand would hold for all of the comparison: then BINARY is said explicitly.
    """
    if sql_type is SqlType.DECIMAL:
        return f"{sql} COLLATE DEC"
    if "COLLATE" in sql or any("COLLATE" in other for other in others):
        return f"{sql} COLLATE BINARY"
    return sql


def joined(operator: str, left: Typed, right: Typed) -> str:
    """The SQL of two operands joined; a chain of one operator has parentheses once, as SQLite reads few in each other."""
    one, two = (each.sql[1:-1] if each.joined == operator else each.sql for each in (left, right))
    return f"({one} {operator} {two})"


def unenclosed(text: str) -> str:
    """H2's text without the parentheses around it."""
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text


NULL: Final = literal(SqlType.NULL, None, "NULL")
TRUE: Final = literal(SqlType.BOOLEAN, 1, "TRUE")
FALSE: Final = literal(SqlType.BOOLEAN, 0, "FALSE")
