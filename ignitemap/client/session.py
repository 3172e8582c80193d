"""How one operation is carried out: the only place that encodes, waits, decodes, and decides on another try.

``call`` encodes the request, picks the node (the key's owner where that is known), awaits the answer and decodes it.
What seldom happens is in the methods below it: a node must be dialled, a type announced or learned, a slot waited
for, a lost request sent again.
"""

import asyncio
import struct
from typing import Any, Final, TypeVar, cast

import attrs

from ignitemap.client.affinity import AffinityMapping, owner
from ignitemap.client.connection import ConnectionLost, NodeConnection
from ignitemap.client.metadata import Metadata
from ignitemap.client.nodes import Nodes
from ignitemap.exceptions import (
    ClientClosed,
    ClientClosedNotSent,
    ClientClosedOutcomeUnknown,
    CursorLost,
    DecodeError,
    EncodeError,
    EncodeValueError,
    IgniteMapError,
    NotSentTimeout,
    NotSupportedByServer,
    OutcomeUnknownError,
    server_error,
)
from ignitemap.protocol.codecs import MALFORMED, UNTYPED, Codecs, EntryTypes, SchemaMissing, malformed
from ignitemap.protocol.codegen import OperationCodec, compile_operation
from ignitemap.protocol.connection import Topology
from ignitemap.protocol.message import CacheRef, Request
from ignitemap.protocol.operations import CachePartitions, GetBinaryConfiguration
from ignitemap.protocol.wire import ProtocolContext

__all__ = ["Retry", "Session", "Statistics"]

R = TypeVar("R")

Retry = frozenset[str]
"""The effects (message.Effect) that may be sent again after a byte of them has left."""

MAX_ATTEMPTS: Final = 3
MAX_LEARNED: Final = 100  # types that one answer may need learned; more is a peer that makes them up


@attrs.define
class Statistics:
    """Counters of one session."""

    routed: int = 0
    """Operations with a key whose owner is known."""
    to_owner: int = 0
    """Of those, how many went to the node that owns the key."""
    retried: int = 0


class Session:
    """One client's way to its cluster. ``codecs`` and the entry types of a cache come with each call."""

    def __init__(self, nodes: Nodes, codecs: Codecs, *, retry: Retry, partition_awareness: bool) -> None:
        self.nodes = nodes
        self.codecs = codecs
        self.metadata = Metadata(codecs.known, self.call)
        self.statistics = Statistics()
        self.topology = Topology()
        self.closed = False
        self._retry = retry
        self._partition_awareness = partition_awareness
        self._context = ProtocolContext()
        self._affinity: dict[int, AffinityMapping] = {}
        self._wanted: set[int] = set()  # caches whose mapping is of interest
        self._refreshing: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time

    async def start(self) -> None:
        """Reach the cluster. Raises ClusterUnavailable, AuthenticationError, NotSupportedByServer."""
        connection = await self.nodes.connect(self.nodes.limits.connect_timeout)
        self._context = connection.protocol.context
        compact, mapper = await self.call(GetBinaryConfiguration())
        if not compact or mapper != 0:
            raise NotSupportedByServer(
                "the cluster's BinaryConfiguration is not the default one (compact footers, full names)",
                feature="BinaryConfiguration",
            )
        if self._partition_awareness:
            self.nodes.dial_rest()

    async def call(
        self,
        request: Request[R],
        codecs: Codecs | None = None,
        types: EntryTypes = UNTYPED,
        *,
        node: NodeConnection | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the deadline lives in the connection, without a timer a call
        used: list[NodeConnection] | None = None,
    ) -> R:
        """Carry out one operation; its answer.

        ``node`` binds it to one connection (pages of a cursor). ``timeout`` in seconds replaces the client's; None
        or 0 keeps it. The connection that answered is appended to ``used``: a cursor lives there. Raises EncodeError before anything is sent, NotSentError, OutcomeUnknownError, ServerError,
        DecodeError; CancelledError passes, and the answer is then dropped.
        """
        if codecs is None:
            codecs = self.codecs
        started = self._now()
        operation = request.__class__
        codec = types.compiled.get(operation)
        if codec is None:
            codec = compile_operation(operation, types)
        body = bytearray()
        key_at = self._encode(codec, codecs, body, request)
        if codecs.unannounced:
            await self._announce(codecs)
        connection = node
        if connection is None:
            connection = self._route(cast(Any, request).cache, body, key_at) if key_at > 0 else self.nodes.any()
        if connection is None or timeout or not connection.free or connection.protocol.context is not self._context:
            answer, connection = await self._slow_exchange(
                request, codec, codecs, body, connection, timeout, started
            )
        else:
            try:
                answer = await connection.request(operation.code, body)
            except ConnectionLost as lost:
                self._may_retry(request, connection, lost)
                answer, connection = await self._slow_exchange(
                    request, codec, codecs, body, None, timeout, started
                )
        if answer.__class__ is not bytes:
            raise server_error(
                answer.status,  # type: ignore[union-attr]  # the other kind of answer
                answer.message,  # type: ignore[union-attr]
                node=str(connection.address),
                operation=operation.__name__,
                sql=operation.sqlstate,
            )
        if used is not None:
            used.append(connection)
        try:
            codecs.depth = codecs.repeated = 0
            return cast(R, codec.decode(codecs, connection.protocol.context, answer, request))
        except (SchemaMissing, *MALFORMED) as error:
            return cast(R, await self._decode_again(codec, codecs, connection, cast(bytes, answer), request, error))

    async def aclose(self) -> None:
        """Close all connections. Requests in flight end as ClientClosed."""
        self.closed = True
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await self.nodes.aclose()

    # --- encoding and decoding ------------------------------------------------------------------------------------

    def _encode(self, codec: OperationCodec, codecs: Codecs, body: bytearray, request: Request[Any]) -> int:
        codecs.depth = 0
        try:
            return cast(int, codec.encode(codecs, self._context, body, request))
        except EncodeError:
            codecs.unannounced.clear()
            raise
        except (struct.error, UnicodeEncodeError) as error:
            codecs.unannounced.clear()
            raise EncodeValueError(f"{type(request).__name__}: {error}") from error

    async def _announce(self, codecs: Codecs) -> None:
        """Make types known that the request uses and that the cluster may not know."""
        unannounced = codecs.unannounced
        codecs.unannounced = []
        for binary_type in unannounced:
            await self.metadata.announce(binary_type)

    async def _decode_again(
        self,
        codec: OperationCodec,
        codecs: Codecs,
        connection: NodeConnection,
        body: bytes,
        request: Request[Any],
        error: BaseException,
    ) -> Any:
        """Learn the types that an answer needs, then read it."""
        for _ in range(MAX_LEARNED):
            if not isinstance(error, SchemaMissing):
                break
            await self.metadata.learn(error.type_id, error.schema_id)
            try:
                codecs.depth = codecs.repeated = 0
                return codec.decode(codecs, connection.protocol.context, body, request)
            except (SchemaMissing, *MALFORMED) as another:
                error = another
        if isinstance(error, SchemaMissing):
            raise DecodeError(
                f"{type(request).__name__}: the answer has more than {MAX_LEARNED} unknown types",
                node=str(connection.address),
            )
        raise malformed(f"the answer to {type(request).__name__} is malformed", cast(Exception, error)) from error

    # --- exchange -------------------------------------------------------------------------------------------------

    async def _slow_exchange(
        self,
        request: Request[Any],
        codec: OperationCodec,
        codecs: Codecs,
        body: bytearray,
        connection: NodeConnection | None,
        timeout: float | None,  # noqa: ASYNC109
        started: float,
    ) -> tuple[Any, NodeConnection]:
        """The exchange with all that the fast path leaves out; within one deadline."""
        operation = type(request)
        allowed = timeout or self.nodes.limits.timeout
        deadline = None if allowed is None else started + allowed
        context = self._context
        for attempt in range(MAX_ATTEMPTS + 1):
            if self.closed:
                raise ClientClosedNotSent("the client is closed", operation=operation.__name__)
            left = None if deadline is None else deadline - self._now()
            if left is not None and left <= 0:
                raise NotSentTimeout(
                    f"{operation.__name__}: not sent within {allowed} s", operation=operation.__name__, timeout=allowed
                )
            if connection is None or (connection.lost and request.effect != "bound"):
                connection = await self.nodes.connect(left)
            if not connection.free:
                await connection.wait_until_free(operation.__name__, left)
            if connection.protocol.context is not context:
                # Nodes of different versions: the body must be what this one understands.
                context = connection.protocol.context
                body.clear()
                codecs.depth = 0
                codec.encode(codecs, context, body, request)
            timer = None
            try:
                future = connection.request(operation.code, body)
                if left is not None:
                    timer = connection.expire_in(left, future, operation.__name__)
                return await future, connection
            except ConnectionLost as lost:
                self._may_retry(request, connection, lost, last=attempt == MAX_ATTEMPTS)
                connection = self.nodes.any(but=connection)
            finally:
                if timer is not None:
                    timer.cancel()
        raise AssertionError("the last attempt raises")

    def _may_retry(
        self,
        request: Request[Any],
        connection: NodeConnection,
        lost: ConnectionLost,
        *,
        last: bool = False,
    ) -> None:
        """Return when a request lost with its connection may be sent again; else raise the caller's error."""
        name = type(request).__name__
        address = str(connection.address)
        if self.closed:
            if lost.sent:
                raise ClientClosedOutcomeUnknown(f"{name}: the client was closed", operation=name, node=address)
            raise ClientClosedNotSent(f"{name}: the client was closed", operation=name, node=address)
        if request.effect == "bound":
            raise CursorLost(f"{name}: the connection to {address} was lost, and the cursor with it") from lost.cause
        if lost.sent and (last or request.effect not in self._retry):
            raise OutcomeUnknownError(
                f"{name}: the connection to {address} was lost before the answer came", operation=name, node=address
            ) from lost.cause
        if last:
            raise NotSentTimeout(f"{name}: not sent in {MAX_ATTEMPTS} attempts", operation=name) from lost.cause
        self.statistics.retried += 1
        if self._partition_awareness:
            self.nodes.dial_rest()

    # --- routing --------------------------------------------------------------------------------------------------

    def _route(self, cache: CacheRef, body: bytearray, key_at: int) -> NodeConnection | None:
        """The node that owns the request's key where that is known and connected; else any."""
        if not self._partition_awareness:
            return self.nodes.any()
        mapping = self._affinity.get(cache.cache_id)
        if mapping is None:
            self._want(cache.cache_id)
            return self.nodes.any()
        node_id = owner(mapping, body, key_at, self.codecs.known.orders)
        if node_id is not None:
            self.statistics.routed += 1
            connection = self.nodes.owner(node_id)
            if connection is not None:
                self.statistics.to_owner += 1
                return connection
            self.nodes.dial_rest()
        return self.nodes.any()

    async def know_affinity(self, cache_id: int) -> None:
        """Fetch the mapping of a cache now, so that its first operation is routed already."""
        if self._partition_awareness and cache_id not in self._affinity:
            self._want(cache_id)
            if self._refreshing is not None:
                await asyncio.wait([self._refreshing])

    def topology_changed(self, connection: NodeConnection) -> None:
        """A node reported a newer topology: mappings are fetched again, and used until the new ones are here."""
        if connection.protocol.topology > self.topology:
            self.topology = connection.protocol.topology
            if self._partition_awareness and not self.closed:
                if self._wanted:
                    self._refresh()
                self.nodes.dial_rest()

    def _want(self, cache_id: int) -> None:
        if cache_id not in self._wanted:
            self._wanted.add(cache_id)
            self._refresh()

    def _refresh(self) -> None:
        if self._refreshing is None:
            self._refreshing = self._loop.create_task(self._fetch_mappings(), name="ignitemap affinity")

    async def _fetch_mappings(self) -> None:
        """Fetch the mappings of all caches of interest until they are as new as the topology that nodes report."""
        try:
            while True:
                topology, wanted = self.topology, set(self._wanted)
                answer = await self.call(CachePartitions(True, sorted(wanted)))
                version = (answer.topology, answer.minor)
                found: set[int] = set()
                for group in answer.groups:
                    if not group.applicable or not group.default_mapping:
                        continue
                    owners = _owners(group.nodes)
                    for cache in group.caches:
                        found.add(cache.cache_id)
                        fields = self.codecs.known.affinity_fields
                        fields.update(cache.key_fields)
                        self._affinity[cache.cache_id] = AffinityMapping(version, owners, fields)
                for cache_id in wanted - found:  # replicated, custom or gone: any node is as good as another
                    self._affinity[cache_id] = AffinityMapping(version, ())
                if self.topology <= topology and self._wanted == wanted:
                    return
        except (IgniteMapError, ClientClosed):
            # Routing is an optimisation: without a mapping operations go to any node. The next operation on a cache
            # without one, or the next change of topology, asks again.
            self._wanted &= self._affinity.keys()
        finally:
            self._refreshing = None


def _owners(nodes: Any) -> tuple[Any, ...]:
    """The primary node of each partition, by the partition's number."""
    count = 1 + max((partition for _, partitions in nodes for partition in partitions), default=-1)
    owners: list[Any] = [None] * count
    for node_id, partitions in nodes:
        for partition in partitions:
            owners[partition] = node_id
    return tuple(owners)
