"""What type checkers infer for transactions. Lines that end in the word error after a hash must be rejected."""

from datetime import timedelta
from typing import Any, assert_type

import ignitemap as ig
from ignitemap.mapping.transactions import Transaction


async def blocks(client: ig.Client, ages: ig.Cache[str, int]) -> None:
    async with client.transaction() as tx:
        assert_type(tx, Transaction)
        assert_type(tx.bind(ages), ig.Cache[str, int])
        assert_type(await tx.bind(ages)["ann"], int)
        assert_type(await tx.commit(), None)
        assert_type(tx.label, str | None)
    client.transaction("optimistic", "serializable", timeout=timedelta(seconds=5), label="transfer")
    client.transaction(timeout=0.5)
    client.transaction("careless")  # error
    client.transaction(isolation="snapshot")  # error
    client.transaction(timeout="5")  # error
    tx.bind("ages")  # error
    with client.transaction():  # error
        pass


async def attempts(client: ig.Client) -> None:
    async for attempt in client.transactions(5, "optimistic", "serializable"):
        assert_type(attempt.number, int)
        async with attempt as tx:
            assert_type(tx, Transaction)
    client.transactions("3")  # error
    for _ in client.transactions():  # error
        pass


async def options(ages: ig.Cache[str, int], binary: bool) -> None:
    assert_type(ages.with_options(timeout=5, ttl=3), ig.Cache[str, int])
    assert_type(ages.with_options(binary=False), ig.Cache[str, int])
    assert_type(ages.with_options(binary=True, ttl_on="access", ttl=3), ig.Cache[str, Any])
    assert_type(ages.with_options(binary=binary), ig.Cache[str, Any])
    ages.with_options(ttl_on="read")  # error
