"""Strings and characters."""

from struct import Struct
from typing import Any, Final

from ignitemap.protocol.codecs import Codecs, Spec, cannot_hold, wrong_type
from ignitemap.protocol.types import codes

__all__ = ["CHAR", "STRING", "decode_char", "decode_str", "encode_str", "read_str", "register"]

unpack_length: Final = Struct("<I").unpack_from  # unsigned, so that one comparison finds negative lengths as well
unpack_unit: Final = Struct("<H").unpack_from
pack_head: Final = Struct("<BI").pack
pack_char: Final = Struct("<BH").pack
to_utf8: Final = str.encode  # unbound: a subclass of str may have an encode() of its own


def encode_str(codecs: Codecs, out: bytearray, value: str) -> None:
    """Write a string as UTF-8, NUL characters included."""
    try:
        data = to_utf8(value)
    except UnicodeEncodeError:  # it holds the value, so it must not be chained
        # The server would store U+FFFD in its place (seen from a 2.17.0 node).
        raise cannot_hold("String", "cannot hold a lone surrogate") from None
    out += pack_head(codes.STRING, len(data))
    out += data


def decode_str(codecs: Codecs, buf: bytes, pos: int) -> tuple[str, int]:
    """Read a string."""
    start = pos + 4
    end = start + unpack_length(buf, pos)[0]
    if end > len(buf):
        raise codes.out_of_bytes(codes.STRING, pos - 1)
    return buf[start:end].decode(), end


def encode_as_str(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a str and nothing else."""
    if not isinstance(value, str):
        raise wrong_type("String", value)
    encode_str(codecs, out, value)


def read_str(buf: bytes, pos: int) -> tuple[str, int]:
    """Read a string that stands within the layout of another type, starting at its type code."""
    if buf[pos] != codes.STRING:
        raise codes.mismatch("String", buf, pos)
    start = pos + 5
    end = start + unpack_length(buf, pos + 1)[0]
    if end > len(buf):
        raise codes.out_of_bytes(codes.STRING, pos)
    return buf[start:end].decode(), end


def decode_as_str(codecs: Codecs, buf: bytes, pos: int) -> tuple[str, int]:
    """Read a string."""
    return read_str(buf, pos)


def decode_char(codecs: Codecs, buf: bytes, pos: int) -> tuple[str, int]:
    """Read a char: one UTF-16 unit, which may be half of a surrogate pair."""
    return chr(unpack_unit(buf, pos)[0]), pos + 2


def utf16_unit(value: object) -> int:
    """The number of a character that Java's 16-bit char holds."""
    if not isinstance(value, str):
        raise wrong_type("char", value)
    if len(value) != 1 or value > "\uffff":
        raise cannot_hold("char", "holds exactly one character of the Basic Multilingual Plane")
    return ord(value)


def encode_as_char(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write a str of one character as a char."""
    out += pack_char(codes.CHAR, utf16_unit(value))


def decode_as_char(codecs: Codecs, buf: bytes, pos: int) -> tuple[str, int]:
    """Read a char."""
    if buf[pos] != codes.CHAR:
        raise codes.mismatch("char", buf, pos)
    return chr(unpack_unit(buf, pos + 1)[0]), pos + 3


STRING: Final[Spec[str]] = Spec("String", encode_as_str, decode_as_str, code=codes.STRING, java="java.lang.String")
CHAR: Final[Spec[str]] = Spec("char", encode_as_char, decode_as_char, code=codes.CHAR, java="java.lang.Character")


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[str] = encode_str
    codecs.decoders[codes.STRING] = decode_str
    codecs.decoders[codes.CHAR] = decode_char
