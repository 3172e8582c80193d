"""Expressions computed in Python over an entry, with the meaning that Ignite's SQL gives them.

Null is None: a comparison with it is null, AND and OR follow three-valued logic. Texts compare by UTF-16 units, NaN is
above all numbers and equals itself, a UUID compares as two signed halves, as they do in Java.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from ignitemap.exceptions import QueryError
from ignitemap.mapping.expressions import (
    WHOLE_FLOATS,
    Aggregate,
    Arithmetic,
    Between,
    Call,
    Column,
    Comparison,
    Constant,
    In,
    IsNull,
    Like,
    Logic,
    Negation,
    Node,
    Not,
    Unresolved,
    Whole,
)

__all__ = ["Entry", "evaluate", "sort_key"]

Entry = tuple[Any, Any]
"""A key and a value."""

COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
# No result is rounded: SQL's decimals have no precision.
EXACT: Final = Context(prec=100_000)


def evaluate(node: Node, entry: Entry) -> Any:
    """The value of an expression for one entry, None for null. Raises QueryError where SQL raises an error, too."""
    match node:
        case Column():
            return node.read(*entry)
        case Whole():
            return entry[1]
        case Constant(value):
            return value
        case Comparison(sign, left, right):
            return _compare(sign, evaluate(left, entry), evaluate(right, entry))
        case Logic(sign, left, right):
            return _logic(sign, evaluate(left, entry), lambda: evaluate(right, entry))
        case Not(operand):
            found = evaluate(operand, entry)
            return None if found is None else not found
        case In(operand, values):
            found = evaluate(operand, entry)
            if not values:
                return False
            return None if found is None else any(_compare("=", found, value.value) for value in values)
        case Between(operand, low, high):
            found = evaluate(operand, entry)
            above = _compare(">=", found, evaluate(low, entry))
            return _logic("AND", above, lambda: _compare("<=", found, evaluate(high, entry)))
        case IsNull(operand):
            return evaluate(operand, entry) is None
        case Like(operand, pattern):
            text = evaluate(operand, entry)
            return None if text is None else pattern_of(pattern.value).fullmatch(_units(text)) is not None
        case Arithmetic(sign, left, right):
            return _calculate(sign, evaluate(left, entry), evaluate(right, entry))
        case Negation(operand):
            found = evaluate(operand, entry)
            return None if found is None else -found
        case Call(function, arguments):
            return _call(function, [evaluate(argument, entry) for argument in arguments])
        case Aggregate():
            raise QueryError("aggregates need SQL, and this cache has no query metadata")
        case Unresolved(name):  # pragma: no cover - resolved before anything is computed
            raise AssertionError(name)


def sort_key(value: Any) -> Any:
    """What sorts values as SQL does: null is the smallest."""
    return (0, 0) if value is None else (1, *_ordered(value))


def _logic(sign: str, left: bool | None, right: Callable[[], bool | None]) -> bool | None:
    decides = sign == "OR"
    if left is decides:
        return decides
    other = right()
    if other is decides:
        return decides
    return None if left is None or other is None else not decides


def _compare(sign: str, left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    if isinstance(left, Decimal) != isinstance(right, Decimal) and float in {type(left), type(right)}:
        left, right = float(left), float(right)  # the wider of the two to SQL
    try:
        return COMPARE[sign](_ordered(left), _ordered(right))
    except TypeError as error:
        raise QueryError(
            f"a Python {type(left).__qualname__} can't be compared with a {type(right).__qualname__}"
        ) from error


def _ordered(value: Any) -> tuple[Any, ...]:
    """A key that compares as the value does in Java."""
    match value:
        case str():
            return (value.encode("utf-16-be", "surrogatepass"),)
        case float() if value != value:  # noqa: PLR0124 - NaN
            return (1, 0.0)
        case bool():
            return (value,)
        case int() | float() | Decimal():
            return (0, value)
        case UUID():
            high, low = value.int >> 64, value.int & (1 << 64) - 1
            return (_signed(high), _signed(low))
        case _:
            return (value,)


def _signed(half: int) -> int:
    return half - (1 << 64) if half >> 63 else half


def _calculate(sign: str, left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    try:
        match sign:
            case "+" if isinstance(left, str):
                return left + right
            case "+" | "-" | "*" if isinstance(left, Decimal) or isinstance(right, Decimal):
                name = {"+": "add", "-": "subtract", "*": "multiply"}[sign]
                return getattr(EXACT, name)(Decimal(left), Decimal(right))
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/":
                return left / right
            case "//":
                return left // right
            case _:
                return left % right
    except ZeroDivisionError as error:
        raise QueryError("division by zero in a query") from error
    except TypeError as error:
        raise QueryError(
            f"{sign} of a Python {type(left).__qualname__} and a {type(right).__qualname__} in a query"
        ) from error


def _call(function: str, arguments: list[Any]) -> Any:
    first = arguments[0]
    if function == "COALESCE":
        return next((argument for argument in arguments if argument is not None), None)
    if first is None:
        return None
    match function:
        case "LOWER":
            return first.lower()
        case "UPPER":
            return first.upper()
        case "CHAR_LENGTH":
            return len(_units(first))
        case "ROUND":
            return rounded(first, arguments[1])
        case "ABS":
            return abs(first)
        case _:
            return _part(first, function.lower())


def rounded(value: float | Decimal, digits: int) -> float | Decimal:
    """A number with so many digits behind the point, half away from zero."""
    if isinstance(value, Decimal):
        return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, EXACT)
    factor = 10.0**digits
    if not abs(value) < WHOLE_FLOATS / factor:
        return value
    whole = math.floor(scaled := abs(value) * factor)
    return math.copysign((whole + (scaled - whole >= 0.5)) / factor, value)


def _part(value: Any, name: str) -> int:
    try:
        return int(getattr(value, name))
    except AttributeError as error:
        raise QueryError(f"a Python {type(value).__qualname__} has no {name}") from error


def _units(text: str) -> str:
    """A text with each of its UTF-16 units as one character."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    return "".join(
        character
        if character <= "\uffff"
        else chr(0xD800 + (ord(character) - 0x10000 >> 10)) + chr(0xDC00 + (ord(character) - 0x10000 & 0x3FF))
        for character in text
    )


@lru_cache(maxsize=256)
def pattern_of(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern of LIKE, for texts of UTF-16 units."""
    made: list[str] = []
    characters = iter(_units(pattern))
    for character in characters:
        match character:
            case "%":
                made.append(".*")
            case "_":
                made.append(".")
            case "\\":
                made.append(re.escape(next(characters)))
            case _:
                made.append(re.escape(character))
    return re.compile("".join(made), re.DOTALL)
