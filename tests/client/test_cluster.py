"""The state of a cluster and its write-ahead logs, on a node of the test's own."""

from __future__ import annotations

import asyncio

import pytest

from ignitemap import raw
from ignitemap.exceptions import EncodeValueError, ServerError
from ignitemap.local import cluster as local_cluster
from tests.addresses import host_ports


@pytest.mark.stress  # starts nodes of its own
async def test_states_of_a_cluster_in_memory() -> None:
    """A cluster goes through its states: read-only refuses writes, inactive everything, and drops what is in memory."""
    async with local_cluster(nodes=1) as node, raw.AioClient().connect(host_ports(node.url)) as client:
        cluster = client.get_cluster()
        assert isinstance(cluster, raw.AioCluster)
        assert await cluster.get_state() is raw.ClusterState.ACTIVE
        cache = await client.get_or_create_cache("numbers")
        await cache.put(1, 1)
        await cluster.set_state(raw.ClusterState.ACTIVE_READ_ONLY)
        assert await cluster.get_state() is raw.ClusterState.ACTIVE_READ_ONLY
        assert await cache.get(1) == 1
        with pytest.raises(raw.CacheError):
            await cache.put(1, 2)
        with pytest.raises(EncodeValueError, match="3"):
            await cluster.set_state(3)
        await cluster.set_state(1)
        with pytest.raises(raw.ClusterError, match="in-memory"):
            await cluster.set_state(raw.ClusterState.INACTIVE, force_deactivation=False)
        assert await cache.get(1) == 1
        await cluster.set_state(raw.ClusterState.INACTIVE)
        assert await cluster.get_state() is raw.ClusterState.INACTIVE
        with pytest.raises(raw.CacheError, match="inactive"):
            await cache.get(1)
        await cluster.set_state(raw.ClusterState.ACTIVE)
        await cache.put(1, 3)
        assert await cache.get(1) == 3
        assert not await cluster.is_wal_enabled("numbers")
        with pytest.raises(ServerError):
            await cluster.disable_wal("numbers")
        assert "AioCluster" in repr(cluster)


@pytest.mark.stress  # starts nodes of its own
async def test_write_ahead_log_of_a_persistent_cache() -> None:
    """The write-ahead log of a persistent cache goes off and on; each call says whether it changed something."""
    async with (
        local_cluster(nodes=1, persistence=True) as node,
        raw.AioClient().connect(host_ports(node.url)) as client,
    ):
        cluster = client.get_cluster()
        await client.get_or_create_cache("kept")
        assert await cluster.is_wal_enabled("kept")
        assert await cluster.disable_wal("kept")
        assert not await cluster.is_wal_enabled("kept")
        assert not await cluster.disable_wal("kept")
        assert await cluster.enable_wal("kept")
        async with asyncio.timeout(30):  # it is on once the node has written a checkpoint
            while not await cluster.is_wal_enabled("kept"):
                pass
        with pytest.raises(ServerError):
            await cluster.enable_wal("nothing")
