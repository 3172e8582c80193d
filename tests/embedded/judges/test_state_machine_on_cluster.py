"""A Hypothesis state machine over an embedded and a real node: what diverges shrinks to the few steps that it takes.

Entries expire by the clock of each node, and a real node takes none but its own. So time goes by in ticks: all that has
to do with expiry is done at the beginning of one, and an entry lives for one tick and a half, or two and a half. The
embedded node's clock is moved by hand, a tick at a time, and while something is about to expire the machine waits for
the real node to be there too.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

import attrs
import pytest
from hypothesis import HealthCheck, Phase, reject, settings, strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ignitemap import raw
from ignitemap.embedded import Node
from ignitemap.protocol.message import ExpiryPolicy
from tests.embedded.conftest import Clock
from tests.embedded.judges.sides import Actor, Divergence, Outcome, Pair, Work, outcome_of, pairs

T = TypeVar("T")

TICK: Final = 0.6
WINDOW: Final = 0.15
"""Seconds from the beginning of a tick in which a step may begin."""
LATE: Final = 0.27
"""Seconds from the beginning of a tick after which a step has taken too long to say when its entry expires."""
SHORT: Final = (900, 1500)
TICKS_OF_SHORT: Final = 3
PATIENT: Final = 600.0
"""The timeout of a transaction that is not to meet it."""

CACHES: Final = ("atomic", "transactional")
KEYS: Final = range(4)
VALUES: Final[Sequence[Any]] = (0, 1, 2, "text", [1, None], None)
TIMES: Final = (ExpiryPolicy.UNCHANGED, ExpiryPolicy.ETERNAL, 1_000_000_000, *SHORT)

ON_ONE_KEY: Final[dict[str, Any]] = {
    "get": lambda c, k, v, o: c.get(k),
    "contains": lambda c, k, v, o: c.contains_key(k),
    "put": lambda c, k, v, o: c.put(k, v),
    "put if absent": lambda c, k, v, o: c.put_if_absent(k, v),
    "get and put": lambda c, k, v, o: c.get_and_put(k, v),
    "get and put if absent": lambda c, k, v, o: c.get_and_put_if_absent(k, v),
    "get and replace": lambda c, k, v, o: c.get_and_replace(k, v),
    "get and remove": lambda c, k, v, o: c.get_and_remove(k),
    "replace": lambda c, k, v, o: c.replace(k, v),
    "replace if equals": lambda c, k, v, o: c.replace_if_equals(k, o, v),
    "remove": lambda c, k, v, o: c.remove_key(k),
    "remove if equals": lambda c, k, v, o: c.remove_if_equals(k, o),
}
ON_SEVERAL: Final[dict[str, Any]] = {
    "get all": lambda c, ks, v: c.get_all(ks),
    "contain all": lambda c, ks, v: c.contains_keys(ks),
    "put all": lambda c, ks, v: c.put_all(dict.fromkeys(ks, v)),
    "remove all": lambda c, ks, v: c.remove_keys(ks),
}

actor_numbers: Final = st.sampled_from((0, 1))
keys: Final = st.sampled_from(KEYS)
some_keys: Final = st.lists(keys, max_size=4, unique=True)
values: Final = st.sampled_from(VALUES)
_times: Final = st.tuples(
    st.sampled_from((*TIMES, 0)),
    st.sampled_from((*TIMES, 0)),
    st.sampled_from(TIMES),  # not 0: what expires on access lives for one more ms on a real node
)
# Seldom, for it is then that the machine waits for ticks.
policies: Final = st.tuples(st.integers(0, 4), _times).map(lambda drawn: drawn[1] if drawn[0] == 4 else None)
concurrencies: Final = st.sampled_from(("pessimistic", "optimistic"))
isolations: Final = st.sampled_from(("read_committed", "repeatable_read", "serializable"))


class World:
    """Two clients of each node and one that only looks, with the caches; kept from one run of the machine to the next."""

    def __init__(self, real_url: str) -> None:
        self.clock = Clock()
        self.pairs: list[Pair] = []
        self.steps = 0
        self.found: Divergence | None = None
        """The first one, before it shrank."""
        self._log: list[str] = []
        self._real_url = real_url
        self._loop = asyncio.get_running_loop()
        self._stack = AsyncExitStack()
        self._broken = True

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out something in the loop of the clients, from the thread of the machine."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def renew(self) -> None:
        """Empty caches and clients without transactions."""
        if self._broken:
            await self.aclose()
            node = await self._stack.enter_async_context(Node(clock=self.clock))
            caches = [(name, (Any, Any), {"atomicity": name}) for name in CACHES]
            self.pairs = await self._stack.enter_async_context(pairs(self._real_url, node.url, 3, caches))
            self._broken = False
        self._log.clear()
        for actor in (self.pairs[2].real, self.pairs[2].embedded):
            for name in CACHES:
                await actor.caches[name].clear()

    async def do(self, who: int, text: str, work: Work, *, may_wait: bool = False) -> Outcome | None:
        """One step on both sides. Raises Divergence."""
        self.steps += 1
        text = f"{who}: {text}"
        outcome = await self._told(self.pairs[who].do(text, work, may_wait=may_wait))
        self._log.append(f"{text} -> {outcome}")
        return outcome

    async def finish(self, who: int) -> Outcome:
        """How that ends which had waited. Raises Divergence."""
        outcome = await self._told(self.pairs[who].finish())
        self._log.append(f"{who}: (having waited) -> {outcome}")
        return outcome

    async def _told(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await work
        except Divergence as error:
            self._broken = True
            told = Divergence("\n  ".join(["", *self._log, str(error)]))
            self.found = self.found or told
            raise told from None

    async def aclose(self) -> None:
        """End the clients and the embedded node."""
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()


@attrs.define
class Mind:
    """What the machine knows of an actor: whether it is in a transaction, and which keys that may hold."""

    is_open: bool = False
    pessimistic: bool = False
    brief: bool = False
    """Whether something that it writes lives for a few ticks only."""
    touched: set[tuple[str, int]] = attrs.field(factory=set[tuple[str, int]])

    def forget(self) -> None:
        self.is_open = self.brief = False
        self.touched.clear()


class SideBySide(RuleBasedStateMachine):
    """Two actors, side by side on both nodes."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.minds = (Mind(), Mind())
        self.tick_began = 0.0
        self.ticks_left = 0
        """How many ticks something may be about to expire; when none, the time of the real node does not matter."""
        world.run(world.renew())

    def teardown(self) -> None:
        if not self.world._broken:
            for who in (0, 1):
                if self.minds[who].is_open and not self.waits(who):
                    self.finish_transaction(who, commit=True)
            for who in (0, 1):
                if self.minds[who].is_open:
                    self.finish_transaction(who, commit=True)
            self.see()

    # --- time ---------------------------------------------------------------------------------------------------------

    def pass_tick(self) -> None:
        """Let a tick go by; more than one, where this process stood still for longer."""
        ticks = 1
        if self.ticks_left:
            gone = time.monotonic() - self.tick_began
            ticks = max(1, math.ceil(gone / TICK))
            time.sleep(max(0.0, ticks * TICK - gone))
        self.world.clock.forward(ticks * TICK)
        self.tick_began += ticks * TICK
        self.ticks_left = max(0, self.ticks_left - ticks)

    def settle(self) -> None:
        """Let time go by until nothing is about to expire."""
        while self.ticks_left:
            self.pass_tick()

    def do(self, who: int, text: str, work: Work, *, brief: bool = False, may_wait: bool = False) -> Outcome | None:
        """One step, at the beginning of a tick where that matters."""
        if may_wait:
            self.settle()
        elif self.ticks_left and time.monotonic() - self.tick_began > WINDOW:
            self.pass_tick()
        if brief:
            if not self.ticks_left:
                self.tick_began = time.monotonic()
            self.ticks_left = TICKS_OF_SHORT
        outcome = self.world.run(self.world.do(who, text, work, may_wait=may_wait))
        if self.ticks_left and time.monotonic() - self.tick_began > LATE:
            reject()  # nobody can say any more on which side of a tick it expires
        return outcome

    def waits(self, who: int) -> bool:
        return self.world.pairs[who].waiting is not None

    def free(self, who: int) -> bool:
        """Whether an actor is in no transaction, and does not wait for anything."""
        return not self.minds[who].is_open and not self.waits(who)

    # --- rules --------------------------------------------------------------------------------------------------------

    @rule(
        who=actor_numbers,
        cache=st.sampled_from(CACHES),
        name=st.sampled_from([*ON_ONE_KEY]),
        key=keys,
        value=values,
        other=values,
        policy=policies,
    )
    def on_one_key(self, who: int, cache: str, name: str, key: int, value: Any, other: Any, policy: Any) -> None:
        """An operation on one key."""
        operation, text = ON_ONE_KEY[name], f"{key} {value!r} {other!r}"
        self.operate(who, cache, name, [key], policy, lambda c: operation(c, key, value, other), text)

    @rule(
        who=actor_numbers,
        kind=st.tuples(concurrencies, isolations),
        name=st.sampled_from([*ON_ONE_KEY]),
        key=keys,
        value=values,
        other=values,
        policy=policies,
    )
    def in_transaction(
        self, who: int, kind: tuple[Any, Any], name: str, key: int, value: Any, other: Any, policy: Any
    ) -> None:
        """An operation on one key, in a transaction that is begun for it where there is none."""
        if self.free(who):
            self.enter(who, *kind, PATIENT)
        self.on_one_key(who, "transactional", name, key, value, other, policy)

    @rule(
        who=actor_numbers,
        cache=st.sampled_from(CACHES),
        name=st.sampled_from([*ON_SEVERAL]),
        keys=some_keys,
        value=st.sampled_from(VALUES[:-1]),  # not None: in a transaction it leaves a real node's keys locked for ever
        policy=policies,
    )
    def on_several_keys(self, who: int, cache: str, name: str, keys: list[int], value: Any, policy: Any) -> None:
        """An operation on several keys."""
        self.operate(who, cache, name, keys, policy, lambda c: ON_SEVERAL[name](c, keys, value), f"{keys} {value!r}")

    def operate(
        self, who: int, cache: str, name: str, keys: Sequence[int], policy: Any, operation: Any, text: str
    ) -> None:
        if self.waits(who):
            who = 1 - who
        if self.minds[who].is_open and policy != (0, 0, 0):
            cache = "transactional"  # the atomic one is refused there, and that is soon seen
        mind, other = self.minds[who], self.minds[1 - who]
        needed = {(cache, key) for key in keys}
        if self.waits(1 - who) and needed & other.touched:
            return  # the two would wait for each other
        may_wait = bool(needed & other.touched)
        if may_wait:
            policy = None  # nobody knows when it will be done
        brief = policy is not None and any(each in SHORT for each in policy)

        def work(actor: Actor) -> Any:
            view: raw.AioCache = actor.caches[cache].raw
            return operation(view if policy is None else view.with_expire_policy(None, *policy))

        mind.touched |= needed
        mind.brief |= brief
        outcome = self.do(who, f"{cache} {name} {text} {policy}", work, brief=brief, may_wait=may_wait)
        if not mind.is_open and outcome is not None:
            mind.forget()

    def enter(self, who: int, concurrency: Any, isolation: Any, timeout: float) -> None:
        async def work(actor: Actor) -> None:
            actor.transaction = actor.client.transaction(concurrency, isolation, timeout=timeout)
            await actor.transaction.__aenter__()

        self.do(who, f"begin {concurrency} {isolation} {timeout}", work)
        self.minds[who].is_open = True
        self.minds[who].pessimistic = concurrency == "pessimistic"

    @rule(who=actor_numbers, commit=st.booleans())
    def end(self, who: int, commit: bool) -> None:
        if not self.minds[who].is_open or self.waits(who):
            who = 1 - who
        if not self.minds[who].is_open or self.waits(who):
            return
        if self.waits(1 - who) and not self.minds[who].pessimistic:
            commit = commit and not self.minds[who].touched & self.minds[1 - who].touched
        self.finish_transaction(who, commit=commit)

    def finish_transaction(self, who: int, *, commit: bool) -> None:
        mind, other = self.minds[who], self.minds[1 - who]

        async def work(actor: Actor) -> None:
            failure = None if commit else ValueError("roll back")
            await actor.transaction.__aexit__(failure and ValueError, failure, None)

        may_wait = commit and not mind.pessimistic and bool(mind.touched & other.touched)
        if may_wait and mind.brief:
            commit = may_wait = False  # nobody knows when it will be done
        outcome = self.do(
            who,
            "commit" if commit else "roll back",
            work,
            brief=mind.brief and commit,
            may_wait=may_wait,
        )
        mind.is_open = False
        if outcome is not None:
            mind.forget()
            self.release(1 - who)

    def release(self, who: int) -> None:
        """Let an actor go on, now that the other's transaction has ended."""
        if self.waits(who):
            self.world.run(self.world.finish(who))
            if not self.minds[who].is_open:
                self.minds[who].forget()

    @rule()
    def time_goes_by(self) -> None:
        self.pass_tick()

    @rule()
    def see(self) -> None:
        """What there is, as somebody sees it who is in no transaction."""
        for cache in CACHES:
            self.do(2, f"see {cache}", lambda actor, cache=cache: actor.caches[cache].raw.get_all([*KEYS]))

    @rule(cache=st.sampled_from(CACHES), name=st.sampled_from(("clear", "remove_all")))
    def on_all(self, cache: str, name: str) -> None:
        if self.free(0) and self.free(1):
            self.do(0, f"{cache} {name}", lambda actor: getattr(actor.caches[cache].raw, name)())

    # --- waiting in vain ----------------------------------------------------------------------------------------------

    @rule(
        who=actor_numbers,
        kind=st.tuples(concurrencies, isolations),
        names=st.tuples(st.sampled_from([*ON_ONE_KEY]), st.sampled_from([*ON_ONE_KEY])),
        key=keys,
        commit=st.booleans(),
        luck=st.integers(0, 3),
    )
    def lock_timeout(
        self, who: int, kind: tuple[Any, Any], names: tuple[str, str], key: int, commit: bool, luck: int
    ) -> None:
        """A transaction with a short timeout wants what the other one holds."""
        if luck or not (self.free(0) and self.free(1)):
            return
        self.settle()
        self.enter(1 - who, "pessimistic", "repeatable_read", PATIENT)
        self.on_one_key(1 - who, "transactional", "put", key, "held", None, None)

        async def work(actor: Actor) -> list[Outcome]:
            cache = actor.caches["transactional"].raw
            transaction = actor.client.transaction(*kind, timeout=0.2)
            await transaction.__aenter__()
            said = [await outcome_of(ON_ONE_KEY[name](cache, key, "late", "held")) for name in names]
            failure = None if commit else ValueError("roll back")
            said.append(await outcome_of(transaction.__aexit__(failure and ValueError, failure, None)))
            return said

        self.do(who, f"lock timeout {kind} {names} {commit=} {key=}", work)
        self.finish_transaction(1 - who, commit=True)

    @rule(isolation=isolations, one=keys, two=keys, who=actor_numbers, luck=st.integers(0, 5))
    def deadlock(self, isolation: Any, one: int, two: int, who: int, luck: int) -> None:
        """Two transactions wait for each other, until the timeout of one is over."""
        if luck or one == two or not (self.free(0) and self.free(1)):
            return
        self.settle()

        def put(key: int) -> Work:
            return lambda actor: actor.caches["transactional"].raw.put(key, "mine")

        self.enter(who, "pessimistic", isolation, 1.0)
        self.enter(1 - who, "pessimistic", isolation, PATIENT)
        self.do(who, f"put {one}", put(one))
        self.do(1 - who, f"put {two}", put(two))
        self.do(1 - who, f"put {one}", put(one), may_wait=True)
        assert self.waits(1 - who)
        self.do(who, f"put {two}, in a circle", put(two))
        self.finish_transaction(who, commit=False)
        self.finish_transaction(1 - who, commit=True)


async def run_machine(real_url: str, examples: int, steps: int, *, derandomize: bool) -> int:
    """Run the machine in a thread of its own; how many steps it has made. Raises Divergence, shrunk."""
    world = World(real_url)
    rules = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=derandomize,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=True,
    )
    try:
        await asyncio.to_thread(run_state_machine_as_test, lambda: SideBySide(world), settings=rules)
    except Flaky as error:  # it did not come again: then what was seen the first time is all there is
        raise world.found or error from error
    finally:
        await world.aclose()
    return world.steps


async def test_a_few_steps(real_url: str) -> None:
    """Entries, expiry and transactions do the same on both sides, whatever the order of the steps."""
    assert await run_machine(real_url, 4, 25, derandomize=True) >= 40


@pytest.mark.stress
@pytest.mark.timeout(3000)
async def test_five_thousand_steps(real_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    """At least 5,000 steps of entries, expiry and transactions do the same on both sides."""
    steps = 0
    while steps < 5000:
        steps += await run_machine(real_url, 50, 50, derandomize=False)
    with capfd.disabled():
        print(f"\n{steps} steps, no divergence")
