"""The tree of a statement: what the parser makes and the compilers read. Data only.

A compiler that meets a class or a field that it does not know must raise, never pass over it.
"""

from typing import Any, Final, TypeAlias

import attrs

from ignitemap.embedded.sql.types import SqlType, TypeSpec

# --- expressions ------------------------------------------------------------------------------------------------------


@attrs.frozen
class Literal:
    """A value, as SQLite stores values of its type."""

    type: SqlType
    value: Any


@attrs.frozen
class Parameter:
    """``?``, counted from 0."""

    index: int


@attrs.frozen
class Name:
    """A column, perhaps with its table and schema."""

    column: str
    table: str | None = None
    schema: str | None = None


@attrs.frozen
class Wildcard:
    """``*`` or ``t.*``."""

    table: str | None = None
    schema: str | None = None


@attrs.frozen
class Binary:
    """``+ - * / %`` and ``||``."""

    operator: str
    left: "Expression"
    right: "Expression"


@attrs.frozen
class Negate:
    """``- x``."""

    operand: "Expression"


@attrs.frozen
class Compare:
    """``= <> < <= > >=``, and ``IS`` and ``IS NOT``, which take NULLs for equal."""

    operator: str
    left: "Expression"
    right: "Expression"


@attrs.frozen
class IsNull:
    """``IS NULL`` or ``IS NOT NULL``."""

    operand: "Expression"
    negated: bool


@attrs.frozen
class Like:
    """LIKE, ILIKE or REGEXP."""

    operator: str
    left: "Expression"
    right: "Expression"
    escape: "Expression | None"


@attrs.frozen
class In:
    """``x IN (a, b)``."""

    left: "Expression"
    items: "tuple[Expression, ...]"


@attrs.frozen
class InQuery:
    """``x IN (SELECT ...)``, ``x = ANY (SELECT ...)``, ``x < ALL (SELECT ...)``."""

    left: "Expression"
    query: "Query"
    operator: str
    every: bool


@attrs.frozen
class Exists:
    """``EXISTS (SELECT ...)``."""

    query: "Query"


@attrs.frozen
class Logic:
    """AND or OR."""

    operator: str
    left: "Expression"
    right: "Expression"


@attrs.frozen
class Not:
    """``NOT x``."""

    operand: "Expression"


@attrs.frozen
class Case:
    """CASE, with an operand or searched."""

    operand: "Expression | None"
    branches: "tuple[tuple[Expression, Expression], ...]"
    otherwise: "Expression | None"


@attrs.frozen
class Call:
    """A function. EXTRACT, DATEADD and the like have their part as a first argument."""

    name: str
    arguments: "tuple[Expression, ...]"


@attrs.frozen
class Cast:
    """CAST, CONVERT or ``::``."""

    operand: "Expression"
    type: TypeSpec
    convert: bool = False


@attrs.frozen
class OrderItem:
    """One item of ORDER BY. ``nulls`` is FIRST, LAST or None; ``ordinal`` says that a number is a column's place."""

    expression: "Expression"
    descending: bool = False
    nulls: str | None = None
    ordinal: bool = True


@attrs.frozen
class Aggregate:
    """COUNT, SUM, ...; ``COUNT(*)`` has no operand."""

    name: str
    operand: "Expression | None"
    distinct: bool = False
    order: tuple[OrderItem, ...] = ()
    separator: "Expression | None" = None
    condition: "Expression | None" = None


@attrs.frozen
class Scalar:
    """A subquery in the place of a value."""

    query: "Query"


@attrs.frozen
class Row:
    """``(a, b)``."""

    items: "tuple[Expression, ...]"


@attrs.frozen
class RowNumber:
    """ROWNUM, which Ignite refuses."""


@attrs.frozen
class Default:
    """DEFAULT in the place of a value that is written."""


Expression: TypeAlias = (
    Literal
    | Parameter
    | Name
    | Wildcard
    | Binary
    | Negate
    | Compare
    | IsNull
    | Like
    | In
    | InQuery
    | Exists
    | Logic
    | Not
    | Case
    | Call
    | Cast
    | Aggregate
    | Scalar
    | Row
    | RowNumber
    | Default
)

# --- queries ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Item:
    """One expression of a SELECT's list."""

    expression: Expression
    alias: str | None = None


@attrs.frozen
class TableName:
    """A table or view in FROM."""

    name: str
    schema: str | None
    alias: str | None
    columns: tuple[str, ...] | None = None
    indexes: tuple[str, ...] = ()


@attrs.frozen
class Derived:
    """A query, or VALUES, in FROM."""

    query: "Query"
    alias: str | None
    columns: tuple[str, ...] | None = None


@attrs.frozen
class SystemRange:
    """``SYSTEM_RANGE(a, b[, step])``, and DUAL, which is the range of 1 to 1."""

    first: Expression
    last: Expression
    step: Expression | None
    alias: str | None
    columns: tuple[str, ...] | None = None


@attrs.frozen
class TableFunction:
    """``TABLE(id INT = (1, 2))``."""

    declared: tuple[tuple[str, TypeSpec, Expression], ...]
    alias: str | None
    distinct: bool = False
    columns: tuple[str, ...] | None = None


@attrs.frozen
class Join:
    """Two sources joined: INNER or LEFT. A RIGHT JOIN is a LEFT JOIN with its sides changed, as H2 has it."""

    kind: str
    left: "Source"
    right: "Source"
    on: Expression | None
    natural: bool = False


Source: TypeAlias = TableName | Derived | SystemRange | TableFunction | Join


@attrs.frozen
class Select:
    """One SELECT."""

    items: tuple[Item, ...]
    distinct: bool
    sources: tuple[Source, ...]
    where: Expression | None
    group: tuple[Expression, ...] | None
    having: Expression | None
    order: tuple[OrderItem, ...] = ()
    limit: Expression | None = None
    offset: Expression | None = None
    for_update: bool = False


@attrs.frozen
class SetOperation:
    """UNION, UNION ALL, EXCEPT or INTERSECT of two queries."""

    operator: str
    left: "Query"
    right: "Query"
    order: tuple[OrderItem, ...] = ()
    limit: Expression | None = None
    offset: Expression | None = None
    for_update: bool = False


@attrs.frozen
class Values:
    """``VALUES (1, 'a'), (2, 'b')``: columns C1, C2..."""

    rows: tuple[tuple[Expression, ...], ...]
    order: tuple[OrderItem, ...] = ()
    limit: Expression | None = None
    offset: Expression | None = None
    for_update: bool = False


@attrs.frozen
class CommonTable:
    """One named query of WITH."""

    name: str
    columns: tuple[str, ...] | None
    query: "Query"


@attrs.frozen
class With:
    """A query with named queries before it."""

    tables: tuple[CommonTable, ...]
    query: "Query"


Query: TypeAlias = Select | SetOperation | Values | With

# --- statements that write --------------------------------------------------------------------------------------------


@attrs.frozen
class Target:
    """The table that a statement writes to."""

    name: str
    schema: str | None
    alias: str | None = None


@attrs.frozen
class Insert:
    """INSERT, or MERGE with the columns of its KEY clause. Rows or a query; ``columns`` None is all of them."""

    table: Target
    columns: tuple[str, ...] | None
    rows: tuple[tuple[Expression, ...], ...] | None
    query: Query | None
    merge: bool = False
    keys: tuple[str, ...] | None = None


@attrs.frozen
class Update:
    """UPDATE."""

    table: Target
    assignments: tuple[tuple[str, Expression], ...]
    where: Expression | None
    limit: Expression | None


@attrs.frozen
class Delete:
    """DELETE."""

    table: Target
    where: Expression | None
    limit: Expression | None


@attrs.frozen
class Explain:
    """EXPLAIN of a query or of a statement that writes."""

    statement: "Query | Insert | Update | Delete"


# --- definitions ------------------------------------------------------------------------------------------------------


@attrs.frozen
class ColumnDefinition:
    """A column in CREATE TABLE or ALTER TABLE. ``default`` None: none; a Literal otherwise."""

    name: str
    type: TypeSpec
    not_null: bool = False
    default: Expression | None = None
    primary_key: bool = False
    refused: str | None = None
    """The clause, if any, that Ignite does not have: AS, AUTO_INCREMENT, CHECK..."""


@attrs.frozen
class CreateTable:
    """CREATE TABLE. ``constraints`` counts those beside the primary key."""

    name: str
    schema: str | None
    if_not_exists: bool
    columns: tuple[ColumnDefinition, ...]
    primary_key: tuple[str, ...] | None
    constraints: int
    parameters: tuple[str, ...]
    query: bool = False


@attrs.frozen
class DropTable:
    """DROP TABLE."""

    name: str
    schema: str | None
    if_exists: bool


@attrs.frozen
class CreateIndex:
    """CREATE INDEX. ``columns`` are (name, descending); an empty ``name`` is made up."""

    name: str | None
    schema: str | None
    table: str
    table_schema: str | None
    if_not_exists: bool
    columns: tuple[tuple[str, bool], ...]
    inline_size: int | None = None


@attrs.frozen
class DropIndex:
    """DROP INDEX."""

    name: str
    schema: str | None
    if_exists: bool


@attrs.frozen
class AddColumns:
    """ALTER TABLE ... ADD COLUMN."""

    table: str
    schema: str | None
    if_exists: bool
    if_not_exists: bool
    columns: tuple[ColumnDefinition, ...]


@attrs.frozen
class DropColumns:
    """ALTER TABLE ... DROP COLUMN."""

    table: str
    schema: str | None
    if_exists: bool
    column_if_exists: bool
    columns: tuple[str, ...]


@attrs.frozen
class CreateView:
    """CREATE VIEW."""

    name: str
    schema: str | None
    replace: bool
    query: Query
    text: str
    """The query's own text, which is kept and read again when the view is used."""


@attrs.frozen
class DropView:
    """DROP VIEW."""

    name: str
    schema: str | None
    if_exists: bool


@attrs.frozen
class Analyze:
    """ANALYZE of tables: (schema, name)."""

    tables: tuple[tuple[str | None, str], ...]


@attrs.frozen
class Kill:
    """KILL: of what kind, and what names it."""

    kind: str
    words: tuple[str, ...]


Definition: TypeAlias = (
    CreateTable | DropTable | CreateIndex | DropIndex | AddColumns | DropColumns | CreateView | DropView
)
Statement: TypeAlias = Query | Insert | Update | Delete | Explain | Definition | Analyze | Kill

QUERIES: Final = (Select, SetOperation, Values, With)
