"""Transactions as blocks: on a real cluster, and against a scripted node where an answer must be missing."""

from __future__ import annotations

import asyncio
import itertools
import math
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextvars import Context
from datetime import timedelta
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.cache import AioCache
from ignitemap.client.client import AioClient
from ignitemap.client.transactions import TRANSACTIONS
from ignitemap.mapping import transactions
from ignitemap.mapping.cache import Cache
from ignitemap.mapping.transactions import Attempts, Transaction, TransactionOptions
from ignitemap.models.registry import default_registry
from ignitemap.protocol.operations import CacheContainsKey, CacheGet, CachePut, CachePutAll, TxEnd, TxStart
from tests.client.fake_server import FakeNode, connected, fake_nodes, until

Accounts = ig.Cache[str, int]
MakeCache = Callable[..., Awaitable[Any]]

COMBINATIONS = list(
    itertools.product(("pessimistic", "optimistic"), ("read_committed", "repeatable_read", "serializable"))
)
START = {"ann": 100, "ben": 100}


@pytest.fixture
async def accounts(make_cache: MakeCache) -> Accounts:
    """A transactional cache with two accounts of 100."""
    cache: Accounts = await make_cache(str, int, atomicity="transactional")
    await cache.update(START)
    return cache


@pytest.fixture(autouse=True)
def nothing_left() -> Any:
    """No test leaves a transaction behind in its context."""
    yield
    assert TRANSACTIONS.get() == ()


async def in_a_task(work: Awaitable[Any]) -> Any:
    """The outcome of an operation in a task that is started here and inherits this context."""

    async def run() -> Any:
        return await work

    return await asyncio.create_task(run())


def outside(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that knows of no transaction."""
    return asyncio.get_running_loop().create_task(work, context=Context())


async def balances(accounts: Accounts) -> dict[str, int]:
    """All accounts."""
    return await accounts.items().to_dict()


# --- the block --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("concurrency", "isolation"), COMBINATIONS)
async def test_commits_or_rolls_back(client: ig.Client, accounts: Accounts, concurrency: Any, isolation: Any) -> None:
    """A block that ends well is applied as a whole, one that an exception leaves not at all."""
    async with client.transaction(concurrency, isolation, label="transfer") as tx:
        await accounts.set("ann", 90)
        await accounts.set("ben", 110)
        assert await accounts.get_many(["ann", "ben"]) == {"ann": 90, "ben": 110}
        assert await outside(accounts.get("ann")) == 100
        assert repr(tx) == "<transaction 'transfer', open>"
        assert not tx.closed
    assert tx.closed
    assert tx.label == "transfer"
    assert await balances(accounts) == {"ann": 90, "ben": 110}
    with pytest.raises(ZeroDivisionError):
        async with client.transaction(concurrency, isolation):
            await accounts.set("ann", 0)
            _ = 1 // 0
    assert await balances(accounts) == {"ann": 90, "ben": 110}


async def test_every_operation_on_keys_joins(client: ig.Client, accounts: Accounts) -> None:
    """All operations of a cache on keys are part of the transaction, through all of its views, and undone with it."""
    await accounts.update(dict.fromkeys("abcdefgh", 1))
    before = await balances(accounts)
    with pytest.raises(LookupError):
        async with client.transaction():
            await accounts.set("a", 2)
            await accounts.with_options(timeout=20, binary=True).set("new", 1)
            await accounts.update({"b": 2, "newer": 1}, newest=1)
            assert await accounts.add("x", 1)
            assert await accounts.setdefault("y", 1) == 1
            assert await accounts.replace("c", 2)
            assert await accounts.replace("d", 2, expected=1)
            assert await accounts.swap("e", 2) == 1
            assert await accounts.modify("e", lambda balance: balance + 1) == 3
            assert await accounts.pop("f") == 1
            assert await accounts.delete("g")
            assert await accounts.delete("h", expected=1)
            await accounts.delete_many(["ann", "ben"])
            assert await accounts["a"] == 2
            assert await accounts.get("g") is None
            assert await accounts.contains("new")
            assert await accounts.contains_all(["newer", "newest", "x", "y"])
            assert not await accounts.contains("ann")
            assert await accounts.get_many("abe") == {"a": 2, "b": 2, "e": 3}
            assert (await accounts.guarantees()).backups == 1  # of the cache, not of its entries
            assert accounts.name in await client.cache_names()
            raise LookupError
    assert await balances(accounts) == before


async def test_bulk_operations_join(client: ig.Client, accounts: Accounts) -> None:
    """Bulk operations of many chunks are part of the transaction, all of them or none."""
    many = {f"account {number}": number for number in range(5000)}
    async with client.transaction() as tx:
        await accounts.update(many)
        assert await accounts.get_many(many) == many
        await tx.rollback()
    assert await balances(accounts) == START
    async with client.transaction():
        await accounts.update(many.items())
        await accounts.delete_many(list(many)[:3000])
        assert await accounts.contains_all(list(many)[3000:])
    assert await accounts.size() == 2002


async def test_models_join(client: ig.Client, make_cache: MakeCache) -> None:
    """Models are saved in a transaction, and their type is announced outside of it."""

    @ig.model(type_name=f"tests.tx.Account{uuid.uuid4().hex}")
    class Account:
        id: int = ig.key()
        balance: int

    name = f"tx_models_{uuid.uuid4().hex}"
    cache = await client.cache(name, Account, atomicity="transactional")
    async with client.transaction() as tx:
        await cache.save_many(Account(number, 1) for number in range(3000))
        assert await cache[2999] == Account(2999, 1)
        await tx.rollback()
    assert await cache.size() == 0
    async with client.transaction():
        await cache.save_many([Account(1, 1), Account(2, 2)])
        await cache.save(Account(1, 10))
        assert await cache.remove(Account(2, 0))
    assert await cache.items().to_dict() == {1: Account(1, 10)}
    await client.drop(name)
    assert default_registry.find(Account) is not None


@pytest.mark.parametrize("how", ["commit", "rollback"])
async def test_ended_early(client: ig.Client, accounts: Accounts, how: str) -> None:
    """After an early end all that comes in the block raises, until the block is left."""
    async with client.transaction() as tx:
        await accounts.set("ann", 1)
        await getattr(tx, how)()
        await getattr(tx, how)()  # again is no mistake
        for attempt in (accounts.set("ann", 2), accounts["ann"], accounts.update({"ann": 2}), accounts.clear()):
            with pytest.raises(ig.TransactionError, match="its block is not left"):
                await attempt
        with pytest.raises(ig.TransactionError):
            await (tx.rollback() if how == "commit" else tx.commit())
        with pytest.raises(ig.TransactionError, match="not open"):
            tx.bind(accounts)
    assert await accounts["ann"] == (1 if how == "commit" else 100)


async def test_one_block(client: ig.Client, accounts: Accounts) -> None:
    """A transaction has one block; another needs another transaction."""
    transaction = client.transaction()
    with pytest.raises(ig.TransactionError, match="can't be rolled back"):
        await transaction.rollback()
    async with transaction:
        with pytest.raises(ig.TransactionError, match="one block"):
            await transaction.__aenter__()
        await accounts.set("ann", 1)
    with pytest.raises(ig.TransactionError, match="one block"):
        async with transaction:
            pass  # pragma: no cover - never entered
    assert await accounts["ann"] == 1


async def test_no_transaction_inside_another(client: ig.Client, accounts: Accounts) -> None:
    """A second transaction of the same task and client is refused, and the first goes on."""
    async with client.transaction():
        await accounts.set("ann", 1)
        with pytest.raises(ig.TransactionError, match="don't nest"):
            async with client.transaction():
                pass  # pragma: no cover - never entered
        with pytest.raises(ig.TransactionError, match="don't nest"):
            async for attempt in client.transactions():
                async with attempt:
                    pass  # pragma: no cover - never entered
        await accounts.set("ben", 1)
    assert await balances(accounts) == {"ann": 1, "ben": 1}


async def test_two_clients(client: ig.Client, accounts: Accounts, url: str) -> None:
    """A transaction is of one client; in the same task another client has its own."""
    async with ig.connect(url) as other:
        same = await other.cache(accounts.name, str, int)
        async with client.transaction() as tx:
            await accounts.set("ann", 1)
            await same.set("carl", 5)  # outside
            async with other.transaction() as second:
                await same.set("ben", 2)
                with pytest.raises(ig.TransactionError, match="another client"):
                    tx.bind(same)
                await second.rollback()
            await same.set("dora", 6)
    assert await balances(accounts) == {"ann": 1, "ben": 100, "carl": 5, "dora": 6}


async def test_many_at_once(client: ig.Client, accounts: Accounts) -> None:
    """Each of many tasks has its own transaction, and what they do to one entry adds up."""

    async def pay(number: int) -> None:
        async with client.transaction():
            await accounts.set("ann", await accounts["ann"] - 1)
            await accounts.set("ben", await accounts["ben"] + 1)
            if number % 2:
                raise LookupError

    results = await asyncio.gather(*(pay(number) for number in range(20)), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), LookupError] * 10
    assert await balances(accounts) == {"ann": 90, "ben": 110}


# --- options ----------------------------------------------------------------------------------------------------------

WRONG: list[dict[str, Any]] = [
    {"concurrency": "careless"}, {"concurrency": 1}, {"isolation": "snapshot"}, {"isolation": None}, {"isolation": []},
    {"timeout": 0}, {"timeout": -1}, {"timeout": "5"}, {"timeout": True}, {"timeout": math.nan}, {"timeout": 1e30},
    {"timeout": timedelta(0)}, {"label": 7},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_unknown_options(client: ig.Client, wrong: dict[str, Any]) -> None:
    """What is no option is a ConfigurationError that names it, at the call."""
    for call in (client.transaction, client.transactions):
        with pytest.raises(ig.ConfigurationError) as caught:
            call(**wrong)
        assert caught.value.option in wrong


@pytest.mark.parametrize("attempts", [0, -1, True, 2.0, "3"])
def test_number_of_attempts(client: ig.Client, attempts: Any) -> None:
    """A number of attempts that is none is a ConfigurationError."""
    with pytest.raises(ig.ConfigurationError, match="attempts"):
        client.transactions(attempts)


@pytest.mark.parametrize(
    ("timeout", "milliseconds"),
    [(None, 7000), (2, 2000), (0.0001, 1), (0.07, 70), (timedelta(minutes=1), 60_000), (math.inf, 0)],
    ids=str,
)
async def test_timeout_in_milliseconds(node: FakeNode, timeout: Any, milliseconds: int) -> None:
    """A timeout is in seconds or a timedelta, None is the client's; it is sent in ms, rounded up."""
    async with connected(node, timeout=7) as raw:
        options = TransactionOptions.checked("optimistic", "read_committed", timeout, "x", default=raw.options.timeout)
        async with Transaction(raw, options):
            pass
        (start,) = (call.request for call in node.calls if call.operation is TxStart)
        assert (start.concurrency, start.isolation, start.timeout, start.label) == (0, 0, milliseconds, "x")
    assert TransactionOptions.checked("optimistic", "serializable", None, None, default=None).timeout == 0


async def test_timeout_passes(client: ig.Client, accounts: Accounts) -> None:
    """After its timeout a transaction is rolled back: operations and the end of the block raise TransactionTimeout."""

    async def slow() -> None:
        async with client.transaction(timeout=0.05, label="slow"), asyncio.timeout(10):
            while True:
                await accounts.set("ann", 0)

    with pytest.raises(ig.TransactionTimeout, match="slow"):
        await slow()
    with pytest.raises(ig.TransactionTimeout, match="slow"):
        async with client.transaction(timeout=0.05, label="slow") as tx, asyncio.timeout(10):
            try:
                while True:
                    await accounts.set("ann", 0)
            except ig.TransactionTimeout:
                assert not tx.closed  # the block wasn't told to end
    assert await balances(accounts) == START


# --- whose it is ------------------------------------------------------------------------------------------------------


async def test_spawned_task_is_refused(client: ig.Client, accounts: Accounts) -> None:
    """A task that was started inside of the block can't act in it, nor outside of it, then or later."""
    go = asyncio.Event()

    async def late() -> None:
        await go.wait()
        await accounts.set("ann", 0)

    async with client.transaction() as tx:
        waiting = asyncio.create_task(late())
        for attempt in (
            accounts.set("ann", 0),
            accounts["ann"],
            accounts.update({f"x{number}": 0 for number in range(3000)}),
            accounts.get_many(f"x{number}" for number in range(3000)),
            accounts.delete_many(["ann"]),
            accounts.clear(),
            accounts.items().to_dict(),
        ):
            with pytest.raises(ig.TransactionError, match="another task"):
                await in_a_task(attempt)
        with pytest.raises(ig.TransactionError, match="only the task"):
            await in_a_task(tx.commit())
        with pytest.raises(ig.TransactionError, match="only the task"):
            await in_a_task(tx.rollback())
        await accounts.set("ben", 1)
    go.set()
    with pytest.raises(ig.TransactionError, match="another task"):
        await waiting
    assert await balances(accounts) == {"ann": 100, "ben": 1}


async def test_spawned_task_with_its_own(client: ig.Client, accounts: Accounts) -> None:
    """A task that was started inside of the block may have a transaction of its own."""

    async def own() -> None:
        async with client.transaction():
            await accounts.set("carl", 1)

    async with client.transaction() as tx:
        await accounts.set("ann", 0)
        await asyncio.create_task(own())
        await tx.rollback()
    assert await balances(accounts) == {**START, "carl": 1}


async def test_wait_for_around_an_operation(client: ig.Client, accounts: Accounts) -> None:
    """`wait_for` around an operation is part of the transaction where Python runs it in this task, else it raises."""
    joins = sys.version_info >= (3, 12)  # before, wait_for has a task of its own
    async with client.transaction() as tx:
        if joins:
            await asyncio.wait_for(accounts.set("ann", 0), 10)
        else:
            with pytest.raises(ig.TransactionError, match="another task"):
                await asyncio.wait_for(accounts.set("ann", 0), 10)
        await asyncio.wait_for(tx.bind(accounts).set("ben", 0), 10)  # either way
        assert await outside(accounts.get_many(START)) == START
        await tx.rollback()
    assert await balances(accounts) == START


async def test_entered_by_another_task(client: ig.Client, accounts: Accounts) -> None:
    """The owner is the task that called `transaction()`: another that enters the block gets TransactionError."""
    transaction = client.transaction()
    with pytest.raises(ig.TransactionError, match="the task that called"):
        await in_a_task(transaction.__aenter__())
    await accounts.set("ann", 1)  # outside, and no transaction is in the way
    assert await balances(accounts) == {"ann": 1, "ben": 100}


async def test_left_by_another_task(client: ig.Client, accounts: Accounts) -> None:
    """A block that another task leaves is rolled back, and the owner is told before it acts outside."""
    transaction = await client.transaction().__aenter__()
    await accounts.set("ann", 0)
    with pytest.raises(ig.TransactionError, match="only the task"):
        await in_a_task(transaction.__aexit__(None, None, None))
    with pytest.raises(ig.TransactionError, match="ended by another task"):
        await accounts.set("ann", 0)
    assert await balances(accounts) == START


async def test_timeout_inside_and_around(client: ig.Client, accounts: Accounts) -> None:
    """`asyncio.timeout` inside of the block cuts one operation, around it the whole block, which is rolled back."""
    held = asyncio.Event()
    release = asyncio.Event()

    async def hold() -> None:
        async with client.transaction():
            await accounts.set("ann", 1)
            held.set()
            await release.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hold())
        await held.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), client.transaction():
                await accounts.set("ben", 0)
                await accounts.set("ann", 0)  # waits for the other's lock
        with pytest.raises(ig.TransactionError, match="no answer"):
            async with client.transaction():
                await accounts.set("ben", 0)
                try:
                    async with asyncio.timeout(0.05):
                        await accounts.set("ann", 0)
                except TimeoutError:
                    # What became of the write is unknown: there is nothing left to do in the block.
                    with pytest.raises(ig.TransactionError, match="no answer"):
                        await accounts.set("ben", -1)
        release.set()
    assert await balances(accounts) == {"ann": 1, "ben": 100}


async def test_cancelled_block(client: ig.Client, accounts: Accounts) -> None:
    """A cancelled block is rolled back before the cancellation arrives, and its locks are free."""
    inside = asyncio.Event()

    async def work() -> None:
        async with client.transaction():
            await accounts.set("ann", 0)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await accounts.set("ann", 1)
    assert await balances(accounts) == {"ann": 1, "ben": 100}


# --- handed over on purpose -------------------------------------------------------------------------------------------


async def test_bind(client: ig.Client, accounts: Accounts) -> None:
    """A bound cache takes part in the transaction from any task, bulk operations included."""
    many = {f"account {number}": number for number in range(3000)}
    with pytest.raises(ig.TransactionError, match="not open"):
        client.transaction().bind(accounts)
    async with client.transaction() as tx:
        bound = tx.bind(accounts)
        async with asyncio.TaskGroup() as tasks:
            for name in "abcdefghij":
                tasks.create_task(bound.set(name, 1))
            tasks.create_task(bound.update(many))
        assert await in_a_task(bound.get_many(many)) == many
        assert await in_a_task(bound["a"]) == 1
        assert await accounts["j"] == 1  # the owner sees it
        assert (await in_a_task(bound.guarantees())).backups == 1
        await in_a_task(bound.raw.put("raw", 1))
        assert await in_a_task(bound.with_options(timeout=20, ttl=60).add("view", 1))
        for refused in (bound.clear(), bound.delete_all(), bound.items().to_dict()):
            with pytest.raises(ig.TransactionError):
                await in_a_task(refused)
        assert await outside(accounts.size()) == 2
    assert await accounts.size() == 3014
    for attempt in (bound.set("a", 2), bound.get("a"), bound.update(many), bound.get_many(many)):
        with pytest.raises(ig.TransactionError, match="not open"):
            await attempt
    with pytest.raises(LookupError):
        async with client.transaction() as tx:
            await in_a_task(tx.bind(accounts).delete_many(many))
            raise LookupError
    assert await accounts.size() == 3014


async def test_block_that_ends_during_a_bound_operation(client: ig.Client, accounts: Accounts) -> None:
    """A block that ends while another task's operation is under way is rolled back, both are told, nothing is outside."""
    for turns in range(12):
        with pytest.raises(ig.TransactionError, match="no answer"):
            async with client.transaction() as tx:
                await accounts.set("ben", 0)
                bound = tx.bind(accounts)
                writing = [asyncio.create_task(bound.set(f"x{number}", 0)) for number in range(3)]
                for _ in range(turns % 4):
                    await asyncio.sleep(0)
                if turns % 4 == 0:
                    writing[0].cancel()
                    await asyncio.sleep(0)
        for outcome in await asyncio.gather(*writing, return_exceptions=True):
            assert outcome is None or isinstance(outcome, ig.TransactionError | asyncio.CancelledError)
    assert await balances(accounts) == START


async def test_operation_that_is_given_up(client: ig.Client, accounts: Accounts) -> None:
    """An operation that is cancelled just after it was sent isn't carried out outside by a node that meets its end first."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    given_up = 0
    for number in range(100):
        with pytest.raises(LookupError):
            async with client.transaction():
                loop.call_soon(loop.call_soon, task.cancel)
                try:
                    await accounts.set(f"x{number}", 0)
                except asyncio.CancelledError:
                    given_up += 1
                    task.uncancel()
                raise LookupError
    assert given_up
    assert await balances(accounts) == START


# --- what can't be part of it -----------------------------------------------------------------------------------------

REFUSED: dict[str, Callable[[ig.Client, Accounts], Awaitable[Any]]] = {
    "clear": lambda client, accounts: accounts.clear(),
    "delete_all": lambda client, accounts: accounts.delete_all(),
    "index_query": lambda client, accounts: accounts.index_query(None, ig.gt(ig.col("_KEY"), "a")).to_list(),
    "keys": lambda client, accounts: accounts.keys().to_list(),
    "values": lambda client, accounts: accounts.values().first(),
    "items": lambda client, accounts: accounts.items().to_dict(),
    "where": lambda client, accounts: accounts.where(lambda balance: balance > 1, allow_scan=True).all(),
    "sql": lambda client, accounts: client.sql("SELECT 1"),
    "raw.clear": lambda client, accounts: accounts.raw.clear(),
    "raw.clear_keys": lambda client, accounts: accounts.raw.clear(["ann"]),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_would_run_outside(client: ig.Client, accounts: Accounts, name: str) -> None:
    """What a node would run outside of the transaction, or blind to it, is refused before anything is sent."""
    async with client.transaction() as tx:
        await accounts.set("ann", 1)
        with pytest.raises(ig.TransactionError):
            await REFUSED[name](client, accounts)
        assert await accounts["ann"] == 1
        await tx.rollback()
    assert await balances(accounts) == START


async def test_atomic_cache(client: ig.Client, accounts: Accounts, make_cache: MakeCache) -> None:
    """An atomic cache can't take part: the server's answer is a ServerError, and the rest can be committed."""
    atomic = await make_cache(str, int, atomicity="atomic")
    async with client.transaction():
        await accounts.set("ann", 1)
        for attempt in (atomic.set("a", 1), atomic.get("a"), atomic.update({"a": 1}), atomic.get_many(["a"])):
            with pytest.raises(ig.ServerError, match="atomic cache"):
                await attempt
    assert await accounts["ann"] == 1
    assert await atomic.size() == 0


# --- attempts ---------------------------------------------------------------------------------------------------------


async def test_attempts_end_with_the_first_success(client: ig.Client, accounts: Accounts) -> None:
    """An attempt that ends well is the last one; so is one that rolls back by itself."""
    numbers: list[int] = []
    async for attempt in client.transactions():
        async with attempt as tx:
            numbers.append(attempt.number)
            assert repr(attempt) == "<attempt 1, <transaction, open>>"
            await accounts.set("ann", 1)
    assert tx.closed
    async for attempt in client.transactions():
        async with attempt as tx:
            numbers.append(attempt.number)
            await accounts.set("ann", 2)
            await tx.rollback()
    assert numbers == [1, 1]
    assert await accounts["ann"] == 1


async def test_attempts_after_conflicts(client: ig.Client, accounts: Accounts) -> None:
    """Optimistic transactions that get into each other's way are tried again until all have had their effect."""

    async def pay() -> int:
        async for attempt in client.transactions(100, "optimistic", "serializable"):
            async with attempt:
                await accounts.set("ann", await accounts["ann"] - 1)
                await accounts.set("ben", await accounts["ben"] + 1)
        return attempt.number

    numbers = await asyncio.gather(*(pay() for _ in range(10)))
    assert await balances(accounts) == {"ann": 90, "ben": 110}
    assert max(numbers) > 1


async def test_attempts_after_deadlock(client: ig.Client, accounts: Accounts) -> None:
    """Of two transactions that wait for each other's locks at least one is tried again, and both have their effect."""
    barrier = asyncio.Barrier(2)
    numbers: list[int] = []

    async def pay(source: str, target: str) -> None:
        async for attempt in client.transactions(20, timeout=0.7):
            async with attempt:
                await accounts.modify(source, lambda balance: balance - 1)
                if attempt.number == 1:
                    await barrier.wait()
                await accounts.modify(target, lambda balance: balance + 2)
        numbers.append(attempt.number)

    await asyncio.gather(pay("ann", "ben"), pay("ben", "ann"))
    assert max(numbers) > 1
    assert await balances(accounts) == {"ann": 101, "ben": 101}


async def conflict(accounts: Accounts) -> None:
    """Read an account in a transaction, and write to it outside."""
    balance = await accounts["ann"]
    await outside(accounts.set("ann", balance + 1))
    await accounts.set("ben", 0)


async def test_attempts_used_up(client: ig.Client, accounts: Accounts) -> None:
    """After the last attempt its error is raised, and nothing was written."""
    numbers: list[int] = []

    async def hopeless() -> None:
        async for attempt in client.transactions(3, "optimistic", "serializable", label="loser"):
            async with attempt:
                numbers.append(attempt.number)
                await conflict(accounts)

    with pytest.raises(ig.TransactionConflict, match="loser"):
        await hopeless()
    assert numbers == [1, 2, 3]
    assert await balances(accounts) == {"ann": 103, "ben": 100}


async def test_conflict_at_an_explicit_commit(client: ig.Client, accounts: Accounts) -> None:
    """A commit inside of the block that conflicts is tried again like one at its end, `return` behind it or not."""

    async def pay() -> int:
        async for attempt in client.transactions(3, "optimistic", "serializable"):
            async with attempt as tx:
                if attempt.number < 3:
                    await conflict(accounts)
                else:
                    await accounts.set("ben", 0)
                await tx.commit()
                return attempt.number
        raise AssertionError("the loop was left by return")

    assert await pay() == 3
    assert await balances(accounts) == {"ann": 102, "ben": 0}


async def test_a_lock_that_took_all_the_time(client: ig.Client, accounts: Accounts) -> None:
    """Who got a lock at the end of its time, and is told by the next operation only, is tried again all the same."""
    numbers: list[int] = []
    held, waiting = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with client.transaction(timeout=30):
            await accounts.set("ann", 1)
            held.set()
            await waiting.wait()
            await asyncio.sleep(0.4)

    async def pay() -> None:
        async for attempt in client.transactions(5, timeout=0.5):
            async with attempt as tx:
                numbers.append(attempt.number)
                waiting.set()
                await accounts.set("ann", 2)  # waits for most of the time
                if attempt.number == 1:
                    await asyncio.sleep(0.2)  # the rest
                    assert not tx.too_slow
                await accounts.set("ben", 2)

    holder = outside(hold())
    await held.wait()
    await pay()
    await holder
    assert numbers[:2] == [1, 2]
    assert await balances(accounts) == {"ann": 2, "ben": 2}


async def test_other_errors_pass_at_once(client: ig.Client, accounts: Accounts) -> None:
    """An exception of the caller's, or another of the cluster's, leaves the loop after one attempt."""
    for raised in (LookupError("mine"), ig.OutcomeUnknownError("unknown"), KeyError("x")):
        numbers: list[int] = []
        with pytest.raises(type(raised)) as caught:
            async for attempt in client.transactions():
                async with attempt:
                    numbers.append(attempt.number)
                    await accounts.set("ann", 0)
                    raise raised
        assert caught.value is raised
        assert numbers == [1]
    assert await balances(accounts) == START


async def test_slow_transactions_are_not_tried_again(client: ig.Client, accounts: Accounts) -> None:
    """A transaction that was too slow by itself would be so again: its TransactionTimeout passes at once."""
    numbers: list[int] = []

    async def slow() -> None:
        async for attempt in client.transactions(timeout=0.05):
            async with attempt as tx:
                numbers.append(attempt.number)
                await accounts.set("ann", 0)
                await asyncio.sleep(0.1)
                try:
                    await accounts.set("ben", 0)
                finally:
                    assert tx.too_slow

    with pytest.raises(ig.TransactionTimeout):
        await slow()
    assert numbers == [1]


@pytest.mark.parametrize("how", ["break", "return", "break outside"])
async def test_leaving_the_loop(client: ig.Client, accounts: Accounts, how: str) -> None:
    """Leaving the loop by break or return commits, and leaves nothing behind."""

    async def leave() -> None:
        async for attempt in client.transactions():
            async with attempt:
                await accounts.set("ann", 1)
                if how == "return":
                    return
                if how == "break":
                    break
            break

    await leave()
    assert TRANSACTIONS.get() == ()
    assert await balances(accounts) == {"ann": 1, "ben": 100}


async def test_leaving_the_loop_of_a_conflict(client: ig.Client, accounts: Accounts) -> None:
    """A loop that is left by return, whose commit then conflicts, is reported, and the task is told before it goes on."""
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: told.append(context))

    async def leave() -> str:
        async for attempt in client.transactions(3, "optimistic", "serializable", label="left"):
            async with attempt:
                await conflict(accounts)
                return "as if it were committed"
        raise AssertionError("the loop was left by return")

    try:
        assert await leave() == "as if it were committed"
    finally:
        loop.set_exception_handler(None)
    (report,) = told
    assert "left by break or return" in report["message"]
    assert isinstance(report["exception"], ig.TransactionConflict)
    with pytest.raises(ig.TransactionError, match="nothing of it was written"):
        await accounts["ann"]
    assert await balances(accounts) == {"ann": 101, "ben": 100}


async def test_attempts_have_to_be_made(client: ig.Client) -> None:
    """A loop that does not enter its attempts is a TransactionError, and no endless loop."""
    with pytest.raises(ig.TransactionError, match="async with attempt"):
        async for attempt in client.transactions():
            assert attempt.number == 1


async def test_attempts_wait_longer_each_time(
    client: ig.Client, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between attempts is a random time, of which the most doubles up to a bound."""
    most: list[float] = []

    def uniform(low: float, high: float) -> float:
        assert low == 0
        most.append(high)
        return 0.0

    monkeypatch.setattr(transactions.random, "uniform", uniform)
    with pytest.raises(ig.TransactionConflict):
        async for attempt in client.transactions(10, "optimistic", "serializable"):
            async with attempt:
                await conflict(accounts)
    assert most == sorted(most)
    assert most[1] == 2 * most[0]
    assert most[-1] == transactions.BACKOFF_MOST


# --- answers that never come ------------------------------------------------------------------------------------------


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """A node that starts and ends transactions, and does nothing in them."""
    async with fake_nodes(1) as (node,):
        ids = itertools.count(1)
        node.on(TxStart, lambda call: call.answer(next(ids)))
        node.on(TxEnd, lambda call: call.answer())
        node.on(CachePutAll, lambda call: call.answer())
        yield node


def transaction(raw: AioClient) -> Transaction:
    """As `client.transaction()`."""
    return Transaction(raw, TransactionOptions.checked("pessimistic", "repeatable_read", 5, None, default=None))


def opened(raw: AioClient) -> Cache[int, str]:
    """A cache of the scripted node."""
    typed = AioCache(raw, "c", codecs=raw.mapping_codecs, types=raw.entry_types(ig.LONG, ig.STRING))
    return Cache(AioCache(raw, "c"), typed)


def ends(node: FakeNode) -> list[tuple[int, bool]]:
    """The transactions that a node was told to end, and whether by a commit."""
    return [(call.request.transaction, call.request.commit) for call in node.calls if call.operation is TxEnd]


def written_outside(node: FakeNode) -> int:
    """How many operations on entries came without a transaction."""
    entries = (CacheGet, CachePut, CachePutAll)
    return sum(call.request.cache.transaction is None for call in node.calls if call.operation in entries)


async def test_commit_that_is_cut(node: FakeNode) -> None:
    """A block whose commit is cut off raises CommitOutcomeUnknown; nothing is sent again, nothing went outside."""
    async with connected(node) as raw:
        cache = opened(raw)
        node.on(TxEnd, lambda call: call.close())
        with pytest.raises(ig.CommitOutcomeUnknown) as caught:
            async with transaction(raw):
                await cache.set(1, "x")
                await cache.update(dict.fromkeys(range(3000), "x"))
        assert isinstance(caught.value, ig.OutcomeUnknownError)
        assert ends(node) == [(1, True)]
        assert written_outside(node) == 0
        assert TRANSACTIONS.get() == ()


async def test_unknown_commit_is_not_tried_again(node: FakeNode) -> None:
    """An attempt whose commit has an unknown outcome is the last one."""
    async with connected(node) as raw:
        node.on(TxEnd, lambda call: call.close())
        options = TransactionOptions.checked("pessimistic", "repeatable_read", 5, None, default=None)
        with pytest.raises(ig.CommitOutcomeUnknown):
            async for attempt in Attempts(raw, options, 5):
                async with attempt:
                    await opened(raw).set(1, "x")
        assert node.count(TxStart) == 1


async def test_commit_that_is_cancelled(node: FakeNode) -> None:
    """A block that is cancelled while it commits passes the cancellation on, and leaves no locks."""
    async with connected(node) as raw:
        held = node.hold(TxEnd)

        async def work() -> None:
            async with transaction(raw):
                await opened(raw).set(1, "x")

        task = asyncio.create_task(work())
        await held.next()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: ends(node) == [(1, True), (1, False)])
        assert written_outside(node) == 0


async def test_commit_that_was_not_sent(node: FakeNode) -> None:
    """A block whose commit can't be sent in time is rolled back, and the error says that nothing was applied."""
    async with connected(node, max_in_flight=2, timeout=0.2) as raw:
        cache = opened(raw)
        full = node.hold(CacheGet)
        busy: list[asyncio.Task[Any]] = []
        with pytest.raises(ig.NotSentError) as caught:
            async with transaction(raw):
                await cache.set(1, "x")
                busy += [outside(cache.with_options(timeout=60).get(number)) for number in range(2)]
                calls = await full.take(2)
        assert not isinstance(caught.value, ig.OutcomeUnknownError)
        assert "rollback had no answer" in str(caught.value.__notes__)
        for call in calls:
            call.answer(None)
        await asyncio.gather(*busy)
        assert (1, True) not in ends(node)


async def test_connection_lost_inside_of_the_block(node: FakeNode) -> None:
    """When the connection is lost the block can't end well, also when the error is swallowed."""
    async with connected(node) as raw:
        cache = opened(raw)
        with pytest.raises(ig.TransactionLost):
            async with transaction(raw):
                await cache.set(1, "x")
                node.cut()
                await until(lambda: not raw.session.nodes.open)
                with pytest.raises(ig.TransactionLost):
                    await cache.update({2: "x"})
        assert ends(node) == []
        assert written_outside(node) == 0
        await cache.set(3, "x")  # outside, over a new connection


async def test_a_cache_that_a_node_has_not_begun(node: FakeNode) -> None:
    """A cache that was created a moment ago is asked for outside of the transaction first, and then the operation is done.

    Once something was done in the transaction the node's error is raised: it may hold locks that the cache waits for.
    """
    refused = "Cannot start/stop cache within lock or transaction [cacheNames=c, operation=dynamicStartCache]"
    first = itertools.count()
    node.on(CachePut, lambda call: call.answer() if next(first) else call.fail(1, refused))
    node.on(CacheContainsKey, lambda call: call.answer(False))
    async with connected(node) as raw:
        async with transaction(raw):
            await opened(raw).set(1, "x")
        assert [call.operation for call in node.calls if call.operation in {CachePut, CacheContainsKey}] == [
            CachePut, CacheContainsKey, CachePut,
        ]  # fmt: skip
        asked = next(call for call in node.calls if call.operation is CacheContainsKey)
        assert asked.request.cache.transaction is None
        assert ends(node) == [(1, True)]
        second = itertools.count()
        node.on(CachePut, lambda call: call.fail(1, refused) if next(second) else call.answer())
        with pytest.raises(ig.ServerError, match="Cannot start/stop cache"):
            async with transaction(raw):
                await opened(raw).set(1, "x")
                await opened(raw).set(2, "x")
        assert node.count(CacheContainsKey) == 1


async def test_error_of_a_bulk_operation(node: FakeNode) -> None:
    """A bulk write that the end of its transaction cuts short raises that end; any other failure, the counts."""
    text = "Failed to acquire lock within provided timeout for transaction"
    async with connected(node) as raw:
        cache = opened(raw)
        many = dict.fromkeys(range(5000), "x")

        def second_fails(message: str) -> Callable[[Any], None]:
            calls = itertools.count()
            return lambda call: call.fail(1, message) if next(calls) else call.answer()

        node.on(CachePutAll, second_fails(text))
        with pytest.raises(ig.TransactionTimeout):
            async with transaction(raw):
                await cache.update(many)
        node.on(CachePutAll, second_fails("no space"))
        with pytest.raises(ig.PartialWriteError) as caught:
            async with transaction(raw):
                await cache.update(many)
        assert (caught.value.done, caught.value.unknown, caught.value.not_sent) == (2048, 2048, 904)
        assert ends(node) == [(1, False), (2, False)]


async def test_rollback_without_an_answer(node: FakeNode) -> None:
    """What ended the block is what is raised; that the rollback had no answer is noted there."""
    async with connected(node, timeout=0.1) as raw:
        node.hold(TxEnd)
        with pytest.raises(LookupError) as caught:
            async with transaction(raw):
                raise LookupError
        assert "rollback had no answer" in caught.value.__notes__[0]
        with pytest.raises(ig.OperationTimeout):
            async with transaction(raw) as tx:
                await tx.rollback()
        assert TRANSACTIONS.get() == ()


async def test_client_closed_inside_of_the_block(node: FakeNode) -> None:
    """A client that is closed inside of the block ends it as ClientClosed."""
    async with connected(node) as raw:
        with pytest.raises(ig.ClientClosed):
            async with transaction(raw):
                await raw.close()
        assert TRANSACTIONS.get() == ()
