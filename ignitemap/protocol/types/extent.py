"""Where an object ends: found without reading it, so that one that cannot be read does not cost what follows it."""

from struct import Struct
from typing import Any, Final

import attrs

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import MALFORMED, Codecs, Spec, malformed
from ignitemap.protocol.types import codes

__all__ = ["FIXED_SIZES", "ITEM_SIZES", "NAMED_IF_ZERO", "Unreadable", "object_end", "tolerant"]

unpack_int: Final = Struct("<i").unpack_from
unpack_uint: Final = Struct("<I").unpack_from

FIXED_SIZES: Final = {
    codes.BYTE: 1,
    codes.SHORT: 2,
    codes.INT: 4,
    codes.LONG: 8,
    codes.FLOAT: 4,
    codes.DOUBLE: 8,
    codes.CHAR: 2,
    codes.BOOL: 1,
    codes.UUID: 16,
    codes.DATE: 8,
    codes.ENUM: 8,
    codes.BINARY_ENUM: 8,
    codes.TIMESTAMP: 12,
    codes.TIME: 8,
    codes.NULL: 0,
    codes.HANDLE: 4,
    # heads of what has objects inside: these follow on their own
    codes.STRING_ARRAY: 4,
    codes.UUID_ARRAY: 4,
    codes.DATE_ARRAY: 4,
    codes.DECIMAL_ARRAY: 4,
    codes.TIMESTAMP_ARRAY: 4,
    codes.TIME_ARRAY: 4,
    codes.ENUM_ARRAY: 8,
    codes.OBJECT_ARRAY: 8,
    codes.COLLECTION: 5,
    codes.MAP: 5,
}
"""How many bytes follow a type code."""
ITEM_SIZES: Final = {
    codes.STRING: 1,
    codes.BYTE_ARRAY: 1,
    codes.SHORT_ARRAY: 2,
    codes.INT_ARRAY: 4,
    codes.LONG_ARRAY: 8,
    codes.FLOAT_ARRAY: 4,
    codes.DOUBLE_ARRAY: 8,
    codes.CHAR_ARRAY: 2,
    codes.BOOL_ARRAY: 1,
    codes.OPTIMIZED: 1,
}
"""How many bytes each of the items takes whose count follows a type code."""
NAMED_IF_ZERO: Final = frozenset((codes.ENUM, codes.BINARY_ENUM, codes.ENUM_ARRAY, codes.OBJECT_ARRAY))
"""The types whose type id 0 says that the name of a Java class follows it."""
COUNT_AT: Final = {
    codes.STRING_ARRAY: 1,
    codes.UUID_ARRAY: 1,
    codes.DATE_ARRAY: 1,
    codes.DECIMAL_ARRAY: 1,
    codes.TIMESTAMP_ARRAY: 1,
    codes.TIME_ARRAY: 1,
    codes.COLLECTION: 1,
    codes.MAP: 1,
    codes.ENUM_ARRAY: 5,
    codes.OBJECT_ARRAY: 5,
}
"""Where the heads of types with objects inside have the count of these."""
LENGTH_OF_OBJECT: Final = 12


def object_end(buf: bytes, pos: int) -> int:
    """Where the object ends whose type code is at ``pos``; what is inside it need not be readable.

    One pass without recursion, in time linear in the object's length.

    Raises:
        DecodeError: Its extent cannot be told: the type code is unknown, or it does not end within the bytes.
    """
    start, left, limit = pos, 1, len(buf)
    try:
        while left:
            left -= 1
            code = buf[pos]
            size = FIXED_SIZES.get(code)
            if size is not None:
                at = COUNT_AT.get(code)
                if code in NAMED_IF_ZERO and not unpack_int(buf, pos + 1)[0]:
                    named = 5 + unpack_uint(buf, pos + 6)[0]
                    pos += named
                if at is not None:
                    count = unpack_uint(buf, pos + at)[0]
                    left += 2 * count if code == codes.MAP else count
                pos += 1 + size
            elif code in ITEM_SIZES:
                pos += 5 + unpack_uint(buf, pos + 1)[0] * ITEM_SIZES[code]
            elif code == codes.DECIMAL:
                pos += 9 + unpack_uint(buf, pos + 5)[0]
            elif code == codes.OBJECT:
                pos += max(unpack_uint(buf, pos + LENGTH_OF_OBJECT)[0], 1)
            elif code == codes.WRAPPED:
                pos += 9 + unpack_uint(buf, pos + 1)[0]
            else:
                raise DecodeError(f"the extent of a value with the type code {code} cannot be told", offset=pos)
            if left > limit - pos:
                raise codes.out_of_bytes(code, start)
    except MALFORMED as error:
        raise malformed("a value of unknown extent", error) from error
    return pos


@attrs.frozen
class Unreadable:
    """What `tolerant` gives for a value that cannot be read: its bytes, and the DecodeError that says why."""

    data: bytes = attrs.field(repr=False)
    error: DecodeError


def tolerant(spec: Spec[Any]) -> Spec[Any]:
    """A spec that reads what ``spec`` reads, and `Unreadable` for what that cannot read.

    For pages of entries, where one undecodable value must not lose the others. Raises DecodeError only where the value's
    extent cannot be told, so that nothing behind it can be found.
    """
    decode_strictly = spec.decode

    def decode(codecs: Codecs, buf: bytes, pos: int, *key: Any) -> tuple[Any, int]:
        depth = codecs.depth
        try:
            if key and isinstance(key[0], Unreadable):
                raise DecodeError("the key that belongs to this value is unreadable")  # noqa: TRY301 - as any other
            return decode_strictly(codecs, buf, pos, *key)
        except DecodeError as error:
            reason = error
        except MALFORMED as error:
            reason = malformed(spec.name, error)
            reason.__cause__ = error
        end = object_end(buf, pos)
        codecs.depth = depth
        codecs.followed.clear()  # what was being read in the middle is not any more
        return Unreadable(buf[pos:end], reason), end

    return attrs.evolve(spec, decode=decode, fixed=None, emit_read=None)
