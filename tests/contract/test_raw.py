"""The raw layer: pyignite's names."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

import ignitemap as ig
from ignitemap import raw
from ignitemap.raw import AioCache, AioClient, IntObject, LongObject, PeekModes, String

Names = Callable[[], str]


@pytest.fixture(scope="session")
async def aio(client: ig.Client) -> AioClient:
    """The raw client of the cluster."""
    return client.raw


@pytest.fixture
async def numbers(aio: AioClient, names: Names) -> AioCache:
    """An empty raw cache."""
    cache = await aio.get_or_create_cache(names())
    return cache


async def test_put_and_get(numbers: AioCache) -> None:
    """`put` and `get` with and without hints; a miss is None."""
    await numbers.put("a", 1, value_hint=IntObject)
    assert await numbers.get("a") == 1
    assert await numbers.get("b") is None


async def test_hints_make_the_type(numbers: AioCache) -> None:
    """A key is found under its own type only."""
    await numbers.put(1, "long")
    assert await numbers.get(1, key_hint=LongObject) == "long"
    assert await numbers.get(1, key_hint=IntObject) is None
    await numbers.put((1, IntObject), "int")
    assert await numbers.get((1, IntObject)) == "int"


async def test_bulk(numbers: AioCache) -> None:
    """`put_all`, `get_all`, `contains_keys`, `remove_keys`, `remove_all`."""
    await numbers.put_all({key: str(key) for key in range(10)})
    assert await numbers.get_all([1, 2, 77]) == {1: "1", 2: "2"}
    assert await numbers.contains_keys([1, 2])
    await numbers.remove_keys([1, 2])
    assert await numbers.get_size() == 8
    await numbers.remove_all()
    assert await numbers.get_size(PeekModes.PRIMARY) == 0


async def test_conditional(numbers: AioCache) -> None:
    """Conditional writes and writes that give the old value."""
    assert await numbers.put_if_absent(1, "a") is True
    assert await numbers.put_if_absent(1, "b") is False
    assert await numbers.get_and_put(1, "c") == "a"
    assert await numbers.replace_if_equals(1, "c", "d") is True
    assert await numbers.get_and_replace(1, "e") == "d"
    assert await numbers.get_and_remove(1) == "e"
    assert await numbers.get_and_put_if_absent(1, "f") is None
    assert await numbers.remove_if_equals(1, "x") is False
    assert await numbers.replace(1, "g") is True


async def test_scan(numbers: AioCache) -> None:
    """`scan` gives every entry, page by page."""
    await numbers.put_all({key: key * 2 for key in range(50)})
    async with numbers.scan(page_size=7) as cursor:
        assert {key: value async for key, value in cursor} == {key: key * 2 for key in range(50)}


async def test_clear_of_nothing(numbers: AioCache) -> None:
    """`clear([])` clears nothing."""
    await numbers.put(1, "a")
    await numbers.clear([])
    assert await numbers.get_size() == 1
    await numbers.clear()
    assert await numbers.get_size() == 0


async def test_settings(numbers: AioCache) -> None:
    """`settings` reads the configuration back by property codes."""
    settings = await numbers.settings()
    assert settings[raw.PROP_NAME] == numbers.name


async def test_create_and_destroy(aio: AioClient, names: Names) -> None:
    """Creating an existing cache and finding none are errors of pyignite's names."""
    name = names()
    cache = await aio.create_cache({raw.PROP_NAME: name, raw.PROP_BACKUPS_NUMBER: 1})
    with pytest.raises(raw.CacheError):
        await aio.create_cache(name)
    assert name in await aio.get_cache_names()
    await cache.destroy()
    assert name not in await aio.get_cache_names()


async def test_sql(aio: AioClient) -> None:
    """`sql` gives rows as lists; names of columns are the cursor's, where asked for."""
    async with aio.sql("SELECT 1 AS a, 'x' AS b", include_field_names=True) as cursor:
        assert cursor.columns == ("A", "B")
        rows = [row async for row in cursor]
    assert rows == [[1, "x"]]


async def test_sql_errors(aio: AioClient) -> None:
    """A wrong statement is an SQLError."""
    with pytest.raises(raw.SQLError):
        async with aio.sql("SELEKT") as cursor:
            _ = [row async for row in cursor]


async def test_expiry(numbers: AioCache) -> None:
    """An expiry policy is given with the cache."""
    policy = raw.ExpiryPolicy(create=timedelta(hours=1))
    await numbers.with_expire_policy(policy).put(1, "a")
    assert await numbers.get(1) == "a"


async def test_transactions(aio: AioClient, names: Names) -> None:
    """A `tx_start` block commits by `commit`, and rolls back without."""
    cache = await aio.get_or_create_cache(
        {raw.PROP_NAME: names(), raw.PROP_CACHE_ATOMICITY_MODE: raw.CacheAtomicityMode.TRANSACTIONAL}
    )
    async with aio.tx_start() as tx:
        await cache.put(1, "a")
        await tx.commit()
    async with aio.tx_start():
        await cache.put(1, "b")
    assert await cache.get(1) == "a"


async def test_generic_objects(aio: AioClient, numbers: AioCache, names: Names) -> None:
    """A GenericObjectMeta class is stored and read with its fields."""

    class Pet(metaclass=raw.GenericObjectMeta, type_name=names(), schema={"name": String, "age": IntObject}):
        pass

    await numbers.put(1, Pet(name="Rex", age=5))  # type: ignore[call-arg]
    found: Any = await numbers.get(1)
    assert (found.name, found.age) == ("Rex", 5)


async def test_collections(numbers: AioCache) -> None:
    """Collections go as (kind, items) pairs in pyignite's profile."""
    await numbers.put(1, (raw.CollectionObject.LINKED_LIST, [1, "a"]), value_hint=raw.CollectionObject)
    kind, items = await numbers.get(1)
    assert kind == raw.CollectionObject.LINKED_LIST
    assert list(items) == [1, "a"]


async def test_connect_forms(url: str) -> None:
    """`AioClient().connect` takes host and port, or a list of pairs."""
    if not url.startswith("ignite://"):
        pytest.skip("the raw client connects to addresses")
    parts = [urlsplit(f"//{part}") for part in url.removeprefix("ignite://").split(",")]
    addresses = [(str(part.hostname), int(part.port or 10800)) for part in parts]
    one = AioClient()
    async with one.connect(*addresses[0]):
        assert isinstance(await one.get_cache_names(), list)
    several = AioClient(partition_aware=True)
    async with several.connect(addresses):
        assert isinstance(await several.get_cache_names(), list)
