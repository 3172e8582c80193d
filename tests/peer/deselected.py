"""The tests of pyignite that are not run, each with its reason.

A test ``test_x`` that has a twin ``test_x_async`` is the synchronous client's and needs no line here. All others are
named below, as fnmatch patterns of ``folder/file.py::test[parameters]`` in which brackets stand for themselves.
"""

from __future__ import annotations

import fnmatch
from typing import Final

SYNCHRONOUS: Final = "the synchronous client"

REASONS: Final[dict[str, str]] = {
    # --- without a twin ---
    "common/test_sql.py::test_sql[*": SYNCHRONOUS,  # select_row()
    "common/test_sync_socket.py::*": SYNCHRONOUS,
    "custom/test_handshake_timeout.py::test_socket_timeout_applied_sync": SYNCHRONOUS,
    "affinity/test_affinity_request_routing.py::test_cache_operation_on_custom_affinity_key_*": SYNCHRONOUS,
    "affinity/test_affinity_request_routing.py::test_cache_operation_on_complex_key_*": "empty, skipped by pyignite itself",
}


def reasons(tests: list[str]) -> dict[str, str]:
    """Why each of the tests that are not run is not."""
    functions = {_function(test) for test in tests}
    found = {test: SYNCHRONOUS for test in tests if f"{_function(test)}_async" in functions}
    for pattern, reason in REASONS.items():
        found.update(dict.fromkeys(_matches(pattern, tests), reason))
    return found


def unused(tests: list[str]) -> list[str]:
    """The patterns that match no test: they are out of date."""
    return [pattern for pattern in REASONS if not _matches(pattern, tests)]


def _matches(pattern: str, tests: list[str]) -> list[str]:
    return [test for test in tests if fnmatch.fnmatchcase(test, pattern.replace("[", "[[]"))]


def _function(test: str) -> str:
    return test.partition("[")[0]
