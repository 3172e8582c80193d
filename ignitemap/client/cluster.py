"""The cluster as a whole: its state, and the write-ahead log of its caches."""

import enum
from typing import TYPE_CHECKING

from ignitemap.exceptions import EncodeValueError
from ignitemap.protocol.operations import ClusterChangeState, ClusterChangeWalState, ClusterGetState, ClusterGetWalState

if TYPE_CHECKING:
    from ignitemap.client.client import AioClient

__all__ = ["AioCluster", "ClusterState"]


class ClusterState(enum.IntEnum):
    """What a cluster lets one do with its caches: nothing, everything, or read."""

    INACTIVE = 0
    ACTIVE = 1
    ACTIVE_READ_ONLY = 2


class AioCluster:
    """The cluster of a client; `AioClient.get_cluster` makes it.

    Its methods raise ServerError where the cluster refuses, and the errors of api §6 that any operation can meet.
    """

    def __init__(self, client: "AioClient") -> None:
        self._client = client

    def __repr__(self) -> str:
        return f"<AioCluster of {self._client!r}>"

    async def get_state(self) -> ClusterState:
        """The state that the cluster is in."""
        return ClusterState(await self._client.session.call(ClusterGetState()))

    async def set_state(self, state: int, *, force_deactivation: bool = True) -> None:
        """Bring the cluster into a ClusterState.

        INACTIVE drops the entries of all caches that are in memory only, as pyignite's call does;
        ``force_deactivation=False`` refuses to (ServerError) where there are such caches. Raises EncodeValueError for a
        state that there isn't.
        """
        try:
            wanted = ClusterState(state)
        except ValueError:
            raise EncodeValueError(f"{state!r} is no ClusterState") from None
        await self._client.session.call(ClusterChangeState(wanted, force_deactivation))

    async def is_wal_enabled(self, cache_name: str) -> bool:
        """Whether the write-ahead log of a cache is on; False for a cache that is in memory only."""
        return await self._client.session.call(ClusterGetWalState(cache_name))

    async def enable_wal(self, cache_name: str) -> bool:
        """Switch a cache's write-ahead log on; whether it was off. Raises ServerError for a cache in memory only."""
        return await self._client.session.call(ClusterChangeWalState(cache_name, True))

    async def disable_wal(self, cache_name: str) -> bool:
        """Switch a cache's write-ahead log off, for a first load; whether it was on.

        Until it is on again a crash loses the cache. Raises ServerError for a cache in memory only.
        """
        return await self._client.session.call(ClusterChangeWalState(cache_name, False))
