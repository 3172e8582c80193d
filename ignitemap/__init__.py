"""Apache Ignite for Python: a dict that you can await, typed models, and a raw escape hatch.

    import ignitemap as ig

    async with ig.connect("ignite://127.0.0.1:10800") as client:
        ages = await client.cache("ages", str, int)
        await ages.set("ann", 41)
        print(await ages["ann"])
"""

import importlib
from typing import TYPE_CHECKING, Any

from ignitemap.abc import AsyncMapping, AsyncMutableMapping, AsyncSet
from ignitemap.exceptions import (
    AuthenticationError,
    CacheConfigInvalid,
    CacheExists,
    CacheNotFound,
    ClientClosed,
    ClusterUnavailable,
    CommitOutcomeUnknown,
    ConfigurationError,
    ConnectError,
    CursorLost,
    DecodeError,
    EncodeError,
    ForkedClientError,
    FrameTooLarge,
    IgniteMapError,
    InsecureCredentialsError,
    ModelError,
    ModifyConflict,
    NotSentError,
    NotSentTimeout,
    NotSupportedByServer,
    OperationTimeout,
    OutcomeUnknownError,
    Overloaded,
    PartialWriteError,
    ProtocolError,
    QueryError,
    SchemaConflictError,
    ServerError,
    SqlError,
    TlsError,
    TooManyCursors,
    TransactionConflict,
    TransactionDeadlock,
    TransactionError,
    TransactionLost,
    TransactionTimeout,
    UnexpectedReply,
)
from ignitemap.ignite import Client, connect
from ignitemap.mapping.cache import Cache
from ignitemap.mapping.rows import Row, Rows
from ignitemap.models.evolving import evolve
from ignitemap.models.fields import Array, Byte, Char, Double, Float, Index, Int, Long, Short, field, key, sql
from ignitemap.models.registry import Registry, key_class, model
from ignitemap.models.registry import enum_ as enum
from ignitemap.protocol.cache_config import CacheConfig
from ignitemap.protocol.codecs import ANY, Spec, optional
from ignitemap.protocol.types.arrays import BYTES, array_of
from ignitemap.protocol.types.binary_object import BinaryObject
from ignitemap.protocol.types.collections import frozenset_of, list_of, set_of, tuple_of
from ignitemap.protocol.types.decimal import DECIMAL
from ignitemap.protocol.types.maps import dict_of
from ignitemap.protocol.types.numeric import BOOL, BYTE, DOUBLE, FLOAT, INT, LONG, SHORT
from ignitemap.protocol.types.temporal import DATE, TIME, TIMEDELTA, TIMESTAMP
from ignitemap.protocol.types.text import CHAR, STRING
from ignitemap.protocol.types.uuid import UUID

if TYPE_CHECKING:
    from ignitemap import aio_cache, local, raw

__version__ = "0.1.0"

# Loaded on first use: what only some programs need.
_SUBMODULES = frozenset({"aio_cache", "local", "raw"})

__all__ = [
    "ANY",
    "BOOL",
    "BYTE",
    "BYTES",
    "CHAR",
    "DATE",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "INT",
    "LONG",
    "SHORT",
    "STRING",
    "TIME",
    "TIMEDELTA",
    "TIMESTAMP",
    "UUID",
    "Array",
    "AsyncMapping",
    "AsyncMutableMapping",
    "AsyncSet",
    "AuthenticationError",
    "BinaryObject",
    "Byte",
    "Cache",
    "CacheConfig",
    "CacheConfigInvalid",
    "CacheExists",
    "CacheNotFound",
    "Char",
    "Client",
    "ClientClosed",
    "ClusterUnavailable",
    "CommitOutcomeUnknown",
    "ConfigurationError",
    "ConnectError",
    "CursorLost",
    "DecodeError",
    "Double",
    "EncodeError",
    "Float",
    "ForkedClientError",
    "FrameTooLarge",
    "IgniteMapError",
    "Index",
    "InsecureCredentialsError",
    "Int",
    "Long",
    "ModelError",
    "ModifyConflict",
    "NotSentError",
    "NotSentTimeout",
    "NotSupportedByServer",
    "OperationTimeout",
    "OutcomeUnknownError",
    "Overloaded",
    "PartialWriteError",
    "ProtocolError",
    "QueryError",
    "Registry",
    "Row",
    "Rows",
    "SchemaConflictError",
    "ServerError",
    "Short",
    "Spec",
    "SqlError",
    "TlsError",
    "TooManyCursors",
    "TransactionConflict",
    "TransactionDeadlock",
    "TransactionError",
    "TransactionLost",
    "TransactionTimeout",
    "UnexpectedReply",
    "aio_cache",
    "array_of",
    "connect",
    "dict_of",
    "enum",
    "evolve",
    "field",
    "frozenset_of",
    "key",
    "key_class",
    "list_of",
    "local",
    "model",
    "optional",
    "raw",
    "set_of",
    "sql",
    "tuple_of",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
