"""pyignite's asyncio client, used as its documentation does; where it has a faster way, that one."""

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from more import of_values
from peer import PAGE, Peer
from pyignite import AioClient, GenericObjectMeta
from pyignite.aio_cache import AioCache
from pyignite.datatypes import (
    BinaryObject,
    BoolObject,
    DoubleArrayObject,
    DoubleObject,
    IntObject,
    LongObject,
    String,
)
from workloads import MODEL_FIELDS, concurrent, fields, text

_TYPES = (
    *(String, String, String, String),
    *(IntObject, LongObject, DoubleObject, DoubleObject, BoolObject, BinaryObject),
)


class House(
    metaclass=GenericObjectMeta,
    type_name="bench.pyignite.House",
    schema=OrderedDict(zip(MODEL_FIELDS, _TYPES, strict=True)),
):
    pass


def house(key: int) -> Any:
    return House(**dict(zip(MODEL_FIELDS, fields(key), strict=True)))


def same(left: Any, right: Any) -> bool:
    return all(getattr(left, name) == getattr(right, name) for name in MODEL_FIELDS)


class PyignitePeer(Peer):
    aware = False
    entries = 2_000
    models = 500
    sequential = 250
    concurrent = 1_000

    async def open(self, addresses: list[tuple[str, int]]) -> None:
        self._client = AioClient(partition_aware=self.aware)
        await self._client.connect(addresses if self.aware else addresses[:1])
        self._texts = await self._client.get_or_create_cache(self.texts)
        self._objects = await self._client.get_or_create_cache(self.objects)

        self._pairs = {key: text(key) for key in range(self.entries)}
        self.get, self.put = self._texts.get, self._texts.put
        self.get_arguments = [(key,) for key in self._pairs]
        self.put_arguments = list(self._pairs.items())
        await self.update()
        assert await self._texts.get(7) == text(7)
        assert await self._texts.get_all(list(self._pairs)) == self._pairs
        async with self._texts.scan(page_size=PAGE) as cursor:
            assert dict([pair async for pair in cursor]) == self._pairs

        self._houses = {key: house(key) for key in range(self.models)}
        self.model_get, self.model_put = self._objects.get, self._objects.put
        self.model_get_arguments = [(key,) for key in self._houses]
        self.model_put_arguments = list(self._houses.items())
        await self.save_many()
        assert same(await self._objects.get(7), self._houses[7])
        assert await self.models_get_many() == await self.models_items() == self.models
        self.more = of_values(
            concurrent, self._texts.put, self._texts.get, lambda numbers: (numbers, None, DoubleArrayObject), 400
        )

    async def close(self) -> None:
        await self._texts.destroy()
        await self._objects.destroy()
        await self._client.close()

    async def update(self) -> int:
        await self._texts.put_all(self._pairs)
        return self.entries

    async def get_many(self) -> int:
        return len(await self._texts.get_all(list(self._pairs)))

    async def items(self) -> int:
        return await _iterate(self._texts)

    async def save_many(self) -> int:
        await self._objects.put_all(self._houses)
        return self.models

    async def models_get_many(self) -> int:
        return len(await self._objects.get_all(list(self._houses)))

    async def models_items(self) -> int:
        return await _iterate(self._objects)

    async def sql(self) -> int:
        count = 0
        async with self._client.sql(f"SELECT id, a, b, c FROM {self.table}", page_size=PAGE) as cursor:
            async for _ in cursor:
                count += 1
        return count


class AwarePyignitePeer(PyignitePeer):
    """The same with a connection to each node, and every key sent to its owner."""

    aware = True


async def _iterate(cache: AioCache) -> int:
    count = 0
    async with cache.scan(page_size=PAGE) as cursor:
        async for _ in cursor:
            count += 1
    return count


@asynccontextmanager
async def written_models(addresses: list[tuple[str, int]], name: str, count: int) -> AsyncIterator[str]:
    """A cache of that name with that many models, for a peer that captures their bytes."""
    client = AioClient(partition_aware=False)
    async with client.connect(addresses[:1]):
        cache = await client.get_or_create_cache(name)
        try:
            await cache.put_all({key: house(key) for key in range(count)})
            yield name
        finally:
            await cache.destroy()
