"""Takes the place of tests/util.py in pyignite's tests: the same functions, over real nodes that outlive a module.

Theirs start and kill all nodes for every module. Ours start when a configuration is asked for first; a module that
asks for the same one gets the running nodes, without the caches that others left. One that asks for another
configuration replaces them: all listen on the same ports.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import inspect
import os
import ssl
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from ignitemap import embedded, raw
from ignitemap.local.certificates import Certificates
from ignitemap.local.configure import ClusterSettings, NodePorts, node_command, node_xml
from ignitemap.local.process import NodeProcess, end, spawn, wait_ready
from ignitemap.local.resolve import find_jars, find_java

T = TypeVar("T")

BASE_PORT: Final = int(os.environ["PEER_BASE_PORT"])
EMBEDDED: Final = os.environ.get("PEER_SERVER") == "embedded"
NODES_MOST: Final = 4
START_SECONDS: Final = 60.0

_PORTS: Final = tuple(
    NodePorts(BASE_PORT + index, BASE_PORT + 10 + index, BASE_PORT + 20 + index) for index in range(1, NODES_MOST + 1)
)
# What their ignite-config.xml has and our node.xml has not.
_DIFFERENCES: Final = {
    '<property name="defaultDataRegionConfiguration">': """
        <property name="dataRegionConfigurations">
          <list>
            <bean class="org.apache.ignite.configuration.DataRegionConfiguration">
              <property name="name" value="SmallDataRegion"/>
              <property name="initialSize" value="#{20 * 1024 * 1024}"/>
              <property name="maxSize" value="#{20 * 1024 * 1024}"/>
            </bean>
          </list>
        </property>
        <property name="defaultDataRegionConfiguration">""",
    '<property name="portRange" value="0"/>': """
        <property name="portRange" value="0"/>
        <property name="threadPoolSize" value="100"/>""",
}


@attrs.frozen
class Kind:
    """What their start_ignite() lets choose."""

    ssl: bool
    auth: bool
    persistence: bool

    @property
    def first_nodes(self) -> range:
        """The nodes that the modules with this configuration begin with; side by side they start sooner."""
        return range(1, 2) if self.ssl or self.auth else range(1, 3) if self.persistence else range(1, 4)


class EmbeddedNode:
    """An embedded node in the place of a NodeProcess. Its number stands for the process's id."""

    def __init__(self, index: int, node: embedded.Node) -> None:
        self.pid = index
        self.node = node
        self.running = True


class Pool:
    """The running nodes, all of one kind. Its loop runs in a thread of its own: the tests' functions block."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nodes", daemon=True)
        self._thread.start()
        self._kind: Kind | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._nodes: dict[int, Any] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def node(self, kind: Kind, index: int) -> Any:
        """The node with that number, after starting it if need be."""
        if kind != self._kind:
            await self.stop()
            self._kind = kind
            self._folder = tempfile.TemporaryDirectory(prefix="ignitemap-peer-", ignore_cleanup_errors=True)
        wanted = kind.first_nodes if index in kind.first_nodes else [index]
        missing = [each for each in wanted if each not in self._nodes or not self._nodes[each].running]
        async with asyncio.timeout(START_SECONDS), asyncio.TaskGroup() as starting:
            for each in missing:
                starting.create_task(self._start(kind, each))
        if index == 1 and kind == Kind(ssl=False, auth=False, persistence=False):
            await self._tidy(strangers=[each for each in self._nodes if each not in kind.first_nodes])
        return self._nodes[index]

    async def kill(self, pid: int) -> None:
        for node in self._nodes.values():
            if node.pid == pid:
                await _end(node)

    async def stop(self) -> None:
        await asyncio.gather(*(_end(node) for node in self._nodes.values()))
        self._nodes.clear()
        if self._folder is not None:
            self._folder.cleanup()
        self._kind = self._folder = None

    async def _start(self, kind: Kind, index: int) -> None:
        assert self._folder is not None
        folder = Path(self._folder.name)
        if EMBEDDED:
            users = {"ignite": "ignite"} if kind.auth else None
            tls = _server_context() if kind.ssl else None
            kept = {"path": folder / "peer.db"} if kind.persistence else {"name": str(folder)}
            node = embedded.Node(**kept, port=BASE_PORT + index, users=users, tls=tls)
            self._nodes[index] = EmbeddedNode(index, await node.start())
            return
        folder /= f"node-{index}"
        folder.mkdir(exist_ok=True)
        settings = ClusterSettings(
            nodes=NODES_MOST,
            tls="mutual" if kind.ssl else False,
            auth=kind.auth,
            persistence=kind.persistence,
            heap="512m",
            jvm_tiers="c1",
            tx_aware_queries=False,
            caches_xml="",
        )
        text = node_xml(settings, index - 1, _PORTS, folder, _certificates())
        # The name decides which node owns which partition, and the tests know who owns what.
        text = text.replace(f'value="node-{index - 1}"', f'value="srv_{index}"')
        for ours, theirs in _DIFFERENCES.items():
            assert ours in text
            text = text.replace(ours, theirs)
        xml = folder.with_suffix(".xml")
        xml.write_text(text, "utf-8")
        node = await spawn(
            node_command(settings, find_java(), find_jars(), xml),
            log=folder.with_suffix(".log"),
            orphaned_folder=Path(self._folder.name),
        )
        self._nodes[index] = node
        try:
            await wait_ready(
                node, name=f"node {index}", servers=lambda: sum(each.running for each in self._nodes.values())
            )
        except BaseException:
            await end(node)
            raise

    async def _tidy(self, strangers: list[int]) -> None:
        """Leave a module what it would find on nodes of its own."""
        for index in strangers:
            await _end(self._nodes.pop(index))
        async with raw.AioClient().connect("127.0.0.1", BASE_PORT + 1) as client:
            for name in await client.get_cache_names():
                await (await client.get_cache(name)).destroy()


async def _end(node: Any) -> None:
    if isinstance(node, EmbeddedNode):
        node.running = False
        await node.node.aclose()
    else:
        await end(node)


def _server_context() -> ssl.SSLContext:
    """The TLS of an embedded node: the certificates of the real ones, and clients must show theirs."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    certificates = _certificates()
    key, certificate, _ = pkcs12.load_key_and_certificates(
        certificates.key_store.read_bytes(), certificates.store_password.encode()
    )
    assert key is not None
    assert certificate is not None
    chain = certificates.key_store.with_suffix(".pem")
    chain.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    context.load_verify_locations(certificates.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


_pool: Final = Pool()
atexit.register(lambda: _pool.run(_pool.stop()))


def _certificates() -> Certificates:
    folder = Path(get_test_dir()) / "config" / "ssl"
    return Certificates(
        ca_file=folder / "ca.pem",
        client_file=folder / "client.pem",
        key_store=folder / "node.p12",
        trust_store=folder / "trust.p12",
        store_password="changeit",
    )


# --- what the tests import --------------------------------------------------------------------------------------------


def start_ignite(
    idx: int = 1, debug: bool = False, use_ssl: bool = False, use_auth: bool = False, use_persistence: bool = False
) -> NodeProcess:
    return _pool.run(_pool.node(Kind(use_ssl, use_auth, use_persistence or use_auth), idx))


def start_ignite_gen(
    idx: int = 1, use_ssl: bool = False, use_auth: bool = False, use_persistence: bool = False
) -> Iterator[NodeProcess]:
    yield start_ignite(idx, use_ssl=use_ssl, use_auth=use_auth, use_persistence=use_persistence)


def kill_process_tree(pid: int) -> None:
    _pool.run(_pool.kill(pid))


def clear_ignite_work_dir() -> None:
    """A new configuration has a new folder; nothing is left to clear."""


def get_test_dir() -> str:
    return str(Path(__file__).resolve().parent)


@contextlib.asynccontextmanager
async def get_or_create_cache_async(client: raw.AioClient, settings: Any) -> AsyncIterator[raw.AioCache]:
    cache = await client.get_or_create_cache(settings)
    try:
        yield cache
    finally:
        await cache.destroy()


def get_or_create_cache(client: Any, settings: Any) -> Any:
    raise AssertionError("the synchronous client's tests are deselected")


def wait_for_condition(
    condition: Callable[[], bool], interval: float = 0.1, timeout: float = 10, error: str | None = None
) -> bool:
    raise AssertionError("the synchronous client's tests are deselected")


async def wait_for_condition_async(
    condition: Callable[[], bool | Awaitable[bool]],
    interval: float = 0.1,
    timeout: float = 10,
    error: str | None = None,
) -> bool:
    start = time.monotonic()
    while True:
        result = condition()
        if await result if inspect.isawaitable(result) else result:
            return True
        if time.monotonic() - start >= timeout:
            if error is not None:
                raise AssertionError(error)
            return False
        await asyncio.sleep(interval)
