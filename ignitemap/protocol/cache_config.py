"""The configuration of a cache: one table of its properties, used to write it (1053, 1054) and to read it (1055).

Written as (code, value) pairs, only those that were given; read as all values in an order of its own (the ``read``
column) and with no codes. Both orders were seen from a 2.17.0 node.
"""

import enum
import functools
import struct
from typing import Annotated, Any, Final

import attrs

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import UNTYPED, Codecs
from ignitemap.protocol.codegen import Layout, OperationCodec, compile_layout, refuse_version
from ignitemap.protocol.message import ExpiryPolicy, layout_of, record
from ignitemap.protocol.wire import (
    Custom,
    ProtocolContext,
    Since,
    array,
    boolean,
    i8,
    i32,
    i64,
    nullable_text,
    obj,
    text,
    word,
)

__all__ = [
    "PROPERTIES",
    "CacheAtomicityMode",
    "CacheConfig",
    "CacheMode",
    "CacheProperty",
    "IndexType",
    "KeyConfiguration",
    "PartitionLossPolicy",
    "QueryEntity",
    "QueryField",
    "QueryIndex",
    "RebalanceMode",
    "WriteSynchronizationMode",
]


class CacheMode(enum.IntEnum):
    """How entries are spread over the nodes.

    >>> ig.CacheConfig(name="rates", mode=ig.raw.CacheMode.REPLICATED).mode
    <CacheMode.REPLICATED: 1>
    """

    REPLICATED = 1
    PARTITIONED = 2


class CacheAtomicityMode(enum.IntEnum):
    """Whether the cache takes part in transactions.

    >>> ig.CacheConfig(name="rates", atomicity=ig.raw.CacheAtomicityMode.TRANSACTIONAL).atomicity
    <CacheAtomicityMode.TRANSACTIONAL: 0>
    """

    TRANSACTIONAL = 0
    ATOMIC = 1


class WriteSynchronizationMode(enum.IntEnum):
    """Which copies must have a write before it is acknowledged.

    >>> ig.CacheConfig(name="rates", write_sync=ig.raw.WriteSynchronizationMode.FULL_SYNC).write_sync
    <WriteSynchronizationMode.FULL_SYNC: 0>
    """

    FULL_SYNC = 0
    FULL_ASYNC = 1
    PRIMARY_SYNC = 2


class PartitionLossPolicy(enum.IntEnum):
    """What operations do when all copies of a partition are lost.

    >>> policy = ig.raw.PartitionLossPolicy.READ_WRITE_SAFE
    >>> rates = await client.cache("rates", str, float, config=ig.CacheConfig(partition_loss_policy=policy))
    """

    READ_ONLY_SAFE = 0
    READ_ONLY_ALL = 1
    READ_WRITE_SAFE = 2
    READ_WRITE_ALL = 3
    IGNORE = 4


class RebalanceMode(enum.IntEnum):
    """How data moves when the topology changes.

    >>> ig.CacheConfig(name="rates", rebalance_mode=ig.raw.RebalanceMode.SYNC).rebalance_mode
    <RebalanceMode.SYNC: 0>
    """

    SYNC = 0
    ASYNC = 1
    NONE = 2


class IndexType(enum.IntEnum):
    """Kinds of SQL indexes.

    >>> index = {"index_name": "BY_NAME", "index_type": ig.raw.IndexType.SORTED, "fields": [{"name": "name"}]}
    >>> table = {"key_type_name": "java.lang.Long", "value_type_name": "Town", "query_indexes": [index]}
    >>> table["query_fields"] = [{"name": "name", "type_name": "java.lang.String"}]
    >>> towns = await client.raw.create_cache({ig.raw.PROP_NAME: "towns", ig.raw.PROP_QUERY_ENTITIES: [table]})
    """

    SORTED = 0
    FULLTEXT = 1
    GEOSPATIAL = 2


@record
@attrs.define(eq=False, repr=False)
class KeyConfiguration:
    """The affinity key field of a complex key type."""

    type_name: text
    affinity_field: text


@record
@attrs.define(eq=False, repr=False)
class QueryField:
    """One SQL column: the field's name and Java class, and its restrictions (-1: none)."""

    name: text
    type_name: text
    is_key: boolean = False
    not_null: boolean = False
    default: obj = None
    precision: Annotated[i32, Since((1, 2, 0))] = -1
    scale: Annotated[i32, Since((1, 2, 0))] = -1


@record
@attrs.define(eq=False, repr=False)
class QueryIndex:
    """One SQL index over (field, descending) pairs.

    The flag says "descending" to the server. Java's thin client 2.17 writes "ascending" there and gets inverted
    indexes (seen in SYS.INDEXES of a 2.17.0 node).
    """

    name: nullable_text
    type: i8
    inline_size: i32
    fields: array[tuple[text, boolean]]


@record
@attrs.define(eq=False, repr=False)
class QueryEntity:
    """What SQL sees of a cache: one table over its keys and values."""

    key_type: nullable_text
    value_type: nullable_text
    table: nullable_text = None
    key_field: nullable_text = None
    value_field: nullable_text = None
    fields: array[QueryField] = ()
    aliases: array[tuple[text, text]] = ()
    indexes: array[QueryIndex] = ()


def _write_expiry(codecs: Codecs, context: ProtocolContext, out: bytearray, value: ExpiryPolicy | None) -> None:
    if value is None:
        out.append(0)
    else:
        out += struct.pack("<?qqq", True, value.create, value.update, value.access)


def _read_expiry(codecs: Codecs, context: ProtocolContext, buf: bytes, pos: int) -> tuple[ExpiryPolicy | None, int]:
    if not buf[pos]:
        return None, pos + 1
    return ExpiryPolicy(*struct.unpack_from("<qqq", buf, pos + 1)), pos + 25


_expiry = Annotated[ExpiryPolicy | None, Custom(_write_expiry, _read_expiry)]


@word
class CacheProperty:
    """One property of a cache: its code, its field in CacheConfig, where it stands in what a server answers."""

    code: int
    field: str
    codec: OperationCodec
    read: int
    kind: type[enum.IntEnum] | None = None
    since: tuple[int, int, int] = (1, 0, 0)


@functools.cache
def _codec(layout: Layout) -> OperationCodec:
    return compile_layout(layout, "cache_property", UNTYPED)


def _property(code: int, field: str, layout: Any, read: int, **more: Any) -> CacheProperty:
    return CacheProperty(code, field, _codec(layout_of(layout)), read, **more)


PROPERTIES: Final[tuple[CacheProperty, ...]] = (
    _property(0, "name", nullable_text, 12),
    _property(1, "mode", i32, 3, kind=CacheMode),
    _property(2, "atomicity", i32, 1, kind=CacheAtomicityMode),
    _property(3, "backups", i32, 2),
    _property(4, "write_sync", i32, 28, kind=WriteSynchronizationMode),
    _property(5, "copy_on_read", boolean, 4),
    _property(6, "read_from_backup", boolean, 17),
    _property(100, "data_region", nullable_text, 5),
    _property(101, "onheap_cache", boolean, 13),
    _property(200, "query_entities", array[QueryEntity], 30),
    _property(201, "query_parallelism", i32, 16),
    _property(202, "query_detail_metrics_size", i32, 15),
    _property(203, "sql_schema", nullable_text, 27),
    _property(204, "sql_index_max_inline_size", i32, 26),
    _property(205, "sql_escape_all", boolean, 25),
    _property(206, "max_query_iterators", i32, 11),
    _property(300, "rebalance_mode", i32, 21, kind=RebalanceMode),
    _property(301, "rebalance_delay", i64, 20),
    _property(302, "rebalance_timeout", i64, 24),
    _property(303, "rebalance_batch_size", i32, 18),
    _property(304, "rebalance_batches_prefetch", i64, 19),
    _property(305, "rebalance_order", i32, 22),
    _property(306, "rebalance_throttle", i64, 23),
    _property(400, "group", nullable_text, 8),
    _property(401, "key_configuration", array[KeyConfiguration], 29),
    _property(402, "default_lock_timeout", i64, 9),
    _property(403, "max_concurrent_async_operations", i32, 10),
    _property(404, "partition_loss_policy", i32, 14, kind=PartitionLossPolicy),
    _property(405, "eager_ttl", boolean, 6),
    _property(406, "statistics", boolean, 7),
    _property(407, "expiry", _expiry, 31, since=(1, 6, 0)),
)

_READ_ORDER: Final = tuple(sorted(PROPERTIES, key=lambda each: each.read))


@attrs.frozen(kw_only=True)
class CacheConfig:
    """A cache's configuration, property by property as Ignite names them; None leaves the server's default.

    Times are in ms, sizes in bytes or entries as in Ignite's CacheConfiguration. What a server answers (operation
    1055) has every property set.

    >>> settings = ig.CacheConfig(mode=ig.raw.CacheMode.REPLICATED, eager_ttl=False)
    >>> rates = await client.cache("rates", str, float, config=settings)
    >>> (await client.raw.create_cache(ig.CacheConfig(name="plain", backups=1))).name
    'plain'
    """

    name: str | None = None
    mode: CacheMode | None = None
    atomicity: CacheAtomicityMode | None = None
    backups: int | None = None
    write_sync: WriteSynchronizationMode | None = None
    copy_on_read: bool | None = None
    read_from_backup: bool | None = None
    data_region: str | None = None
    onheap_cache: bool | None = None
    query_entities: tuple[QueryEntity, ...] | None = None
    query_parallelism: int | None = None
    query_detail_metrics_size: int | None = None
    sql_schema: str | None = None
    sql_index_max_inline_size: int | None = None
    sql_escape_all: bool | None = None
    max_query_iterators: int | None = None
    rebalance_mode: RebalanceMode | None = None
    rebalance_delay: int | None = None
    rebalance_timeout: int | None = None
    rebalance_batch_size: int | None = None
    rebalance_batches_prefetch: int | None = None
    rebalance_order: int | None = None
    rebalance_throttle: int | None = None
    group: str | None = None
    key_configuration: tuple[KeyConfiguration, ...] | None = None
    default_lock_timeout: int | None = None
    max_concurrent_async_operations: int | None = None
    partition_loss_policy: PartitionLossPolicy | None = None
    eager_ttl: bool | None = None
    statistics: bool | None = None
    expiry: ExpiryPolicy | None = None


def write_config(codecs: Codecs, context: ProtocolContext, out: bytearray, config: CacheConfig) -> None:
    """Append the properties that are set, behind their length and number.

    Raises NotSupportedByServer for one that the peer's version of the protocol doesn't know.
    """
    start = len(out)
    out += bytes(6)
    count = 0
    for each in PROPERTIES:
        value = getattr(config, each.field)
        if value is None:
            continue
        if context.version < each.since:
            refuse_version(context, each.since)
        out += struct.pack("<h", each.code)
        each.codec.encode(codecs, context, out, value)
        count += 1
    struct.pack_into("<ih", out, start, len(out) - start - 4, count)


def read_config(codecs: Codecs, context: ProtocolContext, buf: bytes, pos: int) -> tuple[CacheConfig, int]:
    """Read (code, value) pairs: the server's side."""
    _, count = struct.unpack_from("<ih", buf, pos)
    pos += 6
    if count < 0:
        raise DecodeError(f"{count} cache properties")
    values: dict[str, Any] = {}
    by_code = {each.code: each for each in PROPERTIES}
    for _ in range(count):
        (code,) = struct.unpack_from("<h", buf, pos)
        each = by_code.get(code)
        if each is None:
            raise DecodeError(f"cache property {code} is not one of the protocol's")
        value, pos = each.codec.decode(codecs, context, buf, pos + 2)
        values[each.field] = _typed(each, value)
    return CacheConfig(**values), pos


def write_dump(codecs: Codecs, context: ProtocolContext, out: bytearray, config: CacheConfig) -> None:
    """Append every property in the order of operation 1055's answer: the server's side."""
    start = len(out)
    out += bytes(4)
    for each in _READ_ORDER:
        if context.version >= each.since:
            each.codec.encode(codecs, context, out, getattr(config, each.field))
    struct.pack_into("<i", out, start, len(out) - start - 4)


def read_dump(codecs: Codecs, context: ProtocolContext, buf: bytes, pos: int) -> tuple[CacheConfig, int]:
    """Read every property in the order of operation 1055's answer."""
    pos += 4  # the length of what follows, which the frame's own length says again
    values: dict[str, Any] = {}
    for each in _READ_ORDER:
        if context.version >= each.since:
            value, pos = each.codec.decode(codecs, context, buf, pos)
            values[each.field] = _typed(each, value)
    return CacheConfig(**values), pos


def _typed(each: CacheProperty, value: Any) -> Any:
    if each.kind is not None:
        return each.kind(value)
    return tuple(value) if value.__class__ is list else value


given_config = Annotated[CacheConfig, Custom(write_config, read_config)]
known_config = Annotated[CacheConfig, Custom(write_dump, read_dump)]
