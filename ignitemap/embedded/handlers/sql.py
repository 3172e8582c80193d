"""Operations 2002 to 2005, 2008 and 2009: SQL, and queries over SQL's indexes."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ignitemap.embedded import errors
from ignitemap.embedded.caches import Cache
from ignitemap.embedded.errors import Refused, failed, no_class
from ignitemap.embedded.handlers.queries import ReadyCursor, next_page, open_cursor
from ignitemap.embedded.handlers.table import answers
from ignitemap.embedded.objects import NULL
from ignitemap.embedded.sql.seam import Result
from ignitemap.exceptions import DecodeError
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import (
    EntryCursor,
    EntryPage,
    QueryIndex,
    QueryIndexCursorGetPage,
    QuerySql,
    QuerySqlCursorGetPage,
    QuerySqlFields,
    QuerySqlFieldsCursorGetPage,
    RowCursor,
    RowPage,
)

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session

SELECT: Final = 1
_CLAUSE: Final = re.compile(r"\s*(?:where|order|limit|group|having|union|offset|fetch)\b", re.IGNORECASE)
_SELECT: Final = re.compile(r"\s*select\b", re.IGNORECASE)
_STAR: Final = re.compile(r"\s*select\s+(?:(?P<alias>\w+)\s*\.\s*)?\*\s+(?P<rest>from\b.*)", re.IGNORECASE | re.DOTALL)
_FROM: Final = re.compile(r"\s*from\b", re.IGNORECASE)


class RowsCursor:
    """Rows that were all found at once: a statement sees one state of the data."""

    counts: bool = True

    def __init__(self, result: Result, size: int) -> None:
        self._rows = result.rows
        self._size = size
        self._at = 0

    def page(self) -> tuple[Sequence[tuple[bytes, ...]], bool]:
        """The next rows, and whether there are more behind them."""
        start, self._at = self._at, self._at + self._size
        return self._rows[start : self._at], self._at < len(self._rows)

    def close(self) -> None:
        """Nothing is held."""


def _cache(session: "Session", ref: CacheRef) -> Cache | None:
    """The cache that a statement was sent with. Raises Refused."""
    if not ref.cache_id:
        return None
    found = session.cluster.caches.get(ref.cache_id)
    if found is None:
        raise Refused(errors.CACHE_DOES_NOT_EXIST, f"50000: {errors.cache_not_found(ref.cache_id).message}")
    return found


@answers(QuerySqlFields)
def sql_fields(session: "Session", request: QuerySqlFields) -> RowCursor:
    """2004."""
    if request.page_size <= 0:
        raise DecodeError("a page size that is not above 0")
    cache = _cache(session, request.cache)
    transaction = session.transaction(request.cache)
    if transaction is not None:
        transaction.check()
    _check_partitions(request.partitions)
    if request.update_batch_size < 1:
        raise failed("50000: Ouch! Argument is invalid: updateBatchSize cannot be lower than 1")
    if request.local and len(session.cluster.nodes) > 1:
        raise failed("0A000: The embedded node does not support local queries in a cluster of several nodes")
    result = session.cluster.sql.execute(
        session,
        transaction,
        request.sql,
        request.arguments,
        schema=request.schema,
        cache=cache,
        statement_type=request.statement_type,
        timeout=request.timeout / 1000 if request.timeout > 0 else None,
    )
    session.check_cursors()
    cursor = RowsCursor(result, request.page_size)
    rows, more = cursor.page()
    number = session.add(cursor) if more else session.next_id()
    columns = [column.name for column in result.columns]
    return RowCursor(number, len(columns), columns, rows, more)


def _check_partitions(partitions: Sequence[int] | None) -> None:
    """Raise Refused: all of a table's rows are in one place here."""
    if partitions is None:
        return
    if not partitions:
        raise failed("50000: Ouch! Argument is invalid: Partitions must not be empty.")
    for at, number in enumerate(sorted(partitions)[1:]):
        if number == sorted(partitions)[at]:
            raise failed(f"50000: Ouch! Argument is invalid: Partition duplicates are not allowed: {number}")
    raise failed("0A000: The embedded node does not support SQL over some partitions; use a scan of a partition")


@answers(QuerySqlFieldsCursorGetPage)
def sql_fields_page(session: "Session", request: QuerySqlFieldsCursorGetPage) -> RowPage:
    """2005."""
    rows, more = session.resource(request.cursor, RowsCursor, sql=True).page()
    if not more:
        session.forget(request.cursor)
    return RowPage(rows, more)


@answers(QuerySql)
def sql(session: "Session", request: QuerySql) -> EntryCursor:
    """2002: the entries of one type that a condition selects (IgniteH2Indexing.generateQuery)."""
    cache = _cache(session, request.cache)
    if request.page_size <= 0:
        raise DecodeError("a page size that is not above 0")
    table = None if cache is None else session.cluster.sql.table_of(cache, request.type_name)
    if table is None:
        raise failed(f"50000: Failed to find SQL table for type: {request.type_name}")
    try:
        result = session.cluster.sql.execute(
            session,
            session.transaction(request.cache),
            _entries_query(table, request.sql),
            request.arguments,
            schema=None,
            cache=cache,
            statement_type=SELECT,
            timeout=request.timeout / 1000 if request.timeout > 0 else None,
        )
    except Refused as refused:  # whatever went wrong, this operation's errors are of one state
        raise failed("50000" + refused.message[5:]) from None
    return open_cursor(session, ReadyCursor([(row[0], row[1]) for row in result.rows], request.page_size))


def _entries_query(table: str, text: str) -> str:
    """The SELECT of keys and values that a condition, a FROM or a SELECT * stands for."""
    if _SELECT.match(text):
        selected = _STAR.match(text)
        if selected is None:
            raise failed(
                "50000: Only queries starting with 'SELECT *' and 'SELECT alias.*' are supported (rewrite your query or"
                f" use SqlFieldsQuery instead): {text}"
            )
        prefix = "" if selected["alias"] is None else f"{selected['alias']}."
        return f"SELECT {prefix}_KEY, {prefix}_VAL {selected['rest']}"
    if _FROM.match(text):
        return f"SELECT _KEY, _VAL {text}"
    where = "" if _CLAUSE.match(text) else "WHERE "
    return f"SELECT {table}._KEY, {table}._VAL FROM {table} {where}{text}"


@answers(QuerySqlCursorGetPage)
def sql_page(session: "Session", request: QuerySqlCursorGetPage) -> EntryPage:
    """2003."""
    return next_page(session, request.cursor)


@answers(QueryIndex)
def index(session: "Session", request: QueryIndex) -> EntryCursor:
    """2008."""
    if request.page_size <= 0:
        raise DecodeError("a page size that is not above 0")
    cache = session.cache(request.cache.cache_id)
    if request.filter != NULL:
        raise no_class("filters of an index query")
    if request.partition >= cache.partitions:
        raise failed("Specified partition must be in the range [0, N) where N is partition number in the cache.")
    found = session.cluster.sql.query_index(
        cache,
        request.value_type,
        request.index_name,
        request.criteria,
        limit=0 if request.partition >= 0 else request.limit,
    )
    if request.partition >= 0:
        found = [entry for entry in found if cache.partition(entry[0]) == request.partition]
        if request.limit > 0:
            found = found[: request.limit]
    if request.local and len(session.cluster.nodes) > 1:
        own = set(session.cluster.affinity.primary_partitions(session.node, cache))
        found = [entry for entry in found if cache.partition(entry[0]) in own]
    return open_cursor(session, ReadyCursor(found, request.page_size))


@answers(QueryIndexCursorGetPage)
def index_page(session: "Session", request: QueryIndexCursorGetPage) -> EntryPage:
    """2009."""
    return next_page(session, request.cursor)
