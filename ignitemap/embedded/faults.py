"""Faults on purpose, for tests of how a program bears them: delay, drop, cut, reorder and fail, by operation.

    async with ig.embedded.Node() as node, ig.connect(node.url) as client:
        with node.faults.fail("CachePut", times=2):
            ...                                     # the next two puts answer with an error
        node.faults.delay("CacheGet", seconds=0.5)  # until clear()

An operation is named as Ignite names it in CamelCase (``CacheGet``, ``TxEnd``, ``QuerySqlFields``), by its code, or
``"*"`` for all. Faults are met in the order in which they were set; one whose ``times`` are used up is gone.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, Self

from ignitemap.exceptions import ConfigurationError
from ignitemap.protocol.connection import IncomingRequest
from ignitemap.protocol.message import OPERATIONS

if TYPE_CHECKING:
    from ignitemap.embedded.connection import ServerConnection

__all__ = ["Fault", "Faults"]

ALL: Final = "*"


class Fault:
    """One fault: a context manager that takes itself back, or ``remove()`` it. ``met`` counts how often it was met.

    >>> fault = node.faults.fail("CacheGet", times=1)
    >>> with fault:
    ...     await cache.get(1)
    Traceback (most recent call last):
    ServerError: a fault on purpose...
    >>> fault.met
    1
    >>> fault.remove()
    """

    def __init__(
        self,
        faults: "Faults",
        operation: int | None,
        times: int | None,
        act: "Callable[[ServerConnection, IncomingRequest], None]",
    ) -> None:
        self.operation = operation
        self.left = times
        """How often it will still be met, None for always."""
        self.met = 0
        self._faults = faults
        self._act = act

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Take it back; requests that it holds are let go."""
        self._faults.remove(self)

    def meet(self, connection: "ServerConnection", request: IncomingRequest) -> None:
        """Not for users: a request has come that it is for."""
        self.met += 1
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                self.remove()
        self._act(connection, request)

    def let_go(self) -> None:
        """Not for users: it ends: nothing is held."""


class _Reorder(Fault):
    """Holds requests until there are ``count``, then answers the last first."""

    def __init__(self, faults: "Faults", operation: int | None, count: int) -> None:
        super().__init__(faults, operation, None, self._hold)
        self._count = count
        self._held: list[tuple[ServerConnection, IncomingRequest]] = []

    def _hold(self, connection: "ServerConnection", request: IncomingRequest) -> None:
        self._held.append((connection, request))
        if len(self._held) == self._count:
            self.let_go()

    def let_go(self) -> None:
        """Answer what is held, the last first."""
        held, self._held = self._held, []
        for connection, request in reversed(held):
            connection.resume(request)


class Faults:
    """The faults of one node.

    >>> with node.faults.cut("CacheGet", times=1):
    ...     print(await cache.get(1))  # a read is asked again
    None
    """

    def __init__(self) -> None:
        self.any = False
        """Whether there is one: what a node asks before it asks more."""
        self._faults: list[Fault] = []

    def delay(self, operation: str | int = ALL, *, seconds: float, times: int | None = None) -> Fault:
        """Carry out a request this much later; others overtake it.

        >>> node.faults.delay("CacheGet", seconds=0.01, times=1)
        <...Fault ...>
        >>> print(await cache.get(1))  # a little later
        None
        """

        def act(connection: "ServerConnection", request: IncomingRequest) -> None:
            asyncio.get_running_loop().call_later(seconds, connection.resume, request)

        return self._add(Fault(self, _code(operation), _checked(times), act))

    def drop(
        self, operation: str | int = ALL, *, when: Literal["before", "after"] = "before", times: int | None = None
    ) -> Fault:
        """Never answer a request; ``after`` it was carried out, or instead of that.

        >>> with node.faults.drop("CachePut", when="after"):
        ...     await cache.with_options(timeout=0.02).set(1, "Ann")
        Traceback (most recent call last):
        OperationTimeout: ...
        >>> await cache[1]
        'Ann'
        """

        def act(connection: "ServerConnection", request: IncomingRequest) -> None:
            if when == "after":
                connection.carry_out(request)

        return self._add(Fault(self, _code(operation), _checked(times), act))

    def cut(
        self, operation: str | int = ALL, *, when: Literal["before", "after"] = "before", times: int | None = 1
    ) -> Fault:
        """Cut the connection on a request; ``after`` it was carried out, or before that.

        >>> with node.faults.cut("CachePut"):
        ...     await cache.set(1, "Ann")
        Traceback (most recent call last):
        OutcomeUnknownError: ...
        """

        def act(connection: "ServerConnection", request: IncomingRequest) -> None:
            if when == "after":
                connection.carry_out(request)
            connection.cut()

        return self._add(Fault(self, _code(operation), _checked(times), act))

    def fail(
        self,
        operation: str | int = ALL,
        *,
        status: int = 1,
        message: str = "a fault on purpose",
        times: int | None = None,
    ) -> Fault:
        """Answer a request with an error instead of carrying it out. A transaction whose end fails is rolled back.

        >>> with node.faults.fail("CachePut", status=ig.CacheNotFound.usual_status):
        ...     await cache.set(1, "Ann")
        Traceback (most recent call last):
        CacheNotFound: a fault on purpose...
        """

        def act(connection: "ServerConnection", request: IncomingRequest) -> None:
            connection.refuse(request, status, message)

        return self._add(Fault(self, _code(operation), _checked(times), act))

    def reorder(self, operation: str | int = ALL, *, count: int = 2) -> Fault:
        """Hold requests until there are ``count`` of them, then answer the last first.

        >>> with node.faults.reorder("CachePut", count=2):
        ...     await asyncio.gather(cache.set(1, "Ann"), cache.set(1, "Ben"))
        [None, None]
        >>> await cache[1]
        'Ann'
        """
        if count < 2:
            raise ConfigurationError(f"count must be at least 2, not {count}", option="count")
        return self._add(_Reorder(self, _code(operation), count))

    def clear(self) -> None:
        """Take all faults back; requests that are held are let go.

        >>> fault = node.faults.fail("CacheGet")
        >>> node.faults.clear()
        >>> print(await cache.get(1))
        None
        """
        for fault in list(self._faults):
            fault.remove()

    def remove(self, fault: Fault) -> None:
        """Take a fault back.

        >>> fault = node.faults.fail("CacheGet")
        >>> node.faults.remove(fault)
        >>> print(await cache.get(1))
        None
        """
        if fault in self._faults:
            self._faults.remove(fault)
            self.any = bool(self._faults)
            fault.let_go()

    def meet(self, connection: "ServerConnection", request: IncomingRequest) -> bool:
        """Not for users: whether a fault takes a request over."""
        for fault in self._faults:
            if fault.operation is None or fault.operation == request.operation:
                fault.meet(connection, request)
                return True
        return False

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        self.any = True
        return fault


def _code(operation: str | int) -> int | None:
    if operation == ALL:
        return None
    for code, row in OPERATIONS.items():
        if operation in (code, row.__name__):
            return code
    raise ConfigurationError(f"{operation!r} is no operation of Ignite", option="operation")


def _checked(times: int | None) -> int | None:
    if times is not None and times < 1:
        raise ConfigurationError(f"times must be at least 1, not {times}", option="times")
    return times
