"""What the SQL engine asks of its node, and how a statement runs: the other side of sql/seam.py.

A statement is one piece: what it writes goes through the caches' own path, so that listeners, locks, expiry and typed
columns are as with any write. Where a key is locked by a transaction the statement runs again later, from its start.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from ignitemap.embedded import errors
from ignitemap.embedded.caches import Cache
from ignitemap.embedded.errors import Refused, failed
from ignitemap.embedded.objects import NULL
from ignitemap.embedded.sql.catalog import PUBLIC
from ignitemap.embedded.sql.engine import Engine
from ignitemap.embedded.sql.seam import Action, Change, Result, SqlFailure
from ignitemap.embedded.system_rows import Running, view_rows
from ignitemap.protocol.cache_config import (
    CacheConfig,
    CacheMode,
    QueryEntity,
    QueryField,
    WriteSynchronizationMode,
)
from ignitemap.protocol.codecs import decode_object
from ignitemap.protocol.operations import IndexIn, IndexRange
from ignitemap.protocol.types import mapping_codecs

if TYPE_CHECKING:
    from ignitemap.embedded.cluster import Cluster
    from ignitemap.embedded.session import Session
    from ignitemap.embedded.transactions import Transaction

__all__ = ["SqlHost"]

READ_ONLY: Final = 2
SYSTEM_SCHEMAS: Final = frozenset(("SYS", "INFORMATION_SCHEMA"))
TEMPLATES: Final = {"PARTITIONED": CacheMode.PARTITIONED, "REPLICATED": CacheMode.REPLICATED}
_VALUES: Final = mapping_codecs(naive_datetime="utc")
_QUERY: Final = re.compile(r"\s*\(*\s*(?:select|with|values|table|explain)\b", re.IGNORECASE)
_DML: Final = re.compile(r"\s*(?:insert|merge|update|delete)\b", re.IGNORECASE)


class SqlHost:
    """The SQL of one cluster."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster
        self._running: Running | None = None
        self._statements = 0
        self._engine = Engine(cluster.store.db, types=cluster.types, writer=self, caches=self, system=self)
        self._version = self._engine.version
        for cache in cluster.caches.values():
            self._reshape(cache)

    # --- what the node asks -----------------------------------------------------------------------------------------

    def execute(
        self,
        session: "Session",
        transaction: "Transaction | None",
        statement: str,
        arguments: Sequence[bytes],
        *,
        schema: str | None,
        cache: Cache | None,
        statement_type: int,
        timeout: float | None,
    ) -> Result:
        """Run a statement. Raises Refused, and Locked where it must run again later."""
        cluster = self._cluster
        if schema is not None and not self._is_schema(schema):
            raise failed(f"50000: Failed to set schema for DB connection for thread [schema={schema}]")
        cluster.expire_due()
        self._statements += 1
        self._running = Running(session, transaction, statement, self._statements, schema or PUBLIC)

        def run() -> Result:
            return self._engine.execute(
                statement,
                arguments,
                schema=schema,
                cache=None if cache is None else cache.number,
                statement_type=statement_type,
                timeout=timeout,
            )

        try:
            if _QUERY.match(statement):
                return run()
            if cluster.state == READ_ONLY:
                kind = "DML" if _DML.match(statement) else "DDL"
                raise failed(f"90097: Failed to execute {kind} statement. Cluster in read-only mode")
            return self._write(run)
        except SqlFailure as failure:
            raise failed(str(failure)) from None
        finally:
            self._running = None

    def _is_schema(self, name: str) -> bool:
        return name in SYSTEM_SCHEMAS or name in self._engine.catalog.schemas or self._cluster.find(name) is not None

    def _write(self, run: Callable[[], Result]) -> Result:
        """Run a statement that may write: what a failing one had written stays, as on a real node."""
        outcome: Result | SqlFailure | None = None
        try:
            with self._cluster.whole():
                try:
                    outcome = run()
                except SqlFailure as failure:
                    outcome = failure
        finally:
            self._cluster.reconcile()
            self.refresh()
        assert outcome is not None
        if isinstance(outcome, SqlFailure):
            raise outcome
        return outcome

    def query_index(
        self, cache: Cache, value_type: str, index: str | None, criteria: Sequence[IndexRange | IndexIn], *, limit: int
    ) -> Sequence[tuple[bytes, bytes]]:
        """The entries of an index query, in its order. Raises Refused."""
        self._cluster.expire_due()
        try:
            return self._engine.query_index(cache.number, value_type, index, criteria, limit=limit)
        except SqlFailure as failure:
            raise failed(failure.message) from None

    def add_cache(self, cache: Cache) -> None:
        """A cache was made over the protocol. Raises Refused where its query entities can't be tables."""
        entities = tuple(
            attrs.evolve(cast(Any, entity), fields=tuple(map(_with_value, entity.fields)))
            for entity in cache.config.query_entities or ()
        )
        try:
            self._engine.add_cache(cache.number, cache.name, attrs.evolve(cache.config, query_entities=entities))
        except SqlFailure as failure:
            raise failed(failure.message) from None
        self.refresh()

    def drop_cache(self, cache: Cache) -> None:
        """A cache is about to be dropped."""
        self._engine.drop_cache(cache.number)
        self._version = self._engine.version

    def table_of(self, cache: Cache, type_name: str) -> str | None:
        """The quoted name of the table of a type, by the type's simple name."""
        for table in self._engine.catalog.by_cache.get(cache.number, ()):
            if table.value_type.rpartition(".")[2].rpartition("$")[2] == type_name:
                return f'"{table.schema}"."{table.name}"'
        return None

    def entities(self, cache: Cache) -> tuple[QueryEntity, ...]:
        """The query entities of a cache as they are now."""
        return self._engine.entities(cache.number)

    def refresh(self) -> None:
        """Take over what DDL has changed of the columns."""
        if self._version != self._engine.version:
            self._version = self._engine.version
            for cache in self._cluster.caches.values():
                self._reshape(cache)

    def _reshape(self, cache: Cache) -> None:
        shape = self._engine.shape(cache.number)
        if shape is not None or cache.shape is not None:
            cache.reshape(shape)

    def close(self) -> None:
        """Forget everything."""
        self._engine.close()

    # --- what the engine asks: Writer -------------------------------------------------------------------------------

    def check(self, cache: int) -> None:
        """Raise SqlFailure for what forbids DML now."""
        found = self._cluster.by_number(cache)
        assert self._running is not None
        if self._running.transaction is not None and found.transactional:
            raise SqlFailure(
                "50000",
                "DML statements are not allowed inside a transaction over cache(s) with TRANSACTIONAL atomicity mode"
                ' (disable this error message with system property "-DIGNITE_ALLOW_DML_INSIDE_TRANSACTION=true")',
            )

    def apply(self, cache: int, changes: Sequence[Change]) -> Sequence[bool]:
        """Apply changes in their order; for each, whether it changed anything. Raises Locked before any of them."""
        found = self._cluster.by_number(cache)
        assert self._running is not None
        if found.locks:
            self._running.session.wait_for(found, [change.key for change in changes])
        return [_apply(found, change) for change in changes]

    # --- what the engine asks: Caches -------------------------------------------------------------------------------

    def create(self, template: str, config: CacheConfig) -> int:
        """Make the cache of an SQL table; its number. Raises SqlFailure."""
        name = template.upper()
        if name in TEMPLATES:
            write_sync = config.write_sync or WriteSynchronizationMode.FULL_SYNC
            config = attrs.evolve(config, mode=TEMPLATES[name], write_sync=write_sync)
        else:
            like = self._cluster.find(template)
            if like is None:
                raise SqlFailure(
                    "50000", f"Cache doesn't exist: {template}: a template is PARTITIONED, REPLICATED or a cache's name"
                )
            given = {key: value for key, value in attrs.asdict(config, recurse=False).items() if value is not None}
            config = attrs.evolve(like.config, **given)
        try:
            return self._cluster.make_cache(config).number
        except Refused as refused:
            if refused.status == errors.CACHE_EXISTS:
                raise self._cache_exists(str(config.name)) from None
            raise SqlFailure("50000", refused.message) from None

    def _cache_exists(self, name: str) -> SqlFailure:
        found = self._cluster.find(name)
        if found is not None and self._engine.catalog.by_cache.get(found.number):
            return SqlFailure("50000", f"Cache is already indexed: {name}")
        return SqlFailure(
            "0A000", f"The embedded node does not support CREATE TABLE over the cache {name}; name another one"
        )

    def destroy(self, cache: int) -> None:
        """Drop the cache of an SQL table."""
        self._cluster.drop_cache(self._cluster.by_number(cache))

    def name(self, cache: int) -> str:
        """The name of a cache."""
        return self._cluster.by_number(cache).name

    def partitioned(self, cache: int) -> bool:
        """Whether the entries of a cache are spread over the nodes."""
        return self._cluster.by_number(cache).config.mode is CacheMode.PARTITIONED

    # --- what the engine asks: SystemRows ---------------------------------------------------------------------------

    def rows(self, view: str) -> Iterable[Mapping[str, object]] | None:
        """The rows of a view of the node's own, None where the node does not know them."""
        assert self._running is not None
        return view_rows(view, self._cluster, self._engine.catalog, self._running)


def _with_value(field: QueryField) -> QueryField:
    """A field whose default is a value, where the node keeps bytes."""
    if field.default is None or field.default == NULL:
        value = None
    else:
        value, _ = decode_object(_VALUES, field.default, 0)
    return cast(QueryField, attrs.evolve(cast(Any, field), default=value))  # a record is an attrs class to Python only


def _apply(cache: Cache, change: Change) -> bool:
    old = cache.load(change.key)
    if change.action is Action.REMOVE:
        if old is None:
            return False
        cache.delete(change.key, old)
        return True
    assert change.value is not None
    if change.action is Action.INSERT and old is not None:
        return False
    if change.action is Action.UPDATE and old is None:
        return False
    cache.write(change.key, change.value, old)
    return True
