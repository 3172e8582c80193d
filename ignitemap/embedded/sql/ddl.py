"""Definitions: CREATE and DROP of tables, indexes and views, ALTER TABLE, and the tables of caches with query entities.

What is checked, in which order and with which words is what a real node does.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from ignitemap.embedded.sql.catalog import (
    Catalog,
    Column,
    Index,
    Table,
    View,
    check_names,
)
from ignitemap.embedded.sql.entries import fits_field
from ignitemap.embedded.sql.errors import H2Error, parse_failure, parsing, refused, unsupported
from ignitemap.embedded.sql.marshal import unmarshal
from ignitemap.embedded.sql.seam import Caches, SqlFailure
from ignitemap.embedded.sql.syntax import (
    AddColumns,
    ColumnDefinition,
    CreateIndex,
    CreateTable,
    CreateView,
    DropColumns,
    DropIndex,
    DropTable,
    DropView,
)
from ignitemap.embedded.sql.types import BY_JAVA, JAVA, STRINGS, SqlType
from ignitemap.embedded.sql.values import convert
from ignitemap.protocol.binary_type import KnownTypes
from ignitemap.protocol.cache_config import (
    CacheAtomicityMode,
    CacheConfig,
    IndexType,
    KeyConfiguration,
    QueryEntity,
    QueryField,
    QueryIndex,
    WriteSynchronizationMode,
)
from ignitemap.protocol.codecs import encode_object
from ignitemap.protocol.types import mapping_codecs

__all__ = ["Definitions"]

ATOMICITY: Final = {"TRANSACTIONAL": CacheAtomicityMode.TRANSACTIONAL, "ATOMIC": CacheAtomicityMode.ATOMIC}
WRITE_SYNC: Final = {
    "FULL_SYNC": WriteSynchronizationMode.FULL_SYNC,
    "FULL_ASYNC": WriteSynchronizationMode.FULL_ASYNC,
    "PRIMARY_SYNC": WriteSynchronizationMode.PRIMARY_SYNC,
}
PARAMETERS: Final = frozenset(
    [
        "TEMPLATE",
        "BACKUPS",
        "PARALLELISM",
        "ATOMICITY",
        "WRITE_SYNCHRONIZATION_MODE",
        "CACHE_GROUP",
        "AFFINITY_KEY",
        "CACHE_NAME",
        "DATA_REGION",
        "KEY_TYPE",
        "VALUE_TYPE",
        "WRAP_KEY",
        "WRAP_VALUE",
        "ENCRYPTED",
        "PK_INLINE_SIZE",
        "AFFINITY_INDEX_INLINE_SIZE",
    ]
)
Constant = Callable[[str, Any], tuple[SqlType, Any]]
"""Compiles an expression that is a constant: its type and value."""


@attrs.frozen
class Options:
    """What WITH says of a new table."""

    template: str = "PARTITIONED"
    values: dict[str, str] = attrs.field(factory=dict[str, str])

    def flag(self, name: str) -> bool | None:
        """A parameter that is true, false or not given; no value is true."""
        value = self.values.get(name)
        return None if value is None else value.lower() in {"true", ""}

    def number(self, name: str) -> int | None:
        """A parameter that is a number."""
        value = self.values.get(name)
        return None if value is None else int(value)


def options_of(parameters: Sequence[str]) -> Options:
    """The parameters of WITH, checked.

    Raises:
        SqlFailure: There is no such parameter, or its value is wrong.
    """
    values: dict[str, str | None] = {}
    for part in ",".join(parameters).split(","):
        pieces = part.split("=")
        name = pieces[0].strip().upper()
        if len(pieces) > 2 or not name:
            raise parsing(f"Invalid parameter (key[=value] expected): {part}")
        if name in values:
            raise parsing(f"Duplicate parameter: {part}")
        values[name] = pieces[1].strip() if len(pieces) > 1 else None
    for name, value in values.items():
        check_parameter(name, value)
    known = {name: value or "" for name, value in values.items()}
    return Options(known.get("TEMPLATE", "PARTITIONED"), known)


def check_parameter(name: str, value: str | None) -> None:
    if name not in PARAMETERS:
        raise parsing(f"Unsupported parameter: {name}")
    if name in {"WRAP_KEY", "WRAP_VALUE", "ENCRYPTED"}:
        if name == "ENCRYPTED" and (value is None or value.lower() == "true"):
            raise refused("ENCRYPTED tables; leave it out")
        return
    if not value:
        raise parsing(f"Parameter value cannot be empty: {name}")
    if name in {"BACKUPS", "PARALLELISM", "PK_INLINE_SIZE", "AFFINITY_INDEX_INLINE_SIZE"}:
        digits = value[1:] if value[0] == "-" else value
        if not digits.isdigit():
            raise parsing(f"Parameter value must be an integer [name={name}, value={value}]")
        if int(value) < 0:
            raise parsing(f'"{name}" cannot be negative: {value}')
    if name == "ATOMICITY" and value.upper() not in ATOMICITY:
        raise parsing(f'Invalid value of "ATOMICITY" parameter (should be either TRANSACTIONAL, ATOMIC): {value}')
    if name == "WRITE_SYNCHRONIZATION_MODE" and value.upper() not in WRITE_SYNC:
        raise parsing(
            'Invalid value of "WRITE_SYNCHRONIZATION_MODE" parameter (should be FULL_SYNC, FULL_ASYNC, or '
            f"PRIMARY_SYNC): {value}"
        )


class Definitions:
    """Carries definitions out: changes the catalog and the tables in SQLite."""

    def __init__(self, catalog: Catalog, caches: Caches, known: KnownTypes, backfill: Callable[[int], None]) -> None:
        self.catalog: Final = catalog
        self.caches: Final = caches
        self.known: Final = known
        self.backfill: Final = backfill
        """Fills the typed columns of a cache's table from its entries."""

    # --- tables -------------------------------------------------------------------------------------------------------

    def create_table(self, node: CreateTable, schema: str, statement: str, constant: Constant) -> None:
        """CREATE TABLE."""
        schema = self.known_schema(node.schema or schema, statement)
        if node.query:
            raise unsupported("CREATE TABLE ... AS ... syntax is not supported")
        if node.primary_key is None and not node.constraints:
            raise parsing("No PRIMARY KEY defined for CREATE TABLE")
        if node.constraints:
            if node.primary_key is None:
                raise unsupported("Unsupported type of constraint for CREATE TABLE - only PRIMARY KEY is supported")
            raise unsupported("Too many constraints - only PRIMARY KEY is supported for CREATE TABLE")
        assert node.primary_key is not None
        self.check_columns(node.columns)
        names = [column.name for column in node.columns]
        if "_KEY" in names or "_VAL" in names:
            raise parsing("Direct specification of _KEY and _VAL columns is forbidden")
        for name in node.primary_key:
            if name not in names:
                raise parsing(f"PRIMARY KEY column is not defined: {name}")
        primary = tuple(dict.fromkeys(node.primary_key))
        if len(set(names)) != len(names):
            raise parsing(f"Duplicate column name: {next(name for name in names if names.count(name) > 1)}")
        if len(names) == len(primary):
            raise unsupported("Table must have at least one non PRIMARY KEY column.")
        check_names(names)
        options = options_of(node.parameters) if node.parameters else Options()
        wrap_key, wrap_value = wrapping(options, primary, names)
        affinity = self.affinity_column(options, primary, names, wrap_key=wrap_key)
        existing = self.catalog.find(schema, node.name)
        if isinstance(existing, View):
            raise refused(f"a table with the name of the view {node.name}, which it hides; choose another name")
        if existing is not None:
            if node.if_not_exists:
                return
            raise parsing(f"Table already exists: {node.name}")
        self.make_table(node, schema, options, primary, affinity, constant, wrap_key=wrap_key, wrap_value=wrap_value)

    def check_columns(self, columns: Sequence[ColumnDefinition]) -> None:
        """Refuse what columns can't have."""
        for column in columns:
            if column.refused == "AUTO_INCREMENT":
                raise unsupported(f"AUTO_INCREMENT columns are not supported [colName={column.name}]")
            if column.refused == "COMPUTED":
                raise unsupported(f"Computed columns are not supported [colName={column.name}]")
            if column.refused == "CHECK":
                raise unsupported(f"Column CHECK constraints are not supported [colName={column.name}]")

    def affinity_column(
        self, options: Options, primary: Sequence[str], names: Sequence[str], *, wrap_key: bool
    ) -> str | None:
        """The column that AFFINITY_KEY names."""
        given = options.values.get("AFFINITY_KEY")
        if given is None:
            return primary[0] if len(primary) == 1 and wrap_key else None
        if given.startswith("'") and given.endswith("'") and len(given) > 2:
            found = given[1:-1] if given[1:-1] in names else None
        else:
            matches = [name for name in names if name.upper() == given.upper()]
            if len(matches) > 1:
                raise parsing(f"Ambiguous affinity column name, use single quotes for case sensitivity: {given}")
            found = matches[0] if matches else None
        if found is None:
            raise parsing(f"Affinity key column with given name not found: {given}")
        if found not in primary:
            raise parsing(f"Affinity key column must be one of key columns: {found}")
        return found

    def make_table(
        self,
        node: CreateTable,
        schema: str,
        options: Options,
        primary: tuple[str, ...],
        affinity: str | None,
        constant: Constant,
        *,
        wrap_key: bool,
        wrap_value: bool,
    ) -> None:
        """Make the cache and the table, which were checked."""
        values = options.values
        token = str(uuid.uuid4()).replace("-", "_")
        by_name = {column.name: column for column in node.columns}
        rest = [column for column in node.columns if column.name not in primary]
        key_type = values.get("KEY_TYPE") or f"SQL_{schema}_{node.name}_{token}_KEY"
        value_type = values.get("VALUE_TYPE") or f"SQL_{schema}_{node.name}_{token}"
        key_field = value_field = None
        if not wrap_key:
            key_field = primary[0]
            key_type = JAVA[stored_type(by_name[key_field])]
        if not wrap_value:
            value_field = rest[0].name
            value_type = JAVA[stored_type(rest[0])]
        fields: list[QueryField] = []
        defaults: dict[str, Any] = {}
        for column in node.columns:
            default = None
            if column.default is not None:
                source, value = constant(column.name, column.default)
                default = value if value is None else convert(source, stored_type(column), value)
            defaults[column.name] = default
            precision, scale = declared_size(column)
            fields.append(
                QueryField(
                    name=column.name,
                    type_name=JAVA[stored_type(column)],
                    is_key=column.name in primary,
                    not_null=column.not_null,
                    precision=precision,
                    scale=scale,
                )
            )
        cache_name = values.get("CACHE_NAME") or f"SQL_{schema}_{node.name}"
        entity = QueryEntity(
            key_type=key_type,
            value_type=value_type,
            table=node.name,
            key_field=key_field,
            value_field=value_field,
            fields=tuple(fields),
            aliases=tuple((column.name, column.name) for column in node.columns),
            indexes=(),
        )
        keys: tuple[KeyConfiguration, ...] | None = None
        if affinity is not None and key_field is None:
            keys = (KeyConfiguration(type_name=key_type, affinity_field=affinity),)
        config = CacheConfig(
            name=cache_name,
            atomicity=ATOMICITY[values["ATOMICITY"].upper()] if "ATOMICITY" in values else None,
            backups=options.number("BACKUPS"),
            write_sync=(
                WRITE_SYNC[values["WRITE_SYNCHRONIZATION_MODE"].upper()]
                if "WRITE_SYNCHRONIZATION_MODE" in values
                else None
            ),
            data_region=values.get("DATA_REGION"),
            group=values.get("CACHE_GROUP"),
            query_parallelism=options.number("PARALLELISM"),
            query_entities=(entity,),
            sql_schema=schema,
            key_configuration=keys,
        )
        cache = self.caches.create(options.template, config)
        stores = self.catalog.reserve(cache, len(node.columns))
        columns = tuple(
            Column(
                column.name,
                column.name,
                stored_type(column),
                JAVA[stored_type(column)],
                store,
                is_key=column.name in primary,
                not_null=column.not_null,
                default=defaults[column.name],
                precision=declared_size(column)[0],
                scale=declared_size(column)[1],
            )
            for column, store in zip(node.columns, stores, strict=True)
        )
        table = Table(
            schema,
            node.name,
            cache,
            cache_name,
            0,
            key_type,
            value_type,
            columns,
            key_field,
            value_field,
            affinity,
            primary,
            ddl=True,
        )
        self.catalog.save(table)
        self.index_primary_key(table)

    def index_primary_key(self, table: Table) -> None:
        """The index over the fields of the key, which has no name in SQL."""
        columns = [(column.name, False) for column in table.key_columns]
        if not columns and table.key_store is not None:
            columns = [("_KEY", False)]
        if columns:
            store = f"p{table.cache}_{table.ordinal}"
            self.catalog.create_index(table, Index("_key_PK", tuple(columns), store))

    def drop_table(self, node: DropTable, schema: str, statement: str) -> None:
        """DROP TABLE."""
        schema = self.known_schema(node.schema or schema, statement)
        table = self.catalog.find(schema, node.name)
        if not isinstance(table, Table):
            if node.if_exists:
                return
            raise parsing(f"Table doesn't exist: {node.name}")
        if not table.ddl:
            raise SqlFailure(
                "50000",
                f"Only cache created with CREATE TABLE may be removed with DROP TABLE [cacheName={table.cache_name}]",
            )
        self.catalog.forget_cache(table.cache)
        self.caches.destroy(table.cache)

    def known_schema(self, schema: str, statement: str) -> str:
        """The schema, which must exist."""
        if schema == "SYS":
            raise unsupported("DDL statements are not supported on SYS schema")
        if schema not in self.catalog.schemas:
            raise parse_failure(H2Error(90079, f'Schema "{schema}" not found'), statement)
        return schema

    def table(self, schema: str, name: str) -> Table:
        """A table that must exist."""
        found = self.catalog.find(schema, name)
        if not isinstance(found, Table):
            raise parsing(f"Table doesn't exist: {name}")
        return found

    # --- columns ------------------------------------------------------------------------------------------------------

    def add_columns(self, node: AddColumns, schema: str, statement: str) -> None:
        """ALTER TABLE ... ADD COLUMN."""
        schema = self.known_schema(node.schema or schema, statement)
        if node.if_exists and self.catalog.find(schema, node.table) is None:
            return
        table = self.table(schema, node.table)
        if table.value_sql_type is not SqlType.OBJECT or (table.ddl and table.value_field is not None):
            raise SqlFailure(
                "50000",
                "Cannot add column(s) because table was created with WRAP_VALUE=false option.",
            )
        self.check_columns(node.columns)
        new: list[ColumnDefinition] = []
        for column in node.columns:
            if column.default is not None:
                raise unsupported(f"ALTER TABLE ADD COLUMN with DEFAULT value is not supported [col={column.name}]")
            if column.name in table.by_name:
                if node.if_not_exists:
                    continue
                raise parsing(f"Column already exists: {column.name}")
            if any(column.name == each.name for each in new):
                raise SqlFailure(
                    "50000", f"Schema change operation failed: Property with name '{column.name}' already exists."
                )
            new.append(column)
        if not new:
            return
        for column in new:
            if not fits_field(self.known, table.value_type, column.name, stored_type(column)):
                raise parsing("Column already exists: with a different type.")
        check_names([*table.by_name, *(column.name for column in new)])
        stores = self.catalog.reserve(table.cache, len(new))
        added = tuple(
            Column(
                column.name,
                column.name,
                stored_type(column),
                JAVA[stored_type(column)],
                store,
                not_null=column.not_null,
                precision=declared_size(column)[0],
                scale=declared_size(column)[1],
            )
            for column, store in zip(new, stores, strict=True)
        )
        self.catalog.save(attrs.evolve(table, columns=table.columns + added))
        self.backfill(table.cache)

    def drop_columns(self, node: DropColumns, schema: str, statement: str) -> None:
        """ALTER TABLE ... DROP COLUMN: in the catalog only; values keep their fields, as in Ignite."""
        schema = self.known_schema(node.schema or schema, statement)
        found = self.catalog.find(schema, node.table)
        if not isinstance(found, Table):
            if node.if_exists:
                return
            raise parse_failure(H2Error(42102, f'Table "{node.table}" not found'), statement)
        table = found
        dropped: set[str] = set()
        for name in node.columns:
            column = table.by_name.get(name)
            if name == "_KEY" and column is None:
                raise SqlFailure("50000", 'Cannot drop column "_KEY" because it represents an entire cache key')
            if column is None:
                if node.column_if_exists:
                    continue
                raise parse_failure(H2Error(42122, f'Column "{name}" not found'), statement)
            if column.is_key:
                if name == table.key_field:
                    raise SqlFailure("50000", f'Cannot drop column "{name}" because it represents an entire cache key')
                raise SqlFailure("50000", f'Cannot drop column "{name}" because it is a part of a cache key')
            if name == table.value_field:
                raise SqlFailure("50000", f'Cannot drop column "{name}" because it represents an entire cache value')
            for index in table.indexes:
                if any(name == each for each, _ in index.columns):
                    raise SqlFailure(
                        "50000",
                        f'Cannot drop column "{name}" because an index exists ("{index.name}") that uses the column.',
                    )
            dropped.add(name)
        if not dropped:
            return
        columns = tuple(column for column in table.columns if column.name not in dropped)
        self.catalog.save(attrs.evolve(table, columns=columns))

    # --- indexes ------------------------------------------------------------------------------------------------------

    def create_index(self, node: CreateIndex, schema: str, statement: str) -> None:
        """CREATE INDEX."""
        schema = self.known_schema(node.table_schema or node.schema or schema, statement)
        table = self.table(schema, node.table)
        seen: set[str] = set()
        for name, descending in node.columns:
            if name not in table.by_name:
                raise parsing(f"Column doesn't exist: {name}")
            if name in seen:
                raise parsing(f"Already defined column in index: {name} {'DESC' if descending else 'ASC'}")
            seen.add(name)
        name = node.name or generated_name(table, node.columns)
        if self.catalog.find_index(schema, name) is not None:
            if node.if_not_exists:
                return
            raise parsing(f"Index already exists: {name}")
        inline = -1 if node.inline_size is None else node.inline_size
        index = Index(name, node.columns, self.catalog.index_store(table), inline)
        self.catalog.create_index(table, index)
        self.catalog.save(attrs.evolve(table, indexes=(*table.indexes, index)))

    def drop_index(self, node: DropIndex, schema: str, statement: str) -> None:
        """DROP INDEX."""
        schema = self.known_schema(node.schema or schema, statement)
        found = self.catalog.find_index(schema, node.name)
        if found is None:
            if node.if_exists:
                return
            raise parsing(f"Index doesn't exist: {node.name}")
        table, index = found
        self.catalog.drop_index(index)
        kept = tuple(each for each in table.indexes if each is not index)
        self.catalog.save(attrs.evolve(table, indexes=kept))

    # --- views --------------------------------------------------------------------------------------------------------

    def create_view(self, node: CreateView, schema: str, statement: str) -> None:
        """CREATE VIEW: the query is not looked into before it is used, as in Ignite."""
        schema = self.known_schema(node.schema or schema, statement)
        existing = self.catalog.find(schema, node.name)
        if isinstance(existing, Table):
            raise refused(f"a view with the name of the table {node.name}, which hides it; choose another name")
        if existing is not None and not node.replace:
            raise SqlFailure("50000", f"View already exists: {node.name}")
        self.catalog.save_view(View(schema, node.name, node.text))

    def drop_view(self, node: DropView, schema: str, statement: str) -> None:
        """DROP VIEW."""
        schema = self.known_schema(node.schema or schema, statement)
        view = self.catalog.find(schema, node.name)
        if not isinstance(view, View):
            if node.if_exists:
                return
            raise SqlFailure("50000", f"View doesn't exist: {node.name}")
        self.catalog.drop_view(view)

    # --- caches with query entities -----------------------------------------------------------------------------------

    def add_cache(self, cache: int, name: str, config: CacheConfig) -> None:
        """Make tables of the query entities of a cache that was made over the protocol.

        Raises:
            SqlFailure: Two tables would have one name, or two columns.
        """
        entities = config.query_entities or ()
        schema = schema_of(name, config)
        for ordinal, entity in enumerate(entities):
            table = self.table_of_entity(cache, name, schema, ordinal, entity, config)
            if self.catalog.find(schema, table.name) is not None:
                raise SqlFailure("50000", f"Table already exists: {table.name}")
            self.catalog.save(table)
            self.index_primary_key(table)
            for each in entity.indexes:
                self.add_entity_index(table, each)
                table = self.catalog.by_cache[cache][ordinal]
        if entities:
            if len(entities) > 1:
                self.catalog.connection.execute(f'ALTER TABLE "c{cache}" ADD COLUMN t')
            self.backfill(cache)

    def table_of_entity(
        self, cache: int, name: str, schema: str, ordinal: int, entity: QueryEntity, config: CacheConfig
    ) -> Table:
        """The table of one query entity."""
        aliases = dict(entity.aliases)
        key_type, value_type = entity.key_type or "java.lang.Object", entity.value_type or "java.lang.Object"
        key_simple = BY_JAVA.get(key_type, SqlType.OBJECT) is not SqlType.OBJECT
        value_simple = BY_JAVA.get(value_type, SqlType.OBJECT) is not SqlType.OBJECT
        own_key = any(field.name == entity.key_field for field in entity.fields)
        own_value = any(field.name == entity.value_field for field in entity.fields)
        escape = bool(config.sql_escape_all)

        def column_name(field: str) -> str:
            alias = aliases.get(field)
            plain = alias if alias is not None else field.rpartition(".")[2]
            return plain if escape else plain.upper()

        listed = list(entity.fields)
        if entity.key_field and not own_key and key_simple:
            listed.insert(0, QueryField(name=entity.key_field, type_name=key_type, is_key=True))
        if entity.value_field and not own_value and value_simple:
            listed.append(QueryField(name=entity.value_field, type_name=value_type))
        names = [column_name(field.name) for field in listed]
        check_names(names)
        if len(set(names)) != len(names):
            raise SqlFailure(
                "50000", f"Multiple query fields are associated with the same alias [table={entity.table}]"
            )
        key_whole = bool(entity.key_field)
        value_whole = bool(entity.value_field)
        extra = int(key_simple and not key_whole) + int(value_simple and not value_whole)
        stores = self.catalog.reserve(cache, len(listed) + extra)
        key_store = stores.pop(0) if key_simple and not key_whole else None
        value_store = stores.pop(0) if value_simple and not value_whole else None
        columns: list[Column] = []
        for field, column, store in zip(listed, names, stores, strict=True):
            sql_type = BY_JAVA.get(field.type_name, SqlType.OBJECT)
            is_key = field.is_key or (key_whole and field.name == entity.key_field)
            default = None
            if field.default is not None:
                source, value = unmarshal(marshalled(field.default))
                default = convert(source, sql_type, value)
            columns.append(
                Column(
                    column,
                    field.name,
                    sql_type,
                    field.type_name,
                    store,
                    is_key=is_key,
                    not_null=field.not_null,
                    default=default,
                    precision=field.precision,
                    scale=field.scale,
                )
            )
        affinity = next(
            (each.affinity_field for each in config.key_configuration or () if each.type_name == key_type), None
        )
        table_name = entity.table or value_type.rpartition(".")[2].rpartition("$")[2]
        return Table(
            schema,
            table_name if escape else table_name.upper(),
            cache,
            name,
            ordinal,
            key_type,
            value_type,
            tuple(columns),
            column_name(entity.key_field) if entity.key_field else None,
            column_name(entity.value_field) if entity.value_field else None,
            column_name(affinity) if affinity else None,
            tuple(column.name for column in columns if column.is_key),
            key_store=key_store,
            value_store=value_store,
            several=len(config.query_entities or ()) > 1,
        )

    def add_entity_index(self, table: Table, index: QueryIndex) -> None:
        """Make the index of a query entity."""
        if index.type == IndexType.FULLTEXT:
            current = self.catalog.by_cache[table.cache][table.ordinal]
            words = (*current.words, ((index.name or "").upper(), tuple(field for field, _ in index.fields)))
            self.catalog.save(attrs.evolve(current, words=words))
            return
        if index.type != IndexType.SORTED:
            raise refused("GEOSPATIAL indexes; use sorted ones")
        by_field = {column.field.lower(): column.name for column in table.columns}
        by_field.update({column.name.lower(): column.name for column in table.columns})
        columns: list[tuple[str, bool]] = []
        for field, descending in index.fields:
            column = by_field.get(field.lower())
            if column is None:
                raise SqlFailure("50000", f"Index field not found: {field}")
            columns.append((column, bool(descending)))
        name = index.name.upper() if index.name else generated_name(table, columns).upper()
        made = Index(name, tuple(columns), self.catalog.index_store(table), index.inline_size)
        self.catalog.create_index(table, made)
        current = self.catalog.by_cache[table.cache][table.ordinal]
        self.catalog.save(attrs.evolve(current, indexes=(*current.indexes, made)))


def marshalled(default: Any) -> bytes:
    """The bytes of a default value, which the codec of cache configurations has decoded already."""
    out = bytearray()
    encode_object(mapping_codecs(naive_datetime="utc"), out, default)
    return bytes(out)


def schema_of(name: str, config: CacheConfig) -> str:
    """The schema of a cache's tables: the one that is asked for, or the name of the cache."""
    given = config.sql_schema
    if not given:
        return name
    if given.startswith('"') and given.endswith('"') and len(given) > 2:
        return given[1:-1]
    return given if config.sql_escape_all else given.upper()


def generated_name(table: Table, columns: Sequence[tuple[str, bool]]) -> str:
    """The name of an index that was given none."""
    parts = "_".join(f"{name}_{'desc' if descending else 'asc'}" for name, descending in columns)
    return f"{table.name}_{parts}_idx".lower()


def stored_type(column: ColumnDefinition) -> SqlType:
    """The type of a table's column: CHAR and VARCHAR_IGNORECASE are plain strings there."""
    sql_type = column.type.type
    return SqlType.STRING if sql_type in STRINGS else sql_type


def declared_size(column: ColumnDefinition) -> tuple[int, int]:
    """Precision and scale of a column as the catalog keeps them; -1 is none."""
    spec = column.type
    if spec.type is SqlType.DECIMAL:
        return (-1 if spec.precision is None else spec.precision, -1 if spec.scale is None else spec.scale)
    if spec.type in {*STRINGS, SqlType.BYTES} and spec.precision is not None:
        return spec.precision, -1
    return -1, -1


def wrapping(options: Options, primary: Sequence[str], names: Sequence[str]) -> tuple[bool, bool]:
    """Whether the key and the value are objects."""
    wrap_key, wrap_value = options.flag("WRAP_KEY"), options.flag("WRAP_VALUE")
    key_type, value_type = options.values.get("KEY_TYPE"), options.values.get("VALUE_TYPE")
    if wrap_key is False:
        if len(primary) > 1:
            raise parsing("WRAP_KEY cannot be false when composite primary key exists.")
        if key_type:
            raise parsing("WRAP_KEY cannot be false when KEY_TYPE is set.")
    if wrap_value is False:
        if len(names) - len(primary) > 1:
            raise parsing("WRAP_VALUE cannot be false when multiple non-primary key columns exist.")
        if value_type:
            raise parsing("WRAP_VALUE cannot be false when VALUE_TYPE is set.")
    if value_type and key_type == value_type:
        raise parsing(f"Key and value type names should be different for CREATE TABLE: {value_type}")
    return bool(wrap_key) or bool(key_type) or len(primary) > 1, wrap_value is not False
