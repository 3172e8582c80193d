"""SQL on the raw layer: arguments with hints, column names, statement types, pages, deadlines."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ignitemap import raw
from ignitemap.exceptions import EncodeOverflowError, TooManyCursors
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import QuerySqlFields, RowCursor
from tests.addresses import host_ports
from tests.client.fake_server import connected, fake_nodes


@pytest.fixture(scope="module")
async def client(url: str) -> AsyncIterator[raw.AioClient]:
    async with raw.AioClient().connect(host_ports(url)) as connected:
        yield connected


@pytest.fixture(scope="module")
async def table(client: raw.AioClient) -> AsyncIterator[str]:
    """A table of ten rows: id, name, small."""
    name = f"SQL_{uuid.uuid4().hex}".upper()
    await client.sql(f"CREATE TABLE {name} (id INT PRIMARY KEY, name VARCHAR, small TINYINT)")
    for number in range(10):
        await client.sql(
            f"INSERT INTO {name} VALUES (?, ?, ?)",
            query_args=[(number, raw.IntObject), f"n{number}", (number, raw.ByteObject)],
        )
    yield name
    await client.sql(f"DROP TABLE {name}")


async def rows(cursor: Any) -> list[list[Any]]:
    async with cursor:
        return [list(row) async for row in cursor]


async def test_arguments_with_hints(client: raw.AioClient, table: str) -> None:
    """An argument may be (value, hint); a value that the hint can't hold is refused before anything is sent."""
    query = f"SELECT name FROM {table} WHERE small = ? AND name = ?"
    assert await rows(client.sql(query, query_args=[(3, raw.ByteObject), "n3"])) == [["n3"]]
    assert await rows(client.sql(query, query_args=((3, raw.LongObject), ("n3", raw.String)))) == [["n3"]]
    with pytest.raises(EncodeOverflowError):
        await client.sql(query, query_args=[(300, raw.ByteObject), "n3"])


async def test_column_names(client: raw.AioClient, table: str) -> None:
    """Names of columns are the cursor's, where they were asked for, and no row; rows are the same either way."""
    query = f"SELECT id, name AS title FROM {table} ORDER BY id"
    async with client.sql(query, page_size=3, include_field_names=True) as cursor:
        assert cursor.columns == ("ID", "TITLE")
        named = [list(row) async for row in cursor]
    assert named == [[number, f"n{number}"] for number in range(10)]
    async with client.sql(query, page_size=3) as cursor:
        assert cursor.columns == ()
        assert [list(row) async for row in cursor] == named


async def test_changes_are_counted(client: raw.AioClient, table: str) -> None:
    """A statement that changes something answers one row with the number of changes."""
    update = client.sql(f"UPDATE {table} SET name = name WHERE id < ?", query_args=[4], include_field_names=True)
    assert await rows(update) == [[4]]
    assert update.columns == ("UPDATED",)


async def test_statement_types(client: raw.AioClient, table: str) -> None:
    """A statement type lets only its own statements pass; one that there isn't is refused at once."""
    select, change = f"SELECT 1 FROM {table} WHERE id = 1", f"UPDATE {table} SET name = name WHERE id = 1"
    assert await rows(client.sql(select, statement_type=raw.StatementType.SELECT)) == [[1]]
    assert await rows(client.sql(change, statement_type=raw.StatementType.UPDATE)) == [[1]]
    for query, kind in ((select, raw.StatementType.UPDATE), (change, raw.StatementType.SELECT)):
        with pytest.raises(raw.SQLError) as caught:
            await client.sql(query, statement_type=kind)
        assert caught.value.state == "42000"
    with pytest.raises(raw.ParameterError, match="StatementType"):
        client.sql(select, statement_type=3)


async def test_all_arguments(client: raw.AioClient, table: str) -> None:
    """Every argument reaches the server, and none changes what a simple query answers."""
    cursor = client.sql(
        f"SELECT name FROM {table} WHERE id = ?", page_size=1, query_args=[7], schema="PUBLIC", statement_type=1,
        distributed_joins=True, local=False, replicated_only=False, enforce_join_order=True, collocated=True, lazy=True,
        include_field_names=True, max_rows=5, timeout=60_000, cache=None,
    )  # fmt: skip
    assert await rows(cursor) == [["n7"]]
    with pytest.raises(raw.SQLError, match="schema"):
        await client.sql("SELECT 1", schema="NOT_THERE")


async def test_pages_closed_early(client: raw.AioClient, table: str) -> None:
    """More queries can be left after a page than a node allows cursors on one connection (128)."""
    try:
        for _ in range(140):
            async with client.sql(f"SELECT id FROM {table}", page_size=2) as cursor:
                await anext(cursor)
                await anext(cursor)
                await anext(cursor)
    except TooManyCursors:
        pytest.fail("cursors were left open")


async def test_server_timeout(client: raw.AioClient) -> None:
    """A query that takes longer than its timeout is ended by the server."""
    slow = "SELECT COUNT(*) FROM SYSTEM_RANGE(1, 2000000) a, SYSTEM_RANGE(1, 2000) b"
    with pytest.raises(raw.SQLError, match="cancelled|timed out"):
        await client.sql(slow, timeout=200)


@pytest.mark.parametrize("timeout", [-1, 2**31])
def test_timeouts_that_are_refused(timeout: int) -> None:
    """A timeout is an int of ms that the server can hold."""
    with pytest.raises(raw.ParameterError):
        raw.AioClient().sql("SELECT 1", timeout=timeout)


async def test_client_waits_as_long_as_the_server() -> None:
    """With a timeout above the client's own the client waits that much longer; without one it keeps its own."""
    async with fake_nodes(1) as (node,), connected(node, timeout=0.1) as client:
        held = node.hold(QuerySqlFields)
        with pytest.raises(TimeoutError, match="within 0.1 s"):
            await client.sql("SELECT 1")
        with pytest.raises(TimeoutError, match=r"within 0\.3"):
            await client.sql("SELECT 1", timeout=200)
        assert [call.request.timeout for call in held.calls] == [-1, 200]


# --- every field of the operation -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value", "field"),
    [
        ("page_size", 7, "page_size"),
        ("query_args", [1, "a"], "arguments"),
        ("schema", "S", "schema"),
        ("statement_type", 2, "statement_type"),
        ("distributed_joins", True, "distributed_joins"),
        ("local", True, "local"),
        ("replicated_only", True, "replicated_only"),
        ("enforce_join_order", True, "enforce_join_order"),
        ("collocated", True, "collocated"),
        ("lazy", True, "lazy"),
        ("max_rows", 5, "max_rows"),
        ("timeout", 1000, "timeout"),
    ],
)
async def test_each_argument_is_its_field(argument: str, value: Any, field: str) -> None:
    """Each argument of sql() is one field of the operation, and leaves all others as they are."""
    async with fake_nodes(1) as (node,), connected(node) as client:
        seen: list[QuerySqlFields] = []

        def answer(call: Any) -> None:
            seen.append(call.request)
            call.answer(RowCursor(1, 1, ["A"], [], False))

        node.on(QuerySqlFields, answer)
        await client.sql("SELECT 1")
        await client.sql("SELECT 1", **{argument: value})
        plain, given = ({name: getattr(each, name) for name in each.__slots__} for each in seen)
        assert plain["sql"] == given["sql"] == "SELECT 1"
        assert given[field] == value != plain[field]
        assert {name for name in plain if name != "cache" and plain[name] != given[name]} == {field}


async def test_cache_and_field_names_are_fields(client: raw.AioClient) -> None:
    """The cache whose schema is meant is the operation's cache; names are asked for where they are wanted."""
    async with fake_nodes(1) as (node,), connected(node) as other:
        seen: list[QuerySqlFields] = []

        def answer(call: Any) -> None:
            seen.append(call.request)
            call.answer(RowCursor(1, 1, ["A"] if call.request.include_field_names else (), [], False))

        node.on(QuerySqlFields, answer)
        for form in ("c", string_hash("c"), raw.AioCache(other, "c")):
            assert (await other.sql("SELECT 1", cache=form)).columns == ()
        assert (await other.sql("SELECT 1", include_field_names=True)).columns == ("A",)
        assert [request.cache.cache_id for request in seen] == [string_hash("c")] * 3 + [0]
        assert [request.include_field_names for request in seen] == [False] * 3 + [True]


async def test_partitions_and_update_batches(client: raw.AioClient, table: str) -> None:
    """Of a query for some partitions the rows are those that are kept there; a change takes any size of batches."""
    query = f"SELECT id FROM {table}"
    found: list[int] = []
    for partition in range(10):  # of an int below 1024 it is the int itself
        request = QuerySqlFields(CacheRef(0), "PUBLIC", 100, -1, query, (), partitions=(partition,))
        ids = [row[0] for row in (await client.session.call(request)).rows]
        assert ids == [partition]
        found += ids
    assert sorted(found) == list(range(10))
    request = QuerySqlFields(CacheRef(0), "PUBLIC", 100, -1, query, (), partitions=(1, 2, 500))
    assert sorted(row[0] for row in (await client.session.call(request)).rows) == [1, 2]
    change = f"UPDATE {table} SET name = name"
    for size in (1, 3, 1000):
        request = QuerySqlFields(CacheRef(0), "PUBLIC", 100, -1, change, (), update_batch_size=size)
        assert [list(row) for row in (await client.session.call(request)).rows] == [[10]]
