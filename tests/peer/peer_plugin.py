"""Takes the place of tests/conftest.py in pyignite's tests: today's pytest-asyncio, the deselection, the order."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import deselected
import pyignite
import pytest


def pytest_configure(config: pytest.Config) -> None:
    assert Path(pyignite.__file__).is_relative_to(Path(__file__).parent), f"{pyignite.__file__} is not the shim"
    for name in ("skip_if_no_cext", "skip_if_no_expiry_policy", "examples"):
        config.addinivalue_line("markers", f"{name}: one of pyignite's; nodes and client here have it all")


@pytest.fixture(scope="session")
async def event_loop() -> asyncio.AbstractEventLoop:
    """The loop of the run, for fixtures and tests of the time when one asked for it by name."""
    return asyncio.get_running_loop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reasons = deselected.reasons([item.nodeid.removeprefix("tests/") for item in items])
    kept = [item for item in items if item.nodeid.removeprefix("tests/") not in reasons]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    kept.sort(key=_configuration)  # each once: by parameters, nodes would be replaced between any two tests
    total = len(items)
    items[:] = kept
    Path(os.environ["PEER_DESELECTED"]).write_text(json.dumps({"total": total, "deselected": reasons}), "utf-8")


def _configuration(item: pytest.Item) -> int:
    """Which configuration of the nodes a test needs, by number."""
    test = item.nodeid
    if "security/test_ssl" in test:
        return 4
    if "security/test_auth" in test:
        return 3 if "with-ssl" in test else 2
    return int("[with-persistence" in test)
