"""pyignite.datatypes, from ignitemap.raw."""

from typing import Any

from ignitemap import raw
from pyignite.datatypes import cache_config as cache_config, key_value as key_value, prop_codes as prop_codes


def __getattr__(name: str) -> Any:
    return getattr(raw, name)


class ByteArray:
    """An internal class of pyignite's: a test takes its name for a type name."""

    type_name = "class [B"
