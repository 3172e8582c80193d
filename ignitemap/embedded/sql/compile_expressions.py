"""Compiles expressions: names, operators, conditions, subqueries. One function for each class of the tree."""

import math
from collections.abc import Callable
from typing import Any, Final

import attrs

from ignitemap.embedded.sql import moments
from ignitemap.embedded.sql.compile_functions import common_type, compile_call, higher_of
from ignitemap.embedded.sql.compiler import Compiler
from ignitemap.embedded.sql.errors import H2Error, refused, unsupported_feature
from ignitemap.embedded.sql.functions import pattern_of
from ignitemap.embedded.sql.lexer import KEYWORDS
from ignitemap.embedded.sql.like import glob_of, like, like_of_units, like_without_case, read_pattern
from ignitemap.embedded.sql.numbers import arithmetic, decimal, negate, scale_of, set_scale
from ignitemap.embedded.sql.scope import Scope, ScopeColumn, column_typed
from ignitemap.embedded.sql.seam import SqlFailure
from ignitemap.embedded.sql.syntax import (
    Binary,
    Call,
    Case,
    Cast,
    Compare,
    Default,
    Expression,
    In,
    IsNull,
    Like,
    Literal,
    Logic,
    Name,
    Negate,
    Not,
    Parameter,
    Row,
    RowNumber,
    Wildcard,
)
from ignitemap.embedded.sql.typed import FALSE, NULL, TRUE, Typed, collated, joined, literal, size_of
from ignitemap.embedded.sql.types import DATES, INTEGERS, NUMBERS, RANGES, SQL_NAMES, STRINGS, SqlType, TypeSpec, higher
from ignitemap.embedded.sql.values import convert, sql_text

__all__ = ["compile_condition", "compile_expression", "fitted", "identifier"]

REVERSED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>", "IS": "IS", "IS NOT": "IS NOT"}
SHORT_INTEGERS: Final = INTEGERS - {SqlType.LONG}
"""SQLite counts in 64 bits: what overflows these is still exact, and found when it is used."""
NEGATED: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "<>", "<>": "=", "IS": "IS NOT", "IS NOT": "IS"}


def identifier(name: str) -> str:
    """A name as H2 prints it: quoted unless it is simple."""
    simple = name and (name[0].isalpha() or name[0] == "_") and all(char.isalnum() or char == "_" for char in name)
    if simple and name == name.upper() and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


RESERVED: Final = KEYWORDS | {
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "SYSDATE",
    "SYSTIME",
    "SYSTIMESTAMP",
    "TODAY",
}
"""The names that H2 prints with quotes."""


def compile_expression(compiler: Compiler, scope: Scope, node: Expression) -> Typed:
    """Compile an expression.

    Raises:
        H2Error: H2 would refuse it.
        SqlFailure: Ignite, or the embedded node, would.
    """
    compile_node = COMPILERS.get(type(node))
    if compile_node is None:
        raise AssertionError(f"no compiler for {type(node).__name__}")
    return compile_node(compiler, scope, node)


def compile_condition(compiler: Compiler, scope: Scope, node: Expression) -> Typed:
    """Compile an expression that is used as a condition."""
    return compiler.condition(compile_expression(compiler, scope, node))


# --- leaves -----------------------------------------------------------------------------------------------------------


def compile_literal(compiler: Compiler, scope: Scope, node: Literal) -> Typed:
    if node.value is None:
        return NULL
    return literal(node.type, node.value, sql_text(node.type, node.value))


def compile_parameter(compiler: Compiler, scope: Scope, node: Parameter) -> Typed:
    return compiler.parameter(node.index)


def compile_name(compiler: Compiler, scope: Scope, node: Name) -> Typed:
    if node.table is None and node.column in scope.aliases and scope.own(node) is None:
        return compile_expression(compiler, scope, scope.aliases[node.column])
    column, owner = scope.find(node)
    text = ".".join(identifier(part) for part in (node.schema, node.table, node.column) if part is not None)
    typed = column_typed(column, text)
    if owner.grouped is not None and not owner.aggregating and owner is scope and column.sql not in owner.group_columns:
        return only_value(compiler, column, typed)
    return typed


def only_value(compiler: Compiler, column: ScopeColumn, typed: Typed) -> Typed:
    """The one value that a column has in a group that is not grouped by it; H2 fails where there are several."""
    sql = column.sql
    collation = " COLLATE DEC" if column.value_type is SqlType.DECIMAL else ""
    failure = compiler.failing(H2Error(90016, f'Column "{typed.text}" must be in the GROUP BY list'))
    return attrs.evolve(
        typed,
        sql=(
            f"(CASE WHEN COUNT(*) = COUNT({sql}) AND MIN({sql}{collation}) = MAX({sql}{collation}) THEN MIN({sql})"
            f" WHEN COUNT({sql}) = 0 AND COUNT(*) > 0 THEN NULL ELSE {failure} END)"
        ),
    )


def compile_wildcard(compiler: Compiler, scope: Scope, node: Wildcard) -> Typed:
    raise H2Error(42000, 'Syntax error in SQL statement "*"')


def compile_row(compiler: Compiler, scope: Scope, node: Row) -> Typed:
    items = tuple(compile_expression(compiler, scope, item) for item in node.items)
    text = f"({', '.join(item.text for item in items)})"
    return Typed(
        f"({', '.join(item.sql for item in items)})",
        SqlType.ARRAY,
        SqlType.ARRAY,
        text,
        constant=all(item.constant for item in items),
        cost=1 + sum(item.cost for item in items),
        items=items,
    )


def compile_row_number(compiler: Compiler, scope: Scope, node: RowNumber) -> Typed:
    raise SqlFailure("50000", "Unsupported expression: ROWNUM() [type=Rownum]")


def compile_default(compiler: Compiler, scope: Scope, node: Default) -> Typed:
    raise H2Error(42000, "DEFAULT is not a value here")


# --- arithmetic -------------------------------------------------------------------------------------------------------


def compile_binary(compiler: Compiler, scope: Scope, node: Binary) -> Typed:
    left = compile_expression(compiler, scope, node.left)
    right = compile_expression(compiler, scope, node.right)
    if node.operator == "||":
        return concat(compiler, left, right)
    if left.items is not None or right.items is not None:
        raise unsupported_feature(f"ARRAY {node.operator}")
    if left.type in DATES or right.type in DATES:
        return moment_arithmetic(compiler, node.operator, left, right)
    if left.type is right.type and left.type in {SqlType.NULL, SqlType.UNKNOWN}:
        sql_type = SqlType.DECIMAL
    else:
        sql_type = higher_of(left.type, right.type)
    return operate(compiler, node.operator, sql_type, left, right)


def concat(compiler: Compiler, left: Typed, right: Typed) -> Typed:
    one, two = compiler.cast(left, SqlType.STRING), compiler.cast(right, SqlType.STRING)
    typed = Typed(
        joined("||", one, two),
        SqlType.STRING,
        SqlType.STRING,
        f"({left.text} || {right.text})",
        cost=left.cost + right.cost + 1,
        joined="||",
    )
    return compiler.fold(typed) if left.constant and right.constant else typed


def operate(compiler: Compiler, operator: str, sql_type: SqlType, left: Typed, right: Typed) -> Typed:
    """Arithmetic of two operands in one type."""
    if sql_type not in NUMBERS:
        if left.constant and right.constant and NULL in {left, right}:
            return NULL
        late = not (left.constant and right.constant)
        raise unsupported_feature(f"{SQL_NAMES[sql_type]} {operator}", late=late)
    one, two = compiler.cast(left, sql_type), compiler.cast(right, sql_type)
    text = f"({left.text} {operator} {right.text})"
    unchecked = False
    if sql_type in SHORT_INTEGERS and operator in {"+", "-", "*"}:
        sql = f"({one.sql} {operator} {two.sql})"
        unchecked = True
    elif sql_type in INTEGERS and operator in {"/", "%"} and two.constant and two.value not in {None, 0, -1}:
        sql = f"({one.sql} {operator} {two.sql})"
    else:

        def run(one: Any, two: Any) -> Any:
            return arithmetic(sql_type, operator, one, two)

        name = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulus"}[operator]
        sql = compiler.call(f"{name}_{sql_type.name}", run, one.sql, two.sql)
    precision, scale = size_of(left, right) if sql_type is SqlType.DECIMAL else (-1, -1)
    typed = Typed(
        sql,
        sql_type,
        sql_type,
        text,
        cost=left.cost + right.cost + 1,
        unchecked=unchecked,
        precision=precision,
        scale=scale,
    )
    return compiler.fold(typed) if left.constant and right.constant else typed


def compile_negate(compiler: Compiler, scope: Scope, node: Negate) -> Typed:
    operand = compile_expression(compiler, scope, node.operand)
    sql_type = SqlType.DECIMAL if operand.type is SqlType.UNKNOWN else operand.type
    if operand is NULL:
        return NULL
    if sql_type not in NUMBERS and sql_type is not SqlType.BOOLEAN:
        raise unsupported_feature(f"{SQL_NAMES[sql_type]} NEG", late=not operand.constant)
    return negated(compiler, operand, sql_type)


def negated(compiler: Compiler, operand: Typed, sql_type: SqlType) -> Typed:
    """``- operand`` in a type; that of a BOOLEAN is the opposite."""
    one = compiler.cast(operand, sql_type)
    native = sql_type in SHORT_INTEGERS
    if native:
        sql = f"(- {one.sql})"
    elif sql_type is SqlType.BOOLEAN:
        sql = f"(NOT {one.sql})"
    else:

        def run(value: Any) -> Any:
            return negate(sql_type, value)

        sql = compiler.call(f"negate_{sql_type.name}", run, one.sql)
    typed = Typed(
        sql,
        sql_type,
        sql_type,
        f"(- {operand.text})",
        cost=operand.cost + 1,
        unchecked=native,
        precision=operand.precision,
        scale=operand.scale,
    )
    return compiler.fold(typed) if operand.constant else typed


def moment_arithmetic(compiler: Compiler, operator: str, left: Typed, right: Typed) -> Typed:
    """Arithmetic with dates: days are added, differences are in days."""
    one, two = left.type, right.type
    days = (SqlType.DECIMAL, SqlType.FLOAT, SqlType.DOUBLE)
    day = literal(SqlType.STRING, "DAY", "'DAY'")
    second = literal(SqlType.STRING, "SECOND", "'SECOND'")
    seconds = literal(SqlType.INT, 86_400, "86400")
    if operator == "+":
        if two is not higher(one, two):
            left, right, one, two = right, left, two, one
        if one is SqlType.INT:
            return compile_call(compiler, "DATEADD", (day, left, right))
        if one in days:
            product = operate(compiler, "*", higher(SqlType.INT, one), seconds, left)
            return compile_call(compiler, "DATEADD", (second, product, right))
        if one is SqlType.TIME and two is SqlType.TIME:
            return times(compiler, operator, left, right)
        if one is SqlType.TIME:
            return time_added(compiler, 1, right, left, f"({left.text} + {right.text})")
    elif operator == "-":
        if one in {SqlType.DATE, SqlType.TIMESTAMP}:
            if two is SqlType.INT:
                return compile_call(compiler, "DATEADD", (day, negated(compiler, right, two), left))
            if two in days:
                product = operate(compiler, "*", higher(SqlType.INT, two), seconds, right)
                return compile_call(compiler, "DATEADD", (second, negated(compiler, product, product.type), left))
            if two is SqlType.TIME:
                return time_added(compiler, -1, left, right, f"({left.text} - {right.text})")
            if two in {SqlType.DATE, SqlType.TIMESTAMP}:
                return compile_call(compiler, "DATEDIFF", (day, right, left))
        elif one is SqlType.TIME and two is SqlType.TIME:
            return times(compiler, operator, left, right)
    elif operator in {"*", "/"} and one is SqlType.TIME:
        return time_scaled(compiler, operator, left, right)
    elif operator == "*" and two is SqlType.TIME:
        return time_scaled(compiler, operator, right, left)
    names = {SqlType.UNKNOWN: "?", **SQL_NAMES}
    raise unsupported_feature(f"{names[one]} {operator} {names[two]}")


def times(compiler: Compiler, operator: str, left: Typed, right: Typed) -> Typed:
    """TIME + TIME and TIME - TIME, within a day."""

    def run(one: int | None, two: int | None) -> int | None:
        if one is None or two is None:
            return None
        return within_a_day(one + two if operator == "+" else one - two)

    name = "time_plus" if operator == "+" else "time_minus"
    return Typed(
        compiler.call(name, run, left.sql, right.sql),
        SqlType.TIME,
        SqlType.TIME,
        f"({left.text} {operator} {right.text})",
        cost=left.cost + right.cost + 1,
    )


def within_a_day(nanos: int) -> int:
    """The nanoseconds of a TIME."""
    if not 0 <= nanos < moments.DAY_NANOS:
        sign = "-" if nanos < 0 else ""
        raise H2Error(22007, f'Cannot parse "TIME" constant "{sign}{moments.time_text(abs(nanos))}"')
    return nanos


def time_scaled(compiler: Compiler, operator: str, time: Typed, factor: Typed) -> Typed:
    """A TIME multiplied or divided by a number, within a day."""
    source = factor.value_type

    def run(nanos: int | None, value: Any) -> int | None:
        if nanos is None or value is None:
            return None
        number = float(convert(source, SqlType.DOUBLE, value))
        if operator == "*":
            scaled = nanos * number
        elif number:
            scaled = nanos / number
        else:
            scaled = math.inf if nanos else math.nan
        # As Java makes a long of a double: NaN is 0, and what is too large is the largest.
        low, high = RANGES[SqlType.LONG]
        return within_a_day(0 if math.isnan(scaled) else int(max(low, min(scaled, high))))

    name = "time_multiply" if operator == "*" else "time_divide"
    return Typed(
        compiler.call(f"{name}_{source.name}", run, time.sql, compiler.checked(factor).sql),
        SqlType.TIME,
        SqlType.TIME,
        f"({time.text} {operator} {factor.text})",
        cost=time.cost + factor.cost + 1,
    )


def time_added(compiler: Compiler, sign: int, moment: Typed, time: Typed, text: str) -> Typed:
    """A DATE or TIMESTAMP and a TIME: a TIMESTAMP."""

    def run(stored: str | None, nanos: int | None) -> str | None:
        if stored is None or nanos is None:
            return None
        ordinal, own = moments.split(SqlType.TIMESTAMP, stored)
        return moments.timestamp_value(ordinal, own + sign * nanos)

    one = compiler.cast(moment, SqlType.TIMESTAMP)
    return Typed(
        compiler.call("plus_time" if sign > 0 else "minus_time", run, one.sql, time.sql),
        SqlType.TIMESTAMP,
        SqlType.TIMESTAMP,
        text,
        cost=moment.cost + time.cost + 1,
    )


# --- conditions -------------------------------------------------------------------------------------------------------


def compile_compare(compiler: Compiler, scope: Scope, node: Compare) -> Typed:
    left = compile_expression(compiler, scope, node.left)
    right = compile_expression(compiler, scope, node.right)
    return compare(compiler, node.operator, left, right)


def compare(compiler: Compiler, operator: str, left: Typed, right: Typed) -> Typed:
    """A comparison of two operands."""
    if right.column is not None and (left.constant or left.parameter is not None):
        left, right, operator = right, left, REVERSED[operator]
    null_safe = operator in {"IS", "IS NOT"}
    if not null_safe and (left is NULL or right is NULL):
        return NULL
    if left.items is not None or right.items is not None:
        return compare_rows(compiler, operator, left, right)
    if SqlType.NULL in {left.late, right.late} and SqlType.UNKNOWN in {left.type, right.type}:
        sql_type = left.late if right.late is SqlType.NULL else right.late  # a parameter that is NULL
    else:
        sql_type = higher(left.late, right.late)
    one, two = compiler.cast(left, sql_type), compiler.cast(right, sql_type)
    if left.column is not None and right.constant:
        right = two
    text = f"({left.text} {operator} {right.text})"
    typed = Typed(
        f"({collated(one.sql, sql_type, two.sql)} {operator} {two.sql})",
        SqlType.BOOLEAN,
        SqlType.BOOLEAN,
        text,
        cost=left.cost + right.cost + 1,
    )
    return compiler.fold(typed) if left.constant and right.constant else typed


def compare_rows(compiler: Compiler, operator: str, left: Typed, right: Typed) -> Typed:
    """``(a, b) = (c, d)``: item by item."""
    ones = left.items or (left,)
    twos = right.items or (right,)
    if len(ones) != len(twos):
        raise refused("arrays of different lengths; compare rows of one length")
    pairs = [compare(compiler, "=", one, two) for one, two in zip(ones, twos, strict=True)]
    text = f"({left.text} {operator} {right.text})"
    if operator not in {"=", "<>"}:
        raise refused(f"({left.text} {operator} ...) of rows; compare their columns one by one")
    sql = " AND ".join(pair.sql for pair in pairs)
    return Typed(
        f"({sql})" if operator == "=" else f"(NOT ({sql}))",
        SqlType.BOOLEAN,
        SqlType.BOOLEAN,
        text,
        cost=left.cost + right.cost + 1,
    )


def compile_is_null(compiler: Compiler, scope: Scope, node: IsNull) -> Typed:
    return is_null(compiler, compile_expression(compiler, scope, node.operand), negated_test=node.negated)


def is_null(compiler: Compiler, operand: Typed, *, negated_test: bool) -> Typed:
    if operand.constant:
        return TRUE if (operand.value is None) != negated_test else FALSE
    word = "IS NOT NULL" if negated_test else "IS NULL"
    return Typed(
        f"({compiler.checked(operand).sql} {word})",
        SqlType.BOOLEAN,
        SqlType.BOOLEAN,
        f"({operand.text} {word})",
        cost=operand.cost + 1,
        nullable=False,
    )


def compile_not(compiler: Compiler, scope: Scope, node: Not) -> Typed:
    """NOT, moved inwards where H2 can."""
    inner = node.operand
    if isinstance(inner, Not):
        return compile_condition(compiler, scope, inner.operand)
    if isinstance(inner, Logic):
        operator = "OR" if inner.operator == "AND" else "AND"
        return compile_expression(compiler, scope, Logic(operator, Not(inner.left), Not(inner.right)))
    if isinstance(inner, Compare):
        return compile_expression(compiler, scope, Compare(NEGATED[inner.operator], inner.left, inner.right))
    if isinstance(inner, IsNull):
        return compile_expression(compiler, scope, IsNull(inner.operand, not inner.negated))
    if isinstance(inner, (Name, Parameter, Literal)):
        return compile_expression(compiler, scope, Compare("=", inner, Literal(SqlType.BOOLEAN, 0)))
    operand = compile_condition(compiler, scope, inner)
    if operand.constant:
        return NULL if operand.value is None else FALSE if operand.value else TRUE
    return Typed(f"(NOT {operand.sql})", SqlType.BOOLEAN, SqlType.BOOLEAN, f"(NOT {operand.text})", cost=operand.cost)


def compile_logic(compiler: Compiler, scope: Scope, node: Logic) -> Typed:
    chain = [node]
    while isinstance(chain[-1].left, Logic):
        chain.append(chain[-1].left)
    left = compile_expression(compiler, scope, chain[-1].left)
    for each in reversed(chain):
        left = joined_conditions(compiler, each.operator, left, compile_expression(compiler, scope, each.right))
    return left


def joined_conditions(compiler: Compiler, operator: str, left: Typed, right: Typed) -> Typed:
    """AND or OR of two values that become conditions, except where one of them is the other's value."""
    keeps = TRUE if operator == "AND" else FALSE
    for one, other in ((left, right), (right, left)):
        if one == keeps and not other.constant and other.parameter is None:
            return other  # not even converted
    return logic(compiler, operator, compiler.condition(left), compiler.condition(right))


def logic(compiler: Compiler, operator: str, left: Typed, right: Typed) -> Typed:
    """AND or OR, with H2's simplifications."""
    if right.cost < left.cost:
        left, right = right, left
    decides = 0 if operator == "AND" else 1
    if left.constant and right.constant:
        values = {left.value, right.value}
        if decides in values:
            return FALSE if operator == "AND" else TRUE
        return NULL if None in values else TRUE if operator == "AND" else FALSE
    for one, other in ((left, right), (right, left)):
        if one.constant and one.value is not None:
            return one if one.value == decides else other
    text = f"({left.text}\n    {operator} {right.text})"
    return Typed(
        joined(operator, left, right),
        SqlType.BOOLEAN,
        SqlType.BOOLEAN,
        text,
        cost=left.cost + right.cost,
        joined=operator,
    )


def compile_in(compiler: Compiler, scope: Scope, node: In) -> Typed:
    left = compile_expression(compiler, scope, node.left)
    items = [compile_expression(compiler, scope, item) for item in node.items]
    if left is NULL:
        return NULL
    if len(items) == 1 and not (left.constant and items[0].constant):
        return compare(compiler, "=", left, items[0])
    if left.items is not None or any(item.items is not None for item in items):
        tests = [compare(compiler, "=", left, item) for item in items]
        sql = f"({' OR '.join(test.sql for test in tests)})"
    else:
        # H2 converts the items to the type of the left side, whatever that loses.
        target = left.late if left.parameter is not None else left.value_type
        converted = [compiler.cast(item, target) for item in items]
        listed = ", ".join(item.sql for item in converted)
        # The collation of the left side is that of IN.
        sql = f"({collated(compiler.checked(left).sql, target, listed)} IN ({listed}))"
    shown = items
    if all(item.constant for item in items) and left.items is None:
        shown = [compiler.cast(item, left.late) for item in items]
    typed = Typed(
        sql,
        SqlType.BOOLEAN,
        SqlType.BOOLEAN,
        f"({left.text} IN({', '.join(item.text for item in shown)}))",
        cost=left.cost + sum(item.cost for item in items),
    )
    return compiler.fold(typed) if left.constant and all(item.constant for item in items) else typed


def compile_like(compiler: Compiler, scope: Scope, node: Like) -> Typed:
    left = compile_expression(compiler, scope, node.left)
    right = compile_expression(compiler, scope, node.right)
    regexp = node.operator in {"REGEXP", "IREGEXP"}
    shown = f"CAST({left.text} AS VARCHAR_IGNORECASE)" if node.operator in {"ILIKE", "IREGEXP"} else left.text
    text = f"({shown} {'REGEXP' if regexp else 'LIKE'} {right.text})"
    if node.escape is not None:
        return like_with_escape(compiler, left, right, compile_expression(compiler, scope, node.escape), text)
    if left is NULL or right is NULL:
        return NULL
    one, two = compiler.cast(left, SqlType.STRING), compiler.cast(right, SqlType.STRING)
    cost = left.cost + right.cost + 3
    if regexp:
        flags = "i" if node.operator == "IREGEXP" else ""

        def search(value: str | None, pattern: str | None) -> int | None:
            if value is None or pattern is None:
                return None
            return int(pattern_of(pattern, flags).search(value) is not None)

        sql = compiler.call("iregexp" if flags else "regexp", search, one.sql, two.sql)
    elif node.operator == "ILIKE":
        if right.constant and two.value == "%" and not left.constant:
            return is_null(compiler, attrs.evolve(left, text=shown), negated_test=True)
        sql = compiler.call("ilike", like_without_case, one.sql, two.sql)
    else:
        if right.constant and not left.constant:
            parts = read_pattern(two.value) or read_pattern(two.value, loose=True)
            if parts is None:
                return NULL
            if two.value == "%":
                return is_null(compiler, left, negated_test=True)
            if not any(wild for _, wild in parts):
                value = "".join(char for char, _ in parts)
                return compare(compiler, "=", left, literal(SqlType.STRING, value, sql_text(SqlType.STRING, value)))
        sql = like_sql(compiler, one, right, two)
    typed = Typed(sql, SqlType.BOOLEAN, SqlType.BOOLEAN, text, cost=cost)
    return compiler.fold(typed) if left.constant and right.constant else typed


def like_with_escape(compiler: Compiler, left: Typed, right: Typed, escape: Typed, text: str) -> Typed:
    """LIKE ... ESCAPE, which Ignite takes only where H2 makes something else of it: of constants, or of ``=``."""
    if left is NULL or right is NULL or escape is NULL:
        return NULL
    if right.constant and escape.constant:
        pattern, char = compiler.cast(right, SqlType.STRING).value, compiler.cast(escape, SqlType.STRING).value
        if len(char) > 1:
            raise H2Error(22025, f'Error in LIKE ESCAPE: "{char}"')
        parts = read_pattern(pattern, char)
        if left.constant:
            return TRUE if like(compiler.cast(left, SqlType.STRING).value, pattern, char) else FALSE
        if parts is not None and not any(wild for _, wild in parts):
            value = "".join(each for each, _ in parts)
            return compare(compiler, "=", left, literal(SqlType.STRING, value, sql_text(SqlType.STRING, value)))
    raise SqlFailure("50000", f"Unsupported query: {text[:-1]} ESCAPE {escape.text})")


def like_sql(compiler: Compiler, one: Typed, right: Typed, two: Typed) -> str:
    """LIKE as GLOB, and what GLOB can't tell as a function; ``two`` is the pattern ``right`` as a text."""
    if right.constant:
        sql = f"({one.sql} GLOB {literal(SqlType.STRING, glob_of(two.value), '').sql})"
        if like_of_units(two.value) is None:
            return sql
        return f"({sql} AND {compiler.call('like_units', like, one.sql, two.sql)})"
    if right.parameter is None:
        return compiler.call("like_units", like, one.sql, two.sql)
    source = right.value_type
    glob = compiler.slot(right.parameter, "glob", lambda value: glob_of(convert(source, SqlType.STRING, value)))
    exact = compiler.slot(right.parameter, "like", lambda value: like_of_units(convert(source, SqlType.STRING, value)))
    call = compiler.call("like_units", like, one.sql, exact)
    return f"({one.sql} GLOB {glob} AND ({exact} IS NULL OR {call}))"


def compile_case(compiler: Compiler, scope: Scope, node: Case) -> Typed:
    operand = None if node.operand is None else compile_expression(compiler, scope, node.operand)
    whens = [compile_expression(compiler, scope, when) for when, _ in node.branches]
    thens = [compile_expression(compiler, scope, then) for _, then in node.branches]
    otherwise = None if node.otherwise is None else compile_expression(compiler, scope, node.otherwise)
    results = thens if otherwise is None else [*thens, otherwise]
    sql_type = common_type(results)
    parts: list[str] = []
    texts: list[str] = []
    for when, then in zip(whens, thens, strict=True):
        if operand is None:
            test = compiler.condition(when).sql
        elif operand is NULL or when is NULL:
            test = "0"
        else:
            one, two = operand, when
            common = higher(one.late if one.parameter is not None else one.value_type, two.value_type)
            left, right = compiler.cast(one, common), compiler.cast(two, common)
            test = f"({collated(left.sql, common, right.sql)} = {right.sql})"
        parts.append(f"WHEN {test} THEN {compiler.cast_late(then, sql_type).sql}")
        texts.append(f"WHEN {when.text} THEN {then.text}")
    last = "" if otherwise is None else f" ELSE {compiler.cast_late(otherwise, sql_type).sql}"
    last_text = "" if otherwise is None else f" ELSE {otherwise.text}"
    start = "CASE" if operand is None else f"CASE {operand.text}"
    everything = [*whens, *results, *([] if operand is None else [operand])]
    precision, scale = size_of(*results) if sql_type is SqlType.DECIMAL else (-1, -1)
    typed = Typed(
        f"(CASE {' '.join(parts)}{last} END)",
        sql_type,
        sql_type,
        f"{start} {' '.join(texts)}{last_text} END",
        cost=3 + sum(each.cost for each in everything),
        precision=precision,
        scale=scale,
    )
    return compiler.fold(typed) if all(each.constant for each in everything) else typed


# --- conversions ------------------------------------------------------------------------------------------------------


def compile_cast(compiler: Compiler, scope: Scope, node: Cast) -> Typed:
    operand = compile_expression(compiler, scope, node.operand)
    if operand.items is not None or node.type.type is SqlType.ARRAY:
        raise refused("arrays in SQL; keep the values in rows of a table")
    shown = node.type.sql()
    text = f"CONVERT({operand.text},{shown})" if node.convert else f"CAST({operand.text} AS {shown})"
    target = node.type.type
    value_type = SqlType.STRING if target is SqlType.ILIKE else target
    if operand is NULL:
        return Typed("NULL", target, target, text, cost=3)
    one = compiler.cast(operand, value_type)
    sql = fitted(compiler, one, node.type)
    typed = Typed(
        sql,
        target,
        value_type,
        text,
        cost=3 + operand.cost,
        precision=-1 if node.type.precision is None else node.type.precision,
        scale=(-1 if node.type.precision is None else 0) if node.type.scale is None else node.type.scale,
    )
    if not operand.constant:
        return typed
    return compiler.fold(typed)


def fitted(compiler: Compiler, typed: Typed, spec: TypeSpec) -> str:
    """The SQLite text of a converted value with the precision and scale of a type."""
    target, precision, scale = spec.type, spec.precision, spec.scale
    if target is SqlType.DECIMAL and precision is not None:
        places = scale or 0

        def fit(text: str | None) -> str | None:
            if text is None:
                return None
            value = decimal(text)
            if scale_of(value) != places:
                value = set_scale(value, places)
            if len(value.as_tuple().digits) > precision and value:
                raise H2Error(22003, f'Numeric value out of range: "{precision}"')
            return str(value)

        return compiler.call(f"fit_decimal_{precision}_{places}".replace("-", "m"), fit, typed.sql)
    if target in STRINGS and precision:

        def cut(text: str | None) -> str | None:
            return None if text is None else text[:precision]

        return compiler.call(f"fit_text_{precision}", cut, typed.sql)
    if target is SqlType.BYTES and precision:

        def shorten(data: bytes | None) -> bytes | None:
            return None if data is None else data[:precision]

        return compiler.call(f"fit_bytes_{precision}", shorten, typed.sql)
    if target is SqlType.TIMESTAMP:
        digits = 6 if precision is None else precision

        def rescale(stored: str | None) -> str | None:
            return None if stored is None else moments.rescale_timestamp(stored, digits)

        return compiler.call(f"fit_timestamp_{digits}", rescale, typed.sql)
    if target is SqlType.TIME:
        fraction = 0 if precision is None else precision

        def rescale_time(nanos: int | None) -> int | None:
            return None if nanos is None else moments.rescale_time(nanos, fraction)

        return compiler.call(f"fit_time_{fraction}", rescale_time, typed.sql)
    return typed.sql


# --- calls, aggregates and subqueries ---------------------------------------------------------------------------------


def compile_function(compiler: Compiler, scope: Scope, node: Call) -> Typed:
    arguments = tuple(compile_expression(compiler, scope, argument) for argument in node.arguments)
    return compile_call(compiler, node.name, arguments)


CompileNode = Callable[[Compiler, Scope, Any], Typed]
COMPILERS: Final[dict[type, CompileNode]] = {
    Literal: compile_literal,
    Parameter: compile_parameter,
    Name: compile_name,
    Wildcard: compile_wildcard,
    Binary: compile_binary,
    Negate: compile_negate,
    Compare: compile_compare,
    IsNull: compile_is_null,
    Like: compile_like,
    In: compile_in,
    Logic: compile_logic,
    Not: compile_not,
    Case: compile_case,
    Call: compile_function,
    Cast: compile_cast,
    Row: compile_row,
    RowNumber: compile_row_number,
    Default: compile_default,
}
"""The compiler of each class; ``compile_queries`` adds those that need queries: Aggregate, Scalar, Exists, InQuery."""
