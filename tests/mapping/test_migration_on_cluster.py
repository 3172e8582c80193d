"""Tables of a real cluster that are older than a model: what queries say, what migrate=True adds, what it can't."""

import asyncio
import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any

import pytest

import ignitemap as ig
from ignitemap.protocol.cache_config import QueryEntity, QueryField, QueryIndex
from tests.mapping.conftest import Connect, Name

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)


class Versions:
    """One type of the cluster as two releases of a program have it, each with a client."""

    def __init__(self, names: Name) -> None:
        self.name, self.type_name = names("it's mine-"), names("Group")
        self.old_registry, self.new_registry = ig.Registry(), ig.Registry()
        color_name, sub_name = names("Color"), names("Sub")

        @self.old_registry.model(type_name=self.type_name)
        class Old:
            id: int = ig.key()
            name: str = ig.field(default="", index=True)

        @self.new_registry.enum(type_name=color_name)
        class Color(enum.Enum):
            RED = "r"
            GREEN = "g"

        @self.new_registry.model(type_name=sub_name)
        class Sub:
            street: str

        @self.new_registry.model(type_name=self.type_name, rename="camel")
        class New:
            id: int = ig.key()
            name: str = ig.field(default="", index=True)
            age: int = ig.field(default=0, index=True)
            order: ig.Int = ig.field(default=0, index=ig.Index("by_order", order=1))
            group_by: ig.Short = ig.field(default=0, index=ig.Index("by_order", order=2, descending=True))
            byte: ig.Byte = 1
            ratio: ig.Float = 0.5
            weight: float = ig.field(default=0.1, index=ig.Index("heavy", descending=True, inline_size=20))
            yes: bool = True
            text: Annotated[str, ig.sql(precision=10)] = "abc"
            raw: bytes = b"\0\xff"
            price: Annotated[Decimal, ig.sql(precision=7, scale=2)] = Decimal("1.10")
            when: dt.datetime = ig.field(default=NOON, index=True)
            day: dt.date = ig.field(default=dt.date(2024, 2, 29), index=True)
            clock: dt.time = dt.time(23, 59)
            took: dt.timedelta = dt.timedelta(seconds=5)
            key: uuid.UUID = uuid.UUID(int=5)
            letter: ig.Char = "x"
            color: Color = Color.GREEN
            home: Sub | None = None
            tags: list[str] = ig.field(factory=list)
            anything: Any = None

        self.old: Any = Old
        self.new: Any = New
        self.sub: Any = Sub
        self.color: Any = Color


@pytest.fixture
def versions(names: Name) -> Versions:
    return Versions(names)


async def columns(client: ig.Client, name: str) -> dict[str, str]:
    rows = await client.sql("SELECT column_name, type FROM SYS.TABLE_COLUMNS WHERE schema_name = ?", name)
    return {row[0]: row[1] for row in rows}


async def indexes(client: ig.Client, name: str) -> dict[str, str]:
    rows = await client.sql("SELECT index_name, columns FROM SYS.INDEXES WHERE schema_name = ?", name)
    return {row[0]: row[1] for row in rows}


def record_statements(client: ig.Client, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements other than SELECT that a client runs from now on."""
    made: list[str] = []
    sql = client.sql

    def recorded(statement: str, *params: Any, **options: Any) -> Any:
        if not statement.startswith("SELECT"):
            made.append(statement)
        return sql(statement, *params, **options)

    monkeypatch.setattr(client, "sql", recorded)
    return made


async def test_queries_before_a_migration(connect: Connect, versions: Versions) -> None:
    """A query of a column or an index that the table lacks shows the statement that adds it, and that statement does."""
    old = await connect(versions.old_registry)
    await (await old.cache(versions.name, versions.old)).save(versions.old(1, "a"))
    client = await connect(versions.new_registry)
    cache = await client.cache(versions.name, versions.new)
    await cache.save(versions.new(2, "b", age=30, order=7, weight=2.5, text="x"))
    assert await cache.where(lambda each: each.name == "b").count() == 1
    assert await cache[1] == versions.new(1, "a")

    for condition, path, column in (
        (lambda each: each.age > 5, "New.age", '"AGE" BIGINT'),
        (lambda each: each.group_by == 1, "New.group_by", '"GROUPBY" SMALLINT'),
        (lambda each: each.text == "x", "New.text", '"TEXT" VARCHAR(10)'),
        (lambda each: each.price > Decimal(1), "New.price", '"PRICE" DECIMAL(7, 2)'),
    ):
        with pytest.raises(ig.SchemaConflictError, match=f"lacks the column of {path}.*migrate=True") as caught:
            await cache.where(condition).all()
        assert caught.value.statement == f"ALTER TABLE {cache.table} ADD COLUMN IF NOT EXISTS {column}"
        assert (caught.value.cache, caught.value.path) == (versions.name, path)
        await client.sql(caught.value.statement)
        await cache.where(condition).all()
    assert await cache.where(lambda each: each.age > 5).all() == [await cache[2]]
    with pytest.raises(ig.SchemaConflictError, match="by_order"):
        await cache.index_query("by_order", ig.eq(ig.col("order"), 7)).to_list()
    with pytest.raises(ig.SchemaConflictError) as caught:
        await cache.index_query("heavy", ig.gt(ig.col("weight"), 1.0)).to_list()
    assert caught.value.statement == (
        f'CREATE INDEX IF NOT EXISTS "HEAVY" ON {cache.table} ("WEIGHT" DESC) INLINE_SIZE 20'
    )
    await client.sql(f'ALTER TABLE {cache.table} ADD COLUMN IF NOT EXISTS "WEIGHT" DOUBLE')
    await client.sql(caught.value.statement)
    assert await cache.index_query("heavy", ig.gt(ig.col("weight"), 1.0)).to_list() == [(2, await cache[2])]
    with pytest.raises(ig.QueryError, match="No index found"):
        await cache.index_query("no_such_index", ig.eq(ig.col("order"), 7)).to_list()


async def test_a_migration(connect: Connect, versions: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    """migrate=True adds columns of every type and all indexes; old objects have NULL there, new ones their values."""
    old = await connect(versions.old_registry)
    before = await old.cache(versions.name, versions.old)
    await before.save_many(versions.old(n, f"n{n}") for n in range(10))
    client = await connect(versions.new_registry)
    unmigrated = await client.cache(versions.name, versions.new)
    full = versions.new(20, "new", age=40, order=3, home=versions.sub("Main"), tags=["t"], anything="a")
    await unmigrated.save(full)  # it has the fields before the table has the columns

    made = record_statements(client, monkeypatch)
    cache = await client.cache(versions.name, versions.new, migrate=True)
    assert len(made) == 20 + 5
    made.clear()
    await client.cache(versions.name, versions.new, migrate=True)
    assert made == []  # nothing is left to do

    found = await columns(client, versions.name)
    assert {*found} == {"_KEY", "_VAL", "ID", "NAME"} | {
        "AGE", "ORDER", "GROUPBY", "BYTE", "RATIO", "WEIGHT", "YES", "TEXT", "RAW", "PRICE", "WHEN", "DAY", "CLOCK",
        "TOOK", "KEY", "LETTER", "COLOR", "HOME", "TAGS", "ANYTHING",
    }  # fmt: skip
    present = await indexes(client, versions.name)
    assert present["BY_ORDER"] == '"ORDER" ASC, "GROUPBY" DESC, "_KEY" ASC'
    assert present["HEAVY"] == '"WEIGHT" DESC, "_KEY" ASC'
    assert present[f"{versions.type_name}_AGE_IDX".upper()] == '"AGE" ASC, "_KEY" ASC'

    await cache.save(versions.new(21, "newer", age=50, order=3, group_by=9))
    assert await cache[20] == full
    for condition in (
        lambda each: each.age == 40,
        lambda each: (each.order == 3) & (each.group_by == 0),
        lambda each: ig.is_in(each.age, [40, 41]) & (each.text == "abc") & (each.price == Decimal("1.10")),
        lambda each: (each.age < 50) & (each.when == NOON) & (each.day == dt.date(2024, 2, 29)),
        lambda each: (each.age < 50) & (each.clock == dt.time(23, 59)) & (each.took == dt.timedelta(seconds=5)),
        lambda each: (each.age < 50) & (each.key == uuid.UUID(int=5)) & (each.letter == "x") & each.yes,
        lambda each: (each.age < 50) & (each.color == versions.color.GREEN) & (each.raw == b"\0\xff"),
        lambda each: (each.age < 50) & (each.byte == 1) & (each.ratio == 0.5) & (each.weight == 0.1),
    ):
        assert await cache.where(condition).all() == [full]
    assert await cache.where(lambda each: ig.is_null(each.age)).count() == 10
    assert await cache.where(lambda each: each.age >= 0).count() == 2
    assert await cache.where().order_by(lambda each: each.age, desc=True).select(lambda each: each.age).limit(3).all() == [
        50, 40, None,
    ]  # fmt: skip
    ordered = await cache.index_query("by_order", ig.eq(ig.col("order"), 3)).to_list()
    assert [key for key, _ in ordered] == [21, 20]
    days = await cache.index_query(None, ig.ge(ig.col("day"), dt.date(2024, 2, 29))).to_list()
    assert {key for key, _ in days} == {20, 21}
    plan = (await client.sql(f"EXPLAIN SELECT id FROM {cache.table} WHERE age = 40"))[0][0]
    assert f"{versions.type_name}_AGE_IDX".upper() in plan

    # What SQL writes there, both versions read.
    await client.sql(
        f'INSERT INTO {cache.table} (id, name, age, "WHEN", day) VALUES (30, ?, 60, ?, ?)', "s", NOON, NOON.date()
    )
    await client.sql(f"UPDATE {cache.table} SET age = 70, text = ? WHERE id = 1", "updated")
    assert await cache[30] == versions.new(30, "s", age=60)
    assert await cache[1] == versions.new(1, "n1", age=70, text="updated")
    assert await before[1] == versions.old(1, "n1")
    await before.modify(20, lambda each: ig.evolve(each, name="changed by the old"))
    assert await cache.where(lambda each: each.age == 40).all() == [ig.evolve(full, name="changed by the old")]
    with pytest.raises(ig.ServerError, match="too long"):
        await cache.save(versions.new(22, text="longer than ten"))

    # A program that comes after SQL wrote those fields, under the names of their columns.
    late = await connect(versions.new_registry)
    again = await late.cache(versions.name, versions.new)
    await again.save(versions.new(40, day=dt.date(2025, 1, 1)))
    assert await cache.where(lambda each: each.day > dt.date(2024, 12, 31)).select(lambda each: each.id).all() == [40]


async def test_two_clients_migrate_at_once(connect: Connect, names: Name) -> None:
    """Two releases with different new fields migrate one table at once, in several tasks, and all columns are there."""
    type_name, name = names("Shared"), names()
    made: list[tuple[ig.Client, Any]] = []
    for release in range(2):
        registry = ig.Registry()
        fields = {f"f{n}": n for n in range(release, release + 3)}
        body = {
            "__annotations__": {"id": int, **dict.fromkeys(fields, int)},
            "id": ig.key(),
            **{field: ig.field(default=0, index=True) for field in fields},
        }
        made.append((await connect(registry), registry.model(type_name=type_name)(type("Shared", (), body))))
    first = await made[0][0].cache(name, made[0][1])
    await first.save(made[0][1](1, f0=1))
    async with asyncio.TaskGroup() as tasks:
        for client, model in made * 3:
            tasks.create_task(client.cache(name, model, migrate=True))
    assert {f"F{n}" for n in range(4)} <= {*await columns(made[0][0], name)}
    assert {f"{type_name}_f{n}_idx".upper() for n in range(4)} <= {*await indexes(made[0][0], name)}
    for number, (client, model) in enumerate(made):
        cache = await client.cache(name, model)
        field = f"f{number + 2}"
        await cache.save(model(10 + number, **{field: 5}))
        assert await cache.where(ig.col(field) == 5).select(ig.col("id")).all() == [10 + number]


async def test_a_dropped_column(connect: Connect, versions: Versions) -> None:
    """A column that was dropped is a SchemaConflictError in queries, and comes back by a migration with its values."""
    client = await connect(versions.new_registry)
    cache = await client.cache(versions.name, versions.new)
    await cache.save(versions.new(1, age=5))
    await client.sql(f'DROP INDEX "{versions.name}"."{versions.type_name.upper()}_AGE_IDX"')
    await client.sql(f"ALTER TABLE {cache.table} DROP COLUMN age")
    with pytest.raises(ig.SchemaConflictError, match=r"New\.age"):
        await cache.where(lambda each: each.age > 1).all()
    assert await cache[1] == versions.new(1, age=5)
    cache = await client.cache(versions.name, versions.new, migrate=True)
    assert await cache.where(lambda each: each.age > 1).all() == [versions.new(1, age=5)]
    assert f"{versions.type_name}_AGE_IDX".upper() in await indexes(client, versions.name)


async def test_a_renamed_field(connect: Connect, names: Name) -> None:
    """A field with an alias gets a column of its new name, which has an object once it is saved again."""
    old, new = ig.Registry(), ig.Registry()
    type_name, name = names("Renamed"), names()

    @old.model(type_name=type_name)
    class Before:
        id: int = ig.key()
        nick: str = ""

    @new.model(type_name=type_name)
    class After:
        id: int = ig.key()
        called: str = ig.field(default="", aliases=("nick",))

    before = await (await connect(old)).cache(name, Before)
    await before.save_many([Before(1, "a"), Before(2, "b")])
    client = await connect(new)
    after = await client.cache(name, After)
    with pytest.raises(ig.SchemaConflictError, match=r"After\.called.*\"CALLED\" VARCHAR"):
        await after.where(lambda each: each.called == "a").all()
    after = await client.cache(name, After, migrate=True)
    assert {"NICK", "CALLED"} <= {*await columns(client, name)}
    assert await after[1] == After(1, "a")
    assert await after.where(lambda each: each.called == "a").all() == []
    await after.save_many(await after.values().to_list())
    assert await after.where(lambda each: each.called == "a").all() == [After(1, "a")]


async def test_columns_of_other_types(connect: Connect, names: Name) -> None:
    """A column of another type, and one that a key would need, is a SchemaConflictError that names field and types."""
    registry = ig.Registry()
    type_name = names("Typed")

    @registry.model(type_name=type_name)
    class Typed:
        id: int = ig.key()
        age: int = 0
        day: dt.date = dt.date(2024, 1, 1)
        anything: Any = None

    client = await connect(registry)

    async def table(*fields: tuple[str, str]) -> str:
        name = names()
        entity = QueryEntity(
            "java.lang.Long",
            type_name,
            key_field="id" if ("id", "java.lang.Long") in fields else None,
            fields=tuple(QueryField(field, java, is_key=field == "id") for field, java in fields),
        )
        await client.cache(name, int, Any, query_entities=(entity,))
        return name

    key = ("id", "java.lang.Long")
    for java in ("java.lang.Integer", "java.lang.String", "java.lang.Object"):
        name = await table(key, ("age", java))
        with pytest.raises(
            ig.SchemaConflictError,
            match=rf"Typed\.age: the column AGE .* is {java} in the cluster and java\.lang\.Long",
        ) as caught:
            await client.cache(name, Typed, migrate=True)
        assert (caught.value.cache, caught.value.path) == (name, "Typed.age")
        assert "DAY" not in await columns(client, name)  # nothing is done where not all can be
    with pytest.raises(ig.SchemaConflictError, match=r"Typed\.id is part of the key") as caught:
        await client.cache(await table(("age", "java.lang.Long")), Typed, migrate=True)
    for java in ("java.util.Date", "java.sql.Timestamp"):
        name = await table(key, ("age", "java.lang.Long"), ("day", java), ("anything", "java.lang.String"))
        cache = await client.cache(name, Typed, migrate=True)
        await cache.save(Typed(1, anything="x"))
        assert await cache.where(lambda each: each.day == dt.date(2024, 1, 1)).count() == 1


async def test_what_a_migration_can_not_add(connect: Connect, names: Name) -> None:
    """A table, a full-text index and an index whose name is taken are SchemaConflictErrors that say why."""
    old, new = ig.Registry(), ig.Registry()
    type_name, name = names("Indexed"), names()

    @old.model(type_name=type_name)
    class Before:
        id: int = ig.key()
        text: str = ig.field(default="", index=ig.Index("mine"))
        other: str = ""

    @new.model(type_name=type_name)
    class After:
        id: int = ig.key()
        text: str = ""
        other: str = ig.field(default="", index=ig.Index("mine"))

    @new.model(type_name=names("Words"))
    class Words:
        id: int = ig.key()
        text: str = ig.field(default="", index=ig.Index("words", fulltext=True))

    client, newer = await connect(old), await connect(new)
    await client.cache(name, Before)
    with pytest.raises(ig.SchemaConflictError, match="the index MINE .* is over other columns") as caught:
        await newer.cache(name, After, migrate=True)
    assert caught.value.statement == f'DROP INDEX "{name}"."MINE"'
    await newer.sql(caught.value.statement)
    await newer.cache(name, After, migrate=True)
    assert (await indexes(newer, name))["MINE"] == '"OTHER" ASC, "_KEY" ASC'

    bare = names()
    await client.cache(bare, int, Any)
    with pytest.raises(ig.SchemaConflictError, match="created without a table") as caught:
        await newer.cache(bare, After, migrate=True)
    assert caught.value.cache == bare

    wordless = names()
    entity = QueryEntity("java.lang.Long", newer_type(newer, Words), key_field="id", fields=(
        QueryField("id", "java.lang.Long", is_key=True), QueryField("text", "java.lang.String"),
    ))  # fmt: skip
    await newer.cache(wordless, int, Any, query_entities=(entity,))
    with pytest.raises(ig.SchemaConflictError, match="full-text index words can't be added"):
        await newer.cache(wordless, Words, migrate=True)
    made = await newer.cache(names(), Words)
    assert await newer.cache(made.name, Words, migrate=True) is not None


def newer_type(client: ig.Client, cls: type) -> str:
    model = client._registry.find(cls)
    assert model is not None
    return model.type_name


async def test_an_index_that_is_there_under_another_name(
    connect: Connect, names: Name, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index whose name nobody chose is not made twice; one that was named is, since it may be asked for."""
    registry = ig.Registry()
    type_name, name = names("Twice"), names()

    @registry.model(type_name=type_name)
    class Twice:
        id: int = ig.key()
        a: int = ig.field(default=0, index=True)
        b: int = ig.field(default=0, index=ig.Index("wanted"))

    client = await connect(registry)
    entity = QueryEntity(
        "java.lang.Long",
        type_name,
        key_field="id",
        fields=tuple(QueryField(field, "java.lang.Long", is_key=field == "id") for field in ("id", "a", "b")),
        indexes=tuple(QueryIndex(f"theirs_{field}", 0, -1, ((field, False),)) for field in "ab"),
    )
    await client.cache(name, int, Any, query_entities=(entity,))
    made = record_statements(client, monkeypatch)
    cache = await client.cache(name, Twice, migrate=True)
    assert made == [f'CREATE INDEX IF NOT EXISTS "WANTED" ON {cache.table} ("B" ASC)']


async def test_a_refused_statement(connect: Connect, names: Name) -> None:
    """What only the server finds wrong is a SchemaConflictError with the statement and the server's words."""
    registries = [ig.Registry() for _ in range(3)]
    type_name, name = names("Refused"), names()

    @registries[0].model(type_name=type_name)
    class First:
        id: int = ig.key()

    @registries[1].model(type_name=type_name)
    class Second:
        id: int = ig.key()
        value: int = 0

    @registries[2].model(type_name=type_name)
    class Third:
        id: int = ig.key()
        value: Any = None

    first, second, third = [await connect(registry) for registry in registries]
    await first.cache(name, First)
    cache = await second.cache(name, Second, migrate=True)
    await second.sql(f"INSERT INTO {cache.table} (id, value) VALUES (1, 5)")
    await second.sql(f"ALTER TABLE {cache.table} DROP COLUMN value")
    with pytest.raises(ig.SchemaConflictError, match="the cluster refused ALTER TABLE .*different type") as caught:
        await third.cache(name, Third, migrate=True)
    assert caught.value.statement == f'ALTER TABLE {cache.table} ADD COLUMN IF NOT EXISTS "VALUE" OTHER'
    assert isinstance(caught.value.__cause__, ig.SqlError)


async def test_not_null_in_a_migration(connect: Connect, names: Name) -> None:
    """A new column that must not be null leaves old objects readable, and refuses those that lack it from then on."""
    old, new = ig.Registry(), ig.Registry()
    type_name, name = names("Strict"), names()

    @old.model(type_name=type_name)
    class Before:
        id: int = ig.key()

    @new.model(type_name=type_name)
    class After:
        id: int = ig.key()
        size: Annotated[int, ig.sql(not_null=True)] = 3

    before = await (await connect(old)).cache(name, Before)
    await before.save(Before(1))
    after = await (await connect(new)).cache(name, After, migrate=True)
    assert await after[1] == After(1)
    await after.save(After(2, 4))
    assert await after.where(lambda each: ig.is_null(each.size)).count() == 1
    with pytest.raises(ig.ServerError, match="Null value is not allowed for column 'SIZE'"):
        await before.save(Before(3))
