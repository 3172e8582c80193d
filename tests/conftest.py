"""Fixtures for every test: one real cluster for the whole run, started when the first test asks for it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from ignitemap.client.connection import Answer, NodeConnection
from ignitemap.local import LocalCluster, cluster as local_cluster
from tests import frames

CANARY = "hunter2-CANARY"
"""The password of every test that needs one: it must never be seen."""


class _Watch(logging.Handler):
    """Notes every log record that has the password in it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if CANARY in f"{record.getMessage()} {record.args} {record.exc_info}":
            self.found.append(f"{record.name}: {record.msg}")


@pytest.fixture(scope="session", autouse=True)
def no_password_in_logs() -> Iterator[None]:
    """Look at every log record of the package, at DEBUG, for the whole run."""
    logger, watch = logging.getLogger("ignitemap"), _Watch()
    logger.addHandler(watch)
    logger.setLevel(logging.DEBUG)
    yield
    logger.removeHandler(watch)
    assert watch.found == []


@pytest.fixture(scope="session", autouse=True)
def every_request_is_whole() -> Iterator[None]:
    """Read every request that a client sends with a reader of the tests' own, before it leaves."""
    send = NodeConnection.request

    def read_and_send(self: NodeConnection, operation: int, body: bytearray) -> asyncio.Future[Answer]:
        frames.read(operation, bytes(body), self.protocol.context.features)
        return send(self, operation, body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NodeConnection, "request", read_and_send)
        yield


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that talk to real nodes, so that they and the others can run in two processes."""
    for item in items:
        if item.path.parent.name == "chaos":
            item.add_marker(pytest.mark.stress)  # long loops, all of them
        own = item.path.parent.name == "local" or item.path.stem.endswith(("_on_node", "_on_cluster"))
        called = getattr(item, "callspec", None)
        embedded = called is not None and called.params.get("url") == "embedded"
        if own or ({"cluster", "url"} & {*getattr(item, "fixturenames", ())} and not embedded):
            item.add_marker(pytest.mark.on_nodes)


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
