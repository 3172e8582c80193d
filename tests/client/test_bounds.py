"""Every limit of docs/guarantees.md is reached here, or in the test that is named beside it."""

import asyncio
import gc
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ignitemap as ig
from ignitemap.client.connection import CLOSE_SECONDS, Limits
from ignitemap.client.cursors import AioScanCursor
from ignitemap.client.nodes import DIAL_WINDOW, DIALS_IN_WINDOW
from ignitemap.client.session import LONG_ANSWER, MAX_LEARNED, Session
from ignitemap.protocol.codecs import UNTYPED
from ignitemap.protocol.codegen import ROWS_IN_STEP
from ignitemap.protocol.connection import MAX_FORGOTTEN, MAX_FRAME, Connection, Role
from ignitemap.protocol.handshake import Accepted, Handshake
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import CacheGet, CacheGetAll, CachePut, QueryScan
from ignitemap.protocol.wire import ProtocolContext
from tests.client.fake_server import FakeNode, fake_nodes, session_of, until
from tests.client.virtual import Network, virtual_time

CACHE = CacheRef(7)
LONG = struct.Struct("<Bq").pack


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """A fake node."""
    async with fake_nodes(1) as nodes:
        yield nodes[0]


# --- the table --------------------------------------------------------------------------------------------------------


def test_limits_are_numbers() -> None:
    """The limits have the documented defaults."""
    limits, options = Limits(), ig.raw.Options()
    assert (limits.in_flight, options.max_in_flight) == (1024, 1024)
    assert limits.unsent_bytes == 4 * 2**20
    assert limits.frame == MAX_FRAME == 64 * 2**20
    assert (options.timeout, options.connect_timeout, options.heartbeat, CLOSE_SECONDS) == (30, 10, 30, 2)
    assert (DIALS_IN_WINDOW, DIAL_WINDOW) == (12, 10)
    assert MAX_FORGOTTEN == 16_384
    assert MAX_LEARNED == 100
    assert LONG_ANSWER == 256 * 1024


def test_the_table_of_the_documentation_names_tests_that_exist() -> None:
    """Every test that docs/guarantees.md names beside a limit exists."""
    root = Path(__file__).parents[2]
    named = 0
    for line in (root / "docs" / "guarantees.md").read_text().splitlines():
        for place in line.split("`"):
            if "::" in place:
                path, _, function = place.partition("::")
                assert f"def {function}(" in (root / "tests" / path).read_text(), place
                named += 1
    assert named >= 20


def test_slots() -> None:
    """1,024 requests are in flight on a connection, one more waits, and is Overloaded at its deadline."""

    async def scenario() -> None:
        network = Network(1)
        (node,) = network.nodes
        session = await network.session(heartbeat=None, discovery=False)
        (connection,) = session.nodes.open
        node.silent = True
        tasks = [asyncio.create_task(session.call(CacheGet(CACHE, key))) for key in range(1025)]
        await asyncio.sleep(1)
        assert len(connection.protocol.in_flight) == len(node.times(CacheGet)) == 1024
        assert len(connection._waiters) == 1
        with pytest.raises(ig.Overloaded, match="no free slot"):
            await session.call(CacheGet(CACHE, 1), timeout=1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await session.aclose()

    with virtual_time() as runner:
        runner.run(scenario())


async def test_unsent_bytes(node: FakeNode) -> None:
    """With 4 MiB waiting for a socket that takes no more, further writes wait, and are Overloaded at their deadline."""
    async with session_of(node, heartbeat=None, discovery=False) as session:
        (connection,) = session.nodes.open
        connection.pause_writing()
        value = b"x" * 2**20
        tasks = [asyncio.create_task(session.call(CachePut(CACHE, key, value))) for key in range(20)]
        await until(lambda: connection._waiters)
        assert connection._unsent <= 5 * 2**20
        with pytest.raises(ig.Overloaded):
            await session.call(CachePut(CACHE, 1, value), timeout=0.01)
        assert connection._unsent <= 5 * 2**20
        connection.resume_writing()
        await asyncio.gather(*tasks)
        assert len(node.data) == 20


async def test_the_largest_request(node: FakeNode) -> None:
    """A request above 64 MiB is an EncodeError: nothing was sent, and the connection goes on."""
    async with session_of(node) as session:
        with pytest.raises(ig.EncodeError, match="at most 67108864"):
            await session.call(CachePut(CACHE, 1, bytes(MAX_FRAME)))
        assert await session.call(CacheGet(CACHE, 1)) is None
        assert node.accepted == 1


@pytest.mark.parametrize("length", [MAX_FRAME + 1, 2**31 - 1, -1, 9])
async def test_the_largest_answer(node: FakeNode, length: int) -> None:
    """An answer that says to be above 64 MiB ends the connection before a byte of it is waited for."""
    async with session_of(node, retry="none") as session:
        (connection,) = session.nodes.open
        held = node.hold(CacheGet)
        task = asyncio.create_task(session.call(CacheGet(CACHE, 1)))
        (await held.next()).connection.send(struct.pack("<i", length))
        with pytest.raises(ig.OutcomeUnknownError) as caught:
            await task
        assert isinstance(caught.value.__cause__, ig.ProtocolError)
        assert connection.lost
        assert not connection.protocol._partial


# --- answers that nobody asked for ------------------------------------------------------------------------------------


async def test_a_second_answer_ends_the_connection(node: FakeNode) -> None:
    """An answer to an id that was answered, or never given away, fails all who wait, and reaches none of them."""
    for number in (1, 10**6, -1, 0):
        async with session_of(node, retry="none") as session:
            held = node.hold(CacheGet)
            tasks = [asyncio.create_task(session.call(CacheGet(CACHE, key))) for key in range(5)]
            calls = await held.take(5)
            calls[2].answer(2)
            assert await tasks[2] == 2
            target = calls[2].id if number == 1 else number
            calls[0].connection.send(struct.pack("<iqhB", 11, target, 0, 0x65))
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert results.pop(2) == 2
            assert all(isinstance(error, ig.OutcomeUnknownError) for error in results)
            assert all(
                isinstance(error.__cause__, ig.UnexpectedReply) for error in results if isinstance(error, Exception)
            )


# --- long answers -----------------------------------------------------------------------------------------------------


def page_of(count: int, *, values: int = 1) -> bytes:
    """A first and last page of a scan with as many entries of two longs, or of a long and a list of some."""
    head = struct.pack("<Bib", 24, values, 1) if values > 2 else b""
    rest = LONG(4, 1) * (values - 1) if head else b""
    entries = b"".join(LONG(4, number) + head + LONG(4, -number) + rest for number in range(count))
    return struct.pack("<qi", 42, count) + entries + b"\0"


def scan(session: Session) -> AioScanCursor:
    """A cursor over all entries."""
    return AioScanCursor(session, session.codecs, UNTYPED, CACHE, 1, -1, False, None)


async def test_a_long_answer_lets_others_run(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a long page is read others run, and read answers of their own with the same codecs."""
    monkeypatch.setattr("ignitemap.client.session.STEP_SECONDS", 0)
    count = 20_000
    body = page_of(count)
    assert len(body) > LONG_ANSWER
    node.on(QueryScan, lambda call: call.raw(body))
    node.on(CacheGet, lambda call: call.answer([[1, [2]], "x"]))
    async with session_of(node) as session:
        done = asyncio.Event()
        turns = gets = 0
        nested = await session.call(CacheGet(CACHE, 1))

        async def others() -> None:
            nonlocal turns, gets
            while not done.is_set():
                turns += 1
                if turns % 5 == 0:
                    gets += await session.call(CacheGet(CACHE, 1)) == nested
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        assert [entry async for entry in scan(session)] == [(number, -number) for number in range(count)]
        done.set()
        await task
        assert turns >= count / ROWS_IN_STEP / 4
        assert gets


async def test_a_long_answer_that_is_cut_or_too_slow(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long answer that can't be read is a DecodeError; one that can't be read in time OperationTimeout."""
    body = page_of(20_000)
    keys = [*range(20_000)]
    async with session_of(node) as session:
        for wrong in (body[:-5], body + b"x", body[:300_000] + b"\xf0" + body[300_001:]):
            node.on(CacheGetAll, lambda call, wrong=wrong: call.raw(wrong[8:-1]))
            with pytest.raises(ig.DecodeError):
                await session.call(CacheGetAll(CACHE, keys))
        assert node.accepted == 1
        node.on(CacheGetAll, lambda call: call.raw(body[8:-1]))
        assert len(await session.call(CacheGetAll(CACHE, keys))) == 20_000
        monkeypatch.setattr("ignitemap.client.session.STEP_SECONDS", 0)
        steps = asyncio.sleep

        async def sleepy(seconds: float) -> None:
            await steps(0.01)

        monkeypatch.setattr("ignitemap.client.session.asyncio.sleep", sleepy)
        with pytest.raises(ig.OperationTimeout, match="could not be read"):
            await session.call(CacheGetAll(CACHE, keys), timeout=0.5)


@pytest.mark.stress
@pytest.mark.parametrize("entries", [16 * 2**20 // 18, 1024])
async def test_a_page_of_16_mib_does_not_hold_up_the_loop(node: FakeNode, entries: int) -> None:
    """While a page of 16 MiB is read, be its entries small or large, no other task waits 50 ms of processor time."""
    body = page_of(entries, values=max(1, 16 * 2**20 // entries // 9))
    node.on(QueryScan, lambda call: call.raw(body))
    async with session_of(node) as session:
        done = False
        longest = 0.0

        async def ticker() -> None:
            nonlocal longest
            while not done:
                before = time.thread_time()
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - before)

        gc.collect()
        ticking = asyncio.create_task(ticker())
        async with scan(session) as cursor:  # named, since to free a million tuples takes long, too
            pass
        done = True
        await ticking
        assert cursor
        print(f"longest turn of the loop: {longest * 1000:.1f} ms of processor time")
        assert longest <= 0.05


@pytest.mark.stress
def test_a_burst_of_answers_is_linear() -> None:
    """64 MiB of 15-byte answers cost as much each in bursts of 4 MB as in bursts of 15 KB, and at most 5 us."""
    body = struct.Struct("<iqhB").pack
    costs: dict[int, float] = {}
    for burst in (1024, 16_384, 262_144):
        client: Connection[int] = Connection(Role.CLIENT, Handshake())
        server: Connection[int] = Connection(Role.SERVER)
        server.receive_data(b"".join(client.data_to_send()))
        server.accept(Accepted(ProtocolContext(), None))
        client.receive_data(b"".join(server.data_to_send()))
        spent, answered = 0.0, 0
        while answered < 64 * 2**20 // 15:
            first = client.last_id + 1
            for number in range(burst):
                client.send_request(1, b"", number)
            client.data_to_send()
            stream = b"".join(body(11, number, 0, 0x65) for number in range(first, first + burst))
            started = time.process_time()
            events = client.receive_data(stream)
            spent += time.process_time() - started
            answered += len(events)
            del events
        costs[burst] = spent / answered
    print({burst: f"{cost * 1e6:.2f} us" for burst, cost in costs.items()})
    assert max(costs.values()) <= 5e-6
    assert costs[262_144] <= 2 * costs[1024]


# --- an idle client ---------------------------------------------------------------------------------------------------

IDLE = """
import asyncio, gc, sys
def rss():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096
sys.path.insert(0, {root!r})
from ignitemap.client.connection import Address, Limits, open_connection
from ignitemap.protocol.handshake import Handshake
async def main():
    opened = []
    async def more(count):
        for _ in range(count):
            opened.append(await open_connection(Address("127.0.0.1", {port}), Handshake(), Limits(), None, print, id))
            await opened[-1].request(1050, bytearray())
    await more(20)
    gc.collect()
    before = rss()
    await more(200)
    gc.collect()
    print((rss() - before) // 200)
    for each in opened:
        each.abort()
    await asyncio.sleep(0)
asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux how much memory a process has")
async def test_the_memory_of_a_connection(node: FakeNode) -> None:
    """A connection that is idle takes at most 40 KB of memory."""
    root = str(Path(__file__).parents[2])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IDLE.format(root=root, port=node.port), stdout=subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert int(said.split()[-1]) <= 40_000


CLIENT = """
import asyncio, os, sys
def rss():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before, loaded = rss(), set(sys.modules)
sys.path.insert(0, sys.argv[1])
import ignitemap as ig
async def main():
    async with ig.connect(sys.argv[2]) as client:
        cache = await client.cache("idle", int, str)
        await cache.set(1, "one")
        assert await cache[1] == "one"
        print(rss() - before, *sorted(sys.modules.keys() - loaded))
asyncio.run(main())
"""
# What an idle client has no use for: queries, models, transactions, listeners, the raw layer, types beyond numbers and text.
HEAVY = {
    "cattrs",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "typing_extensions",
    "urllib.parse",
    "ignitemap.client.binary_types",
    "ignitemap.client.cluster",
    "ignitemap.client.cursors",
    "ignitemap.client.generic_object",
    "ignitemap.client.monitoring",
    "ignitemap.client.transactions",
    "ignitemap.mapping.bulk",
    "ignitemap.mapping.expressions",
    "ignitemap.mapping.joins",
    "ignitemap.mapping.query",
    "ignitemap.mapping.rows",
    "ignitemap.mapping.transactions",
    "ignitemap.models.codecs",
    "ignitemap.models.registry",
    "ignitemap.protocol.operations.queries",
    "ignitemap.protocol.operations.structures",
    "ignitemap.protocol.types.families",
    "ignitemap.protocol.types.raw_hints",
    "ignitemap.protocol.types.raw_profile",
    "ignitemap.raw",
}


async def idle_client(bytecode: Path) -> tuple[int, set[str]]:
    """The bytes and modules that a client which has put and got one entry adds to a process that has asyncio."""
    async with ig.embedded.Node(port=0) as node:
        options = ("-I", "-X", f"pycache_prefix={bytecode}")  # isolated: what the environment says changes nothing
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *options, "-c", CLIENT, str(Path(__file__).parents[2]), node.url), stdout=subprocess.PIPE
        )
        said, _ = await process.communicate()
    assert process.returncode == 0
    memory, *modules = said.decode().split()
    return int(memory), set(modules)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux how much memory a process has")
async def test_the_memory_of_an_idle_client(tmp_path: Path) -> None:
    """A client that is idle takes at most 5 MB of memory beside asyncio's, and loads nothing that it has no use for."""
    _, modules = await idle_client(tmp_path)  # which leaves bytecode, as an installed package has it
    runs = [await idle_client(tmp_path) for _ in range(3)]  # memory comes in pieces of 1 MB: by chance one more
    print([f"{memory / 1e6:.2f} MB" for memory, _ in runs])
    assert min(memory for memory, _ in runs) <= 5_000_000
    assert all(again == modules for _, again in runs)
    assert "ignitemap.client.session" in modules
    assert modules & HEAVY == set()
