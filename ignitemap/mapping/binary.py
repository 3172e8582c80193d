"""The view of a cache whose values are read as they are, objects as `BinaryObject`."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, cast

import attrs

from ignitemap.protocol.codecs import Codecs, EntryTypes, decode_object, encode_object
from ignitemap.protocol.types.binary_object import BinaryObject

__all__ = ["as_binary"]

# Type codes of what may be, or hold, an object: arrays of objects, collections, maps, complex objects and anything.
_HOLDERS: Final = frozenset({23, 24, 25, 103})


@lru_cache(maxsize=1024)
def as_binary(types: EntryTypes) -> EntryTypes:
    """The types of a view whose values are read as they are, objects as `BinaryObject`; declared ones can be written."""
    declared = types.value
    if declared.code not in _HOLDERS:
        return types

    def encode(codecs: Codecs, out: bytearray, value: Any, *key: Any) -> None:
        if _has_object(value):
            encode_object(codecs, out, value)
        else:
            declared.encode(codecs, out, value, *key)

    def decode(codecs: Codecs, buf: bytes, pos: int, *key: Any) -> tuple[Any, int]:
        return decode_object(codecs, buf, pos)

    return EntryTypes(types.key, attrs.evolve(declared, encode=encode, decode=decode, emit_item=None, emit_read=None))


def _has_object(value: object) -> bool:
    """Whether a value is a BinaryObject or a collection with one in it, which no declared type would take."""
    if isinstance(value, Mapping):
        inside = cast(Any, value)
        return any(map(_has_object, inside)) or any(map(_has_object, inside.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_has_object, cast(Any, value)))
    return isinstance(value, BinaryObject)
