"""Operations on caches as a whole: their names, configurations, creation and end."""

from ignitemap.protocol.cache_config import given_config, known_config
from ignitemap.protocol.message import CacheRef, Request, operation
from ignitemap.protocol.wire import array, i32, text

__all__ = [
    "CacheCreateWithConfiguration",
    "CacheCreateWithName",
    "CacheDestroy",
    "CacheGetConfiguration",
    "CacheGetNames",
    "CacheGetOrCreateWithConfiguration",
    "CacheGetOrCreateWithName",
]


@operation(1050, effect="read")
class CacheGetNames(Request[array[text]]):
    """The names of all user caches."""


@operation(1051, effect="update")
class CacheCreateWithName(Request[None]):
    """Create a cache with the server's defaults; status 1001 when it exists."""

    name: text


@operation(1052, effect="write")
class CacheGetOrCreateWithName(Request[None]):
    """Create a cache with the server's defaults unless it exists."""

    name: text


@operation(1053, effect="update")
class CacheCreateWithConfiguration(Request[None]):
    """Create a cache; status 1001 when it exists."""

    config: given_config


@operation(1054, effect="write")
class CacheGetOrCreateWithConfiguration(Request[None]):
    """Create a cache unless it exists; then the configuration is ignored."""

    config: given_config


@operation(1055, effect="read")
class CacheGetConfiguration(Request[known_config]):
    """The configuration of a cache."""

    cache: CacheRef


@operation(1056, effect="update")
class CacheDestroy(Request[None]):
    """Destroy a cache with its data; status 1000 when it is absent."""

    cache_id: i32
