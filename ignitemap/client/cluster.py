"""The cluster as a whole: its state, and the write-ahead log of its caches."""

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from ignitemap.exceptions import EncodeValueError
from ignitemap.protocol.operations.cluster import (
    ClusterChangeState,
    ClusterChangeWalState,
    ClusterGetState,
    ClusterGetWalState,
    ClusterGroupGetNodeIds,
    ClusterGroupGetNodeInfo,
    NodeInfo,
)

if TYPE_CHECKING:
    from ignitemap.client.client import AioClient

__all__ = ["AioCluster", "ClusterNode", "ClusterState"]


class ClusterState(enum.IntEnum):
    """What a cluster lets one do with its caches: nothing, everything, or read.

    >>> await client.get_cluster().get_state() is ClusterState.ACTIVE
    True
    """

    INACTIVE = 0
    ACTIVE = 1
    ACTIVE_READ_ONLY = 2


@attrs.frozen(kw_only=True)
class ClusterNode:
    """A server node of the cluster, as the cluster describes it.

    >>> (node,) = await client.get_cluster().nodes()
    >>> node.version, node.order, node.addresses
    ('2.17.0', 1, ('127.0.0.1',))
    """

    id: UUID
    consistent_id: Any
    """Stays the same when the node starts again; a string unless the node's configuration says otherwise."""
    addresses: tuple[str, ...]
    host_names: tuple[str, ...]
    attributes: Mapping[str, Any] = attrs.field(repr=False)
    """Node attributes: system properties, environment, and what the node's configuration adds."""
    version: str
    """Such as ``"2.17.0"``."""
    order: int
    """Nodes are counted in the order in which they joined; the oldest has the smallest number."""


class AioCluster:
    """The cluster of a client; `AioClient.get_cluster` makes it.

    Its methods raise ServerError where the cluster refuses, and as any operation NotSentError, OutcomeUnknownError,
    DecodeError.

    >>> await client.get_cluster().get_state()
    <ClusterState.ACTIVE: 1>
    """

    def __init__(self, client: "AioClient") -> None:
        self._client = client

    def __repr__(self) -> str:
        return f"<AioCluster of {self._client!r}>"

    async def get_state(self) -> ClusterState:
        """The state that the cluster is in.

        >>> await client.get_cluster().get_state()
        <ClusterState.ACTIVE: 1>
        """
        return ClusterState(await self._client.session.call(ClusterGetState()))

    async def set_state(self, state: int, *, force_deactivation: bool = True) -> None:
        """Bring the cluster into a ClusterState.

        INACTIVE drops the entries of all caches that are in memory only, as pyignite's call does;
        ``force_deactivation=False`` refuses to (ServerError) where there are such caches. Raises EncodeValueError for a
        state that there isn't.

        >>> await cache.put(1, "Ann")
        >>> await client.get_cluster().set_state(ClusterState.ACTIVE_READ_ONLY)
        >>> await cache.get(1)  # but no put
        'Ann'
        >>> await client.get_cluster().set_state(ClusterState.ACTIVE)
        """
        try:
            wanted = ClusterState(state)
        except ValueError:
            raise EncodeValueError(f"{state!r} is no ClusterState") from None
        await self._client.session.call(ClusterChangeState(wanted, force_deactivation))

    async def nodes(self) -> tuple[ClusterNode, ...]:
        """The server nodes, the oldest first.

        >>> [node.version for node in await client.get_cluster().nodes()]
        ['2.17.0']
        """
        call = self._client.session.call
        known = await call(ClusterGroupGetNodeIds())
        found = await call(ClusterGroupGetNodeInfo(known.nodes), self._client.mapping_codecs)
        return tuple(sorted(map(_node, found), key=lambda node: node.order))

    async def is_wal_enabled(self, cache_name: str) -> bool:
        """Whether the write-ahead log of a cache is on; False for a cache that is in memory only.

        >>> await client.get_cluster().is_wal_enabled(cache.name)
        False
        """
        return await self._client.session.call(ClusterGetWalState(cache_name))

    async def enable_wal(self, cache_name: str) -> bool:
        """Switch a cache's write-ahead log on; whether it was off. Raises ServerError for a cache in memory only.

        >>> await client.get_cluster().enable_wal(cache.name)  # which is in memory only
        Traceback (most recent call last):
        ServerError: ...
        """
        return await self._client.session.call(ClusterChangeWalState(cache_name, True))

    async def disable_wal(self, cache_name: str) -> bool:
        """Switch a cache's write-ahead log off, for a first load; whether it was on.

        Until it is on again a crash loses the cache. Raises ServerError for a cache in memory only.

        >>> await client.get_cluster().disable_wal(cache.name)  # which is in memory only
        Traceback (most recent call last):
        ServerError: ...
        """
        return await self._client.session.call(ClusterChangeWalState(cache_name, False))


def _node(info: NodeInfo) -> ClusterNode:
    assert info.id is not None
    return ClusterNode(
        id=info.id,
        consistent_id=info.consistent_id,
        addresses=tuple(info.addresses or ()),
        host_names=tuple(info.host_names or ()),
        attributes=dict(info.attributes),
        version=f"{info.major}.{info.minor}.{info.maintenance}{f'-{info.stage}' if info.stage else ''}",
        order=info.order,
    )
