"""Where the SQL engine and the node meet: what one asks of the other.

The node owns the SQLite connection, the tables of the caches and every write of an entry; the engine owns the catalog
(what tables, columns, indexes and views there are) and the typed columns of a cache's table. Everything that crosses
is plain data: entries and SQL values travel as marshalled objects (type code and payload, as on the wire), complex
objects bare (0x67) and never wrapped (0x1B).

Nothing here awaits. A statement runs from its first to its last read and write in one call.

What the node calls, in ``engine``::

    engine = Engine(connection, types=..., writer=..., caches=..., system=...)  # reads the catalog in the file
    engine.add_cache(cache, name, config)   # a cache made over the protocol: its query entities become tables
    engine.drop_cache(cache)                # before the table of a cache is dropped
    engine.shape(cache)                     # Shape | None: the columns that a write of the store fills
    engine.entities(cache)                  # the query entities as they are now, for operation 1055
    engine.version                          # changes with every DDL: shapes are to be asked for again
    engine.execute(statement, arguments, schema=..., cache=..., statement_type=..., timeout=...)  # Result
    engine.query_index(cache, value_type, index, criteria, limit=...)  # operation 2008: (key, value) pairs in order
    engine.close()

``arguments`` are marshalled objects. The store removes entries that are due before it calls ``execute``. DDL and the
catalog are written within a SAVEPOINT of the engine's, so that they belong to the node's open transaction if there is
one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, IntEnum
from typing import Any, Final, Protocol

import attrs

from ignitemap.protocol.binary_type import BinaryType, KnownTypes
from ignitemap.protocol.cache_config import CacheConfig

__all__ = [
    "Action",
    "Caches",
    "Change",
    "ColumnInfo",
    "Derive",
    "Result",
    "Shape",
    "SqlFailure",
    "StatementType",
    "SystemRows",
    "Types",
    "Writer",
]


class SqlFailure(Exception):  # noqa: N818 - it is an answer to a client, as ServerError is on the other side
    """A statement was refused or failed. ``str(failure)`` is the text that goes on the wire: ``SQLSTATE: message``.

    What the statement had written before stays (an INSERT that meets existing keys stores the other rows): the node
    commits. Any other exception that comes out of `Engine.execute` means that the node rolls back.
    """

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate: Final = sqlstate
        self.message: Final = message


class StatementType(IntEnum):
    """What a request allows (operation 2004)."""

    ANY = 0
    SELECT = 1
    UPDATE = 2


class Action(Enum):
    """What a change does to an entry."""

    INSERT = "put if absent"
    PUT = "put"
    UPDATE = "replace if present"
    REMOVE = "remove"


@attrs.frozen
class Change:
    """One entry that DML writes: the marshalled key, and the marshalled value unless it is removed."""

    action: Action
    key: bytes
    value: bytes | None = None


class Writer(Protocol):
    """How DML changes entries: through the node's one path of writes, so that events, locks and versions stay right."""

    def check(self, cache: int) -> None:
        """Called once for a DML statement, before anything is read.

        Raises SqlFailure for what forbids DML on this cache now: a transaction, a read-only cluster.
        """
        ...

    def apply(self, cache: int, changes: Sequence[Change]) -> Sequence[bool]:
        """Apply the changes in their order; for each, whether it changed anything (INSERT: the key was absent).

        May raise whatever the node wants to see again (say, that a key is locked and the statement must be run again
        later): the engine lets it pass, and has changed nothing itself.
        """
        ...


class Caches(Protocol):
    """The caches behind CREATE TABLE and DROP TABLE."""

    def create(self, template: str, config: CacheConfig) -> int:
        """Make the cache of a new SQL table, with its table ``c<id>``, and return its id. The engine adds the columns.

        ``template`` is PARTITIONED, REPLICATED or the name of a cache configuration; ``config`` has what WITH says,
        the name, the schema and the one query entity. Raises SqlFailure where the cache exists or the template does
        not. It must not call `Engine.add_cache`: the engine does that itself.
        """
        ...

    def destroy(self, cache: int) -> None:
        """Drop the cache of an SQL table and its entries. The engine has forgotten the table already."""
        ...

    def name(self, cache: int) -> str:
        """The name of a cache that the engine knows."""
        ...

    def partitioned(self, cache: int) -> bool:
        """Whether the entries of a cache are spread over the nodes, and not replicated on all of them."""
        ...


class Types(Protocol):
    """The node's binary types: DML makes objects, and reading a column needs the schema of an object."""

    known: KnownTypes

    def register(self, binary_type: BinaryType) -> None:
        """Add a type, or a schema and fields to one that is known (as operation 3003 does), and keep it."""
        ...


class SystemRows(Protocol):
    """What the SYS views show of the node itself; those of tables, columns, indexes and views are the engine's."""

    def rows(self, view: str) -> Iterable[Mapping[str, object]] | None:
        """The rows of one view (CACHES, CACHE_GROUPS, NODES, CLIENT_CONNECTIONS, TRANSACTIONS, ...).

        Each row maps column names, as Ignite has them, to Python values: int, str, bool, float, uuid.UUID, datetime
        or None. A column that is left out is NULL. None instead of rows says that the node does not have the view: the
        statement is refused by name.
        """
        ...


@attrs.frozen
class ColumnInfo:
    """A column of a result, or of a table.

    ``code`` is the wire type of its values (`ignitemap.protocol.types.codes`), 0xFE for DATE, 0x65 for a column that
    holds NULL only. ``precision`` and ``scale`` are -1 where there are none.
    """

    name: str
    code: int
    java: str
    schema: str | None = None
    table: str | None = None
    precision: int = -1
    scale: int = -1
    nullable: bool = True


@attrs.frozen
class Result:
    """What a statement gave. DML and DDL have one column UPDATED and one row with a long, as a real node answers.

    Each cell of ``rows`` is one marshalled object: a row on the wire is its cells one after another.
    """

    columns: tuple[ColumnInfo, ...]
    rows: Sequence[tuple[bytes, ...]]
    affected: int | None = None
    """The number of rows that DML changed, 0 for DDL, None for a query."""


Derive = Callable[[bytes, bytes], tuple[Any, ...] | None]


@attrs.frozen(eq=False)
class Shape:
    """The typed columns of a cache's table, for the store's writes.

    ``derive(key, value)`` gives the values of ``columns`` as SQLite stores them, or None for an entry whose key or
    value is of another type than the tables': SQL does not see it, and the store keeps it in ``c<id>_odd``. It raises
    SqlFailure for an entry that breaks NOT NULL, the size of a column or its type: a put of it is to be refused with
    the failure's message, after ``class org.apache.ignite.IgniteCheckedException: ``.

    A shape is replaced, not changed, by DDL: ask the engine for it again when `Engine.version` has changed.
    """

    columns: tuple[str, ...]
    derive: Derive
