"""The types: one family a file, each with its leaf codecs, its specs and ``register(codecs)``.

A profile decides what a type code becomes in Python: `mapping_codecs` for the mapping face, `raw_codecs` for the raw
layer, which has pyignite's results.
"""

from typing import Final

from ignitemap.protocol.binary_type import KnownTypes
from ignitemap.protocol.codecs import Codecs, NaiveDatetime, TypeResolver
from ignitemap.protocol.types import null, numeric, text

__all__ = ["mapping_codecs", "raw_codecs"]

FIRST: Final = (null, numeric, text)


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
    codecs = Codecs(known=known, resolver=resolver, naive_datetime=naive_datetime, further=_register_further)
    for family in FIRST:
        family.register(codecs)
    return codecs


def raw_codecs(*, known: KnownTypes | None = None, resolver: TypeResolver | None = None) -> Codecs:
    """The codecs of the raw layer: pyignite's results, as types/raw_profile.py lists them. Naive datetimes are in UTC.

    Args:
        known: What the cluster knows of complex types; clients of one cluster's codecs share it.
        resolver: The program's models and enums.
    """
    from ignitemap.protocol.types import raw_profile  # noqa: PLC0415 - the mapping face has no need of it

    codecs = mapping_codecs(known=known, resolver=resolver, naive_datetime="utc")
    codecs.add_further()
    raw_profile.register(codecs)
    return codecs


def _register_further(codecs: Codecs) -> None:
    from ignitemap.protocol.types.families import FURTHER  # noqa: PLC0415 - many caches hold numbers and text only

    for family in FURTHER:
        family.register(codecs)
