"""The raw layer: pyignite's asynchronous names, so that code written for it runs after a change of its imports.

>>> from ignitemap.raw import AioClient, IntObject
>>> client = AioClient()
>>> _ = await client.connect(host, port)  # "127.0.0.1", 10800
>>> cache = await client.get_or_create_cache("numbers")
>>> await cache.put("answer", 42, value_hint=IntObject)

All names are here, whichever module of pyignite they come from. Hints are `Spec` objects, the same that ``ig.INT``
and its like are. Where a name stands for an error of ours, that error is caught by it:

>>> try:
...     await AioClient().connect(host, 1)  # where nothing listens
... except (SocketError, *connection_errors) as error:
...     print(type(error).__name__)
ClusterUnavailable

A cache is created by name, by `CacheConfig`, or by a dict of codes; times are in ms, sizes in bytes or entries:

>>> cache = await client.create_cache({
...     PROP_NAME: "towns", PROP_GROUP_NAME: "maps",
...     PROP_CACHE_MODE: CacheMode.PARTITIONED, PROP_CACHE_ATOMICITY_MODE: CacheAtomicityMode.TRANSACTIONAL,
...     PROP_BACKUPS_NUMBER: 1, PROP_READ_FROM_BACKUP: True, PROP_COPY_ON_READ: True,
...     PROP_WRITE_SYNCHRONIZATION_MODE: WriteSynchronizationMode.FULL_SYNC,
...     PROP_PARTITION_LOSS_POLICY: PartitionLossPolicy.READ_WRITE_SAFE,
...     PROP_EXPIRY_POLICY: ExpiryPolicy(create=60_000), PROP_EAGER_TTL: True,
...     PROP_DATA_REGION_NAME: "default", PROP_IS_ONHEAP_CACHE_ENABLED: False, PROP_STATISTICS_ENABLED: False,
...     PROP_DEFAULT_LOCK_TIMEOUT: 2000, PROP_MAX_CONCURRENT_ASYNC_OPERATIONS: 500, PROP_MAX_QUERY_ITERATORS: 1024,
...     PROP_REBALANCE_MODE: RebalanceMode.ASYNC, PROP_REBALANCE_ORDER: 0, PROP_REBALANCE_DELAY: 0,
...     PROP_REBALANCE_TIMEOUT: 10_000, PROP_REBALANCE_BATCH_SIZE: 524_288, PROP_REBALANCE_THROTTLE: 0,
...     PROP_REBALANCE_BATCHES_PREFETCH_COUNT: 3,
...     PROP_QUERY_PARALLELISM: 1, PROP_QUERY_DETAIL_METRIC_SIZE: 0, PROP_SQL_INDEX_INLINE_MAX_SIZE: -1,
...     PROP_SQL_SCHEMA: "MAPS", PROP_SQL_ESCAPE_ALL: False,
...     PROP_CACHE_KEY_CONFIGURATION: [{"type_name": "TownKey", "affinity_key_field_name": "country"}],
...     PROP_QUERY_ENTITIES: [{
...         "table_name": "TOWN", "key_type_name": "java.lang.Long", "value_type_name": "Town",
...         "query_fields": [{"name": "name", "type_name": "java.lang.String"}],
...         "query_indexes": [{"index_name": "BY_NAME", "index_type": IndexType.SORTED, "fields": [{"name": "name"}]}],
...     }],
... })
>>> settings = await cache.settings()
>>> settings[PROP_NAME], settings[PROP_BACKUPS_NUMBER], settings[PROP_QUERY_ENTITIES][0]["table_name"]
('towns', 1, 'TOWN')
>>> await client.close()
"""

import enum
from typing import Final

from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient, Options, create_cache, get_cache, get_or_create_cache
from ignitemap.client.cluster import AioCluster, ClusterState
from ignitemap.client.cursors import AioScanCursor, AioSqlFieldsCursor
from ignitemap.client.generic_object import GenericObjectMeta
from ignitemap.client.monitoring import (
    AuthenticationFailedEvent,
    ConnectionClosedEvent,
    ConnectionEventListener,
    ConnectionLostEvent,
    HandshakeFailedEvent,
    HandshakeStartEvent,
    HandshakeSuccessEvent,
    NodesChangedEvent,
    QueryEventListener,
    QueryFailEvent,
    QueryStartEvent,
    QuerySuccessEvent,
)
from ignitemap.client.transactions import AioTransaction, TransactionConcurrency, TransactionIsolation
from ignitemap.exceptions import (
    AuthenticationError,
    ClusterUnavailable,
    ConfigurationError,
    ConnectError,
    CursorLost,
    NotSentError,
    NotSupportedByServer,
    OutcomeUnknownError,
    ProtocolError,
    ServerError,
    SqlError,
)
from ignitemap.protocol.cache_config import (
    CacheAtomicityMode,
    CacheConfig,
    CacheMode,
    IndexType,
    PartitionLossPolicy,
    RebalanceMode,
    WriteSynchronizationMode,
)
from ignitemap.protocol.message import ExpiryPolicy
from ignitemap.protocol.types.raw_hints import (
    AnyDataObject,
    BinaryEnumArrayObject,
    BinaryEnumObject,
    BinaryObject,
    BoolArrayObject,
    BoolObject,
    ByteArrayObject,
    ByteObject,
    CharArrayObject,
    CharObject,
    CollectionObject,
    DateArrayObject,
    DateObject,
    DecimalArrayObject,
    DecimalObject,
    DoubleArrayObject,
    DoubleObject,
    EnumArrayObject,
    EnumObject,
    FloatArrayObject,
    FloatObject,
    IntArrayObject,
    IntObject,
    LongArrayObject,
    LongObject,
    MapObject,
    Null,
    ObjectArrayObject,
    ShortArrayObject,
    ShortObject,
    String,
    StringArrayObject,
    TimeArrayObject,
    TimeObject,
    TimestampArrayObject,
    TimestampObject,
    UUIDArrayObject,
    UUIDObject,
    WrappedDataObject,
)

__all__ = [
    "PROP_BACKUPS_NUMBER",
    "PROP_CACHE_ATOMICITY_MODE",
    "PROP_CACHE_KEY_CONFIGURATION",
    "PROP_CACHE_MODE",
    "PROP_COPY_ON_READ",
    "PROP_DATA_REGION_NAME",
    "PROP_DEFAULT_LOCK_TIMEOUT",
    "PROP_EAGER_TTL",
    "PROP_EXPIRY_POLICY",
    "PROP_GROUP_NAME",
    "PROP_IS_ONHEAP_CACHE_ENABLED",
    "PROP_MAX_CONCURRENT_ASYNC_OPERATIONS",
    "PROP_MAX_QUERY_ITERATORS",
    "PROP_NAME",
    "PROP_PARTITION_LOSS_POLICY",
    "PROP_QUERY_DETAIL_METRIC_SIZE",
    "PROP_QUERY_ENTITIES",
    "PROP_QUERY_PARALLELISM",
    "PROP_READ_FROM_BACKUP",
    "PROP_REBALANCE_BATCHES_PREFETCH_COUNT",
    "PROP_REBALANCE_BATCH_SIZE",
    "PROP_REBALANCE_DELAY",
    "PROP_REBALANCE_MODE",
    "PROP_REBALANCE_ORDER",
    "PROP_REBALANCE_THROTTLE",
    "PROP_REBALANCE_TIMEOUT",
    "PROP_SQL_ESCAPE_ALL",
    "PROP_SQL_INDEX_INLINE_MAX_SIZE",
    "PROP_SQL_SCHEMA",
    "PROP_STATISTICS_ENABLED",
    "PROP_WRITE_SYNCHRONIZATION_MODE",
    "AioCache",
    "AioClient",
    "AioCluster",
    "AioScanCursor",
    "AioSqlFieldsCursor",
    "AioTransaction",
    "AnyDataObject",
    "AuthenticationError",
    "AuthenticationFailedEvent",
    "BinaryEnumArrayObject",
    "BinaryEnumObject",
    "BinaryObject",
    "BinaryTypeError",
    "BoolArrayObject",
    "BoolObject",
    "ByteArrayObject",
    "ByteObject",
    "CacheAtomicityMode",
    "CacheConfig",
    "CacheCreationError",
    "CacheError",
    "CacheMode",
    "CharArrayObject",
    "CharObject",
    "ClusterError",
    "ClusterState",
    "CollectionObject",
    "ConnectionClosedEvent",
    "ConnectionEventListener",
    "ConnectionLostEvent",
    "DateArrayObject",
    "DateObject",
    "DecimalArrayObject",
    "DecimalObject",
    "DoubleArrayObject",
    "DoubleObject",
    "EnumArrayObject",
    "EnumObject",
    "ExpiryPolicy",
    "FloatArrayObject",
    "FloatObject",
    "GenericObjectMeta",
    "HandshakeError",
    "HandshakeFailedEvent",
    "HandshakeStartEvent",
    "HandshakeSuccessEvent",
    "IndexType",
    "IntArrayObject",
    "IntObject",
    "LongArrayObject",
    "LongObject",
    "MapObject",
    "NodesChangedEvent",
    "NotSupportedByClusterError",
    "NotSupportedError",
    "Null",
    "ObjectArrayObject",
    "Options",
    "ParameterError",
    "ParseError",
    "PartitionLossPolicy",
    "PeekModes",
    "QueryEventListener",
    "QueryFailEvent",
    "QueryStartEvent",
    "QuerySuccessEvent",
    "RebalanceMode",
    "ReconnectError",
    "SQLError",
    "ShortArrayObject",
    "ShortObject",
    "SocketError",
    "StatementType",
    "String",
    "StringArrayObject",
    "TimeArrayObject",
    "TimeObject",
    "TimestampArrayObject",
    "TimestampObject",
    "TransactionConcurrency",
    "TransactionIsolation",
    "UUIDArrayObject",
    "UUIDObject",
    "WrappedDataObject",
    "WriteSynchronizationMode",
    "connection_errors",
    "create_cache",
    "get_cache",
    "get_or_create_cache",
]

# --- codes ------------------------------------------------------------------------------------------------------------

PROP_NAME: Final = 0
PROP_CACHE_MODE: Final = 1
PROP_CACHE_ATOMICITY_MODE: Final = 2
PROP_BACKUPS_NUMBER: Final = 3
PROP_WRITE_SYNCHRONIZATION_MODE: Final = 4
PROP_COPY_ON_READ: Final = 5
PROP_READ_FROM_BACKUP: Final = 6
PROP_DATA_REGION_NAME: Final = 100
PROP_IS_ONHEAP_CACHE_ENABLED: Final = 101
PROP_QUERY_ENTITIES: Final = 200
PROP_QUERY_PARALLELISM: Final = 201
PROP_QUERY_DETAIL_METRIC_SIZE: Final = 202
PROP_SQL_SCHEMA: Final = 203
PROP_SQL_INDEX_INLINE_MAX_SIZE: Final = 204
PROP_SQL_ESCAPE_ALL: Final = 205
PROP_MAX_QUERY_ITERATORS: Final = 206
PROP_REBALANCE_MODE: Final = 300
PROP_REBALANCE_DELAY: Final = 301
PROP_REBALANCE_TIMEOUT: Final = 302
PROP_REBALANCE_BATCH_SIZE: Final = 303
PROP_REBALANCE_BATCHES_PREFETCH_COUNT: Final = 304
PROP_REBALANCE_ORDER: Final = 305
PROP_REBALANCE_THROTTLE: Final = 306
PROP_GROUP_NAME: Final = 400
PROP_CACHE_KEY_CONFIGURATION: Final = 401
PROP_DEFAULT_LOCK_TIMEOUT: Final = 402
PROP_MAX_CONCURRENT_ASYNC_OPERATIONS: Final = 403
PROP_PARTITION_LOSS_POLICY: Final = 404
PROP_EAGER_TTL: Final = 405
PROP_STATISTICS_ENABLED: Final = 406
PROP_EXPIRY_POLICY: Final = 407


class PeekModes(enum.IntEnum):
    """Which copies of entries `AioCache.get_size` counts.

    >>> await cache.put(1, "Ann")
    >>> await cache.get_size(PeekModes.PRIMARY)
    1
    """

    ALL = 0
    NEAR = 1
    PRIMARY = 2
    BACKUP = 3
    ONHEAP = 4
    OFFHEAP = 5


class StatementType(enum.IntEnum):
    """What kind of statement `AioClient.sql` lets pass.

    >>> sum = client.sql("SELECT 1 + 1", statement_type=StatementType.SELECT)
    >>> [row async for row in sum]
    [[2]]
    """

    ANY = 0
    SELECT = 1
    UPDATE = 2


# --- exceptions -------------------------------------------------------------------------------------------------------
# Ours say more: an error that one of these names catches has the attributes and the meaning of its own class.

CacheError = ServerError
CacheCreationError = ServerError
BinaryTypeError = ServerError
ClusterError = ServerError
SQLError = SqlError
ParameterError = ConfigurationError
ParseError = ProtocolError
HandshakeError = ConnectError
ReconnectError = ClusterUnavailable
NotSupportedByClusterError = NotSupportedByServer
NotSupportedError = NotSupportedByServer
SocketError = OSError

connection_errors: Final = (OSError, EOFError, NotSentError, OutcomeUnknownError, CursorLost)
"""What a connection that was refused or lost shows as. Of OutcomeUnknownError ask first whether to do it again."""
