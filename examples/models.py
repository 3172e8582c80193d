"""Typed models: classes that become Ignite objects, and what happens to stored ones when the class changes.

python examples/models.py      # starts a node, or uses IGNITEMAP_URL
"""

import asyncio
import datetime
import os
from contextlib import AsyncExitStack
from decimal import Decimal
from enum import Enum

import ignitemap as ig

# A registry a release, because this file plays two releases of one program. A program has one, and needn't name it.
FIRST, SECOND = ig.Registry(), ig.Registry()


class Status(Enum):
    """An enum is stored by name."""

    NEW = 1
    PAID = 2


@ig.model(type_name="shop.Purchase", cache="example_purchases", registry=FIRST)
class Purchase:
    """The first release. The key field is the key in the cache; the others are the value, and columns in SQL."""

    number: int = ig.key()
    customer: str = ig.field(index=True)
    total: Decimal
    at: datetime.datetime
    status: Status = Status.NEW
    tags: set[str] = ig.field(factory=set[str])


@ig.model(type_name="shop.Purchase", cache="example_purchases", registry=SECOND)
class PurchaseWithNote:
    """The second release: a field more. Objects that were stored without it have its default."""

    number: int = ig.key()
    customer: str = ig.field(index=True)
    total: Decimal
    at: datetime.datetime
    status: Status = Status.NEW
    tags: set[str] = ig.field(factory=set[str])
    note: str = "none"


async def first_release(url: str) -> None:
    """Store models under their own keys, and read them back as what they were."""
    async with ig.connect(url, registry=FIRST) as client:
        purchases = await client.cache(Purchase, key=int)
        purchase = Purchase(1, "ann", Decimal("9.90"), datetime.datetime.now(datetime.UTC), tags={"gift", "fragile"})
        await purchases.save(purchase)
        await purchases.save_many(Purchase(number, "bob", Decimal(number), purchase.at) for number in range(2, 100))
        print("equal after the round trip:", await purchases[1] == purchase)
        await purchases.modify(1, lambda purchase: ig.evolve(purchase, status=Status.PAID))


async def second_release(url: str) -> None:
    """Read what the first release wrote, and write what it doesn't know."""
    async with ig.connect(url, registry=SECOND) as client:
        purchases = await client.cache(PurchaseWithNote, key=int)
        purchase = await purchases[1]
        print(f"read by the second release: status {purchase.status.name}, note {purchase.note!r}")
        await purchases.save(ig.evolve(purchase, note="ring twice"))
        (row,) = await client.sql("SELECT COUNT(*) AS n, SUM(total) AS total FROM Purchase", schema=purchases.name)
        print(f"{row.n} purchases, {row.total} in all")


async def both_releases(url: str) -> None:
    """While some programs run the first release still: what they don't know, they keep."""
    async with ig.connect(url, registry=FIRST) as old, ig.connect(url, registry=SECOND) as new:
        purchases = await old.cache(Purchase, key=int)
        await purchases.modify(1, lambda purchase: ig.evolve(purchase, customer="anna"))
        purchase = await (await new.cache(PurchaseWithNote, key=int))[1]
        print(f"after the first release has written it again: customer {purchase.customer}, note {purchase.note!r}")
        await new.drop(purchases.name)


async def main() -> None:
    """One release after the other, then both, on one cluster."""
    async with AsyncExitStack() as stack:
        url = os.environ.get("IGNITEMAP_URL") or (await stack.enter_async_context(ig.local.cluster())).url
        await first_release(url)
        await second_release(url)
        await both_releases(url)


if __name__ == "__main__":
    asyncio.run(main())
