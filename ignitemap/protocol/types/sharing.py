"""Whether so many values share a hash that a dict or set of them would take quadratic time."""

from collections import Counter
from operator import mul
from typing import Any, Final

from ignitemap.exceptions import DecodeError

__all__ = ["check_hashes"]

# A cluster can send UUIDs, Decimals, floats or tuples that all have one hash: a dict of them would take quadratic time.
# Pairs of elements with one hash are what costs; chance makes next to none, and powers of two 33 of each hash.
SMALL: Final = 64
MAX_SHARING: Final = 40
# The hashes of text are keyed with a secret of the process, and at most nine 64-bit integers have one hash.
UNSHARED: Final = frozenset((int, str, bytes))


def check_hashes(items: list[Any]) -> None:
    """Refuse elements so many of which share a hash that it cannot be chance. Raises TypeError for an unhashable."""
    size = len(items)
    if size > SMALL and not UNSHARED.issuperset(map(type, items)) and len(set(map(hash, items))) != size:
        sharing = Counter(map(hash, items)).values()
        if sum(map(mul, sharing, sharing)) > MAX_SHARING * size:
            raise DecodeError("too many elements share one hash code")
