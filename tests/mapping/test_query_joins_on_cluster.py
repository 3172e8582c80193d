"""Joins on a real cluster: the same rows as nested loops in Python, wherever the entries lie, and typed errors."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

import ignitemap as ig
from ignitemap.exceptions import QueryError, SchemaConflictError
from ignitemap.mapping.cache import Cache
from tests.mapping.conftest import MakeCache


@ig.model(type_name="tests.joins.Land")
class Land:
    """Found by its key."""

    code: str = ig.key()
    size: int = 0


@ig.model(type_name="tests.joins.Town")
class Town:
    """Found by its key or its name."""

    id: ig.Int = ig.key()
    name: str = ig.field(default="", index=True)
    land: str | None = None
    twin: ig.Int | None = None


@ig.model(type_name="tests.joins.Citizen")
class Citizen:
    """Refers to a town, which may be missing, and to another citizen."""

    id: ig.Int = ig.key()
    name: str = ""
    age: ig.Int = 0
    town_id: int | None = ig.field(default=None, index=True)
    boss_id: ig.Int | None = None
    birthplace: str | None = None


LANDS = [Land(code="AT", size=84), Land(code="CH", size=41), Land(code="LI")]
TOWNS = [
    Town(
        id=number, name=f"town {number % 9}", land=(None, "AT", "CH", "??")[number % 4], twin=(number * 7) % 15 or None
    )
    for number in range(12)
]
CITIZENS = [
    Citizen(
        id=number,
        name=f"c{number % 5}",
        age=number * 37 % 90,
        town_id=None if number % 6 == 0 else number % 17,
        boss_id=number // 3 or None,
        birthplace=None if number % 4 == 0 else f"town {number % 11}",
    )
    for number in range(60)
]

Citizens = Cache[int, Citizen]
Towns = Cache[int, Town]
Lands = Cache[str, Land]


@pytest.fixture
async def citizens(make_cache: MakeCache) -> Citizens:
    """A partitioned cache."""
    cache = await make_cache(Citizen)
    await cache.save_many(CITIZENS)
    return cache


@pytest.fixture
async def towns(make_cache: MakeCache) -> Towns:
    """Another one, whose entries lie anywhere."""
    cache = await make_cache(Town)
    await cache.save_many(TOWNS)
    return cache


@pytest.fixture
async def lands(make_cache: MakeCache) -> Lands:
    """A replicated cache."""
    cache = await make_cache(Land, mode="replicated")
    await cache.save_many(LANDS)
    return cache


def nested(
    rows: Sequence[tuple[Any, ...]], others: Sequence[Any], on: Callable[..., bool], *, optional: bool
) -> list[tuple[Any, ...]]:
    """The oracle: a join as two loops."""
    made: list[tuple[Any, ...]] = []
    for row in rows:
        found = [(*row, other) for other in others if on(*row, other)]
        made += found or ([(*row, None)] if optional else [])
    return made


def ids(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """Rows by the keys of what is in them, in order."""
    return sorted(str([None if each is None else getattr(each, "id", None) or each.code if isinstance(each, Land) else each.id for each in row]) for row in rows)  # fmt: skip


async def test_a_join(citizens: Citizens, towns: Towns) -> None:
    """Entries that belong together are found wherever they lie, as pairs of whole models."""
    living = citizens.join(towns, on=lambda p, t: p.town_id == t.id)
    expected = nested([(each,) for each in CITIZENS], TOWNS, lambda p, t: p.town_id == t.id, optional=False)
    rows = await living.order_by(lambda p, t: p.id).all()
    assert rows == expected
    assert await living.count() == len(expected)
    assert [row async for row in living.order_by(lambda p, t: p.id).limit(3)] == expected[:3]
    assert await living.order_by(lambda p, t: p.id, desc=True).first() == expected[-1]
    assert await living.where(lambda p, t: p.id == 7).one() == (CITIZENS[7], TOWNS[7])
    assert await living.where(lambda p, t: p.id == 7).exists()
    assert not await living.where(lambda p, t: p.id == 6).exists()
    assert await living.where(lambda p, t: p.id == 6).one_or_none() is None
    async with living as pairs:
        async for _, town in pairs:
            assert isinstance(town, Town)
            break


async def test_selected_columns_of_joins(citizens: Citizens, towns: Towns) -> None:
    """Fields, expressions and whole entries of both sides are selected."""
    row = citizens.join(towns, on=lambda p, t: p.town_id == t.id).where(lambda p, t: (p.id == 7) & (t.name != "x"))
    assert await row.select(lambda p, t: (p.name, t.name)).all() == [("c2", "town 7")]
    assert await row.select(lambda p, t: (t, p.age + t.id, t.name + "!")).one() == (TOWNS[7], 86, "town 7!")
    assert await row.select(lambda p, t: t).one() == TOWNS[7]


async def test_a_left_join(citizens: Citizens, towns: Towns) -> None:
    """An entry without a partner comes with None, and with null fields."""
    living = citizens.left_join(towns, on=lambda p, t: p.town_id == t.id).order_by(lambda p, t: p.id)
    expected = nested([(each,) for each in CITIZENS], TOWNS, lambda p, t: p.town_id == t.id, optional=True)
    assert await living.all() == expected
    assert await living.count() == 60
    homeless = living.where(lambda p, t: ig.is_null(t.id))
    assert await homeless.select(lambda p, t: (p.id, ig.maybe(t.name))).all() == [
        (citizen.id, None) for citizen, town in expected if town is None
    ]


async def test_groups_of_joins(citizens: Citizens, towns: Towns) -> None:
    """Groups have fields and aggregates of both sides."""
    groups = (
        citizens.join(towns, on=lambda p, t: p.town_id == t.id)
        .group_by(lambda p, t: t.land)
        .having(lambda p, t: ig.count() > 1)
        .order_by(lambda p, t: t.land)
        .select(lambda p, t: (t.land, ig.count(), ig.max_(p.age)))
    )
    pairs = nested([(each,) for each in CITIZENS], TOWNS, lambda p, t: p.town_id == t.id, optional=False)
    expected = [
        (land, len(ages), max(ages))
        for land in (None, "??", "AT", "CH")
        if len(ages := [citizen.age for citizen, town in pairs if town.land == land]) > 1
    ]
    assert await groups.all() == expected


async def test_a_cache_joined_to_itself(citizens: Citizens) -> None:
    """The two sides of a cache that is joined to itself are told apart."""
    bosses = citizens.join(citizens, on=lambda p, boss: p.boss_id == boss.id)
    found = bosses.where(lambda p, boss: (boss.name == "c1") & (p.name == "c3")).order_by(lambda p, boss: p.id)
    assert found.params == ("c1", "c3")
    assert await found.all() == [
        (citizen, CITIZENS[citizen.boss_id])
        for citizen in CITIZENS
        if citizen.name == "c3" and citizen.boss_id is not None and CITIZENS[citizen.boss_id].name == "c1"
    ]


async def test_three_caches(citizens: Citizens, towns: Towns, lands: Lands) -> None:
    """A third cache is joined by a field of any before it."""
    rows = (
        citizens.join(towns, on=lambda p, t: p.town_id == t.id)
        .join(lands, on=lambda p, t, land: t.land == land.code)
        .where(lambda p, t, land: land.size > 50)
        .order_by(lambda p, t, land: (p.id, t.id))
        .select(lambda p, t, land: (p.id, land.code))
    )
    assert await rows.all() == [(each.id, "AT") for each in CITIZENS if each.town_id in {1, 5, 9}]


ONE: dict[str, tuple[Callable[..., Any], str]] = {
    "town by key": (lambda p, t: p.town_id == t.id, "towns"),
    "town by index": (lambda p, t: p.birthplace == t.name, "towns"),
    "boss": (lambda p, b: b.id == p.boss_id, "citizens"),
    "town and more": (lambda p, t: (p.town_id == t.id) & (t.name > "town 3"), "towns"),
    "more and town": (lambda p, t: (t.name > "town 3") & (p.town_id == t.id), "towns"),
    "town twice": (lambda p, t: (p.town_id == t.id) & (p.birthplace == t.name), "towns"),
}
TWO: dict[str, tuple[Callable[..., Any], str]] = {
    "land": (lambda p, other, land: other.land == land.code, "lands"),
    "twin": (lambda p, other, twin: other.twin == twin.id, "towns"),
    "boss": (lambda p, other, boss: p.boss_id == boss.id, "citizens"),
}


def meaning(on: Callable[..., Any]) -> Callable[..., bool]:
    """The same lambda over entries, in which None equals nothing."""

    class Null:
        def __eq__(self, other: object) -> bool:
            return False

        __gt__ = __eq__
        __hash__ = None  # type: ignore[assignment]

    class View:
        def __init__(self, entry: Any) -> None:
            self.entry = entry

        def __getattr__(self, name: str) -> Any:
            value = getattr(self.entry, name, None)
            return Null() if value is None else value

    return lambda *entries: bool(on(*map(View, entries)))


@pytest.mark.parametrize("second_left", [None, False, True])
@pytest.mark.parametrize("first_left", [False, True])
async def test_joins_are_nested_loops(
    citizens: Citizens, towns: Towns, lands: Lands, first_left: bool, second_left: bool | None
) -> None:
    """Every pair of joins, left or not, by keys and by indexes, with nulls on either side, is what two loops find."""
    caches: dict[str, Any] = {"citizens": citizens, "towns": towns, "lands": lands}
    data: dict[str, Any] = {"citizens": CITIZENS, "towns": TOWNS, "lands": LANDS}
    dice = random.Random(3)
    start = [(each,) for each in CITIZENS]
    for name, (on, other) in ONE.items():
        first: Any = citizens.left_join if first_left else citizens.join
        one = first(caches[other], on=on)
        rows = nested(start, data[other], meaning(on), optional=first_left)
        if second_left is None:
            assert ids(await one.all()) == ids(rows), name
            age = dice.randrange(90)
            older = one.where(lambda p, t, age=age: p.age > age)
            assert ids(await older.all()) == ids([row for row in rows if row[0].age > age]), name
            assert await older.count() == len([row for row in rows if row[0].age > age]), name
            continue
        for name_of_second, (again, third) in TWO.items():
            if name_of_second != "boss" and other == "citizens":
                continue
            two = (one.left_join if second_left else one.join)(caches[third], on=again)
            expected = nested(rows, data[third], meaning(again), optional=second_left)
            assert ids(await two.all()) == ids(expected), f"{name}, {name_of_second}: {two}"
            assert await two.count() == len(expected), f"{name}, {name_of_second}: {two}"


@ig.model(type_name="tests.joins.Kinds")
class Kinds:
    """An indexed field of each kind that joins are made by."""

    id: ig.Int = ig.key()
    flag: bool | None = ig.field(default=None, index=True)
    small: ig.Byte | None = ig.field(default=None, index=True)
    real: float | None = ig.field(default=None, index=True)
    price: Decimal | None = ig.field(default=None, index=True)
    name: str | None = ig.field(default=None, index=True)
    born: date | None = ig.field(default=None, index=True)
    at: datetime | None = ig.field(default=None, index=True)
    clock: time | None = ig.field(default=None, index=True)
    took: timedelta | None = ig.field(default=None, index=True)
    token: UUID | None = ig.field(default=None, index=True)


VALUES: dict[str, list[Any]] = {
    "flag": [True, False], "small": [0, 1], "real": [0.0, 1.5], "price": [Decimal(0), Decimal("1.50")], "name": ["", "a"],
    "born": [date(1970, 1, 1), date(2000, 1, 1)], "at": [datetime(1970, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)],
    "clock": [time(0), time(1)], "took": [timedelta(0), timedelta(1)], "token": [UUID(int=0), UUID(int=7)],
}  # fmt: skip


async def test_left_joins_by_every_kind(make_cache: MakeCache) -> None:
    """Null equals nothing in a left join by a field of any kind, not even the kind's own zero."""
    cache = await make_cache(Kinds)
    made = [
        Kinds(id=number, **{field: None if number % 3 == 0 else values[number % 3 - 1] for field, values in VALUES.items()})
        for number in range(12)
    ]  # fmt: skip
    await cache.save_many(made)
    for field in VALUES:
        found = cache.left_join(cache, on=lambda a, b, field=field: getattr(a, field) == getattr(b, field))
        expected = nested(
            [(each,) for each in made],
            made,
            lambda a, b, field=field: getattr(a, field) is not None and getattr(a, field) == getattr(b, field),
            optional=True,
        )
        assert ids(await found.all()) == ids(expected), field


async def test_joins_without_looking_on_other_nodes(citizens: Citizens, towns: Towns, lands: Lands) -> None:
    """distributed_joins=False finds what lies on one node: entries under the same key, and replicated ones."""
    same_key = towns.join(citizens, on=lambda t, p: t.id == p.id, distributed_joins=False)
    assert ids(await same_key.all()) == ids([(town, CITIZENS[town.id]) for town in TOWNS])
    first = lands.join(towns, on=lambda land, t: t.land == land.code)
    assert await first.count() == len([town for town in TOWNS if town.land in {"AT", "CH"}])
    found = towns.left_join(lands, on=lambda t, land: t.land == land.code, distributed_joins=False)
    assert "COALESCE" not in found.sql
    expected = nested([(each,) for each in TOWNS], LANDS, meaning(lambda t, land: t.land == land.code), optional=True)
    assert ids(await found.all()) == ids(expected)


# --- what can't be joined ---------------------------------------------------------------------------------------------

MISTAKES: list[tuple[Callable[..., Any], str]] = [
    (lambda p, t: p.town_id > t.id, "a field of Town equals a field of a cache before it"),
    (lambda p, t: p.town_id == 3, "a field of Town equals a field"),
    (lambda p, t: t.id == t.twin, "a field of Town equals a field"),
    (lambda p, t: (p.town_id == t.id) | (p.birthplace == t.name), "a field of Town equals a field"),
    (lambda p, t: p.town_id + 1 == t.id, "a field of Town equals a field"),
    (lambda p, t: ig.count() == 1, "a field of Town equals a field"),
    (lambda p, t: p.town == t.id, "Citizen has no field 'town'; did you mean 'town_id'"),
    (lambda p, t: p.town_id == t.idd, "Town has no field 'idd'; did you mean 'id'"),
    (lambda p, t: p.name == t.id, "name is a str and can't be compared with an int"),
    (lambda p, t: p == t, "compare its fields|plain False"),
    (lambda p, t: p.town_id == t.id and p.birthplace == t.name, "& .b. for `and`"),
    (lambda p, t: ig.col("town_id") == ig.col("id"), r"ig.col\('id'\) may be of several caches"),
    (lambda p, t: ig.col("town_id") == ig.col("nope"), "Citizen has no field 'nope'.*Town has no field 'nope'"),
]


@pytest.mark.parametrize(("on", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
async def test_conditions_that_join_nothing(
    citizens: Citizens, towns: Towns, on: Callable[..., Any], message: str
) -> None:
    """What is no equality of fields of two caches can't join them, and the error says what can."""
    with pytest.raises(QueryError, match=message):
        citizens.join(towns, on=on)


@ig.enum(type_name="tests.joins.Mood")
class Mood(Enum):
    """Of nobody."""

    GOOD = 1


@ig.model(type_name="tests.joins.Moody")
class Moody:
    """Can't be looked up by its field on another node."""

    id: ig.Int = ig.key()
    mood: Mood = Mood.GOOD


async def test_caches_that_can_not_be_joined(
    client: ig.Client, url: str, make_cache: MakeCache, citizens: Citizens, towns: Towns, lands: Lands
) -> None:
    """Joins need tables, one client, an index where entries lie apart, and come before select."""
    plain: Any = await make_cache(int, str)
    with pytest.raises(QueryError, match="has no query metadata"):
        citizens.join(plain, on=lambda p, text: p.name == text)
    with pytest.raises(QueryError, match="has no query metadata"):
        plain.join(citizens, on=lambda text, p: p.name == text)
    by_name = citizens.join(towns, on=lambda p, t: p.name == t.name)
    assert await by_name.all() == []
    with pytest.raises(QueryError, match=r"an index only.*ig\.field\(index=True\).*distributed_joins=False"):
        await towns.left_join(citizens, on=lambda t, p: t.name == p.name).all()
    pairs = citizens.join(towns, on=lambda p, t: p.town_id == t.id)
    with pytest.raises(QueryError, match="join all caches first"):
        pairs.select(lambda p, t: (p.id, t.id)).join(lands, on=lambda p, t, land: t.land == land.code)
    moody = await make_cache(Moody)
    with pytest.raises(QueryError, match="mood, enum, goes with distributed_joins=False only"):
        moody.left_join(moody, on=lambda a, b: a.mood == b.mood)
    with pytest.raises(ValueError, match="page_size"):
        citizens.join(towns, on=lambda p, t: p.town_id == t.id, page_size=0)
    with pytest.raises(ValueError, match="page_size"):
        citizens.left_join(towns, on=lambda p, t: p.town_id == t.id, page_size=0)
    async with ig.connect(url) as other:
        elsewhere: Towns = await other.cache(towns.name, Town)
        with pytest.raises(QueryError, match="of another client"):
            citizens.join(elsewhere, on=lambda p, t: p.town_id == t.id)


async def test_what_the_cluster_lacks_for_a_join(
    client: ig.Client, url: str, make_cache: MakeCache, citizens: Citizens, towns: Towns
) -> None:
    """A column or a table that the cluster lacks is named with the cache that it is missing from."""
    registry = ig.Registry()

    @registry.model(type_name="tests.joins.Town")
    class Newer:
        id: ig.Int = ig.key()
        mayor: int = 0

    @registry.model(type_name="tests.joins.Citizen")
    class Same:
        id: ig.Int = ig.key()
        town_id: int | None = None

    async with ig.connect(url, registry=registry) as other:
        newer = await other.cache(towns.name, Newer, create=False)
        same = await other.cache(citizens.name, Same, create=False)
        with pytest.raises(SchemaConflictError, match="Newer.mayor") as caught:
            await same.join(newer, on=lambda p, t: p.town_id == t.id).where(lambda p, t: t.mayor == 1).all()
        assert caught.value.cache == towns.name
    tableless = await make_cache()
    later: Towns = await client.cache(tableless.name, Town)
    with pytest.raises(QueryError, match=f"no table .*the cache '{tableless.name}'"):
        await citizens.join(later, on=lambda p, t: p.town_id == t.id).all()
    with pytest.raises(QueryError, match=f"no table .*the cache '{tableless.name}'"):
        await citizens.join(later, on=lambda p, t: p.town_id == t.id).count()
