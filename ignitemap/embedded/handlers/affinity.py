"""Operations 1100 and 1101: which node has which partitions."""

from typing import TYPE_CHECKING
from uuid import UUID

from ignitemap.embedded.caches import Cache
from ignitemap.embedded.handlers.table import answers
from ignitemap.protocol.operations import (
    AffinityAnswer,
    AffinityGroup,
    CacheKeyFields,
    CacheNodePartitions,
    CachePartitions,
    NodePartitions,
)

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session


@answers(CacheNodePartitions)
def node_partitions(session: "Session", request: CacheNodePartitions) -> list[NodePartitions]:
    """1100: of the nodes that have a socket."""
    cache = session.cache(request.cache.cache_id)
    affinity = session.cluster.affinity
    return [
        NodePartitions(node.port, [node.host], affinity.primary_partitions(node, cache))
        for node in session.cluster.nodes
        if node.port is not None
    ]


@answers(CachePartitions)
def partitions(session: "Session", request: CachePartitions) -> AffinityAnswer:
    """1101. Caches of one mapping are one group; replicated ones have none, as on a real node."""
    cluster = session.cluster
    asked = [cluster.caches[number] for number in dict.fromkeys(request.cache_ids) if number in cluster.caches]
    partitioned = [cache for cache in asked if not cache.replicated]
    groups: list[AffinityGroup] = []
    if partitioned:
        owned: dict[UUID, list[int]] = {node.id: [] for node in cluster.nodes}
        for number, order in enumerate(cluster.affinity.order(partitioned[0].partitions)):
            owned[order[0]].append(number)
        groups.append(AffinityGroup(True, [_fields(cache) for cache in partitioned], list(owned.items()), True))
    replicated = [cache.id for cache in asked if cache.replicated]
    if replicated:
        groups.append(AffinityGroup(False, cache_ids=replicated))
    return AffinityAnswer(cluster.topology.major, cluster.topology.minor, groups)


def _fields(cache: Cache) -> CacheKeyFields:
    return CacheKeyFields(cache.id, list(cache.key_fields.items()))
