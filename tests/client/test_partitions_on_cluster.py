"""The partition that is computed for a key is the one that a real node keeps it in, for keys of every type."""

import datetime as dt
import enum
import itertools
import os
import random
import struct
import uuid
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Annotated, Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.protocol.key_hash import hash_of, partition_of

PARTITIONS = 1024
ORDINARY = 1_000
STRESS = 10_000

_serial = itertools.count(1)


def unique(stem: str) -> str:
    return f"{stem}_{os.getpid()}_{next(_serial)}"


REGISTRY = ig.Registry()


@REGISTRY.enum(type_name=unique("PartitionColor"))
class Color(enum.Enum):
    RED = 1
    GREEN = 2
    BLUE = 3


Shade = REGISTRY.enum(type_name=unique("PartitionShade"))(enum.Enum("Shade", [f"S{n}" for n in range(STRESS)]))
SHADES = list(Shade)


@REGISTRY.model(type_name=unique("PartitionPoint"))
@attrs.frozen
class Point:
    x: ig.Int
    y: ig.Int


@REGISTRY.model(type_name=unique("PartitionPlace"))
@attrs.frozen
class Place:
    name: str
    point: Point
    color: Color | None
    note: str


@REGISTRY.model(type_name=unique("PartitionSale"))
@attrs.frozen
class Sale:
    number: int
    region: Annotated[str, ig.field(affinity=True)]


@REGISTRY.model(type_name=unique("PartitionOrder"))
class Order:
    customer: uuid.UUID = ig.key()
    number: ig.Int = ig.key()
    total: float = 0.0


Draw = Callable[[random.Random], Any]

TEXT = "abcäöüßЖ中\0\u00ad\uffff😀𝄞🏳 \n"


def some_text(source: random.Random) -> str:
    return "".join(source.choices(TEXT, k=source.randrange(12)))


def some_decimal(source: random.Random) -> Decimal:
    digits = source.getrandbits(source.choice([1, 31, 32, 63, 64, 96, 128, 200]))
    return Decimal(source.choice([-1, 1]) * digits).scaleb(-source.randrange(40))


def some_instant(source: random.Random) -> dt.datetime:
    return dt.datetime(1, 1, 2, tzinfo=dt.UTC) + dt.timedelta(
        source.randrange(3_600_000), source.randrange(86_400), source.randrange(1_000_000)
    )


def some_long(source: random.Random) -> int:
    bits = source.choice([8, 31, 32, 33, 63])
    return source.choice([-1, 1]) * source.getrandbits(bits)


def some_float(source: random.Random) -> float:
    value: float = struct.unpack("<d", source.randbytes(8))[0]
    return value if value == value else 0.0


def some_single(source: random.Random) -> float:
    value: float = struct.unpack("<f", source.randbytes(4))[0]
    return value if value == value else 0.0


# Name, type of the keys, and either all keys that there are or a way to draw one.
KINDS: list[tuple[str, Any, "list[Any] | Draw"]] = [
    ("long", int, some_long),
    ("int", ig.Int, lambda source: source.randrange(-(1 << 31), 1 << 31)),
    ("short", ig.Short, lambda source: source.randrange(-(1 << 15), 1 << 15)),
    ("byte", ig.Byte, list(range(-128, 128))),
    ("char", ig.Char, lambda source: chr(source.choice([source.randrange(0xD800), source.randrange(0xE000, 0x10000)]))),
    ("boolean", bool, [True, False]),
    ("double", float, some_float),
    ("float", ig.Float, some_single),
    ("String", str, some_text),
    ("UUID", uuid.UUID, lambda source: uuid.UUID(int=source.getrandbits(128))),
    ("byte[]", bytes, lambda source: source.randbytes(source.randrange(20))),
    ("Decimal", Decimal, some_decimal),
    ("Timestamp", dt.datetime, some_instant),
    ("Date", dt.date, lambda source: dt.date.fromordinal(source.randrange(1, 3_652_059))),
    ("Time", dt.time, lambda source: dt.time(*divmod(source.randrange(1440), 60), source.randrange(60))),
    ("timedelta", dt.timedelta, lambda source: dt.timedelta(milliseconds=source.randrange(-(1 << 45), 1 << 45))),
    ("enum", Color, list(Color)),
    ("large enum", Shade, lambda source: source.choice(SHADES)),
    ("tuple", tuple[int, str], lambda source: (some_long(source), some_text(source))),
    ("any", Any, lambda source: source.choice([some_long, some_text, some_decimal, some_float])(source)),
    ("model", Point, lambda source: Point(source.randrange(-99999, 99999), source.randrange(-99999, 99999))),
    ("nested", Place, lambda source: Place(
        some_text(source), Point(source.randrange(999), -5), source.choice([None, *Color]), "x" * source.randrange(300)
    )),
    ("affinity", Sale, lambda source: Sale(source.randrange(1 << 40), some_text(source))),
    ("composite", Order, lambda source: (uuid.UUID(int=source.getrandbits(128)), source.randrange(1 << 31))),
]  # fmt: skip


@pytest.fixture(scope="module")
async def client(url: str) -> AsyncIterator[ig.Client]:
    async with ig.connect(url, registry=REGISTRY) as connected:
        yield connected


@pytest.fixture(scope="module")
async def group(client: ig.Client) -> AsyncIterator[str]:
    name, keeper = unique("partitions_group"), unique("partitions_keeper")
    await client.cache(keeper, int, int, durability="fast", group=name)
    yield name
    await client.drop(keeper)


def draw_keys(kind: "list[Any] | Draw", count: int) -> list[Any]:
    if isinstance(kind, list):
        return kind
    source = random.Random(20_240_101)
    keys: dict[Any, None] = {}
    while len(keys) < count:
        keys[kind(source)] = None
    return list(keys)


def computed(cache: ig.Cache[Any, Any], key: Any, *, affinity: bool) -> int:
    """The partition that the client computes from an encoded key."""
    codecs = cache._codecs
    out = bytearray()
    codecs.depth = 0
    if affinity:
        REGISTRY.spec(str).encode(codecs, out, key.region)
    else:
        cache._types.key.encode(codecs, out, key)
    key_hash = hash_of(out)
    assert key_hash is not None
    return partition_of(key_hash, PARTITIONS)


async def check(client: ig.Client, group: str, name: str, hint: Any, kind: "list[Any] | Draw", count: int) -> None:
    cache_name = unique("partitions")
    keys = draw_keys(kind, count)
    if name == "composite":
        cache: ig.Cache[Any, Any] = await client.cache(cache_name, Order, durability="fast", group=group)
        key_class: Any = ig.key_class(Order, registry=REGISTRY)
        keys = [key_class(*key) for key in keys]
        entries = [(key, Order(key.customer, key.number)) for key in keys]
    else:
        cache = await client.cache(cache_name, hint, int, durability="fast", group=group)
        entries = [(key, 1) for key in keys]
    try:
        await cache.update(entries)
        expected: dict[int, set[Any]] = {}
        for key in keys:
            expected.setdefault(computed(cache, key, affinity=name == "affinity"), set()).add(key)
        assert await cache.size() == len(keys)
        # All partitions where that is cheap, else those that must hold something: together they hold everything.
        for partition in range(PARTITIONS) if count > ORDINARY else expected:
            found = await cache.keys(partition=partition).to_list()
            assert set(found) == expected.get(partition, set()), f"partition {partition}"
        statistics = client.raw.session.statistics
        routed, to_owner = statistics.routed, statistics.to_owner
        for key in keys[:200]:
            assert await cache.contains(key)
        asked = len(keys[:200])
        assert statistics.routed - routed == asked
        assert statistics.to_owner - to_owner >= 0.99 * asked
    finally:
        await client.drop(cache_name)


EVERY_KIND = [pytest.param(*kind, id=kind[0]) for kind in KINDS]
ONE_OF_A_SORT = [
    kind for kind in EVERY_KIND if kind.id in {"int", "String", "UUID", "large enum", "model", "composite"}
]


@pytest.mark.parametrize(("name", "hint", "kind"), ONE_OF_A_SORT)
async def test_partitions_of_a_thousand_keys(client: ig.Client, group: str, name: str, hint: Any, kind: Any) -> None:
    """A thousand keys of a type are in the partitions that are computed, and operations go to their primary."""
    await check(client, group, name, hint, kind, ORDINARY)


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "hint", "kind"), EVERY_KIND)
async def test_partitions_of_ten_thousand_keys(client: ig.Client, group: str, name: str, hint: Any, kind: Any) -> None:
    """Ten thousand keys of a type, or all that there are, are in the partitions that are computed."""
    await check(client, group, name, hint, kind, STRESS)


async def test_composite_keys_with_an_affinity_field(url: str) -> None:
    """Keys of several fields, one of which is the affinity field, go to the primary of that field."""
    registry = ig.Registry()

    @registry.model(type_name=unique("PartitionLine"))
    class Line:
        number: int = ig.key()
        customer: str = ig.key(affinity=True)

    name = unique("partitions")
    async with ig.connect(url, registry=registry) as client:
        cache = await client.cache(name, Line, durability="fast", group=unique("partitions_group"))
        try:
            await cache.save_many(Line(n, f"c{n % 50}") for n in range(500))
            for number in range(50):
                text = f"c{number}".encode()
                key_hash = hash_of(b"\x09" + struct.pack("<I", len(text)) + text)
                assert key_hash is not None
                found = await cache.keys(partition=partition_of(key_hash, PARTITIONS)).to_list()
                assert {key.number for key in found if key.customer == f"c{number}"} == set(range(number, 500, 50))
            statistics = client.raw.session.statistics
            before = statistics.to_owner
            for n in range(200):
                assert await cache.contains((n, f"c{n % 50}"))
            assert statistics.to_owner - before >= 198
        finally:
            await client.drop(name)
