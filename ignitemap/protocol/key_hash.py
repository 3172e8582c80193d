"""The hash code that Java gives to a key, computed from its encoded bytes, and the partition that follows from it.

The bytes are at hand when an operation is routed, they are what the server computes it from, and no second description
of the types is needed.

Sources: Ignite's `RendezvousAffinityFunction`, `IgniteUtils.hashCode(Object)` and `BinaryObjectExImpl`; the hash of each
type was compared with the partition that a 2.17.0 node had put the key in.
"""

from collections.abc import Callable, Mapping
from struct import Struct, unpack_from
from typing import Final

from ignitemap.protocol.hashing import (
    bytes_hash,
    decimal_hash,
    long_hash,
    sequence_hash,
    string_hash,
)

__all__ = [
    "LONG",
    "MAX_DEPTH",
    "MAYBE_COMPLEX",
    "Buffer",
    "Schemas",
    "hash_of",
    "hash_of_complex_key",
    "partition_of",
    "unpack_long",
]

Buffer = bytes | bytearray

Schemas = Mapping[tuple[int, int], tuple[int, ...]]
"""The field ids of each known schema in the order they are written, by type id and schema id."""


def partition_of(key_hash: int, partitions: int) -> int:
    """The partition of a key, by its hash code and the number of partitions, as the rendezvous function places it."""
    if partitions & (partitions - 1) == 0:
        return (key_hash ^ ((key_hash & 0xFFFF_FFFF) >> 16)) & (partitions - 1)
    # Java takes the absolute value of a remainder that has the sign of the hash. That is the remainder of the absolute
    # value, which in Python cannot overflow.
    return abs(key_hash) % partitions


def hash_of(buf: Buffer, pos: int = 0) -> int | None:
    """The hash code that Java would give to the object whose encoding begins at `pos` with its type code.

    The object must be whole and well formed, as an encoder has left it.

    Returns:
        A signed 32-bit number; None when a client cannot know it: for null, for types without a stable hash, such as
        an array inside a list, and for types that only Java reads.
    """
    # Nearly all keys are one of these, and are hashed on every operation.
    kind = buf[pos]
    if kind == LONG:
        value: int = unpack_long(buf, pos + 1)[0]
        return (((value ^ (value >> 32)) + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000  # `long_hash`
    if kind == _INT:
        number: int = _unpack_int(buf, pos + 1)[0]
        return number
    if kind in _COMMON:
        return _HASHES[kind](buf, pos, 0)[0]
    if kind == _NULL:
        return None
    try:
        return _HASHES[kind](buf, pos, MAX_DEPTH)[0]
    except _NoHashError:
        return None


MAX_DEPTH: Final = 100
"""How deep a key may be nested; the encoder refuses anything deeper."""


class _NoHashError(Exception):
    """A client cannot know the hash of this object."""


# --- one function for each type: (buffer, position of the type code, levels left) -> (hash, position after the object) --

_Hash = Callable[[Buffer, int, int], tuple[int, int]]

_INT: Final = 3
LONG: Final = 4
_STRING: Final = 9
_UUID: Final = 10
_WRAPPED: Final = 27
_NULL: Final = 101
_COMPLEX: Final = 103

_COMMON: Final = frozenset({_STRING, _UUID, _COMPLEX})
MAYBE_COMPLEX: Final = frozenset({_WRAPPED, _COMPLEX})

_unpack_short: Final = Struct("<h").unpack_from
_unpack_char: Final = Struct("<H").unpack_from
_unpack_int: Final = Struct("<i").unpack_from
unpack_long: Final = Struct("<q").unpack_from
_unpack_uuid: Final = Struct("<qq").unpack_from
_unpack_pair: Final = Struct("<ii").unpack_from


def _hash_nothing(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    raise _NoHashError


def _hash_null(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    return 0, pos + 1


def _hash_byte(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    return (buf[pos + 1] ^ 0x80) - 0x80, pos + 2


def _hash_short(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    return _unpack_short(buf, pos + 1)[0], pos + 3


def _hash_int(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    return _unpack_int(buf, pos + 1)[0], pos + 5


def _hash_long(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    return long_hash(unpack_long(buf, pos + 1)[0]), pos + 9


def _hash_float(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    return _float_hash(_unpack_int(buf, pos + 1)[0]), pos + 5


def _hash_double(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    return _double_hash(unpack_long(buf, pos + 1)[0]), pos + 9


def _hash_char(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    return _unpack_char(buf, pos + 1)[0], pos + 3


def _hash_bool(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    return _bool_hash(buf[pos + 1]), pos + 2


def _hash_string(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    start = pos + 5
    end = start + _unpack_int(buf, pos + 1)[0]
    # What is not UTF-8 is replaced, as the server does when it reads the key.
    return string_hash(str(buf[start:end], "utf-8", "replace")), end


def _hash_uuid(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    most, least = _unpack_uuid(buf, pos + 1)
    return long_hash(most ^ least), pos + 17


def _hash_timestamp(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    # java.sql.Timestamp inherits Date's hashCode, which knows nothing finer than the millisecond.
    return long_hash(unpack_long(buf, pos + 1)[0]), pos + 13


def _hash_decimal(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    scale, size = _unpack_pair(buf, pos + 1)
    end = pos + 9 + size
    # The top bit is the sign; the rest is the magnitude, not a two's complement.
    sign = 1 << (8 * size - 1)
    bits = int.from_bytes(buf[pos + 9 : end], "big")
    return decimal_hash(sign - bits if bits & sign else bits, scale), end


def _hash_enum(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    type_id, ordinal = _unpack_pair(buf, pos + 1)
    if type_id == 0:
        # An unregistered class goes by its name, from which the server computes an id by rules of its own.
        raise _NoHashError
    return _signed(31 * type_id + ordinal), pos + 9


def _hash_complex(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    # The server trusts the hash in the header and never computes it again.
    return _unpack_int(buf, pos + 8)[0], pos + _unpack_int(buf, pos + 12)[0]


def _hash_wrapped(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    inner, end = _unwrap(buf, pos)
    return _hash_any(buf, inner, levels)[0], end


def _hash_bytes(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    end = pos + 5 + _unpack_int(buf, pos + 1)[0]
    return bytes_hash(buf[pos + 5 : end]), end


def _numbers(layout: str, size: int, item_hash: Callable[[int], int] | None = None) -> _Hash:
    """The function for an array of primitives; without `item_hash` each is its own hash."""

    def hash_numbers(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
        count = _unpack_int(buf, pos + 1)[0]
        items = unpack_from(f"<{count}{layout}", buf, pos + 5)
        return sequence_hash(map(item_hash, items) if item_hash else items), pos + 5 + count * size

    return hash_numbers


def _hash_object_array(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    # Elements that are arrays are hashed by content, unlike those of lists: see IgniteUtils.hashCode(Object).
    count: int
    if buf[pos] == 23 or buf[pos] == 29:
        type_id, count = _unpack_pair(buf, pos + 1)
        pos += 9
        if type_id == 0:
            # The class goes by its name, a typed string: `count` was its type code and the start of its length.
            pos = _hash_any(buf, pos - 4, levels)[1] + 4
            count = _unpack_int(buf, pos - 4)[0]
    else:
        count = _unpack_int(buf, pos + 1)[0]
        pos += 5
    hashes: list[int] = []
    for _ in range(count):
        item, pos = _hash_any(buf, pos, levels)
        hashes.append(item)
    return sequence_hash(hashes), pos


def _hash_collection(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    count: int = _unpack_int(buf, pos + 1)[0]
    is_set = buf[pos + 5] in _SET_KINDS
    pos += 6
    hashes: list[int] = []
    for _ in range(count):
        item, pos = _hash_member(buf, pos, levels)
        hashes.append(item)
    return _signed(sum(hashes)) if is_set else sequence_hash(hashes), pos


def _hash_map(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    count: int = _unpack_int(buf, pos + 1)[0]
    pos += 6
    total = 0
    for _ in range(count):
        key, pos = _hash_member(buf, pos, levels)
        value, pos = _hash_member(buf, pos, levels)
        total += key ^ value
    return _signed(total), pos


def _hash_any(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    if levels == 0:
        raise _NoHashError
    return _HASHES[buf[pos]](buf, pos, levels - 1)


def _hash_member(buf: Buffer, pos: int, levels: int) -> tuple[int, int]:
    # Java's collections ask their members for hashCode(), and that of an array is its address.
    if buf[pos] in _ARRAYS:
        raise _NoHashError
    return _hash_any(buf, pos, levels)


def _signed(value: int) -> int:
    return ((value + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


def _bool_hash(value: int) -> int:
    return 1231 if value == 1 else 1237


def _float_hash(bits: int) -> int:
    # Float.floatToIntBits knows one NaN only.
    return 0x7FC0_0000 if bits & 0x7FFF_FFFF > 0x7F80_0000 else bits


def _double_hash(bits: int) -> int:
    return 0x7FF8_0000 if bits & 0x7FFF_FFFF_FFFF_FFFF > 0x7FF0_0000_0000_0000 else long_hash(bits)


# USER_SET, HASH_SET and LINKED_HASH_SET.
_SET_KINDS: Final = frozenset({0xFF, 3, 4})

_TYPES: Final[Mapping[int, _Hash]] = {
    1: _hash_byte,
    2: _hash_short,
    _INT: _hash_int,
    LONG: _hash_long,
    5: _hash_float,
    6: _hash_double,
    7: _hash_char,
    8: _hash_bool,
    _STRING: _hash_string,
    _UUID: _hash_uuid,
    11: _hash_long,  # Date
    24: _hash_collection,
    25: _hash_map,
    _WRAPPED: _hash_wrapped,
    28: _hash_enum,
    30: _hash_decimal,
    33: _hash_timestamp,
    36: _hash_long,  # Time
    38: _hash_enum,  # as the server sends it back
    _NULL: _hash_null,
    _COMPLEX: _hash_complex,
}

_ARRAYS: Final[Mapping[int, _Hash]] = {
    12: _hash_bytes,
    13: _numbers("h", 2),
    14: _numbers("i", 4),
    15: _numbers("q", 8, long_hash),
    16: _numbers("i", 4, _float_hash),
    17: _numbers("q", 8, _double_hash),
    18: _numbers("H", 2),
    19: _numbers("B", 1, _bool_hash),
    20: _hash_object_array,  # String[]
    21: _hash_object_array,  # UUID[]
    22: _hash_object_array,  # Date[]
    23: _hash_object_array,  # Object[]
    29: _hash_object_array,  # Enum[]
    31: _hash_object_array,  # BigDecimal[]
    34: _hash_object_array,  # Timestamp[]
    37: _hash_object_array,  # Time[]
}

_HASHES: Final[tuple[_Hash, ...]] = tuple(_TYPES.get(code) or _ARRAYS.get(code) or _hash_nothing for code in range(256))

# --- complex keys that are placed by one of their fields --------------------------------------------------------------

_HAS_SCHEMA: Final = 0x0002
_HAS_RAW: Final = 0x0004
_OFFSET_ONE_BYTE: Final = 0x0008
_OFFSET_TWO_BYTES: Final = 0x0010
_COMPACT_FOOTER: Final = 0x0020

_unpack_header: Final = Struct("<xxHiiiii").unpack_from
_HEADER_SIZE: Final = 24


def _unwrap(buf: Buffer, pos: int) -> tuple[int, int]:
    """Where the object inside a wrapper begins, and where the wrapper ends."""
    start = pos + 5
    end = start + _unpack_int(buf, pos + 1)[0]
    return start + _unpack_int(buf, end)[0], end + 4


def hash_of_complex_key(key_fields: Mapping[int, int], buf: Buffer, pos: int, schemas: Schemas) -> int | None:
    """The hash of a complex key, or of the field that ``key_fields`` names for its type; None when it is not known."""
    if buf[pos] == _WRAPPED:
        pos, _ = _unwrap(buf, pos)
        if buf[pos] != _COMPLEX:
            return hash_of(buf, pos)
    flags, type_id, whole, length, schema, footer = _unpack_header(buf, pos)
    key_hash: int = whole
    wanted = key_fields.get(type_id)
    if wanted is None or not flags & _HAS_SCHEMA:
        return key_hash
    width = 1 if flags & _OFFSET_ONE_BYTE else 2 if flags & _OFFSET_TWO_BYTES else 4
    at: int | None = None
    if flags & _COMPACT_FOOTER:
        fields = schemas.get((type_id, schema))
        if fields is None:
            return None
        if wanted in fields:
            at = pos + footer + fields.index(wanted) * width
    else:
        end = pos + length - (4 if flags & _HAS_RAW else 0)
        for entry in range(pos + footer, end, 4 + width):
            if _unpack_int(buf, entry)[0] == wanted:
                at = entry + 4
    if at is None:
        return key_hash
    field = pos + int.from_bytes(buf[at : at + width], "little")
    if buf[field] == _NULL:
        return key_hash
    # The server hands the bare value to the affinity function, for which an array is just an address.
    return None if buf[field] in _ARRAYS else hash_of(buf, field)
