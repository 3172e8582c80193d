"""The connections of a cluster: one each, one dial at a time, never a storm."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.connection import Address, Limits, NodeConnection
from ignitemap.client.nodes import BACKOFF_FIRST, BACKOFF_MOST, DIALS_AT_ONCE, Nodes
from ignitemap.protocol.handshake import Handshake, Refused
from ignitemap.protocol.operations import CacheGetNames
from tests.client.fake_server import FakeNode, fake_nodes, until

MakeNodes = Callable[..., Nodes]


@pytest.fixture
async def make_nodes() -> AsyncIterator[MakeNodes]:
    """Makes the connections' owner; closes them at the end."""
    made: list[Nodes] = []

    def make(*where: FakeNode | Address, single: bool = False, **limits: Any) -> Nodes:
        addresses = [each if isinstance(each, Address) else each.address for each in where]
        nodes = Nodes(
            addresses, Handshake(), Limits(**limits), None, single=single, on_topology=lambda connection: None
        )
        made.append(nodes)
        return nodes

    yield make
    for nodes in made:
        await nodes.aclose()


@pytest.fixture
def most_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance always chooses the longest wait."""
    monkeypatch.setattr(random, "uniform", lambda low, high: high)


async def closed_ports(count: int) -> list[Address]:
    """Addresses where nobody listens."""
    async with fake_nodes(count) as nodes:
        return [node.address for node in nodes]


async def test_one_dial_for_many_callers(make_nodes: MakeNodes) -> None:
    """500 concurrent callers share one dial, also of a node that is slow to answer, and one connection."""
    async with fake_nodes(1) as (node,):
        handshakes: list[Any] = []
        node.on_handshake = lambda connection, handshake: handshakes.append((connection, handshake))
        nodes = make_nodes(node)
        callers = [asyncio.create_task(nodes.connect(5)) for _ in range(500)]
        await until(lambda: handshakes)
        callers[0].cancel()
        (connection, handshake) = handshakes[0]
        connection.accept(handshake)
        answers = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert len(set(answers[1:])) == 1
        assert isinstance(answers[1], NodeConnection)
        assert node.accepted == 1
        assert repr(nodes) == "<1 of 1 nodes connected>"


async def test_callers_and_background_share_a_dial(make_nodes: MakeNodes) -> None:
    """A node that is being dialled for callers is not dialled for the background too, nor the other way round."""
    for background_first in (True, False):
        async with fake_nodes(1) as (node,):
            node.on_handshake = lambda connection, handshake: None
            nodes = make_nodes(node)
            if background_first:
                nodes.dial_rest()
                await until(lambda node=node: node.handshakes)
            caller = asyncio.create_task(nodes.connect(5))
            await until(lambda node=node: node.handshakes)
            nodes.dial_rest()
            for _ in range(20):
                await asyncio.sleep(0)
            assert node.accepted == 1
            node.connections[0].accept(node.handshakes[0])
            assert await caller
            assert node.accepted == 1


async def test_all_nodes_down(make_nodes: MakeNodes) -> None:
    """With no node to reach the error is ClusterUnavailable with every address's cause, and short."""
    addresses = await closed_ports(20)
    nodes = make_nodes(*addresses)
    with pytest.raises(ig.ClusterUnavailable, match="Connection refused") as caught:
        await nodes.connect(5)
    assert caught.value.causes.keys() == {str(address) for address in addresses}
    assert all(isinstance(cause, ig.ConnectError) for cause in caught.value.causes.values())
    assert "15 more with ConnectError" in caught.value.message
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value, ig.NotSentError)


async def test_a_range_of_closed_ports(make_nodes: MakeNodes) -> None:
    """One node in a range of closed ports is found, a few dials at a time."""
    async with fake_nodes(1) as (node,):
        nodes = make_nodes(*await closed_ports(40), node)
        connection = await nodes.connect(5)
        assert connection.address == node.address
        await until(lambda: nodes._reaching is None)
        nodes.dial_rest()
        await until(lambda: nodes._filling is None)
        assert all(each.failures <= 2 for each in nodes._nodes)
        assert len(nodes.open) == 1


async def test_dials_side_by_side_are_bounded(make_nodes: MakeNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many addresses that hang are dialled a few at a time, and one more whenever none of them moves."""
    monkeypatch.setattr("ignitemap.client.nodes.STAGGER", 0.001)
    async with fake_nodes(DIALS_AT_ONCE + 4) as many:
        for node in many:
            node.on_handshake = lambda connection, handshake: None
        many[-1].on_handshake = lambda connection, handshake: connection.accept(handshake)
        nodes = make_nodes(*many)
        reaching = asyncio.create_task(nodes.connect(5))
        await until(lambda: sum(node.accepted for node in many) >= DIALS_AT_ONCE)
        assert (await reaching).address == many[-1].address


async def test_deadline_while_dialling(make_nodes: MakeNodes) -> None:
    """A caller whose deadline passes while a node hangs gets ClusterUnavailable; the dial goes on for others."""
    async with fake_nodes(1) as (node,):
        asked: list[Any] = []
        node.on_handshake = lambda connection, handshake: asked.append((connection, handshake))
        nodes = make_nodes(node)
        with pytest.raises(ig.ClusterUnavailable, match="still dialling"):
            await nodes.connect(0.02)
        await until(lambda: asked)
        asked[0][0].accept(asked[0][1])
        assert await nodes.connect(5)
        assert node.accepted == 1


async def test_single_mode_dials_one_after_the_other(make_nodes: MakeNodes) -> None:
    """Without partition awareness the first address that answers is enough."""
    async with fake_nodes(3) as many:
        (closed,) = await closed_ports(1)
        nodes = make_nodes(closed, *many, single=True)
        assert (await nodes.connect(5)).address == many[0].address
        nodes.dial_rest()
        assert nodes._filling is None
        assert [node.accepted for node in many] == [1, 0, 0]
        await many[0].stop()
        await until(lambda: not nodes.open)
        assert (await nodes.connect(5)).address == many[1].address


async def test_single_mode_does_not_wait_for_a_hanging_node(
    make_nodes: MakeNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without partition awareness a node that hangs holds up the next one for a moment only."""
    monkeypatch.setattr("ignitemap.client.nodes.STAGGER", 0.001)
    async with fake_nodes(2) as (silent, node):
        silent.on_handshake = lambda connection, handshake: None
        nodes = make_nodes(silent, node, single=True)
        assert (await nodes.connect(5)).address == node.address


async def test_two_addresses_of_one_node(make_nodes: MakeNodes) -> None:
    """Two addresses of one node share one connection, and lose it together."""
    async with fake_nodes(2) as (node, alias):
        alias.id = node.id
        nodes = make_nodes(node, alias)
        await nodes.connect(5)
        nodes.dial_rest()
        await until(lambda: node.accepted and alias.accepted and nodes._filling is None and nodes._reaching is None)
        await until(lambda: len(node.connections) + len(alias.connections) == 1)
        (connection,) = nodes.open
        assert node.id is not None
        assert nodes.owner(node.id) is connection
        assert all(each.connection is connection for each in nodes._nodes)
        nodes.dial_rest()
        await until(lambda: nodes._filling is None)
        assert node.accepted + alias.accepted == 2
        node.cut()
        alias.cut()
        await until(lambda: not nodes.open)
        assert nodes.owner(node.id) is None
        assert not any(each.connection for each in nodes._nodes)


async def test_nodes_without_an_id(make_nodes: MakeNodes) -> None:
    """Nodes before protocol 1.4.0 have no id: each address has a connection of its own."""

    def old(connection: Any, handshake: Handshake) -> None:
        if handshake.version == (1, 3, 0):
            connection.accept(handshake)
        else:
            connection.refuse(Refused((1, 3, 0), "Unsupported version", 1))

    async with fake_nodes(2) as many:
        for node in many:
            node.on_handshake = old
        nodes = make_nodes(*many)
        await nodes.connect(5)
        nodes.dial_rest()
        await until(lambda: len(nodes.open) == 2)
        assert nodes.any() is not nodes.any()


@pytest.mark.usefixtures("most_jitter")
async def test_backoff_grows_and_is_bounded(make_nodes: MakeNodes) -> None:
    """Each failure doubles the longest wait, from 0.1 to 10 s; background dials keep to it."""
    (address,) = await closed_ports(1)
    nodes = make_nodes(address)
    (node,) = nodes._nodes
    loop = asyncio.get_running_loop()
    waits: list[float] = []
    for _ in range(12):
        node.not_before = nodes._fill_not_before = 0.0
        before = loop.time()
        nodes.dial_rest()
        await until(lambda: nodes._filling is None)
        waits.append(node.not_before - before)
        nodes.dial_rest()
        assert nodes._filling is None  # it is not due
    assert waits == pytest.approx([min(BACKOFF_MOST, BACKOFF_FIRST * 2**n) for n in range(12)], abs=0.05)


async def test_jitter_is_full(make_nodes: MakeNodes) -> None:
    """Waits lie anywhere between nothing and the longest."""
    (address,) = await closed_ports(1)
    nodes = make_nodes(address)
    (node,) = nodes._nodes
    now = asyncio.get_running_loop().time()
    waits: list[float] = []
    for _ in range(200):
        node.failures = 3
        nodes._failed(node, OSError())
        waits.append((node.not_before - now) / (BACKOFF_FIRST * 8))
    assert min(waits) < 0.1
    assert 0.9 < max(waits) <= 1.1


@pytest.mark.usefixtures("most_jitter")
async def test_a_node_that_accepts_and_drops(make_nodes: MakeNodes) -> None:
    """A node that accepts and drops is not dialled in a storm: a connection that did not last is a failure."""
    async with fake_nodes(1) as (node,):
        nodes = make_nodes(node)
        (state,) = nodes._nodes
        for attempt in range(1, 4):
            connection = await nodes.connect(5)
            node.cut()
            await connection.closed
            assert state.failures == attempt
            assert state.not_before > asyncio.get_running_loop().time()
            results = await asyncio.gather(*(nodes.connect(0.001) for _ in range(50)), return_exceptions=True)
            assert all(isinstance(error, ig.ClusterUnavailable) for error in results)
            assert node.accepted == attempt
        assert isinstance(state.cause, BaseException)


@pytest.mark.usefixtures("most_jitter")
async def test_a_connection_that_lasted_is_no_failure(make_nodes: MakeNodes) -> None:
    """After a connection that lasted, the wait begins small again."""
    async with fake_nodes(1) as (node,):
        nodes = make_nodes(node)
        (state,) = nodes._nodes
        state.failures = 7
        connection = await nodes.connect(5)
        state.opened_at -= BACKOFF_MOST
        node.cut()
        await connection.closed
        assert state.failures == 1


async def test_a_refused_user_is_final(make_nodes: MakeNodes) -> None:
    """A node that refused the user is dialled once and never again by this client."""
    async with fake_nodes(1) as (node,):
        node.on_handshake = lambda connection, _: connection.refuse(Refused((0, 0, 0), "no", 2000))
        nodes = make_nodes(node)
        for _ in range(3):
            with pytest.raises(ig.ClusterUnavailable) as caught:
                await nodes.connect(5)
            assert isinstance(caught.value.causes[str(node.address)], ig.AuthenticationError)
            nodes.dial_rest()
        await until(lambda: nodes._filling is None)
        assert node.accepted == 1


async def test_a_refused_user_ends_the_search(make_nodes: MakeNodes) -> None:
    """A refused user is reported at once, though another node still hangs."""
    async with fake_nodes(2) as (silent, node):
        silent.on_handshake = lambda connection, _: None
        node.on_handshake = lambda connection, _: connection.refuse(Refused((0, 0, 0), "no", 2000))
        with pytest.raises(ig.ClusterUnavailable):
            await make_nodes(silent, node).connect(None)


async def test_a_node_that_comes_back(make_nodes: MakeNodes) -> None:
    """A node that was down is connected again, once it is due."""
    async with fake_nodes(1) as (node,):
        nodes = make_nodes(node)
        first = await nodes.connect(5)
        await node.stop()
        await first.closed
        assert nodes.any() is None
        with pytest.raises(ig.ClusterUnavailable):
            await nodes.connect(5)
        await node.start()
        second = await nodes.connect(5)
        assert isinstance(await second.request(CacheGetNames.code, bytearray()), bytes)


async def test_turns_and_others(make_nodes: MakeNodes) -> None:
    """Connections are used by turns; `but` avoids one as long as there is another."""
    async with fake_nodes(2) as many:
        nodes = make_nodes(*many)
        await nodes.connect(5)
        nodes.dial_rest()
        await until(lambda: len(nodes.open) == 2)
        first, second = nodes.any(), nodes.any()
        assert {first, second} == set(nodes.open)
        assert [nodes.any(but=first) for _ in range(3)] == [second] * 3
        await many[0].stop()
        await until(lambda: len(nodes.open) == 1)
        (left,) = nodes.open
        assert nodes.any(but=left) is left


async def test_close_ends_dials_and_callers(make_nodes: MakeNodes) -> None:
    """Closing stops dials under way; callers that wait for them get ClientClosed, not a cancellation."""
    async with fake_nodes(1) as (node,):
        node.on_handshake = lambda connection, handshake: None
        nodes = make_nodes(node)
        caller = asyncio.create_task(nodes.connect(None))
        await until(lambda: node.handshakes)
        await nodes.aclose()
        with pytest.raises(ig.ClientClosed):
            await caller
        with pytest.raises(ig.ClientClosed):
            await nodes.connect(1)
        nodes.dial_rest()
        assert nodes._filling is None
        await until(lambda: not node.connections)
