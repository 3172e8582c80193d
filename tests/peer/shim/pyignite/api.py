"""pyignite.api: the single operations that its tests send to a certain node."""

from collections.abc import Sequence
from typing import Any

import attrs

from ignitemap import raw
from ignitemap.client.cursors import Cursor
from ignitemap.exceptions import ServerError
from ignitemap.protocol.codecs import UNTYPED, Codecs, EntryTypes, encode_object
from ignitemap.protocol.message import CacheRef, Request
from ignitemap.protocol.operations import CacheLocalPeek, CachePartitions, ResourceClose
from pyignite.connection import AioConnection, adapted


@attrs.frozen
class APIResult:
    """An answer that is not raised."""

    value: Any = None
    status: int = 0
    message: str = "Success"


async def _call(
    conn: AioConnection, request: Request[Any], codecs: Codecs | None = None, types: EntryTypes = UNTYPED
) -> APIResult:
    try:
        return APIResult(await conn.session.call(request, codecs, types, node=conn.connection))
    except ServerError as error:
        return APIResult(None, error.status, str(error))


async def resource_close_async(conn: AioConnection, cursor_id: int) -> APIResult:
    return await _call(conn, ResourceClose(cursor_id))


async def cache_get_node_partitions_async(conn: AioConnection, caches: Sequence[int]) -> APIResult:
    result = await _call(conn, CachePartitions(True, caches))
    if result.status != 0:
        return result
    mappings: dict[int, Any] = {}
    for group in result.value.groups:
        for cache in group.caches:
            nodes = {node: set(partitions) for node, partitions in group.nodes}
            mappings[cache.cache_id] = {
                "is_applicable": True,
                "cache_config": dict(cache.key_fields),
                "node_mapping": nodes,
                "number_of_partitions": sum(map(len, nodes.values())),
            }
        for cache_id in group.cache_ids:
            mappings[cache_id] = {"is_applicable": False, "number_of_partitions": 0}
    return APIResult({"partition_mapping": mappings})


async def cache_local_peek_async(
    conn: AioConnection, cache_info: CacheRef, key: Any, key_hint: Any = None
) -> APIResult:
    types = UNTYPED if key_hint is None else EntryTypes(key_hint, UNTYPED.value)
    return await _call(conn, CacheLocalPeek(cache_info, key), conn.codecs, types)


def cache_get_node_partitions(*args: Any) -> APIResult:
    raise AssertionError("the synchronous client's tests are deselected")


cache_local_peek = resource_close = cache_get_node_partitions


def name_of_hint(hint: Any) -> str:
    return next(name for name in raw.__all__ if getattr(raw, name) is hint)


async def object_hash(value: Any, client: raw.AioClient) -> int:
    """The hash code in the header of a complex object (GridBinaryMarshaller.HASH_CODE_POS is 8)."""
    out = bytearray()
    encode_object(client.codecs, out, value)
    return int.from_bytes(out[8:12], "little", signed=True)


# pyignite's cursors show where the server's cursor lives.
def _connection(cursor: Cursor[Any]) -> AioConnection:
    return adapted(cursor._pages._session, cursor._pages._connection, cursor._pages._codecs)


Cursor.connection = property(_connection)
Cursor.cursor_id = property(lambda cursor: cursor._pages.first.cursor)
