"""Cursors: pages of a query from the one connection that holds it, closed on the server when they are left early."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Final, Generic, TypeVar

from typing_extensions import Self

from ignitemap.client.connection import ConnectionLost, NodeConnection
from ignitemap.client.session import Session
from ignitemap.exceptions import IgniteMapError
from ignitemap.protocol.codecs import UNTYPED, Codecs, EntryTypes
from ignitemap.protocol.message import CacheRef, Request
from ignitemap.protocol.operations import (
    EntryPage,
    QueryScan,
    QueryScanCursorGetPage,
    QuerySqlFields,
    QuerySqlFieldsCursorGetPage,
    ResourceClose,
    RowPage,
)

__all__ = ["AioScanCursor", "AioSqlFieldsCursor", "Cursor"]

R = TypeVar("R")
T = TypeVar("T")
P = TypeVar("P", EntryPage, RowPage)

CLOSE_TIMEOUT: Final = 2.0


class Cursor(Generic[T]):
    """Items of a query, page by page: an async iterator, an async context manager, and awaitable (it opens).

    The next page is asked for while the caller works on this one. ``aclose`` frees the server's cursor; leaving an
    ``async with`` block does so, and so does reading to the end.
    """

    def __init__(self, session: Session, codecs: Codecs, types: EntryTypes, timeout: float | None) -> None:
        self._session = session
        self._codecs = codecs
        self._types = types
        self._timeout = timeout
        self._connection: NodeConnection | None = None
        self._cursor: int | None = None
        self._next: asyncio.Task[tuple[Sequence[T], bool]] | None = None
        self._items: AsyncIterator[T] | None = None
        self._started = False
        self._closing: asyncio.Task[None] | None = None

    async def _first_page(self) -> tuple[Sequence[T], bool]:
        raise NotImplementedError

    async def _next_page(self) -> tuple[Sequence[T], bool]:
        raise NotImplementedError

    async def _call(self, request: Request[Any]) -> Any:
        return await self._session.call(
            request, self._codecs, self._types, node=self._connection, timeout=self._timeout
        )

    async def pages(self) -> AsyncIterator[Sequence[T]]:
        """The pages, each a sequence of items. A cursor is read once."""
        if self._started:
            raise RuntimeError("a cursor can be read once")
        self._started = True
        try:
            page, more = await self._first_page()
            while True:
                if more:
                    self._next = asyncio.create_task(self._next_page(), name="ignitemap next page")
                else:
                    self._cursor = None  # the server has closed it already
                if page:
                    yield page
                if self._next is None:
                    return
                page, more = await self._next
                self._next = None
        finally:
            await self.aclose()

    async def _open(self, first: Coroutine[Any, Any, R]) -> R:
        """Open the cursor. When the caller is cancelled meanwhile, it is closed as soon as the node has opened it."""
        opening = asyncio.create_task(first, name="ignitemap cursor opening")
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._close_unwanted)
            raise

    def _close_unwanted(self, opening: "asyncio.Future[Any]") -> None:
        _retrieve(opening)
        self._closing = asyncio.create_task(self.aclose(), name="ignitemap cursor closing")

    async def _iterate(self) -> AsyncIterator[T]:
        pages = self.pages()
        try:
            async for page in pages:
                for item in page:
                    yield item
        finally:
            await pages.aclose()  # type: ignore[attr-defined]  # an async generator

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._items is None:
            self._items = self._iterate()
        return await anext(self._items)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._items is not None:
            await self._items.aclose()  # type: ignore[attr-defined]  # an async generator
        await self.aclose()

    async def aclose(self) -> None:
        """Free the server's cursor, if it is still open. What the server says to that does not matter."""
        upcoming, self._next = self._next, None
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
        cursor, self._cursor = self._cursor, None
        connection = self._connection
        if cursor is None or connection is None or connection.lost or self._session.closed:
            return
        try:
            closing = asyncio.ensure_future(
                self._session.call(ResourceClose(cursor), node=connection, timeout=CLOSE_TIMEOUT)
            )
            closing.add_done_callback(_retrieve)
            await asyncio.shield(closing)
        except (IgniteMapError, ConnectionLost):
            return  # the connection is gone, or the last page came meanwhile: either way the cursor is


def _retrieve(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled():
        task.exception()


class AioScanCursor(Cursor[tuple[Any, Any]]):
    """Entries of a cache as (key, value)."""

    def __init__(
        self,
        session: Session,
        codecs: Codecs,
        types: EntryTypes,
        cache: CacheRef,
        page_size: int,
        partition: int,
        local: bool,
        timeout: float | None,
    ) -> None:
        super().__init__(session, codecs, types, timeout)
        self._request = QueryScan(cache, None, page_size, partition, local)

    async def _first_page(self) -> tuple[Sequence[tuple[Any, Any]], bool]:
        return await self._open(self._start())

    async def _start(self) -> tuple[Sequence[tuple[Any, Any]], bool]:
        used: list[NodeConnection] = []
        answer = await self._session.call(
            self._request, self._codecs, self._types, timeout=self._timeout, used=used
        )
        self._connection = used[-1]
        self._cursor = answer.cursor
        return answer.entries, answer.more

    async def _next_page(self) -> tuple[Sequence[tuple[Any, Any]], bool]:
        assert self._cursor is not None
        page = await self._call(QueryScanCursorGetPage(self._cursor))
        return page.entries, page.more


class AioSqlFieldsCursor(Cursor[Sequence[Any]]):
    """Rows of an SQL query; ``columns`` are known once it is open."""

    def __init__(
        self,
        session: Session,
        codecs: Codecs,
        request: QuerySqlFields,
        timeout: float | None,
        make_row: Callable[[Sequence[Any]], Any] | None = None,
    ) -> None:
        super().__init__(session, codecs, UNTYPED, timeout)
        self._request = request
        self._make_row = make_row
        self.columns: tuple[str, ...] = ()
        self._column_count = 0
        self._first: tuple[Sequence[Any], bool] | None = None

    async def open(self) -> Self:
        """Run the statement and read the first page."""
        if self._first is None:
            await self._open(self._execute())
        return self

    async def _execute(self) -> None:
        used: list[NodeConnection] = []
        answer = await self._session.call(self._request, self._codecs, self._types, timeout=self._timeout, used=used)
        self._connection = used[-1]
        self._cursor = answer.cursor if answer.more else None
        self._column_count = answer.column_count
        self.columns = tuple(answer.columns)
        self._first = answer.rows, answer.more

    async def __aenter__(self) -> Self:
        return await self.open()

    async def _first_page(self) -> tuple[Sequence[Sequence[Any]], bool]:
        await self.open()
        assert self._first is not None
        return self._first

    async def _next_page(self) -> tuple[Sequence[Sequence[Any]], bool]:
        assert self._cursor is not None
        page = await self._call(QuerySqlFieldsCursorGetPage(self._cursor, self._column_count))
        return page.rows, page.more
