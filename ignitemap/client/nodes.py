"""The nodes of a cluster: one connection each, dialled once at a time, again after a loss, never in a storm.

Each node waits longer after each failure, and a connection that did not live long is one. All callers that have no
connection wait for the same search through the nodes. A refused user is final: that node isn't dialled again.

The program names some addresses. Others are learned from the cluster, and forgotten when the cluster says that the node
has left; behind such an address only the very node is accepted of which it was learned, since the network that the
client sees may have another one there.
"""

import asyncio
import logging
import os
import ssl
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import attrs

from ignitemap.client.connection import Address, Limits, NodeConnection, open_connection
from ignitemap.client.retry import jitter
from ignitemap.exceptions import (
    AuthenticationError,
    ClientClosedNotSent,
    ClusterUnavailable,
    ConnectError,
    ForkedClientError,
)
from ignitemap.protocol.handshake import Handshake

__all__ = ["NodeStatistics", "Nodes"]

logger: Final = logging.getLogger("ignitemap")

BACKOFF_FIRST: Final = 0.1
BACKOFF_MOST: Final = 10.0
DIALS_IN_WINDOW: Final = 12  # of one node, however the dice of the backoff fall
DIAL_WINDOW: Final = 10.0  # seconds
DIALS_AT_ONCE: Final = 16  # of a range of ports most are closed
STAGGER: Final = 0.25  # seconds until a dial that hangs no longer keeps the next one waiting
CAUSES_SHOWN: Final = 5


@attrs.define(eq=False)
class _Node:
    """One node by its address, or by several of which one may be reached, and what is known of it."""

    addresses: deque[Address]
    """The next one to dial comes first."""
    id: UUID | None = None
    """The node that must answer, where the addresses were learned from the cluster."""
    connection: NodeConnection | None = None
    dialling: "asyncio.Task[None] | None" = None
    opened_at: float = 0.0
    failures: int = 0
    not_before: float = 0.0
    cause: BaseException | None = None
    untried: int = attrs.field(default=attrs.Factory(lambda node: len(node.addresses) - 1, takes_self=True))
    """How many addresses may be dialled without a wait, as none of them has failed yet."""
    recent: deque[float] = attrs.field(factory=lambda: deque[float](maxlen=DIALS_IN_WINDOW))
    """When the last dials were."""
    dials: int = 0
    opened: int = 0
    lost: int = 0

    @property
    def address(self) -> Address:
        """Where it is dialled next."""
        return self.addresses[0]

    @property
    def refused(self) -> bool:
        """Whether the node has refused the user: it isn't asked again."""
        return isinstance(self.cause, AuthenticationError)


@attrs.frozen
class NodeStatistics:
    """What a client has seen of one node since it knows it.

    Attributes:
        address: Where it is dialled.
        node: Its id as text; None while it has not answered.
        connected: Whether a connection is open.
        dials, opened, lost: How often it was dialled, a connection opened, and one lost.
        in_flight: Requests that wait for its answer.
        expired: Requests whose deadline passed before the answer of the present connection.
        late: Answers of the present connection that came when the caller had gone.
    """

    address: str
    node: str | None
    connected: bool
    dials: int
    opened: int
    lost: int
    in_flight: int = 0
    expired: int = 0
    late: int = 0


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
        on_open: Callable[[NodeConnection], None] = lambda connection: None,
        open_connection: Callable[..., Awaitable[NodeConnection]] = open_connection,
    ) -> None:
        self.limits = limits
        self._on_open = on_open
        self._open_connection = open_connection
        self._handshake = handshake
        self._tls = tls
        self._single = single  # without partition awareness one connection is enough
        self._on_topology = on_topology
        self._nodes = [_Node(deque([address])) for address in dict.fromkeys(addresses)]
        self._retired: list[NodeConnection] = []  # of nodes that left the cluster: nothing new is sent there
        self._pid = os.getpid()
        self._by_id: dict[UUID, NodeConnection] = {}
        self._open: list[NodeConnection] = []
        self._turn = 0
        self._closing = False
        self._reaching: asyncio.Task[None] | None = None
        self._filling: asyncio.Task[None] | None = None
        self._fill_not_before = 0.0
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<{len(self._open)} of {len(self._nodes)} nodes connected>"

    @property
    def open(self) -> Sequence[NodeConnection]:
        """The connections that are open now."""
        return tuple(self._open)

    @property
    def several(self) -> bool:
        """Whether there is more than one node to choose from."""
        return len(self._nodes) > 1

    @property
    def forked(self) -> bool:
        """Whether this is a child process, and the connections are its parent's."""
        return os.getpid() != self._pid

    def statistics(self) -> tuple[NodeStatistics, ...]:
        """What was seen of each node."""
        return tuple(_statistics(node) for node in self._nodes)

    def any(self, *, but: NodeConnection | None = None) -> NodeConnection | None:
        """An open connection, each in its turn; None when there is none. Another than ``but`` if possible."""
        candidates = self._open if but is None else [each for each in self._open if each is not but] or self._open
        if not candidates:
            return None
        self._turn += 1
        return candidates[self._turn % len(candidates)]

    def owner(self, node_id: UUID) -> NodeConnection | None:
        """The open connection to a node, None when there is none."""
        return self._by_id.get(node_id)

    async def connect(self, timeout: float | None) -> NodeConnection:
        """An open connection, dialling the addresses until one answers.

        Raises ClusterUnavailable with each address's cause when none answered within ``timeout`` seconds, all have
        failed, or one has refused the user; ClientClosedNotSent; ForkedClientError.
        """
        if self.forked:
            raise ForkedClientError("the client was made before a fork: a child process connects anew")
        ready = self.any()
        if ready is None and not self._closing:
            if self._reaching is None:
                self._reaching = self._loop.create_task(self._reach(), name="ignitemap connect")
            # asyncio.wait leaves the search alone when this caller is cancelled: others wait for it too.
            await asyncio.wait([self._reaching], timeout=timeout)
            ready = self.any()
        if self._closing:
            raise ClientClosedNotSent("the client is closed")
        if ready is None:
            raise self._unavailable()
        return ready

    def dial_rest(self) -> None:
        """Dial, in the background, the addresses that have no connection; their failures show when they are needed."""
        if (
            self._filling is None
            and not self._single
            and not self._closing
            and self._loop.time() >= self._fill_not_before
        ):
            self._filling = self._loop.create_task(self._fill(), name="ignitemap connect the rest")

    def learn(self, found: Mapping[UUID, Sequence[Address]]) -> tuple[list[UUID], list[UUID]]:
        """Take note of the nodes that the cluster has now, with addresses for each; which are new, and which are gone.

        A new one is dialled when it is needed. One that was learned and is no longer there is forgotten: its connection
        ends when what is in flight on it has ended. Addresses that the program has named stay.
        """
        gone = [node for node in self._nodes if node.id is not None and node.id not in found]
        for node in gone:
            self._leave(node)
        learned = {node.id: node for node in self._nodes if node.id is not None}
        named = {node.address for node in self._nodes if node.id is None}
        new: list[UUID] = []
        for node_id, addresses in found.items():
            known = learned.get(node_id)
            if known is not None:
                if addresses and set(known.addresses) != set(addresses):
                    known.addresses = deque(addresses)
            elif addresses and node_id not in self._by_id and named.isdisjoint(addresses):
                self._nodes.append(_Node(deque(addresses), node_id))
                new.append(node_id)
                logger.info("node %s found at %s", node_id, ", ".join(map(str, addresses)))
        self._fill_not_before = min(self._fill_not_before, self._loop.time()) if new else self._fill_not_before
        return new, [node.id for node in gone if node.id is not None]

    def _leave(self, node: _Node) -> None:
        """A node is no part of the cluster any more."""
        logger.info("node %s has left the cluster", node.id)
        self._nodes.remove(node)
        if node.dialling is not None:
            node.dialling.cancel()
        connection = node.connection
        if connection is not None and not any(other.connection is connection for other in self._nodes):
            self._withdraw(connection)
            self._retired.append(connection)
            connection.close_when_idle()

    async def aclose(self) -> None:
        """Close all connections and stop all dialling; within 2 s. In a child process: leave them to the parent."""
        self._closing = True
        if self.forked:
            return
        tasks = [node.dialling for node in self._nodes] + [self._reaching, self._filling]
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.gather(*(connection.aclose() for connection in (*self._open, *self._retired)))

    # --- dialling ---------------------------------------------------------------------------------------------------

    async def _reach(self) -> None:
        """Dial until there is a connection, or nothing left to try."""
        try:
            # What is due first; one that waits for its turn after a failure would only be in the way of the others.
            await self._dial_all(sorted(self._nodes, key=lambda node: node.not_before), until_open=True)
        finally:
            self._reaching = None

    async def _fill(self) -> None:
        """Dial all addresses that are due."""
        try:
            now = self._loop.time()
            await self._dial_all([node for node in self._nodes if node.not_before <= now], until_open=False)
        finally:
            self._filling = None
            waiting = [node.not_before for node in self._nodes if node.connection is None and not node.refused]
            self._fill_not_before = min(waiting, default=self._loop.time() + BACKOFF_MOST)

    async def _dial_all(self, nodes: Iterable[_Node], *, until_open: bool) -> None:
        """Dial addresses side by side, a few at once; as soon as one hangs, one more."""
        waiting = deque(node for node in nodes if node.connection is None and not node.refused)
        pending: set[asyncio.Task[None]] = set()
        at_once = 1 if self._single else DIALS_AT_ONCE
        while waiting or pending:
            while waiting and len(pending) < at_once:
                pending.add(self._dial(waiting.popleft()))
            done, pending = await asyncio.wait(
                pending, timeout=STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                at_once += 1
            if until_open and (self._open or any(node.refused for node in self._nodes)):
                return

    def _dial(self, node: _Node) -> "asyncio.Task[None]":
        """The one dial of an address that is under way, or a new one."""
        if node.dialling is None:
            node.dialling = self._loop.create_task(self._open_node(node), name=f"ignitemap dial {node.address}")
        return node.dialling

    async def _open_node(self, node: _Node) -> None:
        """Dial an address when it is due. A failure is noted, not raised: others may succeed."""
        try:
            wait = node.not_before - self._loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            if node.connection is None:
                node.dials += 1
                node.recent.append(self._loop.time())
                connection = await self._open_connection(
                    node.address, self._handshake, self.limits, self._tls, self._on_topology, self._forget
                )
                try:
                    await self._enter(node, connection)
                except BaseException:
                    connection.abort()
                    raise
        except ConnectError as error:
            logger.debug("no connection to %s: %s", node.address, error)
            self._failed(node, error)
            node.addresses.rotate(-1)
        finally:
            node.dialling = None

    async def _enter(self, node: _Node, connection: NodeConnection) -> None:
        node_id = connection.protocol.node_id
        if node.id is not None and node_id != node.id:
            await connection.aclose()
            raise ConnectError(f"{connection.address} is another node than {node.id}", node=str(connection.address))
        known = None if node_id is None else self._by_id.get(node_id)
        node.opened_at = self._loop.time()
        node.opened += 1
        node.untried = 0
        node.cause = None
        if node.id is None and node_id is not None:  # an address of the program is better than one that was learned
            self._nodes = [each for each in self._nodes if each.id != node_id]
        if known is not None:  # two addresses of one node: one connection is enough
            node.connection = known
            await connection.aclose()
            return
        node.connection = connection
        if node_id is not None:
            self._by_id[node_id] = connection
        self._open.append(connection)
        logger.info("connected to %s (node %s)", connection.address, node_id)
        self._on_open(connection)

    def _withdraw(self, connection: NodeConnection) -> None:
        """From now on nobody is given this connection."""
        if connection in self._open:
            self._open.remove(connection)
        node_id = connection.protocol.node_id
        if node_id is not None and self._by_id.get(node_id) is connection:
            del self._by_id[node_id]

    def _forget(self, connection: NodeConnection) -> None:
        """A connection was lost."""
        self._withdraw(connection)
        if connection in self._retired:
            self._retired.remove(connection)
        for node in self._nodes:
            if node.connection is connection:
                node.connection = None
                node.lost += 1
                if not self._closing:
                    logger.info("the connection to %s was lost: %s", connection.address, connection.failure or "closed")
                if self._loop.time() - node.opened_at >= BACKOFF_MOST:
                    node.failures = 0
                self._failed(
                    node,
                    connection.failure or ConnectError(f"{node.address} closed the connection", node=str(node.address)),
                )

    def _failed(self, node: _Node, cause: BaseException) -> None:
        """Wait before the next dial. Full jitter: clients that lost one node together do not come back in step."""
        node.cause = cause
        for error in (cause, cause.__cause__):
            if error is not None:
                error.__traceback__ = None  # its frames would keep the buffers of a dead connection
        if node.untried > 0 and not isinstance(cause, AuthenticationError):
            node.untried -= 1
            most = 0.0
        else:
            most = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(node.failures, 10))
            node.failures += 1
        now = self._loop.time()
        node.not_before = now + jitter(most)
        if len(node.recent) == DIALS_IN_WINDOW:
            node.not_before = max(node.not_before, node.recent[0] + DIAL_WINDOW)
        self._fill_not_before = min(self._fill_not_before, node.not_before)

    def _unavailable(self) -> ClusterUnavailable:
        causes = {str(node.address): node.cause or TimeoutError("still dialling") for node in self._nodes}
        shown = [
            str(cause) if address in str(cause) else f"{address}: {cause}"
            for address, cause in list(causes.items())[:CAUSES_SHOWN]
        ]
        if len(causes) > CAUSES_SHOWN:
            kinds = Counter(type(cause).__name__ for cause in list(causes.values())[CAUSES_SHOWN:])
            shown.append(f"and {', '.join(f'{count} more with {kind}' for kind, count in kinds.items())}")
        error = ClusterUnavailable(f"no node could be reached: {'; '.join(shown)}", causes=causes)
        error.__cause__ = next(iter(causes.values()))
        return error


def _statistics(node: _Node) -> NodeStatistics:
    connection = node.connection
    if connection is None:
        known = None if node.id is None else str(node.id)
        return NodeStatistics(str(node.address), known, False, node.dials, node.opened, node.lost)
    node_id = connection.protocol.node_id
    return NodeStatistics(
        str(connection.address),
        None if node_id is None else str(node_id),
        True,
        node.dials,
        node.opened,
        node.lost,
        len(connection.protocol.in_flight),
        connection.expired,
        connection.late_answers,
    )
