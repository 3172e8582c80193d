"""Times to live: of one entry, of all that are written through a view, of all in a cache that is created."""

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ignitemap.protocol.message import ExpiryPolicy

if TYPE_CHECKING:
    from ignitemap.mapping.cache import TtlOn

__all__ = ["Ttl", "counted_on", "policy_of", "ttl_milliseconds"]

Ttl = int | float | timedelta
"""A time to live: seconds, or a timedelta. `math.inf` is eternal."""

_UNCHANGED: Final = -2
_ETERNAL: Final = -1
_MAX_MILLISECONDS: Final = (1 << 63) - 1


def policy_of(ttl: Ttl, on: "TtlOn") -> ExpiryPolicy:
    """The policy of entries that live so long. Raises ValueError, TypeError."""
    return counted_on(_milliseconds(ttl), on)


def counted_on(milliseconds: int, on: "TtlOn") -> ExpiryPolicy:
    """JCache's created, modified and touched expiry policies."""
    match on:
        case "create":
            return ExpiryPolicy(milliseconds, _UNCHANGED, _UNCHANGED)
        case "update":
            return ExpiryPolicy(milliseconds, milliseconds, _UNCHANGED)
        case "access":
            return ExpiryPolicy(milliseconds, milliseconds, milliseconds)
        case _:
            raise ValueError(f"ttl_on is 'create', 'update' or 'access', not {on!r}")


def _milliseconds(ttl: object) -> int:
    """A time to live in ms, rounded up. Raises ValueError for one that is not above 0, TypeError for other types."""
    if isinstance(ttl, timedelta):
        milliseconds = -(-ttl // timedelta(milliseconds=1))
    elif isinstance(ttl, bool) or not isinstance(ttl, int | float):
        raise TypeError(f"ttl is in seconds, int or float, or a timedelta; got a Python {type(ttl).__qualname__}")
    elif ttl == math.inf:
        return _ETERNAL
    elif ttl > 0:
        # Rounded first where float arithmetic alone would make it longer: 0.07 * 1000 is 70.00000000000001.
        milliseconds = ttl * 1000 if isinstance(ttl, int) else max(1, math.ceil(round(ttl * 1000, 6)))
    else:
        milliseconds = 0
    if milliseconds <= 0:
        raise ValueError(f"ttl must be above 0, not {ttl!r}; math.inf is for ever, delete() removes an entry")
    if milliseconds > _MAX_MILLISECONDS:
        raise ValueError(f"a ttl of {ttl!r} s is out of range; math.inf is for ever")
    return milliseconds


def ttl_milliseconds(ttl: Ttl) -> int:
    """A time to live as the wire has it: ms, rounded up; -1 for ever. Raises ValueError unless it is above 0."""
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if not seconds > 0:
        raise ValueError(f"ttl must be above 0 s, not {ttl!r}")
    return _ETERNAL if seconds == math.inf else math.ceil(seconds * 1000)
