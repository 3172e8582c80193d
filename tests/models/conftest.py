"""Clients, names and a cache group for the tests of models on a cluster."""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest

import ignitemap as ig

__all__ = ["Connect", "Name", "unique"]

Connect: TypeAlias = Callable[[ig.Registry], Awaitable[ig.Client]]
Name: TypeAlias = Callable[[], str]

_serial = itertools.count(1)


def unique(stem: str) -> str:
    """A name that nothing else in the cluster has, now or from an earlier run."""
    return f"{stem}_{os.getpid()}_{next(_serial)}"


@pytest.fixture(scope="session")
async def group(url: str) -> AsyncIterator[str]:
    """A cache group that exists, in which making a cache moves no partitions."""
    name, keeper = unique("models_group"), unique("models_keeper")
    async with ig.connect(url) as client:
        await client.cache(keeper, int, int, durability="fast", group=name)
        yield name
        await client.drop(keeper)


@pytest.fixture
async def connect(url: str) -> AsyncIterator[Connect]:
    """Opens clients, each with a registry of its own."""
    clients: list[ig.Client] = []

    async def make(registry: ig.Registry) -> ig.Client:
        client = await ig.connect(url, registry=registry)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
async def names(url: str) -> AsyncIterator[Name]:
    """Names of caches that are dropped when the test is over."""
    made: list[str] = []

    def name() -> str:
        made.append(unique("models"))
        return made[-1]

    yield name
    async with ig.connect(url) as client:
        present = set(await client.cache_names())
        for each in made:
            if each in present:
                await client.drop(each)
