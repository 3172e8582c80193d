"""Handles: a reference to an object that stands earlier in the same bytes.

Java writes one where an object occurs twice. We read the object a second time, so the second occurrence is a copy;
handles can therefore multiply work, and what they may add to one call is bounded. We never write them.
"""

from struct import Struct
from typing import Any, Final

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import MAX_DECODE_DEPTH, Codecs, Decoder, decode_object, too_deep
from ignitemap.protocol.types import codes

__all__ = ["decode_handle", "follow", "register"]

unpack_distance: Final = Struct("<I").unpack_from

MAX_REPEATED: Final = 1 << 16
"""How many bytes handles may make us read again in one call, beyond four times the length of the answer."""


def follow(codecs: Codecs, buf: bytes, pos: int, decode: Decoder) -> tuple[Any, int]:
    """Read with ``decode`` what the handle whose type code is at ``pos`` refers to."""
    distance = unpack_distance(buf, pos + 1)[0]
    target = pos - distance
    if target < 0 or not distance:
        raise DecodeError("a handle to outside of the object", offset=pos)
    codecs.depth += 1
    if codecs.depth > MAX_DECODE_DEPTH:  # a cycle ends here
        raise DecodeError(too_deep(MAX_DECODE_DEPTH), offset=pos)
    # Charged before the work is done, and corrected after it: handles within handles would double at every level.
    codecs.repeated += distance
    if codecs.repeated > MAX_REPEATED + 4 * len(buf):
        raise DecodeError("handles repeat too much", offset=pos)
    value, end = decode(codecs, buf, target)
    codecs.repeated += end - target - distance
    codecs.depth -= 1
    return value, pos + 5


def decode_handle(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read what a handle refers to."""
    return follow(codecs, buf, pos - 1, decode_object)


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.decoders[codes.HANDLE] = decode_handle
