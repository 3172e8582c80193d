"""Operations 4000 and 4001: the beginning and the end of a transaction."""

import asyncio
from typing import TYPE_CHECKING

from ignitemap.embedded.errors import TX_LIMIT_EXCEEDED, Refused
from ignitemap.embedded.handlers.table import answers
from ignitemap.embedded.session import MAX_TRANSACTIONS
from ignitemap.embedded.transactions import Locked, Transaction, not_found
from ignitemap.protocol.operations import TxEnd, TxStart

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session


@answers(TxStart)
def start(session: "Session", request: TxStart) -> int:
    """4000. A real node checks no ranges: what is not pessimistic is optimistic, a negative timeout is none."""
    if len(session.transactions) >= MAX_TRANSACTIONS:
        raise Refused(
            TX_LIMIT_EXCEEDED,
            f"Active transactions per connection limit ({MAX_TRANSACTIONS}) exceeded. To start a new transaction you"
            " need to wait for some of currently active transactions complete. To change the limit set up"
            " ThinClientConfiguration.MaxActiveTxPerConnection property.",
        )
    cluster = session.cluster
    session.last_transaction += 1
    transaction = Transaction(
        session.last_transaction,
        request.concurrency,
        request.isolation,
        max(request.timeout, 0),
        request.label,
        cluster.ready.append,
    )
    session.transactions[transaction.id] = transaction
    if transaction.timeout:

        def expire() -> None:
            transaction.timer = None
            transaction.expire()
            cluster.run_ready()
            cluster.end_turn()

        transaction.timer = asyncio.get_running_loop().call_later(transaction.timeout / 1000, expire)
    return transaction.id


@answers(TxEnd)
def end(session: "Session", request: TxEnd) -> None:
    """4001. What has ended already can be rolled back once more."""
    transaction = session.transactions.get(request.transaction)
    if transaction is None:
        if request.commit:
            raise not_found(request.transaction)
        return
    try:
        if request.commit:
            with session.cluster.whole():
                transaction.commit()
    except Locked:
        raise  # it runs again when the lock has come
    except BaseException:
        _close(session, transaction)
        raise
    _close(session, transaction)


def roll_back(session: "Session", number: int) -> None:
    """A fault has taken the place of its end: it is over all the same, as it is on a real node whose commit fails."""
    transaction = session.transactions.get(number)
    if transaction is not None:
        _close(session, transaction)


def _close(session: "Session", transaction: Transaction) -> None:
    del session.transactions[transaction.id]
    transaction.close()
