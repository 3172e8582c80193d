"""pyignite.datatypes.prop_codes, from ignitemap.raw."""

from typing import Any

from ignitemap import raw


def __getattr__(name: str) -> Any:
    return getattr(raw, name)


def __dir__() -> list[str]:
    return [name for name in raw.__all__ if name.startswith("PROP_")]
