"""Decimals of any size: a scale and a sign-and-magnitude number.

The scale travels exactly, so 1.10 stays 1.10. Java's BigDecimal has no negative zero: -0 is written as 0, which equals
it. It has no NaN and no infinities either: they are refused.
"""

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal as PythonDecimal, Inexact, InvalidOperation, Overflow
from struct import Struct, error
from typing import Any, Final

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import Codecs, Spec, cannot_hold, out_of_range, wrong_type
from ignitemap.protocol.types import codes

__all__ = ["DECIMAL", "decode_decimal", "encode_decimal", "register"]

pack_head: Final = Struct("<BiI").pack
unpack_head: Final = Struct("<iI").unpack_from

# Our own context: the caller's rounds at 28 digits by default. Inexact is a trap so that rounding can never be silent.
EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation, Overflow, Inexact])
# Both conversions between int and Decimal take time quadratic in their length: 4 s for 200 kB, against 0.2 s when
# long ones are halved. Reading digits is limited as well, to 640 at the lowest (sys.set_int_max_str_digits).
MAX_BYTES: Final = 1024
MAX_DIGITS: Final = 512


def digits_to_int(digits: str) -> int:
    """The int of a run of decimal digits of any length."""
    if len(digits) <= MAX_DIGITS:
        return int(digits)
    half = len(digits) // 2
    low: int = 10**half
    return digits_to_int(digits[:-half]) * low + digits_to_int(digits[-half:])


def magnitude_to_decimal(magnitude: bytes) -> PythonDecimal:
    """The Decimal of an unsigned big-endian number of any length."""
    if len(magnitude) <= MAX_BYTES:
        return PythonDecimal(int.from_bytes(magnitude, "big"))
    half = len(magnitude) // 2
    low = EXACT.power(2, 8 * half)
    return EXACT.fma(magnitude_to_decimal(magnitude[:-half]), low, magnitude_to_decimal(magnitude[-half:]))


def encode_decimal(codecs: Codecs, out: bytearray, value: PythonDecimal) -> None:
    """Write a decimal with its exact scale."""
    if not value.is_finite():
        raise cannot_hold("BigDecimal", "has no NaN and no infinity")
    # The text has digits, scale and sign at once, and is faster than as_tuple().
    mantissa, _, exponent = str(value).partition("E")
    whole, _, fraction = mantissa.partition(".")
    negative = whole[0] == "-"
    number = digits_to_int((whole[1:] if negative else whole) + fraction)
    magnitude = number.to_bytes(number.bit_length() // 8 + 1, "big")
    if negative and number:
        magnitude = bytes((magnitude[0] | 0x80,)) + magnitude[1:]
    scale = len(fraction) - int(exponent) if exponent else len(fraction)
    try:
        head = pack_head(codes.DECIMAL, scale, len(magnitude))
    except error:
        raise out_of_range("the scale of a BigDecimal") from None
    out += head
    out += magnitude


def decode_decimal(codecs: Codecs, buf: bytes, pos: int) -> tuple[PythonDecimal, int]:
    """Read a decimal with its exact scale."""
    scale, length = unpack_head(buf, pos)
    pos += 8
    end = pos + length
    if end > len(buf):
        raise codes.out_of_bytes(codes.DECIMAL, pos - 9)
    if not length:
        raise DecodeError("a BigDecimal without digits", offset=pos - 9)
    first = buf[pos]
    if first < 0x80:
        number = magnitude_to_decimal(buf[pos:end])
    else:
        # Not copy_negate(): a zero with the sign bit is plain zero to Java.
        number = EXACT.minus(magnitude_to_decimal(bytes((first & 0x7F,)) + buf[pos + 1 : end]))
    return (number.scaleb(-scale, EXACT) if scale else number), end


def encode_as_decimal(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a Decimal and nothing else: a float would bring digits that nobody meant."""
    if not isinstance(value, PythonDecimal):
        raise wrong_type("BigDecimal", value)
    encode_decimal(codecs, out, value)


def decode_as_decimal(codecs: Codecs, buf: bytes, pos: int) -> tuple[PythonDecimal, int]:
    """Read a decimal."""
    if buf[pos] != codes.DECIMAL:
        raise codes.mismatch("BigDecimal", buf, pos)
    return decode_decimal(codecs, buf, pos + 1)


DECIMAL: Final[Spec[PythonDecimal]] = Spec(
    "BigDecimal", encode_as_decimal, decode_as_decimal, code=codes.DECIMAL, java="java.math.BigDecimal"
)


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[PythonDecimal] = encode_decimal
    codecs.decoders[codes.DECIMAL] = decode_decimal
