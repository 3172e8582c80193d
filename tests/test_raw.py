"""The raw layer on the real cluster: pyignite's names, signatures and results."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import pickle
import ssl
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

import ignitemap as ig
from ignitemap import aio_cache, raw
from ignitemap.client.client import Options
from ignitemap.exceptions import (
    CacheExists,
    CacheNotFound,
    ClientClosed,
    ClusterUnavailable,
    ConfigurationError,
    EncodeError,
    InsecureCredentialsError,
    SqlError,
)
from ignitemap.local import cluster as local_cluster
from ignitemap.protocol.cache_config import PROPERTIES
from tests.addresses import host_ports


@pytest.fixture(scope="module")
async def client(url: str) -> AsyncIterator[raw.AioClient]:
    async with raw.AioClient().connect(host_ports(url)) as connected:
        yield connected


@pytest.fixture(scope="module")
async def shared_cache(client: raw.AioClient) -> AsyncIterator[raw.AioCache]:
    made = await client.create_cache(f"raw-{uuid.uuid4()}")
    yield made
    await made.destroy()


@pytest.fixture
async def cache(shared_cache: raw.AioCache) -> raw.AioCache:
    """An empty cache, which the tests take turns to use."""
    await shared_cache.clear()
    return shared_cache


# --- signatures -------------------------------------------------------------------------------------------------------

# Parameters of pyignite 0.6.1's AioCache, in their order.
METHODS = {
    "settings": "timeout",
    "destroy": "timeout",
    "get": "key key_hint timeout",
    "put": "key value key_hint value_hint timeout",
    "get_all": "keys timeout",
    "put_all": "pairs timeout",
    "replace": "key value key_hint value_hint timeout",
    "clear": "keys timeout",
    "clear_key": "key key_hint timeout",
    "clear_keys": "keys timeout",
    "contains_key": "key key_hint timeout",
    "contains_keys": "keys timeout",
    "get_and_put": "key value key_hint value_hint timeout",
    "get_and_put_if_absent": "key value key_hint value_hint timeout",
    "put_if_absent": "key value key_hint value_hint timeout",
    "get_and_remove": "key key_hint timeout",
    "get_and_replace": "key value key_hint value_hint timeout",
    "remove_key": "key key_hint timeout",
    "remove_keys": "keys timeout",
    "remove_all": "timeout",
    "remove_if_equals": "key sample key_hint sample_hint timeout",
    "replace_if_equals": "key sample value key_hint sample_hint value_hint timeout",
    "get_size": "peek_modes timeout",
    "scan": "page_size partitions local timeout",
    "with_expire_policy": "expiry_policy create update access",
}


@pytest.mark.parametrize("name", METHODS)
def test_method_parameters(name: str) -> None:
    """A method of AioCache takes pyignite's parameters in pyignite's order."""
    assert " ".join(list(inspect.signature(getattr(raw.AioCache, name)).parameters)[1:]) == METHODS[name]


def test_client_sql_parameters() -> None:
    """AioClient.sql takes pyignite's parameters in pyignite's order."""
    assert " ".join(list(inspect.signature(raw.AioClient.sql).parameters)[1:]) == (
        "query_str page_size query_args schema statement_type distributed_joins local replicated_only"
        " enforce_join_order collocated lazy include_field_names max_rows timeout cache"
    )


def test_property_codes_are_the_protocols() -> None:
    """Every cache property of the protocol has its PROP_ code, and there are no others."""
    codes = {getattr(raw, name) for name in dir(raw) if name.startswith("PROP_")}
    assert codes == {each.code for each in PROPERTIES}


def test_module_functions_have_two_homes() -> None:
    """The cache functions can be imported from aio_cache too, as from pyignite.aio_cache."""
    assert {name: getattr(aio_cache, name) for name in aio_cache.__all__} == {
        name: getattr(raw, name) for name in aio_cache.__all__
    }


def test_everything_exported_is_there() -> None:
    """Each name in __all__ exists, and the submodule loads from the package."""
    assert all(hasattr(ig.raw, name) for name in raw.__all__)
    assert ig.aio_cache is aio_cache


# --- connecting -------------------------------------------------------------------------------------------------------


async def test_connect_by_host_and_port(url: str) -> None:
    """connect(host, port) can be awaited, and close() ends it."""
    client = raw.AioClient(partition_aware=False)
    host, port = host_ports(url)[0]
    assert await client.connect(host, port) is client
    assert isinstance(await client.get_cache_names(), list)
    await client.close()
    with pytest.raises(ClientClosed):
        await client.get_cache_names()


async def test_connect_binds_the_client(url: str) -> None:
    """`async with client.connect([...]) as x` binds the client, and closes it at the end."""
    client = raw.AioClient()
    async with client.connect(host_ports(url)) as bound:
        assert bound is client
        assert "nodes connected" in repr(client)
    with pytest.raises(ClientClosed):
        await client.get_cache_names()


async def test_connect_again_after_close(url: str) -> None:
    """A closed client can be connected again; one that is connected can't."""
    client = raw.AioClient()
    async with client.connect(host_ports(url)):
        with pytest.raises(ConfigurationError, match="connected already"):
            await client.connect(host_ports(url))
    async with client.connect(host_ports(url)):
        assert await client.get_cache_names() is not None


def test_connect_waits_to_be_awaited() -> None:
    """connect() is not refused, and does nothing before it is awaited."""
    client = raw.AioClient()
    _ = client.connect()
    assert repr(client) == "<AioClient, not connected>"


@pytest.mark.parametrize("where", [("localhost",), ("localhost", "10800"), ([],), ([("a",)],), (5,), ("a", 1, 2)])
def test_connect_refuses_other_arguments(where: tuple[Any, ...]) -> None:
    """Arguments that are no addresses are refused at once."""
    with pytest.raises(raw.ParameterError, match="a host and a port"):
        _ = raw.AioClient().connect(*where)


async def test_reconnect_error_names_every_cause() -> None:
    """A cluster that can't be reached is pyignite's ReconnectError, and one of connection_errors."""
    client = raw.AioClient(handshake_timeout=5, partition_aware=False)
    with pytest.raises(raw.ReconnectError) as caught:
        await client.connect("127.0.0.1", 1)
    assert isinstance(caught.value, raw.connection_errors)
    assert isinstance(caught.value, ClusterUnavailable)


def test_options_by_pyignites_names() -> None:
    """The keywords of pyignite become options of ours, beside which ours can be given."""
    client = raw.AioClient(
        username="u", password="p", partition_aware=False, handshake_timeout=3, timeout=7, retry="none"
    )
    assert client.options == Options(
        username="u", password="p", partition_awareness=False, connect_timeout=3, timeout=7, retry="none",
        naive_datetime="utc", discovery=False,
    )  # fmt: skip
    assert raw.AioClient(discovery=True).options.discovery
    assert "password" not in repr(client.options)


@pytest.mark.parametrize(
    "options",
    [
        {"compact_footer": False},
        {"event_listeners": [object()]},
        {"use_tls": True},
        {"ssl_certfile": "a.pem"},
        {"use_ssl": True, "ssl_keyfile": "a.pem"},
        {"use_ssl": True, "ssl_ca_certfile": "/nonexistent.pem"},
        {"use_ssl": True, "ssl_ciphers": "NO SUCH"},
        {"use_ssl": True, "ssl_version": ssl.PROTOCOL_TLSv1},
        {"username": "u"},
        {"retry": "always"},
        {"naive_datetime": "guess"},
        {"timeout": 0},
        {"max_in_flight": 0},
    ],
    ids=lambda options: next(reversed(options)),
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    """An option that is unknown or can't be met is a ParameterError before anything is dialled."""
    with pytest.raises(raw.ParameterError):
        raw.AioClient(**options)


def test_tls_verifies_unless_told_otherwise() -> None:
    """use_ssl checks chain and host name and speaks TLS 1.2 or newer; CERT_NONE has to be written out."""
    context = raw.AioClient(use_ssl=True).options.tls
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    unsafe = raw.AioClient(use_ssl=True, ssl_cert_reqs=ssl.CERT_NONE, ssl_ciphers="ECDHE+AESGCM").options.tls
    assert unsafe is not None
    assert (unsafe.verify_mode, unsafe.check_hostname) == (ssl.CERT_NONE, False)
    assert raw.AioClient(use_ssl=False, ssl_ca_certfile="unused.pem").options.tls is None


async def test_password_stays_here_without_tls() -> None:
    """A password is not sent in plain text to another machine."""
    with pytest.raises(InsecureCredentialsError):
        await raw.AioClient(username="u", password="p").connect("192.0.2.1", 10800)


@pytest.mark.stress  # starts nodes of its own
async def test_tls_and_password_on_a_real_node() -> None:
    """The TLS and password keywords of pyignite reach a node that asks for a password; a wrong one is refused."""
    async with local_cluster(nodes=1, tls=True, auth=True) as secure:
        tls: dict[str, Any] = {"use_ssl": True, "ssl_ca_certfile": str(secure.ca_file)}
        where = host_ports(secure.url)
        async with raw.AioClient(username="ignite", password="ignite", **tls).connect(where) as client:
            cache = await client.get_or_create_cache("secure")
            await cache.put(1, "one")
            assert await cache.get(1) == "one"
        with pytest.raises(raw.AuthenticationError):
            await raw.AioClient(username="ignite", password="wrong", **tls).connect(where)


# --- caches and their settings ----------------------------------------------------------------------------------------


async def test_create_get_and_destroy(client: raw.AioClient) -> None:
    """A cache is created once; get_cache sends nothing; what is gone is a CacheError that says so."""
    name = f"raw-{uuid.uuid4()}"
    created = await raw.create_cache(client, name)
    with pytest.raises(raw.CacheCreationError) as caught:
        await raw.create_cache(client, name)
    assert isinstance(caught.value, CacheExists)
    assert (await raw.get_or_create_cache(client, name)).name == name
    assert name in await client.get_cache_names()
    found = await raw.get_cache(client, {raw.PROP_NAME: name})
    assert found.cache_id == created.cache_id
    assert found.client is client
    await found.destroy()
    with pytest.raises(raw.CacheError) as gone:
        await created.get(1)
    assert isinstance(gone.value, CacheNotFound)


@pytest.mark.parametrize(
    "settings",
    [
        "",
        {},
        {raw.PROP_BACKUPS_NUMBER: 1},
        {raw.PROP_NAME: "x", 9999: 1},
        {raw.PROP_NAME: "x", raw.PROP_CACHE_MODE: 0},
        {raw.PROP_NAME: "x", raw.PROP_QUERY_ENTITIES: [{"table_name": "T"}]},
        {raw.PROP_NAME: "x", raw.PROP_EXPIRY_POLICY: 60_000},
        {raw.PROP_NAME: "x", raw.PROP_DEFAULT_LOCK_TIMEOUT: -1},
        7,
    ],
    ids=repr,
)
async def test_settings_that_are_refused(client: raw.AioClient, settings: Any) -> None:
    """Settings without a name, with an unknown code or an impossible value are a ParameterError, and nothing is sent."""
    with pytest.raises(raw.ParameterError):
        await client.create_cache(settings)


async def test_create_from_a_cache_config(client: raw.AioClient) -> None:
    """A CacheConfig creates a cache too, as one object with named fields."""
    name = f"raw-{uuid.uuid4()}"
    cache = await client.get_or_create_cache(raw.CacheConfig(name=name, backups=1))
    settings = await cache.settings()
    assert settings is not None
    assert settings[raw.PROP_BACKUPS_NUMBER] == 1
    await cache.destroy()


def test_a_client_is_not_pickled() -> None:
    """A client refuses to be pickled, and says what to do instead."""
    with pytest.raises(TypeError, match="connect anew"):
        pickle.dumps(raw.AioClient())


async def test_get_cache_takes_the_name_alone(client: raw.AioClient) -> None:
    """get_cache refuses properties, which could not be applied."""
    with pytest.raises(raw.ParameterError, match="no other property"):
        await client.get_cache({raw.PROP_NAME: "x", raw.PROP_BACKUPS_NUMBER: 1})


async def test_settings_round_trip(client: raw.AioClient) -> None:
    """What settings() answers creates a cache that answers the same."""
    name = f"raw-{uuid.uuid4()}"
    given: dict[int, Any] = {
        raw.PROP_NAME: name,
        raw.PROP_CACHE_MODE: raw.CacheMode.PARTITIONED,
        raw.PROP_CACHE_ATOMICITY_MODE: 0,
        raw.PROP_BACKUPS_NUMBER: 1,
        raw.PROP_WRITE_SYNCHRONIZATION_MODE: raw.WriteSynchronizationMode.FULL_SYNC,
        raw.PROP_PARTITION_LOSS_POLICY: raw.PartitionLossPolicy.READ_WRITE_SAFE,
        raw.PROP_EXPIRY_POLICY: raw.ExpiryPolicy(create=60_000),
        raw.PROP_SQL_SCHEMA: "PUBLIC",
        raw.PROP_CACHE_KEY_CONFIGURATION: [{"type_name": "TownKey", "affinity_key_field_name": "country"}],
        raw.PROP_QUERY_ENTITIES: [
            {
                "key_type_name": "java.lang.Long",
                "value_type_name": "Town",
                "table_name": f"TOWN_{uuid.uuid4().hex}".upper(),
                "key_field_name": "ID",
                "value_field_name": None,
                "query_fields": [
                    {"name": "ID", "type_name": "java.lang.Long", "is_key_field": True},
                    {"name": "NAME", "type_name": "java.lang.String", "is_notnull_constraint_field": True},
                ],
                "field_name_aliases": [{"field_name": "NAME", "alias": "TITLE"}],
                "query_indexes": [
                    {
                        "index_name": "BY_NAME",
                        "index_type": raw.IndexType.SORTED,
                        "inline_size": 20,
                        "fields": [{"name": "NAME", "is_descending": True}],
                    }
                ],
            }
        ],
    }
    first = await client.create_cache(given)
    settings = await first.settings()
    assert settings is not None
    assert set(settings) == {each.code for each in PROPERTIES}
    for code in given.keys() - {raw.PROP_QUERY_ENTITIES}:
        assert settings[code] == given[code]
    (entity,), (asked,) = settings[raw.PROP_QUERY_ENTITIES], given[raw.PROP_QUERY_ENTITIES]
    for name in asked.keys() - {"query_fields", "field_name_aliases"}:
        assert entity[name] == asked[name]
    more: dict[str, Any] = {"is_key_field": False, "is_notnull_constraint_field": False, "default_value": None}
    more |= {"precision": -1, "scale": -1}
    assert entity["query_fields"] == [more | field for field in asked["query_fields"]]
    assert {"field_name": "NAME", "alias": "TITLE"} in entity["field_name_aliases"]  # the server adds the others
    assert "precision" not in asked["query_fields"][0]  # what was given is left as it is
    assert await first.settings() is settings  # read once
    await first.destroy()

    second = await client.create_cache(settings)
    try:
        assert await second.settings() == settings
    finally:
        await second.destroy()


# --- one method after the other ---------------------------------------------------------------------------------------


async def test_get_and_put(cache: raw.AioCache) -> None:
    """A put sets, a get reads, None is an absent key."""
    assert await cache.get("a") is None
    await cache.put("a", 1)
    assert await cache.get("a", timeout=5) == 1


async def test_put_all_and_get_all(cache: raw.AioCache) -> None:
    """get_all answers a dict of what is present; keys and values may come with hints."""
    await cache.put_all({"a": 1, ("b", raw.String): (2, raw.IntObject)})
    assert await cache.get_all(["a", ("b", raw.String), "c"]) == {"a": 1, "b": 2}


async def test_contains(cache: raw.AioCache) -> None:
    """contains_key asks for one key, contains_keys for all of several."""
    await cache.put_all({1: "a", 2: "b"})
    assert await cache.contains_key(1)
    assert not await cache.contains_key(3)
    assert await cache.contains_keys([1, 2])
    assert not await cache.contains_keys([1, 3])


async def test_conditional_writes(cache: raw.AioCache) -> None:
    """put_if_absent and replace tell whether they wrote."""
    assert await cache.put_if_absent("a", 1)
    assert not await cache.put_if_absent("a", 2)
    assert not await cache.replace("b", 1)
    assert await cache.replace("a", 3)
    assert await cache.get("a") == 3


async def test_writes_that_answer_the_old_value(cache: raw.AioCache) -> None:
    """The get_and_ methods answer what was there, None for nothing."""
    assert await cache.get_and_put("a", 1) is None
    assert await cache.get_and_put("a", 2) == 1
    assert await cache.get_and_put_if_absent("a", 9) == 2
    assert await cache.get_and_put_if_absent("b", 9) is None
    assert await cache.get_and_replace("a", 3) == 2
    assert await cache.get_and_replace("c", 3) is None
    assert await cache.get_and_remove("a") == 3
    assert await cache.get_and_remove("a") is None
    assert await cache.get_all(["a", "b", "c"]) == {"b": 9}


async def test_compare_and_set(cache: raw.AioCache) -> None:
    """replace_if_equals and remove_if_equals compare with the sample, in pyignite's order of arguments."""
    await cache.put("a", 1)
    assert not await cache.replace_if_equals("a", 7, 2)
    assert await cache.replace_if_equals("a", 1, 2)
    assert await cache.replace_if_equals("a", 2, 3, sample_hint=raw.LongObject, value_hint=raw.ShortObject)
    assert not await cache.remove_if_equals("a", 3)  # a Long is no Short
    assert await cache.remove_if_equals("a", 3, sample_hint=raw.ShortObject)
    assert await cache.get("a") is None


async def test_removing(cache: raw.AioCache) -> None:
    """remove_key tells whether there was something; remove_keys and remove_all say nothing."""
    await cache.put_all({1: "a", 2: "b", 3: "c", 4: "d"})
    assert await cache.remove_key(1)
    assert not await cache.remove_key(1)
    await cache.remove_keys([2, (3, raw.LongObject)])
    assert await cache.get_size() == 1
    await cache.remove_all()
    assert await cache.get_size() == 0


async def test_clearing(cache: raw.AioCache) -> None:
    """A clear drops the given entries, none for an empty list, all without a list."""
    await cache.put_all({1: "a", 2: "b", 3: "c", 4: "d"})
    await cache.clear_key(1)
    await cache.clear_keys([2])
    await cache.clear([3])
    await cache.clear([])
    await cache.clear_keys([])
    assert await cache.get_size() == 1
    await cache.clear()
    assert await cache.get_size() == 0


async def test_size_by_peek_modes(client: raw.AioClient) -> None:
    """get_size counts primary copies, or those that peek modes name."""
    name = f"raw-{uuid.uuid4()}"
    cache = await client.create_cache(
        {raw.PROP_NAME: name, raw.PROP_CACHE_MODE: raw.CacheMode.REPLICATED, raw.PROP_WRITE_SYNCHRONIZATION_MODE: 0}
    )
    await cache.put_all({number: number for number in range(20)})
    primary = await cache.get_size(raw.PeekModes.PRIMARY)
    backup = await cache.get_size([raw.PeekModes.BACKUP])
    assert (primary, await cache.get_size()) == (20, 20)
    assert await cache.get_size([raw.PeekModes.PRIMARY, raw.PeekModes.BACKUP]) == primary + backup
    await cache.destroy()


async def test_scan(cache: raw.AioCache) -> None:
    """A scan yields every entry once in pages of any size; one of a partition yields some, which no other has."""
    entries = {number: str(number) for number in range(100)}
    await cache.put_all(entries)
    async with cache.scan(page_size=7) as cursor:
        assert {key: value async for key, value in cursor} == entries
    assert {key async for key, _ in cache.scan()} == set(entries)
    some = [{key async for key, _ in cache.scan(partitions=partition)} for partition in range(0, 1024, 8)]
    assert 0 < sum(map(len, some)) == len(set().union(*some)) < len(entries)
    with pytest.raises(EncodeError):
        _ = cache.scan(page_size=0)


async def test_abandoned_scans_free_their_cursors(cache: raw.AioCache) -> None:
    """More scans can be left early than a node allows cursors on one connection (128)."""
    await cache.put_all({number: number for number in range(50)})
    for _ in range(150):
        async with cache.scan(page_size=1) as cursor:
            await anext(cursor)


async def test_expiry(cache: raw.AioCache) -> None:
    """with_expire_policy is the same cache whose entries expire; the first one is unchanged."""
    short = cache.with_expire_policy(create=datetime.timedelta(milliseconds=1))
    assert short.name == cache.name
    await short.put("gone", 1)
    await cache.with_expire_policy(raw.ExpiryPolicy(create=-1)).put("stays", 1)
    async with asyncio.timeout(10):
        while await cache.contains_key("gone"):  # noqa: ASYNC110 - the node's clock says when
            await asyncio.sleep(0.005)
    assert await cache.get("stays") == 1


async def test_sql(client: raw.AioClient) -> None:
    """client.sql reads rows as lists page by page, with its arguments, and fails as SQLError."""
    table = f"RAW_{uuid.uuid4().hex}".upper()
    for statement in (
        f"CREATE TABLE {table} (id INT PRIMARY KEY, name VARCHAR)",
        f"INSERT INTO {table} VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    ):
        await client.sql(statement)
    async with client.sql(f"SELECT id, name FROM {table} WHERE id > ? ORDER BY id", 1, [1]) as cursor:
        assert [list(row) async for row in cursor] == [[2, "two"], [3, "three"]]
    with pytest.raises(raw.SQLError) as caught:
        await client.sql("SELECT FROM nothing")
    assert isinstance(caught.value, SqlError)
    with pytest.raises(ConfigurationError):
        _ = client.sql("SELECT 1", page_size=0)
    cache = await client.get_cache(f"SQL_PUBLIC_{table}")
    for where in (cache, cache.name, cache.cache_id):  # the cache's schema, whatever `schema` says
        async with client.sql(f"SELECT COUNT(*) FROM {table}", schema="nowhere", cache=where) as cursor:
            assert [list(row) async for row in cursor] == [[3]]
    await client.sql(f"DROP TABLE {table}")


# --- hints ------------------------------------------------------------------------------------------------------------

NOON = datetime.datetime.fromisoformat("2024-02-29T12:00:00.250")
LATE = datetime.timedelta(hours=23, minutes=59, milliseconds=999)
KIND, KINDS = raw.CollectionObject, raw.MapObject
HINTED: dict[str, Any] = {
    "ByteObject": -128,
    "ShortObject": 32767,
    "IntObject": -(2**31),
    "LongObject": 2**63 - 1,
    "FloatObject": 1.5,
    "DoubleObject": 0.1,
    "CharObject": "ß",
    "BoolObject": True,
    "String": "Zürich 𝄞",
    "UUIDObject": uuid.UUID(int=2**127 + 1),
    "DateObject": NOON,
    "TimestampObject": (NOON, 999_999),
    "TimeObject": LATE,
    "DecimalObject": Decimal("1.10"),
    "ByteArrayObject": b"\x00\xff",
    "ShortArrayObject": [1, -2],
    "IntArrayObject": [1, -2],
    "LongArrayObject": [1, -2],
    "FloatArrayObject": [1.5, -2.5],
    "DoubleArrayObject": [0.1, -0.2],
    "CharArrayObject": ["a", "ß"],
    "BoolArrayObject": [True, False],
    "StringArrayObject": ["a", "𝄞"],
    "UUIDArrayObject": [uuid.UUID(int=1)],
    "DateArrayObject": [NOON],
    "TimestampArrayObject": [(NOON, 1)],
    "TimeArrayObject": [LATE],
    "DecimalArrayObject": [Decimal("-0.01")],
    "EnumObject": (7, 1),
    "BinaryEnumObject": (7, 1),
    "EnumArrayObject": (-1, [(7, 1), None]),
    "BinaryEnumArrayObject": (-1, [(7, 1)]),
    "ObjectArrayObject": (raw.ObjectArrayObject.OBJECT, [1, "a", None]),
    "CollectionObject": (KIND.LINKED_LIST, [1, "a", (KIND.ARR_LIST, [])]),
    "MapObject": (KINDS.LINKED_HASH_MAP, {1: "a", "b": (KINDS.HASH_MAP, {})}),
    "AnyDataObject": ["a", "b"],
}
NO_VALUE = {"BinaryObject", "WrappedDataObject"}  # see tests/raw/test_generic_object.py; the server wraps


def test_every_hint_is_tried() -> None:
    """The table above has all hints that the module exports."""
    hints = {name for name in raw.__all__ if name.endswith("Object") or name == "String"}
    assert set(HINTED) | NO_VALUE == hints


@pytest.mark.parametrize("name", HINTED)
async def test_hints(cache: raw.AioCache, name: str) -> None:
    """A value that was written with a hint comes back equal, and the same bytes are found by the same hint."""
    hint, value = getattr(raw, name), HINTED[name]
    await cache.put("k", value, value_hint=hint)
    found = await cache.get("k")
    assert (list(found) if isinstance(value, list) else found) == value
    assert await cache.remove_if_equals("k", value, sample_hint=hint)


async def test_key_hints_tell_keys_apart(cache: raw.AioCache) -> None:
    """The same number as Int and as Long are two keys."""
    await cache.put(1, "int", key_hint=raw.IntObject)
    await cache.put(1, "long", key_hint=raw.LongObject)
    assert await cache.get(1, key_hint=raw.IntObject) == "int"
    assert await cache.get(1) == "long"
    assert await cache.get_size() == 2


@pytest.mark.parametrize(("hint", "value"), [(raw.ByteObject, 300), (raw.IntObject, 2**31), (raw.LongObject, 2**63)])
async def test_out_of_range_is_refused(cache: raw.AioCache, hint: Any, value: int) -> None:
    """A number that its hint can't hold is an OverflowError before anything is sent."""
    with pytest.raises(OverflowError):
        await cache.put("k", value, value_hint=hint)
    assert await cache.get("k") is None


async def test_naive_datetimes_mean_utc(cache: raw.AioCache) -> None:
    """A datetime without a zone is taken as UTC, whatever the zone of the process, and comes back without."""
    await cache.put("k", NOON)
    assert await cache.get("k") == NOON
    assert await cache.remove_if_equals("k", NOON.replace(tzinfo=datetime.UTC))
