"""Which node has which partitions: rendezvous hashing over the nodes that are there, as Ignite's own does it.

All nodes of a cluster share one store, so nothing moves when a node comes or goes; the partitions only say whom a
client asks first, and what a local scan or a local peek sees.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from ignitemap.embedded.caches import Cache

if TYPE_CHECKING:
    from ignitemap.embedded.node import Node

__all__ = ["Affinity"]


class Affinity:
    """The partitions of all caches over some nodes."""

    def __init__(self, nodes: Sequence[UUID]) -> None:
        self._nodes = tuple(nodes)
        self._orders: dict[int, list[tuple[UUID, ...]]] = {}

    def order(self, partitions: int) -> list[tuple[UUID, ...]]:
        """For each partition all nodes, its primary first, then those that would have its backups."""
        found = self._orders.get(partitions)
        if found is None:
            if len(self._nodes) == 1:
                found = [self._nodes] * partitions
            else:
                found = [
                    tuple(sorted(self._nodes, key=lambda node: _weight(node, number))) for number in range(partitions)
                ]
            self._orders[partitions] = found
        return found

    def primary_partitions(self, node: "Node", cache: Cache) -> list[int]:
        """The partitions of a cache whose primary is a node."""
        return [number for number, order in enumerate(self.order(cache.partitions)) if order and order[0] == node.id]

    def has_copy(self, node: "Node", cache: Cache, key: bytes) -> bool:
        """Whether a real node in this one's place would have a copy of an entry."""
        if cache.replicated:
            return True
        order = self.order(cache.partitions)[cache.partition(key)]
        return node.id in order[: 1 + max(cache.config.backups or 0, 0)]


def _weight(node: UUID, partition: int) -> bytes:
    return hashlib.blake2b(node.bytes + partition.to_bytes(4, "little"), digest_size=8).digest()
