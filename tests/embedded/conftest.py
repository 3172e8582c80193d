"""Fixtures for the embedded node: nodes of one's own, and clients of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import ignitemap as ig
from ignitemap.client.session import Session
from ignitemap.embedded import Node


class Clock:
    """The time of a node, in ms: it stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def node(clock: Clock) -> AsyncIterator[Node]:
    """A node in memory, on a loopback port, whose time stands still."""
    async with Node(clock=clock) as running:
        yield running


@pytest.fixture
async def client(node: Node) -> AsyncIterator[ig.Client]:
    """A client of the node, without a socket."""
    async with ig.connect(f"embedded://{node.key.removeprefix('name:')}") as connected:
        yield connected


@pytest.fixture
def session(client: ig.Client) -> Session:
    """What carries out single operations of the protocol."""
    return client.raw.session


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def url_of() -> Callable[[Path], str]:
    """The URL of a file."""
    return lambda path: f"embedded:///{path}"
