"""Transactions and the locks of keys, without a task or a wait in them.

A handler that meets a foreign lock raises `Locked`; it has changed nothing then. The connection parks the request
behind the lock, and it runs again from its start when the lock is its own. What a transaction writes stays in memory
until its commit, which is one piece of the turn's SQLite transaction.

What locks and what does not, and what a conflict is, was seen from a 2.17.0 node: containsKey neither locks nor counts
as a read; the conditions of putIfAbsent and the like are looked at again when an optimistic transaction commits.
"""

import asyncio
import enum
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import attrs

from ignitemap.embedded.errors import TX_NOT_FOUND, Refused, failed
from ignitemap.embedded.objects import same
from ignitemap.protocol.message import ExpiryPolicy

if TYPE_CHECKING:
    from ignitemap.embedded.caches import Cache, Entry

__all__ = ["Concurrency", "Condition", "Isolation", "Lock", "Locked", "Parked", "Transaction", "TransactionEntries"]


SAME_MOMENT: Final = 0.01  # seconds; a 2.17.0 node takes as long to let go of what a time-out has ended


class Concurrency(enum.IntEnum):
    """When locks are taken."""

    OPTIMISTIC = 0
    PESSIMISTIC = 1


class Isolation(enum.IntEnum):
    """What a transaction sees of others."""

    READ_COMMITTED = 0
    REPEATABLE_READ = 1
    SERIALIZABLE = 2


@attrs.frozen
class Condition:
    """What an entry must be for a write to happen: absent, present, or of a value."""

    present: bool
    value: bytes | None = None

    def holds(self, entry: "Entry | None") -> bool:
        """Whether an entry is so."""
        if entry is None:
            return not self.present
        return self.present and (self.value is None or same(entry[0], self.value))


class Parked:
    """A request that waits for a lock. ``run`` carries it out again, ``refuse`` answers it with an error."""

    __slots__ = ("gone", "lock", "refuse", "run", "transaction")

    def __init__(
        self,
        lock: "Lock",
        transaction: "Transaction | None",
        run: "Callable[[Parked], None]",
        refuse: Callable[[Refused], None],
    ) -> None:
        self.lock = lock
        self.transaction = transaction
        self.run = run
        self.refuse = refuse
        self.gone = False
        """Whether nobody waits for it any more."""


class Lock:
    """The lock of one key: held by a transaction, or for a moment by a request that had waited for it."""

    __slots__ = ("cache", "key", "owner", "waiters")

    def __init__(self, cache: "Cache", key: bytes, owner: "Transaction | Parked") -> None:
        self.cache: Final = cache
        self.key: Final = key
        self.owner: Transaction | Parked = owner
        self.waiters: deque[Parked] = deque()

    def release(self, ready: Callable[[Parked], None]) -> None:
        """Hand the lock to the first who waits for it; with nobody waiting it is gone."""
        while self.waiters:
            parked = self.waiters.popleft()
            if parked.gone:
                continue
            if parked.transaction is None:
                self.owner = parked
            else:
                self.owner = parked.transaction
                parked.transaction.held.append(self)
                parked.transaction.waiting = None
            ready(parked)
            return
        self.cache.locks.pop(self.key, None)


class Locked(Exception):  # noqa: N818 - a signal to the connection: park the request
    """A key that the request needs is locked by another."""

    def __init__(self, lock: Lock, transaction: "Transaction | None") -> None:
        super().__init__()
        self.lock = lock
        self.transaction = transaction


class _Does(enum.Enum):
    READ = enum.auto()
    WRITE = enum.auto()
    REMOVE = enum.auto()


@attrs.define
class _Enlisted:
    """An entry of a transaction: what it sees there, and what its commit does where the condition holds."""

    does: _Does
    value: bytes | None
    policy: ExpiryPolicy | None = None
    condition: Condition | None = None
    refused: bool = False
    """Whether a later write had a condition that did not hold."""


_serial: Final = itertools.count(1)


class Transaction:
    """One transaction of one connection."""

    def __init__(
        self,
        id: int,  # noqa: A002 - what the protocol calls it
        concurrency: int,
        isolation: int,
        timeout: int,
        label: str | None,
        ready: Callable[[Parked], None],
    ) -> None:
        self.id = id
        self.pessimistic = concurrency == Concurrency.PESSIMISTIC
        self.isolation = isolation
        self.timeout = timeout
        self.label = label
        self.age = next(_serial)
        self.held: list[Lock] = []
        self.waiting: Parked | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.over: str | None = None
        """Why it was rolled back by the node, None while it goes on."""
        self.enlisted: dict[tuple[Cache, bytes], _Enlisted] = {}
        self.reads: dict[tuple[Cache, bytes], tuple[Entry | None, int]] = {}
        self._ready = ready

    def __str__(self) -> str:
        concurrency = "PESSIMISTIC" if self.pessimistic else "OPTIMISTIC"
        isolation = next((each.name for each in Isolation if each == self.isolation), str(self.isolation))
        return f"[id={self.id}, concurrency={concurrency}, isolation={isolation}, timeout={self.timeout}, label={self.label}]"

    def check(self) -> None:
        """Raise Refused where the node has rolled it back."""
        if self.over is not None:
            raise failed(self.over)

    # --- locks ------------------------------------------------------------------------------------------------------

    def lock(self, cache: "Cache", keys: Iterable[bytes]) -> None:
        """Take the locks of keys. Raises Locked for the first that another has; those before it are held."""
        for key in keys:
            lock = cache.locks.get(key)
            if lock is None:
                lock = cache.locks[key] = Lock(cache, key, self)
                self.held.append(lock)
            elif lock.owner is not self:
                raise Locked(lock, self)

    def wait(self, parked: Parked) -> None:
        """It waits for a lock. In a circle of such waits that no timeout will end, the youngest is rolled back."""
        self.waiting = parked
        circle = self._circle()
        if not circle or any(member.timeout for member in circle):
            return
        youngest = max(circle, key=lambda member: member.age)
        names = "\n".join(f"TX{n}: {member}" for n, member in enumerate(circle, 1))
        youngest.end(f"Deadlock detected:\n\nTransactions:\n\n{names}")

    def _circle(self) -> "list[Transaction]":
        """The transactions that wait for each other, where that is what it waits for."""
        circle: list[Transaction] = []
        each: Transaction | Parked | None = self
        while isinstance(each, Transaction) and each not in circle:
            circle.append(each)
            each = each.waiting.lock.owner if each.waiting is not None else None
        return circle[circle.index(each) :] if isinstance(each, Transaction) else []

    def expire(self) -> None:
        """Its time is over.

        In a circle the time of others may be over at the same moment: the locks of the first come too late for them.
        """
        moment = asyncio.get_running_loop().time() + SAME_MOMENT
        late = [each for each in self._circle() if each.timer is not None and each.timer.when() <= moment]
        for each in (self, *late):
            if each.waiting is not None:
                text = "Failed to acquire lock within provided timeout for transaction"
                each.stop_waiting(failed(f"{text} [timeout={each.timeout}, tx=GridNearTxLocal{each}]"))
        for each in (self, *late):
            each.end(f"Cache transaction timed out: GridNearTxLocal{each}")

    def spoil(self, *, at_once: bool) -> None:
        """A null among several keys or values: it can only be rolled back from now on, or is ``at_once``."""
        if at_once:
            text = "Failed to finish transaction because it has been rolled back"
            self.end(f"{text} [timeout={self.timeout}, tx=GridNearTxLocal{self}]")
        else:
            text = "Cache transaction is marked as rollback-only (will be rolled back automatically)"
            self.over = f"{text}: GridNearTxLocal{self}"

    def end(self, reason: str) -> None:
        """Roll it back; a request of it that waits for a lock, and all that come later, learn why."""
        self.over = reason
        self.close()

    def close(self) -> None:
        """Forget its writes and let go of its locks."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.enlisted.clear()
        self.reads.clear()
        self.stop_waiting(failed(self.over or "Transaction has been already completed."))
        held, self.held = self.held, []
        for lock in held:
            lock.release(self._ready)

    def stop_waiting(self, refused: Refused) -> None:
        """Answer the request that waits for a lock with an error."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting.gone = True
            waiting.refuse(refused)

    # --- the end ----------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Apply its writes. Raises Refused for a conflict (it is rolled back), Locked where it must wait first."""
        self.check()
        if not self.pessimistic:
            self._prepare()
        for (cache, key), enlisted in self.enlisted.items():
            if enlisted.does is _Does.READ:
                continue
            if cache.dropped:
                raise failed(f"Failed to perform cache operation (cache is stopped): {cache.name}")
            entry = cache.load(key)
            if enlisted.condition is not None and not enlisted.condition.holds(entry):
                continue
            if enlisted.does is _Does.REMOVE:
                if entry is not None:
                    cache.delete(key, entry)
            elif enlisted.value is not None:
                cache.write(key, enlisted.value, entry, enlisted.policy)

    def _prepare(self) -> None:
        serializable = self.isolation == Isolation.SERIALIZABLE
        wanted = {where for where, enlisted in self.enlisted.items() if enlisted.does is not _Does.READ}
        if serializable:
            wanted |= self.reads.keys()
        for cache, key in sorted(wanted, key=lambda each: (each[0].number, each[1])):
            try:
                self.lock(cache, [key])
            except Locked:
                if not serializable:
                    raise
                raise failed(f"Failed to prepare transaction (lock conflict): GridNearTxLocal {self}") from None
        if serializable:
            for (cache, key), (_, version) in self.reads.items():
                if cache.version_of(key) != version:
                    raise failed(f"Failed to prepare transaction, read/write conflict [cache={cache.name}]")


class TransactionEntries:
    """The entries of one cache as one transaction sees them: what it has written, else what is committed."""

    __slots__ = ("_cache", "_transaction")

    def __init__(self, transaction: Transaction, cache: "Cache") -> None:
        self._transaction = transaction
        self._cache = cache

    def get(self, key: bytes) -> bytes | None:
        """A value, None when absent; no read that a conflict could come from."""
        enlisted = self._transaction.enlisted.get((self._cache, key))
        return self._cache.get(key) if enlisted is None else enlisted.value

    def load(self, key: bytes) -> "Entry | None":
        """A value with its time of expiry, None when absent."""
        transaction, cache = self._transaction, self._cache
        enlisted = transaction.enlisted.get((cache, key))
        if enlisted is not None:
            return None if enlisted.value is None else (enlisted.value, None)
        if transaction.pessimistic or transaction.isolation == Isolation.READ_COMMITTED:
            return cache.load(key)
        known = transaction.reads.get((cache, key))
        if known is None:
            known = transaction.reads[cache, key] = (cache.load(key), cache.version_of(key))
        return known[0]

    def read(self, key: bytes, policy: ExpiryPolicy | None = None) -> bytes | None:
        """A value, None when absent."""
        transaction, entry = self._transaction, self.load(key)
        value = None if entry is None else entry[0]
        if entry is not None:
            self.touch(key, entry, policy)
        if not transaction.pessimistic and transaction.isolation != Isolation.READ_COMMITTED:
            transaction.enlisted.setdefault((self._cache, key), _Enlisted(_Does.READ, value))
        return value

    def touch(self, key: bytes, entry: "Entry", policy: ExpiryPolicy | None) -> None:
        """An entry was accessed."""
        enlisted = self._transaction.enlisted.get((self._cache, key))
        if enlisted is None or enlisted.does is _Does.READ:
            self._cache.touch(key, entry, policy)

    def put(self, key: bytes, value: bytes, policy: ExpiryPolicy | None = None) -> None:
        """Set a value at the commit."""
        self._transaction.enlisted[self._cache, key] = _Enlisted(_Does.WRITE, value, policy)

    def write(
        self,
        key: bytes,
        value: bytes,
        old: "Entry | None",
        policy: ExpiryPolicy | None = None,
        condition: Condition | None = None,
    ) -> bool:
        """Set a value at the commit, if the condition still holds then."""
        self._enlist(key, _Enlisted(_Does.WRITE, value, policy, condition))
        return True

    def delete(self, key: bytes, old: "Entry | None", condition: Condition | None = None) -> None:
        """Remove an entry at the commit, if the condition still holds then."""
        if not self._removes(key):
            self._enlist(key, _Enlisted(_Does.REMOVE, None, None, condition))

    def unmet(
        self,
        key: bytes,
        old: "Entry | None",
        condition: Condition,
        policy: ExpiryPolicy | None = None,
        *,
        removes: bool = False,
    ) -> bool:
        """A write was not made, for its condition does not hold; what it answers.

        An optimistic transaction remembers the condition: its commit looks at it again before any later write that has
        one too, and skips that. And what it has removed already, it says to have removed once more. The commit of a
        pessimistic one looks at conditions only where one did not hold for an entry that it had written, and what
        it had written expires by the policy of what was not done. (As
        GridNearTxLocal.enlistWriteEntry does, for all sequences of three operations; seen from a 2.17.0 node.)
        """
        transaction, where = self._transaction, (self._cache, key)
        if (enlisted := transaction.enlisted.get(where)) is not None:
            if removes and enlisted.does is _Does.REMOVE:
                return not transaction.pessimistic
            enlisted.refused = True
            if transaction.pessimistic:
                enlisted.policy = policy
            return False
        if transaction.pessimistic:
            return False
        if old is None:
            transaction.enlisted[where] = _Enlisted(_Does.READ, None, None, condition)
        elif transaction.isolation == Isolation.SERIALIZABLE:
            does = _Does.REMOVE if removes else _Does.WRITE
            transaction.enlisted[where] = _Enlisted(does, old[0], None, condition)
        elif transaction.isolation == Isolation.REPEATABLE_READ:
            transaction.enlisted[where] = _Enlisted(_Does.READ, old[0])
        return False

    def _removes(self, key: bytes) -> bool:
        enlisted = self._transaction.enlisted.get((self._cache, key))
        return enlisted is not None and enlisted.does is _Does.REMOVE

    def _enlist(self, key: bytes, new: _Enlisted) -> None:
        enlisted = self._transaction.enlisted
        before = enlisted.get((self._cache, key))
        if self._transaction.pessimistic:
            if before is None or not before.refused:
                new.condition = None  # nobody else could change what it saw
            elif new.condition is not None:
                new.refused = True
        elif before is not None and new.condition is not None:
            new.condition = before.condition  # the first one stays, until a write has none
        enlisted[self._cache, key] = new

    def remove(self, key: bytes) -> bool:
        """Remove an entry at the commit; whether it was there.

        An optimistic transaction says so of every entry that it has met before (GridNearTxLocal.enlistWriteEntry).
        """
        met = not self._transaction.pessimistic and (self._cache, key) in self._transaction.enlisted
        old = None if met else self.load(key)
        self.delete(key, old)
        return met or old is not None

    def discard(self, key: bytes) -> None:
        """Remove an entry at the commit, without a look at it."""
        self.delete(key, None)


def not_found(transaction: int) -> Refused:
    """No transaction of this connection has that id."""
    return Refused(TX_NOT_FOUND, f"Transaction with id {transaction} not found.")
