"""The smallest implementations of the abstract classes: a dict and a set, read two items a page."""

from collections.abc import AsyncGenerator, AsyncIterator
from itertools import islice
from typing import Generic, TypeVar, overload

from ignitemap.abc import MISSING, AsyncMutableMapping, AsyncSet, ItemsView, Missing

D = TypeVar("D")
K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")

PAGE_SIZE = 2


class MemoryItems(ItemsView[K, V]):
    """The pairs of a MemoryMapping. Counts the iterations that still hold something, as a cursor would be held."""

    def __init__(self, data: dict[K, V]) -> None:
        self.data = data
        self.held = 0
        self.pages_read = 0
        self.closed = 0

    async def pages(self) -> AsyncGenerator[list[tuple[K, V]], None]:
        """All pairs, PAGE_SIZE at a time."""
        self.held += 1
        try:
            source = iter(list(self.data.items()))
            while page := list(islice(source, PAGE_SIZE)):
                self.pages_read += 1
                yield page
        finally:
            self.held -= 1

    async def aclose(self) -> None:
        """Count the call."""
        self.closed += 1


class MemoryMapping(AsyncMutableMapping[K, V], Generic[K, V]):
    """A dict behind the primitives, and nothing but them."""

    def __init__(self) -> None:
        self.data: dict[K, V] = {}

    @overload
    async def get(self, key: K, default: None = None) -> V | None: ...
    @overload
    async def get(self, key: K, default: D) -> V | D: ...
    async def get(self, key: K, default: D | None = None) -> V | D | None:
        """As a dict's."""
        return self.data.get(key, default)

    def items(self) -> MemoryItems[K, V]:
        """A view that counts what it holds."""
        return MemoryItems(self.data)

    async def size(self) -> int:
        """As len() of a dict."""
        return len(self.data)

    async def set(self, key: K, value: V) -> None:
        """As item assignment to a dict, but for None."""
        if value is None:
            raise ValueError("None cannot be stored")
        self.data[key] = value

    async def delete(self, key: K, *, expected: V | Missing = MISSING) -> bool:
        """As del of a dict's item, but for an answer instead of a KeyError."""
        present = self.data.get(key, MISSING)
        if present is MISSING or (expected is not MISSING and present != expected):
            return False
        del self.data[key]
        return True


class MemorySet(AsyncSet[T], Generic[T]):
    """A set behind the primitives, and nothing but them."""

    def __init__(self) -> None:
        self.data: dict[T, None] = {}

    async def add(self, item: T) -> bool:
        """As a set's, but for the answer."""
        new = item not in self.data
        self.data[item] = None
        return new

    async def discard(self, item: T) -> bool:
        """As a set's, but for the answer."""
        return self.data.pop(item, MISSING) is not MISSING

    async def contains(self, item: T) -> bool:
        """As `in`."""
        return item in self.data

    async def size(self) -> int:
        """As len()."""
        return len(self.data)

    async def __aiter__(self) -> AsyncIterator[T]:
        for item in self.data:
            yield item
