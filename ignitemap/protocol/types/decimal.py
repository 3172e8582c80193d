"""Decimals: a scale and a sign-and-magnitude number of up to 157,000 digits (`MAX_MAGNITUDE`).

The scale travels exactly, so 1.10 stays 1.10. Java's BigDecimal has no negative zero: -0 is written as 0, which equals
it. It has no NaN and no infinities either: they are refused.
"""

from decimal import (
    MAX_EMAX,
    MAX_PREC,
    MIN_EMIN,
    Context,
    Decimal as PythonDecimal,
    DecimalException,
    Inexact,
    InvalidOperation,
    Overflow,
)
from itertools import zip_longest
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
MAX_MAGNITUDE: Final = 1 << 16
"""How many bytes the digits of a BigDecimal may take on the wire, in both directions: enough for 157,000 digits.

Conversion to decimal digits takes time that grows faster than their number; a million bytes would take two seconds.
"""
MAX_DIGITS: Final = 157_827  # of the greatest number that has so many bytes, less one bit for the sign
# Both conversions between int and Decimal take time quadratic in their length, so that long ones are put together from
# pieces. Reading digits is limited as well, to 640 at the lowest (sys.set_int_max_str_digits).
PIECE_BYTES: Final = 512
PIECE_DIGITS: Final = 512


def digits_to_int(digits: str) -> int:
    """The int of a run of decimal digits."""
    if len(digits) <= PIECE_DIGITS:
        return int(digits)
    ends = range(len(digits), 0, -PIECE_DIGITS)
    pieces = [int(digits[max(end - PIECE_DIGITS, 0) : end]) for end in ends]  # the lowest first
    base: int = 10**PIECE_DIGITS
    while True:
        pieces = [low if high is None else high * base + low for low, high in zip_longest(pieces[::2], pieces[1::2])]
        if len(pieces) == 1:
            return pieces[0]
        base *= base


def magnitude_to_decimal(magnitude: bytes) -> PythonDecimal:
    """The Decimal of an unsigned big-endian number."""
    if len(magnitude) <= PIECE_BYTES:
        return PythonDecimal(int.from_bytes(magnitude, "big"))
    ends = range(len(magnitude), 0, -PIECE_BYTES)
    pieces = [PythonDecimal(int.from_bytes(magnitude[max(end - PIECE_BYTES, 0) : end], "big")) for end in ends]
    base = EXACT.power(2, 8 * PIECE_BYTES)
    while True:
        pairs = zip_longest(pieces[::2], pieces[1::2])
        pieces = [low if high is None else EXACT.fma(high, base, low) for low, high in pairs]
        if len(pieces) == 1:
            return pieces[0]
        base = EXACT.multiply(base, base)


def encode_decimal(codecs: Codecs, out: bytearray, value: PythonDecimal) -> None:
    """Write a decimal with its exact scale."""
    if not value.is_finite():
        raise cannot_hold("BigDecimal", "has no NaN and no infinity")
    # The text has digits, scale and sign at once, and is faster than as_tuple().
    mantissa, _, exponent = str(value).partition("E")
    whole, _, fraction = mantissa.partition(".")
    negative = whole[0] == "-"
    digits = (whole[1:] if negative else whole) + fraction
    if len(digits) > MAX_DIGITS:
        raise cannot_hold("BigDecimal", f"has at most {MAX_DIGITS} digits")
    number = digits_to_int(digits)
    size = number.bit_length() // 8 + 1
    if size > MAX_MAGNITUDE:
        raise cannot_hold("BigDecimal", f"has at most {MAX_MAGNITUDE} bytes of digits")
    magnitude = number.to_bytes(size, "big")
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
    if not 0 < length <= MAX_MAGNITUDE:
        raise DecodeError(f"a BigDecimal with {length} bytes of digits", offset=pos - 9)
    first = buf[pos]
    if first < 0x80:
        number = magnitude_to_decimal(buf[pos:end])
    else:
        # Not copy_negate(): a zero with the sign bit is plain zero to Java.
        number = EXACT.minus(magnitude_to_decimal(bytes((first & 0x7F,)) + buf[pos + 1 : end]))
    if not scale:
        return number, end
    try:
        return number.scaleb(-scale, EXACT), end
    except DecimalException as error:
        raise DecodeError(f"a BigDecimal with a scale of {scale}", offset=pos - 9) from error


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
