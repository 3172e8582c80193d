"""What happens to entries, on its way to those who listen: queued by the write, sent when it has been committed."""

import enum
from collections.abc import Callable

import attrs

__all__ = ["Event", "Kind", "Listener"]


class Kind(enum.IntEnum):
    """What happened: the event types of operation 2007."""

    CREATED = 0
    UPDATED = 1
    REMOVED = 2
    EXPIRED = 3


Event = tuple[Kind, bytes, bytes | None, bytes | None]
"""(what happened, key, old value, new value)."""


@attrs.frozen(eq=False)
class Listener:
    """Somebody who is told of the events of a cache: ``queue`` takes them as they happen, ``send`` when they last."""

    queue: Callable[["Listener", Event], None]
    send: Callable[[Event], None]
    with_expired: bool

    def tell(self, kind: Kind, key: bytes, old: bytes | None, new: bytes | None) -> None:
        """An entry has changed."""
        if kind is not Kind.EXPIRED or self.with_expired:
            self.queue(self, (kind, key, old, new))
