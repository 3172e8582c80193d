"""Everything that awaits: connections, nodes, the session that carries out operations, and the raw cache on top."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ignitemap.client import binary_types, cluster, cursors, durations, generic_object, monitoring, transactions

__all__ = ["binary_types", "cluster", "cursors", "durations", "generic_object", "monitoring", "transactions"]

# Written as `client.cluster.AioCluster`, and loaded then: a program that reads and writes entries needs none of them.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        if name in __all__:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
