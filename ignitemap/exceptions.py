"""Everything that ignitemap raises, in one tree.

Every operation ends in exactly one of four ways: a result, an answer that says no (`ServerError`),
*not sent* (`NotSentError`: certainly not applied) or *unknown* (`OutcomeUnknownError`: perhaps applied).
Ask the class which of them it was before you try again.

    IgniteMapError
    ├── ConfigurationError            an option, URL part or cache setting is wrong
    ├── ModelError                    a class cannot be a model
    ├── SchemaConflictError           a model and the cluster disagree about a type
    ├── QueryError                    a query was written wrongly
    ├── NotSupportedByServer          the server lacks the feature
    ├── ModifyConflict                compare-and-set lost on every attempt
    ├── EncodeError                   a value does not fit; always raised before anything is sent
    │   ├── EncodeTypeError           and a TypeError
    │   ├── EncodeValueError          and a ValueError
    │   └── EncodeOverflowError       and an OverflowError
    ├── NotSentError                  no byte of the request reached the socket
    │   ├── NotSentTimeout            and a TimeoutError
    │   ├── Overloaded                no free slot before the deadline
    │   ├── ClusterUnavailable        and a ConnectionError; each node's cause is kept
    │   └── ClientClosedNotSent       and a ClientClosed
    ├── OutcomeUnknownError           sent, but no answer came
    │   ├── OperationTimeout          and a TimeoutError
    │   ├── CommitOutcomeUnknown      the commit may or may not have happened
    │   ├── PartialWriteError         a bulk write failed part of the way
    │   └── ClientClosedOutcomeUnknown    and a ClientClosed
    ├── ServerError                   answered with an error
    │   ├── InvalidOperationCode · InvalidNodeState · NodeInRecoveryMode · FunctionalityDisabled
    │   ├── CacheNotFound
    │   │   └── SqlCacheNotFound      and an SqlError
    │   ├── CacheExists · CacheConfigInvalid
    │   ├── TooManyCursors · ResourceNotFound · SecurityViolation
    │   ├── TransactionLimitExceeded · TransactionNotFound
    │   ├── TransactionTimeout · TransactionDeadlock · TransactionConflict
    │   ├── EntryProcessorError
    │   └── SqlError                  with its SQLSTATE
    │       └── SqlCacheNotFound      and a CacheNotFound
    ├── ConnectError                  and a ConnectionError
    │   ├── AuthenticationError       final, never retried
    │   ├── TlsError
    │   └── InsecureCredentialsError  a password would have crossed the network in the clear
    ├── ProtocolError                 bytes that the protocol does not allow
    │   ├── DecodeError               one value is unreadable; the connection lives on
    │   ├── FrameTooLarge             the connection closes
    │   └── UnexpectedReply           the connection closes
    ├── CursorLost                    the server no longer has the cursor
    ├── TransactionError              an operation does not belong to, or cannot run in, the transaction
    │   └── TransactionLost           the connection that carried the transaction is gone
    ├── ClientClosed                  the client was closed
    │   ├── ClientClosedNotSent       and a NotSentError
    │   └── ClientClosedOutcomeUnknown    and an OutcomeUnknownError
    └── ForkedClientError             a client made before fork() was used in the child

A missing key is a plain `KeyError` and no part of the tree; `asyncio.CancelledError` always passes through unchanged.

The first positional argument is the message; facts are attributes, given as keywords. Exceptions can be pickled with
all of their attributes. They never hold a key, a value or a secret, so they may be logged; the one text that is not
ours, the server's message, is shortened and has its control characters escaped.
"""

# ruff: noqa: N818 - a name says what happened, and only some of them need "Error" for that

import re
from collections.abc import Mapping
from typing import ClassVar, Final

__all__ = [
    "AuthenticationError",
    "CacheConfigInvalid",
    "CacheExists",
    "CacheNotFound",
    "ClientClosed",
    "ClientClosedNotSent",
    "ClientClosedOutcomeUnknown",
    "ClusterUnavailable",
    "CommitOutcomeUnknown",
    "ConfigurationError",
    "ConnectError",
    "CursorLost",
    "DecodeError",
    "EncodeError",
    "EncodeOverflowError",
    "EncodeTypeError",
    "EncodeValueError",
    "EntryProcessorError",
    "ForkedClientError",
    "FrameTooLarge",
    "FunctionalityDisabled",
    "IgniteMapError",
    "InsecureCredentialsError",
    "InvalidNodeState",
    "InvalidOperationCode",
    "ModelError",
    "ModifyConflict",
    "NodeInRecoveryMode",
    "NotSentError",
    "NotSentTimeout",
    "NotSupportedByServer",
    "OperationTimeout",
    "OutcomeUnknownError",
    "Overloaded",
    "PartialWriteError",
    "ProtocolError",
    "QueryError",
    "ResourceNotFound",
    "SchemaConflictError",
    "SecurityViolation",
    "ServerError",
    "SqlCacheNotFound",
    "SqlError",
    "TlsError",
    "TooManyCursors",
    "TransactionConflict",
    "TransactionDeadlock",
    "TransactionError",
    "TransactionLimitExceeded",
    "TransactionLost",
    "TransactionNotFound",
    "TransactionTimeout",
    "UnexpectedReply",
    "server_error",
]

MAX_SERVER_MESSAGE: Final = 500
"""The longest server message, in characters, that an exception carries."""


# A class that has facts passes only the message to `args` and keeps each fact in an attribute with a default. The
# pickling that exceptions inherit, `cls(*args)` and then the instance's __dict__, therefore restores all of them.


class IgniteMapError(Exception):
    """Base of everything that ignitemap raises on purpose.

    Attributes:
        message: What went wrong, in one or two sentences.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


# --- the program is wrong ---------------------------------------------------------------------------------------------


class ConfigurationError(IgniteMapError):
    """An option, environment variable, URL or cache setting is wrong, or contradicts the cluster's.

    Attributes:
        option: The option, variable or URL part in question, where there is a single one.
    """

    def __init__(self, message: str, *, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option


class ModelError(IgniteMapError):
    """A class cannot be a model as it is written.

    Attributes:
        path: Where: `Person.home.street`.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class SchemaConflictError(IgniteMapError):
    """A model and the cluster disagree about a type.

    Attributes:
        cache: Name of the cache, where one is concerned.
        path: The field: `Person.home.street`.
        statement: The SQL statement that would bring the cluster up to date, where there is one.
    """

    def __init__(
        self, message: str, *, cache: str | None = None, path: str | None = None, statement: str | None = None
    ) -> None:
        super().__init__(message)
        self.cache = cache
        self.path = path
        self.statement = statement


class QueryError(IgniteMapError):
    """A query cannot be built from what was written; the message says what to write instead."""


class NotSupportedByServer(IgniteMapError):
    """The server that was asked lacks a feature.

    Attributes:
        feature: Ignite's name of the feature or operation.
    """

    def __init__(self, message: str, *, feature: str | None = None) -> None:
        super().__init__(message)
        self.feature = feature


class ModifyConflict(IgniteMapError):
    """Another writer was faster on every attempt of a read-modify-write. Nothing was written.

    Attributes:
        attempts: How many times it was tried.
    """

    def __init__(self, message: str, *, attempts: int = 0) -> None:
        super().__init__(message)
        self.attempts = attempts


class EncodeError(IgniteMapError):
    """A value cannot be written as the type that is wanted. Raised before anything is sent.

    Usually one of the three subclasses, which are builtin exceptions too.

    Attributes:
        path: Where inside the argument: `home.tags[3]`; empty for the argument itself.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class EncodeTypeError(EncodeError, TypeError):
    """A value has the wrong Python type."""


class EncodeValueError(EncodeError, ValueError):
    """A value has the right Python type, but Ignite cannot hold it."""


class EncodeOverflowError(EncodeError, OverflowError):
    """A number is out of the range of its Ignite type."""


# --- the network or the cluster failed --------------------------------------------------------------------------------


class NotSentError(IgniteMapError):
    """The operation was certainly not applied: no byte of the request reached the socket.

    Attributes:
        operation: Ignite's name of the operation.
        node: Address of the node it was meant for, where one was chosen.
    """

    def __init__(self, message: str, *, operation: str | None = None, node: str | None = None) -> None:
        super().__init__(message)
        self.operation = operation
        self.node = node


class NotSentTimeout(NotSentError, TimeoutError):
    """The deadline passed while the request waited for a connection or a free slot.

    Attributes:
        timeout: The time allowed, in seconds.
    """

    def __init__(
        self, message: str, *, operation: str | None = None, node: str | None = None, timeout: float | None = None
    ) -> None:
        super().__init__(message, operation=operation, node=node)
        self.timeout = timeout


class Overloaded(NotSentError):
    """Too much was in flight already, and no slot came free before the deadline."""


class ClusterUnavailable(NotSentError, ConnectionError):
    """No node could be reached.

    Attributes:
        causes: Why each node failed, by its address.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        node: str | None = None,
        causes: Mapping[str, BaseException] | None = None,
    ) -> None:
        super().__init__(message, operation=operation, node=node)
        self.causes: dict[str, BaseException] = dict(causes or {})


class OutcomeUnknownError(IgniteMapError):
    """The request was sent and no answer came: a write may or may not have been applied. A read is harmless.

    Attributes:
        operation: Ignite's name of the operation.
        node: Address of the node that it was sent to.
    """

    def __init__(self, message: str, *, operation: str | None = None, node: str | None = None) -> None:
        super().__init__(message)
        self.operation = operation
        self.node = node


class OperationTimeout(OutcomeUnknownError, TimeoutError):
    """The deadline passed after the request, or part of it, had been sent.

    Attributes:
        timeout: The time allowed, in seconds.
    """

    def __init__(
        self, message: str, *, operation: str | None = None, node: str | None = None, timeout: float | None = None
    ) -> None:
        super().__init__(message, operation=operation, node=node)
        self.timeout = timeout


class CommitOutcomeUnknown(OutcomeUnknownError):
    """A commit was sent and no answer came: all of the transaction was applied, or none of it."""


class PartialWriteError(OutcomeUnknownError):
    """A bulk write failed after its first chunk had left.

    Attributes:
        done: Entries that the cluster acknowledged.
        not_sent: Entries that were certainly not written.
        unknown: Entries that may or may not have been written.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        node: str | None = None,
        done: int = 0,
        not_sent: int = 0,
        unknown: int = 0,
    ) -> None:
        super().__init__(message, operation=operation, node=node)
        self.done = done
        self.not_sent = not_sent
        self.unknown = unknown


class ConnectError(IgniteMapError, ConnectionError):
    """A connection to a node could not be made.

    Attributes:
        node: Address of the node.
    """

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message)
        self.node = node


class AuthenticationError(ConnectError):
    """The cluster refused the user name or the password. Final: it is never retried."""


class TlsError(ConnectError):
    """The TLS handshake failed: an untrusted certificate, a wrong host name, an old protocol version."""


class InsecureCredentialsError(ConnectError):
    """Credentials would have crossed the network unencrypted, so nothing was sent."""


class ProtocolError(IgniteMapError):
    """The peer sent bytes that the protocol does not allow.

    Attributes:
        node: Address of the node.
    """

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message)
        self.node = node


class DecodeError(ProtocolError):
    """One value cannot be read. Its frame was whole, so the connection lives on.

    Attributes:
        offset: Where in the decoded buffer, in bytes.
    """

    def __init__(self, message: str, *, node: str | None = None, offset: int | None = None) -> None:
        super().__init__(message, node=node)
        self.offset = offset


class FrameTooLarge(ProtocolError):
    """A frame is longer than the limit, or its length is impossible. The connection closes.

    Attributes:
        size: Length that the frame claimed, in bytes.
        limit: Longest length allowed, in bytes.
    """

    def __init__(
        self, message: str, *, node: str | None = None, size: int | None = None, limit: int | None = None
    ) -> None:
        super().__init__(message, node=node)
        self.size = size
        self.limit = limit


class UnexpectedReply(ProtocolError):
    """A reply came to a question that was never asked. The connection closes."""


# --- the server said no -----------------------------------------------------------------------------------------------


class ServerError(IgniteMapError):
    """The server answered with an error. The subclasses name the common ones.

    Attributes:
        status: Ignite's status code.
        node: Address of the node that answered.
        operation: Ignite's name of the operation.
    """

    usual_status: ClassVar[int] = 1
    """The status that stands for this class on the wire."""

    def __init__(
        self, message: str, *, status: int | None = None, node: str | None = None, operation: str | None = None
    ) -> None:
        super().__init__(message)
        self.status: int = self.usual_status if status is None else status
        self.node = node
        self.operation = operation


class InvalidOperationCode(ServerError):
    """The server does not know the operation."""

    usual_status = 2


class InvalidNodeState(ServerError):
    """The node is stopping, or cannot serve in its present state."""

    usual_status = 10


class NodeInRecoveryMode(ServerError):
    """The node is still starting."""

    usual_status = 11


class FunctionalityDisabled(ServerError):
    """The server's configuration turns the feature off."""

    usual_status = 100


class CacheNotFound(ServerError):
    """The cache does not exist."""

    usual_status = 1000


class CacheExists(ServerError):
    """A cache of this name exists already."""

    usual_status = 1001


class CacheConfigInvalid(ServerError):
    """The server refused the configuration of a new cache."""

    usual_status = 1002


class TooManyCursors(ServerError):
    """The connection has as many open cursors as the server allows."""

    usual_status = 1010


class ResourceNotFound(ServerError):
    """The cursor, iterator, task or data structure does not exist, or no longer."""

    usual_status = 1011


class SecurityViolation(ServerError):
    """The user lacks a permission."""

    usual_status = 1012


class TransactionLimitExceeded(ServerError):
    """The connection has as many open transactions as the server allows."""

    usual_status = 1020


class TransactionNotFound(ServerError):
    """The server does not know the transaction, or no longer."""

    usual_status = 1021


class EntryProcessorError(ServerError):
    """An entry processor threw an exception on the server."""

    usual_status = 1040


class TransactionTimeout(ServerError):
    """The transaction, or its wait for a lock, took too long. It was rolled back."""


class TransactionDeadlock(ServerError):
    """The transaction waited for a lock in a circle. It was rolled back.

    A node says so only where it sends its stack traces (ThinClientConfiguration.serverToClientExceptionStackTraceSending);
    else a deadlock shows as TransactionTimeout.
    """


class TransactionConflict(ServerError):
    """Another transaction changed what this one had read. It was rolled back."""


class SqlError(ServerError):
    """A SQL statement failed.

    Attributes:
        state: The five characters of its SQLSTATE; None when the server sent none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        node: str | None = None,
        operation: str | None = None,
        state: str | None = None,
    ) -> None:
        super().__init__(message, status=status, node=node, operation=operation)
        self.state = state


class SqlCacheNotFound(SqlError, CacheNotFound):
    """A statement was sent to a cache that does not exist."""

    usual_status = 1000


# --- what the client itself lost or refused ---------------------------------------------------------------------------


class CursorLost(IgniteMapError):
    """The server no longer has the cursor: its node or connection went away in the middle of the results.

    Attributes:
        node: Address of the node that had it.
    """

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message)
        self.node = node


class TransactionError(IgniteMapError):
    """An operation does not belong to the open transaction, or cannot run inside one. Nothing was sent."""


class TransactionLost(TransactionError):
    """The connection that carried the transaction is gone. The server rolls it back.

    Attributes:
        node: Address of the node that had it.
    """

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message)
        self.node = node


class ClientClosed(IgniteMapError):
    """The client was closed, before the call or during it."""


class ClientClosedNotSent(ClientClosed, NotSentError):
    """The client was closed before the request was sent."""


class ClientClosedOutcomeUnknown(ClientClosed, OutcomeUnknownError):
    """The client was closed after the request had been sent and before the answer came."""


class ForkedClientError(IgniteMapError):
    """A client that was made before a fork was used in the child process, where it cannot work."""


# --- from the wire to a class -----------------------------------------------------------------------------------------

_BY_STATUS: Final[Mapping[int, type[ServerError]]] = {
    error.usual_status: error
    for error in (
        InvalidOperationCode,
        InvalidNodeState,
        NodeInRecoveryMode,
        FunctionalityDisabled,
        CacheNotFound,
        CacheExists,
        CacheConfigInvalid,
        TooManyCursors,
        ResourceNotFound,
        SecurityViolation,
        TransactionLimitExceeded,
        TransactionNotFound,
        EntryProcessorError,
    )
}

# All three arrive as status 1, so only Ignite's text tells them apart. First match wins: a deadlock is reported as a
# lock timeout whose cause is the deadlock. The texts are those of IgniteTxAdapter, GridNearTxLocal and IgniteTxManager.
_TRANSACTION_TEXTS: Final[tuple[tuple[str, type[ServerError]], ...]] = (
    ("Deadlock detected", TransactionDeadlock),
    ("TransactionDeadlockException", TransactionDeadlock),
    ("Cache transaction timed out", TransactionTimeout),
    ("Failed to acquire lock within provided timeout", TransactionTimeout),
    ("TransactionTimeoutException", TransactionTimeout),
    ("Failed to prepare transaction, read/write conflict", TransactionConflict),
    ("Failed to prepare transaction (lock conflict)", TransactionConflict),
    ("TransactionOptimisticException", TransactionConflict),
)

_SQLSTATE: Final = re.compile(r"([0-9A-Z]{5}): ")
_SQLSTATE_INTERNAL: Final = "50000"


def server_error(
    status: int, message: str | None, *, node: str | None = None, operation: str | None = None, sql: bool = False
) -> ServerError:
    """The exception for an error that a server answered with.

    Args:
        status: Ignite's status code, not 0.
        message: The server's text, which may be missing. It is shortened to `MAX_SERVER_MESSAGE` characters and its
            control characters are escaped, so that it can be logged.
        node: Address of the node that answered.
        operation: Ignite's name of the operation.
        sql: Whether the operation is of the SQL family, whose messages begin with a SQLSTATE.

    Returns:
        A `ServerError`, or the subclass that stands for the status or the text. It is not raised.
    """
    text = message or ""
    state = _SQLSTATE.match(text) if sql else None
    kind = _BY_STATUS.get(status)
    # A SQL message quotes the statement, which may contain anything. Only the state for "everything else" can carry
    # the failure of a transaction.
    if kind is None and status == ServerError.usual_status and (not sql or (state and state[1] == _SQLSTATE_INTERNAL)):
        kind = next((error for part, error in _TRANSACTION_TEXTS if part in text), None)
    shown = _printable(text) or f"The server answered with status {status} and no message."
    if kind is CacheNotFound and sql:
        return SqlCacheNotFound(shown, status=status, node=node, operation=operation)
    if kind is None and sql:
        return SqlError(shown, status=status, node=node, operation=operation, state=state[1] if state else None)
    return (kind or ServerError)(shown, status=status, node=node, operation=operation)


def _printable(text: str) -> str:
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text[: MAX_SERVER_MESSAGE + 1]
    )
    return shown if len(shown) <= MAX_SERVER_MESSAGE else shown[: MAX_SERVER_MESSAGE - 1] + "…"
