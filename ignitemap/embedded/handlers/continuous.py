"""Operation 2006: continuous queries, and their notifications 2007."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ignitemap.embedded.caches import Cache
from ignitemap.embedded.errors import no_class
from ignitemap.embedded.events import Event, Listener
from ignitemap.embedded.handlers.table import answers
from ignitemap.embedded.objects import NULL, wrapped
from ignitemap.exceptions import DecodeError
from ignitemap.protocol.connection import Notification
from ignitemap.protocol.operations import CONTINUOUS_EVENT, QueryContinuous

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session

ONE: Final = b"\x01\0\0\0"


class ContinuousQuery:
    """One continuous query. Each event is a notification of its own, as those of a real node's own partitions are."""

    counts: bool = True

    def __init__(self, cache: Cache, listener: Listener) -> None:
        self._cache = cache
        self._listener = listener

    def close(self) -> None:
        """No more events."""
        if self._listener in self._cache.listeners:  # it is not where the cache was destroyed
            self._cache.listeners.remove(self._listener)


@answers(QueryContinuous)
def continuous(session: "Session", request: QueryContinuous) -> int:
    """2006. The page size and the interval collect events of other nodes; here every event comes at once."""
    cache = session.cache(request.cache.cache_id)
    if request.page_size < 1 or request.interval < 0:
        raise DecodeError("a continuous query with an impossible page size or interval")
    if request.filter != NULL:
        raise no_class("filters of a continuous query")
    session.check_cursors()
    numbers: list[int] = []
    listener = Listener(session.cluster.queue_event, _sender(session, numbers), request.include_expired)
    cache.listeners.append(listener)
    numbers.append(session.add(ContinuousQuery(cache, listener)))
    return numbers[0]


def _sender(session: "Session", numbers: list[int]) -> Callable[[Event], None]:
    def send(event: Event) -> None:
        kind, key, old, new = event
        body = ONE + wrapped(key) + wrapped(old or NULL) + wrapped(new or NULL) + bytes((kind,))
        session.notify(Notification(numbers[0], CONTINUOUS_EVENT, body))

    return send
