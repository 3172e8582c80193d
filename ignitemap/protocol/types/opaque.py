"""What Java's optimized marshaller wrote (code 0xFE): java.sql.Date is read, anything else is kept as it is."""

from struct import Struct
from typing import Any, Final

import attrs

from ignitemap.protocol.codecs import Codecs
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.temporal import SQL_DATE_BODY, SQL_DATE_LENGTH, decode_sql_date

__all__ = ["OpaqueObject", "decode_optimized", "encode_opaque", "register"]

pack_head: Final = Struct("<BI").pack
unpack_length: Final = Struct("<I").unpack_from
unpack_long: Final = Struct("<q").unpack_from


@attrs.frozen
class OpaqueObject:
    """A Java object that only a JVM can read, say a LocalDate or a BigInteger. It writes back byte-identical."""

    data: bytes = attrs.field(repr=False)


def encode_opaque(codecs: Codecs, out: bytearray, value: OpaqueObject) -> None:
    """Write the object as it was read."""
    out += pack_head(codes.OPTIMIZED, len(value.data))
    out += value.data


def decode_optimized(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read a java.sql.Date as a date, and keep everything else."""
    start = pos + 4
    length = unpack_length(buf, pos)[0]
    end = start + length
    if end > len(buf):
        raise codes.out_of_bytes(codes.OPTIMIZED, pos - 1)
    if length == SQL_DATE_LENGTH and buf.startswith(SQL_DATE_BODY, start):
        return decode_sql_date(unpack_long(buf, start + len(SQL_DATE_BODY))[0], pos - 1), end
    return OpaqueObject(buf[start:end]), end


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[OpaqueObject] = encode_opaque
    codecs.decoders[codes.OPTIMIZED] = decode_optimized
