"""Handles: a reference to an object that stands earlier in the same bytes.

Java writes one where an object occurs twice. We read the object a second time, so that the second occurrence is a copy
of the first; further handles to it give that copy. An object that refers to itself, be it through others, is a
DecodeError: what is read here is a tree. (A `BinaryObject` reads its fields when they are asked for, and so can have
itself among them.) We never write handles.
"""

from struct import Struct
from typing import Any, Final

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import (
    MAX_DECODE_DEPTH,
    NATIVE_DEPTH,
    Codecs,
    Decoder,
    Steps,
    decode_object,
    too_deep,
)
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.deep import read_deep

__all__ = ["decode_handle", "follow", "register"]

unpack_distance: Final = Struct("<I").unpack_from

MAX_REPEATED: Final = 1 << 16
"""How many bytes handles may make us read again in one call, beyond the length of the answer. Every object is read
again once at most; but handles to a value, to what is inside it, and so on, add up."""


def start_following(codecs: Codecs, buf: bytes, pos: int, decode: Decoder) -> tuple[int, tuple[Any, int] | None]:
    """Where the handle whose type code is at ``pos`` refers to, and what was read there if it was."""
    target = pos - unpack_distance(buf, pos + 1)[0]
    if not 0 <= target < pos:
        raise DecodeError("a handle to outside of the object", offset=pos)
    if not codecs.repeated:
        codecs.followed.clear()  # it is of another call
    known = codecs.followed.setdefault((decode, target))
    return target, known
