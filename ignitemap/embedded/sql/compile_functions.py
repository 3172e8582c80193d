"""Compiles calls of functions: the plain ones of the table, and those whose types or text depend on their arguments."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from ignitemap.embedded.sql import moments
from ignitemap.embedded.sql.compiler import Compiler
from ignitemap.embedded.sql.errors import H2Error, refused, unsupported_feature
from ignitemap.embedded.sql.functions import FUNCTIONS, REFUSED, doubled, rounded
from ignitemap.embedded.sql.numbers import decimal, negate
from ignitemap.embedded.sql.to_char import moment_text, number_text, parse_oracle_date
from ignitemap.embedded.sql.typed import NULL, Typed, collated, literal, size_of
from ignitemap.embedded.sql.types import DATES, NUMBERS, SQL_NAMES, STRINGS, SqlType, higher
from ignitemap.embedded.sql.values import java_length, text_of

__all__ = ["common_type", "compile_call", "higher_of"]

Arguments = Sequence[Typed]


def higher_of(left: SqlType, right: SqlType) -> SqlType:
    """The higher of two types.

    Raises:
        H2Error: Neither says what the other is.
    """
    if SqlType.UNKNOWN in {left, right} and {left, right} <= {SqlType.UNKNOWN, SqlType.NULL}:
        names = ", ".join("?" if each is SqlType.UNKNOWN else "NULL" for each in (left, right))
        raise H2Error(50004, f'Unknown data type: "{names}"')
    return higher(left, right)


def compile_call(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    """Compile the call of a function.

    Raises:
        H2Error: There is no such function, or it does not take these arguments.
        SqlFailure: The embedded node does not have it.
    """
    special = SPECIAL.get(name)
    if special is not None:
        low, high, build = special
        count(name, arguments, low, high)
        return build(compiler, name, arguments)
    if name in REFUSED:
        raise refused(f"the function {name}; compute it in Python")
    function = FUNCTIONS.get(name)
    if function is None:
        raise H2Error(90022, f'Function "{name}" not found')
    count(name, arguments, function.low, function.high)
    value_type = function.value_type or function.type
    if function.strict and NULL in arguments and function.deterministic:
        return NULL
    takes = function.takes
    converted = [
        compiler.cast(argument, takes[min(place, len(takes) - 1)]) if takes else argument
        for place, argument in enumerate(arguments)
    ]
    run = function.run
    guarded = strict(run) if function.strict else run
    sql = compiler.call(f"h2_{name}", guarded, *(each.sql for each in converted), deterministic=function.deterministic)
    return finished(compiler, name, arguments, sql, function.type, value_type, deterministic=function.deterministic)


def strict(run: Callable[..., Any]) -> Callable[..., Any]:
    """The function with NULL for NULL."""

    def apply(*arguments: Any) -> Any:
        return None if None in arguments else run(*arguments)

    return apply


def count(name: str, arguments: Arguments, low: int, high: int) -> None:
    """Check the number of arguments."""
    if low <= len(arguments) <= high:
        return
    wanted = f"{low}" if low == high else f"{low}..{high if high < 1000 else 2**31 - 1}"
    raise H2Error(7001, f'Invalid parameter count for "{name}", expected count: "{wanted}"')


def finished(
    compiler: Compiler,
    name: str,
    arguments: Arguments,
    sql: str,
    sql_type: SqlType,
    value_type: SqlType | None = None,
    *,
    deterministic: bool = True,
    text: str | None = None,
) -> Typed:
    """The call as an expression, folded where all arguments are constants."""
    if text is None:
        text = f"{name}({', '.join(each.text for each in arguments)})"
    precision, scale = size_of(*arguments) if sql_type is SqlType.DECIMAL and arguments else (-1, -1)
    typed = Typed(
        sql,
        sql_type,
        sql_type if value_type is None else value_type,
        text,
        cost=3 + sum(each.cost for each in arguments),
        precision=precision,
        scale=scale,
    )
    return compiler.fold(typed) if deterministic and all(each.constant for each in arguments) else typed


def common_type(arguments: Arguments) -> SqlType:
    """The type of COALESCE and its kind: the highest that is known, VARCHAR if none is."""
    known = [each.type for each in arguments if each.type not in {SqlType.UNKNOWN, SqlType.NULL}]
    return max(known) if known else SqlType.STRING


# --- choices ----------------------------------------------------------------------------------------------------------


def coalesce(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    sql_type = common_type(arguments)
    converted = [compiler.cast_late(each, sql_type).sql for each in arguments]
    sql = converted[0] if len(converted) == 1 else f"COALESCE({', '.join(converted)})"
    return finished(compiler, name, arguments, sql, sql_type)


def nvl2(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    test, one, two = arguments
    sql_type = one.type if one.type in STRINGS else higher_of(one.type, two.type)
    if sql_type is SqlType.NULL:
        sql_type = SqlType.STRING
    first, second = compiler.cast_late(one, sql_type).sql, compiler.cast_late(two, sql_type).sql
    return finished(
        compiler, name, arguments, f"(CASE WHEN {test.sql} IS NULL THEN {second} ELSE {first} END)", sql_type
    )


def case_when(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    test, one, two = arguments
    sql_type = higher_of(one.type, two.type)
    first, second = compiler.cast_late(one, sql_type).sql, compiler.cast_late(two, sql_type).sql
    condition = compiler.condition(test).sql
    return finished(compiler, name, arguments, f"(CASE WHEN {condition} THEN {first} ELSE {second} END)", sql_type)


def equal(compiler: Compiler, left: Typed, right: Typed, operator: str) -> str:
    """A test of two values for equality in the higher of their types."""
    sql_type = higher(left.value_type, right.value_type)
    one, two = compiler.cast(left, sql_type), compiler.cast(right, sql_type)
    return f"{collated(one.sql, sql_type, two.sql)} {operator} {two.sql}"


def null_if(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    one, two = arguments
    sql_type = common_type(arguments)
    sql = f"(CASE WHEN {equal(compiler, one, two, 'IS')} THEN NULL ELSE {compiler.checked(one).sql} END)"
    return finished(compiler, name, arguments, sql, sql_type, one.value_type)


def decode(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    subject, *rest = arguments
    pairs = list(zip(rest[::2], rest[1::2], strict=False))
    otherwise = rest[-1] if len(rest) % 2 else None
    results = [then for _, then in pairs] + ([] if otherwise is None else [otherwise])
    sql_type = common_type(results)
    branches = [
        f"WHEN {equal(compiler, subject, when, 'IS')} THEN {compiler.cast_late(then, sql_type).sql}"
        for when, then in pairs
    ]
    last = "" if otherwise is None else f" ELSE {compiler.cast_late(otherwise, sql_type).sql}"
    return finished(compiler, name, arguments, f"(CASE {' '.join(branches)}{last} END)", sql_type)


def extreme(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    sql_type = common_type(arguments)
    converted = [compiler.cast(each, sql_type).sql for each in arguments]
    decimals = sql_type is SqlType.DECIMAL
    greatest = name == "GREATEST"

    def run(*values: Any) -> Any:
        there = [value for value in values if value is not None]
        if not there:
            return None
        best = there[0]
        for value in there[1:]:
            one, two = (decimal(best), decimal(value)) if decimals else (best, value)
            if (two > one) if greatest else (two < one):
                best = value
        return best

    kind = "decimal" if decimals else "plain"
    sql = compiler.call(f"{name.lower()}_{kind}", run, *converted)
    return finished(compiler, name, arguments, sql, sql_type)


# --- numbers ----------------------------------------------------------------------------------------------------------


def own_type(argument: Typed) -> SqlType:
    return SqlType.INT if argument.type is SqlType.NULL else argument.type


def absolute(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    (operand,) = arguments
    if operand is NULL:
        return NULL
    value_type = operand.value_type
    if value_type not in NUMBERS:
        raise unsupported_feature(f"{SQL_NAMES[value_type]} SIGNUM", late=not operand.constant)

    def run(value: Any) -> Any:
        if value is None:
            return None
        number = decimal(value) if value_type is SqlType.DECIMAL else float(value)
        return negate(value_type, value) if number < 0 else value

    sql = compiler.call(f"abs_{value_type.name}", run, compiler.checked(operand).sql)
    return finished(compiler, name, arguments, sql, own_type(operand), value_type)


def sign(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    (operand,) = arguments
    if operand is NULL:
        return NULL
    if operand.value_type not in NUMBERS:
        raise unsupported_feature(f"{SQL_NAMES[operand.value_type]} SIGNUM", late=not operand.constant)

    def run(value: Any) -> int | None:
        if value is None:
            return None
        number = float(value)
        return (number > 0) - (number < 0)

    return finished(compiler, name, arguments, compiler.call("sign", run, compiler.checked(operand).sql), SqlType.INT)


def floor_of(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


FLOOR: Final = doubled(floor_of)


def floor(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    (operand,) = arguments
    if operand is NULL:
        return NULL

    def run(value: Any) -> Any:
        return None if value is None else FLOOR(value)

    sql = compiler.call("floor_double", run, compiler.cast(operand, SqlType.DOUBLE).sql)
    return finished(compiler, name, arguments, sql, own_type(operand), SqlType.DOUBLE)


def round_to(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    if NULL in arguments:
        return NULL
    converted = [compiler.cast(each, SqlType.DOUBLE).sql for each in arguments]

    def run(value: Any, digits: Any = 0) -> Any:
        return None if value is None or digits is None else rounded(value, digits)

    sql = compiler.call("round_double", run, *converted)
    return finished(compiler, name, arguments, sql, own_type(arguments[0]), SqlType.DOUBLE)


def truncate(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    operand = arguments[0]
    if NULL in arguments:
        return NULL
    if operand.value_type in {SqlType.TIMESTAMP, SqlType.DATE} or operand.value_type in STRINGS:
        one = compiler.cast(operand, SqlType.TIMESTAMP)

        def midnight(value: str | None) -> str | None:
            return None if value is None else f"{value[:10]} 00:00:00.000000000"

        sql_type = SqlType.DATE if operand.type is SqlType.TIMESTAMP else operand.type
        return finished(
            compiler, name, arguments, compiler.call("midnight", midnight, one.sql), sql_type, SqlType.TIMESTAMP
        )
    digits = [compiler.cast(each, SqlType.INT).sql for each in arguments[1:]]

    def run(value: Any, places: Any = 0) -> Any:
        if value is None or places is None:
            return None
        factor = 10.0**places
        product = float(value) * factor
        return float(int(product)) / factor + 0.0 if abs(product) < 2**63 else float(value)

    sql = compiler.call("truncate_double", run, compiler.cast(operand, SqlType.DOUBLE).sql, *digits)
    return finished(compiler, name, arguments, sql, own_type(operand), SqlType.DOUBLE)


def length(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    (operand,) = arguments
    if operand is NULL:
        return NULL
    binary = operand.value_type in {SqlType.BYTES, SqlType.OBJECT}
    one = operand if binary else compiler.cast(operand, SqlType.STRING)
    factor = {"LENGTH": 1, "OCTET_LENGTH": 2, "BIT_LENGTH": 16}[name]

    def run(value: Any) -> int | None:
        return None if value is None else java_length(value) * factor

    sql = compiler.call(f"length_{'bytes' if binary else 'text'}_{factor}", run, one.sql)
    return finished(compiler, name, arguments, sql, SqlType.LONG)


# --- dates ------------------------------------------------------------------------------------------------------------


def as_moment(compiler: Compiler, operand: Typed) -> Typed:
    """The argument of a date function: what is no date, time or timestamp becomes a TIMESTAMP."""
    return operand if operand.value_type in DATES else compiler.cast(operand, SqlType.TIMESTAMP)


PART_FUNCTIONS: Final = {
    **dict.fromkeys(("DAY", "DAY_OF_MONTH", "DAYOFMONTH"), "DAY"),
    **dict.fromkeys(("DAY_OF_WEEK", "DAYOFWEEK"), "DAY_OF_WEEK"),
    **dict.fromkeys(("DAY_OF_YEAR", "DAYOFYEAR"), "DAY_OF_YEAR"),
    **{name: name for name in ("HOUR", "MINUTE", "MONTH", "QUARTER", "SECOND", "WEEK", "YEAR")},
    **{name: name for name in ("ISO_WEEK", "ISO_DAY_OF_WEEK")},
}


def date_part(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    (operand,) = arguments
    if operand is NULL:
        return NULL
    moment = as_moment(compiler, operand)
    sql_type = moment.value_type
    if name == "ISO_YEAR":

        def run(value: Any) -> Any:
            return None if value is None else moments.iso_year(moments.split(sql_type, value)[0])

    else:
        part = PART_FUNCTIONS[name]

        def run(value: Any) -> Any:
            return None if value is None else moments.extract(part, sql_type, value)

    sql = compiler.call(f"part_{name}_{sql_type.name}", run, moment.sql)
    return finished(compiler, name, arguments, sql, SqlType.INT)


def name_part(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    (operand,) = arguments
    if operand is NULL:
        return NULL
    moment = as_moment(compiler, operand)
    sql_type = moment.value_type
    days = name == "DAYNAME"

    def run(value: Any) -> Any:
        if value is None:
            return None
        if days:
            return moments.DAYS[(moments.split(sql_type, value)[0] - 1) % 7]
        return moments.MONTHS[int(moments.extract("MONTH", sql_type, value)) - 1]

    return finished(
        compiler, name, arguments, compiler.call(f"{name}_{sql_type.name}", run, moment.sql), SqlType.STRING
    )


def constant_part(argument: Typed) -> str:
    """The name of a date part, which must be known when the statement is compiled."""
    if not argument.constant or argument.value is None:
        raise refused("a date part that is not written in the statement; write it there")
    return text_of(argument.value_type, argument.value)


def wrong_part(
    compiler: Compiler, name: str, arguments: Arguments, part: str, sql_type: SqlType, text: str | None = None
) -> Typed | None:
    """The call as it fails for every row, where there is no such part of a date.

    Raises:
        H2Error: H2 computes it before it runs the statement.
    """
    try:
        moments.part_of(part)
    except H2Error as error:
        if all(each.constant for each in arguments):
            raise
        return finished(compiler, name, arguments, compiler.failing(error), sql_type, text=text)
    return None


def extract(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    part, operand = constant_part(arguments[0]), arguments[1]
    if operand is NULL:
        return NULL
    text = f"EXTRACT({part} FROM {operand.text})"
    wrong = wrong_part(compiler, name, arguments, part, SqlType.INT, text)
    if wrong is not None:
        return wrong
    moment = as_moment(compiler, operand)
    sql_type = moment.value_type
    epoch = moments.part_of(part) == "EPOCH"

    def run(value: Any) -> Any:
        if value is None:
            return None
        found = moments.extract(part, sql_type, value)
        return str(found) if epoch else found

    sql = compiler.call(f"extract_{moments.part_of(part)}_{sql_type.name}", run, moment.sql)
    value_type = SqlType.DECIMAL if epoch else SqlType.INT
    return finished(compiler, name, (operand,), sql, SqlType.INT, value_type, text=text)


def date_add(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    part, amount, operand = constant_part(arguments[0]), arguments[1], arguments[2]
    return added(compiler, name, arguments, part, amount, operand)


def add_months(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    return added(compiler, name, arguments, "MONTH", arguments[1], arguments[0])


def added(compiler: Compiler, name: str, arguments: Arguments, part: str, amount: Typed, operand: Typed) -> Typed:
    if amount is NULL or operand is NULL:
        return NULL
    wrong = wrong_part(compiler, name, arguments, part, SqlType.TIMESTAMP)
    if wrong is not None:
        return wrong
    step = moments.part_of(part)
    moment = as_moment(compiler, operand)
    sql_type = moment.value_type
    value_type = SqlType.TIMESTAMP if sql_type is SqlType.DATE and step in moments.STEPS else sql_type

    def run(steps: Any, value: Any) -> Any:
        return None if steps is None or value is None else moments.date_add(part, steps, sql_type, value)[1]

    amount = compiler.cast(amount, SqlType.LONG)
    sql = compiler.call(f"add_{step}_{sql_type.name}", run, amount.sql, moment.sql)
    return finished(compiler, name, arguments, sql, SqlType.TIMESTAMP, value_type)


def date_diff(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    part, first, second = constant_part(arguments[0]), arguments[1], arguments[2]
    if first is NULL or second is NULL:
        return NULL
    wrong = wrong_part(compiler, name, arguments, part, SqlType.LONG)
    if wrong is not None:
        return wrong
    one, two = as_moment(compiler, first), as_moment(compiler, second)
    left, right = one.value_type, two.value_type
    step = moments.part_of(part)

    def run(start: Any, end: Any) -> Any:
        if start is None or end is None:
            return None
        return moments.date_diff(part, moments.split(left, start), moments.split(right, end))

    sql = compiler.call(f"diff_{step}_{left.name}_{right.name}", run, one.sql, two.sql)
    return finished(compiler, name, arguments, sql, SqlType.LONG)


def date_trunc(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    part, operand = constant_part(arguments[0]), arguments[1]
    if operand is NULL:
        return NULL
    wrong = wrong_part(compiler, name, arguments, part, SqlType.NULL)
    if wrong is not None:
        return wrong
    moment = as_moment(compiler, operand)
    sql_type = moment.value_type

    def run(value: Any) -> Any:
        return None if value is None else moments.truncate(part, sql_type, value)

    sql = compiler.call(f"trunc_{moments.part_of(part)}_{sql_type.name}", run, moment.sql)
    return finished(compiler, name, arguments, sql, SqlType.NULL, SqlType.TIMESTAMP)


def format_datetime(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    if len(arguments) > 2:
        raise refused(f"{name} with a locale or a time zone; leave them out")
    moment = compiler.cast(arguments[0], SqlType.TIMESTAMP)
    pattern = compiler.cast(arguments[1], SqlType.STRING)

    def run(value: Any, form: Any) -> Any:
        if value is None or form is None:
            return None
        return moments.format_moment(*moments.split(SqlType.TIMESTAMP, value), form)

    sql = compiler.call("format_datetime", run, moment.sql, pattern.sql)
    return finished(compiler, name, arguments, sql, SqlType.STRING)


def parse_datetime(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    if len(arguments) > 2:
        raise refused(f"{name} with a locale or a time zone; leave them out")
    text, pattern = (compiler.cast(each, SqlType.STRING) for each in arguments)

    def run(value: Any, form: Any) -> Any:
        return None if value is None or form is None else moments.parse_moment(value, form)

    sql = compiler.call("parse_datetime", run, text.sql, pattern.sql)
    return finished(compiler, name, arguments, sql, SqlType.TIMESTAMP)


def to_char(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    operand = arguments[0]
    if NULL in arguments:
        return NULL
    if len(arguments) > 2:
        raise refused("TO_CHAR with a language; leave it out")
    sql_type = operand.value_type

    def date_run(value: Any, form: Any = None) -> Any:
        return None if value is None or form is None else moment_text(sql_type, value, form)

    def text_run(value: Any, form: Any = None) -> Any:
        return value

    run: Callable[..., Any]
    if sql_type in NUMBERS and sql_type is not SqlType.BYTE:
        one, key, run = compiler.cast(operand, SqlType.DECIMAL), "number", strict(number_text)
    elif sql_type in DATES:
        if len(arguments) == 1:
            raise refused("TO_CHAR of a date without a pattern; use CAST(... AS VARCHAR)")
        one, key, run = operand, sql_type.name, date_run
    else:
        one, key, run = compiler.cast(operand, SqlType.STRING), "text", text_run
    patterns = [compiler.cast(each, SqlType.STRING).sql for each in arguments[1:]]
    sql = compiler.call(f"to_char_{key}", run, compiler.checked(one).sql, *patterns)
    return finished(compiler, name, arguments, sql, SqlType.STRING)


def to_date(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    if NULL in arguments:
        return NULL
    converted = [compiler.cast(each, SqlType.STRING).sql for each in arguments]
    sql = compiler.call(f"h2_{name}", strict(parse_oracle_date), *converted)
    return finished(compiler, name, arguments, sql, SqlType.TIMESTAMP)


def current(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    """The clock of the statement."""
    clock = compiler.clock()
    canonical = {"SYSDATE": "CURRENT_TIMESTAMP", "SYSTIMESTAMP": "CURRENT_TIMESTAMP", "TODAY": "CURRENT_DATE"}
    shown = canonical.get(name, name)
    text = f"{shown}({', '.join(each.text for each in arguments)})"
    if name in {"CURRENT_DATE", "CURDATE", "TODAY", "GETDATE"}:
        return attrs.evolve(
            clock, sql=f"substr({clock.sql}, 1, 10)", type=SqlType.DATE, value_type=SqlType.DATE, text=text, cost=3
        )
    if name in {"CURRENT_TIME", "SYSTIME", "CURTIME"}:

        def time_of(value: str) -> int:
            return moments.split(SqlType.TIMESTAMP, value)[1]

        sql = compiler.call("time_of", time_of, clock.sql)
        return attrs.evolve(clock, sql=sql, type=SqlType.TIME, value_type=SqlType.TIME, text=text, cost=3)
    if arguments:
        digits = compiler.cast(arguments[0], SqlType.INT)

        def rescale(value: str, places: int) -> str:
            return moments.rescale_timestamp(value, places)

        sql = compiler.call("rescale_now", rescale, clock.sql, digits.sql)
        return attrs.evolve(clock, sql=sql, text=text, cost=3)
    return attrs.evolve(clock, text=text, cost=3)


# --- the node ---------------------------------------------------------------------------------------------------------


def about_node(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    if name == "SCHEMA":
        value = compiler.schema
    elif name == "H2VERSION":
        return literal(SqlType.STRING, "1.4.197", "'1.4.197'")
    elif name in {"USER", "CURRENT_USER"}:
        value, name = "", "USER"
    else:
        raise refused(f"the function {name}; there are no databases here")
    typed = literal(SqlType.STRING, value, f"{name}()")
    return attrs.evolve(typed, constant=False, value=None, cost=3)


def arrays(compiler: Compiler, name: str, arguments: Arguments) -> Typed:
    raise refused("arrays in SQL; keep the values in rows of a table")


Build = Callable[[Compiler, str, Arguments], Typed]
MANY: Final = 1000
SPECIAL: Final[dict[str, tuple[int, int, Build]]] = {
    "COALESCE": (1, MANY, coalesce),
    "NVL": (1, MANY, coalesce),
    "IFNULL": (2, 2, coalesce),
    "ISNULL": (2, 2, coalesce),
    "NVL2": (3, 3, nvl2),
    "NULLIF": (2, 2, null_if),
    "DECODE": (3, MANY, decode),
    "CASEWHEN": (3, 3, case_when),
    "GREATEST": (1, MANY, extreme),
    "LEAST": (1, MANY, extreme),
    "ABS": (1, 1, absolute),
    "SIGN": (1, 1, sign),
    "FLOOR": (1, 1, floor),
    "ROUND": (1, 2, round_to),
    "TRUNCATE": (1, 2, truncate),
    "TRUNC": (1, 2, truncate),
    "LENGTH": (1, 1, length),
    "OCTET_LENGTH": (1, 1, length),
    "BIT_LENGTH": (1, 1, length),
    **dict.fromkeys((*PART_FUNCTIONS, "ISO_YEAR"), (1, 1, date_part)),
    "DAYNAME": (1, 1, name_part),
    "MONTHNAME": (1, 1, name_part),
    "EXTRACT": (2, 2, extract),
    "DATEADD": (3, 3, date_add),
    "TIMESTAMPADD": (3, 3, date_add),
    "ADD_MONTHS": (2, 2, add_months),
    "DATEDIFF": (3, 3, date_diff),
    "TIMESTAMPDIFF": (3, 3, date_diff),
    "DATE_TRUNC": (2, 2, date_trunc),
    "FORMATDATETIME": (2, 4, format_datetime),
    "PARSEDATETIME": (2, 4, parse_datetime),
    "TO_CHAR": (1, 3, to_char),
    "TO_DATE": (1, 3, to_date),
    "TO_TIMESTAMP": (1, 2, to_date),
    **dict.fromkeys(("CURRENT_DATE", "CURDATE", "TODAY", "GETDATE"), (0, 0, current)),
    **dict.fromkeys(("CURRENT_TIME", "SYSTIME", "CURTIME"), (0, 0, current)),
    **dict.fromkeys(("CURRENT_TIMESTAMP", "SYSDATE", "SYSTIMESTAMP", "NOW"), (0, 1, current)),
    **dict.fromkeys(("SCHEMA", "H2VERSION", "USER", "CURRENT_USER", "DATABASE"), (0, 0, about_node)),
    "ARRAY_LENGTH": (1, 1, arrays),
    "ARRAY_GET": (2, 2, arrays),
    "ARRAY_CONTAINS": (2, 2, arrays),
}
