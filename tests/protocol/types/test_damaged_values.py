"""Damaged values: whatever the bytes, reading them is a value or a decode error, soon, and within the bytes.

A million of them run under `stress`; with IGNITEMAP_DAMAGED_VALUES=10000000 in the environment ten million do. Everything
is drawn from a seed, and a failure names the seed, the case and the bytes.
"""

import contextlib
import os
import random
import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ignitemap.exceptions import DecodeError, EncodeError
from ignitemap.protocol.binary_type import BinaryType, binary_type
from ignitemap.protocol.codecs import ANY, MALFORMED, Codecs, SchemaMissing, Spec, encode_object, optional
from ignitemap.protocol.types import codes, mapping_codecs, raw_codecs
from ignitemap.protocol.types.arrays import BYTES, INT_ARRAY, STRING_ARRAY, TIMESTAMP_ARRAY, array_of
from ignitemap.protocol.types.binary_object import BinaryObject, field_offsets, object_bytes, parse_header
from ignitemap.protocol.types.collections import frozenset_of, list_of, set_of, tuple_of, tuple_shape
from ignitemap.protocol.types.decimal import DECIMAL
from ignitemap.protocol.types.extent import object_end, tolerant
from ignitemap.protocol.types.maps import dict_of
from ignitemap.protocol.types.numeric import BOOL, BYTE, DOUBLE, FLOAT, INT, LONG, SHORT
from ignitemap.protocol.types.temporal import DATE, SQL_DATE, TIME, TIMEDELTA, TIMESTAMP, UTIL_DATE
from ignitemap.protocol.types.text import CHAR, STRING
from ignitemap.protocol.types.uuid import UUID

CASES = int(os.environ.get("IGNITEMAP_DAMAGED_VALUES", "1000000"))
SHARD = 50_000  # a test: some seconds
SLOW = 0.05
READABLE = (DecodeError, *MALFORMED)

SPECS: tuple[Spec[Any], ...] = (
    BYTE, SHORT, INT, LONG, FLOAT, DOUBLE, BOOL, CHAR, STRING, UUID, DECIMAL, DATE, SQL_DATE, TIME, TIMEDELTA, TIMESTAMP,
    UTIL_DATE, BYTES, INT_ARRAY, STRING_ARRAY, TIMESTAMP_ARRAY, array_of(BYTE), array_of(optional(INT)), list_of(ANY),
    list_of(LONG), list_of(list_of(STRING)), tuple_of(ANY), tuple_shape([INT, ANY]), set_of(ANY), frozenset_of(LONG),
    dict_of(ANY, ANY), dict_of(STRING, list_of(ANY)), optional(DECIMAL), tolerant(ANY), tolerant(dict_of(INT, ANY)),
)  # fmt: skip

PERSON = binary_type("Person", [("id", 4), ("name", 9), ("friends", 24)])
NODE = binary_type("Node", [("a", 103), ("b", 103)])


def write(value: Any) -> bytes:
    out = bytearray()
    encode_object(mapping_codecs(), out, value)
    return bytes(out)


def make(known: BinaryType, fields: list[bytes], *, full: bool = False) -> bytes:
    offsets = [24]
    for field in fields:
        offsets.append(offsets[-1] + len(field))
    (schema,) = known.schemas
    return object_bytes(known.id, schema, b"".join(fields), offsets[:-1], list(known.fields) if full else None)


def wrap(data: bytes) -> bytes:
    return struct.pack("<BI", codes.WRAPPED, len(data)) + data + bytes(4)


BOB = make(PERSON, [write(7), write("Bob"), write([1, "x"])])
ANN = make(PERSON, [write(8), write("Ann" * 100), bytes.fromhex("180100000001") + BOB], full=True)
LEAF = make(NODE, [write(1), b"\x65"])
TREE = make(NODE, [LEAF, b"\x66" + struct.pack("<I", len(LEAF))])
CORPUS = [
    *map(write, [None, 5, 2.5, True, False, "", "text", "Ünï😀", b"bytes", b"", [], [1, "two", [3.0, None]], (1, (2, ())), {1, 2}]),
    *map(write, [frozenset("ab"), {}, {"a": 1, "b": {"c": [1, 2]}}, {(1, 2): frozenset((3,))}, [[[[[[]]]]]], list(range(40))]),
    BOB,
    ANN,
    TREE,
    wrap(BOB),
    wrap(TREE),
    make(NODE, [wrap(BOB), write([None] * 3)]),
    *map(
        bytes.fromhex,
        [
            "01fb", "0248f4", "032a000000", "050000c03f", "075a00", "0a" + "11" * 16, "0b7b68e5cf8b010000", "0b" + "00" * 8,
            "0d0200000001000200", "0e0100000001000000", "0f01000000" + "01" * 8, "10010000000000c03f", "1101000000" + "3f" * 8,
            "120200000041005a00", "12020000003dd800de", "13020000000100", "1402000000" + "090100000061" + "65",
            "1502000000" + "0a" + "11" * 16 + "65", "1601000000" + "0b7b68e5cf8b010000", "17ffffffff02000000030100000065",
            "17000000000901000000610100000065", "1801000000030301000000", "1801000000040301000000", "18010000000265",
            "18010000000065", "1801000000ff0801", "19010000000103010000000301000000", "19010000000065" + "0801", "1c3930000002000000",
            "1c00000000090100000061" + "02000000", "263930000001000000", "1d39300000020000001c393000000000000065",
            "1e020000000200000080ff", "1e000000000100000000", "1effffffff020000007fff", "1e00000080" + "01000000" + "05",
            "1f01000000" + "1e02000000020000003039", "217b68e5cf8b010000c8010000", "21" + "ff" * 8 + "01000000",
            "2201000000" + "217b68e5cf8b010000c8010000", "24fbee360000000000", "2501000000" + "24fbee360000000000", "65",
            "1802000000010302000000" + "66" + "05000000", "1803000000011800000000016606000000660b000000",
            "18010000000166" + "06000000", "fe0f000000663aded540976600b420cb8b010000", "fe04000000" + "65" + "48d681", "20" + "01" * 8,
        ],
    ),
    bytes.fromhex("180100000001") * 30 + write([1, {2: (3,)}]),
    bytes.fromhex("17ffffffff01000000") * 20 + bytes.fromhex("19010000000165") * 20 + b"\x65",
]  # fmt: skip


class Program:
    """A program that registered one of the types: its objects are read as tuples."""

    def encoder_for(self, cls: type) -> None:
        return None

    def decoder_for(self, type_id: int) -> Any:
        return self.decode if type_id == NODE.id else None

    def enum_for(self, type_id: int) -> None:
        return None

    @staticmethod
    def decode(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
        end = pos
        values = []
        for start in field_offsets(codecs, buf, pos).values():
            if start < end:
                raise DecodeError("fields overlap")
            value, end = ANY.decode(codecs, buf, start)
            values.append(value)
        return tuple(values), parse_header(buf, pos).end


def codecs_of(make: Callable[..., Codecs]) -> Codecs:
    """Codecs of a profile that know one type, and do not know another."""
    codecs = make(resolver=Program())
    codecs.known.learn(PERSON)
    codecs.known.learn(NODE)
    return codecs


# --- damage -----------------------------------------------------------------------------------------------------------

Damage = Callable[[random.Random, bytearray], None]
ALL_CODES = [*codes.NAMES]


def flip_bits(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.randint(1, 3)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def set_code(chance: random.Random, data: bytearray) -> None:
    data[chance.randrange(len(data))] = chance.choice(ALL_CODES)


def set_byte(chance: random.Random, data: bytearray) -> None:
    data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))


def set_count(chance: random.Random, data: bytearray) -> None:
    if len(data) > 4:
        at = chance.randint(1, len(data) - 4)
        left = len(data) - at - 4
        count = chance.choice((-(2**31), -1, 0, 1, left, left + 1, left // 2, 2**16, 2**28, 2**31 - 1))
        struct.pack_into("<i", data, at, count)


def truncate(chance: random.Random, data: bytearray) -> None:
    del data[chance.randint(1, len(data)) :]


def extend(chance: random.Random, data: bytearray) -> None:
    data += chance.choice((bytes(20), b"\xff" * 20, b"\x65" * 40, chance.randbytes(12)))


def cut_out(chance: random.Random, data: bytearray) -> None:
    start = chance.randrange(len(data))
    del data[start : start + chance.randint(1, 8)]


def put_in(chance: random.Random, data: bytearray) -> None:
    at = chance.randint(0, len(data))
    data[at:at] = chance.choice(CORPUS)


def replace_rest(chance: random.Random, data: bytearray) -> None:
    data[chance.randint(0, len(data)) :] = chance.choice(CORPUS)


def put_around(chance: random.Random, data: bytearray) -> None:
    head = chance.choice(("18{}01", "18{}03", "18{}04", "17ffffffff{}", "19{}01", "19{}0165"))
    data[:0] = bytes.fromhex(head.format(struct.pack("<I", chance.choice((1, 1, 1, 2, 3))).hex())) * chance.choice(
        (1, 1, 20)
    )


def put_handle(chance: random.Random, data: bytearray) -> None:
    at = chance.randint(0, len(data))
    data[at:at] = struct.pack("<BI", codes.HANDLE, chance.randint(0, at + 1))


def put_behind(chance: random.Random, data: bytearray) -> None:
    """A list of the value and another one."""
    data[:0] = bytes.fromhex("180200000001")
    data += chance.choice(CORPUS)


DAMAGES: tuple[Damage, ...] = (
    flip_bits, set_code, set_code, set_byte, set_count, set_count, truncate, extend, cut_out, put_in, replace_rest, put_around,
    put_handle, put_behind,
)  # fmt: skip


def look_into(value: Any) -> None:
    """Read all fields of an object: that is when its bytes are looked at."""
    if type(value) is BinaryObject:
        with contextlib.suppress(DecodeError):
            value.to_dict()


def outcome(codecs: Codecs, spec: Spec[Any], data: bytes) -> str:
    """What came of reading and writing back; what must not come of it goes through."""
    codecs.depth = codecs.repeated = 0
    try:
        value, end = spec.decode(codecs, data, 0)
    except READABLE as error:
        return type(error).__name__
    except SchemaMissing:
        return "SchemaMissing"
    assert 0 < end <= len(data)
    assert codecs.depth == 0
    assert object_end(data, 0) == end
    if spec is ANY:
        look_into(value)
        try:
            encode_object(codecs, bytearray(), value)
        except EncodeError:
            return "value that cannot be written"
        finally:
            codecs.unannounced.clear()
            codecs.depth = 0
    return "value"


def judge(name: str, codecs: Codecs, spec: Spec[Any], data: bytes) -> str:
    """Read damaged bytes in time, or fail with the bytes."""
    result = ""
    for _ in range(3):  # the machine may be busy: slow is what is slow three times in a row
        started = time.perf_counter()
        try:
            result = outcome(codecs, spec, data)
        except BaseException as error:
            raise AssertionError(f"{name}, {spec.name}: {type(error).__name__} from {data.hex()}") from error
        if time.perf_counter() - started <= SLOW:
            return result
    raise AssertionError(f"{name}, {spec.name}: slower than {SLOW} s three times: {data.hex()}")


def hammer(make: Callable[..., Codecs], seed: int, cases: int) -> Counter[str]:
    """Damage and read; how often came what."""
    chance = random.Random(seed)
    codecs = codecs_of(make)
    outcomes: Counter[str] = Counter()
    for case in range(cases):
        data = bytearray(chance.choice(CORPUS))
        for _ in range(chance.choice((1, 1, 2, 3))):
            chance.choice(DAMAGES)(chance, data)
            if not data:
                data.append(codes.NULL)
        spec = ANY if chance.random() < 0.7 else chance.choice(SPECS)
        outcomes[judge(f"seed {seed}, case {case}", codecs, spec, bytes(data))] += 1
    return outcomes


PROFILES = pytest.mark.parametrize("make", [mapping_codecs, raw_codecs], ids=["mapping", "raw"])


@PROFILES
def test_the_corpus_is_sound(make: Any) -> None:
    """What is going to be damaged can be read, but for what must not be, and has every type code that there is."""
    outcomes = Counter(judge("corpus", codecs_of(make), ANY, data) for data in CORPUS)
    # Refused are a cycle and a Class, and in the raw profile what (kind, items) cannot be a key of.
    assert outcomes["value"] + outcomes["value that cannot be written"] >= len(CORPUS) - 4
    seen = {data[at] for data in CORPUS for at in range(len(data))}
    assert set(codes.NAMES) - {codes.PROXY, codes.FACTORY_PROXY, codes.TRANSFORMED} <= seen


@PROFILES
def test_damaged_values(make: Any) -> None:
    """5,000 damaged values: values and errors both occur, and nothing else does."""
    outcomes = hammer(make, 0, 5000)
    assert outcomes["value"] > 500
    assert outcomes["DecodeError"] > 500
    assert outcomes.total() == 5000


@pytest.mark.stress
@PROFILES
@pytest.mark.parametrize("seed", range(1, max(CASES // SHARD // 2, 1) + 1))
def test_a_million_damaged_values(make: Any, seed: int) -> None:
    """50,000 damaged values a seed and profile, a million in all."""
    assert hammer(make, seed, SHARD).total() == SHARD


def test_the_judge_sees_what_is_wrong() -> None:
    """The test itself fails for a wrong error, for reading too far, and for what takes long."""

    def wrong(codecs: Codecs, buf: bytes, pos: int) -> Any:
        raise KeyError(buf)

    def far(codecs: Codecs, buf: bytes, pos: int) -> Any:
        return None, len(buf) + 1

    def short(codecs: Codecs, buf: bytes, pos: int) -> Any:
        return None, 1

    def slow(codecs: Codecs, buf: bytes, pos: int) -> Any:
        time.sleep(SLOW * 1.1)
        return None, len(buf)

    for decode, message in (
        (wrong, "KeyError from 0801"),
        (far, "AssertionError"),
        (short, "AssertionError"),
        (slow, "slower"),
    ):
        with pytest.raises(AssertionError, match=message):
            judge("x", mapping_codecs(), Spec("x", ANY.encode, decode), b"\x08\x01")
