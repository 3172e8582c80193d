"""Collections: list and set, and frozenset, which is what a LinkedHashSet comes back as.

The elements of sets are written in the order of their bytes, so that equal sets have equal bytes.
"""

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any, Final, TypeVar, cast

from ignitemap.exceptions import DecodeError, EncodeValueError, ModelError
from ignitemap.protocol.codecs import (
    MAX_ENCODE_DEPTH,
    NATIVE_DEPTH,
    Codecs,
    Spec,
    Steps,
    Walker,
    cannot_hold,
    too_deep,
    wrong_type,
)
from ignitemap.protocol.types import codes
from ignitemap.protocol.types.arrays import ANY_COMPONENT, decode_items
from ignitemap.protocol.types.deep import read_deep, walk_items
from ignitemap.protocol.types.sharing import check_hashes

__all__ = [
    "collection_head",
    "collection_walker",
    "frozenset_of",
    "list_of",
    "register",
    "set_of",
    "tuple_of",
    "tuple_shape",
]

T = TypeVar("T")
S = TypeVar("S", set[Any], frozenset[Any])

pack_collection: Final = Struct("<BIb").pack
pack_object_array: Final = Struct("<BiI").pack
unpack_collection: Final = Struct("<Ib").unpack_from

# org.apache.ignite.internal.binary.GridBinaryMarshaller; kind 5, a singleton list, never comes from a server, which
# sends an opaque object for it (seen from a 2.17.0 node).
USER_SET: Final = -1
USER_COLLECTION: Final = 0
ARRAY_LIST: Final = 1
LINKED_LIST: Final = 2
HASH_SET: Final = 3
LINKED_HASH_SET: Final = 4
SETS: Final = frozenset((USER_SET, HASH_SET))

EMPTY: Final[frozenset[Any]] = frozenset()


def make_set(build: Callable[[list[T]], S], items: list[T]) -> S:
    """A set or frozenset of all the items."""
    try:
        check_hashes(items)
        made = build(items)
    except TypeError as error:
        raise DecodeError("a set has elements that Python cannot hash") from error
    if len(made) != len(items):
        raise DecodeError("a set has elements that are one to Python, such as 1 and 1.0")
    return made


def encode_list(codecs: Codecs, out: bytearray, value: list[Any]) -> None:
    """Write a list as an ArrayList."""
    codecs.depth += 1
    if codecs.depth > MAX_ENCODE_DEPTH:
        raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
    out += pack_collection(codes.COLLECTION, len(value), ARRAY_LIST)
    encoders = codecs.encoders
    for item in value:
        encoder = encoders.get(item.__class__)
        if encoder is None:
            encoder = codecs.find_encoder(item.__class__)
        encoder(codecs, out, item)
    codecs.depth -= 1


def encode_sorted(codecs: Codecs, out: bytearray, value: Iterable[Any], kind: int) -> None:
    """Write the elements of a set in the order of their bytes."""
    codecs.depth += 1
    if codecs.depth > MAX_ENCODE_DEPTH:
        raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
    encoders = codecs.encoders
    parts: list[bytearray] = []
    for item in value:
        part = bytearray()
        encoder = encoders.get(item.__class__)
        if encoder is None:
            encoder = codecs.find_encoder(item.__class__)
        encoder(codecs, part, item)
        parts.append(part)
    parts.sort()
    out += pack_collection(codes.COLLECTION, len(parts), kind)
    for part in parts:
        out += part
    codecs.depth -= 1


def encode_set(codecs: Codecs, out: bytearray, value: set[Any]) -> None:
    """Write a set as a HashSet."""
    encode_sorted(codecs, out, value, HASH_SET)


def encode_frozenset(codecs: Codecs, out: bytearray, value: frozenset[Any]) -> None:
    """Write a frozenset as a LinkedHashSet."""
    encode_sorted(codecs, out, value, LINKED_HASH_SET)


def collection_head(buf: bytes, pos: int) -> tuple[int, int]:
    """The count and the kind of the collection whose count is at ``pos``."""
    count: int
    kind: int
    count, kind = unpack_collection(buf, pos)
    if count > len(buf) - pos - 5:
        raise codes.out_of_bytes(codes.COLLECTION, pos - 1)
    if not USER_SET <= kind <= LINKED_HASH_SET:
        raise DecodeError(f"{kind} is not a kind of collection", offset=pos)
    return count, kind


def make_collection(kind: int, items: list[Any]) -> Any:
    """A list, set or frozenset, as the kind of the collection says."""
    if USER_COLLECTION <= kind <= LINKED_LIST:
        return items
    if kind in SETS:
        return make_set(set, items)
    if kind != LINKED_HASH_SET:
        raise DecodeError(f"{kind} is not a kind of collection")
    return make_set(frozenset, items) if items else EMPTY  # which frozenset() makes anew each time


def decode_collection(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read a collection; its kind decides between list, set and frozenset."""
    codecs.depth += 1
    if codecs.depth > NATIVE_DEPTH:
        return read_deep(codecs, buf, pos)
    count, kind = unpack_collection(buf, pos)  # not collection_head(): a list is the most usual of all containers
    pos += 5
    if count > len(buf) - pos:
        raise codes.out_of_bytes(codes.COLLECTION, pos - 6)
    decoders = codecs.decoders
    items: list[Any] = []
    for _ in range(count):
        item, pos = decoders[buf[pos]](codecs, buf, pos + 1)
        items.append(item)
    codecs.depth -= 1
    if USER_COLLECTION <= kind <= LINKED_LIST:
        return items, pos
    return make_collection(kind, items), pos


def collection_walker(make: Callable[[int, list[Any]], Any]) -> Walker:
    """The walker of collections in a profile that makes its value of the kind and the items by ``make``."""

    def walk(codecs: Codecs, buf: bytes, pos: int) -> Steps:
        count, kind = collection_head(buf, pos)
        items, pos = yield from walk_items(codecs, buf, pos + 5, count)
        return make(kind, items), pos

    return walk


def require_hashable(of: str, item: Spec[Any]) -> None:
    """Refuse, when it is declared, a set or dict of what Python cannot hash."""
    if not item.hashable:
        raise ModelError(f"a {of} cannot hold {item.name}: Python cannot hash it")


def list_of(item: Spec[T]) -> Spec[list[T]]:
    """A list, an ArrayList on the wire. Reads every collection and array whose items are of the item's type.

    >>> scores = await client.cache("scores", ig.STRING, ig.list_of(ig.INT))
    >>> await scores.set("ann", [3, 5])
    >>> await scores.set("ben", [2**31])
    Traceback (most recent call last):
    EncodeOverflowError: ...
    """
    name, encode_item, decode_item = f"list of {item.name}", item.encode, item.decode

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        if not isinstance(value, list):
            raise wrong_type(name, value)
        items = cast("list[T]", value)
        codecs.depth += 1
        if codecs.depth > MAX_ENCODE_DEPTH:
            raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
        out += pack_collection(codes.COLLECTION, len(items), ARRAY_LIST)
        for each in items:
            encode_item(codecs, out, each)
        codecs.depth -= 1

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[T], int]:
        return decode_items(name, decode_item, decode, codecs, buf, pos)

    return Spec(name, encode, decode, code=codes.COLLECTION, hashable=False)


def tuple_of(item: Spec[T]) -> Spec[tuple[T, ...]]:
    """A tuple of any length, an Object[] on the wire. Reads what a list reads.

    >>> points = await client.cache("points", ig.INT, ig.tuple_of(ig.LONG))
    >>> await points.set(1, (3, 5))
    >>> await points[1]
    (3, 5)
    """
    name, encode_item, decode_item = f"tuple of {item.name}", item.encode, item.decode

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        if not isinstance(value, tuple):
            raise wrong_type(name, value)
        items = cast("tuple[T, ...]", value)
        codecs.depth += 1
        if codecs.depth > MAX_ENCODE_DEPTH:
            raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
        out += pack_object_array(codes.OBJECT_ARRAY, ANY_COMPONENT, len(items))
        for each in items:
            encode_item(codecs, out, each)
        codecs.depth -= 1

    def decode_list(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[T], int]:
        return decode_items(name, decode_item, decode_list, codecs, buf, pos)

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[tuple[T, ...], int]:
        items, end = decode_list(codecs, buf, pos)
        return tuple(items), end

    return Spec(name, encode, decode, code=codes.OBJECT_ARRAY, hashable=item.hashable)


def tuple_shape(items: Sequence[Spec[Any]]) -> Spec[tuple[Any, ...]]:
    """A tuple of a fixed length, each position of its own type: an Object[] on the wire, as every tuple."""
    name = f"tuple of ({', '.join(item.name for item in items)})"
    encoders = [item.encode for item in items]
    decoders = [item.decode for item in items]

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        if not isinstance(value, tuple):
            raise wrong_type(name, value)
        positions = cast("Sequence[Any]", value)
        if len(positions) != len(encoders):
            raise cannot_hold(name, f"has {len(encoders)} positions, not {len(positions)}")
        codecs.depth += 1
        if codecs.depth > MAX_ENCODE_DEPTH:
            raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
        out += pack_object_array(codes.OBJECT_ARRAY, ANY_COMPONENT, len(positions))
        for encode_item, each in zip(encoders, positions, strict=True):
            encode_item(codecs, out, each)
        codecs.depth -= 1

    def decode_list(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[Any], int]:
        start, upcoming = pos, iter(decoders)

        def decode_next(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
            decode_item = next(upcoming, None)
            if decode_item is None:
                raise DecodeError(f"more items than {name} has", offset=start)
            return decode_item(codecs, buf, pos)

        found, end = decode_items(name, decode_next, decode_list, codecs, buf, pos)
        if len(found) != len(decoders):
            raise DecodeError(f"{len(found)} items where {name} is declared", offset=start)
        return found, end

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[tuple[Any, ...], int]:
        found, end = decode_list(codecs, buf, pos)
        return tuple(found), end

    return Spec(name, encode, decode, code=codes.OBJECT_ARRAY, hashable=all(item.hashable for item in items))


def set_spec(
    item: Spec[T], of: str, cls: type[set[Any] | frozenset[Any]], kind: int, build: Callable[[list[T]], Any]
) -> Spec[Any]:
    """The spec of a set or frozenset."""
    require_hashable(of, item)
    name, encode_item, decode_item = f"{of} of {item.name}", item.encode, item.decode

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        if not isinstance(value, cls):
            raise wrong_type(name, value)
        codecs.depth += 1
        if codecs.depth > MAX_ENCODE_DEPTH:
            raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
        parts: list[bytearray] = []
        for each in cast("set[T]", value):
            part = bytearray()
            encode_item(codecs, part, each)
            parts.append(part)
        parts.sort()
        out += pack_collection(codes.COLLECTION, len(parts), kind)
        for part in parts:
            out += part
        codecs.depth -= 1

    def decode_list(codecs: Codecs, buf: bytes, pos: int) -> tuple[list[T], int]:
        return decode_items(name, decode_item, decode_list, codecs, buf, pos)

    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
        items, end = decode_list(codecs, buf, pos)
        return make_set(build, items), end

    return Spec(name, encode, decode, code=codes.COLLECTION, hashable=cls is frozenset)


def set_of(item: Spec[T]) -> Spec[set[T]]:
    """A set, a HashSet on the wire. Reads what a list reads, if no element occurs twice.

    Raises ModelError where Python cannot hash the elements.

    >>> tags = await client.cache("tags", ig.INT, ig.set_of(ig.STRING))
    >>> await tags.set(1, {"new", "red"})
    >>> sorted(await tags[1])
    ['new', 'red']
    """
    return set_spec(item, "set", set, HASH_SET, set)


def frozenset_of(item: Spec[T]) -> Spec[frozenset[T]]:
    """A frozenset, a LinkedHashSet on the wire. Reads what a list reads, if no element occurs twice.

    Raises ModelError where Python cannot hash the elements.

    >>> tags = await client.cache("tags", ig.INT, ig.frozenset_of(ig.STRING))
    >>> await tags.set(1, frozenset({"new"}))
    >>> await tags[1]
    frozenset({'new'})
    """
    return set_spec(item, "frozenset", frozenset, LINKED_HASH_SET, frozenset)


def register(codecs: Codecs) -> None:
    """Add this family to a profile."""
    codecs.encoders[list] = encode_list
    codecs.encoders[set] = encode_set
    codecs.encoders[frozenset] = encode_frozenset
    codecs.decoders[codes.COLLECTION] = decode_collection
    codecs.walkers[codes.COLLECTION] = collection_walker(make_collection)
