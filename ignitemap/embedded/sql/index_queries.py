"""Index queries (operation 2008): the entries within bounds of an index, in its order, without a statement."""

from collections.abc import Sequence
from typing import Any, Final

from ignitemap.embedded.sql.catalog import Catalog, Table, cache_table, column_store
from ignitemap.embedded.sql.compiler import Compiler
from ignitemap.embedded.sql.environment import Environment
from ignitemap.embedded.sql.errors import H2Error
from ignitemap.embedded.sql.marshal import unmarshal
from ignitemap.embedded.sql.seam import SqlFailure
from ignitemap.embedded.sql.types import SqlType, higher
from ignitemap.embedded.sql.values import convert
from ignitemap.protocol.operations import IndexIn, IndexRange
from ignitemap.protocol.types import codes

__all__ = ["index_entries"]

PRIMARY_KEY: Final = "_key_PK"
IndexColumns = tuple[tuple[str, bool], ...]


def index_entries(
    environment: Environment,
    catalog: Catalog,
    cache: int,
    value_type: str,
    index: str | None,
    criteria: Sequence[IndexRange | IndexIn],
    *,
    limit: int,
) -> list[tuple[bytes, bytes]]:
    """The marshalled keys and values that an index query finds. Bounds are marshalled values.

    Raises:
        SqlFailure: There is no such table or index, or the index does not begin with the fields of the criteria.
    """
    table = next((each for each in catalog.by_cache.get(cache, ()) if each.value_type == value_type), None)
    if table is None:
        raise SqlFailure("50000", f"No table found for type: {value_type}")
    name, columns = chosen_index(table, index, [each.field for each in criteria])
    values: list[Any] = []
    compiler = Compiler(environment, catalog, table.schema, ())
    conditions = [
        condition for each in criteria for condition in conditions_of(compiler, table, name, columns, each, values)
    ]
    if table.several:
        conditions.append(f"t = {table.ordinal}")
    order: list[str] = []
    for column, descending in columns:
        store, sql_type = column_store(table, column)
        collation = " COLLATE DEC" if sql_type is SqlType.DECIMAL else ""
        order.append(f"{store}{collation}{' DESC' if descending else ''}")
    sql = f'SELECT "$k", "$v" FROM {cache_table(cache)}'
    if conditions:
        sql += f" WHERE {' AND '.join(conditions)}"
    sql += f" ORDER BY {', '.join(order)}"
    if limit > 0:
        sql += f" LIMIT {limit}"
    try:
        return [(bytes(key), bytes(value)) for key, value in environment.rows(sql, values)]
    except H2Error as error:
        raise SqlFailure("50000", error.message) from None


def indexes_of(table: Table) -> dict[str, IndexColumns]:
    """The indexes of a table by name; each ends with the key."""
    keys = tuple((column.name, False) for column in table.key_columns)
    if not keys or (table.key_field is not None and table.key_sql_type is not SqlType.OBJECT):
        keys = (("_KEY", False),)
    found: dict[str, IndexColumns] = {PRIMARY_KEY: keys}
    for index in table.indexes:
        names = {name for name, _ in index.columns}
        found[index.name] = (*index.columns, *(key for key in keys if key[0] not in names))
    return found


def chosen_index(table: Table, index: str | None, fields: Sequence[str]) -> tuple[str, IndexColumns]:
    """The index that a query names, or the first that begins with its fields."""
    indexes = indexes_of(table)
    if index is None and fields:
        for name, columns in indexes.items():
            if begins_with(table, columns, fields):
                return name, columns
        raise SqlFailure("50000", "No index found for criteria.")
    name = PRIMARY_KEY if index is None else index
    if name not in indexes:
        name = name.upper()
    if name not in indexes:
        raise SqlFailure("50000", f"No index found for name: {name}")
    columns = indexes[name]
    if not begins_with(table, columns, fields):
        raise SqlFailure("50000", f"Index doesn't match criteria. Index {name}")
    return name, columns


def same_column(table: Table, column: str, field: str) -> bool:
    """Whether a criterion's field is a column of an index: the key's own column is also _KEY."""
    if column in {field, field.upper()}:
        return True
    return column == "_KEY" and table.key_field in {field, field.upper()}


def begins_with(table: Table, columns: IndexColumns, fields: Sequence[str]) -> bool:
    """Whether the first columns of an index are the fields, in any order."""
    left = set(fields)
    for column, _ in columns:
        if not left:
            return True
        matching = {field for field in left if same_column(table, column, field)}
        if not matching:
            return False
        left -= matching
    return not left


def conditions_of(
    compiler: Compiler,
    table: Table,
    name: str,
    columns: IndexColumns,
    criterion: IndexRange | IndexIn,
    values: list[Any],
) -> list[str]:
    """The SQLite conditions of one criterion; what they compare with is added to ``values``."""
    column = next((each for each, _ in columns if same_column(table, each, criterion.field)), None)
    if column is None:
        raise SqlFailure("50000", f"Index doesn't match criteria. Index {name}, criterion field={criterion.field}")
    store, sql_type = column_store(table, column)

    def compared(operator: str, bound: bytes) -> str:
        source, value = unmarshal(bound)
        common = higher(source, sql_type)
        try:
            values.append(convert(source, common, value))
        except H2Error as error:
            raise SqlFailure("50000", error.message) from None
        left = store if common is sql_type else compiler.cast_sql(store, sql_type, common)
        collation = " COLLATE DEC" if common is SqlType.DECIMAL else ""
        return f"{left}{collation} {operator} ?{len(values)}"

    if isinstance(criterion, IndexIn):
        tests = [f"{store} IS NULL" if is_null(each) else compared("=", each) for each in criterion.values]
        return [f"({' OR '.join(tests)})" if tests else "0"]
    found: list[str] = []
    if criterion.lower_null and criterion.upper_null:
        return [f"{store} IS NULL"]
    if criterion.lower_null:
        if not criterion.lower_included:
            found.append(f"{store} IS NOT NULL")
    elif not is_null(criterion.lower):
        found.append(compared(">=" if criterion.lower_included else ">", criterion.lower))
    if criterion.upper_null:
        found.append(f"{store} IS NULL" if criterion.upper_included else "0")
    elif not is_null(criterion.upper):
        test = compared("<=" if criterion.upper_included else "<", criterion.upper)
        open_below = not criterion.lower_null and is_null(criterion.lower)
        found.append(f"({test} OR {store} IS NULL)" if open_below else test)  # NULL is the smallest
    return found


def is_null(bound: Any) -> bool:
    """Whether a marshalled bound is null."""
    return bound is None or bound[0] == codes.NULL
