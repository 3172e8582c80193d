"""COSH and SINH to Java's last digit.

Java computes them with its own exponential function, that of the C library fdlibm (StrictMath), which is off by one in
the last place more often than today's C libraries are.
"""

import math
from typing import Final

__all__ = ["cosh", "sinh"]

LN_2: Final = math.log(2)
LN_2_HIGH: Final = float.fromhex("0x1.62e42fee00000p-1")
"""The leading 32 bits of ln 2: a multiple of it by the exponent of a double is exact."""
LN_2_LOW: Final = float.fromhex("0x1.a39ef35793c76p-33")
COEFFICIENTS: Final = (
    float.fromhex("0x1.6376972bea4d0p-25"),
    float.fromhex("-0x1.bbd41c5d26bf1p-20"),
    float.fromhex("0x1.1566aaf25de2cp-14"),
    float.fromhex("-0x1.6c16c16bebd93p-9"),
    float.fromhex("0x1.555555555553ep-3"),
)
"""Of the polynomial in r * r, the highest power first, that stands for r * (exp(r) + 1) / (exp(r) - 1) - 2."""
HALF_LN_2: Final = float.fromhex("0x1.62e43p-2")
LARGE: Final = 22.0
"""From here on exp(-x) is lost beside exp(x)."""
EXP_LIMIT: Final = float.fromhex("0x1.62e42p+9")
"""Beyond it exp(x) may be infinite where half of it is not."""
LIMIT: Final = float.fromhex("0x1.633ce8fb9f87dp+9")
"""Beyond it the result is infinite."""


def exponential(x: float) -> float:
    """exp(x) of a number above ln 2 / 2, as StrictMath has it: 2 ** k * exp(r), with r at most ln 2 / 2."""
    k = int(x / LN_2 + 0.5)
    high, low = x - k * LN_2_HIGH, k * LN_2_LOW
    r = high - low
    square = r * r
    polynomial = 0.0
    for coefficient in COEFFICIENTS:
        polynomial = polynomial * square + coefficient
    c = r - square * polynomial
    return math.ldexp(1 - (low - r * c / (2 - c) - high), k)


def half_of_large(x: float) -> float:
    """exp(x) / 2 of a number from 22 on."""
    if x < EXP_LIMIT:
        return 0.5 * exponential(x)
    if x > LIMIT:
        return math.inf
    root = exponential(0.5 * x)
    return 0.5 * root * root


def cosh(x: float) -> float:
    """The hyperbolic cosine."""
    x = abs(x)
    if x < HALF_LN_2:
        less = math.expm1(x)
        return 1 + less * less / (2 * (1 + less))
    if x < LARGE:
        power = exponential(x)
        return 0.5 * power + 0.5 / power
    return half_of_large(x)


def sinh(x: float) -> float:
    """The hyperbolic sine."""
    if abs(x) < LARGE:
        return math.sinh(x)
    return math.copysign(half_of_large(abs(x)), x)
