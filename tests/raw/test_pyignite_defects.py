"""Named regression tests of the raw layer: what pyignite 0.6.1 gets wrong is right here, or refused.

Each runs the same scenario on both libraries, which have the same names. `ignitemap` must pass it, and where pyignite is
installed (dependency group `bench`) it must fail it: that is the proof that the test can fail. What differs by design in
the mapping face is in tests/mapping/test_pyignite_defects_on_cluster.py, the codec alone in
tests/protocol/test_pyignite_defects.py.

| row | test | what pyignite does, as the test shows |
| --- | --- | --- |
| D1 | test_d1_dict_is_a_map, test_d1_list_is_never_kind_and_items | stores the keys; takes `[1, "ab"]` for (kind, items) |
| D2 | test_d2_numbers_never_wrap | stores 0, -2**63 and 44 |
| D3 | test_d3_containers_and_times | TypeError |
| D4 | test_d4_no_microsecond_is_lost, test_d4_aware_is_one_instant | cuts them; reads them in the process's zone |
| D5 | test_d5_nul | cuts text; keys become one |
| D6 | test_d6_decimals, test_d6_hash_of_decimals | rounds to the context, loses the scale; another hash |
| D7 | test_d7_cache_named_with_emoji, test_d7_hash_of_emoji | computes another id: the cache does not exist |
| D8 | test_d8_sql_dates, test_d8_any_arrays | "Unknown type code"; a TypeError |
| D9 | test_d9_clear_of_no_keys | clears the cache |
| D10 | test_d10_no_class_from_the_wire | makes a class for each type it reads |
| D11 | test_d11_codec_never_awaits | has dozens of coroutine functions there |
| D12 | test_d12_calls_of_one_get | takes more than twice as many Python calls as are allowed here |
| F1 | test_f1_negative_frame_length, test_f1_hostile_count, test_f1_deep_value_in_a_scan | loops for ever; allocates or loops; RecursionError |
| F2 | test_f2_one_dial_for_500_callers | dials for each caller |
| F3 | test_f3_unsent_bytes_are_bounded, test_f3_given_up_requests_are_bounded | queues all; keeps all |
| F4 | test_f4_a_cut_says_what_was_sent | an OSError that says nothing |
| F5 | test_f5_abandoned_scans | TooManyCursors for ever |
| F6 | test_f6_transaction_begun_in_another_task | writes outside the transaction |
| F7 | test_f7_hundred_partitions | AssertionError |
| F8 | test_f8_page_size, test_f8_timeout_of_a_scan, test_f8_names_of_columns | one row a page; ignored; a first row |
"""

import asyncio
import contextlib
import datetime as dt
import importlib
import inspect
import os
import pkgutil
import struct
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import attrs
import pytest

import ignitemap as ig
from ignitemap import raw
from ignitemap.protocol import connection as frames
from ignitemap.protocol.hashing import decimal_hash, string_hash
from ignitemap.protocol.key_hash import partition_of
from ignitemap.protocol.operations import (
    AffinityAnswer,
    AffinityGroup,
    CacheGet,
    CacheKeyFields,
    CachePartitions,
    CachePut,
    EntryCursor,
    QueryScan,
    QuerySqlFields,
)
from tests.addresses import host_ports
from tests.client.fake_server import Call, FakeNode, fake_nodes, until

# pyignite leaves transports and futures to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

MIB = 1 << 20


@attrs.frozen
class Library:
    """One of the two, and what its outcome must be."""

    name: str
    module: Any
    hints: Any

    @property
    def ours(self) -> bool:
        """Whether the scenario must come out right."""
        return self.name == "ignitemap"

    def judge(self, right: bool, seen: object = None) -> None:
        """Right here, wrong there."""
        assert right is self.ours, f"{self.name}: {seen!r}"


@pytest.fixture(params=["ignitemap", "pyignite"])
def library(request: pytest.FixtureRequest) -> Library:
    """Both in turn."""
    if request.param == "ignitemap":
        return Library("ignitemap", raw, raw)
    module = pytest.importorskip("pyignite")
    return Library("pyignite", module, importlib.import_module("pyignite.datatypes"))


@pytest.fixture
async def client(library: Library, url: str) -> AsyncIterator[Any]:
    """A client on the real cluster."""
    made = library.module.AioClient(partition_aware=False)
    async with made.connect(host_ports(url)):
        yield made


@pytest.fixture
async def name(url: str) -> AsyncIterator[str]:
    """The name of a cache, which is dropped at the end."""
    chosen = f"defects-{os.getpid()}-{uuid.uuid4()}"
    yield chosen
    async with ig.connect(url) as ours:
        with contextlib.suppress(ig.CacheNotFound):
            await ours.drop(chosen)


@pytest.fixture(scope="module")
async def shared_name(url: str) -> AsyncIterator[str]:
    """The name of a cache that the tests take turns to use."""
    chosen = f"defects-{os.getpid()}-{uuid.uuid4()}"
    async with ig.connect(url) as ours:
        await ours.raw.create_cache(chosen)
        yield chosen
        await ours.drop(chosen)


@pytest.fixture
async def cache(client: Any, shared_name: str) -> Any:
    """An empty cache."""
    cache = await client.get_cache(shared_name)
    await cache.clear()
    return cache


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """A node that does what the test says."""
    made = FakeNode()
    await made.start()
    yield made
    await made.stop()


@contextlib.asynccontextmanager
async def on(node: FakeNode, library: Library, **options: Any) -> AsyncIterator[Any]:
    """A client of that node."""
    client = library.module.AioClient(**options)
    async with client.connect("127.0.0.1", node.port):
        yield client


async def outcome(work: Awaitable[Any]) -> Any:
    """What comes of it: the result, or the exception."""
    try:
        return await work
    except Exception as error:
        return error


async def round_trip(cache: Any, value: Any, **hints: Any) -> Any:
    """What a value becomes, or the exception."""

    async def both_ways() -> Any:
        await cache.put(1, value, **hints)
        return await cache.get(1)

    return await outcome(both_ways())


class TooManySteps(Exception):
    """Some code runs on and on."""


@contextlib.contextmanager
def steps(limit: int) -> Iterator[None]:
    """Raises TooManySteps in code of this thread that runs more lines than that."""
    left = limit

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise TooManySteps
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


# --- D: data ----------------------------------------------------------------------------------------------------------


async def test_d1_dict_is_a_map(library: Library, cache: Any) -> None:
    """D1: a dict comes back as a map."""
    back = await round_trip(cache, {"a": 1, "b": 2})
    library.judge(back == (2, {"a": 1, "b": 2}), back)


async def test_d1_list_is_never_kind_and_items(library: Library, cache: Any) -> None:
    """D1: a list that looks like (kind, items) comes back as the list that it is."""
    back = await round_trip(cache, [1, "ab"])
    library.judge(back == (1, [1, "ab"]), back)


@pytest.mark.parametrize(("value", "hint"), [(2**70, None), (2**63, None), (300, "ByteObject"), (2**15, "ShortObject")])
async def test_d2_numbers_never_wrap(library: Library, cache: Any, value: int, hint: str | None) -> None:
    """D2: a number that does not fit is an OverflowError, and nothing is stored."""
    back = await round_trip(cache, value, value_hint=hint and getattr(library.hints, hint))
    library.judge(isinstance(back, OverflowError) and await cache.get(1) is None, back)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], (1, [])),
        ({}, (2, {})),
        (set(), (3, [])),
        ((), (-1, [])),
        ([1, None], (1, [1, None])),
        ([1, 2.5], (1, [1, 2.5])),
        ([[1], [2]], (1, [[1], [2]])),
        (dt.time(1, 2, 3), dt.timedelta(seconds=3723)),
    ],
    ids=repr,
)
async def test_d3_containers_and_times(library: Library, cache: Any, value: Any, expected: Any) -> None:
    """D3: empty, mixed and nested containers and times can be stored, and come back."""
    back = await round_trip(cache, value)
    library.judge(back == expected, back)


async def test_d3_sets_stay_sets(library: Library, cache: Any) -> None:
    """D3: a set comes back as the collection of the kind of a set."""
    back = await round_trip(cache, {1, 2})
    library.judge(isinstance(back, tuple) and back[0] == 3 and sorted(back[1]) == [1, 2], back)


async def test_d4_no_microsecond_is_lost(library: Library, cache: Any) -> None:
    """D4: microseconds, which a Date can't hold, are refused and never cut."""
    back = await round_trip(cache, dt.datetime.fromisoformat("2020-01-02T03:04:05.678901"))
    library.judge(isinstance(back, ValueError), back)


async def test_d4_aware_is_one_instant(library: Library, cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """D4: an aware datetime comes back as the same instant in UTC, whatever the process's zone is."""
    value = dt.datetime.fromisoformat("2020-01-02T03:04:05+05:00")
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "Etc/GMT-3")
        time.tzset()
        back = await round_trip(cache, value)
    time.tzset()
    library.judge(back == dt.datetime.fromisoformat("2020-01-01T22:04:05"), back)


async def test_d5_nul(library: Library, cache: Any) -> None:
    """D5: text is not cut at a NUL, and keys that differ behind one stay two."""
    await cache.put_all({"a\0b": "x\0y", "a\0c": "z"})
    back = await cache.get_all(["a\0b", "a\0c"])
    library.judge(back == {"a\0b": "x\0y", "a\0c": "z"}, back)


@pytest.mark.parametrize("text", ["1.10", "123456789012345678901234567890.5", "1" * 40, "0.00"])
async def test_d6_decimals(library: Library, cache: Any, text: str) -> None:
    """D6: a Decimal keeps all its digits and its scale."""
    back = await round_trip(cache, Decimal(text))
    library.judge(str(back) == text, back)


@pytest.mark.parametrize(("unscaled", "scale"), [(110, 2), (2**64 + 1, 0)])
def test_d6_hash_of_decimals(library: Library, unscaled: int, scale: int) -> None:
    """D6: the hash is that of BigDecimal.hashCode(), which counts trailing zeros and all 32-bit words."""
    java = {(110, 2): 31 * 110 + 2, (2**64 + 1, 0): 31 * (31 * 31 + 1)}[unscaled, scale]
    if library.ours:
        found = decimal_hash(unscaled, scale)
    else:
        with contextlib.suppress(Exception):
            found = importlib.import_module("pyignite.utils").decimal_hashcode(Decimal(unscaled).scaleb(-scale))
    library.judge(found == java, found)


async def test_d7_cache_named_with_emoji(library: Library, client: Any, url: str) -> None:
    """D7: a cache whose name has emoji is found under the id that the server gives it."""
    name = f"😀 {os.getpid()} {uuid.uuid4()}"
    cache = await client.get_or_create_cache(name)
    try:
        back = await round_trip(cache, "x")
        library.judge(back == "x", back)
    finally:
        async with ig.connect(url) as ours:
            await ours.drop(name)


def test_d7_hash_of_emoji(library: Library) -> None:
    """D7: the hash of text beyond the BMP counts UTF-16 units."""
    find = string_hash if library.ours else importlib.import_module("pyignite.utils").hashcode
    library.judge(find("😀") == 0xD83D * 31 + 0xDE00)


async def test_d8_sql_dates(library: Library, client: Any) -> None:
    """D8: a DATE column, which Java writes by its optimized marshaller, is read."""

    async def select() -> Any:
        async with client.sql("SELECT DATE '2020-01-02'") as cursor:
            return [row async for row in cursor]

    rows = await outcome(select())
    library.judge(rows == [[dt.date.fromisoformat("2020-01-02")]], rows)


async def test_d8_any_arrays(library: Library) -> None:
    """D8: an array of anything is read by its own hint, also on Python 3.11 and newer."""
    data = bytes.fromhex("02000000" + "0301000000" + "090100000061")
    if library.ours:
        found = raw.ObjectArrayObject.decode(ig.raw.AioClient().codecs, b"\x17\xff\xff\xff\xff" + data, 0)[0][1]
    else:
        internal = importlib.import_module("pyignite.datatypes.internal")
        stream = importlib.import_module("pyignite.stream")
        with stream.BinaryStream(None, b"\0" * 4 + data) as opened:
            opened.seek(4)

            async def parse() -> Any:
                made = await internal.AnyDataArray().parse_async(opened)
                return internal.AnyDataArray().to_python(opened.read_ctype(made, position=4))

            found = await outcome(parse())
    library.judge(found == [1, "a"], found)


async def test_d9_clear_of_no_keys(library: Library, cache: Any) -> None:
    """D9: clear([]) clears nothing."""
    await cache.put(1, 1)
    await cache.clear([])
    library.judge(await cache.get_size() == 1)


async def test_d10_no_class_from_the_wire(library: Library, client: Any, cache: Any, url: str) -> None:
    """D10: objects of types that the program didn't register have one class, and no class is made for them."""
    async with raw.AioClient().connect(host_ports(url)) as writer:
        theirs = await writer.get_cache(cache.name)
        for number in (1, 2):
            made = raw.GenericObjectMeta(
                f"Wire{number}_{os.getpid()}",
                (),
                {},
                schema={"name": raw.String},
                type_name=f"Wire{number}_{os.getpid()}",
            )
            await theirs.put(number, made(name="a"))
    found = [await cache.get(number) for number in (1, 2)]
    assert [each.name for each in found] == ["a", "a"]
    library.judge(type(found[0]) is type(found[1]), [type(each) for each in found])


def test_d11_codec_never_awaits(library: Library) -> None:
    """D11: what turns bytes into values has no coroutine function: a parse can't be interrupted in its middle."""
    package = importlib.import_module("ignitemap.protocol" if library.ours else "pyignite.datatypes")
    found: set[str] = set()
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        for _, each in inspect.getmembers(module):
            if inspect.isclass(each):
                found |= {f"{each}.{key}" for key, what in vars(each).items() if has_await(what)}
            elif has_await(each):
                found.add(str(each))
    library.judge(not found, len(found))


def has_await(what: Any) -> bool:
    function = getattr(what, "__func__", what)
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


async def test_d12_calls_of_one_get(library: Library, cache: Any) -> None:
    """D12: a get takes at most 60 calls of Python functions, from the caller to the socket and back."""
    await cache.put("k", "v")
    await cache.get("k")
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        await cache.get("k")
    finally:
        sys.setprofile(None)
    library.judge(calls <= 60, calls)


# --- F: faults --------------------------------------------------------------------------------------------------------


def receive(library: Library, data: bytes) -> Any:
    """What comes of bytes from a node, on a connection that is open: the exception, or None."""
    if library.ours:
        connection: frames.Connection[Any] = frames.Connection(frames.Role.CLIENT)
        connection.state = frames.ConnectionState.OPEN
        take: Callable[[bytes], Any] = connection.receive_data
    else:
        loop = asyncio.new_event_loop()
        shaken = loop.create_future()
        shaken.set_result(None)
        loop.close()
        take = importlib.import_module("pyignite.connection.aio_connection").BaseProtocol(Mock(), shaken).data_received
    try:
        with steps(10_000):
            take(data)
    except (Exception, TooManySteps) as error:
        return error
    return None


def test_f1_negative_frame_length(library: Library) -> None:
    """F1: a frame whose length is -4 is a ProtocolError at once; pyignite takes the same 0 bytes for ever."""
    seen = receive(library, (-4).to_bytes(4, "little", signed=True) + bytes(8))
    assert isinstance(seen, (ig.ProtocolError, TooManySteps))
    library.judge(isinstance(seen, ig.ProtocolError), seen)


async def test_f1_hostile_count(library: Library, node: FakeNode) -> None:
    """F1: 2**31 - 1 rows in an answer of 20 bytes are an error at once; pyignite makes them one after another."""
    node.on(QuerySqlFields, lambda call: call.raw(struct.pack("<qiib", 7, 0, 2**31 - 1, 0)))

    async def select(client: Any) -> Any:
        async with client.sql("SELECT") as cursor:
            return [row async for row in cursor]

    async with on(node, library, partition_aware=False) as client:
        work = asyncio.create_task(outcome(select(client)))
        await until(lambda: node.count(QuerySqlFields))
        try:
            with steps(500_000):
                seen = await work
        except TooManySteps as error:
            seen = error
        library.judge(isinstance(seen, ig.DecodeError), seen)


async def test_f1_deep_value_in_a_scan(library: Library, node: FakeNode) -> None:
    """F1: a value that nests 400 deep, as a JVM may write it, is read, and does not cost a scan its other entries."""
    deep = bytes.fromhex("180100000001") * 400 + b"\x65"
    page = (7).to_bytes(8, "little") + (2).to_bytes(4, "little") + b"\x03\1\0\0\0\x65" + b"\x03\2\0\0\0" + deep + b"\0"
    node.on(QueryScan, lambda call: call.raw(page))

    async def scan(cache: Any) -> list[Any]:
        async with cache.scan() as cursor:
            return [key async for key, _ in cursor]

    async with on(node, library, partition_aware=False) as client:
        seen = await outcome(scan(await client.get_cache("c")))
        assert seen == [1, 2] or isinstance(seen, RecursionError)
        library.judge(seen == [1, 2], seen)


async def test_f2_one_dial_for_500_callers(library: Library, node: FakeNode) -> None:
    """F2: when a connection drops under 500 callers, the node is dialled once, and not by each of them."""
    async with on(node, library) as client:
        cache = await client.get_cache("c")
        await cache.get(0)
        held = node.hold(CacheGet)
        callers = [asyncio.create_task(outcome(cache.get(number))) for number in range(500)]
        await held.take(500)
        node.on(CacheGet, lambda call: call.answer(5))
        before = node.accepted
        node.cut()
        await asyncio.gather(*callers)
        await asyncio.gather(*(outcome(cache.get(number)) for number in range(500)))
        dials = node.accepted - before
        assert dials >= 1
        library.judge(dials == 1 and len(node.connections) == 1, dials)


async def test_f3_unsent_bytes_are_bounded(library: Library, node: FakeNode) -> None:
    """F3: for a node that reads nothing any more at most some MiB wait in memory; the other callers wait."""
    async with on(node, library, partition_aware=False) as client:
        cache = await client.get_cache("c")
        (server,) = node.connections
        server.transport.pause_reading()
        value = bytes(MIB)
        puts = [asyncio.create_task(outcome(cache.put(number, value))) for number in range(64)]
        for _ in range(200):  # turns of the loop, of which each put needs a few
            await asyncio.sleep(0)
        if library.ours:
            (ours,) = client.session.nodes.open
            waiting = ours._transport.get_write_buffer_size()
        else:
            (theirs,) = client._nodes
            waiting = theirs._transport.get_write_buffer_size()
        server.transport.resume_reading()
        await asyncio.gather(*puts)
        library.judge(waiting <= 8 * MIB, waiting)


async def test_f3_given_up_requests_are_bounded(library: Library, node: FakeNode) -> None:
    """F3: of 3,000 requests that are given up, to a node that says nothing, at most 1,024 stay in flight or wait."""
    async with on(node, library, partition_aware=False) as client:
        cache = await client.get_cache("c")
        held = node.hold(CacheGet)
        callers = [asyncio.create_task(cache.get(number)) for number in range(3000)]
        await until(lambda: len(held.calls) >= (1024 if library.ours else 3000))
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        if library.ours:
            (ours,) = client.session.nodes.open
            kept = len(ours.protocol.in_flight) + len(ours._waiters)
        else:
            (theirs,) = client._nodes
            kept = len(theirs._pending_reqs)
        library.judge(kept <= 1024, kept)


async def test_f4_a_cut_says_what_was_sent(library: Library, node: FakeNode) -> None:
    """F4: puts that were in flight at a cut end as OutcomeUnknownError, and all had been applied."""
    async with on(node, library, partition_aware=False) as client:
        cache = await client.get_cache("c")
        held = node.hold(CachePut)
        puts = [asyncio.create_task(outcome(cache.put(number, number))) for number in range(1000)]
        await held.take(1000)
        node.cut()
        seen = {type(each) for each in await asyncio.gather(*puts)}
        library.judge(seen == {ig.OutcomeUnknownError}, seen)


async def test_f5_abandoned_scans(library: Library, cache: Any) -> None:
    """F5: after 150 scans that were left early on one connection the next one is as good as the first."""
    await cache.put_all({number: number for number in range(10)})

    async def first() -> None:
        cursor = await cache.scan(page_size=1)
        await anext(cursor)

    for _ in range(150):
        await outcome(first())
        await cache.get_size()  # gives finalisers their turn

    async def scan() -> int:
        async with cache.scan(page_size=1) as cursor:
            return len([key async for key, _ in cursor])

    found = await outcome(scan())
    library.judge(found == 10, found)


async def test_f6_transaction_begun_in_another_task(library: Library, client: Any, name: str) -> None:
    """F6: a transaction that another task begins is refused, so that nothing is written outside it and stays."""
    cache = await client.create_cache({0: name, 2: 0})  # PROP_NAME, PROP_CACHE_ATOMICITY_MODE: transactional
    transaction = client.tx_start()
    seen = await asyncio.create_task(outcome(transaction.__aenter__()))
    if not isinstance(seen, Exception):
        seen = await outcome(cache.put(1, "inside"))
        await outcome(transaction.rollback())
    outside = await cache.get(1)
    library.judge(isinstance(seen, ig.TransactionError) and outside is None, (seen, outside))


async def test_f7_hundred_partitions(library: Library) -> None:
    """F7: operations with text keys work on a cache of 100 partitions, each at the node that owns the key."""
    async with fake_nodes(2) as nodes:
        shares = [(node.id, [*range(at, 100, 2)]) for at, node in enumerate(nodes)]

        def partitions(call: Call) -> None:
            caches = [CacheKeyFields(cache_id, []) for cache_id in call.request.cache_ids]
            call.answer(AffinityAnswer(1, 0, [AffinityGroup(True, caches, shares, True)]))

        for node in nodes:
            node.on(CachePartitions, partitions)
        keys = [f"key {number}" for number in range(50)]
        client = library.module.AioClient()
        async with client.connect([("127.0.0.1", node.port) for node in nodes]):
            cache = await client.get_cache("c")
            seen = await outcome(cache.get("any"))
            await until(lambda: not library.ours or client.session._affinity)
            for number, key in enumerate(keys):
                seen = seen or await outcome(cache.put(key, number))
            for node in nodes:
                held = {call.request.key for call in node.calls if call.operation is CachePut}
                owned = {key for key in keys if partition_of(string_hash(key), 100) in dict(shares)[node.id]}
                seen = seen or held ^ owned or None
        library.judge(seen is None, seen)


async def test_f8_page_size(library: Library, node: FakeNode) -> None:
    """F8: a scan asks for many entries at a time."""
    asked: list[int] = []

    def answer(call: Call) -> None:
        asked.append(call.request.page_size)
        call.answer(EntryCursor(1, [(1, 2)], False))

    node.on(QueryScan, answer)
    async with on(node, library, partition_aware=False) as client, (await client.get_cache("c")).scan() as cursor:
        assert [[key, value] async for key, value in cursor] == [[1, 2]]
    library.judge(asked == [1024], asked)


async def test_f8_timeout_of_a_scan(library: Library, node: FakeNode) -> None:
    """F8: a scan's timeout ends it when the node says nothing."""
    held = node.hold(QueryScan)
    async with on(node, library, partition_aware=False) as client:
        cache = await client.get_cache("c")
        scan = asyncio.ensure_future(outcome(cache.scan(timeout=0.01).__aenter__()))
        call = await held.next()
        done, _ = await asyncio.wait([scan], timeout=0.5)
        library.judge(bool(done) and isinstance(scan.result(), TimeoutError), done)
        call.answer(EntryCursor(1, [], False))
        await scan


async def test_f8_names_of_columns(library: Library, client: Any) -> None:
    """F8: the names of columns are no row."""
    async with client.sql("SELECT 1 AS one", include_field_names=True) as cursor:
        rows = [row async for row in cursor]
    library.judge(rows == [[1]], rows)
