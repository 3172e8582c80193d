"""Type checkers infer what users rely on, and reject what cannot work."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SAMPLES = [HERE / f"{name}_types.py" for name in ("abc", "cache", "models", "query", "raw", "transaction")]

in_each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)


def marked_lines(sample: Path) -> list[int]:
    """The numbers of the lines that a checker has to reject."""
    return [number for number, line in enumerate(sample.read_text().splitlines(), 1) if line.endswith("# error")]


@in_each_sample
def test_mypy(sample: Path) -> None:
    """Mypy in strict mode rejects exactly the marked lines."""
    mypy = pytest.importorskip("mypy.api")
    output, errors, _ = mypy.run(
        [
            "--strict",
            "--config-file=",
            "--explicit-package-bases",
            f"--cache-dir={ROOT / '.mypy_cache' / 'tests'}",
            str(sample),
        ]
    )
    assert errors == ""
    found = re.findall(rf"{sample.stem}\.py:(\d+): error: (.*)", output)
    assert sorted({int(number) for number, _ in found}) == marked_lines(sample), output


@in_each_sample
def test_pyright(sample: Path, tmp_path: Path) -> None:
    """Pyright in strict mode rejects exactly the marked lines."""
    pytest.importorskip("pyright")
    # A configuration of its own: the package's says nothing about tests.
    config = {
        "include": [os.path.relpath(sample, tmp_path)],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
        "reportUnusedVariable": "none",
        "reportUnusedExpression": "none",
    }
    path = tmp_path / "pyrightconfig.json"
    path.write_text(json.dumps(config))
    run = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    report = json.loads(run.stdout)
    found = {item["range"]["start"]["line"] + 1 for item in report["generalDiagnostics"]}
    assert sorted(found) == marked_lines(sample), run.stdout
