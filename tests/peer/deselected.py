"""The tests of pyignite that are not run, each with its reason.

A test ``test_x`` that has a twin ``test_x_async`` is the synchronous client's and needs no line here. All others are
named below, as fnmatch patterns of ``folder/file.py::test[parameters]`` in which brackets stand for themselves.
"""

from __future__ import annotations

import fnmatch
from typing import Final

SYNCHRONOUS: Final = "the synchronous client"

# Deliberate differences: the list in docs/raw.md.
NAMES: Final = "column names are the cursor's `columns`, not a row before the rows"
OPENS: Final = "a cursor that was not awaited opens when it is first read, where pyignite raises"
READS: Final = (
    "a read whose connection was lost is sent again; with no node left it ends as OutcomeUnknownError, since it was sent:"
    " ReconnectError is for what never was"
)
OPTIONS: Final = "options that can't work together are refused when the client is made, before it dials"
VERIFIES: Final = "TLS verifies: without the cluster's authority the node's certificate is refused, as TlsError"

REASONS: Final[dict[str, str]] = {
    # --- of the synchronous client, without a twin ---
    "common/test_sql.py::test_sql[*": SYNCHRONOUS,  # select_row()
    "common/test_sync_socket.py::*": SYNCHRONOUS,
    "custom/test_handshake_timeout.py::test_socket_timeout_applied_sync": SYNCHRONOUS,
    "affinity/test_affinity_request_routing.py::test_cache_operation_on_custom_affinity_key_*": SYNCHRONOUS,
    # --- nothing to run ---
    "affinity/test_affinity_request_routing.py::test_cache_operation_on_complex_key_*": "empty, and skipped by pyignite",
    # --- pyignite's insides ---
    "custom/test_handshake_timeout.py::test_handshake_timeout_not_affected_*": (
        "its server hangs up after naming an older version, for pyignite dials again then; nodes do not hang up"
    ),
    # --- deliberate differences ---
    "common/test_binary.py::test_sql_write_as_binary_async": NAMES,
    "common/test_sql.py::test_sql_fields_async[*": NAMES,
    "common/test_sql_composite_key.py::test_sql_composite_key_async[*": NAMES,
    "common/test_scan.py::test_uninitialized_cursor_async": OPENS,
    "affinity/test_affinity_bad_servers.py::test_client_with_failed_server_async[*": READS,
    "security/test_auth.py::test_auth_success_no_explicit_ssl_async[without-ssl]": OPTIONS,  # ssl_* without use_ssl
    "security/test_auth.py::test_auth_failed_async[*-ignite-None]": OPTIONS,  # a user without a password
    "security/test_ssl.py::test_connection_error_with_incorrect_config_async[invalid_ssl_params1]": VERIFIES,
    "security/test_ssl.py::test_connection_error_with_incorrect_config_async[invalid_ssl_params2]": OPTIONS,  # no file
}


def reasons(tests: list[str], *, shim: bool = True, embedded: bool = False) -> dict[str, str]:
    """Why each of the tests that are not run is not. Without the shim only those of the synchronous client are not."""
    functions = {_function(test) for test in tests}
    found = {test: SYNCHRONOUS for test in tests if f"{_function(test)}_async" in functions}
    for pattern, reason in REASONS.items():
        if not shim and reason != SYNCHRONOUS:
            continue
        found.update(dict.fromkeys(_matches(pattern, tests), reason))
    for pattern, reason in ON_EMBEDDED.items() if embedded else ():
        found |= {test: reason for test in fnmatch.filter(tests, pattern) if test not in found}
    return found


# What embedded nodes do otherwise than real ones; pyignite's tests of it are not run on them.
ON_EMBEDDED: Final[dict[str, str]] = {
    "affinity/test_affinity_request_routing.py::test_cache_operation_on_primitive_key_*": (
        "the test knows which of the real nodes srv_1 to srv_4 owns a key"
    ),
    "affinity/test_affinity_request_routing.py::test_cache_operation_routed_to_new_cluster_node_async": (
        "the test knows which of the real nodes srv_1 to srv_4 owns a key"
    ),
    "affinity/test_affinity_request_routing.py::test_all_registered_cache_updated_on_new_server_async": (
        "the test knows which of the real nodes srv_1 to srv_4 owns a key"
    ),
    "affinity/test_affinity_request_routing.py::test_new_registered_cache_affinity_async": (
        "the test knows which of the real nodes srv_1 to srv_4 owns a key"
    ),
    "affinity/test_affinity_request_routing.py::test_update_affinity_concurrently": (
        "the test knows which of the real nodes srv_1 to srv_4 owns a key"
    ),
    "custom/test_cluster.py::test_cluster_set_active_async[[]with-persistence]": (
        "an embedded node with a file is active from the start"
    ),
    "common/test_cache_config.py::test_get_or_create_with_config_*": "an embedded node has one data region",
}


def unused(tests: list[str]) -> list[str]:
    """The patterns that match no test: they are out of date."""
    return [pattern for pattern in REASONS if not _matches(pattern, tests)]


def _matches(pattern: str, tests: list[str]) -> list[str]:
    return [test for test in tests if fnmatch.fnmatchcase(test, pattern.replace("[", "[[]"))]


def _function(test: str) -> str:
    return test.partition("[")[0]
