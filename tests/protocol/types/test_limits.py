"""Limits: nesting, counts, sizes, handles, colliding keys. Hostile bytes cost little time and little memory."""

import contextlib
import gc
import struct
import sys
import time
import tracemalloc
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ignitemap.exceptions import DecodeError, EncodeValueError
from ignitemap.protocol.codecs import (
    ANY,
    MALFORMED,
    MAX_DECODE_DEPTH,
    MAX_ENCODE_DEPTH,
    NATIVE_DEPTH,
    Codecs,
    SchemaMissing,
    decode_object,
    encode_object,
)
from ignitemap.protocol.types import codes, mapping_codecs, raw_codecs
from ignitemap.protocol.types.collections import list_of
from ignitemap.protocol.types.decimal import MAX_DIGITS, MAX_MAGNITUDE
from ignitemap.protocol.types.extent import FIXED_SIZES, ITEM_SIZES, object_end
from ignitemap.protocol.types.raw_hints import CollectionObject, MapObject, ObjectArrayObject

SLOWER = 10 if sys.gettrace() else 1  # under coverage
READABLE = (DecodeError, *MALFORMED)
MIB = 1 << 20
SIZE = MIB // 4  # of what must take no more than a second and some memory for each MiB
LIST = bytes.fromhex("180100000001")
TUPLE = bytes.fromhex("17ffffffff01000000")
DICT = bytes.fromhex("19010000000165")
NULL = b"\x65"
EMPTY_LIST = bytes.fromhex("180000000001")
PROFILES = pytest.mark.parametrize("make", [mapping_codecs, raw_codecs], ids=["mapping", "raw"])
Make = Callable[[], Codecs]


def write(value: Any, codecs: Codecs) -> bytes:
    out = bytearray()
    encode_object(codecs, out, value)
    return bytes(out)


def read(data: bytes, codecs: Codecs) -> Any:
    value, end = decode_object(codecs, data, 0)
    assert end == len(data)
    return value


def quickest(action: Callable[[], Any], tries: int = 5) -> float:
    """Seconds of CPU time as without tracing, the best of some tries: the machine may be busy."""
    best = float("inf")
    for _ in range(tries):
        started = time.process_time()
        action()
        best = min(best, time.process_time() - started)
    return best / SLOWER


def peak_memory(action: Callable[[], Any]) -> int:
    """Bytes that the objects took at the worst moment."""
    gc.collect()
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refusal(data: bytes, codecs: Codecs, message: str | None = None) -> Callable[[], None]:
    """Reading ``data`` is a decode error."""

    def act() -> None:
        codecs.depth = codecs.repeated = 0
        with pytest.raises(READABLE, match=message):
            decode_object(codecs, data, 0)

    return act


# --- nesting ----------------------------------------------------------------------------------------------------------


def levels_of(value: Any) -> int:
    """How deep containers are nested, without recursion."""
    levels = 0
    while isinstance(value, (list, tuple, dict)) and value:
        if isinstance(value, tuple) and isinstance(value[0], int):  # the raw profile's (kind, content)
            value = value[1]
        levels += 1
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return levels


@PROFILES
@pytest.mark.parametrize("head", [LIST, TUPLE, DICT, LIST + TUPLE + DICT], ids=["list", "tuple", "dict", "mixed"])
def test_nesting_up_to_the_limit_is_read(make: Make, head: bytes) -> None:
    """Values that nest 1 to 1,000 levels deep are read, whichever way the reader goes."""
    size = 3 if len(head) > 9 else 1
    for levels in (1, 2, NATIVE_DEPTH, NATIVE_DEPTH + 1, NATIVE_DEPTH + 2, 100, 600, MAX_DECODE_DEPTH):
        codecs = make()
        assert levels_of(read(head * (levels // size) + NULL, codecs)) == levels // size * size
        assert codecs.depth == 0


@PROFILES
@pytest.mark.parametrize("head", [LIST, TUPLE, DICT], ids=["list", "tuple", "dict"])
@pytest.mark.parametrize("levels", [MAX_DECODE_DEPTH + 1, 10_000, 100_000])
def test_deeper_nesting_is_refused_at_once(make: Make, head: bytes, levels: int) -> None:
    """What nests deeper than 1,000 levels is a decode error within 5 ms, however deep."""
    assert quickest(refusal(head * levels + NULL, make(), "deeper than 1000")) < 0.005


@PROFILES
def test_nesting_does_not_need_the_callers_stack(make: Make) -> None:
    """A value that nests 1,000 levels deep is read where the caller has nearly used up Python's stack."""
    codecs = make()

    def descend(left: int) -> Any:
        return read(LIST * MAX_DECODE_DEPTH + NULL, codecs) if left == 0 else descend(left - 1)

    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    room = sys.getrecursionlimit() - depth
    assert levels_of(descend(room - 60)) == MAX_DECODE_DEPTH
    with pytest.raises(RecursionError):
        descend(room)


@PROFILES
def test_deep_and_wide(make: Make) -> None:
    """Beyond the depth where recursion ends, containers of many items of every kind are read as above it."""
    inside = [1, "a", None, [1.5, [b"x"]], (2, ("y", None)), {"k": [None, (True, "z")]}]
    shallow = read(write(inside, make()), make())
    data = LIST * 50 + write(inside, make())
    value = read(data, make())
    for _ in range(50):
        (value,) = value[1] if make is raw_codecs else value
    assert value == shallow


@PROFILES
def test_writing_is_limited_too(make: Make) -> None:
    """A value that nests deeper than 100 levels is refused within 5 ms, before anything is sent."""
    for wrap in (lambda value: [value, None], lambda value: (value, None), lambda value: {1: value}):
        value: Any = None
        for _ in range(MAX_ENCODE_DEPTH):
            value = wrap(value)
        codecs = make()
        write(value, codecs)
        assert codecs.depth == 0
        for _ in range(1000):
            value = wrap(value)

        def act(value: Any = value) -> None:
            with pytest.raises(EncodeValueError, match="deeper than 100"):
                write(value, make())

        assert quickest(act) < 0.005


@pytest.mark.parametrize(
    ("hint", "wrap"),
    [
        (CollectionObject, lambda value: (1, [value])),
        (MapObject, lambda value: (1, {1: value})),
        (ObjectArrayObject, lambda value: (-1, [value])),
    ],
    ids=["CollectionObject", "MapObject", "ObjectArrayObject"],
)
def test_hints_are_limited_too(hint: Any, wrap: Callable[[Any], Any]) -> None:
    """Containers with a hint count towards the limit of nesting."""
    value: Any = None
    for _ in range(MAX_ENCODE_DEPTH):
        value = (wrap(value), hint)
    write(value, raw_codecs())
    with pytest.raises(EncodeValueError, match="deeper than 100"):
        write((wrap(value), hint), raw_codecs())


# --- counts -----------------------------------------------------------------------------------------------------------

# Type code and what stands between it and its count or length.
COUNTED = {
    **dict.fromkeys((*ITEM_SIZES, codes.WRAPPED), b""),
    **dict.fromkeys((20, 21, 22, 31, 34, 37, codes.COLLECTION, codes.MAP), b""),
    codes.OBJECT_ARRAY: b"\xff\xff\xff\xff",
    codes.ENUM_ARRAY: b"\x01\0\0\0",
    codes.DECIMAL: b"\x02\0\0\0",
    codes.OBJECT: bytes.fromhex("01 2b00 05000000 00000000"),
    codes.HANDLE: b"",
}
NAMED = dict.fromkeys((codes.ENUM, codes.BINARY_ENUM, codes.ENUM_ARRAY, codes.OBJECT_ARRAY), b"\x00\x00\x00\x00\t")


def counts(left: int) -> tuple[int, ...]:
    return (-(2**31), -1, 0, left, left + 1, 2**16, 2**28, 2**31 - 1)


@pytest.mark.stress
@PROFILES
def test_every_code_with_every_count(make: Make) -> None:
    """Every type code with every hostile count or length: a value or a decode error within 1 ms and 64 KiB."""
    for code, between in [
        *COUNTED.items(),
        *NAMED.items(),
        *((code, b"") for code in range(256) if code not in COUNTED),
    ]:
        for left in (0, 1, 7, 100):
            for filler in (b"\0", b"\x01", b"\x65", b"\xff"):
                for count in counts(left):
                    data = bytes((code,)) + between + struct.pack("<i", count) + filler * left
                    for tail in (data, data + b"\x01" * 8):
                        outcome(tail, make())


def outcome(data: bytes, codecs: Codecs) -> None:
    """Reading takes at most 1 ms, and ends within the bytes or in a decode error."""
    for _ in range(5):
        codecs.depth = codecs.repeated = 0
        started = time.perf_counter()
        try:
            _, end = decode_object(codecs, data, 0)
        except READABLE:
            end = 1
        except SchemaMissing:
            end = 1
        elapsed = time.perf_counter() - started
        assert 0 < end <= len(data), data.hex()
        if elapsed <= 0.001 * SLOWER:
            return
    raise AssertionError(f"slower than 1 ms five times: {data.hex()}")


@pytest.mark.stress
@PROFILES
@pytest.mark.parametrize("code", sorted(COUNTED))
def test_refused_counts_take_no_memory(make: Make, code: int) -> None:
    """A count that the bytes cannot hold makes no more than 64 KiB of objects, be the bytes few or many."""
    for left in (10, 60_000):
        for count in (left + 1, 2**28, 2**31 - 1, -1):
            data = bytes((code,)) + COUNTED[code] + struct.pack("<i", count) + b"\x65" * left
            codecs = make()

            def act(data: bytes = data, codecs: Codecs = codecs) -> None:
                with contextlib.suppress(*READABLE):
                    decode_object(codecs, data, 0)

            refusal(data, codecs)()
            assert peak_memory(act) < 65536, (left, count)


@PROFILES
@pytest.mark.parametrize("head", ["18{}01", "17ffffffff{}", "19{}01", "19{}0165", "14{}"], ids=str)
def test_nested_heads_that_each_claim_all_the_rest(make: Make, head: str) -> None:
    """Heads within heads, each with a count of all bytes left: refused within 5 ms."""
    for levels in (5, 100, 5000):
        unit = len(bytes.fromhex(head.format("00000000")))
        data = b"".join(
            bytes.fromhex(head.format(struct.pack("<I", (levels - level) * unit // 2).hex())) for level in range(levels)
        )
        assert quickest(refusal(data, make())) < 0.005


# --- sizes ------------------------------------------------------------------------------------------------------------


def listed(item: bytes, kind: int = 1) -> bytes:
    """A list of SIZE bytes of the same item."""
    count = (SIZE - 6) // len(item)
    return struct.pack("<BIb", codes.COLLECTION, count, kind) + item * count


def counted(code: int, count: int, item: bytes) -> bytes:
    return struct.pack("<BI", code, count) + item * count


def numbered(head: bytes, size: int, kind: int, value: bytes = b"") -> bytes:
    """A set, or a map with ``value``, of SIZE bytes of different numbers."""
    count = (SIZE - 6) // (1 + size + len(value))
    code = codes.MAP if value else codes.COLLECTION
    parts = [head + index.to_bytes(size, "little") + value for index in range(count)]
    return struct.pack("<BIb", code, count, kind) + b"".join(parts)


# What it holds in Python, in times its length, where that is above 20. None of it can be made smaller: CPython's
# set takes 232 bytes when it is empty, and a character beyond Latin-1 80 bytes.
HEAVY = {"sets": 40, "chars": 30, "all chars": 65, "ints in a set": 25, "handles": 36, "handles to every level": 30}
# (kind, []) is two objects where [] is one.
USUAL = {mapping_codecs: 20, raw_codecs: 28}
WORST = {
    "nulls": listed(NULL),
    "booleans": listed(b"\x08\x01"),
    "shorts": listed(b"\x02\x55\x55"),
    "chars": listed(b"\x07\x55\x45"),
    "ints": listed(b"\x03UUUU"),
    "doubles": listed(b"\x06" + b"U" * 8),
    "strings": listed(b"\x09\x02\0\0\0\xd1\x8b"),
    "lists": listed(EMPTY_LIST),
    "sets": listed(bytes.fromhex("180000000003")),
    "frozensets": listed(bytes.fromhex("180000000004")),
    "maps": listed(bytes.fromhex("190000000001")),
    "arrays": listed(bytes.fromhex("0d00000000")),
    "decimals": listed(bytes.fromhex("1e020000000500000005aabbccdd")),
    "UUIDs": listed(b"\x0a" + b"\x15" * 16),
    "dates": listed(b"\x0b" + b"\x05" + bytes(7)),
    "timestamps": listed(b"\x21" + b"\x05" + bytes(7) + b"\x01\0\0\0"),
    "times": listed(b"\x24" + b"\x05" + bytes(7)),
    "enums": listed(struct.pack("<Bii", codes.ENUM, 70000, 70000)),
    "objects": listed(bytes.fromhex("670121005b3172650100000018000000c59d1c8118000000")),
    "optimized": listed(bytes.fromhex("fe00000000")),
    "char[]": counted(codes.CHAR_ARRAY, SIZE // 2, b"\x55\x45"),
    "all chars": struct.pack("<BI", codes.CHAR_ARRAY, 1 << 17) + struct.pack("<65536H", *range(65536)) * 2,
    "boolean[]": counted(codes.BOOL_ARRAY, SIZE, b"\x02"),
    "long[]": counted(codes.LONG_ARRAY, SIZE // 8, b"U" * 8),
    "String[]": counted(codes.STRING_ARRAY, SIZE // 5, b"\x09\0\0\0\0"),
    "ints in a set": numbered(b"\x03", 4, 3),
    "ints in a map": numbered(b"\x03", 4, 1, NULL),
    "UUIDs in a map": numbered(b"\x0a", 16, 1, NULL),
    "deep lists": LIST * 20 + listed(EMPTY_LIST),
    "deep maps": LIST * 20 + listed(bytes.fromhex("190000000001")),
    "deepest lists": listed(LIST * 900 + NULL),
    "decimals of the greatest size": listed(struct.pack("<BiI", 30, 3, MAX_MAGNITUDE) + b"U" * MAX_MAGNITUDE),
}


def dense_handles() -> bytes:
    """Half of SIZE in lists, and as much of handles, one to each in turn."""
    inner = LIST + NULL
    lists, handles = SIZE // 2 // len(inner), SIZE // 2 // 5
    out = bytearray(struct.pack("<BIb", codes.COLLECTION, lists + handles, 1))
    first = len(out)
    out += inner * lists
    for index in range(handles):
        out += struct.pack("<BI", codes.HANDLE, len(out) - first - index % lists * len(inner))
    return bytes(out)


def handles_to_one() -> bytes:
    """SIZE bytes of handles to one list."""
    out = bytearray(struct.pack("<BIb", codes.COLLECTION, 1 + SIZE // 5, 1) + EMPTY_LIST)
    for _ in range(SIZE // 5):
        out += struct.pack("<BI", codes.HANDLE, len(out) - 6)
    return bytes(out)


def handles_to_every_level(levels: int = 300) -> bytes:
    """Lists within lists around SIZE nulls, and a handle to each of them."""
    out = bytearray(struct.pack("<BIb", codes.COLLECTION, 1 + levels, 1))
    first = len(out)
    out += LIST * (levels - 1) + listed(NULL)
    for level in range(levels):
        out += struct.pack("<BI", codes.HANDLE, len(out) - first - (levels - 1 - level) * len(LIST))
    return bytes(out)


WORST["handles"] = dense_handles()
WORST["handles to one"] = handles_to_one()
WORST["handles to every level"] = handles_to_every_level()


def settled(make: Make) -> Codecs:
    """Codecs that know that the cluster does not know the type of the objects."""
    codecs = make()
    codecs.known.absent.add((1701982555, -2128831035))
    return codecs


@pytest.mark.stress
@PROFILES
@pytest.mark.parametrize("name", WORST)
def test_the_worst_of_every_kind(make: Make, name: str) -> None:
    """The worst of every kind is read, or refused, in 1 s for a MiB and in 20 times its size, but for what is named."""
    data = WORST[name]

    def act() -> None:
        codecs = settled(make)
        try:
            read(data, codecs)
        except DecodeError as error:
            assert "handles" in str(error)  # noqa: PT017 - what else is refused is a failure

    # Twice the limit: on a busy machine CPU time grows too, and a quadratic worst case would take many times as long.
    assert quickest(act, tries=3) <= 2.0 * len(data) / MIB
    assert peak_memory(act) <= max(HEAVY.get(name, 0), USUAL[make]) * len(data)


PRIME = 1_000_003


def remainder(digits: tuple[int, ...]) -> int:
    """The number modulo PRIME, a digit at a time."""
    left = 0
    for digit in digits:
        left = (left * 10 + digit) % PRIME
    return left


def test_the_greatest_decimals() -> None:
    """A BigDecimal of 64 KiB of digits round-trips within 100 ms each way; a greater one is refused both ways."""
    codecs = mapping_codecs()
    greatest = (1 << (8 * MAX_MAGNITUDE - 1)) - 1
    head = struct.pack("<BiI", codes.DECIMAL, 5, MAX_MAGNITUDE)
    for sign in (0, 0x80):
        data = head + bytes((0x7F | sign,)) + b"\xff" * (MAX_MAGNITUDE - 1)
        value = read(data, codecs)
        assert len(value.as_tuple().digits) == MAX_DIGITS
        assert remainder(value.as_tuple().digits) == greatest % PRIME
        assert value.is_signed() is bool(sign)
        assert write(value, codecs) == data
        assert quickest(lambda data=data: read(data, codecs)) < 0.1
        assert quickest(lambda value=value: write(value, codecs)) < 0.1
    too_long = struct.pack("<BiI", codes.DECIMAL, 5, MAX_MAGNITUDE + 1) + b"\0" * (MAX_MAGNITUDE + 1)
    assert quickest(refusal(too_long, codecs, "bytes of digits")) < 0.001
    for digits in ("9" * MAX_DIGITS, "1" * (MAX_DIGITS + 1), "1" * 2_000_000):
        with pytest.raises(EncodeValueError, match="has at most"):
            write(Decimal(digits), codecs)
    for size in (511, 512, 513, 1023, 1024, 1025, 1537):
        number = int.from_bytes(b"\x5a" * size, "big")
        data = write(Decimal(number), codecs)
        assert int(read(data, codecs)) == number


# --- handles ----------------------------------------------------------------------------------------------------------


@PROFILES
@pytest.mark.parametrize("head", [LIST, TUPLE, DICT, LIST * 3, LIST * 40, TUPLE * 20 + DICT + LIST * 900], ids=len)
def test_a_value_that_contains_itself(make: Make, head: bytes) -> None:
    """A handle to a container that it is in is a decode error within 5 ms, at every depth."""
    data = head + struct.pack("<BI", codes.HANDLE, len(head))
    assert quickest(refusal(data, make(), "contains itself|deeper")) < 0.005


@PROFILES
def test_handles_to_the_same_object(make: Make) -> None:
    """Many handles to one object are read once, and are one object."""
    inner = write([1, "two"], make())
    data = bytearray(struct.pack("<BIb", codes.COLLECTION, 1001, 1) + inner)
    for _ in range(1000):
        data += struct.pack("<BI", codes.HANDLE, len(data) - 6)
    codecs = make()
    found = read(bytes(data), codecs)
    first, *others = found[1] if make is raw_codecs else found
    assert all(other == first for other in others)
    assert len(set(map(id, others))) == 1
    assert codecs.repeated < 1000 + 2 * len(inner)
    again = read(bytes(data), codecs)  # the next call starts anew, whether or not its caller reset the counters
    assert again == found


@PROFILES
def test_handles_do_not_hide_depth(make: Make) -> None:
    """Deep values that handles put into one another count with all their depth."""
    parts = bytearray(struct.pack("<BIb", codes.COLLECTION, 3, 1))
    previous = None
    for _ in range(3):
        start = len(parts)
        parts += TUPLE * 400
        parts += NULL if previous is None else struct.pack("<BI", codes.HANDLE, len(parts) - previous)
        previous = start
    refusal(bytes(parts), make(), "deeper than 1000")()


@PROFILES
def test_handle_at_another_depth(make: Make) -> None:
    """A value that a handle refers to from deeper down than before is read once more, and is the same."""
    inner = write([1, "two"], make())
    data = bytearray(struct.pack("<BIb", codes.COLLECTION, 4, 1) + inner)
    for around in (b"", LIST * 30, LIST):
        data += around
        data += struct.pack("<BI", codes.HANDLE, len(data) - 6)
    found = read(bytes(data), make())
    value, same, deep, less_deep = found[1] if make is raw_codecs else found
    assert same == value
    for _ in range(30):
        (deep,) = deep[1] if make is raw_codecs else deep
    (less_deep,) = less_deep[1] if make is raw_codecs else less_deep
    assert deep == less_deep == value


@PROFILES
def test_handles_that_repeat_too_much(make: Make) -> None:
    """Handles to a long list, to what it is in, and so on: the work that they make is bounded."""
    refusal(handles_to_every_level(30), make(), "handles repeat too much")()


@PROFILES
def test_handles_at_the_limit_of_nesting(make: Make) -> None:
    """A handle counts as a level of nesting, for declared types as for untyped ones."""
    codecs = make()
    spec = list_of(ANY)
    data = EMPTY_LIST + struct.pack("<BI", codes.HANDLE, len(EMPTY_LIST))
    codecs.depth = MAX_DECODE_DEPTH - 2
    assert spec.decode(codecs, data, len(EMPTY_LIST))[0] == []
    for depth in (MAX_DECODE_DEPTH - 1, MAX_DECODE_DEPTH):
        codecs.depth, codecs.repeated = depth, 0
        with pytest.raises(DecodeError, match="deeper"):
            spec.decode(codecs, data, len(EMPTY_LIST))


@PROFILES
def test_handles_within_handles(make: Make) -> None:
    """Handles that double a value at every level are refused within 5 ms."""
    for levels in (20, 60, 300):
        data = bytearray(bytes.fromhex("17ffffffff02000000") * levels + NULL)
        for level in range(levels):
            data += struct.pack("<BI", codes.HANDLE, len(data) - 9 * (levels - level))
        assert quickest(refusal(bytes(data), make(), "handles")) < 0.02


# --- colliding keys ---------------------------------------------------------------------------------------------------

HASH_MODULUS = (1 << 61) - 1  # of CPython's numbers and UUIDs on 64-bit machines


def uuid_bytes(number: int) -> bytes:
    return struct.pack("<BQQ", codes.UUID, number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF)


def decimal_bytes(number: int) -> bytes:
    data = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return struct.pack("<BiI", codes.DECIMAL, 0, len(data)) + data


def tuple_bytes(number: int) -> bytes:
    """A tuple of -1 and -2, which have one hash."""
    bits = [-1 - (number >> bit & 1) for bit in range(17)]
    return struct.pack("<BiI", codes.OBJECT_ARRAY, -1, 17) + b"".join(
        struct.pack("<Bi", codes.INT, bit) for bit in bits
    )


@pytest.mark.stress
@pytest.mark.parametrize("key", [uuid_bytes, decimal_bytes, tuple_bytes])
def test_colliding_keys(key: Callable[[int], bytes]) -> None:
    """100,000 keys with one hash are a decode error in less than two seconds, and the check itself takes 200 ms."""
    step = 1 if key is tuple_bytes else HASH_MODULUS
    keys = [key(index * step) for index in range(100_000)]
    as_set = struct.pack("<BIb", codes.COLLECTION, len(keys), 3) + b"".join(keys)
    as_list = struct.pack("<BIb", codes.COLLECTION, len(keys), 1) + b"".join(keys)
    as_map = struct.pack("<BIb", codes.MAP, len(keys), 1) + b"".join(each + NULL for each in keys)
    plain = quickest(lambda: read(as_list, mapping_codecs()), tries=3)
    for data in (as_set, as_map):
        assert quickest(refusal(data, mapping_codecs(), "share one hash"), tries=3) - plain < max(0.2, 4 * plain)


@pytest.mark.stress
def test_some_colliding_keys_among_many_others() -> None:
    """Three keys of a hundred with one hash are found among the others."""
    numbers = [index * HASH_MODULUS if index < 3000 else index for index in range(100_000)]
    data = struct.pack("<BIb", codes.COLLECTION, len(numbers), 3) + b"".join(map(uuid_bytes, numbers))
    assert quickest(refusal(data, mapping_codecs(), "share one hash"), tries=3) < 0.5


def test_keys_that_collide_by_chance() -> None:
    """Sets of floats, of which CPython gives 33 one hash, of -1 and -2, and of many UUIDs are read."""
    for values in (
        {2.0**exponent for exponent in range(-1000, 1000)},
        {float(index) * 2.0**shift for index in range(1, 200, 2) for shift in range(-60, 60)},
        set(range(-100, 100)),
        {uuid.UUID(int=index) for index in range(1000)},
        {Decimal(index).scaleb(-3) for index in range(1000)},
    ):
        assert read(write(values, mapping_codecs()), mapping_codecs()) == values


def test_long_arrays_of_characters() -> None:
    """A long char[] has one object for each character, whether or not it has halves of surrogate pairs."""
    for text in ("ы" * 100 + "я", "ы\ud83d\ude00" * 100, "\ude00\ud83d" * 50):
        units = [chr(unit) for (unit,) in struct.iter_unpack("<H", text.encode("utf-16-le", "surrogatepass"))]
        found = read(
            counted(codes.CHAR_ARRAY, len(units), b"") + b"".join(struct.pack("<H", ord(u)) for u in units),
            mapping_codecs(),
        )
        assert found == units
        assert len(set(map(id, found))) == len(set(units))


def test_the_extent_of_everything_is_known() -> None:
    """Every type code that is read has an extent, so that what is behind an undecodable value can be found."""
    for code in codes.NAMES:
        java_only = code in (codes.CLASS, codes.PROXY, codes.FACTORY_PROXY, codes.TRANSFORMED)
        known = code in FIXED_SIZES or code in ITEM_SIZES or code in (codes.DECIMAL, codes.OBJECT, codes.WRAPPED)
        assert known is not java_only
    with pytest.raises(DecodeError, match="cannot be told"):
        object_end(bytes((codes.CLASS,)) + bytes(20), 0)
