"""What a node is told before it starts: ports, Spring configuration, Java command line. Decides only; starts nothing."""

from __future__ import annotations

import importlib.resources
import os
import random
import re
import socket
import string
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal
from xml.sax.saxutils import escape

import attrs

from ignitemap.exceptions import ConfigurationError
from ignitemap.local.certificates import Certificates
from ignitemap.local.errors import LocalClusterError

__all__ = ["HOST", "ClusterSettings", "NodePorts", "PortBlock", "node_command", "node_xml", "reserve_ports"]

HOST: Final = "127.0.0.1"

# Below every system's range for outgoing connections (Linux starts at 32768, macOS and Windows at 49152). In that range
# a client that redials a dead node may be given the node's own port as its source: it then connects to itself, and the
# node cannot come back on its port.
_PORT_BLOCK: Final = 64
_FIRST_PORTS: Final = range(10240, 32768, _PORT_BLOCK)
_MAX_NODES: Final = (_PORT_BLOCK - 1) // 3  # a block holds one port that reserves it and three ports a node

# What Java 17 and later keep shut and Ignite reaches into; the list of Ignite's own start script.
_OPENED_PACKAGES: Final = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.math",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
    "java.base/jdk.internal.access",
    "java.base/jdk.internal.misc",
    "java.base/sun.nio.ch",
    "java.base/sun.reflect.generics.reflectiveObjects",
    "java.base/sun.util.calendar",
    "java.management/com.sun.jmx.mbeanserver",
    "java.management/sun.management",
    "java.sql/java.sql",
    "jdk.internal.jvmstat/sun.jvmstat.monitor",
    "jdk.management/com.sun.management.internal",
)


@attrs.frozen(kw_only=True)
class ClusterSettings:
    """The parameters of `cluster()`, checked. ConfigurationError names the one that is wrong."""

    nodes: int
    tls: bool | Literal["mutual"]
    auth: bool
    persistence: bool
    heap: str
    jvm_tiers: Literal["c1", "default"]
    tx_aware_queries: bool
    caches_xml: str

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.nodes <= _MAX_NODES:
            raise ConfigurationError(f"nodes must be 1 to {_MAX_NODES}, not {self.nodes!r}")
        if self.tls not in (True, False, "mutual"):
            raise ConfigurationError(f"tls must be True, False or 'mutual', not {self.tls!r}")
        if not re.fullmatch(r"[1-9][0-9]*[kKmMgG]", self.heap):
            raise ConfigurationError(f"heap must look like '512m' or '2g', not {self.heap!r}")
        if self.jvm_tiers not in ("c1", "default"):
            raise ConfigurationError(f"jvm_tiers must be 'c1' or 'default', not {self.jvm_tiers!r}")

    @property
    def stores_on_disk(self) -> bool:
        """Whether nodes keep data in files; authentication needs it, since users live in the persistent store."""
        return self.persistence or self.auth


@attrs.frozen
class NodePorts:
    """The three TCP ports of one node, all on the loopback address."""

    thin: int
    discovery: int
    communication: int


@attrs.frozen
class PortBlock:
    """Ports for every node of a cluster, and the bound socket that keeps other clusters away from them."""

    nodes: tuple[NodePorts, ...]
    reservation: socket.socket


def reserve_ports(nodes: int) -> PortBlock:
    """Choose free ports for that many nodes, and hold them for this cluster until `reservation` is closed.

    The first port of each block is the reservation: whoever has bound it owns the block, also while nodes are down, and
    the kernel frees it with the process. So clusters of several processes cannot join each other by accident, which
    they would do if one of them met a foreign node on a discovery port.

    Raises LocalClusterError when no block is free.
    """
    for first in random.sample(_FIRST_PORTS, len(_FIRST_PORTS)):
        last = first + 3 * nodes
        try:
            with ExitStack() as probes:
                reservation = probes.enter_context(socket.socket())
                reservation.bind((HOST, first))
                for port in range(first + 1, last + 1):
                    probes.enter_context(socket.socket()).bind((HOST, port))
                return PortBlock(
                    tuple(NodePorts(port, port + 1, port + 2) for port in range(first + 1, last, 3)),
                    reservation.dup(),  # the probes close, this stays
                )
        except OSError:
            continue
    raise LocalClusterError(
        f"no {3 * nodes + 1} free ports in a row between {_FIRST_PORTS.start} and {_FIRST_PORTS.stop}"
    )


def node_xml(
    settings: ClusterSettings, index: int, ports: Sequence[NodePorts], folder: Path, certificates: Certificates | None
) -> str:
    """The Spring configuration of node number `index`, whose work folder is `folder`."""
    template = string.Template(importlib.resources.files("ignitemap.local").joinpath("node.xml").read_text("utf-8"))
    own = ports[index]
    values = {
        "instance": f"node-{index}",
        "folder": folder,
        "thin_port": own.thin,
        "discovery_port": own.discovery,
        "communication_port": own.communication,
        "auth": _xml_bool(settings.auth),
        "persistence": _xml_bool(settings.stores_on_disk),
        # A node that is killed while it logs several writes at once loses acknowledged ones with LOG_ONLY, the default:
        # reading the log again ends at the first record that is not whole.
        "wal_mode": "FSYNC" if settings.persistence else "LOG_ONLY",
        "tx_aware_queries": _xml_bool(settings.tx_aware_queries),
        "tls": _xml_bool(bool(settings.tls)),
        "mutual_tls": _xml_bool(settings.tls == "mutual"),
        "key_store": certificates.key_store if certificates else "",
        "trust_store": certificates.trust_store if certificates else "",
        "store_password": certificates.store_password if certificates else "",
    }
    return template.substitute(
        {name: escape(str(value), {'"': "&quot;"}) for name, value in values.items()},
        discovery_addresses="".join(f"<value>{HOST}:{node.discovery}</value>" for node in ports),
        caches=settings.caches_xml,
    )


def _xml_bool(value: bool) -> str:
    return "true" if value else "false"


_SOON_READY = (
    # The quick compiler only: on few cores nodes are ready much sooner, but never as fast as with both.
    "-XX:TieredStopAtLevel=1",
    # In ms. Backups acknowledge what they took late, by default after 500, and for so long it holds up every cache that
    # is created or dropped.
    "-DIGNITE_DEFERRED_ONE_PHASE_COMMIT_ACK_REQUEST_TIMEOUT=20",
    "-DIGNITE_ATOMIC_DEFERRED_ACK_TIMEOUT=20",
)


def node_command(settings: ClusterSettings, java: Path, jars: Sequence[Path], xml: Path) -> list[str]:
    """The command line that runs one node in the foreground, its log on stdout and stderr."""
    return [
        str(java),
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED_PACKAGES),
        f"-Xmx{settings.heap}",
        "-XX:+UseSerialGC",
        *(_SOON_READY if settings.jvm_tiers == "c1" else []),
        # Checkpoint and log buffers are outside the heap: with 256 MB a persistent node halted itself.
        "-XX:MaxDirectMemorySize=512m",
        "-Djava.net.preferIPv4Stack=true",
        "-DIGNITE_QUIET=true",
        "-DIGNITE_NO_ASCII=true",
        "-DIGNITE_UPDATE_NOTIFIER=false",
        "-DIGNITE_PERFORMANCE_SUGGESTIONS_DISABLED=true",
        "-cp",
        os.pathsep.join(map(str, jars)),
        "org.apache.ignite.startup.cmdline.CommandLineStartup",
        str(xml),
    ]
