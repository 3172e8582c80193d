"""Opening caches of a real cluster: what is created, what is taken as it is, and what is refused with its reason."""

import asyncio
import datetime
import math
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.mapping.opening import matching_entity
from ignitemap.protocol.cache_config import (
    CacheAtomicityMode,
    CacheConfig,
    KeyConfiguration,
    PartitionLossPolicy,
    QueryEntity,
    QueryField,
    QueryIndex,
    RebalanceMode,
    WriteSynchronizationMode,
)
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef, ExpiryPolicy
from ignitemap.protocol.operations import CacheGetConfiguration
from tests.mapping.conftest import Connect, Name


def entity(key: str, value: str, *fields: tuple[str, str], **more: Any) -> QueryEntity:
    return QueryEntity(key, value, fields=tuple(QueryField(name, java) for name, java in fields), **more)


async def configuration(client: ig.Client, name: str) -> CacheConfig:
    return await client.raw.session.call(CacheGetConfiguration(CacheRef(string_hash(name))))


def count_requests(client: ig.Client, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the requests that a client makes from now on."""
    made: list[str] = []
    session = client.raw.session
    call = session.call

    def counted(request: Any, *args: Any, **options: Any) -> Any:
        made.append(type(request).__name__)
        return call(request, *args, **options)

    monkeypatch.setattr(session, "call", counted)
    return made


# --- get or create ----------------------------------------------------------------------------------------------------


async def test_an_absent_cache(client: ig.Client, names: Name) -> None:
    """An absent cache is created; with create=False it is a CacheNotFound that names it, and nothing is created."""
    name = names()
    with pytest.raises(ig.CacheNotFound, match=name):
        await client.cache(name, int, str, create=False)
    assert name not in await client.cache_names()
    cache = await client.cache(name, int, str)
    await cache.set(1, "a")
    assert await (await client.cache(name, int, str, create=False))[1] == "a"
    assert await (await client.cache(name, int, str))[1] == "a"


async def test_a_cache_that_others_drop(client: ig.Client, names: Name, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that is gone whenever it was created is a CacheNotFound in the end."""
    name, session = names(), client.raw.session
    made: list[str] = []

    async def call(request: Any, *args: Any, **options: Any) -> Any:
        made.append(type(request).__name__)
        if isinstance(request, CacheGetConfiguration):
            raise ig.CacheNotFound("gone", status=1000)

    monkeypatch.setattr(session, "call", call)
    with pytest.raises(ig.CacheNotFound):
        await client.cache(name, int, str)
    assert made == ["CacheGetConfiguration", "CacheGetOrCreateWithConfiguration"] * 5 + ["CacheGetConfiguration"]


async def test_what_opening_costs(client: ig.Client, names: Name, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing cache is opened by one question about it, beside the one for its partitions."""
    name = names()
    await client.cache(name, int, str)
    made = count_requests(client, monkeypatch)
    await client.cache(name, int, str, backups=1)
    assert made == ["CacheGetConfiguration"]


async def test_many_tasks_open_at_once(connect: Connect, names: Name) -> None:
    """Fifty tasks of two clients that open a fresh model at once and save all succeed, and one cache is there."""
    name, type_name = names(), names("Raced")

    def declare(registry: ig.Registry) -> Any:
        @registry.model(type_name=type_name)
        class Raced:
            id: int = ig.key()
            text: str = ig.field(index=True)

        return Raced

    async def save(client: ig.Client, model: Any, number: int) -> None:
        cache = await client.cache(name, model, backups=1, migrate=number % 10 == 0)
        await cache.save(model(number, f"text {number}"))

    registries = [ig.Registry(), ig.Registry()]
    clients = [await connect(registry) for registry in registries]
    models = [declare(registry) for registry in registries]
    async with asyncio.TaskGroup() as tasks:
        for number in range(50):
            tasks.create_task(save(clients[number % 2], models[number % 2], number))
    cache = await clients[0].cache(name, models[0])
    assert await cache.size() == 50
    assert await cache.where(lambda each: each.text == "text 7").all() == [models[0](7, "text 7")]


OPENER = """
import asyncio, sys
import ignitemap as ig

url, name, type_name, first = sys.argv[1:]

@ig.model(type_name=type_name)
class Raced:
    id: int = ig.key()
    text: str = ig.field(index=True)

async def main():
    async with ig.connect(url) as client:
        print("ready", flush=True)
        sys.stdin.readline()
        async def save(number):
            cache = await client.cache(name, Raced, atomicity="transactional")
            await cache.save(Raced(number, f"text {number}"))
        await asyncio.gather(*map(save, range(int(first), int(first) + 50)))

asyncio.run(main())
"""


async def test_two_processes_open_at_once(client: ig.Client, names: Name, url: str) -> None:
    """Two processes that open and save a fresh model at once, in fifty tasks each, both succeed."""
    name, type_name = names(), names("Raced")
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    openers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", OPENER, url, name, type_name, first, **pipes)
        for first in ("0", "50")
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert await opener.stdout.readline() == b"ready\n"
    ends = await asyncio.gather(*(opener.communicate(b"go\n") for opener in openers))
    assert [(opener.returncode, errors) for opener, (_, errors) in zip(openers, ends, strict=True)] == [(0, b"")] * 2
    rows = await client.sql(f'SELECT COUNT(*) FROM "{name}"."{type_name.upper()}" WHERE text LIKE ?', "text %")
    assert rows[0][0] == 100


# --- options ----------------------------------------------------------------------------------------------------------

# Each option with what the cache below has, and what it hasn't. Together they are every property of a cache.
OPTIONS: dict[str, tuple[Any, Any]] = {
    "mode": ("partitioned", "replicated"),
    "atomicity": ("transactional", CacheAtomicityMode.ATOMIC),
    "backups": (2, 1),
    "write_sync": (WriteSynchronizationMode.FULL_ASYNC, WriteSynchronizationMode.FULL_SYNC),
    "copy_on_read": (False, True),
    "read_from_backup": (True, False),
    "data_region": ("default", "other"),
    "onheap_cache": (True, False),
    "query_entities": (
        (entity("java.lang.Long", "java.lang.String", table="texts"),),
        (entity("java.lang.Integer", "java.lang.String"),),
    ),
    "query_parallelism": (2, 1),
    "query_detail_metrics_size": (3, 0),
    "sql_schema": ('"Mixed"', "mixed"),
    "sql_index_max_inline_size": (40, -1),
    "sql_escape_all": (False, True),
    "max_query_iterators": (512, 1024),
    "rebalance_mode": (RebalanceMode.SYNC, RebalanceMode.NONE),
    "rebalance_delay": (0, 5),
    "rebalance_timeout": (20_000, 10_000),
    "rebalance_batch_size": (262_144, 524_288),
    "rebalance_batches_prefetch": (4, 3),
    "rebalance_order": (1, 0),
    "rebalance_throttle": (7, 0),
    "group": (None, "a_group"),
    "key_configuration": ((KeyConfiguration("com.acme.Id", "part"),), (KeyConfiguration("com.acme.Id", "other"),)),
    "default_lock_timeout": (3000, 0),
    "max_concurrent_async_operations": (400, 500),
    "partition_loss_policy": (PartitionLossPolicy.READ_ONLY_SAFE, PartitionLossPolicy.READ_WRITE_SAFE),
    "eager_ttl": (False, True),
    "statistics": (True, False),
    "expiry": (ExpiryPolicy(60_000, 60_000), ExpiryPolicy(60_000, 30_000)),
    "ttl": (60, 61),
}


@pytest.fixture(scope="session")
async def peculiar(client: ig.Client) -> AsyncIterator[str]:
    """A cache with no default where there is another choice."""
    name = "opened_peculiar"
    await client.cache(name, int, str, **{option: has for option, (has, _) in OPTIONS.items() if option != "ttl"})
    yield name
    await client.drop(name)


def test_every_property_of_a_cache_is_among_them() -> None:
    """The table above has every option of a cache."""
    assert {*OPTIONS} == {each.name for each in attrs.fields(CacheConfig)} - {"name"} | {"ttl"}


@pytest.mark.parametrize("option", OPTIONS)
async def test_an_option_that_the_cluster_agrees_with(client: ig.Client, peculiar: str, option: str) -> None:
    """An option that the existing cache has may be named, by keyword and in a CacheConfig."""
    has, _ = OPTIONS[option]
    await client.cache(peculiar, int, str, **{option: has})
    if option != "ttl" and not isinstance(has, str):
        await client.cache(peculiar, int, str, config=CacheConfig(**{option: has}))


@pytest.mark.parametrize("option", OPTIONS)
async def test_an_option_that_differs(client: ig.Client, peculiar: str, option: str) -> None:
    """An option that the existing cache has not is a ConfigurationError that names it, the wish and the fact."""
    has, other = OPTIONS[option]
    with pytest.raises(ig.ConfigurationError, match=f"^{option}.* is asked for, and the cache {peculiar!r}") as caught:
        await client.cache(peculiar, int, str, **{option: other})
    assert caught.value.option == option
    if option != "ttl" and not isinstance(other, str):
        with pytest.raises(ig.ConfigurationError) as caught:
            await client.cache(peculiar, int, str, config=CacheConfig(**{option: other}), create=False)
        assert caught.value.option == option


async def test_what_the_message_says(client: ig.Client, peculiar: str) -> None:
    """Differences are told in the words of the caller."""
    for options, message in {
        (
            "mode",
            "replicated",
        ): "mode: 'replicated' is asked for, and the cache 'opened_peculiar' exists with 'partitioned'",
        ("ttl", 90): r"ttl \(expiry\): 90 s is asked for, and the cache 'opened_peculiar' exists with 60 s",
        ("ttl", math.inf): r"ttl \(expiry\): no ttl is asked for",
        (
            "durability",
            "safe",
        ): r"durability \(backups\): 1 is asked for, and the cache 'opened_peculiar' exists with 2",
        ("group", "g"): "group: 'g' is asked for, and the cache 'opened_peculiar' exists with none",
    }.items():
        with pytest.raises(ig.ConfigurationError, match=message):
            await client.cache(peculiar, int, str, **dict([options]))


async def test_defaults_are_not_compared(client: ig.Client, peculiar: str, names: Name) -> None:
    """Without options every existing cache may be opened, and an option of None is none."""
    assert await (await client.cache(peculiar, int, str)).size() == 0
    assert await (await client.cache(peculiar, int, str, backups=None)).size() == 0
    assert await (await client.cache(peculiar, int, str, config=CacheConfig(name=peculiar))).size() == 0


async def test_durability_is_compared_when_it_is_named(client: ig.Client, names: Name) -> None:
    """Each word for durability opens what it creates and not what the other creates, unless it is overridden."""
    safe, fast, mixed = names(), names(), names()
    await client.cache(safe, int, int)
    await client.cache(fast, int, int, durability="fast")
    await client.cache(mixed, int, int, durability="fast", backups=2)
    await client.cache(safe, int, int, durability="safe")
    await client.cache(fast, int, int, durability="fast")
    await client.cache(mixed, int, int, durability="fast", backups=2)
    for name, durability in ((safe, "fast"), (fast, "safe"), (mixed, "fast")):
        with pytest.raises(ig.ConfigurationError, match="durability") as caught:
            await client.cache(name, int, int, durability=durability)
        assert caught.value.option == "durability"


async def test_backups_of_a_replicated_cache(client: ig.Client, names: Name) -> None:
    """A replicated cache has a copy on every node, which is as many backups as were asked for with the mode."""
    name = names()
    for _ in range(2):
        await client.cache(name, int, int, mode="replicated", backups=1, durability="safe")
    with pytest.raises(ig.ConfigurationError, match="backups"):
        await client.cache(name, int, int, backups=1)


async def test_options_that_can_not_be(client: ig.Client, names: Name) -> None:
    """What no cache can have is an error before anything is asked for or created."""
    name = names()
    for options, option in (
        ({"colour": 1}, "colour"),
        ({"mode": "local"}, "mode"),
        ({"durability": "none"}, "durability"),
        ({"config": CacheConfig(name="other")}, "config"),
        ({"table": "t"}, "table"),
        ({"migrate": True}, "migrate"),
    ):
        with pytest.raises(ig.ConfigurationError) as caught:
            await client.cache(name, int, int, **options)
        assert caught.value.option == option
    for ttl in (0, -1, math.nan, datetime.timedelta(0)):
        with pytest.raises(ValueError, match="ttl"):
            await client.cache(name, int, int, ttl=ttl)
    assert name not in await client.cache_names()


async def test_names_that_break_a_node(connect: Connect, names: Name) -> None:
    """A quote in an SQL name is refused before it is sent: a node could make no schemas from then on."""
    registry = ig.Registry()

    @registry.model(type_name=names("Quoted"))
    class Quoted:
        id: int = ig.key()
        text: str = ""

    @registry.model(type_name=names("Quoted"))
    class Odd:
        id: int = ig.key()
        text: str = ig.field(default="", name='te"xt')

    client, name = await connect(registry), names()
    for cache, model, options, option in (
        ('a"b', Quoted, {}, "name"),
        ("INFORMATION_SCHEMA", Quoted, {}, "name"),
        ("SYS", Quoted, {}, "name"),
        (name, Quoted, {"sql_schema": 'a"b'}, "sql_schema"),
        (name, Quoted, {"sql_schema": '"a"b"'}, "sql_schema"),
        (name, Quoted, {"sql_schema": "information_schema"}, "sql_schema"),
        (name, Quoted, {"sql_schema": ""}, "sql_schema"),
        (name, Quoted, {"table": 'a"b'}, "query_entities"),
        (name, Odd, {}, "query_entities"),
    ):
        with pytest.raises(ig.ConfigurationError, match="quote") as caught:
            await client.cache(cache, model, **options)
        assert caught.value.option == option
        with pytest.raises(ig.ConfigurationError, match="quote"):
            await client.raw.create_cache(
                CacheConfig(
                    name=cache,
                    sql_schema=options.get("sql_schema"),
                    query_entities=(entity("java.lang.Long", "Odd", ('te"xt', "java.lang.String")),),
                )
            )
    for schema in ('a"b', ""):
        with pytest.raises(ig.ConfigurationError, match="quote"):
            await client.raw.get_or_create_cache({0: name, 203: schema})
    assert not {'a"b', "SYS", "INFORMATION_SCHEMA", name} & {*await client.cache_names()}


# --- types ------------------------------------------------------------------------------------------------------------


async def test_types_of_keys_and_values(client: ig.Client, names: Name) -> None:
    """Where a cache has a table, types that are not its own are explained; its own and Any open it."""
    name = names()
    table = entity("java.lang.Integer", "java.lang.String")
    texts = await client.cache(name, ig.Int, str, query_entities=(table,))
    await texts.set(1, "one")
    with pytest.raises(
        ig.SchemaConflictError,
        match=r"keys .* are java\.lang\.Integer in the cluster and java\.lang\.Long \(int\) in this program: write ig\.Int",
    ) as caught:
        await client.cache(name, int, str)
    assert caught.value.cache == name
    with pytest.raises(ig.SchemaConflictError, match=r"values .* are java\.lang\.String .*Decimal.*: write str"):
        await client.cache(name, ig.Int, Decimal)
    for key, value in ((ig.Int, str), (ig.INT, ig.STRING), (Any, str), (ig.Int, Any), (ig.Int, str | None)):
        cache: ig.Cache[Any, Any] = await client.cache(name, key, value)  # type: ignore[call-overload]
        assert await cache.get(1) == ("one" if key is not Any else None)  # an untyped 1 is a Long
    assert texts.table == f'"{name}"."STRING"'
    assert await texts.where(lambda text: ig.startswith(text, "o")).all() == ["one"]


async def test_types_of_models(connect: Connect, names: Name) -> None:
    """A model of another type name, under other keys, or in the place of a plain value is explained."""
    registry = ig.Registry()
    first, second = names("com.acme.First"), names("com.acme.Second")

    @registry.model(type_name=first)
    class First:
        id: int = ig.key()

    @registry.model(type_name=second)
    class Second:
        id: int = ig.key()

    @registry.model(type_name=names("Pair"))
    class Pair:
        a: int = ig.key()
        b: int = ig.key()

    client, name, pairs = await connect(registry), names(), names()
    await client.cache(name, First)
    with pytest.raises(
        ig.SchemaConflictError, match=f"values .* are {first} in the cluster and {second} in this program"
    ):
        await client.cache(name, Second)
    with pytest.raises(
        ig.SchemaConflictError, match=rf"{first} in the cluster and java.lang.String \(str\).*type name"
    ):
        await client.cache(name, int, str)
    with pytest.raises(
        ig.SchemaConflictError, match=r"keys .* are java\.lang\.Long .* java\.lang\.String \(str\).*write int"
    ):
        await client.cache(name, str, First)
    await client.cache(pairs, Pair)
    with pytest.raises(ig.SchemaConflictError, match=r"keys .* are Pair.*Key in the cluster .*with the type name Pair"):
        await client.cache(pairs, int, Pair)


async def test_several_tables() -> None:
    """A cache with several tables is opened by the types of one; with Any it has no table of its own."""
    both = CacheConfig(
        name="c", query_entities=(entity("java.lang.Long", "A", table="A"), entity("java.lang.Integer", "B", table="B"))
    )
    found = matching_entity("c", both, "java.lang.Integer", "b")
    assert found is not None
    assert found.table == "B"
    assert matching_entity("c", both, None, None) is None
    with pytest.raises(ig.SchemaConflictError, match=r"are A or B in the cluster and java.lang.String \(str\)"):
        matching_entity("c", both, None, "java.lang.String")
    with pytest.raises(ig.SchemaConflictError, match=r"keys .* are java\.lang\.Integer"):
        matching_entity("c", both, "java.lang.Long", "B")
    assert matching_entity("c", CacheConfig(name="c", query_entities=()), None, "B") is None
    dates = CacheConfig(name="c", query_entities=(entity("java.sql.Date", "B"),))
    with pytest.raises(ig.SchemaConflictError, match="are java.sql.Date in the cluster .*: write Any"):
        matching_entity("c", dates, "java.util.Date", "B")


async def test_a_table_that_sql_made(connect: Connect, names: Name) -> None:
    """A model opens the cache of CREATE TABLE, finds its table in its schema, and shares its rows with SQL."""
    registry = ig.Registry()
    type_name, name, table = names("Town"), names(), names("TOWNS").upper()

    @registry.model(type_name=type_name)
    class Town:
        id: ig.Int = ig.key()
        name: str | None = None
        people: int = 0

    client = await connect(registry)
    await client.sql(
        f'CREATE TABLE {table} (id INT PRIMARY KEY, name VARCHAR, people BIGINT) WITH "CACHE_NAME={name},VALUE_TYPE={type_name}"'
    )
    towns = await client.cache(name, Town)
    assert towns.table == f'"PUBLIC"."{table}"'
    await client.sql(f"INSERT INTO {table} VALUES (1, 'Bern', 134000)")
    assert await towns[1] == Town(1, "Bern", 134000)
    await towns.save(Town(2, "Zug", 31000))
    assert [tuple(row) for row in await client.sql(f"SELECT name, people FROM {table} ORDER BY id")] == [
        ("Bern", 134000),
        ("Zug", 31000),
    ]
    assert await towns.where(lambda town: town.people > 100_000).all() == [Town(1, "Bern", 134000)]
    untyped = await client.cache(name, ig.Int, Any)
    assert untyped.table == towns.table
    await client.sql(f"DROP TABLE {table}")


# --- names in SQL -----------------------------------------------------------------------------------------------------


async def test_sql_names(connect: Connect, names: Name) -> None:
    """The schema is the cache's name, the table the simple type name, the columns the field names in upper case."""
    registry = ig.Registry()
    stem = names("Order")

    @registry.model(type_name=f"com.acme.{stem}", rename="camel")
    class Order:
        id: int = ig.key()
        group: str = ig.field(index=True, default="")
        select_from: int = 0

    client, name = await connect(registry), names("Odd cache-näme")
    orders = await client.cache(name, Order)
    await orders.save(Order(1, "g", 5))
    assert orders.table == f'"{name}"."{stem.upper()}"'
    rows = await client.sql(f'SELECT id, "GROUP", selectFrom FROM {orders.table}')
    assert [each.name for each in rows.columns] == ["ID", "GROUP", "SELECTFROM"]
    assert tuple(rows[0]) == (1, "g", 5)
    assert await orders.where(lambda order: (order.group == "g") & (order.select_from > 4)).count() == 1
    assert await client.drop(name) is None


@pytest.mark.parametrize("by_model", [True, False])
async def test_sql_names_of_ones_own(connect: Connect, names: Name, by_model: bool) -> None:
    """`sql_schema` and `table` name schema and table, of a model or of one cache; without quotes, in upper case."""
    registry = ig.Registry()
    schema, name = names("sales"), names()
    options = {"sql_schema": f'"{schema}"', "table": "select"}

    @registry.model(type_name=names("Sale"), **options if by_model else {})
    class Sale:
        id: int = ig.key()
        amount: int = 0

    client = await connect(registry)
    sales = await client.cache(name, Sale, **{} if by_model else options)
    await sales.save(Sale(1, 7))
    assert sales.table == f'"{schema}"."SELECT"'
    assert (await client.sql(f"SELECT amount FROM {sales.table}"))[0][0] == 7
    assert await sales.where(lambda sale: sale.amount == 7).count() == 1
    again = await client.cache(name, Sale, sql_schema=f'"{schema}"')
    assert again.table == sales.table
    with pytest.raises(ig.ConfigurationError, match="sql_schema"):
        await client.cache(name, Sale, sql_schema=schema)
    upper = await client.cache(names(), Sale, sql_schema=schema, table="t_1")
    assert upper.table == f'"{schema.upper()}"."T_1"'
    await upper.save(Sale(2))
    assert (await client.sql(f"SELECT id FROM {schema}.t_1"))[0][0] == 2


async def test_a_cache_without_a_table(connect: Connect, names: Name) -> None:
    """Plain values have no table; of a model the table is named that a query misses."""
    registry = ig.Registry()

    @registry.model(type_name=names("Tableless"))
    class Tableless:
        id: int = ig.key()

    client, name, other = await connect(registry), names(), names()
    cache = await client.cache(name, int, str)
    with pytest.raises(ig.QueryError, match="no SQL table"):
        _ = cache.table
    models = await client.cache(name, Tableless)
    with pytest.raises(ig.QueryError, match=f'no table "{name}"."TABLELESS_.*created without query metadata'):
        await models.where(lambda each: each.id > 1).all()
    for _ in range(2):
        bare = await client.cache(other, Tableless, config=CacheConfig(query_entities=()))
        with pytest.raises(ig.QueryError, match="no query metadata"):
            await bare.where(lambda each: each.id > 1).all()
    with pytest.raises(ig.ConfigurationError, match="without query_entities"):
        await client.cache(other, Tableless, query_entities=(), table="t")


# --- models -----------------------------------------------------------------------------------------------------------


async def test_a_model_says_everything(connect: Connect, names: Name) -> None:
    """`client.cache(Model)` takes the name from the model or its class, `key=` is checked against key()."""
    registry = ig.Registry()
    name = names()

    @registry.model(type_name=names("Named"), cache=name)
    class Named:
        id: int = ig.key()
        text: str = ""

    @registry.model(type_name=names("Plain"), cache=names())
    class Plain:
        text: str = ""

    @registry.model(type_name=names("Pair"), cache=names())
    class Pair:
        a: int = ig.key()
        b: str = ig.key()

    class Stranger:
        pass

    client = await connect(registry)
    for cache in (await client.cache(Named), await client.cache(Named, key=int)):
        assert cache.name == name
        await cache.save(Named(1, "a"))
        assert await cache[1] == Named(1, "a")
    other = await client.cache(names(), Named)
    await other.save(Named(2))
    assert await other.keys().to_list() == [2]
    assert await cache.get(2) is None
    for key in (str, ig.Int):
        with pytest.raises(ig.ConfigurationError, match=r"the key\(\) of Named is long, not") as caught:
            await client.cache(Named, key=key)
        assert caught.value.option == "key"
    plain = await client.cache(Plain, key=str)
    await plain.set("k", Plain("v"))
    assert await plain["k"] == Plain("v")
    with pytest.raises(TypeError, match="no models with a key"):
        await plain.save(Plain("w"))
    pairs = await client.cache(Pair, key=ig.key_class(Pair, registry=registry))
    await pairs.save(Pair(1, "b"))
    assert await pairs[1, "b"] == Pair(1, "b")
    with pytest.raises(ig.ConfigurationError, match="a name or a model"):
        await client.cache(Stranger)
    with pytest.raises(ig.ConfigurationError, match="a name, a key type and a value type"):
        await client.cache(names(), int, int, int)  # type: ignore[call-overload]


async def test_a_model_under_other_keys(connect: Connect, names: Name) -> None:
    """Under keys of another type the key() fields are part of the value."""
    registry = ig.Registry()

    @registry.model(type_name=names("Whole"))
    class Whole:
        id: int = ig.key()
        text: str = ""

    client = await connect(registry)
    cache = await client.cache(names(), str, Whole)
    await cache.set("k", Whole(5, "a"))
    assert await cache["k"] == Whole(5, "a")


async def test_what_a_table_is_told(connect: Connect, names: Name) -> None:
    """Indexes, precision, not null and default reach the cluster as the model says them; the cluster holds to them."""
    registry = ig.Registry()

    @registry.model(type_name=names("Told"))
    class Told:
        id: int = ig.key()
        name: Annotated[str, ig.sql(precision=5, not_null=True)] = ig.field(index=True)
        city: ig.Int = ig.field(default=0, index=ig.Index("by_city", order=1))
        age: ig.Short = ig.field(default=0, index=(ig.Index("by_city", order=2, descending=True), ig.Index("young")))
        text: str = ig.field(default="", index=ig.Index("words", fulltext=True))
        note: str = ig.field(default="", index=ig.Index("notes", descending=True, inline_size=33))
        price: Annotated[Decimal, ig.sql(precision=4, scale=1)] = Decimal(0)
        grade: Annotated[ig.Int, ig.sql(default=7)] = 0
        letter: ig.Char = "x"

    client = await connect(registry)
    cache = await client.cache(names(), Told)
    rows = await client.sql("SELECT index_name, columns, inline_size FROM SYS.INDEXES WHERE cache_name = ?", cache.name)
    found = {row[0]: (row[1], row[2]) for row in rows}
    stem = cache.table.rpartition('"."')[2].strip('"')
    assert found[f"{stem}_NAME_IDX"][0] == '"NAME" ASC, "_KEY" ASC'
    assert found["BY_CITY"][0] == '"CITY" ASC, "AGE" DESC, "_KEY" ASC'
    assert found["YOUNG"][0] == '"AGE" ASC, "_KEY" ASC'
    assert found["NOTES"] == ('"NOTE" DESC, "_KEY" ASC', 33)
    assert "WORDS" not in found  # SQL does not see it
    (entity,) = (await configuration(client, cache.name)).query_entities or ()
    assert QueryIndex("WORDS", 1, -1, [("text", False)]) in entity.indexes

    await cache.save_many(Told(n, f"n{n}", n % 3, n, "quick brown fox", f"note {n}") for n in range(30))
    plan = (await client.sql(f"EXPLAIN SELECT id FROM {cache.table} WHERE city = 1 ORDER BY age DESC"))[0][0]
    assert '"BY_CITY' in plan
    young = await cache.index_query("young", ig.between(ig.col("age"), 3, 6)).to_list()
    assert [told.age for _, told in young] == [3, 4, 5, 6]
    mixed = await cache.index_query("by_city", ig.eq(ig.col("city"), 1), ig.gt(ig.col("age"), 20)).to_list()
    assert [told.age for _, told in mixed] == [28, 25, 22]
    assert await cache.where(lambda told: told.letter == "x").count() == 30
    for wrong, what in ((Told(99, "longer"), "too long"), (Told(99, "n", price=Decimal("1234.5")), "out of range")):
        with pytest.raises(ig.ServerError, match=what):
            await cache.save(wrong)
    with pytest.raises(ig.ServerError, match="Null value is not allowed for column 'NAME'"):
        await client.sql(f"INSERT INTO {cache.table} (id) VALUES (50)")
    await client.sql(f"INSERT INTO {cache.table} (id, name) VALUES (51, 'sql')")
    assert (await cache[51]).grade == 7
