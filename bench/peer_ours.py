"""ignitemap: its mapping face as a user would write it, the same with partition awareness, and its raw layer."""

import datetime as dt
from array import array
from decimal import Decimal
from enum import Enum

from more import of_values, order_fields
from peer import PAGE, Peer
from workloads import concurrent, fields, text

import ignitemap as ig


@ig.model(type_name="bench.Owner")
class Owner:
    name: str


@ig.model(type_name="bench.House")
class House:
    id: int = ig.key()
    name: str
    street: str
    city: str
    mail: str
    floor: ig.Int
    residents: int
    latitude: float
    longitude: float
    heated: bool
    owner: Owner | None


@ig.enum(type_name="bench.State")
class State(Enum):
    OPEN = 1
    PAID = 2


@ig.model(type_name="bench.Order")
class Order:
    id: int = ig.key()
    customer: Owner
    state: State
    total: Decimal
    ordered: dt.datetime
    due: dt.date
    lines: list[str]
    numbers: list[int]


def order(key: int) -> Order:
    """An order with nested objects, dates, decimals and enums."""
    state = State.PAID if key % 2 else State.OPEN
    return Order(key, Owner(f"customer {key % 97}"), state, Decimal(key) / 4, *order_fields(key))


class OursPeer(Peer):
    aware = False
    concurrent = 8_000
    bulk_repeats = 2

    async def open(self, addresses: list[tuple[str, int]]) -> None:
        await self._connect(addresses)
        await self._client.raw.get_or_create_cache(self.texts)
        await self._client.raw.get_or_create_cache(self.objects)
        self._texts = await self._client.cache(self.texts, int, str, create=False)
        self._houses = await self._client.cache(self.objects, House, create=False)

        self._pairs = {key: text(key) for key in range(self.entries)}
        self.get, self.put = self._texts.__getitem__, self._texts.set
        self.get_arguments = [(key,) for key in self._pairs]
        self.put_arguments = list(self._pairs.items())
        await self.update()
        assert await self._texts[7] == text(7)
        assert await self._texts.get_many(self._pairs) == self._pairs
        assert await self._texts.items().to_dict() == self._pairs

        self._models = [House(key, *fields(key)) for key in range(self.models)]
        self._ids = list(range(self.models))
        self.model_get, self.model_put = self._houses.__getitem__, self._houses.save
        self.model_get_arguments = [(key,) for key in self._ids]
        self.model_put_arguments = [(house,) for house in self._models]
        await self.save_many()
        expected = {house.id: house for house in self._models}
        assert await self._houses[7] == expected[7]
        assert await self._houses.get_many(self._ids) == expected
        assert await self._houses.items().to_dict() == expected
        await self._open_more()

    async def close(self) -> None:
        await self._client.drop(self.texts)
        await self._client.drop(self.objects)
        await self._client.drop(self._values.name)
        await self._client.drop(self._orders.name)
        await self._client.aclose()

    async def _open_more(self) -> None:
        values, orders = f"{self.texts}-values", f"{self.texts}-orders"
        await self._client.raw.get_or_create_cache(values)
        await self._client.raw.get_or_create_cache(orders)
        self._values = await self._client.cache(values, int, ig.ANY, create=False)
        self._orders = await self._client.cache(orders, Order, create=False)
        # What --more asks for, made when it is asked for.
        self.more = {
            **of_values(
                concurrent, self._values.set, self._values.get, lambda numbers: (array("d", numbers),), self.concurrent
            ),
            "orders-save_many": self._save_orders,
            "orders-get_many": self._get_orders,
            "models-save_many-200k": self._save_very_many,
        }

    async def _save_orders(self) -> int:
        await self._orders.save_many(order(key) for key in range(self.models))
        return self.models

    async def _get_orders(self) -> int:
        found = await self._orders.get_many(self._ids)
        if not found:
            await self._save_orders()
            found = await self._orders.get_many(self._ids)
            assert found[7] == order(7)
        return len(found)

    async def _save_very_many(self) -> int:
        await self._houses.save_many(self._models[key % self.models] for key in range(40 * self.models))
        return 40 * self.models

    async def update(self) -> int:
        await self._texts.update(self._pairs)
        return self.entries

    async def get_many(self) -> int:
        return len(await self._texts.get_many(self._pairs))

    async def items(self) -> int:
        count = 0
        async for _ in self._texts.items(page_size=PAGE):
            count += 1
        return count

    async def save_many(self) -> int:
        await self._houses.save_many(self._models)
        return self.models

    async def models_get_many(self) -> int:
        return len(await self._houses.get_many(self._ids))

    async def models_items(self) -> int:
        count = 0
        async for _ in self._houses.items(page_size=PAGE):
            count += 1
        return count

    async def sql(self) -> int:
        count = 0
        async with self._client.sql(f"SELECT id, a, b, c FROM {self.table}", page_size=PAGE) as rows:
            async for _ in rows:
                count += 1
        return count

    async def _connect(self, addresses: list[tuple[str, int]]) -> None:
        named = [f"{host}:{port}" for host, port in (addresses if self.aware else addresses[:1])]
        self._client = await ig.connect(named, partition_awareness=self.aware)


class AwarePeer(OursPeer):
    """The same with a connection to each node, and every key sent to its owner."""

    aware = True


class OursRawPeer(OursPeer):
    """pyignite's calls on ignitemap.raw; models are the mapping face's business."""

    models = 0

    async def open(self, addresses: list[tuple[str, int]]) -> None:
        await self._connect(addresses)
        self._cache = await self._client.raw.get_or_create_cache(self.texts)
        self._pairs = {key: text(key) for key in range(self.entries)}
        self.get, self.put = self._cache.get, self._cache.put
        self.get_arguments = [(key,) for key in self._pairs]
        self.put_arguments = list(self._pairs.items())
        await self.update()
        assert await self._cache.get(7) == text(7)
        assert await self._cache.get_all(list(self._pairs)) == self._pairs

    async def close(self) -> None:
        await self._cache.destroy()
        await self._client.aclose()

    async def update(self) -> int:
        await self._cache.put_all(self._pairs)
        return self.entries

    async def get_many(self) -> int:
        return len(await self._cache.get_all(list(self._pairs)))

    async def items(self) -> int:
        count = 0
        async with self._cache.scan(page_size=PAGE) as cursor:
            async for _ in cursor:
                count += 1
        return count

    async def sql(self) -> int:
        count = 0
        async with self._client.raw.sql(f"SELECT id, a, b, c FROM {self.table}", page_size=PAGE) as rows:
            async for _ in rows:
                count += 1
        return count
