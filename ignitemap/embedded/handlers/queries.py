"""Operations 2000 and 2001: scans, and the pages of all queries whose rows are entries."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ignitemap.embedded.caches import Cache
from ignitemap.embedded.errors import cache_not_found, failed, no_class
from ignitemap.embedded.handlers.table import answers
from ignitemap.embedded.objects import NULL
from ignitemap.protocol.operations import EntryCursor, EntryPage, QueryScan, QueryScanCursorGetPage

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session

MAX_PAGE: Final = 100_000  # entries of one page: a client that asks for more gets it in several


class EntriesCursor:
    """Entries that come page by page."""

    counts: bool = True

    def page(self) -> tuple[list[tuple[bytes, bytes]], bool]:
        """The next entries, and whether there are more behind them."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held between two pages."""


class ScanCursor(EntriesCursor):
    """A scan: it goes on from a position, so it sees entries that came behind it meanwhile."""

    def __init__(self, cache: Cache, size: int, partitions: Sequence[int] | None) -> None:
        self._cache = cache
        self._size = min(size, MAX_PAGE)
        self._partitions = partitions
        self._position: tuple[int, int] = (0, 0)

    def page(self) -> tuple[list[tuple[bytes, bytes]], bool]:
        """The next entries, and whether there are more behind them. Raises Refused when the cache is gone."""
        if self._cache.dropped:
            raise cache_not_found(self._cache.id)
        found, position = self._cache.page(self._position, self._size, self._partitions)
        if position is not None:
            self._position = position
        return found, position is not None


class ReadyCursor(EntriesCursor):
    """Entries that were all found at once."""

    def __init__(self, entries: Sequence[tuple[bytes, bytes]], size: int) -> None:
        self._entries = entries
        self._size = size
        self._at = 0

    def page(self) -> tuple[list[tuple[bytes, bytes]], bool]:
        """The next entries, and whether there are more behind them."""
        start, self._at = self._at, self._at + self._size
        return list(self._entries[start : self._at]), self._at < len(self._entries)


def open_cursor(session: "Session", cursor: EntriesCursor) -> EntryCursor:
    """The answer with the first page; the cursor stays open where there are more."""
    session.check_cursors()
    entries, more = cursor.page()
    number = session.add(cursor) if more else session.next_id()
    return EntryCursor(number, entries, more)


@answers(QueryScan)
def scan(session: "Session", request: QueryScan) -> EntryCursor:
    """2000. In a transaction it sees what is committed, as on a node without transaction-aware queries."""
    ref = request.cache
    cache = session.cache(ref.cache_id)
    if ref.transaction is not None and (transaction := session.transaction(ref)) is not None:
        transaction.check()
    if request.filter != NULL:
        raise no_class("filters of a scan")
    if request.page_size <= 0:
        raise failed("Page size must be above zero.")
    if request.partition >= cache.partitions:
        raise failed(f"class org.apache.ignite.IgniteCheckedException: Invalid partition number: {request.partition}")
    partitions: list[int] | None = None
    if request.partition >= 0:
        partitions = [request.partition]
    if request.local and len(session.cluster.nodes) > 1:
        own = session.cluster.affinity.primary_partitions(session.node, cache)
        partitions = own if partitions is None else [number for number in partitions if number in own]
    return open_cursor(session, ScanCursor(cache, request.page_size, partitions))


@answers(QueryScanCursorGetPage)
def scan_page(session: "Session", request: QueryScanCursorGetPage) -> EntryPage:
    """2001."""
    return next_page(session, request.cursor)


def next_page(session: "Session", number: int) -> EntryPage:
    """The next page of a cursor of entries; the last one closes it. Raises Refused where there is none."""
    cursor = session.resource(number, EntriesCursor, sql=True)
    entries, more = cursor.page()
    if not more:
        session.forget(number)
    return EntryPage(entries, more)
