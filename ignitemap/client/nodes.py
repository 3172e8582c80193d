"""The nodes of a cluster: one connection each, dialled once at a time, again after a loss, never in a storm."""

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import attrs

from ignitemap.client.connection import Address, Limits, NodeConnection, open_connection
from ignitemap.exceptions import AuthenticationError, ClusterUnavailable, InsecureCredentialsError
from ignitemap.protocol.handshake import Handshake

__all__ = ["Nodes"]

BACKOFF_FIRST: Final = 0.1
BACKOFF_MOST: Final = 10.0


@attrs.define(eq=False)
class _Node:
    """One address and what is known of it."""

    address: Address
    connection: NodeConnection | None = None
    dialling: "asyncio.Task[NodeConnection] | None" = None
    failures: int = 0
    not_before: float = 0.0
    cause: BaseException | None = None


class Nodes:
    """The connections of one client. ``any`` and ``owner`` answer at once from what is open; ``connect`` dials."""

    def __init__(
        self,
        addresses: Sequence[Address],
        handshake: Handshake,
        limits: Limits,
        tls: ssl.SSLContext | None,
        *,
        single: bool = False,
        on_topology: Callable[[NodeConnection], None],
    ) -> None:
        self.limits = limits
        self._handshake = handshake
        self._tls = tls
        self._single = single
        self._on_topology = on_topology
        self._nodes = [_Node(address) for address in dict.fromkeys(addresses)]
        self._by_id: dict[UUID, NodeConnection] = {}
        self._open: list[NodeConnection] = []
        self._turn = 0
        self._closing = False
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<{len(self._open)} of {len(self._nodes)} nodes connected>"

    @property
    def open(self) -> Sequence[NodeConnection]:
        """The connections that are open now."""
        return tuple(self._open)

    def any(self, *, but: NodeConnection | None = None) -> NodeConnection | None:
        """An open connection, each in its turn; None when there is none (or none other than ``but``)."""
        candidates = self._open if but is None else [each for each in self._open if each is not but] or self._open
        if not candidates:
            return None
        self._turn += 1
        return candidates[self._turn % len(candidates)]

    def owner(self, node_id: UUID) -> NodeConnection | None:
        """The open connection to a node, None when there is none."""
        return self._by_id.get(node_id)

    async def connect(self, timeout: float | None) -> NodeConnection:
        """An open connection, dialling all addresses until one answers.

        Raises AuthenticationError at once, ClusterUnavailable with each address's cause when none answered within
        ``timeout`` seconds or all have failed.
        """
        ready = self.any()
        if ready is not None:
            return ready
        waiting = list(self._nodes)
        pending: set[asyncio.Task[NodeConnection]] = set()
        try:
            async with asyncio.timeout(timeout):
                while waiting or pending:
                    # Without partition awareness one connection is enough: addresses are tried one after the other.
                    next_ones = waiting[:1] if self._single and not pending else waiting if not self._single else []
                    waiting = waiting[len(next_ones) :]
                    pending |= {self._dial(node) for node in next_ones}
                    # asyncio.wait leaves the dials alone when this caller is cancelled: others may wait for them.
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        error = task.exception()
                        if error is None:
                            return task.result()
                        if isinstance(error, AuthenticationError | InsecureCredentialsError):
                            raise error
        except TimeoutError:
            pass
        causes = {str(node.address): node.cause or TimeoutError("still dialling") for node in self._nodes}
        reasons = "; ".join(str(cause) or type(cause).__name__ for cause in causes.values())
        raise ClusterUnavailable(f"no node could be reached: {reasons}", causes=causes)

    def dial_rest(self) -> None:
        """Dial, in the background, the addresses that have no connection; their failures show when they are needed."""
        if self._single or self._closing:
            return
        for node in self._nodes:
            if node.connection is None and node.dialling is None and self._loop.time() >= node.not_before:
                self._dial(node)

    async def aclose(self) -> None:
        """Close all connections and stop all dialling; within 2 s."""
        self._closing = True
        tasks = [node.dialling for node in self._nodes if node.dialling is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(connection.aclose() for connection in self._open))

    def _dial(self, node: _Node) -> "asyncio.Task[NodeConnection]":
        """The one dial of an address that is under way, or a new one."""
        if node.dialling is None:
            node.dialling = self._loop.create_task(self._open_node(node), name=f"ignitemap dial {node.address}")
            node.dialling.add_done_callback(_retrieve)
        return node.dialling

    async def _open_node(self, node: _Node) -> NodeConnection:
        try:
            if node.connection is not None and not node.connection.lost:
                return node.connection
            wait = node.not_before - self._loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            connection = await open_connection(
                node.address, self._handshake, self.limits, self._tls, self._on_topology, self._forget
            )
            return self._enter(node, connection)
        except Exception as error:
            node.cause = error
            node.failures += 1
            # Full jitter: callers of many clients that lost one node do not come back in step.
            most = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(node.failures, 10))
            node.not_before = self._loop.time() + random.uniform(0, most)  # noqa: S311 - no secret
            raise
        finally:
            node.dialling = None

    def _enter(self, node: _Node, connection: NodeConnection) -> NodeConnection:
        node.failures = 0
        node.not_before = 0.0
        node.cause = None
        node_id = connection.protocol.node_id
        known = None if node_id is None else self._by_id.get(node_id)
        if known is not None:  # two addresses of one node: one connection is enough
            connection.abort()
            node.connection = known
            return known
        node.connection = connection
        if node_id is not None:
            self._by_id[node_id] = connection
        self._open.append(connection)
        return connection

    def _forget(self, connection: NodeConnection) -> None:
        """A connection was lost."""
        if connection in self._open:
            self._open.remove(connection)
        for node in self._nodes:
            if node.connection is connection:
                node.connection = None
        node_id = connection.protocol.node_id
        if node_id is not None and self._by_id.get(node_id) is connection:
            del self._by_id[node_id]


def _retrieve(task: "asyncio.Task[NodeConnection]") -> None:
    """A failed dial is remembered in its node; asyncio must not log it as never retrieved."""
    if not task.cancelled():
        task.exception()

