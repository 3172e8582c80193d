"""The least that a client on asyncio can do: frames made beforehand go out, bodies come back undecoded.

It matches answers by request id, checks their status and writes the frames of one loop tick at once, since a client that
does not is slower than this. It has no deadline, no retry, no limit and no types.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from struct import Struct
from typing import cast

# Version 1.7.0, a thin client, no features.
_HANDSHAKE = bytes.fromhex("0d000000 01 0100 0700 0000 02 0c00000000")
_REQUEST = Struct("<ihq")
_ANSWER = Struct("<iqh")
_ERROR, _TOPOLOGY = 1, 2
_FLUSH_BYTES = 64 * 1024
_DEPTH = 8


class RawConnection(asyncio.Protocol):
    """One connection to one node."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._greeting: asyncio.Future[bytes] | None = self._loop.create_future()
        self._pending: dict[int, asyncio.Future[bytes]] = {}
        self._queue: list[bytes] = []
        self._queued = 0
        self._rest = bytearray()
        self._last_id = 0

    @classmethod
    async def open(cls, host: str, port: int) -> "RawConnection":
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        assert connection._greeting is not None
        greeting = await connection._greeting
        connection._greeting = None
        assert greeting[0] == 1, greeting
        return connection

    def close(self) -> None:
        self._transport.close()

    def request(self, operation: int, body: bytes) -> asyncio.Future[bytes]:
        """Send one request; the future's result is the body of the answer."""
        self._last_id = request_id = self._last_id + 1
        frame = _REQUEST.pack(10 + len(body), operation, request_id) + body
        if not self._pending:
            self._transport.write(frame)  # alone: waiting for others would only cost a loop tick
        else:
            if not self._queue:
                self._loop.call_soon(self._flush)
            self._queue.append(frame)
            self._queued += len(frame)
            if self._queued > _FLUSH_BYTES:
                self._flush()
        answer = self._pending[request_id] = self._loop.create_future()
        return answer

    async def pipeline(self, operation: int, bodies: Iterable[bytes]) -> list[bytes]:
        """Send many requests, a few at a time; the bodies of the answers in the same order."""
        answers: list[bytes] = []
        under_way: deque[asyncio.Future[bytes]] = deque()
        for body in bodies:
            if len(under_way) == _DEPTH:
                answers.append(await under_way.popleft())
            under_way.append(self.request(operation, body))
        answers.extend([await answer for answer in under_way])
        return answers

    def _flush(self) -> None:
        if self._queue:
            self._transport.write(b"".join(self._queue))
            self._queue.clear()
            self._queued = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without inheriting from it
        self._transport.write(_HANDSHAKE)

    def connection_lost(self, exc: Exception | None) -> None:
        for answer in (self._greeting, *self._pending.values()):
            if answer is not None and not answer.done():
                answer.set_exception(exc or ConnectionResetError("the node closed the connection"))

    def data_received(self, data: bytes) -> None:
        if self._rest:
            self._rest += data
            if len(self._rest) < 4 + int.from_bytes(self._rest[:4], "little"):
                return
            data = bytes(self._rest)
            self._rest.clear()
        if self._greeting is not None:
            self._greeting.set_result(data[4:])
            return
        start, size = 0, len(data)
        while size - start >= _ANSWER.size:
            length, request_id, flags = _ANSWER.unpack_from(data, start)
            end = start + 4 + length
            if end > size:
                break
            start += _ANSWER.size
            if flags & _TOPOLOGY:
                start += 12
            answer = self._pending.pop(request_id)
            if flags & _ERROR:
                answer.set_exception(RuntimeError(f"status {data[start:end]!r}"))
            else:
                answer.set_result(data[start:end])
            start = end
        if start < size:
            self._rest += data[start:]
