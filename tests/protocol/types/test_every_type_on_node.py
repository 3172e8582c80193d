"""Every type code through a real node: what is put comes back, in both profiles.

2,000 values in an ordinary run, 100,000 under `stress`. Hypothesis draws them, batches of a thousand travel.
"""

import datetime as dt
import enum
import itertools
import os
import struct
from array import array
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

import ignitemap
from ignitemap.client.cache import AioCache
from ignitemap.protocol.binary_type import KnownTypes, binary_type
from ignitemap.protocol.codecs import ANY, Codecs, Spec, decode_object, encode_object, optional
from ignitemap.protocol.types import arrays, codes, mapping_codecs, raw_codecs, raw_hints as hints
from ignitemap.protocol.types.arrays import array_of, object_array_of
from ignitemap.protocol.types.binary_object import BinaryObject, object_bytes
from ignitemap.protocol.types.collections import frozenset_of, list_of, set_of, tuple_of
from ignitemap.protocol.types.decimal import DECIMAL
from ignitemap.protocol.types.enums import EnumValue, enum_of
from ignitemap.protocol.types.maps import dict_of
from ignitemap.protocol.types.numeric import BOOL, BYTE, DOUBLE, FLOAT, INT, LONG, SHORT
from ignitemap.protocol.types.opaque import OpaqueObject
from ignitemap.protocol.types.temporal import DATE, SQL_DATE, TIME, TIMEDELTA, TIMESTAMP, UTIL_DATE, Timestamp
from ignitemap.protocol.types.text import CHAR, STRING
from ignitemap.protocol.types.uuid import UUID
from tests import strategies

BATCH = 1000
DRAWN = 20  # values an example: more would not fit into what Hypothesis draws from


class Color(enum.Enum):
    """An enum of the program."""

    RED = "r"
    GREEN = "g"
    BLUE = "b"


def same(left: Any, right: Any) -> bool:
    """Equal, of the same class all the way down, with the same exponent and sign, whatever the order in sets."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    if isinstance(left, (Decimal, float, Timestamp)):
        return repr(left) == repr(right)
    return bool(left == right)


def same_items(left: Any, right: Any) -> bool:
    """(kind, items) in any order, as a HashSet has none."""
    return left[0] == right[0] and sorted(map(repr, left[1])) == sorted(map(repr, right[1]))


def same_entries(left: Any, right: Any) -> bool:
    """(kind, dict) in any order, as a HashMap has none."""
    return left[0] == right[0] and same_items((0, left[1].items()), (0, right[1].items()))


@attrs.frozen
class Way:
    """One way to put values of a type: by a spec in a profile. ``result`` is what comes back for a value."""

    name: str
    code: int
    spec: Spec[Any]
    values: st.SearchStrategy[Any]
    result: Callable[[Any], Any] = lambda value: value
    equal: Callable[[Any, Any], bool] = same


def integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def lists(of: st.SearchStrategy[Any], size: int = 6) -> st.SearchStrategy[list[Any]]:
    return st.lists(of, max_size=size)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
chars = st.characters(max_codepoint=0xFFFF, exclude_categories=[])
singles = st.floats(width=32, allow_nan=False)
in_ms = st.integers(-(10**14), 10**14).map(lambda ms: dt.timedelta(milliseconds=ms))
instants = st.datetimes().map(lambda value: value.replace(fold=0))
instants_in_ms = instants.map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000))
aware_in_ms = instants_in_ms.map(lambda value: value.replace(tzinfo=dt.UTC))
nanos = st.tuples(instants_in_ms, st.integers(0, 999_999))
timestamps = st.builds(Timestamp.of, instants.map(lambda value: value.replace(tzinfo=dt.UTC)), st.integers(1, 999))
ids = st.integers(1, 2**31 - 1)
some = st.one_of(st.none(), st.booleans(), strategies.longs, texts, st.binary(max_size=8), strategies.decimals)

PERSON = binary_type("EveryTypePerson", [("id", codes.LONG), ("name", codes.STRING), ("inner", 103)])


def person(number: int, name: str, inner: BinaryObject | None = None) -> BinaryObject:
    """An object of a type that the program has no class for."""
    out = bytearray()
    offsets = [24]
    for value in (number, name, inner):
        encode_object(WRITER, out, value)
        offsets.append(24 + len(out))
    (schema,) = PERSON.schemas
    return decode_object(WRITER, object_bytes(PERSON.id, schema, out, offsets[:-1]), 0)[0]


WRITER = mapping_codecs(known=KnownTypes())
WRITER.known.learn(PERSON)
flat_people = st.builds(person, strategies.longs, texts)
people = st.builds(person, strategies.longs, texts, flat_people | st.none())


def as_list(numbers: list[int]) -> OpaqueObject:
    """What Arrays.asList() makes of ints, as Java's optimized marshaller writes it."""
    head = bytes.fromhex("664dedb30ad206116a756785") + struct.pack("<I", len(numbers))
    return OpaqueObject(head + b"".join(struct.pack("<Bi", codes.INT, number) for number in numbers))


MAPPING = [
    Way("byte", codes.BYTE, BYTE, integers(8)),
    Way("short", codes.SHORT, SHORT, integers(16)),
    Way("int", codes.INT, INT, integers(32)),
    Way("long", codes.LONG, LONG, integers(64)),
    Way("float", codes.FLOAT, FLOAT, singles),
    Way("double", codes.DOUBLE, DOUBLE, strategies.floats),
    Way("char", codes.CHAR, CHAR, chars),
    Way("boolean", codes.BOOL, BOOL, st.booleans()),
    Way("String", codes.STRING, STRING, texts),
    Way("UUID", codes.UUID, UUID, st.uuids()),
    Way("Date", codes.DATE, DATE, st.dates()),
    Way("Date of an instant", codes.DATE, UTIL_DATE, aware_in_ms),
    Way("byte[]", codes.BYTE_ARRAY, arrays.BYTES, st.binary(max_size=40)),
    Way("short[]", codes.SHORT_ARRAY, arrays.SHORT_ARRAY, lists(integers(16))),
    Way("int[]", codes.INT_ARRAY, arrays.INT_ARRAY, lists(integers(32))),
    Way("long[]", codes.LONG_ARRAY, arrays.LONG_ARRAY, lists(integers(64))),
    Way("float[]", codes.FLOAT_ARRAY, arrays.FLOAT_ARRAY, lists(singles)),
    Way("double[]", codes.DOUBLE_ARRAY, arrays.DOUBLE_ARRAY, lists(strategies.floats)),
    Way("char[]", codes.CHAR_ARRAY, arrays.CHAR_ARRAY, lists(chars)),
    Way("boolean[]", codes.BOOL_ARRAY, arrays.BOOL_ARRAY, lists(st.booleans())),
    Way("String[]", codes.STRING_ARRAY, array_of(optional(STRING)), lists(texts | st.none())),
    Way("UUID[]", codes.UUID_ARRAY, array_of(optional(UUID)), lists(st.uuids() | st.none(), 3)),
    Way("Date[]", codes.DATE_ARRAY, array_of(optional(DATE)), lists(st.dates() | st.none())),
    Way("Object[]", codes.OBJECT_ARRAY, object_array_of(ANY), lists(some, 3)),
    Way("ArrayList", codes.COLLECTION, list_of(ANY), lists(some, 3)),
    Way("HashSet", codes.COLLECTION, set_of(LONG), st.sets(strategies.longs, max_size=6)),
    Way("LinkedHashSet", codes.COLLECTION, frozenset_of(STRING), st.frozensets(texts, max_size=4)),
    Way("LinkedHashMap", codes.MAP, dict_of(STRING, ANY), st.dictionaries(texts, some, max_size=3)),
    Way("tuple", codes.OBJECT_ARRAY, tuple_of(optional(DECIMAL)), lists(strategies.decimals | st.none(), 3).map(tuple)),
    Way("enum", codes.ENUM, enum_of(Color, "EveryTypeColor"), st.sampled_from(Color)),
    Way("enum that nobody knows", codes.ENUM, ANY, st.builds(EnumValue, ids, integers(32))),
    Way("BigDecimal", codes.DECIMAL, DECIMAL, strategies.decimals),
    Way("BigDecimal[]", codes.DECIMAL_ARRAY, array_of(optional(DECIMAL)), lists(strategies.decimals | st.none(), 3)),
    Way("Timestamp", codes.TIMESTAMP, TIMESTAMP, strategies.aware_datetimes),
    Way("Timestamp with ns", codes.TIMESTAMP, TIMESTAMP, timestamps),
    Way("Timestamp[]", codes.TIMESTAMP_ARRAY, array_of(optional(TIMESTAMP)), lists(timestamps | st.none(), 2)),
    Way("Time", codes.TIME, TIME, strategies.times),
    Way("Time[]", codes.TIME_ARRAY, array_of(optional(TIME)), lists(strategies.times | st.none())),
    Way("timedelta", codes.LONG, TIMEDELTA, in_ms),
    Way("java.sql.Date", codes.OPTIMIZED, SQL_DATE, st.dates()),
    Way("Arrays.asList()", codes.OPTIMIZED, ANY, lists(integers(32)).map(as_list)),
    Way("complex object", codes.OBJECT, ANY, people),
    Way("complex objects in a list", codes.COLLECTION, ANY, lists(flat_people, 2)),
    Way("array.array", codes.LONG_ARRAY, ANY, lists(integers(64)).map(lambda items: array("q", items))),
    Way("anything", 0, ANY, strategies.values.filter(lambda value: value is not None)),
]


def enum_pairs(code: int, hint: Spec[Any]) -> Way:
    pairs = st.tuples(ids, integers(32))
    values = st.tuples(st.just(-1), lists(pairs | st.none(), 4))
    return Way(f"enum[] of {hint.name} {code}", codes.ENUM_ARRAY, hint, values)


def kinds(way: str, hint: Spec[Any], code: int, kind: int, content: Any, back: int, equal: Any = same) -> Way:
    return Way(f"{way} {kind}", code, hint, st.tuples(st.just(kind), content), lambda value: (back, value[1]), equal)


different = st.lists(strategies.longs, unique=True, max_size=5)
entries = st.dictionaries(texts, some, max_size=3)
RAW = [
    Way("byte", codes.BYTE, hints.ByteObject, integers(8)),
    Way("short", codes.SHORT, hints.ShortObject, integers(16)),
    Way("int", codes.INT, hints.IntObject, integers(32)),
    Way("long", codes.LONG, hints.LongObject, integers(64)),
    Way("float", codes.FLOAT, hints.FloatObject, singles),
    Way("double", codes.DOUBLE, hints.DoubleObject, strategies.floats),
    Way("char", codes.CHAR, hints.CharObject, chars),
    Way("boolean", codes.BOOL, hints.BoolObject, st.booleans()),
    Way("String", codes.STRING, hints.String, texts),
    Way("UUID", codes.UUID, hints.UUIDObject, st.uuids()),
    Way("Date", codes.DATE, hints.DateObject, instants_in_ms),
    Way("Timestamp", codes.TIMESTAMP, hints.TimestampObject, nanos),
    Way("Time", codes.TIME, hints.TimeObject, in_ms),
    Way("BigDecimal", codes.DECIMAL, hints.DecimalObject, strategies.decimals),
    Way("enum", codes.ENUM, hints.EnumObject, st.tuples(ids, integers(32))),
    Way("binary enum", codes.BINARY_ENUM, hints.BinaryEnumObject, st.tuples(ids, integers(32))),
    Way("byte[]", codes.BYTE_ARRAY, hints.ByteArrayObject, lists(st.integers(0, 255), 20), bytes),
    Way("short[]", codes.SHORT_ARRAY, hints.ShortArrayObject, lists(integers(16))),
    Way("int[]", codes.INT_ARRAY, hints.IntArrayObject, lists(integers(32))),
    Way("long[]", codes.LONG_ARRAY, hints.AnyDataObject, st.lists(integers(64), min_size=1, max_size=6)),
    Way("float[]", codes.FLOAT_ARRAY, hints.FloatArrayObject, lists(singles)),
    Way("double[]", codes.DOUBLE_ARRAY, hints.DoubleArrayObject, lists(strategies.floats)),
    Way("char[]", codes.CHAR_ARRAY, hints.CharArrayObject, lists(chars)),
    Way("boolean[]", codes.BOOL_ARRAY, hints.BoolArrayObject, lists(st.booleans())),
    Way("String[]", codes.STRING_ARRAY, hints.StringArrayObject, lists(texts | st.none())),
    Way("UUID[]", codes.UUID_ARRAY, hints.UUIDArrayObject, lists(st.uuids() | st.none(), 3)),
    Way("Date[]", codes.DATE_ARRAY, hints.DateArrayObject, lists(instants_in_ms | st.none(), 4)),
    Way("Timestamp[]", codes.TIMESTAMP_ARRAY, hints.TimestampArrayObject, lists(nanos | st.none(), 3)),
    Way("Time[]", codes.TIME_ARRAY, hints.TimeArrayObject, lists(in_ms | st.none())),
    Way("BigDecimal[]", codes.DECIMAL_ARRAY, hints.DecimalArrayObject, lists(strategies.decimals | st.none(), 3)),
    enum_pairs(28, hints.EnumArrayObject),
    enum_pairs(38, hints.BinaryEnumArrayObject),
    kinds("Object[]", hints.ObjectArrayObject, codes.OBJECT_ARRAY, -1, lists(some, 3), -1),
    kinds("Object[] of a class", hints.ObjectArrayObject, codes.OBJECT_ARRAY, 77, lists(some, 3), -1),
    kinds("collection", hints.CollectionObject, codes.COLLECTION, -1, different, 3, same_items),
    kinds("collection", hints.CollectionObject, codes.COLLECTION, 0, lists(some, 3), 1),
    kinds("collection", hints.CollectionObject, codes.COLLECTION, 1, lists(some, 3), 1),
    kinds("collection", hints.CollectionObject, codes.COLLECTION, 2, lists(some, 3), 2),
    kinds("collection", hints.CollectionObject, codes.COLLECTION, 3, different, 3, same_items),
    kinds("collection", hints.CollectionObject, codes.COLLECTION, 4, different, 4),
    kinds("map", hints.MapObject, codes.MAP, 0, entries, 1, same_entries),
    kinds("map", hints.MapObject, codes.MAP, 1, entries, 1, same_entries),
    kinds("map", hints.MapObject, codes.MAP, 2, entries, 2),
    Way("complex object", codes.OBJECT, hints.BinaryObject, people),
]
WAYS = [*((mapping_codecs, way) for way in MAPPING), *((raw_codecs, way) for way in RAW)]


def draw(values: st.SearchStrategy[Any], count: int) -> list[Any]:
    """So many values."""
    drawn: list[Any] = []

    @settings(
        deadline=None,
        database=None,
        max_examples=-(-count // DRAWN),
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(values, min_size=DRAWN, max_size=DRAWN))
    def collect(some: list[Any]) -> None:
        drawn.extend(some)

    collect()
    return list(itertools.islice(itertools.cycle(drawn), count))  # Hypothesis ends early where it has seen it all


@pytest.fixture(scope="module")
async def client(url: str) -> AsyncIterator[ignitemap.Client]:
    """One client for all types."""
    async with ignitemap.connect(url) as connected:
        yield connected


@pytest.fixture(scope="module")
async def cache_name(client: ignitemap.Client) -> AsyncIterator[str]:
    """A cache for all types."""
    name = f"every_type_{os.getpid()}"
    await client.raw.get_or_create_cache(name)
    yield name
    await client.drop(name)


async def check(client: ignitemap.Client, name: str, make: Callable[..., Codecs], way: Way, count: int) -> None:
    """Put values and get them back."""
    codecs = make(known=client.raw.codecs.known)
    spec = way.spec if make is mapping_codecs else attrs.evolve(ANY, encode=way.spec.encode)
    cache = AioCache(client.raw, name, codecs=codecs, types=client.raw.entry_types(LONG, spec))
    values = draw(way.values, count)
    assert len(values) == count
    out = bytearray()
    way.spec.encode(codecs, out, values[0])
    codecs.unannounced.clear()
    assert out[0] == way.code or not way.code
    for start in range(0, count, BATCH):
        batch = dict(enumerate(values[start : start + BATCH]))
        await cache.put_all(batch)
        found = await cache.get_all(list(batch))
        assert len(found) == len(batch)
        for key, value in batch.items():
            assert way.equal(found[key], way.result(value)), (way.name, value, found[key])


ALL_WAYS = pytest.mark.parametrize(
    ("make", "way"), WAYS, ids=[f"{make.__name__.partition('_')[0]}-{way.name}" for make, way in WAYS]
)


@ALL_WAYS
async def test_some_values_of_every_type(client: ignitemap.Client, cache_name: str, make: Any, way: Way) -> None:
    """Values of every type come back from a real node as what they were, 2,000 of them over all types."""
    await check(client, cache_name, make, way, 2000 // len(WAYS) + 1)


@pytest.mark.stress
@ALL_WAYS
async def test_many_values_of_every_type(client: ignitemap.Client, cache_name: str, make: Any, way: Way) -> None:
    """Values of every type come back from a real node as what they were, 100,000 of them over all types."""
    await check(client, cache_name, make, way, 100_000 // len(WAYS) + 1)


def test_no_type_is_missing() -> None:
    """Every type code that can be written is among them; what only a server writes comes back for these."""
    written = {way.code for _, way in WAYS}
    assert set(codes.NAMES) - written == {
        codes.CLASS, codes.PROXY, codes.FACTORY_PROXY, codes.TRANSFORMED,  # Java's own
        codes.WRAPPED, codes.HANDLE, codes.NULL,  # what objects come back in; never written; no value of a cache
    }  # fmt: skip
