"""A TCP proxy that harms what passes: by the number of a byte or of a frame, so that a run can be repeated.

    async with Proxy("127.0.0.1", node.port) as proxy:
        proxy.up.cut_at = 40            # the next connection whose 40th byte to the node would pass ends there
        proxy.down.hold_from = 3        # from the third answer on nothing comes, until it is None and release() is called

``up`` is what clients write and ``down`` what the node writes. A frame is four bytes of length and as many bytes as they
say; number 0 of either way is the handshake. Cuts and corrupt bytes are spent by the first connection that meets them,
everything else holds until it is taken back.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import deque
from typing import Literal, Self

import attrs

HIGH_WATER = 64 * 1024
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


@attrs.define
class Toxics:
    """What happens to the bytes of one way."""

    delay: float = 0.0
    """Seconds that a byte is under way."""
    jitter: float = 0.0
    """At most this much longer, drawn anew for each read; bytes keep their order."""
    rate: float | None = None
    """Bytes a second."""
    slice: int | None = None
    """The most bytes of one write."""
    swallow: bool = False
    """Nothing arrives any more, nor does the end of the connection: a black hole."""
    cut_at: int | None = None
    """How many bytes of a connection pass before it ends; spent when it does."""
    cut_by: Literal["rst", "fin", "half"] = "rst"
    """Both ends get RST, or FIN; half: only the reader of this way gets FIN, the other way goes on."""
    corrupt_at: int | None = None
    """The byte of a connection that arrives with all its bits turned; spent."""
    hold_from: int | None = None
    """The number of the first frame that is kept back, until ``Proxy.release``."""


class Proxy:
    """Listens on a loopback port and connects whoever comes to a node."""

    def __init__(self, host: str, port: int, *, seed: int = 0, count_frames: bool = True) -> None:
        self.up = Toxics()
        self.down = Toxics()
        self.random = random.Random(seed)
        self.count_frames = count_frames
        """Whether ``Way.frames`` is kept, which grows; nothing can be held without it."""
        self.refuses = False
        """Whether whoever comes gets RST at once."""
        self.refuses_after_cut = False
        """Whether that begins with the next cut."""
        self.slow_close = 0.0
        """Seconds until one end learns that the other has gone."""
        self.links: list[Link] = []
        """All connections that there have been, in their order."""
        self.port = 0
        self.cuts = 0
        self._target = (host, port)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    @property
    def open(self) -> list[Link]:
        """The connections that an end of still lives."""
        return [link for link in self.links if link.ends]

    async def listen(self) -> None:
        """Listen; on the same port as before."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Listen no more: connections are refused. Those that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def heal(self) -> None:
        """From now on nothing is harmed. What was swallowed is gone, what is held passes."""
        self.up = Toxics()
        self.down = Toxics()
        self.refuses = self.refuses_after_cut = False
        self.slow_close = 0.0
        self.release()

    def release(self) -> None:
        """Let pass what is held, if it is no longer to be held."""
        for link in self.links:
            link.up.send()
            link.down.send()

    def reset(self) -> None:
        """End all connections, with RST to both ends."""
        for link in self.links:
            link.end("rst")

    async def aclose(self) -> None:
        """Listen no more and end all connections; nothing of them is left."""
        self.refuse()
        self.reset()
        await asyncio.gather(*(link.connecting for link in self.links), return_exceptions=True)
        self.reset()
        async with asyncio.timeout(5):
            while self.open:
                await asyncio.sleep(0)

    async def connect(self, link: Link) -> None:
        """Connect a client to the node."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: link.node, *self._target)
        except OSError:
            link.end("rst")

    def _accept(self) -> asyncio.BaseProtocol:
        link = Link(self)
        self.links.append(link)
        return link.client


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.ended = False
        self.client = _End(self)
        self.node = _End(self)
        self.up = Way(self, self.client, self.node)
        self.down = Way(self, self.node, self.client)
        self.client.way, self.node.way = self.up, self.down
        self.connecting: asyncio.Task[None] | asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def ends(self) -> list[_End]:
        """The sockets that are open."""
        return [end for end in (self.client, self.node) if end.transport is not None]

    def accepted(self) -> None:
        """The client is here."""
        if self.proxy.refuses:
            self.connecting.cancel()
            self.end("rst")
        else:
            self.connecting = asyncio.get_running_loop().create_task(self.proxy.connect(self))

    def end(self, how: Literal["rst", "fin"]) -> None:
        """Close both ends."""
        self.ended = True
        self.connecting.cancel()
        for end in self.ends:
            end.close(how)

    def left(self, end: _End, error: Exception | None) -> None:
        """One end has gone: so does the other, if it may know."""
        other = self.node if end is self.client else self.client
        if other.transport is None or self.ended:
            return
        if end.way.toxics.swallow:
            return
        loop = asyncio.get_running_loop()
        if self.proxy.slow_close:
            loop.call_later(self.proxy.slow_close, self.end, "rst" if error else "fin")
        else:
            end.way.finish("rst" if error else "fin")


class _End(asyncio.Protocol):
    """The proxy's end of one of the two sockets."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.way: Way
        self.transport: asyncio.Transport | None = None
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.link.ended:
            self.close("rst")
        elif self is self.link.client:
            self.link.accepted()
        else:
            self.link.up.send()

    def data_received(self, data: bytes) -> None:
        self.way.take(data)

    def eof_received(self) -> bool:
        if self.way.toxics.swallow:
            return True
        if self.link.proxy.slow_close:
            asyncio.get_running_loop().call_later(self.link.proxy.slow_close, self.way.finish, "half")
        else:
            self.way.finish("half")
        return True  # the other way goes on

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.link.left(self, exc)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.other_way.send()

    @property
    def other_way(self) -> Way:
        """The way that ends here."""
        return self.link.down if self is self.link.client else self.link.up

    def close(self, how: Literal["rst", "fin"]) -> None:
        if self.transport is None:
            return
        if how == "fin":
            self.transport.close()
            return
        its: socket.socket = self.transport.get_extra_info("socket")
        if its.fileno() >= 0:
            its.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.transport.abort()


class Way:
    """One of the two ways of a connection: what has come, and what is to be sent when."""

    def __init__(self, link: Link, source: _End, target: _End) -> None:
        self.received = 0
        """How many bytes have come."""
        self.passed = 0
        """How many of them have been handed on, or swallowed."""
        self.frames: list[int] = []
        """At which byte each frame that has begun begins."""
        self._link = link
        self._source = source
        self._target = target
        self._queue: deque[tuple[float, bytes]] = deque()  # with the time at which it is due
        self._queued = 0
        self._last = 0.0
        self._head = b""
        self._skip = 0
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._finish: Literal["rst", "fin", "half", ""] = ""
        self.over = False
        """Whether its reader was told that nothing more comes."""
        self._loop = asyncio.get_running_loop()

    @property
    def toxics(self) -> Toxics:
        """What happens here, now."""
        return self._link.proxy.up if self is self._link.up else self._link.proxy.down

    def take(self, data: bytes) -> None:
        """Bytes have come."""
        if self._link.proxy.count_frames:
            self._note_frames(data)
        self.received += len(data)
        if self.over:
            return
        toxics = self.toxics
        due = 0.0
        if toxics.delay or toxics.jitter or toxics.rate:
            due = self._loop.time() + toxics.delay + self._link.proxy.random.uniform(0, toxics.jitter)
            due = max(due, self._last)
        size = toxics.slice or len(data)
        if toxics.rate:
            size = min(size, max(1, int(toxics.rate / 100)))
        for start in range(0, len(data), size):
            part = data[start : start + size]
            if toxics.rate:
                due += len(part) / toxics.rate
            self._queue.append((due, part))
            self._queued += len(part)
        self._last = due
        if self._queued > HIGH_WATER and self._source.transport is not None:
            self._source.transport.pause_reading()
        self.send()

    def finish(self, how: Literal["rst", "fin", "half"]) -> None:
        """End the connection, or only this way of it, behind what is queued."""
        self._finish = how
        self.send()

    def send(self) -> None:
        """Hand on what is due."""
        while self._queue and not self._link.ended:
            if self._target.transport is None or self._target.paused or self._timer is not None:
                return
            due, data = self._queue[0]
            now = self._loop.time() if due else 0.0
            if due > now:
                self._timer = self._loop.call_at(due, self._on_time)
                return
            allowed = self._allowed(len(data))
            if not allowed:
                return  # it is held, or was cut
            _ = self._queue.popleft()
            if allowed < len(data):
                self._queue.appendleft((due, data[allowed:]))
                data = data[:allowed]
            self._hand_on(data)
            if self.toxics.slice is not None and self._queue:
                self._timer = self._loop.call_soon(self._on_time)
                return
        if self._queued <= HIGH_WATER and self._source.transport is not None and not self._link.ended:
            self._source.transport.resume_reading()
        if not self._queue and self._finish and not self.over and not self._link.ended:
            self._end(self._finish)

    def _on_time(self) -> None:
        self._timer = None
        self.send()

    def _allowed(self, size: int) -> int:
        """How many of the next bytes may pass now; a cut that is reached is made."""
        toxics = self.toxics
        if toxics.cut_at is not None and self.passed + size > toxics.cut_at:
            if self.passed >= toxics.cut_at:
                self._link.proxy.cuts += 1
                self._link.proxy.refuses |= self._link.proxy.refuses_after_cut
                toxics.cut_at = None
                self._end(toxics.cut_by)
                return 0
            size = toxics.cut_at - self.passed
        if toxics.hold_from is not None and len(self.frames) > toxics.hold_from:
            size = min(size, max(0, self.frames[toxics.hold_from] - self.passed))
        return size

    def _hand_on(self, data: bytes) -> None:
        toxics = self.toxics
        at = toxics.corrupt_at
        if at is not None and self.passed <= at < self.passed + len(data):
            toxics.corrupt_at = None
            at -= self.passed
            data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        self.passed += len(data)
        self._queued -= len(data)
        if not toxics.swallow and self._target.transport is not None:
            self._target.transport.write(data)

    def _end(self, how: Literal["rst", "fin", "half"]) -> None:
        if how != "half":
            self._link.end(how)
            return
        self.over = True
        self._queue.clear()
        self._queued = 0
        target = self._target.transport
        if target is not None and not target.is_closing():
            target.write_eof()
        if self._link.up.over and self._link.down.over:
            self._link.end("fin")

    def _note_frames(self, data: bytes) -> None:
        pos = 0
        while pos < len(data):
            if self._skip:
                step = min(self._skip, len(data) - pos)
                self._skip -= step
                pos += step
                continue
            if not self._head:
                self.frames.append(self.received + pos)
            part = data[pos : pos + 4 - len(self._head)]
            self._head += part
            pos += len(part)
            if len(self._head) == 4:
                self._skip = max(0, int.from_bytes(self._head, "little", signed=True))
                self._head = b""
