"""Operations that find entries and rows: scans, SQL, index queries, continuous queries."""

import struct
from collections.abc import Sequence
from typing import Annotated, Any

import attrs

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import Codecs, decode_object, encode_object
from ignitemap.protocol.message import CacheRef, Request, layout_of, operation, record
from ignitemap.protocol.wire import (
    NULL,
    Asked,
    Custom,
    Feature,
    OffWire,
    ProtocolContext,
    Times,
    When,
    array,
    boolean,
    i8,
    i32,
    i64,
    key,
    nullable_text,
    obj,
    text,
    value,
)
from ignitemap.protocol.words import decode_text, encode_text

__all__ = [
    "CONTINUOUS_EVENT",
    "CRITERIA",
    "IN",
    "JAVA",
    "NO_CRITERIA",
    "RANGE",
    "ContinuousEvent",
    "ContinuousEvents",
    "EntryCursor",
    "EntryPage",
    "IndexIn",
    "IndexRange",
    "PlacedRowCursor",
    "QueryContinuous",
    "QueryIndex",
    "QueryIndexCursorGetPage",
    "QueryPlacedRows",
    "QueryScan",
    "QueryScanCursorGetPage",
    "QuerySql",
    "QuerySqlCursorGetPage",
    "QuerySqlFields",
    "QuerySqlFieldsCursorGetPage",
    "QueryTypedRows",
    "QueryTypedRowsCursorGetPage",
    "RowCursor",
    "RowPage",
    "TypedRowCursor",
    "TypedRowPage",
    "index_criteria",
    "partition_list",
    "read_criteria",
    "read_filter",
    "read_partitions",
    "read_place",
    "row",
    "scan_filter",
    "write_criteria",
    "write_filter",
    "write_nothing",
    "write_partitions",
]

# --- queries ---------------------------------------------------------------------------------------------------------


@record
class EntryPage:
    """A page of entries; with ``more`` the cursor stays open on the server."""

    entries: array[tuple[key, value]]
    more: boolean


@record
class EntryCursor:
    """The first page of a scan."""

    cursor: i64
    entries: array[tuple[key, value]]
    more: boolean


JAVA = 1


def write_filter(codecs: Codecs, context: ProtocolContext, out: bytearray, value: object) -> None:
    """Append a filter: null, or an object and the platform that runs it."""
    start = len(out)
    encode_object(codecs, out, value)
    if out[start] != NULL:
        out.append(JAVA)


def read_filter(codecs: Codecs, context: ProtocolContext, buf: bytes, pos: int) -> tuple[object, int]:
    """Read a filter and skip its platform: the server's side."""
    start = pos
    value, pos = decode_object(codecs, buf, pos)
    return value, pos if buf[start] == NULL else pos + 1


scan_filter = Annotated[Any, Custom(write_filter, read_filter)]


@operation(2000, effect="read")
class QueryScan(Request[EntryCursor]):
    """All entries, those of one partition, or those whose primary is the asked node (``local``)."""

    cache: CacheRef
    filter: scan_filter = None
    page_size: i32 = 1024
    partition: i32 = -1
    local: boolean = False


@operation(2001, effect="bound")
class QueryScanCursorGetPage(Request[EntryPage]):
    """The next page of a scan."""

    cursor: i64


@operation(2002, effect="read", sql=True)
class QuerySql(Request[EntryCursor]):
    """Entries of a type that a condition selects; Ignite keeps it for old clients."""

    cache: CacheRef
    type_name: text
    sql: text
    arguments: array[obj]
    distributed_joins: boolean = False
    local: boolean = False
    replicated_only: boolean = False
    page_size: i32 = 1024
    timeout: i64 = 0


@operation(2003, effect="bound", sql=True)
class QuerySqlCursorGetPage(Request[EntryPage]):
    """The next page of a `QuerySql`."""

    cursor: i64


row = Annotated[array[obj], Times("column_count")]


def write_partitions(codecs: Codecs, context: ProtocolContext, out: bytearray, value: Sequence[int] | None) -> None:
    """Append partition numbers; None (all partitions) is the count -1."""
    if value is None:
        out += struct.pack("<i", -1)
    else:
        out += struct.pack(f"<i{len(value)}i", len(value), *value)


def read_partitions(
    codecs: Codecs, context: ProtocolContext, buf: bytes, pos: int
) -> tuple[tuple[int, ...] | None, int]:
    """Read partition numbers: the server's side."""
    (count,) = struct.unpack_from("<i", buf, pos)
    pos += 4
    if count == -1:
        return None, pos
    if not 0 <= count <= (len(buf) - pos) // 4:
        raise DecodeError(f"{count} partitions in {len(buf) - pos} bytes")
    return struct.unpack_from(f"<{count}i", buf, pos), pos + 4 * count


partition_list = Annotated[Sequence[int] | None, Custom(write_partitions, read_partitions)]


@record
class RowCursor:
    """The first page of an SQL query; column names where they were asked for."""

    cursor: i64
    column_count: i32
    columns: Annotated[array[text], Times("column_count"), Asked("include_field_names")] = ()
    rows: array[row] = ()
    more: boolean = False


@record
class RowPage:
    """A page of rows."""

    rows: array[row]
    more: boolean


@operation(2004, effect="update", sql=True)
class QuerySqlFields(Request[RowCursor]):
    """One SQL statement; DML and DDL answer one column UPDATED with one row."""

    cache: CacheRef
    schema: nullable_text
    page_size: i32
    max_rows: i32
    sql: text
    arguments: array[obj]
    statement_type: i8 = 0
    distributed_joins: boolean = False
    local: boolean = False
    replicated_only: boolean = False
    enforce_join_order: boolean = False
    collocated: boolean = False
    lazy: boolean = False
    timeout: i64 = -1
    include_field_names: boolean = True
    partitions: Annotated[partition_list, When(Feature.QRY_PARTITIONS_BATCH_SIZE)] = None
    update_batch_size: Annotated[i32, When(Feature.QRY_PARTITIONS_BATCH_SIZE)] = 1


@operation(2005, effect="bound", sql=True)
class QuerySqlFieldsCursorGetPage(Request[RowPage]):
    """The next page of an SQL query."""

    cursor: i64
    column_count: Annotated[int, OffWire()] = 0


def write_nothing(codecs: Codecs, context: ProtocolContext, out: bytearray, value: object) -> None:
    """Append nothing."""


def read_place(codecs: Codecs, context: ProtocolContext, buf: bytes, pos: int) -> tuple[tuple[bytes, int], int]:
    """Where in which message the next field begins."""
    return (buf, pos), pos


@record
class PlacedRowCursor:
    """The first page of an SQL query, and where its rows begin: their type codes tell what the columns hold."""

    cursor: i64
    column_count: i32
    columns: Annotated[array[text], Times("column_count"), Asked("include_field_names")] = ()
    place: Annotated[Any, Custom(write_nothing, read_place)] = None
    rows: array[row] = ()
    more: boolean = False


class QueryPlacedRows(QuerySqlFields):
    """`QuerySqlFields` with the answer of a `PlacedRowCursor`: the same bytes, of which it remembers more."""

    __slots__ = ()
    answer_layout = layout_of(PlacedRowCursor)


@record
class TypedRowCursor:
    """The first page of an SQL query whose rows are of a declared type: all columns of a row are one value."""

    cursor: i64
    column_count: i32
    columns: Annotated[array[text], Times("column_count"), Asked("include_field_names")] = ()
    rows: array[value] = ()
    more: boolean = False


@record
class TypedRowPage:
    """A page of rows of a declared type."""

    rows: array[value]
    more: boolean


# Not rows of the table, but two of its rows read in another way: the same bytes, whose every row the entry types'
# value decodes. So models out of a query are read as those out of a get are.
class QueryTypedRows(QuerySqlFields):
    """`QuerySqlFields` with an answer of typed rows, a `TypedRowCursor`."""

    __slots__ = ()
    answer_layout = layout_of(TypedRowCursor)


class QueryTypedRowsCursorGetPage(QuerySqlFieldsCursorGetPage):
    """`QuerySqlFieldsCursorGetPage` with an answer of typed rows, a `TypedRowPage`."""

    __slots__ = ()
    answer_layout = layout_of(TypedRowPage)


@attrs.frozen
class IndexRange:
    """A field of an index within bounds, both included; ``null`` says that a bound is SQL's NULL and not open."""

    field: str
    lower: Any = None
    upper: Any = None
    lower_included: bool = True
    upper_included: bool = True
    lower_null: bool = False
    upper_null: bool = False


@attrs.frozen
class IndexIn:
    """A field of an index that has one of several values."""

    field: str
    values: tuple[Any, ...]


NO_CRITERIA = 0x65
CRITERIA = 1
RANGE = 0
IN = 1
_range_flags = struct.Struct("<????")


def write_criteria(
    codecs: Codecs, context: ProtocolContext, out: bytearray, value: Sequence[IndexRange | IndexIn]
) -> None:
    """Append the criteria of an index query, of which there may be none."""
    if not value:
        out.append(NO_CRITERIA)
        return
    out.append(CRITERIA)
    out += struct.pack("<i", len(value))
    for each in value:
        match each:
            case IndexRange():
                out.append(RANGE)
                encode_text(codecs, out, each.field)
                out += _range_flags.pack(each.lower_included, each.upper_included, each.lower_null, each.upper_null)
                encode_object(codecs, out, each.lower)
                encode_object(codecs, out, each.upper)
            case IndexIn():
                out.append(IN)
                encode_text(codecs, out, each.field)
                out += struct.pack("<i", len(each.values))
                for item in each.values:
                    encode_object(codecs, out, item)


def read_criteria(
    codecs: Codecs, context: ProtocolContext, buf: bytes, pos: int
) -> tuple[tuple[IndexRange | IndexIn, ...], int]:
    """Read the criteria of an index query: the server's side."""
    head = buf[pos]
    pos += 1
    if head == NO_CRITERIA:
        return (), pos
    if head != CRITERIA:
        raise DecodeError(f"{head} is no head of index criteria")
    count, pos = _read_count(buf, pos)
    found: list[IndexRange | IndexIn] = []
    for _ in range(count):
        kind = buf[pos]
        field, pos = decode_text(codecs, buf, pos + 1)
        if kind == RANGE:
            flags = _range_flags.unpack_from(buf, pos)
            lower, pos = decode_object(codecs, buf, pos + 4)
            upper, pos = decode_object(codecs, buf, pos)
            found.append(IndexRange(field, lower, upper, *flags))
        elif kind == IN:
            size, pos = _read_count(buf, pos)
            values: list[Any] = []
            for _ in range(size):
                item, pos = decode_object(codecs, buf, pos)
                values.append(item)
            found.append(IndexIn(field, tuple(values)))
        else:
            raise DecodeError(f"{kind} is no kind of index criterion")
    return tuple(found), pos


def _read_count(buf: bytes, pos: int) -> tuple[int, int]:
    (count,) = struct.unpack_from("<i", buf, pos)
    pos += 4
    if not 0 <= count <= len(buf) - pos:
        raise DecodeError(f"{count} items in {len(buf) - pos} bytes")
    return count, pos


index_criteria = Annotated[Sequence[IndexRange | IndexIn], Custom(write_criteria, read_criteria)]


@operation(2008, effect="read")
class QueryIndex(Request[EntryCursor]):
    """Entries in the order of an SQL index, those that meet all criteria; no SQL is run.

    Without ``index_name`` the server finds an index by the criteria's fields. A node closes the connection on a page
    size below 1 or a null ``value_type``.
    """

    cache: CacheRef
    page_size: i32 = 1024
    local: boolean = False
    partition: i32 = -1
    limit: Annotated[i32, When(Feature.INDEX_QUERY_LIMIT)] = 0
    value_type: text = ""
    index_name: nullable_text = None
    criteria: index_criteria = ()
    filter: scan_filter = None


@operation(2009, effect="bound")
class QueryIndexCursorGetPage(Request[EntryPage]):
    """The next page of an index query."""

    cursor: i64


# --- continuous queries ----------------------------------------------------------------------------------------------

CONTINUOUS_EVENT = 2007
"""The operation of a notification whose body is `ContinuousEvents`."""


@record
class ContinuousEvent:
    """One change of an entry: kind 0 created, 1 updated, 2 removed, 3 expired; what there was not is null."""

    key: key
    old: value
    new: value
    kind: i8


@record
class ContinuousEvents:
    """What a continuous query tells of at once."""

    events: array[ContinuousEvent]


@operation(2006, effect="bound")
class QueryContinuous(Request[i64]):
    """Be told of changes from now on; the id of the resource that notifications carry.

    A node closes the connection on a page size below 1 or a negative interval.
    """

    cache: CacheRef
    page_size: i32 = 1
    interval: i64 = 0
    include_expired: boolean = False
    filter: scan_filter = None
