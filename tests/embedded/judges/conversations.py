"""What a client says to a node, request by request: every operation, with what is there and what is not.

Only well-formed requests, for a real node is asked them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import pack
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

import attrs

from ignitemap.protocol.cache_config import (
    CacheAtomicityMode,
    CacheConfig,
    CacheMode,
    IndexType,
    QueryEntity,
    QueryField,
    QueryIndex as IndexOf,
    WriteSynchronizationMode,
)
from ignitemap.protocol.codecs import UNTYPED, Hinted
from ignitemap.protocol.codegen import compile_operation
from ignitemap.protocol.handshake import Credentials, Handshake, write_handshake
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef, ExpiryPolicy, Request
from ignitemap.protocol.operations import (
    SERVER_NODES,
    STREAMER_ALLOW_OVERWRITE,
    STREAMER_CLOSE,
    STREAMER_FLUSH,
    WITH_ATTRIBUTE,
    AtomicLongCreate,
    AtomicLongExists,
    AtomicLongRemove,
    AtomicLongValueAddAndGet,
    AtomicLongValueCompareAndSet,
    AtomicLongValueCompareAndSetAndGet,
    AtomicLongValueGet,
    AtomicLongValueGetAndSet,
    AtomicSettings,
    CacheClear,
    CacheClearKey,
    CacheClearKeys,
    CacheContainsKey,
    CacheContainsKeys,
    CacheCreateWithConfiguration,
    CacheCreateWithName,
    CacheDestroy,
    CacheGet,
    CacheGetAll,
    CacheGetAndPut,
    CacheGetAndPutIfAbsent,
    CacheGetAndRemove,
    CacheGetAndReplace,
    CacheGetConfiguration,
    CacheGetNames,
    CacheGetOrCreateWithConfiguration,
    CacheGetOrCreateWithName,
    CacheGetSize,
    CacheLocalPeek,
    CacheNodePartitions,
    CachePartitions,
    CachePut,
    CachePutAll,
    CachePutIfAbsent,
    CacheRemoveAll,
    CacheRemoveIfEquals,
    CacheRemoveKey,
    CacheRemoveKeys,
    CacheReplace,
    CacheReplaceIfEquals,
    ClusterChangeState,
    ClusterChangeWalState,
    ClusterGetState,
    ClusterGetWalState,
    ClusterGroupGetNodeEndpoints,
    ClusterGroupGetNodeIds,
    ClusterGroupGetNodeInfo,
    DataStreamerAddData,
    DataStreamerStart,
    GetBinaryConfiguration,
    GetBinaryType,
    GetBinaryTypeName,
    GetIdleTimeout,
    Heartbeat,
    IndexIn,
    IndexRange,
    PutBinaryType,
    QueryContinuous,
    QueryIndex,
    QueryIndexCursorGetPage,
    QueryScan,
    QueryScanCursorGetPage,
    QuerySql,
    QuerySqlCursorGetPage,
    QuerySqlFields,
    QuerySqlFieldsCursorGetPage,
    RegisterBinaryTypeName,
    ResourceClose,
    SetClear,
    SetClose,
    SetExists,
    SetGetOrCreate,
    SetIteratorGetPage,
    SetIteratorStart,
    SetSettings,
    SetSize,
    SetValueAdd,
    SetValueAddAll,
    SetValueContains,
    SetValueContainsAll,
    SetValueRemove,
    SetValueRemoveAll,
    SetValueRetainAll,
    StopWarmup,
    TxEnd,
    TxStart,
    TypeBlock,
)
from ignitemap.protocol.types import mapping_codecs
from ignitemap.protocol.types.numeric import INT
from ignitemap.protocol.wire import ProtocolContext
from tests.golden.capture import VALUES

Message: TypeAlias = Request[Any] | tuple[int, bytes]
Conversation: TypeAlias = tuple[str, Handshake, Sequence[tuple[str, Message]]]

CONTEXT: Final = ProtocolContext()
_codecs: Final = mapping_codecs()

SET_ID: Final = string_hash("pairs set")
"""Stands for the id that a node gives the set."""
ABSENT: Final = CacheRef(string_hash("pairs nowhere"))


def encoded(message: Message) -> tuple[int, bytes]:
    """The code and the body of a request."""
    if isinstance(message, tuple):
        return message
    body = bytearray()
    compile_operation(type(message), UNTYPED).encode(_codecs, CONTEXT, body, message)
    return message.code, bytes(body)


def conversations() -> Iterator[Conversation]:
    """All of them, each for a connection of its own, one after the other."""
    said: dict[str, Sequence[Message]] = {
        "general": general(),
        "values": values(),
        "atomic": entries("pairs atomic", CacheAtomicityMode.ATOMIC),
        "transactional": entries("pairs transactional", CacheAtomicityMode.TRANSACTIONAL),
        "expiry": expiry(),
        "caches": caches(),
        "scans": scans(),
        "sql": sql(),
        "types": types(),
        "transactions": transactions(),
        "cluster": cluster(),
        "atomic longs": atomic_longs(),
        "sets": sets(),
        "streamers": streamers(),
    }
    for name, messages in said.items():
        yield name, Handshake(), [(_name(name, number, each), each) for number, each in enumerate(messages)]
    for version in [(1, minor, 0) for minor in range(8)] + [(0, 9, 0), (1, 8, 0), (1, 7, 1), (2, 0, 0)]:
        name = "handshake {}.{}.{}".format(*version)
        message = (CacheGetNames.code, b"")
        yield (
            name,
            Handshake(version),
            [(f"{name}: CacheGetNames", message)] if (1, 0, 0) <= version <= (1, 7, 0) else [],
        )
    yield "handshake without features", Handshake(features=frozenset()), [("without features: names", (1050, b""))]


def passwords() -> Iterator[tuple[str, Handshake]]:
    """Handshakes with a node that asks for a password: that of its only user, `ignite`, is `ignite`."""
    for version in [(1, minor, 0) for minor in range(8)] + [(1, 8, 0)]:
        for user, password in (
            ("ignite", "ignite"),
            ("ignite", "wrong"),
            ("ignite", ""),
            ("nobody", "ignite"),
            ("IGNITE", "ignite"),
            ("", ""),
        ):
            name = "password {2}.{3}.{4}: {0} {1}".format(user, password, *version)
            yield name, Handshake(version, credentials=Credentials(user, password))
        yield "password {}.{}.{}: none".format(*version), Handshake(version)


def _name(conversation: str, number: int, message: Message) -> str:
    what = f"{message[0]}" if isinstance(message, tuple) else type(message).__name__
    return f"{conversation} {number}: {what}"


def general() -> list[Message]:
    """What has nothing to do with data."""
    return [Heartbeat(), GetIdleTimeout(), ResourceClose(1), ResourceClose(-1), StopWarmup(), (32000, b""), (2007, b"")]


def values() -> list[Message]:
    """Each type of value: there and back."""
    name = "pairs values"
    head = pack("<ib", string_hash(name), 0)
    said: list[Message] = [CacheGetOrCreateWithName(name)]
    for number, (_, _, _, data) in enumerate(VALUES):
        key = pack("<Bi", 3, number)
        said += [(CachePut.code, head + key + data), (CacheGet.code, head + key)]
        if number % 3 == 0:  # as keys too
            said += [(CachePut.code, head + data + key), (CacheContainsKey.code, head + data)]
    return [*said, CacheGetSize(CacheRef(string_hash(name))), CacheDestroy(string_hash(name))]


def entries(name: str, atomicity: CacheAtomicityMode) -> list[Message]:
    """Each operation on keys: of a present, an absent and a null key, with a null value, in a cache that isn't there."""
    here = CacheRef(string_hash(name))
    said: list[Message] = [CacheCreateWithConfiguration(CacheConfig(name=name, atomicity=atomicity))]
    for cache, key, value in (
        (here, 1, "a"),
        (here, 2, "a"),
        (here, None, "a"),
        (here, 1, None),
        (ABSENT, 1, "a"),
    ):
        said += [
            CacheRemoveAll(here),
            CachePutAll(here, [(1, "b"), (5, "e")]),
            CacheGet(cache, key),
            CacheContainsKey(cache, key),
            CacheLocalPeek(cache, key),
            CacheGetAll(cache, [key]),
            CacheContainsKeys(cache, [key, 5]),
            CachePutIfAbsent(cache, key, value),
            CacheGetAndPutIfAbsent(cache, key, value),
            CacheReplace(cache, key, value),
            CacheReplaceIfEquals(cache, key, value, "c"),
            CacheReplaceIfEquals(cache, key, "wrong", value),
            CacheGetAndReplace(cache, key, value),
            CacheGetAndPut(cache, key, value),
            CacheRemoveIfEquals(cache, key, "wrong"),
            CacheRemoveIfEquals(cache, key, value),
            CacheRemoveKey(cache, key),
            CachePut(cache, key, value),
            CacheGetAndRemove(cache, key),
            CachePutAll(cache, [(key, value), (6, "f")]),
            CacheRemoveKeys(cache, [key, 6]),
            CachePut(cache, key, value),
            CacheClearKey(cache, 5),
            CacheClearKeys(cache, [1, 7]),
            CacheGetSize(cache),
            CacheGetSize(cache, (0,)),
            CacheGetSize(cache, (1, 2)),
            CacheGetSize(cache, (9,)),
            CacheClear(cache),
            CacheRemoveAll(cache),
            CacheGetSize(here),
        ]
    return [
        *said,
        CacheContainsKeys(here, []),
        CacheGetAll(here, []),
        CachePutAll(here, []),
        CacheDestroy(here.cache_id),
    ]


def expiry() -> list[Message]:
    """What expires at once, or never."""
    name = "pairs expiry"
    plain = CacheRef(string_hash(name))
    said: list[Message] = [CacheGetOrCreateWithName(name)]
    for policy in (ExpiryPolicy(0, 0, -2), ExpiryPolicy(10_000_000, 0, -2), ExpiryPolicy(-1, -1, -1)):
        timed = CacheRef(string_hash(name), expiry=policy)
        said += [
            CachePut(timed, 1, "a"),
            CacheGet(plain, 1),
            CachePut(timed, 1, "b"),
            CacheGet(plain, 1),
            CachePutIfAbsent(timed, 1, "c"),
            CacheGetAndPut(timed, 1, "d"),
            CacheReplace(timed, 1, "e"),
            CacheContainsKey(plain, 1),
        ]
    return [*said, CacheDestroy(plain.cache_id)]


def caches() -> list[Message]:
    """Caches that are made, found, and not."""
    person = QueryEntity(
        "java.lang.Long",
        "pairs.Person",
        fields=[
            QueryField("name", "java.lang.String", False, False, None, -1, -1),
            QueryField("age", "java.lang.Integer", False, False, None, -1, -1),
        ],
        indexes=[IndexOf("by_age", IndexType.SORTED, -1, [("age", False)])],
    )
    config = CacheConfig(
        name="pairs configured",
        mode=CacheMode.REPLICATED,
        atomicity=CacheAtomicityMode.TRANSACTIONAL,
        write_sync=WriteSynchronizationMode.FULL_SYNC,
        query_entities=(person,),
        statistics=True,
    )
    named, configured = string_hash("pairs named"), string_hash("pairs configured")
    return [
        CacheGetNames(),
        CacheCreateWithName("pairs named"),
        CacheCreateWithName("pairs named"),
        CacheGetOrCreateWithName("pairs named"),
        CacheGetNames(),
        CacheCreateWithConfiguration(config),
        CacheCreateWithConfiguration(config),
        CacheGetOrCreateWithConfiguration(config),
        CacheGetOrCreateWithConfiguration(CacheConfig(name="pairs named", backups=3)),
        CacheGetConfiguration(CacheRef(named)),
        CacheGetConfiguration(CacheRef(configured)),
        CacheGetConfiguration(ABSENT),
        CachePut(CacheRef(configured), 1, "no person"),
        QuerySqlFields(CacheRef(configured), None, 10, -1, "SELECT _KEY, NAME, AGE FROM PERSON", []),
        CacheDestroy(named),
        CacheDestroy(configured),
        CacheDestroy(named),
        CacheDestroy(0),
        CacheGetNames(),
        CachePartitions(False, [ABSENT.cache_id]),
        *(
            create(attrs.evolve(cast(Any, CacheConfig(name="pairs refused")), **{number: wrong}))
            for create in (CacheCreateWithConfiguration, CacheGetOrCreateWithConfiguration)
            for number, wrong in (
                ("rebalance_batch_size", 0),
                ("rebalance_batches_prefetch", 0),
                ("rebalance_timeout", -1),
                ("rebalance_throttle", -1),
            )
        ),
        CacheCreateWithConfiguration(CacheConfig(name="pairs few", backups=-1)),
        CacheNodePartitions(CacheRef(string_hash("pairs few"))),
        CacheNodePartitions(ABSENT),
        CacheDestroy(string_hash("pairs few")),
    ]


def scans() -> list[Message]:
    """Scans and index queries, their pages and filters."""
    name = "pairs scanned"
    here, key = CacheRef(string_hash(name)), Hinted(7, INT)
    return [
        CacheGetOrCreateWithName(name),
        QueryScan(here),
        QueryScan(here, page_size=1),
        CachePut(here, key, "x"),
        QueryScan(here),
        QueryScan(here, page_size=1),
        QueryScan(here, partition=7),
        QueryScan(here, partition=8),
        QueryScan(here, partition=1024),
        QueryScan(here, partition=-2),
        QueryScan(here, local=True),
        QueryScan(here, page_size=0),
        QueryScan(ABSENT),
        CacheRemoveAll(here),
        CachePutAll(here, [(Hinted(number, INT), number) for number in range(5)]),  # in the order of their partitions
        QueryScan(here, page_size=2),
        QueryScanCursorGetPage(5),
        QueryScanCursorGetPage(6),
        QueryScanCursorGetPage(7),
        QueryScanCursorGetPage(8),
        QueryScanCursorGetPage(99),
        ResourceClose(8),
        ResourceClose(99),
        QueryIndex(here, value_type="Nothing", criteria=[IndexRange("age", 1, 2)]),
        QueryIndex(ABSENT, value_type="Nothing", criteria=[IndexIn("age", (1, 2))]),
        QueryIndexCursorGetPage(99),
        QueryContinuous(ABSENT),
        CacheDestroy(here.cache_id),
    ]


def _sql(statement: str, *arguments: Any, page: int = 100, schema: str | None = None, **options: Any) -> QuerySqlFields:
    return QuerySqlFields(CacheRef(0), schema, page, -1, statement, list(arguments), **options)


def sql() -> list[Message]:
    """Statements that run, and that do not."""
    table = "PAIRS_T"
    return [
        _sql(f"CREATE TABLE {table} (ID INT PRIMARY KEY, NAME VARCHAR, AGE INT, PRICE DECIMAL(10,2))"),
        _sql(f"CREATE TABLE {table} (ID INT PRIMARY KEY, NAME VARCHAR)"),
        _sql(f"CREATE TABLE IF NOT EXISTS {table} (ID INT PRIMARY KEY, NAME VARCHAR)"),
        _sql(f"INSERT INTO {table} VALUES (1, 'Ann', 30, 1.50), (2, 'Bob', NULL, 2), (3, 'Çid', 41, NULL)"),
        _sql(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", 4, "Dan", 19, None),
        _sql(f"INSERT INTO {table} VALUES (1, 'Again', 1, 1)"),
        _sql(f"MERGE INTO {table} (ID, NAME) VALUES (4, 'Don')"),
        _sql(f"SELECT * FROM {table} ORDER BY ID"),
        _sql(f"SELECT * FROM {table} ORDER BY ID", include_field_names=False),
        _sql(f"SELECT ID FROM {table} ORDER BY ID", page=2),
        QuerySqlFieldsCursorGetPage(8),
        QuerySqlFieldsCursorGetPage(9),
        QuerySqlFieldsCursorGetPage(10),
        QuerySqlFieldsCursorGetPage(11),
        QuerySqlFieldsCursorGetPage(99),
        QuerySqlCursorGetPage(99),
        _sql(f"SELECT NAME AS N, AGE + 1, COUNT(*) FROM {table} GROUP BY NAME, AGE ORDER BY N"),
        _sql(f"SELECT COUNT(*), SUM(AGE), AVG(AGE), MIN(NAME), MAX(PRICE) FROM {table}"),
        _sql(f"SELECT NAME FROM {table} WHERE AGE > ? AND NAME LIKE ?", 20, "%n%"),
        _sql(f"SELECT NAME FROM {table} WHERE AGE > ?"),
        _sql(f"UPDATE {table} SET AGE = AGE + 1 WHERE ID > 1"),
        _sql(f"DELETE FROM {table} WHERE ID = 3"),
        _sql(f"DELETE FROM {table} WHERE ID = 3"),
        _sql("SELECT 1, 'a', TRUE, NULL, 1.5, CAST(1 AS BIGINT)"),
        _sql("SELECT * FROM NOWHERE_TO_BE_FOUND"),
        _sql("SELEC 1"),
        _sql("SELECT"),
        _sql(""),
        _sql(f"SELECT NOTHING FROM {table}"),
        _sql("SELECT NO_FUNCTION(1)"),
        _sql("SELECT 1/0"),
        _sql("SELECT CAST('x' AS INT)"),
        _sql("SELECT 1", schema="NO_SUCH_SCHEMA"),
        _sql("SELECT 1", schema="PUBLIC"),
        _sql("SELECT 1", statement_type=2),
        _sql(f"DELETE FROM {table} WHERE ID = 99", statement_type=1),
        _sql(f"CREATE INDEX PAIRS_I ON {table} (AGE)"),
        _sql(f"CREATE INDEX PAIRS_I ON {table} (AGE)"),
        _sql(f"CREATE INDEX IF NOT EXISTS PAIRS_I ON {table} (AGE)"),
        _sql(f"CREATE INDEX PAIRS_J ON {table} (NOTHING)"),
        _sql("DROP INDEX PAIRS_I"),
        _sql("DROP INDEX PAIRS_I"),
        _sql("DROP INDEX IF EXISTS PAIRS_I"),
        _sql(f"ALTER TABLE {table} ADD COLUMN CITY VARCHAR"),
        _sql(f"ALTER TABLE {table} ADD COLUMN CITY VARCHAR"),
        _sql(f"ALTER TABLE {table} DROP COLUMN CITY"),
        _sql(f"ALTER TABLE {table} DROP COLUMN CITY"),
        QuerySqlFields(ABSENT, None, 10, -1, "SELECT 1", []),
        QuerySql(ABSENT, "Nothing", "1 = 1", []),
        CacheGetNames(),
        _sql(f"DROP TABLE {table}"),
        _sql(f"DROP TABLE {table}"),
        _sql(f"DROP TABLE IF EXISTS {table}"),
    ]


def types() -> list[Message]:
    """Names and metadata of types."""
    animal, color = 1_234_567, 1_234_568
    fields = [("id", 3, 3355), ("name", 9, 3373707)]
    return [
        GetBinaryConfiguration(),
        GetBinaryType(animal),
        GetBinaryTypeName(0, animal),
        RegisterBinaryTypeName(0, animal, "pairs.Animal"),
        RegisterBinaryTypeName(0, animal, "pairs.Animal"),
        RegisterBinaryTypeName(0, animal, "pairs.Other"),
        GetBinaryTypeName(0, animal),
        GetBinaryTypeName(1, animal),
        PutBinaryType(TypeBlock(animal, "pairs.Animal", None, fields[:1], False, (), [(100, [3355])])),
        GetBinaryType(animal),
        PutBinaryType(TypeBlock(animal, "pairs.Animal", None, fields, False, (), [(101, [3355, 3373707])])),
        GetBinaryType(animal),
        PutBinaryType(TypeBlock(animal, "pairs.Animal", None, [("id", 9, 3355)], False, (), [(100, [3355])])),
        PutBinaryType(TypeBlock(animal, "pairs.Animal", "id", fields[:1], False, (), [(100, [3355])])),
        PutBinaryType(TypeBlock(color, "pairs.Color", None, (), True, [("RED", 0), ("GREEN", 1)], ())),
        GetBinaryType(color),
        PutBinaryType(TypeBlock(color, "pairs.Color", None, (), True, [("BLUE", 2)], ())),
        PutBinaryType(TypeBlock(color, "pairs.Color", None, (), True, [("RED", 5)], ())),
        GetBinaryType(color),
    ]


def transactions() -> list[Message]:
    """Transactions of all kinds, committed and rolled back."""
    name = "pairs transactions"
    here = CacheRef(string_hash(name))
    other = "pairs not transactional"
    said: list[Message] = [
        CacheCreateWithConfiguration(CacheConfig(name=name, atomicity=CacheAtomicityMode.TRANSACTIONAL)),
        CacheGetOrCreateWithName(other),
        TxEnd(1, True),
        TxEnd(1, False),
    ]
    number = 0
    for concurrency in (0, 1):
        for isolation in (0, 1, 2):
            for commit in (True, False):
                number += 1
                inside = CacheRef(here.cache_id, transaction=number)
                said += [
                    TxStart(concurrency, isolation, 10_000, None if commit else "label"),
                    CachePut(inside, 1, number),
                    CacheGet(inside, 1),
                    CacheGetAndPut(inside, 2, number),
                    CachePutIfAbsent(inside, 3, number),
                    CacheRemoveKey(inside, 3),
                    CacheGetAll(inside, [1]),
                    CacheGet(here, 1),
                    CacheContainsKey(inside, 2),
                    CacheClearKey(inside, 1),
                    CachePut(CacheRef(string_hash(other), transaction=number), 1, 1),
                    TxEnd(number, commit),
                    TxEnd(number, commit),
                    CacheGet(here, 1),
                    CacheGet(inside, 1),
                ]
    return [*said, CacheDestroy(here.cache_id), CacheDestroy(string_hash(other))]


def cluster() -> list[Message]:
    """The state of the cluster and its nodes."""
    return [
        ClusterGetState(),
        ClusterChangeState(1),
        ClusterChangeState(9),
        ClusterChangeState(2),
        ClusterGetState(),
        CacheCreateWithName("pairs read-only"),
        ClusterChangeState(1),
        ClusterGetWalState("pairs nowhere"),
        ClusterChangeWalState("pairs nowhere", True),
        CacheGetOrCreateWithName("pairs wal"),
        ClusterGetWalState("pairs wal"),
        ClusterChangeWalState("pairs wal", True),
        ClusterChangeWalState("pairs wal", False),
        CacheDestroy(string_hash("pairs wal")),
        ClusterGroupGetNodeIds(2**40),
        ClusterGroupGetNodeInfo([]),
        ClusterGroupGetNodeInfo([UUID(int=1)]),
        ClusterGroupGetNodeEndpoints(2**40, -1),
        *(
            ClusterGroupGetNodeIds(2**40 if passes else -1, node_filters)
            for passes, node_filters in (
                (True, [(WITH_ATTRIBUTE, "org.apache.ignite.build.ver", "2.17.0")]),
                (True, [(WITH_ATTRIBUTE, "org.apache.ignite.build.ver", None), (SERVER_NODES, True)]),
                (False, [(WITH_ATTRIBUTE, "org.apache.ignite.build.ver", "2.16.0")]),
                (False, [(WITH_ATTRIBUTE, "nowhere", None)]),
                (False, [(SERVER_NODES, True), (WITH_ATTRIBUTE, "nowhere", "")]),
                (False, [(WITH_ATTRIBUTE, None, None)]),
                (False, [(SERVER_NODES, False)]),
            )
        ),
    ]


def atomic_longs() -> list[Message]:
    """Atomic longs, there and not."""
    said: list[Message] = []
    for name, group in (("pairs long", None), ("pairs long", "pairs group")):
        settings = None if group is None else AtomicSettings(1000, 2, 0, group)
        operations: list[Message] = [
            AtomicLongValueGet(name, group),
            AtomicLongValueAddAndGet(name, group, 5),
            AtomicLongValueGetAndSet(name, group, -7),
            AtomicLongValueCompareAndSet(name, group, -7, 2**63 - 1),
            AtomicLongValueCompareAndSet(name, group, -7, 1),
            AtomicLongValueAddAndGet(name, group, 1),
            AtomicLongValueCompareAndSetAndGet(name, group, 5, 6),
            AtomicLongValueCompareAndSetAndGet(name, group, -(2**63), 6),
            AtomicLongValueGet(name, group),
            AtomicLongExists(name, group),
        ]
        said += [
            *operations,
            AtomicLongCreate(name, 3, settings is not None, settings),
            AtomicLongCreate(name, 9, settings is not None, settings),
            *operations,
            AtomicLongRemove(name, group),
            AtomicLongRemove(name, group),
            AtomicLongExists(name, group),
        ]
    return said


def sets() -> list[Message]:
    """Sets, there and not."""
    name = "pairs set"
    found = SET_ID
    one: list[Message] = [
        SetExists(name, found, False),
        SetSize(name, found, False),
        SetValueAdd(name, found, False, True, "a"),
        SetValueAdd(name, found, False, True, "a"),
        SetValueAddAll(name, found, False, True, ["a", 1]),
        SetValueAddAll(name, found, False, True, ["a", 1]),
        SetValueContains(name, found, False, True, 1),
        SetValueContainsAll(name, found, False, True, [1, 2]),
        SetSize(name, found, False),
        SetValueRemove(name, found, False, True, 1),
        SetValueRemove(name, found, False, True, 1),
        SetValueRemoveAll(name, found, False, True, ["z"]),
        SetValueRetainAll(name, found, False, True, ["a"]),
        SetIteratorStart(name, found, False),
        SetIteratorGetPage(99),
        SetClear(name, found, False),
        SetIteratorStart(name, found, False, 1),
        SetClose(name, found, False),
        SetClose(name, found, False),
        SetExists(name, found, False),
    ]
    return [SetGetOrCreate(name), *one, SetGetOrCreate(name, True, SetSettings(backups=1)), SetGetOrCreate(name), *one]


def streamers() -> list[Message]:
    """Data streamers."""
    name = "pairs streamed"
    here = CacheRef(string_hash(name))
    return [
        DataStreamerStart(ABSENT.cache_id, STREAMER_CLOSE),
        CacheGetOrCreateWithName(name),
        DataStreamerStart(here.cache_id, STREAMER_CLOSE, entries=[(1, "a"), (2, "b")]),
        CacheGetSize(here),
        DataStreamerStart(here.cache_id, STREAMER_CLOSE, entries=[(1, "c")]),
        CacheGet(here, 1),
        DataStreamerStart(here.cache_id, STREAMER_CLOSE | STREAMER_ALLOW_OVERWRITE, entries=[(1, "c"), (2, None)]),
        CacheGet(here, 1),
        CacheGet(here, 2),
        DataStreamerStart(here.cache_id, STREAMER_ALLOW_OVERWRITE),
        DataStreamerAddData(1, STREAMER_FLUSH, [(3, "d")]),
        CacheGet(here, 3),
        DataStreamerAddData(99, STREAMER_FLUSH, [(3, "d")]),
        DataStreamerAddData(1, STREAMER_CLOSE, [(4, "e")]),
        DataStreamerAddData(1, STREAMER_FLUSH, [(5, "f")]),
        CacheGet(here, 4),
        CacheDestroy(here.cache_id),
    ]


__all__ = ["Conversation", "conversations", "encoded", "passwords", "write_handshake"]
