"""Apache Ignite for Python: a dict that you can await, typed models, and a raw escape hatch.

>>> import ignitemap as ig
>>> async with ig.connect("embedded://") as client:  # or "ignite://127.0.0.1:10800"
...     ages = await client.cache("ages", str, int)
...     await ages.set("ann", 41)
...     print(await ages["ann"])
41
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

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
    StructureError,
    TlsError,
    TooManyCursors,
    TransactionConflict,
    TransactionDeadlock,
    TransactionError,
    TransactionLost,
    TransactionTimeout,
    UnexpectedReply,
)

if TYPE_CHECKING:
    from ignitemap import aio_cache, embedded, local, raw
    from ignitemap.client.retry import RetryPolicy
    from ignitemap.ignite import Client, connect
    from ignitemap.mapping.cache import Cache
    from ignitemap.mapping.expressions import (
        avg,
        between,
        coalesce,
        col,
        contains,
        count,
        eq,
        ge,
        gt,
        is_in,
        is_null,
        le,
        length,
        like,
        lower,
        lt,
        max_,
        maybe,
        min_,
        ne,
        not_,
        some,
        startswith,
        sum_,
        upper,
    )
    from ignitemap.mapping.joins import JoinQuery
    from ignitemap.mapping.query import CacheQuery
    from ignitemap.mapping.rows import Row, Rows
    from ignitemap.mapping.views import Undecodable
    from ignitemap.models.evolving import evolve
    from ignitemap.models.fields import Array, Byte, Char, Double, Float, Index, Int, Long, Short, field, key, sql
    from ignitemap.models.registry import (
        Registry,
        default_registry,
        enum_ as enum,
        key_class,
        model,
        structure,
        unstructure,
    )
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

__version__ = "0.1.0"

# Where each public name lives. It is imported at first use: all of them together take five times as long to import as
# asyncio does, and a program that only handles an error, or declares a model, needs a few.
_HOMES: Final = {
    "ignitemap.client.retry": ("RetryPolicy",),
    "ignitemap.ignite": (
        "Client",
        "connect",
    ),
    "ignitemap.mapping.cache": ("Cache",),
    "ignitemap.mapping.expressions": (
        "avg",
        "between",
        "coalesce",
        "col",
        "contains",
        "count",
        "eq",
        "ge",
        "gt",
        "is_in",
        "is_null",
        "le",
        "length",
        "like",
        "lower",
        "lt",
        "max_",
        "maybe",
        "min_",
        "ne",
        "not_",
        "some",
        "startswith",
        "sum_",
        "upper",
    ),
    "ignitemap.mapping.joins": ("JoinQuery",),
    "ignitemap.mapping.query": ("CacheQuery",),
    "ignitemap.mapping.rows": (
        "Row",
        "Rows",
    ),
    "ignitemap.mapping.views": ("Undecodable",),
    "ignitemap.models.evolving": ("evolve",),
    "ignitemap.models.fields": (
        "Array",
        "Byte",
        "Char",
        "Double",
        "Float",
        "Index",
        "Int",
        "Long",
        "Short",
        "field",
        "key",
        "sql",
    ),
    "ignitemap.models.registry": (
        "Registry",
        "default_registry",
        "enum",
        "key_class",
        "model",
        "structure",
        "unstructure",
    ),
    "ignitemap.protocol.cache_config": ("CacheConfig",),
    "ignitemap.protocol.codecs": (
        "ANY",
        "Spec",
        "optional",
    ),
    "ignitemap.protocol.types.arrays": (
        "BYTES",
        "array_of",
    ),
    "ignitemap.protocol.types.binary_object": ("BinaryObject",),
    "ignitemap.protocol.types.collections": (
        "frozenset_of",
        "list_of",
        "set_of",
        "tuple_of",
    ),
    "ignitemap.protocol.types.decimal": ("DECIMAL",),
    "ignitemap.protocol.types.maps": ("dict_of",),
    "ignitemap.protocol.types.numeric": (
        "BOOL",
        "BYTE",
        "DOUBLE",
        "FLOAT",
        "INT",
        "LONG",
        "SHORT",
    ),
    "ignitemap.protocol.types.temporal": (
        "DATE",
        "TIME",
        "TIMEDELTA",
        "TIMESTAMP",
    ),
    "ignitemap.protocol.types.text": (
        "CHAR",
        "STRING",
    ),
    "ignitemap.protocol.types.uuid": ("UUID",),
}
_HOME_OF: Final = {name: module for module, names in _HOMES.items() for name in names}
_RENAMED: Final = {"enum": "enum_"}

# Loaded on first use: what only some programs need.
_SUBMODULES = frozenset({"aio_cache", "embedded", "local", "raw"})

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
    "CacheQuery",
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
    "JoinQuery",
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
    "RetryPolicy",
    "Row",
    "Rows",
    "SchemaConflictError",
    "ServerError",
    "Short",
    "Spec",
    "SqlError",
    "StructureError",
    "TlsError",
    "TooManyCursors",
    "TransactionConflict",
    "TransactionDeadlock",
    "TransactionError",
    "TransactionLost",
    "TransactionTimeout",
    "Undecodable",
    "UnexpectedReply",
    "aio_cache",
    "array_of",
    "avg",
    "between",
    "coalesce",
    "col",
    "connect",
    "contains",
    "count",
    "default_registry",
    "dict_of",
    "embedded",
    "enum",
    "eq",
    "evolve",
    "field",
    "frozenset_of",
    "ge",
    "gt",
    "is_in",
    "is_null",
    "key",
    "key_class",
    "le",
    "length",
    "like",
    "list_of",
    "local",
    "lower",
    "lt",
    "max_",
    "maybe",
    "min_",
    "model",
    "ne",
    "not_",
    "optional",
    "raw",
    "set_of",
    "some",
    "sql",
    "startswith",
    "structure",
    "sum_",
    "tuple_of",
    "unstructure",
    "upper",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(home), _RENAMED.get(name, name))
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
