"""Takes the place of tests/conftest.py in pyignite's tests: today's pytest-asyncio, the deselection, the order."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import deselected
import pyignite
import pytest

SHIM = os.environ.get("PEER_CLIENT") != "pyignite"


def pytest_configure(config: pytest.Config) -> None:
    is_shim = Path(pyignite.__file__).is_relative_to(Path(__file__).parent)
    assert is_shim is SHIM, pyignite.__file__
    for name in ("skip_if_no_cext", "skip_if_no_expiry_policy", "examples"):
        config.addinivalue_line("markers", f"{name}: one of pyignite's; nodes and client here have it all")


@pytest.fixture(scope="session")
async def event_loop() -> asyncio.AbstractEventLoop:
    """The loop of the run, for fixtures and tests of the time when one asked for it by name."""
    return asyncio.get_running_loop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tests = {item.nodeid.removeprefix("tests/"): item for item in items}
    reasons = deselected.reasons(list(tests), shim=SHIM, embedded=os.environ.get("PEER_SERVER") == "embedded")
    selection = {"total": len(tests), "deselected": reasons, "unused": deselected.unused(list(tests))}
    Path(os.environ["PEER_SELECTION"]).write_text(json.dumps(selection), "utf-8")
    config.hook.pytest_deselected(items=[tests[test] for test in reasons])
    kept = [item for test, item in tests.items() if test not in reasons]
    # Each configuration of the nodes once: by parameters, they would be replaced between any two tests.
    items[:] = sorted(kept, key=_configuration)


def _configuration(item: pytest.Item) -> int:
    """Which configuration of the nodes a test needs, by number."""
    test = item.nodeid
    if "security/test_ssl" in test:
        return 4
    if "security/test_auth" in test:
        return 3 if "with-ssl" in test else 2
    return int("[with-persistence" in test)
