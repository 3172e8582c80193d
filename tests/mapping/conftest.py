"""A client of the shared cluster, and empty caches of any type."""

import itertools
import os
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest

import ignitemap as ig

pytest.register_assert_rewrite("tests.abc.mapping_contract")

Connect: TypeAlias = Callable[..., Awaitable[ig.Client]]
Name: TypeAlias = Callable[..., str]
MakeCache: TypeAlias = Callable[..., Awaitable["ig.Cache[Any, Any]"]]
Pool: TypeAlias = dict[tuple[Any, ...], list["ig.Cache[Any, Any]"]]

_serial = itertools.count(1)


@pytest.fixture(scope="session")
async def client(url: str) -> AsyncIterator[ig.Client]:
    """One client for all tests of the mapping face."""
    async with ig.connect(url) as connected:
        yield connected


@pytest.fixture(scope="session")
async def pool(client: ig.Client) -> AsyncIterator[Pool]:
    """Caches that no test uses now, by what they were made with. They are dropped at the end, if their cluster lives on.

    Destroying a cache takes a tenth of a second, since partitions are exchanged; emptying it, milliseconds.
    """
    idle: Pool = defaultdict(list)
    yield idle
    if "IGNITEMAP_URL" in os.environ:
        for cache in itertools.chain.from_iterable(idle.values()):
            await client.drop(cache.name)


@pytest.fixture
async def make_cache(client: ig.Client, pool: Pool) -> AsyncIterator[MakeCache]:
    """Opens an empty cache of the given types, for this test alone: `make_cache(K, V, **options)`."""
    used: list[tuple[tuple[Any, ...], ig.Cache[Any, Any]]] = []

    async def make(*types: Any, **options: Any) -> ig.Cache[Any, Any]:
        kind = (types, *sorted(options.items()))
        if pool[kind]:
            cache = pool[kind].pop()
        else:
            cache = await client.cache(f"mapping_{os.getpid()}_{next(_serial)}", *types, **options)
        used.append((kind, cache))
        return cache

    yield make
    for kind, cache in used:
        await cache.clear()
        pool[kind].append(cache)


@pytest.fixture
async def cache(make_cache: MakeCache) -> "ig.Cache[int, str]":
    """An empty cache of int to str."""
    return await make_cache(int, str)


@pytest.fixture
async def connect(url: str) -> AsyncIterator[Connect]:
    """Opens clients, each with a registry of its own."""
    clients: list[ig.Client] = []

    async def make(registry: ig.Registry | None = None) -> ig.Client:
        clients.append(await ig.connect(url, registry=ig.Registry() if registry is None else registry))
        return clients[-1]

    yield make
    for each in clients:
        await each.aclose()


@pytest.fixture
async def names(client: ig.Client) -> AsyncIterator[Name]:
    """Names that nothing in the cluster has: of caches, which are dropped when the test is over, and of types."""
    made: list[str] = []

    def name(stem: str = "opened") -> str:
        made.append(f"{stem}_{uuid.uuid4().hex[:8]}")
        return made[-1]

    yield name
    for each in {*made} & {*await client.cache_names()}:
        await client.drop(each)
