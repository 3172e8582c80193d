"""A client in a forked child: it says so at the first call, and not a byte of the child's reaches the parent's socket."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trustme

import ignitemap as ig
from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address
from ignitemap.client.session import Session
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import CacheGet, CachePut
from tests.client.fake_server import FakeConnection, FakeNode, fake_nodes, session_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

CACHE = CacheRef(7)
CALLS = 1000


async def in_child(work: Callable[[], str]) -> str:
    """What a function says in a forked child process."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:  # pragma: no cover - another process, whose coverage nobody collects
        try:
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    loop = asyncio.get_running_loop()
    with os.fdopen(reading) as pipe:
        said = await loop.run_in_executor(None, pipe.read)
    await loop.run_in_executor(None, os.waitpid, process, 0)
    return said


def outcomes(calls: Callable[[], Coroutine[Any, Any, Any]]) -> str:
    """The kinds of what many calls ended with, in a loop of the child's own."""

    async def collect() -> set[str]:
        kinds: set[str] = set()
        for _ in range(CALLS):
            try:
                await calls()
                kinds.add("ok")
            except BaseException as error:
                kinds.add(type(error).__name__)
        return kinds

    return ",".join(sorted(asyncio.run(collect())))


async def right_answers(session: Session) -> int:
    """How many of many answers are those that were asked for."""
    keys = range(CALLS)
    return sum([await session.call(CacheGet(CACHE, key)) == key for key in keys])


@pytest.fixture
async def node() -> Any:
    """A node whose values are their keys."""
    async with fake_nodes(1) as (node,):
        node.on(CacheGet, lambda call: call.answer(call.request.key))
        yield node


async def test_calls_in_a_child(node: FakeNode) -> None:
    """Every call in a child is ForkedClientError, and the parent goes on: 0 of 2 x 1,000 answers wrong."""
    async with session_of(node) as session:
        assert await right_answers(session) == CALLS
        (server,) = node.connections
        before = sum(map(len, server.chunks))
        said = await in_child(lambda: outcomes(lambda: session.call(CacheGet(CACHE, 1))))
        assert said == "ForkedClientError"
        assert sum(map(len, server.chunks)) == before
        assert await right_answers(session) == CALLS
        assert node.accepted == 1


async def test_other_ways_in_a_child(node: FakeNode) -> None:
    """Calls bound to a connection, calls without one, and dialling are refused in a child, too; closing does nothing."""
    async with session_of(node) as session:
        (connection,) = session.nodes.open

        def bound() -> str:
            return outcomes(lambda: session.call(CachePut(CACHE, 1, 1), node=connection, timeout=5))

        def without() -> str:
            session.nodes._open.clear()
            return outcomes(lambda: session.call(CachePut(CACHE, 1, 1)))

        def dialling() -> str:
            return outcomes(lambda: session.nodes.connect(1))

        def closing() -> str:
            asyncio.run(session.aclose())
            gc.collect()
            return "closed"

        for work, said in ((bound, "ForkedClientError"), (without, "ForkedClientError"), (closing, "closed")):
            assert await in_child(work) == said
        assert await in_child(dialling) == "ForkedClientError"
        assert await right_answers(session) == CALLS
        assert node.count(CachePut) == 0
        assert node.accepted == 1


async def test_a_child_that_writes_to_the_socket(node: FakeNode) -> None:
    """Whatever the child does with the transport, nothing reaches the node, and the parent's connection lives on."""
    async with session_of(node) as session:
        (connection,) = session.nodes.open
        transport = connection._transport
        assert transport is not None

        def meddle() -> str:
            shared: socket.socket = transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                os.write(shared.fileno(), b"from the child")
            transport.write(b"from the child")
            transport.abort()
            return "done"

        assert await in_child(meddle) == "done"
        assert await right_answers(session) == CALLS
        assert session.nodes.open == (connection,)


async def test_tls_in_a_child() -> None:
    """A child that ends with its copy of a TLS connection doesn't say good-bye in the parent's name."""
    authority = trustme.CA()

    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    node = FakeNode()
    node.on(CacheGet, lambda call: call.answer(call.request.key))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: FakeConnection(node), "127.0.0.1", 0, ssl=theirs)
    client = AioClient(Options(tls=ours))
    await client.open([Address("127.0.0.1", server.sockets[0].getsockname()[1])])
    session = client.session
    (connection,) = session.nodes.open

    def end() -> str:
        assert connection._transport is not None
        connection._transport.close()
        gc.collect()
        return outcomes(lambda: session.call(CacheGet(CACHE, 1)))

    assert await in_child(end) == "ForkedClientError"
    assert await right_answers(session) == CALLS
    assert session.nodes.open == (connection,)
    await client.close()
    server.close()


async def test_a_child_connects_anew(node: FakeNode) -> None:
    """A child may have a client of its own."""
    async with session_of(node) as session:
        address = str(node.address)

        def anew() -> str:
            async def names() -> list[str]:
                async with ig.connect([address]) as client:
                    return await client.cache_names()

            return ",".join(asyncio.run(names()))

        assert await in_child(anew) == "one"
        assert await right_answers(session) == CALLS
