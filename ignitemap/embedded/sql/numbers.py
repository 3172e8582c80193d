"""Arithmetic as Java has it: BigDecimals with their scales, integers that overflow with an error, doubles as text.

A DECIMAL is stored as the text of Java's BigDecimal, whose scale is part of the value: 1.0 and 1.00 compare as equal and
group as different.
"""

import math
import struct
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation, Overflow
from functools import lru_cache
from typing import Any, Final

from ignitemap.embedded.sql.errors import conversion_failed, division_by_zero, out_of_range
from ignitemap.embedded.sql.types import RANGES, SqlType

__all__ = [
    "EXACT",
    "arithmetic",
    "as_float",
    "compare_decimals",
    "decimal",
    "decimal_plain",
    "divide_decimals",
    "double_text",
    "float_text",
    "negate",
    "set_scale",
]

EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation, Overflow])
DIVIDE_SCALE: Final = 25
"""How many digits H2 adds to the dividend's scale."""


@lru_cache(4096)
def decimal(text: str) -> Decimal:
    """The Decimal of a stored DECIMAL."""
    return Decimal(text)


def compare_decimals(left: str, right: str) -> int:
    """Compare two stored DECIMALs by value: SQLite's collation DEC, which must not raise whatever the texts are."""
    try:
        one, two = decimal(left), decimal(right)
    except InvalidOperation:
        return (left > right) - (left < right)
    return (one > two) - (one < two)


def decimal_plain(text: str) -> str:
    """A DECIMAL as H2 prints it: without exponent, as long as that is short."""
    if "E" not in text:
        return text
    plain = f"{decimal(text):f}"
    return plain if len(plain) < 40 else text


def scale_of(value: Decimal) -> int:
    """The scale of a BigDecimal."""
    return -int(value.as_tuple().exponent)


def unscaled(value: Decimal) -> int:
    """The unscaled number of a BigDecimal."""
    sign, digits, _ = value.as_tuple()
    number = int("".join(map(str, digits)))
    return -number if sign else number


def of_unscaled(number: int, scale: int) -> Decimal:
    """The BigDecimal of an unscaled number and a scale."""
    return Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -scale))


def divide_decimals(left: Decimal, right: Decimal) -> Decimal:
    """A division by H2's rule: 25 more digits than the dividend has, half down, and zeros stripped from even results."""
    if not right:
        raise division_by_zero(decimal_plain(str(left)))
    scale = scale_of(left) + DIVIDE_SCALE
    dividend, divisor = unscaled(left), unscaled(right)
    shift = scale_of(right) + DIVIDE_SCALE
    if shift >= 0:
        dividend *= 10**shift
    else:
        divisor *= 10**-shift
    negative = (dividend < 0) != (divisor < 0)
    quotient, rest = divmod(abs(dividend), abs(divisor))
    if 2 * rest > abs(divisor):
        quotient += 1
    if not quotient:
        return Decimal(0)
    if scale > 0 and not quotient & 1:
        while quotient % 10 == 0:
            quotient //= 10
            scale -= 1
    return of_unscaled(-quotient if negative else quotient, scale)


def set_scale(value: Decimal, scale: int) -> Decimal:
    """The value rounded to a scale, half up (away from zero)."""
    have = scale_of(value)
    if have == scale:
        return value
    number = unscaled(value)
    if scale > have:
        return of_unscaled(number * 10 ** (scale - have), scale)
    unit = 10 ** (have - scale)
    quotient, rest = divmod(abs(number), unit)
    if 2 * rest >= unit:
        quotient += 1
    return of_unscaled(-quotient if number < 0 else quotient, scale)


def decimal_arithmetic(operator: str, left: str, right: str) -> str:
    """``+ - * / %`` of two stored DECIMALs."""
    one, two = decimal(left), decimal(right)
    if operator == "+":
        result = EXACT.add(one, two)
    elif operator == "-":
        result = EXACT.subtract(one, two)
    elif operator == "*":
        result = EXACT.multiply(one, two)
    elif operator == "/":
        result = divide_decimals(one, two)
    else:
        if not two:
            raise division_by_zero(decimal_plain(left))
        result = EXACT.remainder(one, two)
    if not result and result.is_signed():
        result = result.copy_abs()
    return str(result)


def integer_arithmetic(sql_type: SqlType, operator: str, left: int, right: int) -> int:
    """``+ - * / %`` of integers: truncating, within the type's range."""
    if operator == "+":
        result = left + right
    elif operator == "-":
        result = left - right
    elif operator == "*":
        result = left * right
    else:
        if not right:
            raise division_by_zero(str(left))
        quotient = abs(left) // abs(right)
        if (left < 0) != (right < 0):
            quotient = -quotient
        result = quotient if operator == "/" else left - quotient * right
    low, high = RANGES[sql_type]
    if not low <= result <= high:
        raise out_of_range(result if sql_type is not SqlType.LONG else left)
    return result


def float_arithmetic(operator: str, left: float, right: float) -> float:
    """``+ - * / %`` of doubles."""
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    try:
        if operator == "*":
            return left * right
        if not right:
            raise division_by_zero(double_text(left))
        if operator == "/":
            return left / right
        return math.fmod(left, right)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def arithmetic(sql_type: SqlType, operator: str, left: Any, right: Any) -> Any:
    """``left operator right``, both stored values of one type; NULL where one of them is."""
    if left is None or right is None:
        return None
    if sql_type is SqlType.DECIMAL:
        return decimal_arithmetic(operator, left, right)
    if sql_type in RANGES:
        return integer_arithmetic(sql_type, operator, left, right)
    result = float_arithmetic(operator, float(left), float(right))
    if sql_type is SqlType.FLOAT:
        result = as_float(result)
    return "NaN" if math.isnan(result) else result + 0.0


def negate(sql_type: SqlType, value: Any) -> Any:
    """``- value``, a stored value."""
    if value is None:
        return None
    if sql_type is SqlType.DECIMAL:
        number = decimal(value)
        return str(number.copy_negate() if number else number)
    if sql_type in RANGES:
        low, _ = RANGES[sql_type]
        if value == low:
            raise out_of_range(-value)
        return -value
    result = -float(value)
    return "NaN" if math.isnan(result) else result + 0.0  # H2 has no negative zero


def as_float(value: float) -> float:
    """A double rounded to Java's float."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def shortest(value: float) -> str:
    """The fewest digits that are the float (and not only the double) of this value."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if as_float(float(text)) == value:
            return repr(float(text))
    return repr(value)


def java_text(text: str) -> str:
    """Python's text of a number in the form of Java's Double.toString."""
    if text in {"inf", "-inf", "nan"}:
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[text]
    number = Decimal(text)
    sign = "-" if text.startswith("-") else ""
    if not number:
        return f"{sign}0.0"
    size = abs(number)
    if Decimal("1e-3") <= size < Decimal("1e7"):
        plain = f"{size:f}"
        return sign + (plain if "." in plain else f"{plain}.0")
    digits = "".join(map(str, size.as_tuple().digits)).rstrip("0") or "0"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{size.adjusted()}"


def double_text(value: float | str) -> str:
    """A DOUBLE as Java prints it."""
    return java_text(repr(float(value)))


def float_text(value: float | str) -> str:
    """A REAL as Java prints it."""
    number = float(value)
    return java_text(shortest(number) if math.isfinite(number) else repr(number))


def decimal_of_double(value: float | str, text: str) -> str:
    """The DECIMAL of a floating-point number, by its text, as BigDecimal.valueOf has it."""
    number = float(value)
    if not math.isfinite(number):
        raise conversion_failed(text)
    return str(Decimal(text))
