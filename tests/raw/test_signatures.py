"""The signatures of `ignitemap.raw` beside those of pyignite itself, where that is installed."""

import importlib
import inspect
from typing import Any

import pytest

from ignitemap import raw

pytest.importorskip("pyignite")

CLASSES = {
    "AioClient": "pyignite.aio_client",
    "AioCache": "pyignite.aio_cache",
    "AioCluster": "pyignite.aio_cluster",
    "AioTransaction": "pyignite.transaction",
    "AioScanCursor": "pyignite.cursors",
    "AioSqlFieldsCursor": "pyignite.cursors",
}
MODULES = [
    "pyignite",
    "pyignite.datatypes",
    "pyignite.datatypes.prop_codes",
    "pyignite.exceptions",
    "pyignite.monitoring",
]
DIFFERENT = {
    "AioClient.connect": "the same arguments, under another name: *where",
    "AioCache.scan": "1024 entries a page instead of 1",
    "AioCluster.set_state": "one more argument, force_deactivation",
}
INTERNAL = {
    # pyignite says of these that they are no part of its API, or says nothing of them
    "AioClient": {
        "get_best_node", "random_node", "register_cache", "protocol_context", "partition_aware", "compact_footer",
        "partition_awareness_supported_by_protocol",
    },
    "AioScanCursor": {"cache_info", "client", "connection", "cursor_id", "data", "more"},
    "AioSqlFieldsCursor": {"cache_info", "client", "connection", "cursor_id", "data", "more"},
}  # fmt: skip


def parameters(function: Any) -> list[tuple[str, Any]]:
    return [(each.name, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", CLASSES)
def test_methods(name: str) -> None:
    """Every public method is there, a coroutine function or not as in pyignite, with its parameters and defaults."""
    theirs, ours = getattr(importlib.import_module(CLASSES[name]), name), getattr(raw, name)
    public = {each for each in dir(theirs) if not each.startswith("_")} - INTERNAL.get(name, set())
    assert public
    different = set()
    for each in public:
        there, here = getattr(theirs, each), getattr(ours, each)
        if callable(there):
            assert inspect.iscoroutinefunction(there) == inspect.iscoroutinefunction(here), each
            if parameters(there) != parameters(here):
                different.add(f"{name}.{each}")
    assert different == {each for each in DIFFERENT if each.startswith(f"{name}.")}


@pytest.mark.parametrize("module", MODULES)
def test_names(module: str) -> None:
    """Every public name of pyignite's modules is in `ignitemap.raw`, but for its synchronous client and its codec."""
    theirs = importlib.import_module(module)
    exported = getattr(theirs, "__all__", None) or [
        name
        for name, value in vars(theirs).items()
        if not name.startswith("_") and getattr(value, "__module__", module).startswith("pyignite")
    ]
    codec = {
        name
        for name in exported
        if module == "pyignite.datatypes"
        and not name.endswith("Object")
        and name not in {"String", "Null", "ExpiryPolicy"}
    }
    missing = {
        name
        for name in set(exported) - codec
        if not hasattr(raw, name) and not inspect.ismodule(getattr(theirs, name, None))
    }
    assert missing <= {"Client", "DataObject", "Optional", "Sequence", "Tuple"}


def test_module_functions() -> None:
    """The functions of aio_cache take what pyignite's take."""
    theirs = importlib.import_module("pyignite.aio_cache")
    for name in ("create_cache", "get_cache", "get_or_create_cache"):
        assert parameters(getattr(theirs, name)) == parameters(getattr(raw, name))
