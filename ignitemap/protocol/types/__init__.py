"""The types: one family a file, each with its leaf codecs, its specs and ``register(codecs)``.

A profile decides what a type code becomes in Python. There is one so far, that of the mapping face.
"""

from typing import Final

from ignitemap.protocol.binary_type import KnownTypes
from ignitemap.protocol.codecs import Codecs, NaiveDatetime, TypeResolver
from ignitemap.protocol.types import (
    arrays,
    binary_object,
    collections,
    decimal,
    enums,
    handles,
    maps,
    null,
    numeric,
    opaque,
    temporal,
    text,
    uuid,
)

__all__ = ["FAMILIES", "mapping_codecs"]

FAMILIES: Final = (
    null,
    numeric,
    text,
    temporal,
    uuid,
    decimal,
    enums,
    arrays,
    collections,
    maps,
    handles,
    opaque,
    binary_object,
)


def mapping_codecs(
    *,
    known: KnownTypes | None = None,
    resolver: TypeResolver | None = None,
    naive_datetime: NaiveDatetime = "error",
) -> Codecs:
    """The codecs of the mapping face: what is put comes back as the same Python type.

    Args:
        known: What the cluster knows of complex types; clients of one cluster's codecs share it.
        resolver: The program's models and enums.
        naive_datetime: What a datetime without a zone means: an error, UTC, or the zone of this machine.
    """
    codecs = Codecs(known=known, resolver=resolver, naive_datetime=naive_datetime)
    for family in FAMILIES:
        family.register(codecs)
    return codecs
