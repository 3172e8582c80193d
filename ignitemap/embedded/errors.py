"""What a node answers when it says no: the statuses of ClientStatus and the texts of a 2.17.0 node.

Texts that begin with "The embedded node" are this node's own: they say what only it refuses.
"""

from collections.abc import Mapping
from typing import Final

from ignitemap.exceptions import ConfigurationError, IgniteMapError

__all__ = ["NotLoopback", "Refused", "StoreError"]

FAILED: Final = 1
INVALID_OPERATION: Final = 2
INVALID_NODE_STATE: Final = 10
FUNCTIONALITY_DISABLED: Final = 100
CACHE_DOES_NOT_EXIST: Final = 1000
CACHE_EXISTS: Final = 1001
TOO_MANY_CURSORS: Final = 1010
RESOURCE_DOES_NOT_EXIST: Final = 1011
TX_LIMIT_EXCEEDED: Final = 1020
TX_NOT_FOUND: Final = 1021
AUTHENTICATION_FAILED: Final = 2000

UNSUPPORTED: Final[Mapping[int, str]] = {
    1022: "CACHE_PUT_ALL_CONFLICT",
    1023: "CACHE_REMOVE_ALL_CONFLICT",
    1024: "CACHE_INVOKE",
    1025: "CACHE_INVOKE_ALL",
    6000: "COMPUTE_TASK_EXECUTE",
    7000: "SERVICE_INVOKE",
    7001: "SERVICE_GET_DESCRIPTORS",
    7002: "SERVICE_GET_DESCRIPTOR",
    7003: "SERVICE_GET_TOPOLOGY",
}
"""Operations that a real node has and this one does not: they need Java, or tell of what needs it."""


class StoreError(IgniteMapError):
    """The file of an embedded node can't be used: another process has it open, it is damaged, or from another version.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as other:
    ...     _ = other.write(b"no database")
    ...     other.flush()
    ...     await ig.connect(f"embedded:///{other.name}")
    Traceback (most recent call last):
    StoreError: ...
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path
        """The file."""


class NotLoopback(ConfigurationError, ValueError):  # noqa: N818 - as the others of exceptions.py
    """An embedded node was to listen beyond this machine, and it was not said or not secured.

    >>> ig.embedded.Node(host="0.0.0.0")
    Traceback (most recent call last):
    NotLoopback: ...
    """


class Refused(Exception):  # noqa: N818 - an answer to a client, as ServerError is on the other side
    """A request is answered with a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def failed(message: str) -> Refused:
    """What most exceptions of a server become."""
    return Refused(FAILED, message)


def unsupported(operation: int) -> Refused:
    """An operation that a real node has and this one does not."""
    return Refused(FAILED, f"The embedded node does not support {UNSUPPORTED[operation]}: run it on a cluster")


def no_class(what: str) -> Refused:
    """A filter, processor or receiver of a Java class."""
    return Refused(FAILED, f"The embedded node does not support {what} by Java class: run it on a cluster")


def invalid_operation(code: int) -> Refused:
    """An operation code that the protocol does not have."""
    return Refused(INVALID_OPERATION, f"Invalid request op code: {code}")


def null_argument(name: str) -> Refused:
    """A null where Ignite takes none."""
    return Refused(FAILED, f"Ouch! Argument cannot be null: {name}")


def cache_not_found(cache_id: int) -> Refused:
    """No cache has that id."""
    return Refused(CACHE_DOES_NOT_EXIST, f"Cache does not exist [cacheId= {cache_id}]")


def cache_exists(name: str) -> Refused:
    """A cache of that name is there."""
    return Refused(CACHE_EXISTS, f"Failed to start cache (a cache with the same name is already started): {name}")


def no_resource(resource: int, *, sql: bool = False) -> Refused:
    """No cursor, listener or streamer has that id on this connection."""
    text = f"Failed to find resource with id: {resource}"
    return Refused(RESOURCE_DOES_NOT_EXIST, f"50000: {text}" if sql else text)


def inactive() -> Refused:
    """The cluster was deactivated."""
    return Refused(
        FAILED,
        "Can not perform the operation because the cluster is inactive. Note, that the cluster is considered inactive by"
        " default if Ignite Persistent Store is used to let all the nodes join the cluster. To activate the cluster call"
        " Ignite.cluster().state(ClusterState.ACTIVE).",
    )


def read_only() -> Refused:
    """The cluster takes no writes now."""
    return Refused(FAILED, "Failed to perform cache operation (cluster is in read-only mode)")


def out_of_memory(limit: int) -> Refused:
    """The data in memory has reached its limit."""
    return Refused(
        FAILED,
        f"Out of memory in data region [name=default, maxSize={limit // 2**20} MiB, persistenceEnabled=false]:"
        " give the embedded node more with memory=..., a file, or expiry policies",
    )
