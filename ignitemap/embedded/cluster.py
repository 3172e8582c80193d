"""What the nodes of one cluster share: the store, caches, types, locks, events, and the turn that makes writes lasting.

Everything happens in one event loop. A request changes the store at once and is answered at the end of the turn: then
the turn's writes are committed, the answers leave, and listeners are told. In memory a turn is what one connection
sent in one piece; with a file it is all that the loop found ready, so that many writes share one write to the disk.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

import attrs

from ignitemap.embedded import errors
from ignitemap.embedded.affinity import Affinity
from ignitemap.embedded.binary_types import BinaryTypes
from ignitemap.embedded.caches import Cache, with_defaults
from ignitemap.embedded.errors import Refused, failed
from ignitemap.embedded.events import Event, Listener
from ignitemap.embedded.objects import object_codecs
from ignitemap.embedded.store import Store
from ignitemap.embedded.transactions import Parked
from ignitemap.exceptions import ConfigurationError
from ignitemap.protocol.cache_config import CacheConfig, known_config
from ignitemap.protocol.codecs import UNTYPED
from ignitemap.protocol.codegen import compile_layout
from ignitemap.protocol.connection import Topology
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import layout_of
from ignitemap.protocol.wire import ProtocolContext

if TYPE_CHECKING:
    from ignitemap.embedded.connection import ServerConnection
    from ignitemap.embedded.node import Node
    from ignitemap.embedded.sql_host import SqlHost

__all__ = ["ACTIVE", "INACTIVE", "READ_ONLY", "Cluster", "Kind"]

logger: Final = logging.getLogger("ignitemap.embedded")

INACTIVE, ACTIVE, READ_ONLY = range(3)
MAX_HISTORIES: Final = 500
LEAST_PAUSE: Final = 0.05  # seconds between two looks at what has expired
MOST_PAUSE: Final = 3600.0

Kind = Literal["user", "hidden"]

_CONFIG: Final = compile_layout(layout_of(known_config), "cache_config", UNTYPED)
_CONTEXT: Final = ProtocolContext()


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


class Cluster:
    """One cluster. ``clock`` gives the time in ms by which entries expire."""

    def __init__(self, store: Store, clock: Callable[[], int] | None = None) -> None:
        self.store = store
        self.clock = _milliseconds if clock is None else clock
        self.codecs = object_codecs()
        self.types = BinaryTypes(store)
        self.caches: dict[int, Cache] = {}
        """By Ignite's id, the hash of the name."""
        self.nodes: list[Node] = []
        self.topology = Topology(0, 0)
        self.histories: dict[int, dict[UUID, tuple[str, int]]] = {}
        """Where nodes listened, by version of the topology."""
        self.affinity = Affinity(())
        self.state = ACTIVE
        self.ready: deque[Parked] = deque()
        """Requests whose lock has come, to be run again."""
        self.waiting: dict[ServerConnection, None] = {}
        """Connections that have something to send when the turn ends."""
        self._events: list[tuple[Listener, Event]] = []
        self._version = time.time_ns() // 1000  # above all that an earlier run of the same file gave away
        self._ending = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sql: SqlHost | None = None
        self._load_caches()
        if any(cache.config.query_entities for cache in self.caches.values()):
            self._sql = self._make_sql()

    # --- nodes ------------------------------------------------------------------------------------------------------

    def join(self, node: "Node") -> None:
        """A node has come. Raises ConfigurationError when the others live in another event loop."""
        if self.deserted:
            self.nodes.clear()
            self.waiting.clear()
        self.check_loop()
        self._loop = asyncio.get_running_loop()
        self.nodes.append(node)
        self._changed_nodes()
        for cache in self.caches.values():
            if cache.next_due is not None:
                self._on_due(cache.next_due)

    @property
    def deserted(self) -> bool:
        """Whether its nodes were left behind by an event loop that is closed."""
        return bool(self.nodes) and self._loop is not None and self._loop.is_closed()

    def check_loop(self) -> None:
        """Raise ConfigurationError when its nodes live in another event loop."""
        if self.nodes and self._loop is not asyncio.get_running_loop():
            raise ConfigurationError("the embedded node is in use by another event loop", option="url")

    def leave(self, node: "Node") -> None:
        """A node has gone."""
        if node not in self.nodes:
            return
        self.nodes.remove(node)
        self._changed_nodes()
        if not self.nodes:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self.store.commit()

    def _changed_nodes(self) -> None:
        self.affinity = Affinity([node.id for node in self.nodes])
        self.topology = Topology(self.topology.major + 1, 0)
        while len(self.histories) >= MAX_HISTORIES:
            del self.histories[next(iter(self.histories))]
        self.histories[self.topology.major] = listening = {}
        for node in self.nodes:
            if node.port is not None:
                listening[node.id] = (node.host, node.port)

    # --- caches -----------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Cache | None:
        """A cache by its name."""
        return self.caches.get(string_hash(name))

    def create_cache(self, config: CacheConfig, kind: Kind = "user") -> Cache:
        """Make a cache, with tables for its query entities. Raises Refused where it exists or can't be."""
        if not config.query_entities:
            return self.make_cache(config, kind)
        sql = self.sql
        try:
            with self.store.whole():
                cache = self.make_cache(config, kind)
                sql.add_cache(cache)
        except BaseException:
            self.reconcile()
            raise
        return cache

    def make_cache(self, config: CacheConfig, kind: Kind = "user") -> Cache:
        """Make a cache without any SQL. Raises Refused where one of that name exists, or the configuration can't be."""
        if not config.name:
            raise failed("Ouch! Argument is invalid: Cache name must not be null or empty.")
        if self.find(config.name) is not None:
            raise errors.cache_exists(config.name)
        if config.data_region not in (None, "default"):
            raise failed("Failed to complete exchange process.")
        full = with_defaults(config)
        out = bytearray()
        _CONFIG.encode(self.codecs, _CONTEXT, out, full)
        with self.store.whole():
            added = self.store.execute(
                "INSERT INTO ig_cache(name, kind, config) VALUES (?, ?, ?)", (full.name, kind, bytes(out))
            )
            assert added.lastrowid is not None
            number = added.lastrowid
            Cache.create_tables(self.store, number)
            cache = self._cache(number, full, kind)
        self._enter(cache)
        self._changed_caches()
        return cache

    def destroy_cache(self, cache: Cache) -> None:
        """Drop a cache with its SQL tables and entries; who waits for a lock in it is answered."""
        try:
            with self.store.whole():
                if self._sql is not None:
                    self._sql.drop_cache(cache)
                self.drop_cache(cache)
        finally:
            self.reconcile()

    def drop_cache(self, cache: Cache) -> None:
        """Drop a cache that SQL knows no longer."""
        cache.drop_table()
        self.store.execute("DELETE FROM ig_cache WHERE number=?", (cache.number,))
        del self.caches[cache.id]
        cache.listeners.clear()
        for lock in list(cache.locks.values()):
            while lock.waiters:
                parked = lock.waiters.popleft()
                if not parked.gone:
                    parked.gone = True
                    if parked.transaction is not None:
                        parked.transaction.waiting = None
                    parked.refuse(errors.cache_not_found(cache.id))
        self._changed_caches()

    def reconcile(self) -> None:
        """Forget caches whose making was rolled back, and know those again whose dropping was."""
        there = dict(self.store.execute("SELECT number, name FROM ig_cache").fetchall())
        for cache in list(self.caches.values()):
            if cache.number not in there:
                del self.caches[cache.id]
                self._changed_caches()
        known = {cache.number for cache in self.caches.values()}
        if there.keys() - known:
            self._load_caches(there.keys() - known)
            self._changed_caches()

    def _load_caches(self, numbers: Collection[int] | None = None) -> None:
        for number, kind, config in self.store.execute("SELECT number, kind, config FROM ig_cache").fetchall():
            if numbers is None or number in numbers:
                decoded, _ = _CONFIG.decode(self.codecs, _CONTEXT, config, 0)
                self._enter(self._cache(number, decoded, kind))

    def by_number(self, number: int) -> Cache:
        """A cache by the number of its table."""
        return next(cache for cache in self.caches.values() if cache.number == number)

    def _cache(self, number: int, config: CacheConfig, kind: str) -> Cache:
        return Cache(
            self.store,
            number,
            config,
            hidden=kind == "hidden",
            known=self.types.known,
            clock=self.clock,
            version=self.next_version,
            on_due=self._on_due,
        )

    def _enter(self, cache: Cache) -> None:
        self.caches[cache.id] = cache

    def _changed_caches(self) -> None:
        self.topology = attrs.evolve(self.topology, minor=self.topology.minor + 1)

    @property
    def sql(self) -> "SqlHost":
        """The SQL of the cluster, made when it is first needed."""
        if self._sql is None:
            self._sql = self._make_sql()
        return self._sql

    def _make_sql(self) -> "SqlHost":
        from ignitemap.embedded.sql_host import SqlHost  # noqa: PLC0415 - it takes longer than all the rest to import

        return SqlHost(self)

    def configuration(self, cache: Cache) -> CacheConfig:
        """The configuration of a cache as it is now."""
        if self._sql is None or cache.shape is None:
            return cache.config
        return attrs.evolve(cache.config, query_entities=self._sql.entities(cache))

    def change_state(self, state: int, *, force: bool) -> None:
        """Activate or deactivate the cluster. Raises Refused where data in memory would be lost unasked."""
        if state == INACTIVE and not self.store.durable:
            users = [cache.name for cache in self.caches.values() if not cache.hidden]
            if users and not force:
                raise failed(
                    "Deactivation stopped. Deactivation confirmation is required: the cluster has caches in memory"
                    f" {users}, their data would be lost"
                )
            for cache in self.caches.values():
                cache.clear()
        self.state = state

    def next_version(self) -> int:
        """A version for an entry: larger than all before it."""
        self._version += 1
        return self._version

    # --- the turn ---------------------------------------------------------------------------------------------------

    @contextmanager
    def whole(self) -> Generator[None]:
        """Several writes of which all are done and told of, or none."""
        told = len(self._events)
        try:
            with self.store.whole():
                yield
        except BaseException:
            del self._events[told:]
            raise

    def expire_due(self) -> None:
        """Remove all entries that are due, whichever cache they are in."""
        for cache in self.caches.values():
            if cache.next_due is not None:
                cache.expire()

    def queue_event(self, listener: Listener, event: Event) -> None:
        """Tell a listener of an event when the turn's writes are lasting."""
        self._events.append((listener, event))

    def run_ready(self) -> None:
        """Run again the requests whose lock has come."""
        while self.ready:
            parked = self.ready.popleft()
            if not parked.gone:
                parked.run(parked)
            if parked.lock.owner is parked:  # a request outside any transaction: it needs the lock no longer
                parked.lock.release(self.ready.append)

    def end_turn(self) -> None:
        """Let the turn end: now, or with a file that has writes, when the loop has done all that is ready."""
        if self.store.durable and self.store.db.in_transaction:
            if not self._ending:
                self._ending = True
                asyncio.get_running_loop().call_soon(self._finish_turn)
        elif not self._ending:
            self._finish_turn()

    def _finish_turn(self) -> None:
        self._ending = False
        waiting, self.waiting = self.waiting, {}
        try:
            self.store.commit()
        except sqlite3.Error:
            # Nobody has been told yet that anything was written, and nobody will be.
            logger.exception("the writes of this turn could not be committed; their connections are cut")
            self._events.clear()
            self.store.rollback()
            for connection in waiting:
                connection.cut()
            return
        if self._events:
            events, self._events = self._events, []
            for listener, event in events:
                listener.send(event)
            waiting.update(self.waiting)
            self.waiting = {}
        for connection in waiting:
            connection.flush()

    # --- expiry -----------------------------------------------------------------------------------------------------

    def _on_due(self, due: int) -> None:
        """Something expires at ``due``: look at it then, if nobody else does before."""
        if self._loop is None or not self.nodes or self._loop.is_closed():
            return
        if self._timer is not None:
            if due >= self._timer_due:
                return
            self._timer.cancel()
        self._timer_due = due
        pause = min(max((due - self.clock()) / 1000, LEAST_PAUSE), MOST_PAUSE)
        self._timer = self._loop.call_later(pause, self._expire)

    def _expire(self) -> None:
        self._timer = None
        try:
            for cache in list(self.caches.values()):
                due = cache.expire()
                if due is not None:
                    self._on_due(due)
        except (sqlite3.Error, Refused):
            logger.exception("expired entries could not be removed")
        self.end_turn()

    def close(self) -> None:
        """Close the store."""
        if self._sql is not None:
            self._sql.close()
        self.store.close()
