"""Bulk operations: many entries in chunks, several chunks in flight, bounded memory.

Entries are encoded one by one into the chunk that will carry them. So a chunk's size is known in bytes, an entry that
can't be written fails before its chunk leaves, and two keys are the same when their bytes are, as on the server.
"""

import asyncio
import struct
from collections.abc import Coroutine, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final, Self, TypeVar

import attrs

from ignitemap.client.session import Session
from ignitemap.exceptions import (
    CacheNotFound,
    EncodeError,
    EncodeValueError,
    FunctionalityDisabled,
    InvalidNodeState,
    InvalidOperationCode,
    NodeInRecoveryMode,
    NotSentError,
    PartialWriteError,
    SchemaConflictError,
    SecurityViolation,
)
from ignitemap.protocol.binary_type import BinaryType
from ignitemap.protocol.codecs import Codecs, EntryTypes, Spec
from ignitemap.protocol.message import CacheRef, Request
from ignitemap.protocol.operations import CachePutAll, CacheRemoveKeys

__all__ = ["CHUNK_BYTES", "CHUNK_ENTRIES", "DEPTH", "BulkWriter", "chunks", "run_all"]

T = TypeVar("T")

# Measured on two nodes: larger chunks or more of them in flight gain nothing, and stall a loop and a server's thread.
CHUNK_ENTRIES: Final = 1024
CHUNK_BYTES: Final = 128 * 1024
DEPTH: Final = 8

# Errors after which nothing of the request was applied. Any other answer leaves part of a chunk possibly written.
UNTOUCHED: Final = (
    NotSentError,
    EncodeError,
    SchemaConflictError,
    CacheNotFound,
    FunctionalityDisabled,
    InvalidNodeState,
    InvalidOperationCode,
    NodeInRecoveryMode,
    SecurityViolation,
)


def chunks(items: Iterable[T], size: int = CHUNK_ENTRIES) -> Iterator[list[T]]:
    """The items in lists of at most ``size``."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


async def run_all(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of coroutines, in any order, at most DEPTH of them running.

    The first error ends the others and is raised; so does cancellation. No task outlives the call.
    """
    results: list[T] = []
    running: set[asyncio.Task[T]] = set()
    try:
        for call in calls:
            running.add(asyncio.create_task(call, name="ignitemap chunk"))
            if len(running) >= DEPTH:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                results += [task.result() for task in done]
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            results += [task.result() for task in done]
    finally:
        await _end(running)
    return results


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.gather(*ending, return_exceptions=True)


# --- entries that are encoded already -------------------------------------------------------------------------------


class EncodedItems:
    """What a request takes for a list: its length goes over the wire as the count, its one item is all the bytes."""

    __slots__ = ("count", "item")

    def __init__(self, count: int, item: object) -> None:
        self.count = count
        self.item = item

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[object]:
        yield self.item


def encode_verbatim(codecs: Codecs, out: bytearray, data: bytes) -> None:
    """Append bytes that are encoded already."""
    out += data


def decode_nothing(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Stand where a decoder is wanted and never called: bulk writes have empty answers."""
    raise AssertionError("a bulk write has no entries in its answer")


VERBATIM: Final[Spec[Any]] = Spec("encoded", encode_verbatim, decode_nothing)
ENCODED: Final = EntryTypes(VERBATIM, VERBATIM)


@attrs.define(eq=False)
class _Chunk:
    """Encoded entries by encoded key; how many were given, where a later one replaced an earlier; types to announce."""

    entries: dict[bytes, bytes] = attrs.field(factory=dict[bytes, bytes])
    given: int = 0
    size: int = 0
    types: list[BinaryType] = attrs.field(factory=list[BinaryType])


class BulkWriter:
    """Writes or removes many entries of one cache: `write` them or `write_one` each, then `finish`.

    Used in an `async with` block, which turns what fails inside into the error for the caller: the error itself as
    long as nothing was written, else PartialWriteError with the counts.
    """

    def __init__(
        self,
        session: Session,
        operation: type[CachePutAll] | type[CacheRemoveKeys],
        ref: CacheRef,
        codecs: Codecs,
        types: EntryTypes,
        timeout: float | None,
    ) -> None:
        self._session = session
        self._operation = operation
        self._ref = ref
        self._codecs = codecs
        self._types = types
        self._timeout = timeout
        self._scratch = bytearray()
        self._chunk = _Chunk()
        self._sending: dict[asyncio.Task[None], _Chunk] = {}
        self._busy: set[bytes] = set()  # the keys of all chunks that are being sent
        self._failure: Exception | None = None
        self._sent = 0  # chunks
        self._done = 0
        self._unknown = 0
        self._given = 0
        self.expected = 0
        """How many entries the caller means to add, where that is known."""

    async def write(self, entries: Iterable[tuple[Any, Any]]) -> None:
        """Write entries; for the operation that removes, the values are ignored.

        Raises ValueError for the value None, EncodeError, or what a model's codec raises, for an entry that can't be
        written, and what a chunk failed with.
        """
        iterator = iter(entries)
        while self._fill(iterator):
            await self._flush()

    async def write_one(self, key: object, value: object) -> None:
        """Write one entry. Raises as `write`."""
        if self._fill(iter(((key, value),))):
            await self._flush()

    def _fill(self, entries: Iterator[tuple[Any, Any]]) -> bool:
        """Encode entries into the present chunk until it is full; whether it is."""
        codecs = self._codecs
        encode_key, encode_value = self._types.key.encode, self._types.value.encode
        with_values, joins_key = self._operation is CachePutAll, self._types.value.joins_key
        chunk, scratch = self._chunk, self._scratch
        encoded, size, given = chunk.entries, chunk.size, chunk.given
        value_bytes = b""
        try:
            for key, value in entries:
                given += 1
                codecs.depth = 0
                scratch.clear()
                encode_key(codecs, scratch, key)
                key_bytes = bytes(scratch)
                if with_values:
                    if value is None:
                        raise ValueError("None cannot be stored, it stands for a missing key")  # noqa: TRY301 - a hot loop
                    scratch.clear()
                    if joins_key:
                        encode_value(codecs, scratch, value, key)
                    else:
                        encode_value(codecs, scratch, value)
                    value_bytes = bytes(scratch)
                if codecs.unannounced:
                    # Noted for the chunk: another task's request would take them for its own, and this one's not wait.
                    chunk.types += [each for each in codecs.unannounced if each not in chunk.types]
                    codecs.unannounced = []
                encoded[key_bytes] = value_bytes
                size += len(key_bytes) + len(value_bytes)
                if size >= CHUNK_BYTES or given >= CHUNK_ENTRIES:
                    return True
        except (struct.error, UnicodeEncodeError) as error:
            codecs.unannounced.clear()
            raise EncodeValueError(f"{self._operation.__name__}: {error}") from error
        except BaseException:
            codecs.unannounced.clear()
            raise
        finally:
            self._given += given - chunk.given
            chunk.given, chunk.size = given, size
        return False

    async def _flush(self) -> None:
        """Send the present chunk, as soon as fewer than DEPTH are under way and none of them has a key of it.

        The server runs the requests of a connection in any order. Raises what another chunk failed with.
        """
        chunk = self._chunk
        if not chunk.entries:
            return
        while len(self._sending) >= DEPTH or not self._busy.isdisjoint(chunk.entries):
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            self._collect()
        self._collect()
        self._begin()
        task = asyncio.create_task(self._send(chunk), name="ignitemap chunk")
        self._sending[task] = chunk
        self._busy.update(chunk.entries)
        if self._sent == 1:
            await asyncio.sleep(0)  # the server begins while the next chunk is encoded

    async def finish(self) -> None:
        """Send what is left and wait for all chunks."""
        if self._chunk.entries and not self._sending:
            chunk = self._chunk
            self._begin()
            try:
                await self._send(chunk)  # nothing to overlap with: no task
            except Exception as error:
                self._count(chunk, error)
                raise
            self._count(chunk, None)
            return
        await self._flush()
        while self._sending:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            self._collect()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if error is None:
            return
        if not isinstance(error, Exception):
            await _end(self._sending)
            return
        # The chunks under way are waited for: what became of them is what the caller must know.
        try:
            while self._sending:
                await asyncio.wait(self._sending)
                self._reap()
        except BaseException:
            await _end(self._sending)
            raise
        if self._done or (self._unknown and self._sent > 1):
            not_sent = max(self._given, self.expected) - self._done - self._unknown
            raise PartialWriteError(
                f"{self._operation.__name__} failed after {self._done} entries were written;"
                f" {self._unknown} more may have been, {not_sent} certainly were not",
                operation=self._operation.__name__,
                done=self._done,
                not_sent=not_sent,
                unknown=self._unknown,
            ) from error

    # --- chunks -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._chunk = _Chunk()
        self._sent += 1

    async def _send(self, chunk: _Chunk) -> None:
        if self._operation is CachePutAll:
            data = b"".join(chain.from_iterable(chunk.entries.items()))
            items: Any = EncodedItems(len(chunk.entries), (data, b""))
        else:
            items = EncodedItems(len(chunk.entries), b"".join(chunk.entries))
        request: Request[None] = self._operation(self._ref, items)
        # The call takes these up before it lets any other task run.
        self._codecs.unannounced += chunk.types
        await self._session.call(request, self._codecs, ENCODED, timeout=self._timeout)

    def _collect(self) -> None:
        """Take note of the chunks that have ended; raises what the first of them failed with."""
        self._reap()
        if self._failure is not None:
            raise self._failure

    def _reap(self) -> None:
        for task in [task for task in self._sending if task.done()]:
            chunk = self._sending.pop(task)
            self._busy.difference_update(chunk.entries)
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            self._count(chunk, error)
            if error is not None and self._failure is None:
                if not isinstance(error, Exception):
                    raise error
                self._failure = error

    def _count(self, chunk: _Chunk, error: BaseException | None) -> None:
        if error is None:
            self._done += chunk.given
        elif not isinstance(error, UNTOUCHED):
            self._unknown += chunk.given
