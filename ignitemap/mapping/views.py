"""Views of a cache: its entries, keys or values, fetched page by page by a scan, and not before they are asked for."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final, Generic, TypeVar, cast

import attrs

from ignitemap.abc import AsyncView, ItemsView
from ignitemap.client.cache import AioCache
from ignitemap.client.cursors import AioScanCursor

__all__ = ["PAGE_SIZE", "CacheItems", "CacheView", "Scan"]

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")

PAGE_SIZE: Final = 1024


@attrs.frozen
class Scan:
    """What a view asks for: entries a page, one partition or all, only the asked node's primaries or all, seconds."""

    page_size: int = PAGE_SIZE
    partition: int | None = None
    local: bool = False
    timeout: float | None = None

    def __attrs_post_init__(self) -> None:
        # Here and not where the scan starts, since a node closes the connection on a page size below 1.
        if self.page_size < 1:
            raise ValueError(f"page_size must be at least 1, not {self.page_size}")
        if self.partition is not None and self.partition < 0:
            raise ValueError(f"a partition is numbered from 0, not {self.partition}; None is all of them")


class CacheView(AsyncView[T], Generic[T]):
    """Entries of a cache, or one side of them.

    Every iteration is a scan of its own with a cursor on a server. A cursor is closed when its iteration ends, fails or
    is cancelled, and with the view. A plain `async for` that is left early keeps its cursor until Python finalises the
    loop's generator, soon but not at once; in `async with` it is closed where the block ends.
    """

    __slots__ = ("_cache", "_cursors", "_part", "_scan")

    def __init__(
        self, cache: AioCache, scan: Scan, part: Callable[[Sequence[tuple[Any, Any]]], list[T]] | None = None
    ) -> None:
        self._cache = cache
        self._scan = scan
        self._part = part
        self._cursors: set[AioScanCursor] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._cache.name!r}>"

    async def pages(self) -> AsyncGenerator[list[T], None]:
        """The items as they arrive, a list at a time.

        Raises:
            CursorLost: The connection that held the cursor is gone.
            RuntimeError: The view was closed meanwhile.
            IgniteMapError: As any operation; what was seen before stays valid.
        """
        scan = self._scan
        part = self._part
        cursor = self._cache.scan(
            scan.page_size, -1 if scan.partition is None else scan.partition, scan.local, scan.timeout or 0
        )
        self._cursors.add(cursor)
        try:
            async with aclosing(cursor.pages()) as pages:
                async for page in pages:
                    yield cast("list[T]", page) if part is None else part(page)
                    if cursor not in self._cursors:
                        raise RuntimeError("the view was closed while it was iterated over")
        finally:
            self._cursors.discard(cursor)

    async def aclose(self) -> None:
        """Close the cursors that iterations still hold. May be called again."""
        while self._cursors:
            await self._cursors.pop().aclose()


class CacheItems(CacheView[tuple[K, V]], ItemsView[K, V], Generic[K, V]):
    """The (key, value) pairs of a cache."""

    __slots__ = ()
