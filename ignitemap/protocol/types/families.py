"""The families of types beyond nulls, numbers and text: registered when a client meets the first value of one."""

from typing import Final

from ignitemap.protocol.types import (
    arrays,
    binary_object,
    collections,
    decimal,
    enums,
    handles,
    maps,
    opaque,
    temporal,
    uuid,
)

__all__ = ["FURTHER"]

FURTHER: Final = (temporal, uuid, decimal, enums, arrays, collections, maps, handles, opaque, binary_object)
