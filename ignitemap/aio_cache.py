"""Where pyignite has its caches: the same names as in `ignitemap.raw`.

>>> from ignitemap.aio_cache import AioCache, get_or_create_cache
>>> cache = await get_or_create_cache(client, "numbers")
>>> isinstance(cache, AioCache)
True
"""

from ignitemap.raw import AioCache, create_cache, get_cache, get_or_create_cache

__all__ = ["AioCache", "create_cache", "get_cache", "get_or_create_cache"]
