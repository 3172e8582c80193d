"""Queries of models on a real cluster: rows, order, groups, changes, index queries, and caches without a table."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest

import ignitemap as ig
from ignitemap.exceptions import QueryError, SchemaConflictError, ServerError, SqlError
from ignitemap.mapping.cache import Cache
from tests.mapping.conftest import MakeCache


class Level(Enum):
    """Of a guest."""

    LOW = 1
    HIGH = 2


@ig.model(type_name="tests.query.Room")
class Room:
    """Part of a guest."""

    number: int = 0


@ig.model(type_name="tests.query.Guest")
class Guest:
    """A guest whose key is a field."""

    id: ig.Int = ig.key()
    name: str = ""
    age: ig.Int = ig.field(default=0, index=ig.Index("BY_AGE_NAME", order=1))
    city: str = ig.field(default="", index=ig.Index("BY_AGE_NAME", order=2))
    nick: str | None = None
    paid: Decimal = Decimal(0)
    born: date = date(2000, 1, 1)
    at: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    clock: time = time(0)
    took: timedelta = timedelta(0)
    token: UUID = UUID(int=1)
    level: Level = Level.LOW
    height: ig.Float = 0.0
    small: ig.Byte = 0
    ok: bool = False
    photo: bytes = b""
    tags: tuple[str, ...] = ()
    marks: frozenset[int] = frozenset()
    room: Room | None = None
    numbers: Annotated[list[float], ig.Array] = ig.field(factory=list)


@ig.model(type_name="tests.query.Order")
class Order:
    """A model whose name and fields are words of SQL, and whose key is made of several fields."""

    select: str = ig.key()
    number: ig.Int = ig.key()
    group: int = 0
    value: str = ""


@ig.model(type_name="tests.query.Measure")
class Measure:
    """Numbers with a fraction."""

    id: ig.Int = ig.key()
    real: float = 0.0
    price: Decimal = Decimal(0)


GUESTS = [
    Guest(id=1, name="Ann", age=41, city="Graz", nick="a", paid=Decimal("1.50"), level=Level.HIGH, ok=True),
    Guest(id=2, name="Ben", age=37, city="Linz", paid=Decimal("2.25"), tags=("x", "y"), marks=frozenset({1, 2})),
    Guest(id=3, name="Cleo", age=37, city="Graz", nick="c", room=Room(number=7), numbers=[1.0, 2.0]),
    Guest(id=4, name="Dora", age=29, city="Graz", born=date(1970, 1, 1), took=timedelta(seconds=3), photo=b"p"),
]

Guests = Cache[int, Guest]


@pytest.fixture
async def guests(make_cache: MakeCache) -> Guests:
    """A cache of four guests."""
    cache = await make_cache(Guest)
    await cache.save_many(GUESTS)
    return cache


async def test_rows_are_whole_models(guests: Guests) -> None:
    """Models come out of a query as out of a get: with their key, and every field as its type."""
    assert await guests.where().order_by(lambda p: p.id).all() == GUESTS
    assert await guests.where(lambda p: p.id == 3).one() == GUESTS[2]


async def test_models_with_a_key_of_several_fields(make_cache: MakeCache) -> None:
    """So do those whose key is made of several fields, even where all names are words of SQL."""
    orders = await make_cache(Order)
    made = [Order(select="a", number=number, group=number % 2, value=str(number)) for number in range(5)]
    await orders.save_many(made)
    found = await orders.where(lambda p: (p.select == "a") & (p.number > 1)).order_by(lambda p: p.number).all()
    assert found == made[2:]
    assert await orders.where(lambda p: p.group == 1).update(value="odd") == 2
    assert await orders.where(lambda p: p.value == "odd").delete() == 2
    assert await orders.size() == 3


async def test_plain_keys(make_cache: MakeCache) -> None:
    """A model under a key of another type is found by the key as `ig.col("_key")`."""
    rooms = await make_cache(int, Room)
    await rooms.update({1: Room(number=7), 2: Room(number=8)})
    assert await rooms.where(lambda p: ig.col("_key") == 2).all() == [Room(number=8)]
    assert await rooms.where(lambda p: p.number == 7).select(lambda p: (ig.col("_key"), p.number)).all() == [(1, 7)]


async def test_order_limit_and_offset(guests: Guests) -> None:
    """Rows come in the order that was asked for, null first, from the offset on and up to the limit."""
    names = guests.where().select(lambda p: p.name)
    assert await names.order_by(lambda p: p.age).order_by(lambda p: p.name, desc=True).all() == ["Dora", "Cleo", "Ben", "Ann"]  # fmt: skip
    assert await names.order_by(lambda p: (p.nick, p.id)).all() == ["Ben", "Dora", "Ann", "Cleo"]
    assert await names.order_by(lambda p: p.id, desc=True).limit(2).offset(1).all() == ["Cleo", "Ben"]
    assert await names.order_by(lambda p: p.id).offset(3).all() == ["Dora"]
    assert await names.limit(0).all() == []


async def test_many_values(guests: Guests) -> None:
    """is_in takes thousands of values, each a parameter."""
    names = [f"x{number}" for number in range(5_000)]
    some = guests.where(lambda p: ig.is_in(p.id, range(2, 5_000)) & ig.not_(ig.is_in(p.name, names)))
    assert len(some.params) == 4_998 + 5_000
    assert await some.count() == 3


async def test_whole_entries_are_selected(guests: Guests) -> None:
    """An entry itself is a column like others, over a scan, too."""
    older = guests.where(lambda p: p.age > 37)
    assert await older.select(lambda p: (p.id, p)).all() == [(1, GUESTS[0])]
    assert await older.select(lambda p: p).all() == [GUESTS[0]]
    scanned = Cache[Any, Any](guests.raw, guests._typed, schema=guests._schema)
    found = scanned.where(lambda p: p.age > 37, allow_scan=True)
    assert await found.select(lambda p: (p.id, p)).all() == [(1, GUESTS[0])]


async def test_single_rows(guests: Guests) -> None:
    """first, one and one_or_none tell none, one and several rows apart."""
    by_age = guests.where(lambda p: p.age == 37).order_by(lambda p: p.id)
    assert await by_age.first() == GUESTS[1]
    with pytest.raises(QueryError, match="more than one"):
        await by_age.one()
    with pytest.raises(QueryError, match="more than one"):
        await by_age.one_or_none()
    assert await by_age.limit(1).one() == GUESTS[1]
    nobody = guests.where(lambda p: p.age == 99)
    assert await nobody.first() is None
    assert await nobody.first(3) == 3
    assert await nobody.one_or_none() is None
    with pytest.raises(KeyError):
        await nobody.one()


async def test_count_and_exists(guests: Guests) -> None:
    """Rows are counted and looked for on the server, with limit and offset."""
    graz = guests.where(lambda p: p.city == "Graz")
    assert await graz.count() == 3
    assert await graz.limit(2).count() == 2
    assert await graz.offset(2).count() == 1
    assert await graz.offset(5).count() == 0
    assert await graz.exists()
    assert not await graz.offset(3).exists()
    assert not await graz.limit(0).exists()
    assert not await guests.where(lambda p: p.city == "Wien").exists()
    assert await guests.where().group_by(lambda p: p.city).count() == 2


async def test_streaming(guests: Guests) -> None:
    """Rows are streamed page by page; a cursor is closed with its block, and can't be read on."""
    found = guests.where(page_size=1).order_by(lambda p: p.id)
    assert [guest.id async for guest in found] == [1, 2, 3, 4]
    async with found as rows:
        async for guest in rows:
            assert guest.id == 1
            break
    async with found as rows:
        with pytest.raises(RuntimeError, match="closed"):
            async for _ in rows:
                await rows.aclose()


async def test_selected_columns_have_their_types(guests: Guests) -> None:
    """Each selected field comes as its declared type, which SQL's own column does not always tell."""
    fields = [each for each in Guest.__annotations__ if each != "id"]
    for guest in GUESTS:
        for field in fields:
            found = guests.where(lambda p, guest=guest: p.id == guest.id).select(
                lambda p, field=field: getattr(p, field)
            )
            value = await found.one()
            assert value == getattr(guest, field), field
            assert type(value) is type(getattr(guest, field)), field


async def test_expressions_are_selected(guests: Guests) -> None:
    """Computed columns are selected beside fields."""
    found = guests.where(lambda p: p.id == 2).select(
        lambda p: (p.name.lower(), p.age * 2, p.age / 2, ig.coalesce(p.nick, "-"), p.age > 30, p.name + "!", -p.paid)
    )
    assert await found.one() == ("ben", 74, 18.5, "-", True, "Ben!", Decimal("-2.25"))
    parts = guests.where(lambda p: (p.at.year == 2000) & (p.born.month == 1) & (p.clock.hour == 0) & (p.id == 2))
    assert await parts.select(lambda p: (p.born.day, p.at.minute, p.clock.second, p)).one() == (1, 0, 0, GUESTS[1])


async def test_rounding(make_cache: MakeCache) -> None:
    """Floats and Decimals are rounded half away from zero, on a node as over a scan; what has no fraction stays."""
    cache = await make_cache(Measure)
    floats = [0.125, -0.125, 2.675, 0.5, -0.0, 1e300, float("inf"), float("-inf"), 12345678.905, 0.0]
    made = [Measure(id=number, real=real, price=Decimal(number - 5) / 8 * 10**24) for number, real in enumerate(floats)]
    await cache.save_many(made)
    scanned = Cache[Any, Any](cache.raw, cache._typed, schema=cache._schema)
    for digits in (0, 1, 2, 15):
        rows = [
            query.order_by(lambda p: p.id).select(lambda p: (round(p.real, digits), round(p.price, digits)))  # noqa: B023 - called at once
            for query in (cache.where(), scanned.where(allow_scan=True))
        ]
        found, expected = [await each.all() for each in rows]
        assert found == expected
    exact = cache.where().order_by(lambda p: p.id).select(lambda p: round(p.real, 2))
    assert await exact.all() == [0.13, -0.13, 2.68, 0.5, 0.0, 1e300, float("inf"), float("-inf"), 12345678.91, 0.0]


async def test_the_mean_of_decimals_is_exact(make_cache: MakeCache) -> None:
    """The mean of equal Decimals on several nodes is that Decimal, and None of none."""
    cache = await make_cache(Measure)
    await cache.save_many([Measure(id=number, price=Decimal("2.345")) for number in range(100)])
    assert await cache.where().select(lambda p: ig.avg(p.price)).one() == Decimal("2.345")
    assert await cache.where(lambda p: p.id > 500).select(lambda p: ig.avg(p.price)).one() is None


async def test_groups_on_cluster(guests: Guests) -> None:
    """Groups have aggregates of Python's types; the mean of ints is not cut off."""
    rows = (
        guests.where()
        .group_by(lambda p: p.city)
        .order_by(lambda p: ig.count(), desc=True)
        .select(
            lambda p: (
                p.city,
                ig.count(),
                ig.count(p.nick),
                ig.sum_(p.age),
                ig.avg(p.age),
                ig.min_(p.born),
                ig.max_(p.took),
            )
        )
    )
    assert await rows.all() == [
        ("Graz", 3, 2, 107, pytest.approx(107 / 3), date(1970, 1, 1), timedelta(seconds=3)),
        ("Linz", 1, 0, 37, 37.0, date(2000, 1, 1), timedelta(0)),
    ]
    assert await guests.where().group_by(lambda p: p.city).having(lambda p: ig.count() > 1).all() == ["Graz"]
    assert await guests.where().select(lambda p: (ig.sum_(p.paid), ig.max_(p.name))).one() == (Decimal("3.75"), "Dora")
    assert await guests.where(lambda p: p.age > 99).select(lambda p: ig.sum_(p.age)).one() is None
    assert await guests.where().select(lambda p: ig.count(p.age, distinct=True)).one() == 3


async def test_delete(guests: Guests) -> None:
    """The entries that meet the conditions are removed and counted, also by a key that is narrower than a long."""
    assert await guests.where(lambda p: p.id == 2).delete() == 1
    assert await guests.where(lambda p: p.age > 39).delete() == 1
    assert sorted([key async for key in guests]) == [3, 4]
    assert await guests.where().delete() == 2
    assert await guests.size() == 0


async def test_update(guests: Guests) -> None:
    """Fields of every kind are changed, by value or by expression, and all others stay."""
    changes: dict[str, Any] = {
        "name": "Zoe", "nick": None, "paid": Decimal("9.99"), "born": date(1980, 2, 29), "at": datetime(2024, 1, 1, tzinfo=UTC),
        "clock": time(1), "took": timedelta(minutes=1), "token": UUID(int=9), "height": 0.5, "small": -3, "ok": False,
        "photo": b"new", "marks": frozenset({9}), "room": Room(number=1),
    }  # fmt: skip
    assert await guests.where(lambda p: p.id == 1).update(**changes, age=lambda p: p.age + 1) == 1
    found = await guests[1]
    assert found == ig.evolve(GUESTS[0], **changes, age=42)
    assert await guests.where(lambda p: p.age == 37).update(age=ig.col("age") - 7, city="Wien") == 2
    assert sorted([(guest.age, guest.city) async for guest in guests.where()])[-3:] == [(30, "Wien"), (30, "Wien"), (42, "Graz")]  # fmt: skip


async def test_updates_that_can_not_be(guests: Guests) -> None:
    """An update of a key, an enum, an unknown field or by what a field can't hold is refused before it is sent."""
    everyone = guests.where()
    refused: list[tuple[dict[str, Any], str]] = [
        ({"id": 9}, "part of the key"),
        ({"level": Level.LOW}, "enum"),
        ({"tags": ()}, "array"),
        ({"numbers": [1.0]}, "array"),
        ({"aeg": 3}, "did you mean 'age'"),
        ({"name": None}, "can't be None"),
        ({"name": lambda p: p.age}, "the lambda gives int"),
        ({"name": lambda p: "x"}, "pass the value"),
        ({}, "the fields to change"),
    ]
    for changes, message in refused:
        with pytest.raises(QueryError, match=message):
            await everyone.update(**changes)
    with pytest.raises(ig.EncodeError):
        await everyone.update(age="x")
    for query in (
        everyone.limit(1),
        everyone.offset(1),
        everyone.order_by(lambda p: p.id),
        everyone.select(lambda p: p.id),
    ):
        with pytest.raises(QueryError, match="conditions only"):
            await query.delete()
        with pytest.raises(QueryError, match="conditions only"):
            await query.update(name="x")
    assert await everyone.order_by(lambda p: p.id).all() == GUESTS


async def test_unknown_fields_survive_an_update(client: ig.Client, guests: Guests) -> None:
    """A field that the program does not know is still there after an UPDATE."""
    registry = ig.Registry()

    @registry.model(type_name="tests.query.Guest")
    class Older:
        id: ig.Int = ig.key()
        name: str = ""

    raw: Any = client.raw
    async with ig.connect([str(address) for address in await _addresses(raw)], registry=registry) as other:
        older = await other.cache(guests.name, Older, create=False)
        assert await older.where(lambda p: p.id == 3).update(name="X") == 1
    assert await guests[3] == ig.evolve(GUESTS[2], name="X")


async def _addresses(raw: Any) -> list[Any]:
    return [connection.address for connection in raw.session.nodes.open]


# --- caches without a table -----------------------------------------------------------------------------------------------


async def test_a_cache_without_metadata_has_to_be_allowed_a_scan(cache: "ig.Cache[int, str]") -> None:
    """Values that are no models are queried only where a scan is allowed, and then as SQL would."""
    with pytest.raises(QueryError, match="no query metadata.*allow_scan=True"):
        cache.where(lambda text: text > "a")
    await cache.update({1: "a", 2: "b", 3: "c%", 4: "d"})
    later = cache.where(lambda text: text > "a", allow_scan=True)
    assert sorted(await later.all()) == ["b", "c%", "d"]
    assert await later.order_by(lambda text: text, desc=True).limit(2).all() == ["d", "c%"]
    assert await later.order_by(lambda text: text).offset(1).first() == "c%"
    assert await later.offset(1).count() == 2
    assert await later.exists()
    assert await later.limit(1).count() == 1
    assert await later.where(lambda text: ig.contains(text, "%")).select(lambda text: (ig.col("_key"), text)).all() == [
        (3, "c%")
    ]
    assert await later.where(lambda text: text == "d").select(lambda text: text + "!").one() == "d!"
    assert "a scan" in repr(later)
    with pytest.raises(QueryError, match="over a scan"):
        later.sql  # noqa: B018 - it raises
    with pytest.raises(QueryError, match="need SQL"):
        later.group_by(lambda text: text)
    with pytest.raises(QueryError, match="needs SQL"):
        await later.delete()
    async with later as rows:
        async for _ in rows:
            break


async def test_untyped_values(make_cache: MakeCache) -> None:
    """Values of any type have any attributes over a scan."""
    anything = await make_cache()
    await anything.update({1: Room(number=3), 2: Room(number=4)})
    assert await anything.where(lambda p: p.number > 3, allow_scan=True).all() == [Room(number=4)]
    with pytest.raises(QueryError, match="no field 'nope'"):
        await anything.where(lambda p: p.nope > 3, allow_scan=True).all()


async def test_a_cache_that_was_made_without_a_table(client: ig.Client, make_cache: MakeCache) -> None:
    """A model in a cache that the cluster has no table for is a QueryError, or scanned where that is allowed."""
    plain = await make_cache()
    guests: Guests = await client.cache(plain.name, Guest)
    await guests.save_many(GUESTS)
    with pytest.raises(QueryError, match="has no table.*allow_scan=True"):
        await guests.where(lambda p: p.age > 40).all()
    with pytest.raises(QueryError, match="has no table"):
        await guests.where(lambda p: p.age > 40).count()
    with pytest.raises(QueryError, match="has no table"):
        await guests.where(lambda p: p.age > 40).delete()
    older = guests.where(lambda p: p.age > 30, allow_scan=True).order_by(lambda p: p.age, desc=True)
    assert await older.select(lambda p: p.id).first() == 1
    assert await older.count() == 3
    assert await older.exists()
    with pytest.raises(QueryError, match="need SQL"):
        await older.group_by(lambda p: p.city).all()


async def test_a_column_that_the_table_lacks(client: ig.Client, guests: Guests) -> None:
    """A field that is newer than the table is a SchemaConflictError that shows the statement for it."""
    registry = ig.Registry()

    @registry.model(type_name="tests.query.Guest")
    class Newer:
        id: ig.Int = ig.key()
        name: str = ""
        shoe_size: ig.Int = 0

    async with ig.connect([str(address) for address in await _addresses(client.raw)], registry=registry) as other:
        newer = await other.cache(guests.name, Newer, create=False)
        with pytest.raises(SchemaConflictError, match="shoe_size") as caught:
            await newer.where(lambda p: p.shoe_size > 40).all()
        assert caught.value.statement == f'ALTER TABLE {newer.table} ADD COLUMN IF NOT EXISTS "SHOE_SIZE" INT'
        assert caught.value.path == "Newer.shoe_size"
        _ = await other.sql(caught.value.statement)
        assert await newer.where(lambda p: p.shoe_size > 40).all() == []


async def test_what_only_the_server_finds(guests: Guests) -> None:
    """What only the server can know is its SqlError."""
    with pytest.raises(SqlError):
        await guests.where(lambda p: p.age / (p.id - 1) > 3).all()


# --- index queries --------------------------------------------------------------------------------------------------------


async def ids(entries: Any) -> list[int]:
    """The keys of entries; those of one age may come in any order, since nodes' answers are merged by the fields asked."""
    found = [(guest.age, key) async for key, guest in entries]
    assert [age for age, _ in found] == sorted(age for age, _ in found)
    return [key for _, key in sorted(found)]


async def test_index_queries(guests: Guests) -> None:
    """An index finds whole entries by its fields, in its order."""
    age, city = ig.col("age"), ig.col("city")
    found = guests.index_query("BY_AGE_NAME", ig.eq(age, 37), ig.eq(city, "Graz"))
    assert await found.to_dict() == {3: GUESTS[2]}
    assert await ids(guests.index_query("BY_AGE_NAME")) == [4, 2, 3, 1]
    assert await ids(guests.index_query(None, ig.gt(age, 29))) == [2, 3, 1]
    assert await ids(guests.index_query(None, ig.ge(age, 37), limit=2)) == [2, 3]
    assert await ids(guests.index_query(None, ig.lt(age, 37))) == [4]
    assert await ids(guests.index_query(None, ig.le(age, 37), page_size=1)) == [4, 2, 3]
    assert await ids(guests.index_query(None, ig.between(age, 30, 40))) == [2, 3]
    assert await ids(guests.index_query(None, ig.between(age, 30.5, 41))) == [2, 3, 1]
    assert await ids(guests.index_query(None, ig.is_in(age, [29, 41]))) == [4, 1]
    assert await ids(guests.index_query(None, lambda p: p.age > 40)) == [1]
    assert await ids(guests.index_query(None, ig.is_null(age))) == []
    assert sorted(
        [
            each
            for part in range(1024)
            if part < 4
            for each in await ids(guests.index_query("BY_AGE_NAME", partition=part))
        ]
    ) == [1, 2, 3]
    assert await ids(guests.index_query(None, lambda p: p.id == 2)) == [2]
    by_key = guests.index_query("_key_PK", ig.between(ig.col("_key"), 3, 9))
    assert [key async for key, _ in by_key] == [3, 4]
    assert await ids(guests.index_query(None, ig.gt(age, 29), ig.lt(age, 41))) == [2, 3]
    local = [await ids(guests.index_query(None, ig.ge(age, 0), local=True)) for _ in range(2)]
    assert {*local[0]} <= {1, 2, 3, 4}
    assert "IndexEntries" in repr(found)
    async with guests.index_query(None, ig.ge(age, 0), page_size=1) as entries:
        async for _ in entries:
            break
        with pytest.raises(RuntimeError, match="closed"):
            async for _ in entries:
                await entries.aclose()


async def test_index_queries_that_can_not_be(guests: Guests, make_cache: MakeCache) -> None:
    """What an index can't answer is refused before it is sent."""
    for criterion in (
        ig.ne(ig.col("age"), 3),
        lambda p: p.age == p.id,
        ig.is_in(ig.col("age"), []),
        lambda p: ig.not_(p.ok),
    ):
        with pytest.raises(QueryError, match="a criterion of an index query"):
            guests.index_query(None, criterion)
    with pytest.raises(ValueError, match="limit"):
        guests.index_query(None, limit=0)
    with pytest.raises(ValueError, match="page_size"):
        guests.index_query(None, page_size=0)
    unfit: list[tuple[str | None, Any, str]] = [
        ("NOPE", ig.eq(ig.col("age"), 1), "No index found for name.*the index 'NOPE' for age"),
        (None, ig.eq(ig.col("name"), "x"), "No index found for criteria.*any index for name"),
        ("BY_AGE_NAME", ig.eq(ig.col("name"), "x"), "Index doesn't match criteria.*'BY_AGE_NAME' for name"),
    ]
    for index, criterion, message in unfit:
        with pytest.raises(QueryError, match=message):
            await guests.index_query(index, criterion).to_list()
    with pytest.raises(ServerError, match="Specified partition"):
        await guests.index_query(None, ig.eq(ig.col("age"), 1), partition=99999).to_list()
    anything = await make_cache()
    with pytest.raises(QueryError, match="no type that could be indexed"):
        anything.index_query(None)
