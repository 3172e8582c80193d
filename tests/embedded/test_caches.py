"""Caches, binary types and scans on the embedded node, with the words of a real one."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.client.session import Session
from ignitemap.embedded import Node
from ignitemap.exceptions import CacheExists, CacheNotFound, ResourceNotFound, ServerError, SqlError
from ignitemap.protocol.cache_config import (
    CacheAtomicityMode,
    CacheConfig,
    CacheMode,
    IndexType,
    KeyConfiguration,
    PartitionLossPolicy,
    QueryEntity,
    QueryField,
    QueryIndex as IndexOf,
    RebalanceMode,
    WriteSynchronizationMode,
)
from ignitemap.protocol.hashing import field_id, schema_id, string_hash, type_id
from ignitemap.protocol.key_hash import hash_of, partition_of
from ignitemap.protocol.message import CacheRef, ExpiryPolicy, changed
from ignitemap.protocol.operations import (
    CacheCreateWithConfiguration,
    CacheCreateWithName,
    CacheDestroy,
    CacheGetConfiguration,
    CacheGetNames,
    CacheGetOrCreateWithConfiguration,
    CacheGetOrCreateWithName,
    CachePartitions,
    CachePut,
    CachePutAll,
    GetBinaryConfiguration,
    GetBinaryType,
    GetBinaryTypeName,
    IndexIn,
    IndexRange,
    PutBinaryType,
    QueryIndex,
    QueryIndexCursorGetPage,
    QueryScan,
    QueryScanCursorGetPage,
    QuerySql,
    QuerySqlCursorGetPage,
    QuerySqlFields,
    QuerySqlFieldsCursorGetPage,
    RegisterBinaryTypeName,
    ResourceClose,
    TypeBlock,
)

CACHE = CacheRef(string_hash("a"))

# --- caches -----------------------------------------------------------------------------------------------------------


async def test_making_caches(session: Session) -> None:
    """Caches are made by name and by configuration, once; get-or-create leaves one that exists as it is."""
    await session.call(CacheCreateWithName("a"))
    with pytest.raises(
        CacheExists, match=r"Failed to start cache \(a cache with the same name is already started\): a"
    ):
        await session.call(CacheCreateWithName("a"))
    with pytest.raises(CacheExists):
        await session.call(CacheCreateWithConfiguration(CacheConfig(name="a")))
    await session.call(CacheGetOrCreateWithName("a"))
    await session.call(CacheGetOrCreateWithName("b"))
    await session.call(CacheGetOrCreateWithConfiguration(CacheConfig(name="a", backups=3)))
    assert (await session.call(CacheGetConfiguration(CACHE))).backups == 0
    assert sorted(await session.call(CacheGetNames())) == ["a", "b"]
    await session.call(CacheDestroy(CACHE.cache_id))
    with pytest.raises(CacheNotFound):
        await session.call(CacheDestroy(CACHE.cache_id))
    for request in (CacheCreateWithName(""), CacheGetOrCreateWithConfiguration(CacheConfig())):
        with pytest.raises(ServerError, match="Cache name must not be null or empty"):
            await session.call(request)
    with pytest.raises(ServerError, match="Failed to complete exchange process"):
        await session.call(CacheCreateWithConfiguration(CacheConfig(name="c", data_region="nowhere")))


async def test_defaults(session: Session) -> None:
    """A cache that was made by its name has the properties that a 2.17.0 node gives it."""
    await session.call(CacheCreateWithName("a"))
    assert await session.call(CacheGetConfiguration(CACHE)) == CacheConfig(
        name="a",
        mode=CacheMode.PARTITIONED,
        atomicity=CacheAtomicityMode.ATOMIC,
        backups=0,
        write_sync=WriteSynchronizationMode.PRIMARY_SYNC,
        copy_on_read=True,
        read_from_backup=True,
        data_region=None,
        onheap_cache=False,
        query_entities=(),
        query_parallelism=1,
        query_detail_metrics_size=0,
        sql_schema=None,
        sql_index_max_inline_size=-1,
        sql_escape_all=False,
        max_query_iterators=1024,
        rebalance_mode=RebalanceMode.ASYNC,
        rebalance_delay=0,
        rebalance_timeout=10_000,
        rebalance_batch_size=524_288,
        rebalance_batches_prefetch=3,
        rebalance_order=0,
        rebalance_throttle=0,
        group=None,
        key_configuration=(),
        default_lock_timeout=0,
        max_concurrent_async_operations=500,
        partition_loss_policy=PartitionLossPolicy.IGNORE,
        eager_ttl=True,
        statistics=False,
        expiry=None,
    )


FULL = CacheConfig(
    name="a",
    mode=CacheMode.PARTITIONED,
    atomicity=CacheAtomicityMode.TRANSACTIONAL,
    backups=2,
    write_sync=WriteSynchronizationMode.FULL_SYNC,
    copy_on_read=False,
    read_from_backup=False,
    data_region="default",
    onheap_cache=True,
    query_entities=(),
    query_parallelism=2,
    query_detail_metrics_size=5,
    sql_schema="S",
    sql_index_max_inline_size=20,
    sql_escape_all=True,
    max_query_iterators=512,
    rebalance_mode=RebalanceMode.SYNC,
    rebalance_delay=1,
    rebalance_timeout=20_000,
    rebalance_batch_size=1024,
    rebalance_batches_prefetch=4,
    rebalance_order=1,
    rebalance_throttle=2,
    group="g",
    key_configuration=(KeyConfiguration("my.Key", "part"),),
    default_lock_timeout=7,
    max_concurrent_async_operations=100,
    partition_loss_policy=PartitionLossPolicy.READ_ONLY_SAFE,
    eager_ttl=False,
    statistics=True,
    expiry=ExpiryPolicy(1, 2, 3),
)


async def test_all_properties(session: Session) -> None:
    """All properties come back as they were given; a replicated cache has as many backups as there can be."""
    await session.call(CacheCreateWithConfiguration(FULL))
    assert await session.call(CacheGetConfiguration(CACHE)) == FULL
    await session.call(CacheCreateWithConfiguration(CacheConfig(name="r", mode=CacheMode.REPLICATED)))
    assert (await session.call(CacheGetConfiguration(CacheRef(string_hash("r"))))).backups == 2**31 - 1


async def test_affinity(session: Session, node: Node) -> None:
    """Partitioned caches are one group with all partitions on the only node; replicated ones have no mapping."""
    await session.call(CacheCreateWithConfiguration(FULL))
    await session.call(CacheCreateWithConfiguration(CacheConfig(name="r", mode=CacheMode.REPLICATED)))
    found = await session.call(CachePartitions(cache_ids=[CACHE.cache_id, string_hash("r"), 77, CACHE.cache_id]))
    partitioned, replicated = found.groups
    assert [(each.cache_id, each.key_fields) for each in partitioned.caches] == [
        (CACHE.cache_id, [(type_id("my.Key"), field_id("part"))])
    ]
    assert [(owner, sorted(numbers)) for owner, numbers in partitioned.nodes] == [(node.id, list(range(1024)))]
    assert (replicated.applicable, replicated.cache_ids) == (False, [string_hash("r")])
    assert (await session.call(CachePartitions(cache_ids=[]))).groups == []
    before = found.minor
    await session.call(CacheDestroy(CACHE.cache_id))
    assert (await session.call(CachePartitions(cache_ids=[]))).minor == before + 1


# --- scans ------------------------------------------------------------------------------------------------------------


async def test_scans(session: Session) -> None:
    """A scan gives every entry once, page by page; the last page closes the cursor."""
    await session.call(CacheCreateWithName("a"))
    await session.call(CachePutAll(CACHE, [(number, str(number)) for number in range(10)]))
    first = await session.call(QueryScan(CACHE, page_size=4))
    entries, more, cursor = [*first.entries], first.more, first.cursor
    while more:
        page = await session.call(QueryScanCursorGetPage(cursor))
        entries, more = [*entries, *page.entries], page.more
    assert sorted(entries) == [(number, str(number)) for number in range(10)]
    with pytest.raises(ResourceNotFound, match="Failed to find resource with id"):
        await session.call(QueryScanCursorGetPage(cursor))
    assert (await session.call(QueryScan(CACHE, page_size=10))).more is False
    opened = await session.call(QueryScan(CACHE, page_size=1))
    await session.call(ResourceClose(opened.cursor))
    with pytest.raises(ResourceNotFound):
        await session.call(QueryScanCursorGetPage(opened.cursor))


async def test_scans_of_partitions(session: Session) -> None:
    """A scan of a partition gives the entries whose keys are there."""
    await session.call(CacheCreateWithName("a"))
    keys = range(3000)
    await session.call(CachePutAll(CACHE, [(number, 0) for number in keys]))
    for partition in (0, 42, 1023):
        found = await session.call(QueryScan(CACHE, partition=partition))
        expected = [
            key for key in keys if partition_of(hash_of(b"\x04" + key.to_bytes(8, "little")) or 0, 1024) == partition
        ]
        assert sorted(key for key, _ in found.entries) == expected


async def test_scans_that_can_not_be(session: Session) -> None:
    """A wrong page size, partition or filter is refused in a real node's words; so is the page of a dropped cache."""
    await session.call(CacheCreateWithName("a"))
    await session.call(CachePutAll(CACHE, [(1, 1), (2, 2)]))
    for request, message in (
        (QueryScan(CACHE, page_size=0), "Page size must be above zero."),
        (QueryScan(CACHE, partition=1024), "Invalid partition number: 1024"),
        (QueryScan(CACHE, filter=1), "does not support filters of a scan by Java class"),
    ):
        with pytest.raises(ServerError, match=message):
            await session.call(request)
    opened = await session.call(QueryScan(CACHE, page_size=1))
    await session.call(CacheDestroy(CACHE.cache_id))
    with pytest.raises(CacheNotFound):
        await session.call(QueryScanCursorGetPage(opened.cursor))


# --- SQL over the protocol ----------------------------------------------------------------------------------------------


ENTITY = QueryEntity(
    "java.lang.Long",
    "shop.City",
    fields=(
        QueryField("name", "java.lang.String", default=None),
        QueryField("people", "java.lang.Long"),
    ),
    indexes=(IndexOf("BY_PEOPLE", IndexType.SORTED, -1, (("people", False),)),),
)


@pytest.fixture
async def cities(client: ig.Client, session: Session) -> CacheRef:
    """Cities over a query entity."""
    await session.call(CacheCreateWithConfiguration(CacheConfig(name="cities", query_entities=(ENTITY,))))
    fields = [("name", 9, field_id("name")), ("people", 4, field_id("people"))]
    order = [field_id("name"), field_id("people")]
    await session.call(
        PutBinaryType(
            TypeBlock(type_id("shop.City"), "shop.City", None, fields, False, (), [(schema_id(order), order)])
        )
    )
    await client.sql(
        "insert into \"cities\".city (_key, name, people) values (1, 'Ulm', 10), (2, 'Bonn', 30), (3, 'Köln', 20)"
    )
    return CacheRef(string_hash("cities"))


async def test_rows_in_pages(session: Session, cities: CacheRef) -> None:
    """Rows come page by page with their column names; the last page closes the cursor."""
    request = QuerySqlFields(cities, None, 2, -1, "select name, people from city order by people", [])
    first = await session.call(request)
    assert (first.columns, first.more) == (["NAME", "PEOPLE"], True)
    assert [tuple(row) for row in first.rows] == [("Ulm", 10), ("Köln", 20)]
    last = await session.call(QuerySqlFieldsCursorGetPage(first.cursor, 2))
    assert ([tuple(row) for row in last.rows], last.more) == ([("Bonn", 30)], False)
    with pytest.raises(ServerError, match="Failed to find resource"):
        await session.call(QuerySqlFieldsCursorGetPage(first.cursor, 2))


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("people > ? order by people", [3, 2]),
        ("order by people limit 2", [1, 3]),
        ("where people > ? order by people", [3, 2]),
        ("from city where people > ? order by name", [2, 3]),
        ("select * from city where people > ? order by name desc", [3, 2]),
        ("select c.* from city c where c.people > ? order by c.name desc", [3, 2]),
    ],
)
async def test_entries_by_sql(session: Session, cities: CacheRef, text: str, keys: list[int]) -> None:
    """Operation 2002 selects entries by a condition, a clause, a FROM or a SELECT of everything."""
    found = await session.call(QuerySql(cities, "City", text, [15]))
    assert [key for key, _ in found.entries] == keys
    paged = await session.call(QuerySql(cities, "City", text, [15], page_size=1))
    rest = await session.call(QuerySqlCursorGetPage(paged.cursor))
    assert [key for key, _ in [*paged.entries, *rest.entries]] == keys


async def test_sql_that_can_not_be(session: Session, cities: CacheRef) -> None:
    """What a real node refuses before it looks at the statement is refused in its words."""

    def fields(cache: CacheRef = cities, **more: Any) -> QuerySqlFields:
        return QuerySqlFields(cache, None, 10, -1, "select 1", [], **more)

    for request, message in (
        (fields(partitions=[]), "Partitions must not be empty"),
        (fields(partitions=[1, 2, 1]), "Partition duplicates are not allowed: 1"),
        (fields(partitions=[1]), "does not support SQL over some partitions"),
        (fields(update_batch_size=0), "updateBatchSize cannot be lower than 1"),
        (fields(CacheRef(5)), r"Cache does not exist \[cacheId= 5\]"),
        (changed(fields(), schema="nope"), r"Failed to set schema for DB connection .*schema=nope"),
        (QuerySql(cities, "Nope", "1=1", []), "Failed to find SQL table for type: Nope"),
        (QuerySql(cities, "City", "select _key from city", []), r"Only queries starting with 'SELECT \*'"),
        (QuerySql(cities, "City", "nope > 1", []), '^50000: Failed to parse query. Column "NOPE" not found'),
        (QuerySql(cities, "City", "", []), "^50000: Failed to parse query. Syntax error"),
    ):
        with pytest.raises(SqlError, match=message):
            await session.call(request)


async def test_index_queries(session: Session, cities: CacheRef) -> None:
    """Index queries give entries in the order of the index, within bounds, in pages, by partition, up to a limit."""

    async def keys(**more: Any) -> list[int]:
        page = await session.call(QueryIndex(cities, value_type="shop.City", index_name="BY_PEOPLE", **more))
        return [key for key, _ in page.entries]

    assert await keys() == [1, 3, 2]
    assert await keys(criteria=[IndexRange("PEOPLE", 15, None)]) == [3, 2]
    assert await keys(criteria=[IndexIn("PEOPLE", (10, 30))]) == [1, 2]
    assert await keys(limit=2) == [1, 3]
    assert await keys(partition=2) == [2]
    assert await keys(partition=2, limit=1) == [2]
    first = await session.call(QueryIndex(cities, 2, value_type="shop.City", index_name="BY_PEOPLE"))
    rest = await session.call(QueryIndexCursorGetPage(first.cursor))
    assert [key for key, _ in rest.entries] == [2]
    for request, message in (
        (QueryIndex(cities, value_type="shop.City", partition=5000), "Specified partition"),
        (QueryIndex(cities, value_type="shop.City", filter=1), "filters of an index query by Java class"),
        (QueryIndex(cities, value_type="shop.City", index_name="NOPE"), "No index found"),
    ):
        with pytest.raises(ServerError, match=message):
            await session.call(request)


async def test_entities_are_told(session: Session, cities: CacheRef, client: ig.Client) -> None:
    """The configuration tells the query entity as it is now, with an alias for each field."""
    await client.sql('create index by_name on "cities".city (name desc)')
    await client.sql('alter table "cities".city add column area double')
    (entity,) = (await session.call(CacheGetConfiguration(cities))).query_entities or ()
    assert [field.name for field in entity.fields][:2] == ["name", "people"]
    assert "AREA" in [alias for _, alias in entity.aliases]
    assert {index.name for index in entity.indexes} >= {"BY_PEOPLE", "BY_NAME"}


async def test_entries_of_other_types(session: Session, cities: CacheRef, client: ig.Client) -> None:
    """An entry of another type than the table's is kept beside it: every operation has it, SQL does not."""
    await session.call(CachePut(cities, "text", "value"))
    await session.call(CachePut(cities, 9, "value"))
    raw = client.raw
    cache = await raw.get_cache("cities")
    assert await cache.get("text") == "value"
    assert await cache.get_size() == 5
    assert (await client.sql('select count(*) as n from "cities".city'))[0].n == 3
    assert len((await session.call(QueryScan(cities, page_size=2))).entries) == 2
    async with cache.scan(page_size=2) as cursor:
        assert len([entry async for entry in cursor]) == 5
    await session.call(CachePut(CacheRef(cities.cache_id, expiry=ExpiryPolicy(access=-1)), "text", "other"))
    assert await cache.remove_key("text") is True
    assert await cache.contains_key("text") is False
    await session.call(CachePut(cities, 1, "no city any more"))
    assert (await client.sql('select count(*) as n from "cities".city'))[0].n == 2
    await cache.clear()
    assert await cache.get_size() == 0


async def test_entities_that_can_not_be(session: Session) -> None:
    """A cache whose query entity can't be a table is not made at all."""
    wrong = attrs.evolve(ENTITY, indexes=(IndexOf("I", IndexType.GEOSPATIAL, -1, (("name", False),)),))
    with pytest.raises(ServerError):
        await session.call(CacheCreateWithConfiguration(CacheConfig(name="cities", query_entities=(wrong,))))
    assert await session.call(CacheGetNames()) == []
    await session.call(CacheCreateWithConfiguration(CacheConfig(name="cities", query_entities=(ENTITY,))))
    await session.call(CacheDestroy(string_hash("cities")))
    await session.call(CacheCreateWithConfiguration(CacheConfig(name="cities", query_entities=(ENTITY,))))


async def test_ddl_that_fails(session: Session, client: ig.Client) -> None:
    """A CREATE TABLE that fails leaves no cache; one over an existing cache's name is refused."""
    await session.call(CacheCreateWithName("a"))
    with pytest.raises(SqlError):
        await client.sql('create table t (id int primary key, n int) with "cache_name=a"')
    with pytest.raises(SqlError):
        await client.sql('create table t (id int primary key, n int) with "template=nope"')
    await client.sql('create table t (id int primary key, n int) with "template=replicated,cache_name=r"')
    assert sorted(await session.call(CacheGetNames())) == ["a", "r"]
    assert (await session.call(CacheGetConfiguration(CacheRef(string_hash("r"))))).mode is CacheMode.REPLICATED
    await client.sql('create table u (id int primary key, n int) with "template=r,cache_name=like"')
    assert (await session.call(CacheGetConfiguration(CacheRef(string_hash("like"))))).mode is CacheMode.REPLICATED
    await client.sql("drop table t")
    assert sorted(await session.call(CacheGetNames())) == ["a", "like"]
    rows = await client.sql("select cache_name, cache_mode from sys.caches order by cache_name")
    assert [tuple(row) for row in rows] == [("a", "PARTITIONED"), ("like", "REPLICATED")]
    assert len(await client.sql("select node_id from sys.nodes")) == 1
    assert len(await client.sql("select consistent_id from sys.baseline_nodes")) == 1


# --- binary types -------------------------------------------------------------------------------------------------------


def block(name: str, fields: dict[str, int], **more: Any) -> PutBinaryType:
    """A type, with one schema of all of its fields."""
    order = [field_id(field) for field in fields]
    described = [(field, code, field_id(field)) for field, code in fields.items()]
    values: dict[str, Any] = {"affinity_field": None, "is_enum": False, "constants": (), **more}
    schemas = [] if values["is_enum"] else [(schema_id(order), order)]
    return PutBinaryType(TypeBlock(type_id("a.T"), name, fields=described, schemas=schemas, **values))


async def test_types_are_united(session: Session) -> None:
    """A type grows by fields and schemas; what contradicts it is refused with a real node's text."""
    number = type_id("a.T")
    assert not (await session.call(GetBinaryType(number))).exists
    await session.call(block("a.T", {"a": 3, "b": 9}))
    await session.call(block("a.T", {"a": 3, "c": 9}))
    await session.call(block("a.T", {"A": 3}))
    found = (await session.call(GetBinaryType(number))).type
    assert found is not None
    assert [name for name, _, _ in found.fields] == ["a", "b", "c", "A"]
    assert len(found.schemas) == 3
    for request, message in (
        (block("a.T", {"a": 4}), "Expected 'int' but 'long' was provided"),
        (block("a.T", {"a": 250}), "Expected 'int' but 'null' was provided"),
        (block("a.T", {"a": 3}, affinity_field="a"), "affKeyFieldName1=null, affKeyFieldName2=a"),
        (block("a.T", {}, is_enum=True, constants=[("X", 0)]), "already registered as non-enum: a.T"),
        (block("a.T2", {"a": 3}), f"typeId={number}, typeName1=a.T, typeName2=a.T2"),
    ):
        with pytest.raises(ServerError, match=message) as caught:
            await session.call(request)
        assert caught.value.status == 1


async def test_enums_are_united(session: Session) -> None:
    """An enum grows by constants; an ordinal or a name that is taken is refused."""
    for constants in ([("X", 0)], [("Y", 1)]):
        await session.call(block("a.T", {}, is_enum=True, constants=constants))
    found = (await session.call(GetBinaryType(type_id("a.T")))).type
    assert found is not None
    assert found.constants == [("X", 0), ("Y", 1)]
    for request, message in (
        (block("a.T", {}, is_enum=True, constants=[("Z", 1)]), r"Name 'Z' uses ordinal value \(1\) .* for name 'Y'"),
        (block("a.T", {}, is_enum=True, constants=[("X", 5)]), r"Value \(5\) has name 'X' .* for value '0'"),
        (block("a.T", {"a": 3}), "already registered as enum"),
    ):
        with pytest.raises(ServerError, match=message):
            await session.call(request)


async def test_names_of_types(session: Session) -> None:
    """A type has one name on each platform; another one is refused, and so is asking for what has none."""
    for platform, kind in ((0, "Java"), (1, ".NET"), (9, "Unknown")):
        with pytest.raises(ServerError, match=f"platform={kind}, typeId=77"):
            await session.call(GetBinaryTypeName(platform, 77))
    for _ in range(2):
        assert await session.call(RegisterBinaryTypeName(0, 77, "a.T")) is True
    assert await session.call(RegisterBinaryTypeName(1, 77, "other")) is True
    assert await session.call(GetBinaryTypeName(0, 77)) == "a.T"
    with pytest.raises(ServerError, match=r"Duplicate ID \[platformId=0, typeId=77, oldCls=a.T, newCls=b.T\]"):
        await session.call(RegisterBinaryTypeName(0, 77, "b.T"))
    assert await session.call(GetBinaryConfiguration()) == (True, 0)


async def test_affinity_fields_place_keys(client: ig.Client, node: Node) -> None:
    """A complex key is placed by its affinity field, whether the cache's configuration names it or the type does."""

    @ig.model(registry=(registry := ig.Registry()), type_name="a.Sale", cache="sales")
    class Sale:
        number: int = ig.key()
        city: int = ig.key(affinity=True)
        amount: int = 0

    async with ig.connect(f"embedded://{node.key.removeprefix('name:')}", registry=registry) as own:
        sales = await own.cache(Sale)
        await sales.save_many([Sale(number=number, city=7, amount=1) for number in range(5)])
        assert await sales.items(partition=7).count() == 5
