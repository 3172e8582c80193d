"""Keys, values and their expiry, as a real node does it: what was seen from 2.17.0 nodes, case by case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.session import Session
from ignitemap.exceptions import ServerError
from ignitemap.protocol.cache_config import CacheAtomicityMode, CacheConfig, CacheMode
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef, ExpiryPolicy, Request
from ignitemap.protocol.operations import (
    CacheClear,
    CacheClearKey,
    CacheClearKeys,
    CacheContainsKey,
    CacheContainsKeys,
    CacheCreateWithConfiguration,
    CacheDestroy,
    CacheGet,
    CacheGetAll,
    CacheGetAndPut,
    CacheGetAndPutIfAbsent,
    CacheGetAndRemove,
    CacheGetAndReplace,
    CacheGetConfiguration,
    CacheGetSize,
    CacheLocalPeek,
    CachePut,
    CachePutAll,
    CachePutIfAbsent,
    CacheRemoveAll,
    CacheRemoveIfEquals,
    CacheRemoveKey,
    CacheRemoveKeys,
    CacheReplace,
    CacheReplaceIfEquals,
    QueryScan,
)
from tests.embedded.conftest import Clock

NAMES = {CacheAtomicityMode.ATOMIC: "atomic", CacheAtomicityMode.TRANSACTIONAL: "transactional"}
TTL = 500


@pytest.fixture(params=list(NAMES), ids=list(NAMES.values()))
async def cache(request: pytest.FixtureRequest, session: Session) -> CacheRef:
    """A cache of each atomicity mode."""
    name = NAMES[request.param]
    await session.call(CacheCreateWithConfiguration(CacheConfig(name=name, atomicity=request.param)))
    return CacheRef(string_hash(name))


async def answers(session: Session, *requests: Request[Any]) -> list[Any]:
    """The answers to requests, one after another."""
    return [await session.call(request) for request in requests]


async def test_single_keys(session: Session, cache: CacheRef) -> None:
    """Every operation on one key answers and does what its name says, on absent and on present keys."""
    assert await answers(
        session,
        CacheGet(cache, 1),
        CacheReplace(cache, 1, "r"),
        CacheGetAndReplace(cache, 1, "r"),
        CacheRemoveKey(cache, 1),
        CacheGetAndRemove(cache, 1),
        CacheReplaceIfEquals(cache, 1, "a", "b"),
        CacheRemoveIfEquals(cache, 1, "a"),
        CacheContainsKey(cache, 1),
        CachePutIfAbsent(cache, 1, "a"),
        CachePutIfAbsent(cache, 1, "b"),
        CacheGetAndPutIfAbsent(cache, 1, "c"),
        CacheGetAndPut(cache, 1, "d"),
        CacheGetAndReplace(cache, 1, "e"),
        CacheReplaceIfEquals(cache, 1, "x", "y"),
        CacheReplaceIfEquals(cache, 1, "e", "f"),
        CacheReplace(cache, 1, "g"),
        CacheContainsKey(cache, 1),
        CacheLocalPeek(cache, 1),
        CacheRemoveIfEquals(cache, 1, "x"),
        CacheRemoveIfEquals(cache, 1, "g"),
        CacheGetAndPutIfAbsent(cache, 1, "h"),
        CacheGetAndRemove(cache, 1),
        CacheGetAndPut(cache, 1, "i"),
        CacheRemoveKey(cache, 1),
    ) == [
        *[None, False, None, False, None, False, False, False],
        *[True, False, "a", "a", "d", False, True, True, True, "g", False, True, None, "h", None, True],
    ]


async def test_many_keys(session: Session, cache: CacheRef) -> None:
    """Operations on many keys answer for those that are there, and an empty list is no error."""
    await session.call(CachePutAll(cache, [(number, str(number)) for number in range(5)]))
    assert sorted(await session.call(CacheGetAll(cache, [1, 9, 3, 1]))) == [(1, "1"), (3, "3")]
    assert await session.call(CacheContainsKeys(cache, [1, 2])) is True
    assert await session.call(CacheContainsKeys(cache, [1, 9])) is False
    assert await session.call(CacheContainsKeys(cache, [])) is True
    await session.call(CacheRemoveKeys(cache, [1, 9]))
    await session.call(CacheClearKey(cache, 2))
    await session.call(CacheClearKeys(cache, [3, 9]))
    assert sorted(await session.call(CacheGetAll(cache, range(5)))) == [(0, "0"), (4, "4")]
    await session.call(CachePutAll(cache, []))
    await session.call(CacheClear(cache))
    assert await session.call(CacheGetSize(cache)) == 0
    await session.call(CachePut(cache, 1, 1))
    await session.call(CacheRemoveAll(cache))
    assert await session.call(CacheGetSize(cache)) == 0


async def test_keys_of_other_types_are_other_keys(client: ig.Client, session: Session, cache: CacheRef) -> None:
    """An int and a long of one value, and the number as a text, are three keys."""
    await session.call(CachePut(cache, 1, "long"))
    await session.call(CachePut(cache, "1", "text"))
    narrow = await client.cache(NAMES[CacheAtomicityMode.ATOMIC], ig.INT, ig.STRING)
    assert await narrow.get(1) is None
    assert await session.call(CacheGet(cache, "1")) == "text"


NULLS: Sequence[tuple[Callable[[CacheRef], Request[Any]], str]] = [
    (lambda cache: CacheGet(cache, None), "Ouch! Argument cannot be null: key"),
    (lambda cache: CachePut(cache, None, 1), "Ouch! Argument cannot be null: key"),
    (lambda cache: CachePut(cache, 1, None), "Ouch! Argument cannot be null: val"),
    (lambda cache: CachePutAll(cache, [(1, None)]), "Null value."),
    (lambda cache: CachePutAll(cache, [(None, 1)]), "Null key."),
    (lambda cache: CacheGetAll(cache, [None]), "Null key."),
    (lambda cache: CacheContainsKeys(cache, [None]), "Null key."),
    (lambda cache: CacheContainsKey(cache, None), "Ouch! Argument cannot be null: key"),
    (lambda cache: CacheRemoveKeys(cache, [None]), "Null key."),
    (lambda cache: CacheReplaceIfEquals(cache, 1, None, 1), "Ouch! Argument cannot be null: oldVal"),
    (lambda cache: CacheGetAndPut(cache, 1, None), "Ouch! Argument cannot be null: val"),
    (lambda cache: CachePutIfAbsent(cache, None, 1), "Ouch! Argument cannot be null: key"),
    (lambda cache: CacheGetAndPutIfAbsent(cache, None, 1), "Ouch! Argument cannot be null: key"),
    (lambda cache: CacheGetAndReplace(cache, 1, None), "Ouch! Argument cannot be null: val"),
    (lambda cache: CacheReplace(cache, None, None), "Ouch! Argument cannot be null: key"),
    (lambda cache: CacheGetAndRemove(cache, None), "Ouch! Argument cannot be null: key"),
    (lambda cache: CacheRemoveKey(cache, None), "Ouch! Argument cannot be null: key"),
    (lambda cache: CacheLocalPeek(cache, None), "Ouch! Argument cannot be null: key"),
    (lambda cache: CacheGetSize(cache, [9]), "Ouch! Argument cannot be null: peekMode"),
]


@pytest.mark.parametrize(("make", "message"), NULLS)
async def test_nulls(session: Session, cache: CacheRef, make: Callable[[CacheRef], Request[Any]], message: str) -> None:
    """A null where Ignite takes none is status 1 with a real node's words, and nothing was written."""
    with pytest.raises(ServerError) as caught:
        await session.call(make(cache))
    assert (caught.value.status, caught.value.message) == (1, message)
    assert await session.call(CacheGetSize(cache)) == 0


async def test_removing_a_null_value(session: Session, cache: CacheRef) -> None:
    """A removeIfEquals of a null value is refused, but by a transactional cache, which finds none."""
    await session.call(CachePut(cache, 1, 1))
    if cache.cache_id == string_hash("transactional"):
        assert await session.call(CacheRemoveIfEquals(cache, 1, None)) is False
    else:
        with pytest.raises(ServerError, match="Ouch! Argument cannot be null: val"):
            await session.call(CacheRemoveIfEquals(cache, 1, None))
    assert await session.call(CacheGet(cache, 1)) == 1


async def test_an_absent_cache(session: Session) -> None:
    """Any operation on a cache that is not there is status 1000."""
    for request in (
        CacheGet(CacheRef(5), 1),
        CacheDestroy(5),
        CacheGetConfiguration(CacheRef(5)),
        QueryScan(CacheRef(5)),
    ):
        with pytest.raises(ig.CacheNotFound, match=r"Cache does not exist \[cacheId= 5\]"):
            await session.call(request)


# --- expiry -------------------------------------------------------------------------------------------------------------


def with_policy(cache: CacheRef, create: int = -2, update: int = -2, access: int = -2) -> CacheRef:
    """The cache under an expiry policy, in ms."""
    return CacheRef(cache.cache_id, expiry=ExpiryPolicy(create, update, access))


Steps = Callable[[CacheRef], Sequence[Request[Any]]]

LIVES: dict[str, Steps] = {
    "containsKey is no access": lambda c: [CachePut(c, 1, 1), CacheContainsKey(with_policy(c, access=TTL), 1)],
    "a scan is no access": lambda c: [CachePut(c, 1, 1), QueryScan(with_policy(c, access=TTL))],
    "a peek is no access": lambda c: [CachePut(c, 1, 1), CacheLocalPeek(with_policy(c, access=TTL), 1)],
    "a replace is no access": lambda c: [CachePut(c, 1, 1), CacheReplace(with_policy(c, access=TTL), 1, 5)],
    "getAndReplace is no access": lambda c: [CachePut(c, 1, 1), CacheGetAndReplace(with_policy(c, access=TTL), 1, 5)],
    "getAndPut is no access": lambda c: [CachePut(c, 1, 1), CacheGetAndPut(with_policy(c, access=TTL), 1, 5)],
    "an eternal put": lambda c: [CachePut(with_policy(c, TTL, TTL), 1, 1), CachePut(with_policy(c, -1, -1), 1, 2)],
    "an eternal access": lambda c: [CachePut(with_policy(c, TTL), 1, 1), CacheGet(with_policy(c, access=-1), 1)],
    "a new entry after a remove": lambda c: [
        CachePut(with_policy(c, TTL, TTL), 1, 1),
        CacheRemoveKey(c, 1),
        CachePut(c, 1, 2),
    ],
}
EXPIRES: dict[str, Steps] = {
    "a put without a policy keeps the time": lambda c: [CachePut(with_policy(c, TTL), 1, 1), CachePut(c, 1, 2)],
    "a putAll without a policy keeps the time": lambda c: [
        CachePut(with_policy(c, TTL), 1, 1),
        CachePutAll(c, [(1, 2)]),
    ],
    "a replace without a policy keeps the time": lambda c: [CachePut(with_policy(c, TTL), 1, 1), CacheReplace(c, 1, 2)],
    "an update": lambda c: [CachePut(c, 1, 1), CachePut(with_policy(c, update=TTL), 1, 2)],
    "an update by replace": lambda c: [CachePut(c, 1, 1), CacheReplace(with_policy(c, update=TTL), 1, 2)],
    "an update by replaceIfEquals": lambda c: [
        CachePut(c, 1, 1),
        CacheReplaceIfEquals(with_policy(c, update=TTL), 1, 1, 2),
    ],
    "an update by getAndPut": lambda c: [CachePut(c, 1, 1), CacheGetAndPut(with_policy(c, update=TTL), 1, 2)],
    "an access": lambda c: [CachePut(c, 1, 1), CacheGet(with_policy(c, access=TTL), 1)],
    "an access by getAll": lambda c: [CachePut(c, 1, 1), CacheGetAll(with_policy(c, access=TTL), [1])],
    "a failed replaceIfEquals is an access": lambda c: [
        CachePut(c, 1, 1),
        CacheReplaceIfEquals(with_policy(c, access=TTL), 1, 9, 2),
    ],
    "a failed removeIfEquals is an access": lambda c: [
        CachePut(c, 1, 1),
        CacheRemoveIfEquals(with_policy(c, access=TTL), 1, 9),
    ],
    "a creation by putIfAbsent": lambda c: [CachePutIfAbsent(with_policy(c, TTL), 1, 1)],
    "a creation by getAndPutIfAbsent": lambda c: [CacheGetAndPutIfAbsent(with_policy(c, TTL), 1, 1)],
    "a creation by putAll": lambda c: [CachePutAll(with_policy(c, TTL), [(1, 1)])],
    "a get without a policy": lambda c: [CachePut(with_policy(c, TTL), 1, 1), CacheGet(c, 1)],
}


@pytest.mark.parametrize(
    ("steps", "lives"),
    [*((steps, True) for steps in LIVES.values()), *((steps, False) for steps in EXPIRES.values())],
    ids=[*LIVES, *EXPIRES],
)
async def test_what_expires(session: Session, cache: CacheRef, clock: Clock, steps: Steps, lives: bool) -> None:
    """Which operations give an entry a time, which renew it and which leave it, is that of a real node."""
    for request in steps(cache):
        await session.call(request)
    assert await session.call(CacheContainsKey(cache, 1))
    clock.forward(TTL / 1000 - 0.001)
    assert await session.call(CacheContainsKey(cache, 1))
    clock.forward(0.001)
    assert await session.call(CacheContainsKey(cache, 1)) is lives
    assert await session.call(CacheGetSize(cache)) == lives
    assert len((await session.call(QueryScan(cache))).entries) == lives


async def test_absent_puts_touch_in_transactional_caches(session: Session, clock: Clock, cache: CacheRef) -> None:
    """PutIfAbsent and getAndPutIfAbsent of a present key are an access where the cache is transactional."""
    transactional = cache.cache_id == string_hash("transactional")
    for key, request in ((1, CachePutIfAbsent), (2, CacheGetAndPutIfAbsent)):
        await session.call(CachePut(cache, key, 1))
        await session.call(request(with_policy(cache, access=TTL), key, 2))
    clock.forward(TTL / 1000)
    assert await session.call(CacheGetSize(cache)) == (0 if transactional else 2)


async def test_durations_of_zero(session: Session, cache: CacheRef) -> None:
    """A duration of 0 is over at once: a creation leaves nothing, an update and an access take the entry away."""
    zero = with_policy(cache, 0, 0, 0)
    transactional = cache.cache_id == string_hash("transactional")
    assert await answers(
        session,
        CachePut(zero, 1, 1),
        CacheGet(cache, 1),
        CachePutIfAbsent(zero, 1, 1),
        CacheGet(cache, 1),
        CachePut(cache, 1, 1),
        CachePut(zero, 1, 2),
        CacheGet(cache, 1),
        CachePut(cache, 1, 1),
        CacheGet(zero, 1),
        CacheGet(cache, 1),
        CachePut(cache, 1, 1),
        CacheReplace(zero, 1, 2),
        CacheGet(cache, 1),
    ) == [None, None, transactional, None, None, None, None, None, 1, None, None, True, None]


async def test_the_policy_of_a_cache(session: Session, clock: Clock) -> None:
    """A cache's own policy holds where the request has none, and the request's replaces all of it."""
    config = CacheConfig(name="own", expiry=ExpiryPolicy(TTL, TTL, -2))
    await session.call(CacheCreateWithConfiguration(config))
    own = CacheRef(string_hash("own"))
    await session.call(CachePut(own, 1, 1))
    await session.call(CachePut(with_policy(own, -1), 2, 1))
    clock.forward(TTL / 1000)
    assert [entry[0] for entry in await session.call(CacheGetAll(own, [1, 2]))] == [2]
    assert (await session.call(CacheGetConfiguration(own))).expiry == ExpiryPolicy(TTL, TTL, -2)


async def test_an_expired_entry_passes_nothing_on(session: Session, cache: CacheRef, clock: Clock) -> None:
    """A put over an entry that has expired makes a new one, without its time."""
    await session.call(CachePut(with_policy(cache, TTL), 1, 1))
    clock.forward(1)
    await session.call(CachePut(cache, 1, 2))
    clock.forward(1)
    assert await session.call(CacheGet(cache, 1)) == 2


# --- sizes --------------------------------------------------------------------------------------------------------------

PEEKS = ([], [0], [1], [2], [3], [4], [5], [2, 3], [2, 4], [3, 5], [4, 5], [1, 2], [0, 2], [2, 2])
SIZES: dict[str, tuple[dict[str, Any], Sequence[int]]] = {
    "one backup": ({"backups": 1}, (10, 20, 0, 10, 10, 0, 10, 20, 0, 10, 10, 10, 20, 10)),
    "no backup": ({}, (10, 10, 0, 10, 0, 0, 10, 10, 0, 0, 10, 10, 10, 10)),
    "replicated": ({"mode": CacheMode.REPLICATED}, (10, 20, 0, 10, 10, 0, 10, 20, 0, 10, 10, 10, 20, 10)),
    "on heap": ({"backups": 1, "onheap_cache": True}, (10, 20, 0, 10, 10, 10, 10, 20, 10, 10, 10, 10, 20, 10)),
}


@pytest.mark.parametrize(("options", "sizes"), SIZES.values(), ids=SIZES)
async def test_sizes(two_nodes: str, options: dict[str, Any], sizes: Sequence[int]) -> None:
    """On two nodes every combination of peek modes counts what two real nodes counted."""
    async with ig.connect(two_nodes) as client:
        session = client.raw.session
        await session.call(CacheCreateWithConfiguration(CacheConfig(name="sized", **options)))
        cache = CacheRef(string_hash("sized"))
        await session.call(CachePutAll(cache, [(number, number) for number in range(10)]))
        counted = [await session.call(CacheGetSize(cache, modes)) for modes in PEEKS]
        assert counted == list(sizes)


@pytest.fixture
async def two_nodes() -> Any:
    """The URL of two nodes of one cluster."""
    async with ig.embedded.cluster(nodes=2) as nodes:
        yield nodes.url
