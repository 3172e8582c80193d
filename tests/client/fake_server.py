"""A node that does what a test tells it: real frames over a loopback socket, scripted answers.

By default it answers like a node with an empty cache that keeps what is put. `on` scripts an operation, `hold` hands
its calls to the test, which answers them when and in which order it likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address
from ignitemap.client.session import Session
from ignitemap.protocol.codecs import UNTYPED, SchemaMissing
from ignitemap.protocol.codegen import compile_server_side
from ignitemap.protocol.connection import (
    Connection,
    Failure,
    HandshakeAsked,
    IncomingRequest,
    Notification,
    Role,
    Topology,
)
from ignitemap.protocol.handshake import Accepted, Handshake, Refused
from ignitemap.protocol.message import OPERATIONS, Request
from ignitemap.protocol.operations import (
    AffinityAnswer,
    AffinityGroup,
    CacheGet,
    CacheGetNames,
    CacheKeyFields,
    CachePartitions,
    CachePut,
    FoundType,
    GetBinaryConfiguration,
    GetBinaryType,
    PutBinaryType,
    RegisterBinaryTypeName,
    ResourceClose,
)
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.wire import Feature, ProtocolContext

PARTITIONS = 16


class Call:
    """One request that has come; answer it once, or never."""

    def __init__(self, connection: FakeConnection, operation: type[Request[Any]], id: int, request: Any) -> None:
        self.connection = connection
        self.operation = operation
        self.id = id
        self.request = request

    def __repr__(self) -> str:
        return f"<{self.operation.__name__} {self.id}>"

    def answer(self, value: Any = None) -> None:
        """Answer with a value of the operation's answer type."""
        node = self.connection.node
        out = bytearray()
        codec = compile_server_side(self.operation, UNTYPED)
        codec.encode(node.codecs, self.connection.protocol.context, out, self.request, value)
        self.raw(bytes(out))

    def raw(self, body: bytes) -> None:
        """Answer with a body as it is."""
        self.connection.protocol.send_answer(self.id, body, topology=self.connection.news())
        self.connection.flush()

    def fail(self, status: int = 1, message: str | None = "no") -> None:
        """Answer with an error."""
        self.connection.protocol.send_failure(self.id, Failure(status, message), topology=self.connection.news())
        self.connection.flush()

    def close(self) -> None:
        """Close the connection without an answer."""
        self.connection.close()


class Held:
    """Calls of an operation that wait for the test."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._queue: asyncio.Queue[Call] = asyncio.Queue()

    def __call__(self, call: Call) -> None:
        self.calls.append(call)
        self._queue.put_nowait(call)

    async def next(self) -> Call:
        """The next call, in the order in which they came."""
        async with asyncio.timeout(5):
            return await self._queue.get()

    async def take(self, count: int) -> list[Call]:
        """The next calls."""
        return [await self.next() for _ in range(count)]


class FakeConnection(asyncio.Protocol):
    """The node's end of one connection."""

    def __init__(self, node: FakeNode) -> None:
        self.node = node
        self.protocol: Connection[Any] = Connection(Role.SERVER)
        self.told = Topology()
        self.transport: asyncio.Transport
        self.chunks: list[bytes] = []
        self.requests: list[type[Request[Any]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.node.accepted += 1
        self.node.connections.append(self)
        self.node.on_accept(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.node.connections.remove(self)

    def data_received(self, data: bytes) -> None:
        self.chunks.append(data)
        for _, event in self.protocol.receive_data(data):
            if isinstance(event, HandshakeAsked):
                self.node.handshakes.append(event.handshake)
                self.node.on_handshake(self, event.handshake)
            elif isinstance(event, IncomingRequest):
                operation = OPERATIONS.get(event.operation)
                if operation is None:
                    self.protocol.send_failure(event.id, Failure(2, f"Invalid request op code: {event.operation}"))
                    self.flush()
                    continue
                codec = compile_server_side(operation, UNTYPED)
                self.requests.append(operation)
                try:
                    request = codec.decode(self.node.codecs, self.protocol.context, event.body)
                except SchemaMissing:
                    request = None  # an object of a class: this node does not look inside
                self.node.handle(Call(self, operation, event.id, request))

    def news(self) -> Topology | None:
        """The topology, where the client does not know it yet."""
        if self.told == self.node.topology:
            return None
        self.told = self.node.topology
        return self.told

    def flush(self) -> None:
        data = b"".join(self.protocol.data_to_send())
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def send(self, data: bytes) -> None:
        """Send bytes that no protocol has made."""
        self.transport.write(data)

    def notify(self, notification: Notification) -> None:
        self.protocol.send_notification(notification)
        self.flush()

    def accept(self, handshake: Handshake) -> None:
        context = ProtocolContext(handshake.version, handshake.features & self.node.features)
        self.protocol.accept(Accepted(context, self.node.id))
        self.flush()

    def refuse(self, refused: Refused) -> None:
        self.protocol.refuse(refused)
        self.flush()

    def close(self) -> None:
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()


class FakeNode:
    """A node with an id, a topology, and a script."""

    def __init__(self, id: UUID | None = None) -> None:
        self.id: UUID | None = uuid4() if id is None else id
        self.topology = Topology(1, 0)
        self.features = frozenset(int(feature) for feature in Feature)
        self.codecs = mapping_codecs()
        self.accepted = 0
        self.handshakes: list[Handshake] = []
        self.connections: list[FakeConnection] = []
        self.calls: list[Call] = []
        self.data: dict[Any, Any] = {}
        self.owners: Sequence[FakeNode] = (self,)
        self.types: dict[int, Any] = {}
        self.on_accept: Callable[[FakeConnection], None] = lambda connection: None
        self.on_handshake: Callable[[FakeConnection, Handshake], None] = FakeConnection.accept
        self._script: dict[type[Request[Any]], Callable[[Call], Any]] = {
            GetBinaryConfiguration: lambda call: call.answer((True, 0)),
            CacheGet: lambda call: call.answer(self.data.get(call.request.key)),
            CachePut: self._put,
            CacheGetNames: lambda call: call.answer(["one"]),
            CachePartitions: self._partitions,
            ResourceClose: lambda call: call.answer(),
            GetBinaryType: lambda call: call.answer(
                FoundType(call.request.type_id in self.types, self.types.get(call.request.type_id))
            ),
            PutBinaryType: self._put_type,
            RegisterBinaryTypeName: lambda call: call.answer(True),
        }
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.port)

    async def start(self) -> None:
        """Listen; on the same port as before, when it was stopped."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: FakeConnection(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and abort all connections, as a killed node would."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await until(lambda: not self.connections)

    def cut(self) -> None:
        """Abort all connections."""
        for connection in list(self.connections):
            connection.abort()

    def on(self, operation: type[Request[Any]], handler: Callable[[Call], Any]) -> None:
        """Script an operation."""
        self._script[operation] = handler

    def hold(self, operation: type[Request[Any]]) -> Held:
        """Keep the calls of an operation for the test."""
        held = Held()
        self._script[operation] = held
        return held

    def handle(self, call: Call) -> None:
        self.calls.append(call)
        handler = self._script.get(call.operation)
        if handler is None:
            call.fail(2, f"Invalid request op code: {call.operation.code}")
        else:
            handler(call)

    def count(self, operation: type[Request[Any]]) -> int:
        """How many requests of an operation have come."""
        return sum(call.operation is operation for call in self.calls)

    def _put(self, call: Call) -> None:
        if call.request is not None:
            self.data[call.request.key] = call.request.value
        call.answer()

    def _put_type(self, call: Call) -> None:
        self.types[call.request.type.type_id] = call.request.type
        call.answer()

    def _partitions(self, call: Call) -> None:
        """Partitions by turns to the nodes that own some."""
        share = [
            (owner.id, [number for number in range(PARTITIONS) if number % len(self.owners) == position])
            for position, owner in enumerate(self.owners)
        ]
        caches = [CacheKeyFields(cache_id, []) for cache_id in call.request.cache_ids]
        group = AffinityGroup(True, caches, share, True)
        call.answer(AffinityAnswer(self.topology.major, self.topology.minor, [group]))


@asynccontextmanager
async def fake_nodes(count: int) -> AsyncIterator[list[FakeNode]]:
    """Nodes that share the partitions of all caches."""
    nodes = [FakeNode() for _ in range(count)]
    for node in nodes:
        node.owners = nodes
        await node.start()
    try:
        yield nodes
    finally:
        for node in nodes:
            await node.stop()


@asynccontextmanager
async def connected(*nodes: FakeNode, **options: Any) -> AsyncIterator[AioClient]:
    """A client of some nodes, by all of their addresses."""
    client = AioClient(Options(**options))
    await client.open([node.address for node in nodes])
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def session_of(*nodes: FakeNode, **options: Any) -> AsyncIterator[Session]:
    """The session of a client whose connections to all nodes are open."""
    async with connected(*nodes, **options) as client:
        if options.get("partition_awareness", True):
            await until(lambda: len(client.session.nodes.open) == len(nodes))
        yield client.session


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop run until something holds; fails after 5 s."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)
