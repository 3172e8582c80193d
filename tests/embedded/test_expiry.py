"""Expiry by a given clock: a Hypothesis state machine over a node and what javax.cache's ExpiryPolicy says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

import ignitemap as ig
from ignitemap.embedded import Node
from ignitemap.protocol.cache_config import CacheAtomicityMode, CacheConfig
from ignitemap.protocol.message import ExpiryPolicy
from ignitemap.protocol.operations import CacheCreateWithConfiguration
from ignitemap.raw import AioCache
from tests.embedded.conftest import Clock

T = TypeVar("T")
Policy = tuple[int, int, int] | None
"""Milliseconds to live from creation, update and access; None for no policy."""

UNCHANGED, ETERNAL = ExpiryPolicy.UNCHANGED, ExpiryPolicy.ETERNAL
KEYS: Final = range(3)
FAR: Final = 2**63 - 1

keys: Final = st.sampled_from(KEYS)
values: Final = st.sampled_from(range(3))
times: Final = st.sampled_from((UNCHANGED, ETERNAL, 0, 1, 2, 1000, FAR))
policies: Final = st.none() | st.tuples(times, times, times)


@attrs.define
class Expected:
    """Entries that expire, in plain Python."""

    transactional: bool
    usual: Policy
    """The policy of the cache."""
    clock: Clock
    entries: dict[int, tuple[int, int | None]] = attrs.field(factory=dict[int, tuple[int, "int | None"]])
    """Values, and when they expire."""

    def look(self, key: int) -> int | None:
        """The value, None when it is not there any more."""
        value, due = self.entries.get(key, (None, None))
        return None if due is not None and due <= self.clock.now else value

    def _live_for(self, key: int, value: int, duration: int) -> None:
        due = self.entries[key][1] if key in self.entries else None
        if duration == 0:
            self.entries.pop(key, None)
        elif duration == UNCHANGED:
            self.entries[key] = value, due
        else:
            self.entries[key] = value, None if duration == ETERNAL else self.clock.now + duration

    def read(self, key: int, policy: Policy) -> int | None:
        value, policy = self.look(key), policy or self.usual
        if value is not None and policy is not None:
            self._live_for(key, value, policy[2])
        return value

    def write(self, key: int, value: int, policy: Policy) -> bool:
        """Set a value; whether it is there then."""
        old, policy = self.look(key), policy or self.usual
        if old is None:
            self.entries.pop(key, None)
        create, update, _ = policy or (UNCHANGED,) * 3
        self._live_for(key, value, create if old is None else update)
        return key in self.entries

    def write_all(self, entries: dict[int, int], policy: Policy) -> None:
        """Set several values."""
        for key, value in entries.items():
            self.write(key, value, policy)

    def remove(self, key: int) -> int | None:
        """Remove an entry; its value."""
        value = self.look(key)
        self.entries.pop(key, None)
        return value

    def add(self, key: int, value: int, policy: Policy) -> tuple[int | None, bool]:
        """Set a value where there is none; what was there, and whether it was set."""
        old = self.look(key)
        if old is None:
            # Seen from a 2.17.0 node: an atomic cache says of what expires at once that it was not set.
            return None, self.write(key, value, policy) or self.transactional
        if self.transactional:
            self.read(key, policy)
        return old, False

    def replace(self, key: int, value: int, policy: Policy) -> int | None:
        """Set a value where there is one; what was there."""
        old = self.look(key)
        if old is not None:
            self.write(key, value, policy)
        return old

    def matches(self, key: int, expected: int, policy: Policy) -> bool:
        """Whether a value is the expected one; another is touched."""
        return self.look(key) == expected or (self.read(key, policy) is None and False)


OnKey = Callable[[AioCache, int, int, int], Awaitable[Any]]
InMind = Callable[[Expected, int, int, int, Policy], Any]
OPERATIONS: Final[dict[str, tuple[OnKey, InMind]]] = {
    "get": (lambda c, k, v, o: c.get(k), lambda e, k, v, o, p: e.read(k, p)),
    "contains": (lambda c, k, v, o: c.contains_key(k), lambda e, k, v, o, p: e.look(k) is not None),
    "put": (lambda c, k, v, o: c.put(k, v), lambda e, k, v, o, p: e.write_all({k: v}, p)),
    "put if absent": (lambda c, k, v, o: c.put_if_absent(k, v), lambda e, k, v, o, p: e.add(k, v, p)[1]),
    "get and put": (lambda c, k, v, o: c.get_and_put(k, v), lambda e, k, v, o, p: (e.look(k), e.write(k, v, p))[0]),
    "get and put if absent": (
        lambda c, k, v, o: c.get_and_put_if_absent(k, v),
        lambda e, k, v, o, p: e.add(k, v, p)[0],
    ),
    "get and replace": (lambda c, k, v, o: c.get_and_replace(k, v), lambda e, k, v, o, p: e.replace(k, v, p)),
    "get and remove": (lambda c, k, v, o: c.get_and_remove(k), lambda e, k, v, o, p: e.remove(k)),
    "replace": (lambda c, k, v, o: c.replace(k, v), lambda e, k, v, o, p: e.replace(k, v, p) is not None),
    "replace if equals": (
        lambda c, k, v, o: c.replace_if_equals(k, o, v),
        lambda e, k, v, o, p: e.matches(k, o, p) and e.replace(k, v, p) is not None,
    ),
    "remove": (lambda c, k, v, o: c.remove_key(k), lambda e, k, v, o, p: e.remove(k) is not None),
    "remove if equals": (
        lambda c, k, v, o: c.remove_if_equals(k, o),
        lambda e, k, v, o, p: e.matches(k, o, p) and e.remove(k) is not None,
    ),
    "get all": (
        lambda c, k, v, o: c.get_all([*KEYS]),
        lambda e, k, v, o, p: {each: value for each in KEYS if (value := e.read(each, p)) is not None},
    ),
    "put all": (
        lambda c, k, v, o: c.put_all({k: v, (k + 1) % 3: o}),
        lambda e, k, v, o, p: e.write_all({k: v, (k + 1) % 3: o}, p),
    ),
    "size": (
        lambda c, k, v, o: c.get_size(),
        lambda e, k, v, o, p: sum(e.look(each) is not None for each in KEYS),
    ),
}
"""By name: the operation, and what is expected of it."""


class ByTheClock(RuleBasedStateMachine):
    """One cache of a node whose clock is moved by hand, and what is expected of it."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any], cache: AioCache, expected: Expected) -> None:
        super().__init__()
        self.run = run
        self.cache = cache
        self.expected = expected
        expected.entries.clear()
        run(cache.clear())

    @rule(name=st.sampled_from([*OPERATIONS]), key=keys, value=values, other=values, policy=policies)
    def operate(self, name: str, key: int, value: int, other: int, policy: Policy) -> None:
        """An operation, with a policy of its own or without."""
        operation, expectation = OPERATIONS[name]
        cache = self.cache if policy is None else self.cache.with_expire_policy(None, *policy)
        wanted = expectation(self.expected, key, value, other, policy)
        assert self.run(_of(operation(cache, key, value, other))) == wanted, name

    @rule(milliseconds=st.sampled_from((1, 2, 999, 1000)))
    def time_goes_by(self, milliseconds: int) -> None:
        """The clock moves on."""
        self.expected.clock.now += milliseconds

    @rule()
    def scan(self) -> None:
        """A scan shows what is there, and touches nothing."""

        async def found() -> dict[int, int]:
            async with self.cache.scan() as cursor:
                return {key: value async for key, value in cursor}

        assert self.run(found()) == {
            key: self.expected.look(key) for key in KEYS if self.expected.look(key) is not None
        }


async def _of(work: Awaitable[T]) -> T:
    return await work


CONFIGURED: Final[dict[str, Policy]] = {"no policy": None, "a policy": (1000, 2, UNCHANGED), "touched": (2, 2, 1000)}


@pytest.mark.parametrize("atomicity", ["atomic", "transactional"])
@pytest.mark.parametrize("usual", CONFIGURED.values(), ids=CONFIGURED)
async def test_entries_expire_by_the_clock(usual: Policy, atomicity: str) -> None:
    """Whatever is done in whatever order, an entry is there for as long as its policies say, and not a ms longer."""
    clock = Clock()
    async with Node(port=None, clock=clock) as node, ig.connect(node.url) as client:
        config = CacheConfig(
            name="expiring",
            atomicity=CacheAtomicityMode[atomicity.upper()],
            expiry=None if usual is None else ExpiryPolicy(*usual),
        )
        await client.raw.session.call(CacheCreateWithConfiguration(config))
        cache = (await client.cache("expiring", int, int)).raw
        loop = asyncio.get_running_loop()
        expected = Expected(atomicity == "transactional", usual, clock)

        def machine() -> ByTheClock:
            return ByTheClock(lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(), cache, expected)

        rules = settings(
            max_examples=30,
            stateful_step_count=30,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        await asyncio.to_thread(run_state_machine_as_test, machine, settings=rules)
