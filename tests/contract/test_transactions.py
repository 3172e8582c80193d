"""Transactions: all or nothing, and never by accident outside."""

import asyncio

import pytest

import ignitemap as ig
from tests.contract.conftest import MakeCache

Accounts = ig.Cache[int, int]


@pytest.fixture
async def accounts(make_cache: MakeCache) -> Accounts:
    """A transactional cache with two accounts."""
    cache = await make_cache(int, int, atomicity="transactional")
    await cache.update({1: 100, 2: 0})
    return cache


async def test_commit(client: ig.Client, accounts: Accounts) -> None:
    """What a block writes is there after it."""
    async with client.transaction():
        await accounts.set(1, await accounts[1] - 30)
        await accounts.set(2, await accounts[2] + 30)
    assert await accounts.get_many([1, 2]) == {1: 70, 2: 30}


async def test_rollback_on_an_exception(client: ig.Client, accounts: Accounts) -> None:
    """A block that raises leaves nothing, and the exception passes."""
    with pytest.raises(ZeroDivisionError):
        async with client.transaction():
            await accounts.set(1, 1)
            raise ZeroDivisionError
    assert await accounts[1] == 100


@pytest.mark.parametrize("concurrency", ["pessimistic", "optimistic"])
@pytest.mark.parametrize("isolation", ["read_committed", "repeatable_read", "serializable"])
async def test_every_kind(client: ig.Client, accounts: Accounts, concurrency: str, isolation: str) -> None:
    """Each concurrency with each isolation commits and rolls back."""
    async with client.transaction(concurrency, isolation):  # type: ignore[arg-type]
        await accounts.set(1, 1)
    with pytest.raises(ZeroDivisionError):
        async with client.transaction(concurrency, isolation):  # type: ignore[arg-type]
            await accounts.set(1, 2)
            raise ZeroDivisionError
    assert await accounts[1] == 1


async def test_own_writes_are_seen(client: ig.Client, accounts: Accounts) -> None:
    """A transaction reads what it wrote; others read what was committed."""
    async with client.transaction("optimistic"):
        await accounts.set(1, 55)
        assert await accounts[1] == 55
    assert await accounts[1] == 55


async def test_early_commit_and_rollback(client: ig.Client, accounts: Accounts) -> None:
    """A block may commit or roll back early; afterwards its transaction is over."""
    async with client.transaction() as tx:
        await accounts.set(1, 5)
        await tx.commit()
    assert await accounts[1] == 5
    async with client.transaction() as tx:
        await accounts.set(1, 6)
        await tx.rollback()
    assert await accounts[1] == 5


async def test_operations_after_the_end(client: ig.Client, accounts: Accounts) -> None:
    """An operation in the block after an early end raises instead of running outside."""
    async with client.transaction() as tx:
        await tx.rollback()
        with pytest.raises(ig.TransactionError):
            await accounts.set(1, 7)
    assert await accounts[1] == 100


async def test_other_tasks_do_not_join(client: ig.Client, accounts: Accounts) -> None:
    """An operation of a task that the block spawned raises instead of running outside."""
    async with client.transaction():
        task = asyncio.create_task(accounts.set(1, 8))  # type: ignore[arg-type]
        with pytest.raises(ig.TransactionError):
            await task
    assert await accounts[1] == 100


async def test_bind(client: ig.Client, accounts: Accounts) -> None:
    """`tx.bind(cache)` hands the transaction to another task on purpose."""
    async with client.transaction() as tx:
        bound = tx.bind(accounts)
        await asyncio.create_task(bound.set(1, 9))  # type: ignore[arg-type]
        assert await accounts[1] == 9
    assert await accounts[1] == 9


@pytest.mark.parametrize("what", ["clear", "delete_all", "scan", "sql"])
async def test_what_would_run_outside(client: ig.Client, accounts: Accounts, what: str) -> None:
    """What the server would silently run outside the transaction raises before it is sent."""
    async with client.transaction():
        with pytest.raises(ig.TransactionError):
            if what == "scan":
                await accounts.items().to_list()
            elif what == "sql":
                await client.sql("SELECT 1")
            else:
                await getattr(accounts, what)()
    assert await accounts.size() == 2


async def test_bulk_in_a_transaction(client: ig.Client, accounts: Accounts) -> None:
    """`update` and `get_many` take part in the transaction."""
    with pytest.raises(ZeroDivisionError):
        async with client.transaction():
            await accounts.update({key: key for key in range(100)})
            assert await accounts.get_many([98, 99]) == {98: 98, 99: 99}
            raise ZeroDivisionError
    assert await accounts.size() == 2


async def test_lock_timeout(client: ig.Client, accounts: Accounts) -> None:
    """A lock that isn't free in time is a TransactionTimeout, or a deadlock told as such."""

    async def other() -> None:
        async with client.transaction(timeout=0.3):
            await accounts.set(1, 5)

    async with client.transaction():
        await accounts.set(1, 4)
        # A context without the transaction: the other task has one of its own.
        import contextvars

        task = asyncio.get_running_loop().create_task(other(), context=contextvars.Context())
        with pytest.raises((ig.TransactionTimeout, ig.TransactionDeadlock)):
            await task
    assert await accounts[1] == 4


async def test_retrying(client: ig.Client, accounts: Accounts) -> None:
    """`client.transactions()` runs a block again after a conflict, so that no increment is lost."""

    async def add_one() -> None:
        async for attempt in client.transactions(20, concurrency="optimistic", isolation="serializable"):
            async with attempt:
                await accounts.set(1, await accounts[1] + 1)

    await asyncio.gather(*(asyncio.create_task(add_one()) for _ in range(8)))
    assert await accounts[1] == 108


async def test_retrying_stops_at_other_errors(client: ig.Client, accounts: Accounts) -> None:
    """An exception of the block's own ends the attempts."""
    attempts = 0
    with pytest.raises(ZeroDivisionError):
        async for attempt in client.transactions(5):
            async with attempt:
                attempts += 1
                raise ZeroDivisionError
    assert attempts == 1


async def test_wrong_options(client: ig.Client) -> None:
    """An unknown concurrency or isolation is refused before anything is sent."""
    with pytest.raises((ValueError, ig.ConfigurationError)):
        async with client.transaction("hopeful"):  # type: ignore[arg-type]
            pass


async def test_cancelling_a_block(client: ig.Client, accounts: Accounts) -> None:
    """A cancelled block rolls back, and its locks are free."""
    entered = asyncio.Event()

    async def hold() -> None:
        async with client.transaction():
            await accounts.set(1, 1)
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await accounts.set(1, 77)
    assert await accounts[1] == 77
