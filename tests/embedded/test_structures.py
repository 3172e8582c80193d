"""Continuous queries, data streamers, atomic longs and sets: what 2.17.0 nodes answered, step by step."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.session import Session
from ignitemap.embedded import Node
from ignitemap.embedded.objects import object_codecs
from ignitemap.exceptions import CacheNotFound, ResourceNotFound, ServerError, TooManyCursors
from ignitemap.protocol.codecs import UNTYPED, encode_object
from ignitemap.protocol.codegen import compile_layout, compile_operation
from ignitemap.protocol.connection import Failure, Notification
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef, ExpiryPolicy, Request
from ignitemap.protocol.operations import (
    CONTINUOUS_EVENT,
    STREAMER_ALLOW_OVERWRITE,
    STREAMER_CLOSE,
    STREAMER_FLUSH,
    AtomicLongCreate,
    AtomicLongExists,
    AtomicLongRemove,
    AtomicLongValueAddAndGet,
    AtomicLongValueCompareAndSet,
    AtomicLongValueCompareAndSetAndGet,
    AtomicLongValueGet,
    AtomicLongValueGetAndSet,
    AtomicSettings,
    CacheClear,
    CacheClearKey,
    CacheDestroy,
    CacheGet,
    CacheGetSize,
    CachePut,
    CachePutIfAbsent,
    CacheRemoveAll,
    CacheRemoveKey,
    CacheReplaceIfEquals,
    ContinuousEvents,
    DataStreamerAddData,
    DataStreamerStart,
    QueryContinuous,
    ResourceClose,
    SetClear,
    SetClose,
    SetExists,
    SetGetOrCreate,
    SetIteratorGetPage,
    SetIteratorStart,
    SetSettings,
    SetSize,
    SetValueAdd,
    SetValueAddAll,
    SetValueContains,
    SetValueContainsAll,
    SetValueRemove,
    SetValueRemoveAll,
    SetValueRetainAll,
)
from ignitemap.protocol.types import mapping_codecs
from tests.embedded.conftest import Clock
from tests.embedded.wire import Wire

CACHE = CacheRef(string_hash("a"))
EVENTS = compile_layout(ContinuousEvents.request_layout, "continuous_events", UNTYPED)  # type: ignore[attr-defined]
CODECS = mapping_codecs()


class Watcher(Wire):
    """A connection that keeps the notifications that come to it."""

    def __init__(self, *streams: Any) -> None:
        super().__init__(*streams)
        self.seen: list[Notification] = []
        receive = self.protocol.receive_data

        def keep(data: bytes) -> list[Any]:
            events = receive(data)
            self.seen += [payload for _, payload in events if isinstance(payload, Notification)]
            return events

        self.protocol.receive_data = keep  # type: ignore[method-assign]

    async def call(self, request: Request[Any]) -> Any:
        """The answer to a request. Raises ServerError."""
        body, context = bytearray(), self.protocol.context
        codec = compile_operation(type(request), UNTYPED)
        codec.encode(CODECS, context, body, request)
        answer = await self.ask(request.code, bytes(body))
        if isinstance(answer, Failure):
            raise ServerError(answer.message or "", status=answer.status)
        return codec.decode(CODECS, context, answer, request)

    async def kinds(self) -> list[int]:
        """The kinds of events that have come since this was last asked, where the values are objects of tables."""
        await self.ask(1)
        seen, self.seen = self.seen, []
        events = [EVENTS.decode(object_codecs(), self.protocol.context, each.body, 0)[0].events for each in seen]
        return [event.kind for group in events for event in group]

    async def events(self) -> list[tuple[Any, Any, Any, int]]:
        """What has come since this was last asked: all that was sent before the answer to a request."""
        await self.ask(1)
        seen, self.seen = self.seen, []
        found: list[tuple[Any, Any, Any, int]] = []
        for each in seen:
            assert each.operation == CONTINUOUS_EVENT
            decoded, end = EVENTS.decode(CODECS, self.protocol.context, each.body, 0)
            assert end == len(each.body)
            found += [(event.key, event.old, event.new, event.kind) for event in decoded.events]
        return found


@pytest.fixture
async def watcher(node: Node, client: ig.Client) -> AsyncIterator[Watcher]:
    await client.cache("a", Any, Any)
    opened = await Watcher.open(node)
    assert isinstance(opened, Watcher)
    yield opened
    await opened.close()


# --- continuous queries -------------------------------------------------------------------------------------------------


async def test_events(watcher: Watcher, session: Session) -> None:
    """Every change of an entry is told with the old and the new value, clears are not, and a closed query tells nothing."""
    number = await watcher.call(QueryContinuous(CACHE))
    for request, events in (
        (CachePut(CACHE, 50, 1), [(50, None, 1, 0)]),
        (CachePut(CACHE, 50, 1), [(50, 1, 1, 1)]),
        (CachePut(CACHE, 50, 2), [(50, 1, 2, 1)]),
        (CacheRemoveKey(CACHE, 50), [(50, 2, None, 2)]),
        (CacheRemoveKey(CACHE, 50), []),
        (CachePutIfAbsent(CACHE, 51, 1), [(51, None, 1, 0)]),
        (CacheClearKey(CACHE, 51), []),
        (CachePut(CACHE, 51, 7), [(51, None, 7, 0)]),
        (CacheReplaceIfEquals(CACHE, 51, 7, 8), [(51, 7, 8, 1)]),
        (CacheClear(CACHE), []),
        (CachePut(CACHE, 60, 1), [(60, None, 1, 0)]),
        (CacheRemoveAll(CACHE), [(60, 1, None, 2)]),
    ):
        await session.call(request)
        assert await watcher.events() == events
    await watcher.call(ResourceClose(number))
    await session.call(CachePut(CACHE, 50, 1))
    assert await watcher.events() == []
    with pytest.raises(ServerError, match="Failed to find resource with id"):
        await watcher.call(ResourceClose(number))


async def test_events_of_expiry(watcher: Watcher, session: Session, clock: Clock) -> None:
    """An entry that expires is told of where that was asked for; one that an update ends was removed."""
    await watcher.call(QueryContinuous(CACHE, include_expired=True))
    brief = CacheRef(CACHE.cache_id, expiry=ExpiryPolicy(200, 0, 0))
    await session.call(CachePut(brief, 70, 1))
    assert await watcher.events() == [(70, None, 1, 0)]
    clock.forward(0.2)
    await session.call(CacheGet(CACHE, 1))
    assert await watcher.events() == [(70, 1, None, 3)]
    await session.call(CachePut(CACHE, 80, 1))
    await session.call(CachePut(brief, 80, 2))
    assert await watcher.events() == [(80, None, 1, 0), (80, 1, None, 2)]
    await session.call(CachePut(CACHE, 82, 1))
    await session.call(CacheGet(brief, 82))
    assert await watcher.events() == [(82, None, 1, 0), (82, 1, None, 3)]


async def test_expiry_is_not_told_unasked(watcher: Watcher, session: Session, clock: Clock) -> None:
    """Without include_expired an entry that expires is not told of."""
    await watcher.call(QueryContinuous(CACHE))
    await session.call(CachePut(CacheRef(CACHE.cache_id, expiry=ExpiryPolicy(200)), 70, 1))
    clock.forward(1)
    await session.call(CacheGet(CACHE, 1))
    assert await watcher.events() == [(70, None, 1, 0)]


async def test_events_of_everything_that_writes(client: ig.Client, watcher: Watcher) -> None:
    """Transactions, SQL and streamers are told of as well; what was rolled back or failed is not."""
    await client.sql('create table t (id int primary key, a int) with "cache_name=sql"')
    await client.cache("tx", int, int, atomicity="transactional")
    for name in ("sql", "tx"):
        await watcher.call(QueryContinuous(CacheRef(string_hash(name))))
    await client.sql("insert into t values (1, 10), (2, 20)")
    await client.sql("update t set a = 11 where id = 1")
    await client.sql("delete from t where id = 2")
    assert await watcher.kinds() == [0, 0, 1, 2]
    tx = await client.cache("tx", int, int)
    async with client.transaction() as transaction:
        await tx.set(1, 1)
        await transaction.rollback()
    async with client.transaction():
        await tx.set(2, 2)
    assert await watcher.events() == [(2, None, 2, 0)]


async def test_impossible_continuous_queries(node: Node, watcher: Watcher) -> None:
    """A filter of a Java class is refused by name; an impossible page size or interval ends the connection."""
    with pytest.raises(ServerError, match="does not support filters of a continuous query by Java class"):
        await watcher.call(QueryContinuous(CACHE, filter=1))
    with pytest.raises(ServerError, match="Cache does not exist"):
        await watcher.call(QueryContinuous(CacheRef(5)))
    for request in (QueryContinuous(CACHE, page_size=0), QueryContinuous(CACHE, interval=-1)):
        opened = await Watcher.open(node)
        assert isinstance(opened, Watcher)
        with pytest.raises(ConnectionResetError):
            await opened.call(request)
        await opened.close()


async def test_continuous_queries_and_the_end(node: Node, watcher: Watcher, session: Session) -> None:
    """A query survives the end of its cache, and does not survive that of its connection."""
    number = await watcher.call(QueryContinuous(CACHE))
    cache = node.cluster.find("a")
    assert cache is not None
    assert len(cache.listeners) == 1
    await session.call(CacheDestroy(CACHE.cache_id))
    await watcher.call(ResourceClose(number))


async def test_limit_of_cursors(watcher: Watcher) -> None:
    """A connection has at most 128 cursors and continuous queries; the next is status 1010."""
    for _ in range(128):
        await watcher.call(QueryContinuous(CACHE))
    with pytest.raises(ServerError, match="Too many open cursors") as caught:
        await watcher.call(QueryContinuous(CACHE))
    assert caught.value.status == TooManyCursors.usual_status


# --- data streamers -----------------------------------------------------------------------------------------------------


async def test_streamers(session: Session, client: ig.Client) -> None:
    """Entries are visible when they are flushed; present ones stay unless overwriting is allowed; a null then removes."""
    await client.cache("a", Any, Any)
    number = await session.call(DataStreamerStart(CACHE.cache_id, 0, entries=[(1, "one")]))
    await session.call(DataStreamerAddData(number, 0, [(2, "two")]))
    assert await session.call(CacheGetSize(CACHE)) == 0
    await session.call(DataStreamerAddData(number, STREAMER_FLUSH, [(1, "again"), (3, "three")]))
    assert [await session.call(CacheGet(CACHE, key)) for key in (1, 2, 3)] == ["one", "two", "three"]
    await session.call(DataStreamerAddData(number, STREAMER_CLOSE, [(4, "four"), (3, None)]))
    assert await session.call(CacheGetSize(CACHE)) == 4
    with pytest.raises(ResourceNotFound):
        await session.call(DataStreamerAddData(number, 0, []))
    flags = STREAMER_CLOSE | STREAMER_ALLOW_OVERWRITE
    assert await session.call(DataStreamerStart(CACHE.cache_id, flags, entries=[(1, "new"), (2, None)])) == 0
    assert await session.call(CacheGet(CACHE, 1)) == "new"
    assert await session.call(CacheGet(CACHE, 2)) is None


async def test_streamers_flush_by_themselves(session: Session, client: ig.Client) -> None:
    """A full buffer is written without a flush."""
    await client.cache("a", Any, Any)
    number = await session.call(DataStreamerStart(CACHE.cache_id, 0, per_node_buffer=3, entries=[(1, 1), (2, 2)]))
    assert await session.call(CacheGetSize(CACHE)) == 0
    await session.call(DataStreamerAddData(number, 0, [(3, 3)]))
    assert await session.call(CacheGetSize(CACHE)) == 3


async def test_streamers_that_fail(session: Session, client: ig.Client) -> None:
    """What a real node refuses is refused in its words; closing by id loses what was not written and says so."""
    await client.cache("a", Any, Any)
    with pytest.raises(CacheNotFound):
        await session.call(DataStreamerStart(5, STREAMER_CLOSE))
    with pytest.raises(ServerError, match="bufSize > 0"):
        await session.call(DataStreamerStart(CACHE.cache_id, 0, per_node_buffer=0))
    with pytest.raises(ServerError, match="receivers of a data streamer by Java class"):
        await session.call(DataStreamerStart(CACHE.cache_id, 0, receiver=1))
    with pytest.raises(ServerError, match="Some of DataStreamer operations failed"):
        await session.call(DataStreamerStart(CACHE.cache_id, STREAMER_CLOSE, entries=[(None, 1)]))
    number = await session.call(DataStreamerStart(CACHE.cache_id, 0, entries=[(1, 1)]))
    with pytest.raises(ServerError, match="Some of DataStreamer operations failed"):
        await session.call(ResourceClose(number))
    number = await session.call(DataStreamerStart(CACHE.cache_id, 0))
    await session.call(ResourceClose(number))
    number = await session.call(DataStreamerStart(CACHE.cache_id, 0))
    await session.call(CacheDestroy(CACHE.cache_id))
    with pytest.raises(CacheNotFound):
        await session.call(DataStreamerAddData(number, STREAMER_FLUSH, [(1, 1)]))


# --- atomic longs -------------------------------------------------------------------------------------------------------


async def test_atomic_longs(session: Session, client: ig.Client) -> None:
    """An atomic long is created once, counts, compares, and wraps at 64 bits; no cache of it is shown."""
    assert not await session.call(AtomicLongExists("n"))
    await session.call(AtomicLongRemove("n"))
    await session.call(AtomicLongCreate("n", 5))
    await session.call(AtomicLongCreate("n", 9))
    assert await session.call(AtomicLongValueGet("n")) == 5
    assert await session.call(AtomicLongValueGet("n", "default-ds-group")) == 5
    assert await session.call(AtomicLongValueAddAndGet("n", None, 2**63 - 1)) == -(2**63) + 4
    assert await session.call(AtomicLongValueCompareAndSet("n", None, 1, 2)) is False
    assert await session.call(AtomicLongValueCompareAndSetAndGet("n", None, 1, 2)) == -(2**63) + 4
    assert await session.call(AtomicLongValueGetAndSet("n", None, 7)) == -(2**63) + 4
    assert await session.call(AtomicLongValueCompareAndSet("n", None, 7, 8)) is True
    assert await session.call(AtomicLongValueCompareAndSetAndGet("n", None, 8, 9)) == 8
    assert await session.call(AtomicLongValueGet("n")) == 9
    await session.call(AtomicLongCreate("n", 1, True, AtomicSettings(group="other")))
    assert await session.call(AtomicLongValueGet("n", "other")) == 1
    await session.call(AtomicLongRemove("n"))
    assert not await session.call(AtomicLongExists("n"))
    assert await session.call(AtomicLongExists("n", "other"))
    assert await client.cache_names() == []


async def test_missing_atomic_longs(session: Session) -> None:
    """Reading or changing an atomic long that is not there is status 1011."""
    for request in (
        AtomicLongValueGet("n"),
        AtomicLongValueAddAndGet("n", None, 1),
        AtomicLongValueGetAndSet("n", None, 1),
        AtomicLongValueCompareAndSet("n", None, 1, 2),
        AtomicLongValueCompareAndSetAndGet("n", None, 1, 2),
    ):
        with pytest.raises(ResourceNotFound, match="AtomicLong with name 'n' does not exist"):
            await session.call(request)


# --- sets ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("collocated", [False, True])
async def test_sets(session: Session, client: ig.Client, collocated: bool) -> None:
    """A set has each element once, and tells what changed; its operations are those of a real node."""
    assert not (await session.call(SetGetOrCreate("s"))).exists
    found = await session.call(SetGetOrCreate("s", True, SetSettings(collocated=collocated)))
    assert (found.exists, found.collocated) == (True, collocated)
    assert await session.call(SetGetOrCreate("s")) == found
    one = ("s", found.cache_id, collocated)
    assert await session.call(SetExists(*one))
    assert await session.call(SetValueAdd(*one, True, 1)) is True
    assert await session.call(SetValueAdd(*one, True, 1)) is False
    assert await session.call(SetValueAddAll(*one, True, [1, 2, 3])) is True
    assert await session.call(SetValueAddAll(*one, True, [1, 2])) is False
    assert await session.call(SetValueContains(*one, True, 2)) is True
    assert await session.call(SetValueContainsAll(*one, True, [2, 9])) is False
    assert await session.call(SetValueContainsAll(*one, True, [])) is True
    assert await session.call(SetValueRetainAll(*one, True, [2, 3])) is True
    assert await session.call(SetValueRetainAll(*one, True, [2, 3])) is False
    assert await session.call(SetValueRemoveAll(*one, True, [77])) is False
    assert await session.call(SetValueRemoveAll(*one, True, [2, 77])) is True
    assert await session.call(SetValueRemove(*one, True, 3)) is True
    assert await session.call(SetValueRemove(*one, True, 3)) is False
    assert await session.call(SetSize(*one)) == 0
    await session.call(SetValueAddAll(*one, True, list(range(5))))
    await session.call(SetClear(*one))
    assert await session.call(SetSize(*one)) == 0
    assert await client.cache_names() == []
    await session.call(SetClose(*one))
    await session.call(SetClose(*one))
    assert not await session.call(SetExists(*one))
    with pytest.raises(ResourceNotFound, match="IgniteSet with name 's' does not exist"):
        await session.call(SetSize(*one))


async def test_iterators(session: Session) -> None:
    """The elements come in pages; the last page ends the iterator, and a page of none is one too."""
    found = await session.call(SetGetOrCreate("s", True, SetSettings()))
    one = ("s", found.cache_id, False)
    await session.call(SetValueAddAll(*one, True, list(range(5))))
    first = await session.call(SetIteratorStart(*one, page_size=3))
    assert first.more
    second = await session.call(SetIteratorGetPage(first.resource, 0))
    assert (second.values, second.more) == ([], True)
    last = await session.call(SetIteratorGetPage(first.resource, 3))
    assert not last.more
    assert sorted([*first.values, *last.values]) == list(range(5))
    with pytest.raises(ResourceNotFound):
        await session.call(SetIteratorGetPage(first.resource, 3))
    assert not (await session.call(SetIteratorStart(*one, page_size=5))).more
    assert not (await session.call(SetIteratorStart(*one, page_size=-1))).more


async def test_sets_that_can_not_be(session: Session) -> None:
    """A set of another form under the same name, a wrong cache id and a null element are refused in a real node's words."""
    found = await session.call(SetGetOrCreate("s", True, SetSettings()))
    with pytest.raises(ServerError, match="newCollocated=true, existingCollocated=false"):
        await session.call(SetGetOrCreate("s", True, SetSettings(collocated=True)))
    with pytest.raises(ResourceNotFound):
        await session.call(SetValueAdd("s", 5, False, True, 1))
    with pytest.raises(ServerError, match=r"Object.hashCode"):
        await session.call(SetValueAdd("s", found.cache_id, False, True, None))
    assert not await session.call(SetExists("other", found.cache_id, False))


async def test_notifications_come_behind_their_answer(watcher: Watcher) -> None:
    """Events never overtake the answer that told of the query, even when the writes come in the same bytes."""
    out = bytearray()
    compile_operation(QueryContinuous, UNTYPED).encode(CODECS, watcher.protocol.context, out, QueryContinuous(CACHE))
    asked = watcher.send(QueryContinuous.code, bytes(out))
    body = bytearray(struct.pack("<ib", CACHE.cache_id, 0))
    encode_object(CODECS, body, 1)
    encode_object(CODECS, body, 1)
    put = watcher.send(CachePut.code, bytes(body))
    number = await watcher.answer(asked)
    assert isinstance(number, bytes)
    assert await watcher.answer(put) == b""
    await asyncio.sleep(0)
    assert await watcher.events() == [(1, None, 1, 0)]
