"""The pair of transports that connects a client and a node without sockets: it behaves as sockets do."""

from __future__ import annotations

import asyncio

import pytest

from ignitemap.embedded.pipe import PipeTransport, connect_pair


class End(asyncio.Protocol):
    """Notes what happens to it."""

    def __init__(self) -> None:
        self.transport: PipeTransport
        self.data = b""
        self.pieces = 0
        self.said: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, PipeTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.pieces += 1

    def eof_received(self) -> None:
        self.said.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.said.append("lost")

    def pause_writing(self) -> None:
        self.said.append("pause")

    def resume_writing(self) -> None:
        self.said.append("resume")


class Buffered(asyncio.BufferedProtocol):
    """Takes what comes in small buffers."""

    def __init__(self) -> None:
        self.buffer = bytearray(7)
        self.data = b""

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.buffer[:nbytes]


async def turns(count: int = 4) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_both_ways() -> None:
    """What one end writes the other receives later, in order; nothing is handed over within a write."""
    one, two = End(), End()
    connect_pair(one, two)
    one.transport.write(b"a")
    one.transport.writelines([b"b", bytearray(b"c")])
    one.transport.write(b"")
    two.transport.write(memoryview(b"back"))
    assert two.data == b""
    await turns()
    assert (two.data, two.pieces, one.data) == (b"abc", 2, b"back")
    assert one.transport.get_protocol() is one
    other = End()
    two.transport.set_protocol(other)
    one.transport.write(b"x")
    await turns()
    assert other.data == b"x"


async def test_buffered_protocols() -> None:
    """A protocol with a buffer of its own gets the bytes in pieces that fit into it."""
    one, two = End(), Buffered()
    connect_pair(two, one)
    one.transport.write(b"more than seven bytes")
    await turns()
    assert two.data == b"more than seven bytes"


async def test_flow_control() -> None:
    """An end that doesn't read stops the other's writing at the mark, and lets it go on when it has read all."""
    one, two = End(), End()
    connect_pair(one, two)
    two.transport.pause_reading()
    assert not two.transport.is_reading()
    one.transport.set_write_buffer_limits(high=10)
    assert one.transport.get_write_buffer_limits() == (0, 10)
    one.transport.write(b"x" * 10)
    assert one.said == []
    one.transport.write(b"x")
    one.transport.write(b"x")
    assert one.said == ["pause"]
    assert one.transport.get_write_buffer_size() == 12
    await turns()
    assert two.data == b""
    two.transport.resume_reading()
    await turns()
    assert (len(two.data), one.said) == (12, ["pause", "resume"])
    one.transport.set_write_buffer_limits()
    assert one.transport.get_write_buffer_limits()[1] > 10


async def test_close() -> None:
    """A close lets the other end read what was written; then both learn of the end. Later writes are lost."""
    one, two = End(), End()
    connect_pair(one, two)
    one.transport.write(b"last words")
    one.transport.close()
    one.transport.close()
    assert one.transport.is_closing()
    one.transport.write(b"too late")
    assert not one.transport.can_write_eof()
    await turns()
    assert (two.data, two.said, one.said) == (b"last words", ["eof", "lost"], ["lost"])
    two.transport.write(b"nobody")
    await turns()
    assert one.data == b""


@pytest.mark.parametrize("reading", [True, False])
async def test_abort(reading: bool) -> None:
    """An abort loses what is on its way; an end that doesn't read learns of it too."""
    one, two = End(), End()
    connect_pair(one, two)
    if not reading:
        two.transport.pause_reading()
    one.transport.write(b"lost")
    one.transport.abort()
    await turns()
    assert (two.data, two.said, one.said) == (b"", ["eof", "lost"], ["lost"])
