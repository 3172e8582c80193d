"""One cache: its configuration, its table in the store, and the one path by which its entries are read and written.

Every write of an entry ends in `Cache.write` or `Cache.delete`: there the typed columns of SQL are filled, expiry is
decided, and listeners learn of it. What a policy means for which operation was seen from a 2.17.0 node.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs

from ignitemap.embedded.errors import Refused, failed, out_of_memory
from ignitemap.embedded.events import Kind, Listener
from ignitemap.embedded.sql.seam import Shape, SqlFailure
from ignitemap.embedded.store import Store, checksum
from ignitemap.embedded.transactions import Condition, Lock
from ignitemap.protocol.binary_type import KnownTypes
from ignitemap.protocol.cache_config import (
    CacheAtomicityMode,
    CacheConfig,
    CacheMode,
    PartitionLossPolicy,
    RebalanceMode,
    WriteSynchronizationMode,
)
from ignitemap.protocol.hashing import bytes_hash, field_id, string_hash, type_id
from ignitemap.protocol.key_hash import hash_of, hash_of_complex_key, partition_of
from ignitemap.protocol.message import ExpiryPolicy
from ignitemap.protocol.types import codes

__all__ = ["Cache", "Entry", "with_defaults"]

PARTITIONS: Final = 1024
REPLICATED_PARTITIONS: Final = 512
ALL_COPIES: Final = 2**31 - 1  # the backups that a replicated cache tells of

ETERNAL: Final = ExpiryPolicy.ETERNAL
UNCHANGED: Final = ExpiryPolicy.UNCHANGED
AT_ONCE: Final = 0

# What a 2.17.0 node answers for a cache that was made with nothing but a name.
DEFAULTS: Final = CacheConfig(
    mode=CacheMode.PARTITIONED,
    atomicity=CacheAtomicityMode.ATOMIC,
    backups=0,
    write_sync=WriteSynchronizationMode.PRIMARY_SYNC,
    copy_on_read=True,
    read_from_backup=True,
    onheap_cache=False,
    query_entities=(),
    query_parallelism=1,
    query_detail_metrics_size=0,
    sql_index_max_inline_size=-1,
    sql_escape_all=False,
    max_query_iterators=1024,
    rebalance_mode=RebalanceMode.ASYNC,
    rebalance_delay=0,
    rebalance_timeout=10_000,
    rebalance_batch_size=524_288,
    rebalance_batches_prefetch=3,
    rebalance_order=0,
    rebalance_throttle=0,
    key_configuration=(),
    default_lock_timeout=0,
    max_concurrent_async_operations=500,
    partition_loss_policy=PartitionLossPolicy.IGNORE,
    eager_ttl=True,
    statistics=False,
)

Entry = tuple[bytes, int | None]
"""A value, and when it expires (ms), None for never."""


def with_defaults(config: CacheConfig) -> CacheConfig:
    """A configuration with every property set, as a node answers it."""
    given = {name: value for name, value in attrs.asdict(config, recurse=False).items() if value is not None}
    if given.get("mode") is CacheMode.REPLICATED:
        given["backups"] = ALL_COPIES
    return attrs.evolve(DEFAULTS, **given)


class Cache:
    """One cache of a cluster. ``config`` has every property set; ``number`` names its table."""

    def __init__(
        self,
        store: Store,
        number: int,
        config: CacheConfig,
        *,
        hidden: bool,
        known: KnownTypes,
        clock: Callable[[], int],
        version: Callable[[], int],
        on_due: Callable[[int], None],
    ) -> None:
        assert config.name is not None
        self.number = number
        self.name = config.name
        self.id = string_hash(config.name)
        self.config = config
        self.hidden = hidden
        """Whether it holds what is no user cache: atomic longs, sets."""
        self.replicated = config.mode is CacheMode.REPLICATED
        self.transactional = config.atomicity is CacheAtomicityMode.TRANSACTIONAL
        self.partitions = REPLICATED_PARTITIONS if self.replicated else PARTITIONS
        self.key_fields = {
            type_id(each.type_name): field_id(each.affinity_field) for each in config.key_configuration or ()
        }
        self.listeners: list[Listener] = []
        self.locks: dict[bytes, Lock] = {}
        self.dropped = False
        self.policy = config.expiry
        self._known = known
        self._store = store
        self._execute = store.execute
        self._clock = clock
        self._version = version
        self._on_due = on_due
        self.table = f"c{number}"
        self._odd = f"c{number}_odd"
        self.shape: Shape | None = None
        self._has_odd = False
        self.reshape(None)
        self.next_due = self._least_due()

    # --- the table --------------------------------------------------------------------------------------------------

    @staticmethod
    def create_tables(store: Store, number: int) -> None:
        """Make the tables of a new cache: for its entries, and for those that its SQL tables can't have."""
        for table in (f"c{number}", f"c{number}_odd"):
            store.execute(
                f'CREATE TABLE {table} ("$k" BLOB PRIMARY KEY, "$v" BLOB NOT NULL, "$x" INTEGER, "$n" INTEGER,'
                f' "$p" INTEGER, "$s" INTEGER)'
            )
            store.execute(f'CREATE INDEX {table}_x ON {table}("$x") WHERE "$x" IS NOT NULL')

    def drop_table(self) -> None:
        """Drop the table with all entries."""
        self._execute(f"DROP TABLE {self.table}")
        self._execute(f"DROP TABLE {self._odd}")
        self.dropped = True

    def reshape(self, shape: Shape | None) -> None:
        """The typed columns of SQL are these now."""
        self.shape = shape
        self._has_odd = self._execute(f"SELECT 1 FROM {self._odd} LIMIT 1").fetchone() is not None
        self._write_statements()

    def _write_statements(self) -> None:
        columns = () if self.shape is None else self.shape.columns
        names = ['"$k"', '"$v"', '"$x"', '"$n"', '"$p"', '"$s"', *columns]
        kept = [name for name in names if name not in ('"$k"', '"$p"')]
        self._get = f'SELECT "$v","$s" FROM {self.table} WHERE "$k"=?'
        self._load = f'SELECT "$v","$s","$x" FROM {self.table} WHERE "$k"=?'
        self._insert = (
            f"INSERT INTO {self.table}({','.join(names)}) VALUES({','.join('?' * len(names))})"
            f' ON CONFLICT("$k") DO UPDATE SET {",".join(f"{name}=excluded.{name}" for name in kept)}'
        )
        # Leaves the time of expiry as it is, so that an entry need not be read before it is written.
        self._blind = (
            f'INSERT INTO {self.table}("$k","$v","$n","$p","$s") VALUES(?,?,?,?,?)'
            ' ON CONFLICT("$k") DO UPDATE SET "$v"=excluded."$v","$n"=excluded."$n","$s"=excluded."$s"'
        )
        self._delete = f'DELETE FROM {self.table} WHERE "$k"=?'
        self._touch = f'UPDATE {self.table} SET "$x"=? WHERE "$k"=?'

    # --- reading ----------------------------------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        """A value, None when absent; it is not touched."""
        if self.next_due is not None:
            self.expire()
        row = self._execute(self._get, (key,)).fetchone()
        if row is None:
            if not self._has_odd:
                return None
            row = self._execute(f'SELECT "$v","$s" FROM {self._odd} WHERE "$k"=?', (key,)).fetchone()
            if row is None:
                return None
        value: bytes = row[0]
        if row[1] is not None:
            self._check(key, value, row[1])
        return value

    def load(self, key: bytes) -> Entry | None:
        """A value with its time of expiry, None when absent; it is not touched."""
        if self.next_due is not None:
            self.expire()
        row = self._execute(self._load, (key,)).fetchone()
        if row is None:
            if not self._has_odd:
                return None
            row = self._execute(f'SELECT "$v","$s","$x" FROM {self._odd} WHERE "$k"=?', (key,)).fetchone()
            if row is None:
                return None
        if row[1] is not None:
            self._check(key, row[0], row[1])
        return row[0], row[2]

    def version_of(self, key: bytes) -> int:
        """The version of an entry, 0 for an absent one: it changes with every write."""
        if self.next_due is not None:
            self.expire()
        for table in (self.table, self._odd) if self._has_odd else (self.table,):
            row = self._execute(f'SELECT "$n" FROM {table} WHERE "$k"=?', (key,)).fetchone()
            if row is not None:
                found: int = row[0]
                return found
        return 0

    def read(self, key: bytes, policy: ExpiryPolicy | None = None) -> bytes | None:
        """A value, None when absent; it is touched as the policy says."""
        policy = policy or self.policy
        if policy is None or policy.access == UNCHANGED:
            return self.get(key)
        entry = self.load(key)
        if entry is None:
            return None
        self.touch(key, entry, policy)
        return entry[0]

    def touch(self, key: bytes, entry: Entry, policy: ExpiryPolicy | None) -> None:
        """An entry was accessed."""
        policy = policy or self.policy
        if policy is None or policy.access == UNCHANGED:
            return
        self._store.begin()
        if policy.access == AT_ONCE:
            self.delete(key, entry, silent=True)
            for listener in self.listeners:
                listener.tell(Kind.EXPIRED, key, entry[0], None)
            return
        due = self._due(policy.access)
        if self._execute(self._touch, (due, key)).rowcount == 0:
            self._execute(f'UPDATE {self._odd} SET "$x"=? WHERE "$k"=?', (due, key))

    def count(self) -> int:
        """How many entries there are."""
        if self.next_due is not None:
            self.expire()
        total: int = 0
        for table in (self.table, self._odd) if self._has_odd else (self.table,):
            total += self._execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return total

    def page(
        self, position: tuple[int, int], limit: int, partitions: Sequence[int] | None
    ) -> tuple[list[tuple[bytes, bytes]], tuple[int, int] | None]:
        """Entries from a position on, and the position behind them; None when there are no more.

        A position is (0 or 1 for the table, the rowid before the next entry): no SQLite cursor stays open.
        """
        if self.next_due is not None:
            self.expire()
        where = "" if partitions is None else f' AND "$p" IN ({",".join(map(str, partitions))})'
        found: list[tuple[bytes, bytes]] = []
        which, after = position
        while True:
            if which == 1 and not self._has_odd:
                return found, None
            rows = self._execute(
                f'SELECT rowid,"$k","$v","$s" FROM {self._odd if which else self.table}'
                f" WHERE rowid>?{where} ORDER BY rowid LIMIT ?",
                (after, limit - len(found) + 1),
            ).fetchall()
            more = len(rows) > limit - len(found)
            if more:
                rows.pop()
            for rowid, key, value, sum_ in rows:
                if sum_ is not None:
                    self._check(key, value, sum_)
                found.append((key, value))
                after = rowid
            if more:
                return found, (which, after)
            if which == 1:
                return found, None
            which, after = 1, 0

    def partition(self, key: bytes) -> int:
        """The partition of a key."""
        if key[0] == codes.OBJECT and (self.key_fields or self._known.affinity_fields):
            fields = {**self._known.affinity_fields, **self.key_fields}
            hashed = hash_of_complex_key(fields, key, 0, self._known.orders)
            if hashed is None:
                hashed = hash_of(key)
        else:
            hashed = hash_of(key)
        # Some types have no hash that anybody but their own JVM knows.
        return partition_of(bytes_hash(key) if hashed is None else hashed, self.partitions)

    def _check(self, key: bytes, value: bytes, found: int) -> None:
        if checksum(key, value) != found:
            raise Refused(
                1, f"An entry of the cache {self.name} is damaged in the file of the embedded node (wrong checksum)"
            )

    # --- writing ----------------------------------------------------------------------------------------------------

    def put(self, key: bytes, value: bytes, policy: ExpiryPolicy | None = None) -> None:
        """Set a value, whatever was there."""
        if policy is None and self.policy is None and self.shape is None and not self.listeners:
            if self.next_due is not None:
                self.expire()  # a value that has expired must not pass on its time
            store = self._store
            if store.full:
                raise out_of_memory(store.memory or 0)
            store.begin()
            self._execute(
                self._blind,
                (
                    key,
                    value,
                    self._version(),
                    self.partition(key),
                    checksum(key, value) if store.durable else None,
                ),
            )
            return
        self.write(key, value, self.load(key), policy)

    def write(
        self,
        key: bytes,
        value: bytes,
        old: Entry | None,
        policy: ExpiryPolicy | None = None,
        condition: Condition | None = None,
    ) -> bool:
        """Set a value where ``old`` is; whether it stays (a duration of 0 is over at once).

        ``condition`` is for transactions, which write later: here it holds, since ``old`` was looked at just now.
        """
        policy = policy or self.policy
        due = None if old is None else old[1]
        if policy is not None:
            duration = policy.create if old is None else policy.update
            if duration == AT_ONCE:
                if old is not None:
                    self.delete(key, old)
                return False
            if duration != UNCHANGED:
                due = self._due(duration)
        store = self._store
        if store.full:
            raise out_of_memory(store.memory or 0)
        store.begin()
        entry = (
            key,
            value,
            due,
            self._version(),
            self.partition(key),
            checksum(key, value) if store.durable else None,
        )
        if self.shape is None:
            self._execute(self._insert, entry)
        else:
            self._write_typed(self.shape, entry)
        for listener in self.listeners:
            if old is None:
                listener.tell(Kind.CREATED, key, None, value)
            else:
                listener.tell(Kind.UPDATED, key, old[0], value)
        return True

    def _write_typed(self, shape: Shape, entry: tuple[Any, ...]) -> None:
        """Write an entry of a cache that has SQL tables: beside them, where it is of another type than theirs."""
        try:
            columns = shape.derive(entry[0], entry[1])
        except SqlFailure as failure:
            raise failed(f"class org.apache.ignite.IgniteCheckedException: {failure.message}") from None
        if columns is not None:
            self._execute(self._insert, entry + columns)
            if self._has_odd:
                self._execute(f'DELETE FROM {self._odd} WHERE "$k"=?', (entry[0],))
            return
        self._has_odd = True
        self._execute(self._delete, (entry[0],))
        self._execute(f"INSERT OR REPLACE INTO {self._odd} VALUES(?,?,?,?,?,?)", entry)

    def delete(
        self, key: bytes, old: Entry | None, condition: Condition | None = None, *, silent: bool = False
    ) -> None:
        """Remove the entry ``old``; listeners learn of it unless it is ``silent``. ``condition`` as for `write`."""
        self._store.begin()
        if self._execute(self._delete, (key,)).rowcount == 0 and self._has_odd:
            self._execute(f'DELETE FROM {self._odd} WHERE "$k"=?', (key,))
        if not silent and old is not None:
            for listener in self.listeners:
                listener.tell(Kind.REMOVED, key, old[0], None)

    def remove(self, key: bytes) -> bool:
        """Remove an entry; whether it was there."""
        if self.listeners or self._has_odd:
            old = self.load(key)
            if old is None:
                return False
            self.delete(key, old)
            return True
        if self.next_due is not None:
            self.expire()
        self._store.begin()
        return self._execute(self._delete, (key,)).rowcount > 0

    def discard(self, key: bytes) -> None:
        """Remove an entry, whether it is there or not."""
        self.remove(key)

    def unmet(
        self,
        key: bytes,
        old: Entry | None,
        condition: Condition,
        policy: ExpiryPolicy | None = None,
        *,
        removes: bool = False,
    ) -> bool:
        """A write was not made, for its condition does not hold; what it answers."""
        return False

    def clear(self) -> None:
        """Drop all entries; listeners don't learn of it."""
        self._store.begin()
        self._execute(f"DELETE FROM {self.table}")
        if self._has_odd:
            self._execute(f"DELETE FROM {self._odd}")
        self.next_due = None

    def remove_all(self) -> None:
        """Remove all entries; listeners learn of each."""
        if self.listeners:
            if self.next_due is not None:
                self.expire()
            for key, value in self.entries():
                for listener in self.listeners:
                    listener.tell(Kind.REMOVED, key, value, None)
        self.clear()

    def entries(self) -> Iterable[tuple[bytes, bytes]]:
        """All entries at this moment."""
        found, _ = self.page((0, 0), 2**62, None)
        return found

    # --- expiry -----------------------------------------------------------------------------------------------------

    def _due(self, duration: int) -> int | None:
        """When an entry expires that lives for ``duration`` ms from now on."""
        if duration == ETERNAL:
            return None
        due = min(self._clock() + duration, 2**63 - 1)
        if self.next_due is None or due < self.next_due:
            self.next_due = due
            self._on_due(due)
        return due

    def expire(self) -> int | None:
        """Remove the entries that are due; listeners who asked for it learn of each. When the next is due."""
        now = self._clock()
        if self.next_due is None or now < self.next_due:
            return self.next_due
        self._store.begin()
        for table in (self.table, self._odd) if self._has_odd else (self.table,):
            if self.listeners:
                rows = self._execute(f'SELECT "$k","$v" FROM {table} WHERE "$x"<=? ORDER BY "$x"', (now,)).fetchall()
                for key, value in rows:
                    for listener in self.listeners:
                        listener.tell(Kind.EXPIRED, key, value, None)
            self._execute(f'DELETE FROM {table} WHERE "$x"<=?', (now,))
        self.next_due = self._least_due()
        if self.next_due is not None:
            self._on_due(self.next_due)
        return self.next_due

    def _least_due(self) -> int | None:
        least: int | None = None
        for table in (self.table, self._odd) if self._has_odd else (self.table,):
            (due,) = self._execute(f'SELECT min("$x") FROM {table} WHERE "$x" IS NOT NULL').fetchone()
            if due is not None and (least is None or due < least):
                least = due
        return least
