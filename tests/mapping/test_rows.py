"""SQL on a real cluster: all rows or one after the other, by name, with typed parameters and telling errors."""

import asyncio
import copy
import dataclasses
import datetime as dt
import gc
import os
import pickle
import uuid
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.mapping.rows import Column, Rows, row_class
from tests.mapping.conftest import MakeCache

TABLE = f"rows_{os.getpid()}"
COUNT = 250
MORE_THAN_ALLOWED = 200  # a server allows 128 open cursors a connection


@pytest.fixture(scope="module")
async def db(url: str) -> AsyncIterator[ig.Client]:
    """A client with one connection, and a table of numbers."""
    async with ig.connect(url, partition_awareness=False) as client:
        await client.sql(f"create table {TABLE} (id int primary key, name varchar, big bigint)")
        marks = ", ".join("(?, ?, ?)" for _ in range(COUNT))
        values = [value for number in range(COUNT) for value in (number, f"n{number}", number * 10**10)]
        inserted = await client.sql(f"insert into {TABLE} (id, name, big) values {marks}", *values)
        assert inserted.affected == COUNT
        yield client
        await client.sql(f"drop table {TABLE}")


# --- rows -----------------------------------------------------------------------------------------------------------


async def test_all_rows(db: ig.Client) -> None:
    """An awaited query gives all rows of all pages, in order, and its columns."""
    for page_size in (1, 7, COUNT, 1024):
        rows = await db.sql(f"select id, name, big from {TABLE} order by id", page_size=page_size)
        assert isinstance(rows, Rows)
        assert [row.id for row in rows] == list(range(COUNT))
        assert len(rows) == COUNT
        assert rows.affected is None
        assert rows.columns == (Column("ID", "INT"), Column("NAME", "VARCHAR"), Column("BIG", "BIGINT"))
    assert rows[3] == (3, "n3", 3 * 10**10)
    assert [row[0] for row in rows[1:3]] == [1, 2]
    assert rows[-1] in rows
    assert repr(rows) == "<250 rows of ID, NAME, BIG>"


async def test_types_of_columns(db: ig.Client) -> None:
    """Columns have their SQL types, numbers as wide as they are, also where the first rows are null."""
    types = ["tinyint", "smallint", "int", "bigint", "real", "double", "decimal", "boolean", "varchar", "uuid", "time"]
    values = ["1", "1", "1", "1", "1", "1", "1", "true", "'x'", "random_uuid()", "'01:02:03'"]
    nulls = ", ".join(f"cast(null as {each})" for each in types)
    casts = ", ".join(f"cast({value} as {each})" for value, each in zip(values, types, strict=True))
    later = ", ".join(
        f"case when x = 1 then null else cast({value} as {each}) end" for value, each in zip(values, types, strict=True)
    )
    rows = await db.sql(f"select {later} from system_range(1, 2) order by x")
    assert [*rows[0]] == [None] * len(types)
    assert [column.type for column in rows.columns] == [each.upper() for each in types]
    rows = await db.sql(f"select {nulls}")
    assert [column.type for column in rows.columns] == [None] * len(types)
    async with db.sql(f"select {casts}") as streamed:
        assert [column.type for column in streamed.columns] == [each.upper() for each in types]


async def test_no_rows(db: ig.Client) -> None:
    """A query without rows has columns whose types are not known."""
    rows = await db.sql(f"select id, name from {TABLE} where id < 0")
    assert (list(rows), rows.affected) == ([], None)
    assert rows.columns == (Column("ID", None), Column("NAME", None))


async def test_named_access(db: ig.Client) -> None:
    """A row gives its values by attribute, by name in any case, by position, and as dict, tuple or pattern."""
    (row,) = await db.sql(f'select id, name as "Name", big from {TABLE} where id = ?', 5)
    assert row.id == row["ID"] == row["id"] == row[0] == row[-3] == 5
    assert row.name == row["NAME"] == row.NAME == "n5"
    assert row[1:] == ("n5", 5 * 10**10)
    assert row.to_dict() == {"ID": 5, "NAME": "n5", "BIG": 5 * 10**10}
    assert tuple(row) == row == (5, "n5", 5 * 10**10)
    assert row != (5,)
    assert row != [5]
    assert hash(row) == hash(tuple(row))
    assert repr(row) == "Row(ID=5, NAME='n5', BIG=50000000000)"
    assert len(row) == 3
    assert "n5" in row
    assert list(reversed(row))[0] == 5 * 10**10
    number, name, _ = row
    assert (number, name) == (5, "n5")
    match row:
        case (5, found, _):
            assert found == "n5"
        case _:
            raise AssertionError("a row matches a sequence")
    assert isinstance(row, Sequence)
    with pytest.raises(AttributeError, match="'colour', it has ID, NAME, BIG"):
        _ = row.colour
    with pytest.raises(KeyError):
        _ = row["colour"]
    with pytest.raises(IndexError):
        _ = row[3]


async def test_names_that_are_also_methods(db: ig.Client) -> None:
    """Columns called count, index or _KEY are reached like any other; repeated names get a suffix."""
    (row,) = await db.sql(f"select count(*) as count, max(id) as index, 1 as _KEY from {TABLE}")
    assert (row.count, row.index, row._KEY) == (COUNT, COUNT - 1, 1)
    (row,) = await db.sql('select 1 as a, 2 as a, 3 as "a", 4 as a_1')
    assert row.to_dict() == {"A": 1, "A_1": 2, "A_2": 3, "A_1_3": 4}


def test_rows_can_be_copied_and_pickled() -> None:
    """Rows survive pickle and copy."""
    row = row_class(("A", "B"))((1, [2]))
    for made in (pickle.loads(pickle.dumps(row)), copy.copy(row), copy.deepcopy(row)):
        assert type(made) is type(row)
        assert made == row
        assert made.b == [2]


def test_a_row_is_a_tuple_without_its_methods() -> None:
    """A row is a tuple, and `count` and `index` are its columns or nothing; rows of the same columns share a class."""
    row = row_class(("A", "INDEX"))((1, 2))
    assert isinstance(row, tuple)
    assert row.index == 2
    with pytest.raises(AttributeError, match="no column 'count', it has A, INDEX"):
        _ = row.count
    assert row_class(("A", "INDEX")) is type(row)


# --- rows as models ----------------------------------------------------------------------------------------------------


class Tint(Enum):
    """A name that models of this file have."""

    RED = 1
    BLUE = 2


@ig.model(type_name="tests.rows.Box")
class Box:
    """Part of a thing."""

    width: int = 0


@ig.model(type_name="tests.rows.Thing", rename="camel")
class Thing:
    """A field of each kind, most of them with another name in Ignite."""

    id: ig.Int = ig.key()
    full_name: str = ""
    nick: str | None = None
    wide: int = 0
    small: ig.Byte = 0
    height: float = 0.0
    price: Decimal = Decimal(0)
    born: dt.date = dt.date(2000, 1, 1)
    seen_at: dt.datetime = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    clock: dt.time = dt.time(0)
    took: dt.timedelta = dt.timedelta(0)
    token: uuid.UUID = uuid.UUID(int=0)
    tint: Tint | None = None
    photo: bytes = b""
    tags: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    box: Box | None = None
    note: str = ig.field(default="none", name="comment", aliases=("remark",))


THINGS = [
    Thing(id=1, full_name="Ann", nick="a", wide=2**40, small=-3, height=0.5, price=Decimal("1.50"), tint=Tint.BLUE,
          took=dt.timedelta(seconds=3), words=("x", "y"), tags=frozenset({"t"}), box=Box(width=7), photo=b"p"),
    Thing(id=2, full_name="Ben", token=uuid.UUID(int=9), clock=dt.time(1), born=dt.date(1970, 1, 2), note="!"),
]  # fmt: skip


@pytest.fixture
async def things(client: ig.Client, make_cache: MakeCache) -> "ig.Cache[int, Thing]":
    """A cache of things."""
    cache = await make_cache(Thing)
    await cache.save_many(THINGS)
    return cache


async def test_rows_become_models(client: ig.Client, things: "ig.Cache[int, Thing]") -> None:
    """All columns of a model's table make models that equal those of the cache, awaited or streamed."""
    statement = f"select * from {things.table} order by id"
    rows = await client.sql(statement)
    assert rows.into(Thing) == THINGS
    assert await client.sql(statement).into(Thing) == THINGS
    async with client.sql(statement, page_size=1).into(Thing) as streamed:
        assert [thing async for thing in streamed] == THINGS
    assert (await client.sql(statement + " limit 0")).into(Thing) == []


async def test_columns_of_models(client: ig.Client, things: "ig.Cache[int, Thing]") -> None:
    """Columns are found by Ignite's name, Python's name or an alias; what is not selected has its default."""
    made = await client.sql(
        f"select id, fullName as full_name, comment as Remark, sum(wide) as wide, count(*) as height, 1 as price,"
        f" null as born from {things.table} group by id, fullName, comment order by id"
    ).into(Thing)
    assert made == [
        Thing(id=1, full_name="Ann", note="none", wide=2**40, height=1.0, price=Decimal(1)),
        Thing(id=2, full_name="Ben", note="!", height=1.0, price=Decimal(1)),
    ]
    assert type(made[0].height) is float
    assert type(made[0].wide) is int


@dataclasses.dataclass(frozen=True)
class Total:
    """No model: made for one query."""

    name: str
    pieces: int
    mean: float | None = None
    shown: str = dataclasses.field(default="", init=False)


@attrs.define
class Checked:
    """An attrs class with a converter and a validator."""

    name: str = attrs.field(converter=str.upper)
    pieces: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    _private: int = 3


async def test_rows_become_any_class_with_fields(client: ig.Client) -> None:
    """Dataclasses and attrs classes are made by their constructors, converters and validators included."""
    rows = await client.sql("select 'a' as name, 2 as pieces, cast(2.5 as decimal) as mean, 'x' as shown")
    (total,) = rows.into(Total)
    assert (total.name, total.pieces, total.mean, total.shown) == ("a", 2, 2.5, "x")
    assert (await client.sql("select 'a' as name, 5 as _private")).into(Checked) == [Checked("a", private=5)]
    with pytest.raises(ValueError, match="'pieces' must be >= 0"):
        (await client.sql("select 'a' as name, -1 as pieces")).into(Checked)


class Plain:
    """Has no fields."""

    name: str = ""


UNFIT: list[tuple[str, Any, str]] = [
    ("select 1 as ida", Thing, "Thing has no field for the column IDA; did you mean ID"),
    ("select 1 as id, 2 as qqqq", Thing, "Thing has no field for the column QQQQ; there are ID, FULLNAME"),
    ("select 1 as nick", Thing, "Thing.id needs a column ID"),
    ("select cast(null as int) as id", Thing, "Thing.id can't be None, and the column ID is NULL"),
    ("select 'x' as id", Thing, "Thing.id can't hold what the column ID has: a Python str"),
    ("select 1 as id, 300 as small", Thing, "Thing.small can't hold.*SMALL"),
    ("select 1 as id, 5 as fullName", Thing, "Thing.full_name can't hold.*a Python int"),
    ("select 1 as id, 'a' as full_name, 'b' as fullname", Thing, "Thing.full_name has two columns: FULL_NAME, FULLNAME"),
    ("select 1.5 as id", Thing, "Thing.id can't hold"),
    ("select 1 as id", Plain, "takes a model, an attrs class or a dataclass"),
    ("select 1 as id", int, "takes a model, an attrs class or a dataclass"),
    ("select 1 as id", "Thing", "takes a model, an attrs class or a dataclass"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "model", "message"), UNFIT, ids=[each[2] for each in UNFIT])
async def test_rows_that_do_not_fit(client: ig.Client, statement: str, model: Any, message: str) -> None:
    """What a row can't be made of is a QueryError that names the field and the column."""
    with pytest.raises(ig.QueryError, match=message):
        (await client.sql(statement)).into(model)
    with pytest.raises(ig.QueryError, match=message):
        async with client.sql(statement).into(model) as rows:
            async for _ in rows:
                raise AssertionError("not reached")


async def test_statements_without_rows_make_nothing(db: ig.Client) -> None:
    """DML has no rows to make models of."""
    statement = f"update {TABLE} set name = name where id < 0"
    with pytest.raises(ig.QueryError, match="is no query"):
        (await db.sql(statement)).into(Total)
    with pytest.raises(ig.QueryError, match="is no query"):
        async with db.sql(statement).into(Total) as rows:
            async for _ in rows:
                raise AssertionError("not reached")


# --- streaming ------------------------------------------------------------------------------------------------------


async def test_streaming(db: ig.Client) -> None:
    """In a block rows come page by page, in order, with the columns known from the start."""
    for page_size in (1, 100, 1024):
        async with db.sql(f"select id, name from {TABLE} order by id", page_size=page_size) as rows:
            assert rows.columns == (Column("ID", "INT"), Column("NAME", "VARCHAR"))
            assert rows.affected is None
            assert [row.id async for row in rows] == list(range(COUNT))


async def test_streaming_is_for_blocks(db: ig.Client) -> None:
    """Rows are streamed inside a block, once."""
    query = db.sql(f"select id from {TABLE}")
    with pytest.raises(ig.QueryError, match="async with"):
        _ = [row async for row in query]
    for what in ("columns", "affected"):
        with pytest.raises(ig.QueryError, match="async with"):
            getattr(query, what)
    async with query:
        pass
    with pytest.raises(ig.QueryError, match="once"):
        await query.__aenter__()


async def test_a_query_can_be_awaited_again(db: ig.Client) -> None:
    """Each await of a query runs it."""
    query = db.sql(f"select count(*) from {TABLE}")
    assert (await query)[0][0] == (await query)[0][0] == COUNT


async def test_abandoned_streams(db: ig.Client) -> None:
    """More streams than a server allows cursors are left early on one connection, and all are closed."""
    for number in range(MORE_THAN_ALLOWED):
        async with db.sql(f"select id from {TABLE} order by id", page_size=5) as rows:
            async for row in rows:
                if row.id == number % 7:
                    break
    assert len(await db.sql(f"select id from {TABLE}", page_size=5)) == COUNT


async def test_streams_left_by_errors_and_cancels(db: ig.Client) -> None:
    """An exception, a cancellation or a timeout in a block leaves no cursor either."""

    async def read(steps: int) -> None:
        async with db.sql(f"select id from {TABLE}", page_size=5) as rows:
            async for _ in rows:
                steps -= 1
                if not steps:
                    raise LookupError

    for number in range(MORE_THAN_ALLOWED // 2):
        with pytest.raises(LookupError):
            await read(1 + number % 7)
        task = asyncio.create_task(read(0))
        for _ in range(number % 15):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(await db.sql(f"select id from {TABLE}", page_size=5)) == COUNT


async def test_raw_cursors_without_a_block(db: ig.Client) -> None:
    """Loops over raw cursors that are left without a block are closed at once, garbage collector or not."""
    gc.disable()
    try:
        for _ in range(MORE_THAN_ALLOWED):
            async for _ in db.raw.sql(f"select id from {TABLE}", page_size=5):
                break
            await db.cache_names()
    finally:
        gc.enable()
    assert len(await db.sql(f"select id from {TABLE}", page_size=5)) == COUNT


# --- statements that change something ---------------------------------------------------------------------------------


async def test_dml_and_ddl(db: ig.Client) -> None:
    """DML tells how many rows it changed and has no rows; DDL changes none."""
    table = f"{TABLE}_dml"
    created = await db.sql(f"create table {table} (id int primary key, v int)")
    assert (created.affected, list(created), created.columns) == (0, [], ())
    inserted = await db.sql(f"insert into {table} (id, v) values (1, 1), (2, 2), (3, 3)")
    assert inserted.affected == 3
    assert repr(inserted) == "<3 rows changed>"
    assert (await db.sql(f"update {table} set v = v + 1 where id > ?", 1)).affected == 2
    assert (await db.sql(f"merge into {table} (id, v) values (1, 9), (7, 7)")).affected == 2
    assert (await db.sql(f"delete from {table} where id = 99")).affected == 0
    assert sorted(tuple(row) for row in await db.sql(f"select id, v from {table}")) == [(1, 9), (2, 3), (3, 4), (7, 7)]
    async with db.sql(f"delete from {table}") as deleted:
        assert deleted.affected == 4
        assert deleted.columns == ()
        assert [row async for row in deleted] == []
    assert (await db.sql(f"drop table {table}")).affected == 0


@pytest.mark.parametrize(
    "query", ["select 5 as updated", "(select 5 as updated)", "/* a */ -- b\n select 5 as updated"]
)
async def test_a_query_that_looks_like_dml(db: ig.Client, query: str) -> None:
    """A query with one number in a column called UPDATED is a query all the same."""
    rows = await db.sql(query)
    assert (rows.affected, rows[0].updated) == (None, 5)


# --- parameters -----------------------------------------------------------------------------------------------------

UTC = dt.UTC
PARAMETERS: list[tuple[str, Any]] = [
    ("boolean", True),
    ("tinyint", 5),
    ("int", -7),
    ("bigint", 2**62),
    ("double", 1.25),
    ("real", 0.5),
    ("decimal(30, 10)", Decimal("12345678901234567890.0123456789")),
    ("varchar", "grüße \U0001f600 'quoted' \0"),
    ("binary", bytes(range(256))),
    ("uuid", uuid.UUID(int=2**120 + 7)),
    ("timestamp", dt.datetime(2024, 2, 29, 12, 30, 15, 123456, UTC)),
    ("date", dt.date(1969, 7, 20)),
    ("time", dt.time(23, 59, 59)),
    ("varchar", None),
]


@pytest.mark.parametrize(("sql_type", "value"), PARAMETERS, ids=[f"{each[0]} {each[1]!r:.20}" for each in PARAMETERS])
async def test_parameters_of_every_type(db: ig.Client, sql_type: str, value: Any) -> None:
    """A parameter of each type arrives as what it is, and comes back equal."""
    rows = await db.sql(f"select cast(? as {sql_type}) as v", value)
    found = rows[0].v
    assert found == value
    assert rows.columns[0].name == "V"
    if value is None:
        return
    matches = await db.sql(f"select 1 where cast(? as {sql_type}) = ?", value, found)
    assert len(matches) == 1


async def test_template_strings(db: ig.Client) -> None:
    """The values of a template string are bound, never spliced in."""

    class Part:
        expression, conversion, format_spec = "name", None, ""

        def __init__(self, value: Any) -> None:
            self.value = value

    class Template:
        strings = (f"select id from {TABLE} where name = ", " or id = ", "")
        interpolations = (Part("n3"), Part(4))

    assert sorted(row.id for row in await db.sql(Template())) == [3, 4]
    Template.interpolations = (Part("x' or '1'='1"), Part(-1))
    assert len(await db.sql(Template())) == 0


async def test_template_strings_that_can_not_be(db: ig.Client) -> None:
    """A conversion or a format, more parameters, and what is no template are refused; values alone are enough."""

    class Part:
        expression, conversion, format_spec, value = "name", None, "", 1

    class Template:
        strings: tuple[str, ...] = ("select ", " as v")
        interpolations: tuple[Any, ...] = (Part,)

    assert (await db.sql(Template()))[0].v == 1
    with pytest.raises(ig.QueryError, match="pass no others"):
        db.sql(Template(), 3)
    for mark in ("conversion", "format_spec"):
        marked = type("Marked", (Part,), {mark: "r"})
        Template.interpolations = (marked,)
        with pytest.raises(ig.QueryError, match="{name} is bound as it is"):
            db.sql(Template())
    Template.interpolations = (type("Least", (), {"value": 7}),)
    assert (await db.sql(Template()))[0].v == 7
    with pytest.raises(ig.QueryError, match="a str or a template string"):
        db.sql(5)


async def test_parameters_that_cannot_be_written(db: ig.Client) -> None:
    """A parameter without an Ignite type is an EncodeError before anything is sent."""
    with pytest.raises(ig.EncodeError):
        await db.sql("select ?", object())


# --- schema, limits, errors -------------------------------------------------------------------------------------------


async def test_schema(db: ig.Client, url: str) -> None:
    """Unqualified names are looked up in the schema that was given, by the call or by the URL."""
    tables = await db.sql("select count(*) as n from tables where table_name = ?", TABLE.upper(), schema="SYS")
    assert tables[0].n == 1
    assert len(await db.sql(f"select id from PUBLIC.{TABLE}", schema="SYS")) == COUNT
    with pytest.raises(ig.SqlError):
        await db.sql(f"select id from {TABLE}", schema="SYS")
    async with ig.connect(f"{url}/SYS") as client:
        assert (await client.sql("select count(*) as n from tables"))[0].n >= 1


ERRORS = {
    "selec 1": "42000",
    "select * from no_such_table": "42000",
    f"select no_such_column from {TABLE}": "42000",
    f"create table {TABLE} (id int primary key, v int)": "42000",
    f"insert into {TABLE} (id, name) values (1, 'twice')": "23000",
    f"insert into {TABLE} (id, name) values (null, 'x')": "22004",
    "select cast('x' as int)": None,
}


@pytest.mark.parametrize(("statement", "state"), ERRORS.items(), ids=ERRORS.keys())
async def test_errors(db: ig.Client, statement: str, state: str | None) -> None:
    """A statement that fails is an SqlError with its SQLSTATE and the node, awaited or streamed."""
    with pytest.raises(ig.SqlError) as caught:
        await db.sql(statement)
    assert caught.value.state is not None
    assert state in {None, caught.value.state}
    assert caught.value.node
    with pytest.raises(ig.SqlError):
        async with db.sql(statement):
            raise AssertionError("not reached")


async def test_an_error_on_a_later_page(db: ig.Client) -> None:
    """An error that shows only after some rows is raised where it happens."""
    seen: list[int] = []
    with pytest.raises(ig.SqlError):
        async with db.sql(f"select 100 / (150 - id) as v, id from {TABLE} order by id", page_size=5, lazy=True) as rows:
            async for row in rows:
                seen.append(row.id)
    assert seen == list(range(len(seen)))


SLOW = "select count(*) from system_range(1, 100000) a, system_range(1, 100000) b where a.x * b.x = 7"


async def test_timeout(db: ig.Client) -> None:
    """A query that takes too long ends by the client's clock or the server's, and the server gives it up."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises((ig.OperationTimeout, ig.SqlError)):
        await db.sql(SLOW, timeout=0.2)
    assert loop.time() - started < 2
    async with asyncio.timeout(10):
        while await _running(db):
            pass
    assert len(await db.sql(f"select id from {TABLE}")) == COUNT


async def _running(db: ig.Client) -> int:
    found = await db.sql("select count(*) as n from sys.sql_queries where sql like '%system_range(1, 100000) b%'")
    return int(found[0].n) - 1
