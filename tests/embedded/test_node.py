"""Nodes: where they listen, whom they admit, how they are found within the process, how several make a cluster."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path

import pytest
import trustme

import ignitemap as ig
from ignitemap.embedded import Node, NotLoopback
from ignitemap.embedded.users import Users
from ignitemap.exceptions import AuthenticationError, ClusterUnavailable, ConfigurationError, ServerError
from ignitemap.protocol.handshake import Credentials
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import (
    CacheCreateWithName,
    CacheGetNames,
    CacheLocalPeek,
    CachePartitions,
    CachePut,
    ClusterChangeState,
    ClusterChangeWalState,
    ClusterGetState,
    ClusterGetWalState,
    ClusterGroupGetNodeEndpoints,
    ClusterGroupGetNodeIds,
    ClusterGroupGetNodeInfo,
    QueryScan,
)
from tests.client.fake_server import until
from tests.embedded.wire import Wire

# --- where ----------------------------------------------------------------------------------------------------------


async def test_url_and_port() -> None:
    """A node listens on a free loopback port and says where; without a port it has a URL for its own process."""
    async with Node() as node:
        assert node.url == f"ignite://127.0.0.1:{node.port}"
        async with ig.connect(node.url) as client:
            assert await client.cache_names() == []
        assert "0 clients" in repr(node) or "1 clients" in repr(node)
    async with Node(port=None) as node, ig.connect(node.url) as client:
        await client.cache("a", int, int)
        async with ig.connect(node.url) as other:
            assert await other.cache_names() == ["a"]
    assert "not running" in repr(node)


async def test_ipv6() -> None:
    """A node on IPv6 loopback has a URL with brackets."""
    try:
        async with Node(host="::1") as node:
            assert node.url.startswith("ignite://[::1]:")
            async with ig.connect(node.url) as client:
                assert await client.cache_names() == []
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "example.org"])  # noqa: S104 - it must be refused
def test_listening_beyond_loopback(host: str) -> None:
    """Beyond loopback a node listens only where that was said, and with TLS or users: else a ValueError."""
    with pytest.raises(NotLoopback, match="allow_remote=True"):
        Node(host=host)
    with pytest.raises(ValueError, match="only with tls or users"):
        Node(host=host, allow_remote=True)
    Node(host=host, allow_remote=True, users={"a": "b"})
    Node(host=host, port=None)


def test_options_that_can_not_be(tmp_path: Path) -> None:
    """Options that exclude each other are refused before anything starts."""
    with pytest.raises(ConfigurationError, match="a path or a name"):
        Node(tmp_path / "a.db", name="a")
    with pytest.raises(ConfigurationError, match="memory is for nodes without a path"):
        Node(tmp_path / "a.db", memory=1)
    with pytest.raises(ConfigurationError, match="FULL or NORMAL"):
        Node(synchronous="OFF")  # type: ignore[arg-type]


async def test_a_taken_port() -> None:
    """A port that is taken is an OSError, and nothing is left behind; a node can't be started twice."""
    async with Node(name="taken") as node:
        with pytest.raises(OSError, match="address already in use|in use"):
            await Node(name="taken", port=node.port).start()
        assert len(node.cluster.nodes) == 1
        with pytest.raises(ConfigurationError, match="running already"):
            await node.start()
    await node.aclose()


async def test_normal_synchronous(tmp_path: Path) -> None:
    """``synchronous="NORMAL"`` is SQLite's."""
    async with Node(tmp_path / "a.db", port=None, synchronous="NORMAL") as node:
        assert node.cluster.store.execute("PRAGMA synchronous").fetchone() == (1,)
    async with Node(tmp_path / "a.db", port=None) as node:
        assert node.cluster.store.execute("PRAGMA synchronous").fetchone() == (2,)


# --- who ------------------------------------------------------------------------------------------------------------


async def test_users() -> None:
    """A node with users admits those who know their password, and says the same of wrong names and wrong passwords."""
    async with Node(users={"ann": "secret"}) as node:
        async with ig.connect(node.url, username="ann", password="secret") as client:
            assert await client.cache_names() == []
        texts: set[str] = set()
        for name, password in (("ann", "wrong"), ("ben", "wrong"), ("ben", "secret")):
            with pytest.raises(AuthenticationError) as caught:
                await ig.connect(node.url, username=name, password=password)
            texts.add(str(caught.value).replace(name, "NAME"))
        assert len(texts) == 1
        assert "The user name or password is incorrect" in texts.pop()
        with pytest.raises(AuthenticationError, match="userName=null"):
            await ig.connect(node.url)


async def test_guessing() -> None:
    """After ten failures in a minute an address is refused whatever it says; a minute later it is not."""
    now = 0.0
    users = Users({"ann": "secret"}, clock=lambda: now)
    right, wrong = Credentials("ann", "secret"), Credentials("ann", "guess")
    assert await users.check("here", right)
    for _ in range(10):
        assert not await users.check("here", wrong)
    assert not await users.check("here", right)
    assert await users.check("there", right)
    assert not await users.check("there", None)
    now = 61.0
    assert await users.check("here", right)


async def test_names_are_no_secret_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name costs the same hash as a wrong password, so that time tells nothing."""
    users = Users({"ann": "secret"})
    hashed: list[str] = []

    def counting(password: str, salt: bytes) -> tuple[bytes, bytes]:
        hashed.append(password)
        return salt, b"no"

    monkeypatch.setattr("ignitemap.embedded.users._hash", counting)
    for name in ("ann", "ben"):
        assert not await users.check("here", Credentials(name, "guess"))
    assert hashed == ["guess", "guess"]


async def test_tls(tmp_path: Path) -> None:
    """A node with a TLS context speaks TLS."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with Node(tls=context) as node:
        async with ig.connect(node.url, tls=True, tls_ca_file=str(tmp_path / "ca.pem")) as client:
            assert await client.cache_names() == []
        with pytest.raises(ClusterUnavailable):
            await ig.connect(node.url, connect_timeout=1)


# --- how it is found --------------------------------------------------------------------------------------------------


async def test_nodes_of_ones_own() -> None:
    """embedded:// is a node of its own for each client, gone with it."""
    async with ig.connect("embedded://") as one, ig.connect("embedded://") as two:
        await one.cache("a", int, int)
        assert await two.cache_names() == []


async def test_named_nodes() -> None:
    """embedded://name is shared by name; its data last as long as the process, whichever loop comes next."""
    name = "named-node_1.x"
    async with ig.connect(f"embedded://{name}") as one, ig.connect(f"embedded://{name}") as two:
        await (await one.cache("a", int, int)).set(1, 1)
        assert await (await two.cache("a", int, int))[1] == 1
        other: list[object] = []

        def in_another_loop() -> None:
            async def connect() -> None:
                try:
                    await ig.connect(f"embedded://{name}")
                except ConfigurationError as error:
                    other.append(error.message)

            asyncio.run(connect())

        thread = threading.Thread(target=in_another_loop)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert other == ["the embedded node is in use by another event loop"]
    async with ig.connect(f"embedded://{name}") as three:
        assert await (await three.cache("a", int, int))[1] == 1

    def later() -> None:
        async def connect() -> None:
            async with ig.connect(f"embedded://{name}") as client:
                other.append(await (await client.cache("a", int, int))[1])

        asyncio.run(connect())

    await asyncio.to_thread(later)
    assert other[-1] == 1


async def test_loops_that_are_left() -> None:
    """A loop that was closed with clients open does not keep the node from the next loop."""

    def leave() -> None:
        loop = asyncio.new_event_loop()

        async def connect() -> None:
            client = await ig.connect("embedded://left")
            await (await client.cache("a", int, int)).set(1, 1)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            client.raw.session.closed = True

        loop.run_until_complete(connect())
        loop.close()

    await asyncio.to_thread(leave)
    async with ig.connect("embedded://left") as client:
        assert await (await client.cache("a", int, int))[1] == 1


async def test_a_node_of_the_program_is_shared() -> None:
    """Where the program has started a node of that name itself, embedded://name is that one."""
    async with Node(name="mine") as node, ig.connect("embedded://mine") as client:
        await client.cache("a", int, int)
        async with ig.connect(node.url) as other:
            assert await other.cache_names() == ["a"]
            await client.aclose()
            assert await other.cache_names() == ["a"]


@pytest.mark.parametrize("url", ["embedded://a/b.db", "embedded://a b", "embedded://?tls=true", "embedded://?nodes=2"])
def test_urls_that_can_not_be(url: str) -> None:
    """URLs that mean nothing are refused at once."""
    with pytest.raises(ConfigurationError):
        ig.connect(url)


async def test_a_client_of_a_closed_node() -> None:
    """When a node is closed its clients in the process learn of it, and can't come again."""
    async with Node(port=None) as node:
        client = await ig.connect(node.url, connect_timeout=0.5)
    with pytest.raises(ig.IgniteMapError):
        await client.cache_names()
    await client.aclose()


# --- several ------------------------------------------------------------------------------------------------------------


async def test_a_cluster() -> None:
    """Nodes of a cluster share their data; each key has one owner, to whom clients go; a killed node comes back."""
    async with ig.embedded.cluster(nodes=3) as cluster, ig.connect(cluster.url) as client:
        session = client.raw.session
        await until(lambda: len(session.nodes.open) == 3)
        cache = await client.cache("a", int, int, backups=1)
        await cache.set(0, 0)
        found = await session.call(CachePartitions(cache_ids=[string_hash("a")]))
        (group,) = found.groups
        owned = [number for _, numbers in group.nodes for number in numbers]
        assert sorted(owned) == list(range(1024))
        assert all(len(numbers) > 200 for _, numbers in group.nodes)
        for number in range(100):
            await cache.set(number, number)
        assert session.statistics.to_owner > 50
        assert len(await client.cluster.nodes()) == 3
        ref = CacheRef(string_hash("a"))
        seen = []
        for connection in session.nodes.open:
            seen.append(len((await session.call(QueryScan(ref, local=True), node=connection)).entries))
        assert sum(seen) == 100
        assert all(seen)
        copies = 0
        for number in range(20):
            for connection in session.nodes.open:
                copies += await session.call(CacheLocalPeek(ref, number), node=connection) is not None
        assert copies == 40
        await cluster.kill(1)
        assert await cache[99] == 99
        assert len(await client.cluster.nodes()) == 2
        await cluster.start(1)
        assert await cache[98] == 98
        assert len(await client.cluster.nodes()) == 3


async def test_clusters_that_can_not_be() -> None:
    """A cluster has at least one node; one in a file or with a name keeps its data."""
    with pytest.raises(ConfigurationError, match="at least one"):
        async with ig.embedded.cluster(nodes=0):
            pass
    for _ in range(2):
        async with ig.embedded.cluster(nodes=2, name="kept") as cluster, ig.connect(cluster.url) as client:
            cache = await client.cache("a", int, int)
            await cache.set(await cache.size(), 0)
            size = await cache.size()
    assert size == 2


async def test_topology_and_endpoints() -> None:
    """A node tells which nodes there are, where they listen, what came and went since, and what it is."""
    async with ig.embedded.cluster(nodes=2) as cluster, ig.connect(cluster.nodes[0].url, discovery=False) as client:
        session = client.raw.session
        one, two = cluster.nodes
        found = await session.call(ClusterGroupGetNodeEndpoints(-1, -1))
        assert {node for node, _, _ in found.added} == {one.id, two.id}
        assert {port for _, port, _ in found.added} == {one.port, two.port}
        known = await session.call(ClusterGroupGetNodeIds())
        assert known.nodes == [one.id, two.id]
        assert not (await session.call(ClusterGroupGetNodeIds(known.topology))).changed
        assert (await session.call(ClusterGroupGetNodeIds(-1, [(2, False)]))).nodes == []
        infos = await session.call(ClusterGroupGetNodeInfo([two.id]))
        assert [(info.id, info.local, info.order) for info in infos] == [(two.id, False, 2)]
        await cluster.kill(1)
        later = await session.call(ClusterGroupGetNodeEndpoints(found.topology, -1))
        assert (later.added, later.removed) == ([], [two.id])
        with pytest.raises(ServerError, match="nodes"):
            await session.call(ClusterGroupGetNodeEndpoints(9999, -1))


# --- state ------------------------------------------------------------------------------------------------------------


async def test_states() -> None:
    """An inactive cluster refuses data, a read-only one refuses writes; deactivation drops memory only when forced."""
    async with ig.connect("embedded://") as client:
        session = client.raw.session
        cache = await client.cache("a", int, int)
        await cache.set(1, 1)
        with pytest.raises(ServerError, match="Deactivation stopped"):
            await session.call(ClusterChangeState(0))
        await session.call(ClusterChangeState(2))
        assert await cache[1] == 1
        for write in (cache.set(1, 2), cache.clear(), client.drop("a")):
            with pytest.raises(ServerError, match="read-only"):
                await write
        for statement, kind in (("create table t (id int primary key, a int)", "DDL"), ("delete from t", "DML")):
            with pytest.raises(ig.SqlError, match=f"execute {kind} statement") as caught:
                await client.sql(statement)
            assert caught.value.state == "90097"
        assert len(await client.sql("select 1")) == 1
        await session.call(ClusterChangeState(0, True))
        assert await session.call(ClusterGetState()) == 0
        for request in (CacheGetNames(), CachePut(CacheRef(string_hash("a")), 1, 1), CacheCreateWithName("b")):
            with pytest.raises(ServerError, match="the cluster is inactive"):
                await session.call(request)
        await session.call(ClusterChangeState(1))
        assert await cache.size() == 0
        with pytest.raises(ServerError, match="state"):
            await session.call(ClusterChangeState(9))


async def test_logs(tmp_path: Path) -> None:
    """The log of a file is on and can't be turned off; in memory there is none."""
    async with ig.connect("embedded://") as client:
        await client.cache("a", int, int)
        session = client.raw.session
        assert await session.call(ClusterGetWalState("a")) is False
        for request, text in (
            (ClusterChangeWalState("a", False), "persistence is not enabled"),
            (ClusterChangeWalState("b", False), "Cache doesn't exist: b"),
            (ClusterGetWalState("b"), "Cache not found: b"),
        ):
            with pytest.raises(ServerError, match=text):
                await session.call(request)
    async with ig.connect(f"embedded:///{tmp_path}/a.db") as client:
        await client.cache("a", int, int)
        session = client.raw.session
        assert await session.call(ClusterGetWalState("a")) is True
        assert await session.call(ClusterChangeWalState("a", True)) is False
        with pytest.raises(ServerError, match="does not support writing without its log"):
            await session.call(ClusterChangeWalState("a", False))


async def test_old_dialects(node: Node) -> None:
    """A client of every version of the protocol is admitted; others are told the version that is spoken here."""
    for minor in range(8):
        wire = await Wire.open(node, shake=False)
        body = bytes((1, 1, 0, minor, 0, 0, 0, 2)) + (b"\x0c\0\0\0\0" if minor == 7 else b"")
        wire.send_raw(len(body).to_bytes(4, "little") + body)
        assert (await wire._read())[4] == 1
        await wire.close()
    wire = await Wire.open(node, shake=False)
    wire.send_raw(b"\x08\0\0\0" + bytes((1, 1, 0, 8, 0, 0, 0, 2)))
    answer = await wire._read()
    assert answer[4:11] == bytes((0, 1, 0, 7, 0, 0, 0))
    assert b"Unsupported version: 1.8.0" in answer
    wire.writer.writelines(wire.protocol.data_to_send())
    assert (await wire._read())[4] == 1
    await wire.close()
