"""Nodes that the cluster tells of: which of their addresses are dialled, who joins, who leaves."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
import trustme

import ignitemap as ig
from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address
from ignitemap.client.discovery import MAX_ADDRESSES, MAX_NODES, map_function, reachable
from ignitemap.client.monitoring import ConnectionEventListener, NodesChangedEvent
from ignitemap.client.session import Session
from ignitemap.protocol.connection import Topology
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import CacheGet, CacheGetNames, CachePut, ClusterGroupGetNodeEndpoints, Endpoints
from tests.client.fake_server import Call, FakeConnection, FakeNode, connected, until

CACHE = CacheRef(7)
ONE, TWO = UUID(int=1), UUID(int=2)
SEED = Address("seed.example", 10800)


# --- which addresses --------------------------------------------------------------------------------------------------


def usable(
    hosts: Sequence[str], *, port: int = 10800, told_by: Address = SEED, peer: str = "10.0.0.1", **given: Any
) -> list[str]:
    """What is left of one node's addresses, in order."""
    translate = map_function(given.get("address_map"))
    allowed = given.get("allowed", lambda address: True)
    return [str(each) for each in reachable([(ONE, port, hosts)], told_by, peer, translate, allowed)[ONE]]


def test_loopback_addresses_are_for_the_same_machine() -> None:
    """A node's loopback addresses lead a client elsewhere astray; on the same machine they come first."""
    hosts = ["10.0.0.2", "127.0.0.1", "0:0:0:0:0:0:0:1", "localhost"]
    assert usable(hosts) == ["10.0.0.2:10800"]
    here = usable(hosts, told_by=Address("127.0.0.1", 10801), peer="127.0.0.1")
    assert here[0] == "127.0.0.1:10800"
    assert set(here[1:3]) == {"[0:0:0:0:0:0:0:1]:10800", "localhost:10800"}
    assert here[3:] == ["10.0.0.2:10800"]


def test_what_looks_like_the_seed_comes_first() -> None:
    """A cluster reached by name is dialled by names first, one reached by number by numbers: so are its certificates."""
    hosts = ["10.0.0.2", "node2.example", "10.0.1.2"]
    assert usable(hosts)[0] == "node2.example:10800"
    assert usable(hosts, told_by=Address("10.0.0.1", 1))[-1] == "node2.example:10800"
    assert usable([*hosts, "seed.example"])[0] == "seed.example:10800"


@pytest.mark.parametrize("host", ["", "a b", "a\nb", "0.0.0.0", "::", "x" * 300, "a/b", "user@host", "\x1b[2J"])
def test_hosts_that_make_no_sense(host: str) -> None:
    """A host from the wire that can be none is left out."""
    assert usable([host, "ok.example"]) == ["ok.example:10800"]


@pytest.mark.parametrize("port", [0, -1, 65536, 2**31 - 1])
def test_ports_that_make_no_sense(port: int) -> None:
    """A port from the wire that can be none leaves no address."""
    assert usable(["ok.example"], port=port) == []


def test_what_a_cluster_tells_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """However many nodes and addresses the cluster tells of, a bounded number is kept."""
    many = [(UUID(int=number), 10800, [f"h{n}" for n in range(1000)]) for number in range(MAX_NODES + 100)]
    found = reachable(many, SEED, "10.0.0.1", None, lambda address: True)
    assert len(found) == MAX_NODES
    assert {len(addresses) for addresses in found.values()} == {MAX_ADDRESSES}
    assert "more than" in caplog.text


def test_address_map_as_a_mapping() -> None:
    """A mapping translates host and port, or the host alone; what it doesn't have stays as it is."""
    table = {"10.0.0.2:10800": "127.0.0.1:7", "10.0.0.3": "three.example", "10.0.0.4": "[::1]:9"}
    hosts = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]
    assert set(usable(hosts, address_map=table)) == {
        "127.0.0.1:7",
        "three.example:10800",
        "[::1]:9",
        "10.0.0.5:10800",
    }
    assert usable(["10.0.0.2"], port=1, address_map=table) == ["10.0.0.2:1"]


def test_address_map_as_a_function(caplog: pytest.LogCaptureFixture) -> None:
    """A function translates, or says None to leave one out; its failure is logged and costs that address alone."""

    def translate(host: str, port: int) -> Any:
        answers: dict[str, Any] = {"a": ("b", 5), "c": None, "d": "nonsense"}
        return answers[host]

    assert usable(["a", "c", "d", "e"], address_map=translate) == ["b:5"]
    assert caplog.text.count("address_map failed") == 2


@pytest.mark.parametrize("given", [{"a": 5}, {5: "a"}, {"a": "b:c"}, {"a": "b:99999"}, {"a": ""}, 5])
def test_impossible_address_maps(given: Any) -> None:
    """An address map that can't be used is a ConfigurationError when the client is made."""
    with pytest.raises(ig.ConfigurationError) as caught:
        Options(address_map=given)
    assert caught.value.option == "address_map"


@pytest.mark.parametrize(
    ("options", "dialled"),
    [
        ({}, True),
        ({"username": "ann", "password": "x"}, False),
        ({"username": "ann", "password": "x", "allow_plaintext_auth": True}, True),
        ({"username": "ann", "password": "x", "tls": ssl.create_default_context()}, True),
    ],
)
async def test_no_password_goes_to_an_address_in_plain_text(options: dict[str, Any], dialled: bool) -> None:
    """An address that the cluster tells of gets no password over a plain network, as one of the program's gets none."""
    async with cluster(1) as nodes:
        nodes[0].endpoints = {TWO: (10800, ["192.0.2.7"])}
        client = AioClient(Options(**{**options, "tls": None}))
        find = _find_of(Options(**options))
        await client.open([nodes[0].address])
        (connection,) = client.session.nodes.open
        assert bool(find(connection, [(TWO, 10800, ["192.0.2.7"])])[TWO]) is dialled
        await client.close()


def _find_of(options: Options) -> Any:
    from ignitemap.client.client import _finder  # noqa: PLC0415 - beside its only use

    return _finder(options)


# --- nodes that come and go -------------------------------------------------------------------------------------------


class TellingNode(FakeNode):
    """A node that tells of all nodes of its cluster."""

    def __init__(self) -> None:
        super().__init__()
        self.endpoints: dict[UUID, tuple[int, list[str]]] = {}
        self.on(ClusterGroupGetNodeEndpoints, self.tell)

    def tell(self, call: Call) -> None:
        added = [(node_id, port, hosts) for node_id, (port, hosts) in self.endpoints.items()]
        call.answer(Endpoints(self.topology.major, added, []))


class cluster:  # noqa: N801 - used like a function
    """Nodes that tell of one another."""

    def __init__(self, count: int) -> None:
        self.nodes = [TellingNode() for _ in range(count)]

    async def __aenter__(self) -> list[TellingNode]:
        for node in self.nodes:
            await node.start()
        self.told = know(self.nodes)
        return self.nodes

    async def __aexit__(self, *exc: object) -> None:
        for node in self.nodes:
            await node.stop()


def know(nodes: Sequence[TellingNode], *, major: int = 1) -> None:
    """From now on these are the cluster."""
    for node in nodes:
        node.topology = Topology(major, 0)
        node.owners = list(nodes)
        node.endpoints = {each.id: (each.port, ["127.0.0.1"]) for each in nodes if each.id is not None}


@pytest.fixture
async def three() -> AsyncIterator[list[TellingNode]]:
    """Three nodes that tell of one another."""
    async with cluster(3) as nodes:
        yield nodes


async def settled(session: Session) -> None:
    """Wait until nothing goes on in the background."""
    await until(lambda: session._finding is None and session._refreshing is None and session.nodes._filling is None)


async def test_one_address_is_enough(three: list[TellingNode]) -> None:
    """A client that was told one address finds all nodes, and every key goes to its owner."""
    async with connected(three[0]) as client:
        session = client.session
        await until(lambda: len(session.nodes.open) == 3)
        await session.know_affinity(7)
        for number in range(64):
            await session.call(CachePut(CACHE, number, number))
        assert session.statistics.routed == session.statistics.to_owner == 64
        assert all(node.data for node in three)
        assert [node.accepted for node in three] == [1, 1, 1]
        assert {each.node for each in session.nodes.statistics()} == {str(node.id) for node in three}


async def test_addresses_that_are_known_are_not_dialled_twice(three: list[TellingNode]) -> None:
    """Nodes that the program has named are the ones that the cluster tells of."""
    async with connected(*three) as client:
        await until(lambda: len(client.session.nodes.open) == 3)
        await settled(client.session)
        assert [node.accepted for node in three] == [1, 1, 1]
        assert repr(client.session.nodes) == "<3 of 3 nodes connected>"


async def test_no_discovery(three: list[TellingNode]) -> None:
    """With discovery=False the program's addresses are all that there is."""
    async with connected(three[0], discovery=False) as client:
        await client.get_cache_names()
        await client.get_cache_names()
        assert [node.accepted for node in three] == [1, 0, 0]
        assert three[0].count(ClusterGroupGetNodeEndpoints) == 0


async def test_discovery_without_partition_awareness(three: list[TellingNode]) -> None:
    """One connection is enough, and when it is lost the client goes to a node that it was told of."""
    async with connected(three[0], partition_awareness=False) as client:
        await settled(client.session)
        assert [node.accepted for node in three] == [1, 0, 0]
        await three[0].stop()
        assert await client.get_cache_names() == ["one"]
        assert sum(node.accepted for node in three) == 2


async def test_a_cluster_that_does_not_tell(three: list[TellingNode]) -> None:
    """A cluster that refuses to tell, or says nonsense, costs nothing but what it would have told."""
    answers: list[Any] = [
        lambda call: call.fail(1, "no"),
        lambda call: call.raw(b"\x01"),
        lambda call: call.answer(Endpoints(1, [], [])),
        lambda call: call.answer(Endpoints(1, [(ONE, -5, ["", "a b"])], [TWO])),
        lambda call: None,
    ]
    for answer in answers:
        three[0].on(ClusterGroupGetNodeEndpoints, answer)
        async with connected(three[0]) as client:
            assert await client.get_cache_names() == ["one"]
            assert len(client.session.nodes.open) == 1
    three[0].features = frozenset()
    before = three[0].count(ClusterGroupGetNodeEndpoints)
    async with connected(three[0]) as client:
        assert await client.get_cache_names() == ["one"]
        assert three[0].count(ClusterGroupGetNodeEndpoints) == before


async def test_nodes_join_and_leave(three: list[TellingNode], caplog: pytest.LogCaptureFixture) -> None:
    """With a change of topology new nodes join the routing, and gone ones are forgotten; listeners and the log tell."""
    caplog.set_level(logging.INFO, "ignitemap")
    heard: list[NodesChangedEvent] = []

    class Listener(ConnectionEventListener):
        def on_nodes_changed(self, event: NodesChangedEvent) -> None:
            heard.append(event)

    know(three[:2])
    async with connected(three[0], event_listeners=[Listener()]) as client:
        session = client.session
        await until(lambda: len(session.nodes.open) == 2)
        await session.know_affinity(7)
        know(three, major=2)
        await client.get_cache_names()
        await until(lambda: len(session.nodes.open) == 3)
        await settled(session)
        for number in range(64):
            await session.call(CachePut(CACHE, number, number))
        assert all(node.data for node in three)

        know([three[0], three[2]], major=3)
        await three[1].stop()
        await until(lambda: len(session.nodes.open) == 2)
        await client.get_cache_names()
        await until(lambda: len(session.nodes._nodes) == 2)
        await settled(session)
        accepted = three[1].accepted
        for number in range(64):
            await session.call(CacheGet(CACHE, number))
        assert three[1].accepted == accepted
    ids = [str(node.id) for node in three]
    assert heard == [
        NodesChangedEvent([ids[1]], []),
        NodesChangedEvent([ids[2]], []),
        NodesChangedEvent([], [ids[1]]),
    ]
    assert f"node {ids[2]} found at {three[2].address}" in caplog.text
    assert f"node {ids[1]} has left the cluster" in caplog.text


async def test_a_node_that_left_and_still_answers(three: list[TellingNode]) -> None:
    """A node that left the cluster and goes on is asked nothing new; what is in flight on it may end."""
    async with connected(three[0]) as client:
        session = client.session
        await until(lambda: len(session.nodes.open) == 3)
        left = next(each for each in session.nodes.open if each.address == three[2].address)
        held = three[2].hold(CacheGet)
        task = asyncio.create_task(session.call(CacheGet(CACHE, 1), node=left))
        call = await held.next()
        know(three[:2], major=2)
        three[0].on(CacheGetNames, lambda call: call.answer(["new"]))
        three[1].on(CacheGetNames, lambda call: call.answer(["new"]))
        async with asyncio.timeout(5):
            while left in session.nodes.open:
                await client.get_cache_names()
        for _ in range(6):
            assert await client.get_cache_names() == ["new"]
        call.answer(5)
        assert await task == 5
        await until(lambda: left.lost)


async def test_another_node_at_the_address(three: list[TellingNode]) -> None:
    """At an address that was learned only the very node is accepted of which it was learned."""
    know(three[:2])
    three[0].endpoints = {**three[0].endpoints, uuid4(): (three[2].port, ["127.0.0.1"])}
    async with connected(three[0]) as client:
        session = client.session
        await until(lambda: len(session.nodes.open) == 2 and three[2].accepted)
        await until(lambda: not three[2].connections)
        assert len(session.nodes.open) == 2
        (state,) = [each for each in session.nodes._nodes if each.address == three[2].address]
        assert "is another node" in str(state.cause)


async def test_several_addresses_of_a_node(three: list[TellingNode]) -> None:
    """Of several addresses the next one is tried at once, until one answers as that node."""
    three[0].endpoints = {
        three[0].id or ONE: (three[0].port, ["127.0.0.1"]),
        three[1].id or ONE: (three[1].port, ["127.0.0.9", "127.0.0.8", "127.0.0.1"]),
    }
    async with connected(three[0]) as client:
        await until(lambda: len(client.session.nodes.open) == 2)
        (found,) = [each for each in client.session.nodes.statistics() if each.node == str(three[1].id)]
        assert found.address == str(three[1].address)
        assert 1 <= found.dials <= 3


async def test_an_address_map_of_the_client() -> None:
    """Addresses that the cluster tells of are dialled as the program translates them."""
    async with cluster(2) as nodes:
        nodes[0].endpoints[nodes[1].id or TWO] = (nodes[1].port, ["172.17.0.2"])
        for given in ({"172.17.0.2": "127.0.0.1"}, lambda host, port: ("127.0.0.1", port)):
            async with connected(nodes[0], address_map=given) as client:
                await until(lambda client=client: len(client.session.nodes.open) == 2)


async def test_tls_checks_the_name_that_was_learned() -> None:
    """Over TLS the certificate must be for the address that was dialled: of several names the right one is found."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    asked: list[str | None] = []
    context.sni_callback = lambda sock, name, ctx: asked.append(name)  # type: ignore[assignment]
    nodes = [TellingNode(), TellingNode()]
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda node=node: FakeConnection(node), "127.0.0.1", 0, ssl=context) for node in nodes
    ]
    for node, server in zip(nodes, servers, strict=True):
        node.port = server.sockets[0].getsockname()[1]
    know(nodes)
    nodes[0].endpoints[nodes[1].id or TWO] = (nodes[1].port, ["127.0.0.1", "localhost"])
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    client = AioClient(Options(tls=ours))
    await client.open([Address("localhost", nodes[0].port)])
    await until(lambda: len(client.session.nodes.open) == 2)
    assert set(asked) <= {"localhost", None}
    assert {str(each.address.host) for each in client.session.nodes.open} == {"localhost"}
    await client.close()
    for server in servers:
        server.close()


async def test_a_real_cluster_is_found_by_one_address(url: str) -> None:
    """A client of one node's address connects to the other node of a real cluster too, under the id that was told."""
    async with ig.connect(url) as whole:
        await until(lambda: len(whole.raw.session.nodes.open) >= 2)
        ids = {each.protocol.node_id for each in whole.raw.session.nodes.open}
        addresses = [str(each.address) for each in whole.raw.session.nodes.open]
    async with ig.connect(addresses[:1]) as client:
        nodes = client.raw.session.nodes
        await until(lambda: len(nodes.open) == len(ids))
        assert {each.protocol.node_id for each in nodes.open} == ids
    async with ig.connect(addresses[:1], discovery=False) as client:
        await client.cache_names()
        assert len(client.raw.session.nodes.open) == 1
