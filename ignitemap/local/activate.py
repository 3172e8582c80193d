"""Switch a persistent cluster on.

Ignite leaves that to the administrator: whoever activates a new cluster also decides that its data lives on the nodes
which are there at that moment, so all of them must have joined. (`clusterStateOnStart` was tried: it does not activate
a persistent cluster on its first start.) The exchange is small and spelled out here, which keeps this package free of
the client above the wire: it uses protocol 1.1.0, the oldest with a user and a status in its answers.
"""

from __future__ import annotations

import asyncio
import ssl
import struct

from ignitemap.local.errors import LocalClusterError

__all__ = ["activate"]

_HANDSHAKE = struct.Struct("<bhhhb")  # code 1, version, client type 2 (thin)
_CHANGE_STATE = struct.Struct("<hqb")  # operation 5001, request id, state 1 (active)
_STATUS = struct.Struct("<qi")  # request id, status; a message follows unless status is 0


async def activate(host: str, port: int, user: tuple[str, str] | None, context: ssl.SSLContext | None) -> None:
    """Activate the cluster through one of its nodes; nothing happens when it is active.

    Args:
        host: Address of a node.
        port: Its port for thin clients.
        user: Name and password of an administrator, where the cluster asks for them.
        context: For nodes that speak TLS.

    Raises LocalClusterError when the node refuses.
    """
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            credentials = b"".join(_string(text) for text in user) if user else b""
            greeting = await _exchange(reader, writer, _HANDSHAKE.pack(1, 1, 1, 0, 2) + credentials)
            if greeting[:1] != b"\x01":
                raise LocalClusterError(f"the node refused its administrator: {greeting!r}")
            answer = await _exchange(reader, writer, _CHANGE_STATE.pack(5001, 1, 1))
            if _STATUS.unpack_from(answer)[1] != 0:
                raise LocalClusterError(f"the cluster could not be activated: {answer[_STATUS.size :]!r}")
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError) as error:
        raise LocalClusterError(f"the cluster could not be activated: {error}") from error


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> bytes:
    writer.write(struct.pack("<i", len(body)) + body)
    (length,) = struct.unpack("<i", await reader.readexactly(4))
    return await reader.readexactly(length)


def _string(text: str) -> bytes:
    encoded = text.encode()
    return b"\x09" + struct.pack("<i", len(encoded)) + encoded
