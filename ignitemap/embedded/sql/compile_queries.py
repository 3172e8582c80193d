"""Compiles queries: sources and joins, grouping, ordering, set operations; and the expressions that hold queries."""

from collections.abc import Sequence
from typing import Any, Final

import attrs

from ignitemap.embedded.sql.aggregates import (
    AverageOfDecimals,
    AverageOfDoubles,
    Concat,
    Single,
    SumOfDecimals,
    SumOfDoubles,
)
from ignitemap.embedded.sql.catalog import Table, View, cache_table
from ignitemap.embedded.sql.compile_expressions import (
    COMPILERS,
    compile_condition,
    compile_expression,
)
from ignitemap.embedded.sql.compiler import Compiler
from ignitemap.embedded.sql.cursor import Cursor
from ignitemap.embedded.sql.errors import H2Error, refused, unsupported
from ignitemap.embedded.sql.lexer import tokenize
from ignitemap.embedded.sql.parser import read_expression, read_query
from ignitemap.embedded.sql.scope import Scope, ScopeColumn, ScopeTable, find_common
from ignitemap.embedded.sql.seam import SqlFailure
from ignitemap.embedded.sql.syntax import (
    Aggregate,
    Derived,
    Exists,
    Expression,
    InQuery,
    Item,
    Join,
    Literal,
    Name,
    OrderItem,
    Parameter,
    Query,
    Scalar,
    Select,
    SetOperation,
    Source,
    SystemRange,
    TableFunction,
    TableName,
    Values,
    Wildcard,
    With,
)
from ignitemap.embedded.sql.system_columns import REFUSED_VIEWS
from ignitemap.embedded.sql.system_views import system_view
from ignitemap.embedded.sql.tree import (
    aggregates_in,
    has_aggregate,
    holds_query,
    parts_of,
    with_names,
)
from ignitemap.embedded.sql.two_steps import (
    average_in_two_steps,
    check_gathered,
    check_two_steps,
    conjuncts,
    finds_one_partition,
    reduced,
)
from ignitemap.embedded.sql.typed import NULL, Typed, quote_name, size_of, unenclosed
from ignitemap.embedded.sql.types import ADD_PROOF, SqlType, higher

__all__ = ["Compiled", "OutputColumn", "compile_query", "table_scope"]

SUPPORTED: Final = frozenset(("COUNT", "SUM", "MIN", "MAX", "AVG", "GROUP_CONCAT"))
"""The aggregates that Ignite distributes; it refuses the others of H2."""


@attrs.frozen
class OutputColumn:
    """A column of a query's result."""

    name: str
    type: SqlType
    value_type: SqlType
    table: str | None = None
    schema: str | None = None
    precision: int = -1
    scale: int = -1
    nullable: bool = True
    affine: bool = False


@attrs.frozen
class Compiled:
    """A compiled query. Its SQLite columns are named c1, c2, ... if it was compiled with ``named``."""

    sql: str
    columns: tuple[OutputColumn, ...]
    single: bool = False
    """Whether it certainly gives one row: an aggregate without GROUP BY."""
    compound: bool = False
    """Whether it can't be an operand of a set operation as it is."""
    text: str = ""
    gathered: bool = False
    """Whether a cluster has all its rows on one node before anything is done with them: what is around it runs there."""


def compile_query(compiler: Compiler, parent: Scope | None, query: Query, *, named: bool = False) -> Compiled:
    """Compile a query.

    Raises:
        H2Error: H2 would refuse it.
        SqlFailure: Ignite, or the embedded node, would.
    """
    if isinstance(query, With):
        return compile_with(compiler, parent, query, named=named)
    if query.for_update:
        raise unsupported("SELECT FOR UPDATE is not supported.")
    if isinstance(query, Select):
        return compile_select(compiler, parent, query, named=named)
    if isinstance(query, SetOperation):
        return compile_set_operation(compiler, parent, query)
    if named and not query.order and query.limit is None and query.offset is None:
        return compile_values(compiler, parent, query)
    source = Derived(attrs.evolve(query, order=(), limit=None, offset=None), None)
    items = (Item(Wildcard()),)
    select = Select(items, False, (source,), None, None, None, query.order, query.limit, query.offset)
    return compile_select(compiler, parent, select, named=named)


def compile_with(compiler: Compiler, parent: Scope | None, query: With, *, named: bool) -> Compiled:
    depth = len(compiler.common)
    try:
        compiler.common.extend(query.tables)
        return compile_query(compiler, parent, query.query, named=named)
    finally:
        del compiler.common[depth:]


# --- select -----------------------------------------------------------------------------------------------------------


def compile_select(compiler: Compiler, parent: Scope | None, query: Select, *, named: bool) -> Compiled:
    scope = Scope(parent)
    if query.having is not None and not query.group:
        return having_without_group(compiler, parent, query)
    source_text = compile_sources(compiler, scope, query.sources)
    outermost = compiler.split and parent is None
    gathers = outermost and any(column.gathered for table in scope.tables for column in table.columns.values())
    splits = outermost and not gathers
    items = expanded(scope, query.items)
    order = [resolved_order(item, items, scope) for item in query.order]
    where = None
    if query.where is not None:
        if has_aggregate(query.where):
            text = aggregate_text(compiler, scope, query.where)
            raise H2Error(90054, f"Invalid use of aggregate function {text}", late=True)
        where = compile_condition(compiler, scope, query.where)
    whole = [item.expression for item in items] + ([] if query.having is None else [query.having])
    if splits:
        found_in_one = finds_one_partition(scope, query.where)
        scope.two_steps = not found_in_one
        scope.one_partition = found_in_one and not compiler.derived
        scope.distinct = any(each.distinct for part in whole for each in aggregates_in(part))
    grouping = (
        query.group is not None
        or query.having is not None
        or any(has_aggregate(item.expression) for item in items)
        or any(has_aggregate(item.expression) for item, _ in order)
    )
    group_sql = ""
    if grouping:
        group_sql = compile_group(compiler, scope, query.group or (), items)
    having = None
    if query.having is not None:
        scope.aliases = {item.alias: item.expression for item in items if item.alias is not None}
        having = compile_condition(compiler, scope, query.having)
        scope.aliases = {}
    compiled = [compile_item(compiler, scope, item.expression) for item in items]
    columns = tuple(output_column(item, typed) for item, typed in zip(items, compiled, strict=True))
    if splits:
        check_two_steps(compiler.common, whole)
    if gathers:
        check_gathered(compiler, scope, whole, list(conjuncts(query.where)))
    parts: list[str] = []
    for number, typed in enumerate(compiled):
        if typed.items is not None:
            raise refused("rows as columns of a result; select their parts")
        sql = compiler.checked(typed).sql
        if query.distinct and "COLLATE" in sql:
            sql += " COLLATE BINARY"
        parts.append(f"{sql} AS c{number + 1}" if named else sql)
    sql = f"SELECT {'DISTINCT ' if query.distinct else ''}{', '.join(parts)}"
    sql += f" FROM {source_text}"
    if where is not None:
        sql += f" WHERE {where.sql}"
    sql += group_sql
    if having is not None:
        # SQLite 3.24 wants GROUP BY before HAVING. Without it there is one group, even of no rows.
        sql += f" HAVING {having.sql}" if query.group else ""
    terms = [order_term(compiler, scope, item, place, compiled, query) for item, place in order]
    if terms:
        sql += f" ORDER BY {', '.join(terms)}"
    sql += limit_sql(compiler, query.limit, query.offset)
    text = "SELECT\n    " + ",\n    ".join(unenclosed(typed.text) for typed in compiled)
    return Compiled(
        sql,
        columns,
        single=grouping and not query.group,
        compound=bool(terms) or query.limit is not None or query.offset is not None,
        text=text,
        gathered=not splits or grouping or query.distinct or query.limit is not None or query.offset is not None,
    )


def compile_item(compiler: Compiler, scope: Scope, expression: Expression) -> Typed:
    """An expression of the select list or of ORDER BY: it may be, as a whole, one that is grouped by."""
    if not scope.grouped or expression not in scope.grouped or isinstance(expression, Name):
        return printed_again(compiler, scope, expression)
    scope.aggregating = True
    try:
        return printed_again(compiler, scope, expression)
    finally:
        scope.aggregating = False


def printed_again(compiler: Compiler, scope: Scope, expression: Expression) -> Typed:
    """An expression of a query in FROM: H2 prints such a query, with its constants computed, and reads it again.

    That changes the types of constants: a DOUBLE is printed as a number that reads as a DECIMAL, a BIGINT as an INT.
    """
    typed = compile_expression(compiler, scope, expression)
    if not compiler.derived and not scope.two_steps:
        return typed
    if isinstance(expression, (Name, Parameter)) or holds_query(expression):
        return typed
    cursor = Cursor(tokenize(typed.text))
    cursor.selects = 1
    cursor.indexed = True
    again = read_expression(cursor)
    return typed if again == expression else compile_expression(compiler, scope, again)


def having_without_group(compiler: Compiler, parent: Scope | None, query: Select) -> Compiled:
    """HAVING over the one group of a query without GROUP BY, which SQLite does not take: WHERE around that query."""
    assert query.having is not None
    aliases = {item.alias: item.expression for item in query.items if item.alias is not None}
    condition = with_names(query.having, lambda name: aliases.get(name.column, name) if name.table is None else name)
    hidden = Item(condition, "HAVING")
    # An aggregate makes it a group query even where the items have none.
    items = (*query.items, hidden, Item(Aggregate("COUNT", None), "COUNT"))
    inner = compile_select(
        compiler, parent, attrs.evolve(query, items=items, having=None, order=(), limit=None, offset=None), named=True
    )
    columns = inner.columns[:-2]
    test = compiler.condition(
        Typed(f"c{len(columns) + 1}", inner.columns[-2].value_type, inner.columns[-2].value_type, "")
    )
    listed = ", ".join(f"c{number + 1}" for number in range(len(columns)))
    sql = f"SELECT {listed} FROM ({inner.sql}) WHERE {test.sql}{limit_sql(compiler, query.limit, query.offset)}"
    return Compiled(sql, columns, compound=True, gathered=True)


def output_column(item: Item, typed: Typed) -> OutputColumn:
    """What a select item is in the result."""
    if item.alias is not None:
        name = item.alias
    elif typed.column is not None:
        name = typed.column
    else:
        name = unenclosed(typed.text)
    return OutputColumn(
        name,
        typed.type,
        typed.value_type,
        typed.table,
        typed.schema,
        typed.precision,
        typed.scale,
        typed.nullable,
        typed.affine and typed.column is not None,
    )


def expanded(scope: Scope, items: Sequence[Item]) -> list[Item]:
    """The items with ``*`` and ``t.*`` replaced by columns."""
    out: list[Item] = []
    for item in items:
        wildcard = item.expression
        if not isinstance(wildcard, Wildcard):
            out.append(item)
            continue
        tables = scope.tables
        if wildcard.table is not None:
            tables = [
                table for table in tables if table.alias == wildcard.table and wildcard.schema in {None, table.schema}
            ][:1]
            if not tables:
                raise H2Error(42102, f'Table "{wildcard.table}" not found')
        for table in tables:
            out.extend(
                Item(Name(name, table.alias))
                for name, column in table.columns.items()
                if not column.hidden and name not in table.tie
            )
    return out


def resolved_order(item: OrderItem, items: Sequence[Item], scope: Scope) -> tuple[OrderItem, int | None]:
    """An item of ORDER BY with the place in the select list that it means; None for an expression of its own."""
    expression = item.expression
    if item.ordinal and isinstance(expression, Literal) and expression.type is SqlType.INT:
        place = abs(expression.value)
        if not 1 <= place <= len(items):
            raise H2Error(90068, f'Order by expression "{place}" must be in the result list in this case')
        reverse = attrs.evolve(item, descending=not item.descending) if expression.value < 0 else item
        return reverse, place - 1
    if isinstance(expression, Parameter):
        raise refused("a parameter in ORDER BY; write the column's name")
    for place, each in enumerate(items):
        target = each.expression
        if isinstance(expression, Name):
            if each.alias is None:
                if not isinstance(target, Name) or target.column != expression.column:
                    continue
                if expression.table is None or expression.table == target.table:
                    return item, place
                if target.table is None and any(table.alias == expression.table for table in scope.tables):
                    return item, place
            elif (expression.table is None and each.alias == expression.column) or target == expression:
                return item, place
        elif target == expression:
            return item, place
    return item, None


def order_term(
    compiler: Compiler,
    scope: Scope,
    item: OrderItem,
    place: int | None,
    compiled: Sequence[Typed],
    query: Select,
) -> str:
    """One term of SQLite's ORDER BY."""
    if place is not None:
        typed = compiled[place]
        sql = str(place + 1)
        if typed.constant or (typed.parameter is not None):
            sql = "NULL"
    else:
        typed = compile_item(compiler, scope, item.expression)
        if query.distinct:
            raise H2Error(90068, f'Order by expression "{typed.text}" must be in the result list in this case')
        sql = "NULL" if typed.constant else compiler.checked(typed).sql
    return sql + order_suffix(typed.value_type, sql, item)


def order_suffix(sql_type: SqlType, sql: str, item: OrderItem) -> str:
    """Collation, direction and place of NULLs."""
    suffix = " COLLATE DEC" if sql_type is SqlType.DECIMAL else " COLLATE BINARY" if "COLLATE" in sql else ""
    if item.descending:
        suffix += " DESC"
    if item.nulls is not None:
        suffix += f" NULLS {item.nulls}"
    return suffix


def limit_sql(compiler: Compiler, limit: Expression | None, offset: Expression | None) -> str:
    """LIMIT and OFFSET."""
    if limit is None and offset is None:
        return ""
    sql = " LIMIT " + ("-1" if limit is None else row_count(compiler, limit, -1))
    return sql if offset is None else f"{sql} OFFSET {row_count(compiler, offset, 0)}"


def row_count(compiler: Compiler, node: Expression, otherwise: int) -> str:
    """A number of rows; NULL and what is negative is ``otherwise``."""
    given = compile_expression(compiler, Scope(), node)
    try:
        typed = compiler.cast(given, SqlType.INT)
    except H2Error as error:
        raise H2Error(error.code, error.message, late=True) from None
    if typed.constant:
        return str(otherwise if typed.value is None or typed.value < 0 else typed.value)

    def known(value: int | None) -> int:
        return otherwise if value is None or value < 0 else value

    return compiler.call(f"row_count_{'limit' if otherwise else 'offset'}", known, typed.sql)


# --- grouping ---------------------------------------------------------------------------------------------------------


def compile_group(compiler: Compiler, scope: Scope, group: Sequence[Expression], items: Sequence[Item]) -> str:
    """GROUP BY; the scope is told what the query is grouped by."""
    aliases = {item.alias: item.expression for item in items if item.alias is not None}
    expressions: list[Expression] = []
    for expression in group:
        chosen = expression
        if isinstance(expression, Name) and expression.table is None and expression.column in aliases:
            chosen = aliases[expression.column]
        expressions.append(chosen)
    terms: list[str] = []
    for expression in expressions:
        if has_aggregate(expression):
            raise H2Error(90054, f"Invalid use of aggregate function {aggregate_text(compiler, scope, expression)}")
        typed = compile_expression(compiler, scope, expression)
        if typed.column is not None:
            scope.group_columns.add(typed.sql)
        sql = compiler.checked(typed).sql
        if typed.constant or typed.parameter is not None:
            sql = "NULL"
        terms.append(f"{sql} COLLATE BINARY" if "COLLATE" in sql else sql)
    scope.grouped = tuple(expressions)
    return f" GROUP BY {', '.join(terms)}" if terms else ""


def aggregate_text(compiler: Compiler, scope: Scope, node: Any) -> str:
    """The aggregate in an expression as H2 prints it, for messages."""
    if isinstance(node, Aggregate):
        return f'"{aggregate_name(compiler, scope, node)}"'
    return next((aggregate_text(compiler, scope, part) for part in parts_of(node) if has_aggregate(part)), '""')


def aggregate_name(compiler: Compiler, scope: Scope, node: Aggregate) -> str:
    grouped, scope.grouped = scope.grouped, None
    try:
        operand = None if node.operand is None else compile_expression(compiler, scope, node.operand)
    finally:
        scope.grouped = grouped
    if operand is None:
        return "COUNT(*)"
    return f"{node.name}({'DISTINCT ' if node.distinct else ''}{unenclosed(operand.text)})"


def compile_aggregate(compiler: Compiler, scope: Scope, node: Aggregate) -> Typed:
    if scope.aggregating:
        raise refused("aggregates of aggregates; aggregate a query in FROM")
    if scope.grouped is None:
        raise H2Error(90054, f"Invalid use of aggregate function {aggregate_text(compiler, scope, node)}")
    scope.aggregating = True
    try:
        found = aggregate(compiler, scope, node)
    finally:
        scope.aggregating = False
    return reduced(compiler, found) if scope.two_steps and node.name in {"SUM", "MIN", "MAX"} else found


def aggregate(compiler: Compiler, scope: Scope, node: Aggregate) -> Typed:
    condition = None if node.condition is None else compile_condition(compiler, scope, node.condition)
    if condition is not None and compiler.split and not scope.in_one_partition:
        raise refused("FILTER over a partitioned table, which a cluster forgets; use CASE WHEN ... THEN ... END")
    filtered = "" if condition is None else f" FILTER (WHERE {condition.sql})"
    filter_text = "" if condition is None else f" FILTER (WHERE {condition.text})"
    if node.operand is None:
        return Typed(f"COUNT(*){filtered}", SqlType.LONG, SqlType.LONG, "COUNT(*)", cost=1)
    operand = compiler.checked(compile_expression(compiler, scope, node.operand))
    distinct = "DISTINCT " if node.distinct else ""
    inner = f"DISTINCT {operand.text}" if node.distinct else unenclosed(operand.text)
    if node.name == "GROUP_CONCAT":
        return group_concat(compiler, scope, node, operand, filtered, filter_text)
    text = f"{node.name}({inner}){filter_text}"
    if node.name not in SUPPORTED:
        raise SqlFailure("50000", f"Unsupported expression: {text} [type=Aggregate]")
    if operand.items is not None:
        raise refused("aggregates of rows; aggregate their parts")
    if node.name in {"MIN", "MAX"}:
        return extreme(compiler, node, operand, filtered, text)
    if node.name == "COUNT":
        sql = f"COUNT({distinct}{by_bytes(node, operand.sql)}){filtered}"
        return Typed(sql, SqlType.LONG, SqlType.LONG, text, cost=1 + operand.cost)
    return total(compiler, scope, node, operand, filtered, text)


def by_bytes(node: Aggregate, sql: str) -> str:
    """The operand of an aggregate: DISTINCT compares what is stored."""
    return f"{sql} COLLATE BINARY" if node.distinct and "COLLATE" in sql else sql


def extreme(compiler: Compiler, node: Aggregate, operand: Typed, filtered: str, text: str) -> Typed:
    """MIN and MAX."""
    collation = " COLLATE DEC" if operand.value_type is SqlType.DECIMAL else ""
    found = f"{node.name}({operand.sql}{collation}){filtered}"
    # H2 gives the result the type that it expects of the operand.
    result = operand.value_type if operand.type is SqlType.UNKNOWN else operand.type
    if result is SqlType.NULL:
        found = "NULL"
    elif result is not operand.value_type:
        found = compiler.cast_sql(found, operand.value_type, result)
    return Typed(
        found,
        result,
        result,
        text,
        cost=1 + operand.cost,
        table=operand.table,
        schema=operand.schema,
        precision=operand.precision,
        scale=operand.scale,
    )


def total(compiler: Compiler, scope: Scope, node: Aggregate, operand: Typed, filtered: str, text: str) -> Typed:
    """SUM and AVG, of a type that is proof against overflow: BIGINT, DECIMAL or DOUBLE."""
    cost = 1 + operand.cost
    distinct = "DISTINCT " if node.distinct else ""
    source = operand.type
    if source is SqlType.BOOLEAN and node.name == "SUM":
        sql = f"SUM({distinct}{by_bytes(node, operand.sql)}){filtered}"
        return Typed(sql, SqlType.LONG, SqlType.LONG, text, cost=cost)
    if source not in ADD_PROOF:
        raise H2Error(90015, f'SUM or AVG on wrong data type for "{text}"')
    proof = ADD_PROOF[source]
    precision, scale = size_of(operand) if proof is SqlType.DECIMAL else (-1, -1)
    argument = f"({distinct}{by_bytes(node, compiler.cast(operand, proof).sql)})"
    environment = compiler.environment
    if node.name == "SUM":
        if proof is SqlType.LONG:
            name = "SUM"
        elif proof is SqlType.DECIMAL:
            name = environment.aggregate("sum_decimal", 1, SumOfDecimals)
        else:
            name = environment.aggregate("sum_double", 1, SumOfDoubles)
        return Typed(f"{name}{argument}{filtered}", proof, proof, text, cost=cost, precision=precision, scale=scale)
    if scope.two_steps and not scope.distinct:
        whole = Typed("", source, source, text, cost=cost, precision=precision, scale=scale)
        return average_in_two_steps(compiler, whole, operand, filtered)
    if proof is SqlType.LONG:
        return Typed(f"(SUM{argument}{filtered} / COUNT{argument}{filtered})", source, source, text, cost=cost)
    if proof is SqlType.DECIMAL:
        average = environment.aggregate("avg_decimal", 1, AverageOfDecimals) + argument + filtered
    else:
        average = environment.aggregate("avg_double", 1, AverageOfDoubles) + argument + filtered
    if source is SqlType.LONG or source is SqlType.FLOAT:
        average = compiler.cast_sql(average, proof, source)
    return Typed(average, source, source, text, cost=cost, precision=precision, scale=scale)


def group_concat(
    compiler: Compiler, scope: Scope, node: Aggregate, operand: Typed, filtered: str, filter_text: str
) -> Typed:
    """GROUP_CONCAT: DISTINCT, ORDER BY and SEPARATOR are done in Python."""
    keys = [compiler.checked(compile_expression(compiler, scope, item.expression)) for item in node.order]
    separator = None if node.separator is None else compile_expression(compiler, scope, node.separator)
    types = tuple(key.value_type for key in keys)
    descending = tuple(item.descending for item in node.order)
    distinct = node.distinct

    def make() -> Concat:
        return Concat(distinct, types, descending)

    form = "_".join(f"{sql_type.name}{'d' if down else 'a'}" for sql_type, down in zip(types, descending, strict=True))
    name = compiler.environment.aggregate(f"concat_{'distinct_' if distinct else ''}{form}", 2 + len(keys), make)
    glue = "','" if separator is None else compiler.cast(separator, SqlType.STRING).sql
    arguments = [compiler.cast(operand, SqlType.STRING).sql, glue, *(key.sql for key in keys)]
    text = f"GROUP_CONCAT({'DISTINCT ' if distinct else ''}{operand.text}"
    if keys:
        text += " ORDER BY " + ", ".join(
            key.text + (" DESC" if down else "") for key, down in zip(keys, descending, strict=True)
        )
    if separator is not None:
        text += f" SEPARATOR {separator.text}"
    return Typed(
        f"{name}({', '.join(arguments)}){filtered}",
        SqlType.STRING,
        SqlType.STRING,
        f"{text}){filter_text}",
        cost=1 + operand.cost,
    )


# --- sources ----------------------------------------------------------------------------------------------------------


Placed = dict[int, tuple[str, int]]
"""The SQLite text of each source that is no join, and its place among the tables of the scope, by the source's id()."""


def compile_sources(compiler: Compiler, scope: Scope, sources: Sequence[Source]) -> str:
    """FROM. All tables are put into the scope before the first condition is compiled."""
    if not sources:
        alias = compiler.alias()
        column = ScopeColumn("X", f"{alias}.x", SqlType.LONG, SqlType.LONG)
        scope.tables.append(ScopeTable("SYSTEM_RANGE", None, {"X": column}))
        return f"(SELECT 1 AS x) AS {alias}"
    placed: Placed = {}
    for source in sources:
        add_tables(compiler, scope, source, placed)
    return ", ".join(source_sql(compiler, scope, source, placed) for source in sources)


def add_tables(compiler: Compiler, scope: Scope, source: Source, placed: Placed) -> None:
    """Put the tables of a source into the scope."""
    if not isinstance(source, Join):
        sql, table = compile_source(compiler, scope, source)
        placed[id(source)] = sql, len(scope.tables)
        scope.tables.append(table)
        return
    add_tables(compiler, scope, source.left, placed)
    if isinstance(source.right, Join):
        raise SqlFailure("50000", "Unsupported query: a join in parentheses on the right of a join")
    add_tables(compiler, scope, source.right, placed)
    if source.natural:
        left, right = scope.tables[-2:]
        shared = tuple(name for name, column in right.columns.items() if name in left.columns and not column.hidden)
        scope.tables[-1] = attrs.evolve(right, tie=shared)


def source_sql(compiler: Compiler, scope: Scope, source: Source, placed: Placed) -> str:
    """A source as SQLite takes it, with the conditions of its joins."""
    if not isinstance(source, Join):
        return placed[id(source)][0]
    left = source_sql(compiler, scope, source.left, placed)
    right = source_sql(compiler, scope, source.right, placed)
    condition = ""
    if source.natural:
        place = placed[id(source.right)][1]
        other, table = scope.tables[place - 1], scope.tables[place]
        pairs = [compile_pair(compiler, other.columns[name], table.columns[name]) for name in table.tie]
        condition = " AND ".join(pairs)
    elif source.on is not None:
        condition = compile_condition(compiler, scope, source.on).sql
    if source.kind == "LEFT":
        return f"{left} LEFT JOIN {right} ON {condition or '1'}"
    return f"{left} JOIN {right} ON {condition}" if condition else f"{left} CROSS JOIN {right}"


def compile_pair(compiler: Compiler, left: ScopeColumn, right: ScopeColumn) -> str:
    """The equality of two columns in a natural join."""
    sql_type = higher(left.value_type, right.value_type)
    one = compiler.cast(Typed(left.sql, left.type, left.value_type, left.name, column=left.name), sql_type)
    two = compiler.cast(Typed(right.sql, right.type, right.value_type, right.name, column=right.name), sql_type)
    collation = " COLLATE DEC" if sql_type is SqlType.DECIMAL else ""
    return f"{one.sql}{collation} = {two.sql}"


def compile_source(compiler: Compiler, scope: Scope, source: Source) -> tuple[str, ScopeTable]:
    """One table of FROM: its SQLite text, and its columns."""
    if isinstance(source, TableName):
        return compile_table_name(compiler, scope, source)
    if isinstance(source, Derived):
        return derived_table(compiler, scope, source.query, source.alias, source.columns)
    if isinstance(source, SystemRange):
        return compile_range(compiler, source)
    if isinstance(source, TableFunction):
        raise refused("table functions; use IN (...) or a VALUES list")
    raise AssertionError(f"no compiler for {type(source).__name__}")


def compile_range(compiler: Compiler, source: SystemRange) -> tuple[str, ScopeTable]:
    """SYSTEM_RANGE: a recursive query of SQLite's."""
    bounds = [source.first, source.last] if source.step is None else [source.first, source.last, source.step]
    first, last, *rest = (
        compiler.cast(compile_expression(compiler, Scope(), bound), SqlType.LONG).sql for bound in bounds
    )
    alias = compiler.alias()
    if rest:
        (step,) = rest
        if step == "0":
            raise H2Error(90142, "Step size must not be zero")
        inside = (
            f"(CASE WHEN {step} > 0 THEN n + {step} <= {last} WHEN {step} < 0 THEN n + {step} >= {last} ELSE 0 END)"
        )
        start = f"(CASE WHEN {step} >= 0 THEN {first} <= {last} ELSE {first} >= {last} END)"
    else:
        step, inside, start = "1", f"n < {last}", f"{first} <= {last}"
    sql = (
        f"(WITH RECURSIVE r(n) AS (SELECT {first} WHERE {start} UNION ALL SELECT n + {step} FROM r WHERE {inside})"
        f" SELECT n AS x FROM r) AS {alias}"
    )
    name = "X" if source.columns is None else source.columns[0]
    column = ScopeColumn(name, f"{alias}.x", SqlType.LONG, SqlType.LONG, nullable=False)
    return sql, ScopeTable(source.alias or "SYSTEM_RANGE", None, {name: column})


def derived_table(
    compiler: Compiler,
    scope: Scope,
    query: Query,
    name: str | None,
    names: Sequence[str] | None,
    schema: str | None = None,
) -> tuple[str, ScopeTable]:
    """A query in FROM."""
    compiler.derived += 1
    compiled = compile_query(compiler, scope.parent, query, named=True)
    compiler.derived -= 1
    alias = compiler.alias()
    if names is not None:
        if len(names) != len(compiled.columns):
            raise H2Error(21002, "Column count does not match")
        check_names(compiler, name, [column.name for column in compiled.columns], names)
    columns: dict[str, ScopeColumn] = {}
    for number, column in enumerate(compiled.columns):
        own = column.name if names is None else names[number]
        if own in columns:
            raise H2Error(42121, f'Duplicate column name "{own}"')
        sql_type = column.value_type if column.type is SqlType.UNKNOWN else column.type
        columns[own] = ScopeColumn(
            own,
            f"{alias}.c{number + 1}",
            sql_type,
            column.value_type,
            column.table,
            column.schema,
            column.precision,
            column.scale,
            column.nullable,
            affine=column.affine,
            gathered=compiled.gathered,
        )
    return f"({compiled.sql}) AS {alias}", ScopeTable(name or f"_{alias}", schema, columns)


def compile_table_name(compiler: Compiler, scope: Scope, source: TableName) -> tuple[str, ScopeTable]:
    place = find_common(compiler.common, source)
    if place is not None:
        return common_table(compiler, scope, source, place)
    schema = compiler.schema if source.schema is None else source.schema
    view = system_view(schema, source.name)
    if view is not None:
        alias = compiler.alias()
        compiler.system_views[view.store] = view
        columns = {
            name: ScopeColumn(name, f"{alias}.{quote_name(name)}", sql_type, sql_type, source.name, schema)
            for name, sql_type in view.columns
        }
        table = ScopeTable(source.alias or source.name, schema, columns)
        return f"temp.{quote_name(view.store)} AS {alias}", renamed(compiler, table, source.columns)
    found = find_table(compiler, schema, source)
    if isinstance(found, View):
        return view_table(compiler, source, found)
    for index in source.indexes:
        known = {each.name for each in found.indexes} | {"_key_PK", "_key_PK_proxy", "_key_PK_hash", "__SCAN_"}
        if index not in known:
            raise H2Error(42112, f'Index "{index}" not found')
    alias = compiler.alias()
    sql, table_in_scope = table_scope(found, alias, source.alias, partitioned=compiler.catalog.partitioned(found.cache))
    return sql, renamed(compiler, table_in_scope, source.columns)


def view_table(compiler: Compiler, source: TableName, view: View) -> tuple[str, ScopeTable]:
    """A view: its query is read again, outside of the WITHs around this place."""
    if view in compiler.views:
        shown = f"{view.schema}.{view.name}"
        raise H2Error(90109, f'View "{shown}" is invalid: "it reads itself"')
    outer, compiler.common = compiler.common, []
    compiler.views.append(view)
    try:
        query = read_query(Cursor(tokenize(view.text)))
        return derived_table(compiler, Scope(), query, source.alias or view.name, source.columns, view.schema)
    finally:
        compiler.views.pop()
        compiler.common = outer


def find_table(compiler: Compiler, schema: str, source: TableName) -> Table | View:
    """The table or view of the catalog that a name in FROM means.

    Raises:
        H2Error: There is none.
        SqlFailure: It is one of H2's own views.
    """
    found = compiler.catalog.find(schema, source.name)
    if found is None:
        if (
            schema not in compiler.catalog.schemas
            and source.schema is not None
            and schema not in {"SYS", "INFORMATION_SCHEMA"}
        ):
            raise H2Error(90079, f'Schema "{schema}" not found')
        if schema == "INFORMATION_SCHEMA" and source.name == "VIEWS":  # H2 takes Ignite's views for its own
            raise H2Error(50000, 'General error: "java.lang.ClassCastException"', late=True)
        if schema == "INFORMATION_SCHEMA" and source.name in REFUSED_VIEWS:
            raise refused(f"the view INFORMATION_SCHEMA.{source.name}; use those of SYS")
        raise H2Error(42102, f'Table "{source.name}" not found')
    return found


def check_names(compiler: Compiler, table: str | None, own: Sequence[str], names: Sequence[str]) -> None:
    """Refuse other names for columns where a cluster splits the statement: it prints the table without them."""
    changed = next((name for name, former in zip(names, own, strict=True) if name != former), None)
    if compiler.split and changed is not None:
        raise H2Error(
            42122,
            f'Column "{table}.{changed}" not found. A cluster does not know the names of columns behind an alias or in '
            "WITH t (...) where it reads partitioned tables; name them in the query, SELECT ... AS ...",
        )


def renamed(compiler: Compiler, table: ScopeTable, names: Sequence[str] | None) -> ScopeTable:
    """The table with its columns under other names."""
    if names is None:
        return table
    if len(names) != len(table.columns):  # with _KEY and _VAL, which come first
        raise H2Error(21002, "Column count does not match")
    ordered = sorted(table.columns.values(), key=lambda column: not column.hidden)
    check_names(compiler, table.alias, [column.name for column in ordered], names)
    columns = {name: attrs.evolve(column, name=name) for name, column in zip(names, ordered, strict=True)}
    return attrs.evolve(table, columns=columns)


def common_table(compiler: Compiler, scope: Scope, source: TableName, place: int) -> tuple[str, ScopeTable]:
    """A named query of WITH, compiled where it is used; it sees those before it."""
    outer = compiler.common
    table = outer[place]
    compiler.common = outer[:place]
    try:
        return derived_table(
            compiler, Scope(), table.query, source.alias or source.name, source.columns or table.columns, None
        )
    finally:
        compiler.common = outer


def table_scope(
    table: Table, alias: str, name: str | None = None, *, partitioned: bool = False
) -> tuple[str, ScopeTable]:
    """A table of the catalog under a SQLite alias: its text, and its columns with _KEY and _VAL."""
    affine = {"_KEY"}
    if table.affinity is not None:
        affine.add(table.affinity)
    elif len(table.key_columns) == 1:
        affine.add(table.key_columns[0].name)
    columns = {
        column.name: ScopeColumn(
            column.name,
            f"{alias}.{column.store}",
            column.type,
            column.type,
            table.name,
            table.schema,
            column.precision,
            column.scale,
            not column.not_null,
            affine=partitioned and column.name in affine,
        )
        for column in table.columns
    }
    key_store, value_store = whole_stores(table)
    for hidden, store, sql_type in (
        ("_KEY", key_store, table.key_sql_type),
        ("_VAL", value_store, table.value_sql_type),
    ):
        columns.setdefault(
            hidden,
            ScopeColumn(
                hidden,
                f"{alias}.{store}",
                sql_type,
                sql_type,
                table.name,
                table.schema,
                hidden=True,
                affine=partitioned and hidden == "_KEY",
            ),
        )
    source = cache_table(table.cache)
    if table.several:
        source = f"(SELECT * FROM {source} WHERE t = {table.ordinal})"
    return f"{source} AS {alias}", ScopeTable(name or table.name, table.schema, columns)


def whole_stores(table: Table) -> tuple[str, str]:
    """The SQLite columns of _KEY and _VAL."""
    key = table.key_store
    if key is None:
        own = None if table.key_field is None else table.by_name.get(table.key_field)
        key = '"$k"' if own is None else own.store
    value = table.value_store
    if value is None:
        own = None if table.value_field is None else table.by_name.get(table.value_field)
        value = '"$v"' if own is None else own.store
    return key, value


def compile_values(compiler: Compiler, parent: Scope | None, query: Values) -> Compiled:
    """VALUES as a table: the highest type of each column."""
    scope = Scope(parent)
    rows = [[compile_expression(compiler, scope, value) for value in row] for row in query.rows]
    types: list[SqlType] = []
    for column in zip(*rows, strict=True):
        known = [each.value_type for each in column if each.value_type not in {SqlType.NULL, SqlType.UNKNOWN}]
        types.append(max(known) if known else SqlType.STRING)
    lines = [
        ", ".join(compiler.cast(value, sql_type).sql for value, sql_type in zip(row, types, strict=True))
        for row in rows
    ]
    names = ", ".join(f"column{number + 1} AS c{number + 1}" for number in range(len(types)))
    columns = tuple(OutputColumn(f"C{number + 1}", each, each) for number, each in enumerate(types))
    return Compiled(f"SELECT {names} FROM (VALUES ({'), ('.join(lines)}))", columns, compound=True)


# --- set operations ---------------------------------------------------------------------------------------------------


def compile_set_operation(compiler: Compiler, parent: Scope | None, query: SetOperation) -> Compiled:
    left = compile_query(compiler, parent, query.left, named=True)
    right = compile_query(compiler, parent, query.right, named=True)
    if len(left.columns) != len(right.columns):
        raise H2Error(21002, "Column count does not match")
    columns: list[OutputColumn] = []
    for one, two in zip(left.columns, right.columns, strict=True):
        sql_type = (
            higher(one.value_type, two.value_type)
            if one.type is SqlType.UNKNOWN or two.type is SqlType.UNKNOWN
            else higher(one.type, two.type)
        )
        columns.append(
            attrs.evolve(
                one,
                type=sql_type,
                value_type=sql_type,
                precision=max(one.precision, two.precision),
                scale=max(one.scale, two.scale),
                nullable=one.nullable or two.nullable,
            )
        )
    one_sql = operand_sql(compiler, left, columns, first=True)
    two_sql = operand_sql(compiler, right, columns, first=False)
    sql = f"{one_sql} {query.operator} {two_sql}"
    terms: list[str] = []
    for item in query.order:
        place = set_order_place(item, columns)
        terms.append(str(place + 1) + order_suffix(columns[place].value_type, "", item))
    if terms:
        sql += f" ORDER BY {', '.join(terms)}"
    limit = limit_sql(compiler, query.limit, query.offset)
    sql += limit
    ended = bool(terms or limit)
    text = f"({left.text})\n{query.operator}\n({right.text})"
    return Compiled(
        sql,
        tuple(columns),
        compound=ended,
        text=text,
        gathered=query.operator != "UNION ALL" or left.gathered or right.gathered or bool(limit),
    )


def operand_sql(compiler: Compiler, operand: Compiled, columns: Sequence[OutputColumn], *, first: bool) -> str:
    """An operand of a set operation with its columns in the common types."""
    needed = [(own.value_type, common.value_type) for own, common in zip(operand.columns, columns, strict=True)]
    converts = any(one is not two and one is not SqlType.NULL for one, two in needed)
    nested = operand.compound or (
        not first and any(word in operand.sql for word in (" UNION ", " EXCEPT ", " INTERSECT "))
    )
    if not converts and not nested:
        return operand.sql
    parts = [
        (f"c{number + 1}" if one is two or one is SqlType.NULL else compiler.cast_sql(f"c{number + 1}", one, two))
        + f" AS c{number + 1}"
        for number, (one, two) in enumerate(needed)
    ]
    return f"SELECT {', '.join(parts)} FROM ({operand.sql})"


def set_order_place(item: OrderItem, columns: Sequence[OutputColumn]) -> int:
    """The column that ORDER BY of a set operation means."""
    expression = item.expression
    if item.ordinal and isinstance(expression, Literal) and expression.type is SqlType.INT:
        if not 1 <= expression.value <= len(columns):
            raise H2Error(90068, f'Order by expression "{expression.value}" must be in the result list in this case')
        return int(expression.value) - 1
    if isinstance(expression, Name):
        for place, column in enumerate(columns):
            if column.name == expression.column and (expression.table is None or column.table is not None):
                return place
        shown = expression.column if expression.table is None else f"{expression.table}.{expression.column}"
        raise H2Error(90068, f'Order by expression "{shown}" must be in the result list in this case')
    raise H2Error(90068, 'Order by expression "..." must be in the result list in this case')


# --- queries in expressions -------------------------------------------------------------------------------------------


def compile_scalar(compiler: Compiler, scope: Scope, node: Scalar) -> Typed:
    compiled = compile_query(compiler, scope, node.query, named=True)
    if len(compiled.columns) != 1:
        raise refused("rows as values; select one column")
    column = compiled.columns[0]
    if compiled.single:
        sql = f"({compiled.sql})"
    else:
        single = compiler.environment.aggregate("single", 1, Single)
        sql = f"(SELECT {single}(c1) FROM ({compiled.sql}))"
    sql_type = column.value_type if column.type is SqlType.UNKNOWN else column.type
    return Typed(
        sql,
        sql_type,
        column.value_type,
        f"({compiled.text})",
        cost=1000,
        precision=column.precision,
        scale=column.scale,
    )


def compile_exists(compiler: Compiler, scope: Scope, node: Exists) -> Typed:
    compiled = compile_query(compiler, scope, node.query, named=True)
    text = f"EXISTS(\n    {compiled.text})"
    return Typed(f"EXISTS ({compiled.sql})", SqlType.BOOLEAN, SqlType.BOOLEAN, text, cost=1000, nullable=False)


def compile_in_query(compiler: Compiler, scope: Scope, node: InQuery) -> Typed:
    left = compile_expression(compiler, scope, node.left)
    compiled = compile_query(compiler, scope, node.query, named=True)
    if len(compiled.columns) != 1:
        raise H2Error(90052, "Subquery is not a single column query")
    if node.every or node.operator != "=":
        word = "ALL" if node.every else "ANY"
        raise SqlFailure("50000", f"Unsupported query: ({left.text} {node.operator} {word}({compiled.text}))")
    if left.items is not None:
        raise refused("rows in IN (SELECT ...); join instead")
    if left is NULL:
        return NULL
    target = compiled.columns[0].value_type
    one = compiler.cast(left, target)
    if target is SqlType.NULL:
        one = left
    text = f"({left.text} IN(\n    {compiled.text}))"
    sql = one.sql
    if "COLLATE" in sql:
        sql += " COLLATE BINARY"
    return Typed(f"({sql} IN ({compiled.sql}))", SqlType.BOOLEAN, SqlType.BOOLEAN, text, cost=1000)


COMPILERS.update(
    {Aggregate: compile_aggregate, Scalar: compile_scalar, Exists: compile_exists, InQuery: compile_in_query}
)
