"""None and the codes that only Java can read."""

from typing import Any

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import Codecs
from ignitemap.protocol.types import codes

__all__ = ["decode_null", "decode_unreadable", "encode_none", "register"]


def encode_none(codecs: Codecs, out: bytearray, value: None) -> None:
    """Write null."""
    out.append(codes.NULL)


def decode_null(codecs: Codecs, buf: bytes, pos: int) -> tuple[None, int]:
    """Read null."""
    return None, pos


def decode_unreadable(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Refuse an object whose bytes mean something to a JVM only."""
    raise DecodeError(f"a {codes.code_name(buf[pos - 1])} has no form outside Java", offset=pos - 1)


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[type(None)] = encode_none
    codecs.decoders[codes.NULL] = decode_null
    for code in (codes.CLASS, codes.PROXY, codes.FACTORY_PROXY, codes.TRANSFORMED):
        codecs.decoders[code] = decode_unreadable
