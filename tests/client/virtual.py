"""A loop whose time passes at once, and nodes in memory: hours of silence and of backoff take no time to test.

    def test_something() -> None:
        with virtual_time() as runner:
            runner.run(scenario())

The clock stands still while anything is ready to run, and jumps to the next timer when nothing is.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Sequence
from typing import Any, Literal
from uuid import UUID, uuid4

from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address, ConnectionLost, Limits, NodeConnection
from ignitemap.client.nodes import Nodes
from ignitemap.client.retry import policy_of
from ignitemap.client.session import Find, Session
from ignitemap.exceptions import ConnectError
from ignitemap.protocol.codecs import UNTYPED
from ignitemap.protocol.codegen import compile_server_side
from ignitemap.protocol.connection import Connection, HandshakeAsked, IncomingRequest, Role
from ignitemap.protocol.handshake import Accepted, Handshake
from ignitemap.protocol.message import OPERATIONS, Request
from ignitemap.protocol.operations import CacheGet, CachePut, GetBinaryConfiguration, GetIdleTimeout, Heartbeat
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.wire import ProtocolContext

DEADLOCK = "nothing is ready to run, and there is no timer"


class _Jump(selectors.DefaultSelector):
    """Looks for events without waiting, and moves the clock on instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise RuntimeError(DEADLOCK)
            self.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self.clock = _Jump()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


def virtual_time() -> asyncio.Runner:
    """A runner whose loop is virtual."""
    return asyncio.Runner(loop_factory=VirtualLoop)


class MemoryTransport(asyncio.Transport):
    """The client's end of a connection that is no socket."""

    def __init__(self, node: MemoryNode, client: NodeConnection) -> None:
        super().__init__()
        self.node = node
        self.client = client
        self.server: Connection[Any] = Connection(Role.SERVER)
        self.loop = asyncio.get_running_loop()
        self.unwritten = 0
        self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.ended:
            self.loop.call_soon(self.node.receive, self, bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.unwritten

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def is_closing(self) -> bool:
        return self.ended

    def close(self) -> None:
        self.end()

    def abort(self) -> None:
        self.end()

    def end(self, cause: Exception | None = None) -> None:
        """The connection is over, whichever end it was."""
        if not self.ended:
            self.ended = True
            self.node.transports.remove(self)
            self.loop.call_soon(self.client.connection_lost, cause)

    def deliver(self) -> None:
        """Hand to the client what the node has to say."""
        data = b"".join(self.server.data_to_send())
        for start in range(0, len(data), 8192):
            part = data[start : start + 8192]
            self.client.get_buffer(len(part))[: len(part)] = part
            self.client.buffer_updated(len(part))


class MemoryNode:
    """A node without a socket. ``answers`` has its answers by operation; without one it keeps silent."""

    def __init__(self, port: int) -> None:
        self.address = Address("127.0.0.1", port)
        self.id: UUID = uuid4()
        self.up = True
        self.silent = False
        self.drops: Literal["", "handshakes", "requests"] = ""
        self.dials: list[float] = []
        self.dialling = self.most_dialling = 0
        self.transports: list[MemoryTransport] = []
        self.received: list[tuple[float, type[Request[Any]]]] = []
        self.codecs = mapping_codecs()
        self.answers: dict[type[Request[Any]], Callable[[Any], Any]] = {
            GetBinaryConfiguration: lambda request: (True, 0),
            GetIdleTimeout: lambda request: 0,
            Heartbeat: lambda request: None,
            CacheGet: lambda request: request.key,
            CachePut: lambda request: None,
        }

    def times(self, operation: type[Request[Any]]) -> list[float]:
        """When requests of an operation came."""
        return [when for when, each in self.received if each is operation]

    def receive(self, transport: MemoryTransport, data: bytes) -> None:
        if transport.ended:
            return
        last = ""
        for _, event in transport.server.receive_data(data):
            if isinstance(event, HandshakeAsked):
                asked = event.handshake
                transport.server.accept(Accepted(ProtocolContext(asked.version, asked.features), self.id))
                last = "handshakes"
            elif isinstance(event, IncomingRequest):
                last = "requests"
                operation = OPERATIONS[event.operation]
                self.received.append((transport.loop.time(), operation))
                answer = self.answers.get(operation)
                if answer is not None and not self.silent:
                    codec = compile_server_side(operation, UNTYPED)
                    context = transport.server.context
                    request = codec.decode(self.codecs, context, event.body)
                    out = bytearray()
                    codec.encode(self.codecs, context, out, request, answer(request))
                    transport.server.send_answer(event.id, out)
        transport.deliver()
        if self.drops and self.drops == last:
            transport.end()


class Network:
    """Nodes in memory, and the way to them: `open` stands in for `open_connection`."""

    def __init__(self, count: int) -> None:
        self.nodes = [MemoryNode(number) for number in range(1, count + 1)]
        self.seconds_to_dial = 0.001

    async def open(
        self,
        address: Address,
        handshake: Handshake,
        limits: Limits,
        tls: Any,
        on_topology: Callable[[NodeConnection], None],
        on_lost: Callable[[NodeConnection], None],
    ) -> NodeConnection:
        node = next(each for each in self.nodes if each.address == address)
        node.dials.append(asyncio.get_running_loop().time())
        node.dialling += 1
        node.most_dialling = max(node.most_dialling, node.dialling)
        try:
            await asyncio.sleep(self.seconds_to_dial)
        finally:
            node.dialling -= 1
        if not node.up:
            raise ConnectError(f"{address}: refused", node=str(address))
        connection = NodeConnection(address, handshake, limits, on_topology, on_lost)
        transport = MemoryTransport(node, connection)
        node.transports.append(transport)
        connection.connection_made(transport)
        try:
            await connection.opened
        except ConnectionLost as error:
            raise ConnectError(f"{address}: closed", node=str(address)) from error
        if connection.lost:
            raise ConnectError(f"{address}: closed", node=str(address))
        connection.start_sweeping()
        return connection

    async def session(self, *, find: Find | None = None, **given: Any) -> Session:
        """A session with all nodes; close it."""
        options = Options(**given)

        def on_topology(connection: NodeConnection) -> None:
            session.topology_changed(connection)

        def on_open(connection: NodeConnection) -> None:
            session.opened(connection)

        nodes = Nodes(
            [node.address for node in self.nodes],
            Handshake(),
            Limits(in_flight=options.max_in_flight, timeout=options.timeout, connect_timeout=options.connect_timeout),
            None,
            single=not options.partition_awareness,
            on_topology=on_topology,
            on_open=on_open,
            open_connection=self.open,
        )
        session = Session(
            nodes,
            AioClient(options).codecs,
            retry=policy_of(options.retry),
            partition_awareness=options.partition_awareness,
            heartbeat=options.heartbeat,
            find=find,
        )
        await session.start()
        return session


def in_memory(nodes: Sequence[MemoryNode]) -> list[NodeConnection]:
    """The client's connections to some nodes."""
    return [transport.client for node in nodes for transport in node.transports]
