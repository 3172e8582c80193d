"""A real node to compare with: alone, for what a transaction does on a key may depend on whose key it is."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

import ignitemap as ig
from ignitemap.local import cluster as local_cluster


@pytest.fixture(scope="session")
async def real_url() -> AsyncIterator[str]:
    """One real node: that of IGNITEMAP_URL where it names one, or else one that is started here."""
    given = os.environ.get("IGNITEMAP_URL", "")
    if given.startswith("ignite://") and "," not in given:
        yield given
        return
    async with local_cluster(nodes=1) as running:
        yield running.url


@pytest.fixture(scope="session")
async def embedded_url() -> AsyncIterator[str]:
    """An embedded node on a loopback port."""
    async with ig.embedded.Node() as node:
        yield node.url
