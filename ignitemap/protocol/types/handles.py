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


def target_of(codecs: Codecs, buf: bytes, pos: int, decode: Decoder) -> tuple[int, tuple[Any, int] | None]:
    """Where the handle whose type code is at ``pos`` refers to, and what is there if it was read before.

    Otherwise it is now being read, and `remember` ends that.
    """
    target = pos - unpack_distance(buf, pos + 1)[0]
    if not 0 <= target < pos:
        raise DecodeError("a handle to outside of the object", offset=pos)
    if not codecs.repeated:
        codecs.followed.clear()  # it is of another call
    codecs.repeated += 1
    place = decode, target
    if place not in codecs.followed:
        codecs.followed[place] = None
        return target, None
    found = codecs.followed[place]
    if found is None:
        raise DecodeError("a value that contains itself", offset=pos)
    return target, found


def remember(codecs: Codecs, buf: bytes, target: int, decode: Decoder, found: tuple[Any, int]) -> None:
    """Note what was read for a handle, and what that cost."""
    codecs.followed[decode, target] = found
    codecs.repeated += found[1] - target
    if codecs.repeated > MAX_REPEATED + len(buf):
        raise DecodeError("handles repeat too much", offset=target)


def follow(codecs: Codecs, buf: bytes, pos: int, decode: Decoder) -> tuple[Any, int]:
    """Read with ``decode`` what the handle whose type code is at ``pos`` refers to."""
    target, found = target_of(codecs, buf, pos, decode)
    if found is None:
        codecs.depth += 1
        if codecs.depth > MAX_DECODE_DEPTH:
            raise DecodeError(too_deep(MAX_DECODE_DEPTH), offset=pos)
        found = decode(codecs, buf, target)
        codecs.depth -= 1
        remember(codecs, buf, target, decode, found)
    return found[0], pos + 5


def decode_handle(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read what a handle refers to."""
    if codecs.depth >= NATIVE_DEPTH:
        codecs.depth += 1
        return read_deep(codecs, buf, pos)
    return follow(codecs, buf, pos - 1, decode_object)


def walk_handle(codecs: Codecs, buf: bytes, pos: int) -> Steps:
    """Read what a handle refers to, without recursion."""
    target, found = target_of(codecs, buf, pos - 1, decode_object)
    if found is None:
        walk = codecs.walkers.get(buf[target])
        if walk is None:
            found = decode_object(codecs, buf, target)
        else:
            found = yield walk, target + 1
        remember(codecs, buf, target, decode_object, found)
    return found[0], pos + 4


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.decoders[codes.HANDLE] = decode_handle
    codecs.walkers[codes.HANDLE] = walk_handle
