"""Transactions: bound to one connection, joined by the operations of one task, and tracked here.

A node runs an operation with the id of a transaction that has ended, or that belongs to another connection, outside
of any transaction and says nothing (seen from a 2.17.0 node). So what belongs to a transaction, and whether it is
still open, is decided here and before anything is sent: an operation joins the transaction of its task, or raises
TransactionError; it never slips out of it.

`Session.call` looks at TRANSACTIONS, so both faces join, whichever cache, view or cursor the operation comes from.
"""

import asyncio
import enum
import math
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

import attrs

from ignitemap.client.ambient import TRANSACTIONS, TransactionConcurrency, TransactionIsolation, in_transaction
from ignitemap.exceptions import (
    CommitOutcomeUnknown,
    EncodeValueError,
    IgniteMapError,
    InvalidOperationCode,
    NotSentError,
    NotSentTimeout,
    NotSupportedByServer,
    OutcomeUnknownError,
    ServerError,
    TransactionError,
    TransactionLost,
)
from ignitemap.protocol import operations
from ignitemap.protocol.codecs import UNTYPED, Codecs, EntryTypes
from ignitemap.protocol.message import CacheRef, Request, changed
from ignitemap.protocol.operations.binary_types import GetBinaryType
from ignitemap.protocol.operations.caches import CacheGetConfiguration
from ignitemap.protocol.operations.entries import (
    CacheContainsKey,
    CacheContainsKeys,
    CacheGet,
    CacheGetAll,
    CacheGetAndPut,
    CacheGetAndPutIfAbsent,
    CacheGetAndRemove,
    CacheGetAndReplace,
    CacheGetSize,
    CacheLocalPeek,
    CachePut,
    CachePutAll,
    CachePutIfAbsent,
    CacheRemoveIfEquals,
    CacheRemoveKey,
    CacheRemoveKeys,
    CacheReplace,
    CacheReplaceIfEquals,
)
from ignitemap.protocol.operations.transactions import TxEnd, TxStart
from ignitemap.protocol.wire import Feature

if TYPE_CHECKING:
    from ignitemap.client.client import AioClient
    from ignitemap.client.connection import NodeConnection
    from ignitemap.client.session import Session

__all__ = [
    "TRANSACTIONS",
    "AioTransaction",
    "BoundSession",
    "TransactionConcurrency",
    "TransactionIsolation",
    "in_transaction",
    "joined",
]

R = TypeVar("R")
E = TypeVar("E", bound=enum.IntEnum)

MAX_TIMEOUT: Final = 2**63 - 1
# A node says so of a cache that was created a moment ago, before it does anything. Outside of a transaction it waits until
# the cache has begun there. Not with locks in hand: that beginning may wait for the end of the transaction.
NOT_BEGUN: Final = "Cannot start/stop cache within lock or transaction"
GRACE: Final = 0.5  # seconds after which an operation that has no answer waits for a lock, or for nothing any more
NO_ANSWER: Final = "an operation of the transaction has no answer: it can only be rolled back"

# What a node carries out inside of the transaction whose id comes with it. All else is refused: a node would ignore
# the id (clear, remove_all, index queries: they wiped the cache and survived the rollback) or refuse it itself.
JOINING: Final = frozenset(
    {
        CacheContainsKey,
        CacheContainsKeys,
        CacheGet,
        CacheGetAll,
        CacheGetAndPut,
        CacheGetAndPutIfAbsent,
        CacheGetAndRemove,
        CacheGetAndReplace,
        CacheGetSize,
        CacheLocalPeek,
        CachePut,
        CachePutAll,
        CachePutIfAbsent,
        CacheRemoveIfEquals,
        CacheRemoveKey,
        CacheRemoveKeys,
        CacheReplace,
        CacheReplaceIfEquals,
    }
)
# It is about the cache, not about entries: it takes no transaction.
APART: Final = frozenset({CacheGetConfiguration})


class _State(enum.Enum):
    NEW = "not started"
    OPEN = "open"
    ENDING = "about to end"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    UNKNOWN = "ended, and whether it was committed is not known"


class AioTransaction:
    """A transaction over the TRANSACTIONAL caches of a cluster; `AioClient.tx_start` makes it.

    >>> async with client.tx_start(timeout=5000, label="transfer") as tx:
    ...     await accounts.put("ann", 90)
    ...     await accounts.put("ben", 60)
    ...     await tx.commit()

    A block without ``commit()`` rolls back. Or ``tx = await client.tx_start()``, and ``commit()``, ``rollback()`` or
    ``close()`` later. Between start and end every operation of the task that called `tx_start` is part of it, on all
    caches of the client; operations of tasks that were started meanwhile raise TransactionError.

    Raises EncodeValueError (a ValueError) for a concurrency, isolation, timeout or label that there isn't.
    """

    def __init__(
        self,
        client: "AioClient",
        concurrency: int = TransactionConcurrency.PESSIMISTIC,
        isolation: int = TransactionIsolation.REPEATABLE_READ,
        timeout: int = 0,
        label: str | None = None,
    ) -> None:
        self.client = client
        self.concurrency = _member(TransactionConcurrency, concurrency)
        self.isolation = _member(TransactionIsolation, isolation)
        if type(timeout) is not int or not 0 <= timeout <= MAX_TIMEOUT:
            raise EncodeValueError(f"the timeout of a transaction is an int of ms from 0 up, not {timeout!r}")
        if label is not None and not isinstance(label, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
            raise EncodeValueError(f"the label of a transaction is a str, not a Python {type(label).__qualname__}")
        self.timeout = timeout
        self.label = label
        self.tx_id: int | None = None
        """The transaction's id on its connection; None before it was started."""
        self._state = _State.NEW
        self.owner = _this_task()
        self.session: Session | None = None
        self._connection: NodeConnection | None = None
        self._refs: dict[CacheRef, CacheRef] = {}
        self._in_flight = 0
        self._current: asyncio.Task[Any] | None = None  # the last operation
        self._began = 0.0
        self._free_since = 0.0  # when the last operation ended
        self._own_time = 0.0  # seconds between operations
        self._unanswered = False
        self._empty = True  # no operation has been carried out in it
        self.has_block = False
        """Whether operations are refused after its end, until its block is left, instead of running outside of it."""
        self.fate = "was ended by another task"
        """What the owner is told once, where the transaction has ended and its context doesn't know."""

    def __repr__(self) -> str:
        name = "" if self.label is None else f" {self.label!r}"
        return f"<transaction{name}, {self._state.value}>"

    @property
    def closed(self) -> bool:
        """Whether it has ended, one way or the other.

        >>> async with client.tx_start() as tx:
        ...     await tx.commit()
        >>> tx.closed
        True
        """
        return self._state not in {_State.NEW, _State.OPEN}

    @property
    def started(self) -> bool:
        """Whether it has been started, and perhaps ended since.

        >>> client.tx_start().started
        False
        """
        return self._state is not _State.NEW

    @property
    def rolled_back(self) -> bool:
        """Whether it has ended and nothing of it was applied.

        >>> async with client.tx_start() as tx:
        ...     await accounts.put("ann", 0)  # and no commit
        >>> tx.rolled_back
        True
        """
        return self._state is _State.ROLLED_BACK

    @property
    def too_slow(self) -> bool:
        """Whether its timeout was used up between its operations: waiting for no lock would not have saved it.

        >>> async with client.tx_start(timeout=5000) as tx:
        ...     await accounts.put("ann", 0)
        >>> tx.too_slow
        False
        """
        return 0 < self.timeout <= self._own_time * 1000

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            await self.close()
        except IgniteMapError:
            if error is None:
                raise  # else what the block raised says more

    async def commit(self) -> None:
        """Apply all that was done in the transaction, or nothing. Does nothing when it was committed before.

        Raises TransactionTimeout, TransactionConflict, TransactionDeadlock or another ServerError: nothing was applied,
        the transaction has ended; CommitOutcomeUnknown: sent, and no answer came; NotSentError: not sent, it is still
        open; TransactionLost: its connection was lost before, so that it was rolled back; TransactionError: called by
        another task, after its end, or after a write in it that had no answer.

        >>> tx = await client.tx_start()
        >>> await accounts.put("ann", 0)
        >>> await tx.commit()
        >>> await accounts.get("ann")
        0
        """
        if self._state is _State.COMMITTED:
            return
        if self.owner is not _this_task():
            raise TransactionError("only the task that has started a transaction can commit it")
        session, connection = self._reachable()
        current = self._current
        if current is not None and not current.done() and not self._unanswered and not self._in_flight:
            await asyncio.wait([current], timeout=session.nodes.limits.timeout)  # a read that was given up
            session, connection = self._reachable()
        if self._unanswered or self._in_flight or not (current is None or current.done()):
            raise TransactionError(NO_ANSWER)
        self._state = _State.ENDING
        self._own_time += asyncio.get_running_loop().time() - self._free_since
        try:
            await session.call(TxEnd(cast(int, self.tx_id), True), node=connection)
        except NotSentError as error:
            if not connection.lost:
                self._state = _State.OPEN
                raise
            self._end(_State.ROLLED_BACK)
            if session.closed:
                raise
            raise self._lost(connection) from error
        except OutcomeUnknownError as error:
            self._end(_State.UNKNOWN)
            raise CommitOutcomeUnknown(
                "the commit was sent and has no answer: all of the transaction was applied, or nothing",
                operation=TxEnd.__name__,
                node=str(connection.address),
            ) from error
        except ServerError as error:
            self._end(_State.ROLLED_BACK)
            self._name(error)
            raise
        except BaseException:
            # Cancelled. A commit that is under way is not stopped; one that was never sent must not leave its locks.
            self._end(_State.UNKNOWN)
            _ = session.in_background(self._roll_back(session, connection), "ignitemap rollback")
            raise
        self._end(_State.COMMITTED)

    async def rollback(self) -> None:
        """The same as ``close``.

        >>> tx = await client.tx_start()
        >>> await accounts.put("ann", 0)
        >>> await tx.rollback()
        >>> await accounts.get("ann")
        100
        """
        await self.close()

    async def close(self) -> None:
        """Undo all that was done in the transaction, unless it has ended before; then nothing happens.

        Raises OutcomeUnknownError or NotSentError when the node doesn't answer: it rolls back when the connection ends
        or the transaction's timeout is over. That happened already where the connection is lost, which is no error.

        >>> tx = await client.tx_start()
        >>> await tx.close()
        >>> tx.rolled_back
        True
        """
        if self._state is not _State.OPEN:
            return
        session, connection = cast("Session", self.session), cast("NodeConnection", self._connection)
        self._end(_State.ROLLED_BACK)
        if connection.lost or session.closed:
            return
        # In a task of its own: whoever is cancelled while waiting for it, the locks are freed.
        task = session.in_background(self._roll_back(session, connection), "ignitemap rollback")
        await asyncio.wait([task])
        failed = None if task.cancelled() else task.result()  # cancelled: the client was closed
        if failed is not None:
            raise failed

    async def call(
        self,
        request: Request[R],
        codecs: Codecs | None = None,
        types: EntryTypes = UNTYPED,
        *,
        timeout: float | None = None,
        used: "list[NodeConnection] | None" = None,
    ) -> R:
        """Not for users: `Session.call` inside of this transaction, whatever task it comes from.

        Raises what `Session.call` raises, TransactionError for what can't be part of a transaction, TransactionLost
        when the connection is lost: the node has then rolled back.
        """
        self._ready(request)
        if codecs is not None:  # what the caller has noted for this request, others may not take meanwhile
            unannounced, codecs.unannounced = codecs.unannounced, []
        else:
            unannounced = []
        self._in_flight += 1
        try:
            timeout = await self._turn(request, timeout)
            session, connection = self._ready(request)
            own = self._with_id(request)

            async def work() -> R:
                if codecs is not None:
                    codecs.unannounced += unannounced
                try:
                    return await session.call(own, codecs, types, node=connection, timeout=timeout, used=used)
                except ServerError as error:
                    if not self._empty or NOT_BEGUN not in error.message:
                        raise
                ref: CacheRef = cast(Any, request).cache
                await session.call(CacheContainsKey(CacheRef(ref.cache_id), 0), node=connection, timeout=timeout)
                return await session.call(own, codecs, types, node=connection, timeout=timeout, used=used)

            result = await self._carried_out(work, keep=used is None)
            self._empty = False
            return result
        except ServerError as error:
            self._name(error)
            raise
        except (NotSentError, OutcomeUnknownError) as error:
            self._unanswered |= isinstance(error, OutcomeUnknownError)
            if self._connection is not None and self._connection.lost and not self._open_session.closed:
                raise self._lost(self._connection) from error
            raise
        except asyncio.CancelledError:
            task = _this_task()
            if self.closed and task is not None and not task.cancelling():  # by the end of the transaction
                raise TransactionError(f"{type(request).__name__}: {self!r} while it was under way") from None
            self._unanswered |= request.effect != "read"
            raise
        finally:
            self._in_flight -= 1

    # --- one operation at a time ------------------------------------------------------------------------------------

    # A node is not made for a transaction that does two things at once. One that is ended in the first moments of an
    # operation may leave locks behind, for which all of the cluster waits at its next change; and an operation that the
    # end overtakes finds no transaction, and runs outside of it (both seen from a 2.17.0 node).

    async def _turn(self, request: Request[Any], timeout: float | None) -> float | None:
        """Wait until the operation before has ended, also one that was given up; what is left of the timeout."""
        now = asyncio.get_running_loop().time
        allowed = timeout or self._open_session.nodes.limits.timeout
        deadline = None if allowed is None or allowed == math.inf else now() + allowed
        while self._current is not None and not self._current.done():
            await asyncio.wait([self._current], timeout=None if deadline is None else deadline - now())
            if deadline is None:
                continue
            timeout = deadline - now()
            if timeout <= 0:
                name = type(request).__name__
                raise NotSentTimeout(
                    f"{name}: not sent within {allowed} s, the transaction was busy", operation=name, timeout=allowed
                )
        return timeout

    async def _carried_out(self, work: Callable[[], Coroutine[Any, Any, R]], *, keep: bool) -> R:
        """The answer to an operation, which goes on when its caller is cancelled: unless ``keep`` is false."""

        async def run() -> R:
            try:
                return await work()
            finally:
                self._free_since = loop.time()

        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._own_time += self._began - self._free_since
        self._current = current = loop.create_task(run(), name="ignitemap transaction")
        current.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(current)
        except asyncio.CancelledError:
            if not keep:
                current.cancel()
            raise

    async def _settle(self, session: "Session", connection: "NodeConnection") -> None:
        """Wait until the operation that is under way has ended, or is far enough for the transaction to be ended."""
        current = self._current
        if current is None:
            return
        left = self._began + GRACE - asyncio.get_running_loop().time()
        if not current.done():
            await asyncio.wait([current], timeout=max(0, left))
        if not current.done():
            current.cancel()  # what was not sent yet must not be sent later
            await asyncio.wait([current])
        if not current.cancelled() and not isinstance(current.exception(), OutcomeUnknownError):
            return
        left = self._began + GRACE - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)
        # A node takes the requests of a connection in the order in which they come: one that is answered says that the
        # one before it was begun.
        with suppress(OutcomeUnknownError, NotSentError, ServerError):  # then the end is late enough, or can't be sent
            await session.call(GetBinaryType(0), node=connection, timeout=GRACE)

    # --- the rest ---------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        if self.owner is None:  # made outside of any task
            self.owner = _this_task()
        if self.owner is not _this_task():
            raise TransactionError(
                "a transaction is started by the task that called transaction() or tx_start(): another would not be part of it"
            )
        if self._state in {_State.OPEN, _State.ENDING}:
            raise TransactionError("the transaction was started before")
        session = self.client.session
        around = _innermost(session)
        if around is not None and around.owner is self.owner and not around.closed:
            raise TransactionError(f"this task is inside of {around!r} already: transactions don't nest")
        used: list[NodeConnection] = []
        try:
            tx_id = await session.call(TxStart(self.concurrency, self.isolation, self.timeout, self.label), used=used)
        except InvalidOperationCode as error:  # a node before Ignite 2.8
            raise NotSupportedByServer(
                "the cluster has no transactions for thin clients", feature="TX_START"
            ) from error
        self.tx_id = tx_id
        self.session, self._connection = session, used[-1]
        self._refs.clear()
        self._unanswered = False
        self._empty = True
        self._current = None
        self._free_since = asyncio.get_running_loop().time()
        self._own_time = 0.0
        self._state = _State.OPEN
        TRANSACTIONS.set((*TRANSACTIONS.get(), self))

    async def _roll_back(self, session: "Session", connection: "NodeConnection") -> IgniteMapError | None:
        """End the transaction on its node; the error, where that leaves its locks."""
        await self._settle(session, connection)
        try:
            await session.call(TxEnd(cast(int, self.tx_id), False), node=connection)
        except IgniteMapError as error:
            return None if connection.lost or session.closed else error
        return None

    @property
    def _open_session(self) -> "Session":
        return cast("Session", self.session)

    def _ready(self, request: Request[Any]) -> "tuple[Session, NodeConnection]":
        """What carries out an operation now. Raises TransactionError, TransactionLost."""
        session, connection = self._reachable()
        self._check(request, connection)
        if self._unanswered:  # the node would carry this one out behind it, whenever that may be
            raise TransactionError(f"{type(request).__name__}: {NO_ANSWER}")
        return session, connection

    def _reachable(self) -> "tuple[Session, NodeConnection]":
        if self._state is not _State.OPEN or self.session is None or self._connection is None:
            raise TransactionError(f"{self!r} is not open")
        if self._connection.lost and not self.session.closed:
            raise self._lost(self._connection)
        return self.session, self._connection

    def _check(self, request: Request[Any], connection: "NodeConnection") -> None:
        operation = type(request)
        if operation in JOINING:
            return
        if not _sees_transaction(operation):
            raise TransactionError(f"{operation.__name__} can't be part of a transaction: a node runs it outside of it")
        if Feature.TX_AWARE_QUERIES not in connection.protocol.context.features:
            raise TransactionError(
                f"{operation.__name__} would not see what the transaction wrote: tx-aware queries are off in this cluster"
            )
        if self.isolation is not TransactionIsolation.READ_COMMITTED:
            raise TransactionError(f"{operation.__name__} needs a transaction that is READ_COMMITTED")

    def _with_id(self, request: Request[R]) -> Request[R]:
        ref: CacheRef = cast(Any, request).cache
        own = self._refs.get(ref)
        if own is None:
            own = self._refs[ref] = attrs.evolve(ref, transaction=self.tx_id)
        return changed(request, cache=own)

    def _name(self, error: ServerError) -> None:
        """Put the transaction's label into an error: the server's text may have it too far back."""
        if self.label and self.label not in error.message:
            error.message = f"transaction {self.label!r}: {error.message}"
            error.args = (error.message,)

    def _lost(self, connection: "NodeConnection") -> TransactionLost:
        node = str(connection.address)
        return TransactionLost(f"the connection to {node} was lost, and the transaction rolled back with it", node=node)

    def _end(self, state: _State) -> None:
        self._state = state
        self._refs.clear()
        if not self.has_block:
            self.leave()

    def leave(self) -> None:
        """Not for users: take the transaction out of the current context, in which others may have begun since."""
        TRANSACTIONS.set(tuple(each for each in TRANSACTIONS.get() if each is not self))


def joined(session: "Session", request: Request[Any]) -> AioTransaction | None:
    """The transaction that a request of the current task is part of; None for a request that is part of none.

    Raises TransactionError in a task that inherited a transaction and is not its owner.
    """
    if not _about_entries(request):
        return None
    found = _innermost(session)
    if found is None:
        return None
    if found.owner is not _this_task():
        raise TransactionError(
            f"{type(request).__name__}: this task was started inside of {found!r}, which belongs to another task:"
            " start the task before the transaction, or with a context of its own"
        )
    if found.closed:
        if found.has_block:
            raise TransactionError(f"{type(request).__name__}: {found!r}, and its block is not left yet")
        found.leave()
        raise TransactionError(f"{type(request).__name__}: {found!r} {found.fate}")
    return found


class BoundSession:
    """A session as one transaction sees it: operations are part of it, whatever task they come from.

    It stands where caches and cursors have a `Session`, and has of one what those use.
    """

    bound: Final = True

    def __init__(self, session: "Session", transaction: AioTransaction) -> None:
        self._session = session
        self._transaction = transaction

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        return self._session.closed

    async def call(
        self,
        request: Request[R],
        codecs: Codecs | None = None,
        types: EntryTypes = UNTYPED,
        *,
        node: "NodeConnection | None" = None,
        **options: Any,
    ) -> R:
        """`AioTransaction.call`; what belongs to a cursor already or is not about entries, `Session.call`."""
        if node is not None or not _about_entries(request):
            return await self._session.call(request, codecs, types, node=node, **options)
        # A retry that the cache has been given is left out: nothing of a transaction is sent again.
        options.pop("retry", None)
        options.pop("on_answer", None)  # one operation of a transaction at a time
        return await self._transaction.call(request, codecs, types, **options)

    def close_resource(self, connection: "NodeConnection", resource: int) -> "asyncio.Task[None]":
        """As `Session.close_resource`."""
        return self._session.close_resource(connection, resource)


def _sees_transaction(operation: type[Request[Any]]) -> bool:
    """Whether it is a query that a node with tx-aware queries lets see what its transaction wrote."""
    queries = operations.queries
    return operation in {
        queries.QueryPlacedRows,
        queries.QueryScan,
        queries.QuerySqlFields,
        queries.QueryTypedRows,
    }


def _about_entries(request: Request[Any]) -> bool:
    return isinstance(getattr(request, "cache", None), CacheRef) and type(request) not in APART


def _innermost(session: "Session") -> AioTransaction | None:
    return next((each for each in reversed(TRANSACTIONS.get()) if each.session is session), None)


def _this_task() -> "asyncio.Task[Any] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Look at what a task has raised, so that Python does not report it: its caller may be gone."""
    if not task.cancelled():
        task.exception()


def _member(kind: type[E], value: int) -> E:
    try:
        return kind(value)
    except ValueError:
        raise EncodeValueError(f"{value!r} is not one of {kind.__name__}") from None
