"""Aggregates of partitioned tables, as a cluster computes them: in two steps.

Each node aggregates its own rows, and one of them aggregates the results. What that changes can be seen from outside,
even with a single node: sums, minima, maxima and averages get the scale of their type, averages are computed as
DOUBLE, constants are printed and read again, and some queries fail. Queries of replicated tables, and those that can
only find rows of one partition, run as they are. Seen from a 2.17.0 node; the rules are those of Ignite's
GridSqlQuerySplitter.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs

from ignitemap.embedded.sql.aggregates import AverageOfDoubles
from ignitemap.embedded.sql.catalog import Catalog, Table, View
from ignitemap.embedded.sql.compile_expressions import fitted
from ignitemap.embedded.sql.compiler import Compiler
from ignitemap.embedded.sql.cursor import Cursor
from ignitemap.embedded.sql.errors import unsupported
from ignitemap.embedded.sql.lexer import tokenize
from ignitemap.embedded.sql.parser import read_query
from ignitemap.embedded.sql.scope import Scope, find_common
from ignitemap.embedded.sql.seam import SqlFailure
from ignitemap.embedded.sql.syntax import (
    Binary,
    CommonTable,
    Compare,
    Exists,
    Expression,
    In,
    InQuery,
    IsNull,
    Like,
    Literal,
    Logic,
    Name,
    Negate,
    Not,
    Scalar,
    Select,
    Source,
    TableName,
)
from ignitemap.embedded.sql.tree import aggregates_in, has_aggregate, is_fixed, names_in, subqueries_in, tables_in
from ignitemap.embedded.sql.typed import ANY_SCALE, Typed, size_of
from ignitemap.embedded.sql.types import FRACTIONS, SqlType, TypeSpec

__all__ = [
    "average_in_two_steps",
    "check_gathered",
    "check_two_steps",
    "conjuncts",
    "finds_one_partition",
    "reads_partitioned",
    "reduced",
]


OPERATIONS: Final = (Binary, Compare, In, IsNull, Like, Logic, Negate, Not)
"""What Ignite does not compute behind a join that stands for a subquery."""


def reads_partitioned(catalog: Catalog, schema: str, node: object, views: tuple[View, ...] = ()) -> bool:
    """Whether a statement, or one of the views around it, reads a partitioned table."""
    for name in tables_in(node):
        found = catalog.find(schema if name.schema is None else name.schema, name.name)
        if isinstance(found, Table) and catalog.partitioned(found.cache):
            return True
        if isinstance(found, View) and found not in views:
            query = read_query(Cursor(tokenize(found.text)))
            if reads_partitioned(catalog, schema, query, (*views, found)):
                return True
    return False


def finds_one_partition(scope: Scope, where: Expression | None) -> bool:
    """Whether a condition holds for rows of one partition only: it names the value of a key or of its affinity part."""
    return any(names_one_partition(scope, condition) for condition in conjuncts(where))


def names_one_partition(scope: Scope, condition: Expression) -> bool:
    match condition:
        case Compare(operator="=", left=left, right=right):
            return (is_affine(scope, left) and is_fixed(right)) or (is_affine(scope, right) and is_fixed(left))
        case In(left=operand, items=(only,)):
            return is_affine(scope, operand) and is_fixed(only)
        case _:
            return False


def is_affine(scope: Scope, node: Expression) -> bool:
    return isinstance(node, Name) and scope.find(node)[0].affine


def check_two_steps(common: Sequence[CommonTable], parts: Sequence[Expression]) -> None:
    """Refuse what a cluster can't split: the items of a select list, with the condition of HAVING.

    Raises:
        SqlFailure: There is such a thing.
    """
    aggregates = [aggregate for part in parts for aggregate in aggregates_in(part)]
    if any(each.name == "GROUP_CONCAT" and (each.distinct or each.order) for each in aggregates):
        raise unsupported("Clauses DISTINCT and ORDER BY are unsupported for GROUP_CONCAT for not collocated data.")
    if any(each.distinct for each in aggregates) and any(each.operand is None for each in aggregates):
        raise SqlFailure("50000", "class org.apache.ignite.IgniteCheckedException: Index 0 out of bounds for length 0")
    for part in parts:
        if has_aggregate(part):
            check_reads_nothing(common, part)


def check_gathered(
    compiler: Compiler, scope: Scope, items: Sequence[Expression], conditions: Sequence[Expression]
) -> None:
    """Refuse subqueries in what a cluster can only compute of rows that it has gathered: there are no tables then.

    Raises:
        SqlFailure: There is one.
    """
    only = all(column.gathered for table in scope.tables for column in table.columns.values())
    for part in (*items, *conditions):
        if not only and not any(column is not None and column.gathered for column in map(scope.own, names_in(part))):
            continue  # the nodes compute it before
        for subquery in subqueries_in(part):
            may_join = subquery is part if part in conditions else isinstance(subquery, Scalar)
            if not may_join or not is_joined(compiler, subquery):
                check_reads_nothing(compiler.common, subquery.query)


def is_joined(compiler: Compiler, subquery: Scalar | Exists | InQuery) -> bool:
    """Whether a cluster joins the table of a subquery instead, as it finds one row at most.

    It does so with values in the select list, and with EXISTS and IN where they are a condition of their own. The rules
    are those of Ignite's GridSubqueryJoinOptimizer.
    """
    query = subquery.query
    if not isinstance(query, Select) or len(query.sources) != 1:
        return False
    if query.distinct or query.group or query.having or query.order or query.limit or query.offset:
        return False
    selected = [item.expression for item in query.items]
    if any(has_aggregate(each) or isinstance(each, OPERATIONS) for each in selected):
        return False
    conditions = list(conjuncts(query.where))
    if isinstance(subquery, Scalar) and isinstance(selected[0], Literal):
        return False
    if isinstance(subquery, InQuery):  # of =, as others are refused
        conditions.append(Compare("=", subquery.left, selected[0]))
    return names_key(compiler, query.sources[0], conditions)


def names_key(compiler: Compiler, source: Source, conditions: Sequence[Expression]) -> bool:
    """Whether conditions say what the key of a table is."""
    if not isinstance(source, TableName) or find_common(compiler.common, source) is not None:
        return False
    table = compiler.catalog.find(source.schema or compiler.schema, source.name)
    if not isinstance(table, Table):
        return False
    columns = {"_KEY", *table.by_name}
    alias = source.alias or source.name

    def own(node: Expression) -> str | None:
        if not isinstance(node, Name) or node.table not in {alias, None} or node.column not in columns:
            return None
        return node.column

    known: set[str | None] = set()
    for condition in conditions:
        if isinstance(condition, Compare) and condition.operator in {"=", "IS"}:
            sides = {own(condition.left), own(condition.right)}
            if None in sides:  # a comparison of two columns of the table says nothing
                known |= sides
    key = {column.name for column in table.key_columns}
    return "_KEY" in known or (bool(key) and key <= known)


def check_reads_nothing(common: Sequence[CommonTable], node: object) -> None:
    """Refuse a part of a statement that reads a table, by itself or through WITH."""
    for table in tables_in(node):
        place = find_common(common, table)
        if place is None:
            raise SqlFailure("50000", f"Failed to generate REDUCE query. Data table found: {table.name}")
        check_reads_nothing(common[:place], common[place].query)


def conjuncts(condition: Expression | None) -> Iterator[Expression]:
    """The conditions that AND joins."""
    if isinstance(condition, Logic) and condition.operator == "AND":
        yield from conjuncts(condition.left)
        yield from conjuncts(condition.right)
    elif condition is not None:
        yield condition


def reduced(compiler: Compiler, total: Typed, sql: str | None = None) -> Typed:
    """A sum, minimum or maximum, or with ``sql`` an average, with the precision and scale of its type."""
    precision, scale = size_of(total)
    text = total.sql if sql is None else sql
    if total.value_type is SqlType.DECIMAL and scale < ANY_SCALE:
        text = fitted(compiler, attrs.evolve(total, sql=text), TypeSpec(SqlType.DECIMAL, "DECIMAL", precision, scale))
    return attrs.evolve(total, sql=text)


class AverageInTwoSteps(AverageOfDoubles):
    """An average of DOUBLE that is multiplied by the count in one step, and divided by it in the other."""

    def finish(self) -> float | str | None:
        """The average, NULL of nothing."""
        average = super().finish()
        if not isinstance(average, float):
            return average
        return average * self.count / self.count


class IntegerAverageInTwoSteps(AverageOfDoubles):
    """The same as an integer: product and count are BIGINTs, and their quotient is truncated."""

    def finish(self) -> Any:
        """The average, NULL of nothing."""
        average = super().finish()
        if not isinstance(average, float):
            return average
        product = math.floor(average * self.count + 0.5)
        return abs(product) // self.count * (1 if product > 0 else -1)


def average_in_two_steps(compiler: Compiler, total: Typed, operand: Typed, filtered: str) -> Typed:
    """AVG: what AVG would be in one step, and its operand."""
    doubles = compiler.cast(operand, SqlType.DOUBLE).sql
    target = total.value_type
    if target not in FRACTIONS:
        name = compiler.environment.aggregate("avg_integer_steps", 1, IntegerAverageInTwoSteps)
        return reduced(compiler, total, f"{name}({doubles}){filtered}")
    name = compiler.environment.aggregate("avg_steps", 1, AverageInTwoSteps)
    sql = f"{name}({doubles}){filtered}"
    if target is not SqlType.DOUBLE:
        sql = compiler.cast_sql(sql, SqlType.DOUBLE, target)
    return reduced(compiler, total, sql)
