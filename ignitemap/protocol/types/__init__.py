"""The types: one family a file, each with its leaf codecs, its specs and ``register(codecs)``.

A profile decides what a type code becomes in Python: `mapping_codecs` for the mapping face, `raw_codecs` for the raw
layer, which has pyignite's results.
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
    raw_profile,
    temporal,
    text,
    uuid,
)

__all__ = ["FAMILIES", "mapping_codecs", "raw_codecs"]

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


def raw_codecs(*, known: KnownTypes | None = None, resolver: TypeResolver | None = None) -> Codecs:
    """The codecs of the raw layer: pyignite's results, as types/raw_profile.py lists them. Naive datetimes are in UTC.

    Args:
        known: What the cluster knows of complex types; clients of one cluster's codecs share it.
        resolver: The program's models and enums.
    """
    codecs = mapping_codecs(known=known, resolver=resolver, naive_datetime="utc")
    raw_profile.register(codecs)
    return codecs
