"""The mapping face: a cache of a cluster as an asynchronous mapping with typed keys and values."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ignitemap.mapping import (
        binary,
        bulk,
        expiry,
        expressions,
        filling,
        guarantees,
        into,
        joins,
        migration,
        query,
        rows,
        transactions,
        views,
    )

__all__ = [
    "PAGE_SIZE",
    "binary",
    "bulk",
    "expiry",
    "expressions",
    "filling",
    "guarantees",
    "into",
    "joins",
    "migration",
    "query",
    "rows",
    "transactions",
    "views",
]

PAGE_SIZE: Final = 1024
"""How many entries or rows are fetched in one round trip, where nothing else is said."""

# Written as `mapping.query.CacheQuery`, and loaded then: a program that reads and writes entries needs none of them.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        if name in __all__:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
