"""Maps: a dict keeps its order, as a LinkedHashMap."""

from collections.abc import Callable
from struct import Struct
from typing import Any, Final, TypeVar, cast

from ignitemap.exceptions import DecodeError, EncodeValueError
from ignitemap.protocol.codecs import (
    MAX_DECODE_DEPTH,
    MAX_ENCODE_DEPTH,
    NATIVE_DEPTH,
    Codecs,
    Spec,
    Steps,
    Walker,
    too_deep,
    wrong_type,
)
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.collections import require_hashable
from ignitemap.protocol.types.deep import read_deep, walk_items
from ignitemap.protocol.types.handles import follow
from ignitemap.protocol.types.sharing import check_hashes

__all__ = [
    "HASH_MAP",
    "LINKED_HASH_MAP",
    "USER_MAP",
    "decode_map",
    "dict_of",
    "encode_dict",
    "make_dict",
    "map_head",
    "map_walker",
    "register",
]

K = TypeVar("K")
V = TypeVar("V")

pack_map: Final = Struct("<BIb").pack
unpack_map: Final = Struct("<Ib").unpack_from

# org.apache.ignite.internal.binary.GridBinaryMarshaller; a 2.17.0 node accepts no other kinds.
USER_MAP: Final = 0
HASH_MAP: Final = 1
LINKED_HASH_MAP: Final = 2


def encode_dict(codecs: Codecs, out: bytearray, value: dict[Any, Any]) -> None:
    """Write a dict as a LinkedHashMap."""
    codecs.depth += 1
    if codecs.depth > MAX_ENCODE_DEPTH:
        raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
    out += pack_map(codes.MAP, len(value), LINKED_HASH_MAP)
    encoders = codecs.encoders
    for key, item in value.items():
        encoder = encoders.get(key.__class__)
        if encoder is None:
            encoder = codecs.find_encoder(key.__class__)
        encoder(codecs, out, key)
        encoder = encoders.get(item.__class__)
        if encoder is None:
            encoder = codecs.find_encoder(item.__class__)
        encoder(codecs, out, item)
    codecs.depth -= 1


def map_head(buf: bytes, pos: int) -> tuple[int, int]:
    """The number of entries and the kind of the map whose count is at ``pos``."""
    count: int
    kind: int
    count, kind = unpack_map(buf, pos)
    if count > (len(buf) - pos - 5) // 2:
        raise codes.out_of_bytes(codes.MAP, pos - 1)
    if not USER_MAP <= kind <= LINKED_HASH_MAP:
        raise DecodeError(f"{kind} is not a kind of map", offset=pos)
    return count, kind


def make_dict(keys: list[K], values: list[V]) -> dict[K, V]:
    """A dict of all the entries."""
    if not keys:
        return {}
    try:
        check_hashes(keys)
        made = dict(zip(keys, values, strict=True))
    except TypeError as error:
        raise DecodeError("a map has keys that Python cannot hash") from error
    if len(made) != len(keys):
        raise DecodeError("a map has keys that are one to Python, such as 1 and 1.0")
    return made


def decode_map(codecs: Codecs, buf: bytes, pos: int) -> tuple[dict[Any, Any], int]:
    """Read a map of any kind as a dict."""
    codecs.depth += 1
    if codecs.depth > NATIVE_DEPTH:
        return read_deep(codecs, buf, pos)
    count, _ = map_head(buf, pos)
    pos += 5
    decoders = codecs.decoders
    keys: list[Any] = []
    values: list[Any] = []
    for _ in range(count):
        key, pos = decoders[buf[pos]](codecs, buf, pos + 1)
        keys.append(key)
        value, pos = decoders[buf[pos]](codecs, buf, pos + 1)
        values.append(value)
    codecs.depth -= 1
    return make_dict(keys, values), pos


def map_walker(make: Callable[[int, dict[Any, Any]], Any]) -> Walker:
    """The walker of maps in a profile that makes its value of the kind and the entries by ``make``."""

    def walk(codecs: Codecs, buf: bytes, pos: int) -> Steps:
        count, kind = map_head(buf, pos)
        items, pos = yield from walk_items(codecs, buf, pos + 5, 2 * count)
        return make(kind, make_dict(items[::2], items[1::2])), pos

    return walk


def dict_of(key: Spec[K], value: Spec[V]) -> Spec[dict[K, V]]:
    """A dict, a LinkedHashMap on the wire. Reads every map. Raises ModelError where Python cannot hash the keys.

    >>> stock = await client.cache("stock", ig.STRING, ig.dict_of(ig.STRING, ig.INT))
    >>> await stock.set("Graz", {"tea": 3})
    >>> await stock["Graz"]
    {'tea': 3}
    """
    require_hashable("dict key", key)
    name = f"dict of {key.name} to {value.name}"
    encode_key, decode_key, encode_value, decode_value = key.encode, key.decode, value.encode, value.decode

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        if not isinstance(value, dict):
            raise wrong_type(name, value)
        entries = cast("dict[K, V]", value)
        codecs.depth += 1
        if codecs.depth > MAX_ENCODE_DEPTH:
            raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
        out += pack_map(codes.MAP, len(entries), LINKED_HASH_MAP)
        for each, item in entries.items():
            encode_key(codecs, out, each)
            encode_value(codecs, out, item)
        codecs.depth -= 1

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[dict[K, V], int]:
        if buf[pos] == codes.HANDLE:
            return follow(codecs, buf, pos, decode)
        if buf[pos] != codes.MAP:
            raise codes.mismatch(name, buf, pos)
        codecs.depth += 1
        if codecs.depth > MAX_DECODE_DEPTH:
            raise DecodeError(too_deep(MAX_DECODE_DEPTH), offset=pos)
        count, _ = map_head(buf, pos + 1)
        pos += 6
        keys: list[K] = []
        values: list[V] = []
        for _ in range(count):
            each, pos = decode_key(codecs, buf, pos)
            keys.append(each)
            item, pos = decode_value(codecs, buf, pos)
            values.append(item)
        codecs.depth -= 1
        return make_dict(keys, values), pos

    return Spec(name, encode, decode, code=codes.MAP, hashable=False)


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[dict] = encode_dict
    codecs.decoders[codes.MAP] = decode_map
    codecs.walkers[codes.MAP] = map_walker(lambda kind, entries: entries)
