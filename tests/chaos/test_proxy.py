"""The proxy does what it says: a fault that isn't there proves nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.chaos.proxy import Proxy


def frame(body: bytes) -> bytes:
    """A frame."""
    return len(body).to_bytes(4, "little") + body


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Proxy, list[bytes]]]:
    """A server behind a proxy that sends back what comes, and what has come to it."""
    chunks: list[bytes] = []

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            chunks.append(data)
            self.transport.write(data)

        def eof_received(self) -> None:
            chunks.append(b"")

        def connection_lost(self, exc: Exception | None) -> None:
            chunks.append(b"" if exc is None else b"lost")

    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    async with server, Proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy, chunks


@asynccontextmanager
async def client(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.transport.abort()


async def test_bytes_pass() -> None:
    """Without a fault all bytes pass, both ways, however many they are, and so does the end."""
    async with echo() as (proxy, chunks):
        async with client(proxy) as (reader, writer):
            data = bytes(range(256)) * 40_000
            writer.write(data)
            assert await reader.readexactly(len(data)) == data
            writer.write_eof()
            assert await reader.read() == b""
            assert b"".join(chunks) == data
        async with asyncio.timeout(10):
            while proxy.open:
                await asyncio.sleep(0)


@pytest.mark.parametrize("at", [0, 1, 9, 10])
async def test_cut_up(at: int) -> None:
    """Exactly so many bytes arrive before the cut, and the next connection is whole."""
    async with echo() as (proxy, chunks):
        proxy.up.cut_at, proxy.up.cut_by = at, "fin"
        async with client(proxy) as (reader, writer):
            writer.write(b"0123456789")
            writer.write(b"abc")
            assert await reader.read() == b""
            assert b"".join(chunks) in (b"0123456789"[:at], b"0123456789"[:at] + b"lost")
            assert proxy.cuts == 1
        chunks.clear()
        async with client(proxy) as (reader, writer):
            writer.write(b"0123456789")
            assert await reader.readexactly(10) == b"0123456789"


@pytest.mark.parametrize("at", [0, 1, 9])
async def test_cut_down(at: int) -> None:
    """A cut answer arrives up to the cut; behind it comes FIN or RST."""
    async with echo() as (proxy, _):
        proxy.down.cut_at, proxy.down.cut_by = at, "fin"
        async with client(proxy) as (reader, writer):
            writer.write(b"0123456789")
            assert await reader.read() == b"0123456789"[:at]
        proxy.down.cut_at, proxy.down.cut_by = at, "rst"
        async with client(proxy) as (reader, writer):
            writer.write(b"0123456789")
            with pytest.raises(ConnectionResetError):
                await reader.read()
                await reader.read()


async def test_half_closed() -> None:
    """A half close ends one way and leaves the other as it was."""
    async with echo() as (proxy, chunks):
        proxy.down.cut_at, proxy.down.cut_by = 5, "half"
        async with client(proxy) as (reader, writer):
            writer.write(b"0123456789")
            assert await reader.read() == b"01234"
            writer.write(b"more")
            async with asyncio.timeout(5):
                while b"".join(chunks) != b"0123456789more":
                    await asyncio.sleep(0)


async def test_hold() -> None:
    """Frames from a number on are held until they are released, whatever the slices."""
    async with echo() as (proxy, _):
        proxy.down.hold_from = 2
        proxy.up.slice = 3
        frames = [frame(b"first"), frame(b""), frame(b"third"), frame(b"fourth")]
        async with client(proxy) as (reader, writer):
            writer.write(b"".join(frames))
            assert await reader.readexactly(13) == frames[0] + frames[1]
            async with asyncio.timeout(5):
                while proxy.links[-1].down.received < 32:
                    await asyncio.sleep(0)
            assert proxy.links[-1].down.passed == 13
            proxy.heal()
            assert await reader.readexactly(19) == frames[2] + frames[3]


async def test_corrupt_and_swallow() -> None:
    """One byte arrives turned; what a black hole swallows never arrives, nor does the end."""
    async with echo() as (proxy, _):
        proxy.up.corrupt_at = 3
        async with client(proxy) as (reader, writer):
            writer.write(b"0123456789")
            assert await reader.readexactly(10) == b"012" + bytes([ord("3") ^ 0xFF]) + b"456789"
            proxy.down.swallow = True
            writer.write(b"abc")
            async with asyncio.timeout(5):
                while proxy.links[-1].down.passed < 13:
                    await asyncio.sleep(0)
            proxy.links[-1].node.close("fin")
            async with asyncio.timeout(5):
                while proxy.links[-1].node.transport is not None:
                    await asyncio.sleep(0)
            assert not reader.at_eof()


async def test_slow() -> None:
    """With a delay and a rate bytes take their time, and keep their order."""
    async with echo() as (proxy, _):
        proxy.up.delay, proxy.up.jitter, proxy.down.rate = 0.02, 0.03, 20_000
        loop = asyncio.get_running_loop()
        async with client(proxy) as (reader, writer):
            data = bytes(range(250)) * 4
            started = loop.time()
            for start in range(0, 1000, 100):
                writer.write(data[start : start + 100])
            assert await reader.readexactly(1000) == data
            assert loop.time() - started >= 0.02 + 1000 / 20_000
