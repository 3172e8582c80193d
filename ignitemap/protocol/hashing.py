"""The hash codes of Java and Ignite, on which cache ids, type ids, object hashes and partitions rest.

All arithmetic is modulo 2**32, and results are signed as Java's `int` is.

The hashes of strings and byte arrays are polynomials in 31. CPython can evaluate such a polynomial in C: `int(text, 31)`
does exactly that when every coefficient is a digit below 31. A byte is not, but it is `31 * q + r` with both parts below
31, so two calls on two translations of the bytes give the sum. That is about ten times faster than a loop.
"""

from collections.abc import Iterable
from struct import iter_unpack
from typing import Final

__all__ = [
    "SEEDS",
    "SIGNED_HIGH",
    "SIGNED_LOW",
    "bytes_hash",
    "decimal_hash",
    "field_id",
    "long_hash",
    "lowercase_hash",
    "schema_id",
    "sequence_hash",
    "string_hash",
    "type_id",
    "uuid_hash",
]

_MASK: Final = 0xFFFF_FFFF
_SIGN: Final = 0x8000_0000

# int() takes time quadratic in the number of digits, and sys.set_int_max_str_digits may be as low as 640: longer input
# is folded in chunks. A single call is the faster way up to about twice the best chunk.
_CHUNK: Final = 256
_ONE_CALL: Final = 512
_CHUNK_POWER: Final = pow(31, _CHUNK, 1 << 32)

_DIGITS: Final = b"0123456789abcdefghijklmnopqrstu"
_LOW: Final = bytes(_DIGITS[byte % 31] for byte in range(256))
_HIGH: Final = bytes(_DIGITS[byte // 31] for byte in range(256))
# Java's bytes are signed. Flipping the top bit maps -128..127 to 0..255, that is, adds 128 to each.
SIGNED_LOW: Final = bytes(_LOW[byte ^ 0x80] for byte in range(256))
SIGNED_HIGH: Final = bytes(_HIGH[byte ^ 0x80] for byte in range(256))


def _seed(length: int) -> int:
    # What the seed 1 of Arrays.hashCode contributes, 31**length, less the 128 that was added to each byte:
    # 128 * (31**0 + ... + 31**(length - 1)). The sum is (31**length - 1) / 30; a modulus 30 times larger makes the
    # division exact.
    power = pow(31, length, 30 << 32)
    return (power - 128 * ((power - 1) // 30)) & _MASK


SEEDS: Final = tuple(map(_seed, range(_ONE_CALL + 1)))
"""What to add to the two polynomials of so many bytes; for as many as one call takes."""


def string_hash(text: str) -> int:
    """`String.hashCode()`: over UTF-16 code units, a character beyond the BMP counts as two.

    It is the id of a cache, by the cache's name, and the hash of a string key.
    """
    if not text:
        return 0
    if text.isascii():
        data = text.encode("ascii")
        if len(data) <= _ONE_CALL:
            value = int(data.translate(_LOW), 31) + 31 * int(data.translate(_HIGH), 31)
        else:
            value = _fold(data, _LOW, _HIGH)
    else:
        units = text.encode("utf-16-le", "surrogatepass")
        value = _fold(units[::2], _LOW, _HIGH) + 256 * _fold(units[1::2], _LOW, _HIGH)
    return ((value + _SIGN) & _MASK) - _SIGN


def bytes_hash(data: bytes | bytearray) -> int:
    """`Arrays.hashCode(byte[])`, which is also the hash that a complex object carries. Empty input gives 1."""
    length = len(data)
    if 0 < length <= _ONE_CALL:
        value = int(data.translate(SIGNED_LOW), 31) + 31 * int(data.translate(SIGNED_HIGH), 31) + SEEDS[length]
    else:
        value = _fold(data, SIGNED_LOW, SIGNED_HIGH) + _seed(length)
    return ((value + _SIGN) & _MASK) - _SIGN


def _fold(data: bytes | bytearray, low: bytes, high: bytes) -> int:
    value = 0
    # The short chunk comes first, so that each later one moves the value on by the same power of 31.
    start = len(data) % _CHUNK
    if start:
        head = data[:start]
        value = int(head.translate(low), 31) + 31 * int(head.translate(high), 31)
    for begin in range(start, len(data), _CHUNK):
        chunk = data[begin : begin + _CHUNK]
        value = (value * _CHUNK_POWER + int(chunk.translate(low), 31) + 31 * int(chunk.translate(high), 31)) & _MASK
    return value & _MASK


def lowercase_hash(name: str) -> int:
    """The hash of a name whose UTF-16 code units were lower-cased one by one, as Ignite's id mapper does it.

    Source: `BinaryBasicIdMapper.lowerCaseHashCode`, which calls `Character.toLowerCase(char)`.
    """
    if name.isascii():
        return string_hash(name.lower())
    return string_hash("".join(map(_lower_unit, name)))


def _lower_unit(char: str) -> str:
    # Java sees one `char` at a time. It therefore leaves the halves of a surrogate pair alone, knows no final sigma
    # (neither does lower() of a single character), and maps the dotted capital I, the only character whose lower() is
    # longer than itself, to a plain i.
    if char > "\uffff":
        return char
    return "i" if char == "\u0130" else char.lower()


def type_id(name: str) -> int:
    """The id of a binary type, by its full name. A cluster with the simple-name mapper wants the simple name here."""
    return lowercase_hash(name)


def field_id(name: str) -> int:
    """The id of a field of a binary type, by its name."""
    return lowercase_hash(name)


def schema_id(field_ids: Iterable[int]) -> int:
    """The id of a schema: FNV-1 over the bytes, lowest first, of the ids of its fields in the order they are written."""
    value = 0x811C9DC5
    for field in field_ids:
        for byte in (field & _MASK).to_bytes(4, "little"):
            value = (value ^ byte) * 0x01000193 & _MASK
    return ((value + _SIGN) & _MASK) - _SIGN


def long_hash(value: int) -> int:
    """`Long.hashCode(long)`, for a value from -2**63 to 2**64 - 1. Doubles, dates, times and timestamps hash like it.

    A double counts as the long of the same bits, the others as their milliseconds.
    """
    return (((value ^ (value >> 32)) + _SIGN) & _MASK) - _SIGN


def uuid_hash(value: int) -> int:
    """`UUID.hashCode()` of the 128-bit number that `uuid.UUID.int` holds."""
    return long_hash((value >> 64 ^ value) & 0xFFFF_FFFF_FFFF_FFFF)


def decimal_hash(unscaled: int, scale: int) -> int:
    """`BigDecimal.hashCode()` of `unscaled * 10**-scale`. 1.1 and 1.10 differ, as they do in Java."""
    magnitude = abs(unscaled)
    # bit_length of 0 gives no words at all, and the hash 0 that Java has for it.
    value = 0
    for (word,) in iter_unpack(">I", magnitude.to_bytes((magnitude.bit_length() + 31) // 32 * 4, "big")):
        value = (31 * value + word) & _MASK
    if unscaled < 0:
        value = -value
    return ((31 * value + scale + _SIGN) & _MASK) - _SIGN


def sequence_hash(hashes: Iterable[int]) -> int:
    """The hash of a list, or of an array other than `byte[]`, by the hashes of its elements in order."""
    value = 1
    for item in hashes:
        value = (31 * value + item) & _MASK
    return ((value + _SIGN) & _MASK) - _SIGN
