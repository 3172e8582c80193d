"""How one operation is carried out: the only place that encodes, waits, decodes, and decides on another try.

``call`` encodes the request, picks the node (the key's owner where that is known), awaits the answer and decodes it.
What seldom happens is in the methods below it: a node must be dialled, a type announced or learned, a slot waited
for, a lost request sent again.
"""

import asyncio
import copy
import logging
import math
import struct
from asyncio import get_running_loop
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast
from uuid import UUID

import attrs

from ignitemap import client as parts
from ignitemap.client.affinity import AffinityMapping, owner
from ignitemap.client.ambient import TRANSACTIONS
from ignitemap.client.connection import Address, Answer, Expired, NoAnswer, NodeConnection
from ignitemap.client.metadata import Metadata
from ignitemap.client.nodes import Nodes
from ignitemap.client.retry import RetryPolicy
from ignitemap.exceptions import (
    AuthenticationError,
    ClientClosedNotSent,
    ClientClosedOutcomeUnknown,
    ClusterUnavailable,
    CursorLost,
    DecodeError,
    EncodeError,
    EncodeValueError,
    ForkedClientError,
    IgniteMapError,
    NotSentError,
    NotSentTimeout,
    NotSupportedByServer,
    OperationTimeout,
    OutcomeUnknownError,
    SchemaConflictError,
    TlsError,
    server_error,
)
from ignitemap.protocol.binary_type import BinaryType
from ignitemap.protocol.codecs import MALFORMED, UNTYPED, Codecs, EntryTypes, SchemaMissing, malformed
from ignitemap.protocol.codegen import OperationCodec, compile_operation
from ignitemap.protocol.connection import Failure, Topology
from ignitemap.protocol.message import CacheRef, Effect, Request
from ignitemap.protocol.operations.binary_types import GetBinaryConfiguration
from ignitemap.protocol.operations.general import GetIdleTimeout, ResourceClose
from ignitemap.protocol.operations.topology import CachePartitions, ClusterGroupGetNodeEndpoints
from ignitemap.protocol.operations.transactions import TxEnd, TxStart
from ignitemap.protocol.wire import Feature, ProtocolContext

if TYPE_CHECKING:
    from ignitemap.client.transactions import BoundSession

__all__ = ["Find", "Session", "Statistics", "retrying"]

logger: Final = logging.getLogger("ignitemap")

R = TypeVar("R")
T = TypeVar("T")

Find = Callable[[NodeConnection, Sequence[tuple[UUID, int, Sequence[str]]]], Mapping[UUID, Sequence[Address]]]
"""Which addresses the client may dial, out of those that a node tells of."""

LEAST_HEARTBEAT: Final = 0.5  # seconds, however short the server's idle timeout is
DIAL_MARGIN: Final = 0.1
MAX_LEARNED: Final = 100  # types that one answer may need learned; more is a peer that makes them up
MAX_PARTITIONS: Final = 65_000  # CacheConfiguration.MAX_PARTITIONS_COUNT
MAPPING_PAUSE: Final = 1.0  # seconds before a failed request for mappings is repeated
CLOSE_TIMEOUT: Final = 2.0
LONG_ANSWER: Final = 256 * 1024  # bytes; reading less takes some ms at most
STEP_SECONDS: Final = 0.01  # how long one task may read a long answer before others run
# What writing a request can raise; what else a model's own code raises passes as it is.
ENCODE_FAILURES: Final = (EncodeError, struct.error, UnicodeEncodeError, RecursionError)
SELECT: Final = 1  # the statement type that lets nothing else pass
TRANSACTIONAL: Final = frozenset({TxStart, TxEnd})  # bound to a connection, but not to a cursor


@attrs.define
class Statistics:
    """Counters of one session."""

    routed: int = 0
    """Operations with a key whose owner is known."""
    to_owner: int = 0
    """Of those, how many went to the node that owns the key."""
    retried: int = 0
    """How often an operation was tried again."""
    cancelled: int = 0
    """Operations that were cancelled while they waited for an answer; of a write the outcome is unknown."""


class Session:
    """One client's way to its cluster. ``codecs`` and the entry types of a cache come with each call."""

    bound: Final = False
    """Whether everything that is done over it is part of one transaction."""

    def __init__(
        self,
        nodes: Nodes,
        codecs: Codecs,
        *,
        retry: RetryPolicy,
        partition_awareness: bool,
        heartbeat: float | None = None,
        find: Find | None = None,
        on_nodes: Callable[[Sequence[UUID], Sequence[UUID]], None] = lambda new, gone: None,
    ) -> None:
        self.nodes = nodes
        self.codecs = codecs
        self.metadata = Metadata(codecs.known, self.call, codecs.resolver)
        self.statistics = Statistics()
        self.topology = Topology()
        self.closed = False
        self.cache_names: dict[int, str] = {}
        """The names of the caches that were opened, by id: for errors."""
        self._retry = retry
        self._heartbeat = heartbeat
        self._find = find  # None: the program's addresses are all that there is
        self._on_nodes = on_nodes
        self._started = False
        self._found = False
        self._finding: asyncio.Task[None] | None = None
        self._may_route = partition_awareness
        self._partition_awareness = partition_awareness and nodes.several
        self._context = ProtocolContext()
        self._affinity: dict[int, AffinityMapping] = {}
        self._wanted: set[int] = set()  # caches whose mapping is of interest
        self._wanted_not_before = 0.0
        self._refreshing: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time

    async def start(self) -> None:
        """Reach the cluster, within ``connect_timeout``.

        Raises ClusterUnavailable, AuthenticationError, TlsError, NotSupportedByServer.
        """
        allowed = self.nodes.limits.connect_timeout
        started = self._now()
        try:
            # A little longer than a dial may take, so that a silent node is reported as what it is.
            connection = await self.nodes.connect(None if allowed is None else allowed + DIAL_MARGIN)
        except ClusterUnavailable as error:
            # What no waiting will change is said as it is.
            for final in (AuthenticationError, TlsError):
                for cause in error.causes.values():
                    if isinstance(cause, final):
                        raise cause from cause.__cause__
            raise
        self._context = connection.protocol.context
        if Feature.BINARY_CONFIGURATION in self._context.features:
            left = math.inf if allowed is None else max(0.001, started + allowed - self._now())
            compact, mapper = await self.call(GetBinaryConfiguration(), timeout=left)
            if not compact or mapper != 0:
                raise NotSupportedByServer(
                    "the cluster's BinaryConfiguration is not the default one (compact footers, full names)",
                    feature="BinaryConfiguration",
                )
        if self._partition_awareness:
            self.nodes.dial_rest()
        self._started = True
        self._find_nodes()

    async def call(
        self,
        request: Request[R],
        codecs: Codecs | None = None,
        types: EntryTypes = UNTYPED,
        *,
        node: NodeConnection | None = None,
        timeout: float | None = None,
        used: list[NodeConnection] | None = None,
        retry: RetryPolicy | None = None,
        on_answer: Callable[[bytes], None] | None = None,
    ) -> R:
        """Carry out one operation; its answer.

        ``node`` binds it to one connection (pages of a cursor). ``timeout`` in seconds replaces the client's; None or
        0 keeps it, infinity waits for ever. ``used`` is for operations that open a cursor: the connection where it
        lives is appended, and when nobody can read the answer any more the cursor is closed. ``retry`` replaces the
        client's policy. ``on_answer`` gets the bytes of an answer before they are read, and what it starts runs first:
        the request for what comes next is on its way while this is read. Not for what opens a cursor.

        Raises EncodeError before anything is sent, NotSentError, OutcomeUnknownError, ServerError, DecodeError,
        CursorLost for what is bound to a connection; CancelledError passes, and the answer is then dropped.
        RuntimeError in another event loop than the client's, ForkedClientError in a child process.
        """
        if get_running_loop() is not self._loop:
            raise self._elsewhere()
        if (
            node is None
            and TRANSACTIONS.get()
            and (transaction := parts.transactions.joined(self, request)) is not None
        ):
            return await transaction.call(request, codecs, types, timeout=timeout, used=used)
        if codecs is None:
            codecs = self.codecs
        started = self._now()
        operation = request.__class__
        codec = types.compiled.get(operation)
        if codec is None:
            codec = compile_operation(operation, types)
        body = bytearray()
        codecs.depth = 0
        try:
            key_at: int = codec.encode(codecs, self._context, body, request)
        except ENCODE_FAILURES as error:
            self._refuse(codecs, request, error)
        if codecs.unannounced:
            timeout = timeout or self.nodes.limits.timeout  # of which announcing takes its part
            try:
                await self._announce(codecs, operation.__name__, started, timeout)
            except SchemaConflictError as error:
                self._name_cache(error, getattr(request, "cache", None))
                raise
            body.clear()
            codecs.depth = 0
            try:  # what was learned may change what is written
                key_at = codec.encode(codecs, self._context, body, request)
            except ENCODE_FAILURES as error:
                self._refuse(codecs, request, error)
        connection = node
        if connection is None:
            if key_at > 0 and self._partition_awareness:
                routed: Any = request
                connection = self._route(routed.cache, body, key_at)
            else:
                connection = self.nodes.any()
        if (
            connection is None
            or timeout
            or used is not None
            or not connection.free
            or connection.protocol.context is not self._context
        ):
            answer, connection = await self._slow_exchange(
                request,
                codec,
                codecs,
                body,
                connection,
                timeout,
                started,
                self._retry if retry is None else retry,
                opens=used is not None,
                bound=node is not None,
            )
        else:
            try:
                answer = await connection.request(operation.code, body)
            except asyncio.CancelledError:
                self.statistics.cancelled += 1
                raise
            except NoAnswer as failure:
                policy = self._retry if retry is None else retry
                last = node is not None or policy.attempts == 1
                self._may_retry(request, connection, failure, self.nodes.limits.timeout, policy, failure.sent, last)
                answer, connection = await self._slow_exchange(
                    request, codec, codecs, body, None, timeout, started, policy, tried=1, left=failure.sent
                )
        if isinstance(answer, Failure):
            raise server_error(
                answer.status,
                answer.message,
                node=str(connection.address),
                operation=operation.__name__,
                sql=operation.sqlstate,
            )
        if used is not None:
            used.append(connection)
        if on_answer is not None:
            on_answer(answer)
            await asyncio.sleep(0)
        why: Exception | None = None
        if len(answer) <= LONG_ANSWER or codec.in_steps is None:
            try:
                codecs.depth = codecs.repeated = 0
                result: R = codec.decode(codecs, connection.protocol.context, answer, request)
                return result
            except (SchemaMissing, DecodeError, *MALFORMED) as error:
                why = error
        try:
            slowly = self._decode_slowly(codec, codecs, connection, answer, request, why, started, timeout)
            return cast(R, await slowly)
        except BaseException:
            if used is not None:
                self._close_unread(connection, answer)
            raise
        finally:
            why = None  # its traceback refers to this frame

    def close_resource(self, connection: NodeConnection, resource: int) -> "asyncio.Task[None]":
        """Free a cursor of the server, in a task of its own. What the server says to that does not matter."""
        return self.in_background(self._release(connection, ResourceClose(resource)), "ignitemap cursor closing")

    def in_background(self, work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        """A task that goes on when its caller is cancelled, and ends with the session."""
        task = self._loop.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def aclose(self) -> None:
        """Close all connections. Requests in flight end as ClientClosed. In a child process only this client ends."""
        self.closed = True
        if self.nodes.forked:
            return
        tasks = [*self._background] if self._refreshing is None else [*self._background, self._refreshing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.nodes.aclose()

    async def _release(self, connection: NodeConnection, request: Request[None]) -> None:
        try:
            await self.call(request, node=connection, timeout=CLOSE_TIMEOUT)
        except IgniteMapError:
            return  # the connection is gone, or the last page came meanwhile: either way the cursor is

    def _close_unread(self, connection: NodeConnection, answer: Answer) -> None:
        """Close what an answer has opened: a cursor, whose id it begins with, or a transaction, whose id is all of it."""
        if not isinstance(answer, bytes) or self.closed or connection.lost:
            return
        if len(answer) >= 8:
            _ = self.close_resource(connection, int.from_bytes(answer[:8], "little", signed=True))
        elif len(answer) == 4:
            end = TxEnd(int.from_bytes(answer, "little", signed=True), False)
            _ = self.in_background(self._release(connection, end), "ignitemap rollback")

    def _elsewhere(self) -> Exception:
        """The error for a call from another event loop, or from another process."""
        if self.nodes.forked:
            return ForkedClientError("the client was made before a fork: a child process connects anew")
        return RuntimeError(
            "the client belongs to a different event loop: use it in the one in which it was connected, or connect anew"
        )

    # --- nodes ----------------------------------------------------------------------------------------------------

    def opened(self, connection: NodeConnection) -> None:
        """A connection is open: keep it alive, and ask it for other nodes if nobody has told yet."""
        if self._heartbeat is not None and Feature.HEARTBEAT in connection.protocol.context.features:
            connection.keep_alive(self._heartbeat)
            _ = self.in_background(self._keep_alive(connection, self._heartbeat), "ignitemap heartbeat")
        if not self._found and self._started:
            self._find_nodes()

    async def _keep_alive(self, connection: NodeConnection, heartbeat: float) -> None:
        """Beat as often as the server's idle timeout asks for."""
        try:
            idle = await self.call(GetIdleTimeout(), node=connection, timeout=heartbeat)
        except IgniteMapError as error:
            logger.debug("the idle timeout of %s is not known: %s", connection.address, error)
            return
        if idle > 0 and not connection.lost:
            connection.keep_alive(min(heartbeat, max(LEAST_HEARTBEAT, idle / 3000)))

    def _find_nodes(self) -> None:
        if self._find is not None and self._finding is None and not self.closed:
            self._finding = self.in_background(self._ask_for_nodes(self._find), "ignitemap discovery")

    async def _ask_for_nodes(self, find: Find) -> None:
        """Learn where the nodes of the cluster are. Without an answer those that are known will do."""
        try:
            while True:
                major = self.topology.major
                node = max(self.nodes.open, key=lambda connection: connection.protocol.topology, default=None)
                if node is None or Feature.CLUSTER_GROUP_GET_NODES_ENDPOINTS not in node.protocol.context.features:
                    return
                answer = await self.call(ClusterGroupGetNodeEndpoints(-1, -1), node=node)
                found = find(node, answer.added)
                if found:
                    new, gone = self.nodes.learn(found)
                    if new or gone:
                        self._on_nodes(new, gone)
                self._found = True
                self._partition_awareness = self._may_route and self.nodes.several
                if self.topology.major <= max(major, answer.topology):
                    break
        except IgniteMapError as error:
            logger.debug("the nodes of the cluster are not known: %s", error)
        finally:
            self._finding = None
        if self._partition_awareness and not self.closed:
            self.nodes.dial_rest()

    # --- encoding and decoding ------------------------------------------------------------------------------------

    def _refuse(self, codecs: Codecs, request: Request[Any], error: Exception) -> NoReturn:
        """Raise what the caller is told of a request that can't be written."""
        codecs.unannounced.clear()
        if isinstance(error, EncodeError):
            raise error
        raise EncodeValueError(f"{type(request).__name__}: {error}") from error

    async def announce(self, binary_type: BinaryType, cache: CacheRef) -> None:
        """Make the type of a cache's values known to the cluster. Raises SchemaConflictError."""
        try:
            await self.metadata.announce(binary_type)
        except SchemaConflictError as error:
            self._name_cache(error, cache)
            raise

    def _name_cache(self, error: SchemaConflictError, cache: CacheRef | None) -> None:
        """Say in an error which cache it was about, where that was opened by name."""
        name = None if cache is None else self.cache_names.get(cache.cache_id)
        if name is not None:
            error.cache = name
            error.message = f"{error.message} (cache {name!r})"
            error.args = (error.message,)

    async def _announce(self, codecs: Codecs, name: str, started: float, timeout: float | None) -> None:
        """Make types known that the request uses and that the cluster may not know.

        Raises SchemaConflictError; NotSentError where the cluster can't be told, since the request itself was not sent.
        """
        unannounced = codecs.unannounced
        codecs.unannounced = []
        try:
            async with asyncio.timeout_at(_deadline(started, timeout)):
                for binary_type in unannounced:
                    await self.metadata.announce(binary_type)
        except TimeoutError as error:
            raise NotSentTimeout(
                f"{name}: not sent, its types could not be announced within {timeout} s",
                operation=name,
                timeout=timeout,
            ) from error
        except OutcomeUnknownError as error:
            if self.closed:
                raise ClientClosedNotSent(f"{name}: the client was closed", operation=name) from error
            raise NotSentError(f"{name}: not sent, its types could not be announced", operation=name) from error

    async def _decode_slowly(
        self,
        codec: OperationCodec,
        codecs: Codecs,
        connection: NodeConnection,
        body: bytes,
        request: Request[Any],
        error: Exception | None,
        started: float,
        timeout: float | None,
    ) -> Any:
        """Read a long answer, or one that could not be read (``error``) until the types are learned that it needs.

        Raises DecodeError, OutcomeUnknownError.
        """
        name = type(request).__name__
        node = str(connection.address)
        timeout = timeout or self.nodes.limits.timeout
        deadline = _deadline(started, timeout)
        for _ in range(MAX_LEARNED):
            if error is not None and not isinstance(error, SchemaMissing):
                break
            try:
                async with asyncio.timeout_at(deadline):
                    if error is not None:
                        await self.metadata.learn(error.type_id, error.schema_id)
            except TimeoutError as cause:
                what = f"{name}: the types in its answer could not be learned within {timeout} s"
                raise OperationTimeout(what, operation=name, node=node, timeout=timeout) from cause
            except (NotSentError, OutcomeUnknownError) as cause:  # of the question; the request itself was answered
                what = f"{name}: the types in its answer could not be learned"
                if self.closed:
                    raise ClientClosedOutcomeUnknown(what, operation=name, node=node) from cause
                raise OutcomeUnknownError(what, operation=name, node=node) from cause
            try:
                if len(body) > LONG_ANSWER and codec.in_steps is not None:
                    async with asyncio.timeout_at(deadline):
                        return await self._decode_in_steps(codec, codecs, connection, body, request)
                codecs.depth = codecs.repeated = 0
                return codec.decode(codecs, connection.protocol.context, body, request)
            except TimeoutError as cause:
                what = f"{name}: its answer could not be read within {timeout} s"
                raise OperationTimeout(what, operation=name, node=node, timeout=timeout) from cause
            except (SchemaMissing, DecodeError, *MALFORMED) as another:
                error = another
        assert error is not None
        if isinstance(error, SchemaMissing):
            raise DecodeError(f"{name}: the answer has more than {MAX_LEARNED} unknown types", node=node)
        if isinstance(error, DecodeError):
            error.node = node
            raise error
        raise malformed(f"the answer to {name} is malformed", error) from error

    async def _decode_in_steps(
        self, codec: OperationCodec, codecs: Codecs, connection: NodeConnection, body: bytes, request: Request[Any]
    ) -> Any:
        """Read a long answer so that others may run in between. Raises as ``codec.decode`` does, and what cancels it."""
        assert codec.in_steps is not None
        # Others read with the same codecs meanwhile: what is noted about one answer must not get into another.
        own = copy.copy(codecs)
        own.followed = {}
        own.depth = own.repeated = 0
        steps = codec.in_steps()(own, connection.protocol.context, body, request)
        pause = self._now() + STEP_SECONDS
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            except (DecodeError, *MALFORMED):
                # A codec may know how to save the rest of such an answer (cursors.Salvaged).
                codecs.depth = codecs.repeated = 0
                return codec.decode(codecs, connection.protocol.context, body, request)
            if self._now() >= pause:
                await asyncio.sleep(0)
                pause = self._now() + STEP_SECONDS

    # --- exchange -------------------------------------------------------------------------------------------------

    async def _slow_exchange(
        self,
        request: Request[Any],
        codec: OperationCodec,
        codecs: Codecs,
        body: bytearray,
        connection: NodeConnection | None,
        timeout: float | None,
        started: float,
        policy: RetryPolicy,
        *,
        opens: bool = False,
        bound: bool = False,
        tried: int = 0,
        left: bool = False,
    ) -> tuple[Answer, NodeConnection]:
        """The exchange with all that the fast path leaves out; within one deadline.

        ``tried`` attempts came before it; ``left`` tells whether a byte of them has left. Once one has, nothing ends as
        NotSentError any more.
        """
        operation = type(request)
        name = operation.__name__
        allowed = timeout or self.nodes.limits.timeout
        deadline = _deadline(started, allowed)
        context = self._context
        while True:
            tried += 1
            try:
                if tried > 1:
                    await self._pause(policy.wait_before(tried), deadline)
                if self.closed:
                    raise ClientClosedNotSent(f"{name}: the client is closed", operation=name)
                if connection is None or (connection.lost and not bound):
                    connection = await self._connect(name, deadline)
                if not connection.free:
                    await connection.wait_until_free(name, len(body), deadline)
                if deadline is not None and deadline <= self._now():
                    raise NotSentTimeout(f"{name}: not sent within {allowed} s", operation=name, timeout=allowed)
            except NotSentError as error:
                if not left:
                    raise
                raise self._unknown(name, error, deadline, allowed) from error
            if connection.protocol.context is not context:
                # Nodes of different versions: the body must be what this one understands.
                context = connection.protocol.context
                body.clear()
                codecs.depth = 0
                codec.encode(codecs, context, body, request)
            try:
                answer = await self._watched_request(
                    connection,
                    operation.code,
                    body,
                    deadline,
                    partial(self._close_unread, connection) if opens else None,
                )
                return answer, connection
            except NoAnswer as failure:
                left = left or failure.sent
                self._may_retry(request, connection, failure, allowed, policy, left, bound or tried >= policy.attempts)
                connection = self.nodes.any(but=connection)

    async def _pause(self, wait: float, deadline: float | None) -> None:
        """Wait before another attempt, at most until the deadline."""
        if deadline is not None:
            wait = min(wait, deadline - self._now())
        if wait > 0:
            await asyncio.sleep(wait)

    def _unknown(
        self, name: str, error: NotSentError, deadline: float | None, allowed: float | None
    ) -> OutcomeUnknownError:
        """What a caller is told when another attempt could not be sent, but an earlier one has left."""
        if isinstance(error, ClientClosedNotSent):
            return ClientClosedOutcomeUnknown(f"{name}: the client was closed", operation=name)
        what = f"{name}: the connection was lost before the answer came, and it could not be sent again"
        if deadline is not None and deadline <= self._now():
            return OperationTimeout(f"{what} within {allowed} s", operation=name, timeout=allowed)
        return OutcomeUnknownError(what, operation=name)

    async def _connect(self, name: str, deadline: float | None) -> NodeConnection:
        try:
            return await self.nodes.connect(None if deadline is None else deadline - self._now())
        except ClusterUnavailable as error:
            error.operation = name
            raise

    async def _watched_request(
        self,
        connection: NodeConnection,
        code: int,
        body: bytearray,
        deadline: float | None,
        on_unwanted: Callable[[Answer], None] | None,
    ) -> Answer:
        """A request with a deadline of its own, whose answer ``on_unwanted`` gets when this caller can't."""
        future = connection.request(code, body)
        connection.watch(future, deadline, on_unwanted)
        try:
            return await future
        except BaseException as error:  # also an interrupt: what the request opens must not stay open
            if isinstance(error, asyncio.CancelledError):
                self.statistics.cancelled += 1
            if future.cancel() or future.cancelled() or future.exception() is not None:
                raise
            if on_unwanted is not None:
                on_unwanted(future.result())  # it came in the moment of the cancellation
            raise
        finally:
            connection.unwatch(future)

    def _may_retry(
        self,
        request: Request[Any],
        connection: NodeConnection,
        failure: NoAnswer,
        allowed: float | None,
        policy: RetryPolicy,
        left: bool,
        last: bool,
    ) -> None:
        """Return when a request without an answer may be sent again; else raise the caller's error.

        ``left`` tells whether a byte of it has left, in this attempt or before.
        """
        name = type(request).__name__
        node = str(connection.address)
        if isinstance(failure.cause, ForkedClientError):
            raise failure.cause
        if isinstance(failure, Expired):
            _raise_timeout(name, node, allowed, left)
        if self.closed:
            if left:
                raise ClientClosedOutcomeUnknown(f"{name}: the client was closed", operation=name, node=node)
            raise ClientClosedNotSent(f"{name}: the client was closed", operation=name, node=node)
        if request.effect == "bound" and type(request) not in TRANSACTIONAL:
            raise CursorLost(
                f"{name}: the connection to {node} was lost, and the cursor with it", node=node
            ) from failure.cause
        if left and (last or (failure.sent and not policy.repeats(_effect(request)))):
            raise OutcomeUnknownError(
                f"{name}: the connection to {node} was lost before the answer came", operation=name, node=node
            ) from failure.cause
        if last:
            raise ClusterUnavailable(
                f"{name}: not sent, the connection to {node} was lost",
                operation=name,
                node=node,
                causes={} if failure.cause is None else {node: failure.cause},
            ) from failure.cause
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

    def mapping_of(self, cache_id: int) -> AffinityMapping | None:
        """Who owns the partitions of a cache, where that is known and operations are routed by it."""
        return self._affinity.get(cache_id) if self._partition_awareness else None

    def topology_changed(self, connection: NodeConnection) -> None:
        """A node reported a newer topology: mappings are fetched again, and used until the new ones are here."""
        if connection.protocol.topology > self.topology:
            self.topology = connection.protocol.topology
            if self.closed:
                return
            if self._partition_awareness:
                if self._wanted:
                    self._refresh()
                self.nodes.dial_rest()
            if self._started:
                self._find_nodes()

    def _want(self, cache_id: int) -> None:
        if cache_id not in self._wanted and self._now() >= self._wanted_not_before:
            self._wanted.add(cache_id)
            self._refresh()

    def _refresh(self) -> None:
        if self._refreshing is None and not self.closed:
            self._refreshing = self._loop.create_task(self._fetch_mappings(), name="ignitemap affinity")

    async def _fetch_mappings(self) -> None:
        """Fetch the mappings of all caches of interest until they are as new as the topology that nodes report."""
        try:
            while True:
                topology, wanted = self.topology, set(self._wanted)
                # The node that has seen the newest topology: another might still answer with an older mapping.
                node = max(self.nodes.open, key=lambda connection: connection.protocol.topology, default=None)
                answer = await self.call(CachePartitions(True, sorted(wanted)), node=node)
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
        except IgniteMapError:
            # Routing is an optimisation: without a mapping operations go to any node. A later operation on a cache
            # without one, or the next change of topology, asks again.
            self._wanted &= self._affinity.keys()
            self._wanted_not_before = self._now() + MAPPING_PAUSE
        finally:
            self._refreshing = None


def retrying(session: Session, retry: RetryPolicy) -> Session:
    """The session with another retry policy, for all that uses no more of it than caches and cursors do."""
    return cast(Session, RetryingSession(getattr(session, "base", session), retry))


class RetryingSession:
    """A session whose operations have a retry policy of their own. It stands where caches and cursors have a Session."""

    def __init__(self, session: "Session | BoundSession", retry: RetryPolicy) -> None:
        self.base = session
        self._retry = retry

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        return self.base.closed

    def call(
        self, request: Request[R], codecs: Codecs | None = None, types: EntryTypes = UNTYPED, **options: Any
    ) -> Coroutine[Any, Any, R]:
        """`Session.call`."""
        options.setdefault("retry", self._retry)
        return self.base.call(request, codecs, types, **options)

    def close_resource(self, connection: NodeConnection, resource: int) -> "asyncio.Task[None]":
        """As `Session.close_resource`."""
        return self.base.close_resource(connection, resource)

    def mapping_of(self, cache_id: int) -> AffinityMapping | None:
        """As `Session.mapping_of`."""
        return cast(Session, self.base).mapping_of(cache_id)


def _deadline(started: float, allowed: float | None) -> float | None:
    return None if allowed is None or allowed == math.inf else started + allowed


def _raise_timeout(name: str, node: str, allowed: float | None, left: bool) -> NoReturn:
    if left:
        what = f"{name}: no answer from {node} within {allowed} s"
        raise OperationTimeout(what, operation=name, node=node, timeout=allowed) from None
    what = f"{name}: not sent to {node} within {allowed} s"
    raise NotSentTimeout(what, operation=name, node=node, timeout=allowed) from None


def _effect(request: Request[Any]) -> Effect:
    """A statement that the server runs only if it is a SELECT is a read; any other may change something."""
    if request.sqlstate and getattr(request, "statement_type", None) == SELECT:
        return "read"
    return request.effect


def _owners(nodes: Any) -> tuple[Any, ...]:
    """The primary node of each partition, by the partition's number; nothing where that makes no sense."""
    numbers = [partition for _, partitions in nodes for partition in partitions]
    if not numbers or min(numbers) < 0 or max(numbers) >= MAX_PARTITIONS:
        return ()
    owners: list[Any] = [None] * (1 + max(numbers))
    for node_id, partitions in nodes:
        for partition in partitions:
            owners[partition] = node_id
    return tuple(owners)
