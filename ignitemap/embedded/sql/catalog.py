"""What tables, columns, indexes and views there are: kept in memory, and in the same file as the entries.

A table belongs to a cache. Its columns are fields of the key or of the value; each has a typed column f1, f2, ... in the
cache's table ``c<id>``, from which SQL reads it. DDL changes a table by replacing it.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from ignitemap.embedded.sql.errors import parsing
from ignitemap.embedded.sql.typed import quote_name
from ignitemap.embedded.sql.types import BY_JAVA, JAVA, SqlType

__all__ = ["PUBLIC", "Catalog", "Column", "Index", "Table", "View", "cache_table"]

PUBLIC: Final = "PUBLIC"
SIMPLE: Final = frozenset(
    sql_type for sql_type in SqlType if sql_type not in {SqlType.OBJECT, SqlType.ARRAY, SqlType.NULL, SqlType.UNKNOWN}
)


def cache_table(cache: int) -> str:
    """The SQLite table of a cache's entries, quoted."""
    return f'"c{cache}"'


@attrs.frozen
class Column:
    """A column of a table."""

    name: str
    field: str
    """The name of the field in the key or value object."""
    type: SqlType
    java: str
    store: str
    """The SQLite column: f1, f2, ..."""
    is_key: bool = False
    not_null: bool = False
    default: Any = None
    """As SQLite stores it; None is no default."""
    precision: int = -1
    scale: int = -1

    @property
    def declared(self) -> str:
        """The type as SYS.TABLE_COLUMNS has it."""
        return JAVA[self.type] if self.type is not SqlType.OBJECT else self.java


@attrs.frozen
class Index:
    """An index: (column, descending) pairs. ``store`` is its name in SQLite."""

    name: str
    columns: tuple[tuple[str, bool], ...]
    store: str
    inline_size: int = -1


@attrs.frozen
class Table:
    """A table of a cache."""

    schema: str
    name: str
    cache: int
    cache_name: str
    ordinal: int
    """Which of the cache's tables it is; 0 for the only one."""
    key_type: str
    value_type: str
    columns: tuple[Column, ...]
    key_field: str | None = None
    """The column that is the whole key."""
    value_field: str | None = None
    affinity: str | None = None
    primary_key: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    words: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Full-text indexes: their names and fields. No request of a thin client uses them."""
    ddl: bool = False
    """Whether it was made by CREATE TABLE."""
    key_store: str | None = None
    """The SQLite column of a simple key that is no column of its own; None for an object."""
    value_store: str | None = None
    several: bool = False
    """Whether the cache has more tables: then the SQLite column t tells whose an entry is."""

    by_name: Mapping[str, Column] = attrs.field(init=False, eq=False, repr=False)
    written_columns: tuple[Column, ...] = attrs.field(init=False, eq=False, repr=False)
    """In the order of their fields in objects that SQL writes: those with a default come first."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "by_name", {column.name: column for column in self.columns})
        written = sorted(self.columns, key=lambda column: column.default is None)
        object.__setattr__(self, "written_columns", tuple(written))

    @property
    def key_sql_type(self) -> SqlType:
        """The type of _KEY."""
        return BY_JAVA.get(self.key_type, SqlType.OBJECT)

    @property
    def value_sql_type(self) -> SqlType:
        """The type of _VAL."""
        return BY_JAVA.get(self.value_type, SqlType.OBJECT)

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The columns that make the key."""
        return tuple(column for column in self.columns if column.is_key)


@attrs.frozen
class View:
    """A view: a query that is read again where the view is used."""

    schema: str
    name: str
    text: str


class Catalog:
    """All tables and views of a node."""

    def __init__(self, connection: sqlite3.Connection, partitioned: Callable[[int], bool]) -> None:
        self.connection: Final = connection
        self.partitioned: Final = partitioned
        """Whether a cache's entries are spread over the nodes of a cluster."""
        self.version = 0
        """Grows with every change."""
        self.schemas: dict[str, dict[str, Table | View]] = {PUBLIC: {}}
        self.by_cache: dict[int, list[Table]] = {}
        self.stores: dict[int, int] = {}
        """How many typed columns the table of each cache has."""
        connection.execute(
            "CREATE TABLE IF NOT EXISTS ig_entity"
            " (cache INTEGER NOT NULL, ordinal INTEGER NOT NULL, stores INTEGER NOT NULL, definition TEXT NOT NULL,"
            " PRIMARY KEY (cache, ordinal))"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS ig_view"
            " (schema TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL, PRIMARY KEY (schema, name))"
        )
        self._load()

    def _load(self) -> None:
        for cache, stores, definition in self.connection.execute(
            "SELECT cache, stores, definition FROM ig_entity ORDER BY cache, ordinal"
        ):
            self.stores[cache] = max(stores, self.stores.get(cache, 0))
            self._remember(table_of(json.loads(definition)))
        for schema, name, text in self.connection.execute("SELECT schema, name, definition FROM ig_view"):
            self.schemas.setdefault(schema, {})[name] = View(schema, name, text)

    def reload(self) -> None:
        """Read everything again from the file: what was remembered was rolled back."""
        self.version += 1
        self.schemas = {PUBLIC: {}}
        self.by_cache = {}
        self.stores = {}
        self._load()

    def find(self, schema: str, name: str) -> "Table | View | None":
        """The table or view of a name."""
        return self.schemas.get(schema, {}).get(name)

    def tables(self) -> Iterator[Table]:
        """All tables."""
        for tables in self.by_cache.values():
            yield from tables

    def views(self) -> Iterator[View]:
        """All views."""
        for objects in self.schemas.values():
            yield from (each for each in objects.values() if isinstance(each, View))

    def find_index(self, schema: str, name: str) -> tuple[Table, Index] | None:
        """The index of a name: names of indexes are a schema's own."""
        for table in self.tables():
            if table.schema == schema:
                for index in table.indexes:
                    if index.name == name:
                        return table, index
        return None

    # --- changes ------------------------------------------------------------------------------------------------------

    def reserve(self, cache: int, count: int) -> list[str]:
        """The names of new typed columns in a cache's table, which are added to it."""
        first = self.stores.get(cache, 0)
        names = [f"f{number + 1}" for number in range(first, first + count)]
        for name in names:
            self.connection.execute(f"ALTER TABLE {cache_table(cache)} ADD COLUMN {name}")
        self.stores[cache] = first + count
        return names

    def save(self, table: Table) -> None:
        """Add a table, or replace it by its changed self."""
        self.version += 1
        self.connection.execute(
            "INSERT OR REPLACE INTO ig_entity (cache, ordinal, stores, definition) VALUES (?, ?, ?, ?)",
            (table.cache, table.ordinal, self.stores.get(table.cache, 0), json.dumps(definition_of(table))),
        )
        self._remember(table)

    def _remember(self, table: Table) -> None:
        tables = self.by_cache.setdefault(table.cache, [])
        for place, each in enumerate(tables):
            if each.ordinal == table.ordinal:
                del self.schemas[each.schema][each.name]
                tables[place] = table
                break
        else:
            tables.append(table)
        self.schemas.setdefault(table.schema, {})[table.name] = table

    def forget_cache(self, cache: int) -> None:
        """Forget the tables of a cache."""
        self.version += 1
        self.connection.execute("DELETE FROM ig_entity WHERE cache = ?", (cache,))
        for table in self.by_cache.pop(cache, ()):
            objects = self.schemas[table.schema]
            del objects[table.name]
            if not objects and table.schema != PUBLIC:
                del self.schemas[table.schema]
        self.stores.pop(cache, None)

    def save_view(self, view: View) -> None:
        """Add a view, or replace it."""
        self.version += 1
        self.connection.execute(
            "INSERT OR REPLACE INTO ig_view (schema, name, definition) VALUES (?, ?, ?)",
            (view.schema, view.name, view.text),
        )
        self.schemas.setdefault(view.schema, {})[view.name] = view

    def drop_view(self, view: View) -> None:
        """Remove a view."""
        self.version += 1
        self.connection.execute("DELETE FROM ig_view WHERE schema = ? AND name = ?", (view.schema, view.name))
        del self.schemas[view.schema][view.name]

    def create_index(self, table: Table, index: Index) -> None:
        """Make the SQLite index of an index."""
        parts: list[str] = []
        for name, descending in index.columns:
            store, sql_type = column_store(table, name)
            collation = " COLLATE DEC" if sql_type is SqlType.DECIMAL else ""
            parts.append(f"{store}{collation}{' DESC' if descending else ''}")
        self.connection.execute(
            f"CREATE INDEX {quote_name(index.store)} ON {cache_table(table.cache)} ({', '.join(parts)})"
        )

    def drop_index(self, index: Index) -> None:
        """Drop the SQLite index of an index."""
        self.connection.execute(f"DROP INDEX IF EXISTS {quote_name(index.store)}")

    def index_store(self, table: Table) -> str:
        """A new name for an index in SQLite."""
        taken = {index.store for each in self.by_cache.get(table.cache, [table]) for index in each.indexes}
        number = len(taken)
        while (name := f"i{table.cache}_{table.ordinal}_{number}") in taken:
            number += 1
        return name


def column_store(table: Table, name: str) -> tuple[str, SqlType]:
    """The SQLite column and the type of a column, _KEY included."""
    whole = table.key_field if name == "_KEY" else table.value_field if name == "_VAL" else None
    if whole is not None:
        name = whole
    if name == "_KEY":
        return table.key_store or '"$k"', table.key_sql_type
    if name == "_VAL":
        return table.value_store or '"$v"', table.value_sql_type
    column = table.by_name[name]
    return column.store, column.type


def check_names(names: Iterable[str]) -> None:
    """Refuse columns whose names differ by case only: the fields of an object have the same id for both.

    Raises:
        SqlFailure: There are such columns.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise parsing(f'Columns "{other}" and "{name}" differ only by case')


# --- as text ----------------------------------------------------------------------------------------------------------


def definition_of(table: Table) -> dict[str, Any]:
    """A table as JSON."""

    def given(attribute: Any, value: Any) -> bool:
        return bool(attribute.init)

    found = attrs.asdict(table, filter=given)
    for column in found["columns"]:
        column["type"] = int(column["type"])
        if isinstance(column["default"], bytes):
            column["default"] = {"bytes": column["default"].hex()}
    return found


def table_of(definition: dict[str, Any]) -> Table:
    """A table from JSON."""
    columns: list[Column] = []
    for each in definition["columns"]:
        if isinstance(each["default"], dict):
            each["default"] = bytes.fromhex(str(each["default"]["bytes"]))
        facts: dict[str, Any] = {**each, "type": SqlType(each["type"])}
        columns.append(Column(**facts))
    indexes = [
        Index(
            each["name"],
            tuple((name, bool(descending)) for name, descending in each["columns"]),
            each["store"],
            each["inline_size"],
        )
        for each in definition["indexes"]
    ]
    whole: dict[str, Any] = {
        **definition,
        "columns": tuple(columns),
        "indexes": tuple(indexes),
        "primary_key": tuple(definition["primary_key"]),
        "words": tuple((name, tuple(fields)) for name, fields in definition["words"]),
    }
    return Table(**whole)
