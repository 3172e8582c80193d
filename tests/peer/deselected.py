"""The tests of pyignite that are not run, each with its reason.

A test ``test_x`` that has a twin ``test_x_async`` is the synchronous client's and needs no line here. All others are
named below, as fnmatch patterns of ``folder/file.py::test[parameters]`` in which brackets stand for themselves.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Final

SYNCHRONOUS: Final = "the synchronous client"

REASONS: Final[dict[str, str]] = {}


def reasons(tests: list[str]) -> dict[str, str]:
    """Why each of the tests that are not run is not. Raises ValueError for a pattern that no test matches."""
    functions = {re.sub(r"\[.*", "", test, flags=re.DOTALL) for test in tests}
    found = {test: SYNCHRONOUS for test in tests if re.sub(r"\[.*", "", test, flags=re.DOTALL) + "_async" in functions}
    for pattern, reason in REASONS.items():
        matches = [test for test in tests if fnmatch.fnmatchcase(test, pattern.replace("[", "[[]"))]
        if not matches:
            raise ValueError(f"no test of pyignite matches {pattern}")
        found.update(dict.fromkeys(matches, reason))
    return found
