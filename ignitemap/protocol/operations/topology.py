"""Operations that tell where nodes are, and which of them owns which partitions."""

from typing import Annotated

from ignitemap.protocol.message import CacheRef, Request, operation, record
from ignitemap.protocol.wire import Asked, Feature, When, array, boolean, i32, i64, text, uuid16, uuid_obj

__all__ = [
    "AffinityAnswer",
    "AffinityGroup",
    "CacheKeyFields",
    "CacheNodePartitions",
    "CachePartitions",
    "ClusterGroupGetNodeEndpoints",
    "Endpoints",
    "NodePartitions",
]


@record
class CacheKeyFields:
    """A cache of an affinity group and (type id, field id) of the affinity fields of its complex keys."""

    cache_id: i32
    key_fields: array[tuple[i32, i32]]


@record
class AffinityGroup:
    """Caches with one mapping of partitions to primary nodes; without ``applicable`` only their ids."""

    applicable: boolean
    caches: Annotated[array[CacheKeyFields], Asked("applicable")] = ()
    nodes: Annotated[array[tuple[uuid_obj, array[i32]]], Asked("applicable")] = ()
    default_mapping: Annotated[boolean, When(Feature.ALL_AFFINITY_MAPPINGS), Asked("applicable")] = True
    cache_ids: Annotated[array[i32], Asked("applicable", equal=False)] = ()


@record
class AffinityAnswer:
    """The mapping of the caches that were asked for, at one version of the topology."""

    topology: i64
    minor: i32
    groups: array[AffinityGroup]


@operation(1101, effect="read")
class CachePartitions(Request[AffinityAnswer]):
    """Which node owns which partition of some caches."""

    with_custom_mappings: Annotated[boolean, When(Feature.ALL_AFFINITY_MAPPINGS)] = False
    cache_ids: array[i32] = ()


@record
class NodePartitions:
    """A server node: the port on which it listens for clients, its addresses, the partitions whose primary it is."""

    port: i32
    addresses: array[text]
    partitions: array[i32]


@operation(1100, effect="read")
class CacheNodePartitions(Request[array[NodePartitions]]):
    """Which node has which partitions of a cache; Ignite keeps it for old clients."""

    cache: CacheRef


@record
class Endpoints:
    """Client endpoints of server nodes: those that came and those that went."""

    topology: i64
    added: array[tuple[uuid16, i32, array[text]]]
    removed: array[uuid16]


@operation(5102, effect="read")
class ClusterGroupGetNodeEndpoints(Request[Endpoints]):
    """Where the server nodes listen for clients, as a change between two topology versions (-1, -1: all)."""

    start: i64
    end: i64
