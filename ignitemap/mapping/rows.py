"""SQL answers: named rows, all at once by ``await`` or one after the other inside ``async with``."""

import re
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self, overload
from uuid import UUID

from ignitemap.client.cursors import AioSqlFieldsCursor
from ignitemap.exceptions import QueryError

__all__ = ["Column", "Query", "Row", "Rows"]

# What a column holds is not on the wire; it shows in the values, and an empty or all-null column stays unknown.
_SQL_TYPES: Final[Mapping[str, str]] = {
    "bool": "BOOLEAN", "int": "BIGINT", "float": "DOUBLE", "str": "VARCHAR", "bytes": "BINARY", "date": "DATE",
    "datetime": "TIMESTAMP", "Timestamp": "TIMESTAMP", "time": "TIME", Decimal.__name__: "DECIMAL", UUID.__name__: "UUID",
}  # fmt: skip
DML_COLUMN: Final = "UPDATED"
_QUERY: Final = re.compile(  # behind space, brackets and comments
    r"(?>\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*+(?:select|with|values|explain|show|table)\b", re.IGNORECASE | re.DOTALL
)


class Column(NamedTuple):
    """A column of an answer: its name and, where the values show it, its SQL type."""

    name: str
    type: str | None


class Row:
    """One row: ``row.city``, ``row["CITY"]`` (case does not matter) and ``row[0]``; equal to a tuple of its values.

    A sequence in all but its base class: `Sequence` would hide columns that are named ``count`` or ``index``.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, names: Mapping[str, int], values: Sequence[Any]) -> None:
        self._names = names
        self._values = tuple(values)

    @overload
    def __getitem__(self, index: int | str) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | str | slice) -> Any:
        if isinstance(index, str):
            position = self._names.get(index.upper())
            if position is None:
                raise KeyError(index)
            return self._values[position]
        return self._values[index]

    def __getattr__(self, name: str) -> Any:
        if name in Row.__slots__ or name.startswith("__"):  # a row that is just being unpickled or copied
            raise AttributeError(name)
        position = self._names.get(name.upper())
        if position is None:
            raise AttributeError(f"the row has no column {name!r}, it has {', '.join(self._names)}")
        return self._values[position]

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __contains__(self, value: object) -> bool:
        return value in self._values

    def __reversed__(self) -> Iterator[Any]:
        yield from reversed(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Row):
            return self._values == other._values
        return self._values == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values)

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in self.to_dict().items())})"

    def to_dict(self) -> dict[str, Any]:
        """The values by the names of their columns."""
        return dict(zip(self._names, self._values, strict=True))


# typeshed does not say that it is an ABC
Sequence.register(Row)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]


class Rows(Sequence[Row]):
    """All rows of an answer. For DML and DDL ``affected`` is the number of rows that were changed, and there are none."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Row], affected: int | None) -> None:
        self.columns = tuple(columns)
        self.affected = affected
        self._rows = list(rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        names = ", ".join(column.name for column in self.columns)
        return f"<{len(self._rows)} rows of {names}>" if self.affected is None else f"<{self.affected} rows changed>"


class Query:
    """A statement that is about to run: ``await`` it for `Rows`, or stream it.

    Streaming::

        async with client.sql("select name, age from Person where age > ?", 30) as rows:
            async for row in rows:
                print(row.name)
    """

    def __init__(self, statement: str, make_cursor: Callable[[], AioSqlFieldsCursor]) -> None:
        self._statement = statement
        self._make_cursor = make_cursor
        self._cursor: AioSqlFieldsCursor | None = None

    def __await__(self) -> Generator[Any, None, Rows]:
        return self._all().__await__()

    async def _all(self) -> Rows:
        async with self._make_cursor() as cursor:
            names = _by_name(cursor.columns)
            rows = [Row(names, values) async for page in cursor.pages() for values in page]
            affected = self._affected(cursor)
        if affected is not None:
            return Rows((), (), affected)
        return Rows(_columns(cursor.columns, rows), rows, None)

    async def __aenter__(self) -> Self:
        if self._cursor is not None:
            raise QueryError("a query can be streamed once; call client.sql() again")
        self._cursor = self._make_cursor()
        _ = await self._cursor.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._cursor is not None
        await self._cursor.aclose()

    async def __aiter__(self) -> AsyncIterator[Row]:
        cursor = self._opened("stream a query")
        if self._affected(cursor) is not None:
            return
        names = _by_name(cursor.columns)
        async for page in cursor.pages():
            for values in page:
                yield Row(names, values)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, inside the ``async with`` block. Their types are those of the first page."""
        cursor = self._opened("look at the columns of a query")
        return () if self._affected(cursor) is not None else tuple(_columns(cursor.columns, cursor.first_page))

    @property
    def affected(self) -> int | None:
        """How many rows DML or DDL has changed, inside the ``async with`` block; None for a query."""
        return self._affected(self._opened("look at what a statement has changed"))

    def _opened(self, what: str) -> AioSqlFieldsCursor:
        if self._cursor is None:
            raise QueryError(f"{what} inside `async with client.sql(...) as rows`, or await it")
        return self._cursor

    def _affected(self, cursor: AioSqlFieldsCursor) -> int | None:
        """The answer of DML and DDL is one number in one column; a query may look the same, but for its words."""
        page = cursor.first_page
        if cursor.columns != (DML_COLUMN,) or len(page) != 1 or _QUERY.match(self._statement):
            return None
        affected = page[0][0]
        return affected if isinstance(affected, int) else None


def _by_name(columns: Sequence[str]) -> dict[str, int]:
    """The position of each column by its name in upper case; a repeated name gets its position as a suffix."""
    names: dict[str, int] = {}
    for position, column in enumerate(columns):
        name = column.upper()
        while name in names:
            name += f"_{position}"
        names[name] = position
    return names


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]] | Sequence[Row]) -> list[Column]:
    columns: list[Column] = []
    for position, name in enumerate(names):
        value = next((row[position] for row in rows if row[position] is not None), None)
        columns.append(Column(name, _SQL_TYPES.get(type(value).__name__)))
    return columns
