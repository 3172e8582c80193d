"""Transactions on the embedded node: locks, time-outs, deadlocks and conflicts, as seen from 2.17.0 nodes."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

import ignitemap as ig
from ignitemap.client.connection import NodeConnection
from ignitemap.client.session import Session
from ignitemap.embedded import Node
from ignitemap.exceptions import (
    ServerError,
    TransactionConflict,
    TransactionDeadlock,
    TransactionLimitExceeded,
    TransactionNotFound,
    TransactionTimeout,
)
from ignitemap.protocol.cache_config import CacheAtomicityMode, CacheConfig
from ignitemap.protocol.hashing import string_hash
from ignitemap.protocol.message import CacheRef, ExpiryPolicy, Request
from ignitemap.protocol.operations import (
    CacheClear,
    CacheClearKey,
    CacheContainsKey,
    CacheCreateWithConfiguration,
    CacheDestroy,
    CacheGet,
    CacheGetAll,
    CacheGetAndPut,
    CacheGetAndRemove,
    CachePut,
    CachePutAll,
    CachePutIfAbsent,
    CacheRemoveAll,
    CacheRemoveIfEquals,
    CacheRemoveKey,
    CacheRemoveKeys,
    CacheReplaceIfEquals,
    QueryScan,
    TxEnd,
    TxStart,
)
from tests.client.fake_server import until
from tests.embedded.conftest import Clock

OPTIMISTIC, PESSIMISTIC = 0, 1
READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE = 0, 1, 2
CACHE = "accounts"


class Actor:
    """One connection, with at most one transaction."""

    def __init__(self, session: Session, connection: NodeConnection) -> None:
        self.session = session
        self.connection = connection
        self.transaction: int | None = None

    async def call(self, request: Request[Any]) -> Any:
        return await self.session.call(request, node=self.connection)

    async def start(
        self,
        concurrency: int = PESSIMISTIC,
        isolation: int = REPEATABLE_READ,
        timeout: int = 0,
        label: str | None = None,
    ) -> None:
        self.transaction = await self.call(TxStart(concurrency, isolation, timeout, label))

    async def end(self, *, commit: bool = True) -> None:
        number, self.transaction = self.transaction, None
        assert number is not None
        await self.call(TxEnd(number, commit))

    @property
    def ref(self) -> CacheRef:
        return CacheRef(string_hash(CACHE), transaction=self.transaction)

    async def get(self, key: object) -> Any:
        return await self.call(CacheGet(self.ref, key))

    async def put(self, key: object, value: object) -> None:
        await self.call(CachePut(self.ref, key, value))


@pytest.fixture
async def actors(node: Node, client: ig.Client) -> AsyncIterator[tuple[Actor, Actor, Actor]]:
    """Three connections to a node with a transactional cache that has 1: "one" and 2: "two"."""
    session = client.raw.session
    config = CacheConfig(name=CACHE, atomicity=CacheAtomicityMode.TRANSACTIONAL)
    await session.call(CacheCreateWithConfiguration(config))
    url = f"embedded://{node.key.removeprefix('name:')}"
    async with ig.connect(url) as one, ig.connect(url) as two, ig.connect(url) as three:
        made = tuple(Actor(each.raw.session, each.raw.session.nodes.open[0]) for each in (one, two, three))
        first, second, third = made
        await first.call(CachePutAll(first.ref, [(1, "one"), (2, "two")]))
        yield first, second, third


def locks(node: Node) -> int:
    """How many keys are locked."""
    cache = node.cluster.find(CACHE)
    assert cache is not None
    return len(cache.locks)


def waiting(node: Node) -> int:
    """How many requests wait for a lock."""
    cache = node.cluster.find(CACHE)
    assert cache is not None
    return sum(not parked.gone for lock in cache.locks.values() for parked in lock.waiters)


Actors = tuple[Actor, Actor, Actor]
COMBINATIONS = [(c, i) for c in (OPTIMISTIC, PESSIMISTIC) for i in (READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE)]


@pytest.mark.parametrize(("concurrency", "isolation"), COMBINATIONS)
async def test_commit_and_rollback(node: Node, actors: Actors, concurrency: int, isolation: int) -> None:
    """A transaction sees what it has written, others don't before its commit; a rollback leaves nothing, nor do locks."""
    one, two, _ = actors
    for commit in (False, True):
        await one.start(concurrency, isolation)
        await one.put(1, "1")
        assert await one.call(CacheGetAndPut(one.ref, 2, "2")) == "two"
        assert await one.call(CachePutIfAbsent(one.ref, 3, "3")) is True
        assert await one.call(CachePutIfAbsent(one.ref, 3, "4")) is False
        assert await one.call(CacheRemoveKey(one.ref, 9)) is False
        assert await one.call(CacheReplaceIfEquals(one.ref, 1, "1", "11")) is True
        assert await one.call(CacheReplaceIfEquals(one.ref, 1, "1", "12")) is False
        assert await one.call(CacheContainsKey(one.ref, 3)) is True
        assert sorted(await one.call(CacheGetAll(one.ref, [1, 2, 3, 4]))) == [(1, "11"), (2, "2"), (3, "3")]
        assert await two.get(1) == "one"
        assert len((await one.call(QueryScan(one.ref))).entries) == 2
        await one.end(commit=commit)
        assert await two.get(1) == ("11" if commit else "one")
        assert await two.get(3) == ("3" if commit else None)
        assert locks(node) == 0


async def test_removes(actors: Actors) -> None:
    """Removes are part of the transaction, and a removed key reads as absent."""
    one, two, _ = actors
    await one.start()
    assert await one.call(CacheGetAndRemove(one.ref, 1)) == "one"
    assert await one.call(CacheRemoveIfEquals(one.ref, 2, "two")) is True
    assert await one.get(1) is None
    assert await one.call(CacheRemoveKey(one.ref, 1)) is False
    assert await two.get(1) == "one"
    await one.end()
    assert await two.get(1) is None
    assert await two.get(2) is None


async def test_writers_wait(node: Node, actors: Actors) -> None:
    """A write to a locked key waits for the end of the transaction, a read does not, and other requests go on."""
    one, two, three = actors
    await one.start()
    await one.put(1, "locked")
    blocked = asyncio.create_task(two.put(1, "later"))
    await two.start()
    chained = asyncio.create_task(three.call(CachePutAll(three.ref, [(5, "x"), (1, "last")])))
    await until(lambda: waiting(node) == 2)
    assert await two.get(2) == "two"
    assert await three.get(1) == "one"
    assert await three.get(5) is None
    await one.end()
    await blocked
    await chained
    assert await three.get(1) == "last"
    assert await three.get(5) == "x"
    await two.end()
    assert locks(node) == 0


async def test_order_of_waiters(node: Node, actors: Actors) -> None:
    """Locks go to those who wait in the order in which they came, transactions and others alike."""
    one, two, three = actors
    await one.start()
    await one.put(1, "1")
    await two.start()
    second = asyncio.create_task(two.put(1, "2"))
    await until(lambda: waiting(node) == 1)
    third = asyncio.create_task(three.put(1, "3"))
    await until(lambda: waiting(node) == 2)
    await one.end()
    await second
    assert not third.done()
    assert await one.get(1) == "1"
    await two.end()
    await third
    assert await one.get(1) == "3"


@pytest.mark.parametrize("isolation", [READ_COMMITTED, REPEATABLE_READ])
async def test_what_a_read_locks(node: Node, actors: Actors, isolation: int) -> None:
    """A pessimistic read locks unless the transaction is READ_COMMITTED; containsKey never does."""
    one, two, _ = actors
    await one.start(PESSIMISTIC, isolation)
    assert await one.call(CacheContainsKey(one.ref, 1)) is True
    assert locks(node) == 0
    await one.get(1)
    await one.call(CacheGetAll(one.ref, [1, 2]))
    assert locks(node) == (0 if isolation == READ_COMMITTED else 2)
    await one.end(commit=False)
    await two.put(1, "free")


@pytest.mark.parametrize(
    ("concurrency", "isolation", "again"),
    [(OPTIMISTIC, READ_COMMITTED, "new"), (OPTIMISTIC, REPEATABLE_READ, "one"), (PESSIMISTIC, READ_COMMITTED, "new")],
)
async def test_reads_again(actors: Actors, concurrency: int, isolation: int, again: str) -> None:
    """A second read sees what was committed meanwhile under READ_COMMITTED, and not under REPEATABLE_READ."""
    one, two, _ = actors
    await one.start(concurrency, isolation)
    assert await one.get(1) == "one"
    await two.put(1, "new")
    assert await one.get(1) == again
    await one.end()


async def test_serializable_conflicts(actors: Actors) -> None:
    """What an optimistic serializable transaction has read must be unchanged at its commit, absent keys included."""
    one, two, _ = actors
    for key, read in ((1, CacheGet), (77, CacheGet), (2, CacheGet)):
        await one.start(OPTIMISTIC, SERIALIZABLE)
        await one.call(read(one.ref, key))
        await one.put(5, "never")
        await two.put(key, "changed")
        with pytest.raises(TransactionConflict, match="read/write conflict"):
            await one.end()
    assert await two.get(5) is None
    await one.start(OPTIMISTIC, SERIALIZABLE)
    await one.call(CacheContainsKey(one.ref, 1))
    await one.put(1, "blind")
    await two.put(1, "changed again")
    await one.end()
    assert await two.get(1) == "blind"


async def test_serializable_meets_a_lock(actors: Actors) -> None:
    """An optimistic serializable commit does not wait for locks: it is a conflict at once, with its label told."""
    one, two, _ = actors
    await two.start()
    await two.put(1, "locked")
    await one.start(OPTIMISTIC, SERIALIZABLE, label="loser")
    await one.put(1, "x")
    with pytest.raises(TransactionConflict, match=r"lock conflict.*loser"):
        await one.end()
    await two.end(commit=False)


async def test_optimistic_commits_wait(node: Node, actors: Actors) -> None:
    """Other optimistic commits wait for locks, and the last commit wins."""
    one, two, _ = actors
    await two.start()
    await two.put(1, "first")
    await one.start(OPTIMISTIC, REPEATABLE_READ)
    await one.put(1, "second")
    await one.put(2, "second")
    commit = asyncio.create_task(one.end())
    await until(lambda: waiting(node) == 1)
    await two.end()
    await commit
    assert (await two.get(1), await two.get(2)) == ("second", "second")
    assert locks(node) == 0


async def test_conditions_are_looked_at_again(actors: Actors) -> None:
    """What an optimistic transaction found true and is true no more at its commit is left undone, without an error."""
    one, two, _ = actors
    await one.start(OPTIMISTIC, REPEATABLE_READ)
    assert await one.call(CachePutIfAbsent(one.ref, 77, "mine")) is True
    assert await one.call(CacheReplaceIfEquals(one.ref, 1, "one", "mine")) is True
    assert await one.call(CacheRemoveIfEquals(one.ref, 2, "two")) is True
    await two.call(CachePutAll(two.ref, [(77, "theirs"), (1, "theirs"), (2, "theirs")]))
    await one.end()
    assert [await two.get(key) for key in (77, 1, 2)] == ["theirs"] * 3


async def test_time_outs(node: Node, actors: Actors) -> None:
    """A transaction whose time is over is rolled back: its wait, its next operation and its commit say so; a rollback is fine."""
    one, two, three = actors
    await one.start()
    await one.put(1, "locked")
    await two.start(timeout=50)
    await two.put(2, "gone")
    with pytest.raises(TransactionTimeout, match=r"Failed to acquire lock within provided timeout.*timeout=50"):
        await two.put(1, "x")
    assert await three.get(2) == "two"
    await three.put(2, "free")
    with pytest.raises(TransactionTimeout, match="Cache transaction timed out"):
        await two.get(5)
    number = two.transaction
    assert number is not None
    with pytest.raises(TransactionTimeout, match="Cache transaction timed out"):
        await two.end()
    with pytest.raises(TransactionNotFound):
        await two.call(TxEnd(number, True))
    await two.start(timeout=20)
    await two.put(2, "gone")
    await until(lambda: locks(node) == 1)
    await two.end(commit=False)
    await one.end(commit=False)
    assert await three.get(2) == "free"


async def test_optimistic_commit_times_out(actors: Actors) -> None:
    """A commit that waits for a lock for too long fails, and nothing of it was written."""
    one, two, _ = actors
    await two.start()
    await two.put(2, "locked")
    await one.start(OPTIMISTIC, REPEATABLE_READ, timeout=50)
    await one.call(CachePutAll(one.ref, [(1, "x"), (2, "x")]))
    with pytest.raises(TransactionTimeout, match="Failed to acquire lock"):
        await one.end()
    assert await two.call(CacheGet(CacheRef(string_hash(CACHE)), 1)) == "one"
    await two.end(commit=False)


async def test_deadlock(node: Node, actors: Actors) -> None:
    """Of transactions without time-outs that wait in a circle the youngest fails at once, and the others go on."""
    one, two, three = actors
    for actor, key in ((one, 1), (two, 2), (three, 3)):
        await actor.start()
        await actor.put(key, "mine")
    first = asyncio.create_task(one.put(2, "theirs"))
    await until(lambda: waiting(node) == 1)
    second = asyncio.create_task(two.put(3, "theirs"))
    await until(lambda: waiting(node) == 2)
    with pytest.raises(TransactionDeadlock):
        await three.put(1, "theirs")
    await second
    with pytest.raises(TransactionDeadlock):
        await three.put(5, "x")
    await two.end()
    await first
    await one.end()
    assert [await one.get(key) for key in (1, 2, 3)] == ["mine", "theirs", "theirs"]
    await three.end(commit=False)
    assert locks(node) == 0


async def test_lost_connections(node: Node, actors: Actors) -> None:
    """When a connection ends its transactions roll back, and who waited for their locks goes on."""
    one, two, three = actors
    await one.start()
    await one.put(1, "never")
    await three.start()
    gone = asyncio.create_task(three.put(1, "never"))
    waits = asyncio.create_task(two.put(1, "after"))
    await until(lambda: waiting(node) == 2)
    three.connection.abort()
    one.connection.abort()
    await waits
    with pytest.raises(ig.IgniteMapError):
        await gone
    assert await two.get(1) == "after"
    assert locks(node) == 0


async def test_what_transactions_refuse(client: ig.Client, actors: Actors) -> None:
    """Atomic caches and clears of keys are refused in a transaction; a clear and a removeAll of all run outside of it."""
    one, two, _ = actors
    await client.cache("atomic", int, int, atomicity="atomic")
    await one.start()
    for request in (CacheGet, CacheRemoveKey):
        with pytest.raises(ServerError, match="Transaction spans operations on atomic cache"):
            await one.call(request(CacheRef(string_hash("atomic"), transaction=one.transaction), 1))
    with pytest.raises(ServerError, match="Failed to invoke a non-transactional IgniteCache clear operation"):
        await one.call(CacheClearKey(one.ref, 1))
    await one.call(CacheClear(one.ref))
    assert await two.get(1) is None
    await two.put(1, "x")
    await one.call(CacheRemoveAll(one.ref))
    assert await two.get(1) is None
    await one.end(commit=False)


async def test_unknown_transactions(actors: Actors) -> None:
    """An id that the connection has not: a commit is 1021, a rollback is fine, an operation runs outside any transaction."""
    one, two, _ = actors
    with pytest.raises(TransactionNotFound, match="Transaction with id 999 not found"):
        await one.call(TxEnd(999, True))
    await one.call(TxEnd(999, False))
    await one.call(CachePut(CacheRef(string_hash(CACHE), transaction=999), 1, "at once"))
    assert await two.get(1) == "at once"


async def test_limit(actors: Actors) -> None:
    """The 101st transaction of a connection is status 1020; after one has ended there is room again."""
    one, _, _ = actors
    numbers = [await one.call(TxStart(9, 9, -5, None)) for _ in range(100)]
    with pytest.raises(TransactionLimitExceeded, match=r"limit \(100\) exceeded"):
        await one.start()
    await one.call(TxEnd(numbers[0], False))
    await one.start()


async def test_destroying_a_cache(node: Node, actors: Actors) -> None:
    """Who waits for a lock in a cache that is destroyed is told; a commit of writes to it fails."""
    one, two, three = actors
    await one.start()
    await one.put(1, "x")
    waits = asyncio.create_task(two.put(1, "y"))
    await until(lambda: waiting(node) == 1)
    await three.call(CacheDestroy(string_hash(CACHE)))
    with pytest.raises(ig.CacheNotFound):
        await waits
    with pytest.raises(ServerError, match="cache is stopped"):
        await one.end()


async def test_expiry_in_a_transaction(actors: Actors, clock: Clock) -> None:
    """The time of an entry begins with the commit, and accesses count."""
    one, two, _ = actors
    await one.start()
    await one.call(
        CachePut(CacheRef(string_hash(CACHE), expiry=ExpiryPolicy(300, 300), transaction=one.transaction), 9, "x")
    )
    clock.forward(1)
    await one.call(
        CacheGet(CacheRef(string_hash(CACHE), expiry=ExpiryPolicy(access=100), transaction=one.transaction), 1)
    )
    await one.call(CacheRemoveKeys(one.ref, [2]))
    await one.end()
    assert await two.get(9) == "x"
    clock.forward(0.1)
    assert await two.get(1) is None
    clock.forward(0.2)
    assert await two.get(9) is None


async def test_sql_and_locks(node: Node, client: ig.Client) -> None:
    """DML waits for the locks of transactions, and runs when they are free."""
    await client.sql('create table t (id int primary key, a int) with "cache_name=tt,atomicity=transactional"')
    await client.sql("insert into t values (1, 10), (2, 20)")
    cache = node.cluster.find("tt")
    assert cache is not None
    async with client.transaction() as tx:
        typed = await client.cache("tt", ig.INT, Any)
        await typed.contains(1)
        assert await typed.delete(1) is True
        update = asyncio.create_task(_outside(client, "update t set a = a + 1"))
        await until(lambda: any(lock.waiters for lock in cache.locks.values()))
        await tx.rollback()
    assert await update == 2
    assert [tuple(row) for row in await client.sql("select a from t order by id")] == [(11,), (21,)]


async def _outside(client: ig.Client, statement: str) -> int:
    async def run() -> int:
        return (await client.sql(statement)).affected or 0

    return await asyncio.get_running_loop().create_task(run(), context=contextvars.Context())


@pytest.mark.parametrize(("concurrency", "isolation"), COMBINATIONS)
async def test_a_null_among_others(node: Node, actors: Actors, concurrency: int, isolation: int) -> None:
    """A null among several keys leaves a transaction nothing but its rollback; one among several values is it."""
    one, two, _ = actors
    pessimistic = concurrency == PESSIMISTIC
    for request, message, held in (
        (lambda: CachePutAll(one.ref, [(1, "x"), (None, "y")]), "marked as rollback-only", pessimistic),
        (lambda: CacheRemoveKeys(one.ref, [1, None]), "marked as rollback-only", pessimistic),
        (lambda: CachePutAll(one.ref, [(1, None), (None, "y")]), "it has been rolled back", 0),
    ):
        await one.start(concurrency, isolation)
        await one.put(2, "not kept")
        with pytest.raises(ServerError, match="Null (key|value)"):
            await one.call(request())
        with pytest.raises(ServerError, match=message):
            await one.get(2)
        assert locks(node) == held
        with pytest.raises(ServerError, match=message):
            await one.end()
        assert locks(node) == 0
        assert await two.get(2) == "two"


async def test_removing_a_null(actors: Actors) -> None:
    """A null value is found nowhere, but by an optimistic transaction where there is no entry."""
    one, _, _ = actors
    for concurrency, isolation in COMBINATIONS:
        await one.start(concurrency, isolation)
        assert await one.call(CacheRemoveIfEquals(one.ref, 9, None)) is (concurrency == OPTIMISTIC)
        assert await one.call(CacheRemoveIfEquals(one.ref, 1, None)) is False
        await one.end()
        assert await one.get(1) == "one"


async def test_timeouts_in_a_circle(actors: Actors, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two transactions that wait for each other, and whose time is over at the same moment, both fail to get a lock."""
    monkeypatch.setattr("ignitemap.embedded.transactions.SAME_MOMENT", 60.0)
    one, two, _ = actors
    await one.start(timeout=100)
    await two.start(timeout=30_000)
    await one.put(1, "1")
    await two.put(2, "2")
    ends = await asyncio.gather(one.put(2, "1"), two.put(1, "2"), return_exceptions=True)
    for actor, end in zip((one, two), ends, strict=True):
        assert isinstance(end, TransactionTimeout)
        assert "Failed to acquire lock within provided timeout" in end.message
        with pytest.raises(TransactionTimeout, match="Cache transaction timed out"):
            await actor.get(1)
        await actor.end(commit=False)
    assert await one.get(1) == "one"


async def test_the_policy_of_what_was_not_done(node: Node, actors: Actors, clock: Clock) -> None:
    """What a pessimistic transaction has written expires by the policy of a later operation that did not write."""
    one, _, _ = actors
    brief = ExpiryPolicy(1000, 1000)
    for concurrency in (OPTIMISTIC, PESSIMISTIC):
        for first, later in ((None, brief), (brief, None)):
            stays = (later if concurrency == PESSIMISTIC else first) is None
            for asked in (
                lambda ref: CachePutIfAbsent(ref, 5, "other"),
                lambda ref: CacheReplaceIfEquals(ref, 5, "other", "new"),
                lambda ref: CacheRemoveIfEquals(ref, 5, "other"),
            ):
                await one.start(concurrency)
                await one.call(CachePut(attrs.evolve(one.ref, expiry=first), 5, "mine"))
                assert await one.call(asked(attrs.evolve(one.ref, expiry=later))) is False
                await one.end()
                clock.forward(1.5)
                assert await one.get(5) == ("mine" if stays else None)
                await one.call(CacheRemoveKey(one.ref, 5))
