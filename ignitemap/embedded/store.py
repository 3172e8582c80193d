"""Where a cluster's entries and metadata live: one SQLite database, in memory or a file with a write-ahead log.

- One connection, one thread. Nobody keeps an SQLite cursor open from one call to the next.
- All writes to a file in a turn of the loop are one SQLite transaction: the first opens it, the node commits it and only
  then lets the answers go. With synchronous=FULL an answered write survives kill -9 and a power cut.
- The file is this process's alone (locking_mode=EXCLUSIVE): a second opener is refused.
- ``c<number>`` is a cache: "$k" and "$v" marshalled, "$x" when it expires (ms), "$n" the version of the entry, "$p" its
  partition, "$s" a checksum of key and value (files only), and behind them the typed columns of SQL.
"""

import os
import sqlite3
import sys
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from ignitemap.embedded.errors import StoreError

__all__ = ["FORMAT", "Store", "Synchronous"]

FORMAT: Final = 1
APPLICATION_ID: Final = 0x49674D70  # "IgMp", in the file's header
MIN_SQLITE: Final = (3, 24)  # UPSERT
STATEMENTS: Final = 512
TURNS_A_LOOK: Final = 64  # of a store in memory: then its size is looked at
OVERDRAFT: Final = 64 * 1024 * 1024
NETWORK_FILE_SYSTEMS: Final = frozenset(("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ncpfs"))

Synchronous = Literal["FULL", "NORMAL"]

SCHEMA: Final = """
CREATE TABLE ig_meta (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE ig_cache (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, config BLOB NOT NULL);
CREATE TABLE ig_binary_type (type_id INTEGER PRIMARY KEY, meta BLOB NOT NULL);
CREATE TABLE ig_type_name (platform INTEGER, type_id INTEGER, name TEXT NOT NULL, PRIMARY KEY (platform, type_id));
"""


class Store:
    """The database of one cluster.

    Args:
        path: The file, made when it is absent; None keeps everything in memory.
        synchronous: What a commit to a file waits for: ``FULL`` for the disk; with ``NORMAL`` a power cut may lose the
            last commits, though never the file.
        memory: The most bytes that are kept in memory; a file has no limit but the disk's.

    Raises StoreError for a file that another process has open, that is damaged or of another format, or that lies on
    a network drive.
    """

    def __init__(
        self, path: Path | None = None, *, synchronous: Synchronous = "FULL", memory: int | None = None
    ) -> None:
        if sqlite3.sqlite_version_info < MIN_SQLITE:
            raise StoreError(f"the embedded node needs SQLite 3.24, this Python has {sqlite3.sqlite_version}")
        self.path = path
        self.durable = path is not None
        self.memory = None if path is not None else memory
        self.full = False
        self.closed = False
        self._began = False
        self._turns = 0
        if path is not None:
            _refuse_network_drive(path)
        try:
            self.db = sqlite3.connect(
                ":memory:" if path is None else path,
                isolation_level=None,
                cached_statements=STATEMENTS,
                check_same_thread=False,  # a named store may move from one event loop to the next; never two at once
                timeout=0,
            )
        except sqlite3.OperationalError as error:
            raise _store_error(error, path) from error
        self.execute = self.db.execute
        try:
            if path is not None:
                self._open_file(synchronous)
            self._prepare()
        except sqlite3.DatabaseError as error:
            self.db.close()
            raise _store_error(error, path) from error
        except BaseException:
            self.db.close()
            raise
        self._page_size: int = self.execute("PRAGMA page_size").fetchone()[0]
        if self.memory is not None:
            # Between two looks at it the limit may be passed; by more than this it can't be.
            self.execute(f"PRAGMA max_page_count={(self.memory + OVERDRAFT) // self._page_size}")

    def _open_file(self, synchronous: Synchronous) -> None:
        self.execute("PRAGMA locking_mode=EXCLUSIVE")
        (mode,) = self.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise StoreError(f"{self.path}: no write-ahead log is possible there", path=str(self.path))
        self.execute(f"PRAGMA synchronous={synchronous}")
        self.execute("BEGIN IMMEDIATE")  # takes the lock that keeps other processes out
        self.execute("COMMIT")
        for (found,) in self.execute("PRAGMA quick_check(1)"):
            if found != "ok":
                raise StoreError(f"{self.path} is damaged: {found}", path=str(self.path))

    def _prepare(self) -> None:
        (application,) = self.execute("PRAGMA application_id").fetchone()
        (tables,) = self.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            self.execute("BEGIN")
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    self.execute(statement)
            self.execute(f"PRAGMA application_id={APPLICATION_ID}")
            self.execute("INSERT INTO ig_meta VALUES ('format', ?), ('cluster', ?)", (FORMAT, str(uuid4())))
            self.execute("COMMIT")
        elif application != APPLICATION_ID:
            raise StoreError(f"{self.path} is an SQLite file of another program", path=str(self.path))
        found = self.get_meta("format")
        if found != FORMAT:
            raise StoreError(
                f"{self.path} has format {found}, this version of ignitemap reads format {FORMAT}", path=str(self.path)
            )
        self.id = UUID(str(self.get_meta("cluster")))

    def get_meta(self, key: str) -> Any:
        """A value of the cluster's own, None when there is none."""
        row = self.execute("SELECT v FROM ig_meta WHERE k=?", (key,)).fetchone()
        return None if row is None else row[0]

    def set_meta(self, key: str, value: object) -> None:
        """Keep a value of the cluster's own."""
        self.begin()
        self.execute("INSERT OR REPLACE INTO ig_meta VALUES (?, ?)", (key, value))

    # --- transactions -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Open the transaction of this turn, unless it is open. In memory there is none: nothing is to be made lasting."""
        if self.durable and not self.db.in_transaction:
            self.execute("BEGIN")
            self._began = True

    def commit(self) -> None:
        """Make the writes of this turn lasting. Raises sqlite3.Error: then none of them is."""
        if self.durable:
            if self.db.in_transaction:
                self.execute("COMMIT")
                self._began = False
        elif self.memory is not None:
            self._turns += 1
            if self._turns % TURNS_A_LOOK == 0:
                self.full = self._used() > self.memory

    def lost_turn(self) -> bool:
        """Whether SQLite has rolled back the transaction of this turn by itself, as it does when a disk is full."""
        return self._began and not self.db.in_transaction

    def rollback(self) -> None:
        """Forget the writes of this turn."""
        self._began = False
        if self.db.in_transaction:
            self.execute("ROLLBACK")

    @contextmanager
    def whole(self) -> Generator[None]:
        """Several writes of which all are done or none."""
        self.begin()
        self.execute("SAVEPOINT whole")
        try:
            yield
        except BaseException:
            if self.db.in_transaction:
                self.execute("ROLLBACK TO whole")
                self.execute("RELEASE whole")
            raise
        self.execute("RELEASE whole")

    def _used(self) -> int:
        (pages,) = self.execute("PRAGMA page_count").fetchone()
        (free,) = self.execute("PRAGMA freelist_count").fetchone()
        used: int = (pages - free) * self._page_size
        return used

    def close(self) -> None:
        """Write everything into the file and let go of it."""
        if not self.closed:
            self.closed = True
            try:
                self.commit()
            finally:
                self.db.close()


def checksum(key: bytes, value: bytes) -> int:
    """What is kept beside an entry in a file, so that a damaged one is not given out."""
    return zlib.crc32(value, zlib.crc32(key))


def _store_error(error: sqlite3.DatabaseError, path: Path | None) -> StoreError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return StoreError(f"{path} is open in another process: one process at a time can use it", path=str(path))
    if isinstance(error, sqlite3.OperationalError) and "unable to open" in text:
        return StoreError(f"{path} can't be opened: is its directory there and writable?", path=str(path))
    if isinstance(error, sqlite3.OperationalError) and "readonly" in text:
        return StoreError(f"{path} can't be written", path=str(path))
    return StoreError(f"{path} is damaged or no SQLite file: {text}", path=str(path))


def _refuse_network_drive(path: Path) -> None:
    """SQLite's locks and its log rely on what network drives don't give. Known on Linux only."""
    if sys.platform != "linux":
        return
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return  # no /proc here: then nothing can be said
    where = os.path.realpath(path)
    best, kind = "", ""
    for line in lines:
        _, mount, found, *_ = line.split(" ")
        mount = mount.replace("\\040", " ")
        if (where == mount or where.startswith(mount.rstrip("/") + "/")) and len(mount) >= len(best):
            best, kind = mount, found
    if kind in NETWORK_FILE_SYSTEMS:
        raise StoreError(f"{path} is on a network drive ({kind}): use a local disk", path=str(path))
