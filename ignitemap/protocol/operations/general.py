"""Operations about a connection itself."""

from ignitemap.protocol.message import Request, operation
from ignitemap.protocol.wire import i64

__all__ = ["GetIdleTimeout", "Heartbeat", "ResourceClose"]


@operation(0, effect="bound")
class ResourceClose(Request[None]):
    """Close a cursor or another resource of this connection."""

    resource: i64


@operation(1, effect="read")
class Heartbeat(Request[None]):
    """Reset the server's idle timer."""


@operation(2, effect="read")
class GetIdleTimeout(Request[i64]):
    """The server's idle timeout in ms, 0 for none."""
