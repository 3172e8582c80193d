"""The least of a node that the SQL engine needs: entries in SQLite, types in memory, no locks, no events."""

import sqlite3
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ignitemap.embedded.sql.engine import Engine
from ignitemap.embedded.sql.seam import Action, Change, SqlFailure
from ignitemap.protocol.binary_type import BinaryType, KnownTypes
from ignitemap.protocol.cache_config import CacheConfig
from ignitemap.protocol.hashing import string_hash
from tests.embedded.sql.typed import encode_argument, read_cell

NODE_ID = UUID(int=1)


class SmallNode:
    """An engine with its node."""

    def __init__(self, path: str = ":memory:") -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.known = KnownTypes()
        self.names: dict[int, str] = {}
        self.atomicity: dict[int, str] = {}
        self.replicated: set[int] = set()
        self.events: list[tuple[int, Change]] = []
        self.engine = Engine(self.connection, types=self, writer=self, caches=self, system=self)

    def close(self) -> None:
        """Close the connection."""
        self.engine.close()
        self.connection.close()

    # --- types, caches, system rows -----------------------------------------------------------------------------------

    def register(self, binary_type: BinaryType) -> None:
        """Add a type, or fields and a schema to one."""
        old = self.known.types.get(binary_type.id)
        if old is not None:
            binary_type = BinaryType(
                binary_type.id,
                binary_type.name,
                {**old.fields, **binary_type.fields},
                {**old.schemas, **binary_type.schemas},
                binary_type.affinity_field or old.affinity_field,
            )
        self.known.learn(binary_type)

    def make_table(self, name: str) -> int:
        """The table of a cache's entries."""
        cache = string_hash(name)
        if cache in self.names:
            raise SqlFailure("50000", f"Cache already exists: {name}")
        self.connection.execute(
            f'CREATE TABLE "c{cache}"'
            ' ("$k" BLOB PRIMARY KEY, "$v" BLOB NOT NULL, "$x" INTEGER, "$n" INTEGER NOT NULL DEFAULT 0)'
        )
        self.names[cache] = name
        return cache

    def create(self, template: str, config: CacheConfig) -> int:
        """The cache of a new SQL table."""
        if template.upper() not in {"PARTITIONED", "REPLICATED"}:
            raise SqlFailure("50000", f"Cache doesn't exist: {template}")
        assert config.name is not None
        cache = self.make_table(config.name)
        self.atomicity[cache] = "ATOMIC" if config.atomicity is None else config.atomicity.name
        if template.upper() == "REPLICATED":
            self.replicated.add(cache)
        return cache

    def destroy(self, cache: int) -> None:
        """Drop a cache."""
        self.connection.execute(f'DROP TABLE "c{cache}"')
        del self.names[cache]

    def name(self, cache: int) -> str:
        """The name of a cache."""
        return self.names[cache]

    def partitioned(self, cache: int) -> bool:
        """Whether a cache's entries are spread over the nodes."""
        return cache not in self.replicated

    def rows(self, view: str) -> list[dict[str, object]] | None:
        """Some of the node's views."""
        if view == "CACHES":
            return [
                {
                    "CACHE_NAME": name,
                    "CACHE_ID": cache,
                    "CACHE_TYPE": "USER",
                    "CACHE_MODE": "REPLICATED",
                    "ATOMICITY_MODE": self.atomicity.get(cache, "ATOMIC"),
                    "BACKUPS": 2**31 - 1,
                }
                for cache, name in self.names.items()
            ]
        if view == "NODES":
            return [{"NODE_ID": NODE_ID, "NODE_ORDER": 1, "IS_CLIENT": False, "IS_LOCAL": True}]
        if view == "TRANSACTIONS":
            return [{"XID": "5", "STATE": "ACTIVE"}]
        if view == "CLIENT_CONNECTIONS":
            return [{"CONNECTION_ID": 7}]
        if view == "BASELINE_NODES":
            return [{"CONSISTENT_ID": "small", "ONLINE": True}]
        return None

    # --- writes -------------------------------------------------------------------------------------------------------

    def check(self, cache: int) -> None:
        """Everything may be written."""

    def apply(self, cache: int, changes: Sequence[Change]) -> Sequence[bool]:
        """Write entries with their columns."""
        shape = self.engine.shape(cache)
        table = f'"c{cache}"'
        done: list[bool] = []
        for change in changes:
            there = self.connection.execute(f'SELECT 1 FROM {table} WHERE "$k" = ?', (change.key,)).fetchone()
            if change.action is Action.REMOVE:
                self.connection.execute(f'DELETE FROM {table} WHERE "$k" = ?', (change.key,))
                done.append(there is not None)
            elif (change.action is Action.INSERT and there) or (change.action is Action.UPDATE and not there):
                done.append(False)
                continue
            else:
                assert change.value is not None
                self.put(cache, change.key, change.value)
                done.append(True)
            self.events.append((cache, change))
        assert shape is not None
        return done

    def put(self, cache: int, key: bytes, value: bytes) -> None:
        """Store an entry."""
        shape = self.engine.shape(cache)
        columns: tuple[str, ...] = ()
        derived: tuple[Any, ...] | None = ()
        if shape is not None:
            columns, derived = shape.columns, shape.derive(key, value)
        assert derived is not None
        names = ", ".join(['"$k"', '"$v"', *columns])
        marks = ", ".join("?" * (2 + len(columns)))
        self.connection.execute(f'INSERT OR REPLACE INTO "c{cache}" ({names}) VALUES ({marks})', (key, value, *derived))

    # --- statements ---------------------------------------------------------------------------------------------------

    def ask(self, sql: str, arguments: Sequence[Sequence[Any]] = (), **more: Any) -> dict[str, Any]:
        """One statement, answered in the form of the golden files."""
        values = [encode_argument(kind, value) for kind, value in arguments]
        try:
            result = self.engine.execute(sql, values, **more)
        except SqlFailure as failure:
            return {"error": str(failure)}
        return {
            "columns": [column.name for column in result.columns],
            "rows": [[read_cell(cell, 0)[0] for cell in row] for row in result.rows],
        }
