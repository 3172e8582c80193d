"""One operation from its request to its one outcome: deadlines, retries, routing, closing."""

import asyncio
import math
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.client import AioClient
from ignitemap.client.retry import RetryPolicy
from ignitemap.client.session import Session
from ignitemap.protocol.codecs import UNTYPED
from ignitemap.protocol.codegen import compile_operation
from ignitemap.protocol.connection import Topology
from ignitemap.protocol.handshake import Refused
from ignitemap.protocol.key_hash import partition_of
from ignitemap.protocol.message import CacheRef, Request
from ignitemap.protocol.operations import (
    AffinityAnswer,
    AffinityGroup,
    CacheGet,
    CacheGetNames,
    CacheGetSize,
    CacheKeyFields,
    CachePartitions,
    CachePut,
    CachePutIfAbsent,
    GetBinaryConfiguration,
    QueryScanCursorGetPage,
    QuerySqlFields,
    ResourceClose,
)
from tests.client.fake_server import PARTITIONS, Call, FakeNode, connected, fake_nodes, session_of, until

CACHE = CacheRef(7)


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """A fake node."""
    async with fake_nodes(1) as nodes:
        yield nodes[0]


@pytest.fixture
async def pair() -> AsyncIterator[list[FakeNode]]:
    """Two fake nodes that share the partitions."""
    async with fake_nodes(2) as nodes:
        yield nodes


def first_closes(nodes: list[FakeNode], operation: type[Request[Any]]) -> list[FakeNode]:
    """The first call of an operation anywhere ends its connection, later ones are answered; where they came."""
    came: list[FakeNode] = []

    def script(node: FakeNode) -> None:
        usual = node._script.get(operation)

        def handler(call: Call) -> None:
            came.append(node)
            if len(came) == 1:
                call.close()
            elif usual is not None:
                usual(call)
            else:
                call.answer({CacheGetSize: 3}.get(operation))

        node.on(operation, handler)

    for node in nodes:
        script(node)
    return came


# --- answers --------------------------------------------------------------------------------------------------------


async def test_answers_and_failures(node: FakeNode) -> None:
    """An answer is decoded; a failure is the ServerError of its status, with node and operation."""
    async with session_of(node) as session:
        assert await session.call(CacheGetNames()) == ["one"]
        node.on(CacheGet, lambda call: call.fail(1000, "Cache does not exist"))
        with pytest.raises(ig.CacheNotFound) as caught:
            await session.call(CacheGet(CACHE, 1))
        assert caught.value.node == str(node.address)
        assert caught.value.operation == "CacheGet"
        node.on(CacheGet, lambda call: call.fail(1, None))
        with pytest.raises(ig.ServerError):
            await session.call(CacheGet(CACHE, 1))


async def test_malformed_answers_leave_the_connection(node: FakeNode) -> None:
    """An answer whose body can't be read is a DecodeError that names the node; the connection lives on."""
    async with session_of(node) as session:
        for body in (b"", b"\x04\0\0", b"\xf0", b"\x65\x65", b"\x09\xff\xff\xff\x7f"):
            node.on(CacheGet, lambda call, body=body: call.raw(body))
            with pytest.raises(ig.DecodeError):
                await session.call(CacheGet(CACHE, 1))
        assert node.accepted == 1
        node.on(CacheGet, lambda call: call.raw(b"\xf0"))
        with pytest.raises(ig.DecodeError) as caught:
            await session.call(CacheGet(CACHE, 1))
        assert caught.value.node == str(node.address)


async def test_encode_errors_send_nothing(node: FakeNode) -> None:
    """A value that can't be written fails before anything is sent."""
    async with session_of(node) as session:
        sent = len(node.calls)
        with pytest.raises(ig.EncodeError):
            await session.call(CachePut(CACHE, 1, object()))
        with pytest.raises(ig.EncodeError):
            await session.call(QueryScanCursorGetPage(2**70))
        assert len(node.calls) == sent
        assert session.codecs.unannounced == []


# --- starting -------------------------------------------------------------------------------------------------------


async def test_start_refuses_other_configurations(node: FakeNode) -> None:
    """A cluster with full footers or another name mapper is refused when the client connects."""
    for answer in ((False, 0), (True, 1)):
        node.on(GetBinaryConfiguration, lambda call, answer=answer: call.answer(answer))
        with pytest.raises(ig.NotSupportedByServer):
            async with session_of(node):
                pass
        await until(lambda: not node.connections)


async def test_start_with_an_old_node(node: FakeNode) -> None:
    """A node without feature bits is not asked what it does not know."""

    def old(connection: Any, handshake: Any) -> None:
        if handshake.version == (1, 6, 0):
            connection.accept(handshake)
        else:
            connection.refuse(Refused((1, 6, 0), "Unsupported version", 1))

    node.on_handshake = old
    async with session_of(node) as session:
        assert await session.call(CacheGetNames()) == ["one"]
    assert node.count(GetBinaryConfiguration) == 0


async def test_start_with_a_wrong_password(node: FakeNode) -> None:
    """A refused user is an AuthenticationError of one attempt that shows no password anywhere."""
    node.on_handshake = lambda connection, _: connection.refuse(Refused((0, 0, 0), "wrong", 2000))
    with pytest.raises(ig.AuthenticationError) as caught:
        async with session_of(node, username="ann", password="hunter2-CANARY"):
            pass
    assert node.accepted == 1
    assert "hunter2" not in repr(caught.value)


async def test_start_with_a_silent_node(node: FakeNode) -> None:
    """Connect_timeout covers the handshake and what is asked behind it."""
    node.hold(GetBinaryConfiguration)
    with pytest.raises(ig.OperationTimeout):
        async with session_of(node, connect_timeout=0.05):
            pass
    node.on_handshake = lambda connection, _: None
    with pytest.raises(ig.ClusterUnavailable):
        async with session_of(node, connect_timeout=0.05):
            pass
    await until(lambda: not node.connections)


# --- deadlines ------------------------------------------------------------------------------------------------------


async def test_timeout_of_the_client(node: FakeNode) -> None:
    """Without an answer an operation ends as OperationTimeout after the client's timeout; the late answer is dropped."""
    async with session_of(node, timeout=0.05) as session:
        held = node.hold(CacheGet)
        with pytest.raises(ig.OperationTimeout, match=r"CacheGet: no answer from .* within 0\.05 s") as caught:
            await session.call(CacheGet(CACHE, 1))
        assert isinstance(caught.value, TimeoutError)
        assert (caught.value.operation, caught.value.timeout) == ("CacheGet", 0.05)
        assert caught.value.node == str(node.address)
        held.calls[0].answer(5)
        assert await session.call(CacheGetNames()) == ["one"]
        assert not session.nodes.open[0].protocol.in_flight


async def test_timeout_of_a_call(node: FakeNode) -> None:
    """A call's own timeout beats the client's, shorter or longer, and infinity waits for ever."""
    async with session_of(node, timeout=0.04) as session:
        held = node.hold(CacheGet)
        long = asyncio.create_task(session.call(CacheGet(CACHE, 1), timeout=30))
        forever = asyncio.create_task(session.call(CacheGet(CACHE, 2), timeout=math.inf))
        calls = await held.take(2)
        with pytest.raises(ig.OperationTimeout):
            await session.call(CacheGet(CACHE, 3))
        for call in calls:
            call.answer(call.request.key)
        assert await asyncio.gather(long, forever) == [1, 2]
        with pytest.raises(ig.OperationTimeout) as caught:
            await session.call(CacheGet(CACHE, 4), timeout=0.001)
        assert caught.value.timeout == 0.001
        assert session.nodes.open[0]._watched == {}


async def test_no_timeout(node: FakeNode) -> None:
    """In a client without a timeout calls may have one of their own."""
    async with session_of(node, timeout=None, connect_timeout=None) as session:
        node.hold(CacheGet)
        with pytest.raises(ig.OperationTimeout):
            await session.call(CacheGet(CACHE, 1), timeout=0.01)
        assert await session.call(CacheGetNames()) == ["one"]


async def test_timeouts_before_anything_was_sent(node: FakeNode) -> None:
    """What waits for a socket that takes no more ends as NotSentTimeout, and is never sent."""
    async with session_of(node, timeout=0.04) as session:
        (connection,) = session.nodes.open
        connection.pause_writing()
        results = await asyncio.gather(
            session.call(CachePut(CACHE, 1, 1)),
            session.call(CachePut(CACHE, 2, 2), timeout=0.01),
            return_exceptions=True,
        )
        for result in results:
            assert isinstance(result, ig.NotSentTimeout)
            assert isinstance(result, TimeoutError)
            assert result.operation == "CachePut"
        connection.resume_writing()
        assert await session.call(CacheGet(CACHE, 1)) is None
        assert node.count(CachePut) == 0


async def test_thousands_of_timeouts_leave_nothing(node: FakeNode) -> None:
    """Timed-out requests of a node that says nothing leave no entry but the ids whose answers may still come."""
    async with session_of(node, timeout=0.05, max_in_flight=500, heartbeat=None, discovery=False) as session:
        held = node.hold(CacheGet)
        results = await asyncio.gather(*(session.call(CacheGet(CACHE, n)) for n in range(2000)), return_exceptions=True)
        kinds = {type(result) for result in results}
        assert kinds <= {ig.OperationTimeout, ig.Overloaded, ig.NotSentTimeout}
        assert sum(isinstance(result, ig.OperationTimeout) for result in results) == len(held.calls) >= 500
        (connection,) = session.nodes.open
        assert not connection.protocol.in_flight
        assert len(connection.protocol.forgotten) == len(held.calls)
        assert not connection._waiters
        for call in held.calls:
            call.answer(None)
        await until(lambda: not connection.protocol.forgotten)
        assert connection.late_answers == len(held.calls)
        node.on(CacheGet, lambda call: call.answer(1))
        assert await session.call(CacheGet(CACHE, 1)) == 1


# --- back-pressure --------------------------------------------------------------------------------------------------


async def test_back_pressure(node: FakeNode) -> None:
    """Beyond max_in_flight callers wait in the order in which they came, all are answered, none overtakes."""
    async with session_of(node, max_in_flight=4) as session:
        held = node.hold(CacheGet)
        tasks = [asyncio.create_task(session.call(CacheGet(CACHE, number))) for number in range(40)]
        seen: list[int] = []
        for _ in range(40):
            call = await held.next()
            assert len(session.nodes.open[0].protocol.in_flight) <= 4
            seen.append(call.request.key)
            call.answer(call.request.key)
        assert await asyncio.gather(*tasks) == list(range(40))
        assert seen == list(range(40))


async def test_overloaded(node: FakeNode) -> None:
    """Who gets no slot before the deadline is Overloaded: certainly not sent."""
    async with session_of(node, max_in_flight=1, timeout=5) as session:
        held = node.hold(CacheGet)
        first = asyncio.create_task(session.call(CacheGet(CACHE, 1)))
        call = await held.next()
        with pytest.raises(ig.Overloaded):
            await session.call(CacheGet(CACHE, 2), timeout=0.01)
        call.answer(1)
        assert await first == 1
        assert len(held.calls) == 1


# --- lost connections -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [CacheGet(CACHE, 1), CacheGetNames(), CacheGetSize(CACHE)])
async def test_reads_are_asked_again(pair: list[FakeNode], request_: Request[Any]) -> None:
    """A read whose connection is lost is asked again on another node."""
    async with session_of(*pair) as session:
        came = first_closes(pair, type(request_))
        await session.call(request_)
        assert len(came) == 2
        assert came[0] is not came[1]
        assert session.statistics.retried == 1


@pytest.mark.parametrize("request_", [CachePut(CACHE, 1, 1), CachePutIfAbsent(CACHE, 1, 1)])
async def test_sent_writes_are_unknown(pair: list[FakeNode], request_: Request[Any]) -> None:
    """A write whose connection is lost after it was sent is OutcomeUnknownError, and is not sent again."""
    async with session_of(*pair) as session:
        came = first_closes(pair, type(request_))
        with pytest.raises(ig.OutcomeUnknownError) as caught:
            await session.call(request_)
        assert len(came) == 1
        assert caught.value.node == str(came[0].address)
        assert session.statistics.retried == 0


async def test_retry_all(pair: list[FakeNode]) -> None:
    """With retry="all" blind writes are sent again; what depends on the present value never is."""
    async with session_of(*pair, retry="all") as session:
        came = first_closes(pair, CachePut)
        await session.call(CachePut(CACHE, 1, 1))
        assert len(came) == 2
    async with session_of(*pair, retry="all") as session:
        came = first_closes(pair, CachePutIfAbsent)
        with pytest.raises(ig.OutcomeUnknownError):
            await session.call(CachePutIfAbsent(CACHE, 1, 1))
        assert len(came) == 1


async def test_retry_none(pair: list[FakeNode]) -> None:
    """With retry="none" a read that was sent is not sent again."""
    async with session_of(*pair, retry="none") as session:
        came = first_closes(pair, CacheGet)
        with pytest.raises(ig.OutcomeUnknownError):
            await session.call(CacheGet(CACHE, 1))
        assert len(came) == 1


async def test_selects_are_reads(pair: list[FakeNode]) -> None:
    """A statement that can only be a SELECT is asked again, any other statement is not."""
    async with session_of(*pair) as session:
        for statement_type, times in ((1, 2), (0, 1)):
            seen: list[Call] = []

            def handler(call: Call, seen: list[Call] = seen) -> None:
                seen.append(call)
                call.close()

            for node in pair:
                node.on(QuerySqlFields, handler)
            request = QuerySqlFields(CacheRef(0), "PUBLIC", 1, -1, "select 1", (), statement_type)
            with pytest.raises(ig.IgniteMapError):
                await session.call(request, timeout=1)
            assert len(seen) >= times
            assert (len(seen) == 1) == (times == 1)
            await until(lambda: len(session.nodes.open) == 2 or session.nodes.dial_rest())


@pytest.mark.parametrize("request_", [CachePut(CACHE, 1, 1), CachePutIfAbsent(CACHE, 1, 1), CacheGet(CACHE, 1)])
async def test_unsent_requests_are_sent_again(pair: list[FakeNode], request_: Request[Any]) -> None:
    """Whatever has not left the client when its connection is lost goes to another node."""
    for node in pair:
        node.on(CachePutIfAbsent, lambda call: call.answer(True))
    async with session_of(*pair, retry="none", partition_awareness=True) as session:
        stuck = session.nodes.any()
        assert stuck is not None
        other = next(each for each in session.nodes.open if each is not stuck)
        for each in session.nodes.open:
            each.pause_writing()
        task = asyncio.create_task(session.call(request_))
        await until(lambda: any(each._unsent for each in session.nodes.open))
        (used,) = [each for each in session.nodes.open if each._unsent]
        (other,) = [each for each in session.nodes.open if each is not used]
        other.resume_writing()
        used.abort()
        await task
        assert sum(node.count(type(request_)) for node in pair) == 1
        assert session.statistics.retried == 1


async def test_retries_end(node: FakeNode) -> None:
    """A read that loses every connection ends as OutcomeUnknownError after a few attempts."""
    async with session_of(node) as session:
        node.on(CacheGetNames, Call.close)
        with pytest.raises(ig.OutcomeUnknownError):
            await session.call(CacheGetNames())
        assert node.count(CacheGetNames) == RetryPolicy().attempts


async def test_bound_operations(node: FakeNode) -> None:
    """What lives on one connection is CursorLost when that is gone, sent or not."""
    async with session_of(node) as session:
        (connection,) = session.nodes.open
        node.on(QueryScanCursorGetPage, Call.close)
        for _ in range(2):
            with pytest.raises(ig.CursorLost) as caught:
                await session.call(QueryScanCursorGetPage(1), node=connection)
            assert caught.value.node == str(node.address)
        with pytest.raises(ig.CursorLost):
            await session.call(QueryScanCursorGetPage(1), node=connection, timeout=3)
        assert node.count(QueryScanCursorGetPage) == 1


async def test_nobody_left(pair: list[FakeNode]) -> None:
    """With all nodes down operations are ClusterUnavailable with each node's cause, and go on when one is back."""
    async with session_of(*pair) as session:
        for node in pair:
            await node.stop()
        await until(lambda: not session.nodes.open)
        for request in (CacheGet(CACHE, 1), CachePut(CACHE, 1, 1)):
            with pytest.raises(ig.ClusterUnavailable) as caught:
                await session.call(request)
            assert caught.value.causes.keys() == {str(node.address) for node in pair}
            assert caught.value.operation == type(request).__name__
        await pair[1].start()
        await session.call(CachePut(CACHE, 1, 5))
        assert pair[1].data == {1: 5}


async def test_lost_under_load(pair: list[FakeNode]) -> None:
    """When a node is cut under load every operation has exactly one outcome, and unknown ones were in flight there."""
    async with session_of(*pair) as session:
        held = pair[0].hold(CachePut)
        other = pair[1].hold(CachePut)
        tasks = [asyncio.create_task(session.call(CachePut(CACHE, n, n))) for n in range(200)]
        await until(lambda: len(held.calls) + len(other.calls) == 200)
        pair[0].cut()
        for call in other.calls:
            call.answer()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(result is None for result in results) == len(other.calls)
        assert sum(isinstance(result, ig.OutcomeUnknownError) for result in results) == len(held.calls)


async def test_nodes_of_different_versions(pair: list[FakeNode]) -> None:
    """Each node gets requests in the layout of its own version."""
    pair[1].features = frozenset()
    pair[1].owners = pair[0].owners = [pair[1]]
    async with session_of(*pair) as session:
        for number in range(6):
            await session.call(CachePut(CACHE, number, "x"))
            assert await session.call(CacheGet(CACHE, number)) in {"x", None}
            await session.call(CachePartitions(True, [7]))
        assert pair[0].count(CachePartitions)
        assert pair[1].count(CachePartitions)


# --- routing --------------------------------------------------------------------------------------------------------


async def test_keys_go_to_their_owners(pair: list[FakeNode]) -> None:
    """Once the mapping is known every key goes to the node that owns it, and is counted."""
    async with session_of(*pair) as session:
        await session.know_affinity(7)
        for number in range(64):
            await session.call(CachePut(CACHE, number, number))
        assert session.statistics.routed == session.statistics.to_owner == 64
        for position, node in enumerate(pair):
            assert node.data
            assert {partition_of(key, PARTITIONS) % 2 for key in node.data} == {position}
        assert sum(node.count(CachePartitions) for node in pair) == 1
        await session.know_affinity(7)
        assert sum(node.count(CachePartitions) for node in pair) == 1


async def test_mapping_is_fetched_once(pair: list[FakeNode]) -> None:
    """Many first operations ask for the mapping once; until it is there they go to any node."""
    async with session_of(*pair) as session:
        held = [node.hold(CachePartitions) for node in pair]
        usual = FakeNode._partitions
        await asyncio.gather(*(session.call(CacheGet(CACHE, number)) for number in range(300)))
        calls = [call for each in held for call in each.calls]
        assert len(calls) == 1
        assert session.statistics.routed == 0
        usual(calls[0].connection.node, calls[0])
        await until(lambda: session._refreshing is None)
        await session.call(CacheGet(CACHE, 1))
        assert session.statistics.routed == 1


async def test_mapping_follows_the_topology(pair: list[FakeNode]) -> None:
    """When a node reports a newer topology the mappings are fetched again, and used until then."""
    async with session_of(*pair) as session:
        await session.know_affinity(7)
        for node in pair:
            node.owners = [pair[0]]
            node.topology = Topology(1, 1)
        await session.call(CacheGetNames())
        assert session.topology == Topology(1, 1)
        await until(lambda: session._refreshing is None)
        pair[0].calls.clear()
        pair[1].calls.clear()
        for number in range(16):
            await session.call(CacheGet(CACHE, number))
        assert pair[1].count(CacheGet) == 0
        assert session._affinity[7].version == (1, 1)


async def test_topology_changes_while_the_mapping_comes(pair: list[FakeNode]) -> None:
    """A topology that changes while a mapping is under way has it fetched once more."""
    async with session_of(*pair) as session:
        held = [node.hold(CachePartitions) for node in pair]
        answered: list[Call] = []
        knowing = asyncio.create_task(session.know_affinity(7))
        await until(lambda: any(each.calls for each in held))
        for node in pair:
            node.topology = Topology(2, 0)
        await session.call(CacheGetNames())
        for count in (1, 2):
            await until(lambda count=count: sum(len(each.calls) for each in held) == count)
            (call,) = [call for each in held for call in each.calls if call not in answered]
            answered.append(call)
            FakeNode._partitions(call.connection.node, call)
        await knowing
        assert session._affinity[7].version == (2, 0)


async def test_cache_without_a_mapping(pair: list[FakeNode]) -> None:
    """A cache that has no mapping (replicated, custom, absurd) is asked for once and served by any node."""
    groups = {
        "not applicable": [AffinityGroup(False, cache_ids=[7])],
        "custom": [AffinityGroup(True, [CacheKeyFields(7, [])], [(pair[0].id, [0, 1])], False)],
        "absent": [],
        "absurd": [AffinityGroup(True, [CacheKeyFields(7, [])], [(pair[0].id, [2**31 - 1])], True)],
        "negative": [AffinityGroup(True, [CacheKeyFields(7, [])], [(pair[0].id, [-1])], True)],
    }
    for found in groups.values():
        for node in pair:
            node.calls.clear()
            node.on(CachePartitions, lambda call, found=found: call.answer(AffinityAnswer(1, 0, found)))
        async with session_of(*pair) as session:
            for number in range(4):
                await session.call(CacheGet(CACHE, number))
                await until(lambda session=session: session._refreshing is None)
            assert sum(node.count(CachePartitions) for node in pair) == 1
            assert all(node.count(CacheGet) == 2 for node in pair)
            assert session.statistics.routed == 0


async def test_failing_mapping_requests_pause(pair: list[FakeNode]) -> None:
    """A cluster that refuses mappings serves operations all the same, and isn't asked with each of them."""
    for node in pair:
        node.on(CachePartitions, lambda call: call.fail(1, "inactive"))
    async with session_of(*pair) as session:
        for number in range(20):
            await session.call(CacheGet(CACHE, number))
        assert sum(node.count(CachePartitions) for node in pair) == 1
        session._wanted_not_before = 0.0
        await session.call(CacheGet(CACHE, 1))
        await until(lambda: sum(node.count(CachePartitions) for node in pair) == 2)


async def test_owner_that_is_not_connected(pair: list[FakeNode]) -> None:
    """Keys of a node that is gone go to another; the node is used again when it is back."""
    async with session_of(*pair) as session:
        await session.know_affinity(7)
        await pair[1].stop()
        await until(lambda: len(session.nodes.open) == 1)
        await asyncio.gather(*(session.call(CachePut(CACHE, number, number)) for number in range(16)))
        assert len(pair[0].data) == 16
        await pair[1].start()
        for number in range(10_000):
            await session.call(CachePut(CACHE, number % 16, number))
            if pair[1].data:
                break
        assert pair[1].data
        assert len(session.nodes.open) == 2


async def test_no_partition_awareness(pair: list[FakeNode]) -> None:
    """Without partition awareness there is one connection, and no mapping is asked for."""
    async with session_of(*pair, partition_awareness=False) as session:
        for number in range(8):
            await session.call(CachePut(CACHE, number, number))
        await session.know_affinity(7)
        assert [node.accepted for node in pair] == [1, 0]
        assert sum(node.count(CachePartitions) for node in pair) == 0


# --- closing --------------------------------------------------------------------------------------------------------


async def test_operations_of_a_closed_client(node: FakeNode) -> None:
    """After the client was closed operations are ClientClosed and NotSentError."""
    async with connected(node) as client:
        session = client.session
        (connection,) = session.nodes.open
        await client.close()
        await client.close()
        for bound in (None, connection):
            with pytest.raises(ig.ClientClosed) as caught:
                await session.call(ResourceClose(1), node=bound)
            assert isinstance(caught.value, ig.NotSentError)


async def test_closing_under_load(node: FakeNode) -> None:
    """What was sent when the client is closed is unknown, what was not is not sent; all are ClientClosed."""
    async with connected(node, max_in_flight=3) as client:
        session = client.session
        held = node.hold(CachePut)
        tasks = [asyncio.create_task(session.call(CachePut(CACHE, number, number))) for number in range(8)]
        await held.take(3)
        await client.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, ig.ClientClosed) for result in results)
        assert sum(isinstance(result, ig.OutcomeUnknownError) for result in results) == 3
        assert sum(isinstance(result, ig.NotSentError) for result in results) == 5


async def test_closing_while_a_mapping_is_fetched(pair: list[FakeNode]) -> None:
    """Closing ends background work and leaves no task."""
    async with connected(*pair) as client:
        held = [node.hold(CachePartitions) for node in pair]
        await client.session.call(CacheGet(CACHE, 1))
        await until(lambda: any(each.calls for each in held) or client.session._refreshing is None)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("ignitemap")]


async def test_second_loop(node: FakeNode) -> None:
    """A client that is used from another event loop is a RuntimeError at once, and no harm."""

    def two_loops() -> str:
        with asyncio.Runner() as first, asyncio.Runner() as second:
            client = first.run(AioClient().open([node.address]))
            with pytest.raises(RuntimeError) as caught:
                second.run(client.get_cache_names())
            assert first.run(client.get_cache_names()) == ["one"]
            first.run(client.close())
        return str(caught.value)

    assert "different event loop" in await asyncio.to_thread(two_loops)
    assert node.count(CacheGetNames) == 1


# --- cursors that nobody can use ------------------------------------------------------------------------------------


def opening() -> QuerySqlFields:
    """A request that opens a cursor."""
    return QuerySqlFields(CacheRef(0), "PUBLIC", 1, -1, "select 1", ())


FIRST_PAGE = struct.pack("<qi", 42, 0) + struct.pack("<i", 0) + b"\x01"


async def test_unwanted_cursors_are_closed(node: FakeNode) -> None:
    """A cursor that was opened for a caller who has gone, or in an answer that can't be read, is closed."""
    closed = node.hold(ResourceClose)
    held = node.hold(QuerySqlFields)
    async with session_of(node) as session:
        with pytest.raises(ig.OperationTimeout):
            await session.call(opening(), used=[], timeout=0.01)
        (await held.next()).raw(FIRST_PAGE)
        assert (await closed.next()).request.resource == 42

        task = asyncio.create_task(session.call(opening(), used=[]))
        call = await held.next()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        call.raw(FIRST_PAGE)
        assert (await closed.next()).request.resource == 42

        task = asyncio.create_task(session.call(opening(), used=[]))
        (await held.next()).raw(FIRST_PAGE + b"trailing")
        with pytest.raises(ig.DecodeError):
            await task
        assert (await closed.next()).request.resource == 42

        task = asyncio.create_task(session.call(opening(), used=[]))
        call = await held.next()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        call.fail()
        assert await session.call(CacheGetNames()) == ["one"]
        assert len(closed.calls) == 3
        for each in closed.calls:
            each.fail(1011, "it does not exist")
        await until(lambda: not session._background)


async def test_cancelled_in_the_moment_of_the_answer(node: FakeNode) -> None:
    """A caller that is cancelled when its answer has just come has the cursor closed too."""
    closed = node.hold(ResourceClose)
    held = node.hold(QuerySqlFields)
    async with session_of(node) as session:
        (connection,) = session.nodes.open
        task = asyncio.create_task(session.call(opening(), used=[]))
        call = await held.next()
        # Called when the future has its answer and the task does not run yet.
        connection._on_topology = lambda _: task.cancel() and None
        node.topology = Topology(1, 1)
        call.raw(FIRST_PAGE)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await closed.next()).request.resource == 42


async def test_the_fast_path_has_no_timer_and_no_task(node: FakeNode) -> None:
    """An ordinary operation makes one future: no timer, no task, no watch."""
    async with session_of(node) as session:
        await session.call(CacheGet(CACHE, 1))
        (connection,) = session.nodes.open
        tasks = asyncio.all_tasks()
        held = node.hold(CacheGet)
        task = asyncio.create_task(_get(session))
        call = await held.next()
        assert asyncio.all_tasks() - tasks == {task}
        assert connection._watched == {}
        call.answer(1)
        assert await task == 1
        assert compile_operation(CacheGet, UNTYPED) is compile_operation(CacheGet, UNTYPED)


async def _get(session: Session) -> Any:
    return await session.call(CacheGet(CACHE, 1))
