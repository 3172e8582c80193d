"""The real client against nodes in memory, in virtual time: one seed is one run, and runs the same each time.

A seed draws everything: how many nodes, callers and keys there are, which operations they call, cancel and give how much
time; in which order tasks run that are ready; how long each chunk of bytes is under way and where it is cut into more;
when a connection breaks, goes silent or takes no bytes; when a node dies. What each caller saw is then checked:

- The history of each key is linearizable, where an operation of unknown outcome may or may not have taken effect, at any
  time after its call.
- A write that was reported as not sent has never reached a node, and none has been applied twice.
- An answer belongs to its key, and an operation ends within its deadline.
- In the end nothing is left: no request in flight, no slot taken, no task; no connection has ended because the client
  did not understand an answer.

The nodes share one store, as a cluster with synchronous backups does. A request is applied at one moment some time after
it came, also when its connection has broken meanwhile, and answers overtake each other.
"""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Literal
from uuid import UUID

import attrs

import ignitemap as ig
from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address, NodeConnection
from ignitemap.protocol.codecs import UNTYPED
from ignitemap.protocol.codegen import compile_server_side
from ignitemap.protocol.connection import Connection, Failure, HandshakeAsked, IncomingRequest, Role, Topology
from ignitemap.protocol.handshake import Accepted
from ignitemap.protocol.message import OPERATIONS, Request
from ignitemap.protocol.operations import (
    AffinityAnswer,
    AffinityGroup,
    CacheGet,
    CacheGetAndPut,
    CacheGetAndRemove,
    CacheKeyFields,
    CachePartitions,
    CachePutIfAbsent,
    CacheRemoveKey,
    CacheReplaceIfEquals,
    GetBinaryConfiguration,
    GetIdleTimeout,
    Heartbeat,
)
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.wire import ProtocolContext

PARTITIONS = 16
GRACE = 0.05  # seconds an operation may end behind its deadline, besides a sixteenth of it
UNKNOWN = "unknown"
codecs = mapping_codecs()

Kind = Literal["get", "put", "put_if_absent", "replace_if_equals", "remove_key", "get_and_put", "get_and_remove"]
KINDS: tuple[Kind, ...] = (
    "get",
    "get",
    "put",
    "put",
    "put_if_absent",
    "replace_if_equals",
    "replace_if_equals",
    "remove_key",
    "get_and_put",
    "get_and_remove",
)


class Violation(AssertionError):
    """The client has broken a promise. The message has the seed, and what was seen."""


# --- the loop ---------------------------------------------------------------------------------------------------------


class _Clock(selectors.SelectSelector):
    """There are no events: the clock is moved to the next timer."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Violation("a deadlock: nothing is ready to run, and there is no timer")
        self.now += max(0.0, timeout)
        return []


class SeededLoop(asyncio.SelectorEventLoop):
    """A loop with a clock of its own, that runs tasks in an order which is drawn. Callbacks keep theirs."""

    def __init__(self, chance: random.Random) -> None:
        self.clock = _Clock()
        self.chance = chance
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]  # there is no other way to the order
        if len(ready) > 1:
            places = [place for place, handle in enumerate(ready) if _is_task(handle)]
            if len(places) > 1:
                drawn = self.chance.sample(places, len(places))
                handles = [ready[place] for place in drawn]
                for place, handle in zip(places, handles, strict=True):
                    ready[place] = handle
        super()._run_once()  # type: ignore[misc]  # as above


def _is_task(handle: Any) -> bool:
    return isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)


# --- the cluster ------------------------------------------------------------------------------------------------------


@attrs.define
class Store:
    """What all nodes share."""

    entries: dict[Any, Any] = attrs.field(factory=dict[Any, Any])
    applied: Counter[str] = attrs.field(factory=lambda: Counter[str]())
    """How often each value was asked to be written."""

    def apply(self, request: Any) -> Any:
        """Carry out one operation, at once."""
        entries = self.entries
        kind = type(request)
        if kind is CacheGet:
            return entries.get(request.key)
        if kind is CacheRemoveKey:
            return entries.pop(request.key, None) is not None
        if kind is CacheGetAndRemove:
            return entries.pop(request.key, None)
        self.applied[request.value] += 1
        old = entries.get(request.key)
        if kind is CachePutIfAbsent:
            if old is None:
                entries[request.key] = request.value
            return old is None
        if kind is CacheReplaceIfEquals:
            if old == request.expected:
                entries[request.key] = request.value
            return old == request.expected
        entries[request.key] = request.value
        return old if kind is CacheGetAndPut else None


class SimulatedNode:
    """A node. What has come to it is applied after a while; what it had not applied yet dies with it."""

    def __init__(self, network: SimulatedNetwork, number: int) -> None:
        self.network = network
        self.address = Address("10.0.0.1", number)
        self.id = UUID(int=number)
        self.up = True
        self.life = 0
        self.wires: list[Wire] = []

    def die(self) -> None:
        """All connections break, and nothing that was not applied ever is."""
        self.up = False
        self.life += 1
        for wire in list(self.wires):
            wire.cut()

    def receive(self, wire: Wire, data: bytes) -> None:
        """Bytes have come."""
        for _, event in wire.server.receive_data(data):
            if isinstance(event, HandshakeAsked):
                asked = event.handshake
                wire.server.accept(Accepted(ProtocolContext(asked.version, asked.features), self.id))
                wire.answer_later()
            elif isinstance(event, IncomingRequest):
                loop, network = wire.loop, self.network
                loop.call_later(network.moment(network.work), self.apply, wire, event, self.life)

    def apply(self, wire: Wire, asked: IncomingRequest, life: int) -> None:
        """The moment at which an operation takes effect."""
        if life != self.life:
            return
        operation = OPERATIONS[asked.operation]
        codec = compile_server_side(operation, UNTYPED)
        context = wire.server.context
        request = codec.decode(codecs, context, asked.body)
        answer = self.network.answer(operation, request)
        if wire.broken:
            return
        news = self.network.topology if wire.told != self.network.topology else None
        wire.told = self.network.topology
        if isinstance(answer, Failure):
            wire.server.send_failure(asked.id, answer, topology=news)
        else:
            out = bytearray()
            codec.encode(codecs, context, out, request, answer)
            wire.server.send_answer(asked.id, out, topology=news)
        wire.answer_later()


class SimulatedNetwork:
    """Nodes, and all that may happen between them and the client."""

    def __init__(self, loop: SeededLoop, chance: random.Random) -> None:
        self.loop = loop
        loop.set_exception_handler(self.note_error)
        self.errors: list[dict[str, Any]] = []
        self.chance = chance
        self.nodes = [SimulatedNode(self, number + 1) for number in range(chance.choice((1, 1, 2, 3)))]
        self.store = Store()
        self.topology = Topology(1, 0)
        self.harm = chance.choice((0.0, 0.3, 0.6, 0.9))
        """How likely a connection has a bad fate."""
        self.latency = chance.choice((0.0001, 0.001, 0.02))
        self.work = chance.choice((0.0, 0.001, 0.05))
        self.slices = chance.random() < 0.3
        self.wires: list[Wire] = []
        self.misunderstood: Exception | None = None
        """Why the client has closed a connection, though no node has said anything wrong."""

    def note_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Nothing may fail where nobody sees it."""
        self.errors.append(context)

    def moment(self, most: float) -> float:
        """A time to wait."""
        return self.chance.random() * most

    def dial(self, protocol: asyncio.BaseProtocol) -> None:
        """Connect a client's connection to the node that it wants."""
        assert isinstance(protocol, NodeConnection)
        node = next(each for each in self.nodes if each.address == protocol.address)
        if not node.up or (self.harm and self.chance.random() < 0.05):
            raise ConnectionRefusedError(111, "refused")
        wire = Wire(self, node, protocol)
        self.wires.append(wire)
        self.loop.call_later(self.moment(self.latency), wire.connect)

    def answer(self, operation: type[Request[Any]], request: Any) -> Any:
        """What a node answers."""
        if operation is GetBinaryConfiguration:
            return (True, 0)
        if operation in (GetIdleTimeout, Heartbeat):
            return 0 if operation is GetIdleTimeout else None
        if operation is CachePartitions:
            share = [
                (node.id, list(range(place, PARTITIONS, len(self.nodes)))) for place, node in enumerate(self.nodes)
            ]
            group = AffinityGroup(True, [CacheKeyFields(each, []) for each in request.cache_ids], share, True)
            return AffinityAnswer(self.topology.major, self.topology.minor, [group])
        return self.store.apply(request)

    def heal(self) -> None:
        """From now on nothing bad happens; connections that have gone silent break."""
        self.harm = 0.0
        for node in self.nodes:
            node.up = True
        for wire in self.wires:
            wire.doom = ""
            if not wire.broken and (wire.silent_up or wire.silent_down):
                wire.cut()
            elif wire.stalled:
                wire.go_on()


class Wire(asyncio.Transport):
    """One connection: the client's transport, the node's end, and what becomes of it."""

    def __init__(self, network: SimulatedNetwork, node: SimulatedNode, client: NodeConnection) -> None:
        super().__init__()
        self.network = network
        self.node = node
        self.client = client
        self.loop = network.loop
        self.server: Connection[Any] = Connection(Role.SERVER)
        self.told = Topology()
        self.broken = False
        self.silent_up = self.silent_down = False
        self.stalled = False
        self.torn = False  # what is written now never arrives: the connection will break
        self.doom: Literal["", "up", "down", "time", "silence", "stall", "half"] = ""
        self.bytes_left = 0
        self.kept: list[bytes] = []
        self.last_up = self.last_down = 0.0
        self.closing = False
        chance = network.chance
        if chance.random() < network.harm:
            self.doom = chance.choice(("up", "up", "down", "down", "time", "silence", "stall", "half"))
            self.bytes_left = chance.randrange(800)
        if self.doom in ("time", "silence", "stall", "half"):
            self.loop.call_later(network.moment(chance.choice((0.02, 0.2, 1.0))), self.meet_doom)

    # --- the client's side ------------------------------------------------------------------------------------------

    def connect(self) -> None:
        if self.client.lost:
            self.broken = True
            return
        if self.broken:  # it broke before its client knew of it
            self.broken = self.closing = False
            self.loop.call_soon(self.cut)
        self.node.wires.append(self)
        self.client.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closing or self.broken:
            return
        if self.stalled:
            self.kept.append(bytes(data))
        else:
            self.send_up(bytes(data))

    def send_up(self, data: bytes) -> None:
        """Bytes go to the node, in chunks that are under way for a while."""
        if self.torn:
            return
        for chunk in self.chunks(data):
            if self.doom == "up" and len(chunk) > self.bytes_left:
                chunk = chunk[: self.bytes_left]
                self.torn = True
                self.doom = ""
                if chunk:
                    self.last_up = self.after(self.last_up, self.arrive, chunk)
                self.loop.call_later(self.network.moment(self.network.latency), self.cut)
                return
            self.bytes_left -= len(chunk) if self.doom == "up" else 0
            self.last_up = self.after(self.last_up, self.arrive, chunk)

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.kept))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("10.0.0.1", 1) if name == "peername" else default

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.loop.call_soon(self.lose, None)

    def abort(self) -> None:
        if isinstance(self.client.failure, ig.ProtocolError):
            self.network.misunderstood = self.client.failure
        self.close()

    # --- what happens -----------------------------------------------------------------------------------------------

    def chunks(self, data: bytes) -> Iterable[bytes]:
        """The pieces in which bytes are under way."""
        if not self.network.slices:
            return (data,)
        size = self.network.chance.randint(1, 40)
        return [data[start : start + size] for start in range(0, len(data), size)]

    def after(self, last: float, run: Callable[..., None], *what: Any) -> float:
        """Run something after a while, behind what was sent before it."""
        due = max(self.loop.time() + self.network.moment(self.network.latency), last + 1e-9)
        self.loop.call_at(due, run, *what)
        return due

    def arrive(self, chunk: bytes) -> None:
        """Bytes have come to the node, also such as were sent just before the connection broke."""
        if not self.silent_up and self.node.up:
            self.node.receive(self, chunk)

    def answer_later(self) -> None:
        """The node has something to say."""
        data = b"".join(self.server.data_to_send())
        if self.broken:
            return
        for chunk in self.chunks(data):
            if self.doom == "down" and len(chunk) > self.bytes_left:
                self.doom = ""
                self.last_down = self.after(self.last_down, self.deliver, chunk[: self.bytes_left])
                self.last_down = self.after(self.last_down, self.cut)
                return
            self.bytes_left -= len(chunk) if self.doom == "down" else 0
            self.last_down = self.after(self.last_down, self.deliver, chunk)

    def deliver(self, chunk: bytes) -> None:
        if self.broken or self.closing or self.silent_down or not chunk:
            return
        self.client.get_buffer(len(chunk))[: len(chunk)] = chunk
        self.client.buffer_updated(len(chunk))

    def meet_doom(self) -> None:
        """What was drawn for this connection happens now."""
        doom, self.doom = self.doom, ""
        if self.broken or self.closing or not doom:
            return
        if doom == "time":
            self.cut()
        elif doom == "half":
            self.client.eof_received()
            self.close()
        elif doom == "silence":
            self.silent_up = self.network.chance.random() < 0.6
            self.silent_down = not self.silent_up or self.network.chance.random() < 0.5
            if self.network.chance.random() < 0.5:
                self.loop.call_later(self.network.moment(3.0), self.cut)
        elif self in self.node.wires:
            self.stalled = True
            self.client.pause_writing()
            self.loop.call_later(self.network.moment(3.0), self.go_on)

    def go_on(self) -> None:
        """The socket takes bytes again."""
        if self.broken or self.closing or not self.stalled:
            return
        self.stalled = False
        kept, self.kept = self.kept, []
        for data in kept:
            self.send_up(data)
        self.client.resume_writing()

    def cut(self) -> None:
        """The connection breaks."""
        self.lose(ConnectionResetError(104, "reset"))

    def lose(self, cause: Exception | None) -> None:
        if self.broken:
            return
        self.broken = self.closing = True
        if self in self.node.wires:
            self.node.wires.remove(self)
            self.client.connection_lost(cause)


# --- what callers saw -------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Call:
    """One operation that was called, and what its caller was told."""

    key: str
    kind: Kind
    value: str | None
    sample: str | None
    called: int
    ended: float = math.inf
    answer: Any = UNKNOWN
    outcome: str = ""

    def __str__(self) -> str:
        arguments = ", ".join(repr(each) for each in (self.key, self.sample, self.value) if each is not None)
        return f"[{self.called}, {self.ended}] {self.kind}({arguments}) -> {self.outcome} {self.answer!r}"


def effect(call: Call, state: str | None) -> tuple[Any, str | None]:
    """What an operation answers to a state, and the state behind it."""
    match call.kind:
        case "get":
            return state, state
        case "put":
            return None, call.value
        case "put_if_absent":
            return state is None, call.value if state is None else state
        case "replace_if_equals":
            return state == call.sample, call.value if state == call.sample else state
        case "remove_key":
            return state is not None, None
        case "get_and_put":
            return state, call.value
        case "get_and_remove":
            return state, None


def linearizable(calls: list[Call]) -> bool:
    """Whether there is an order of one key's operations that explains all answers."""
    known = sum(1 << place for place, call in enumerate(calls) if call.answer is not UNKNOWN)
    seen: set[tuple[int, str | None]] = set()
    stack: list[tuple[int, str | None]] = [(0, None)]
    while stack:
        done, state = stack.pop()
        if done & known == known:
            return True
        first = min(call.ended for place, call in enumerate(calls) if not done >> place & 1)
        for place, call in enumerate(calls):
            if done >> place & 1 or call.called > first:
                continue
            answer, after = effect(call, state)
            if call.answer is not UNKNOWN and answer != call.answer:
                continue
            step = (done | 1 << place, after)
            if step not in seen:
                seen.add(step)
                stack.append(step)
    return False


# --- a run ------------------------------------------------------------------------------------------------------------


class Simulation:
    """One run."""

    def __init__(self, loop: SeededLoop, seed: int) -> None:
        self.loop = loop
        self.seed = seed
        self.chance = loop.chance
        self.network = SimulatedNetwork(loop, self.chance)
        self.calls: list[Call] = []
        self.turn = 0
        self.timeout = self.chance.choice((0.5, 2.0, 10.0))
        self.options = Options(
            dial=self.network.dial,
            discovery=False,
            partition_awareness=self.chance.random() < 0.4,
            heartbeat=self.chance.choice((None, 0.5, 5.0)),
            timeout=self.timeout,
            connect_timeout=self.chance.choice((1.0, 5.0)),
            retry=self.chance.choice(("reads", "reads", "none")),
            max_in_flight=self.chance.choice((1, 2, 1024)),
        )
        self.values = 0
        self.read: dict[str, str | None] = {}  # what was last seen of a key: samples are drawn from it

    def fail(self, what: str, calls: Iterable[Call] = ()) -> None:
        """The client has broken a promise."""
        raise Violation("\n".join([f"seed {self.seed}: {what}", *map(str, calls)]))

    def tick(self) -> int:
        """The next point in the order of calls and ends."""
        self.turn += 1
        return self.turn

    async def run(self) -> None:
        """Connect, work while bad things happen, and look at what is left."""
        network = self.network
        client = AioClient(self.options)
        harm = network.harm
        for attempt in range(5):
            if attempt == 4:
                network.heal()
            try:
                await client.open([node.address for node in network.nodes])
                break
            except (ig.NotSentError, ig.OutcomeUnknownError):
                continue  # a bad fate: another try
        network.harm = harm
        cache = await client.get_cache("simulated")
        keys = [f"k{number}" for number in range(self.chance.choice((1, 2, 3)))]
        workers = [self.loop.create_task(self.work(cache, keys)) for _ in range(self.chance.choice((2, 3, 4)))]
        if harm and self.chance.random() < 0.4:
            self.loop.call_later(network.moment(1.0), self.kill)
        await asyncio.gather(*workers)
        network.heal()
        for key in keys:
            await self.read_at_last(cache, key)
        await asyncio.sleep(2.5 * self.timeout)
        await self.check_rest(client)
        await client.close()
        if network.errors:
            self.fail(f"errors that nobody saw: {network.errors}")
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            self.fail(f"tasks are left: {left}")
        self.check_calls()

    def kill(self) -> None:
        """A node dies, and comes back."""
        network = self.network
        node = self.chance.choice(network.nodes)
        node.die()
        network.topology = Topology(network.topology.major + 1, 0)

        def start() -> None:
            node.up = True
            network.topology = Topology(network.topology.major + 1, 0)

        self.loop.call_later(network.moment(2.0), start)

    async def work(self, cache: AioCache, keys: list[str]) -> None:
        """One caller."""
        chance = self.chance
        for _ in range(chance.choice((4, 6, 8))):
            call = self.draw(chance.choice(keys))
            if chance.random() < 0.12:
                task = self.loop.create_task(self.carry_out(cache, call))
                await asyncio.sleep(chance.choice((0.0, 0.0, self.network.moment(self.network.latency * 3))))
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    task.result()
            else:
                await self.carry_out(cache, call)
            if chance.random() < 0.3:
                await asyncio.sleep(self.network.moment(0.3))

    def draw(self, key: str) -> Call:
        """An operation on a key."""
        kind = self.chance.choice(KINDS)
        value = None
        if kind in ("put", "put_if_absent", "replace_if_equals", "get_and_put"):
            self.values += 1
            value = f"{key}:{self.values}"
        return Call(key, kind, value, self.read.get(key) or f"{key}:0" if kind == "replace_if_equals" else None, 0)

    async def carry_out(self, cache: AioCache, call: Call) -> None:
        """Call an operation and note what comes of it."""
        call.called = self.tick()
        self.calls.append(call)
        started = self.loop.time()
        allowed = self.timeout
        options: dict[str, Any] = {}
        if self.chance.random() < 0.2:
            allowed = options["timeout"] = self.chance.choice((0.05, 0.3, 1.0))
        arguments = [each for each in (call.sample, call.value) if each is not None]
        try:
            answer = await getattr(cache, call.kind)(call.key, *arguments, **options)
        except ig.NotSentError as error:
            call.outcome = "not sent" if not isinstance(error, ig.OutcomeUnknownError) else "two outcomes"
            call.answer = type(error).__name__
        except ig.OutcomeUnknownError as error:
            call.outcome = f"unknown ({type(error).__name__})"
        except asyncio.CancelledError:
            call.outcome = "cancelled"
            raise
        except ig.IgniteMapError as error:
            self.fail(f"{error!r}", [call])
        else:
            call.outcome = "ok"
            call.answer = answer
            call.ended = self.tick()
            if isinstance(answer, str):
                self.read[call.key] = answer
            elif answer is not False and call.value is not None:
                self.read[call.key] = call.value
        taken = self.loop.time() - started
        if taken > allowed * 1.25 + GRACE:
            self.fail(f"an operation has taken {taken} s of {allowed} s", [call])

    async def read_at_last(self, cache: AioCache, key: str) -> None:
        """Read a key when all is well again."""
        for _ in range(8):
            call = Call(key, "get", None, None, 0)
            await self.carry_out(cache, call)
            if call.outcome == "ok":
                return
            await asyncio.sleep(1.0)
        self.fail(f"{key} can't be read, and all is well", self.calls[-8:])

    async def check_rest(self, client: AioClient) -> None:
        """Nothing may be left of operations that have ended."""
        left: Any = None
        for _ in range(20):  # it may be the moment of a heartbeat
            left = [_left(connection) for connection in client.session.nodes.open]
            if not any(map(any, left)):
                break
            await asyncio.sleep(0.0371)
        else:
            self.fail(f"in flight, watched, waiting, granted, unsent are left: {left}")
        for node in self.network.nodes:
            if len(node.wires) > 1:
                self.fail(f"{len(node.wires)} connections to one node")
        if self.network.misunderstood is not None:
            self.fail(f"an answer was not understood: {self.network.misunderstood}")

    def check_calls(self) -> None:
        """What callers were told must have an explanation."""
        applied = self.network.store.applied
        for call in self.calls:
            if call.outcome == "two outcomes":
                self.fail("an operation has two outcomes", [call])
            if call.outcome == "not sent" and call.value is not None and applied[call.value]:
                self.fail("a write that was not sent has come to a node", [call])
            if call.value is not None and applied[call.value] > 1:
                self.fail("a write has come to a node twice", [call])
            if call.outcome == "ok" and isinstance(call.answer, str) and not call.answer.startswith(f"{call.key}:"):
                self.fail("an answer belongs to another key", [call])
        told = [
            call for call in self.calls if call.outcome != "not sent" and (call.kind != "get" or call.outcome == "ok")
        ]
        for key in {call.key: None for call in told}:
            calls = [call for call in told if call.key == key]
            if not linearizable(calls):
                self.fail(f"no order of the operations on {key} explains their answers", calls)


def _left(connection: NodeConnection) -> tuple[int, ...]:
    return (
        len(connection.protocol.in_flight),
        len(connection._watched),
        len(connection._waiters),
        connection._granted,
        connection._granted_bytes,
        connection._unsent,
    )


def run_seed(seed: int) -> Simulation:
    """Run one seed; what it has seen. Raises Violation."""
    before = random.getstate()
    random.seed(seed)  # the client's own dice
    chance = random.Random(seed)
    try:
        with asyncio.Runner(loop_factory=lambda: SeededLoop(chance)) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, SeededLoop)

            async def scenario() -> Simulation:
                simulation = Simulation(loop, seed)
                try:
                    await simulation.run()
                except Violation:
                    raise
                except Exception as error:
                    raise Violation(f"seed {seed}: {type(error).__name__}: {error}") from error
                return simulation

            try:
                return runner.run(scenario())
            except Violation as violation:
                if f"seed {seed}" not in str(violation):
                    raise Violation(f"seed {seed}: {violation}") from violation
                raise
    finally:
        random.setstate(before)
