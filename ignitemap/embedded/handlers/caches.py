"""Operations 1050 to 1056: caches and their configurations."""

from typing import TYPE_CHECKING

from ignitemap.embedded import errors
from ignitemap.embedded.handlers.table import Needs, answers
from ignitemap.exceptions import DecodeError
from ignitemap.protocol.cache_config import CacheConfig
from ignitemap.protocol.operations import (
    CacheCreateWithConfiguration,
    CacheCreateWithName,
    CacheDestroy,
    CacheGetConfiguration,
    CacheGetNames,
    CacheGetOrCreateWithConfiguration,
    CacheGetOrCreateWithName,
)

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session


@answers(CacheGetNames)
def names(session: "Session", request: CacheGetNames) -> list[str]:
    """1050."""
    return [cache.name for cache in session.cluster.caches.values() if not cache.hidden]


@answers(CacheCreateWithName, needs=Needs.WRITABLE)
def create_with_name(session: "Session", request: CacheCreateWithName) -> None:
    """1051."""
    session.cluster.create_cache(CacheConfig(name=request.name))


@answers(CacheGetOrCreateWithName, needs=Needs.WRITABLE)
def get_or_create_with_name(session: "Session", request: CacheGetOrCreateWithName) -> None:
    """1052."""
    if session.cluster.find(request.name) is None:
        session.cluster.create_cache(CacheConfig(name=request.name))


@answers(CacheCreateWithConfiguration, needs=Needs.WRITABLE)
def create(session: "Session", request: CacheCreateWithConfiguration) -> None:
    """1053."""
    _check(request.config)
    session.cluster.create_cache(request.config)


@answers(CacheGetOrCreateWithConfiguration, needs=Needs.WRITABLE)
def get_or_create(session: "Session", request: CacheGetOrCreateWithConfiguration) -> None:
    """1054: of a cache that exists nothing is changed."""
    _check(request.config)
    name = request.config.name
    if not name or session.cluster.find(name) is None:
        session.cluster.create_cache(request.config)


def _check(config: CacheConfig) -> None:
    """What a 2.17.0 node does not take as a number: it hangs up, or fails to start the cache.

    Raises DecodeError, and Refused.
    """
    if config.query_parallelism is not None and config.query_parallelism < 1:
        raise DecodeError(f"a query parallelism of {config.query_parallelism}")
    for value, least in (
        (config.rebalance_batch_size, 1),
        (config.rebalance_batches_prefetch, 1),
        (config.rebalance_timeout, 0),
        (config.rebalance_throttle, 0),
    ):
        if value is not None and value < least:
            raise errors.failed("class org.apache.ignite.IgniteCheckedException: Failed to complete exchange process.")


@answers(CacheGetConfiguration)
def configuration(session: "Session", request: CacheGetConfiguration) -> CacheConfig:
    """1055."""
    return session.cluster.configuration(session.cache(request.cache.cache_id))


@answers(CacheDestroy, needs=Needs.WRITABLE)
def destroy(session: "Session", request: CacheDestroy) -> None:
    """1056."""
    cache = session.cluster.caches.get(request.cache_id)
    if cache is None or cache.hidden:
        raise errors.cache_not_found(request.cache_id)
    session.cluster.destroy_cache(cache)
