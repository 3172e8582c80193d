"""Operations that begin and end a transaction."""

from ignitemap.protocol.message import Request, operation
from ignitemap.protocol.wire import boolean, i8, i32, i64, nullable_text

__all__ = ["TxEnd", "TxStart"]


@operation(4000, effect="bound")
class TxStart(Request[i32]):
    """Start a transaction; its id on this connection. The server checks none of the ranges."""

    concurrency: i8
    isolation: i8
    timeout: i64 = 0
    label: nullable_text = None


@operation(4001, effect="bound")
class TxEnd(Request[None]):
    """Commit or roll back; a rollback of what has ended already succeeds."""

    transaction: i32
    commit: boolean
