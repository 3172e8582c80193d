"""Transactions on the raw client: on the real cluster, and against a scripted node where an answer must be missing."""

from __future__ import annotations

import asyncio
import itertools
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from typing import Any

import pytest

import ignitemap as ig
from ignitemap import raw
from ignitemap.client.transactions import TRANSACTIONS, AioTransaction, TransactionConcurrency, TransactionIsolation
from ignitemap.exceptions import (
    ClientClosed,
    CommitOutcomeUnknown,
    EncodeError,
    NotSentError,
    NotSupportedByServer,
    OperationTimeout,
    OutcomeUnknownError,
    ServerError,
    SqlError,
    TransactionConflict,
    TransactionDeadlock,
    TransactionError,
    TransactionLimitExceeded,
    TransactionLost,
    TransactionTimeout,
)
from ignitemap.local import cluster as local_cluster, lifecycle
from ignitemap.local.configure import node_xml
from ignitemap.protocol.message import Request
from ignitemap.protocol.operations import CacheGet, CachePut, TxEnd, TxStart
from tests.addresses import host_ports
from tests.client.fake_server import FakeNode, connected, fake_nodes, until

OPTIMISTIC, PESSIMISTIC = TransactionConcurrency
READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE = TransactionIsolation
COMBINATIONS = list(itertools.product(TransactionConcurrency, TransactionIsolation))


@pytest.fixture(scope="module")
async def client(url: str) -> AsyncIterator[raw.AioClient]:
    async with raw.AioClient().connect(host_ports(url)) as connected:
        yield connected


@pytest.fixture(scope="module")
async def accounts(client: raw.AioClient) -> AsyncIterator[raw.AioCache]:
    made = await client.create_cache(
        {
            raw.PROP_NAME: f"tx-{uuid.uuid4()}",
            raw.PROP_CACHE_ATOMICITY_MODE: raw.CacheAtomicityMode.TRANSACTIONAL,
            raw.PROP_WRITE_SYNCHRONIZATION_MODE: raw.WriteSynchronizationMode.FULL_SYNC,
        }
    )
    yield made
    await made.destroy()


@pytest.fixture
async def cache(accounts: raw.AioCache) -> raw.AioCache:
    """A transactional cache with the entries 1: "one" and 2: "two"."""
    await accounts.clear()
    await accounts.put_all({1: "one", 2: "two"})
    return accounts


async def in_a_task(work: Awaitable[Any]) -> Any:
    """The outcome of an operation in a task that is started here and inherits this context."""

    async def run() -> Any:
        return await work

    return await asyncio.create_task(run())


# --- what one does with them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("concurrency", "isolation"), COMBINATIONS)
async def test_commit_and_rollback(
    client: raw.AioClient, cache: raw.AioCache, concurrency: TransactionConcurrency, isolation: TransactionIsolation
) -> None:
    """A commit applies all that was done, a rollback and a block without a commit nothing."""
    async with client.tx_start(concurrency, isolation) as tx:
        await cache.put(1, "eins")
        await cache.put(3, "drei")
        assert await cache.get_all([1, 2, 3]) == {1: "eins", 2: "two", 3: "drei"}
        await tx.commit()
        assert tx.closed
        assert await cache.get(3) == "drei"  # the block goes on outside of the transaction
    expected = await cache.get_all([1, 2, 3])
    assert expected == {1: "eins", 2: "two", 3: "drei"}
    async with client.tx_start(concurrency, isolation) as tx:
        await cache.put(1, "x")
        await tx.rollback()
    async with client.tx_start(concurrency=concurrency, isolation=isolation, timeout=5000, label="named"):
        await cache.remove_key(1)
    with pytest.raises(ZeroDivisionError):
        async with client.tx_start(concurrency, isolation) as tx:
            await cache.put(1, "y")
            _ = 1 // 0
    assert TRANSACTIONS.get() == ()
    assert await cache.get_all([1, 2, 3]) == expected


async def test_started_by_await(client: raw.AioClient, cache: raw.AioCache) -> None:
    """`tx = await client.tx_start()` starts one too; close() rolls back; a second end does nothing."""
    tx = await client.tx_start()
    assert isinstance(tx, raw.AioTransaction)
    assert isinstance(tx.tx_id, int)
    await cache.put(1, "x")
    await tx.close()
    await tx.close()
    assert await cache.get(1) == "one"
    tx = await client.tx_start(label="again")
    assert repr(tx) == "<transaction 'again', open>"
    await cache.put(1, "eins")
    await tx.commit()
    await tx.commit()
    await tx.rollback()
    assert await cache.get(1) == "eins"
    assert tx.closed


async def test_every_operation_joins(client: raw.AioClient, cache: raw.AioCache) -> None:
    """All operations on keys are part of the transaction, through every view of the cache, and undone with it."""
    await cache.put_all(dict.fromkeys(range(10, 30), "there"))
    before = {key: value async for key, value in cache.scan()}
    other = await client.get_cache(cache.name)
    async with client.tx_start():
        await cache.put(10, 1)
        await cache.with_expire_policy(create=60_000).put(31, 1)
        await other.put_all({11: 1, 32: 1})
        assert await cache.put_if_absent(33, 1)
        assert await cache.get_and_put(12, 1) == "there"
        assert await cache.get_and_put_if_absent(34, 1) is None
        assert await cache.get_and_replace(13, 1) == "there"
        assert await cache.get_and_remove(14) == "there"
        assert await cache.replace(15, 1)
        assert await cache.replace_if_equals(16, "there", 1)
        assert await cache.remove_key(17)
        assert await cache.remove_if_equals(18, "there")
        await cache.remove_keys([19, 20])
        assert await cache.contains_key(31)
        assert await cache.contains_keys([31, 32, 33, 34])
        assert not await cache.contains_key(17)
        assert await cache.get_all([10, 11, 12]) == {10: 1, 11: 1, 12: 1}
        assert await cache.get_size() > 0
        assert (await cache.settings()) is not None  # of the cache, not of its entries
        assert await client.get_cache_names()
    assert {key: value async for key, value in cache.scan()} == before


async def test_uncommitted_is_not_seen_outside(client: raw.AioClient, cache: raw.AioCache) -> None:
    """A task without the transaction reads what was committed, before and after."""
    async with client.tx_start() as tx:
        await cache.put(1, "eins")
        read = asyncio.get_running_loop().create_task(cache.get(1), context=Context())
        assert await read == "one"
        await tx.commit()
    assert await cache.get(1) == "eins"


async def test_concurrent_transactions(client: raw.AioClient, cache: raw.AioCache) -> None:
    """Each of many tasks has its own transaction."""

    async def update(number: int) -> None:
        async with client.tx_start(label=f"tx-{number}") as tx:
            await cache.put(100 + number, number)
            await cache.put(1, number)  # all wait for this one
            if number % 2:
                await tx.commit()

    await asyncio.gather(*(update(number) for number in range(20)))
    assert await cache.get_all(range(100, 120)) == {100 + number: number for number in range(1, 20, 2)}


async def test_two_clients(client: raw.AioClient, cache: raw.AioCache, url: str) -> None:
    """A transaction is of one client; another client's operations, and its transactions, are not part of it."""
    async with raw.AioClient().connect(host_ports(url)) as other:
        same = await other.get_cache(cache.name)
        async with client.tx_start() as first:
            await cache.put(1, "eins")
            await same.put(3, "drei")
            second = await other.tx_start()
            await same.put(4, "vier")
            await cache.put(5, "fünf")
            await first.commit()  # not in the order of the starts
            await same.put(6, "sechs")
            await cache.put(7, "sieben")
            await second.rollback()
        assert TRANSACTIONS.get() == ()
    assert await cache.get_all(range(1, 8)) == {1: "eins", 2: "two", 3: "drei", 5: "fünf", 7: "sieben"}


async def test_mapping_joins(url: str) -> None:
    """Operations of the mapping face over the same client join too, and what spawns tasks is refused."""
    async with ig.connect(url) as client:
        ages = await client.cache(f"tx-{uuid.uuid4()}", str, int, atomicity="transactional")
        await ages.set("ann", 41)
        async with client.raw.tx_start() as tx:
            await ages.set("ann", 42)
            assert await ages["ann"] == 42
            await tx.rollback()
        async with client.raw.tx_start() as tx:
            await ages.set("ben", 7)
            with pytest.raises(TransactionError):
                await ages.clear()
            with pytest.raises(TransactionError):
                await in_a_task(ages.set("ann", 43))
            await tx.commit()
        assert await ages.items().to_dict() == {"ann": 41, "ben": 7}
        await client.drop(ages.raw.name)


async def test_no_transaction_inside_another(client: raw.AioClient, cache: raw.AioCache) -> None:
    """A second transaction of the same task and client is refused, and the first goes on."""
    async with client.tx_start() as tx:
        await cache.put(1, "eins")
        with pytest.raises(TransactionError, match="don't nest"):
            await client.tx_start()
        with pytest.raises(TransactionError, match="started before"):
            await tx
        await tx.commit()
    assert await cache.get(1) == "eins"


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 2},
        {"isolation": 3},
        {"isolation": "SERIALIZABLE"},
        {"timeout": -1},
        {"timeout": 2.0},
        {"timeout": 2**63},
        {"label": 7},
    ],
    ids=str,
)
def test_parameters_are_checked(wrong: dict[str, Any]) -> None:
    """What the server would take without a word is refused at once, as a ValueError."""
    with pytest.raises(ValueError, match="transaction|Transaction") as caught:
        AioTransaction(None, **wrong)  # type: ignore[arg-type] # it isn't asked
    assert isinstance(caught.value, EncodeError)


# --- what fails -------------------------------------------------------------------------------------------------------


async def test_timeout_of_the_transaction(client: raw.AioClient, cache: raw.AioCache) -> None:
    """After its time a transaction was rolled back: operations and the commit say so, and name the label."""
    async with client.tx_start(timeout=100, label="too slow") as tx:
        await cache.put(1, "x")

        async def timed_out() -> None:
            while True:
                await cache.put(2, "x")

        async with asyncio.timeout(10):
            with pytest.raises(TransactionTimeout, match="too slow"):
                await timed_out()
        with pytest.raises(TransactionTimeout):
            await cache.get(1)
        with pytest.raises(TransactionTimeout, match="too slow") as caught:
            await tx.commit()
        assert isinstance(caught.value, raw.CacheError)
        with pytest.raises(TransactionError, match="is not open"):
            await tx.commit()
    assert await cache.get_all([1, 2]) == {1: "one", 2: "two"}


async def test_lock_that_is_not_free_in_time(client: raw.AioClient, cache: raw.AioCache) -> None:
    """Who waits for another's lock longer than its timeout gets TransactionTimeout; the other goes on."""

    async def second() -> None:
        async with client.tx_start(timeout=100):
            await cache.put(1, "second")

    async with client.tx_start() as tx:
        await cache.put(1, "first")
        with pytest.raises(TransactionTimeout):
            await asyncio.create_task(second())
        await tx.commit()
    assert await cache.get(1) == "first"


async def test_optimistic_conflict(client: raw.AioClient, cache: raw.AioCache) -> None:
    """An optimistic serializable transaction whose reads have changed fails at commit with TransactionConflict."""
    async with client.tx_start(OPTIMISTIC, SERIALIZABLE, label="loser") as tx:
        assert await cache.get(1) == "one"
        await cache.put(2, "x")
        await asyncio.get_running_loop().create_task(cache.put(1, "eins"), context=Context())
        with pytest.raises(TransactionConflict, match="loser"):
            await tx.commit()
    assert await cache.get_all([1, 2]) == {1: "eins", 2: "two"}


async def test_optimistic_lock_conflicts(client: raw.AioClient, cache: raw.AioCache) -> None:
    """Optimistic serializable transactions that commit at the same time never deadlock: they win or conflict."""
    kinds: set[type[BaseException]] = set()

    async def update(number: int) -> None:
        async with client.tx_start(OPTIMISTIC, SERIALIZABLE, label=f"tx-{number}") as tx:
            for key in (1, 2) if number % 2 else (2, 1):
                await cache.put(key, number)
            await tx.commit()

    for _ in range(20):
        results = await asyncio.gather(*(update(number) for number in range(20)), return_exceptions=True)
        failed = {number: result for number, result in enumerate(results) if result is not None}
        assert len(failed) < 20
        for number, error in failed.items():
            assert f"tx-{number}" in str(error)
            kinds.add(type(error))
        if kinds:
            break
    assert kinds == {TransactionConflict}


@pytest.mark.stress  # starts nodes of its own
async def test_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that sends its stack traces tells a deadlock from a lock that was not free in time; else it is the latter."""

    def with_traces(*args: Any) -> str:
        place = '<property name="thinClientConfiguration">'
        xml = node_xml(*args)
        start = xml.index(">", xml.index("<bean", xml.index(place))) + 1
        return xml[:start] + '<property name="serverToClientExceptionStackTraceSending" value="true"/>' + xml[start:]

    monkeypatch.setattr(lifecycle, "node_xml", with_traces)
    async with local_cluster(nodes=1) as node, raw.AioClient().connect(host_ports(node.url)) as client:
        cache = await client.create_cache({raw.PROP_NAME: "tx", raw.PROP_CACHE_ATOMICITY_MODE: 0})
        barrier = asyncio.Barrier(2)

        async def update(first: int, second: int, timeout: int) -> None:
            async with client.tx_start(timeout=timeout) as tx:
                await cache.put(first, "x")
                await barrier.wait()
                await cache.put(second, "x")
                await tx.commit()

        results = await asyncio.gather(update(1, 2, 500), update(2, 1, 0), return_exceptions=True)
        assert isinstance(results[0], TransactionDeadlock)
        assert results[1] is None


async def test_limit_of_one_connection(client: raw.AioClient, url: str) -> None:
    """A connection that has as many transactions as the server allows refuses one more with a class of its own."""
    async with raw.AioClient(partition_aware=False).connect(*host_ports(url)[0]) as own:
        done = asyncio.Event()

        async def hold() -> None:
            async with own.tx_start():
                started.release()
                await done.wait()

        started = asyncio.Semaphore(0)
        async with asyncio.TaskGroup() as holders:
            for _ in range(100):
                holders.create_task(hold())
            for _ in range(100):
                await started.acquire()
            with pytest.raises(TransactionLimitExceeded):
                await own.tx_start()
            assert TRANSACTIONS.get() == ()
            done.set()
        async with own.tx_start():
            pass


async def test_atomic_cache(client: raw.AioClient, cache: raw.AioCache) -> None:
    """An ATOMIC cache can't be part of a transaction: the server says so, nothing is written, and the rest can commit."""
    atomic = await client.create_cache(f"atomic-{uuid.uuid4()}")
    async with client.tx_start() as tx:
        await cache.put(1, "eins")
        for attempt in (atomic.put(1, 1), atomic.get(1), atomic.put_all({1: 1})):
            with pytest.raises(ServerError, match="atomic"):
                await attempt
        await tx.commit()
    assert await cache.get(1) == "eins"
    assert await atomic.get(1) is None
    await atomic.destroy()


OUTSIDE: dict[str, Callable[[raw.AioClient, raw.AioCache], Awaitable[Any]]] = {
    "clear": lambda client, cache: cache.clear(),
    "clear_key": lambda client, cache: cache.clear_key(1),
    "clear_keys": lambda client, cache: cache.clear_keys([1]),
    "remove_all": lambda client, cache: cache.remove_all(),
    "scan": lambda client, cache: cache.scan(),
    "sql": lambda client, cache: client.sql("SELECT 1"),
}


@pytest.mark.parametrize("name", OUTSIDE)
async def test_what_would_run_outside(client: raw.AioClient, cache: raw.AioCache, name: str) -> None:
    """What the server would run outside of the transaction, or blind to it, is refused before anything is sent."""
    async with client.tx_start() as tx:
        await cache.put(1, "eins")
        with pytest.raises(TransactionError):
            await OUTSIDE[name](client, cache)
        await tx.rollback()
    assert await cache.get_all([1, 2]) == {1: "one", 2: "two"}
    await OUTSIDE[name](client, cache)


@pytest.mark.stress  # starts nodes of its own
async def test_tx_aware_queries() -> None:
    """Where the cluster has tx-aware queries, scans see what a READ_COMMITTED transaction wrote."""
    async with (
        local_cluster(nodes=1, tx_aware_queries=True) as node,
        raw.AioClient().connect(host_ports(node.url)) as client,
    ):
        cache = await client.create_cache({raw.PROP_NAME: "aware", raw.PROP_CACHE_ATOMICITY_MODE: 0})
        async with client.tx_start(PESSIMISTIC, READ_COMMITTED):
            await cache.put_all({number: str(number) for number in range(10)})
            assert len([key async for key, _ in cache.scan(page_size=3)]) == 10
            with pytest.raises(SqlError, match="not supported"):  # H2 can't, Calcite could
                await client.sql("SELECT 1")
        async with client.tx_start(PESSIMISTIC, REPEATABLE_READ):
            await cache.put(1, "x")
            with pytest.raises(TransactionError, match="READ_COMMITTED"):
                await cache.scan()
        assert await cache.get_size() == 0


# --- whose it is (reliability B10) ------------------------------------------------------------------------------------


async def test_spawned_task_is_refused(client: raw.AioClient, cache: raw.AioCache) -> None:
    """A task that was started inside of a transaction can't write, neither in it nor outside of it, then or later."""
    go = asyncio.Event()

    async def late() -> None:
        await go.wait()
        await cache.put(3, "late")

    async with client.tx_start(label="mine") as tx:
        waiting = asyncio.create_task(late())
        for attempt in (cache.put(3, "spawned"), cache.get(1), cache.put_all({3: "spawned"}), cache.clear()):
            with pytest.raises(TransactionError, match="another task"):
                await in_a_task(attempt)
        results = await asyncio.gather(cache.put(3, "a"), cache.put(3, "b"), return_exceptions=True)
        assert [type(result) for result in results] == [TransactionError, TransactionError]
        await cache.put(1, "eins")
        with pytest.raises(TransactionError, match="only the task"):
            await in_a_task(tx.commit())
        await tx.commit()
    go.set()
    with pytest.raises(TransactionError, match="'mine', committed"):
        await waiting
    assert await cache.get_all([1, 2, 3]) == {1: "eins", 2: "two"}


async def test_spawned_task_with_its_own(client: raw.AioClient, cache: raw.AioCache) -> None:
    """A task that was started inside of a transaction may start one itself, or run in a context of its own."""

    async def transfer() -> None:
        async with client.tx_start() as own:
            await cache.put(3, "drei")
            await own.commit()
        with pytest.raises(TransactionError):
            await cache.put(4, "outside")

    async with client.tx_start():
        await cache.put(1, "x")
        await asyncio.create_task(transfer())
        await asyncio.get_running_loop().create_task(cache.put(5, "fünf"), context=Context())
    assert await cache.get_all([1, 3, 4, 5]) == {1: "one", 3: "drei", 5: "fünf"}


async def test_started_by_wait_for(client: raw.AioClient, cache: raw.AioCache) -> None:
    """`wait_for(tx.__aenter__())` starts the transaction of this task where Python runs it here, or starts none."""
    tx = client.tx_start()
    if sys.version_info < (3, 12):  # wait_for has a task of its own there, whose context is another
        with pytest.raises(TransactionError, match="the task that called"):
            await asyncio.wait_for(tx.__aenter__(), 10)
    else:
        await asyncio.wait_for(tx.__aenter__(), 10)
        await cache.put(1, "x")
    with pytest.raises(TransactionError):
        await in_a_task(client.tx_start().__aenter__())
    await tx.rollback()
    assert await cache.get(1) == "one"


async def test_ended_by_another_task(client: raw.AioClient, cache: raw.AioCache) -> None:
    """Another task may roll back; the owner is told once, and is outside from then on."""
    async with client.tx_start() as tx:
        await cache.put(1, "x")
        await in_a_task(tx.close())
        with pytest.raises(TransactionError, match="ended by another task"):
            await cache.put(2, "x")
        assert await cache.get_all([1, 2]) == {1: "one", 2: "two"}


async def test_handed_over_on_purpose(client: raw.AioClient, cache: raw.AioCache) -> None:
    """`AioTransaction.call` carries out a request inside of the transaction, whatever task it comes from."""
    async with client.tx_start() as tx:
        await in_a_task(tx.call(CachePut(cache.cache_info, 3, "drei")))
        assert await cache.get(3) == "drei"
        await tx.rollback()
        with pytest.raises(TransactionError, match="not open"):
            await tx.call(CachePut(cache.cache_info, 3, "drei"))
    assert await cache.get(3) is None


# --- answers that never come ------------------------------------------------------------------------------------------


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    async with fake_nodes(1) as (node,):
        ids = itertools.count(1)
        node.on(TxStart, lambda call: call.answer(next(ids)))
        node.on(TxEnd, lambda call: call.answer())
        yield node


def ends(node: FakeNode) -> list[tuple[int, bool]]:
    """The transactions that a node was told to end, and whether by a commit."""
    return [(call.request.transaction, call.request.commit) for call in node.calls if call.operation is TxEnd]


async def test_commit_that_is_cut(node: FakeNode) -> None:
    """A commit whose connection is lost before the answer is CommitOutcomeUnknown, and never sent again."""
    async with connected(node) as client:
        node.on(TxEnd, lambda call: call.close())
        async with client.tx_start() as tx:
            with pytest.raises(CommitOutcomeUnknown) as caught:
                await tx.commit()
            assert isinstance(caught.value, OutcomeUnknownError)
            assert caught.value.node == str(node.address)
            with pytest.raises(TransactionError, match="not known"):
                await tx.commit()
        assert ends(node) == [(1, True)]
        assert TRANSACTIONS.get() == ()


async def test_commit_without_an_answer(node: FakeNode) -> None:
    """A commit that has no answer in time is CommitOutcomeUnknown too."""
    async with connected(node, timeout=0.2) as client:
        node.hold(TxEnd)
        with pytest.raises(CommitOutcomeUnknown) as caught:
            async with client.tx_start() as tx:
                await tx.commit()
        assert isinstance(caught.value.__cause__, OperationTimeout)


async def test_commit_that_is_cancelled(node: FakeNode) -> None:
    """A cancelled commit passes the cancellation on, and leaves no locks whether it was sent or not."""
    async with connected(node) as client:
        held = node.hold(TxEnd)

        async def work() -> None:
            async with client.tx_start() as tx:
                await tx.commit()

        task = asyncio.create_task(work())
        await held.next()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: ends(node) == [(1, True), (1, False)])


async def test_commit_that_was_not_sent(node: FakeNode) -> None:
    """A commit that finds no free slot in time was not sent: the transaction is still open, and can be committed."""
    async with connected(node, max_in_flight=2, timeout=0.2) as client:
        async with client.tx_start() as tx:
            full = node.hold(CachePut)
            cache = await client.get_cache("c")
            puts = [
                asyncio.get_running_loop().create_task(cache.put(number, 1, timeout=60), context=Context())
                for number in range(2)
            ]
            calls = await full.take(2)
            with pytest.raises(NotSentError):
                await tx.commit()
            assert not tx.closed
            for call in calls:
                call.answer()
            await asyncio.gather(*puts)
            await tx.commit()
        assert ends(node) == [(1, True)]


async def test_connection_lost_before_the_commit(node: FakeNode) -> None:
    """When the connection is gone the transaction is lost: nothing of it is sent over another one."""
    async with connected(node) as client:
        cache = await client.get_cache("c")
        async with client.tx_start() as tx:
            await cache.put(1, 1)
            node.cut()
            await until(lambda: not client.session.nodes.open)
            for attempt in (cache.put(2, 2), cache.get(1), tx.commit()):
                with pytest.raises(TransactionLost, match="rolled back"):
                    await attempt
        assert node.count(CachePut) == 1
        assert ends(node) == []
        await cache.put(3, 3)  # outside, over a new connection
        assert node.accepted == 2


@pytest.mark.parametrize("operation", [CacheGet, CachePut])
async def test_operation_that_is_cut(node: FakeNode, operation: type[Request[Any]]) -> None:
    """An operation of a transaction whose connection is lost is not repeated elsewhere, reads included."""
    async with fake_nodes(1) as (second,), connected(node, second, retry="all") as client:
        await until(lambda: len(client.session.nodes.open) == 2)
        for each in (node, second):
            each.on(operation, lambda call: call.close())
            each.on(TxStart, lambda call: call.answer(1))
            each.on(TxEnd, lambda call: call.answer())
        cache = await client.get_cache("c")
        async with client.tx_start() as tx:
            with pytest.raises(TransactionLost):
                await (cache.get(1) if operation is CacheGet else cache.put(1, 1))
            with pytest.raises(TransactionLost):
                await tx.commit()
        assert node.count(operation) + second.count(operation) == 1


async def test_write_without_an_answer(node: FakeNode) -> None:
    """After a write that was given up, by a deadline or a cancellation, a transaction can only be rolled back."""
    async with connected(node) as client:
        cache = await client.get_cache("c")
        held = node.hold(CachePut)
        async with client.tx_start() as tx:
            with pytest.raises(OperationTimeout):
                await cache.put(1, 1, timeout=0.05)
            with pytest.raises(TransactionError, match="no answer"):
                await tx.commit()
        with pytest.raises(TimeoutError):
            async with client.tx_start() as tx:
                async with asyncio.timeout(0.05):
                    await cache.put(1, 1)
        assert len(held.calls) == 2
        await until(lambda: ends(node) == [(1, False), (2, False)])


async def test_start_that_is_given_up(node: FakeNode) -> None:
    """A transaction whose id comes when nobody waits for it any more is rolled back."""
    async with connected(node) as client:
        held = node.hold(TxStart)

        async def start() -> None:
            await client.tx_start()

        task = asyncio.create_task(start())
        call = await held.next()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        call.answer(77)
        await until(lambda: ends(node) == [(77, False)])


async def test_start_that_is_cut(node: FakeNode) -> None:
    """A start whose connection is lost has no transaction."""
    async with connected(node) as client:
        node.on(TxStart, lambda call: call.close())
        with pytest.raises(OutcomeUnknownError):
            await client.tx_start()
        assert TRANSACTIONS.get() == ()


async def test_server_without_transactions(node: FakeNode) -> None:
    """A server that does not know the operation has no transactions."""
    async with connected(node) as client:
        node.on(TxStart, lambda call: call.fail(2, "Invalid request op code: 4000"))
        with pytest.raises(NotSupportedByServer):
            await client.tx_start()


async def test_rollback_that_fails(node: FakeNode) -> None:
    """A rollback without an answer is told, unless the block has raised something else; one cut off is done."""
    async with connected(node, timeout=0.1) as client:
        node.hold(TxEnd)
        with pytest.raises(OperationTimeout):
            async with client.tx_start():
                pass
        with pytest.raises(ZeroDivisionError):
            async with client.tx_start():
                _ = 1 // 0
        node.on(TxEnd, lambda call: call.close())
        async with client.tx_start():
            pass


async def test_rollback_that_is_cancelled(node: FakeNode) -> None:
    """A rollback goes on when the block is cancelled while it waits."""
    async with connected(node) as client:
        held = node.hold(TxEnd)

        async def work() -> None:
            async with client.tx_start():
                pass

        task = asyncio.create_task(work())
        call = await held.next()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        call.answer()
        assert ends(node) == [(1, False)]


async def test_client_closed_meanwhile(node: FakeNode) -> None:
    """A client that is closed inside of the block ends the transaction with its connection."""
    async with connected(node) as client:
        cache = await client.get_cache("c")
        async with client.tx_start() as tx:
            await client.close()
            with pytest.raises(ClientClosed):
                await cache.put(1, 1)
            with pytest.raises(ClientClosed):
                await tx.commit()
            assert tx.closed
        assert ends(node) == []
