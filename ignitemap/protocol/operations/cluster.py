"""Operations on the cluster and its nodes."""

import struct
from typing import Annotated, Any, Final

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import Codecs
from ignitemap.protocol.message import Request, operation, record
from ignitemap.protocol.wire import (
    Asked,
    Custom,
    Feature,
    ProtocolContext,
    When,
    array,
    boolean,
    i8,
    i64,
    nullable_text,
    obj,
    text,
    uuid16,
    uuid_obj,
)
from ignitemap.protocol.words import decode_nullable_text, encode_nullable_text

__all__ = [
    "SERVER_NODES",
    "WITH_ATTRIBUTE",
    "ClusterChangeState",
    "ClusterChangeWalState",
    "ClusterGetState",
    "ClusterGetWalState",
    "ClusterGroupGetNodeIds",
    "ClusterGroupGetNodeInfo",
    "NodeInfo",
    "NodesSince",
    "StopWarmup",
    "node_filter",
    "read_node_filter",
    "write_node_filter",
]

# --- cluster ---------------------------------------------------------------------------------------------------------


@operation(5000, effect="read")
class ClusterGetState(Request[i8]):
    """0 inactive, 1 active, 2 active and read-only. Servers without CLUSTER_STATES answer a boolean: the same byte."""


@operation(5001, effect="update")
class ClusterChangeState(Request[None]):
    """Change the state of the cluster; in-memory data is lost by a forced deactivation."""

    state: i8
    force_deactivation: Annotated[boolean, When(Feature.FORCE_DEACTIVATION_FLAG)] = False


@operation(5002, effect="update")
class ClusterChangeWalState(Request[boolean]):
    """Switch a cache's write-ahead log on or off; whether that changed it."""

    cache: text
    enable: boolean


@operation(5003, effect="read")
class ClusterGetWalState(Request[boolean]):
    """Whether a cache's write-ahead log is on."""

    cache: text


@record
class NodesSince:
    """The ids of the server nodes, where the topology is newer than the one that the question named."""

    changed: boolean
    topology: Annotated[i64, Asked("changed")] = -1
    nodes: Annotated[array[uuid16], Asked("changed")] = ()


# Filters of nodes: (WITH_ATTRIBUTE, name, value), where a value of None stands for any; (SERVER_NODES, True) are the
# servers, (SERVER_NODES, False) the clients.
WITH_ATTRIBUTE: Final = 1
SERVER_NODES: Final = 2


def write_node_filter(codecs: Codecs, context: ProtocolContext, out: bytearray, value: tuple[Any, ...]) -> None:
    """Append a filter of nodes."""
    kind, *arguments = value
    out += struct.pack("<h", kind)
    if kind == WITH_ATTRIBUTE:
        for each in arguments:
            encode_nullable_text(codecs, out, each)
    else:
        out.append(arguments[0])


def read_node_filter(codecs: Codecs, context: ProtocolContext, buf: bytes, pos: int) -> tuple[tuple[Any, ...], int]:
    """Read a filter of nodes: the server's side."""
    (kind,) = struct.unpack_from("<h", buf, pos)
    if kind == WITH_ATTRIBUTE:
        name, pos = decode_nullable_text(codecs, buf, pos + 2)
        text, pos = decode_nullable_text(codecs, buf, pos)
        return (kind, name, text), pos
    if kind == SERVER_NODES:
        return (kind, buf[pos + 2] != 0), pos + 3
    raise DecodeError(f"{kind} is no filter of nodes", offset=pos)


node_filter = Annotated[tuple[Any, ...], Custom(write_node_filter, read_node_filter)]


@operation(5100, effect="read")
class ClusterGroupGetNodeIds(Request[NodesSince]):
    """The nodes that all filters of a projection let through."""

    known_topology: i64 = -1
    projection: array[node_filter] = ((SERVER_NODES, True),)


@record
class NodeInfo:
    """One node as the cluster sees it (ClientClusterGroupGetNodesDetailsResponse)."""

    id: uuid_obj
    attributes: array[tuple[text, obj]]
    addresses: obj
    host_names: obj
    order: i64
    local: boolean
    daemon: boolean
    client: boolean
    consistent_id: obj
    major: i8
    minor: i8
    maintenance: i8
    stage: nullable_text
    revision_timestamp: i64
    revision_hash: obj


@operation(5101, effect="read")
class ClusterGroupGetNodeInfo(Request[array[NodeInfo]]):
    """What is known of these nodes. Ids that the cluster doesn't know are left out."""

    nodes: array[uuid16]


# --- before the start ------------------------------------------------------------------------------------------------


@operation(10000, effect="update")
class StopWarmup(Request[None]):
    """End the warm-up of a node that is starting; status 1 when it has started."""
