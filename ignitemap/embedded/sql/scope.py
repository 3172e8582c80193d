"""What names mean at one place of a statement: the tables of a query, and those of the queries around it."""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ignitemap.embedded.sql.errors import ambiguous_column, column_not_found
from ignitemap.embedded.sql.syntax import CommonTable, Expression, Name, TableName
from ignitemap.embedded.sql.typed import Typed
from ignitemap.embedded.sql.types import SqlType

__all__ = ["Scope", "ScopeColumn", "ScopeTable", "column_typed", "find_common"]


@attrs.frozen
class ScopeColumn:
    """A column of a table in FROM."""

    name: str
    sql: str
    type: SqlType
    value_type: SqlType
    table: str | None = None
    schema: str | None = None
    precision: int = -1
    scale: int = -1
    nullable: bool = True
    hidden: bool = False
    """Not part of ``*``: _KEY, _VAL, and what a natural join has on both sides."""
    affine: bool = False
    """Whether its value says in which partition a row is."""
    gathered: bool = False
    """Whether a cluster has all its rows on one node before anything is done with them."""


@attrs.frozen
class ScopeTable:
    """A table in FROM, under its alias."""

    alias: str
    schema: str | None
    columns: Mapping[str, ScopeColumn]
    tie: "tuple[str, ...]" = ()
    """Columns that a natural join shares: not part of ``*``."""


class Scope:
    """The tables of one query. ``parent`` is the scope around it."""

    __slots__ = (
        "aggregating",
        "aliases",
        "distinct",
        "group_columns",
        "grouped",
        "one_partition",
        "parent",
        "tables",
        "two_steps",
    )

    def __init__(self, parent: "Scope | None" = None) -> None:
        self.parent: Final = parent
        self.tables: list[ScopeTable] = []
        self.grouped: tuple[Expression, ...] | None = None
        """The expressions of GROUP BY, () for aggregates without it, None for a query that does not group."""
        self.group_columns: set[str] = set()
        """The SQL of the columns that are grouped by."""
        self.aggregating = False
        """Whether the inside of an aggregate, or a grouped expression, is being compiled."""
        self.aliases: Mapping[str, Expression] = {}
        """The aliases of the select list, where they may be used (HAVING)."""
        self.two_steps = False
        """Whether a cluster computes the aggregates in two steps, see ``two_steps``."""
        self.one_partition = False
        """Whether a cluster finds all its rows in one partition: then it runs the statement as it is."""
        self.distinct = False
        """Whether there is an aggregate of DISTINCT values: then a cluster computes all of them in the second step."""

    @property
    def in_one_partition(self) -> bool:
        """Whether this query, or one around it, is found in one partition."""
        return self.one_partition or (self.parent is not None and self.parent.in_one_partition)

    def find(self, name: Name) -> "tuple[ScopeColumn, Scope]":
        """The column that a name means, and the scope that has it.

        Raises:
            H2Error: There is none, or more than one.
        """
        scope: Scope | None = self
        while scope is not None:
            found = scope.own(name)
            if found is not None:
                return found, scope
            scope = scope.parent
        shown = ".".join(part for part in (name.schema, name.table, name.column) if part is not None)
        raise column_not_found(shown)

    def own(self, name: Name) -> ScopeColumn | None:
        """The column of this scope's tables that a name means."""
        found: ScopeColumn | None = None
        for table in self.tables:
            if name.table is not None and name.table != table.alias:
                continue
            if name.schema is not None and name.schema != table.schema:
                continue
            column = table.columns.get(name.column)
            if column is None:
                continue
            if found is not None:
                raise ambiguous_column(name.column)
            found = column
        return found


def find_common(common: Sequence[CommonTable], source: TableName) -> int | None:
    """The place of the named query of WITH that a name in FROM means, the last of them; None for a table."""
    if source.schema is None:
        for place in range(len(common) - 1, -1, -1):
            if common[place].name == source.name:
                return place
    return None


def column_typed(column: ScopeColumn, text: str) -> Typed:
    """A column as an expression."""
    return Typed(
        column.sql,
        column.type,
        column.value_type,
        text,
        cost=2,
        column=column.name,
        table=column.table,
        schema=column.schema,
        precision=column.precision,
        scale=column.scale,
        nullable=column.nullable,
        affine=column.affine,
    )
