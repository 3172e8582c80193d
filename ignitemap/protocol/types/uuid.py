"""UUIDs: two longs, the most significant first, each with its low byte first."""

from collections.abc import Callable
from struct import Struct
from typing import Any, Final
from uuid import UUID as PythonUUID, SafeUUID  # noqa: N811 - UUID is the spec here

from ignitemap.protocol.codecs import Codecs, Spec, wrong_type
from ignitemap.protocol.types import codes

__all__ = ["UUID", "decode_uuid", "encode_uuid", "register"]

pack_uuid: Final = Struct("<BQQ").pack
unpack_uuid: Final = Struct("<QQ").unpack_from
LOW: Final = 0xFFFF_FFFF_FFFF_FFFF
UNKNOWN: Final = SafeUUID.unknown

# UUID() takes four times as long to check what two unsigned longs cannot get wrong. Its attributes are slots, and
# it is immutable only by its __setattr__: the slots' own setters are the way past it.
new_uuid: Final = object.__new__
set_int: Final[Callable[[PythonUUID, int], None]] = vars(PythonUUID)["int"].__set__
set_is_safe: Final[Callable[[PythonUUID, Any], None]] = vars(PythonUUID)["is_safe"].__set__


def encode_uuid(codecs: Codecs, out: bytearray, value: PythonUUID) -> None:
    """Write a UUID."""
    number = value.int
    out += pack_uuid(codes.UUID, number >> 64, number & LOW)


def decode_uuid(codecs: Codecs, buf: bytes, pos: int) -> tuple[PythonUUID, int]:
    """Read a UUID."""
    high, low = unpack_uuid(buf, pos)
    value = new_uuid(PythonUUID)
    set_int(value, high << 64 | low)
    set_is_safe(value, UNKNOWN)
    return value, pos + 16


def encode_as_uuid(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a UUID and nothing else."""
    if not isinstance(value, PythonUUID):
        raise wrong_type("UUID", value)
    encode_uuid(codecs, out, value)


def decode_as_uuid(codecs: Codecs, buf: bytes, pos: int) -> tuple[PythonUUID, int]:
    """Read a UUID."""
    if buf[pos] != codes.UUID:
        raise codes.mismatch("UUID", buf, pos)
    return decode_uuid(codecs, buf, pos + 1)


UUID: Final[Spec[PythonUUID]] = Spec("UUID", encode_as_uuid, decode_as_uuid, code=codes.UUID, java="java.util.UUID")


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[PythonUUID] = encode_uuid
    codecs.decoders[codes.UUID] = decode_uuid
