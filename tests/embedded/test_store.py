"""The file: what is acknowledged survives, one process has it, damage is told of."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

import ignitemap as ig
from ignitemap.embedded import Node, StoreError
from ignitemap.embedded.store import Store, _refuse_network_drive

UrlOf = Callable[[Path], str]


async def test_a_file_keeps_everything(file: Path, url_of: UrlOf) -> None:
    """Caches, entries, expiry, types, SQL tables and counters are there when the file is opened again."""
    async with ig.connect(url_of(file)) as client:
        ages = await client.cache("ages", str, int, backups=1)
        await ages.set("ann", 41)
        await ages.set("brief", 1, ttl=1000)
        await client.sql("create table city (id int primary key, name varchar)")
        await client.sql("insert into city values (1, 'Ulm')")
        names, config = await client.cache_names(), (await (await client.cache("ages")).guarantees())
    async with ig.connect(url_of(file)) as client:
        assert await client.cache_names() == names
        ages = await client.cache("ages", str, int, create=False)
        assert await ages.get_many(["ann", "brief"]) == {"ann": 41, "brief": 1}
        assert (await ages.guarantees()) == config
        assert [tuple(row) for row in await client.sql("select id, name from city")] == [(1, "Ulm")]
        await client.sql("insert into city values (2, 'Bonn')")
        assert len(await client.sql("select * from city where name > 'A'")) == 2


async def test_entries_expire_in_a_file_too(file: Path) -> None:
    """What expired while the file was closed is gone when it is opened."""
    now = [1_000_000]
    async with Node(file, port=None, clock=lambda: now[0]) as node, ig.connect(node.url) as client:
        cache = await client.cache("a", int, int)
        await cache.set(1, 1, ttl=1)
        await cache.set(2, 2)
    now[0] += 1000
    async with Node(file, port=None, clock=lambda: now[0]) as node, ig.connect(node.url) as client:
        cache = await client.cache("a", int, int)
        assert await cache.items().to_dict() == {2: 2}


async def test_the_process_shares_a_file(file: Path, url_of: UrlOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file opened twice in one process is one node, by whatever path; the last to leave closes it."""
    monkeypatch.chdir(file.parent)
    async with ig.connect(url_of(file)) as one:
        async with ig.connect(f"embedded:///{file.name}") as two:
            await (await one.cache("a", int, int)).set(1, 1)
            assert await (await two.cache("a", int, int))[1] == 1
        assert await (await one.cache("a", int, int))[1] == 1
    assert [path.name for path in file.parent.iterdir()] == [file.name]


async def test_another_process_is_refused(file: Path, url_of: UrlOf) -> None:
    """A file that a process has open is refused to another, with the reason."""
    script = (
        "import sys; from ignitemap.embedded.store import Store; from pathlib import Path; Store(Path(sys.argv[1]))"
    )
    async with ig.connect(url_of(file)) as client:
        await client.cache("a", int, int)
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(file), stderr=asyncio.subprocess.PIPE
        )
        _, said = await other.communicate()
    assert other.returncode == 1
    assert b"is open in another process" in said


async def test_other_files_are_refused(file: Path, url_of: UrlOf, tmp_path: Path) -> None:
    """What is no SQLite file, another program's, of another format or can't be opened is a StoreError that says so."""
    file.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match=r"damaged or no SQLite file"):
        await ig.connect(url_of(file))
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE t(a)")
    db.close()
    with pytest.raises(StoreError, match="of another program") as caught:
        await ig.connect(url_of(other))
    assert caught.value.path == str(other)
    with pytest.raises(StoreError, match="can't be opened"):
        await ig.connect(url_of(tmp_path / "no" / "app.db"))
    newer = tmp_path / "newer.db"
    Store(newer).close()
    with sqlite3.connect(newer) as db:
        db.execute("UPDATE ig_meta SET v=99 WHERE k='format'")
    db.close()
    with pytest.raises(StoreError, match="has format 99, this version of ignitemap reads format 1"):
        await ig.connect(url_of(newer))


async def test_damaged_pages(file: Path, url_of: UrlOf) -> None:
    """A file with a page that was overwritten does not open."""
    async with ig.connect(url_of(file)) as client:
        cache = await client.cache("a", int, str)
        await cache.update(dict.fromkeys(range(2000), "x" * 500))
    data = bytearray(file.read_bytes())
    data[4096 * 20 : 4096 * 21] = os.urandom(4096)
    file.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        await ig.connect(url_of(file))


async def test_damaged_entries(file: Path, url_of: UrlOf) -> None:
    """An entry whose bytes have changed in the file is never given out; the others are."""
    async with ig.connect(url_of(file)) as client:
        cache = await client.cache("a", int, str)
        await cache.update({1: "unchanged value", 2: "another value"})
    data = file.read_bytes()
    assert data.count(b"another value") == 1
    file.write_bytes(data.replace(b"another value", b"anather value"))
    async with ig.connect(url_of(file)) as client:
        cache = await client.cache("a", int, str)
        assert await cache[1] == "unchanged value"
        for read in (cache.get(2), cache.items().to_list()):
            with pytest.raises(ig.ServerError, match="damaged in the file"):
                await read


WRITER = """
import asyncio, sys
import ignitemap as ig

async def main(url, start):
    async with ig.connect(url) as client:
        cache = await client.cache("a", int, int)
        async def write(worker):
            number = start + worker
            while True:
                await cache.update({number: number, -number - 1: number})
                sys.stdout.write(f"{number}\\n")
                sys.stdout.flush()
                number += 8
        await asyncio.gather(*(write(worker) for worker in range(8)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def killed_while_writing(url: str, start: int, lines: int) -> Sequence[int]:
    """Let a process write, kill it when it has acknowledged ``lines`` writes; all that it had acknowledged."""
    writer = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", WRITER, url, str(start)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(lines)]
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read()
    writer.wait()
    writer.stdout.close()
    return told + [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]


async def check_kills(file: Path, url: str, rounds: int) -> None:
    """Kill a writer again and again: nothing that it had acknowledged is ever missing, and the file always opens."""
    acknowledged: set[int] = set()
    for number in range(rounds):
        told = await asyncio.to_thread(killed_while_writing, url, number * 1_000_000, 20 + number % 37)
        acknowledged.update(told)
        async with ig.connect(url) as client:
            found = await (await client.cache("a", int, int)).items().to_dict()
        assert not acknowledged - found.keys()
        for key, value in found.items():
            assert value == (key if key >= 0 else -key - 1)
            assert -key - 1 in found, "half of a putAll"
    with sqlite3.connect(file) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


async def test_kill_while_writing(file: Path, url_of: UrlOf) -> None:
    """A process that is killed in the middle of its writes loses none that it had acknowledged."""
    await check_kills(file, url_of(file), 2)


@pytest.mark.stress
@pytest.mark.timeout(1200)
async def test_kill_while_writing_often(file: Path, url_of: UrlOf) -> None:
    """In a hundred kills no acknowledged write is lost, and the file always opens."""
    await check_kills(file, url_of(file), 100)


def test_network_drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file on a network drive is refused, where the system tells of mounts; elsewhere nothing is said."""
    monkeypatch.setattr(sys, "platform", "linux")
    mounts = f"proc /proc proc rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n/dev/a {tmp_path}/local ext4 rw 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda *_: mounts)
    with pytest.raises(StoreError, match=r"network drive \(nfs4\)"):
        _refuse_network_drive(tmp_path / "app.db")
    _refuse_network_drive(tmp_path / "local" / "app.db")

    def nothing(*_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", nothing)
    _refuse_network_drive(tmp_path / "app.db")
    monkeypatch.setattr(sys, "platform", "darwin")
    _refuse_network_drive(tmp_path / "app.db")


async def test_old_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python with an SQLite that lacks what is needed is told so at once."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 23, 0))
    with pytest.raises(StoreError, match=r"needs SQLite 3\.24"):
        Store()


async def test_a_full_memory() -> None:
    """A node in memory refuses writes beyond its limit and goes on; deleting makes room again."""
    async with Node(port=None, memory=2**20) as node, ig.connect(node.url) as client:
        cache = await client.cache("a", int, bytes)
        with pytest.raises(ig.ServerError, match="Out of memory in data region"):
            for number in range(1000):
                await cache.set(number, bytes(4000))
        assert len(await cache[1]) == 4000
        await cache.clear()
        for _ in range(100):
            await cache.size()
        await cache.set(1, b"again")
        assert await cache[1] == b"again"


@pytest.fixture
async def node_in_file(file: Path) -> AsyncIterator[Node]:
    async with Node(file, port=None) as node:
        yield node


async def test_a_commit_that_fails(node_in_file: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses a commit nobody is told that his write is lasting: the connections are cut."""
    async with ig.connect(node_in_file.url) as client:
        cache = await client.cache("a", int, int)
        await cache.set(1, 1)
        store = node_in_file.cluster.store

        def full() -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(store, "commit", full)
            with pytest.raises(ig.OutcomeUnknownError):
                await cache.set(1, 2)
        assert await cache[1] == 1
        await cache.set(1, 3)
        assert await cache[1] == 3


async def test_sqlite_errors_in_a_request(node_in_file: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite can't do is told to the client, and the node goes on."""
    async with ig.connect(node_in_file.url) as client:
        cache = await client.cache("a", int, int)
        broken = node_in_file.cluster.find("a")
        assert broken is not None

        def fail(key: bytes) -> bytes:
            raise sqlite3.OperationalError("disk I/O error")

        with monkeypatch.context() as patched:
            patched.setattr(broken, "get", fail)
            with pytest.raises(ig.ServerError, match="store of the embedded node failed: disk I/O error"):
                await cache.get(1)
        assert await cache.get(1) is None


async def test_writes_of_one_turn_share_a_commit(node_in_file: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes that several clients send at once are one commit to the file."""
    async with ig.connect(node_in_file.url) as one, ig.connect(node_in_file.url) as two:
        caches = [await client.cache("a", int, int) for client in (one, two)]
        for cache in caches:
            await cache.set(0, 0)
        commits: list[str] = []
        store = node_in_file.cluster.store
        execute = store.execute

        def counted(statement: str, *parameters: object) -> object:
            commits.append(statement)
            return execute(statement, *parameters)

        monkeypatch.setattr(store, "execute", counted)
        await asyncio.gather(*(cache.set(number, number) for number in range(50) for cache in caches))
        assert commits.count("COMMIT") < 20
