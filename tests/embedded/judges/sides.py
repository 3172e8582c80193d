"""The same steps on two sides, a real cluster and an embedded node: what each of them does must be the same.

A side has actors; each is a client in a task of its own, for a transaction belongs to a task. Outcomes are compared as
plain data: values with their types, errors by class and status.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeAlias

import attrs

import ignitemap as ig

LIMIT: Final = 20.0
"""Seconds after which an operation that nothing holds up has failed."""
PATIENCE: Final = 0.15
"""Seconds after which an operation is taken to wait for a lock, if both sides agree on it."""

_serial: Final = itertools.count(1)

Outcome: TypeAlias = tuple[Any, ...]
Work: TypeAlias = Callable[["Actor"], Awaitable[Any]]


class Divergence(AssertionError):
    """The two sides did not do the same."""


class Actor:
    """A client of one side, with the caches by their short names, and the transaction that it is in."""

    def __init__(self, client: ig.Client, caches: dict[str, ig.Cache[Any, Any]]) -> None:
        self.client = client
        self.caches = caches
        self.transaction: Any = None
        self._work: asyncio.Queue[tuple[Work, asyncio.Future[Outcome]] | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    def ask(self, work: Work) -> asyncio.Future[Outcome]:
        """Let the actor do something; its outcome."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._work.put_nowait((work, future))
        return future

    async def aclose(self) -> None:
        """End the task. What it waits for is given up."""
        self._work.put_nowait(None)
        done, _ = await asyncio.wait({self._task}, timeout=1)
        if not done:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while (next_ := await self._work.get()) is not None:
            work, future = next_
            outcome = await outcome_of(work(self))
            if not future.done():
                future.set_result(outcome)
        if self.transaction is not None and not self.transaction.closed:
            await self.transaction.__aexit__(ValueError, ValueError(), None)


async def outcome_of(work: Awaitable[Any]) -> Outcome:
    """How something ends, as plain data."""
    try:
        return ("result", plain(await work))
    except ig.ServerError as error:
        return ("error", type(error).__name__, error.status)
    except Exception as error:
        return ("error", type(error).__name__)


def plain(value: Any) -> Any:
    """A value and its type; what has no order is sorted."""
    match value:
        case dict():
            return ("dict", sorted(((plain(key), plain(item)) for key, item in value.items()), key=repr))
        case set() | frozenset():
            return (type(value).__name__, sorted(map(plain, value), key=repr))
        case list() | tuple():
            return (type(value).__name__, [plain(item) for item in value])
        case _:
            return (type(value).__name__, repr(value))


@attrs.define
class Pair:
    """One actor on each side."""

    real: Actor
    embedded: Actor
    waiting: tuple[str, asyncio.Future[Outcome], asyncio.Future[Outcome]] | None = None
    """An operation that waits for a lock on both sides, and what it is."""

    async def do(self, text: str, work: Work, *, may_wait: bool = False) -> Outcome | None:
        """Do it on both sides; the outcome, None where both wait for a lock. Raises Divergence."""
        real, embedded = self.real.ask(work), self.embedded.ask(work)
        _, pending = await asyncio.wait({real, embedded}, timeout=PATIENCE if may_wait else LIMIT)
        if may_wait and len(pending) == 2:
            self.waiting = (text, real, embedded)
            return None
        return await _same(text, real, embedded)

    async def finish(self) -> Outcome:
        """The outcome of what had waited, now that the lock is free. Raises Divergence."""
        assert self.waiting is not None
        text, real, embedded = self.waiting
        self.waiting = None
        return await _same(f"{text} (having waited)", real, embedded)


async def _same(text: str, real: asyncio.Future[Outcome], embedded: asyncio.Future[Outcome]) -> Outcome:
    await asyncio.wait({real, embedded}, timeout=LIMIT)
    answers = [each.result() if each.done() else ("still waiting",) for each in (real, embedded)]
    if answers[0] != answers[1] or not real.done():
        shown = map(_without_common_start, answers, reversed(answers))
        raise Divergence("\n  ".join([text, *map(": ".join, zip(("real", "embedded"), shown, strict=True))]))
    return answers[0]


def _without_common_start(answer: Outcome, other: Outcome) -> str:
    """An outcome from a little before where it becomes another one."""
    text = str(answer)
    common = len(os.path.commonprefix([text, str(other)]))
    return text if common < 200 else f"...{text[common - 150 : common + 600]}"


@asynccontextmanager
async def pairs(
    real_url: str,
    embedded_url: str,
    count: int,
    caches: Sequence[tuple[str, tuple[Any, ...], dict[str, Any]]],
    registry: ig.Registry | None = None,
) -> AsyncIterator[list[Pair]]:
    """Actors on both sides with caches of their own: (short name, types, options)."""
    async with AsyncExitStack() as stack:
        names = {short: f"judged_{short}_{os.getpid()}_{next(_serial)}" for short, _, _ in caches}
        sides: list[list[Actor]] = []
        for url in (real_url, embedded_url):
            clients = [
                await stack.enter_async_context(ig.connect(url, registry=registry or ig.Registry(), timeout=60))
                for _ in range(count)
            ]
            stack.push_async_callback(_drop, clients[0], list(names.values()))
            actors = []
            for client in clients:
                opened = {short: await client.cache(names[short], *types, **opts) for short, types, opts in caches}
                actors.append(Actor(client, opened))
            sides.append(actors)
            for actor in actors:
                stack.push_async_callback(actor.aclose)
        yield [Pair(real, embedded) for real, embedded in zip(*sides, strict=True)]


async def _drop(client: ig.Client, names: Sequence[str]) -> None:
    present = {*await client.cache_names()}
    for name in names:
        if name in present:
            await client.drop(name)
