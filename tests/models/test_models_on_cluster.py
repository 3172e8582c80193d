"""More of models in a real cluster: generics, hooks, dates as SQL has them, classes of all sorts, several clusters."""

import asyncio
import dataclasses
import enum
import functools
import ipaddress
from collections.abc import AsyncIterator
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import attrs
import pytest

import ignitemap as ig
from ignitemap.local import cluster as local_cluster
from tests.models.conftest import Connect, Name, unique

T = TypeVar("T")


async def test_generic_models_as_values(connect: Connect, names: Name, group: str) -> None:
    """A generic model is V of a cache, by name or by itself, with a table of its own for each argument."""
    registry = ig.Registry()

    @registry.model(type_name=unique("Reading"), cache=names())
    class Reading(Generic[T]):
        id: int = ig.key()
        value: T
        all: list[T] = ig.field(factory=list)

    client = await connect(registry)
    numbers = await client.cache(names(), Reading[int], durability="fast", group=group)
    words = await client.cache(names(), Reading[str], durability="fast", group=group)
    await numbers.save_many(Reading(n, n * n, [n]) for n in range(10))
    await words.save(Reading(1, "a", ["b"]))
    assert await numbers[3] == Reading(3, 9, [3])
    assert await words[1] == Reading(1, "a", ["b"])
    assert [tuple(row) for row in await client.sql(f"SELECT id, value FROM {numbers.table} WHERE value > 50 ORDER BY id")] == [
        (8, 64), (9, 81)
    ]  # fmt: skip
    assert [tuple(row) for row in await client.sql(f"SELECT value FROM {words.table}")] == [("a",)]
    with pytest.raises(ig.EncodeError, match=r"Reading\.value: expected long, got a Python str"):
        await numbers.save(Reading(1, "a"))
    untyped = await client.cache(numbers.name, int, Any)
    found = await untyped[3]
    assert isinstance(found, ig.BinaryObject)  # its key is somewhere else
    assert found.type_name is not None
    assert found.type_name.endswith("_long")
    assert found.to_dict() == {"value": 9, "all": [3]}
    with pytest.raises(ig.ModelError, match="Reading is generic"):
        await client.cache(names(), Reading)


async def test_hooks_in_a_cache(connect: Connect, names: Name, group: str) -> None:
    """What hooks make of a value is what SQL sees; keys and values may be of such classes."""
    registry = ig.Registry()

    class Money:
        def __init__(self, cents: int) -> None:
            self.cents = cents

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Money) and self.cents == other.cents

        def __hash__(self) -> int:
            return hash(self.cents)

    def cents_of(money: Money) -> int:
        return money.cents

    registry.converter.register_unstructure_hook(Money, cents_of)
    registry.converter.register_structure_hook(Money, lambda cents, _: Money(cents))

    @registry.model(type_name=unique("Job"))
    class Job:
        path: PurePosixPath = ig.key()
        host: ipaddress.IPv4Address
        price: Money = ig.field(index=True)
        tips: list[Money] = ig.field(factory=list)

    client = await connect(registry)
    jobs = await client.cache(names(), Job, durability="fast", group=group)
    job = Job(PurePosixPath("/a"), ipaddress.IPv4Address("10.0.0.1"), Money(5), [Money(1)])
    await jobs.save_many([job, Job(PurePosixPath("/b"), ipaddress.IPv4Address("10.0.0.2"), Money(7))])
    assert await jobs[PurePosixPath("/a")] == job
    rows = await client.sql(f"SELECT path, host FROM {jobs.table} WHERE price > 5")
    assert [tuple(row) for row in rows] == [("/b", "10.0.0.2")]
    prices = await client.cache(names(), ipaddress.IPv4Address, Money, durability="fast", group=group)
    await prices.set(ipaddress.IPv4Address("10.0.0.1"), Money(5))
    assert await prices.items().to_dict() == {ipaddress.IPv4Address("10.0.0.1"): Money(5)}
    with pytest.raises(ig.EncodeError):
        await prices.set(ipaddress.IPv4Address("10.0.0.2"), 5)  # type: ignore[arg-type]


async def test_dates_as_sql_has_them(connect: Connect, names: Name) -> None:
    """A date field is written in the form that the cluster has: a SQL DATE where a table made it, else a Date."""
    name, type_name = names(), unique("Trip")
    table = type_name.upper()

    def release(registry: ig.Registry) -> Any:
        @registry.model(type_name=type_name, key_type_name=type_name + "Id")
        class Trip:
            ID: int = ig.key()
            START: date = ig.key()
            FINISH: date | None = None
            NOTE: str = ""

        return Trip

    registry = ig.Registry()
    admin = await connect(registry)
    await admin.sql(
        f"CREATE TABLE {table} (ID BIGINT, START DATE, FINISH DATE, NOTE VARCHAR, PRIMARY KEY (ID, START))"
        f' WITH "CACHE_NAME={name},VALUE_TYPE={type_name},KEY_TYPE={type_name}Id"'
    )
    await admin.sql(f"INSERT INTO {table} VALUES (1, DATE '2024-01-02', DATE '2024-01-03', 'sql')")
    days = date(2024, 1, 2), date(2024, 1, 3)
    for number, create in ((2, True), (3, False)):
        # The first operation of a client that has yet to learn what the cluster knows, alone and in bulk.
        registry = ig.Registry()
        trip = release(registry)
        client = await connect(registry)
        trips = await client.cache(name, trip, create=create)
        await trips.save_many([trip(number, *days, "bulk"), trip(number + 10, days[0])])
        assert await trips[1, days[0]] == trip(1, *days, "sql")
        assert await trips[number + 10, days[0]] == trip(number + 10, days[0])
        assert await trips.replace((1, days[0]), trip(1, *days, "sql"), expected=trip(1, *days, "sql"))
        registry = ig.Registry()
        trip = release(registry)
        other = await (await connect(registry)).cache(name, trip, create=create)
        await other.save(trip(number + 20, *days, "one"))
    rows = await admin.sql(f"SELECT ID, START, FINISH FROM {table} WHERE START = ? ORDER BY ID", days[0])
    assert [tuple(row) for row in rows] == [
        (1, *days), (2, *days), (3, *days), (12, days[0], None), (13, days[0], None), (22, *days), (23, *days),
    ]  # fmt: skip
    assert (await admin.sql(f"UPDATE {table} SET FINISH = START WHERE FINISH = ?", days[1])).affected == 5
    found: Any = await trips[22, days[0]]
    assert found == type(found)(22, days[0], days[0], "one")
    await admin.sql(f"DROP TABLE {table}")


async def test_a_conflict_names_the_cache(connect: Connect, names: Name, group: str) -> None:
    """A field of another type is a SchemaConflictError with both types and the cache, from two clients at once."""
    first, second = ig.Registry(), ig.Registry()
    type_name, name, other_name = unique("Changed"), names(), names()

    @first.model(type_name=type_name)
    class Before:
        value: int

    @second.model(type_name=type_name)
    class After:
        value: str

    clients = [await connect(first), await connect(second)]
    caches = [await client.cache(name, int, Any, durability="fast", group=group) for client in clients]
    results = await asyncio.gather(caches[0].set(1, Before(1)), caches[1].set(2, After("x")), return_exceptions=True)
    (conflict,) = [result for result in results if result is not None]
    assert isinstance(conflict, ig.SchemaConflictError)
    assert {"long", "String"} <= set(str(conflict).split())
    assert conflict.cache == name
    assert str(conflict).endswith(f"(cache '{name}')")
    assert conflict.path == f"{type_name}.value"
    assert await caches[0].size() == 1

    loser = 0 if results[0] is not None else 1
    cls, value = (Before, 1) if loser == 0 else (After, "x")
    for work in (
        caches[loser].set(3, cls(value)),  # type: ignore[arg-type]
        caches[loser].update({3: cls(value)}),  # type: ignore[arg-type]
    ):
        with pytest.raises(ig.SchemaConflictError, match=name):
            await work
    with pytest.raises(ig.SchemaConflictError, match=other_name) as opening:
        await clients[loser].cache(other_name, int, cls, durability="fast", group=group)
    assert opening.value.cache == other_name


async def test_values_of_the_wrong_type(connect: Connect, names: Name, group: str) -> None:
    """A value of the wrong type for the cache is an EncodeError and a TypeError, before anything is sent."""
    registry = ig.Registry()

    @registry.model(type_name=unique("Right"))
    class Right:
        x: int

    @registry.model(type_name=unique("Wrong"))
    class Wrong:
        x: int

    client = await connect(registry)
    cache: Any = await client.cache(names(), int, Right, durability="fast", group=group)
    for key, value in ((1, Wrong(1)), (1, "x"), (1, {"x": 1}), ("a", Right(1)), (1, Right("x"))):  # type: ignore[arg-type]
        for work in (cache.set(key, value), cache.add(key, value), cache.update([(key, value)])):
            with pytest.raises(ig.EncodeError) as caught:
                await work
            assert isinstance(caught.value, TypeError)
    assert await cache.size() == 0


async def test_classes_of_all_sorts(connect: Connect, names: Name, group: str) -> None:
    """Private fields, defaults, converters, validators, class variables and cached properties are as attrs has them."""
    registry = ig.Registry()

    @registry.model(type_name=unique("Base"))
    @attrs.define(kw_only=True)
    class Base:
        region: Annotated[str, ig.key()]
        number: Annotated[int, ig.key(in_value=True)]

    @registry.model(type_name=unique("Rich"))
    class Rich(Base):
        limit: ClassVar[int] = 5
        _secret: int = 7
        name: str = attrs.field(default="", converter=str.strip, validator=attrs.validators.max_len(5))
        tags: list[str] = ig.field(factory=list)
        seen: int = attrs.field(init=False, default=3)

        @functools.cached_property
        def title(self) -> str:
            return self.name.title()

    @registry.model(type_name=unique("Data"))
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Data:
        id: Annotated[int, ig.key()]
        rich: Rich | None = None
        pairs: tuple[tuple[str, Rich], ...] = ()
        total: int = dataclasses.field(default=9, init=False)
        limit: ClassVar[int] = 5

    client = await connect(registry)
    riches = await client.cache(names(), Rich, durability="fast", group=group)
    rich: Any = Rich(region="eu", number=5, secret=8, name=" bob ", tags=["a"])
    rich.seen = 4
    assert rich.title == "Bob"
    await riches.save(rich)
    found = await riches["eu", 5]
    assert found == rich
    assert (found._secret, found.seen, found.title, found.name) == (8, 4, "Bob", "bob")
    raw = await (await connect(ig.Registry())).cache(riches.name, Any, Any)
    (stored,) = await raw.values().to_list()
    assert set(stored.to_dict()) == {"number", "_secret", "name", "tags", "seen"}

    data = await client.cache(names(), Data, durability="fast", group=group)
    value = Data(id=1, rich=rich, pairs=(("x", rich),))
    await data.save(value)
    assert await data[1] == value
    assert (await data[1]).rich.region == "eu"


@pytest.fixture
async def other_url() -> AsyncIterator[str]:
    """Another cluster."""
    async with local_cluster(nodes=1) as running:
        yield running.url


@pytest.mark.stress  # starts nodes of its own
async def test_two_clusters(url: str, other_url: str, names: Name) -> None:
    """The same classes work in two clusters at once that know different things of their types."""
    registry, strange, contrary = ig.Registry(), ig.Registry(), ig.Registry()
    spot, key, mood = unique("Spot"), unique("SpotId"), unique("Mood")
    name = names()

    @registry.enum(type_name=mood)
    class Mood(enum.Enum):
        GOOD = 1
        BAD = 2

    @registry.model(type_name=spot, key_type_name=key)
    class Spot:
        x: int = ig.key()
        y: str = ig.key()
        day: date = date(2024, 1, 2)
        mood: Mood = Mood.GOOD

    @strange.model(type_name=spot, key_type_name=key)
    class OtherSpot:
        y: str = ig.key()
        x: int = ig.key()
        more: float = 0.5
        day: Any = date(2024, 1, 1)

    @contrary.model(type_name=spot, key_type_name=key)
    class ContrarySpot:
        x: int = ig.key()
        y: str = ig.key()
        day: str = ""

    spots = [Spot(n, f"y{n}", date(2024, 1, 1 + n), Mood.BAD) for n in range(20)]
    async with (
        ig.connect(other_url, registry=strange) as before,
        ig.connect(url, registry=registry) as here,
        ig.connect(other_url, registry=registry) as there,
        ig.connect(other_url, registry=contrary) as conflicting,
    ):
        others = await before.cache(name, OtherSpot, durability="fast")
        await others.save(OtherSpot("y0", 0, 1.5))
        caches = [await client.cache(name, Spot, durability="fast") for client in (here, there)]
        assert (await caches[1].get((0, "y0"), "absent")) != "absent"  # the other cluster's order of the key's fields
        async with asyncio.TaskGroup() as tasks:
            for cache in caches:
                tasks.create_task(cache.save_many(spots[1:]))
                tasks.create_task(
                    cache.modify((0, "y0"), lambda found: found) if cache is caches[1] else cache.save(spots[0])
                )
        for cache in caches:
            assert await cache.get_many([(each.x, each.y) for each in spots[1:]]) == {
                ig.key_class(Spot, registry=registry)(each.x, each.y): each for each in spots[1:]
            }
        assert await others["y5", 5] == OtherSpot("y5", 5, 0.5, date(2024, 1, 6))
        # What one cluster knows is no news to the other.
        number = registry.spec(Spot)
        known = [client.raw.mapping_codecs.known for client in (here, there)]
        model = registry.find(Spot)
        assert model is not None
        fields = [{each.name: each.code for each in one.types[model.schema.value.id].fields.values()} for one in known]
        assert fields == [{"day": 11, "mood": 28}, {"more": 6, "day": 103, "mood": 28}]
        assert number is registry.spec(Spot)
        with pytest.raises(ig.EncodeError):
            await (await conflicting.cache(name, Any, Any)).set(1, Spot(1, "a"))
        cache = await conflicting.cache(name, ContrarySpot)  # an Object there, which takes a str
        await cache.save(ContrarySpot(50, "z", "text"))
        assert (await others["z", 50]).day == "text"
