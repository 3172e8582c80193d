"""The raw cache, method by method, on a real cluster; and its signatures against pyignite's."""

import asyncio
import inspect
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient
from ignitemap.exceptions import EncodeTypeError, EncodeValueError
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import ExpiryPolicy
from ignitemap.protocol.types.numeric import INT, LONG, SHORT
from ignitemap.protocol.types.text import STRING

NAME = f"aio_cache_{os.getpid()}"

# Of pyignite 0.6.1, as inspect.signature gives them: names in order, with defaults; no default is written as "".
PYIGNITE_0_6_1: dict[str, dict[str, Any]] = {
    "__init__": {"client": "", "name": "", "expiry_policy": None},
    "clear": {"keys": None, "timeout": 0},
    "clear_key": {"key": "", "key_hint": None, "timeout": 0},
    "clear_keys": {"keys": "", "timeout": 0},
    "contains_key": {"key": "", "key_hint": None, "timeout": 0},
    "contains_keys": {"keys": "", "timeout": 0},
    "destroy": {"timeout": 0},
    "get": {"key": "", "key_hint": None, "timeout": 0},
    "get_all": {"keys": "", "timeout": 0},
    "get_and_put": {"key": "", "value": "", "key_hint": None, "value_hint": None, "timeout": 0},
    "get_and_put_if_absent": {"key": "", "value": "", "key_hint": None, "value_hint": None, "timeout": 0},
    "get_and_remove": {"key": "", "key_hint": None, "timeout": 0},
    "get_and_replace": {"key": "", "value": "", "key_hint": None, "value_hint": None, "timeout": 0},
    "get_size": {"peek_modes": None, "timeout": 0},
    "put": {"key": "", "value": "", "key_hint": None, "value_hint": None, "timeout": 0},
    "put_all": {"pairs": "", "timeout": 0},
    "put_if_absent": {"key": "", "value": "", "key_hint": None, "value_hint": None, "timeout": 0},
    "remove_all": {"timeout": 0},
    "remove_if_equals": {"key": "", "sample": "", "key_hint": None, "sample_hint": None, "timeout": 0},
    "remove_key": {"key": "", "key_hint": None, "timeout": 0},
    "remove_keys": {"keys": "", "timeout": 0},
    "replace": {"key": "", "value": "", "key_hint": None, "value_hint": None, "timeout": 0},
    "replace_if_equals": {
        "key": "", "sample": "", "value": "", "key_hint": None, "sample_hint": None, "value_hint": None, "timeout": 0,
    },
    "scan": {"page_size": 1024, "partitions": -1, "local": False, "timeout": 0},  # pyignite's page_size is 1
    "settings": {"timeout": 0},
    "with_expire_policy": {"expiry_policy": None, "create": -2, "update": -2, "access": -2},
}  # fmt: skip

SYNCHRONOUS = {"__init__", "scan", "with_expire_policy"}


@pytest.mark.parametrize("name", PYIGNITE_0_6_1)
def test_signature(name: str) -> None:
    """Every method has pyignite's parameters, in order and with their defaults; more of them only by keyword."""
    method = getattr(AioCache, name)
    parameters = {
        parameter.name: "" if parameter.default is parameter.empty else parameter.default
        for parameter in list(inspect.signature(method).parameters.values())[1:]
        if parameter.kind is not parameter.KEYWORD_ONLY
    }
    assert parameters == PYIGNITE_0_6_1[name]
    assert list(parameters) == list(PYIGNITE_0_6_1[name])
    assert inspect.iscoroutinefunction(method) is (name not in SYNCHRONOUS)


@pytest.fixture(scope="module")
async def client(url: str) -> AsyncIterator[AioClient]:
    """A raw client, whose one cache is destroyed at the end."""
    async with ig.connect(url) as connected:
        yield connected.raw
        await connected.drop(NAME)


@pytest.fixture
async def cache(client: AioClient) -> AioCache:
    """An empty untyped cache."""
    cache = await client.get_or_create_cache(NAME)
    await cache.clear()
    return cache


async def entries(cache: AioCache) -> dict[Any, Any]:
    """All that is in a cache."""
    return {key: value async for key, value in cache.scan()}


async def expired(cache: AioCache, key: Any) -> None:
    """Wait until an entry has expired."""
    async with asyncio.timeout(10):
        while await cache.contains_key(key):
            pass


# --- what it is -------------------------------------------------------------------------------------------------------


async def test_properties(cache: AioCache, client: AioClient) -> None:
    """A cache knows its name, its id, which is Java's hash of the name, and its client."""
    assert cache.name == NAME
    assert cache.cache_id == cache.cache_info.cache_id == string_hash(NAME)
    assert cache.client is client
    assert NAME in repr(cache)


async def test_made_by_hand(cache: AioCache, client: AioClient) -> None:
    """A cache can be made from a client and a name, with an expiry policy."""
    by_hand = AioCache(client, NAME, ExpiryPolicy(create=5000))
    await by_hand.put(1, 2)
    assert await cache.get(1) == 2
    assert by_hand.cache_info.expiry == ExpiryPolicy(create=5000)


async def test_settings(cache: AioCache) -> None:
    """Settings is the whole configuration by property code, read from the server once."""
    settings = await cache.settings()
    assert settings is not None
    assert settings[0] == NAME
    assert settings[3] == 0  # backups
    assert await cache.settings() is settings


async def test_destroy(client: AioClient) -> None:
    """A destroyed cache is gone, and destroying it again is an error."""
    cache = await client.create_cache(f"{NAME}_2")
    with pytest.raises(ig.exceptions.CacheExists):
        await client.create_cache(f"{NAME}_2")
    await cache.destroy()
    with pytest.raises(ig.CacheNotFound):
        await cache.get(1)
    with pytest.raises(ig.CacheNotFound):
        await cache.destroy()
    assert f"{NAME}_2" not in await client.get_cache_names()


# --- reads ------------------------------------------------------------------------------------------------------------


async def test_get_and_put(cache: AioCache) -> None:
    """Get gives what put stored, None for an absent key."""
    await cache.put("k", 1)
    assert await cache.get("k") == 1
    await cache.put("k", "other")
    assert await cache.get("k") == "other"
    assert await cache.get("x") is None


async def test_hints_decide_the_type(cache: AioCache) -> None:
    """A hint says as which type a key or value is written; keys of different types are different keys."""
    await cache.put(1, "long")
    await cache.put(1, "int", key_hint=INT)
    await cache.put(1, "short", key_hint=SHORT, value_hint=STRING)
    assert [await cache.get(1, key_hint=hint) for hint in (None, LONG, INT, SHORT)] == ["long", "long", "int", "short"]
    assert await cache.get_size() == 3
    assert await cache.get_all([1, (1, INT)]) in ({1: "long"}, {1: "int"})  # one key to Python
    assert await cache.contains_keys([(1, INT), (1, SHORT)])
    await cache.remove_keys([(1, INT)])
    assert await cache.contains_key(1, key_hint=INT) is False
    assert await cache.contains_key(1) is True
    with pytest.raises(EncodeTypeError):
        await cache.put(2, "x", value_hint=INT)


async def test_get_all(cache: AioCache) -> None:
    """Get_all is a dict of those keys that are there."""
    await cache.put_all({"a": 1, "b": 2, "c": 3})
    assert await cache.get_all(["a", "c", "x"]) == {"a": 1, "c": 3}
    assert await cache.get_all([]) == {}


async def test_put_all_with_hints(cache: AioCache) -> None:
    """Put_all takes hints with keys and with values."""
    await cache.put_all({"a": (1, SHORT), ("b", STRING): 2, 3: (4, INT)})
    assert await entries(cache) == {"a": 1, "b": 2, 3: 4}
    assert await cache.replace_if_equals("a", 1, 5, sample_hint=SHORT) is True


async def test_contains(cache: AioCache) -> None:
    """Contains_key and contains_keys tell whether keys are there; all of none are."""
    await cache.put("a", 1)
    assert await cache.contains_key("a") is True
    assert await cache.contains_key("x") is False
    assert await cache.contains_keys(["a"]) is True
    assert await cache.contains_keys(["a", "x"]) is False
    assert await cache.contains_keys([]) is True


async def test_get_size(cache: AioCache) -> None:
    """Get_size counts primary entries, or the copies that peek modes name."""
    await cache.put_all({number: number for number in range(10)})
    assert await cache.get_size() == 10
    assert await cache.get_size(2) == 10  # primary
    assert await cache.get_size([2, 3]) == 10  # and backups, of which there are none
    assert await cache.get_size(peek_modes=(3,)) == 0


async def test_scan(cache: AioCache) -> None:
    """A scan gives every entry once, page by page; it is an async iterator, a context manager, and used once."""
    expected = {number: str(number) for number in range(100)}
    await cache.put_all(expected)
    assert await entries(cache) == expected
    async with cache.scan(page_size=7) as cursor:
        assert {key: value async for key, value in cursor} == expected
    pages = [len(page) async for page in cache.scan(page_size=30).pages()]
    assert pages == [30, 30, 30, 10]
    in_partitions = 0
    for partition in range(0, 1024, 256):
        in_partitions += len([pair async for pair in cache.scan(partitions=partition)])
    assert in_partitions < 100
    local = [pair async for pair in cache.scan(local=True)]
    assert 0 < len(local) <= 100
    with pytest.raises(EncodeValueError):
        cache.scan(page_size=0)


# --- writes -----------------------------------------------------------------------------------------------------------


async def test_put_if_absent(cache: AioCache) -> None:
    """Put_if_absent writes only where there is nothing."""
    assert await cache.put_if_absent("k", 1) is True
    assert await cache.put_if_absent("k", 2) is False
    assert await cache.get("k") == 1


async def test_get_and_put_methods(cache: AioCache) -> None:
    """The get_and_ methods give the value before, None where there was none."""
    assert await cache.get_and_put("k", 1) is None
    assert await cache.get_and_put("k", 2) == 1
    assert await cache.get_and_put_if_absent("k", 3) == 2
    assert await cache.get_and_put_if_absent("n", 3) is None
    assert await cache.get_and_replace("k", 4) == 2
    assert await cache.get_and_replace("x", 4) is None
    assert await cache.get_and_remove("k") == 4
    assert await cache.get_and_remove("k") is None
    assert await entries(cache) == {"n": 3}


async def test_replace(cache: AioCache) -> None:
    """Replace writes only where there is something, replace_if_equals only where that is the sample."""
    assert await cache.replace("k", 1) is False
    await cache.put("k", 1)
    assert await cache.replace("k", 2) is True
    assert await cache.replace_if_equals("k", 1, 3) is False
    assert await cache.replace_if_equals("k", 2, 3) is True
    assert await cache.replace_if_equals("x", 2, 3) is False
    assert await entries(cache) == {"k": 3}


async def test_replace_if_equals_with_hints(cache: AioCache) -> None:
    """The sample and the value have a hint each; a sample of another type is another value."""
    await cache.put(1, 5, key_hint=INT, value_hint=SHORT)
    assert await cache.replace_if_equals(1, 5, 6, key_hint=INT) is False
    assert await cache.replace_if_equals(1, 5, 6, key_hint=INT, sample_hint=SHORT, value_hint=INT) is True
    assert await cache.replace_if_equals(1, 6, 7, key_hint=INT, sample_hint=INT) is True
    assert await cache.replace_if_equals(1, 7, 8, key_hint=INT, value_hint=SHORT) is True
    assert await cache.remove_if_equals(1, 8, key_hint=INT, sample_hint=SHORT) is True


async def test_remove(cache: AioCache) -> None:
    """Remove_key and remove_if_equals tell whether they removed; remove_keys and remove_all say nothing."""
    await cache.put_all({"a": 1, "b": 2, "c": 3, "d": 4})
    assert await cache.remove_key("a") is True
    assert await cache.remove_key("a") is False
    assert await cache.remove_if_equals("b", 1) is False
    assert await cache.remove_if_equals("b", 2, sample_hint=SHORT) is False
    assert await cache.remove_if_equals("b", 2) is True
    await cache.remove_keys(["c", "x"])
    assert await entries(cache) == {"d": 4}
    await cache.remove_keys([])
    assert await cache.get_size() == 1
    await cache.remove_all()
    assert await cache.get_size() == 0


async def test_clear(cache: AioCache) -> None:
    """Clear drops all entries or those of the keys; those of no keys are none."""
    await cache.put_all({"a": 1, "b": 2, "c": 3, "d": 4})
    await cache.clear([])
    await cache.clear_keys([])
    assert await cache.get_size() == 4
    await cache.clear(["a", "x"])
    await cache.clear_key("b")
    await cache.clear_keys(["c"])
    assert await entries(cache) == {"d": 4}
    await cache.clear()
    assert await cache.get_size() == 0


# --- expiry and deadlines ---------------------------------------------------------------------------------------------


async def test_with_expire_policy(cache: AioCache) -> None:
    """A cache with an expiry policy is another view of the same cache; times are ms or timedelta."""
    short = cache.with_expire_policy(create=20, update=timedelta(milliseconds=20))
    await short.put(1, 1)
    await cache.put(2, 2)
    await expired(cache, 1)
    await short.put(2, 3)
    await expired(cache, 2)
    touched = cache.with_expire_policy(ExpiryPolicy(access=20))
    await cache.put(3, 3)
    assert await touched.get(3) == 3
    await expired(cache, 3)
    assert cache.cache_info.expiry is None


@pytest.mark.parametrize(
    ("duration", "error"), [(-3, EncodeValueError), (timedelta(-1), EncodeValueError), (1.5, EncodeTypeError)]
)
async def test_wrong_expire_policy(cache: AioCache, duration: Any, error: type[Exception]) -> None:
    """Times below -2 ms, negative timedeltas and other types are refused."""
    with pytest.raises(error):
        cache.with_expire_policy(create=duration)


async def test_timeout_of_one_call(cache: AioCache) -> None:
    """A timeout is in seconds and for the one call: it ends as not sent or as unknown."""
    assert await cache.get(1, timeout=20) is None
    for call in (cache.get(1, timeout=1e-9), cache.put(1, 1, timeout=1e-9), cache.get_size(timeout=1e-9)):
        with pytest.raises(TimeoutError):
            await call
