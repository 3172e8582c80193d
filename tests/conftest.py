"""Fixtures for every test: one real cluster for the whole run, started when the first test asks for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from ignitemap.local import LocalCluster, cluster as local_cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes, tests of the shared cluster stay in one of them, and each other file in one.

    So there is one shared cluster, whoever runs its tests, and what a file's fixtures start is started once.
    """
    for item in items:
        on_cluster = {"cluster", "url"} & {*getattr(item, "fixturenames", ())}
        item.add_marker(pytest.mark.xdist_group("cluster" if on_cluster else str(item.path)))


@pytest.fixture(scope="session")
async def cluster() -> AsyncIterator[LocalCluster]:
    """Two in-memory nodes that all tests share: leave no cache behind, and kill none of them.

    Skips when IGNITEMAP_URL names a cluster, which is not ours to look into; take `url` where that is enough.
    """
    if "IGNITEMAP_URL" in os.environ:
        pytest.skip("IGNITEMAP_URL names the cluster to test on; this test needs one of its own")
    async with local_cluster(nodes=2) as running:
        yield running


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> str:
    """Where to connect to: IGNITEMAP_URL, or the shared cluster."""
    if given := os.environ.get("IGNITEMAP_URL"):
        return given
    shared: LocalCluster = request.getfixturevalue("cluster")
    return shared.url
