"""The table: one class an operation, named as Ignite names its constant. Client and embedded node read the same class.

The fields are the request as it goes over the wire, the type parameter is the answer. ``effect`` says what a lost
answer allows (message.Effect).
"""

import struct
from collections.abc import Sequence
from typing import Annotated, Any, Final

import attrs

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.cache_config import given_config, known_config
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
    uuid16,
    uuid_obj,
    value,
)
from ignitemap.protocol.words import decode_nullable_text, decode_text, encode_nullable_text, encode_text

# --- general --------------------------------------------------------------------------------------------------------


@operation(0, effect="bound")
class ResourceClose(Request[None]):
    """Close a cursor or another resource of this connection."""

    resource: i64


@operation(1, effect="read")
class Heartbeat(Request[None]):
    """Reset the server's idle timer."""


@operation(2, effect="read")
class GetIdleTimeout(Request[i64]):
    """The server's idle timeout in ms, 0 for none."""


# --- key-value ------------------------------------------------------------------------------------------------------


@operation(1000, effect="read")
class CacheGet(Request[value]):
    """The value of a key, null when absent."""

    cache: CacheRef
    key: key


@operation(1001, effect="write")
class CachePut(Request[None]):
    """Set the value of a key."""

    cache: CacheRef
    key: key
    value: value


@operation(1002, effect="update")
class CachePutIfAbsent(Request[boolean]):
    """Set the value of an absent key; whether it was absent."""

    cache: CacheRef
    key: key
    value: value


@operation(1003, effect="read")
class CacheGetAll(Request[array[tuple[key, value]]]):
    """The entries of those keys that are present, in any order."""

    cache: CacheRef
    keys: array[key]


@operation(1004, effect="write")
class CachePutAll(Request[None]):
    """Set many entries."""

    cache: CacheRef
    entries: array[tuple[key, value]]


@operation(1005, effect="update")
class CacheGetAndPut(Request[value]):
    """Set the value of a key; the old value or null."""

    cache: CacheRef
    key: key
    value: value


@operation(1006, effect="update")
class CacheGetAndReplace(Request[value]):
    """Set the value of a present key; the old value, or null and nothing written when absent."""

    cache: CacheRef
    key: key
    value: value


@operation(1007, effect="update")
class CacheGetAndRemove(Request[value]):
    """Remove a key; the old value or null."""

    cache: CacheRef
    key: key


@operation(1008, effect="update")
class CacheGetAndPutIfAbsent(Request[value]):
    """Set the value of an absent key; the value that is there, or null."""

    cache: CacheRef
    key: key
    value: value


@operation(1009, effect="update")
class CacheReplace(Request[boolean]):
    """Set the value of a present key; whether it was present."""

    cache: CacheRef
    key: key
    value: value


@operation(1010, effect="update")
class CacheReplaceIfEquals(Request[boolean]):
    """Set the value of a key whose value has the expected bytes; whether it had."""

    cache: CacheRef
    key: key
    expected: value
    value: value


@operation(1011, effect="read")
class CacheContainsKey(Request[boolean]):
    """Whether a key is present."""

    cache: CacheRef
    key: key


@operation(1012, effect="read")
class CacheContainsKeys(Request[boolean]):
    """Whether all keys are present (true for none)."""

    cache: CacheRef
    keys: array[key]


@operation(1013, effect="write")
class CacheClear(Request[None]):
    """Drop all entries without telling listeners."""

    cache: CacheRef


@operation(1014, effect="write")
class CacheClearKey(Request[None]):
    """Drop one entry without telling listeners."""

    cache: CacheRef
    key: key


@operation(1015, effect="write")
class CacheClearKeys(Request[None]):
    """Drop entries without telling listeners."""

    cache: CacheRef
    keys: array[key]


@operation(1016, effect="update")
class CacheRemoveKey(Request[boolean]):
    """Remove a key; whether it was present."""

    cache: CacheRef
    key: key


@operation(1017, effect="update")
class CacheRemoveIfEquals(Request[boolean]):
    """Remove a key whose value has the expected bytes; whether it had."""

    cache: CacheRef
    key: key
    expected: value


@operation(1018, effect="write")
class CacheRemoveKeys(Request[None]):
    """Remove keys."""

    cache: CacheRef
    keys: array[key]


@operation(1019, effect="write")
class CacheRemoveAll(Request[None]):
    """Remove all entries, telling listeners."""

    cache: CacheRef


@operation(1020, effect="read")
class CacheGetSize(Request[i64]):
    """The number of entries: copies that the peek modes name, primary copies for none."""

    cache: CacheRef
    peek_modes: array[i8] = ()


@operation(1021, effect="read")
class CacheLocalPeek(Request[value]):
    """The value of a key as the asked node has it, null when it has none."""

    cache: CacheRef
    key: key


# --- caches ---------------------------------------------------------------------------------------------------------


@operation(1050, effect="read")
class CacheGetNames(Request[array[text]]):
    """The names of all user caches."""


@operation(1051, effect="update")
class CacheCreateWithName(Request[None]):
    """Create a cache with the server's defaults; status 1001 when it exists."""

    name: text


@operation(1052, effect="write")
class CacheGetOrCreateWithName(Request[None]):
    """Create a cache with the server's defaults unless it exists."""

    name: text


@operation(1053, effect="update")
class CacheCreateWithConfiguration(Request[None]):
    """Create a cache; status 1001 when it exists."""

    config: given_config


@operation(1054, effect="write")
class CacheGetOrCreateWithConfiguration(Request[None]):
    """Create a cache unless it exists; then the configuration is ignored."""

    config: given_config


@operation(1055, effect="read")
class CacheGetConfiguration(Request[known_config]):
    """The configuration of a cache."""

    cache: CacheRef


@operation(1056, effect="update")
class CacheDestroy(Request[None]):
    """Destroy a cache with its data; status 1000 when it is absent."""

    cache_id: i32


# --- affinity -------------------------------------------------------------------------------------------------------


@record
class CacheKeyFields:
    """A cache of an affinity group and (type id, field id) of the affinity fields of its complex keys."""

    cache_id: i32
    key_fields: array[tuple[i32, i32]]


@record
class AffinityGroup:
    """Caches with one mapping of partitions to primary nodes; without ``applicable`` only their ids."""

    applicable: boolean
    caches: Annotated[array[CacheKeyFields], Asked("applicable")] = ()
    nodes: Annotated[array[tuple[uuid_obj, array[i32]]], Asked("applicable")] = ()
    default_mapping: Annotated[boolean, When(Feature.ALL_AFFINITY_MAPPINGS), Asked("applicable")] = True
    cache_ids: Annotated[array[i32], Asked("applicable", equal=False)] = ()


@record
class AffinityAnswer:
    """The mapping of the caches that were asked for, at one version of the topology."""

    topology: i64
    minor: i32
    groups: array[AffinityGroup]


@operation(1101, effect="read")
class CachePartitions(Request[AffinityAnswer]):
    """Which node owns which partition of some caches."""

    with_custom_mappings: Annotated[boolean, When(Feature.ALL_AFFINITY_MAPPINGS)] = False
    cache_ids: array[i32] = ()


@record
class NodePartitions:
    """A server node: the port on which it listens for clients, its addresses, the partitions whose primary it is."""

    port: i32
    addresses: array[text]
    partitions: array[i32]


@operation(1100, effect="read")
class CacheNodePartitions(Request[array[NodePartitions]]):
    """Which node has which partitions of a cache; Ignite keeps it for old clients."""

    cache: CacheRef


# --- queries --------------------------------------------------------------------------------------------------------


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


# --- continuous queries ---------------------------------------------------------------------------------------------

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


# --- binary types ---------------------------------------------------------------------------------------------------


@operation(3000, effect="read")
class GetBinaryTypeName(Request[text]):
    """The registered name of a type id."""

    platform: i8
    type_id: i32


@operation(3001, effect="write")
class RegisterBinaryTypeName(Request[boolean]):
    """Register the name of a type id, so that Java can resolve the class; another name for the id is status 1."""

    platform: i8
    type_id: i32
    name: text


@record
class TypeBlock:
    """A complex type or enum as operations 3002 and 3003 carry it."""

    type_id: i32
    name: nullable_text
    affinity_field: nullable_text
    fields: array[tuple[text, i32, i32]]
    is_enum: boolean
    constants: Annotated[array[tuple[text, i32]], Asked("is_enum")] = ()
    schemas: array[tuple[i32, array[i32]]] = ()


@record
class FoundType:
    """A type, where the cluster has it."""

    exists: boolean
    type: Annotated[TypeBlock | None, Asked("exists")] = None


@operation(3002, effect="read")
class GetBinaryType(Request[FoundType]):
    """What the cluster knows of a type."""

    type_id: i32


@operation(3003, effect="write")
class PutBinaryType(Request[None]):
    """Unite a type with what the cluster knows of it; contradictions are status 1."""

    type: TypeBlock


@operation(3004, effect="read")
class GetBinaryConfiguration(Request[tuple[boolean, i8]]):
    """Whether footers are compact, and the name mapper: 0 full names, 1 simple names, 2 custom."""


# --- transactions ---------------------------------------------------------------------------------------------------


@operation(4000, effect="bound")
class TxStart(Request[i32]):
    """Start a transaction; its id on this connection. The server checks none of the ranges."""

    concurrency: i8
    isolation: i8
    timeout: i64 = 0
    label: nullable_text = None


@operation(4001, effect="bound")
class TxEnd(Request[None]):
    """Commit or roll back; a rollback of what has ended already succeeds."""

    transaction: i32
    commit: boolean


# --- cluster --------------------------------------------------------------------------------------------------------


@operation(5000, effect="read")
class ClusterGetState(Request[i8]):
    """0 inactive, 1 active, 2 active and read-only. Servers without CLUSTER_STATES answer a boolean: the same byte."""


@operation(5001, effect="update")
class ClusterChangeState(Request[None]):
    """Change the state of the cluster; in-memory data is lost by a forced deactivation."""

    state: i8
    force_deactivation: Annotated[boolean, When(Feature.FORCE_DEACTIVATION_FLAG)] = False


@operation(5002, effect="update")
class ClusterChangeWalState(Request[boolean]):
    """Switch a cache's write-ahead log on or off; whether that changed it."""

    cache: text
    enable: boolean


@operation(5003, effect="read")
class ClusterGetWalState(Request[boolean]):
    """Whether a cache's write-ahead log is on."""

    cache: text


@record
class NodesSince:
    """The ids of the server nodes, where the topology is newer than the one that the question named."""

    changed: boolean
    topology: Annotated[i64, Asked("changed")] = -1
    nodes: Annotated[array[uuid16], Asked("changed")] = ()


# Filters of nodes: (WITH_ATTRIBUTE, name, value), where a value of None stands for any; (SERVER_NODES, True) are the
# servers, (SERVER_NODES, False) the clients.
WITH_ATTRIBUTE: Final = 1
SERVER_NODES: Final = 2


def write_node_filter(codecs: Codecs, context: ProtocolContext, out: bytearray, value: tuple[Any, ...]) -> None:
    """Append a filter of nodes."""
    kind, *arguments = value
    out += struct.pack("<h", kind)
    if kind == WITH_ATTRIBUTE:
        for each in arguments:
            encode_nullable_text(codecs, out, each)
    else:
        out.append(arguments[0])


def read_node_filter(codecs: Codecs, context: ProtocolContext, buf: bytes, pos: int) -> tuple[tuple[Any, ...], int]:
    """Read a filter of nodes: the server's side."""
    (kind,) = struct.unpack_from("<h", buf, pos)
    if kind == WITH_ATTRIBUTE:
        name, pos = decode_nullable_text(codecs, buf, pos + 2)
        text, pos = decode_nullable_text(codecs, buf, pos)
        return (kind, name, text), pos
    if kind == SERVER_NODES:
        return (kind, buf[pos + 2] != 0), pos + 3
    raise DecodeError(f"{kind} is no filter of nodes", offset=pos)


node_filter = Annotated[tuple[Any, ...], Custom(write_node_filter, read_node_filter)]


@operation(5100, effect="read")
class ClusterGroupGetNodeIds(Request[NodesSince]):
    """The nodes that all filters of a projection let through."""

    known_topology: i64 = -1
    projection: array[node_filter] = ((SERVER_NODES, True),)


@record
class NodeInfo:
    """One node as the cluster sees it (ClientClusterGroupGetNodesDetailsResponse)."""

    id: uuid_obj
    attributes: array[tuple[text, obj]]
    addresses: obj
    host_names: obj
    order: i64
    local: boolean
    daemon: boolean
    client: boolean
    consistent_id: obj
    major: i8
    minor: i8
    maintenance: i8
    stage: nullable_text
    revision_timestamp: i64
    revision_hash: obj


@operation(5101, effect="read")
class ClusterGroupGetNodeInfo(Request[array[NodeInfo]]):
    """What is known of these nodes. Ids that the cluster doesn't know are left out."""

    nodes: array[uuid16]


@record
class Endpoints:
    """Client endpoints of server nodes: those that came and those that went."""

    topology: i64
    added: array[tuple[uuid16, i32, array[text]]]
    removed: array[uuid16]


@operation(5102, effect="read")
class ClusterGroupGetNodeEndpoints(Request[Endpoints]):
    """Where the server nodes listen for clients, as a change between two topology versions (-1, -1: all)."""

    start: i64
    end: i64


# --- data streamer --------------------------------------------------------------------------------------------------

STREAMER_ALLOW_OVERWRITE = 1
STREAMER_SKIP_STORE = 2
STREAMER_KEEP_BINARY = 4
STREAMER_FLUSH = 8
STREAMER_CLOSE = 16


@operation(8000, effect="update")
class DataStreamerStart(Request[i64]):
    """Begin to load entries; the id of the streamer, 0 where STREAMER_CLOSE ended it at once.

    A null value removes. Without STREAMER_ALLOW_OVERWRITE entries that exist stay as they are. A negative buffer size
    is the default.
    """

    cache_id: i32
    flags: i8
    per_node_buffer: i32 = -1
    per_thread_buffer: i32 = -1
    receiver: scan_filter = None
    entries: array[tuple[key, value]] = ()


@operation(8001, effect="bound")
class DataStreamerAddData(Request[None]):
    """More entries for a streamer; they are visible after STREAMER_FLUSH or STREAMER_CLOSE."""

    streamer: i64
    flags: i8
    entries: array[tuple[key, value]] = ()


# --- atomic longs ---------------------------------------------------------------------------------------------------


@record
class AtomicSettings:
    """How an atomic long is kept: the ids that a node reserves, the mode and backups of its cache, its group."""

    reserve: i32 = 1000
    mode: i8 = 2
    backups: i32 = 1
    group: nullable_text = None


@operation(9000, effect="write")
class AtomicLongCreate(Request[None]):
    """Create an atomic long, unless it exists."""

    name: text
    initial: i64
    configured: boolean = False
    settings: Annotated[AtomicSettings | None, Asked("configured")] = None


@operation(9001, effect="write")
class AtomicLongRemove(Request[None]):
    """Remove an atomic long, if it exists."""

    name: text
    group: nullable_text = None


@operation(9002, effect="read")
class AtomicLongExists(Request[boolean]):
    """Whether an atomic long exists."""

    name: text
    group: nullable_text = None


@operation(9003, effect="read")
class AtomicLongValueGet(Request[i64]):
    """The value; status 1011 when it does not exist, as for all that follow."""

    name: text
    group: nullable_text = None


@operation(9004, effect="update")
class AtomicLongValueAddAndGet(Request[i64]):
    """Add to the value; the new one. It wraps at 64 bits."""

    name: text
    group: nullable_text
    delta: i64


@operation(9005, effect="update")
class AtomicLongValueGetAndSet(Request[i64]):
    """Set the value; the old one."""

    name: text
    group: nullable_text
    value: i64


@operation(9006, effect="update")
class AtomicLongValueCompareAndSet(Request[boolean]):
    """Set the value if it is the expected one; whether it was."""

    name: text
    group: nullable_text
    expected: i64
    value: i64


@operation(9007, effect="update")
class AtomicLongValueCompareAndSetAndGet(Request[i64]):
    """Set the value if it is the expected one; the value that it had before."""

    name: text
    group: nullable_text
    expected: i64
    value: i64


# --- sets -----------------------------------------------------------------------------------------------------------


@record
class SetSettings:
    """How a set is kept: the atomicity, mode and backups of its cache, its group, whether one node has all of it."""

    atomicity: i8 = 1
    mode: i8 = 2
    backups: i32 = 0
    group: nullable_text = None
    collocated: boolean = False


@record
class FoundSet:
    """A set, where it exists: what all other operations on it must be given."""

    exists: boolean
    collocated: Annotated[boolean, Asked("exists")] = False
    cache_id: Annotated[i32, Asked("exists")] = 0


@operation(9010, effect="write")
class SetGetOrCreate(Request[FoundSet]):
    """Find a set, or create it where that is asked for."""

    name: text
    create: boolean = False
    settings: Annotated[SetSettings | None, Asked("create")] = None


@operation(9011, effect="write")
class SetClose(Request[None]):
    """Destroy a set, if it exists."""

    name: text
    cache_id: i32
    collocated: boolean


@operation(9012, effect="read")
class SetExists(Request[boolean]):
    """Whether a set exists."""

    name: text
    cache_id: i32
    collocated: boolean


@operation(9013, effect="update")
class SetValueAdd(Request[boolean]):
    """Add an element; whether it was new. Status 1011 for a missing set, as for all that follow."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    value: obj


@operation(9014, effect="update")
class SetValueAddAll(Request[boolean]):
    """Add elements; whether any was new."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    values: array[obj]


@operation(9015, effect="update")
class SetValueRemove(Request[boolean]):
    """Remove an element; whether it was there."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    value: obj


@operation(9016, effect="update")
class SetValueRemoveAll(Request[boolean]):
    """Remove elements; whether any was there."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    values: array[obj]


@operation(9017, effect="read")
class SetValueContains(Request[boolean]):
    """Whether an element is there."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    value: obj


@operation(9018, effect="read")
class SetValueContainsAll(Request[boolean]):
    """Whether all elements are there."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    values: array[obj]


@operation(9019, effect="update")
class SetValueRetainAll(Request[boolean]):
    """Remove all other elements; whether there were any."""

    name: text
    cache_id: i32
    collocated: boolean
    keep_binary: boolean
    values: array[obj]


@operation(9020, effect="read")
class SetSize(Request[i32]):
    """How many elements there are."""

    name: text
    cache_id: i32
    collocated: boolean


@operation(9021, effect="write")
class SetClear(Request[None]):
    """Remove all elements."""

    name: text
    cache_id: i32
    collocated: boolean


@record
class SetIterator:
    """The first page of a set's elements; with ``more`` the iterator stays open."""

    values: array[obj]
    more: boolean
    resource: Annotated[i64, Asked("more")] = 0


@record
class SetPage:
    """A page of a set's elements; the last one closes the iterator."""

    values: array[obj]
    more: boolean


@operation(9022, effect="read")
class SetIteratorStart(Request[SetIterator]):
    """The elements, in any order."""

    name: text
    cache_id: i32
    collocated: boolean
    page_size: i32 = 1024


@operation(9023, effect="bound")
class SetIteratorGetPage(Request[SetPage]):
    """The next page of elements."""

    resource: i64
    page_size: i32 = 1024


# --- before the start -----------------------------------------------------------------------------------------------


@operation(10000, effect="update")
class StopWarmup(Request[None]):
    """End the warm-up of a node that is starting; status 1 when it has started."""
