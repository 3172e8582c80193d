"""A node of an embedded cluster: who listens, who is connected, and how one finds it again within the process."""

import asyncio
import atexit
import ipaddress
import os
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self
from uuid import UUID, uuid4

import attrs

from ignitemap.embedded.cluster import Cluster
from ignitemap.embedded.connection import ServerConnection
from ignitemap.embedded.errors import NotLoopback
from ignitemap.embedded.faults import Faults
from ignitemap.embedded.pipe import connect_pair
from ignitemap.embedded.store import Store, Synchronous
from ignitemap.embedded.users import Users
from ignitemap.exceptions import ConfigurationError
from ignitemap.protocol.connection import MAX_FRAME

__all__ = ["EmbeddedCluster", "Node", "cluster", "shared_node"]

MEMORY: Final = 256 * 1024 * 1024
MAX_CONNECTIONS: Final = 256
HANDSHAKE_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 300.0


@attrs.define(eq=False)
class _Open:
    """A cluster that can be found again in this process, by its name or its file."""

    cluster: Cluster
    nodes: int = 0
    """How many nodes keep it open."""
    shared: "Node | None" = None
    """The node that was started for the clients of its URL."""
    clients: int = 0
    """How many clients share that."""


_open: Final[dict[str, _Open]] = {}
_lock: Final = threading.Lock()


class Node:
    """One node, an async context manager: ``async with ig.embedded.Node() as node, ig.connect(node.url) as client``.

    Nodes of one process with the same ``name`` or ``path`` form a cluster: they share the data, and clients spread
    their requests over them.

    Args:
        path: The file that keeps the data; without it they are kept in memory.
        name: What other nodes and ``embedded://name`` find data in memory by; they are then kept as long as the process
            lives. Without a name and a path they go with the node.
        host: Where to listen. Anything but loopback needs ``allow_remote=True``, and ``tls`` or ``users``.
        port: The port, 0 for any that is free, None for no socket at all: then only this process's clients reach it.
        users: Passwords by user name; clients must then say who they are.
        tls: The TLS context of the sockets.
        allow_remote: Listen beyond loopback.
        memory: The most bytes of data in memory (256 MiB); a write beyond it is refused.
        synchronous: ``"FULL"``: an answered write survives a power cut. ``"NORMAL"``: it survives the death of the
            process; a power cut may lose the last ones.
        idle_timeout: Seconds after which a silent client on a socket is let go; None for never.
        max_connections: The most clients on sockets at once; more are turned away.
        clock: The time in ms by which entries expire, for tests.

    Raises ConfigurationError, and NotLoopback, which is one and a ValueError; StoreError when it starts.

    >>> async with ig.embedded.Node() as node, ig.connect(node.url) as client:
    ...     ages = await client.cache("ages", str, int)
    ...     await ages.set("ann", 41)
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        name: str | None = None,
        host: str = "127.0.0.1",
        port: int | None = 0,
        users: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        allow_remote: bool = False,
        memory: int | None = None,
        synchronous: Synchronous = "FULL",
        idle_timeout: float | None = IDLE_SECONDS,
        max_connections: int = MAX_CONNECTIONS,
        clock: Callable[[], int] | None = None,
    ) -> None:
        if path is not None and name is not None:
            raise ConfigurationError("an embedded node has a path or a name, not both", option="name")
        if path is not None and memory is not None:
            raise ConfigurationError("memory is for nodes without a path", option="memory")
        if synchronous not in ("FULL", "NORMAL"):
            raise ConfigurationError(f"synchronous is FULL or NORMAL, not {synchronous!r}", option="synchronous")
        if port is not None:
            _check_host(host, secure=tls is not None or users is not None, allow_remote=allow_remote)
        self.id: UUID = uuid4()
        self.faults = Faults()
        """Faults on purpose: `ignitemap.embedded.faults`."""
        self.users = None if users is None else Users(users)
        self.max_frame = MAX_FRAME
        self.handshake_timeout = HANDSHAKE_SECONDS
        self.idle_timeout = idle_timeout
        self.cluster: Cluster
        self.host = host
        self.port = port
        """Where it listens; the port is known once it has started."""
        self._path = None if path is None else Path(path).absolute()
        self.key = f"name:{self.id.hex if name is None else name}"
        if self._path is not None:
            self.key = f"path:{os.path.realpath(self._path)}"
        """What it is found by within the process."""
        self._keep = name is not None
        self._memory = MEMORY if memory is None else memory
        self._synchronous: Synchronous = synchronous
        self._clock = clock
        self._tls = tls
        self._max_connections = max_connections
        self._connections: set[ServerConnection] = set()
        self._sockets = 0
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._started = False

    def __repr__(self) -> str:
        state = f"{len(self._connections)} clients" if self._started else "not running"
        return f"<embedded node {self.url if self._started else ''} {state}>"

    # --- life -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def start(self) -> Self:
        """Open the store, join the cluster, listen. Raises StoreError, ConfigurationError, OSError for a taken port.

        >>> node = await ig.embedded.Node(port=0).start()
        >>> await node.aclose()
        """
        if self._started:
            raise ConfigurationError("the embedded node is running already")
        opened = _enter(self.key, self._make_cluster)
        self.cluster = opened.cluster
        try:
            if self.port is not None:
                self._server = await asyncio.get_running_loop().create_server(
                    lambda: ServerConnection(self), self.host, self.port, ssl=self._tls, backlog=self._max_connections
                )
                self.port = self._server.sockets[0].getsockname()[1]
            self.cluster.join(self)
        except BaseException:
            if self._server is not None:
                self._server.close()
                self._server = None
            _leave(self.key, keep=self._keep)
            raise
        self._started = True
        if self.port is not None and self.idle_timeout is not None:
            self._sweep()
        return self

    async def aclose(self) -> None:
        """Stop listening, drop all clients, leave the cluster; the last node of a file closes it.

        >>> node = await ig.embedded.Node().start()
        >>> await node.aclose()
        """
        if not self._started:
            return
        self._started = False
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.cut()
        self.faults.clear()
        await asyncio.sleep(0)  # what was cut gets to know it
        self.cluster.leave(self)
        _leave(self.key, keep=self._keep)

    def _make_cluster(self) -> Cluster:
        memory = self._memory if self._path is None else None
        store = Store(self._path, synchronous=self._synchronous, memory=memory)
        try:
            return Cluster(store, self._clock)
        except BaseException:
            store.close()
            raise

    @property
    def connections(self) -> tuple[ServerConnection, ...]:
        """Not for users: the connections that clients have to it now."""
        return tuple(self._connections)

    @property
    def url(self) -> str:
        """Where to connect to: ``ig.connect(node.url)``.

        >>> node.url
        'ignite://127.0.0.1:...'
        """
        if self.port is None:
            return f"embedded://{self.key.removeprefix('name:')}" if self._path is None else f"embedded:///{self._path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ignite://{host}:{self.port}"

    # --- clients ----------------------------------------------------------------------------------------------------

    def dial(self, protocol: asyncio.BaseProtocol) -> None:
        """Not for users: connect a client of this process, with no socket. Raises ConnectionRefusedError if it is down."""
        if not self._started:
            raise ConnectionRefusedError(None, "the embedded node is not running")
        connect_pair(protocol, ServerConnection(self, in_memory=True))

    def admit(self, connection: ServerConnection) -> bool:
        """Not for users: whether one more client may come."""
        if not self._started or (not connection.in_memory and self._sockets >= self._max_connections):
            return False
        self._connections.add(connection)
        self._sockets += not connection.in_memory
        return True

    def forget(self, connection: ServerConnection) -> None:
        """Not for users: a client has gone."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._sockets -= not connection.in_memory

    def _sweep(self) -> None:
        """Let go of clients on sockets that have been silent for too long."""
        assert self.idle_timeout is not None
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(self.idle_timeout / 4, self._sweep)
        oldest = loop.time() - self.idle_timeout
        for connection in list(self._connections):
            if not connection.in_memory and connection.last_seen < oldest:
                connection.cut()


@asynccontextmanager
async def shared_node(*, name: str | None = None, path: str | os.PathLike[str] | None = None) -> AsyncGenerator[Node]:
    """The node that the clients of one URL share: started for the first of them, closed behind the last.

    Where the program has started a node of that name or file itself, it is that one. Without name and path it is a node
    of its own. Raises StoreError, ConfigurationError when it lives in another event loop.
    """
    node = Node(path, name=name, port=None)
    opened = _open.get(node.key)
    if opened is not None and opened.cluster.deserted:
        opened.shared = None
        opened.clients = 0
    if opened is None or not opened.cluster.nodes or opened.cluster.deserted:
        await node.start()
        opened = _open[node.key]
        opened.shared = node
    elif opened.shared is None:  # the program's own node
        opened.cluster.check_loop()
        yield opened.cluster.nodes[0]
        return
    opened.cluster.check_loop()
    shared = opened.shared
    opened.clients += 1
    try:
        yield shared
    finally:
        opened.clients -= 1
        if not opened.clients:
            opened.shared = None
            await shared.aclose()


class EmbeddedCluster:
    """Nodes of one cluster, made by `cluster`.

    >>> async with ig.embedded.cluster(nodes=2) as nodes, ig.connect(nodes.url) as client:
    ...     ages = await client.cache("ages", str, int)
    ...     await ages.set("ann", 41)
    ...     await nodes.kill(0)
    ...     print(await ages["ann"])
    41
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)

    @property
    def url(self) -> str:
        """Where to connect to: all nodes.

        >>> async with ig.embedded.cluster(nodes=2) as nodes:
        ...     print(nodes.url)
        ignite://127.0.0.1:...,127.0.0.1:...
        """
        return "ignite://" + ",".join(node.url.removeprefix("ignite://") for node in self.nodes)

    async def kill(self, number: int) -> None:
        """Drop a node's clients and take it out of the cluster. The data are shared: none are lost.

        >>> async with ig.embedded.cluster(nodes=2) as nodes, ig.connect(nodes.url) as client:
        ...     await nodes.kill(1)
        ...     print(await client.cache_names())
        []
        """
        await self.nodes[number].aclose()

    async def start(self, number: int) -> None:
        """Start a node again, on the port that it had.

        >>> async with ig.embedded.cluster(nodes=2) as nodes:
        ...     await nodes.kill(1)
        ...     await nodes.start(1)
        """
        await self.nodes[number].start()


@asynccontextmanager
async def cluster(nodes: int = 2, **options: Any) -> AsyncGenerator[EmbeddedCluster]:
    """Several nodes of one cluster, each on a loopback port: ``async with ig.embedded.cluster(nodes=3) as nodes``.

    ``options`` are those of `Node`, but for the port. Raises what `Node` raises.

    >>> async with ig.embedded.cluster(nodes=3) as nodes, ig.connect(nodes.url) as client:
    ...     print(len(await client.cluster.nodes()))
    3
    """
    if nodes < 1:
        raise ConfigurationError(f"a cluster has at least one node, not {nodes}", option="nodes")
    if options.get("path") is None and options.get("name") is None:
        options["name"] = uuid4().hex
        anonymous = f"name:{options['name']}"
    else:
        anonymous = None
    made = EmbeddedCluster([Node(**options) for _ in range(nodes)])
    async with AsyncExitStack() as stack:
        if anonymous is not None:
            stack.callback(_drop, anonymous)
        for node in made.nodes:
            await stack.enter_async_context(node)
        yield made


def _drop(key: str) -> None:
    """Forget what a named node has left in memory."""
    with _lock:
        found = _open.pop(key, None)
        if found is not None:
            found.cluster.close()


def _enter(key: str, make: Callable[[], Cluster]) -> _Open:
    with _lock:
        found = _open.get(key)
        if found is None:
            found = _open[key] = _Open(make())
        found.nodes += 1
        return found


def _leave(key: str, *, keep: bool) -> None:
    with _lock:
        found = _open[key]
        found.nodes -= 1
        if not found.nodes and not keep:
            del _open[key]
            found.cluster.close()


@atexit.register
def _close_all() -> None:
    """Close what named nodes have left in memory."""
    for each in _open.values():
        each.cluster.close()
    _open.clear()


def _check_host(host: str, *, secure: bool, allow_remote: bool) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if loopback:
        return
    if not allow_remote:
        raise NotLoopback(f"{host} is not loopback: say allow_remote=True to listen there", option="host")
    if not secure:
        raise NotLoopback(
            f"{host} is not loopback: an embedded node listens there only with tls or users", option="host"
        )
