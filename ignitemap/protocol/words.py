"""How the words of wire.py that are not numbers travel: strings, byte arrays and UUIDs that the protocol itself carries.

Every string of the protocol has its type code. Values of caches are the concern of types/.
"""

import struct
from typing import Final
from uuid import UUID

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import Codecs, cannot_hold
from ignitemap.protocol.wire import NULL

__all__ = [
    "decode_blob",
    "decode_nullable_text",
    "decode_text",
    "decode_uuid16",
    "decode_uuid_obj",
    "encode_blob",
    "encode_nullable_text",
    "encode_text",
    "encode_uuid16",
    "encode_uuid_obj",
]

_STRING: Final = 9
_UUID: Final = 10
_BYTES: Final = 12
_pack_length = struct.Struct("<BI").pack
_unpack_length = struct.Struct("<I").unpack_from
_pack_uuid = struct.Struct("<QQ").pack
_unpack_uuid = struct.Struct("<QQ").unpack_from
_LOW_64: Final = (1 << 64) - 1


def encode_text(codecs: Codecs, out: bytearray, value: str) -> None:
    """Write a string that is never null."""
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise cannot_hold("text", "cannot hold a lone surrogate") from None
    out += _pack_length(_STRING, len(data))
    out += data


def decode_text(codecs: Codecs, buf: bytes, pos: int) -> tuple[str, int]:
    """Read a string that is never null."""
    found, pos = decode_nullable_text(codecs, buf, pos)
    if found is None:
        raise DecodeError("expected a string, found null")
    return found, pos


def encode_nullable_text(codecs: Codecs, out: bytearray, value: str | None) -> None:
    """Write a string or null."""
    if value is None:
        out.append(NULL)
    else:
        encode_text(codecs, out, value)


def decode_nullable_text(codecs: Codecs, buf: bytes, pos: int) -> tuple[str | None, int]:
    """Read a string or null. Every string of the protocol has its type code."""
    code = buf[pos]
    if code == NULL:
        return None, pos + 1
    data, end = _decode_counted_bytes(code, _STRING, "a string", buf, pos)
    return data.decode(), end


def encode_blob(codecs: Codecs, out: bytearray, value: bytes) -> None:
    """Write a byte array with its type code."""
    out += _pack_length(_BYTES, len(value))
    out += value


def decode_blob(codecs: Codecs, buf: bytes, pos: int) -> tuple[bytes, int]:
    """Read a byte array; null is read as empty."""
    code = buf[pos]
    if code == NULL:
        return b"", pos + 1
    return _decode_counted_bytes(code, _BYTES, "a byte array", buf, pos)


def _decode_counted_bytes(code: int, expected: int, what: str, buf: bytes, pos: int) -> tuple[bytes, int]:
    if code != expected:
        raise DecodeError(f"expected {what}, found type code {code}")
    (length,) = _unpack_length(buf, pos + 1)
    start = pos + 5
    end = start + length
    if end > len(buf):
        raise DecodeError(f"{what} of {length} bytes, {len(buf) - start} are left")
    return buf[start:end], end


def encode_uuid_obj(codecs: Codecs, out: bytearray, value: UUID | None) -> None:
    """Write a UUID with its type code, or null."""
    if value is None:
        out.append(NULL)
    else:
        out.append(_UUID)
        encode_uuid16(codecs, out, value)


def decode_uuid_obj(codecs: Codecs, buf: bytes, pos: int) -> tuple[UUID | None, int]:
    """Read a UUID with its type code, or null."""
    code = buf[pos]
    if code == NULL:
        return None, pos + 1
    if code != _UUID:
        raise DecodeError(f"expected a UUID, found type code {code}")
    return decode_uuid16(codecs, buf, pos + 1)


def encode_uuid16(codecs: Codecs, out: bytearray, value: UUID) -> None:
    """Write the two halves of a UUID, each little-endian."""
    out += _pack_uuid(value.int >> 64, value.int & _LOW_64)


def decode_uuid16(codecs: Codecs, buf: bytes, pos: int) -> tuple[UUID, int]:
    """Read the two halves of a UUID, each little-endian."""
    high, low = _unpack_uuid(buf, pos)
    return UUID(int=high << 64 | low), pos + 16
