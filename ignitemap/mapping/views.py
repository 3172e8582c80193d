"""Views of a cache: its entries, keys or values, fetched page by page by a scan, and not before they are asked for."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Generic, Literal, TypeVar, cast

import attrs

from ignitemap.abc import AsyncView, ItemsView
from ignitemap.client.cache import AioCache
from ignitemap.client.cursors import AioScanCursor, Salvaged
from ignitemap.exceptions import DecodeError
from ignitemap.mapping import PAGE_SIZE
from ignitemap.protocol.types.extent import Unreadable
from ignitemap.protocol.types.sharing import check_hashes

__all__ = ["PAGE_SIZE", "CacheItems", "CacheView", "OnError", "Scan", "Undecodable"]

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")

OnError = Literal["raise", "yield"]
"""What becomes of an entry that can't be read: a DecodeError at its place, or an `Undecodable`."""


@attrs.frozen
class Undecodable:
    """What a view with `on_error="yield"` gives for an entry that can't be read.

    >>> await cache.set(1, "Ann")
    >>> ages = await client.cache("cache", int, int)
    >>> async for item in ages.items(on_error="yield"):
    ...     if isinstance(item, ig.Undecodable):
    ...         print(item.key, type(item.error).__name__)
    1 DecodeError

    Attributes:
        key: The entry's key; None where it is the key that can't be read.
        raw: The bytes of what can't be read, the value or the key, from its type code on.
        error: Why.
    """

    key: Any
    raw: bytes = attrs.field(repr=False)
    error: DecodeError


@attrs.frozen
class Scan:
    """What a view asks for: entries a page, one partition or all, only the asked node's primaries or all, seconds.

    And what becomes of an entry that can't be read.
    """

    page_size: int = PAGE_SIZE
    partition: int | None = None
    local: bool = False
    timeout: float | None = None
    on_error: OnError = "raise"

    def __attrs_post_init__(self) -> None:
        # Here and not where the scan starts, since a node closes the connection on a page size below 1.
        if self.page_size < 1:
            raise ValueError(f"page_size must be at least 1, not {self.page_size}")
        if self.partition is not None and self.partition < 0:
            raise ValueError(f"a partition is numbered from 0, not {self.partition}; None is all of them")
        if self.on_error not in {"raise", "yield"}:
            raise ValueError(f"on_error is 'raise' or 'yield', not {self.on_error!r}")


class CacheView(AsyncView[T], Generic[T]):
    """Entries of a cache, or one side of them.

    Every iteration is a scan of its own with a cursor on a server. A cursor is closed when its iteration ends, fails or
    is cancelled, and with the view. A plain `async for` that is left early keeps its cursor until Python finalises the
    loop's generator, soon but not at once; in `async with` it is closed where the block ends.

    >>> await cache.update({1: "Ann", 2: "Ben"})
    >>> async with cache.keys() as keys:
    ...     async for key in keys:
    ...         break
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
            DecodeError: An item can't be read, and `on_error` is "raise": all items before it have arrived. Or a
                whole page can't be, since where its entries end can't be told.
            RuntimeError: The view was closed meanwhile.
            IgniteMapError: As any operation; what was seen before stays valid.

        >>> await cache.update({1: "Ann", 2: "Ben", 3: "Cleo"})
        >>> [len(page) async for page in cache.keys(page_size=2).pages()]
        [2, 1]
        """
        scan = self._scan
        part = self._part
        cache = self._cache
        cursor = AioScanCursor(
            cache.session,
            cache.codecs,
            cache.types,
            cache.cache_info,
            scan.page_size,
            -1 if scan.partition is None else scan.partition,
            scan.local,
            scan.timeout,
            salvage=True,
        )
        self._cursors.add(cursor)
        try:
            async with aclosing(cursor.pages()) as pages:
                async for page in pages:
                    if isinstance(page, Salvaged):
                        items, error = self._judge(page)
                        yield items
                        if error is not None:
                            raise error
                    else:
                        yield cast("list[T]", page) if part is None else part(page)
                    if cursor not in self._cursors:
                        raise RuntimeError("the view was closed while it was iterated over")
        finally:
            self._cursors.discard(cursor)

    def _judge(self, page: Salvaged) -> tuple[list[T], DecodeError | None]:
        """What is given for the entries of a page, up to an error if there is one that is raised.

        Of an entry only that side counts which the view is about: a key comes from `keys` whatever its value is.
        """
        items: list[Any] = []
        for entry in page:
            item: Any = entry if self._part is None else self._part((entry,))[0]
            for side in entry if self._part is None else (item,):
                if side.__class__ is Unreadable:
                    if self._scan.on_error == "raise":
                        return items, side.error
                    key = entry[0]
                    item = Undecodable(None if key.__class__ is Unreadable else key, side.data, side.error)
                    break
            items.append(item)
        return items, None

    async def aclose(self) -> None:
        """Close the cursors that iterations still hold. May be called again.

        >>> keys = cache.keys()
        >>> await keys.to_list()
        []
        >>> await keys.aclose()
        """
        while self._cursors:
            await self._cursors.pop().aclose()


class CacheItems(CacheView[tuple[K, V]], ItemsView[K, V], Generic[K, V]):
    """The (key, value) pairs of a cache.

    >>> await cache.set(1, "Ann")
    >>> await cache.items().first()
    (1, 'Ann')
    """

    __slots__ = ()

    async def to_dict(self) -> dict[K, V]:
        """All pairs as a dict, in memory.

        Raises:
            DecodeError: As of `pages`, and where so many keys share a hash code that it can't be chance.

        >>> await cache.set(1, "Ann")
        >>> await cache.items().to_dict()
        {1: 'Ann'}
        """
        pairs = await self.to_list()
        check_hashes([key for key, _ in pairs])
        return dict(pairs)
