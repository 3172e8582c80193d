"""pyignite's own asynchronous tests, against ignitemap.raw behind pyignite's module names, on real nodes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import attrs
import pytest

from ignitemap.local.configure import HOST
from tests.peer import deselected, sdist

HERE: Final = Path(__file__).parent
REPOSITORY: Final = HERE.parents[1]
RUN_SECONDS: Final = 900

USED_PORTS: Final = [number for block in (0, 10, 20) for number in range(block, block + 6)] + [50, 51]
BLOCK: Final = 64  # what ignitemap.local reserves ports by


def reserve(stack: ExitStack) -> int:
    """The first of a hundred ports for the nodes, which other local clusters keep away from for the stack's time."""
    for base in range(10_300, 32_700, 100):
        with ExitStack() as attempt:
            try:
                # The first port of a block is the reservation of all of it (ignitemap/local/configure.py).
                for first in range(10_240, 32_768, BLOCK):
                    if base - BLOCK < first <= base + max(USED_PORTS):
                        attempt.enter_context(socket.socket()).bind((HOST, first))
                for number in USED_PORTS:
                    with socket.socket() as probe:
                        probe.bind((HOST, base + number))
            except OSError:
                continue
            stack.enter_context(attempt.pop_all())
            return base
    raise RuntimeError("no hundred ports are free")


@attrs.frozen
class Run:
    """A run of pyignite's tests."""

    selection: dict[str, Any]
    results: dict[str, str]
    """By test: "failure", "error", "skipped" or nothing."""
    code: int
    output: str

    @property
    def passed(self) -> int:
        """How many passed."""
        return sum(not outcome for outcome in self.results.values())

    @property
    def failed(self) -> set[str]:
        """Those that did not, and were not skipped."""
        return {test for test, outcome in self.results.items() if outcome not in ("", "skipped")}


def run_tests(tmp_path: Path, *, shim: bool = True, server: str = "real") -> Run:
    """Run pyignite's tests: of the shim or of the pyignite that is installed, on real or on embedded nodes."""
    report, selection_file = tmp_path / "report.xml", tmp_path / "selection.json"
    path = [*([HERE / "shim"] if shim else []), tmp_path, HERE, REPOSITORY]
    with ExitStack() as stack:
        base_port = reserve(stack)
        sdist.unpack(tmp_path, base_port, shim=shim)
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "peer_plugin",
                "-q",
                "--tb=short",
                f"--junitxml={report}",
                *sdist.SUITES,
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, path)),
                "PEER_BASE_PORT": str(base_port),
                "PEER_SELECTION": str(selection_file),
                "PEER_CLIENT": "shim" if shim else "pyignite",
                "PEER_SERVER": server,
            },
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
    assert selection_file.exists(), run.stdout + run.stderr
    selection = json.loads(selection_file.read_text("utf-8"))
    results = {
        f"{case.get('classname')}::{case.get('name')}": "".join(
            {child.tag for child in case} & {"failure", "error", "skipped"}
        )
        for case in ElementTree.parse(report).iter("testcase")
    }
    return Run(selection, results, run.returncode, run.stdout + run.stderr)


@pytest.mark.stress
@pytest.mark.timeout(RUN_SECONDS + 60)
def test_the_tests_of_pyignite_pass(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Every test of pyignite passes that is not deselected with a reason."""
    run = run_tests(tmp_path)
    selection, results, passed = run.selection, run.results, run.passed
    reasons = Counter(selection["deselected"].values())
    with capfd.disabled():
        print(f"\npyignite {sdist.VERSION}: {passed} passed, {reasons.total()} deselected, {selection['total']} in all")
        for reason, count in reasons.most_common():
            print(f"  {count:4} deselected: {reason}")
    assert selection["unused"] == []
    failed = run.code != 0
    assert not failed, run.output
    assert {test for test, outcome in results.items() if outcome} == set()
    assert passed + reasons.total() == selection["total"]


@pytest.mark.stress
@pytest.mark.skipif("PEER_EMBEDDED" not in os.environ, reason="by hand: PEER_EMBEDDED=1, ten minutes")
@pytest.mark.timeout(2 * RUN_SECONDS + 60)
def test_pyignite_finds_an_embedded_node_as_good_as_a_real_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What of its own asynchronous tests pyignite itself passes on real nodes, it passes on embedded ones."""
    runs = {}
    for server in ("real", "embedded"):
        folder = tmp_path / server
        folder.mkdir()
        runs[server] = run_tests(folder, shim=False, server=server)
    with capfd.disabled():
        for server, run in runs.items():
            total = len(runs["real"].results)
            print(f"\npyignite {sdist.VERSION} on {server} nodes: {run.passed} of {total} tests passed")
    more = runs["embedded"].failed - runs["real"].failed
    assert more == set(), runs["embedded"].output
    left_out = [
        why for why in runs["embedded"].selection["deselected"].values() if why in deselected.ON_EMBEDDED.values()
    ]
    assert len(runs["embedded"].results) + len(left_out) == len(runs["real"].results)
