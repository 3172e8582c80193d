"""Cursors: pages of a query from the one connection that holds it, closed on the server when they are left early."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing
from types import AsyncGeneratorType
from typing import Any, Final, Generic, Self, TypeVar, cast

import attrs

from ignitemap.client.connection import NodeConnection
from ignitemap.client.session import Session
from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import MALFORMED, NULL, UNTYPED, Codecs, EntryTypes, decode_object
from ignitemap.protocol.codegen import OperationCodec, compile_operation
from ignitemap.protocol.message import CacheRef, Request, changed
from ignitemap.protocol.operations.queries import (
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
from ignitemap.protocol.types.extent import Unreadable, tolerant

__all__ = ["AioIndexCursor", "AioScanCursor", "AioSqlFieldsCursor", "AioTypedRowsCursor", "Cursor", "Salvaged"]

T = TypeVar("T")

PAGE_TASK: Final = "ignitemap cursor page"


class _Pages(Generic[T]):
    """The pages of one server cursor, the next one asked for while the caller works on this one.

    It knows nothing of who reads them. So a loop that is left without closing anything is no part of a reference
    cycle, and Python finalises its generator, which closes the server's cursor, at once.
    """

    _cursor: int | None = None
    """While the server's is open."""

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Task[Any] | None = None
        self._after: asyncio.Task[Any] | None = None  # the one behind it, when the reader waits for that already
        self._waiting = False
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
            self._loop = asyncio.get_running_loop()
            self._cursor = self.first.cursor

    def __del__(self) -> None:
        # It was opened and never read, else its generator has closed it. Garbage may be collected in any thread.
        if self._cursor is None or self._connection is None or self._connection.lost or self._session.closed:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._session.close_resource, self._connection, self._cursor)

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
                    self._next, self._after = self._after, None
                    if self._next is None:
                        self._next = self._start_next()
                        await asyncio.sleep(0)  # it is sent now, and not when the reader waits for it
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
        upcoming = [task for task in (self._next, self._after) if task is not None and not task.done()]
        self._next = self._after = None
        try:
            for task in upcoming:
                task.cancel()
            if upcoming:
                await asyncio.wait(upcoming)
        finally:
            cursor, self._cursor = self._cursor, None
            connection = self._connection
            closing = None
            if cursor is not None and connection is not None and not connection.lost and not self._session.closed:
                closing = self._session.close_resource(connection, cursor)
        if closing is not None:
            await asyncio.shield(closing)

    async def _upcoming(self) -> Any:
        upcoming = self._next
        if upcoming is None:
            raise _closed_early()
        self._waiting = True
        try:
            return await upcoming
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise _closed_early() from None  # by another task: nobody has cancelled this one
            raise
        finally:
            self._waiting = False

    def _start_next(self) -> "asyncio.Task[Any]":
        task = asyncio.create_task(self._next_page(), name=PAGE_TASK)
        task.add_done_callback(_retrieve)
        return task

    def _on_page(self, answer: bytes) -> None:
        """Ask for the page behind one that has arrived, before it is read, if the reader waits for it."""
        if self._waiting and self._after is None and not self._closed and answer[-1:] == b"\x01":  # there are more
            self._after = self._start_next()

    async def _next_page(self) -> Any:
        assert self._cursor is not None
        page = await self._session.call(
            self._following(self._cursor, self.first),
            self._codecs,
            self._types,
            node=self._connection,
            timeout=self._timeout,
            on_answer=self._on_page,
        )
        if not page.more:
            self._cursor = None  # the server has closed it already
        return page


class Salvaged(list[tuple[Any, Any]]):
    """The entries of a page of which some can't be read: these have `Unreadable` for their key, their value or both."""


class _EntryPages(_Pages[tuple[Any, Any]]):
    """Pages of entries. One that can't be read ends them at its place, unless the reader asked for what is salvaged."""

    def __init__(
        self,
        session: Session,
        codecs: Codecs,
        types: EntryTypes,
        timeout: float | None,
        first: Request[Any],
        following: Callable[[int, Any], Request[Any]],
        next_page: type[Request[Any]],
        *,
        salvage: bool = False,
    ) -> None:
        super().__init__(
            session, codecs, _salvaging(types, type(first), next_page), timeout, first, _entries, following
        )
        self._salvage = salvage

    async def pages(self) -> AsyncGenerator[Sequence[tuple[Any, Any]], None]:
        async with aclosing(super().pages()) as pages:
            async for page in pages:
                if isinstance(page, Salvaged):
                    self._name_node(page)
                    if not self._salvage:
                        readable, error = _before_error(page)
                        if readable:
                            yield readable
                        raise error
                yield page

    def _name_node(self, page: Salvaged) -> None:
        assert self._connection is not None
        for entry in page:
            for side in entry:
                if side.__class__ is Unreadable:
                    side.error.node = str(self._connection.address)


def _salvaging(types: EntryTypes, *operations: type[Request[Any]]) -> EntryTypes:
    """The same types for operations that answer with pages of entries: a bad entry does not cost them its page.

    A page is read as any other answer first, so that one without such an entry costs nothing more.
    """
    salvaging: EntryTypes | None = types.compiled.get((operations, "salvaging"))
    if salvaging is None:
        tolerating = EntryTypes(tolerant(types.key), tolerant(types.value))
        salvaging = EntryTypes(types.key, types.value)
        for operation in operations:
            strict = compile_operation(operation, types)
            salvaging.compiled[operation] = attrs.evolve(strict, decode=_salvage_with(strict, operation, tolerating))
        types.compiled[operations, "salvaging"] = salvaging
    return salvaging


def _salvage_with(strict: OperationCodec, operation: type[Request[Any]], tolerating: EntryTypes) -> Callable[..., Any]:
    decode_strictly = strict.decode

    def decode(codecs: Codecs, *answer: Any) -> Any:
        try:
            return decode_strictly(codecs, *answer)
        except (DecodeError, *MALFORMED):
            codecs.depth = codecs.repeated = 0
        page = compile_operation(operation, tolerating).decode(codecs, *answer)
        return changed(page, entries=Salvaged(page.entries))

    return decode


def _before_error(page: Salvaged) -> tuple[list[tuple[Any, Any]], DecodeError]:
    """The entries before the first that can't be read, and what is wrong with that one."""
    readable: list[tuple[Any, Any]] = []
    for entry in page:
        for side in entry:
            if side.__class__ is Unreadable:
                return readable, side.error
        readable.append(entry)
    raise AssertionError("a page is salvaged for an entry that can't be read")


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
        """Run the query and read the first page; nothing happens when that was done.

        >>> cursor = await cache.scan().open()
        >>> await cursor.aclose()
        """
        await self._pages.open()
        return self

    def pages(self) -> AsyncGenerator[Sequence[T], None]:
        """The pages, each a sequence of items, none of them empty. A cursor is read once.

        Raises RuntimeError when the cursor was read before, or is closed before its end; CursorLost with the
        connection that holds it.

        >>> await cache.put_all({1: "Ann", 2: "Ben", 3: "Cleo"})
        >>> async with cache.scan(page_size=2) as cursor:
        ...     print([len(page) async for page in cursor.pages()])
        [2, 1]
        """
        return self._pages.pages()

    async def aclose(self) -> None:
        """Free the server's cursor, if it is still open. What the server says to that does not matter.

        >>> cursor = await cache.scan()
        >>> await cursor.aclose()
        """
        if self._iterator is not None and not self._iterator.ag_running:
            await self._iterator.aclose()
        await self._pages.aclose()

    async def close(self) -> None:
        """The same as ``aclose``, under pyignite's name.

        >>> cursor = await cache.scan()
        >>> await cursor.close()
        """
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
    """Entries of a cache as (key, value).

    An entry that can't be read is a DecodeError at its place: all before it have arrived, the cursor is closed, and the
    connection lives on. With ``salvage`` it is no error: its page is `Salvaged`, and the entries behind it come too.

    >>> await cache.put(1, "Ann")
    >>> async with cache.scan() as cursor:
    ...     async for key, value in cursor:
    ...         print(key, value)
    1 Ann
    """

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
        *,
        salvage: bool = False,
    ) -> None:
        request = QueryScan(cache, None, page_size, partition, local)
        super().__init__(
            _EntryPages(
                session, codecs, types, timeout, request, _next_entries, QueryScanCursorGetPage, salvage=salvage
            )
        )


def _entries(page: EntryCursor | EntryPage) -> Sequence[tuple[Any, Any]]:
    return page.entries


def _next_entries(cursor: int, first: EntryCursor) -> QueryScanCursorGetPage:
    return QueryScanCursorGetPage(cursor)


class AioSqlFieldsCursor(Cursor[Sequence[Any]]):
    """Rows of an SQL query, lists or with ``tuples`` those; ``columns`` and ``first_page`` are known once it is open.

    >>> async with client.sql("SELECT 1 AS a, 'x' AS b", include_field_names=True) as rows:
    ...     print(rows.columns, [row async for row in rows])
    ('A', 'B') [[1, 'x']]
    """

    def __init__(
        self,
        session: Session,
        codecs: Codecs,
        request: QuerySqlFields,
        timeout: float | None,
        *,
        tuples: bool = False,
    ) -> None:
        super().__init__(
            _Pages(session, codecs, UNTYPED, timeout, request, _rows if tuples else _listed_rows, _next_rows)
        )
        self._codecs = codecs

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, where the query asked for them; empty before it is open.

        >>> async with client.sql("SELECT 1 AS a", include_field_names=True) as rows:
        ...     print(rows.columns)
        ('A',)
        """
        return () if self._pages.first is None else tuple(self._pages.first.columns)

    @property
    def first_page(self) -> Sequence[Sequence[Any]]:
        """The rows of the first page; empty before it is open.

        >>> cursor = await client.sql("SELECT 1 AS a")
        >>> cursor.first_page[0][0]
        1
        """
        return () if self._pages.first is None else _rows(self._pages.first)

    @property
    def type_codes(self) -> tuple[int | None, ...]:
        """Not for users: the type code of each column by the first page, None of nulls; asked for by `QueryPlacedRows`."""
        first = self._pages.first
        place: tuple[bytes, int] | None = getattr(first, "place", None)
        if place is None:
            return (None,) * len(self.columns)
        buf, pos = place
        pos += 4  # behind the count of rows
        codes: list[int | None] = [None] * first.column_count
        for _ in first.rows:
            for column in range(first.column_count):
                if buf[pos] != NULL:
                    codes[column] = buf[pos]
                _, pos = decode_object(self._codecs, buf, pos)
            if None not in codes:
                break
        return tuple(codes)


def _rows(page: RowCursor | RowPage) -> Sequence[Sequence[Any]]:
    return page.rows


def _listed_rows(page: RowCursor | RowPage) -> Sequence[Sequence[Any]]:
    return list(map(list, page.rows))


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
    """Entries of an index query as (key, value), in the order of the index. One that can't be read: as of a scan."""

    def __init__(
        self, session: Session, codecs: Codecs, types: EntryTypes, request: QueryIndex, timeout: float | None
    ) -> None:
        super().__init__(
            _EntryPages(session, codecs, types, timeout, request, _next_index_entries, QueryIndexCursorGetPage)
        )


def _next_index_entries(cursor: int, first: EntryCursor) -> QueryIndexCursorGetPage:
    return QueryIndexCursorGetPage(cursor)
