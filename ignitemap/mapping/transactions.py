"""Transactions as blocks: committed where the block ends well, rolled back where it does not, tried again on a conflict.

What is part of a transaction, and what is refused because of one, is decided in client/transactions.py.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, cast

import attrs

from ignitemap.client.transactions import AioTransaction, BoundSession, TransactionConcurrency, TransactionIsolation
from ignitemap.exceptions import (
    ConfigurationError,
    IgniteMapError,
    TransactionConflict,
    TransactionDeadlock,
    TransactionError,
    TransactionTimeout,
)
from ignitemap.mapping.cache import Cache

if TYPE_CHECKING:
    from ignitemap.client.client import AioClient
    from ignitemap.client.session import Session

__all__ = ["Attempt", "Attempts", "Concurrency", "Isolation", "Transaction", "TransactionOptions"]

K = TypeVar("K")
V = TypeVar("V")

Concurrency = Literal["pessimistic", "optimistic"]
"""When a transaction takes its locks: at the first access to a key, or at commit."""

Isolation = Literal["read_committed", "repeatable_read", "serializable"]
"""What a transaction sees of others. An optimistic serializable one conflicts if what it read has changed."""

_CONCURRENCY: Final[Mapping[Any, TransactionConcurrency]] = {each.name.lower(): each for each in TransactionConcurrency}
_ISOLATION: Final[Mapping[Any, TransactionIsolation]] = {each.name.lower(): each for each in TransactionIsolation}
Timeout = float | timedelta | None
"""Seconds, or a timedelta. None is the client's timeout for operations, `math.inf` no limit."""

_MAX_MILLISECONDS: Final = (1 << 63) - 1

LEFT: Final = (
    "was rolled back at its commit, and its loop was left by break or return: nothing of it was written, and it was not"
    " tried again; await tx.commit() before you leave the loop"
)
BACKOFF_FIRST: Final = 0.01
BACKOFF_MOST: Final = 1.0


@attrs.frozen
class TransactionOptions:
    """How a transaction behaves. ``timeout`` is in ms, 0 is none."""

    concurrency: TransactionConcurrency
    isolation: TransactionIsolation
    timeout: int
    label: str | None

    @classmethod
    def checked(
        cls, concurrency: object, isolation: object, timeout: object, label: object, *, default: float | None
    ) -> Self:
        """Options as `Client.transaction` takes them; ``default`` is the client's timeout in seconds.

        Raises ConfigurationError for an unknown word, a timeout that is not above 0, or a label that is no str.
        """
        for name, value, words in (("concurrency", concurrency, _CONCURRENCY), ("isolation", isolation, _ISOLATION)):
            if not isinstance(value, str) or value not in words:
                raise ConfigurationError(f"{name} is one of {', '.join(words)}, not {value!r}", option=name)
        if label is not None and not isinstance(label, str):
            raise ConfigurationError(f"label must be a str, not a Python {type(label).__qualname__}", option="label")
        return cls(
            _CONCURRENCY[concurrency],
            _ISOLATION[isolation],
            _milliseconds(default if timeout is None else timeout),
            label,
        )


class Transaction:
    """A transaction over the transactional caches of a cluster, made by `Client.transaction`.

    >>> async with client.transaction() as tx:
    ...     ann = await accounts["ann"]
    ...     await accounts.set("ann", ann - 10)
    ...     await accounts.modify("ben", lambda balance: balance + 10)
    60

    All of the block is applied where it ends well, and nothing where an exception leaves it. Every operation of the task
    that called `Client.transaction` is part of it, on all caches of the client. Other tasks are refused with
    TransactionError, unless they use a cache that `bind` has given out. So is what a node would run outside of the
    transaction: `clear`, `delete_all`, index queries; iterations, queries and SQL, unless the cluster has transaction-aware
    queries and the isolation is read_committed.

    Leaving the block raises, where it commits: TransactionConflict, TransactionDeadlock, TransactionTimeout or another
    ServerError, NotSentError, TransactionLost: nothing was applied; CommitOutcomeUnknown: all was, or nothing. When the
    commit is cancelled, its outcome is unknown as well. A rollback that gets no answer is no error of its own: its node
    rolls back at the transaction's timeout, or with the connection.
    """

    def __init__(self, client: "AioClient", options: TransactionOptions) -> None:
        """Not for users. The task that calls this is the owner."""
        self._transaction = AioTransaction(
            client, options.concurrency, options.isolation, options.timeout, options.label
        )

    def __repr__(self) -> str:
        return repr(self._transaction)

    @property
    def label(self) -> str | None:
        """The name under which the cluster lists it.

        >>> client.transaction(label="transfer").label
        'transfer'
        """
        return self._transaction.label

    @property
    def closed(self) -> bool:
        """Whether it has ended, one way or the other.

        >>> async with client.transaction() as tx:
        ...     print(tx.closed)
        False
        >>> tx.closed
        True
        """
        return self._transaction.closed

    @property
    def too_slow(self) -> bool:
        """Whether its timeout was used up between its operations, not in waiting for the cluster.

        >>> async with client.transaction(timeout=5) as tx:
        ...     await accounts.set("ann", 0)
        >>> tx.too_slow
        False
        """
        return self._transaction.too_slow

    def bind(self, cache: Cache[K, V]) -> Cache[K, V]:
        """A view of a cache whose operations are part of this transaction, whatever task they come from.

        >>> async with client.transaction() as tx, asyncio.TaskGroup() as tasks:
        ...     for name in ("ann", "ben"):
        ...         task = tasks.create_task(tx.bind(accounts).set(name, 0))
        >>> await accounts.get_many(["ann", "ben"])
        {'ann': 0, 'ben': 0}

        They wait for each other, and have to be over when the block ends: a commit with an operation under way is a
        TransactionError.

        Raises TransactionError outside of the block, or for a cache of another client.
        """
        transaction = self._transaction
        if transaction.session is None or transaction.closed:
            raise TransactionError(f"{self!r} is not open")
        if cache.raw.client is not transaction.client:
            raise TransactionError(f"{cache!r} belongs to another client than {self!r}")
        # It stands in for a session, and has of one what caches and cursors use.
        return cache.over(cast("Session", BoundSession(transaction.session, transaction)))

    async def commit(self) -> None:
        """Apply the transaction before its block ends; further operations in the block raise TransactionError.

        Raises what leaving the block raises, and TransactionError: called by another task than the owner's, after a
        rollback, or when a write in the transaction has no answer, so that it can only be rolled back.

        >>> async with client.transaction() as tx:
        ...     await accounts.set("ann", 0)
        ...     await tx.commit()
        >>> await accounts["ann"]
        0
        """
        await self._transaction.commit()

    async def rollback(self) -> None:
        """Undo the transaction before its block ends; further operations in the block raise TransactionError.

        Does nothing when it was rolled back before. Raises TransactionError after a commit, and when called by another
        task than the owner's; OutcomeUnknownError or NotSentError when the node doesn't answer: it rolls back at the
        transaction's timeout, or with the connection.

        >>> async with client.transaction() as tx:
        ...     await accounts.set("ann", 0)
        ...     await tx.rollback()
        >>> await accounts["ann"]
        100
        """
        transaction = self._transaction
        if transaction.owner is not asyncio.current_task():
            raise TransactionError("only the task that has started a transaction can roll it back")
        if not transaction.started or (transaction.closed and not transaction.rolled_back):
            raise TransactionError(f"{self!r} can't be rolled back")
        await transaction.rollback()

    async def __aenter__(self) -> Self:
        if self._transaction.started:
            raise TransactionError(f"{self!r}: a transaction has one block")
        _ = await self._transaction
        self._transaction.has_block = True
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            await self.end(error)
        finally:
            self.leave()

    async def end(self, error: BaseException | None) -> None:
        """Not for users: commit, or roll back after an error; unless the block did one of them itself."""
        if self.closed:
            return
        if error is not None:
            await self._roll_back(error)
            return
        try:
            await self._transaction.commit()
        except BaseException as failure:
            await self._roll_back(failure)
            raise

    def leave(self, why: str | None = None) -> None:
        """Not for users: let operations of the task run outside; if ``why`` is given, not before one was refused."""
        transaction = self._transaction
        transaction.has_block = False
        if why is None:
            transaction.leave()
        else:
            transaction.fate = why

    async def _roll_back(self, error: BaseException) -> None:
        """Roll back because of an error. A rollback without an answer is only noted: the error says more."""
        try:
            await self._transaction.rollback()
        except IgniteMapError as failure:
            error.add_note(f"The transaction's rollback had no answer: {failure}")


class Attempt:
    """One try of `Client.transactions`: ``async with attempt as tx``.

    >>> async for attempt in client.transactions():
    ...     async with attempt as tx:
    ...         await accounts.set("ann", 0)
    """

    def __init__(self, transaction: Transaction, number: int, attempts: int) -> None:
        self._transaction = transaction
        self._is_last = number == attempts
        self.number = number
        """1 for the first."""
        self.entered = False
        self.failure: BaseException | None = None
        """Why there has to be another attempt."""
        self.failed_at_commit = False

    def __repr__(self) -> str:
        return f"<attempt {self.number}, {self._transaction!r}>"

    async def __aenter__(self) -> Transaction:
        self.entered = True
        return await self._transaction.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        transaction, why = self._transaction, None
        try:
            await transaction.end(error)
            self.failure = self._passing(error)
        except IgniteMapError as failure:
            self.failure = self._passing(failure)
            if self.failure is None:
                raise
            # The block may have been left by break or return, with the caller none the wiser.
            self.failed_at_commit = True
            why = LEFT
        finally:
            transaction.leave(why)
        return self.failure is not None

    def over(self) -> None:
        """Not for users: the loop has gone on: operations of the task run outside again."""
        self.failed_at_commit = False
        self._transaction.leave()

    def _passing(self, error: BaseException | None) -> BaseException | None:
        """An error that another attempt may not meet, and for which there is one left."""
        return error if error is not None and not self._is_last and self._may_pass(error) else None

    def _may_pass(self, error: BaseException) -> bool:
        """Whether it may succeed when it is tried again, after it failed so. Nothing of it was applied."""
        if isinstance(error, TransactionTimeout):
            # A node names a lock that was not free in time, and so a deadlock too, only sometimes: it may find out with
            # the next operation (seen from a 2.17.0 node).
            return not self._transaction.too_slow
        return isinstance(error, TransactionConflict | TransactionDeadlock)


class Attempts:
    """The attempts of `Client.transactions`, one after the other until one ends well.

    >>> with node.faults.fail("CachePut", message="Failed to acquire lock within provided timeout", times=1):
    ...     async for attempt in client.transactions(attempts=2):
    ...         async with attempt:
    ...             await accounts.set("ann", 0)
    >>> await accounts["ann"]
    0
    """

    def __init__(self, client: "AioClient", options: TransactionOptions, attempts: int) -> None:
        self._client = client
        self._options = options
        self._attempts = attempts
        self._last: Attempt | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __aiter__(self) -> AsyncIterator[Attempt]:
        return self

    async def __anext__(self) -> Attempt:
        last, number = self._last, 1
        if last is not None:
            if not last.entered:
                raise TransactionError("an attempt was not made: write `async with attempt:` inside of the loop")
            last.over()
            if last.failure is None:
                raise StopAsyncIteration
            number += last.number
            # Full jitter: transactions that were in each other's way do not meet again in step.
            await asyncio.sleep(random.uniform(0, min(BACKOFF_MOST, BACKOFF_FIRST * 2**number)))  # noqa: S311 - no secret
        self._loop = asyncio.get_running_loop()
        self._last = Attempt(Transaction(self._client, self._options), number, self._attempts)
        return self._last

    def __del__(self) -> None:
        # Nobody else is left to tell: to its caller, a loop that was left by `return` looks like one that ended well.
        last, loop = self._last, self._loop
        if last is not None and loop is not None and last.failed_at_commit:
            loop.call_exception_handler({"message": f"{last!r} {LEFT}", "exception": last.failure})


def _milliseconds(timeout: object) -> int:
    """A transaction's timeout in ms, rounded up; 0 is none. Raises ConfigurationError unless it is above 0."""
    if timeout is None:
        return 0
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ConfigurationError(
            f"timeout must be seconds above 0, a timedelta or None, not {timeout!r}", option="timeout"
        )
    if seconds == math.inf:
        return 0
    milliseconds = seconds * 1000 if isinstance(seconds, int) else max(1, math.ceil(round(seconds * 1000, 6)))
    if milliseconds > _MAX_MILLISECONDS:
        raise ConfigurationError(f"a timeout of {timeout!r} s is out of range", option="timeout")
    return milliseconds
