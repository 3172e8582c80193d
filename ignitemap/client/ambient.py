"""Which transactions the running code is inside of: what a program without any has to know of them."""

import enum
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ignitemap.client.session import Session
    from ignitemap.client.transactions import AioTransaction, BoundSession

__all__ = ["TRANSACTIONS", "TransactionConcurrency", "TransactionIsolation", "in_transaction"]

TRANSACTIONS: Final[ContextVar[tuple["AioTransaction", ...]]] = ContextVar("ignitemap_transactions", default=())
"""The transactions that were started in this context or in the one that it was copied from, the innermost last."""


def in_transaction(session: "Session | BoundSession") -> bool:
    """Whether the operations of this task over a session are part of a transaction, or refused because of one."""
    session = getattr(session, "base", session)  # a view with a retry policy of its own stands over another session
    return session.bound or any(each.session is session for each in TRANSACTIONS.get())


class TransactionConcurrency(enum.IntEnum):
    """When a transaction takes its locks: OPTIMISTIC at commit, PESSIMISTIC at the first access to a key.

    >>> async with client.tx_start(concurrency=TransactionConcurrency.OPTIMISTIC) as tx:
    ...     await accounts.put("ann", 90)
    ...     await tx.commit()
    """

    OPTIMISTIC = 0
    PESSIMISTIC = 1


class TransactionIsolation(enum.IntEnum):
    """What a transaction sees of others. SERIALIZABLE with OPTIMISTIC fails at commit if what was read has changed.

    >>> async with client.tx_start(isolation=TransactionIsolation.READ_COMMITTED) as tx:
    ...     await accounts.put("ann", 90)
    ...     await tx.commit()
    """

    READ_COMMITTED = 0
    REPEATABLE_READ = 1
    SERIALIZABLE = 2
