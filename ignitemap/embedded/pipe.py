"""Two asyncio transports back to back in one event loop: a connection without sockets.

What one end writes the other end receives in a later turn of the loop, in the same pieces, however its protocol takes
them (Protocol or BufferedProtocol). Flow control is that of a socket: an end that doesn't read stops the other's
writing at its high-water mark.
"""

# ruff: noqa: SLF001 - the two ends are one thing

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["connect_pair"]

HIGH_WATER: Final = 64 * 1024


class PipeTransport(asyncio.Transport):
    """One end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._arrived: deque[bytes] = deque()  # what the other end has written and this one has not taken yet
        self._size = 0
        self._reading = True
        self._scheduled = False
        self._closing = False
        self._eof = False  # the other end writes no more
        self._gone = False
        self._paused = False  # this end's protocol was told to stop writing
        self._high = HIGH_WATER
        self.peer: PipeTransport

    # --- asyncio.Transport ------------------------------------------------------------------------------------------

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who gets what arrives."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another gets it from now on."""
        self._protocol = protocol

    def is_closing(self) -> bool:
        """Whether it takes no more to write."""
        return self._closing

    def is_reading(self) -> bool:
        """Whether what arrives is handed on."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Keep what arrives."""
        self._reading = False

    def resume_reading(self) -> None:
        """Hand on what arrives."""
        self._reading = True
        self._schedule()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """How much may be on its way before the protocol is told to stop."""
        self._high = HIGH_WATER if high is None else high

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """(low, high)."""
        return 0, self._high

    def get_write_buffer_size(self) -> int:
        """What is on its way."""
        return self.peer._size

    def write(self, data: Any) -> None:
        """Send bytes to the other end."""
        peer = self.peer
        if self._closing or peer._gone or not data:
            return
        peer._arrived.append(bytes(data))
        peer._size += len(data)
        peer._schedule()
        if peer._size > self._high and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send bytes to the other end."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Half-closed connections are not a thing here."""
        return False

    def close(self) -> None:
        """Close when the other end has taken what was written."""
        if not self._closing:
            self._closing = True
            self._arrived.clear()
            self._size = 0
            self.peer._eof = True
            self.peer._schedule()
            self._loop.call_soon(self._finish, None)

    def abort(self) -> None:
        """Close now: what is on its way is lost."""
        self.peer._arrived.clear()
        self.peer._size = 0
        self.close()

    # --- delivery ---------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._scheduled and (self._eof or (self._reading and self._arrived)):
            self._scheduled = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        while self._arrived and self._reading and not self._closing:
            data = self._arrived.popleft()
            self._size -= len(data)
            self._hand_over(data)
        peer = self.peer
        if peer._paused and self._size == 0:
            peer._paused = False
            peer._protocol.resume_writing()
        # An end that doesn't read learns of the end too: nobody would take what it still wants to say.
        if self._eof and not (self._arrived and self._reading) and not self._closing:
            protocol = self._protocol
            if isinstance(protocol, asyncio.Protocol | asyncio.BufferedProtocol):
                protocol.eof_received()
            self.close()

    def _hand_over(self, data: bytes) -> None:
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            rest = memoryview(data)
            while rest:
                buffer = memoryview(protocol.get_buffer(len(rest)))
                taken = min(len(buffer), len(rest))
                buffer[:taken] = rest[:taken]
                rest = rest[taken:]
                protocol.buffer_updated(taken)
        elif isinstance(protocol, asyncio.Protocol):
            protocol.data_received(data)

    def _finish(self, error: Exception | None) -> None:
        if not self._gone:
            self._gone = True
            self._protocol.connection_lost(error)


def connect_pair(client: asyncio.BaseProtocol, server: asyncio.BaseProtocol) -> None:
    """Connect two protocols of the running loop."""
    loop = asyncio.get_running_loop()
    near, far = PipeTransport(loop, client), PipeTransport(loop, server)
    near.peer, far.peer = far, near
    server.connection_made(far)
    client.connection_made(near)
