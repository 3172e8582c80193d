"""Cache configurations: all properties, written by code and read in the server's order."""

import struct
from typing import Any

import attrs
import pytest

from ignitemap.exceptions import DecodeError, NotSupportedByServer
from ignitemap.protocol.cache_config import (
    PROPERTIES,
    CacheAtomicityMode,
    CacheConfig,
    CacheMode,
    IndexType,
    KeyConfiguration,
    PartitionLossPolicy,
    QueryEntity,
    QueryField,
    QueryIndex,
    RebalanceMode,
    WriteSynchronizationMode,
    read_config,
    read_dump,
    write_config,
    write_dump,
)
from ignitemap.protocol.codecs import MALFORMED
from ignitemap.protocol.message import ExpiryPolicy
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.wire import ProtocolContext

CURRENT = ProtocolContext()
ENTITY = QueryEntity(
    "java.lang.Long",
    "Person",
    "PERSON",
    None,
    None,
    [QueryField("id", "java.lang.Long", True, True, None, 10, 2), QueryField("name", "java.lang.String", default="x")],
    [("id", "ID")],
    [QueryIndex("BY_NAME", IndexType.SORTED, -1, [("name", True), ("id", False)]), QueryIndex(None, 1, 10, [])],
)
FULL = CacheConfig(
    name="people",
    mode=CacheMode.PARTITIONED,
    atomicity=CacheAtomicityMode.TRANSACTIONAL,
    backups=2,
    write_sync=WriteSynchronizationMode.FULL_SYNC,
    copy_on_read=False,
    read_from_backup=True,
    data_region="region",
    onheap_cache=True,
    query_entities=(ENTITY,),
    query_parallelism=4,
    query_detail_metrics_size=5,
    sql_schema="PUBLIC",
    sql_index_max_inline_size=64,
    sql_escape_all=True,
    max_query_iterators=7,
    rebalance_mode=RebalanceMode.SYNC,
    rebalance_delay=2**40,
    rebalance_timeout=2**41,
    rebalance_batch_size=12,
    rebalance_batches_prefetch=2**42,
    rebalance_order=14,
    rebalance_throttle=2**43,
    group="group",
    key_configuration=(KeyConfiguration("Key", "department"), KeyConfiguration("Key2", "city")),
    default_lock_timeout=2**44,
    max_concurrent_async_operations=18,
    partition_loss_policy=PartitionLossPolicy.READ_WRITE_SAFE,
    eager_ttl=False,
    statistics=True,
    expiry=ExpiryPolicy(1000, -1, 0),
)

# What a 2.17.0 node reports of a cache that was made by name, in the order in which it reports it.
REPORTED: list[tuple[str, str, Any]] = [
    ("atomicity", "01000000", CacheAtomicityMode.ATOMIC),
    ("backups", "00000000", 0),
    ("mode", "02000000", CacheMode.PARTITIONED),
    ("copy_on_read", "01", True),
    ("data_region", "65", None),
    ("eager_ttl", "01", True),
    ("statistics", "00", False),
    ("group", "65", None),
    ("default_lock_timeout", "0000000000000000", 0),
    ("max_concurrent_async_operations", "f4010000", 500),
    ("max_query_iterators", "00040000", 1024),
    ("name", "09090000007a7a70726f746f5f61", "zzproto_a"),
    ("onheap_cache", "00", False),
    ("partition_loss_policy", "04000000", PartitionLossPolicy.IGNORE),
    ("query_detail_metrics_size", "00000000", 0),
    ("query_parallelism", "01000000", 1),
    ("read_from_backup", "01", True),
    ("rebalance_batch_size", "00000800", 524288),
    ("rebalance_batches_prefetch", "0300000000000000", 3),
    ("rebalance_delay", "0000000000000000", 0),
    ("rebalance_mode", "01000000", RebalanceMode.ASYNC),
    ("rebalance_order", "00000000", 0),
    ("rebalance_throttle", "0000000000000000", 0),
    ("rebalance_timeout", "1027000000000000", 10000),
    ("sql_escape_all", "00", False),
    ("sql_index_max_inline_size", "ffffffff", -1),
    ("sql_schema", "65", None),
    ("write_sync", "02000000", WriteSynchronizationMode.PRIMARY_SYNC),
    ("key_configuration", "00000000", ()),
    ("query_entities", "00000000", ()),
    ("expiry", "00", None),
]

CODES = [
    *range(7), 100, 101, *range(200, 207), *range(300, 307), *range(400, 408)
]  # fmt: skip


def written(config: CacheConfig, context: ProtocolContext = CURRENT) -> bytes:
    """The form of operations 1053 and 1054."""
    out = bytearray()
    write_config(mapping_codecs(), context, out, config)
    return bytes(out)


def dumped(config: CacheConfig, context: ProtocolContext = CURRENT) -> bytes:
    """The form of operation 1055."""
    out = bytearray()
    write_dump(mapping_codecs(), context, out, config)
    return bytes(out)


def test_the_table_has_every_property_once() -> None:
    """There are 31 properties with Ignite's codes; each has a field of the configuration and a place in the dump."""
    assert [each.code for each in PROPERTIES] == CODES
    assert sorted(each.read for each in PROPERTIES) == list(range(1, 32))
    assert [each.field for each in PROPERTIES] == [field.name for field in attrs.fields(CacheConfig)]


def test_every_property_is_written_and_read() -> None:
    """A configuration with everything set reads back equal, in both forms."""
    assert all(getattr(FULL, each.field) is not None for each in PROPERTIES)
    for write, read in ((written, read_config), (dumped, read_dump)):
        data = write(FULL)
        assert struct.unpack_from("<i", data) == (len(data) - 4,)
        assert read(mapping_codecs(), CURRENT, data, 0) == (FULL, len(data))


@pytest.mark.parametrize("each", PROPERTIES, ids=[each.field for each in PROPERTIES])
def test_a_property_alone_is_its_code_and_its_value(each: Any) -> None:
    """Only what is given is written: one property is its code and its value."""
    config = CacheConfig(**{each.field: getattr(FULL, each.field)})
    data = written(config)
    length, count, code = struct.unpack_from("<ihh", data)
    assert (length, count, code) == (len(data) - 4, 1, each.code)
    assert read_config(mapping_codecs(), CURRENT, data, 0) == (config, len(data))


def test_nothing_given_is_nothing_written() -> None:
    """An empty configuration is a length and a count of 0."""
    assert written(CacheConfig()).hex() == "020000000000"
    assert read_config(mapping_codecs(), CURRENT, written(CacheConfig()), 0) == (CacheConfig(), 6)


def test_the_dump_of_a_real_node_is_read() -> None:
    """The defaults of a 2.17.0 node, in the order in which it sends them, mean what they mean there."""
    body = bytes.fromhex("".join(part for _, part, _ in REPORTED))
    data = struct.pack("<i", len(body)) + body
    config, end = read_dump(mapping_codecs(), CURRENT, data, 0)
    assert end == len(data)
    assert config == CacheConfig(**{field: value for field, _, value in REPORTED})
    assert dumped(config) == data
    assert type(config.mode) is CacheMode


def test_the_order_of_the_dump_is_the_read_column() -> None:
    """The table's read column is the order in which a real node answers."""
    ordered = sorted(PROPERTIES, key=lambda each: each.read)
    assert [each.field for each in ordered] == [field for field, _, _ in REPORTED]


@pytest.mark.parametrize("version", [(1, 0, 0), (1, 1, 0), (1, 2, 0), (1, 5, 0), (1, 6, 0)])
def test_old_servers_get_what_they_know(version: tuple[int, int, int]) -> None:
    """Before 1.6.0 there is no expiry, and one that is set is refused; before 1.2.0 a column has no precision and scale."""
    context = ProtocolContext(version, frozenset())
    entity = ENTITY
    if version < (1, 2, 0):
        entity = attrs.evolve(ENTITY, fields=[attrs.evolve(field, precision=-1, scale=-1) for field in ENTITY.fields])
    expected = attrs.evolve(FULL, query_entities=(entity,), expiry=FULL.expiry if version >= (1, 6, 0) else None)
    less = (0 if version >= (1, 6, 0) else 25) + (0 if version >= (1, 2, 0) else 8 * len(ENTITY.fields))
    assert len(dumped(FULL)) - len(dumped(FULL, context)) == less
    assert read_dump(mapping_codecs(), context, dumped(FULL, context), 0)[0] == expected
    assert read_config(mapping_codecs(), context, written(expected, context), 0)[0] == expected
    if version < (1, 6, 0):
        with pytest.raises(NotSupportedByServer, match="expiry policies since 1.6.0"):
            written(FULL, context)


@pytest.mark.parametrize("code", [-1, 7, 99, 408, 32767])
def test_an_unknown_property_is_refused(code: int) -> None:
    """What a property holds can't be skipped without knowing it, so an unknown one is a DecodeError that names it."""
    data = struct.pack("<ihhi", 8, 1, code, 0)
    with pytest.raises(DecodeError, match=str(code)):
        read_config(mapping_codecs(), CURRENT, data, 0)


def test_a_negative_count_is_refused() -> None:
    """A negative number of properties is a DecodeError."""
    with pytest.raises(DecodeError, match="-5"):
        read_config(mapping_codecs(), CURRENT, struct.pack("<ih", 2, -5), 0)


@pytest.mark.parametrize(("field", "value"), [("mode", 7), ("atomicity", -1), ("partition_loss_policy", 5)])
def test_an_unknown_constant_is_malformed(field: str, value: int) -> None:
    """A mode that Ignite doesn't have is refused, never a bare number in the place of an enum."""
    each = next(each for each in PROPERTIES if each.field == field)
    data = struct.pack("<ihhi", 8, 1, each.code, value)
    with pytest.raises(ValueError, match=str(value)):
        read_config(mapping_codecs(), CURRENT, data, 0)


@pytest.mark.parametrize("form", ["written", "dumped"])
def test_a_cut_configuration_is_malformed(form: str) -> None:
    """A configuration that is cut at any byte is refused."""
    data = written(FULL) if form == "written" else dumped(FULL)
    read = read_config if form == "written" else read_dump
    for end in range(len(data)):
        with pytest.raises((DecodeError, *MALFORMED)):
            read(mapping_codecs(), CURRENT, data[:end], 0)
