"""What one connection has on a node besides its bytes: its transactions, its cursors and other resources.

It is what a handler gets: ``handler(session, request) -> answer``.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from ignitemap.embedded import errors
from ignitemap.embedded.caches import Cache
from ignitemap.embedded.errors import Refused, failed
from ignitemap.embedded.transactions import Isolation, Locked, Parked, Transaction, TransactionEntries
from ignitemap.protocol.connection import Notification
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.wire import ProtocolContext

if TYPE_CHECKING:
    from ignitemap.embedded.cluster import Cluster
    from ignitemap.embedded.node import Node

__all__ = ["MAX_CURSORS", "MAX_TRANSACTIONS", "Resource", "Session"]

# ClientConnectorConfiguration and ThinClientConfiguration of a real node.
MAX_CURSORS: Final = 128
MAX_TRANSACTIONS: Final = 100

R = TypeVar("R", bound="Resource")


class Resource(Protocol):
    """Something that a client opened and may close by its id."""

    @property
    def counts(self) -> bool:
        """Whether it is one of the 128 that a connection may have."""
        ...

    def close(self) -> None:
        """It was closed by its id, or its connection has ended."""
        ...


class Session:
    """One client's session."""

    def __init__(self, node: "Node", notify: Callable[[Notification], None]) -> None:
        self.node = node
        self.cluster: Cluster = node.cluster
        self.context = ProtocolContext()
        self.notify = notify
        self.transactions: dict[int, Transaction] = {}
        self.last_transaction = 0
        self.running: Parked | None = None
        """The request that runs again, now that a lock was handed to it."""
        self._resources: dict[int, Resource] = {}
        self._last_resource = 0
        self._counted = 0

    def close(self) -> None:
        """The connection has ended: its transactions roll back, its resources go."""
        for transaction in list(self.transactions.values()):
            transaction.close()
        self.transactions.clear()
        for number in list(self._resources):
            with suppress(Refused):  # a streamer says what was lost, and nobody is there any more to hear it
                self.close_resource(number)

    # --- caches and entries -----------------------------------------------------------------------------------------

    def cache(self, cache_id: int) -> Cache:
        """A cache by its id. Raises Refused where there is none."""
        found = self.cluster.caches.get(cache_id)
        if found is None:
            raise errors.cache_not_found(cache_id)
        return found

    def transaction(self, ref: CacheRef) -> Transaction | None:
        """The transaction of a request, None for none.

        An id that the connection has not is none too: a real node then works outside any transaction, without a word.
        """
        return None if ref.transaction is None else self.transactions.get(ref.transaction)

    def to_read(self, ref: CacheRef, keys: Iterable[bytes]) -> Cache | TransactionEntries:
        """The entries that a request reads. Raises Refused, Locked."""
        cache = self.cluster.caches.get(ref.cache_id)
        if cache is None:
            raise errors.cache_not_found(ref.cache_id)
        if ref.transaction is None or (transaction := self.transactions.get(ref.transaction)) is None:
            return cache
        entries = _joined(transaction, cache)
        if transaction.pessimistic and transaction.isolation != Isolation.READ_COMMITTED:
            transaction.lock(cache, keys)
        return entries

    def to_write(self, ref: CacheRef, keys: Iterable[bytes]) -> Cache | TransactionEntries:
        """The entries that a request writes, or reads in order to write. Raises Refused, Locked."""
        cache = self.cluster.caches.get(ref.cache_id)
        if cache is None:
            raise errors.cache_not_found(ref.cache_id)
        if ref.transaction is not None and (transaction := self.transactions.get(ref.transaction)) is not None:
            entries = _joined(transaction, cache)
            if transaction.pessimistic:
                transaction.lock(cache, keys)
            return entries
        if cache.locks:
            self.wait_for(cache, keys)
        return cache

    def wait_for(self, cache: Cache, keys: Iterable[bytes] | None = None) -> None:
        """Raise Locked where a transaction holds one of the keys, or any without ``keys``."""
        for key in list(cache.locks) if keys is None else keys:
            lock = cache.locks.get(key)
            if lock is not None and lock.owner is not self.running:
                raise Locked(lock, None)

    # --- resources --------------------------------------------------------------------------------------------------

    def check_cursors(self) -> None:
        """Raise Refused where one more cursor would be too many."""
        if self._counted >= MAX_CURSORS:
            raise Refused(
                errors.TOO_MANY_CURSORS,
                f"Too many open cursors (either close other open cursors or increase the limit through"
                f" ClientConnectorConfiguration.maxOpenCursorsPerConnection) [maximum={MAX_CURSORS},"
                f" current={self._counted}]",
            )

    def add(self, resource: Resource) -> int:
        """Keep a resource; its id on this connection."""
        self._last_resource += 1
        self._resources[self._last_resource] = resource
        self._counted += resource.counts
        return self._last_resource

    def resource(self, number: int, kind: type[R], *, sql: bool = False) -> R:
        """A resource by its id. Raises Refused where there is none of that kind."""
        found = self._resources.get(number)
        if not isinstance(found, kind):
            raise errors.no_resource(number, sql=sql)
        return found

    def next_id(self) -> int:
        """The id of a resource that is gone already: its first page was its last."""
        self._last_resource += 1
        return self._last_resource

    def forget(self, number: int) -> None:
        """A resource has come to its end by itself."""
        found = self._resources.pop(number, None)
        if found is not None:
            self._counted -= found.counts

    def close_resource(self, number: int) -> None:
        """Close a resource by its id. Raises Refused where there is none."""
        found = self._resources.get(number)
        if found is None:
            raise errors.no_resource(number)
        self.forget(number)
        found.close()


def _joined(transaction: Transaction, cache: Cache) -> TransactionEntries:
    transaction.check()
    if not cache.transactional:
        raise failed(
            "Transaction spans operations on atomic cache (don't use atomic cache inside a transaction). Since 2.15.0"
            " atomic operations inside transactions are not allowed by default. Since 2.16.0 atomic operations inside"
            " transactions are finally forbidden."
        )
    return TransactionEntries(transaction, cache)
