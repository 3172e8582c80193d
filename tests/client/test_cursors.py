"""Cursors: read page by page, the next page under way, and closed on the server however a reader leaves."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any
from unittest.mock import Mock

import pytest

import ignitemap as ig
from ignitemap.client.cursors import AioScanCursor, AioSqlFieldsCursor, Cursor, Salvaged
from ignitemap.client.session import Session
from ignitemap.protocol.codecs import UNTYPED, EntryTypes
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import (
    EntryCursor,
    EntryPage,
    QueryScan,
    QueryScanCursorGetPage,
    QuerySqlFields,
    QuerySqlFieldsCursorGetPage,
    ResourceClose,
    RowCursor,
    RowPage,
)
from ignitemap.protocol.types.extent import Unreadable
from ignitemap.protocol.types.numeric import LONG
from ignitemap.protocol.types.text import STRING
from tests.client.fake_server import Call, FakeNode, session_of, until

PAGES = 4


class ScanNode(FakeNode):
    """A node whose scans have four pages of two entries; it knows which cursors are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[int, int] = {}
        self.opened = 0
        self.on(QueryScan, self.first)
        self.on(QueryScanCursorGetPage, self.page)
        self.on(QuerySqlFields, self.first)
        self.on(QuerySqlFieldsCursorGetPage, self.page)
        self.on(ResourceClose, self.closed)

    def first(self, call: Call) -> None:
        self.opened += 1
        number = self.opened
        self.open[number] = 1
        items = self.items(1)
        if call.operation is QueryScan:
            call.answer(EntryCursor(number, items, True))
        else:
            call.answer(RowCursor(number, 2, ["KEY", "VALUE"], items, True))

    def page(self, call: Call) -> None:
        number = call.request.cursor
        if number not in self.open:
            call.fail(1011, "no such cursor")
            return
        self.open[number] += 1
        more = self.open[number] < PAGES
        items = self.items(self.open[number])
        if not more:
            del self.open[number]
        call.answer(EntryPage(items, more) if call.operation is QueryScanCursorGetPage else RowPage(items, more))

    def items(self, page: int) -> list[tuple[int, str]]:
        return [(10 * page, "a"), (10 * page + 1, "b")]

    def closed(self, call: Call) -> None:
        if self.open.pop(call.request.resource, None) is None:
            call.fail(1011, "no such cursor")
        else:
            call.answer()


KEYS = [10, 11, 20, 21, 30, 31, 40, 41]


@pytest.fixture
async def node() -> AsyncIterator[ScanNode]:
    """A node with something to scan."""
    made = ScanNode()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def session(node: ScanNode) -> AsyncIterator[Session]:
    """A session on it; afterwards no cursor is open, and no task is left."""
    async with session_of(node) as made:
        yield made
        await until(lambda: not made._background)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("ignitemap")]


def scan(session: Session, timeout: float | None = None) -> AioScanCursor:
    return AioScanCursor(session, session.codecs, UNTYPED, CacheRef(7), 2, -1, False, timeout)


def select(session: Session, timeout: float | None = None) -> AioSqlFieldsCursor:
    request = QuerySqlFields(CacheRef(0), "PUBLIC", 2, -1, "select", ())
    return AioSqlFieldsCursor(session, session.codecs, request, timeout)


MAKERS = pytest.mark.parametrize("make", [scan, select])


@MAKERS
async def test_read_to_the_end(node: ScanNode, session: Session, make: Callable[..., Cursor[Any]]) -> None:
    """All items come in order, and the exhausted cursor is not closed once more."""
    assert [item[0] async for item in make(session)] == KEYS
    async with make(session) as cursor:
        assert [[item[0] for item in page] async for page in cursor.pages()] == [[10, 11], [20, 21], [30, 31], [40, 41]]
    opened = await make(session)
    assert [item[0] async for item in opened] == KEYS
    await opened.close()
    assert node.count(ResourceClose) == 0
    assert node.opened == 3


async def test_columns(session: Session) -> None:
    """The columns and the first page of an SQL query are known when it is open."""
    cursor = select(session)
    assert cursor.columns == ()
    assert cursor.first_page == ()
    async with cursor:
        assert cursor.columns == ("KEY", "VALUE")
        assert [tuple(row) for row in cursor.first_page] == [(10, "a"), (11, "b")]
        assert await cursor.open() is cursor


@MAKERS
async def test_one_page(node: ScanNode, session: Session, make: Callable[..., Cursor[Any]]) -> None:
    """A query that fits into its first page asks for nothing more, and leaves nothing to close; empty pages are skipped."""
    node.on(QueryScan, lambda call: call.answer(EntryCursor(5, [(1, "x")], False)))
    node.on(QuerySqlFields, lambda call: call.answer(RowCursor(5, 1, ["A"], [(1,)], False)))
    assert [item[0] async for item in make(session)] == [1]
    node.on(QueryScan, lambda call: call.answer(EntryCursor(5, [], False)))
    node.on(QuerySqlFields, lambda call: call.answer(RowCursor(5, 1, ["A"], [], False)))
    assert [page async for page in make(session).pages()] == []
    assert {call.operation for call in node.calls} & {ResourceClose, QueryScanCursorGetPage} == set()


async def test_the_next_page_is_under_way(node: ScanNode, session: Session) -> None:
    """While the caller works on a page the next one is asked for, and no more than that."""
    async with aclosing(scan(session).pages()) as pages:
        await anext(pages)
        await until(lambda: node.count(QueryScanCursorGetPage) == 1)
        await anext(pages)
        await until(lambda: node.count(QueryScanCursorGetPage) == 2)
        assert node.open == {1: 3}
    await until(lambda: not node.open)


@MAKERS
async def test_break_in_a_block(node: ScanNode, session: Session, make: Callable[..., Cursor[Any]]) -> None:
    """A block that is left early closes the cursor before it ends."""
    async with make(session) as cursor:
        async for _ in cursor:
            break
    assert not node.open
    assert node.count(ResourceClose) == 1


@MAKERS
async def test_break_without_a_block(node: ScanNode, session: Session, make: Callable[..., Cursor[Any]]) -> None:
    """A loop that is left early without closing anything is finalised at once, without a garbage collection."""
    gc.disable()
    try:
        for _ in range(20):
            async for _ in make(session):
                break
            async for _ in make(session).pages():
                break
            await until(lambda: not node.open)
    finally:
        gc.enable()
    assert node.opened == 40


async def test_a_loop_can_be_taken_up_again(session: Session) -> None:
    """A cursor remembers where a loop was left; pages() may be asked for once."""
    async with scan(session) as cursor:
        async for key, _ in cursor:
            if key == 20:
                break
        assert [key async for key, _ in cursor] == [21, 30, 31, 40, 41]
        with pytest.raises(RuntimeError, match="once"):
            await anext(cursor.pages())


async def test_errors_in_the_loop(node: ScanNode, session: Session) -> None:
    """An exception in the block closes the cursor and passes."""
    with pytest.raises(LookupError):
        async with scan(session) as cursor:
            async for _ in cursor:
                raise LookupError
    assert not node.open


async def test_aclose(node: ScanNode, session: Session) -> None:
    """Aclose frees the cursor, opened or not, once; what is read afterwards is an error, not an end."""
    cursor = scan(session)
    await cursor.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await anext(cursor)
    assert node.opened == 0
    cursor = await scan(session)
    await cursor.aclose()
    await cursor.aclose()
    assert node.count(ResourceClose) == 1
    cursor = scan(session)
    async with aclosing(cursor.pages()) as pages:
        await anext(pages)
        await cursor.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await anext(pages)
    assert not node.open


async def test_closed_by_another_task(node: ScanNode, session: Session) -> None:
    """Who waits for a page of a cursor that another task closes gets a RuntimeError, not a cancellation."""
    cursor = scan(session)
    pages = cursor.pages()
    await anext(pages)
    await anext(pages)
    held = node.hold(QueryScanCursorGetPage)  # the third page is not sent yet
    waiting = asyncio.create_task(anext(pages))
    await held.next()
    await cursor.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await waiting
    await pages.aclose()


async def test_closed_while_an_iterator_waits(node: ScanNode, session: Session) -> None:
    """The same through the cursor's own iteration."""
    held = node.hold(QueryScanCursorGetPage)
    cursor = scan(session)
    await anext(cursor)
    await anext(cursor)
    waiting = asyncio.create_task(anext(cursor))  # type: ignore[arg-type]
    await held.next()
    await cursor.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await waiting


@MAKERS
async def test_cancellation(node: ScanNode, session: Session, make: Callable[..., Cursor[Any]]) -> None:
    """However far a reader has come when it is cancelled, its cursor is closed."""

    async def read() -> None:
        async for _ in make(session):
            await asyncio.sleep(0)

    for steps in range(1000):
        task = asyncio.create_task(read())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        finished = not task.cancelled()
        del task  # its traceback holds the loop's iterator
        await until(lambda: not session._background and not session.nodes.open[0].protocol.in_flight)
        await until(lambda: not node.open)
        if finished:
            break
    assert node.opened > 12


async def test_cancelled_close(node: ScanNode, session: Session) -> None:
    """A close that is cancelled goes on in the background."""
    held = node.hold(ResourceClose)
    cursor = await scan(session)
    closing = asyncio.create_task(cursor.aclose())
    call = await held.next()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    node.closed(call)
    assert not node.open


async def test_timeout_while_opening(node: ScanNode, session: Session) -> None:
    """A cursor that opens too late is closed."""
    held = node.hold(QueryScan)
    with pytest.raises(ig.OperationTimeout):
        await scan(session, 0.01)
    node.first(await held.next())
    await until(lambda: node.count(ResourceClose) == 1 and not node.open)


async def test_timeout_of_a_page(node: ScanNode, session: Session) -> None:
    """A page that comes too late is an OperationTimeout, and the cursor is closed."""
    node.hold(QueryScanCursorGetPage)
    with pytest.raises(ig.OperationTimeout):
        _ = [item async for item in scan(session, 0.02)]
    assert not node.open


async def test_failing_page(node: ScanNode, session: Session) -> None:
    """A page that fails raises where it is wanted; what was read before is right; the cursor is closed."""
    node.on(QueryScanCursorGetPage, lambda call: call.fail(1, "broken"))
    seen: list[int] = []
    with pytest.raises(ig.ServerError, match="broken"):
        async for key, _ in scan(session):
            seen.append(key)
    assert seen == [10, 11]
    assert not node.open


async def test_unwanted_failing_page(node: ScanNode, session: Session) -> None:
    """A page that fails when nobody wants it any more is no error."""
    node.on(QueryScanCursorGetPage, lambda call: call.fail(1, "broken"))
    async with scan(session) as cursor:
        await anext(cursor)
        await until(lambda: node.count(QueryScanCursorGetPage) == 1)
        await until(lambda: not session.nodes.open[0].protocol.in_flight)
    assert not node.open


async def test_lost_connection(node: ScanNode, session: Session) -> None:
    """When the connection of a cursor is lost, reading on is CursorLost and not an end."""
    cursor = await scan(session)
    assert (await anext(cursor))[0] == 10
    await until(lambda: node.count(QueryScanCursorGetPage) == 1)
    await until(lambda: not session.nodes.open[0].protocol.in_flight)
    node.cut()
    with pytest.raises(ig.CursorLost):
        _ = [item async for item in cursor]
    await cursor.aclose()
    assert node.count(ResourceClose) == 0


async def test_pages_stay_on_their_connection() -> None:
    """All pages of a cursor come from the node that opened it."""
    nodes = [ScanNode(), ScanNode()]
    for node in nodes:
        await node.start()
    async with session_of(*nodes) as session:
        cursors = [scan(session) for _ in range(10)]
        answers = await asyncio.gather(*(_all(cursor) for cursor in cursors))
        assert answers == [KEYS] * 10
    assert [node.opened for node in nodes] == [5, 5]
    assert [node.count(QueryScanCursorGetPage) for node in nodes] == [15, 15]
    for node in nodes:
        await node.stop()


async def _all(cursor: AioScanCursor) -> list[int]:
    return [key async for key, _ in cursor]


async def test_a_closed_client(node: ScanNode) -> None:
    """After the client was closed a cursor ends with an error, and closing it sends nothing."""
    async with session_of(node) as session:
        cursor = await scan(session)
        await anext(cursor)
        await session.aclose()
        with pytest.raises(ig.IgniteMapError):
            _ = [item async for item in cursor]
        await cursor.aclose()


# --- entries that can't be read ---------------------------------------------------------------------------------------


class BadNode(ScanNode):
    """A node with an int among its text values, on the third of four pages."""

    def items(self, page: int) -> list[tuple[int, Any]]:
        return [(10 * page, "a"), (10 * page + 1, 5 if page == 3 else "b")]


async def test_bad_entry_at_its_place() -> None:
    """What comes before a bad entry arrives, also of its page; then a DecodeError that names the node, and no cursor."""
    node = BadNode()
    await node.start()
    async with session_of(node) as session:
        types = EntryTypes(LONG, STRING)
        seen: list[Any] = []
        with pytest.raises(ig.DecodeError, match="expected String") as caught:
            async for item in AioScanCursor(session, session.codecs, types, CacheRef(7), 2, -1, False, None):
                seen.append(item)
        assert seen == [(10, "a"), (11, "b"), (20, "a"), (21, "b"), (30, "a")]
        assert caught.value.node == str(node.address)
        await until(lambda: not session._background)
        assert not node.open
        assert node.accepted == 1
        cursor = AioScanCursor(session, session.codecs, types, CacheRef(7), 2, -1, False, None, salvage=True)
        pages = [page async for page in cursor.pages()]
        assert [isinstance(page, Salvaged) for page in pages] == [False, False, True, False]
        assert [[key for key, _ in page] for page in pages] == [[10, 11], [20, 21], [30, 31], [40, 41]]
        assert pages[2][0] == (30, "a")
        assert isinstance(pages[2][1][1], Unreadable)
    await node.stop()


async def test_page_without_extent() -> None:
    """A page whose entries can't be told apart is a DecodeError in every mode, and never a short scan."""
    node = BadNode()
    node.on(
        QueryScanCursorGetPage, lambda call: call.raw(bytes.fromhex("02000000" + "0301000000" + "20" + "00" * 9 + "00"))
    )
    await node.start()
    async with session_of(node) as session:
        for salvage in (False, True):
            cursor = AioScanCursor(session, session.codecs, UNTYPED, CacheRef(7), 2, -1, False, None, salvage=salvage)
            seen: list[Any] = []
            with pytest.raises(ig.DecodeError, match="cannot be told"):
                async for item in cursor:
                    seen.append(item)
            assert [key for key, _ in seen] == [10, 11]
        await until(lambda: not session._background)
        assert not node.open
    await node.stop()


class Replies:
    """A session that answers each request for a page after so many turns of the loop, and reads it in as many more."""

    closed = False
    nodes = Mock()

    def __init__(self, pages: int, arrives: Callable[[], int], is_read: Callable[[], int]) -> None:
        self.pages, self.arrives, self.is_read = pages, arrives, is_read
        self.asked = 0
        self.under_way = self.most = 0

    async def call(
        self, request: Any, *_: Any, used: list[Any] | None = None, on_answer: Any = None, **options: Any
    ) -> EntryCursor | EntryPage:
        self.asked += 1
        number = self.asked
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        for _ in range(self.arrives()):
            await asyncio.sleep(0)
        self.under_way -= 1
        more = number < self.pages
        if on_answer is not None:
            on_answer(bytes((more,)))
            await asyncio.sleep(0)
        for _ in range(self.is_read()):
            await asyncio.sleep(0)
        if used is not None:
            used.append(Mock(lost=False))
            return EntryCursor(7, [(number, "")], more)
        return EntryPage([(number, "")], more)


@pytest.mark.parametrize("seed", range(200))
async def test_no_page_is_lost(seed: int) -> None:
    """However soon pages arrive, and however long they are read for, each comes once and in order, one ahead at most."""
    chance = random.Random(seed)
    slow = chance.randrange(1, 6)
    replies: Any = Replies(9, lambda: chance.randrange(slow), lambda: chance.randrange(4))
    cursor = AioScanCursor(replies, Mock(), EntryTypes(), CacheRef(1), 1, -1, False, None)
    seen: list[int] = []
    async for page in cursor.pages():
        seen += [key for key, _ in page]
        for _ in range(chance.choice((0, 0, 1, 20))):
            await asyncio.sleep(0)
    assert seen == list(range(1, 10))
    assert replies.asked == 9
    assert replies.most <= 2
