"""What may be sent again, how often, and after which wait."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

from ignitemap.exceptions import ConfigurationError
from ignitemap.protocol.message import Effect

__all__ = ["Retry", "RetryPolicy", "jitter", "policy_of"]

MAX_DOUBLINGS: Final = 30  # beyond them any wait is its maximum


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """What is sent again when its connection is lost, always within the operation's one deadline.

    >>> async with ig.connect(node.url, retry=ig.RetryPolicy(attempts=6, backoff=0.1)) as client:
    ...     cache = await client.cache("cache", int, str)
    ...     with node.faults.cut("CachePut", when="after"):
    ...         await cache.with_options(retry=ig.RetryPolicy(writes=True)).set(1, "Ann")  # sent twice

    As long as no byte of an operation has left, it may be tried again whatever it is. Once one has left, that depends on
    the operation: writes whose effect or answer depends on what was there, SQL that may change something, commits and
    the pages of a cursor are never sent again, whatever the policy says.

    Attributes:
        reads: Send reads again after a byte of them has left. Another node is asked, if there is one.
        writes: Send blind writes (`set`, `update`, `delete_many`, `clear`) again. They then happen at least once, and a
            repeated one may overwrite what somebody else has written in between.
        attempts: How often an operation is tried in all.
        backoff: Seconds. The second attempt follows at once; before the third there is a random wait of at most this,
            and twice as much before each further one.
        max_backoff: Seconds. No wait is longer.

    Raises ConfigurationError for a value out of range.
    """

    reads: bool = True
    writes: bool = False
    attempts: int = 4
    backoff: float = 0.05
    max_backoff: float = 1.0

    def __attrs_post_init__(self) -> None:
        for name in ("reads", "writes"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigurationError(f"{name} must be True or False, not {getattr(self, name)!r}", option=name)
        if type(self.attempts) is not int or self.attempts < 1:
            raise ConfigurationError(
                f"attempts must be a whole number from 1, not {self.attempts!r}", option="attempts"
            )
        for name in ("backoff", "max_backoff"):
            value: Any = getattr(self, name)
            if not isinstance(value, int | float) or not value >= 0:
                raise ConfigurationError(f"{name} must be at least 0 s, not {value!r}", option=name)

    def repeats(self, effect: Effect) -> bool:
        """Not for users: whether an operation of this effect may be sent again after a byte of it has left."""
        return (effect == "read" and self.reads) or (effect == "write" and self.writes)

    def wait_before(self, attempt: int) -> float:
        """Not for users: seconds to wait before an attempt, from 1 on. Full jitter: callers that failed together part."""
        if attempt <= 2:
            return 0.0
        longest = min(self.max_backoff, self.backoff * 2 ** min(attempt - 3, MAX_DOUBLINGS))
        return jitter(longest)


def jitter(longest: float) -> float:
    """A wait of at most so many seconds."""
    import random  # noqa: PLC0415 - most programs never wait, and it brings hash functions and more along

    return random.uniform(0, longest)  # noqa: S311 - no secret


Word = Literal["reads", "all", "none"]

Retry = Word | RetryPolicy
"""What an option ``retry`` takes."""

_WORDS: Final[Mapping[str, RetryPolicy]] = {
    "reads": RetryPolicy(),
    "all": RetryPolicy(writes=True),
    "none": RetryPolicy(reads=False),
}


def policy_of(retry: Retry) -> RetryPolicy:
    """The policy that a word stands for. Raises ConfigurationError."""
    if isinstance(retry, RetryPolicy):
        return retry
    policy = _WORDS.get(str(retry))  # callers may be untyped
    if policy is None:
        raise ConfigurationError(
            f"retry is one of {', '.join(_WORDS)}, or a RetryPolicy, not {retry!r}", option="retry"
        )
    return policy
