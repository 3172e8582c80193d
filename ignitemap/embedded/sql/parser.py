"""Reads expressions and queries: recursive descent over the grammar of H2 1.4.197, in the order in which H2 tries things.

The order decides what is accepted (``LEFT`` is a name to H2, ``NOT NULL`` ends a condition) and what a syntax error
says. Tables are looked up later, by the compilers.
"""

from decimal import Decimal
from typing import Final

import attrs

from ignitemap.embedded.sql import moments
from ignitemap.embedded.sql.cursor import Cursor
from ignitemap.embedded.sql.errors import H2Error, refused, unsupported
from ignitemap.embedded.sql.functions import NAMES as FUNCTION_NAMES
from ignitemap.embedded.sql.lexer import Kind
from ignitemap.embedded.sql.seam import SqlFailure
from ignitemap.embedded.sql.syntax import (
    Aggregate,
    Binary,
    Call,
    Case,
    Cast,
    CommonTable,
    Compare,
    Default,
    Derived,
    Exists,
    Expression,
    In,
    InQuery,
    IsNull,
    Item,
    Join,
    Like,
    Literal,
    Logic,
    Name,
    Negate,
    Not,
    OrderItem,
    Parameter,
    Query,
    Row,
    RowNumber,
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
from ignitemap.embedded.sql.tree import with_names
from ignitemap.embedded.sql.types import BY_NAME, SqlType, TypeSpec

__all__ = ["AGGREGATES", "is_query_next", "read_expression", "read_if_more", "read_query", "read_term", "read_type"]

AGGREGATES: Final = {
    "COUNT": "COUNT",
    "SUM": "SUM",
    "MIN": "MIN",
    "MAX": "MAX",
    "AVG": "AVG",
    "GROUP_CONCAT": "GROUP_CONCAT",
    "STRING_AGG": "GROUP_CONCAT",
    "STDDEV_SAMP": "STDDEV_SAMP",
    "STDDEV": "STDDEV_SAMP",
    "STDDEV_POP": "STDDEV_POP",
    "STDDEVP": "STDDEV_POP",
    "VAR_POP": "VAR_POP",
    "VARP": "VAR_POP",
    "VAR_SAMP": "VAR_SAMP",
    "VAR": "VAR_SAMP",
    "VARIANCE": "VAR_SAMP",
    "BOOL_OR": "BOOL_OR",
    "SOME": "BOOL_OR",
    "BOOL_AND": "BOOL_AND",
    "EVERY": "BOOL_AND",
    "SELECTIVITY": "SELECTIVITY",
    "HISTOGRAM": "HISTOGRAM",
    "BIT_OR": "BIT_OR",
    "BIT_AND": "BIT_AND",
    "MEDIAN": "MEDIAN",
    "ARRAY_AGG": "ARRAY_AGG",
}
COMPARISONS: Final = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
WITHOUT_PARENTHESES: Final = {
    "CURRENT_USER": "USER",
    "CURRENT_TIMESTAMP": "CURRENT_TIMESTAMP",
    "SYSDATE": "CURRENT_TIMESTAMP",
    "SYSTIMESTAMP": "CURRENT_TIMESTAMP",
    "CURRENT_DATE": "CURRENT_DATE",
    "TODAY": "CURRENT_DATE",
    "CURRENT_TIME": "CURRENT_TIME",
    "SYSTIME": "CURRENT_TIME",
}
"""Functions that may be written without parentheses, and what they are."""
PREFIXED: Final = {"DATE": "date", "D": "date", "T": "time", "TS": "timestamp", "X": "bytes", "E": "text", "N": "text"}
"""Names that make a typed literal of the string behind them."""
INT_MIN: Final = -(2**31)
LONG_MIN: Final = -(2**63)


# --- expressions ------------------------------------------------------------------------------------------------------


def read_expression(cursor: Cursor) -> Expression:
    """An expression: conditions joined by OR and AND."""
    left = read_and(cursor)
    while cursor.read_if("OR"):
        left = Logic("OR", left, read_and(cursor))
    return left


def read_and(cursor: Cursor) -> Expression:
    left = read_condition(cursor)
    while cursor.read_if("AND"):
        left = Logic("AND", left, read_condition(cursor))
    return left


def read_condition(cursor: Cursor) -> Expression:
    if cursor.read_if("NOT"):
        return Not(read_condition(cursor))
    if cursor.read_if("EXISTS"):
        cursor.read("(")
        query = read_query(cursor)
        cursor.read(")")
        return Exists(query)
    if cursor.read_if("INTERSECTS"):
        raise refused("geometry; keep shapes in your own columns")
    left = read_concat(cursor)
    while True:
        before = cursor.at
        negated = cursor.read_if("NOT")
        if negated and cursor.is_next("NULL"):  # DEFAULT 0 NOT NULL: not part of the expression
            cursor.go_back(before)
            return left
        found = read_comparison(cursor, left)
        if found is None:
            return left
        left = Not(found) if negated else found


def read_comparison(cursor: Cursor, left: Expression) -> Expression | None:
    """What compares ``left`` with something; None where nothing does."""
    if word := cursor.read_any("LIKE", "ILIKE"):
        right = read_concat(cursor)
        escape = read_concat(cursor) if cursor.read_if("ESCAPE") else None
        return Like(word, left, right, escape)
    if cursor.read_if("REGEXP"):
        return Like("REGEXP", left, read_concat(cursor), None)
    if cursor.read_if("IS"):
        return read_is(cursor, left)
    if cursor.read_if("IN"):
        return read_in(cursor, left)
    if cursor.read_if("BETWEEN"):
        low = read_concat(cursor)
        cursor.read("AND")
        return Logic("AND", Compare("<=", low, left), Compare(">=", read_concat(cursor), left))
    token = cursor.token
    operator = COMPARISONS.get(token.text) if token.kind == Kind.SYMBOL else None
    if operator is None:
        if token.kind == Kind.SYMBOL and token.text == "&&":
            raise refused("geometry; keep shapes in your own columns")
        return None
    cursor.advance()
    every = cursor.read_if("ALL")
    if every or cursor.read_if("ANY") or cursor.read_if("SOME"):
        cursor.read("(")
        if not every and operator == "=" and cursor.token.kind == Kind.PARAMETER:
            raise refused("arrays in SQL; use IN (...) with one parameter for each value")
        query = read_query(cursor)
        cursor.read(")")
        return InQuery(left, query, operator, every)
    return Compare(operator, left, read_concat(cursor))


def read_is(cursor: Cursor, left: Expression) -> Expression:
    """What follows IS."""
    negated = cursor.read_if("NOT")
    if cursor.read_if("NULL"):
        return IsNull(left, negated=negated)
    if cursor.read_if("DISTINCT"):
        cursor.read("FROM")
        negated = not negated
    return Compare("IS NOT" if negated else "IS", left, read_concat(cursor))


def read_in(cursor: Cursor, left: Expression) -> Expression:
    cursor.read("(")
    if cursor.read_if(")"):
        return Literal(SqlType.BOOLEAN, 0)
    if is_query_next(cursor):
        query = read_query(cursor)
        cursor.read(")")
        return InQuery(left, query, "=", every=False)
    items = [read_expression(cursor)]
    while cursor.read_if(","):
        items.append(read_expression(cursor))
    cursor.read(")")
    only = items[0]
    if len(items) == 1 and isinstance(only, Scalar):
        return InQuery(left, only.query, "=", every=False)
    return In(left, tuple(items))


def read_concat(cursor: Cursor) -> Expression:
    left = read_sum(cursor)
    while operator := cursor.read_any("||", "~", "!~"):
        if operator == "||":
            left = Binary("||", left, read_sum(cursor))
            continue
        pattern = "IREGEXP" if cursor.read_if("*") else "REGEXP"
        matches = Like(pattern, left, read_sum(cursor), None)
        left = Not(matches) if operator == "!~" else matches
    return left


def read_sum(cursor: Cursor) -> Expression:
    left = read_factor(cursor)
    while operator := cursor.read_any("+", "-"):
        left = Binary(operator, left, read_factor(cursor))
    return left


def read_factor(cursor: Cursor) -> Expression:
    left = read_term(cursor)
    while operator := cursor.read_any("*", "/", "%"):
        left = Binary(operator, left, read_term(cursor))
    return left


def read_term(cursor: Cursor) -> Expression:
    """A term: a literal, a name, a call, a parenthesis, a subquery."""
    term = read_plain_term(cursor)
    if cursor.read_if("["):
        raise refused("arrays in SQL; keep the values in rows of a table")
    if cursor.read_if("::"):
        return Cast(term, read_type(cursor))
    return term


def read_plain_term(cursor: Cursor) -> Expression:
    token = cursor.token
    if token.kind == Kind.NAME:
        cursor.advance()
        return read_after_name(cursor, token.text, quoted=token.quoted)
    if token.kind == Kind.VALUE:
        cursor.advance()
        assert token.type is not None
        return Literal(token.type, stored(token.type, token.value))
    if token.kind == Kind.PARAMETER:
        return read_parameter(cursor)
    if token.kind == Kind.KEYWORD:
        return read_keyword_term(cursor)
    if token.kind == Kind.SYMBOL:
        if token.text == "(":
            return read_parenthesis(cursor)
        if token.text == "-":
            cursor.advance()
            return read_negative(cursor)
        if token.text == "+":
            cursor.advance()
            return read_term(cursor)
        if token.text == "@":
            cursor.advance()
            raise SqlFailure("50000", f"Unsupported expression: @{cursor.read_name()} [type=Variable]")
        if token.text == "{":
            return read_escape(cursor)
    raise cursor.failure()


def stored(sql_type: SqlType, value: object) -> object:
    """A literal's value as SQLite stores it."""
    return str(value) if sql_type is SqlType.DECIMAL else value


def read_keyword_term(cursor: Cursor) -> Expression:
    word = cursor.token.text
    if word in {"SELECT", "FROM", "WITH"}:
        return Scalar(read_query(cursor))
    if word in {"TRUE", "FALSE"}:
        cursor.advance()
        return Literal(SqlType.BOOLEAN, int(word == "TRUE"))
    if word == "NULL":
        cursor.advance()
        return Literal(SqlType.NULL, None)
    if word == "ROWNUM":
        cursor.advance()
        if cursor.read_if("("):
            cursor.read(")")
        return RowNumber()
    raise cursor.failure()


def read_parenthesis(cursor: Cursor) -> Expression:
    cursor.advance()
    if cursor.read_if(")"):
        return Row(())
    first = read_expression(cursor)
    if not cursor.read_if(","):
        cursor.read(")")
        return first
    items = [first]
    while not cursor.read_if(")"):
        items.append(read_expression(cursor))
        if not cursor.read_if(","):
            cursor.read(")")
            break
    return Row(tuple(items))


def read_negative(cursor: Cursor) -> Expression:
    """What follows a minus: a number becomes a negative literal, so that the smallest INT and BIGINT can be written."""
    token = cursor.token
    if token.kind != Kind.VALUE:
        return Negate(read_term(cursor))
    cursor.advance()
    if token.type is SqlType.STRING:
        raise H2Error(50100, 'Feature not supported: "VARCHAR -"')
    value = -token.value
    sql_type = token.type
    if value == INT_MIN and sql_type is SqlType.LONG:
        sql_type = SqlType.INT
    elif value == LONG_MIN and sql_type is SqlType.DECIMAL and isinstance(value, Decimal):
        return Literal(SqlType.LONG, LONG_MIN)
    assert sql_type is not None
    if isinstance(value, Decimal) and not value:
        value = abs(value)
    return Literal(sql_type, stored(sql_type, value))


def read_escape(cursor: Cursor) -> Expression:
    """JDBC's ``{d '...'}``, ``{t '...'}``, ``{ts '...'}`` and ``{fn f()}``."""
    cursor.advance()
    if cursor.read_if("FN"):
        inside = read_expression(cursor)
    else:
        inside = read_term(cursor)
    cursor.read("}")
    return inside


def read_parameter(cursor: Cursor) -> Parameter:
    token = cursor.advance()
    indexed = token.value is not None
    if cursor.indexed is not None and cursor.indexed != indexed:
        raise H2Error(90123, "Cannot mix indexed and non-indexed parameters")
    cursor.indexed = indexed
    if indexed:
        index = token.value - 1
        if not 0 <= index < 100_000:
            raise H2Error(90008, f'Invalid value "{index}" for parameter "parameter index"')
        cursor.parameters = max(cursor.parameters, index + 1)
        return Parameter(index)
    cursor.parameters += 1
    return Parameter(cursor.parameters - 1)


def read_after_name(cursor: Cursor, name: str, *, quoted: bool) -> Expression:
    if quoted:
        if cursor.read_if("("):
            return read_function(cursor, name)
        if cursor.read_if("."):
            return read_dotted(cursor, name)
        return Name(name)
    if cursor.read_if("."):
        return read_dotted(cursor, name)
    if name == "CASE":
        return read_case(cursor)
    if cursor.read_if("("):
        return read_function(cursor, name)
    if name in WITHOUT_PARENTHESES:
        return Call(WITHOUT_PARENTHESES[name], ())
    if name == "CURRENT":
        for word in ("TIMESTAMP", "TIME", "DATE"):
            if cursor.read_if(word):
                return Call(f"CURRENT_{word}", ())
        return Name(name)
    if name in {"TIME", "TIMESTAMP"}:
        return read_moment(cursor, name)
    token = cursor.token
    if token.kind == Kind.VALUE and token.type is SqlType.STRING and name in PREFIXED:
        cursor.advance()
        return prefixed_literal(PREFIXED[name], token.value)
    return Name(name)


def read_moment(cursor: Cursor, name: str) -> Expression:
    """``TIME '...'`` or ``TIMESTAMP '...'``, or a column of that name."""
    if name == "TIMESTAMP" and cursor.read_if("WITH"):
        raise refused("TIMESTAMP WITH TIME ZONE; keep instants as TIMESTAMP in UTC")
    without = cursor.read_if("WITHOUT")
    if without:
        cursor.read("TIME")
        cursor.read("ZONE")
    token = cursor.token
    if token.kind != Kind.VALUE or token.type is not SqlType.STRING:
        if without:
            raise cursor.failure()
        return Name(name)
    cursor.advance()
    return prefixed_literal(name.lower(), token.value)


def prefixed_literal(kind: str, text: str) -> Literal:
    """The literal that a prefix makes of a string."""
    if kind == "date":
        return Literal(SqlType.DATE, moments.parse_date(text))
    if kind == "time":
        return Literal(SqlType.TIME, moments.parse_time(text))
    if kind == "timestamp":
        return Literal(SqlType.TIMESTAMP, moments.parse_timestamp(text))
    if kind == "bytes":
        return Literal(SqlType.BYTES, moments.hex_bytes(text))
    return Literal(SqlType.STRING, text.replace("\\\\", "\\") if kind == "text" else text)


def read_dotted(cursor: Cursor, first: str) -> Expression:
    """What follows ``name.``: a column or ``*`` of a table, perhaps with its schema before."""
    if cursor.read_if("*"):
        return Wildcard(first)
    second = cursor.read_name()
    if cursor.read_if("("):
        raise H2Error(90022, f'Function "{second}" not found')
    if not cursor.read_if("."):
        return Name(second, first)
    if cursor.read_if("*"):
        return Wildcard(second, first)
    return Name(cursor.read_name(), second, first)


def read_case(cursor: Cursor) -> Expression:
    if cursor.read_if("END"):
        cursor.read_if("CASE")
        return Literal(SqlType.NULL, None)
    if cursor.read_if("ELSE"):
        only = read_expression(cursor)
        cursor.read("END")
        cursor.read_if("CASE")
        return only
    operand = None
    if not cursor.read_if("WHEN"):
        operand = read_expression(cursor)
        cursor.read("WHEN")
    branches: list[tuple[Expression, Expression]] = []
    while True:
        condition = read_expression(cursor)
        cursor.read("THEN")
        branches.append((condition, read_expression(cursor)))
        if not cursor.read_if("WHEN"):
            break
    otherwise = read_expression(cursor) if cursor.read_if("ELSE") else None
    cursor.read("END")
    cursor.read_if("CASE")
    return Case(operand, tuple(branches), otherwise)


def read_function(cursor: Cursor, name: str) -> Expression:
    """What follows ``name(``."""
    if name in AGGREGATES:
        return read_aggregate(cursor, name)
    special = SPECIAL.get(name)
    if special is not None:
        return special(cursor, name)
    if name not in FUNCTION_NAMES:
        raise H2Error(90022, f'Function "{name}" not found')
    arguments: list[Expression] = []
    if not cursor.read_if(")"):
        arguments.append(read_expression(cursor))
        while read_if_more(cursor):
            arguments.append(read_expression(cursor))
    return Call(name, tuple(arguments))


def read_if_more(cursor: Cursor, *, trailing: bool = False) -> bool:
    """Pass a comma (True) or the closing parenthesis (False); ``trailing`` allows a comma before the latter."""
    if cursor.read_if(","):
        return not (trailing and cursor.read_if(")"))
    cursor.read(")")
    return False


def read_aggregate(cursor: Cursor, name: str) -> Expression:
    if not cursor.selects:
        raise cursor.failure()
    kind = AGGREGATES[name]
    if kind == "COUNT" and cursor.read_if("*"):
        found = Aggregate("COUNT", None)
    else:
        distinct = cursor.read_if("DISTINCT")
        operand = read_expression(cursor)
        if kind == "COUNT" and isinstance(operand, Wildcard) and not distinct:
            found = Aggregate("COUNT", None)
        else:
            found = Aggregate(kind, operand, distinct)
        order: tuple[OrderItem, ...] = ()
        separator = None
        if name == "STRING_AGG":
            cursor.read(",")
            separator = read_expression(cursor)
        if kind in {"GROUP_CONCAT", "ARRAY_AGG"} and cursor.read_if("ORDER"):
            cursor.read("BY")
            order = read_simple_order(cursor)
        if name == "GROUP_CONCAT" and cursor.read_if("SEPARATOR"):
            separator = read_expression(cursor)
        if order or separator is not None:
            found = attrs.evolve(found, order=order, separator=separator)
    cursor.read(")")
    if cursor.read_if("FILTER"):
        cursor.read("(")
        cursor.read("WHERE")
        found = attrs.evolve(found, condition=read_expression(cursor))
        cursor.read(")")
    return found


def read_simple_order(cursor: Cursor) -> tuple[OrderItem, ...]:
    items: list[OrderItem] = []
    while True:
        expression = read_expression(cursor)
        descending = cursor.read_if("DESC")
        if not descending:
            cursor.read_if("ASC")
        items.append(OrderItem(expression, descending, ordinal=False))
        if not cursor.read_if(","):
            return tuple(items)


def read_cast(cursor: Cursor, name: str) -> Expression:
    operand = read_expression(cursor)
    cursor.read("AS" if name == "CAST" else ",")
    found = Cast(operand, read_type(cursor), convert=name == "CONVERT")
    cursor.read(")")
    return found


def read_extract(cursor: Cursor, name: str) -> Expression:
    part = cursor.token.value if cursor.token.kind == Kind.VALUE else cursor.token.text
    cursor.advance()
    cursor.read("FROM")
    operand = read_expression(cursor)
    cursor.read(")")
    return Call(name, (Literal(SqlType.STRING, part), operand))


def read_date_function(cursor: Cursor, name: str) -> Expression:
    token = cursor.token
    if token.kind == Kind.NAME and token.text in moments.PARTS:
        cursor.advance()
        part: Expression = Literal(SqlType.STRING, token.text)
    else:
        part = read_expression(cursor)
    cursor.read(",")
    second = read_expression(cursor)
    cursor.read(",")
    third = read_expression(cursor)
    cursor.read(")")
    return Call(name, (part, second, third))


def read_substring(cursor: Cursor, name: str) -> Expression:
    text = read_expression(cursor)
    if cursor.read_if("FROM"):
        arguments = [text, read_expression(cursor)]
        if cursor.read_if("FOR"):
            arguments.append(read_expression(cursor))
    elif cursor.read_if("FOR"):
        arguments = [text, Literal(SqlType.INT, 0), read_expression(cursor)]
    else:
        cursor.read(",")
        arguments = [text, read_expression(cursor)]
        if cursor.read_if(","):
            arguments.append(read_expression(cursor))
    cursor.read(")")
    return Call(name, tuple(arguments))


def read_position(cursor: Cursor, name: str) -> Expression:
    search = read_concat(cursor)
    if not cursor.read_if(","):
        cursor.read("IN")
    text = read_expression(cursor)
    cursor.read(")")
    return Call(name, (search, text))


def read_trim(cursor: Cursor, name: str) -> Expression:
    space: Expression | None = None
    for word, function in (("LEADING", "LTRIM"), ("TRAILING", "RTRIM"), ("BOTH", "TRIM")):
        if cursor.read_if(word):
            name = function
            if not cursor.read_if("FROM"):
                space = read_expression(cursor)
                cursor.read("FROM")
            break
    text = read_expression(cursor)
    if cursor.read_if(","):
        space = read_expression(cursor)
    elif cursor.read_if("FROM"):
        space = text
        text = read_expression(cursor)
    cursor.read(")")
    return Call(name, (text,) if space is None else (text, space))


def read_row_number(cursor: Cursor, name: str) -> Expression:
    cursor.read(")")
    cursor.read("OVER")
    cursor.read("(")
    cursor.read(")")
    return RowNumber()


SPECIAL: Final = {
    "CAST": read_cast,
    "CONVERT": read_cast,
    "EXTRACT": read_extract,
    "DATEADD": read_date_function,
    "TIMESTAMPADD": read_date_function,
    "DATEDIFF": read_date_function,
    "TIMESTAMPDIFF": read_date_function,
    "SUBSTRING": read_substring,
    "POSITION": read_position,
    "TRIM": read_trim,
    "ROW_NUMBER": read_row_number,
}
"""Functions whose arguments are not a plain list."""


def read_type(cursor: Cursor) -> TypeSpec:
    """A type, with precision and scale.

    Raises:
        H2Error: There is no such type.
    """
    token = cursor.token
    if token.kind not in {Kind.NAME, Kind.KEYWORD} or (token.kind == Kind.KEYWORD and token.text != "NULL"):
        raise cursor.failure("identifier")
    cursor.advance()
    name = token.text
    if name == "LONG" and cursor.read_if("RAW"):
        name = "RAW"
    elif name == "DOUBLE":
        cursor.read_if("PRECISION")
    elif name == "CHARACTER" and cursor.read_if("VARYING"):
        name = "VARCHAR"
    elif name == "TIMESTAMP" and cursor.read_if("WITH"):
        raise refused("TIMESTAMP WITH TIME ZONE; keep instants as TIMESTAMP in UTC")
    elif name in {"TIME", "TIMESTAMP"} and cursor.read_if("WITHOUT"):
        cursor.read("TIME")
        cursor.read("ZONE")
    if name in {"GEOMETRY", "ENUM"}:
        raise refused(f"the type {name}; keep the value as VARCHAR")
    found = BY_NAME.get(name)
    if found is None:
        raise H2Error(50004, f'Unknown data type: "{name}"')
    sql_type, canonical = found
    precision = scale = None
    if cursor.read_if("("):
        if not cursor.read_if("MAX"):
            precision = read_integer(cursor)
            for unit, factor in (("K", 1024), ("M", 1024**2), ("G", 1024**3)):
                if cursor.read_if(unit):
                    precision *= factor
            if not cursor.read_if("CHAR"):
                cursor.read_if("BYTE")
            if cursor.read_if(","):
                scale = read_integer(cursor)
        cursor.read(")")
    cursor.read_if("UNSIGNED")
    if sql_type is SqlType.DECIMAL:
        if (precision, scale) == (65535, 32767):  # as H2 prints a DECIMAL without them
            precision = scale = None
        if precision is not None and scale is None:
            scale = 0
        if precision is not None and scale is not None and scale > precision:
            raise H2Error(90051, f"Scale (${{0}}) must not be bigger than precision({precision})")
    elif sql_type is SqlType.DOUBLE and precision is not None and name == "FLOAT":
        if precision > 53:
            raise H2Error(90051, f'Scale or precision "{precision}" is not valid')
        if precision <= 24:
            return TypeSpec(SqlType.FLOAT, "REAL")
        precision = None
    elif sql_type not in {
        SqlType.STRING,
        SqlType.CHAR,
        SqlType.ILIKE,
        SqlType.BYTES,
        SqlType.TIME,
        SqlType.TIMESTAMP,
    }:
        precision = None
    return TypeSpec(sql_type, canonical, precision, scale if sql_type is SqlType.DECIMAL else None)


def read_integer(cursor: Cursor) -> int:
    """An integer, perhaps with a sign."""
    negative = False
    if cursor.token.text in {"-", "+"} and cursor.token.kind == Kind.SYMBOL:
        negative = cursor.advance().text == "-"
    token = cursor.token
    if token.kind != Kind.VALUE:
        raise cursor.failure("integer")
    cursor.advance()
    value = int(token.value)
    return -value if negative else value


# --- queries ----------------------------------------------------------------------------------------------------------


def is_query_next(cursor: Cursor) -> bool:
    """Whether a query comes next, behind any number of opening parentheses."""
    start = cursor.at
    while cursor.read_if("("):
        pass
    found = cursor.is_next("SELECT") or cursor.is_next("FROM") or cursor.is_next("WITH")
    cursor.go_back(start)
    return found


def read_query(cursor: Cursor) -> Query:
    """A query with its set operations, ORDER BY and LIMIT."""
    query = read_single_query(cursor)
    while True:
        if cursor.read_if("UNION"):
            operator = "UNION ALL" if cursor.read_if("ALL") else "UNION"
            if operator == "UNION":
                cursor.read_if("DISTINCT")
        elif cursor.read_if("MINUS") or cursor.read_if("EXCEPT"):
            operator = "EXCEPT"
        elif cursor.read_if("INTERSECT"):
            operator = "INTERSECT"
        else:
            return read_end_of_query(cursor, query)
        query = SetOperation(operator, query, read_single_query(cursor))


def read_single_query(cursor: Cursor) -> Query:
    if cursor.read_if("("):
        query = read_query(cursor)
        cursor.read(")")
        return query
    if cursor.read_if("WITH"):
        return read_with(cursor)
    return read_select(cursor)


def read_with(cursor: Cursor) -> Query:
    """What follows WITH, up to its query."""
    if cursor.read_if("RECURSIVE"):
        raise unsupported("Recursive CTE ('WITH RECURSIVE (...)') is not supported.")
    tables: list[CommonTable] = []
    while True:
        name = cursor.read_name()
        columns: tuple[str, ...] | None = None
        if cursor.read_if("("):
            names = [cursor.read_name()]
            while read_if_more(cursor, trailing=True):
                names.append(cursor.read_name())
            columns = tuple(names)
        cursor.read("AS")
        cursor.read("(")
        query = read_query(cursor)
        cursor.read(")")
        tables.append(CommonTable(name, columns, query))
        if not cursor.read_if(","):
            break
    if cursor.is_next("SELECT"):
        return With(tuple(tables), read_query(cursor))
    for word in ("INSERT", "UPDATE", "MERGE", "DELETE"):
        if cursor.read_if(word):
            raise refused(f"WITH before {word}; use a subquery")
    raise cursor.failure(
        "WITH statement supports only SELECT, CREATE TABLE, INSERT, UPDATE, MERGE or DELETE statements"
    )


def read_end_of_query(cursor: Cursor, query: Query) -> Query:
    """ORDER BY, OFFSET, FETCH, LIMIT and FOR UPDATE."""
    order: list[OrderItem] = []
    selects = cursor.selects
    if cursor.read_if("ORDER"):
        cursor.read("BY")
        if isinstance(query, Select):
            cursor.selects += 1
        while True:
            order.append(read_order_item(cursor))
            if not cursor.read_if(","):
                break
    cursor.selects = 0  # no aggregates from here on
    limit = query.limit if not isinstance(query, With) else None
    offset = query.offset if not isinstance(query, With) else None
    if cursor.read_if("OFFSET"):
        offset = read_expression(cursor)
        if not cursor.read_if("ROW"):
            cursor.read_if("ROWS")
    if cursor.read_if("FETCH"):
        if not cursor.read_if("FIRST"):
            cursor.read("NEXT")
        if cursor.read_if("ROW"):
            limit = Literal(SqlType.INT, 1)
        else:
            limit = read_expression(cursor)
            if not cursor.read_if("ROW"):
                cursor.read("ROWS")
        cursor.read("ONLY")
    if cursor.read_if("LIMIT"):
        limit = read_expression(cursor)
        if cursor.read_if("OFFSET"):
            offset = read_expression(cursor)
        elif cursor.read_if(","):
            offset = limit
            limit = read_expression(cursor)
        if cursor.read_if("SAMPLE_SIZE"):
            raise refused("SAMPLE_SIZE; leave it out")
    cursor.selects = selects
    for_update = False
    if cursor.read_if("FOR"):
        if cursor.read_if("UPDATE"):
            for_update = True
            if cursor.read_if("OF"):
                cursor.read_name()
                while cursor.read_if(","):
                    cursor.read_name()
            else:
                cursor.read_if("NOWAIT")
        elif cursor.read_if("READ") or cursor.read_if("FETCH"):
            cursor.read("ONLY")
    if not (order or limit is not None or offset is not None or for_update):
        return query
    if isinstance(query, With):
        return attrs.evolve(query, query=with_end(query.query, order, limit, offset, for_update=for_update))
    return with_end(query, order, limit, offset, for_update=for_update)


def with_end(
    query: Query,
    order: list[OrderItem],
    limit: Expression | None,
    offset: Expression | None,
    *,
    for_update: bool,
) -> Query:
    if isinstance(query, With):
        return attrs.evolve(query, query=with_end(query.query, order, limit, offset, for_update=for_update))
    return attrs.evolve(
        query, order=tuple(order) or query.order, limit=limit, offset=offset, for_update=for_update or query.for_update
    )


def read_order_item(cursor: Cursor) -> OrderItem:
    ordinal = not cursor.read_if("=")
    expression = read_expression(cursor)
    descending = cursor.read_if("DESC")
    if not descending:
        cursor.read_if("ASC")
    nulls = None
    if cursor.read_if("NULLS"):
        if cursor.read_if("FIRST"):
            nulls = "FIRST"
        else:
            cursor.read("LAST")
            nulls = "LAST"
    return OrderItem(expression, descending, nulls, ordinal)


def read_select(cursor: Cursor) -> Query:
    from_first = False
    if not cursor.read_if("SELECT"):
        if cursor.read_if("FROM"):
            from_first = True
        else:
            raise cursor.failure()
    cursor.selects += 1
    sources: tuple[Source, ...] = ()
    if from_first:
        sources = read_sources(cursor)
        cursor.read("SELECT")
    limit, offset, distinct, items = read_select_list(cursor)
    if not from_first and cursor.read_if("FROM"):
        sources = read_sources(cursor)
    where = read_expression(cursor) if cursor.read_if("WHERE") else None
    group: list[Expression] | None = None
    if cursor.read_if("GROUP"):
        cursor.read("BY")
        cursor.selects -= 1  # GROUP BY is read for the outer query
        group = [read_expression(cursor)]
        while cursor.read_if(","):
            group.append(read_expression(cursor))
        cursor.selects += 1
    having = read_expression(cursor) if cursor.read_if("HAVING") else None
    cursor.selects -= 1
    grouped = None if group is None else tuple(group)
    return Select(items, distinct, sources, where, grouped, having, limit=limit, offset=offset)


def read_select_list(
    cursor: Cursor,
) -> tuple[Expression | None, Expression | None, bool, tuple[Item, ...]]:
    """TOP, DISTINCT and the expressions of a SELECT: (limit, offset, distinct, items)."""
    limit = offset = None
    selects, cursor.selects = cursor.selects, 0
    if cursor.read_if("TOP"):
        limit = read_term(cursor)
    elif cursor.read_if("LIMIT"):
        offset = read_term(cursor)
        limit = read_term(cursor)
    cursor.selects = selects
    distinct = cursor.read_if("DISTINCT")
    if not distinct:
        cursor.read_if("ALL")
    items: list[Item] = []
    while True:
        if cursor.read_if("*"):
            items.append(Item(Wildcard()))
        else:
            expression = read_expression(cursor)
            alias = None
            if cursor.read_if("AS") or cursor.token.kind == Kind.NAME:
                alias = cursor.read_name()
            items.append(Item(expression, alias))
        if not cursor.read_if(","):
            return limit, offset, distinct, tuple(items)


def read_sources(cursor: Cursor) -> tuple[Source, ...]:
    sources: list[Source] = []
    while True:
        sources.append(read_joins(cursor, read_source(cursor)))
        if not cursor.read_if(","):
            return tuple(sources)


def read_joins(cursor: Cursor, top: Source) -> Source:
    """The joins that follow a source."""
    while True:
        if cursor.read_if("RIGHT"):
            cursor.read_if("OUTER")
            cursor.read("JOIN")
            other = read_joins(cursor, read_source(cursor))
            top = Join("LEFT", other, top, read_on(cursor))
        elif cursor.read_if("LEFT"):
            cursor.read_if("OUTER")
            cursor.read("JOIN")
            other = read_joins(cursor, read_source(cursor))
            top = Join("LEFT", top, other, read_on(cursor))
        elif cursor.read_if("FULL"):
            raise cursor.failure()
        elif cursor.read_if("INNER"):
            cursor.read("JOIN")
            top = read_inner_join(cursor, top)
        elif cursor.read_if("JOIN"):
            top = read_inner_join(cursor, top)
        elif cursor.read_if("CROSS"):
            cursor.read("JOIN")
            top = Join("INNER", top, read_source(cursor), None)
        elif cursor.read_if("NATURAL"):
            cursor.read("JOIN")
            top = Join("INNER", top, read_source(cursor), None, natural=True)
        else:
            return top


def read_inner_join(cursor: Cursor, top: Source) -> Source:
    other = read_source(cursor)
    top = read_joins(cursor, top)  # a JOIN b JOIN c ON ... ON ...
    return Join("INNER", top, other, read_on(cursor))


def read_on(cursor: Cursor) -> Expression | None:
    return read_expression(cursor) if cursor.read_if("ON") else None


def read_source(cursor: Cursor) -> Source:
    """One table, query or range of FROM, with its alias."""
    source: Source
    if cursor.read_if("("):
        if is_query_next(cursor):
            query = read_query(cursor)
            cursor.read(")")
            source = Derived(query, None)
        elif cursor.read_if("VALUES"):
            # H2 has VALUES as a table here, so that the parenthesis is one around a source.
            source = Derived(read_values(cursor), None)
            source = read_alias(cursor, source)
            source = read_joins(cursor, source)
            cursor.read(")")
            return read_outer_alias(cursor, source)
        else:
            inner = read_joins(cursor, read_source(cursor))
            cursor.read(")")
            return read_outer_alias(cursor, inner)
    elif cursor.read_if("VALUES"):
        source = Derived(read_values(cursor), None)
    else:
        source = read_named_source(cursor)
    return read_alias(cursor, source)


def read_named_source(cursor: Cursor) -> Source:
    name = cursor.read_name()
    schema = None
    if cursor.read_if("."):
        schema, name = name, cursor.read_name()
    if cursor.read_if("("):
        if cursor.read_if("INDEX"):
            cursor.read_name()
            cursor.read(")")
        elif name in {"SYSTEM_RANGE", "GENERATE_SERIES"}:
            first = read_expression(cursor)
            cursor.read(",")
            last = read_expression(cursor)
            step = read_expression(cursor) if cursor.read_if(",") else None
            cursor.read(")")
            return SystemRange(first, last, step, None)
        elif name in {"TABLE", "TABLE_DISTINCT"}:
            return read_table_function(cursor, name)
        else:
            if name in FUNCTION_NAMES:
                raise H2Error(90000, f'Function "{name}" must return a result set')
            raise H2Error(90022, f'Function "{name}" not found')
    elif name == "DUAL" and schema is None:
        one = Literal(SqlType.LONG, 1)
        return SystemRange(one, one, None, None)
    return TableName(name, schema, None)


def read_table_function(cursor: Cursor, name: str) -> Source:
    declared: list[tuple[str, TypeSpec, Expression]] = []
    while True:
        column = cursor.read_name()
        sql_type = read_type(cursor)
        cursor.read("=")
        declared.append((column, sql_type, read_expression(cursor)))
        if not read_if_more(cursor):
            return TableFunction(tuple(declared), None, distinct=name == "TABLE_DISTINCT")


def read_alias(cursor: Cursor, source: Source) -> Source:
    """The alias, its columns and USE INDEX behind a source."""
    assert not isinstance(source, Join)
    alias: str | None = None
    hinted = False
    if cursor.read_if("USE"):
        if cursor.read_if("INDEX"):
            hinted = True
        else:
            alias = "USE"
    elif cursor.read_if("AS") or (
        cursor.token.kind == Kind.NAME and cursor.token.text not in {"LEFT", "RIGHT", "FULL"}
    ):
        alias = cursor.read_name()
    if alias is not None:
        source = attrs.evolve(source, alias=alias, columns=read_derived_columns(cursor))
        if cursor.read_if("USE"):
            cursor.read("INDEX")
            hinted = True
    if hinted:
        indexes = read_index_hints(cursor)
        if isinstance(source, TableName):
            source = attrs.evolve(source, indexes=indexes)
    return source


def read_index_hints(cursor: Cursor) -> tuple[str, ...]:
    cursor.read("(")
    names: list[str] = []
    if not cursor.read_if(")"):
        names.append(cursor.read_name())
        while read_if_more(cursor):
            names.append(cursor.read_name())
    return tuple(names)


def read_outer_alias(cursor: Cursor, source: Source) -> Source:
    """The alias behind a parenthesis around sources, which H2 gives to the first of them."""
    alias = None
    if cursor.read_if("AS") or (cursor.token.kind == Kind.NAME and cursor.token.text not in {"LEFT", "RIGHT", "FULL"}):
        alias = cursor.read_name()
    if alias is None:
        return source
    columns = read_derived_columns(cursor)
    return renamed_first(source, alias, columns)


def renamed_first(source: Source, alias: str, columns: tuple[str, ...] | None) -> Source:
    """Joined sources with another alias for the first of them, also in the conditions, which were read before it."""
    if not isinstance(source, Join):
        return attrs.evolve(source, alias=alias, columns=columns or source.columns)
    former = first_name(source)

    def change(name: Name) -> Name:
        return attrs.evolve(name, table=alias) if name.table is not None and name.table == former else name

    return attrs.evolve(source, left=renamed_first(source.left, alias, columns), on=with_names(source.on, change))


def first_name(source: Source) -> str | None:
    """The name under which conditions know the first of joined sources."""
    while isinstance(source, Join):
        source = source.left
    return source.name if isinstance(source, TableName) and source.alias is None else source.alias


def read_derived_columns(cursor: Cursor) -> tuple[str, ...] | None:
    if not cursor.read_if("("):
        return None
    names = [cursor.read_name()]
    while read_if_more(cursor):
        names.append(cursor.read_name())
    return tuple(names)


def read_values(cursor: Cursor) -> Values:
    """The rows behind VALUES."""
    rows: list[tuple[Expression, ...]] = []
    while True:
        if cursor.read_if("("):
            row = [read_value_or_default(cursor)]
            while read_if_more(cursor, trailing=True):
                row.append(read_value_or_default(cursor))
        else:
            row = [read_expression(cursor)]
        if rows and len(rows[0]) != len(row):
            raise H2Error(21002, "Column count does not match")
        rows.append(tuple(row))
        if not cursor.read_if(","):
            return Values(tuple(rows))


def read_value_or_default(cursor: Cursor) -> Expression:
    """A value of a row that is inserted."""
    return Default() if cursor.read_if("DEFAULT") else read_expression(cursor)
