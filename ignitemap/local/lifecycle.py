"""A cluster's life: settings, ports and files are laid out, nodes start together, die one by one or end together."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from ignitemap.local.activate import activate
from ignitemap.local.certificates import Certificates, client_context, issue_certificates
from ignitemap.local.configure import HOST, ClusterSettings, NodePorts, node_command, node_xml, reserve_ports
from ignitemap.local.errors import LocalClusterError
from ignitemap.local.process import NodeProcess, end, log_tail, spawn, wait_ready
from ignitemap.local.resolve import find_jars, find_java

__all__ = ["LocalCluster", "cluster"]

_USER: Final = "ignite"  # the administrator that every new cluster has, with this password
_POLITE_SECONDS: Final = 20.0  # a persistent node writes a checkpoint before it ends
_PORT_ATTEMPTS: Final = 3
_PORT_TAKEN: Final = ("Failed to bind", "Address already in use", "BindException", "port is in use")


class LocalCluster:
    """Nodes that `cluster()` started. Node numbers count from 0.

    Attributes:
        pids: Process ids of the nodes' Java processes, by node number; None for a node that is down.
        jars: The class path of the nodes.
        java: The java binary that runs them.
        folder: Where configuration, logs (`node-0.log` …) and data lie.
        ssl_context: For TLS: trusts this cluster's authority, and holds a client certificate with `tls="mutual"`.
        ca_file: For TLS: the authority's certificate, PEM.

    >>> async with ig.local.cluster() as nodes:
    ...     print(nodes.addresses[0] in nodes.url, len(nodes.pids))
    ...     await nodes.kill(0)
    ...     await nodes.start(0)
    ...     await nodes.start_all()  # of which none is down
    ...     await nodes.stop()
    True 1
    """

    def __init__(
        self,
        settings: ClusterSettings,
        ports: Sequence[NodePorts],
        folder: Path,
        *,
        java: Path,
        jars: tuple[Path, ...],
        certificates: Certificates | None,
        start_timeout: float,
        temporary: bool,
    ) -> None:
        self.folder: Final = folder
        self.java: Final = java
        self.jars: Final = jars
        self.ca_file: Final = certificates.ca_file if certificates else None
        self.ssl_context: Final[ssl.SSLContext | None] = (
            client_context(certificates, mutual=settings.tls == "mutual") if certificates else None
        )
        self._settings = settings
        self._ports = tuple(ports)
        self._certificates = certificates
        self._start_timeout = start_timeout
        self._temporary = temporary
        self._nodes: list[NodeProcess | None] = [None] * settings.nodes

    def __repr__(self) -> str:
        return f"<LocalCluster {','.join(self.addresses)} running={len(self._running())}/{self._settings.nodes}>"

    @property
    def addresses(self) -> list[str]:
        """`host:port` for thin clients, by node number; a node keeps its own when it is started again."""
        return [f"{HOST}:{ports.thin}" for ports in self._ports]

    @property
    def url(self) -> str:
        """What `ignitemap.connect` takes; with user and password when the cluster asks for them."""
        user = f"{_USER}:{_USER}@" if self._settings.auth else ""
        return f"ignite://{user}{','.join(self.addresses)}"

    @property
    def pids(self) -> list[int | None]:
        """Process ids of the Java processes, by node number; None for a node that is down."""
        return [node.pid if node and node.running else None for node in self._nodes]

    async def kill(self, index: int) -> None:
        """End a node with SIGKILL, as a crash would, and wait until it is gone. Nothing happens when it is down."""
        if node := self._nodes[index]:
            await end(node)

    async def start(self, index: int) -> None:
        """Start a node that is down, on its old ports and files, and wait until it is ready.

        Raises LocalClusterError when it is running, ends at once or is not ready in time.
        """
        node = self._nodes[index]
        if node and node.running:
            raise LocalClusterError(f"node {index} is running already, as process {node.pid}")
        await self._launch([index])

    async def start_all(self) -> None:
        """Start all nodes that are down, side by side, and wait until they are ready. Raises as `start`."""
        await self._launch([index for index, pid in enumerate(self.pids) if pid is None])

    async def stop(self) -> None:
        """End all nodes and wait until they are gone; persistent ones write their data first. May be called twice."""
        # An in-memory node has nothing to say goodbye for.
        polite_seconds = _POLITE_SECONDS if self._settings.stores_on_disk else 0
        await asyncio.gather(*(end(node, polite_seconds=polite_seconds) for node in self._running()))

    def _running(self) -> list[NodeProcess]:
        return [node for node in self._nodes if node and node.running]

    async def _launch(self, indexes: Sequence[int]) -> None:
        """Start nodes side by side and wait until all of them are ready; those of a failed start are ended."""
        try:
            async with asyncio.timeout(self._start_timeout):
                async with asyncio.TaskGroup() as starting:
                    for index in indexes:
                        starting.create_task(self._bring_up(index))
                # Not while a node is missing: activation would go on without its data.
                if self._settings.stores_on_disk and len(self._running()) == self._settings.nodes:
                    await activate(HOST, self._ports[0].thin, self._user(), self.ssl_context)
        except TimeoutError as error:
            tails = "\n".join(f"  node {index}:\n{log_tail(self._log(index))}" for index in indexes)
            await self._kill(indexes)
            raise LocalClusterError(f"not ready after {self._start_timeout:g} seconds:\n{tails}") from error
        except BaseExceptionGroup as group:
            await self._kill(indexes)
            first = group.exceptions[0]
            raise first from first.__cause__
        except BaseException:
            await self._kill(indexes)
            raise

    async def _bring_up(self, index: int) -> None:
        folder = self.folder / f"node-{index}"
        folder.mkdir(exist_ok=True)
        xml = folder.with_suffix(".xml")
        xml.write_text(node_xml(self._settings, index, self._ports, folder, self._certificates), "utf-8")
        node = self._nodes[index] = await spawn(
            node_command(self._settings, self.java, self.jars, xml),
            log=self._log(index),
            orphaned_folder=self.folder if self._temporary else None,
        )
        await wait_ready(node, name=f"node {index}", servers=lambda: len(self._running()))

    async def _kill(self, indexes: Sequence[int]) -> None:
        await asyncio.gather(*(self.kill(index) for index in indexes))

    def _log(self, index: int) -> Path:
        return self.folder / f"node-{index}.log"

    def _user(self) -> tuple[str, str] | None:
        return (_USER, _USER) if self._settings.auth else None


@asynccontextmanager
async def cluster(
    nodes: int = 1,
    *,
    tls: bool | Literal["mutual"] = False,
    auth: bool = False,
    persistence: bool = False,
    heap: str = "512m",
    jvm_tiers: Literal["c1", "default"] = "c1",
    tx_aware_queries: bool = False,
    caches_xml: str = "",
    work_dir: Path | str | None = None,
    start_timeout: float = 90.0,
) -> AsyncGenerator[LocalCluster, None]:
    """Run real Apache Ignite nodes for the time of an `async with` block.

    The first use downloads Apache Ignite (27 MB, with a progress bar); later a node is ready in a few seconds. Nodes
    listen on 127.0.0.1 only, on free ports, and end with the block or with this process, even when it is killed.

    Args:
        nodes: How many, up to 21; they form one cluster.
        tls: Encrypt client connections with certificates made for this cluster; `"mutual"` asks clients for one too.
        auth: Ask clients for user name and password (`ignite`, `ignite`). Makes the cluster persistent.
        persistence: Keep data in files, so that what was acknowledged outlives `kill` and `start`; logged with FSYNC.
        heap: Java heap of each node, as java's -Xmx takes it.
        jvm_tiers: `"c1"` starts sooner, `"default"` gets to full speed: take it for benchmarks.
        tx_aware_queries: Let queries inside a transaction see what the transaction wrote.
        caches_xml: Spring beans of class CacheConfiguration, for caches that exist from the start.
        work_dir: Folder for configuration, logs and data, kept afterwards; a temporary one, removed at the end, if None.
        start_timeout: Seconds until all nodes must be ready; downloads do not count.

    Raises:
        ConfigurationError: a parameter is wrong, or the extra `local` is not installed.
        LocalClusterError: a download or a start failed; the message ends with the tail of the node's log.

    >>> async with ig.local.cluster() as nodes, ig.connect(nodes.url) as client:
    ...     print([member.version for member in await client.cluster.nodes()])
    ['2.17.0']
    """
    settings = ClusterSettings(
        nodes=nodes,
        tls=tls,
        auth=auth,
        persistence=persistence,
        heap=heap,
        jvm_tiers=jvm_tiers,
        tx_aware_queries=tx_aware_queries,
        caches_xml=caches_xml,
    )
    java = find_java()
    jars = await asyncio.to_thread(find_jars)
    with ExitStack() as stack:
        if work_dir is None:
            name = tempfile.TemporaryDirectory(prefix="ignitemap-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(name))
        else:
            folder = Path(work_dir).absolute()
            folder.mkdir(parents=True, exist_ok=True)
        certificates = await asyncio.to_thread(issue_certificates, folder) if tls else None

        def lay_out() -> LocalCluster:
            block = reserve_ports(nodes)
            stack.enter_context(block.reservation)
            return LocalCluster(
                settings,
                block.nodes,
                folder,
                java=java,
                jars=jars,
                certificates=certificates,
                start_timeout=start_timeout,
                temporary=work_dir is None,
            )

        running = await _start_first(lay_out)
        try:
            yield running
        finally:
            await running.stop()


async def _start_first(lay_out: Callable[[], LocalCluster]) -> LocalCluster:
    """Start a cluster, and another on other ports when a stranger took one between our look and the node's."""
    attempts = 0
    while True:
        candidate = lay_out()
        try:
            await candidate.start_all()
            return candidate
        except LocalClusterError as error:
            attempts += 1
            if attempts == _PORT_ATTEMPTS or not any(text in str(error) for text in _PORT_TAKEN):
                raise
