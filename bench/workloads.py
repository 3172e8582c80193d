"""What every peer is asked to do, on which data, and how much of it makes one sample."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import cycle, islice
from typing import Any

from more import NAMES as MORE
from peer import Peer

ROWS = 20_000

# Names of the ten fields of a model, and their values for a key.
MODEL_FIELDS = ("name", "street", "city", "mail", "floor", "residents", "latitude", "longitude", "heated", "owner")


def text(key: int) -> str:
    """The value that belongs to a key in the cache of strings."""
    return f"value of {key}"


def fields(key: int) -> tuple[Any, ...]:
    """The field values that belong to a key in the cache of models; exact in double precision."""
    return (
        f"house {key}",
        f"{key % 977} long street",
        f"city of {key % 5}",
        f"house-{key}@example.org",
        key % 90,
        key * 1_000_003,
        key / 64,
        -key / 32,
        key % 3 == 0,
        None,
    )


async def sequential(call: Callable[..., Awaitable[object]], arguments: Iterable[tuple[Any, ...]]) -> None:
    """One call after the other."""
    for one in arguments:
        await call(*one)


async def concurrent(
    at_once: int, call: Callable[..., Awaitable[object]], arguments: Iterable[tuple[Any, ...]]
) -> None:
    """So many tasks that share the work, each with one call in flight."""
    work = iter(arguments)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(sequential(call, work))


class Workloads:
    """The workloads of one peer: each does its work once and returns the number of operations or entries."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        # Endless, so that every sample goes on where the one before stopped.
        self._gets: Iterator[tuple[Any, ...]] = cycle(peer.get_arguments)
        self._puts: Iterator[tuple[Any, ...]] = cycle(peer.put_arguments)
        self._model_gets: Iterator[tuple[Any, ...]] = cycle(peer.model_get_arguments)
        self._model_puts: Iterator[tuple[Any, ...]] = cycle(peer.model_put_arguments)

    def has(self, name: str) -> bool:
        """Whether the peer can do the named workload."""
        if name in MORE:
            return name in self._peer.more
        if name == "sql":
            return type(self._peer).sql is not Peer.sql
        if name in ("models-get-64", "models-put-64"):
            return self._peer.model_get is not None
        return bool(self._peer.models) or not name.startswith("models-")

    async def run(self, name: str) -> int:
        """Do one sample of the named workload."""
        return await (self._peer.more[name]() if name in MORE else ALL[name](self))

    async def _get(self) -> int:
        await sequential(self._peer.get, islice(self._gets, self._peer.sequential))
        return self._peer.sequential

    async def _put(self) -> int:
        await sequential(self._peer.put, islice(self._puts, self._peer.sequential))
        return self._peer.sequential

    async def _get_64(self) -> int:
        await concurrent(64, self._peer.get, islice(self._gets, self._peer.concurrent))
        return self._peer.concurrent

    async def _put_64(self) -> int:
        await concurrent(64, self._peer.put, islice(self._puts, self._peer.concurrent))
        return self._peer.concurrent

    async def _get_512(self) -> int:
        await concurrent(512, self._peer.get, islice(self._gets, self._peer.concurrent))
        return self._peer.concurrent

    async def _model_get_64(self) -> int:
        assert self._peer.model_get is not None
        await concurrent(64, self._peer.model_get, islice(self._model_gets, self._peer.concurrent))
        return self._peer.concurrent

    async def _model_put_64(self) -> int:
        assert self._peer.model_put is not None
        await concurrent(64, self._peer.model_put, islice(self._model_puts, self._peer.concurrent))
        return self._peer.concurrent

    async def _sql(self) -> int:
        return await self._repeat(self._peer.sql, ROWS)

    async def _update(self) -> int:
        return await self._repeat(self._peer.update, self._peer.entries)

    async def _get_many(self) -> int:
        return await self._repeat(self._peer.get_many, self._peer.entries)

    async def _items(self) -> int:
        return await self._repeat(self._peer.items, self._peer.entries)

    async def _save_many(self) -> int:
        return await self._repeat(self._peer.save_many, self._peer.models)

    async def _models_get_many(self) -> int:
        return await self._repeat(self._peer.models_get_many, self._peer.models)

    async def _models_items(self) -> int:
        return await self._repeat(self._peer.models_items, self._peer.models)

    async def _repeat(self, bulk: Callable[[], Awaitable[int]], expected: int) -> int:
        for _ in range(self._peer.bulk_repeats):
            assert await bulk() == expected
        return expected * self._peer.bulk_repeats


ALL: dict[str, Callable[[Workloads], Awaitable[int]]] = {
    "get": Workloads._get,
    "put": Workloads._put,
    "get-64": Workloads._get_64,
    "put-64": Workloads._put_64,
    "get-512": Workloads._get_512,
    "update": Workloads._update,
    "get_many": Workloads._get_many,
    "items": Workloads._items,
    "models-get-64": Workloads._model_get_64,
    "models-put-64": Workloads._model_put_64,
    "models-save_many": Workloads._save_many,
    "models-get_many": Workloads._models_get_many,
    "models-items": Workloads._models_items,
    "sql": Workloads._sql,
}
