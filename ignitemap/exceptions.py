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
    ├── StructureError                plain data does not fit a model; and a ValueError
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
    "StructureError",
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

    >>> try:
    ...     await client.drop("absent")
    ... except ig.IgniteMapError as error:
    ...     print(type(error).__name__)
    CacheNotFound
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


# --- the program is wrong ---------------------------------------------------------------------------------------------


class ConfigurationError(IgniteMapError):
    """An option, environment variable, URL or cache setting is wrong, or contradicts the cluster's.

    Attributes:
        option: The option, variable or URL part in question, where there is a single one.

    >>> ig.connect("ignite://127.0.0.1?timeuot=5")
    Traceback (most recent call last):
    ConfigurationError: ...timeuot...
    """

    def __init__(self, message: str, *, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option


class ModelError(IgniteMapError):
    """A class cannot be a model as it is written.

    Attributes:
        path: Where: `Person.home.street`.

    >>> @ig.model
    ... class Torch:
    ...     light: complex
    Traceback (most recent call last):
    ModelError: Torch.light...
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

    >>> @ig.model(cache="gems")
    ... class Gem:
    ...     id: int = ig.key()
    >>> _ = await client.cache(Gem)
    >>> @ig.model(cache="gems")
    ... class Gem:
    ...     id: int = ig.key()
    ...     cut: str = ig.field(default="", index=True)
    >>> try:
    ...     await (await client.cache(Gem)).where(lambda gem: gem.cut == "oval").all()
    ... except ig.SchemaConflictError as error:
    ...     print(error.statement)
    ALTER TABLE ...
    """

    def __init__(
        self, message: str, *, cache: str | None = None, path: str | None = None, statement: str | None = None
    ) -> None:
        super().__init__(message)
        self.cache = cache
        self.path = path
        self.statement = statement


class QueryError(IgniteMapError):
    """A query cannot be built from what was written; the message says what to write instead.

    >>> people.where(lambda p: p.nick is None)
    Traceback (most recent call last):
    QueryError: ...ig.is_null...
    """


class NotSupportedByServer(IgniteMapError):
    """The server that was asked lacks a feature.

    Attributes:
        feature: Ignite's name of the feature or operation.

    >>> error = ig.NotSupportedByServer("the node is too old for expiry policies", feature="EXPIRY_POLICY")
    >>> isinstance(error, ig.IgniteMapError), error.feature
    (True, 'EXPIRY_POLICY')
    """

    def __init__(self, message: str, *, feature: str | None = None) -> None:
        super().__init__(message)
        self.feature = feature


class ModifyConflict(IgniteMapError):
    """Another writer was faster on every attempt of a read-modify-write. Nothing was written.

    Attributes:
        attempts: How many times it was tried.

    >>> spots = await client.cache("spots", int, list[tuple[int, int]])
    >>> await spots.set(1, [(0, 0)])
    >>> await spots.modify(1, lambda spot: [(1, 1)], attempts=2)  # Ignite can't compare a list that holds tuples
    Traceback (most recent call last):
    ModifyConflict: ...
    """

    def __init__(self, message: str, *, attempts: int = 0) -> None:
        super().__init__(message)
        self.attempts = attempts


class EncodeError(IgniteMapError):
    """A value cannot be written as the type that is wanted. Raised before anything is sent.

    Usually one of the three subclasses, which are builtin exceptions too.

    Attributes:
        path: Where inside the argument: `home.tags[3]`; empty for the argument itself.

    >>> await cache.set("one", "Ann")
    Traceback (most recent call last):
    EncodeTypeError: ...
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class EncodeTypeError(EncodeError, TypeError):
    """A value has the wrong Python type.

    >>> try:
    ...     await cache.set(1, 2)
    ... except TypeError as error:
    ...     print(type(error).__name__)
    EncodeTypeError
    """


class EncodeValueError(EncodeError, ValueError):
    """A value has the right Python type, but Ignite cannot hold it.

    >>> accounts = await client.cache("accounts", str, ig.DECIMAL)
    >>> await accounts.set("ann", Decimal("NaN"))
    Traceback (most recent call last):
    EncodeValueError: ...
    """


class EncodeOverflowError(EncodeError, OverflowError):
    """A number is out of the range of its Ignite type.

    >>> await cache.set(2**63, "Ann")
    Traceback (most recent call last):
    EncodeOverflowError: ...
    """


class StructureError(IgniteMapError, ValueError):
    """Plain data, say from JSON, is not what a model wants.

    Attributes:
        path: Where inside the data: `home.tags[3]`; empty for all of it.

    >>> ig.structure({"id": "one", "name": "Ann"}, Person)
    Traceback (most recent call last):
    StructureError: ...id...
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


# --- the network or the cluster failed --------------------------------------------------------------------------------


class NotSentError(IgniteMapError):
    """The operation was certainly not applied: no byte of the request reached the socket.

    Attributes:
        operation: Ignite's name of the operation.
        node: Address of the node it was meant for, where one was chosen.

    >>> await client.aclose()
    >>> try:
    ...     await cache.set(1, "Ann")
    ... except ig.NotSentError as error:
    ...     print(type(error).__name__)  # nothing was stored: it may be done again
    ClientClosedNotSent
    """

    def __init__(self, message: str, *, operation: str | None = None, node: str | None = None) -> None:
        super().__init__(message)
        self.operation = operation
        self.node = node


class NotSentTimeout(NotSentError, TimeoutError):
    """The deadline passed while the request waited for a connection or a free slot.

    Attributes:
        timeout: The time allowed, in seconds.

    >>> error = ig.NotSentTimeout("no connection within 0.5 s", operation="CachePut", timeout=0.5)
    >>> isinstance(error, ig.NotSentError), isinstance(error, TimeoutError), error.timeout
    (True, True, 0.5)
    """

    def __init__(
        self, message: str, *, operation: str | None = None, node: str | None = None, timeout: float | None = None
    ) -> None:
        super().__init__(message, operation=operation, node=node)
        self.timeout = timeout


class Overloaded(NotSentError):
    """Too much was in flight already, and no slot came free before the deadline.

    >>> error = ig.Overloaded("no slot came free within 0.5 s", operation="CachePut")
    >>> isinstance(error, ig.NotSentError), error.operation
    (True, 'CachePut')
    """


class ClusterUnavailable(NotSentError, ConnectionError):
    """No node could be reached.

    Attributes:
        causes: Why each node failed, by its address.

    >>> try:
    ...     await ig.connect("ignite://127.0.0.1:1", connect_timeout=0.01)
    ... except ig.ClusterUnavailable as error:
    ...     print([*error.causes])
    ['127.0.0.1:1']
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

    >>> with node.faults.cut("CachePut", when="after"):
    ...     await cache.set(1, "Ann")
    Traceback (most recent call last):
    OutcomeUnknownError: ...
    >>> await cache.get(1)  # this time it was stored
    'Ann'
    """

    def __init__(self, message: str, *, operation: str | None = None, node: str | None = None) -> None:
        super().__init__(message)
        self.operation = operation
        self.node = node


class OperationTimeout(OutcomeUnknownError, TimeoutError):
    """The deadline passed after the request, or part of it, had been sent.

    Attributes:
        timeout: The time allowed, in seconds.

    >>> with node.faults.drop("CacheGet"):
    ...     await cache.with_options(timeout=0.02).get(1)
    Traceback (most recent call last):
    OperationTimeout: ...
    """

    def __init__(
        self, message: str, *, operation: str | None = None, node: str | None = None, timeout: float | None = None
    ) -> None:
        super().__init__(message, operation=operation, node=node)
        self.timeout = timeout


class CommitOutcomeUnknown(OutcomeUnknownError):
    """A commit was sent and no answer came: all of the transaction was applied, or none of it.

    >>> with node.faults.cut("TxEnd"):
    ...     async with client.transaction():
    ...         await accounts.set("ann", 0)
    Traceback (most recent call last):
    CommitOutcomeUnknown: ...
    """


class PartialWriteError(OutcomeUnknownError):
    """A bulk write failed after its first chunk had left.

    Attributes:
        done: Entries that the cluster acknowledged.
        not_sent: Entries that were certainly not written.
        unknown: Entries that may or may not have been written.

    >>> with node.faults.fail("CachePutAll", times=1):
    ...     try:
    ...         await cache.update((number, "x") for number in range(5000))
    ...     except ig.PartialWriteError as error:
    ...         print(error.unknown, error.done + error.not_sent)
    2048 2952
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

    >>> try:
    ...     await ig.connect(node.url, tls=True)
    ... except ig.ConnectError as error:
    ...     print(type(error).__name__, isinstance(error, ConnectionError))
    TlsError True
    """

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message)
        self.node = node


class AuthenticationError(ConnectError):
    """The cluster refused the user name or the password. Final: it is never retried.

    >>> async with ig.embedded.Node(users={"ann": "secret"}) as guarded:
    ...     await ig.connect(guarded.url, username="ann", password="guessed")
    Traceback (most recent call last):
    AuthenticationError: ...
    """


class TlsError(ConnectError):
    """The TLS handshake failed: an untrusted certificate, a wrong host name, an old protocol version.

    >>> await ig.connect(node.url, tls=True)  # a node that has no TLS
    Traceback (most recent call last):
    TlsError: ...
    """


class InsecureCredentialsError(ConnectError):
    """Credentials would have crossed the network unencrypted, so nothing was sent.

    >>> await ig.connect("ignite://ann:secret@192.0.2.1")
    Traceback (most recent call last):
    InsecureCredentialsError: ...
    """


class ProtocolError(IgniteMapError):
    """The peer sent bytes that the protocol does not allow.

    Attributes:
        node: Address of the node.

    >>> await cache.set(1, "Ann")
    >>> ages = await client.cache("cache", int, int)
    >>> try:
    ...     await ages[1]
    ... except ig.ProtocolError as error:
    ...     print(type(error).__name__)
    DecodeError
    """

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message)
        self.node = node


class DecodeError(ProtocolError):
    """One value cannot be read. Its frame was whole, so the connection lives on.

    Attributes:
        offset: Where in the decoded buffer, in bytes.

    >>> await cache.set(1, "Ann")
    >>> ages = await client.cache("cache", int, int)
    >>> await ages[1]
    Traceback (most recent call last):
    DecodeError: ...
    """

    def __init__(self, message: str, *, node: str | None = None, offset: int | None = None) -> None:
        super().__init__(message, node=node)
        self.offset = offset


class FrameTooLarge(ProtocolError):
    """A frame is longer than the limit, or its length is impossible. The connection closes.

    Attributes:
        size: Length that the frame claimed, in bytes.
        limit: Longest length allowed, in bytes.

    >>> error = ig.FrameTooLarge("a frame of 2 GiB", size=2**31, limit=2**26)
    >>> isinstance(error, ig.ProtocolError), error.size, error.limit
    (True, 2147483648, 67108864)
    """

    def __init__(
        self, message: str, *, node: str | None = None, size: int | None = None, limit: int | None = None
    ) -> None:
        super().__init__(message, node=node)
        self.size = size
        self.limit = limit


class UnexpectedReply(ProtocolError):
    """A reply came to a question that was never asked. The connection closes.

    >>> error = ig.UnexpectedReply("a reply to request 7, which was never sent", node="127.0.0.1:10800")
    >>> isinstance(error, ig.ProtocolError), error.node
    (True, '127.0.0.1:10800')
    """


# --- the server said no -----------------------------------------------------------------------------------------------


class ServerError(IgniteMapError):
    """The server answered with an error. The subclasses name the common ones.

    Attributes:
        status: Ignite's status code.
        node: Address of the node that answered.
        operation: Ignite's name of the operation.

    >>> with node.faults.fail("CacheGet", status=1, message="out of order"):
    ...     await cache.get(1)
    Traceback (most recent call last):
    ServerError: out of order...
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
    """The cache does not exist.

    >>> await client.cache("absent", create=False)
    Traceback (most recent call last):
    CacheNotFound: ...
    """

    usual_status = 1000


class CacheExists(ServerError):
    """A cache of this name exists already.

    >>> await client.raw.create_cache("scores")
    <AioCache...>
    >>> await client.raw.create_cache("scores")
    Traceback (most recent call last):
    CacheExists: ...
    """

    usual_status = 1001


class CacheConfigInvalid(ServerError):
    """The server refused the configuration of a new cache.

    >>> with node.faults.fail("CacheCreateWithConfiguration", status=ig.CacheConfigInvalid.usual_status):
    ...     await client.raw.create_cache(ig.CacheConfig(name="scores", group="games"))
    Traceback (most recent call last):
    CacheConfigInvalid: ...
    """

    usual_status = 1002


class TooManyCursors(ServerError):
    """The connection has as many open cursors as the server allows.

    >>> await cache.set(1, "Ann")
    >>> with node.faults.fail("QueryScan", status=ig.TooManyCursors.usual_status):
    ...     await cache.items().to_list()
    Traceback (most recent call last):
    TooManyCursors: ...
    """

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
    """The transaction, or its wait for a lock, took too long. It was rolled back.

    >>> with node.faults.fail("CachePut", message="Cache transaction timed out"):
    ...     async with client.transaction(timeout=5):
    ...         await accounts.set("ann", 0)
    Traceback (most recent call last):
    TransactionTimeout: ...
    """


class TransactionDeadlock(ServerError):
    """The transaction waited for a lock in a circle. It was rolled back.

    A node says so only where it sends its stack traces (ThinClientConfiguration.serverToClientExceptionStackTraceSending);
    else a deadlock shows as TransactionTimeout.

    >>> with node.faults.fail("CachePut", message="Deadlock detected", times=1):
    ...     async for attempt in client.transactions(attempts=2):  # tried again by itself
    ...         async with attempt:
    ...             await accounts.set("ann", 0)
    >>> await accounts["ann"]
    0
    """


class TransactionConflict(ServerError):
    """Another transaction changed what this one had read. It was rolled back.

    >>> async with client.transaction("optimistic", "serializable"):
    ...     ann = await accounts["ann"]
    ...     other = asyncio.create_task(accounts.set("ann", 7), context=contextvars.Context())  # not part of it
    ...     await other
    ...     await accounts.set("ann", ann - 10)
    Traceback (most recent call last):
    TransactionConflict: ...
    """


class SqlError(ServerError):
    """A SQL statement failed.

    Attributes:
        state: The five characters of its SQLSTATE; None when the server sent none.

    >>> try:
    ...     await client.sql("SELEC 1")
    ... except ig.SqlError as error:
    ...     print(error.state)
    42000
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

    >>> await cache.update({number: "x" for number in range(5)})
    >>> with node.faults.cut("QueryScanCursorGetPage"):
    ...     await cache.items(page_size=2).to_list()
    Traceback (most recent call last):
    CursorLost: ...
    """

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message)
        self.node = node


class TransactionError(IgniteMapError):
    """An operation does not belong to the open transaction, or cannot run inside one. Nothing was sent.

    >>> async with client.transaction():
    ...     await accounts.clear()  # which Ignite would do outside of the transaction
    Traceback (most recent call last):
    TransactionError: ...
    """


class TransactionLost(TransactionError):
    """The connection that carried the transaction is gone. The server rolls it back.

    Attributes:
        node: Address of the node that had it.

    >>> with node.faults.cut("CacheGet"):
    ...     async with client.transaction():
    ...         await accounts.set("ann", 0)
    ...         await accounts.get("ben")
    Traceback (most recent call last):
    TransactionLost: ...
    >>> await accounts["ann"]  # as before
    100
    """

    def __init__(self, message: str, *, node: str | None = None) -> None:
        super().__init__(message)
        self.node = node


class ClientClosed(IgniteMapError):
    """The client was closed, before the call or during it.

    >>> await client.aclose()
    >>> try:
    ...     await cache.get(1)
    ... except ig.ClientClosed as error:
    ...     print(type(error).__name__)
    ClientClosedNotSent
    """


class ClientClosedNotSent(ClientClosed, NotSentError):
    """The client was closed before the request was sent."""


class ClientClosedOutcomeUnknown(ClientClosed, OutcomeUnknownError):
    """The client was closed after the request had been sent and before the answer came."""


class ForkedClientError(IgniteMapError):
    """A client that was made before a fork was used in the child process, where it cannot work.

    >>> import multiprocessing
    >>> context = multiprocessing.get_context("spawn")  # not "fork", which copies the client
    >>> issubclass(ig.ForkedClientError, ig.IgniteMapError)
    True
    """


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
    ("Transaction timed out", TransactionTimeout),
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
