"""What lambdas record: the SQL, its parameters, and the errors that say what to write instead."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

import ignitemap as ig
from ignitemap.exceptions import QueryError
from ignitemap.mapping.evaluation import evaluate, sort_key
from ignitemap.mapping.expressions import Columns, value_columns
from ignitemap.mapping.query import CacheQuery, Plan, Source
from ignitemap.models.registry import default_registry
from ignitemap.protocol.codecs import ANY
from ignitemap.protocol.types.numeric import INT, LONG


class Mood(Enum):
    """Of a person."""

    GOOD = 1
    BAD = 2


@ig.model(type_name="tests.query.Person", rename="camel")
class Person:
    """A person with a field of most kinds."""

    id: ig.Int = ig.key()
    age: ig.Int = 0
    name: str = ""
    nick: str | None = None
    paid: Decimal = Decimal(0)
    height: float = 0.0
    weight: ig.Float = 0.0
    born: date = date(2000, 1, 1)
    seen_at: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    token: UUID = UUID(int=0)
    mood: Mood = Mood.GOOD
    regular: bool = False
    photo: bytes = b""
    tags: list[str] = ig.field(factory=list)


def columns() -> Columns:
    """The columns of the model."""
    model = default_registry.find(Person)
    assert model is not None
    return value_columns(model.schema, INT, model.codec.value)


def query(*conditions: Callable[[Any], Any]) -> "CacheQuery[Person, Person]":
    """A query of no cluster."""
    cache: Any = None
    return CacheQuery[Person, Person](Source(cache, columns(), "PEOPLE"), Plan()).where(*conditions)


def where(condition: Callable[[Any], Any]) -> tuple[str, tuple[Any, ...]]:
    """The text of a condition and its parameters."""
    made = query(condition)
    head = "SELECT _KEY, _VAL FROM PEOPLE WHERE "
    assert made.sql.startswith(head)
    return made.sql.removeprefix(head), made.params


MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
FORMS: list[tuple[Callable[[Any], Any], str, tuple[Any, ...]]] = [
    (lambda p: p.age > 30, '"AGE" > ?', (30,)),
    (lambda p: 30 < p.age, '"AGE" > ?', (30,)),  # noqa: SIM300
    (lambda p: p.age == 30, '"AGE" = ?', (30,)),
    (lambda p: p.age != 30, '"AGE" <> ?', (30,)),
    (lambda p: p.age >= p.id, '"AGE" >= "ID"', ()),
    (lambda p: p.seen_at < MOMENT, '"SEENAT" < ?', (MOMENT,)),
    (lambda p: p.regular, '"REGULAR"', ()),
    (lambda p: ~p.regular, 'NOT ("REGULAR")', ()),
    (lambda p: ig.not_(p.age > 1), 'NOT ("AGE" > ?)', (1,)),
    (lambda p: (p.age > 1) & (p.age < 9) | p.regular, '(("AGE" > ? AND "AGE" < ?) OR "REGULAR")', (1, 9)),
    (lambda p: ig.is_null(p.nick), '"NICK" IS NULL', ()),
    (lambda p: ig.some(p.nick) > "a", '"NICK" > ?', ("a",)),
    (lambda p: ig.is_in(p.name, ["a", "b"]), '"NAME" IN (?, ?)', ("a", "b")),
    (lambda p: ig.is_in(p.name, []), "FALSE", ()),
    (lambda p: ig.between(p.age, 1, 9), '"AGE" BETWEEN ? AND ?', (1, 9)),
    (lambda p: ig.like(p.name, r"a%\_"), '"NAME" LIKE ?', (r"a%\_",)),
    (lambda p: ig.like(p.name, "%"), '"NAME" LIKE ?', ("%%",)),
    (lambda p: ig.contains(p.name, r"5%_\x"), '"NAME" LIKE ?', (r"%5\%\_\\x%",)),
    (lambda p: ig.startswith(p.name, "A_"), '"NAME" LIKE ?', (r"A\_%",)),
    (lambda p: p.name.startswith("A"), '"NAME" LIKE ?', ("A%",)),
    (lambda p: p.name.endswith("z"), '"NAME" LIKE ?', ("%z",)),
    (lambda p: p.name.lower() == "x", 'LOWER("NAME") = ?', ("x",)),
    (lambda p: ig.upper(p.name) == "X", 'UPPER("NAME") = ?', ("X",)),
    (lambda p: ig.length(p.nick) > 3, 'CHAR_LENGTH("NICK") > ?', (3,)),
    (lambda p: ig.coalesce(p.nick, "-") == "-", 'COALESCE("NICK", ?) = ?', ("-", "-")),
    (lambda p: p.name + "!" == "x!", '("NAME" || ?) = ?', ("!", "x!")),
    (lambda p: "!" + p.name == "x!", '(? || "NAME") = ?', ("!", "x!")),
    (lambda p: p.age + 1 > 3, '(CAST("AGE" AS BIGINT) + CAST(? AS BIGINT)) > ?', (1, 3)),
    (lambda p: 10 - p.age > 3, '(CAST(? AS BIGINT) - CAST("AGE" AS BIGINT)) > ?', (10, 3)),
    (lambda p: p.age * 2.5 > 3, '(CAST("AGE" AS DOUBLE) * CAST(? AS DOUBLE)) > ?', (2.5, 3.0)),
    (lambda p: 3 * p.paid > 3, '(CAST(? AS DECIMAL) * CAST("PAID" AS DECIMAL)) > ?', (3, Decimal(3))),
    (lambda p: 1 / p.age > 3, '(CAST(? AS DOUBLE) / CAST("AGE" AS DOUBLE)) > ?', (1, 3.0)),
    (lambda p: -p.age > 3, '(- CAST("AGE" AS BIGINT)) > ?', (3,)),
    (lambda p: abs(p.age) > 3, 'ABS(CAST("AGE" AS BIGINT)) > ?', (3,)),
    (lambda p: p.age % 2 == 0, 'MOD(MOD(CAST("AGE" AS BIGINT), CAST(? AS BIGINT)) + CAST(? AS BIGINT), CAST(? AS BIGINT)) = ?', (2, 2, 2, 0)),  # fmt: skip
    (lambda p: p.mood == Mood.BAD, '"MOOD" = ?', (Mood.BAD,)),
    (lambda p: p.photo != b"x", '"PHOTO" <> ?', (b"x",)),
    (lambda p: ig.col("age") > 3, '"AGE" > ?', (3,)),
    (lambda p: ig.col("seenAt") > MOMENT, '"SEENAT" > ?', (MOMENT,)),
    (lambda p: ig.col("_KEY") == 3, "_KEY = ?", (3,)),
    (lambda p: ~(ig.col("age") > 3) & ig.is_in(ig.col("age"), [1]), '(NOT ("AGE" > ?) AND "AGE" IN (?))', (3, 1)),
    (lambda p: p.name.upper() == "X", 'UPPER("NAME") = ?', ("X",)),
    (lambda p: p.paid + Decimal(1) > 3, '(CAST("PAID" AS DECIMAL) + CAST(? AS DECIMAL)) > ?', (Decimal(1), Decimal(3))),
    (lambda p: p.weight < 1e300, '"WEIGHT" <= ?', (3.4028234663852886e38,)),
    (lambda p: p.weight > -1e300, '"WEIGHT" >= ?', (-3.4028234663852886e38,)),
    (lambda p: p.weight != 1e300, '"WEIGHT" >= ?', (float("-inf"),)),
    (lambda p: ig.ne(p.age, 1) & ig.gt(p.age, 1) & ig.ge(p.age, 1), '(("AGE" <> ? AND "AGE" > ?) AND "AGE" >= ?)', (1, 1, 1)),
    (lambda p: (p.seen_at.year == 2024) & (p.born.day == 1) & (ig.col("seenAt").minute < 9),
     '((YEAR("SEENAT") = ? AND DAY_OF_MONTH("BORN") = ?) AND MINUTE("SEENAT") < ?)', (2024, 1, 9)),
    (lambda p: round(p.paid, 2) > 3, 'CAST(CAST("PAID" AS DECIMAL) AS DECIMAL(65535, 2)) > ?', (Decimal(3),)),
    (lambda p: round(p.height, 1) > 3,
     'CASE WHEN ABS(CAST("HEIGHT" AS DOUBLE)) < ? THEN ROUND(CAST("HEIGHT" AS DOUBLE), ?) ELSE CAST("HEIGHT" AS DOUBLE) END > ?',
     (2.0**53 / 10, 1, 3.0)),
    (lambda p: ig.eq(p.age, 1) & ig.lt(p.age, 1) & ig.le(p.age, 1), '(("AGE" = ? AND "AGE" < ?) AND "AGE" <= ?)', (1, 1, 1)),
    (lambda p: ig.between(ig.col("age") + 1, 1, 3) & ig.like(ig.col("name"), "a") & ig.is_null(-ig.col("age")),
     '(((CAST("AGE" AS BIGINT) + CAST(? AS BIGINT)) BETWEEN ? AND ? AND "NAME" LIKE ?) AND (- CAST("AGE" AS BIGINT)) IS NULL)',
     (1, 1, 3, "a")),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "sql", "params"), FORMS, ids=[form[1] for form in FORMS])
def test_forms(condition: Callable[[Any], Any], sql: str, params: tuple[Any, ...]) -> None:
    """A lambda becomes the SQL that it reads as, and every value in it a parameter."""
    assert where(condition) == (sql, params)


FITTED: list[tuple[Callable[[Any], Any], str, tuple[Any, ...]]] = [
    (lambda p: p.age > 2.5, '"AGE" > ?', (2,)),
    (lambda p: p.age >= 2.5, '"AGE" > ?', (2,)),
    (lambda p: p.age < 2.5, '"AGE" <= ?', (2,)),
    (lambda p: p.age == 2.5, '"AGE" > ?', (2**31 - 1,)),
    (lambda p: p.age != 2.5, '"AGE" <= ?', (2**31 - 1,)),
    (lambda p: p.age == 2**31, '"AGE" > ?', (2**31 - 1,)),
    (lambda p: p.age < 2**40, '"AGE" <= ?', (2**31 - 1,)),
    (lambda p: p.age < -(2**40), '"AGE" < ?', (-(2**31),)),
    (lambda p: p.age != -(2**40), '"AGE" >= ?', (-(2**31),)),
    (lambda p: p.age < float("inf"), '"AGE" <= ?', (2**31 - 1,)),
    (lambda p: ig.is_in(p.age, [1, 2**40]), '"AGE" IN (?)', (1,)),
    (lambda p: ig.is_in(p.age, [2**40]), '"AGE" > ?', (2**31 - 1,)),
    (lambda p: ig.between(p.age, 1, 2**40), '"AGE" BETWEEN ? AND ?', (1, 2**31 - 1)),
    (lambda p: ig.between(p.age, 1.5, 9), '("AGE" > ? AND "AGE" <= ?)', (1, 9)),
    (lambda p: p.height > 3, '"HEIGHT" > ?', (3.0,)),
    (lambda p: p.height < 10**400, '"HEIGHT" < ?', (float("inf"),)),
    (lambda p: p.paid == 0.5, '"PAID" = ?', (Decimal("0.5"),)),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "sql", "params"), FITTED, ids=[f"{form[1]} {form[2]}" for form in FITTED])
def test_constants_are_fitted(condition: Callable[[Any], Any], sql: str, params: tuple[Any, ...]) -> None:
    """A constant that a column's type can't hold is replaced by one that it can, with the same meaning."""
    assert where(condition) == (sql, params)


MISTAKES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda p: p.nick is None, r"plain False.*ig\.is_null"),
    (lambda p: p.nick == None, r"ig\.is_null\(nick\)"),  # noqa: E711
    (lambda p: p.nick != None, r"ig\.not_\(ig\.is_null\(nick\)\)"),  # noqa: E711
    (lambda p: p.age > None, "NULL"),
    (lambda p: p.age > 3 and p.age < 9, r"& \(b\) for `and`"),
    (lambda p: p.age > 3 or p.age < 9, r"\| \(b\) for `or`"),
    (lambda p: not p.regular, r"ig\.not_\(a\) for `not`"),
    (lambda p: 3 < p.age < 9, r"ig\.between"),
    (lambda p: p.age in [1, 2], r"ig\.is_in"),
    (lambda p: "a" in p.name, r"ig\.contains"),
    (lambda p: (p.age > 3) & (p.nick is None), r"a side of &.*ig\.is_null"),
    (lambda p: True | (p.age > 3), r"a side of \|"),
    (lambda p: ig.not_(p.nick is None), r"ig\.is_null"),
    (lambda p: True & (p.age > 3), "a side of &"),
    (lambda p: True, "plain True"),
    (lambda p: 3, "comparison of fields, not a Python int"),
    (lambda p: p.age, "age is an int: compare it"),
    (lambda p: p, "gives the model itself"),
    (lambda p: p == 3, "plain False"),
    (lambda p: p.age == p, "compare its fields"),
    (lambda p: bool(p), "asked for its truth"),
    (lambda p: p.aeg > 3, "Person has no field 'aeg'; did you mean 'age'?"),
    (lambda p: p.zzz > 3, "it has id, age, name"),
    (lambda p: ig.col("aeg") > 3, "did you mean 'age'?"),
    (lambda p: p.name.title() == "x", "'title' of the field name"),
    (lambda p: (p.age + 1).name == "x", "'name' of an expression"),
    (lambda p: len(p.name) > 3, r"ig\.length"),
    (lambda p: [*p.tags], "iterated"),
    (lambda p: p.age > "3", "age is an int and can't be compared with a str"),
    (lambda p: p.regular == 1, "regular is a bool"),
    (lambda p: p.born > MOMENT, "born is a date and can't be compared with a datetime"),
    (lambda p: p.tags == ["a"], "no SQL type"),
    (lambda p: p.name == ["a"], "a Python list can't be compared"),
    (lambda p: p.mood > Mood.GOOD, "== and != only"),
    (lambda p: p.regular < True, "== and != only"),
    (lambda p: p.age & 1, "& is true or false, but age is an int"),
    (lambda p: p.paid > float("nan"), "no NaN"),
    (lambda p: p.paid * 1.5 > 1, "mixes Decimal and float"),
    (lambda p: p.paid / 2 > 1, "rounds otherwise"),
    (lambda p: p.age % p.id > 1, "constant int above 0"),
    (lambda p: p.age // 0 > 1, "constant int above 0"),
    (lambda p: p.name - "x" > 1, "- takes numbers, but name is a str"),
    (lambda p: p.age + None > 1, "arithmetic with None"),
    (lambda p: p.age + 2**70 > 1, "more than 64 bits"),
    (lambda p: -p.name == "x", "takes numbers"),
    (lambda p: ig.lower(p.age) == "x", "LOWER takes texts"),
    (lambda p: ig.like(p.age, "x"), "only texts"),
    (lambda p: ig.like(p.name, "a\\b"), "stands before"),
    (lambda p: ig.like(p.name, "a\\"), "stands before"),
    (lambda p: ig.contains(p.name, 3), "is a str"),
    (lambda p: ig.is_in(3, [p.age]), "takes a field of the entry first"),
    (lambda p: ig.is_in(p.age, [p.id]), "values of the program"),
    (lambda p: ig.is_in(p.nick, [None]), "is_null"),
    (lambda p: ig.is_null(None), "takes a field"),
    (lambda p: 3 == 3, "plain True"),
    (lambda p: ig.count() > 3, r"goes into having\(\)"),
    (lambda p: ig.count(distinct=True) > 3, "takes a field"),
    (lambda p: ig.sum_(p.name) > 3, "SUM takes numbers"),
    (lambda p: ig.max_(p.mood) == 3, "has no MAX"),
    (lambda p: ig.max_(ig.count()) == 3, "an aggregate of an aggregate"),
    (lambda p: ig.coalesce(p.age, 2**40) > 3, "out of its range"),
    (lambda p: round(p.height) > 3, "with a number of digits"),
    (lambda p: round(p.height, -1) > 3, "for 0 to 15 digits"),
    (lambda p: round(p.age, 1) > 3, "takes a float or a Decimal, but age is an int"),
    (lambda p: p.born.hour > 3, "'hour' of the field born"),
    (lambda p: p.name.year > 3, "'year' of the field name"),
    (lambda p: ig.col("name").year > 3, "name is a str, which has no year"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes(condition: Callable[[Any], Any], message: str) -> None:
    """What can't be recorded is a QueryError that says what to write."""
    with pytest.raises(QueryError, match=message):
        query(condition)


def test_steps_leave_the_query_before_them() -> None:
    """Each step makes a new query, and the conditions of several are all met."""
    first = query(lambda p: p.age > 1)
    second = first.where(lambda p: p.age < 9).order_by(lambda p: (p.name, p.id), desc=True).order_by(lambda p: p.age)
    assert first.sql == 'SELECT _KEY, _VAL FROM PEOPLE WHERE "AGE" > ?'
    last = second.limit(3).offset(2).select(lambda p: (p.name, p.age + 1))
    assert last.sql == (
        'SELECT "NAME", (CAST("AGE" AS BIGINT) + CAST(? AS BIGINT)) FROM PEOPLE WHERE ("AGE" > ? AND "AGE" < ?)'
        ' ORDER BY "NAME" DESC, "ID" DESC, "AGE" LIMIT ? OFFSET ?'
    )
    assert last.params == (1, 1, 9, 3, 2)


def test_groups() -> None:
    """A grouped query selects its groups, or aggregates of them, and has conditions about them."""
    groups = query(lambda p: p.age > 1).group_by(lambda p: p.name)
    assert groups.sql == 'SELECT "NAME" FROM PEOPLE WHERE "AGE" > ? GROUP BY "NAME"'
    asked = (
        groups.having(lambda p: ig.count() > 2)
        .having(lambda p: ig.max_(p.age) < 9)
        .order_by(lambda p: ig.count(p.nick, distinct=True))
        .select(lambda p: (p.name, ig.count(), ig.sum_(p.age), ig.avg(p.age), ig.min_(p.born), ig.avg(p.paid)))
    )
    assert asked.sql == (
        'SELECT "NAME", COUNT(*), SUM("AGE"), AVG(CAST("AGE" AS DOUBLE)), MIN("BORN"), (SUM(CAST("PAID" AS DECIMAL)) / COUNT("PAID"))'
        ' FROM PEOPLE WHERE "AGE" > ? GROUP BY "NAME" HAVING (COUNT(*) > ? AND MAX("AGE") < ?)'
        ' ORDER BY COUNT(DISTINCT "NICK")'
    )
    assert asked.params == (1, 2, 9)


BUILDING: list[tuple[Callable[[Any], Any], str]] = [
    (lambda q: q.having(lambda p: ig.count() > 3), r"group_by\(\) first"),
    (lambda q: q.order_by(lambda p: p.mood), "an enum"),
    (lambda q: q.order_by(lambda p: p.tags), "this field"),
    (lambda q: q.select(lambda p: ()), "a field of the entry"),
    (lambda q: q.select(lambda p: (p.age, 3)), "no value of the program"),
    (lambda q: q.order_by(lambda p: p), "the model itself"),
    (lambda q: q.group_by(lambda p: p), "the model itself"),
    (lambda q: q.where(True), "lambdas and expressions of ig.col, not a Python bool"),
]


@pytest.mark.parametrize(("step", "message"), BUILDING, ids=[message for _, message in BUILDING])
def test_steps_that_can_not_be(step: Callable[[Any], Any], message: str) -> None:
    """A step that makes no sense is a QueryError where it is written."""
    with pytest.raises(QueryError, match=message):
        step(query())


def test_limits_are_checked() -> None:
    """A negative limit or offset is a ValueError."""
    with pytest.raises(ValueError, match="limit must be"):
        query().limit(-1)
    with pytest.raises(ValueError, match="offset must be"):
        query().offset(-1)


def test_expressions_are_no_values() -> None:
    """An expression can't be hashed, shows its kind, and passes Python's own questions on as missing."""
    shown: list[Any] = []
    query(lambda p: shown.append(p.age) or p.age > 3)
    assert repr(shown[0]) == "<expression of a query: int>"
    with pytest.raises(TypeError):
        hash(shown[0])
    assert not hasattr(shown[0], "__array__")
    query(lambda p: shown.append(p) or p.age > 3)
    assert not hasattr(shown[1], "__array__")


def of(condition: Callable[[Any], Any], value: Any) -> Any:
    """What a condition is for a value of which nothing is known."""
    open_columns = value_columns(None, LONG, ANY)
    cache: Any = None
    where = CacheQuery[Any, Any](Source(cache, open_columns, None, may_scan=True), Plan()).where(condition)._plan.where
    assert where is not None
    return evaluate(where, (1, value))


class Thing:
    """Something with attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


EVALUATED: list[tuple[Callable[[Any], Any], dict[str, Any], Any]] = [
    (lambda p: p.a + p.b == 3, {"a": 1, "b": 2}, True),
    (lambda p: p.a + p.b == 3, {"a": 1, "b": None}, None),
    (lambda p: p.a + p.b == "xy", {"a": "x", "b": "y"}, True),
    (lambda p: p.a + p.b == 3, {"a": Decimal(1), "b": 2}, True),
    (lambda p: p.a * 2 - p.b == 3, {"a": 2, "b": 1}, True),
    (lambda p: p.a / 2 == 0.5, {"a": 1}, True),
    (lambda p: p.a // 2 == -1, {"a": -1}, True),
    (lambda p: p.a % 2 == 1, {"a": -1}, True),
    (lambda p: -p.a == 1, {"a": -1}, True),
    (lambda p: -p.a == 1, {"a": None}, None),
    (lambda p: abs(p.a) == 1, {"a": -1}, True),
    (lambda p: abs(p.a) == 1, {"a": None}, None),
    (lambda p: ig.lower(p.a) == "x", {"a": "X"}, True),
    (lambda p: ig.upper(p.a) == "X", {"a": "x"}, True),
    (lambda p: ig.length(p.a) == 2, {"a": "\U0001f600"}, True),
    (lambda p: ig.coalesce(p.a, 3) == 3, {"a": None}, True),
    (lambda p: p.a == 0.5, {"a": Decimal("0.5")}, True),
    (lambda p: p.a, {"a": True}, True),
    (lambda p: ig.col("_key") == 1, {}, True),
]


@pytest.mark.parametrize(("condition", "attributes", "meaning"), EVALUATED)
def test_evaluation(condition: Callable[[Any], Any], attributes: dict[str, Any], meaning: bool | None) -> None:
    """Over a scan an expression means what it means in SQL, also of values of which nothing is known before."""
    assert of(condition, Thing(**attributes)) is meaning


UNCOMPUTABLE: list[tuple[Callable[[Any], Any], dict[str, Any], str]] = [
    (lambda p: p.a > 3, {}, "a Thing has no field 'a'"),
    (lambda p: p.a > 3, {"a": "x"}, "a Python str can't be compared with a int"),
    (lambda p: p.a / p.b > 3, {"a": 1, "b": 0}, "division by zero"),
    (lambda p: p.a - p.b > 3, {"a": 1, "b": "x"}, "- of a Python int and a str"),
]


@pytest.mark.parametrize(("condition", "attributes", "message"), UNCOMPUTABLE)
def test_what_can_not_be_computed(condition: Callable[[Any], Any], attributes: dict[str, Any], message: str) -> None:
    """Over a scan, what has no meaning is a QueryError."""
    with pytest.raises(QueryError, match=message):
        of(condition, Thing(**attributes))


def test_order() -> None:
    """Values sort as SQL sorts them: null first, texts by UTF-16 units, NaN last, UUIDs as signed halves."""
    assert sorted(["\uffff", "\U0001f600", None, "a"], key=sort_key) == [None, "a", "\U0001f600", "\uffff"]
    assert str(sorted([float("nan"), 1.0, float("inf")], key=sort_key)) == "[1.0, inf, nan]"
    assert sorted([UUID(int=1), UUID(int=2**127)], key=sort_key) == [UUID(int=2**127), UUID(int=1)]
