"""pyignite.utils: two helpers of its tests."""

import ctypes

from ignitemap.protocol.hashing import string_hash


def unsigned(value: int, c_type: type[ctypes.c_uint] = ctypes.c_uint) -> int:
    return c_type(value).value


def entity_id(name: str) -> int:
    return string_hash(name.lower())
