"""Keys and values as a node keeps them: marshalled bytes in one normal form, never decoded.

A node must not be able to tell `INT 1` from `INT 1`, so whatever the protocol lets a client write in several ways is
brought into the one that a real node sends back (seen from 2.17.0): string bytes that are no UTF-8 become U+FFFD,
numbers lose what does not count, enums and object arrays lose the Java class that only Java knows, kinds of collections
that say "any" become lists and hash maps, and handles are written out. Equal keys are then equal bytes.

A complex object is kept bare (0x67); on its way to a client it is wrapped (0x1B), as it is inside collections. What is
inside a complex object is not touched.
"""

import struct
from typing import Any, Final

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import Codecs
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.extent import FIXED_SIZES, ITEM_SIZES, NAMED_IF_ZERO, object_end

__all__ = ["NULL", "marshalled_long", "marshalled_text", "object_codecs", "same", "text_of", "wrapped"]

NULL: Final = b"\x65"

HEADER: Final = 24  # bytes of a complex object before its fields
OBJECT_VERSION: Final = 1
MAX_EXPANDED: Final = 16 * 1024 * 1024  # bytes that the handles of one value may stand for
LEAST_STEP: Final = 64
MAX_HANDLE_DEPTH: Final = 32
NANOS: Final = 1_000_000

_int: Final = struct.Struct("<i").unpack_from
_uint: Final = struct.Struct("<I").unpack_from
_decimal_head: Final = struct.Struct("<iI").unpack_from
_timestamp: Final = struct.Struct("<qi")
_wrapper: Final = struct.Struct("<BI").pack

# What `FIXED_SIZES` has that must be looked at: all others are copied as they are.
_OWN: Final = frozenset((codes.BOOL, codes.TIMESTAMP, codes.ENUM, codes.BINARY_ENUM, codes.HANDLE))
_TYPED_ARRAYS: Final = frozenset(
    (
        codes.STRING_ARRAY,
        codes.UUID_ARRAY,
        codes.DATE_ARRAY,
        codes.DECIMAL_ARRAY,
        codes.TIMESTAMP_ARRAY,
        codes.TIME_ARRAY,
    )
)
_SIMPLE: Final = {
    code: size
    for code, size in FIXED_SIZES.items()
    if code not in _OWN | _TYPED_ARRAYS | {codes.COLLECTION, codes.MAP, codes.OBJECT_ARRAY, codes.ENUM_ARRAY}
}
_ARRAYS: Final = (
    _TYPED_ARRAYS
    | {code for code in ITEM_SIZES if code not in (codes.STRING, codes.OPTIMIZED)}
    | {codes.OBJECT_ARRAY, codes.ENUM_ARRAY}
)
# Kinds on the wire -> the kinds that come back; USER_SET and USER_COL are "any".
_COLLECTION_KINDS: Final = {0xFF: 3, 0: 1, 1: 1, 2: 2, 3: 3, 4: 4, 5: 1}
_MAP_KINDS: Final = {0: 1, 1: 1, 2: 2}
_SINGLETON: Final = 5
_ANY_CLASS: Final = struct.pack("<Bi", codes.OBJECT_ARRAY, -1)


def wrapped(value: bytes) -> bytes:
    """A kept object as a client gets it."""
    if value[0] == codes.OBJECT:
        return _wrapper(codes.WRAPPED, len(value)) + value + b"\0\0\0\0"
    return value


def same(value: bytes, other: bytes) -> bool:
    """Whether two kept values are equal to a server: as bytes, but that a collection with an array in it equals nothing.

    Collections are compared as Java does it, where an array is equal only to itself (seen from 2.17.0).
    """
    return value == other and not (value[0] in (codes.COLLECTION, codes.MAP) and _has_array(value))


def _has_array(value: bytes) -> bool:
    """Whether there is an array in a collection or map, at any depth of these."""
    pos, left = 0, 1
    while left:
        left -= 1
        code = value[pos]
        if code == codes.COLLECTION:
            left += _uint(value, pos + 1)[0]
            pos += 6
        elif code == codes.MAP:
            left += 2 * _uint(value, pos + 1)[0]
            pos += 6
        elif code in _ARRAYS:
            return True
        else:
            pos = object_end(value, pos)
    return False


def marshalled_text(text: str) -> bytes:
    """A string as a kept object."""
    data = text.encode()
    return _wrapper(codes.STRING, len(data)) + data


def marshalled_long(number: int) -> bytes:
    """A long as a kept object."""
    return struct.pack("<Bq", codes.LONG, number)


def text_of(value: bytes) -> str | None:
    """The text of a kept string, None for null. Raises DecodeError for what is no string."""
    if value == NULL:
        return None
    if value[0] != codes.STRING:
        raise DecodeError(f"expected a string, found type code {value[0]}")
    return value[5:].decode()


def object_codecs() -> Codecs:
    """Codecs for which every object is its bytes: what a node reads requests and writes answers with."""
    codecs = Codecs()
    for code in range(256):
        codecs.decoders[code] = _decode_other
    for code, size in _SIMPLE.items():
        codecs.decoders[code] = _decode_simple(size)
    codecs.decoders[codes.STRING] = _decode_string
    codecs.decoders[codes.OBJECT] = _decode_complex
    codecs.encoders[bytes] = _encode
    codecs.encoders[type(None)] = _encode_null
    return codecs


def _encode(codecs: Codecs, out: bytearray, value: bytes) -> None:
    out += wrapped(value) if value[0] == codes.OBJECT else value


def _encode_null(codecs: Codecs, out: bytearray, value: None) -> None:
    out += NULL


def _decode_simple(size: int) -> Any:
    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[bytes, int]:
        end = pos + size
        if end > len(buf):
            raise codes.out_of_bytes(buf[pos - 1], pos - 1)
        return buf[pos - 1 : end], end

    return decode


def _decode_string(codecs: Codecs, buf: bytes, pos: int) -> tuple[bytes, int]:
    end = pos + 4 + _uint(buf, pos)[0]
    if end > len(buf):
        raise codes.out_of_bytes(codes.STRING, pos - 1)
    found = buf[pos - 1 : end]
    if not found.isascii():  # a length byte beyond 127 counts too: then it is looked at for nothing
        try:
            str(buf[pos + 4 : end], "utf-8")
        except UnicodeDecodeError:
            return marshalled_text(str(buf[pos + 4 : end], "utf-8", "replace")), end
    return found, end


def _decode_complex(codecs: Codecs, buf: bytes, pos: int) -> tuple[bytes, int]:
    end = _complex_end(buf, pos - 1)
    return buf[pos - 1 : end], end


def _decode_other(codecs: Codecs, buf: bytes, pos: int) -> tuple[bytes, int]:
    start = pos - 1
    if buf[start] == codes.WRAPPED:
        start, inner_end, end = _inside_wrapper(buf, start)
        return buf[start:inner_end], end
    out = bytearray()
    end = _copy(buf, start, out, MAX_HANDLE_DEPTH, [MAX_EXPANDED])
    return bytes(out), end


def _complex_end(buf: bytes, pos: int) -> int:
    length = _int(buf, pos + 12)[0]
    end: int = pos + length
    if buf[pos + 1] != OBJECT_VERSION or length < HEADER or end > len(buf):
        raise DecodeError("a complex object with a wrong version or length")
    if not HEADER <= _int(buf, pos + 20)[0] <= length:
        raise DecodeError("a complex object whose footer is not inside it")
    return end


def _inside_wrapper(buf: bytes, pos: int) -> tuple[int, int, int]:
    """Where the complex object in a wrapper starts and ends, and where the wrapper ends."""
    size = _uint(buf, pos + 1)[0]
    end = pos + 9 + size
    if end > len(buf):
        raise codes.out_of_bytes(codes.WRAPPED, pos)
    offset = _int(buf, pos + 5 + size)[0]
    start = pos + 5 + offset
    if not 0 <= offset < size or buf[start] != codes.OBJECT:
        raise DecodeError("a wrapped object that is not where its offset says")
    inner_end = _complex_end(buf, start)
    if inner_end > end - 4:
        raise DecodeError("a wrapped object that does not end inside its wrapper")
    return start, inner_end, end


def _copy(buf: bytes, pos: int, out: bytearray, handles: int, budget: list[int]) -> int:
    """Append the normal form of the object at ``pos``; where it ends.

    One pass without recursion, but for handles: containers are their heads with their items behind them.
    """
    left, limit = 1, len(buf)
    while left:
        left -= 1
        if left > limit - pos:
            raise DecodeError(f"{left} items in {limit - pos} bytes")
        code = buf[pos]
        size = _SIMPLE.get(code)
        if size is not None:
            end = pos + 1 + size
            out += buf[pos:end]
        elif code == codes.STRING:
            data, end = _decode_string(_NO_CODECS, buf, pos + 1)
            out += data
        elif code in ITEM_SIZES:
            end = pos + 5 + _uint(buf, pos + 1)[0] * ITEM_SIZES[code]
            data = buf[pos:end]
            out += data if code != codes.BOOL_ARRAY else data[:5] + bytes(item == 1 for item in data[5:])
        elif code == codes.OBJECT:
            end = _complex_end(buf, pos)
            out += wrapped(buf[pos:end])
        elif code == codes.WRAPPED:
            start, inner_end, end = _inside_wrapper(buf, pos)
            out += wrapped(buf[start:inner_end])
        elif code == codes.BOOL:
            end = pos + 2
            out += b"\x08\x01" if buf[pos + 1] == 1 else b"\x08\x00"
        elif code == codes.TIMESTAMP:
            milliseconds, nanos = _timestamp.unpack_from(buf, pos + 1)
            end = pos + 13
            more, nanos = divmod(nanos, NANOS)
            out.append(code)
            out += _timestamp.pack(milliseconds + more, nanos)
        elif code == codes.DECIMAL:
            end = _copy_decimal(buf, pos, out)
        elif code in _TYPED_ARRAYS:
            end = pos + 5
            left += _uint(buf, pos + 1)[0]
            out += buf[pos:end]
        elif code == codes.COLLECTION:
            end = pos + 6
            count, kind = _uint(buf, pos + 1)[0], buf[pos + 5]
            if kind not in _COLLECTION_KINDS or (kind == _SINGLETON and count != 1):
                raise DecodeError(f"{kind} is no kind of a collection of {count}")
            left += count
            out += buf[pos : pos + 5]
            out.append(_COLLECTION_KINDS[kind])
        elif code == codes.MAP:
            end = pos + 6
            kind = buf[pos + 5]
            if kind not in _MAP_KINDS:
                raise DecodeError(f"{kind} is no kind of map")
            left += 2 * _uint(buf, pos + 1)[0]
            out += buf[pos : pos + 5]
            out.append(_MAP_KINDS[kind])
        elif code in NAMED_IF_ZERO:
            end = _class_name_end(buf, pos)
            if code in (codes.ENUM, codes.BINARY_ENUM):
                out.append(codes.BINARY_ENUM)
                out += buf[pos + 1 : end]  # the name too: it is all that tells such an enum from others
                out += buf[end : end + 4]
            else:
                out += _ANY_CLASS
                out += buf[end : end + 4]
                left += _uint(buf, end)[0]
            end += 4
        elif code == codes.HANDLE:
            end = pos + 5
            target = pos - _int(buf, pos + 1)[0]
            if not 0 <= target < pos or not handles:
                raise DecodeError("a handle that leads nowhere")
            _copy(buf, target, out, handles - 1, budget)
        else:
            raise DecodeError(f"type code {code} is not one of the protocol's", offset=pos)
        if end > limit:
            raise codes.out_of_bytes(code, pos)
        if handles < MAX_HANDLE_DEPTH:  # what handles stand for is paid by the step, since they may multiply
            budget[0] -= max(end - pos, LEAST_STEP)
            if budget[0] < 0:
                raise DecodeError("handles that stand for too much")
        pos = end
    return pos


def _class_name_end(buf: bytes, pos: int) -> int:
    """Where a type id and, behind type id 0, the class name end."""
    if _int(buf, pos + 1)[0]:
        return pos + 5
    if buf[pos + 5] != codes.STRING:
        raise DecodeError("a type id of 0 without the name of a class")
    end: int = pos + 10 + _uint(buf, pos + 6)[0]
    return end


def _copy_decimal(buf: bytes, pos: int, out: bytearray) -> int:
    """A decimal's magnitude in as few bytes as hold it, the sign in the top bit of the first."""
    scale, size = _decimal_head(buf, pos + 1)
    end: int = pos + 9 + size
    if not size or end > len(buf):
        raise codes.out_of_bytes(codes.DECIMAL, pos)
    sign = buf[pos + 9] & 0x80
    magnitude = int.from_bytes(bytes((buf[pos + 9] & 0x7F,)) + buf[pos + 10 : end], "big")
    if not magnitude:
        sign = 0
    data = bytearray(magnitude.to_bytes(magnitude.bit_length() // 8 + 1, "big"))
    data[0] |= sign
    out += struct.pack("<BiI", codes.DECIMAL, scale, len(data)) + data
    return end


_NO_CODECS: Final = Codecs()
