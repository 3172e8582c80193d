"""``python -m ignitemap serve``, and the fixtures for pytest."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

import ignitemap as ig
from ignitemap.__main__ import main

pytest_plugins = ["pytester"]


async def served(*arguments: str) -> tuple[asyncio.subprocess.Process, str]:
    """A process that serves, and its URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ignitemap", "serve", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
    return process, line.decode().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serve(tmp_path: Path, number: signal.Signals) -> None:
    """Its first line is its URL; a signal ends it cleanly, and the file has what was written."""
    path = str(tmp_path / "app.db")
    for value in (1, 2):
        process, url = await served("--path", path, "--port", "0")
        async with ig.connect(url) as client:
            cache = await client.cache("a", int, int)
            assert await cache.get(value - 1) == (None if value == 1 else 1)
            await cache.set(value, value)
        process.send_signal(number)
        _, said = await process.communicate()
        assert (process.returncode, said) == (0, b"")
    assert [each.name for each in tmp_path.iterdir()] == ["app.db"]


def test_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What can't be served is one line on the error stream; a wrong command line is the usage."""
    (tmp_path / "text.db").write_text("no database" * 1000)
    assert main(["serve", "--port", "0", "--path", str(tmp_path / "text.db")]) == 1
    assert "damaged or no SQLite file" in capsys.readouterr().err
    for wrong in ([], ["serve", "--port", "70000"], ["serve", "--port", "x"]):
        with pytest.raises(SystemExit) as caught:
            main(wrong)
        assert caught.value.code == 2
        assert "usage: python -m ignitemap" in capsys.readouterr().err


TESTS = """
import asyncio, socket
import pytest
import ignitemap as ig

seen = set()

@pytest.mark.parametrize("n", range(3))
def test_fresh(ignite_url, n):
    async def main():
        async with ig.connect(ignite_url) as client:
            assert await client.cache_names() == []
            await (await client.cache("a", int, int)).set(1, n)
    asyncio.run(main())
    seen.add(ignite_url)

def test_others(ignite_url):
    assert len(seen) == 3
    host, port = ignite_url.removeprefix("ignite://").split(":")
    socket.create_connection((host, int(port))).close()

def test_marked(ignite_local_url):
    raise AssertionError("a real node is not for this test")
"""


def test_fixtures(pytester: pytest.Pytester) -> None:
    """ignite_url is a fresh node for each test, that any thread and loop may use; tests on real nodes can be left out."""
    pytester.makepyfile(TESTS)
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error")
    result = pytester.runpytest_subprocess(
        *("-p", "no:ignitemap", "-p", "ignitemap.pytest_plugin", "-m", "not ignite_local", "-p", "no:asyncio"),
        *("-p", "no:hypothesispytest", "-p", "no:timeout"),
    )
    result.assert_outcomes(passed=4, deselected=1)
