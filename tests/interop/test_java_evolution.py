"""Releases of a program and a Java client write the same objects at once, while fields come, go and change their names."""

import asyncio
import sys
from pathlib import Path

import pytest

import ignitemap as ig
from tests.interop.tallies import KEYS, TYPE_NAME, count, releases

ROOT = Path(__file__).resolve().parents[2]
TIMES = 40


async def started(url: str, name: str, release: str) -> asyncio.subprocess.Process:
    """A process of one release, which waits."""
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    command = (sys.executable, "-m", "tests.interop.tallies", url, name, release, str(TIMES))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, **pipes)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def test_nothing_is_lost_while_the_schema_evolves(name, url, java):
    """Two releases in two processes, Java and a third release that comes later lose nothing of each other.

    All count in the same objects with compare-and-set: in the end every count is there, and so is every field that a
    writer does not know.
    """
    made = releases()
    clients = {release: await ig.connect(url, registry=registry) for release, (registry, _, _) in made.items()}
    first, second, third = (made[release][1] for release in "123")
    try:
        old = await clients["1"].cache(name, first)
        await old.save_many(first(key, f"label {key}", f"nick {key}") for key in KEYS)
        processes = [await started(url, name, release) for release in "12"]

        async def third_release() -> None:
            """Comes when the others are under way, with a migration of its own."""
            while not any(tally.ones for tally in await old.values().to_list()):
                pass
            cache = await clients["3"].cache(name, third, migrate=True)
            await count(cache, "threes", TIMES)

        *ends, _, _ = await asyncio.gather(
            *(process.communicate(b"go\n") for process in processes),
            java("count", name, "javas", f"{TIMES}", *(f"long {key}" for key in KEYS)),
            third_release(),
        )
        assert [(process.returncode, end[1]) for process, end in zip(processes, ends, strict=True)] == [(0, b"")] * 2

        newer = await clients["2"].cache(name, second)
        newest = await clients["3"].cache(name, third)
        for key in KEYS:
            assert (await old[key]).ones == (await newer[key]).twos == (await newest[key]).threes == TIMES
            assert (await newer[key]).called == f"nick {key}"
            assert (await newest[key]).label == (await old[key]).label == f"label {key}"
            # Java's class has all of the fields.
            told = await java("get", name, f"long {key}")
            assert told[0] == TYPE_NAME
            assert {f"ones={TIMES}", f"twos={TIMES}", f"threes={TIMES}", f"javas={TIMES}", "tags=[]"} <= {*told}
            assert f"called=nick {key}" in told
        # The columns came one after the other; objects that were written before have their values in them, too.
        total = TIMES * len(KEYS)
        columns = "SUM(ones), SUM(twos), SUM(threes), COUNT(called)"
        assert await java("sql", f'SELECT {columns} FROM "{name}".TALLY') == [
            f"{total} | {total} | {total} | {len(KEYS)}"
        ]
        assert await newest.where(lambda tally: tally.twos == TIMES).count() == len(KEYS)
        assert await newer.index_query(None, ig.ge(ig.col("twos"), TIMES)).count() == len(KEYS)

        # The one conflict: a field whose type changed.
        with pytest.raises(ig.SchemaConflictError, match=rf"{TYPE_NAME}\.ones is long in the cluster and String"):
            await clients["wrong"].cache(name, made["wrong"][1], migrate=True)
        assert (await old[0]).ones == TIMES
    finally:
        for client in clients.values():
            await client.aclose()
