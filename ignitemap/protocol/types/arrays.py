"""Arrays: of primitives (one copy in, one copy out), of typed objects, of any objects.

Untyped, ``array.array`` is written by its typecode and primitive arrays come back as ``array.array``; char[], boolean[]
and arrays of objects come back as lists. A tuple is an Object[] and comes back as a tuple. A spec takes any list, tuple
or buffer (numpy's too) and gives a list.
"""

import struct
from array import array
from collections.abc import Callable, Sequence
from sys import byteorder
from typing import Any, Final, TypeVar, cast

from ignitemap.exceptions import DecodeError, EncodeTypeError, EncodeValueError
from ignitemap.protocol.codecs import (
    MAX_DECODE_DEPTH,
    MAX_ENCODE_DEPTH,
    NATIVE_DEPTH,
    Codecs,
    Decoder,
    Encoder,
    Spec,
    Steps,
    Walker,
    cannot_hold,
    out_of_range,
    too_deep,
    wrong_type,
)
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.decimal import DECIMAL
from ignitemap.protocol.types.deep import read_deep, walk_items
from ignitemap.protocol.types.enums import read_type_id
from ignitemap.protocol.types.handles import follow
from ignitemap.protocol.types.numeric import BOOL, BYTE, DOUBLE, FLOAT, INT, LONG, SHORT, exact_float, exact_single
from ignitemap.protocol.types.temporal import DATE, TIME, TIMESTAMP
from ignitemap.protocol.types.text import CHAR, STRING, utf16_unit
from ignitemap.protocol.types.uuid import UUID

__all__ = [
    "BOOL_ARRAY",
    "BYTES",
    "BYTE_ARRAY",
    "CHAR_ARRAY",
    "DATE_ARRAY",
    "DECIMAL_ARRAY",
    "DOUBLE_ARRAY",
    "FLOAT_ARRAY",
    "INT_ARRAY",
    "LONG_ARRAY",
    "SHORT_ARRAY",
    "STRING_ARRAY",
    "TIMESTAMP_ARRAY",
    "TIME_ARRAY",
    "UUID_ARRAY",
    "array_of",
    "decode_items",
    "enum_array_of",
    "object_array_head",
    "object_array_of",
    "object_array_walker",
    "register",
]

T = TypeVar("T")

pack_head: Final = struct.Struct("<BI").pack
pack_object_array: Final = struct.Struct("<BiI").pack
unpack_count: Final = struct.Struct("<I").unpack_from
unpack_component: Final = struct.Struct("<iI").unpack_from
unpack_collection: Final = struct.Struct("<IB").unpack_from

SHARED_CHARS: Final = 64
LITTLE: Final = byteorder == "little"
ANY_COMPONENT: Final = -1  # java.lang.Object; the only component type that a server keeps (seen from a 2.17.0 node)

# typecode of array.array -> type code; by the item's size, as C's long is 4 or 8 bytes long
SIGNED: Final = {1: codes.BYTE_ARRAY, 2: codes.SHORT_ARRAY, 4: codes.INT_ARRAY, 8: codes.LONG_ARRAY}
FLOATING: Final = {4: codes.FLOAT_ARRAY, 8: codes.DOUBLE_ARRAY}
TYPECODES: Final = {
    codes.SHORT_ARRAY: "h",
    codes.INT_ARRAY: "i",
    codes.LONG_ARRAY: "q",
    codes.FLOAT_ARRAY: "f",
    codes.DOUBLE_ARRAY: "d",
}
# array's type code -> type code and size of its items
PRIMITIVES: Final = {
    codes.BYTE_ARRAY: (codes.BYTE, 1),
    codes.SHORT_ARRAY: (codes.SHORT, 2),
    codes.INT_ARRAY: (codes.INT, 4),
    codes.LONG_ARRAY: (codes.LONG, 8),
    codes.FLOAT_ARRAY: (codes.FLOAT, 4),
    codes.DOUBLE_ARRAY: (codes.DOUBLE, 8),
    codes.CHAR_ARRAY: (codes.CHAR, 2),
    codes.BOOL_ARRAY: (codes.BOOL, 1),
}
# array's type code -> type code of its items, each of which is written with it, or null
TYPED: Final = {
    codes.STRING_ARRAY: codes.STRING,
    codes.UUID_ARRAY: codes.UUID,
    codes.DATE_ARRAY: codes.DATE,
    codes.DECIMAL_ARRAY: codes.DECIMAL,
    codes.TIMESTAMP_ARRAY: codes.TIMESTAMP,
    codes.TIME_ARRAY: codes.TIME,
}
ARRAY_OF_ITEM: Final = {item: code for code, item in TYPED.items()}


# --- bytes ------------------------------------------------------------------------------------------------------------


def encode_bytes(codecs: Codecs, out: bytearray, value: bytes | bytearray) -> None:
    """Write bytes."""
    out += pack_head(codes.BYTE_ARRAY, len(value))
    out += value


def decode_bytes(codecs: Codecs, buf: bytes, pos: int) -> tuple[bytes, int]:
    """Read bytes."""
    start = pos + 4
    end = start + unpack_count(buf, pos)[0]
    if end > len(buf):
        raise codes.out_of_bytes(codes.BYTE_ARRAY, pos - 1)
    return buf[start:end], end


def encode_buffer(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write an array.array or a memoryview as the primitive array of its items' size."""
    with memoryview(value) as view:
        item = view.format[-1]
        size = view.itemsize
        if view.ndim != 1 or (size > 1 and view.format[0] in ">!"):
            raise EncodeTypeError("only one-dimensional buffers in little-endian order are arrays to Ignite")
        if item in "bBc":
            code = codes.BYTE_ARRAY
        elif item in "hilqn":
            code = SIGNED[size]
        elif item in "fd":
            code = FLOATING[size]
        elif item == "?":
            code = codes.BOOL_ARRAY
        else:  # unsigned: Java has no such arrays
            raise EncodeTypeError(f"no Ignite type for an array with the typecode {item!r}")
        out += pack_head(code, len(view))
        out += little_endian(view)


def little_endian(view: memoryview) -> bytes:
    """The bytes of a view whose items are in native order."""
    if LITTLE or view.itemsize == 1:
        return view.tobytes()
    return struct.pack(f"<{len(view)}{view.format[-1]}", *view.tolist())  # pragma: no cover - big-endian machines


# --- primitives -------------------------------------------------------------------------------------------------------


def payload(code: int, buf: bytes, pos: int) -> tuple[bytes, int]:
    """The items' bytes of the primitive array whose count is at ``pos``."""
    start = pos + 4
    end = start + unpack_count(buf, pos)[0] * PRIMITIVES[code][1]
    if end > len(buf):
        raise codes.out_of_bytes(code, pos - 1)
    return buf[start:end], end


def decode_packed(codecs: Codecs, buf: bytes, pos: int) -> "tuple[array[Any], int]":
    """Read a primitive array of numbers."""
    code = buf[pos - 1]
    data, end = payload(code, buf, pos)
    items: array[Any] = array(TYPECODES[code], data)
    if not LITTLE:  # pragma: no cover - big-endian machines
        items.byteswap()
    return items, end


def decode_bools(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[bool], int]:
    """Read a boolean[]; only 1 is true."""
    data, end = payload(codes.BOOL_ARRAY, buf, pos)
    if data.count(0) + data.count(1) == len(data):
        items: Any = memoryview(data).cast("?").tolist()
        return items, end
    return [byte == 1 for byte in data], end


def decode_chars(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[str], int]:
    """Read a char[] as one str for each UTF-16 unit."""
    data, end = payload(codes.CHAR_ARRAY, buf, pos)
    text = data.decode("utf-16-le", "surrogatepass")
    if len(text) * 2 == len(data):
        if len(text) < SHARED_CHARS:
            return list(text), end
        # Python keeps one object for each character of Latin-1 only, and the others take 80 bytes each.
        shared = {char: char for char in set(text)}
        return [shared[char] for char in text], end
    # The decoder joins surrogate pairs; a char is one half.
    units = array("H", data)
    if not LITTLE:  # pragma: no cover - big-endian machines
        units.byteswap()
    made = {unit: chr(unit) for unit in set(units)}
    return [made[unit] for unit in units], end


def decode_numbers(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[Any], int]:
    """Read a primitive array of numbers as a list."""
    items, end = decode_packed(codecs, buf, pos)
    return items.tolist(), end


def decode_byte_list(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[int], int]:
    """Read a byte[] as a list of Java's signed bytes."""
    data, end = decode_bytes(codecs, buf, pos)
    return memoryview(data).cast("b").tolist(), end


def pack_integers(name: str, fmt: str, values: Sequence[Any]) -> bytes:
    """The items' bytes of an array of integers."""
    for cls in set(map(type, values)):
        if not issubclass(cls, int) or cls is bool:
            raise EncodeTypeError(f"expected {name}, got an item that is a Python {cls.__qualname__}")
    try:
        return struct.pack(f"<{len(values)}{fmt}", *values)
    except struct.error:
        raise out_of_range(name) from None


def pack_floats(name: str, fmt: str, values: Sequence[Any]) -> bytes:
    """The items' bytes of an array of floats, by the rules of one float."""
    if set(map(type, values)) - {float}:
        exact = exact_single if fmt == "f" else exact_float
        values = [exact(name, value) for value in values]
    try:
        return struct.pack(f"<{len(values)}{fmt}", *values)
    except OverflowError:
        raise out_of_range(name) from None


def pack_bools(name: str, fmt: str, values: Sequence[Any]) -> bytes:
    """The items' bytes of an array of bools."""
    for cls in set(map(type, values)):
        if cls is not bool:
            raise EncodeTypeError(f"expected {name}, got an item that is a Python {cls.__qualname__}")
    return bytes(values)


def pack_chars(name: str, fmt: str, values: Sequence[Any]) -> bytes:
    """The items' bytes of an array of chars."""
    return struct.pack(f"<{len(values)}H", *map(utf16_unit, values))


def values_of_buffer(name: str, kinds: str, value: Any) -> memoryview:
    """A view of a one-dimensional buffer whose items are of one of ``kinds``."""
    if isinstance(
        value, (bytes, bytearray, str)
    ):  # each item of bytes is a number to Python, and none of them is meant
        raise wrong_type(name, value)
    try:
        view = memoryview(value)
    except TypeError:
        raise wrong_type(name, value) from None
    if view.ndim != 1 or view.format[-1] not in kinds:
        raise EncodeTypeError(f"expected {name}, got a buffer of the format {view.format!r} in {view.ndim} dimensions")
    return view


def primitive_array(
    name: str,
    code: int,
    fmt: str,
    *,
    kinds: str,
    item: Spec[T],
    pack_items: Callable[[str, str, Sequence[Any]], bytes],
    read: Callable[[Codecs, bytes, int], tuple[list[T], int]],
) -> Spec[list[T]]:
    """The spec of a primitive array. ``kinds`` are the formats of buffers that it takes, if it can hold their items."""
    item_size = struct.calcsize(f"<{fmt}")

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        if isinstance(value, (list, tuple)):
            values = cast("Sequence[Any]", value)
            data = pack_items(name, fmt, values)
        else:
            with values_of_buffer(name, kinds, value) as view:
                swapped = view.itemsize > 1 and view.format[0] in ">!"
                if view.itemsize == item_size and view.format[-1] in "bhilqnfd" and not swapped:
                    data = little_endian(view)
                else:
                    try:
                        data = pack_items(name, fmt, view.tolist())
                    except NotImplementedError:  # memoryview reads items in native order only
                        raise cannot_hold(name, "takes buffers in native byte order only") from None
        out += pack_head(code, len(data) // item_size)
        out += data

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[T], int]:
        if buf[pos] == code:
            return read(codecs, buf, pos + 1)
        return decode_items(name, item.decode, decode, codecs, buf, pos)

    return Spec(name, encode, decode, code=code, hashable=False)


# --- objects ----------------------------------------------------------------------------------------------------------


def encode_tuple(codecs: Codecs, out: bytearray, value: tuple[Any, ...]) -> None:
    """Write a tuple as an Object[]."""
    codecs.depth += 1
    if codecs.depth > MAX_ENCODE_DEPTH:
        raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
    out += pack_object_array(codes.OBJECT_ARRAY, ANY_COMPONENT, len(value))
    encoders = codecs.encoders
    for item in value:
        encoder = encoders.get(item.__class__)
        if encoder is None:
            encoder = codecs.find_encoder(item.__class__)
        encoder(codecs, out, item)
    codecs.depth -= 1


def object_array_head(buf: bytes, pos: int) -> tuple[int, int, int]:
    """The component type id and the count of an Object[], and where its items start."""
    component, count = unpack_component(buf, pos)
    if component:
        pos += 8
    else:  # the name of an unregistered class comes in between
        component, pos = read_type_id(buf, pos)
        count = unpack_count(buf, pos)[0]
        pos += 4
    if count > len(buf) - pos:
        raise codes.out_of_bytes(codes.OBJECT_ARRAY, pos)
    return component, count, pos


def decode_object_array(codecs: Codecs, buf: bytes, pos: int) -> tuple[tuple[Any, ...], int]:
    """Read an Object[] as a tuple."""
    codecs.depth += 1
    if codecs.depth > NATIVE_DEPTH:
        return read_deep(codecs, buf, pos)
    _, count, pos = object_array_head(buf, pos)
    decoders = codecs.decoders
    items: list[Any] = []
    for _ in range(count):
        item, pos = decoders[buf[pos]](codecs, buf, pos + 1)
        items.append(item)
    codecs.depth -= 1
    return tuple(items), pos


def object_array_walker(make: Callable[[int, list[Any]], Any]) -> Walker:
    """The walker of object arrays in a profile that makes its value of the component type id and the items by ``make``."""

    def walk(codecs: Codecs, buf: bytes, pos: int) -> Steps:
        component, count, pos = object_array_head(buf, pos)
        items, pos = yield from walk_items(codecs, buf, pos, count)
        return make(component, items), pos

    return walk


def decode_typed_array(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[Any], int]:
    """Read an array whose items have a type code each: String[], UUID[], Date[], BigDecimal[], Timestamp[], Time[]."""
    code = buf[pos - 1]
    own = TYPED[code]
    decode_item = codecs.decoders[own]
    count = unpack_count(buf, pos)[0]
    pos += 4
    if count > len(buf) - pos:
        raise codes.out_of_bytes(code, pos - 5)
    items: list[Any] = []
    for _ in range(count):
        item_code = buf[pos]
        if item_code == own:
            item, pos = decode_item(codecs, buf, pos + 1)
            items.append(item)
        elif item_code == codes.NULL:
            items.append(None)
            pos += 1
        else:
            raise codes.mismatch(codes.code_name(own), buf, pos)
    return items, pos


def decode_items(
    expected: str,
    decode_item: Callable[..., tuple[T, int]],
    decode_again: Decoder,
    codecs: Codecs,
    buf: bytes,
    pos: int,
) -> tuple[list[T], int]:
    """Read any array or collection, starting at its type code, each item by the declared item's decoder.

    ``decode_again`` is the declared decoder itself, for what a handle refers to.
    """
    code = buf[pos]
    start = pos
    pos += 1
    if code == codes.COLLECTION:
        count, _ = unpack_collection(buf, pos)
        pos += 5
    elif code == codes.OBJECT_ARRAY:
        _, count, pos = object_array_head(buf, pos)
    elif code in TYPED:
        count = unpack_count(buf, pos)[0]
        pos += 4
    elif code == codes.ENUM_ARRAY:
        _, pos = read_type_id(buf, pos)
        count = unpack_count(buf, pos)[0]
        pos += 4
    elif code in PRIMITIVES:
        data, end = payload(code, buf, pos)
        item_code, size = PRIMITIVES[code]
        head = bytes((item_code,))
        return [decode_item(codecs, head + data[at : at + size], 0)[0] for at in range(0, len(data), size)], end
    elif code == codes.HANDLE:
        return follow(codecs, buf, start, decode_again)
    else:
        raise codes.mismatch(expected, buf, start)
    if count > len(buf) - pos:
        raise codes.out_of_bytes(code, start)
    codecs.depth += 1
    if codecs.depth > MAX_DECODE_DEPTH:
        raise DecodeError(too_deep(MAX_DECODE_DEPTH), offset=start)
    items: list[T] = []
    for _ in range(count):
        item, pos = decode_item(codecs, buf, pos)
        items.append(item)
    codecs.depth -= 1
    return items, pos


def items_array(name: str, item: Spec[T], head: bytes, code: int) -> Spec[list[T]]:
    """The spec of an array of objects; ``head`` is what comes before the count."""
    encode_item, decode_item = item.encode, item.decode
    pack_count = struct.Struct("<I").pack

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        if not isinstance(value, (list, tuple)):
            raise wrong_type(name, value)
        codecs.depth += 1
        if codecs.depth > MAX_ENCODE_DEPTH:
            raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
        values = cast("Sequence[T]", value)
        out += head
        out += pack_count(len(values))
        for each in values:
            encode_item(codecs, out, each)
        codecs.depth -= 1

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[T], int]:
        return decode_items(name, decode_item, decode, codecs, buf, pos)

    return Spec(name, encode, decode, code=code, hashable=False)


def object_array_of(spec: Spec[T], component: int = ANY_COMPONENT) -> Spec[list[T]]:
    """A list that travels as an Object[], or as an array of the complex type whose id is ``component``."""
    head = struct.pack("<Bi", codes.OBJECT_ARRAY, component)
    return items_array(f"array of {spec.name}", spec, head, codes.OBJECT_ARRAY)


def enum_array_of(spec: Spec[T], component: int) -> Spec[list[T]]:
    """A list that travels as the array of the enum whose type id is ``component``."""
    return items_array(f"array of {spec.name}", spec, struct.pack("<Bi", codes.ENUM_ARRAY, component), codes.ENUM_ARRAY)


def array_of(spec: Spec[T]) -> Spec[list[T]]:
    """A list that travels as the array of its items' type: int[] of INT, String[] of STRING, else Object[].

    >>> series = await client.cache("series", ig.INT, ig.array_of(ig.DOUBLE))
    >>> await series.set(1, [0.5, 1.5])
    >>> await series[1]
    [0.5, 1.5]
    """
    primitive = PRIMITIVE_SPECS.get(spec)
    if primitive is not None:
        return cast("Spec[list[T]]", primitive)
    code = ARRAY_OF_ITEM.get(spec.code)
    if code is None:
        return object_array_of(spec)
    return items_array(f"array of {spec.name}", spec, bytes((code,)), code)


def encode_as_bytes(codecs: Codecs, out: bytearray, value: Any) -> None:
    """Write bytes, or any buffer of single bytes."""
    if isinstance(value, (bytes, bytearray)):
        encode_bytes(codecs, out, value)
        return
    with values_of_buffer("byte[]", "bBc", value) as view:
        encode_bytes(codecs, out, view.tobytes())


def decode_as_bytes(codecs: Codecs, buf: bytes, pos: int) -> tuple[bytes, int]:
    """Read bytes."""
    if buf[pos] != codes.BYTE_ARRAY:
        raise codes.mismatch("byte[]", buf, pos)
    return decode_bytes(codecs, buf, pos + 1)


INTEGERS: Final = "bBhHiIlLqQnN"
FLOATS: Final = "fd"

BYTES: Final[Spec[bytes]] = Spec("byte[]", encode_as_bytes, decode_as_bytes, code=codes.BYTE_ARRAY, java="[B")
BYTE_ARRAY: Final = BYTES
BYTE_LIST: Final = primitive_array(
    "byte[]", codes.BYTE_ARRAY, "b", kinds=INTEGERS, item=BYTE, pack_items=pack_integers, read=decode_byte_list
)
SHORT_ARRAY: Final = primitive_array(
    "short[]", codes.SHORT_ARRAY, "h", kinds=INTEGERS, item=SHORT, pack_items=pack_integers, read=decode_numbers
)
INT_ARRAY: Final = primitive_array(
    "int[]", codes.INT_ARRAY, "i", kinds=INTEGERS, item=INT, pack_items=pack_integers, read=decode_numbers
)
LONG_ARRAY: Final = primitive_array(
    "long[]", codes.LONG_ARRAY, "q", kinds=INTEGERS, item=LONG, pack_items=pack_integers, read=decode_numbers
)
FLOAT_ARRAY: Final = primitive_array(
    "float[]", codes.FLOAT_ARRAY, "f", kinds=FLOATS, item=FLOAT, pack_items=pack_floats, read=decode_numbers
)
DOUBLE_ARRAY: Final = primitive_array(
    "double[]", codes.DOUBLE_ARRAY, "d", kinds=FLOATS, item=DOUBLE, pack_items=pack_floats, read=decode_numbers
)
BOOL_ARRAY: Final = primitive_array(
    "boolean[]", codes.BOOL_ARRAY, "?", kinds="?", item=BOOL, pack_items=pack_bools, read=decode_bools
)
CHAR_ARRAY: Final = primitive_array(
    "char[]", codes.CHAR_ARRAY, "H", kinds="", item=CHAR, pack_items=pack_chars, read=decode_chars
)

PRIMITIVE_SPECS: Final[dict[Spec[Any], Spec[Any]]] = {
    BYTE: BYTE_LIST,
    SHORT: SHORT_ARRAY,
    INT: INT_ARRAY,
    LONG: LONG_ARRAY,
    FLOAT: FLOAT_ARRAY,
    DOUBLE: DOUBLE_ARRAY,
    BOOL: BOOL_ARRAY,
    CHAR: CHAR_ARRAY,
}

STRING_ARRAY: Final = array_of(STRING)
UUID_ARRAY: Final = array_of(UUID)
DECIMAL_ARRAY: Final = array_of(DECIMAL)
DATE_ARRAY: Final = array_of(DATE)
TIMESTAMP_ARRAY: Final = array_of(TIMESTAMP)
TIME_ARRAY: Final = array_of(TIME)


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    encoders: dict[type, Encoder] = {
        bytes: encode_bytes,
        bytearray: encode_bytes,
        memoryview: encode_buffer,
        array: encode_buffer,
        tuple: encode_tuple,
    }
    codecs.encoders.update(encoders)
    codecs.decoders[codes.BYTE_ARRAY] = decode_bytes
    for code in TYPECODES:
        codecs.decoders[code] = decode_packed
    codecs.decoders[codes.BOOL_ARRAY] = decode_bools
    codecs.decoders[codes.CHAR_ARRAY] = decode_chars
    for code in TYPED:
        codecs.decoders[code] = decode_typed_array
    codecs.decoders[codes.OBJECT_ARRAY] = decode_object_array
    codecs.walkers[codes.OBJECT_ARRAY] = object_array_walker(lambda component, items: tuple(items))
