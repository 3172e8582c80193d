"""Operations 8000 and 8001: data streamers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ignitemap.embedded.caches import Cache
from ignitemap.embedded.errors import cache_not_found, failed, no_class
from ignitemap.embedded.handlers.table import Needs, answers
from ignitemap.embedded.objects import NULL
from ignitemap.protocol.operations import (
    STREAMER_ALLOW_OVERWRITE,
    STREAMER_CLOSE,
    STREAMER_FLUSH,
    DataStreamerAddData,
    DataStreamerStart,
)

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session

DEFAULT_BUFFER: Final = 512  # entries for a node: IgniteDataStreamer.DFLT_PER_NODE_BUFFER_SIZE
FAILURE: Final = (
    "class org.apache.ignite.IgniteCheckedException: Some of DataStreamer operations failed [failedCount={}]"
)

Entries = Sequence[tuple[bytes, bytes]]


class Streamer:
    """Entries on their way into a cache."""

    counts: bool = False

    def __init__(self, session: "Session", cache: Cache, size: int, *, overwrite: bool) -> None:
        self._session = session
        self._cache = cache
        self._size = size
        self._overwrite = overwrite
        self._buffer: list[tuple[bytes, bytes]] = []

    def add(self, entries: Entries, flags: int) -> None:
        """Take entries; write them when the buffer is full or the flags say so. Raises Refused, Locked."""
        start = len(self._buffer)
        self._buffer.extend(entries)
        if len(self._buffer) >= self._size or flags & (STREAMER_FLUSH | STREAMER_CLOSE):
            try:
                self._flush()
            except BaseException:
                del self._buffer[start:]  # the request will bring them again
                raise

    def _flush(self) -> None:
        cache, buffer = self._cache, self._buffer
        if cache.dropped:
            raise cache_not_found(cache.id)
        wrong = sum(key == NULL for key, _ in buffer)
        if wrong:
            buffer.clear()
            raise failed(FAILURE.format(wrong))
        if cache.locks:
            self._session.wait_for(cache, [key for key, _ in buffer])
        with self._session.cluster.whole():
            for key, value in buffer:
                if value == NULL:
                    if self._overwrite:
                        cache.remove(key)
                elif self._overwrite or cache.get(key) is None:
                    cache.put(key, value)
        self._buffer = []

    def close(self) -> None:
        """Closed by its id, or with its connection: what is not written yet is lost, and a client is told so."""
        lost, self._buffer = len(self._buffer), []
        if lost:
            raise failed(FAILURE.format(1))


@answers(DataStreamerStart, needs=Needs.WRITABLE)
def start(session: "Session", request: DataStreamerStart) -> int:
    """8000."""
    cache = session.cache(request.cache_id)
    if request.receiver != NULL:
        raise no_class("receivers of a data streamer")
    if request.per_node_buffer == 0:
        raise failed("Ouch! Argument is invalid: bufSize > 0")
    size = request.per_node_buffer if request.per_node_buffer > 0 else DEFAULT_BUFFER
    streamer = Streamer(session, cache, size, overwrite=bool(request.flags & STREAMER_ALLOW_OVERWRITE))
    streamer.add(request.entries, request.flags)
    return 0 if request.flags & STREAMER_CLOSE else session.add(streamer)


@answers(DataStreamerAddData, needs=Needs.WRITABLE)
def add_data(session: "Session", request: DataStreamerAddData) -> None:
    """8001."""
    streamer = session.resource(request.streamer, Streamer)
    streamer.add(request.entries, request.flags)
    if request.flags & STREAMER_CLOSE:
        session.forget(request.streamer)
