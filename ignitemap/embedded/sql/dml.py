"""INSERT, MERGE, UPDATE and DELETE as plans: a query finds keys and new values, the node's writer changes the entries.

All that can be wrong with a row is found before the first row is written, except that a key exists.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from ignitemap.embedded.sql import moments
from ignitemap.embedded.sql.catalog import Column, Table, View
from ignitemap.embedded.sql.compile_expressions import compile_condition, compile_expression
from ignitemap.embedded.sql.compile_queries import compile_query, row_count, table_scope
from ignitemap.embedded.sql.compiler import Compiler
from ignitemap.embedded.sql.entries import check, make_object, simple_code
from ignitemap.embedded.sql.environment import Environment
from ignitemap.embedded.sql.errors import H2Error, parsing, refused, unsupported
from ignitemap.embedded.sql.marshal import marshal, unmarshal
from ignitemap.embedded.sql.numbers import decimal, set_scale
from ignitemap.embedded.sql.scope import Scope, ScopeTable
from ignitemap.embedded.sql.seam import Action, Change, SqlFailure, Types, Writer
from ignitemap.embedded.sql.syntax import (
    Compare,
    Default,
    Delete,
    Expression,
    Insert,
    Logic,
    Name,
    Parameter,
    Target,
    Update,
)
from ignitemap.embedded.sql.tree import is_fixed
from ignitemap.embedded.sql.typed import NULL, Typed
from ignitemap.embedded.sql.types import JAVA, STRINGS, WIRE, SqlType
from ignitemap.embedded.sql.values import convert, text_of
from ignitemap.protocol.types import codes

__all__ = ["DeletePlan", "InsertPlan", "UpdatePlan", "Work", "compile_delete", "compile_insert", "compile_update"]

log: Final = logging.getLogger("ignitemap.embedded")
KEY, VALUE = "_KEY", "_VAL"


@attrs.frozen
class Work:
    """What a plan needs to run."""

    environment: Environment
    types: Types
    writer: Writer
    bind: Callable[[], Sequence[Any]]
    """The values of the slots."""
    arguments: Sequence[tuple[SqlType, Any]]


# --- rows and entries -------------------------------------------------------------------------------------------------


def fit(column: Column, source: SqlType, value: Any) -> Any:
    """A value as a column holds it: converted and checked.

    Raises:
        SqlFailure: It can't be converted.
    """
    if value is None:
        return None
    if source is not column.type:
        try:
            value = convert(source, column.type, value)
        except H2Error:
            raise SqlFailure(
                "0700B",
                f"Value conversion failed [column={column.name}, from={JAVA[source]}, to={JAVA[column.type]}]",
            ) from None
    return value


def shrunk(column: Column, source: SqlType, value: Any) -> Any:
    """A value as a column of an H2 table takes it: rounded to its scale, cut to its length."""
    value = convert(source, column.type, value)
    if value is None:
        return None
    if column.type is SqlType.TIMESTAMP:
        return moments.rescale_timestamp(value, 6)
    if column.type is SqlType.TIME:
        return moments.rescale_time(value, 0)
    if column.precision < 0:
        return value
    if column.type is SqlType.DECIMAL:
        number = set_scale(decimal(value), max(column.scale, 0))
        if len(number.as_tuple().digits) > column.precision:
            raise H2Error(22003, f'Numeric value out of range: "{column.precision}"')
        return str(number)
    return value[: column.precision] if column.type in STRINGS or column.type is SqlType.BYTES else value


def marshal_whole(java: str, sql_type: SqlType, value: Any) -> bytes:
    """A simple key or value as it is stored: its Java class decides the type code."""
    if simple_code(java) == codes.DATE and sql_type is SqlType.TIMESTAMP:
        stamp = marshal(SqlType.TIMESTAMP, value)
        return bytes((codes.DATE,)) + stamp[1:9]
    return marshal(sql_type, value)


def entry_of(
    types: Types, table: Table, row: Mapping[str, Any], *, old: bytes | None = None, key: bytes | None = None
) -> tuple[bytes, bytes]:
    """The key and the value of a row of fitted column values; with ``key`` and ``old``, of a row that is updated."""
    if key is None:
        if table.key_field is not None:
            key = marshal_whole(table.key_type, table.by_name[table.key_field].type, row[table.key_field])
        elif KEY in row:
            key = whole_bytes(table.key_type, table.key_sql_type, row[KEY])
        else:
            fields = {
                column.field: (column.type, row.get(column.name)) for column in table.written_columns if column.is_key
            }
            affinity = None if table.affinity is None else table.by_name[table.affinity].field
            key = make_object(types, table.key_type, fields, affinity=affinity)
    if table.value_field is not None and table.value_field in row:
        value = row[table.value_field]
        if value is None:
            raise SqlFailure("22004", "Value for INSERT, COPY, MERGE, or UPDATE must not be null")
        return key, marshal_whole(table.value_type, table.by_name[table.value_field].type, value)
    if VALUE in row:
        return key, whole_bytes(table.value_type, table.value_sql_type, row[VALUE])
    fields = {
        column.field: (column.type, row[column.name])
        for column in table.written_columns
        if not column.is_key and column.name in row
    }
    return key, make_object(types, table.value_type, fields, old=old)


def whole_bytes(java: str, sql_type: SqlType, value: Any) -> bytes:
    """_KEY or _VAL given as a whole."""
    if value is None:
        raise SqlFailure("22004", "Key for INSERT, COPY, or MERGE must not be null")
    return marshal_whole(java, sql_type, value)


def shown_key(table: Table, key: bytes, row: Mapping[str, Any]) -> str:
    """A key in the message about duplicates."""
    if key[0] != codes.OBJECT:
        sql_type, value = unmarshal(key)
        return text_of(sql_type, value) if sql_type is not SqlType.BOOLEAN else str(bool(value)).lower()
    number = int.from_bytes(key[8:12], "little", signed=True)
    fields = ", ".join(
        f"{column.field}={text_of(column.type, row[column.name]) if row.get(column.name) is not None else 'null'}"
        for column in table.key_columns
    )
    return f"{table.key_type} [idHash={abs(number)}, hash={number}, {fields}]"


# --- insert and merge -------------------------------------------------------------------------------------------------


@attrs.frozen
class Cell:
    """A value of a row that needs no SQLite: a constant, or a parameter's slot."""

    type: SqlType
    value: Any = None
    slot: int | None = None


@attrs.frozen
class InsertPlan:
    """INSERT or MERGE."""

    table: Table
    names: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...] | None
    """Rows of constants and parameters, which most statements have."""
    queries: tuple[tuple[str, tuple[SqlType, ...]], ...]
    """Else queries: one for each row, or the one of INSERT ... SELECT."""
    merge: bool
    from_query: bool
    """Whether the rows come out of a query that the statement has."""
    several: bool
    """Whether it can be more than one row: then a duplicate key is another SQLSTATE."""

    def run(self, work: Work) -> int:
        """Write the rows and return how many were."""
        work.writer.check(self.table.cache)
        rows: list[tuple[tuple[SqlType, ...], Sequence[Any]]] = []
        values = work.bind()
        if self.cells is not None:
            for line in self.cells:
                types = tuple(cell.type for cell in line)
                rows.append((types, [cell.value if cell.slot is None else values[cell.slot] for cell in line]))
        else:
            for sql, types in self.queries:
                found = work.environment.rows(sql, values)
                rows.extend((types, row) if self.from_query else self.as_table(types, row) for row in found)
        changes: list[Change] = []
        shown: list[Mapping[str, Any]] = []
        for types, row in rows:
            fitted = self.fitted(types, row)
            key, value = entry_of(work.types, self.table, fitted)
            changes.append(Change(Action.PUT if self.merge else Action.INSERT, key, value))
            shown.append(fitted)
        if not changes:
            return 0
        done = work.writer.apply(self.table.cache, changes)
        if self.merge:
            return len(changes)
        failed = [
            shown_key(self.table, change.key, row)
            for change, row, applied in zip(changes, shown, done, strict=True)
            if not applied
        ]
        if failed:
            raise SqlFailure(
                "50000" if self.several else "23000",
                f"Failed to INSERT some keys because they are already in cache [keys=[{', '.join(failed)}]]",
            )
        return len(changes)

    def as_table(self, types: Sequence[SqlType], row: Sequence[Any]) -> tuple[tuple[SqlType, ...], list[Any]]:
        """A row of expressions in the types of the columns.

        Ignite has H2 compute such rows as a table with these columns, so that H2's conversions apply: what does not
        fit is rounded or cut.
        """
        kinds: list[SqlType] = []
        values: list[Any] = []
        for name, source, value in zip(self.names, types, row, strict=True):
            column = self.table.by_name.get(name)
            kinds.append(source if column is None else column.type)
            values.append(value if column is None else shrunk(column, source, value))
        return tuple(kinds), values

    def fitted(self, types: Sequence[SqlType], row: Sequence[Any]) -> dict[str, Any]:
        """The values of a row by column, defaults included."""
        table = self.table
        found: dict[str, Any] = {}
        for name, source, value in zip(self.names, types, row, strict=True):
            column = table.by_name.get(name)
            if column is not None:
                found[name] = fit(column, source, value)
            else:
                target = table.key_sql_type if name == KEY else table.value_sql_type
                whole = Column(name, name, target, JAVA[target], "")
                found[name] = fit(whole, source, value)
        if KEY in found and table.key_field is not None:
            found.setdefault(table.key_field, found[KEY])
        if VALUE not in found or table.value_sql_type is SqlType.OBJECT:
            for column in table.columns:
                if column.name not in found and column.default is not None and VALUE not in found:
                    found[column.name] = column.default
        for column in table.columns:
            if column.is_key and KEY in found and table.key_field is None:
                continue
            if VALUE in found and not column.is_key:
                continue
            value = found.get(column.name)
            if column.is_key and column.name == table.key_field and value is None:
                raise SqlFailure("22004", f"Null value is not allowed for column '{column.name}'")
            check(column, value)
        return found


def target_table(compiler: Compiler, target: Target, statement: str) -> Table:
    """The table that a statement writes to."""
    schema = compiler.schema if target.schema is None else target.schema
    found = compiler.catalog.find(schema, target.name)
    if isinstance(found, View):
        if statement == "MERGE":
            raise H2Error(42112, 'Index "PRIMARY_KEY_" not found')
        raise parsing("Failed to determine target table" + (" for UPDATE" if statement == "UPDATE" else ""))
    if found is None:
        if schema not in compiler.catalog.schemas:
            if schema in {"SYS", "INFORMATION_SCHEMA"}:
                raise refused(f"writing to {schema}.{target.name}; it shows what is")
            raise H2Error(90079, f'Schema "{schema}" not found')
        raise H2Error(42102, f'Table "{target.name}" not found')
    return found


def insert_columns(table: Table, names: Sequence[str] | None) -> tuple[str, ...]:
    """The columns of INSERT, checked."""
    if names is None:
        return tuple(column.name for column in table.columns)
    seen: set[str] = set()
    for name in names:
        if name not in table.by_name and name not in {KEY, VALUE}:
            raise H2Error(42122, f'Column "{name}" not found')
        if name in seen:
            raise H2Error(42121, f'Duplicate column name "{name}"')
        seen.add(name)
    return tuple(names)


def check_whole(table: Table, names: Sequence[str]) -> None:
    """Refuse _KEY and _VAL as columns to write where they are objects, unless parts of them stand before."""
    for place, name in enumerate(names):
        if name not in {KEY, VALUE}:
            continue
        is_key = name == KEY
        parts_before = any(table.by_name[each].is_key == is_key for each in names[:place] if each in table.by_name)
        if (table.key_sql_type if is_key else table.value_sql_type) is SqlType.OBJECT and not parts_before:
            raise unsupported(f"Update of composite {'key' if is_key else 'value'} column is not supported")


def check_insert(table: Table, names: Sequence[str], node: Insert) -> None:
    """Ignite's own checks, after H2's."""
    check_whole(table, names)
    whole_value = [name for name in names if name in {VALUE, table.value_field}]
    others = [name for name in names if name in table.by_name and not table.by_name[name].is_key]
    if VALUE in whole_value and [name for name in others if name != table.value_field]:
        raise parsing(
            "Column _VAL refers to entire value cache object. It must not be mixed with other columns that refer to "
            "parts of value."
        )
    keys = [name for name in names if name == KEY or (name in table.by_name and table.by_name[name].is_key)]
    if KEY in keys and table.key_field is None and len(keys) > 1:
        raise parsing(
            "Column _KEY refers to entire key cache object. It must not be mixed with other columns that refer to "
            "parts of key."
        )
    without_key = not keys and (table.key_field is not None or not table.key_columns)
    if without_key or (simple_code(table.value_type) is not None and not whole_value):
        raise SqlFailure("50000", "Failed to prepare update plan.")
    if KEY in keys and len(keys) > 1:
        raise parsing(f"Columns _KEY and {table.key_field} both refer to entire cache key object.")
    if node.rows is not None and any(isinstance(value, Default) for row in node.rows for value in row):
        raise unsupported(f"Explicit DEFAULT values are unsupported for {'MERGE' if node.merge else 'INSERT'}.")


def compile_insert(compiler: Compiler, node: Insert) -> InsertPlan:
    """Compile INSERT or MERGE."""
    table = target_table(compiler, node.table, "MERGE" if node.merge else "INSERT")
    names = insert_columns(table, node.columns)
    if node.keys is not None:
        insert_columns(table, node.keys)
    if node.merge and node.columns is None:  # to H2 all the columns are those of the object tables too: _KEY and _VAL
        raise H2Error(21002, "Column count does not match")
    if node.query is not None:
        compiled = compile_query(compiler, None, node.query, named=True)
        if len(compiled.columns) != len(names):
            raise H2Error(21002, "Column count does not match")
        check_insert(table, names, node)
        types = tuple(column.value_type for column in compiled.columns)
        return InsertPlan(table, names, None, ((compiled.sql, types),), node.merge, from_query=True, several=True)
    assert node.rows is not None
    rows: list[list[Typed]] = []
    for row in node.rows:
        if not row and node.columns is None and not node.merge and len(node.rows) == 1:
            raise SqlFailure("50000", "Failed to prepare update plan.")
        if len(row) != len(names):
            raise H2Error(21002, "Column count does not match")
        rows.append([compile_expression(compiler, Scope(), value) for value in row if not isinstance(value, Default)])
    check_insert(table, names, node)
    several = len(rows) > 1
    if all(is_given(typed) for row in rows for typed in row):
        cells = tuple(
            tuple(
                Cell(typed.value_type, typed.value)
                if typed.constant
                else Cell(typed.value_type, slot=int(typed.sql[1:]) - 1)
                for typed in row
            )
            for row in rows
        )
        return InsertPlan(table, names, cells, (), node.merge, False, several)
    queries = tuple(
        (
            "SELECT " + ", ".join(compiler.checked(typed).sql for typed in row),
            tuple(typed.value_type for typed in row),
        )
        for row in rows
    )
    return InsertPlan(table, names, None, queries, node.merge, False, several)


# --- update -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class UpdatePlan:
    """UPDATE."""

    table: Table
    names: tuple[str, ...]
    types: tuple[SqlType, ...]
    sql: str
    fast: Cell | None = None
    """The key that the statement names while it gives a whole value: Ignite takes both as they are."""

    def run(self, work: Work) -> int:
        """Write the changed rows and return how many they are."""
        work.writer.check(self.table.cache)
        if self.fast is not None:
            self.check_fast(self.fast)
        changes: list[Change] = []
        for key, old, *values in work.environment.rows(self.sql, work.bind()):
            row: dict[str, Any] = {}
            for name, source, value in zip(self.names, self.types, values, strict=True):
                column = self.table.by_name.get(name)
                if column is None:
                    target = self.table.value_sql_type
                    column = Column(name, name, target, JAVA[target], "")
                row[name] = fit(column, source, value)
                check(column, row[name])
            if self.fast is not None and row[self.names[0]] is None:
                changes.append(Change(Action.REMOVE, key))
                continue
            _, value = entry_of(work.types, self.table, row, old=old, key=key)
            changes.append(Change(Action.UPDATE, key, value))
        if not changes:
            return 0
        return sum(map(bool, work.writer.apply(self.table.cache, changes)))

    def check_fast(self, key: Cell) -> None:
        """Refuse a key or a value of another type than the table's.

        Raises:
            SqlFailure: A cluster fails on the key; it would store the value, where SQL does not find it any more.
        """
        wanted = self.table.key_sql_type
        if WIRE[key.type] != WIRE[wanted]:
            raise SqlFailure(
                "50000", f"Failed to execute DML statement: the key is of the type {key.type.name}, not {wanted.name}"
            )
        (source,) = self.types
        target = self.table.value_sql_type
        if source is not SqlType.NULL and WIRE[source] != WIRE[target]:
            raise refused(
                f"UPDATE by key with a value of the type {source.name} in a table of {target.name}, which a cluster "
                "stores as it is; CAST it"
            )


def target_scope(compiler: Compiler, table: Table, target: Target) -> tuple[str, Scope, str]:
    """The table of UPDATE or DELETE in a scope: its SQLite text, the scope, its SQLite alias."""
    alias = compiler.alias()
    sql, in_scope = table_scope(table, alias, target.alias)
    scope = Scope()
    scope.tables.append(ScopeTable(in_scope.alias, in_scope.schema, in_scope.columns))
    return sql, scope, alias


def compile_update(compiler: Compiler, node: Update) -> UpdatePlan:
    """Compile UPDATE."""
    table = target_table(compiler, node.table, "UPDATE")
    source, scope, alias = target_scope(compiler, table, node.table)
    names: list[str] = []
    compiled: list[Typed] = []
    for name, value in node.assignments:
        if name not in table.by_name and name not in {KEY, VALUE}:
            raise H2Error(42122, f'Column "{name}" not found')
        if name in names:
            raise H2Error(42121, f'Duplicate column name "{name}"')
        names.append(name)
        if not isinstance(value, Default):
            compiled.append(compile_expression(compiler, scope, value))
    where = None if node.where is None else compile_condition(compiler, scope, node.where)
    if any(name == KEY or (name in table.by_name and table.by_name[name].is_key) for name in names):
        raise parsing("SQL UPDATE can't modify key or its fields directly")
    check_whole(table, names)
    if VALUE in names and len(names) > 1:
        raise parsing(
            "Column _VAL refers to entire value cache object. It must not be mixed with other columns that refer to "
            "parts of value."
        )
    if any(isinstance(value, Default) for _, value in node.assignments):
        raise unsupported("DEFAULT values are unsupported for UPDATE.")
    parts = [f'{alias}."$k"', f'{alias}."$v"', *(compiler.checked(typed).sql for typed in compiled)]
    sql = f"SELECT {', '.join(parts)} FROM {source}{where_sql(where)}{limit(compiler, node.limit)}"
    types = tuple(typed.value_type for typed in compiled)
    return UpdatePlan(table, tuple(names), types, sql, fast_update(compiler, scope, table, node, names, compiled))


def fast_update(
    compiler: Compiler, scope: Scope, table: Table, node: Update, names: Sequence[str], values: Sequence[Typed]
) -> Cell | None:
    """The key in ``SET value = ? WHERE key = ?``, which may have ``AND value = ?``."""
    if len(names) != 1 or names[0] not in {VALUE, table.value_field} or not is_given(values[0]):
        return None
    conditions = [node.where]
    if isinstance(node.where, Logic) and node.where.operator == "AND":
        conditions = [node.where.left, node.where.right]
    return next(filter(None, (fast_key(compiler, scope, table, each) for each in conditions)), None)


def is_given(typed: Typed) -> bool:
    """Whether a value is a constant or a parameter."""
    return typed.constant or typed.parameter is not None


def where_sql(where: Typed | None) -> str:
    """WHERE, or nothing."""
    return "" if where is None else f" WHERE {where.sql}"


def limit(compiler: Compiler, node: Expression | None) -> str:
    """LIMIT, or nothing."""
    return "" if node is None else f" LIMIT {row_count(compiler, node, -1)}"


# --- delete -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class DeletePlan:
    """DELETE. ``fast`` is the key that the statement names: Ignite removes it as it is, without converting it."""

    table: Table
    sql: str
    fast: Cell | None = None

    def run(self, work: Work) -> int:
        """Remove the rows and return how many they were."""
        work.writer.check(self.table.cache)
        if self.fast is not None:
            return self.remove_key(work, self.fast)
        changes = [Change(Action.REMOVE, key) for (key,) in work.environment.rows(self.sql, work.bind())]
        if not changes:
            return 0
        return sum(map(bool, work.writer.apply(self.table.cache, changes)))

    def remove_key(self, work: Work, cell: Cell) -> int:
        """DELETE ... WHERE key = ?: a key of another type is not found, on a cluster too."""
        value = cell.value if cell.slot is None else work.arguments[cell.slot][1]
        if value is None:
            raise SqlFailure(
                "50000", "class org.apache.ignite.IgniteCheckedException: Ouch! Argument cannot be null: key"
            )
        wanted = self.table.key_sql_type
        if cell.type is not wanted and WIRE[cell.type] != WIRE[wanted]:
            log.warning(
                "DELETE FROM %s by a key of the type %s finds nothing, on a cluster too: the keys are %s",
                self.table.name,
                cell.type.name,
                wanted.name,
            )
        rows = work.environment.rows(self.sql, (marshal(cell.type, value),))
        changes = [Change(Action.REMOVE, key) for (key,) in rows]
        return sum(map(bool, work.writer.apply(self.table.cache, changes))) if changes else 0


def compile_delete(compiler: Compiler, node: Delete) -> DeletePlan:
    """Compile DELETE."""
    table = target_table(compiler, node.table, "DELETE")
    source, scope, alias = target_scope(compiler, table, node.table)
    where = None if node.where is None else compile_condition(compiler, scope, node.where)
    fast = fast_key(compiler, scope, table, node.where)  # whatever LIMIT says
    key = f'{alias}."$k"'
    if fast is not None:
        return DeletePlan(table, f"SELECT {key} FROM {source} WHERE {key} = ?1", fast)
    return DeletePlan(table, f"SELECT {key} FROM {source}{where_sql(where)}{limit(compiler, node.limit)}")


def fast_key(compiler: Compiler, scope: Scope, table: Table, where: Expression | None) -> Cell | None:
    """The key in ``WHERE key = ?`` or ``WHERE key = constant``."""
    if not isinstance(where, Compare) or where.operator != "=":
        return None
    name, value = where.left, where.right
    if not isinstance(name, Name):
        name, value = value, name
    if not isinstance(name, Name) or not is_fixed(value):
        return None
    if name.column not in {KEY, table.key_field} or table.key_sql_type is SqlType.OBJECT:
        return None
    scope.find(name)
    if isinstance(value, Parameter):
        if value.index >= len(compiler.parameters):
            return None
        return Cell(compiler.parameters[value.index], slot=value.index)
    typed = compile_expression(compiler, Scope(), value)
    if not typed.constant or typed is NULL:
        return None
    # A constant was converted to the type of the column where that is the higher one.
    sql_type, stored = typed.value_type, typed.value
    if sql_type < table.key_sql_type:
        sql_type, stored = table.key_sql_type, convert(sql_type, table.key_sql_type, stored)
    return Cell(sql_type, stored)
