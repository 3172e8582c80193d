"""Models in a real cluster: saved, read, found by SQL, announced once, kept across versions of a class."""

import array
import asyncio
import datetime as dt
import enum
import uuid
from collections import Counter
from decimal import Decimal
from typing import Annotated, Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.protocol.key_hash import hash_of, partition_of
from tests.models.conftest import Connect, Name, unique


def count_types(client: ig.Client) -> Counter[str]:
    """Counts the requests about types that a client makes from now on."""
    counts: Counter[str] = Counter()
    metadata = client.raw.session.metadata
    call = metadata._call

    def counted(request: Any, **options: Any) -> Any:
        counts[type(request).__name__] += 1
        return call(request, **options)

    metadata._call = counted
    return counts


class Everything:
    """Classes of one registry with every type of field; their types are new to the cluster."""

    def __init__(self, registry: ig.Registry) -> None:
        @registry.enum(type_name=unique("Color"))
        class Color(enum.Enum):
            RED = "r"
            GREEN = "g"

        @registry.model(type_name=unique("Address"))
        class Address:
            street: str
            zip: ig.Int = 0

        @registry.model(type_name=unique("Shop"))
        class Shop:
            name: str

        @registry.model(type_name=unique("Rich"))
        class Rich:
            id: int = ig.key()
            byte: ig.Byte = 1
            short: ig.Short = -2
            int_: ig.Int = 2**31 - 1
            long: int = -(2**63)
            float_: ig.Float = 0.5
            double: float = 0.1
            yes: bool = True
            char: ig.Char = "ß"
            text: str = "a\0b 😀"
            raw: bytes = b"\0\xff"
            price: Decimal = Decimal("1.10")
            when: dt.datetime = dt.datetime(2024, 2, 29, 1, 2, 3, 456789, dt.UTC)
            day: dt.date = dt.date(1969, 7, 20)
            clock: dt.time = dt.time(23, 59, 59, 999000)
            took: dt.timedelta = dt.timedelta(hours=-1, milliseconds=5)
            key: uuid.UUID = uuid.UUID(int=2**127 + 3)
            color: Color = Color.GREEN
            nothing: int | None = None
            either: int | str = "x"
            anything: Any = None
            home: Address | None = None
            place: Address | Shop | None = None
            homes: list[Address] = ig.field(factory=list)
            names: list[str | None] = ig.field(factory=list)
            tags: set[str] = ig.field(factory=set)
            frozen: frozenset[int] = frozenset()
            pair: tuple[int, str] = (1, "a")
            many: tuple[int, ...] = ()
            scores: dict[str, float] = ig.field(factory=dict)
            colors: dict[Color, list[Color]] = ig.field(factory=dict)
            doubles: Annotated[list[float], ig.Array] = ig.field(factory=list)
            strings: Annotated[list[str], ig.Array] = ig.field(factory=list)
            uuids: Annotated[list[uuid.UUID], ig.Array] = ig.field(factory=list)
            enums: Annotated[list[Color], ig.Array] = ig.field(factory=list)
            models: Annotated[list[Address], ig.Array] = ig.field(factory=list)

        self.color: Any = Color
        self.address: Any = Address
        self.shop: Any = Shop
        self.rich: Any = Rich

    def full(self, number: int) -> Any:
        color, address = self.color, self.address
        return self.rich(
            number,
            nothing=5,
            either=7,
            anything=[address("any"), {"a": color.RED}, (1, None), array.array("q", [1, 2])],
            home=address("Main 1", 12345),
            place=self.shop("Bakery"),
            homes=[address("a"), address("b", -1)],
            names=["a", None, ""],
            tags={"x", "y", "z"},
            frozen=frozenset({1, 2, 3}),
            pair=(-1, "b"),
            many=(1, 2, 3),
            scores={"a": 1.5, "b": -0.0},
            colors={color.RED: [color.GREEN], color.GREEN: []},
            doubles=[1.5, float("inf")],
            strings=["a", "😀"],
            uuids=[uuid.UUID(int=5)],
            enums=[color.RED, color.GREEN],
            models=[address("m")],
        )


async def test_every_type_of_field(connect: Connect, names: Name, group: str) -> None:
    """A model with a field of every type comes back equal from get, items, save_many, swap and another client."""
    registry = ig.Registry()
    every = Everything(registry)
    client = await connect(registry)
    cache = await client.cache(names(), every.rich, durability="fast", group=group)
    plain, full = every.rich(1), every.full(2)
    await cache.save(plain)
    await cache.save(full)
    assert await cache[1] == plain
    assert await cache[2] == full
    await cache.save_many([every.full(number) for number in range(3, 50)])
    assert await cache.size() == 49
    items = await cache.items(page_size=7).to_dict()
    assert items == {1: plain, **{number: every.full(number) for number in range(2, 50)}}
    assert await cache.get_many([1, 2, 99]) == {1: plain, 2: full}
    assert await cache.replace(2, ig.evolve(full, text="new"), expected=full)
    assert (await cache.modify(2, lambda rich: ig.evolve(rich, text="newer"))).text == "newer"
    assert await cache.swap(2, full) == ig.evolve(full, text="newer")
    assert await cache.delete(2, expected=full)
    assert await cache.remove(plain)
    assert not await cache.remove(plain)
    with pytest.raises(ig.EncodeError, match="key differs"):
        await cache.set(5, full)
    with pytest.raises(TypeError):
        await cache.save("no model")
    other = await connect(registry)
    again = await other.cache(cache.name, every.rich)
    assert await again[3] == every.full(3)
    with pytest.raises(ig.EncodeError, match=r"byte: the number is out of range"):
        await cache.save(every.rich(700, byte=300))
    assert await cache.get(700) is None


async def test_composite_keys(connect: Connect, names: Name, group: str) -> None:
    """Several key fields make a key object; a tuple stands for it everywhere, and keys come back as the key class."""
    registry = ig.Registry()

    @registry.model(type_name=unique("Order"))
    class Order:
        customer: str = ig.key()
        number: ig.Int = ig.key()
        total: Decimal = Decimal(0)
        lines: list[str] = ig.field(factory=list)

    key_class: Any = ig.key_class(Order, registry=registry)
    client = await connect(registry)
    cache = await client.cache(names(), Order, durability="fast", group=group)
    orders = [Order(f"c{n % 5}", n, Decimal(n) / 4, [str(n)]) for n in range(40)]
    await cache.save_many(orders)
    assert await cache["c1", 1] == orders[1]
    assert await cache[key_class("c1", 1)] == orders[1]
    assert await cache.get(("c1", 2)) is None
    assert await cache.contains_all([("c0", 0), key_class("c1", 1)])
    assert await cache.get_many([("c0", 0)]) == {("c0", 0): orders[0]} or await cache.get_many(
        [key_class("c0", 0)]
    ) == {key_class("c0", 0): orders[0]}
    assert await cache.items().to_dict() == {key_class(each.customer, each.number): each for each in orders}
    assert set(await cache.keys().to_list()) == {key_class(each.customer, each.number) for each in orders}
    await cache.set(("c9", 9), Order("c9", 9))
    assert await cache.delete(("c9", 9))
    with pytest.raises(ig.EncodeError, match="key differs"):
        await cache.set(("c9", 8), Order("c9", 9))
    rows = await client.sql(
        f"SELECT customer, number, total FROM {cache.table} WHERE customer = ? ORDER BY number", "c1"
    )
    assert [tuple(row) for row in rows][:2] == [("c1", 1, Decimal("0.25")), ("c1", 6, Decimal("1.5"))]
    assert await cache.remove(orders[1])
    assert await cache.size() == 39


async def test_models_that_can_not_be_keys(connect: Connect, names: Name) -> None:
    """A key model that Python can't hash, or that holds what it can't, is a ModelError before anything is made."""
    registry = ig.Registry()

    @registry.model
    class Mutable:
        x: int

    @registry.model
    @attrs.frozen
    class Listed:
        x: list[int]

    client = await connect(registry)
    for cls in (Mutable, Listed):
        with pytest.raises(ig.ModelError, match=f"{cls.__name__} can't be a key"):
            await client.cache(names(), cls, int)


async def test_sql_over_a_model(connect: Connect, names: Name, group: str) -> None:
    """A model's table has its fields as columns, with index, precision, enum and nested objects."""
    registry = ig.Registry()

    @registry.enum(type_name=unique("Rank"))
    class Rank(enum.Enum):
        LOW = 1
        HIGH = 2

    @registry.model(type_name=unique("Place"))
    class Place:
        street: str

    @registry.model(type_name=unique("Worker"), rename="camel")
    class Worker:
        id: int = ig.key()
        full_name: str = ig.field(index=True)
        city_id: ig.Int = ig.field(index=ig.Index("BY_CITY_AGE", order=1))
        age: ig.Short = ig.field(index=ig.Index("BY_CITY_AGE", order=2, descending=True))
        salary: Annotated[Decimal, ig.sql(precision=7, scale=2)] = Decimal("0.00")
        rank: Rank = Rank.LOW
        home: Place | None = None
        since: dt.datetime | None = None
        ref: uuid.UUID | None = None
        tags: list[str] = ig.field(factory=list)

    client = await connect(registry)
    cache = await client.cache(names(), Worker, durability="fast", group=group)
    workers = [
        Worker(
            n, f"w{n}", n % 3, 20 + n, Decimal(n) + Decimal("0.50"), Rank.HIGH if n % 2 else Rank.LOW, Place(f"s{n}"),
            dt.datetime(2024, 1, 1 + n, tzinfo=dt.UTC), uuid.UUID(int=n), ["a"],
        )
        for n in range(20)
    ]  # fmt: skip
    await cache.save_many(workers)
    table = cache.table
    rows = await client.sql(f"SELECT id, fullName, age, salary, ref, since FROM {table} WHERE fullName = ?", "w3")
    assert [tuple(row) for row in rows] == [
        (3, "w3", 23, Decimal("3.50"), uuid.UUID(int=3), dt.datetime(2024, 1, 4, tzinfo=dt.UTC))
    ]
    rows = await client.sql(f"SELECT rank, home FROM {table} WHERE id = ?", 3)
    assert tuple(rows[0]) == (Rank.HIGH, Place("s3"))
    rows = await client.sql(f"SELECT fullName FROM {table} WHERE cityId = 1 AND age > 25 ORDER BY age")
    assert [row[0] for row in rows] == [f"w{n}" for n in range(20) if n % 3 == 1 and n > 5]

    (plan,) = (await client.sql(f"EXPLAIN SELECT id FROM {table} WHERE fullName = 'w3'"))[0]
    assert table.split(".")[1].strip('"') + "_FULLNAME_IDX" in plan.upper()
    indexes = await client.sql("SELECT index_name, columns FROM SYS.INDEXES WHERE cache_name = ?", cache.name)
    found = {row[0]: row[1] for row in indexes}
    assert '"CITYID" ASC, "AGE" DESC' in found["BY_CITY_AGE"]

    columns = await client.sql(
        "SELECT column_name, type, precision, scale FROM SYS.TABLE_COLUMNS WHERE schema_name = ?", cache.name
    )
    by_name = {row[0]: tuple(row)[1:] for row in columns}
    assert by_name["SALARY"] == ("java.math.BigDecimal", 7, 2)
    assert by_name["AGE"][0] == "java.lang.Short"
    with pytest.raises(ig.ServerError):
        await cache.save(Worker(99, "x", 1, 1, Decimal("123456.789")))
    assert await cache.get(99) is None

    # What SQL writes, the model reads; what SQL leaves out has the class's default.
    insert = f"INSERT INTO {table} (id, fullName, cityId, age, salary) VALUES (?, ?, ?, ?, ?)"
    await client.sql(insert, 50, "sql", 1, 30, Decimal("1.00"))
    assert await cache[50] == Worker(50, "sql", 1, 30, Decimal("1.00"))
    await client.sql(f"UPDATE {table} SET fullName = ?, since = NULL, age = NULL WHERE id = 4", "updated")
    with pytest.raises(ig.DecodeError, match=r"Worker\.age: null where short is declared"):
        await cache[4]
    await client.sql(f"UPDATE {table} SET age = 5 WHERE id = 4")
    assert await cache[4] == ig.evolve(workers[4], full_name="updated", since=None, age=5)


async def test_types_are_announced_once(connect: Connect, names: Name, group: str) -> None:
    """The first object of a type announces it, the others don't, and another client learns it with one question."""
    registry = ig.Registry()
    every = Everything(registry)
    client = await connect(registry)
    name = names()
    counts = count_types(client)
    cache = await client.cache(name, int, every.rich, durability="fast", group=group)
    await cache.set(2, every.full(2))
    # Rich, Address, Shop and Color.
    assert counts == {"GetBinaryType": 4, "PutBinaryType": 4, "RegisterBinaryTypeName": 4}
    for number in range(3, 10):
        await cache.set(number, every.full(number))
    await cache.update({number: every.full(number) for number in range(10, 50)})
    assert (await cache.values().to_list())[0].color is every.color.GREEN
    assert counts.total() == 12

    other = await connect(registry)
    counts = count_types(other)
    again = await other.cache(name, int, every.rich)
    assert await again[2] == every.full(2)
    await again.set(3, every.full(3))
    assert counts == {"GetBinaryType": 4}


async def test_twenty_tasks_save_the_first_object(connect: Connect, names: Name, group: str) -> None:
    """Tasks that save the first objects of a type at once announce it once."""
    registry = ig.Registry()
    every = Everything(registry)
    client = await connect(registry)
    counts = count_types(client)
    cache = await client.cache(names(), int, every.rich, durability="fast", group=group)
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(cache.set(number, every.full(number)))
    assert counts == {"GetBinaryType": 4, "PutBinaryType": 4, "RegisterBinaryTypeName": 4}
    assert await cache.items().to_dict() == {number: every.full(number) for number in range(20)}


async def test_two_clients_save_the_first_object(connect: Connect, names: Name, group: str) -> None:
    """Two programs that save the first objects of a type at once both succeed."""
    first, second = ig.Registry(), ig.Registry()
    type_name = unique("Shared")

    @first.model(type_name=type_name)
    class One:
        name: str
        a: int = 0

    @second.model(type_name=type_name)
    class Two:
        name: str
        b: float = 0.0

    name = names()
    caches = [
        await (await connect(first)).cache(name, int, One, durability="fast", group=group),
        await (await connect(second)).cache(name, int, Two),
    ]
    async with asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(caches[0].set(number, One("one", number)))
            tasks.create_task(caches[1].set(100 + number, Two("two", number / 2)))
    assert await caches[0][105] == One("two")
    assert await caches[1][5] == Two("one")
    third = ig.Registry()

    @third.model(type_name=type_name)
    class Three:
        name: str
        a: int = 0
        b: float = 0.0

    cache = await (await connect(third)).cache(name, int, Three)
    assert await cache[5] == Three("one", 5)
    assert await cache[105] == Three("two", 0, 2.5)


async def test_a_field_of_another_type(connect: Connect, names: Name, group: str) -> None:
    """A field that the cluster has as another type is a SchemaConflictError that names both; nothing is stored."""
    first, second = ig.Registry(), ig.Registry()
    type_name = unique("Changed")

    @first.model(type_name=type_name)
    class Before:
        value: int

    @second.model(type_name=type_name)
    class After:
        value: str

    name = names()
    cache = await (await connect(first)).cache(name, int, Before, durability="fast", group=group)
    await cache.set(1, Before(1))
    client = await connect(second)
    with pytest.raises(ig.SchemaConflictError, match=rf"{type_name}\.value is long in the cluster and String in this"):
        await client.cache(name, int, After)
    untyped = await client.cache(name, int, Any)
    for _ in range(2):
        with pytest.raises(ig.SchemaConflictError, match="long in the cluster and String"):
            await untyped.set(2, After("x"))
    assert await cache.size() == 1
    with pytest.raises(ig.DecodeError, match=r"After\.value: "):
        await untyped[1]

    third = ig.Registry()

    @third.enum(type_name=type_name)
    class Changed(enum.Enum):
        A = 1

    colors = await (await connect(third)).cache(name, int, Any)
    with pytest.raises(ig.SchemaConflictError, match="is a class in the cluster and an enum in this program"):
        await colors.set(3, Changed.A)


async def test_unknown_types_are_inert(connect: Connect, names: Name, group: str) -> None:
    """An object of a type that the program does not have is a BinaryObject, which writes back byte-identical."""
    registry = ig.Registry()
    every = Everything(registry)
    name = names()
    writer = await connect(registry)
    cache = await writer.cache(name, int, every.rich, durability="fast", group=group)
    await cache.set(1, every.full(1))
    stranger = await connect(ig.Registry())
    untyped = await stranger.cache(name, int, Any)
    found = await untyped[1]
    assert isinstance(found, ig.BinaryObject)
    model = registry.find(every.rich)
    assert model is not None
    assert found.type_name == model.type_name
    assert found.text == "a\0b 😀"
    assert found["home"].street == "Main 1"
    assert found.to_dict()["price"] == Decimal("1.10")
    await untyped.set(2, found)
    assert bytes(await untyped[2]) == bytes(found)
    assert await untyped.replace(1, "gone", expected=found)
    assert await cache[2] == every.full(2)  # the key, which is not in the value, is another


async def test_evolution(connect: Connect, names: Name, group: str) -> None:
    """Older code reads, changes and writes what newer code wrote, and loses nothing; newer code reads the old."""
    old, new = ig.Registry(), ig.Registry()
    type_name = unique("Evolved")

    @old.model(type_name=type_name)
    class Person:
        id: int = ig.key()
        name: str = ""
        nick: str = ""

    @new.model(type_name=unique("Friend"))
    class Friend:
        name: str

    @new.model(type_name=type_name)
    class NewPerson:
        id: int = ig.key()
        email: str | None = None
        name: str = ""
        called: str = ig.field(default="", aliases=("nick",))
        friends: list[Friend] = ig.field(factory=list)
        home: Friend | None = None

    name = names()
    before = await (await connect(old)).cache(name, Person, durability="fast", group=group)
    await before.save(Person(1, "Ann", "a"))
    after = await (await connect(new)).cache(name, NewPerson)
    assert await after[1] == NewPerson(1, None, "Ann", "a")
    full = NewPerson(2, "b@c.d", "Bob", "", [Friend("x"), Friend("y")], Friend("z"))
    await after.save(full)
    read = await before[2]
    assert read == Person(2, "Bob")
    await before.save(ig.evolve(read, name="Bobby"))
    assert await after[2] == ig.evolve(full, name="Bobby")
    await before.modify(2, lambda person: ig.evolve(person, name="Rob"))
    assert await after[2] == ig.evolve(full, name="Rob")
    people = await before.values().to_list()
    await before.save_many(ig.evolve(person, name=person.name.upper()) for person in people)
    assert await after[2] == ig.evolve(full, name="ROB")
    # Unmodified, it is the same to the server, too.
    assert await before.replace(2, await before[2], expected=await before[2])

    strict = ig.Registry()

    @strict.model(type_name=type_name, unknown_fields="forbid")
    class Strict:
        id: int = ig.key()
        name: str = ""

    forbidding = await (await connect(strict)).cache(name, Strict)
    with pytest.raises(ig.DecodeError, match="does not have: .*email"):
        await forbidding[2]


async def test_affinity_fields_route(connect: Connect, names: Name, group: str) -> None:
    """A key with an affinity field lives in the partition of that field, and operations go straight to its node."""
    registry = ig.Registry()

    @registry.model(type_name=unique("Sale"))
    class Sale:
        region: int = ig.key(affinity=True)
        number: ig.Int = ig.key()
        amount: float = 0.0

    @registry.model(type_name=unique("SaleId"))
    @attrs.frozen
    class SaleId:
        number: int
        region: Annotated[str, ig.field(affinity=True)]

    client = await connect(registry)
    sales = await client.cache(names(), Sale, durability="fast")
    by_id = await client.cache(names(), SaleId, int, durability="fast", group=group)
    regions = range(100, 130)
    await sales.save_many(Sale(region, number) for region in regions for number in range(4))
    await by_id.update({SaleId(number, f"r{region}"): 1 for region in regions for number in range(4)})
    for region in regions:
        partition = partition_of(hash_of(b"\x04" + region.to_bytes(8, "little")) or 0, 1024)
        found = await sales.keys(partition=partition).to_list()
        assert {key.number for key in found if key.region == region} == {0, 1, 2, 3}
        text = f"r{region}".encode()
        partition = partition_of(hash_of(b"\x09" + len(text).to_bytes(4, "little") + text) or 0, 1024)
        others = await by_id.keys(partition=partition).to_list()
        assert {key.number for key in others if key.region == f"r{region}"} == {0, 1, 2, 3}

    for cache, keys in (
        (sales, [(region, number) for region in regions for number in range(4)]),
        (by_id, [SaleId(number, f"r{region}") for region in regions for number in range(4)]),
    ):
        statistics = client.raw.session.statistics
        routed, to_owner = statistics.routed, statistics.to_owner
        for key in keys:
            assert await cache.contains(key)
        assert statistics.routed - routed == statistics.to_owner - to_owner == len(keys)
