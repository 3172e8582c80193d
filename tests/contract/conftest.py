"""What the contract needs: a URL to connect to, a client of it, and empty caches.

Each behaviour is written once and holds wherever ``url`` leads: on real nodes and on the embedded one. The behaviours
themselves import nothing but the public API.

What only one of them can show: an embedded node without a socket has no address for the raw client to connect to
(test_raw.py, test_connect_forms).
"""

import itertools
import os
from collections.abc import AsyncIterator, Callable

import pytest

import ignitemap as ig
from ignitemap.local import LocalCluster
from tests.contract.models import Person, shop
from tests.mapping.conftest import MakeCache, Pool, cache, client, make_cache, pool

__all__ = ["MakeCache", "Pool", "cache", "client", "make_cache", "pool"]

_serial = itertools.count(1)


@pytest.fixture(
    scope="session", params=[os.environ["IGNITEMAP_URL"]] if "IGNITEMAP_URL" in os.environ else ["real", "embedded"]
)
def url(request: pytest.FixtureRequest) -> str:
    """Where to connect to: IGNITEMAP_URL alone, or the shared cluster and then an embedded node."""
    match request.param:
        case "real":
            shared: LocalCluster = request.getfixturevalue("cluster")
            return shared.url
        case "embedded":
            return f"embedded://contract_{os.getpid()}"
        case given:
            return str(given)


@pytest.fixture
async def names(url: str) -> AsyncIterator[Callable[[], str]]:
    """Names for caches that the test makes itself; what exists of them is dropped afterwards."""
    made: list[str] = []

    def name() -> str:
        made.append(f"contract_{os.getpid()}_{next(_serial)}")
        return made[-1]

    yield name
    async with ig.connect(url) as cleaner:
        present = {*await cleaner.cache_names()}
        for each in made:
            if each in present:
                await cleaner.drop(each)


@pytest.fixture(scope="session")
async def models(url: str) -> AsyncIterator[ig.Client]:
    """A client with the registry of the contract's models."""
    async with ig.connect(url, registry=shop) as connected:
        yield connected


@pytest.fixture(scope="session")
async def crowd(models: ig.Client) -> "AsyncIterator[ig.Cache[int, Person]]":
    """Six people, for tests that only read them."""
    people = await models.cache(f"contract_crowd_{os.getpid()}", Person)
    await people.save_many(
        [
            Person(1, "Ann", 41, 7, nick="a"),
            Person(2, "Bob", 30, 7),
            Person(3, "Cid", 30, 8, nick="c"),
            Person(4, "Dan", 19, 8),
            Person(5, "Eve", 65, 9, nick="100%_e"),
            Person(6, "Fay", 41, 9),
        ]
    )
    yield people
    await models.drop(people.name)


@pytest.fixture(scope="session")
async def shared_people(models: ig.Client) -> "AsyncIterator[ig.Cache[int, Person]]":
    """The cache behind ``people``."""
    cache = await models.cache(f"contract_people_{os.getpid()}", Person)
    yield cache
    await models.drop(cache.name)


@pytest.fixture
async def people(shared_people: "ig.Cache[int, Person]") -> "AsyncIterator[ig.Cache[int, Person]]":
    """An empty cache of people, for this test alone."""
    yield shared_people
    await shared_people.clear()
