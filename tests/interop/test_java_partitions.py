"""Which partition a key is in: as Java's own affinity function has it, and as a node finds it there."""

import random
import struct
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import pytest

import ignitemap as ig
from ignitemap import local
from ignitemap.protocol.codecs import Hinted, encode_object
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.key_hash import hash_of, partition_of
from ignitemap.protocol.operations import CachePartitions
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.temporal import UTIL_DATE, Timestamp
from tests.interop.acme import REGISTRY, Address, Box, Color, Order
from tests.interop.literals import (
    Literal,
    array_literal,
    char_literal,
    date_literal,
    decimal_literal,
    double_literal,
    float_literal,
    instant_literal,
    literal_with,
    numbers_literal,
    object_literal,
    text_literal,
    time_literal,
    timestamp_literal,
)

PARTITIONS = (1, 2, 7, 100, 1000, 1024, 65000)
FEW = 2_000
MANY = 100_000
CHUNK = 2_000  # keys in one order to Java

CODECS = mapping_codecs(resolver=REGISTRY)
literal = literal_with(CODECS)
OrderKey: Any = ig.key_class(Order, registry=REGISTRY)


# --- keys -------------------------------------------------------------------------------------------------------------

Draw = Callable[[random.Random], Any]


def integers(bits: int) -> Draw:
    """Integers of all magnitudes, with the limits among them."""

    def one(source: random.Random) -> int:
        value = source.getrandbits(source.randrange(1, bits))
        return source.choice([value, ~value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1])

    return one


def single(source: random.Random) -> float:
    return struct.unpack("<f", struct.pack("<f", source.choice([0.0, -0.0, 1.5, source.uniform(-1e30, 1e30)])))[0]


def double(source: random.Random) -> float:
    return source.choice([0.0, -0.0, float("inf"), float("nan"), source.uniform(-1e300, 1e300), source.random()])


def text(source: random.Random) -> str:
    return "".join(source.choices("aZ09 _-\0ß÷€ł中\u200d😀𝔘\uffff", k=source.randrange(40)))


def decimal(source: random.Random) -> Decimal:
    digits = source.getrandbits(source.choice([1, 31, 32, 33, 64, 96, 200]))
    return Decimal((source.randrange(2) if digits else 0, tuple(map(int, str(digits))), source.randrange(-30, 30)))


def moment(source: random.Random) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(source.randrange(-700_000, 2_900_000), source.randrange(86_400))


def finer_moment(source: random.Random) -> Timestamp:
    return Timestamp.of(moment(source) + timedelta(microseconds=source.randrange(1_000_000)), source.randrange(1, 1000))


def some(draw: Draw) -> Draw:
    return lambda source: [draw(source) for _ in range(source.randrange(1, 9))]


def nothing_or(draw: Draw) -> Draw:
    return lambda source: draw(source) if source.randrange(9) else None


def uuid_(source: random.Random) -> uuid.UUID:
    return uuid.UUID(int=source.getrandbits(128))


def color(source: random.Random) -> Color:
    return source.choice(list(Color))


def scalar(source: random.Random) -> Any:
    draws = (integers(64), double, text, uuid_, decimal, moment, color, lambda source: None, lambda source: True)
    return source.choice(draws)(source)


def order_literal(key: Any) -> str:
    fields = {"customer": f"long {key.customer}", "number": f"int {key.number}", "region": text_literal(key.region)}
    return object_literal("OrderKey", **fields)


@attrs.frozen
class Kind:
    """A type of keys: how it is written, how one is drawn, and how Java is told of it."""

    spec: ig.Spec[Any]
    draw: Draw
    literal: Literal = literal


def array_kind(component: str, item: ig.Spec[Any], draw: Draw, of: Literal) -> Kind:
    def values(source: random.Random) -> list[Any]:
        # Arrays of nothing but nulls are one key to a node in a put of several, whatever their types are.
        return [draw(source), *some(nothing_or(draw))(source)]

    return Kind(ig.array_of(ig.optional(item)), values, partial(array_literal, component, of))


KINDS: dict[str, Kind] = {
    "byte": Kind(ig.BYTE, integers(8), "byte {}".format),
    "short": Kind(ig.SHORT, integers(16), "short {}".format),
    "int": Kind(ig.INT, integers(32), "int {}".format),
    "long": Kind(ig.LONG, integers(64)),
    "float": Kind(ig.FLOAT, single, float_literal),
    "double": Kind(ig.DOUBLE, double, double_literal),
    "char": Kind(ig.CHAR, lambda source: chr(source.randrange(0x10000)), char_literal),
    "boolean": Kind(ig.BOOL, lambda source: source.random() < 0.5),
    "String": Kind(ig.STRING, text),
    "UUID": Kind(ig.UUID, uuid_),
    "BigDecimal": Kind(ig.DECIMAL, decimal, decimal_literal),
    "Timestamp": Kind(ig.TIMESTAMP, finer_moment, timestamp_literal),
    "Date": Kind(UTIL_DATE, moment, instant_literal),
    "Date of midnight": Kind(ig.DATE, lambda source: date.fromordinal(source.randrange(1, 3_652_059)), date_literal),
    "Time": Kind(ig.TIME, lambda source: time(*divmod(source.randrange(1440), 60), source.randrange(60)), time_literal),
    "enum": Kind(REGISTRY.spec(Color), color),
    "byte[]": Kind(ig.BYTES, lambda source: source.randbytes(source.randrange(300))),
    "short[]": Kind(ig.array_of(ig.SHORT), some(integers(16)), partial(numbers_literal, "short")),
    "int[]": Kind(ig.array_of(ig.INT), some(integers(32)), partial(numbers_literal, "int")),
    "long[]": Kind(ig.array_of(ig.LONG), some(integers(64)), partial(numbers_literal, "long")),
    "float[]": Kind(ig.array_of(ig.FLOAT), some(single), partial(numbers_literal, "float")),
    "double[]": Kind(ig.array_of(ig.DOUBLE), some(double), partial(numbers_literal, "double")),
    "char[]": Kind(
        ig.array_of(ig.CHAR),
        some(lambda source: chr(source.randrange(0x10000))),
        lambda value: numbers_literal("char", map(ord, value)),
    ),
    "boolean[]": Kind(
        ig.array_of(ig.BOOL), some(lambda source: source.random() < 0.5), partial(numbers_literal, "bool")
    ),
    "String[]": array_kind("text", ig.STRING, text, text_literal),
    "UUID[]": array_kind("uuid", ig.UUID, uuid_, literal),
    "Date[]": array_kind("date", UTIL_DATE, moment, instant_literal),
    "Timestamp[]": array_kind("timestamp", ig.TIMESTAMP, finer_moment, timestamp_literal),
    "BigDecimal[]": array_kind("decimal", ig.DECIMAL, decimal, decimal_literal),
    "Object[]": Kind(
        ig.ANY, lambda source: tuple(some(lambda source: source.choice([scalar, some(scalar)])(source))(source))
    ),
    "ArrayList": Kind(ig.ANY, some(scalar)),
    "HashSet": Kind(ig.ANY, lambda source: set(some(integers(64))(source))),
    "LinkedHashSet": Kind(ig.ANY, lambda source: frozenset(some(text)(source))),
    "LinkedHashMap": Kind(ig.ANY, lambda source: {text(source): scalar(source) for _ in range(source.randrange(5))}),
    "object": Kind(REGISTRY.spec(Address), lambda source: Address(nothing_or(text)(source), text(source))),
    "object with an object inside": Kind(
        REGISTRY.spec(Box), lambda source: Box(text(source), [Address(None, text(source)), color(source)])
    ),
    "key of several fields": Kind(
        ig.ANY,
        lambda source: OrderKey(integers(64)(source), integers(32)(source), text(source)),
        order_literal,
    ),
}


def drawn(name: str, count: int) -> list[Any]:
    """As many keys of a type; the same in every run."""
    source = random.Random(name)
    return [KINDS[name].draw(source) for _ in range(count)]


def encoded(spec: ig.Spec[Any], key: Any) -> bytes:
    out = bytearray()
    encode_object(CODECS, out, Hinted(key, spec))
    return bytes(out)


# --- Java's function --------------------------------------------------------------------------------------------------


async def check(java: Any, name: str, count: int) -> int:
    """Java has the hash of each key and its partition of every number of partitions; how many keys that were."""
    kind = KINDS[name]
    keys = drawn(name, count)
    for start in range(0, count, CHUNK):
        chunk = keys[start : start + CHUNK]
        told = await java("partitions", " ".join(map(str, PARTITIONS)), *map(kind.literal, chunk))
        for key, line in zip(chunk, told, strict=True):
            key_hash = hash_of(encoded(kind.spec, key))
            assert key_hash is not None
            expected = [key_hash, *(partition_of(key_hash, partitions) for partitions in PARTITIONS)]
            assert expected == [int(number) for number in line.split()], f"{name}: {key!r}"
    return count


@pytest.mark.parametrize("name", KINDS)
async def test_partitions_are_those_of_javas_affinity_function(java, name):
    """The hash of an encoded key, and its partition for any number of partitions, are what Java computes."""
    assert await check(java, name, -(-FEW // len(KINDS)))


@pytest.mark.stress
async def test_partitions_of_a_hundred_thousand_keys(java):
    """So they are for a hundred thousand keys of all types."""
    assert sum([await check(java, name, -(-MANY // len(KINDS))) for name in KINDS]) >= MANY


# --- a node's caches --------------------------------------------------------------------------------------------------

CACHE_XML = """
<bean class="org.apache.ignite.configuration.CacheConfiguration">
  <property name="name" value="partitions-{0}"/>
  <property name="affinity">
    <bean class="org.apache.ignite.cache.affinity.rendezvous.RendezvousAffinityFunction">
      <property name="partitions" value="{0}"/>
    </bean>
  </property>
</bean>
"""
SCANNED = (7, 100)
SCANNED_KEYS = 100  # of each type


@pytest.fixture(scope="module")
async def own_client() -> AsyncIterator[ig.Client]:
    """A client of a node of its own, whose caches have numbers of partitions that no client can ask for."""
    async with (
        local.cluster(caches_xml="".join(map(CACHE_XML.format, SCANNED))) as cluster,
        ig.connect(cluster.url, registry=REGISTRY) as connected,
    ):
        yield connected


@pytest.mark.stress
@pytest.mark.parametrize("partitions", SCANNED)
async def test_scans_of_a_partition_find_the_keys_that_belong_there(own_client, partitions):
    """In caches of 7 and 100 partitions, keys of all types are found in the partitions that are computed for them."""
    name = f"partitions-{partitions}"
    (group,) = (await own_client.raw.session.call(CachePartitions(True, [string_hash(name)]))).groups
    assert sorted(partition for _, owned in group.nodes for partition in owned) == list(range(partitions))
    cache = await own_client.cache(name, Any, int, create=False)
    keys = [(kind, key) for name, kind in KINDS.items() for key in drawn(name, SCANNED_KEYS)]
    # By its bytes each key counts once, as it does to the node: boolean has two.
    places = {encoded(kind.spec, key): (kind, key) for kind, key in keys}
    await cache.update((Hinted(key, kind.spec), number) for number, (kind, key) in enumerate(places.values()))
    expected: dict[int, set[int]] = {partition: set() for partition in range(partitions)}
    for number, place in enumerate(places):
        key_hash = hash_of(place)
        assert key_hash is not None
        expected[partition_of(key_hash, partitions)].add(number)
    for partition, numbers in expected.items():
        assert {number async for number in cache.values(partition=partition)} == numbers
