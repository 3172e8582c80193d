"""Integers, floats, booleans."""

from struct import Struct, error
from typing import Any, Final

from ignitemap.protocol.codecs import Codecs, Decoder, Spec, cannot_hold, out_of_range, wrong_type
from ignitemap.protocol.types import codes

__all__ = ["BOOL", "BYTE", "DOUBLE", "FLOAT", "INT", "LONG", "SHORT", "decode_integer", "register"]

unpack_byte: Final = Struct("<b").unpack_from
unpack_short: Final = Struct("<h").unpack_from
unpack_int: Final = Struct("<i").unpack_from
unpack_long: Final = Struct("<q").unpack_from
unpack_float: Final = Struct("<f").unpack_from
unpack_double: Final = Struct("<d").unpack_from
pack_long: Final = Struct("<Bq").pack
pack_float: Final = Struct("<Bf").pack
pack_double: Final = Struct("<Bd").pack

TRUE: Final = bytes((codes.BOOL, 1))
FALSE: Final = bytes((codes.BOOL, 0))


def encode_int(codecs: Codecs, out: bytearray, value: int) -> None:
    """Write an int as a long."""
    try:
        out += pack_long(codes.LONG, value)
    except error:
        raise out_of_range("long") from None


def encode_float(codecs: Codecs, out: bytearray, value: float) -> None:
    """Write a float as a double."""
    out += pack_double(codes.DOUBLE, value)


def encode_bool(codecs: Codecs, out: bytearray, value: bool) -> None:
    """Write a boolean."""
    out += TRUE if value else FALSE


def decode_byte(codecs: Codecs, buf: bytes, pos: int) -> tuple[int, int]:
    """Read a byte."""
    return unpack_byte(buf, pos)[0], pos + 1


def decode_short(codecs: Codecs, buf: bytes, pos: int) -> tuple[int, int]:
    """Read a short."""
    return unpack_short(buf, pos)[0], pos + 2


def decode_int(codecs: Codecs, buf: bytes, pos: int) -> tuple[int, int]:
    """Read an int."""
    return unpack_int(buf, pos)[0], pos + 4


def decode_long(codecs: Codecs, buf: bytes, pos: int) -> tuple[int, int]:
    """Read a long."""
    return unpack_long(buf, pos)[0], pos + 8


def decode_float(codecs: Codecs, buf: bytes, pos: int) -> tuple[float, int]:
    """Read a float."""
    return unpack_float(buf, pos)[0], pos + 4


def decode_double(codecs: Codecs, buf: bytes, pos: int) -> tuple[float, int]:
    """Read a double."""
    return unpack_double(buf, pos)[0], pos + 8


def decode_bool(codecs: Codecs, buf: bytes, pos: int) -> tuple[bool, int]:
    """Read a boolean. Only 1 is true: a 2 that was put came back as 0 from a 2.17.0 node."""
    return buf[pos] == 1, pos + 1


def decode_integer(expected: str, codecs: Codecs, buf: bytes, pos: int) -> tuple[int, int]:
    """Read an integer of any width, starting at its type code, where ``expected`` is declared."""
    code = buf[pos]
    if code == codes.LONG:
        return unpack_long(buf, pos + 1)[0], pos + 9
    if code == codes.INT:
        return unpack_int(buf, pos + 1)[0], pos + 5
    if code == codes.SHORT:
        return unpack_short(buf, pos + 1)[0], pos + 3
    if code == codes.BYTE:
        return unpack_byte(buf, pos + 1)[0], pos + 2
    raise codes.mismatch(expected, buf, pos)


def decode_floating(expected: str, codecs: Codecs, buf: bytes, pos: int) -> tuple[float, int]:
    """Read a float or a double, starting at its type code, where ``expected`` is declared."""
    code = buf[pos]
    if code == codes.DOUBLE:
        return unpack_double(buf, pos + 1)[0], pos + 9
    if code == codes.FLOAT:
        return unpack_float(buf, pos + 1)[0], pos + 5
    raise codes.mismatch(expected, buf, pos)


def integer(name: str, code: int, fmt: str, java: str) -> Spec[int]:
    """The spec of one width of integer. It writes its own width and reads every width: a Python int has none."""
    pack, layout = Struct(f"<B{fmt}").pack, Struct(f"<{fmt}")
    unpack, size = layout.unpack_from, layout.size + 1

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        # A bool is an int to Python and a type of its own to Java; writing it as 1 would not read back as True.
        if value.__class__ is not int and (not isinstance(value, int) or isinstance(value, bool)):
            raise wrong_type(name, value)
        try:
            out += pack(code, value)
        except error:
            raise out_of_range(name) from None

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[int, int]:
        if buf[pos] == code:
            return unpack(buf, pos + 1)[0], pos + size
        return decode_integer(name, codecs, buf, pos)

    return Spec(name, encode, decode, code=code, java=java, fixed=fmt)


def exact_float(name: str, value: object) -> float:
    """The float for a float or for an int that a double holds exactly."""
    if isinstance(value, float):
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(name, value)
    try:
        number = float(value)
    except OverflowError:
        raise out_of_range(name) from None
    if number != value:
        raise cannot_hold(name, "does not hold this int exactly")
    return number


def exact_single(name: str, value: object) -> float:
    """The float for a float, which is going to be rounded, or for an int that four bytes hold exactly."""
    number = exact_float(name, value)
    if isinstance(value, int):
        try:
            held = unpack_float(pack_float(codes.FLOAT, number), 1)[0]
        except OverflowError:
            raise out_of_range(name) from None
        if held != value:
            raise cannot_hold(name, "does not hold this int exactly")
    return number


def encode_as_float(codecs: Codecs, out: bytearray, value: float) -> None:
    """Write a float in four bytes. A float is rounded, which is what declaring ``Float`` asks for; an int must fit."""
    try:
        out += pack_float(codes.FLOAT, exact_single("float", value))
    except OverflowError:
        raise out_of_range("float") from None


def decode_as_float(codecs: Codecs, buf: bytes, pos: int) -> tuple[float, int]:
    """Read a float; a double too, as a Python float holds it."""
    if buf[pos] == codes.FLOAT:
        return unpack_float(buf, pos + 1)[0], pos + 5
    return decode_floating("float", codecs, buf, pos)


def encode_as_double(codecs: Codecs, out: bytearray, value: float) -> None:
    """Write a float, or an int that a double holds exactly."""
    out += pack_double(codes.DOUBLE, value if value.__class__ is float else exact_float("double", value))


def decode_as_double(codecs: Codecs, buf: bytes, pos: int) -> tuple[float, int]:
    """Read a double; a float too."""
    if buf[pos] == codes.DOUBLE:
        return unpack_double(buf, pos + 1)[0], pos + 9
    return decode_floating("double", codecs, buf, pos)


def encode_as_bool(codecs: Codecs, out: bytearray, value: bool) -> None:
    """Write a bool and nothing that merely has a truth value."""
    if value is True:
        out += TRUE
    elif value is False:
        out += FALSE
    else:
        raise wrong_type("boolean", value)


def decode_as_bool(codecs: Codecs, buf: bytes, pos: int) -> tuple[bool, int]:
    """Read a boolean."""
    if buf[pos] == codes.BOOL:
        return buf[pos + 1] == 1, pos + 2
    raise codes.mismatch("boolean", buf, pos)


BYTE: Final = integer("byte", codes.BYTE, "b", "java.lang.Byte")
SHORT: Final = integer("short", codes.SHORT, "h", "java.lang.Short")
INT: Final = integer("int", codes.INT, "i", "java.lang.Integer")
LONG: Final = integer("long", codes.LONG, "q", "java.lang.Long")
FLOAT: Final[Spec[float]] = Spec(
    "float", encode_as_float, decode_as_float, code=codes.FLOAT, java="java.lang.Float", fixed="f"
)
DOUBLE: Final[Spec[float]] = Spec(
    "double", encode_as_double, decode_as_double, code=codes.DOUBLE, java="java.lang.Double", fixed="d"
)
BOOL: Final[Spec[bool]] = Spec(
    "boolean", encode_as_bool, decode_as_bool, code=codes.BOOL, java="java.lang.Boolean", fixed="?"
)


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[int] = encode_int
    codecs.encoders[float] = encode_float
    codecs.encoders[bool] = encode_bool
    decoders: dict[int, Decoder] = {
        codes.BYTE: decode_byte,
        codes.SHORT: decode_short,
        codes.INT: decode_int,
        codes.LONG: decode_long,
        codes.FLOAT: decode_float,
        codes.DOUBLE: decode_double,
        codes.BOOL: decode_bool,
    }
    for code, decoder in decoders.items():
        codecs.decoders[code] = decoder
