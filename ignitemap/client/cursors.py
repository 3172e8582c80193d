"""Cursors: pages of a query from the one connection that holds it, closed on the server when they are left early."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing
from types import AsyncGeneratorType
from typing import Any, Final, Generic, Self, TypeVar, cast

from ignitemap.client.connection import NodeConnection
from ignitemap.client.session import Session
from ignitemap.protocol.codecs import UNTYPED, Codecs, EntryTypes
from ignitemap.protocol.message import CacheRef, Request
from ignitemap.protocol.operations import (
    EntryCursor,
    EntryPage,
    QueryIndex,
    QueryIndexCursorGetPage,
    QueryScan,
    QueryScanCursorGetPage,
    QuerySqlFields,
    QuerySqlFieldsCursorGetPage,
    QueryTypedRows,
    QueryTypedRowsCursorGetPage,
    RowCursor,
    RowPage,
    TypedRowCursor,
    TypedRowPage,
)

__all__ = ["AioIndexCursor", "AioScanCursor", "AioSqlFieldsCursor", "AioTypedRowsCursor", "Cursor"]

T = TypeVar("T")

PAGE_TASK: Final = "ignitemap cursor page"


class _Pages(Generic[T]):
    """The pages of one server cursor, the next one asked for while the caller works on this one.

    It knows nothing of who reads them. So a loop that is left without closing anything is no part of a reference
    cycle, and Python finalises its generator, which closes the server's cursor, at once.
    """

    def __init__(
        self,
        session: Session,
        codecs: Codecs,
        types: EntryTypes,
        timeout: float | None,
        first: Request[Any],
        items: Callable[[Any], Sequence[T]],
        following: Callable[[int, Any], Request[Any]],
    ) -> None:
        self._session = session
        self._codecs = codecs
        self._types = types
        self._timeout = timeout
        self._request = first
        self._items = items
        self._following = following
        self._connection: NodeConnection | None = None
        self._cursor: int | None = None  # while the server's is open
        self._next: asyncio.Task[Any] | None = None
        self._started = False
        self._closed = False
        self.first: Any = None
        """The answer that opened the cursor."""

    async def open(self) -> None:
        """Run the query; its first page comes with the answer."""
        if self.first is not None:
            return
        used: list[NodeConnection] = []
        self.first = await self._session.call(
            self._request, self._codecs, self._types, timeout=self._timeout, used=used
        )
        self._connection = used[-1]
        if self.first.more:
            self._cursor = self.first.cursor

    async def pages(self) -> AsyncGenerator[Sequence[T], None]:
        if self._started:
            raise RuntimeError("a cursor can be read once")
        self._started = True
        try:
            if self._closed:
                raise _closed_early()
            await self.open()
            page = self.first
            while True:
                if page.more:
                    self._next = asyncio.create_task(self._next_page(), name=PAGE_TASK)
                    self._next.add_done_callback(_retrieve)
                items = self._items(page)
                if items:
                    yield items
                if not page.more:
                    return
                page = await self._upcoming()
        finally:
            await self.aclose()

    async def items(self) -> AsyncGenerator[T, None]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for item in page:
                    yield item

    async def aclose(self) -> None:
        self._closed = True
        upcoming, self._next = self._next, None
        if upcoming is not None and not upcoming.done():
            upcoming.cancel()
            await asyncio.wait([upcoming])
        cursor, self._cursor = self._cursor, None
        connection = self._connection
        if cursor is not None and connection is not None and not connection.lost and not self._session.closed:
            await asyncio.shield(self._session.close_resource(connection, cursor))

    async def _upcoming(self) -> Any:
        upcoming = self._next
        if upcoming is None:
            raise _closed_early()
        try:
            return await upcoming
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise _closed_early() from None  # by another task: nobody has cancelled this one
            raise

    async def _next_page(self) -> Any:
        assert self._cursor is not None
        page = await self._session.call(
            self._following(self._cursor, self.first),
            self._codecs,
            self._types,
            node=self._connection,
            timeout=self._timeout,
        )
        if not page.more:
            self._cursor = None  # the server has closed it already
        return page


def _closed_early() -> RuntimeError:
    return RuntimeError("the cursor was closed before it was read to its end")


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """A page that fails when nobody reads any more must not be logged as never retrieved."""
    if not task.cancelled():
        task.exception()


class Cursor(Generic[T]):
    """Items of a query, page by page: an async iterator, an async context manager, and awaitable (it opens).

    The next page is asked for while the caller works on this one. ``aclose`` frees the server's cursor; leaving an
    ``async with`` block does so, and so does reading to the end.
    """

    def __init__(self, pages: _Pages[T]) -> None:
        self._pages = pages
        self._iterator: AsyncGeneratorType[T, None] | None = None

    async def open(self) -> Self:
        """Run the query and read the first page; nothing happens when that was done."""
        await self._pages.open()
        return self

    def pages(self) -> AsyncGenerator[Sequence[T], None]:
        """The pages, each a sequence of items, none of them empty. A cursor is read once.

        Raises RuntimeError when the cursor was read before, or is closed before its end; CursorLost with the
        connection that holds it.
        """
        return self._pages.pages()

    async def aclose(self) -> None:
        """Free the server's cursor, if it is still open. What the server says to that does not matter."""
        if self._iterator is not None and not self._iterator.ag_running:
            await self._iterator.aclose()
        await self._pages.aclose()

    async def close(self) -> None:
        """The same as ``aclose``, under pyignite's name."""
        await self.aclose()

    def __await__(self) -> Generator[Any, None, Self]:
        return self.open().__await__()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._iterator is None:
            self._iterator = cast("AsyncGeneratorType[T, None]", self._pages.items())
        return await anext(self._iterator)


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
        request = QueryScan(cache, None, page_size, partition, local)
        super().__init__(_Pages(session, codecs, types, timeout, request, _entries, _next_entries))


def _entries(page: EntryCursor | EntryPage) -> Sequence[tuple[Any, Any]]:
    return page.entries


def _next_entries(cursor: int, first: EntryCursor) -> QueryScanCursorGetPage:
    return QueryScanCursorGetPage(cursor)


class AioSqlFieldsCursor(Cursor[Sequence[Any]]):
    """Rows of an SQL query; ``columns`` and ``first_page`` are known once it is open."""

    def __init__(self, session: Session, codecs: Codecs, request: QuerySqlFields, timeout: float | None) -> None:
        super().__init__(_Pages(session, codecs, UNTYPED, timeout, request, _rows, _next_rows))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, where the query asked for them; empty before it is open."""
        return () if self._pages.first is None else tuple(self._pages.first.columns)

    @property
    def first_page(self) -> Sequence[Sequence[Any]]:
        """The rows of the first page; empty before it is open."""
        return () if self._pages.first is None else _rows(self._pages.first)


def _rows(page: RowCursor | RowPage) -> Sequence[Sequence[Any]]:
    return page.rows


def _next_rows(cursor: int, first: RowCursor) -> QuerySqlFieldsCursorGetPage:
    return QuerySqlFieldsCursorGetPage(cursor, first.column_count)


class AioTypedRowsCursor(Cursor[Any]):
    """Rows of an SQL query, each read whole by the value type of ``types``."""

    def __init__(
        self, session: Session, codecs: Codecs, types: EntryTypes, request: QueryTypedRows, timeout: float | None
    ) -> None:
        super().__init__(_Pages(session, codecs, types, timeout, request, _typed_rows, _next_typed_rows))


def _typed_rows(page: TypedRowCursor | TypedRowPage) -> Sequence[Any]:
    return page.rows


def _next_typed_rows(cursor: int, first: TypedRowCursor) -> QueryTypedRowsCursorGetPage:
    return QueryTypedRowsCursorGetPage(cursor, first.column_count)


class AioIndexCursor(Cursor[tuple[Any, Any]]):
    """Entries of an index query as (key, value), in the order of the index."""

    def __init__(
        self, session: Session, codecs: Codecs, types: EntryTypes, request: QueryIndex, timeout: float | None
    ) -> None:
        super().__init__(_Pages(session, codecs, types, timeout, request, _entries, _next_index_entries))


def _next_index_entries(cursor: int, first: EntryCursor) -> QueryIndexCursorGetPage:
    return QueryIndexCursorGetPage(cursor)
