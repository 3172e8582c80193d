"""Operations 5000 to 5102: the state of the cluster, its logs, its nodes."""

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ignitemap.embedded import objects
from ignitemap.embedded.cluster import ACTIVE, INACTIVE, READ_ONLY
from ignitemap.embedded.errors import failed, null_argument
from ignitemap.embedded.handlers.table import Needs, answers
from ignitemap.protocol.operations import (
    SERVER_NODES,
    WITH_ATTRIBUTE,
    ClusterChangeState,
    ClusterChangeWalState,
    ClusterGetState,
    ClusterGetWalState,
    ClusterGroupGetNodeEndpoints,
    ClusterGroupGetNodeIds,
    ClusterGroupGetNodeInfo,
    Endpoints,
    NodeInfo,
    NodesSince,
)
from ignitemap.protocol.types import codes
from ignitemap.protocol.wire import Feature

if TYPE_CHECKING:
    from ignitemap.embedded.node import Node
    from ignitemap.embedded.session import Session

VERSION: Final = (2, 17, 0)
REVISION_TIME: Final = 1_739_108_840  # of Apache Ignite 2.17.0
ARRAY_LIST: Final = 1
ATTRIBUTES: Final[Mapping[str, str]] = {
    "org.apache.ignite.build.ver": ".".join(map(str, VERSION)),
    "org.apache.ignite.ignite.name": "embedded",
}
"""What the nodes say of themselves."""


@answers(ClusterGetState, needs=Needs.NOTHING)
def state(session: "Session", request: ClusterGetState) -> int:
    """5000."""
    return session.cluster.state


@answers(ClusterChangeState, needs=Needs.NOTHING)
def change_state(session: "Session", request: ClusterChangeState) -> None:
    """5001. Deactivation drops what is only in memory, and so must be forced."""
    if request.state not in (INACTIVE, ACTIVE, READ_ONLY):
        raise failed('Cannot invoke "org.apache.ignite.cluster.ClusterState.active()" because "state" is null')
    # A client that can't say it means it (seen from a 2.17.0 node).
    force = request.force_deactivation or Feature.FORCE_DEACTIVATION_FLAG not in session.context.features
    session.cluster.change_state(request.state, force=force)


@answers(ClusterChangeWalState)
def change_wal(session: "Session", request: ClusterChangeWalState) -> bool:
    """5002: the log of an embedded node is never off, and there is none in memory."""
    if session.cluster.find(request.cache) is None:
        raise failed(f"Cache doesn't exist: {request.cache}")
    if not session.cluster.store.durable:
        raise failed(
            "Cannot change WAL mode because persistence is not enabled for cache(s)"
            f" [caches=[{request.cache}], dataRegion=null]"
        )
    if not request.enable:
        raise failed("The embedded node does not support writing without its log: load with a data streamer")
    return False


@answers(ClusterGetWalState)
def wal(session: "Session", request: ClusterGetWalState) -> bool:
    """5003."""
    if session.cluster.find(request.cache) is None:
        raise failed(f"Cache not found: {request.cache}")
    return session.cluster.store.durable


@answers(ClusterGroupGetNodeIds, needs=Needs.NOTHING)
def node_ids(session: "Session", request: ClusterGroupGetNodeIds) -> NodesSince:
    """5100."""
    cluster = session.cluster
    if any(kind == WITH_ATTRIBUTE and arguments[0] is None for kind, *arguments in request.projection):
        raise null_argument("n")
    if request.known_topology >= cluster.topology.major:
        return NodesSince(False)
    found = [node.id for node in cluster.nodes] if all(map(_passes, request.projection)) else []
    return NodesSince(True, cluster.topology.major, found)


def _passes(node_filter: tuple[Any, ...]) -> bool:
    """Whether a filter lets the nodes of a cluster through: they are servers, and have the same attributes."""
    kind, *arguments = node_filter
    if kind == SERVER_NODES:
        return bool(arguments[0])
    name, value = arguments
    return name in ATTRIBUTES and value in (None, ATTRIBUTES[name])


@answers(ClusterGroupGetNodeInfo, needs=Needs.NOTHING)
def node_info(session: "Session", request: ClusterGroupGetNodeInfo) -> list[NodeInfo]:
    """5101."""
    if not request.nodes:
        raise failed("Ouch! Argument is invalid: ids must not be empty.")
    asked = set(request.nodes)
    nodes = session.cluster.nodes
    return [_info(node, order, session.node) for order, node in enumerate(nodes, 1) if node.id in asked]


@answers(ClusterGroupGetNodeEndpoints, needs=Needs.NOTHING)
def endpoints(session: "Session", request: ClusterGroupGetNodeEndpoints) -> Endpoints:
    """5102: the nodes that have a socket; a change since an earlier version is not kept, as seldom on a real node."""
    cluster = session.cluster
    history = cluster.histories
    if (request.start >= 0 and request.start not in history) or (request.end >= 0 and request.end not in history):
        raise failed('Cannot invoke "java.util.Collection.size()" because "nodes" is null')
    before = history[request.start] if request.start >= 0 else {}
    after = history[request.end if request.end >= 0 else cluster.topology.major]
    added = [(node, port, [host]) for node, (host, port) in after.items() if node not in before]
    return Endpoints(
        request.end if request.end >= 0 else cluster.topology.major,
        added,
        [node for node in before if node not in after],
    )


def _info(node: "Node", order: int, asked: "Node") -> NodeInfo:
    major, minor, maintenance = VERSION
    return NodeInfo(
        node.id,
        [(name, objects.marshalled_text(value)) for name, value in ATTRIBUTES.items()],
        _texts([node.host]),
        _texts(["localhost"]),
        order,
        node is asked,
        False,
        False,
        objects.marshalled_text(str(node.id)),
        major,
        minor,
        maintenance,
        "",
        REVISION_TIME,
        struct.pack("<Bi", codes.BYTE_ARRAY, 20) + bytes(20),
    )


def _texts(texts: list[str]) -> bytes:
    head = struct.pack("<Bib", codes.COLLECTION, len(texts), ARRAY_LIST)
    return head + b"".join(map(objects.marshalled_text, texts))
