"""Bulk operations: many entries in chunks, several chunks in flight, bounded memory.

Entries are encoded one by one into the chunk that will carry them. So a chunk's size is known in bytes, an entry that
can't be written fails before its chunk leaves, and two keys are the same when their bytes are, as on the server.

What is more than one chunk is split by the nodes that own the keys, where that is known: the second chunk and those
behind it are of one node's keys each and are sent there. The nodes then have nothing to pass on to each other.
"""

import asyncio
import struct
from collections.abc import Callable, Coroutine, Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Any, Final, Self, TypeVar
from uuid import UUID

import attrs

from ignitemap.client.affinity import AffinityMapping, owners_of
from ignitemap.client.ambient import in_transaction
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
    OutcomeUnknownError,
    PartialWriteError,
    SchemaConflictError,
    SecurityViolation,
    TransactionConflict,
    TransactionDeadlock,
    TransactionError,
    TransactionTimeout,
)
from ignitemap.mapping.filling import ModelKeys, compile_filler
from ignitemap.protocol.binary_type import BinaryType
from ignitemap.protocol.codecs import UNTYPED, Codecs, EntryTypes
from ignitemap.protocol.codegen import OperationCodec, compile_operation
from ignitemap.protocol.message import CacheRef, Request
from ignitemap.protocol.operations.entries import CachePutAll, CacheRemoveKeys

__all__ = ["CHUNK_BYTES", "CHUNK_ENTRIES", "DEPTH", "BulkWriter", "chunks", "run_all"]

T = TypeVar("T")
R = TypeVar("R")

# Measured on two nodes: half as many entries take 7 % longer, twice as many are no faster and stall a loop and a
# server's thread, and so do larger chunks or more of them in flight.
CHUNK_ENTRIES: Final = 2048
CHUNK_BYTES: Final = 128 * 1024
DEPTH: Final = 8
OPEN_BYTES: Final = DEPTH * CHUNK_BYTES  # in chunks that wait to become full, one for each node

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
    TransactionError,
)
# Errors that end a transaction: nothing of it is ever applied, so there is nothing to count.
ROLLED_BACK: Final = (TransactionError, TransactionConflict, TransactionDeadlock, TransactionTimeout)


def chunks(items: Iterable[T], size: int = CHUNK_ENTRIES) -> Iterator[list[T]]:
    """The items in lists of at most ``size``."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


async def run_all(items: Iterable[T], call: Callable[[T, Callable[[bytes], None]], Coroutine[Any, Any, R]]) -> list[R]:
    """The results of one call for each item, in the order of the items; at most DEPTH of them wait for an answer.

    ``call`` gets what it may tell its answer to before it reads that: the next call begins then, and not when this one
    has ended. The first error ends the others and is raised; so does cancellation. No task outlives this one.
    """
    left = iter(items)
    tasks: list[asyncio.Task[R]] = []

    async def one(item: T) -> R:
        answered = False

        def on_answer(_: bytes) -> None:
            nonlocal answered
            answered = True
            start()

        result = await call(item, on_answer)
        if not answered:
            start()
        return result

    def start() -> None:
        tasks.extend(asyncio.create_task(one(item), name="ignitemap chunk") for item in islice(left, 1))

    ended = 0  # all before this one
    try:
        for _ in range(DEPTH):
            start()
        while ended < len(tasks):
            done, _ = await asyncio.wait(tasks[ended:], return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                _ = task.result()
            while ended < len(tasks) and tasks[ended].done():
                ended += 1
    finally:
        await _end(task for task in tasks[ended:] if not task.done())
    return [task.result() for task in tasks]


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.gather(*ending, return_exceptions=True)


# --- entries that are encoded already -------------------------------------------------------------------------------


class EncodedItems:
    """What a request takes for a list of entries or keys: how many they are, and all of their bytes."""

    __slots__ = ("count", "data")

    def __init__(self, count: int, data: bytes) -> None:
        self.count = count
        self.data = data

    def __len__(self) -> int:
        return self.count


def _precoded(operation: type[Request[None]], items_of: Callable[[Any], EncodedItems]) -> OperationCodec:
    """The codec of a bulk operation for `EncodedItems`. It is routed as an operation on the first key would be."""

    def encode(codecs: Codecs, context: object, out: bytearray, request: Any) -> int:
        items = items_of(request)
        out += request.cache.wire
        out += items.count.to_bytes(4, "little")
        key_at = len(out)
        out += items.data
        return key_at

    return OperationCodec(encode, compile_operation(operation, UNTYPED).decode)


ENCODED: Final = EntryTypes()
ENCODED.compiled[CachePutAll] = _precoded(CachePutAll, attrgetter("entries"))
ENCODED.compiled[CacheRemoveKeys] = _precoded(CacheRemoveKeys, attrgetter("keys"))


@attrs.define(eq=False)
class _Chunk:
    """Encoded entries by what stands for their keys; how many were given, some for the same key; types to announce."""

    entries: dict[Any, bytes] = attrs.field(factory=dict[Any, bytes])
    given: int = 0
    size: int = 0
    types: list[BinaryType] = attrs.field(factory=list[BinaryType])


class BulkWriter:
    """Writes or removes many entries of one cache: `write` them or `write_one` each, then `finish`.

    Used in an `async with` block, which turns what fails inside into the error for the caller: the error itself as
    long as nothing was written, else PartialWriteError with the counts. With ``models`` the entries are models, which
    hold their keys.
    """

    def __init__(
        self,
        session: Session,
        operation: type[CachePutAll] | type[CacheRemoveKeys],
        ref: CacheRef,
        codecs: Codecs,
        types: EntryTypes,
        timeout: float | None,
        models: ModelKeys[Any, Any] | None = None,
    ) -> None:
        self._session = session
        self._operation = operation
        self._ref = ref
        self._codecs = codecs
        self._types = types
        self._timeout = timeout
        self._encode = compile_filler(types, values=operation is CachePutAll, models=models)
        # A transaction is of one task, and its operations are carried out one after another.
        self._in_turn = in_transaction(session)
        self._mapping: AffinityMapping | None = None  # kept: a key must not move to another chunk meanwhile
        self._open: dict[UUID | None, _Chunk] = {None: _Chunk()}
        self._open_size = 0
        self._sending: dict[asyncio.Task[None], _Chunk] = {}
        self._busy: set[Any] = set()  # the keys of all chunks that are being sent
        self._failure: Exception | None = None
        self._sent = 0  # chunks
        self._done = 0
        self._unknown = 0
        self._given = 0
        self.expected = 0
        """How many entries the caller means to add, where that is known."""

    async def write(self, entries: Iterable[Any]) -> None:
        """Write entries: pairs of a key and a value, which is ignored by the operation that removes; or models.

        Raises ValueError for the value None, TypeError for what is no model, EncodeError, or what a model's codec raises,
        for an entry that can't be written, and what a chunk failed with.
        """
        iterator = iter(entries)
        while (full := self._fill(iterator)) is not None:
            await self._flush(full)

    async def write_one(self, entry: object) -> None:
        """Write one entry. Raises as `write`."""
        full = self._fill(iter((entry,)))
        if full is not None:
            await self._flush(full)

    def _fill(self, entries: Iterator[Any]) -> _Chunk | None:
        """Encode entries into the open chunks until one has to go, which is no longer among them; None at the end."""
        codecs, open_chunks = self._codecs, self._open
        while True:
            # So few that no chunk becomes larger than it may.
            most = CHUNK_ENTRIES - max((chunk.given for chunk in open_chunks.values()), default=0)
            limit = min(
                CHUNK_BYTES - max((chunk.size for chunk in open_chunks.values()), default=0),
                OPEN_BYTES - self._open_size,
            )
            keys: list[Any] = []
            items: list[bytes] = []
            try:
                size = self._encode(codecs, islice(entries, most), limit, keys, items)
            except (struct.error, UnicodeEncodeError) as error:
                codecs.unannounced.clear()
                raise EncodeValueError(f"{self._operation.__name__}: {error}") from error
            except BaseException:
                codecs.unannounced.clear()
                raise
            finally:
                self._given += len(keys)
            if not items:
                return None
            node = self._add(keys, items, size)
            if codecs.unannounced:
                # Noted for the chunk: another task's request would take them for its own, and this one's not wait.
                types = open_chunks[node].types
                types += [each for each in codecs.unannounced if each not in types]
                codecs.unannounced = []
            for node, chunk in open_chunks.items():
                if chunk.size >= CHUNK_BYTES or chunk.given >= CHUNK_ENTRIES:
                    return self._taken(node)
            if self._open_size >= OPEN_BYTES:  # of very many nodes
                return self._taken(max(open_chunks, key=lambda each: open_chunks[each].size))

    def _add(self, keys: list[Any], items: list[bytes], size: int) -> UUID | None:
        """Put entries into the open chunks of their keys' owners; whose chunk the last one is in."""
        self._open_size += size
        mapping, open_chunks = self._mapping, self._open
        if mapping is None:
            chunk = open_chunks.setdefault(None, _Chunk())
            chunk.entries.update(zip(keys, items, strict=True))
            chunk.given += len(items)
            chunk.size += size
            return None
        owners = owners_of(mapping, items, self._codecs.known.orders)
        nodes = dict(zip(map(id, owners), owners, strict=True))  # the hash of a UUID is slow
        owned: dict[int, list[tuple[Any, bytes]]] = {each: [] for each in nodes}
        for each, entry in zip(map(id, owners), zip(keys, items, strict=True), strict=True):
            owned[each].append(entry)
        for each, entries in owned.items():
            chunk = open_chunks.setdefault(nodes[each], _Chunk())
            chunk.entries.update(entries)
            chunk.given += len(entries)
            chunk.size += sum(len(item) for _, item in entries)
        return owners[-1]

    def _taken(self, node: UUID | None) -> _Chunk:
        """An open chunk that is to be sent. From now on entries are split by their owners."""
        chunk = self._open.pop(node)
        self._open_size -= chunk.size
        if self._sent == 0 and not self._in_turn:
            self._mapping = self._session.mapping_of(self._ref.cache_id)
        return chunk

    async def _flush(self, chunk: _Chunk) -> None:
        """Send a chunk, as soon as fewer than DEPTH are under way and none of them has a key of it.

        The server runs the requests of a connection in any order. Raises what another chunk failed with.
        """
        if self._in_turn:
            await self._send_now(chunk)
            return
        while len(self._sending) >= DEPTH or not self._busy.isdisjoint(chunk.entries):
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            self._collect()
        self._collect()
        self._sent += 1
        task = asyncio.create_task(self._send(chunk), name="ignitemap chunk")
        self._sending[task] = chunk
        self._busy.update(chunk.entries)
        await asyncio.sleep(0)  # it leaves: the server works while the next chunk is encoded

    async def _send_now(self, chunk: _Chunk) -> None:
        """Send a chunk, with no task for it, when no other is under way."""
        self._sent += 1
        try:
            await self._send(chunk)
        except Exception as error:
            self._count(chunk, error)
            raise
        self._count(chunk, None)

    async def finish(self) -> None:
        """Send what is left and wait for all chunks."""
        left = [chunk for chunk in self._open.values() if chunk.entries]
        self._open.clear()
        if len(left) == 1 and not self._sending:
            await self._send_now(left[0])
            return
        for chunk in left:
            await self._flush(chunk)
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
        if self._in_turn and isinstance(error, ROLLED_BACK):
            return
        if self._done or (self._unknown and (self._sent > 1 or isinstance(error, OutcomeUnknownError))):
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

    async def _send(self, chunk: _Chunk) -> None:
        items: Any = EncodedItems(len(chunk.entries), b"".join(chunk.entries.values()))
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
