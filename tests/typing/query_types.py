"""What type checkers infer for queries. Lines that end in the word error after a hash must be rejected."""

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


async def indexes(visitors: ig.Cache[int, Visitor]) -> None:
    found = visitors.index_query("by_age", ig.eq(ig.col("age"), 1), ig.between(ig.col("id"), 1, 9), limit=3)
    assert_type(await found.to_dict(), dict[int, Visitor])
    async for key, visitor in found:
        assert_type(key, int)
        assert_type(visitor, Visitor)
    visitors.index_query(None, lambda p: p.age > 3)
