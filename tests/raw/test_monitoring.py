"""Event listeners: what they are told of connections and requests, and that they can't do harm."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from ignitemap import raw
from ignitemap.client.connection import NodeConnection
from ignitemap.exceptions import OperationTimeout
from ignitemap.local import cluster as local_cluster
from ignitemap.protocol.handshake import Refused
from ignitemap.protocol.operations import CacheGet, CachePut
from tests.addresses import host_ports
from tests.client.fake_server import FakeNode, connected, fake_nodes, until


class Recorder(raw.ConnectionEventListener, raw.QueryEventListener):
    """Both kinds of listener, and everything that it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def _record(self, event: Any) -> None:
        self.events.append(event)

    on_handshake_start = on_handshake_success = on_handshake_fail = on_authentication_fail = _record
    on_connection_closed = on_connection_lost = _record
    on_query_start = on_query_success = on_query_fail = _record

    def take(self) -> list[Any]:
        taken, self.events = self.events, []
        return taken


async def test_a_session_on_a_real_node(url: str) -> None:
    """Handshake, requests and close are told, with the node's address and id; the handshake's own question is not."""
    recorder = Recorder()
    host, port = host_ports(url)[0]
    client = raw.AioClient(event_listeners=[recorder], partition_aware=False)
    async with client.connect(host, port):
        started, success = recorder.take()
        assert isinstance(started, raw.HandshakeStartEvent)
        assert isinstance(success, raw.HandshakeSuccessEvent)
        assert (started.host, started.port, success.host, success.port) == (host, port, host, port)
        connection = client.session.nodes.open[0]
        assert success.node_uuid == str(connection.protocol.node_id)
        assert success.protocol_context == connection.protocol.context
        await client.get_cache_names()
        asked, answered = recorder.take()
        assert isinstance(asked, raw.QueryStartEvent)
        assert isinstance(answered, raw.QuerySuccessEvent)
        assert (asked.op_code, asked.op_name, asked.node_uuid) == (1050, "OP_CACHE_GET_NAMES", success.node_uuid)
        assert answered.query_id == asked.query_id
        assert answered.duration >= 0
        with pytest.raises(raw.CacheError):
            await (await client.get_cache("nothing")).put(1, 1)
        asked, failed = recorder.take()
        assert isinstance(failed, raw.QueryFailEvent)
        assert (failed.op_name, failed.query_id) == ("OP_CACHE_PUT", asked.query_id)
        assert "Cache does not exist" in failed.err_msg
    (closed,) = recorder.take()
    assert type(closed) is raw.ConnectionClosedEvent
    assert closed.node_uuid == success.node_uuid


@pytest.mark.stress  # starts nodes of its own
async def test_a_node_that_dies_and_one_that_is_not_there() -> None:
    """A lost connection is told with a reason, and so is a dial that fails."""
    recorder = Recorder()
    async with local_cluster(nodes=1) as node:
        async with raw.AioClient(event_listeners=[recorder]).connect(host_ports(node.url)) as client:
            recorder.take()
            await node.kill(0)
            await until(lambda: any(isinstance(each, raw.ConnectionLostEvent) for each in recorder.events))
            lost = next(each for each in recorder.take() if isinstance(each, raw.ConnectionLostEvent))
            assert lost.node_uuid
            assert lost.error_msg
            assert isinstance(lost, raw.ConnectionClosedEvent)
            with pytest.raises(raw.ReconnectError):
                await client.get_cache_names()
            failed = recorder.take()[-1]
            assert isinstance(failed, raw.HandshakeFailedEvent)
            assert "refused" in failed.error_msg
        assert recorder.take() == []  # nothing is left to close


async def test_a_user_that_is_refused() -> None:
    """A refused user is an event of its own."""
    recorder = Recorder()
    async with fake_nodes(1) as (node,):
        node.on_handshake = lambda connection, handshake: connection.refuse(Refused((0, 0, 0), "wrong password", 2000))
        client = raw.AioClient(event_listeners=[recorder], username="u", password="p")
        with pytest.raises(raw.AuthenticationError):
            await client.connect("127.0.0.1", node.port)
    started, failed = recorder.take()
    assert isinstance(started, raw.HandshakeStartEvent)
    assert type(failed) is raw.AuthenticationFailedEvent
    assert isinstance(failed, raw.HandshakeFailedEvent)
    assert "wrong password" in failed.error_msg


async def test_requests_without_an_answer() -> None:
    """A request that is given up, cancelled, or whose connection is lost has failed."""
    recorder = Recorder()
    async with fake_nodes(1) as (node,), connected(node, event_listeners=[recorder]) as client:
        cache = await client.get_cache("c")
        held = node.hold(CacheGet)
        recorder.take()
        with pytest.raises(OperationTimeout):
            await cache.get(1, timeout=0.02)
        task = asyncio.create_task(cache.get(2))
        await held.take(2)
        task.cancel()
        await asyncio.wait([task])
        node.on(CachePut, lambda call: call.close())
        with pytest.raises(raw.connection_errors):
            await cache.put(1, 1)
        fails = [each.err_msg for each in recorder.take() if isinstance(each, raw.QueryFailEvent)]
        assert fails == ["Expired", "the caller was cancelled", "ConnectionLost"]


async def test_listener_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """What a listener raises is logged, and neither the request nor the other listeners notice."""

    class Broken(raw.QueryEventListener):
        def on_query_start(self, event: raw.QueryStartEvent) -> None:
            raise ZeroDivisionError

    recorder = Recorder()
    async with fake_nodes(1) as (node,), connected(node, event_listeners=[Broken(), recorder]) as client:
        with caplog.at_level(logging.ERROR, "ignitemap"):
            assert await client.get_cache_names() == ["one"]
    assert "on_query_start" in caplog.text
    assert any(isinstance(each, raw.QuerySuccessEvent) for each in recorder.events)


async def test_base_classes_do_nothing() -> None:
    """A listener overrides what it wants to know, and the rest does nothing."""

    class Silent(raw.ConnectionEventListener, raw.QueryEventListener):
        pass

    async with fake_nodes(1) as (node,), connected(node, event_listeners=[Silent()]) as client:
        cache = await client.get_cache("c")
        await cache.put(1, 1)
        node.on(CacheGet, lambda call: call.fail())
        with pytest.raises(raw.CacheError):
            await cache.get(1)
    with pytest.raises(raw.ReconnectError):
        await raw.AioClient(event_listeners=[Silent()]).connect("127.0.0.1", node.port)


async def test_no_listeners_no_cost() -> None:
    """A client without listeners has connections of the plain class."""
    async with fake_nodes(1) as (node,), connected(node) as client:
        await client.get_cache_names()
        assert [type(each) for each in client.session.nodes.open] == [NodeConnection]
    assert isinstance(node, FakeNode)


def test_what_is_no_listener() -> None:
    """A listener derives from one of the base classes, and events can't be changed."""
    with pytest.raises(raw.ParameterError, match="ConnectionEventListener"):
        raw.AioClient(event_listeners=[object()])
    event = raw.HandshakeStartEvent("h", 1)
    with pytest.raises(AttributeError):
        event.host = "other"  # type: ignore[misc] # what is tested
    assert "host='h'" in repr(event)
