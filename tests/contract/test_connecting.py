"""Connecting, caches and SQL of a client."""

import asyncio
import os
from collections.abc import Callable
from types import SimpleNamespace

import pytest

import ignitemap as ig

Names = Callable[[], str]


async def test_connect_as_context_manager(url: str) -> None:
    """`async with connect(url)` gives a client that answers."""
    async with ig.connect(url) as client:
        assert isinstance(client, ig.Client)
        assert isinstance(await client.cache_names(), list)


async def test_connect_by_await(url: str) -> None:
    """`await connect(url)` gives a client that aclose closes."""
    client = await ig.connect(url)
    await client.aclose()
    with pytest.raises(ig.ClientClosed):
        await client.cache_names()


async def test_closing_twice(url: str) -> None:
    """Closing a closed client changes nothing."""
    client = await ig.connect(url)
    await client.aclose()
    await client.aclose()


async def test_the_environment_names_the_url(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL, IGNITEMAP_URL counts."""
    monkeypatch.setenv("IGNITEMAP_URL", url)
    async with ig.connect() as client:
        await client.cache_names()


async def test_no_url_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL and IGNITEMAP_URL, connect is a ConfigurationError that names the forms."""
    monkeypatch.delenv("IGNITEMAP_URL", raising=False)
    with pytest.raises(ig.ConfigurationError, match="ignite://"):
        await ig.connect()


@pytest.mark.parametrize(
    "wrong", ["http://x", "ignite://", "ignite://h:port", "ignite://h:1?colour=red", "ignite://h:70000"]
)
async def test_wrong_urls(wrong: str) -> None:
    """A URL that makes no sense is a ConfigurationError."""
    with pytest.raises(ig.ConfigurationError):
        await ig.connect(wrong)


async def test_unknown_options(url: str) -> None:
    """An unknown option is a ConfigurationError that names it."""
    with pytest.raises(ig.ConfigurationError, match="colour"):
        await ig.connect(url, colour="red")


async def test_repr_shows_no_password() -> None:
    """No repr and no error shows a password."""
    with pytest.raises(ig.IgniteMapError) as caught:
        await ig.connect("ignite://ann:hunter2@127.0.0.1:1", connect_timeout=0.5)
    assert "hunter2" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


async def test_nobody_there() -> None:
    """Where nothing listens, connect is ClusterUnavailable, which is a ConnectionError too."""
    with pytest.raises(ig.ClusterUnavailable) as caught:
        await ig.connect("ignite://127.0.0.1:1", connect_timeout=0.5)
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value, ig.NotSentError)


# --- caches -----------------------------------------------------------------------------------------------------------


async def test_a_cache_is_made_once(client: ig.Client, names: Names) -> None:
    """Opening an absent cache makes it; opening it again finds what was stored."""
    name = names()
    first = await client.cache(name, str, int)
    await first.set("a", 1)
    second = await client.cache(name, str, int)
    assert await second["a"] == 1
    assert name in await client.cache_names()


async def test_create_false(client: ig.Client, names: Names) -> None:
    """`create=False` finds an existing cache, and is CacheNotFound for an absent one."""
    name = names()
    with pytest.raises(ig.CacheNotFound):
        await client.cache(name, int, str, create=False)
    assert name not in await client.cache_names()
    await client.cache(name, int, str)
    assert (await client.cache(name, int, str, create=False)).name == name


async def test_drop(client: ig.Client, names: Names) -> None:
    """A dropped cache is gone; dropping an absent one is CacheNotFound."""
    name = names()
    await client.cache(name, int, str)
    await client.drop(name)
    assert name not in await client.cache_names()
    with pytest.raises(ig.CacheNotFound):
        await client.drop(name)


async def test_specs_and_types(client: ig.Client, names: Names) -> None:
    """A cache's types are given as types or as specs, to the same effect."""
    name = names()
    narrow = await client.cache(name, ig.INT, ig.list_of(ig.STRING))
    await narrow.set(1, ["a"])
    assert await (await client.cache(name, ig.Int, list[str]))[1] == ["a"]


async def test_unknown_cache_options(client: ig.Client, names: Names) -> None:
    """An unknown option of a cache is an error that names it, and makes no cache."""
    name = names()
    with pytest.raises((ig.ConfigurationError, TypeError), match="colour"):
        await client.cache(name, int, str, colour="red")
    assert name not in await client.cache_names()


async def test_safe_by_default(client: ig.Client, names: Names) -> None:
    """A cache is safe by default: one backup, full synchronous writes, no reads from backups, no silent loss."""
    promise = await (await client.cache(names(), int, str)).guarantees()
    assert promise.backups == 1
    assert promise.survives_one_node
    fast = await (await client.cache(names(), int, str, durability="fast")).guarantees()
    assert fast.backups == 0


async def test_cache_options(client: ig.Client, names: Names) -> None:
    """Options and a CacheConfig reach the cluster."""
    one = await client.cache(names(), int, str, backups=2, atomicity="transactional", mode="partitioned")
    assert (await one.guarantees()).backups == 2
    other = await client.cache(names(), int, str, config=ig.CacheConfig(backups=0))
    assert (await other.guarantees()).backups == 0


async def test_opening_with_other_options(client: ig.Client, names: Names) -> None:
    """Options that differ from those of an existing cache are a ConfigurationError; those not named are not compared."""
    name = names()
    await client.cache(name, int, str, backups=2)
    with pytest.raises(ig.ConfigurationError, match="backups"):
        await client.cache(name, int, str, backups=1)
    await client.cache(name, int, str)


async def test_two_clients_share_a_cluster(url: str, names: Names) -> None:
    """What one client stores another reads."""
    name = names()
    async with ig.connect(url) as one, ig.connect(url) as other:
        await (await one.cache(name, int, str)).set(1, "x")
        assert await (await other.cache(name, int, str))[1] == "x"


async def test_cluster_state_and_nodes(client: ig.Client) -> None:
    """The client tells the cluster's state and its nodes."""
    nodes = await client.cluster.nodes()
    assert nodes
    assert all(node.id and node.version for node in nodes)
    assert str(await client.cluster.state())


async def test_names_are_any_text(client: ig.Client, names: Names) -> None:
    """A cache's name may be any text."""
    name = f'{names()} "ä" \U0001f40d'
    cache = await client.cache(name, int, str)
    try:
        await cache.set(1, "x")
        assert await cache[1] == "x"
    finally:
        await client.drop(name)


# --- SQL --------------------------------------------------------------------------------------------------------------


async def test_rows_by_name_and_number(client: ig.Client) -> None:
    """A row's values are found as attributes, by name in any case, and by number."""
    rows = await client.sql("SELECT 1 AS id, 'Paris' AS city")
    (row,) = rows
    assert (row.city, row["CITY"], row[1]) == ("Paris",) * 3
    assert list(row) == [1, "Paris"]
    assert [column.name for column in rows.columns] == ["ID", "CITY"]


async def test_parameters_are_bound(client: ig.Client) -> None:
    """Parameters travel as values, never inside the statement."""
    evil = "x' OR '1'='1"
    assert (await client.sql("SELECT CAST(? AS VARCHAR) AS v, CAST(? AS INT) AS n", evil, 5))[0].v == evil


async def test_sql_tables(client: ig.Client) -> None:
    """DDL and DML run; `affected` counts rows."""
    table = f"contract_{os.getpid()}"
    await client.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, name VARCHAR)")
    try:
        inserted = await client.sql(f"INSERT INTO {table} VALUES (?, ?), (?, ?)", 1, "a", 2, "b")
        assert inserted.affected == 2
        assert (await client.sql(f"UPDATE {table} SET name = 'c' WHERE id = 2")).affected == 1
        rows = await client.sql(f"SELECT id, name FROM {table} ORDER BY id")
        assert [tuple(row) for row in rows] == [(1, "a"), (2, "c")]
    finally:
        await client.sql(f"DROP TABLE {table}")


async def test_sql_streams(client: ig.Client) -> None:
    """`async with client.sql(...)` streams rows page by page."""
    async with client.sql("SELECT x FROM SYSTEM_RANGE(1, 100)", page_size=7) as rows:
        assert [row.x async for row in rows] == list(range(1, 101))


async def test_streams_close_early(client: ig.Client) -> None:
    """A stream may be left in the middle; the client goes on."""
    for _ in range(3):
        async with client.sql("SELECT x FROM SYSTEM_RANGE(1, 100)", page_size=7) as rows:
            async for row in rows:
                assert row.x == 1
                break
    assert (await client.sql("SELECT 1"))[0][0] == 1


async def test_sql_errors(client: ig.Client) -> None:
    """A statement with a mistake is an SqlError with its SQLSTATE."""
    with pytest.raises(ig.SqlError) as caught:
        await client.sql("SELEKT 1")
    assert caught.value.state == "42000"
    with pytest.raises(ig.SqlError) as caught:
        await client.sql("SELECT * FROM no_such_table")
    assert isinstance(caught.value, ig.ServerError)


async def test_template_strings(client: ig.Client) -> None:
    """A template string is accepted by its shape, and its values are bound."""
    template = SimpleNamespace(
        strings=("SELECT CAST(", " AS VARCHAR) AS v"),
        interpolations=(SimpleNamespace(value="a'b", expression="v", conversion=None, format_spec=""),),
    )
    assert (await client.sql(template))[0].v == "a'b"


async def test_forgotten_await_of_sql(client: ig.Client) -> None:
    """A query is awaited or entered; iterating over it as it is doesn't work silently."""
    with pytest.raises(TypeError):
        list(client.sql("SELECT 1"))  # type: ignore[call-overload]


async def test_operations_run_side_by_side(cache: "ig.Cache[int, str]") -> None:
    """Hundreds of operations of one client run at once, each with its own answer."""
    await asyncio.gather(*(cache.set(key, str(key)) for key in range(500)))
    assert await asyncio.gather(*(cache[key] for key in range(500))) == [str(key) for key in range(500)]
