"""Aggregates of partitioned tables, as a cluster computes them: in two steps.

Each node aggregates its own rows, and one of them aggregates the results. What that changes can be seen from outside,
even with a single node: sums, minima, maxima and averages get the scale of their type, averages are computed as
DOUBLE, constants are printed and read again, and some queries fail. Queries of replicated tables, and those that can
only find rows of one partition, run as they are. Seen from a 2.17.0 node; the rules are those of Ignite's
GridSqlQuerySplitter.
"""

import math
from collections.abc import Sequence
from typing import Any

import attrs

from ignitemap.embedded.sql.aggregates import AverageOfDoubles
from ignitemap.embedded.sql.catalog import Catalog, Table, View
from ignitemap.embedded.sql.compile_expressions import fitted
from ignitemap.embedded.sql.compiler import Compiler
from ignitemap.embedded.sql.cursor import Cursor
from ignitemap.embedded.sql.errors import unsupported
from ignitemap.embedded.sql.lexer import tokenize
from ignitemap.embedded.sql.parser import read_query
from ignitemap.embedded.sql.scope import Scope
from ignitemap.embedded.sql.seam import SqlFailure
from ignitemap.embedded.sql.syntax import Compare, Expression, In, Logic, Name
from ignitemap.embedded.sql.tree import aggregates_in, has_aggregate, holds_query, parts_of, tables_in
from ignitemap.embedded.sql.typed import ANY_SCALE, Typed, size_of
from ignitemap.embedded.sql.types import FRACTIONS, SqlType, TypeSpec

__all__ = ["average_in_two_steps", "check_two_steps", "finds_one_partition", "reads_partitioned", "reduced"]


def reads_partitioned(catalog: Catalog, schema: str, node: object) -> bool:
    """Whether a statement reads a partitioned table."""
    for name in tables_in(node):
        found = catalog.find(schema if name.schema is None else name.schema, name.name)
        if isinstance(found, Table) and catalog.partitioned(found.cache):
            return True
        if isinstance(found, View) and reads_partitioned(catalog, schema, read_query(Cursor(tokenize(found.text)))):
            return True
    return False


def finds_one_partition(scope: Scope, where: Expression | None) -> bool:
    """Whether a condition holds for rows of one partition only: it names the value of a key or of its affinity part."""
    match where:
        case Logic(operator="AND", left=left, right=right):
            return finds_one_partition(scope, left) or finds_one_partition(scope, right)
        case Compare(operator="=", left=left, right=right):
            return (is_affine(scope, left) and is_fixed(right)) or (is_affine(scope, right) and is_fixed(left))
        case In(left=operand, items=(only,)):
            return is_affine(scope, operand) and is_fixed(only)
        case _:
            return False


def is_affine(scope: Scope, node: Expression) -> bool:
    return isinstance(node, Name) and scope.find(node)[0].affine


def is_fixed(node: Any) -> bool:
    """Whether an expression has the same value for all rows."""
    return not isinstance(node, Name) and not holds_query(node) and all(is_fixed(part) for part in parts_of(node))


def check_two_steps(parts: Sequence[Expression]) -> None:
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
            for table in tables_in(part):
                raise SqlFailure("50000", f"Failed to generate REDUCE query. Data table found: {table.name}")


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
