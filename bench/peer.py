"""What a client must offer to be measured."""

import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

PAGE = 1024


class Peer(ABC):
    """One client with two caches of its own: long → String, and long → an object of ten fields; and the table of numbers.

    Both are plain caches, made by name with the server's defaults, without SQL tables: so that every peer asks the
    server for the same work. The class attributes say how much work makes one sample; a slow peer may do less of it,
    since everything is reported per operation.
    """

    entries = 20_000
    models = 5_000
    sequential = 500
    concurrent = 4_000
    bulk_repeats = 1

    # Set by open(): the calls that are made one by one, and what they are called with.
    get: Callable[..., Awaitable[object]]
    put: Callable[..., Awaitable[object]]
    get_arguments: Sequence[tuple[Any, ...]]
    put_arguments: Sequence[tuple[Any, ...]]
    # The same of models; a peer without them leaves these out.
    model_get: Callable[..., Awaitable[object]] | None = None
    model_put: Callable[..., Awaitable[object]] | None = None
    model_get_arguments: Sequence[tuple[Any, ...]] = ()
    model_put_arguments: Sequence[tuple[Any, ...]] = ()

    # Workloads of --more, by name.
    more: Mapping[str, Callable[[], Awaitable[int]]] = {}

    table: str
    """The SQL table of 20,000 rows of four BIGINT: id, a, b, c."""

    def __init__(self) -> None:
        # Caches of one worker and no other, also when an earlier run was killed and left its own behind.
        self.texts = f"bench-{os.getpid()}"
        self.objects = f"bench-{os.getpid()}-models"

    @abstractmethod
    async def open(self, addresses: list[tuple[str, int]]) -> None:
        """Connect, fill both caches, and assert that what comes back is what was written."""

    @abstractmethod
    async def close(self) -> None:
        """Destroy the caches and disconnect."""

    @abstractmethod
    async def update(self) -> int:
        """Write all entries of the first cache; how many were sent."""

    @abstractmethod
    async def get_many(self) -> int:
        """Read all of them by their keys; how many came back."""

    @abstractmethod
    async def items(self) -> int:
        """Iterate over all of them; how many there were."""

    @abstractmethod
    async def save_many(self) -> int:
        """Write all models; how many were sent."""

    @abstractmethod
    async def models_get_many(self) -> int:
        """Read all models by their keys; how many came back."""

    @abstractmethod
    async def models_items(self) -> int:
        """Iterate over all models; how many there were."""

    async def sql(self) -> int:
        """Read all rows of the table; how many there were."""
        raise NotImplementedError
