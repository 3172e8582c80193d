"""Event listeners in pyignite's words: what happens to connections, and to every request on them.

A client without listeners has none of this on its way: `Observer.open` makes connections of a class of their own.
Listeners are called at once and in turn; what they raise is logged, and has no other effect.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, Final
from uuid import UUID

import attrs

from ignitemap.client.connection import Address, Answer, Dial, Limits, NodeConnection, open_connection
from ignitemap.exceptions import AuthenticationError, ConfigurationError, ConnectError, server_error
from ignitemap.protocol.connection import Failure
from ignitemap.protocol.handshake import Handshake
from ignitemap.protocol.message import OPERATIONS
from ignitemap.protocol.operations import (
    ClusterGroupGetNodeEndpoints,
    GetBinaryConfiguration,
    GetIdleTimeout,
    Heartbeat,
)
from ignitemap.protocol.wire import ProtocolContext

__all__ = [
    "AuthenticationFailedEvent",
    "ConnectionClosedEvent",
    "ConnectionEventListener",
    "ConnectionLostEvent",
    "HandshakeFailedEvent",
    "HandshakeStartEvent",
    "HandshakeSuccessEvent",
    "NodesChangedEvent",
    "Observer",
    "QueryEventListener",
    "QueryFailEvent",
    "QueryStartEvent",
    "QuerySuccessEvent",
]

logger: Final = logging.getLogger("ignitemap")

UNOBSERVED: Final = frozenset(
    each.code for each in (GetBinaryConfiguration, GetIdleTimeout, Heartbeat, ClusterGroupGetNodeEndpoints)
)
"""What belongs to connecting and to staying connected, and is no query of the program."""


@attrs.frozen
class HandshakeStartEvent:
    """A node is about to be dialled.

    Attributes:
        host, port: Its address.
        protocol_context: The version and the features that are asked for.

    >>> class Watch(ConnectionEventListener):
    ...     def on_handshake_start(self, event: HandshakeStartEvent) -> None:
    ...         print(event.host, event.port == port)
    >>> async with AioClient(event_listeners=[Watch()]).connect(host, port):
    ...     pass
    127.0.0.1 True
    """

    host: str
    port: int
    protocol_context: ProtocolContext | None = None


@attrs.frozen
class HandshakeSuccessEvent:
    """A connection is open.

    Attributes:
        host, port: The node's address.
        protocol_context: The version and the features that both ends have.
        node_uuid: The node's id, as text.

    >>> class Watch(ConnectionEventListener):
    ...     def on_handshake_success(self, event: HandshakeSuccessEvent) -> None:
    ...         print(event.host, len(event.node_uuid))
    >>> async with AioClient(event_listeners=[Watch()]).connect(host, port):
    ...     pass
    127.0.0.1 36
    """

    host: str
    port: int
    protocol_context: ProtocolContext | None
    node_uuid: str


@attrs.frozen
class HandshakeFailedEvent:
    """A connection could not be opened.

    Attributes:
        host, port: The node's address.
        protocol_context: The version and the features that were asked for.
        error_msg: Why.

    >>> class Watch(ConnectionEventListener):
    ...     def on_handshake_fail(self, event: HandshakeFailedEvent) -> None:
    ...         print(event.host, event.port)
    >>> try:
    ...     await AioClient(event_listeners=[Watch()], connect_timeout=0.01).connect(host, 1)
    ... except ReconnectError:
    ...     print("no node")
    127.0.0.1 1
    no node
    """

    host: str
    port: int
    protocol_context: ProtocolContext | None
    error_msg: str


@attrs.frozen
class AuthenticationFailedEvent(HandshakeFailedEvent):
    """A node has refused the user.

    >>> class Watch(ConnectionEventListener):
    ...     def on_authentication_fail(self, event: AuthenticationFailedEvent) -> None:
    ...         print(event.host)
    >>> async with ig.embedded.Node(users={"ann": "secret"}) as guarded:
    ...     _, _, own = guarded.url.rpartition(":")
    ...     try:
    ...         await AioClient("ann", "guessed", event_listeners=[Watch()]).connect(host, int(own))
    ...     except AuthenticationError:
    ...         print("refused")
    127.0.0.1
    refused
    """


@attrs.frozen
class ConnectionClosedEvent:
    """The client has closed a connection.

    Attributes:
        host, port, node_uuid: The node's address, and its id as text.

    >>> class Watch(ConnectionEventListener):
    ...     def on_connection_closed(self, event: ConnectionClosedEvent) -> None:
    ...         print(event.host)
    >>> async with AioClient(event_listeners=[Watch()]).connect(host, port):
    ...     pass
    127.0.0.1
    """

    host: str
    port: int
    node_uuid: str


@attrs.frozen
class ConnectionLostEvent(ConnectionClosedEvent):
    """A connection was lost.

    Attributes:
        host, port, node_uuid: The node's address, and its id as text.
        error_msg: Why.

    >>> class Watch(ConnectionEventListener):
    ...     def on_connection_lost(self, event: ConnectionLostEvent) -> None:
    ...         print(event.host, bool(event.error_msg))
    >>> async with AioClient(event_listeners=[Watch()]).connect(host, port) as watched:
    ...     with node.faults.cut("CacheGetNames"):
    ...         names = await watched.get_cache_names()  # asked again
    127.0.0.1 True
    """

    error_msg: str


@attrs.frozen
class NodesChangedEvent:
    """The cluster has told of nodes that the client did not know, or no longer tells of nodes that it told of before.

    Attributes:
        joined, left: The ids of the nodes, as text.

    >>> class Watch(ConnectionEventListener):
    ...     def on_nodes_changed(self, event: NodesChangedEvent) -> None:
    ...         print("joined:", event.joined, "left:", event.left)
    >>> client = AioClient(event_listeners=[Watch()])
    """

    joined: Sequence[str]
    left: Sequence[str]


@attrs.frozen
class QueryStartEvent:
    """A request goes to a node.

    Attributes:
        host, port, node_uuid: The node's address, and its id as text.
        query_id: The number of the request on its connection.
        op_code, op_name: The operation: 1001, ``OP_CACHE_PUT``.

    >>> class Watch(QueryEventListener):
    ...     def on_query_start(self, event: QueryStartEvent) -> None:
    ...         if event.op_name == "OP_CACHE_GET_NAMES":
    ...             print(event.op_code, event.host)
    >>> async with AioClient(event_listeners=[Watch()]).connect(host, port) as watched:
    ...     names = await watched.get_cache_names()
    1050 127.0.0.1
    """

    host: str
    port: int
    node_uuid: str
    query_id: int
    op_code: int
    op_name: str


@attrs.frozen
class QuerySuccessEvent(QueryStartEvent):
    """A request was answered.

    Attributes:
        duration: In ms, beside the attributes of QueryStartEvent.

    >>> class Slow(QueryEventListener):
    ...     def on_query_success(self, event: QuerySuccessEvent) -> None:
    ...         if event.duration > 1000:  # ms
    ...             print(event.op_name, event.host, event.port)
    >>> client = AioClient(event_listeners=[Slow()])
    """

    duration: int


@attrs.frozen
class QueryFailEvent(QueryStartEvent):
    """A request was answered with an error, or has no answer.

    Attributes:
        duration: In ms, beside the attributes of QueryStartEvent.
        err_msg: Why.

    >>> class Watch(QueryEventListener):
    ...     def on_query_fail(self, event: QueryFailEvent) -> None:
    ...         print(event.op_name, event.err_msg)
    >>> async with AioClient(event_listeners=[Watch()]).connect(host, port) as watched:
    ...     with node.faults.fail("CacheGetNames", message="out of order"):
    ...         try:
    ...             await watched.get_cache_names()
    ...         except CacheError as error:
    ...             print(error)
    OP_CACHE_GET_NAMES out of order
    out of order
    """

    duration: int
    err_msg: str


class ConnectionEventListener:
    """Base class of listeners to connections: override what is of interest.

    >>> class Watch(ConnectionEventListener):
    ...     def on_handshake_success(self, event: HandshakeSuccessEvent) -> None:
    ...         print("connected to", event.host)
    ...
    ...     def on_connection_closed(self, event: ConnectionClosedEvent) -> None:
    ...         print("left", event.host)
    >>> async with AioClient(event_listeners=[Watch()]).connect(host, port):
    ...     pass
    connected to 127.0.0.1
    left 127.0.0.1
    """

    def on_handshake_start(self, event: HandshakeStartEvent) -> None:
        """A node is about to be dialled.

        >>> class Watch(ConnectionEventListener):
        ...     def on_handshake_start(self, event: HandshakeStartEvent) -> None:
        ...         print("dial", event.host)
        """

    def on_handshake_success(self, event: HandshakeSuccessEvent) -> None:
        """A connection is open.

        >>> class Watch(ConnectionEventListener):
        ...     def on_handshake_success(self, event: HandshakeSuccessEvent) -> None:
        ...         print("connected to", event.node_uuid)
        """

    def on_handshake_fail(self, event: HandshakeFailedEvent) -> None:
        """A connection could not be opened.

        >>> class Watch(ConnectionEventListener):
        ...     def on_handshake_fail(self, event: HandshakeFailedEvent) -> None:
        ...         print(event.host, event.error_msg)
        """

    def on_authentication_fail(self, event: AuthenticationFailedEvent) -> None:
        """A node has refused the user.

        >>> class Watch(ConnectionEventListener):
        ...     def on_authentication_fail(self, event: AuthenticationFailedEvent) -> None:
        ...         print(event.host, event.error_msg)
        """

    def on_connection_closed(self, event: ConnectionClosedEvent) -> None:
        """The client has closed a connection.

        >>> class Watch(ConnectionEventListener):
        ...     def on_connection_closed(self, event: ConnectionClosedEvent) -> None:
        ...         print("left", event.node_uuid)
        """

    def on_connection_lost(self, event: ConnectionLostEvent) -> None:
        """A connection was lost.

        >>> class Watch(ConnectionEventListener):
        ...     def on_connection_lost(self, event: ConnectionLostEvent) -> None:
        ...         print(event.host, event.error_msg)
        """

    def on_nodes_changed(self, event: NodesChangedEvent) -> None:
        """The client has learned of other nodes.

        >>> class Watch(ConnectionEventListener):
        ...     def on_nodes_changed(self, event: NodesChangedEvent) -> None:
        ...         print("joined:", event.joined, "left:", event.left)
        """


class QueryEventListener:
    """Base class of listeners to requests: override what is of interest.

    >>> class Watch(QueryEventListener):
    ...     def on_query_success(self, event: QuerySuccessEvent) -> None:
    ...         if event.op_name == "OP_CACHE_GET_NAMES":
    ...             print(event.op_name, event.duration < 10_000)
    >>> async with AioClient(event_listeners=[Watch()]).connect(host, port) as watched:
    ...     names = await watched.get_cache_names()
    OP_CACHE_GET_NAMES True
    """

    def on_query_start(self, event: QueryStartEvent) -> None:
        """A request goes to a node.

        >>> class Watch(QueryEventListener):
        ...     def on_query_start(self, event: QueryStartEvent) -> None:
        ...         print(event.op_name, "to", event.host)
        """

    def on_query_success(self, event: QuerySuccessEvent) -> None:
        """A request was answered.

        >>> class Watch(QueryEventListener):
        ...     def on_query_success(self, event: QuerySuccessEvent) -> None:
        ...         print(event.op_name, "took", event.duration, "ms")
        """

    def on_query_fail(self, event: QueryFailEvent) -> None:
        """A request was answered with an error, or has no answer.

        >>> class Watch(QueryEventListener):
        ...     def on_query_fail(self, event: QueryFailEvent) -> None:
        ...         print(event.op_name, event.err_msg)
        """


class Observer:
    """Tells listeners. Raises ConfigurationError for one that derives from neither base class."""

    def __init__(self, listeners: Sequence[Any]) -> None:
        for each in listeners:
            if not isinstance(each, ConnectionEventListener | QueryEventListener):
                raise ConfigurationError(
                    f"a listener derives from ConnectionEventListener or QueryEventListener, {each!r} doesn't",
                    option="event_listeners",
                )
        self._listeners = tuple(listeners)

    def tell(self, method: str, event: Any) -> None:
        """Call the method of all listeners that have it."""
        for each in self._listeners:
            listen: Callable[[Any], None] | None = getattr(each, method, None)
            if listen is not None:
                try:
                    listen(event)
                except Exception:
                    logger.exception("a listener failed in %s", method)

    def nodes_changed(self, joined: Sequence[UUID], left: Sequence[UUID]) -> None:
        """Tell of the cluster's nodes."""
        event = NodesChangedEvent([str(node) for node in joined], [str(node) for node in left])
        self.tell("on_nodes_changed", event)

    async def open(
        self,
        address: Address,
        handshake: Handshake,
        limits: Limits,
        tls: ssl.SSLContext | None,
        on_topology: Callable[[NodeConnection], None],
        on_lost: Callable[[NodeConnection], None],
        *,
        dial: Dial | None = None,
    ) -> NodeConnection:
        """`open_connection`, observed."""
        where = (address.host, address.port)
        asked = ProtocolContext(handshake.version, handshake.features)
        self.tell("on_handshake_start", HandshakeStartEvent(*where, asked))
        try:
            connection = await open_connection(
                address,
                handshake,
                limits,
                tls,
                on_topology,
                on_lost,
                make=partial(_ObservedConnection, self),
                dial=dial,
            )
        except AuthenticationError as error:
            self.tell("on_authentication_fail", AuthenticationFailedEvent(*where, asked, repr(error)))
            raise
        except ConnectError as error:
            self.tell("on_handshake_fail", HandshakeFailedEvent(*where, asked, repr(error)))
            raise
        assert isinstance(connection, _ObservedConnection)
        connection.told = True
        context = connection.protocol.context
        self.tell("on_handshake_success", HandshakeSuccessEvent(*where, context, connection.node_uuid))
        return connection


class _ObservedConnection(NodeConnection):
    """A connection that tells of its requests and of its end."""

    def __init__(self, observer: Observer, *args: Any) -> None:
        super().__init__(*args)
        self._observer = observer
        self._closing = False
        self.told = False
        """Whether the listeners know of the connection."""

    @property
    def node_uuid(self) -> str:
        """The node's id as text, empty where it has none."""
        return str(self.protocol.node_id or "")

    def request(self, operation: int, body: bytearray) -> asyncio.Future[Answer]:
        """Send a request, and tell of it and of its answer."""
        future = super().request(operation, body)
        if operation not in UNOBSERVED:
            address = self.address
            about = (address.host, address.port, self.node_uuid, self.protocol.last_id, operation, _name(operation))
            self._observer.tell("on_query_start", QueryStartEvent(*about))
            # The first callback of the future: the caller goes on after it.
            future.add_done_callback(partial(self._answered, about, self._loop.time()))
        return future

    async def aclose(self) -> None:
        """Close, which is no loss."""
        self._closing = True
        await super().aclose()

    def _answered(
        self, about: tuple[str, int, str, int, int, str], started: float, future: asyncio.Future[Answer]
    ) -> None:
        duration = round((self._loop.time() - started) * 1000)
        failure = None
        if future.cancelled():
            failure = "the caller was cancelled"
        elif (error := future.exception()) is not None:
            failure = type(error).__name__
        elif isinstance(answer := future.result(), Failure):
            failure = server_error(answer.status, answer.message).message
        if failure is None:
            self._observer.tell("on_query_success", QuerySuccessEvent(*about, duration))
        else:
            self._observer.tell("on_query_fail", QueryFailEvent(*about, duration, failure))

    def _mark_lost(self, cause: BaseException | None) -> None:
        first = self.told and not self.lost
        super()._mark_lost(cause)
        if first:
            where = (self.address.host, self.address.port, self.node_uuid)
            if self._closing:
                self._observer.tell("on_connection_closed", ConnectionClosedEvent(*where))
            else:
                why = "the node closed the connection" if self.failure is None else repr(self.failure)
                self._observer.tell("on_connection_lost", ConnectionLostEvent(*where, why))


@cache
def _name(code: int) -> str:
    """Pyignite's name of an operation: OP_CACHE_PUT."""
    operation = OPERATIONS.get(code)
    return f"OP_{code}" if operation is None else "OP" + re.sub("([A-Z])", r"_\1", operation.__name__).upper()
