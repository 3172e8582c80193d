"""What an existing table lacks for a model, and the statements that add it: ALTER TABLE ADD COLUMN, CREATE INDEX."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import attrs

from ignitemap.exceptions import SchemaConflictError, SqlError
from ignitemap.mapping.expressions import quoted
from ignitemap.mapping.opening import schema_of, table_name
from ignitemap.mapping.rows import Row
from ignitemap.models.schema import ModelField, Schema, column_class, default_index_name, query_indexes
from ignitemap.protocol.cache_config import CacheConfig, IndexType, QueryEntity, QueryIndex

__all__ = ["add_column", "create_index", "migrate"]

# What ALTER TABLE is told, and which classes the columns then have (seen from a 2.17.0 node). Of a java.util.Date, as
# which a date is written, SQL makes a TIMESTAMP; a column of SQL's own DATE can't read one.
SQL_TYPES: Final[Mapping[str, str]] = {
    "java.lang.Boolean": "BOOLEAN", "java.lang.Byte": "TINYINT", "java.lang.Short": "SMALLINT", "java.lang.Integer": "INT",
    "java.lang.Long": "BIGINT", "java.lang.Float": "REAL", "java.lang.Double": "DOUBLE", "java.lang.String": "VARCHAR",
    "java.math.BigDecimal": "DECIMAL", "java.util.UUID": "UUID", "java.util.Date": "TIMESTAMP", "java.sql.Date": "DATE",
    "java.sql.Time": "TIME", "java.sql.Timestamp": "TIMESTAMP", "[B": "BINARY",
}  # fmt: skip
WITH_LENGTH: Final = frozenset({"VARCHAR", "DECIMAL", "BINARY"})
DATES: Final = frozenset({"java.util.Date", "java.sql.Timestamp", "java.sql.Date"})
MET_A_CHANGE: Final = ("Column doesn't exist", "ConcurrentModificationException")
"""While a column is being added, to add it succeeds, to index it fails, and to read SYS may fail (seen from 2.17.0)."""
WAITS: Final = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds
_INDEX_COLUMN: Final = re.compile(r'"((?:[^"]|"")*)" (ASC|DESC)')

Sql = Callable[..., Awaitable[Iterable[Row]]]


@attrs.frozen
class Table:
    """A table as a node describes it: its columns with their Java classes, its sorted indexes with theirs."""

    name: str
    columns: Mapping[str, str]
    indexes: Mapping[str, Sequence[tuple[str, bool]]]


def add_column(table: str, field: ModelField) -> str:
    """The statement that gives a table the column of a field."""
    column = field.column
    sql_type = SQL_TYPES.get(column_class(field), "OTHER")
    if sql_type in WITH_LENGTH and column.precision >= 0:
        sql_type += f"({column.precision})" if column.scale < 0 else f"({column.precision}, {column.scale})"
    not_null = " NOT NULL" if column.not_null else ""
    return f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {quoted(field.name.upper())} {sql_type}{not_null}"


def create_index(table: str, index: QueryIndex) -> str:
    """The statement that gives a table an index."""
    columns = ", ".join(f"{quoted(name)} {'DESC' if desc else 'ASC'}" for name, desc in _columns_of(index))
    inline = f" INLINE_SIZE {index.inline_size}" if index.inline_size >= 0 else ""
    return f"CREATE INDEX IF NOT EXISTS {quoted(_index_name(index))} ON {table} ({columns}){inline}"


async def migrate(sql: Sql, found: CacheConfig, entity: QueryEntity | None, schema: Schema) -> None:
    """Add to the table of an existing cache what it lacks for a model, with ``sql`` to run statements.

    What is there already is left as it is, so that it may be repeated, and another program may do it at once; not very
    many, since a node of 2.17.0 may stop for good when it gets a dozen of these statements at a time. Raises
    SchemaConflictError for what no statement can add, before any is run.
    """
    cache = found.name or ""
    if entity is None:
        raise SchemaConflictError(
            f"the cache {cache!r} was created without a table for {schema.type_name}, and a table can't be added",
            cache=cache,
        )
    table = await _read_table(sql, found, entity)
    missing = [field for field in schema.fields if not _has_column(table, field, schema, cache)]
    wanted = query_indexes(schema.type_name, schema.fields)
    _check_fulltext(wanted, entity, schema, cache)
    indexes = [create_index(table.name, index) for index in wanted if not _has_index(table, index, schema, cache)]
    for statement in [*(add_column(table.name, field) for field in missing), *indexes]:
        try:
            await _patiently(sql, statement)
        except SqlError as error:
            raise SchemaConflictError(
                f"the cluster refused {statement}: {error.message}", cache=cache, statement=statement
            ) from error


async def _patiently(sql: Sql, statement: str, *params: object) -> Iterable[Row]:
    """Run a statement, again where it met another program's change of the same table."""
    for wait in WAITS:
        try:
            return await sql(statement, *params)
        except SqlError as error:
            if not any(each in error.message for each in MET_A_CHANGE):
                raise
        await asyncio.sleep(wait)
    return await sql(statement, *params)


async def _read_table(sql: Sql, found: CacheConfig, entity: QueryEntity) -> Table:
    """A table as it is now: the configuration of a cache does not show what ALTER TABLE added."""
    place = (schema_of(found), entity.table)
    columns = await _patiently(
        sql, "SELECT column_name, type FROM SYS.TABLE_COLUMNS WHERE schema_name = ? AND table_name = ?", *place
    )
    indexes = await _patiently(
        sql, "SELECT index_name, columns FROM SYS.INDEXES WHERE schema_name = ? AND table_name = ?", *place
    )
    return Table(
        table_name(found, entity),
        {row[0]: row[1] for row in columns},
        {
            index: [(name.replace('""', '"'), order == "DESC") for name, order in _INDEX_COLUMN.findall(text)]
            for index, text in indexes
        },
    )


def _has_column(table: Table, field: ModelField, schema: Schema, cache: str) -> bool:
    """Whether a table has the column of a field. Raises SchemaConflictError where it is another one, or can't be added."""
    path, column, wanted = f"{schema.cls.__name__}.{field.attribute}", field.name.upper(), column_class(field)
    java = table.columns.get(column)
    if java is None:
        if field in schema.value_fields:
            return False
        raise SchemaConflictError(
            f"{path} is part of the key, and the table of the cache {cache!r} has no column for it: Ignite can't add one",
            cache=cache,
            path=path,
        )
    # What has no type in SQL is an object there, whatever it is called.
    if wanted in SQL_TYPES and java != wanted and not {java, wanted} <= DATES:
        raise SchemaConflictError(
            f"{path}: the column {column} of the cache {cache!r} is {java} in the cluster and {wanted} in this program",
            cache=cache,
            path=path,
        )
    return True


def _has_index(table: Table, index: QueryIndex, schema: Schema, cache: str) -> bool:
    """Whether a table has an index. Raises SchemaConflictError for one of that name over other columns."""
    if index.type == IndexType.FULLTEXT:
        return True  # checked before
    columns, name = list(_columns_of(index)), _index_name(index)
    # Behind its own columns a node names those of the key.
    same = [each for each, found in table.indexes.items() if list(found[: len(columns)]) == columns]
    if name in same:
        return True
    if name in table.indexes:
        drop = f"DROP INDEX {table.name.rpartition('.')[0]}.{quoted(name)}"
        raise SchemaConflictError(
            f"the index {name} of the cache {cache!r} is over other columns in the cluster: {drop}",
            cache=cache,
            path=schema.cls.__name__,
            statement=drop,
        )
    # Nobody asks for an index by a name that was made up.
    return any(index.name == default_index_name(schema.type_name, field) for field, _ in index.fields) and bool(same)


def _check_fulltext(wanted: Iterable[QueryIndex], entity: QueryEntity, schema: Schema, cache: str) -> None:
    """Refuse what SQL has no statement for."""
    present = {
        field.lower() for index in entity.indexes if index.type == IndexType.FULLTEXT for field, _ in index.fields
    }
    for index in wanted:
        if index.type == IndexType.FULLTEXT and not {field.lower() for field, _ in index.fields} <= present:
            raise SchemaConflictError(
                f"the full-text index {index.name} can't be added to the cache {cache!r}, only be created with it",
                cache=cache,
                path=schema.cls.__name__,
            )


def _columns_of(index: QueryIndex) -> Iterable[tuple[str, bool]]:
    return ((field.upper(), desc) for field, desc in index.fields)


def _index_name(index: QueryIndex) -> str:
    """An index's name as Ignite normalises it when a cache is created."""
    assert index.name is not None, "query_indexes names each"
    return index.name.upper()
