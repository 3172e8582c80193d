"""The examples run, each in a Python of its own, on the cluster of the other tests."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SMALL = sorted(path.name for path in (ROOT / "examples").glob("*.py") if path.name != "quickstart.py")


async def run(url: str, *arguments: str) -> str:
    """What an example prints. Fails with all of it when the example does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W", "error", "-X", "utf8",
        *arguments,
        cwd=ROOT / "examples",
        env={**os.environ, "IGNITEMAP_URL": url, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = (text.decode() for text in await process.communicate())
    assert process.returncode == 0, f"{arguments} ended with {process.returncode}:\n{output}\n{errors}"
    assert "Traceback" not in errors
    return output


@pytest.mark.parametrize("name", SMALL)
async def test_example(url: str, name: str) -> None:
    """An example ends with exit code 0, has something to say, and warns of nothing."""
    assert await run(url, name)


@pytest.mark.stress
async def test_quickstart(url: str) -> None:
    """The quickstart stores and reads back the 34,006 cities of 15,000 people and more, on real nodes too."""
    output = await run(url, "quickstart.py")
    assert "\n34,006 cities" in output
    assert output.endswith("everything came back as it was stored\n")


async def test_quickstart_without_a_cluster() -> None:
    """With no cluster at all the quickstart runs on a node of its own."""
    output = await run("embedded://", "quickstart.py")
    assert output.startswith("connecting to embedded://\n34,006 cities")
    assert output.endswith("everything came back as it was stored\n")


@pytest.mark.stress
@pytest.mark.timeout(600)
async def test_quickstart_with_all_cities(url: str) -> None:
    """The quickstart stores and reads back all of 234,908 cities."""
    output = await run(url, "quickstart.py", "--min-population", "500")
    assert "\n234,908 cities" in output
    assert output.endswith("everything came back as it was stored\n")
