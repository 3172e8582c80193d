"""A thin client that speaks bytes: what a node answers to requests that the library's own client would never send."""

from __future__ import annotations

import asyncio
import struct

from ignitemap.embedded import Node
from ignitemap.protocol.connection import Connection, Failure, Role
from ignitemap.protocol.handshake import Handshake

Answer = bytes | Failure


class Wire:
    """One connection to a node over loopback."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.protocol: Connection[int] = Connection(Role.CLIENT, Handshake())
        self._answers: dict[int, Answer] = {}
        self._next = 0

    @classmethod
    async def open(cls, node: Node, *, shake: bool = True) -> Wire:
        """Connect, and shake hands unless told not to."""
        wire = cls(*await asyncio.open_connection("127.0.0.1", node.port))
        if shake:
            wire.writer.writelines(wire.protocol.data_to_send())
            while not wire.protocol.receive_data(await wire._read()):
                pass
        return wire

    async def _read(self) -> bytes:
        async with asyncio.timeout(10):
            data = await self.reader.read(65536)
        if not data:
            raise ConnectionResetError
        return data

    def send(self, operation: int, body: bytes = b"") -> int:
        """Send a request; a number to ask its answer by."""
        self._next += 1
        self.protocol.send_request(operation, body, self._next)
        self.writer.writelines(self.protocol.data_to_send())
        return self._next

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    async def answer(self, number: int) -> Answer:
        """The answer to a request."""
        while number not in self._answers:
            for token, payload in self.protocol.receive_data(await self._read()):
                if token is not None:
                    assert isinstance(payload, bytes | Failure)
                    self._answers[token] = payload
        return self._answers.pop(number)

    async def ask(self, operation: int, body: bytes = b"") -> Answer:
        """Send a request; its answer."""
        return await self.answer(self.send(operation, body))

    async def ended(self) -> bool:
        """Whether the node closes the connection, having said nothing more."""
        try:
            async with asyncio.timeout(10):
                return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionResetError:
            return


def frame(operation: int, body: bytes, number: int = 1) -> bytes:
    """A request in its frame."""
    return struct.pack("<ihq", 10 + len(body), operation, number) + body
