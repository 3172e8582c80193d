"""What type checkers infer for the raw layer. Lines that end in the word error after a hash must be rejected."""

from collections.abc import Sequence
from typing import Any, assert_type

import ignitemap as ig
from ignitemap import raw
from ignitemap.aio_cache import create_cache, get_cache, get_or_create_cache
from ignitemap.raw import (
    PROP_BACKUPS_NUMBER,
    PROP_CACHE_ATOMICITY_MODE,
    PROP_NAME,
    AioCache,
    AioClient,
    CacheAtomicityMode,
    IntObject,
    String,
    TransactionConcurrency,
    TransactionIsolation,
)


async def connecting() -> None:
    client = AioClient(username="u", password="p", partition_aware=False, timeout=5)
    async with client.connect("127.0.0.1", 10800) as same:
        assert_type(same, AioClient)
    async with client.connect([("127.0.0.1", 10800), ("127.0.0.1", 10801)]):
        assert_type(await client.get_cache_names(), list[str])
    await client.connect("127.0.0.1", 10800)
    await client.close()


async def caches(client: AioClient) -> None:
    assert_type(await client.create_cache("a"), AioCache)
    assert_type(await client.get_cache({PROP_NAME: "a"}), AioCache)
    settings: dict[int, Any] = {
        PROP_NAME: "a",
        PROP_BACKUPS_NUMBER: 1,
        PROP_CACHE_ATOMICITY_MODE: CacheAtomicityMode.TRANSACTIONAL,
    }
    cache = await client.get_or_create_cache(settings)
    for make in (create_cache, get_cache, get_or_create_cache):
        assert_type(await make(client, "a"), AioCache)
    assert_type(cache.name, str)
    assert_type(cache.cache_id, int)
    assert_type(await cache.settings(), dict[int, Any] | None)
    assert_type(await cache.get_size(raw.PeekModes.PRIMARY), int)
    assert_type(cache.with_expire_policy(create=1000), AioCache)
    assert_type(cache.with_expire_policy(raw.ExpiryPolicy(create=1000)), AioCache)
    await cache.destroy()
    await client.create_cache(5)  # error


async def using(cache: AioCache) -> None:
    await cache.put("k", 1, key_hint=String, value_hint=IntObject, timeout=1.5)
    await cache.put_all({("k", String): (1, IntObject)})
    assert_type(await cache.get_all(["k", ("l", String)]), dict[Any, Any])
    assert_type(await cache.contains_key("k"), bool)
    assert_type(await cache.put_if_absent("k", 1), bool)
    assert_type(await cache.replace_if_equals("k", 1, 2, sample_hint=IntObject), bool)
    async with cache.scan(page_size=100) as cursor:
        assert_type(cursor, raw.AioScanCursor)
        async for key, value in cursor:
            print(key, value)
    await cache.put("k", 1, value_hint=5)  # error
    await cache.put("k")  # error
    cache.get("k")  # error
    for _ in cache.scan():  # error
        pass


async def sql(client: AioClient) -> None:
    async with client.sql("SELECT a FROM t WHERE b = ?", query_args=[1], page_size=10, timeout=1000) as rows:
        assert_type(rows, raw.AioSqlFieldsCursor)
        assert_type(rows.columns, tuple[str, ...])
        async for row in rows:
            assert_type(row, Sequence[Any])
    client.sql(5)  # error


async def transactions(client: AioClient) -> None:
    async with client.tx_start(
        concurrency=TransactionConcurrency.OPTIMISTIC,
        isolation=TransactionIsolation.SERIALIZABLE,
        timeout=1000,
        label="transfer",
    ) as tx:
        assert_type(tx, raw.AioTransaction)
        await tx.commit()
    client.tx_start(label=5)  # error


def classes() -> None:
    try:
        raise raw.SQLError("no", status=1)
    except raw.CacheError as error:
        assert_type(error, ig.ServerError)
