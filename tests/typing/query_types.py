"""What type checkers infer for queries. Lines that end in the word error after a hash must be rejected."""

from datetime import date
from decimal import Decimal
from typing import assert_type

import ignitemap as ig


@ig.model
class Visitor:
    id: int = ig.key()
    name: str = ""
    nick: str | None = None
    age: ig.Int = 0
    paid: Decimal = Decimal(0)
    regular: bool = False


async def rows(visitors: ig.Cache[int, Visitor]) -> None:
    adults = visitors.where(lambda p: p.age >= 18)
    assert_type(adults, ig.CacheQuery[Visitor, Visitor])
    assert_type(await adults.all(), list[Visitor])
    assert_type(await adults.first(), Visitor | None)
    assert_type(await adults.one(), Visitor)
    assert_type(await adults.one_or_none(), Visitor | None)
    assert_type(await adults.count(), int)
    assert_type(await adults.exists(), bool)
    assert_type(await adults.delete(), int)
    assert_type(await adults.update(name="x"), int)
    assert_type(await adults.order_by(lambda p: p.name, desc=True).limit(3).offset(1).all(), list[Visitor])
    async for visitor in adults:
        assert_type(visitor, Visitor)
    adults.where(lambda p: p.aeg > 3)  # error
    visitors.where(lambda p: p.agee > 3)  # error
    visitors.where(lambda p: p.age)  # error
    visitors.where(lambda p: p.nick > "a")  # error
    adults.order_by(lambda p: p.names)  # error
    adults.delete()  # error


async def conditions(visitors: ig.Cache[int, Visitor]) -> None:
    visitors.where(lambda p: (p.age > 3) & (p.name == "x") | ig.not_(p.regular))
    visitors.where(lambda p: p.regular, lambda p: p.name.startswith("A"), allow_scan=True)
    visitors.where(lambda p: ig.is_in(p.age, [1, 2]) & ig.between(p.paid, Decimal(1), Decimal(2)))
    visitors.where(lambda p: ig.some(p.nick) > "a")
    visitors.where(lambda p: ig.contains(p.nick, "a") & ig.is_null(p.nick) & ig.like(p.name, "a%"))
    visitors.where(lambda p: p.name.lower() == "x")
    visitors.where(lambda p: ig.col("age") > 3)
    visitors.where(lambda p: ~ig.col("regular"))
    visitors.where(ig.col("age") > 3)
    visitors.where(lambda p: ig.length(p.nick) > 3)
    visitors.where(lambda p: ig.coalesce(p.nick, "") == "")


async def selections(visitors: ig.Cache[int, Visitor]) -> None:
    everyone = visitors.where()
    assert_type(await everyone.select(lambda p: (p.name, p.age)).all(), list[tuple[str, int]])
    assert_type(await everyone.select(lambda p: (p.nick, p.paid, p.id)).first(), tuple[str | None, Decimal, int] | None)
    assert_type(await everyone.select(lambda p: p.name).all(), list[str])
    assert_type(
        await everyone.group_by(lambda p: p.age)
        .select(lambda p: (p.age, ig.count(), ig.avg(p.age), ig.avg(p.paid), ig.max_(p.name), ig.sum_(p.paid)))
        .having(lambda p: ig.count() > 3)
        .all(),
        list[tuple[int, int, float, Decimal, str, Decimal]],
    )
    everyone.select(lambda p: p.agee)  # error


@ig.model
class City:
    id: int = ig.key()
    name: str = ""
    land: str | None = None


@ig.model
class Land:
    code: str = ig.key()
    size: int = 0


@ig.model
class Citizen:
    id: int = ig.key()
    name: str = ""
    city_id: int | None = None
    born: date = date(2000, 1, 1)
    weight: float = 0.0


async def joins(citizens: ig.Cache[int, Citizen], cities: ig.Cache[int, City], lands: ig.Cache[str, Land]) -> None:
    pairs = citizens.join(cities, on=lambda p, c: p.city_id == c.id)
    assert_type(pairs, ig.JoinQuery[tuple[Citizen, City], Citizen, City])
    assert_type(await pairs.all(), list[tuple[Citizen, City]])
    assert_type(await pairs.first(), tuple[Citizen, City] | None)
    assert_type(await pairs.where(lambda p, c: c.name == "x").limit(3).count(), int)
    assert_type(await pairs.select(lambda p, c: (p.name, c.land, c)).all(), list[tuple[str, str | None, City]])
    assert_type(await pairs.order_by(lambda p, c: c.name).select(lambda p, c: ig.maybe(c.name)).one(), str | None)
    async for citizen, city in pairs:
        assert_type(citizen, Citizen)
        assert_type(city, City)
    left = citizens.left_join(cities, on=lambda p, c: p.city_id == c.id, distributed_joins=False)
    assert_type(await left.one(), tuple[Citizen, City | None])
    three = left.left_join(lands, on=lambda p, c, land: c.land == land.code)
    assert_type(await three.all(), list[tuple[Citizen, City | None, Land | None]])
    assert_type(
        await three.group_by(lambda p, c, land: land.code)
        .having(lambda p, c, land: ig.count() > 1)
        .select(lambda p, c, land: (land.code, ig.count()))
        .all(),
        list[tuple[str, int]],
    )
    assert_type(await citizens.join(citizens, on=lambda a, b: a.id == b.city_id).one(), tuple[Citizen, Citizen])
    citizens.join(cities, on=lambda p, c: p.city == c.id)  # error
    citizens.join(cities, on=lambda p: p.id == 1)  # error
    pairs.where(lambda p, c: c.nam == "x")  # error
    pairs.where(lambda p: p.id == 1)  # error
    pairs.select(lambda p, c: c.nam)  # error
    pairs.join(lands, on=lambda p, c, land: c.land == land.cod)  # error
    pairs.delete()  # error


async def functions(citizens: ig.Cache[int, Citizen]) -> None:
    everyone = citizens.where(lambda p: (p.born.year > 1990) & (round(p.weight, 1) < 3))
    assert_type(await everyone.select(lambda p: (p.born.month, round(p.weight, 1))).all(), list[tuple[int, float]])
    assert_type(await everyone.select(lambda p: (p, p.id)).all(), list[tuple[Citizen, int]])


async def rows_of_sql(client: ig.Client) -> None:
    rows = await client.sql("select id from City")
    assert_type(rows, ig.Rows)
    assert_type(rows.into(City), list[City])
    assert_type(await client.sql("select id from City").into(City), list[City])
    assert_type(rows[0], ig.Row)
    assert_type(rows.affected, int | None)
    async with client.sql("select id from City") as stream:
        async for row in stream:
            assert_type(row, ig.Row)
    async with client.sql("select id from City").into(City) as cities:
        async for city in cities:
            assert_type(city, City)


async def indexes(visitors: ig.Cache[int, Visitor]) -> None:
    found = visitors.index_query("by_age", ig.eq(ig.col("age"), 1), ig.between(ig.col("id"), 1, 9), limit=3)
    assert_type(await found.to_dict(), dict[int, Visitor])
    async for key, visitor in found:
        assert_type(key, int)
        assert_type(visitor, Visitor)
    visitors.index_query(None, lambda p: p.age > 3)
