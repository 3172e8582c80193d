"""Ask caches with lambdas: conditions, order, groups, joins, changes, and what really runs.

python examples/queries.py        # starts a node, or uses IGNITEMAP_URL
"""

import asyncio
import os
from decimal import Decimal

import attrs

import ignitemap as ig


@ig.model(type_name="examples.Sale", cache="example_sales")
class Sale:
    """One sale of a shop."""

    id: int = ig.key()
    shop: str = ig.field(default="", index=True)
    item: str = ""
    price: Decimal = Decimal(0)
    pieces: ig.Int = 1
    note: str | None = None


@ig.model(type_name="examples.Shop", cache="example_shops")
class Shop:
    """Where things are sold."""

    name: str = ig.key()
    street: str = ""


@attrs.frozen
class Takings:
    """What a statement of SQL gives."""

    shop: str
    total: Decimal


SALES = [
    Sale(id=1, shop="Graz", item="tea", price=Decimal("4.50"), pieces=3),
    Sale(id=2, shop="Graz", item="cup", price=Decimal("12.00"), note="100% cotton? no, clay"),
    Sale(id=3, shop="Linz", item="tea", price=Decimal("4.50"), pieces=10),
    Sale(id=4, shop="Wien", item="pot", price=Decimal("39.00"), note="gift"),
]


async def main(url: str) -> None:
    """Run each kind of query once."""
    async with ig.connect(url) as client:
        sales = await client.cache(Sale, key=int)
        await sales.save_many(SALES)

        dear = sales.where(lambda s: (s.price > 10) | (s.pieces >= 10)).order_by(lambda s: s.price, desc=True)
        print(dear.sql, dear.params)
        async for sale in dear:
            print(f"  {sale.shop}: {sale.pieces} × {sale.item}")

        noted = await sales.where(lambda s: ig.contains(s.note, "100%")).select(lambda s: (s.item, s.note)).all()
        print("noted:", noted)

        takings = (
            sales.where()
            .group_by(lambda s: s.shop)
            .order_by(lambda s: s.shop)
            .select(lambda s: (s.shop, ig.count(), ig.sum_(s.price * s.pieces)))
        )
        for shop, count, total in await takings.all():
            print(f"{shop}: {count} sales, {total}")

        shops = await client.cache(Shop, key=str)
        await shops.save_many([Shop(name="Graz", street="Herrengasse 1"), Shop(name="Wien", street="Graben 7")])
        sold = sales.left_join(shops, on=lambda s, shop: s.shop == shop.name).where(lambda s, shop: s.item == "tea")
        for item, street in (
            await sold.order_by(lambda s, _: s.id).select(lambda s, o: (s.item, ig.maybe(o.street))).all()
        ):
            print(f"{item}, sold in {street or 'a shop that is closed'}")

        statement = f"select shop, sum(price * pieces) as total from {sales.table} group by shop order by total desc"  # noqa: S608 - the name is quoted
        best, *_ = await client.sql(statement).into(Takings)
        print("the best shop is", best)

        dearer = await sales.where(lambda s: s.item == "tea").update(price=lambda s: s.price + Decimal("0.50"))
        print(dearer, "prices raised;", await sales.where(lambda s: s.shop == "Wien").delete(), "sales removed")
        await client.drop(sales.name)
        await client.drop(shops.name)


if __name__ == "__main__":
    asyncio.run(main(os.environ.get("IGNITEMAP_URL", "local://")))
