"""The views of SYS and INFORMATION_SCHEMA: tables of SQLite that are filled before a statement reads them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import attrs

from ignitemap.embedded.sql.catalog import PUBLIC, Catalog, Column, Table
from ignitemap.embedded.sql.environment import Environment
from ignitemap.embedded.sql.errors import refused
from ignitemap.embedded.sql.seam import SystemRows
from ignitemap.embedded.sql.system_columns import INFORMATION_VIEWS, OTHER_CLASSES, PRIMITIVES, SYS_VIEWS
from ignitemap.embedded.sql.typed import quote_name
from ignitemap.embedded.sql.types import JAVA, SQL_NAMES, SqlType
from ignitemap.embedded.sql.values import stored_uuid, text_of
from ignitemap.protocol.hashing import string_hash

__all__ = ["SystemView", "fill", "system_view"]

Row = Mapping[str, Any]


@attrs.frozen
class SystemView:
    """A view: its name as a table of SQLite's, and its columns."""

    schema: str
    name: str
    columns: tuple[tuple[str, SqlType], ...]

    @property
    def store(self) -> str:
        """The name of the temporary table."""
        return f"{self.schema}.{self.name}"


@lru_cache(128)
def system_view(schema: str, name: str) -> SystemView | None:
    """The view of a name."""
    views = SYS_VIEWS if schema == "SYS" else INFORMATION_VIEWS if schema == "INFORMATION_SCHEMA" else {}
    found = views.get(name)
    if found is None:
        return None
    columns: list[tuple[str, SqlType]] = []
    for each in found[1].split():
        column, _, sql_type = each.partition(":")
        columns.append((column, SqlType[sql_type] if sql_type else SqlType.STRING))
    return SystemView(schema, name, tuple(columns))


def fill(environment: Environment, catalog: Catalog, system: SystemRows | None, view: SystemView) -> None:
    """Write what a view shows now into its temporary table."""
    connection = environment.connection
    table = f"temp.{quote_name(view.store)}"
    names = ", ".join(quote_name(name) for name, _ in view.columns)
    connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {quote_name(view.store)} ({names})")
    connection.execute(f"DELETE FROM {table}")
    marks = ", ".join("?" * len(view.columns))
    rows = view_rows(catalog, system, view)
    connection.executemany(
        f"INSERT INTO {table} VALUES ({marks})",
        [tuple(stored(row.get(name)) for name, _ in view.columns) for row in rows],
    )


def stored(value: Any) -> Any:
    """A Python value as SQLite stores it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, UUID):
        return stored_uuid(value)
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo is not None else value
        return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond:06}000"
    return value


def view_rows(catalog: Catalog, system: SystemRows | None, view: SystemView) -> Iterable[Row]:
    """The rows of a view: of the catalog, or of the node."""
    own = OWN.get((view.schema, view.name))
    if own is not None:
        return grouped(own(catalog), system) if (view.schema, view.name) in GROUPED else own(catalog)
    if (view.schema, view.name) == ("INFORMATION_SCHEMA", "CONSTRAINTS"):
        return ()
    found = system.rows(view.name) if view.schema == "SYS" and system is not None else None
    if found is None:
        raise refused(f"the view {view.schema}.{view.name}; ask a cluster")
    return found


GROUPED: Final = frozenset((("SYS", "TABLES"), ("SYS", "INDEXES")))


def grouped(rows: Iterable[Row], system: SystemRows | None) -> Iterator[Row]:
    """Rows about caches with the groups of these, which the node knows."""
    caches = None if system is None else system.rows("CACHES")
    groups = {each["CACHE_NAME"]: each.get("CACHE_GROUP_NAME") for each in caches or ()}
    for row in rows:
        group = groups.get(row["CACHE_NAME"]) or row["CACHE_NAME"]
        yield {**row, "CACHE_GROUP_NAME": group, "CACHE_GROUP_ID": string_hash(str(group))}


# --- SYS --------------------------------------------------------------------------------------------------------------


def cache_facts(table: Table) -> dict[str, Any]:
    return {
        "CACHE_ID": string_hash(table.cache_name),
        "CACHE_NAME": table.cache_name,
        "SCHEMA_NAME": table.schema,
        "TABLE_NAME": table.name,
    }


def tables(catalog: Catalog) -> Iterator[Row]:
    for table in catalog.tables():
        yield {
            **cache_facts(table),
            "AFFINITY_KEY_COLUMN": table.affinity,
            "KEY_ALIAS": table.key_field,
            "VALUE_ALIAS": table.value_field,
            "KEY_TYPE_NAME": table.key_type,
            "VALUE_TYPE_NAME": table.value_type,
            "IS_INDEX_REBUILD_IN_PROGRESS": False,
        }


def default_text(column: Column) -> str | None:
    if column.default is None:
        return None
    text = text_of(column.type, column.default)
    if column.type is SqlType.BOOLEAN:
        return text.lower()
    return f"{text}.0" if column.type is SqlType.TIMESTAMP and "." not in text else text


def table_columns(catalog: Catalog) -> Iterator[Row]:
    for table in catalog.tables():
        common = {"TABLE_NAME": table.name, "SCHEMA_NAME": table.schema, "AUTO_INCREMENT": False}
        whole = {"NULLABLE": False, "PRECISION": -1, "SCALE": -1}
        affinity = table.affinity
        yield {
            **common,
            **whole,
            "COLUMN_NAME": "_KEY",
            "AFFINITY_COLUMN": affinity is None or affinity == table.key_field,
            "PK": True,
            "TYPE": JAVA[table.key_sql_type],
        }
        yield {
            **common,
            **whole,
            "COLUMN_NAME": "_VAL",
            "AFFINITY_COLUMN": False,
            "PK": False,
            "TYPE": JAVA[table.value_sql_type],
        }
        for column in table.columns:
            yield {
                **common,
                "COLUMN_NAME": column.name,
                "AFFINITY_COLUMN": column.is_key if affinity is None else column.name == affinity,
                "DEFAULT_VALUE": default_text(column),
                "NULLABLE": not column.not_null,
                "PK": column.is_key,
                "PRECISION": column.precision,
                "SCALE": column.scale,
                "TYPE": column.declared,
            }


def listed(columns: Sequence[tuple[str, bool]]) -> str:
    """The columns of an index as SYS.INDEXES has them."""
    return ", ".join(f'"{name}" {"DESC" if descending else "ASC"}' for name, descending in columns)


FIXED_SIZES: Final = {
    SqlType.BOOLEAN: 2,
    SqlType.BYTE: 2,
    SqlType.SHORT: 3,
    SqlType.INT: 5,
    SqlType.LONG: 9,
    SqlType.FLOAT: 5,
    SqlType.DOUBLE: 9,
    SqlType.DATE: 9,
    SqlType.TIME: 9,
    SqlType.TIMESTAMP: 17,
    SqlType.UUID: 17,
}


def inline_size(table: Table, columns: Iterable[str]) -> int:
    """How much of a row Ignite would keep in an index."""
    size = 0
    for name in columns:
        column = table.by_name.get(name)
        sql_type = table.key_sql_type if column is None else column.type
        fixed = FIXED_SIZES.get(sql_type)
        if fixed is not None:
            size += fixed
        elif column is not None and column.precision > 0 and sql_type in {SqlType.STRING, SqlType.BYTES}:
            size += 3 + column.precision
        else:
            size += 10
    return min(size, 64)


def indexes(catalog: Catalog) -> Iterator[Row]:
    for table in catalog.tables():
        keys = [column.name for column in table.key_columns]
        simple = table.key_field is not None and table.key_sql_type is not SqlType.OBJECT
        whole = [("_KEY", False)] if simple or not keys else [(name, False) for name in keys]
        size = inline_size(table, [name for name, _ in whole])

        def row(name: str, columns: Sequence[tuple[str, bool]], inline: int, pk: bool, unique: bool) -> Row:
            return {
                **cache_facts(table),  # noqa: B023 - used within the loop
                "INDEX_NAME": name,
                "INDEX_TYPE": "SORTED",
                "COLUMNS": listed(columns),
                "IS_PK": pk,
                "IS_UNIQUE": unique,
                "INLINE_SIZE": inline,
            }

        yield row("_key_PK", whole, size, True, True)
        if simple and table.key_field is not None:
            yield row("_key_PK_proxy", [(table.key_field, False)], size, False, True)
        affinity = table.affinity
        if affinity is not None and keys and not simple:
            rest = [(name, False) for name in keys if name != affinity]
            columns = [(affinity, False), *rest]
            yield row("AFFINITY_KEY", columns, inline_size(table, keys), False, False)
        for index in table.indexes:
            names = {name for name, _ in index.columns}
            ends = [each for each in whole if each[0] not in names]
            full = [*index.columns, *ends]
            size_of = index.inline_size if index.inline_size >= 0 else inline_size(table, [name for name, _ in full])
            yield row(index.name, full, size_of, False, False)
            if simple and table.key_field is not None and table.key_field not in names:
                yield row(f"{index.name}_proxy", [*index.columns, (table.key_field, False)], size_of, False, False)


def schemas(catalog: Catalog) -> Iterator[Row]:
    for name in catalog.schemas:
        yield {"SCHEMA_NAME": name, "PREDEFINED": name == PUBLIC}
    yield {"SCHEMA_NAME": "SYS", "PREDEFINED": True}


def views(catalog: Catalog) -> Iterator[Row]:
    for name, (description, _) in SYS_VIEWS.items():
        yield {"SCHEMA": "SYS", "NAME": name, "DESCRIPTION": description}
    for view in catalog.views():
        yield {"SCHEMA": view.schema, "NAME": view.name, "SQL": view.text}


def view_columns(catalog: Catalog) -> Iterator[Row]:
    for name in SYS_VIEWS:
        found = system_view("SYS", name)
        assert found is not None
        for column, sql_type in found.columns:
            java = OTHER_CLASSES.get((name, column))
            yield {
                "COLUMN_NAME": column,
                "VIEW_NAME": name,
                "SCHEMA_NAME": "SYS",
                "NULLABLE": java is not None or sql_type not in PRIMITIVES,
                "PRECISION": -1,
                "SCALE": -1,
                "TYPE": java or PRIMITIVES.get(sql_type) or JAVA[sql_type],
            }


# --- INFORMATION_SCHEMA -----------------------------------------------------------------------------------------------

JDBC_TYPES: Final = {
    SqlType.STRING: 12,
    SqlType.BOOLEAN: 16,
    SqlType.BYTE: -6,
    SqlType.SHORT: 5,
    SqlType.INT: 4,
    SqlType.LONG: -5,
    SqlType.DECIMAL: 3,
    SqlType.FLOAT: 7,
    SqlType.DOUBLE: 8,
    SqlType.TIME: 92,
    SqlType.DATE: 91,
    SqlType.TIMESTAMP: 93,
    SqlType.BYTES: -3,
    SqlType.UUID: -2,
    SqlType.OBJECT: 1111,
}
PRECISIONS: Final = {
    SqlType.BOOLEAN: 1,
    SqlType.BYTE: 3,
    SqlType.SHORT: 5,
    SqlType.INT: 10,
    SqlType.LONG: 19,
    SqlType.DECIMAL: 65535,
    SqlType.FLOAT: 7,
    SqlType.DOUBLE: 17,
    SqlType.TIME: 8,
    SqlType.DATE: 10,
    SqlType.TIMESTAMP: 26,
    SqlType.UUID: 16,
}


def information_tables(catalog: Catalog) -> Iterator[Row]:
    for number, table in enumerate(catalog.tables()):
        yield {
            "TABLE_CATALOG": "IGNITE",
            "TABLE_SCHEMA": table.schema,
            "TABLE_NAME": table.name,
            "TABLE_TYPE": "TABLE",
            "STORAGE_TYPE": "MEMORY",
            "REMARKS": "",
            "LAST_MODIFICATION": 0,
            "ID": number + 1,
            "TABLE_CLASS": "org.apache.ignite.internal.processors.query.h2.opt.GridH2Table",
            "ROW_COUNT_ESTIMATE": 0,
        }
    for schema, names in (("SYS", SYS_VIEWS), ("INFORMATION_SCHEMA", INFORMATION_VIEWS)):
        for name in names:
            yield {
                "TABLE_CATALOG": "IGNITE",
                "TABLE_SCHEMA": schema,
                "TABLE_NAME": name,
                "TABLE_TYPE": "SYSTEM TABLE",
                "STORAGE_TYPE": "CACHED",
                "REMARKS": "",
                "LAST_MODIFICATION": 0,
                "ID": -1,
                "ROW_COUNT_ESTIMATE": 1000,
            }


def information_columns(catalog: Catalog) -> Iterator[Row]:
    for table in catalog.tables():
        whole = (
            Column("_KEY", "", table.key_sql_type, table.key_type, "", not_null=True),
            Column("_VAL", "", table.value_sql_type, table.value_type, ""),
        )
        for number, column in enumerate((*whole, *table.columns)):
            size = column.precision if column.precision >= 0 else PRECISIONS.get(column.type, 2**31 - 1)
            yield {
                "TABLE_CATALOG": "IGNITE",
                "TABLE_SCHEMA": table.schema,
                "TABLE_NAME": table.name,
                "COLUMN_NAME": column.name,
                "ORDINAL_POSITION": number + 1,
                "IS_NULLABLE": "NO" if column.not_null else "YES",
                "DATA_TYPE": JDBC_TYPES.get(column.type, 1111),
                "CHARACTER_MAXIMUM_LENGTH": size,
                "CHARACTER_OCTET_LENGTH": size,
                "NUMERIC_PRECISION": size,
                "NUMERIC_PRECISION_RADIX": 10,
                "NUMERIC_SCALE": max(column.scale, 0) if column.type is not SqlType.TIMESTAMP else 6,
                "CHARACTER_SET_NAME": "Unicode",
                "COLLATION_NAME": "OFF",
                "TYPE_NAME": SQL_NAMES[column.type],
                "NULLABLE": int(not column.not_null),
                "IS_COMPUTED": False,
                "SELECTIVITY": 50,
                "CHECK_CONSTRAINT": "",
                "REMARKS": "",
            }


def schemata(catalog: Catalog) -> Iterator[Row]:
    for name in ("INFORMATION_SCHEMA", *catalog.schemas, "SYS"):
        yield {
            "CATALOG_NAME": "IGNITE",
            "SCHEMA_NAME": name,
            "SCHEMA_OWNER": "",
            "DEFAULT_CHARACTER_SET_NAME": "Unicode",
            "DEFAULT_COLLATION_NAME": "OFF",
            "IS_DEFAULT": name == PUBLIC,
            "REMARKS": "",
            "ID": 0,
        }


def information_indexes(catalog: Catalog) -> Iterator[Row]:
    for table in catalog.tables():
        own = [row for row in indexes(catalog) if row["TABLE_NAME"] == table.name]
        affinity = [table.affinity] if table.affinity is not None and table.affinity != table.key_field else []
        hashed: Row = {
            "INDEX_NAME": "_key_PK_hash",
            "COLUMNS": listed([(name, False) for name in ("_KEY", *affinity)]),
            "IS_PK": True,
        }
        for row in (*own, hashed):
            kind = "PRIMARY KEY" if row["IS_PK"] else "INDEX"
            if row["INDEX_NAME"] == "_key_PK_hash":
                kind = "PRIMARY KEY HASH"
            for number, part in enumerate(row["COLUMNS"].split(", ")):
                name, _, direction = part.rpartition(" ")
                yield {
                    "TABLE_CATALOG": "IGNITE",
                    "TABLE_SCHEMA": table.schema,
                    "TABLE_NAME": table.name,
                    "NON_UNIQUE": not row["IS_PK"],
                    "INDEX_NAME": row["INDEX_NAME"],
                    "ORDINAL_POSITION": number + 1,
                    "COLUMN_NAME": name.strip('"'),
                    "CARDINALITY": 0,
                    "PRIMARY_KEY": row["IS_PK"],
                    "INDEX_TYPE_NAME": kind,
                    "IS_GENERATED": False,
                    "INDEX_TYPE": 3,
                    "ASC_OR_DESC": direction[0],
                    "PAGES": 0,
                    "FILTER_CONDITION": "",
                    "REMARKS": "",
                    "SORT_TYPE": int(direction == "DESC"),
                    "AFFINITY": False,
                }


def catalogs(catalog: Catalog) -> Iterator[Row]:
    yield {"CATALOG_NAME": "IGNITE"}


OWN: Final[dict[tuple[str, str], Callable[[Catalog], Iterable[Row]]]] = {
    ("SYS", "TABLES"): tables,
    ("SYS", "TABLE_COLUMNS"): table_columns,
    ("SYS", "INDEXES"): indexes,
    ("SYS", "SCHEMAS"): schemas,
    ("SYS", "VIEWS"): views,
    ("SYS", "VIEW_COLUMNS"): view_columns,
    ("INFORMATION_SCHEMA", "TABLES"): information_tables,
    ("INFORMATION_SCHEMA", "COLUMNS"): information_columns,
    ("INFORMATION_SCHEMA", "SCHEMATA"): schemata,
    ("INFORMATION_SCHEMA", "INDEXES"): information_indexes,
    ("INFORMATION_SCHEMA", "CATALOGS"): catalogs,
}
"""The views that the catalog fills."""
