"""SQL answers: named rows, all at once by ``await`` or one after the other inside ``async with``."""

import re
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, NamedTuple, Self, SupportsIndex, TypeVar, overload
from uuid import UUID

from ignitemap.client.cursors import AioSqlFieldsCursor
from ignitemap.exceptions import QueryError
from ignitemap.mapping.into import ModelReader

__all__ = ["Column", "ModelQuery", "Query", "Row", "Rows", "row_class"]

T = TypeVar("T")

# What a column holds is not on the wire; it shows in the values, and an empty or all-null column stays unknown. How wide
# a number is, its type code tells.
_NUMBERS: Final[Mapping[int | None, str]] = {1: "TINYINT", 2: "SMALLINT", 3: "INT", 5: "REAL", 7: "CHAR"}
_SQL_TYPES: Final[Mapping[str, str]] = {
    "bool": "BOOLEAN", "int": "BIGINT", "float": "DOUBLE", "str": "VARCHAR", "bytes": "BINARY", "date": "DATE",
    "datetime": "TIMESTAMP", "Timestamp": "TIMESTAMP", "time": "TIME", Decimal.__name__: "DECIMAL", UUID.__name__: "UUID",
}  # fmt: skip
DML_COLUMN: Final = "UPDATED"
_QUERY: Final = re.compile(  # behind space, brackets and comments
    r"(?>\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*+(?:select|with|values|explain|show|table)\b", re.IGNORECASE | re.DOTALL
)


class Column(NamedTuple):
    """A column of an answer: its name and its SQL type, None where no value shows it.

    >>> rows = await client.sql("SELECT name FROM Person", schema=people.name)
    >>> rows.columns
    (Column(name='NAME', type='VARCHAR'),)
    """

    name: str
    type: str | None


class Row(tuple[Any, ...]):
    """One row: ``row.city``, ``row["CITY"]`` (case does not matter) and ``row[0]``; a tuple of its values.

    A tuple without its methods: columns may be named ``count`` or ``index``. The rows of one shape are of a subclass of
    their own, which has the names, so that a row takes no more time and memory than its tuple.

    >>> (row,) = await client.sql("SELECT name, age FROM Person WHERE age > 40", schema=people.name)
    >>> row.name, row["AGE"], row[0]
    ('Ann', 41, 'Ann')
    """

    __slots__ = ()
    _names: ClassVar[Mapping[str, int]] = MappingProxyType({})

    @overload
    def __getitem__(self, index: SupportsIndex | str) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, index: SupportsIndex | str | slice) -> Any:
        if isinstance(index, str):
            position = self._names.get(index.upper())
            if position is None:
                raise KeyError(index)
            index = position
        return super().__getitem__(index)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of a protocol that a row has no part in
            raise AttributeError(name)
        position = self._names.get(name.upper())
        if position is None:
            raise AttributeError(f"the row has no column {name!r}, it has {', '.join(self._names)}")
        return super().__getitem__(position)

    @property
    def count(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # a column, if it is one's name
        """The column of that name.

        >>> (row,) = await client.sql('SELECT 3 AS "COUNT"')
        >>> row.count
        3
        """
        return self.__getattr__("count")

    @property
    def index(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # as above
        """The column of that name.

        >>> (row,) = await client.sql('SELECT 3 AS "INDEX"')
        >>> row.index
        3
        """
        return self.__getattr__("index")

    def __reduce__(self) -> tuple[Any, ...]:
        return _row_of, (tuple(self._names), tuple(self))

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in self.to_dict().items())})"

    def to_dict(self) -> dict[str, Any]:
        """The values by the names of their columns.

        >>> (row,) = await client.sql("SELECT 1 AS a, 'x' AS b")
        >>> row.to_dict()
        {'A': 1, 'B': 'x'}
        """
        return dict(zip(self._names, self, strict=True))


@lru_cache(maxsize=256)
def row_class(columns: tuple[str, ...]) -> type[Row]:
    """The class of rows with these columns: it takes the values."""

    class Shaped(Row):
        __slots__ = ()
        _names = MappingProxyType(_by_name(columns))

    return Shaped


def _row_of(columns: tuple[str, ...], values: tuple[Any, ...]) -> Row:
    return row_class(columns)(values)


class Rows(Sequence[Row]):
    """All rows of an answer. For DML and DDL ``affected`` is the number of rows that were changed, and there are none.

    >>> rows = await client.sql("SELECT name, age FROM Person ORDER BY name LIMIT 2", schema=people.name)
    >>> [row.name for row in rows], [column.name for column in rows.columns]
    (['Ann', 'Ben'], ['NAME', 'AGE'])
    >>> (await client.sql("DELETE FROM Person WHERE age < 18", schema=people.name)).affected
    1
    """

    def __init__(
        self, columns: Sequence[Column], rows: Sequence[Row], affected: int | None, reader: ModelReader
    ) -> None:
        self.columns = tuple(columns)
        self.affected = affected
        self._rows = list(rows)
        self._reader = reader

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def into(self, model: type[T]) -> list[T]:
        """The rows as objects of a class: a model, or any attrs class or dataclass.

        Columns are found by the fields' names, in Ignite or in Python, or by their aliases, whatever their case. A field
        without a column, or whose column is NULL, has its default.

        Raises:
            QueryError: A field without a default has no column or a NULL; a column belongs to no field; a value is of
                another type than its field. A statement that is no query has no rows.
            ModelError: A class that is no model has a field of a type that models can't have.

        >>> rows = await client.sql("SELECT _key AS id, name FROM Person WHERE age > 40", schema=people.name)
        >>> rows.into(Person)
        [Person(id=1, name='Ann', age=0, city_id=1, nick=None)]
        """
        if self.affected is not None:
            raise _no_rows()
        return list(map(self._reader.of(model, _by_name([column.name for column in self.columns])), self._rows))

    def __repr__(self) -> str:
        names = ", ".join(column.name for column in self.columns)
        return f"<{len(self._rows)} rows of {names}>" if self.affected is None else f"<{self.affected} rows changed>"


class Query:
    """A statement that is about to run: ``await`` it for `Rows`, or stream it.

    >>> async with client.sql("SELECT name FROM Person WHERE age > ?", 40, schema=people.name) as rows:
    ...     async for row in rows:
    ...         print(row.name)
    Ann
    """

    def __init__(self, statement: str, make_cursor: Callable[[], AioSqlFieldsCursor], reader: ModelReader) -> None:
        self._statement = statement
        self._make_cursor = make_cursor
        self._reader = reader
        self._cursor: AioSqlFieldsCursor | None = None

    def __await__(self) -> Generator[Any, None, Rows]:
        return self._all().__await__()

    async def _all(self) -> Rows:
        async with self._make_cursor() as cursor:
            make = row_class(cursor.columns)
            rows: list[Row] = []
            async for page in cursor.pages():
                rows += map(make, page)
            affected = self._affected(cursor)
        if affected is not None:
            return Rows((), (), affected, self._reader)
        return Rows(_columns(cursor, rows), rows, None, self._reader)

    def into(self, model: type[T]) -> "ModelQuery[T]":
        """The same query with rows that are objects of a class; as `Rows.into`. Await or stream it.

        >>> query = client.sql("SELECT _key AS id, name FROM Person WHERE age > ?", 40, schema=people.name)
        >>> await query.into(Person)
        [Person(id=1, name='Ann', age=0, city_id=1, nick=None)]
        """
        return ModelQuery(self, model, self._reader)

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
        make = row_class(cursor.columns)
        async for page in cursor.pages():
            for row in map(make, page):
                yield row

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, inside the ``async with`` block. Their types are those of the first page.

        >>> async with client.sql("SELECT name FROM Person", schema=people.name) as rows:
        ...     print(rows.columns)
        (Column(name='NAME', type='VARCHAR'),)
        """
        cursor = self._opened("look at the columns of a query")
        return () if self._affected(cursor) is not None else tuple(_columns(cursor, cursor.first_page))

    @property
    def affected(self) -> int | None:
        """How many rows DML or DDL has changed, inside the ``async with`` block; None for a query.

        >>> async with client.sql("DELETE FROM Person WHERE age < ?", 18, schema=people.name) as rows:
        ...     print(rows.affected)
        1
        """
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


class ModelQuery(Generic[T]):
    """A query whose rows are objects: ``await`` it for a list, or stream it in ``async with``. Made by `Query.into`.

    >>> query = client.sql("SELECT _key AS id, name FROM Person", schema=people.name).into(Person)
    >>> async with query as everybody:
    ...     print(sorted([person.name async for person in everybody]))
    ['Ann', 'Ben', 'Cleo', 'Dan']
    """

    def __init__(self, query: Query, model: type[T], reader: ModelReader) -> None:
        self._query = query
        self._model = model
        self._reader = reader

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        return (await self._query).into(self._model)

    async def __aenter__(self) -> Self:
        _ = await self._query.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._query.__aexit__(*exc)

    async def __aiter__(self) -> AsyncIterator[T]:
        query = self._query
        if query.affected is not None:
            raise _no_rows()
        make = self._reader.of(self._model, _by_name([column.name for column in query.columns]))
        async for row in query:
            yield make(row)


def _no_rows() -> QueryError:
    return QueryError("the statement is no query: it has no rows to make objects of")


def _by_name(columns: Sequence[str]) -> dict[str, int]:
    """The position of each column by its name in upper case; a repeated name gets its position as a suffix."""
    names: dict[str, int] = {}
    for position, column in enumerate(columns):
        name = column.upper()
        while name in names:
            name += f"_{position}"
        names[name] = position
    return names


def _columns(cursor: AioSqlFieldsCursor, rows: Sequence[Sequence[Any]] | Sequence[Row]) -> list[Column]:
    columns: list[Column] = []
    for position, (name, code) in enumerate(zip(cursor.columns, cursor.type_codes, strict=True)):
        value = next((row[position] for row in rows if row[position] is not None), None)
        columns.append(Column(name, _NUMBERS.get(code) or _SQL_TYPES.get(type(value).__name__)))
    return columns
