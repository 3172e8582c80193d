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
    Followed,
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
MAX_EXPANDED: Final = 1 << 20
EXPANSION: Final = 16
"""How many bytes an answer may have with every handle replaced by what it stands for: MAX_EXPANDED and EXPANSION times
its length. Handles to what has handles double at every level, and so does the time to go through such a value."""


def target_of(codecs: Codecs, buf: bytes, pos: int, decode: Decoder, depth: int) -> tuple[int, Followed | None]:
    """Where the handle whose type code is at ``pos`` refers to, and what is there if it was read before.

    Otherwise it is now being read, at ``depth``, and `remember` ends that.
    """
    target = pos - unpack_distance(buf, pos + 1)[0]
    if not 0 <= target < pos:
        raise DecodeError("a handle to outside of the object", offset=pos)
    if not codecs.repeated:  # another call
        codecs.followed.clear()
        codecs.expanded = 0
    codecs.repeated += 1
    place = target if decode is decode_object else (decode, target)
    if place in codecs.followed:
        found = codecs.followed[place]
        if found is None:
            raise DecodeError("a value that contains itself", offset=pos)
        if depth <= found.depth:  # deeper down it may nest too deep, and is read once more
            expand(codecs, buf, pos, found.size)
            return target, found
    codecs.followed[place] = None
    return target, None


def expand(codecs: Codecs, buf: bytes, pos: int, size: int) -> None:
    """Count what the handle at ``pos`` stands for."""
    codecs.expanded += size
    if codecs.expanded > MAX_EXPANDED + EXPANSION * len(buf):
        raise DecodeError("handles stand for too much", offset=pos)


def remember(
    codecs: Codecs, buf: bytes, pos: int, decode: Decoder, target: int, found: tuple[Any, int], before: int
) -> None:
    """Note what was read for the handle at ``pos``; ``before`` is what `Codecs.expanded` was when that began."""
    value, end = found
    size = end - target
    codecs.repeated += size
    if codecs.repeated > MAX_REPEATED + len(buf):
        raise DecodeError("handles repeat too much", offset=pos)
    expand(codecs, buf, pos, size)
    place = target if decode is decode_object else (decode, target)
    codecs.followed[place] = Followed(value, codecs.expanded - before, codecs.depth)


def follow(codecs: Codecs, buf: bytes, pos: int, decode: Decoder) -> tuple[Any, int]:
    """Read with ``decode`` what the handle whose type code is at ``pos`` refers to."""
    target, known = target_of(codecs, buf, pos, decode, codecs.depth + 1)
    if known is not None:
        return known.value, pos + 5
    before = codecs.expanded
    codecs.depth += 1
    if codecs.depth > MAX_DECODE_DEPTH:
        raise DecodeError(too_deep(MAX_DECODE_DEPTH), offset=pos)
    found = decode(codecs, buf, target)
    remember(codecs, buf, pos, decode, target, found, before)
    codecs.depth -= 1
    return found[0], pos + 5


def decode_handle(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read what a handle refers to."""
    if codecs.depth >= NATIVE_DEPTH:
        codecs.depth += 1
        return read_deep(codecs, buf, pos)
    return follow(codecs, buf, pos - 1, decode_object)


def walk_handle(codecs: Codecs, buf: bytes, pos: int) -> Steps:
    """Read what a handle refers to, without recursion."""
    target, known = target_of(codecs, buf, pos - 1, decode_object, codecs.depth)
    if known is not None:
        return known.value, pos + 4
    before = codecs.expanded
    walk = codecs.walkers.get(buf[target])
    found = decode_object(codecs, buf, target) if walk is None else (yield walk, target + 1)
    remember(codecs, buf, pos - 1, decode_object, target, found, before)
    return found[0], pos + 4


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.decoders[codes.HANDLE] = decode_handle
    codecs.walkers[codes.HANDLE] = walk_handle
