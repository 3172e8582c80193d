"""What a node answers, one module for each range of operations. Importing them fills the table."""

from ignitemap.embedded.handlers import (
    affinity,
    atomic_long,
    binary_types,
    caches,
    cluster,
    continuous,
    general,
    key_value,
    queries,
    sets,
    sql,
    streamer,
    transactions,
)
from ignitemap.embedded.handlers.table import HANDLERS, Handler, Needs, answers

__all__ = [
    "HANDLERS",
    "Handler",
    "Needs",
    "affinity",
    "answers",
    "atomic_long",
    "binary_types",
    "caches",
    "cluster",
    "continuous",
    "general",
    "key_value",
    "queries",
    "sets",
    "sql",
    "streamer",
    "transactions",
]
