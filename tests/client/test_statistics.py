"""What a client tells of itself: counters of nodes, and log records without keys, values or secrets."""

import asyncio
import copy
import logging
import pickle
import traceback
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.nodes import NodeStatistics
from ignitemap.protocol.handshake import Credentials, Handshake, Secret
from ignitemap.protocol.message import CacheRef
from ignitemap.protocol.operations import CacheGet, CachePut
from tests.client.fake_server import connected, fake_nodes, until

CANARY = "hunter2-CANARY"
KEY, VALUE = "key-CANARY", "value-CANARY"
CACHE = CacheRef(7)


async def test_statistics_of_nodes() -> None:
    """Dials, connections, losses, what waits, what expired and what came late are counted for each node."""
    async with fake_nodes(2) as (node, other):
        await other.stop()
        async with connected(node, other, timeout=0.05, heartbeat=None, discovery=False) as client:
            session = client.session
            held = node.hold(CacheGet)
            with pytest.raises(ig.OperationTimeout):
                await session.call(CacheGet(CACHE, 1))
            held.calls[0].answer(1)
            cancelled = asyncio.create_task(session.call(CacheGet(CACHE, 2)))
            call = await _nth(held.calls, 2)
            (first, second) = session.nodes.statistics()
            assert first == NodeStatistics(str(node.address), str(node.id), True, 1, 1, 0, 1, 1, 1)
            assert second.dials >= 1
            assert (second.node, second.connected, second.opened, second.lost) == (None, False, 0, 0)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            call.answer(1)
            await until(lambda: session.nodes.open[0].late_answers == 2)
            assert session.statistics.cancelled == 1
            node.cut()
            await until(lambda: not session.nodes.open)
            (first, _) = session.nodes.statistics()
            assert (first.connected, first.lost, first.in_flight) == (False, 1, 0)


async def _nth(calls: list[Any], count: int) -> Any:
    await until(lambda: len(calls) == count)
    return calls[-1]


async def test_logs_tell_of_nodes_and_of_nothing_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Connections that open and end are logged with node and reason; no record has a key, a value or a password."""
    caplog.set_level(logging.DEBUG)
    async with fake_nodes(1) as (node,):
        node.on(CacheGet, lambda call: call.fail(1, f"\x1b[2J{'x' * 5000}\r\n"))
        async with connected(node, username="ann", password=CANARY) as client:
            session = client.session
            await session.call(CachePut(CACHE, KEY, VALUE))
            with pytest.raises(ig.ServerError) as caught:
                await session.call(CacheGet(CACHE, KEY))
            assert len(caught.value.message) <= 500
            node.cut()
            await until(lambda: not session.nodes.open)
            await session.call(CachePut(CACHE, KEY, VALUE))
            await node.stop()
            await until(lambda: not session.nodes.open)
            with pytest.raises(ig.NotSentError):
                await session.call(CachePut(CACHE, KEY, VALUE))
    told = [record.getMessage() for record in caplog.records if record.name == "ignitemap"]
    assert f"connected to {node.address} (node {node.id})" in told
    assert any(text.startswith(f"the connection to {node.address} was lost") for text in told)
    assert any(text.startswith(f"no connection to {node.address}: ") for text in told)
    everything = "".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    assert not [secret for secret in (CANARY, KEY, VALUE, "\x1b", "\r") if secret in everything]


def test_secrets_never_show() -> None:
    """A secret is not printed, formatted, pickled or copied; it is equal to its like, and only `reveal` gives the text."""
    secret = Secret(CANARY)
    handshake = Handshake(credentials=Credentials("ann", CANARY))
    options = ig.raw.Options(username="ann", password=CANARY)
    for thing in (
        secret,
        [secret],
        {"password": secret},
        handshake,
        handshake.credentials,
        options,
        vars(secret.__class__),
    ):
        assert CANARY not in f"{thing} {thing!r} {thing!s}"
    assert f"{secret:}" == "<secret>"
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="secret"):
            copied(secret)
        with pytest.raises(TypeError):
            copied(handshake) if copied is not copy.copy else copied(secret)
    assert secret == Secret(secret) == Secret(CANARY) != Secret("")
    assert secret != CANARY
    assert len({secret, Secret(CANARY)}) == 1
    assert secret.reveal() == CANARY
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (f"ignite://ann:{CANARY}@h:x", {}),
        (f"ignite://ann:{CANARY}@h?nonsense=1", {}),
        (f"ignite://ann:{CANARY}@h", {"timeout": "x"}),
        (f"ignite://ann:{CANARY}@h", {"nonsense": 1}),
        (f"ignite://ann:{CANARY}@h?password=y", {"max_in_flight": 0}),
        ("ignite://h", {"username": "ann", "password": CANARY, "nonsense": 1}),
        ("ignite://h", {"username": "ann", "password": CANARY + "\ud800"}),
        ("ignite://h", {"password": CANARY}),
        (f"ignite://ann:{CANARY}@h", {"tls": True, "tls_ca_file": "/nowhere"}),
    ],
)
def test_tracebacks_with_locals(url: str, options: dict[str, Any]) -> None:
    """When options or URL can't be used, the traceback of our frames shows no password, with all of its locals."""
    with pytest.raises(ig.ConfigurationError) as caught:
        ig.connect(url, **options)
    seen, errors = "", [caught.value]
    while errors:
        error = errors.pop()
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        seen += "".join(str(frame.locals) for frame in trace.stack if "/ignitemap/" in frame.filename) + repr(error)
        errors += [each for each in (error.__cause__, error.__context__) if each is not None]
    assert seen
    assert "hunter2" not in seen
