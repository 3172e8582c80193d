"""Where pyignite has its caches: the same names as in `ignitemap.raw`."""

from ignitemap.raw import AioCache, create_cache, get_cache, get_or_create_cache

__all__ = ["AioCache", "create_cache", "get_cache", "get_or_create_cache"]
