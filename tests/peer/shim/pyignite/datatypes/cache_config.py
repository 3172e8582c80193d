"""pyignite.datatypes.cache_config, from ignitemap.raw."""

from typing import Any

from ignitemap import raw


def __getattr__(name: str) -> Any:
    return getattr(raw, name)
