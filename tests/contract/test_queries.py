"""Queries: recorded lambdas over models."""

from typing import Any

import pytest

import ignitemap as ig
from tests.contract.models import City, Person

People = ig.Cache[int, Person]


async def ids(query: Any) -> list[int]:
    return sorted(person.id for person in await query.all())


async def test_where(crowd: People) -> None:
    """`where` gives the models for which the condition holds."""
    found = await crowd.where(lambda p: p.age == 41).all()
    assert sorted(person.name for person in found) == ["Ann", "Fay"]
    assert all(isinstance(person, Person) for person in found)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (lambda p: p.age > 30, [1, 5, 6]),
        (lambda p: p.age >= 41, [1, 5, 6]),
        (lambda p: p.age < 30, [4]),
        (lambda p: p.age <= 30, [2, 3, 4]),
        (lambda p: p.name != "Ann", [2, 3, 4, 5, 6]),
        (lambda p: (p.age == 30) & (p.city_id == 7), [2]),
        (lambda p: (p.age == 19) | (p.age == 65), [4, 5]),
        (lambda p: ig.not_(p.city_id == 7), [3, 4, 5, 6]),
        (lambda p: ig.is_in(p.name, ["Ann", "Dan", "Zoe"]), [1, 4]),
        (lambda p: ig.is_in(p.name, []), []),
        (lambda p: ig.between(p.age, 30, 41), [1, 2, 3, 6]),
        (lambda p: ig.like(p.name, "%a%"), [4, 6]),
        (lambda p: ig.startswith(p.name, "A"), [1]),
        (lambda p: ig.contains(p.name, "a"), [4, 6]),
        (lambda p: ig.is_null(p.nick), [2, 4, 6]),
        (lambda p: ig.not_(ig.is_null(p.nick)), [1, 3, 5]),
        (lambda p: ig.some(p.nick) > "a", [3]),
        (lambda p: p.age + 1 == 42, [1, 6]),
        (lambda p: p.age * 2 > 100, [5]),
        (lambda p: p.id == 3, [3]),
        (lambda p: ig.lower(p.name) == "bob", [2]),
        (lambda p: ig.length(p.name) == 3, [1, 2, 3, 4, 5, 6]),
    ],
)
async def test_conditions(crowd: People, condition: Any, expected: list[int]) -> None:
    """Each form of condition gives what the same filter in Python would."""
    assert await ids(crowd.where(condition)) == expected


async def test_wildcards_are_literal(crowd: People) -> None:
    """`contains` and `startswith` take % and _ literally."""
    assert await ids(crowd.where(lambda p: ig.contains(ig.some(p.nick), "%_"))) == [5]
    assert await ids(crowd.where(lambda p: ig.startswith(ig.some(p.nick), "_"))) == []


async def test_order_and_limits(crowd: People) -> None:
    """`order_by`, `limit` and `offset` do what their names say."""
    query = crowd.where(lambda p: p.age > 0).order_by(lambda p: p.name)
    assert [p.name for p in await query.limit(2).all()] == ["Ann", "Bob"]
    assert [p.name for p in await query.offset(4).all()] == ["Eve", "Fay"]
    last = crowd.where(lambda p: p.age > 0).order_by(lambda p: p.age, desc=True)
    assert (await last.all())[0].name == "Eve"


async def test_select(crowd: People) -> None:
    """`select` gives tuples of fields, or single values."""
    query = crowd.where(lambda p: p.age == 41).order_by(lambda p: p.name)
    assert await query.select(lambda p: (p.name, p.age)).all() == [("Ann", 41), ("Fay", 41)]
    assert await query.select(lambda p: p.name).all() == ["Ann", "Fay"]


async def test_group_by(crowd: People) -> None:
    """`group_by` with aggregates gives one row per group."""
    rows = (
        await crowd.where(lambda p: p.age > 0)
        .group_by(lambda p: p.city_id)
        .select(lambda p: (p.city_id, ig.count(), ig.max_(p.age)))
        .all()
    )
    assert sorted(rows) == [(7, 2, 41), (8, 2, 30), (9, 2, 65)]


async def test_terminals(crowd: People) -> None:
    """`first`, `one`, `one_or_none`, `count`, `exists` and `async for` end a query."""
    thirty = crowd.where(lambda p: p.age == 30)
    eve = crowd.where(lambda p: p.name == "Eve")
    nobody = crowd.where(lambda p: p.name == "Zoe")
    assert await thirty.count() == 2
    assert (await eve.one()).id == 5
    assert await nobody.one_or_none() is None
    assert await nobody.first() is None
    assert await nobody.exists() is False
    assert await thirty.exists() is True
    assert sorted([person.id async for person in thirty]) == [2, 3]


async def test_one_of_none_or_many(crowd: People) -> None:
    """`one` of no row or of several is an error."""
    with pytest.raises(LookupError):
        await crowd.where(lambda p: p.name == "Zoe").one()
    with pytest.raises((LookupError, ValueError, ig.QueryError)):
        await crowd.where(lambda p: p.age == 30).one()


async def test_sql_and_params(crowd: People) -> None:
    """`.sql` and `.params` show what will run; values are always parameters."""
    query = crowd.where(lambda p: p.name == "x' OR 1=1 --")
    assert "OR 1=1" not in query.sql
    assert query.params == ("x' OR 1=1 --",)
    assert await query.all() == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p: p.nick is None,
        lambda p: p.age > 1 and p.age < 5,
        lambda p: p.age > 1 or p.age < 5,
        lambda p: not p.age > 1,
        lambda p: 1 < p.age < 5,
        lambda p: True,
    ],
)
async def test_conditions_that_python_would_eat(crowd: People, wrong: Any) -> None:
    """A lambda that yields a plain bool, or combines with one, is a QueryError that says what to write."""
    with pytest.raises(ig.QueryError):
        await crowd.where(wrong).all()


async def test_unknown_fields(crowd: People) -> None:
    """An unknown field is an error that names the nearest one."""
    with pytest.raises((ig.QueryError, AttributeError), match="age"):
        await crowd.where(lambda p: p.agee == 1).all()  # type: ignore[attr-defined]


async def test_untyped_columns(crowd: People) -> None:
    """`ig.col` is the untyped twin of a lambda."""
    assert await ids(crowd.where(ig.col("age") == 19)) == [4]
    assert await ids(crowd.where(~(ig.col("city_id") == 7))) == [3, 4, 5, 6]


async def test_delete_by_query(people: People) -> None:
    """`.delete()` deletes what the query finds and gives the count."""
    await people.save_many(Person(number, "x", number) for number in range(10))
    assert await people.where(lambda p: p.age >= 7).delete() == 3
    assert await people.size() == 7


async def test_update_by_query(people: People) -> None:
    """`.update(...)` changes fields of what the query finds, no others, and gives the count."""
    await people.save_many(Person(number, "x", number, tags={"t"}) for number in range(10))
    assert await people.where(lambda p: p.age < 4).update(name="young", nick="n") == 4
    assert await people[0] == Person(0, "young", 0, nick="n", tags={"t"})
    assert (await people[9]).name == "x"


async def test_keys_cannot_be_updated(people: People) -> None:
    """A key field can't be updated by a query."""
    with pytest.raises(ig.QueryError):
        await people.where(lambda p: p.age < 4).update(id=5)


async def test_no_metadata(models: ig.Client, crowd: People, names: Any) -> None:
    """A cache without query metadata is a QueryError, unless allow_scan=True."""
    plain = await models.cache(names(), int, Any)
    await plain.set(1, City(1, "Paris"))
    with pytest.raises(ig.QueryError):
        await plain.where(ig.col("name") == "Paris").all()


async def test_index_query(crowd: People) -> None:
    """An index query asks an index without the SQL engine."""
    found = await crowd.index_query("person_age_idx", ig.between(ig.col("age"), 30, 41)).to_dict()
    assert sorted(found) == [1, 2, 3, 6]


async def test_pages_of_queries(crowd: People) -> None:
    """Queries stream page by page, and may be left early."""
    async with crowd.where(lambda p: p.age > 0) as rows:
        async for _ in rows:
            break
    assert await crowd.where(lambda p: p.age > 0).count() == 6


async def test_joins(models: ig.Client, crowd: People, names: Any) -> None:
    """Two caches are joined by equal fields."""
    cities = await models.cache(names(), City, mode="replicated")
    await cities.save_many([City(7, "Paris"), City(8, "Rome")])
    joined = crowd.join(cities, on=lambda p, c: p.city_id == c.id)
    rows = await joined.where(lambda p, c: c.name == "Rome").select(lambda p, c: (p.name, c.name)).all()
    assert sorted(rows) == [("Cid", "Rome"), ("Dan", "Rome")]
