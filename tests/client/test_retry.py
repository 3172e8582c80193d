"""What is sent again, and that nothing which has left ends as "not sent"."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.retry import policy_of
from ignitemap.client.session import Session, retrying
from ignitemap.client.transactions import in_transaction
from ignitemap.protocol.message import CacheRef, Request
from ignitemap.protocol.operations import CacheGet, CachePut, CachePutIfAbsent, QueryScanCursorGetPage, TxEnd
from tests.client.fake_server import Call, FakeNode, connected, fake_nodes, session_of, until

CACHE = CacheRef(7)
READ = CacheGet(CACHE, 1)
WRITE = CachePut(CACHE, 1, 1)
CONDITIONAL = CachePutIfAbsent(CACHE, 1, 1)


@pytest.fixture
async def pair() -> AsyncIterator[list[FakeNode]]:
    """Two fake nodes that share the partitions."""
    async with fake_nodes(2) as nodes:
        yield nodes


def losing(nodes: list[FakeNode], operation: type[Request[Any]], times: int) -> list[FakeNode]:
    """The first calls of an operation end their connections, later ones are answered; where they came."""
    came: list[FakeNode] = []

    def handler(call: Call) -> None:
        came.append(call.connection.node)
        if len(came) <= times:
            call.close()
        else:
            call.answer(True if operation is CachePutIfAbsent else None)

    for node in nodes:
        node.on(operation, handler)
    return came


# --- policies ---------------------------------------------------------------------------------------------------------


def test_words_and_policies() -> None:
    """The words stand for policies; a policy is its own; anything else is a ConfigurationError."""
    assert policy_of("reads") == ig.RetryPolicy()
    assert policy_of("all") == ig.RetryPolicy(writes=True)
    assert policy_of("none") == ig.RetryPolicy(reads=False)
    own = ig.RetryPolicy(attempts=9)
    assert policy_of(own) is own
    for given in ("sometimes", None, 5, ["reads"]):
        with pytest.raises(ig.ConfigurationError) as caught:
            policy_of(given)  # type: ignore[arg-type]
        assert caught.value.option == "retry"


@pytest.mark.parametrize(
    "given",
    [
        {"attempts": 0},
        {"attempts": 1.5},
        {"attempts": True},
        {"backoff": -1},
        {"backoff": float("nan")},
        {"max_backoff": "1"},
        {"reads": 1},
        {"writes": None},
    ],
)
def test_impossible_policies(given: dict[str, Any]) -> None:
    """A policy that can't be is a ConfigurationError that names its field."""
    with pytest.raises(ig.ConfigurationError) as caught:
        ig.RetryPolicy(**given)
    assert caught.value.option in given


@pytest.mark.parametrize(
    ("policy", "repeated"),
    [
        (ig.RetryPolicy(), {"read"}),
        (ig.RetryPolicy(writes=True), {"read", "write"}),
        (ig.RetryPolicy(reads=False, writes=True), {"write"}),
        (ig.RetryPolicy(reads=False), set[str]()),
    ],
)
def test_effects(policy: ig.RetryPolicy, repeated: set[str]) -> None:
    """No policy repeats what depends on the present value, or is bound to a connection."""
    effects: list[Any] = ["read", "write", "update", "bound"]
    assert {effect for effect in effects if policy.repeats(effect)} == repeated


def test_waits_grow_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second attempt follows at once; before later ones is a random wait that may be twice as long each time."""
    policy = ig.RetryPolicy(backoff=0.1, max_backoff=0.5)
    longest = [max(policy.wait_before(attempt) for _ in range(500)) for attempt in range(1, 8)]
    for found, most in zip(longest, [0, 0, 0.1, 0.2, 0.4, 0.5, 0.5], strict=True):
        assert found <= most
        assert found >= 0.9 * most
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    assert policy.wait_before(10**6) == 0.5


# --- what is sent again -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "policy", "again"),
    [
        (READ, "reads", True),
        (READ, "all", True),
        (READ, "none", False),
        (WRITE, "reads", False),
        (WRITE, "all", True),
        (WRITE, "none", False),
        (CONDITIONAL, "all", False),
        (READ, ig.RetryPolicy(attempts=1), False),
        (WRITE, ig.RetryPolicy(reads=False, writes=True), True),
    ],
)
@pytest.mark.parametrize("where", ["client", "call"])
async def test_what_is_sent_again(
    pair: list[FakeNode], request_: Request[Any], policy: Any, again: bool, where: str
) -> None:
    """The table of retries, with a policy of the client and of one call; each attempt goes to another node."""
    client_wide = {"retry": policy} if where == "client" else {"retry": "all" if not again else "none"}
    own = policy_of(policy) if where == "call" else None
    async with session_of(*pair, **client_wide) as session:
        came = losing(pair, type(request_), 1)
        if again:
            await session.call(request_, retry=own)
            assert len(came) == 2
            assert came[0] is not came[1]
            assert session.statistics.retried == 1
        else:
            with pytest.raises(ig.OutcomeUnknownError):
                await session.call(request_, retry=own)
            assert len(came) == 1


@pytest.mark.parametrize("timeout", [None, 5.0])
@pytest.mark.parametrize("attempts", [1, 2, 3, 6])
async def test_attempts_are_counted(pair: list[FakeNode], attempts: int, timeout: float | None) -> None:
    """An operation is tried as often as the policy says, on the fast path and on the other."""
    policy = ig.RetryPolicy(attempts=attempts, backoff=0)
    async with session_of(*pair, retry=policy) as session:
        came = losing(pair, CacheGet, 100)
        with pytest.raises(ig.OutcomeUnknownError):
            await session.call(READ, timeout=timeout)
        assert len(came) == attempts


async def test_bound_operations_are_never_sent_again(pair: list[FakeNode]) -> None:
    """Pages and the end of a transaction are sent once, whatever the policy."""
    eager = ig.RetryPolicy(reads=True, writes=True, attempts=9)
    for request, error in ((QueryScanCursorGetPage(1), ig.CursorLost), (TxEnd(1, True), ig.OutcomeUnknownError)):
        async with session_of(*pair, retry=eager) as session:
            came = losing(pair, type(request), 1)
            with pytest.raises(error):
                await session.call(request, node=session.nodes.any())
            assert len(came) == 1


# --- what has left is never "not sent" --------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [None, 5.0])
@pytest.mark.parametrize(("request_", "policy"), [(READ, "reads"), (WRITE, "all")])
async def test_left_once_and_then_nowhere_to_go(
    pair: list[FakeNode], request_: Request[Any], policy: str, timeout: float | None
) -> None:
    """What has left and then finds no node ends as unknown, never as not sent."""
    async with session_of(*pair, retry=policy) as session:

        def vanish(call: Call) -> None:
            for node in pair:
                assert node._server is not None
                node._server.close()
                node.cut()

        for node in pair:
            node.on(type(request_), vanish)
        with pytest.raises(ig.OutcomeUnknownError) as caught:
            await session.call(request_, timeout=timeout)
        assert not isinstance(caught.value, ig.NotSentError)
        assert isinstance(caught.value.__cause__, ig.ClusterUnavailable)
        assert caught.value.operation == type(request_).__name__


async def test_left_once_and_then_no_slot(pair: list[FakeNode]) -> None:
    """What has left and then gets no slot elsewhere until its deadline is OperationTimeout, never Overloaded."""
    async with session_of(*pair, retry="all", max_in_flight=1) as session:
        held = [node.hold(CacheGet) for node in pair]
        connections = {each.address: each for each in session.nodes.open}
        puts = [node.hold(CachePut) for node in pair]
        task = asyncio.create_task(session.call(WRITE, timeout=0.1))
        await until(lambda: any(each.calls for each in puts))
        (first,) = [call for each in puts for call in each.calls]
        other = next(node for node in pair if node is not first.connection.node)
        blocking = asyncio.create_task(session.call(READ, node=connections[other.address]))
        await until(lambda: any(each.calls for each in held))
        first.close()
        with pytest.raises(ig.OperationTimeout):
            await task
        (call,) = [call for each in held for call in each.calls]
        call.answer(1)
        assert await blocking == 1
        assert sum(len(each.calls) for each in puts) == 1


async def test_left_once_and_then_expired_unsent(pair: list[FakeNode]) -> None:
    """What has left and then waits for a socket that takes no more is OperationTimeout, never NotSentTimeout."""
    async with session_of(*pair, retry="all") as session:
        puts = [node.hold(CachePut) for node in pair]
        task = asyncio.create_task(session.call(WRITE, timeout=0.1))
        await until(lambda: any(each.calls for each in puts))
        (first,) = [call for each in puts for call in each.calls]
        for connection in session.nodes.open:
            if connection.address != first.connection.node.address:
                connection.pause_writing()
        first.close()
        with pytest.raises(ig.OperationTimeout):
            await task


async def test_left_once_and_then_closed(pair: list[FakeNode]) -> None:
    """What has left when the client is closed is unknown, also while it waits for its next attempt."""
    async with connected(*pair, retry=ig.RetryPolicy(backoff=3600, max_backoff=3600)) as client:
        session = client.session
        came = losing(pair, CacheGet, 100)
        task = asyncio.create_task(session.call(READ, timeout=0.2))
        await until(lambda: len(came) == 2 and not session.nodes.open)
        await client.close()
        with pytest.raises(ig.OutcomeUnknownError) as caught:
            await task
        assert isinstance(caught.value, ig.ClientClosed)


# --- views ------------------------------------------------------------------------------------------------------------


async def test_views_of_a_cache(url: str) -> None:
    """`with_options(retry=)` is for the view alone: its calls carry the policy, the parent's don't."""
    seen: list[Any] = []
    async with ig.connect(url) as client:
        name = f"retry_{os.getpid()}"
        await client.cache(name, int, int)
        session = client.raw.session
        call = Session.call

        async def spy(self: Session, request: Any, *args: Any, retry: Any = None, **options: Any) -> Any:
            seen.append(retry)
            return await call(self, request, *args, retry=retry, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Session, "call", spy)
            policy = ig.RetryPolicy(writes=True, attempts=7)
            view = (await client.cache(name, int, int)).with_options(retry=policy, timeout=9)
            seen.clear()
            await view.set(1, 1)
            await view.update({number: number for number in range(10)})
            assert await view[1] == 1
            assert await view.items().to_dict() == {0: 0, 1: 1, **{number: number for number in range(2, 10)}}
            assert await view.raw.get(1) == 1
            assert await view.with_options(ttl=1000).contains(1)
            assert {each for each in seen if each is not None} == {policy}
            assert seen.count(None) <= 2  # mappings of partitions, and the like
            seen.clear()
            await view.with_options(retry="none").set(1, 1)
            assert seen == [policy_of("none")]
            with pytest.raises(ig.ConfigurationError):
                view.with_options(retry="sometimes")  # type: ignore[arg-type]
        assert not in_transaction(retrying(session, policy))
        await client.drop(name)
