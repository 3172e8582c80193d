"""The raw client: options, connecting, what it tells of itself, and that it never tells a password."""

import asyncio
import copy
import logging
import pickle
import ssl
import traceback
from typing import Any

import pytest

import ignitemap as ig
from ignitemap.client.client import AioClient, Options
from ignitemap.client.connection import Address
from ignitemap.protocol.handshake import Credentials, Handshake, Refused
from ignitemap.protocol.operations import CacheGetNames
from tests.client.fake_server import connected, fake_nodes, until

CANARY = "hunter2-CANARY"


async def test_connect_and_close() -> None:
    """A client connects once at a time, answers, and can be closed again and again."""
    async with fake_nodes(2) as nodes:
        client = AioClient(Options())
        with pytest.raises(ig.ClientClosed):
            _ = client.session
        assert "not connected" in repr(client)
        assert await client.open([node.address for node in nodes]) is client
        with pytest.raises(ig.ConfigurationError):
            await client.open([nodes[0].address])
        assert await client.get_cache_names() == ["one"]
        await until(lambda: len(client.session.nodes.open) == 2)
        assert repr(client) == "<AioClient <2 of 2 nodes connected>>"
        await client.close()
        await client.close()
        await until(lambda: not any(node.connections for node in nodes))


async def test_one_node_of_many_is_enough() -> None:
    """A client connects when one of its addresses answers, and takes the others when they come up."""
    async with fake_nodes(3) as nodes:
        await nodes[0].stop()
        await nodes[2].stop()
        async with connected(*nodes) as client:
            assert len(client.session.nodes.open) == 1


async def test_a_failed_connect_leaves_nothing() -> None:
    """A client that could not connect has no socket and no task, and may try again."""
    async with fake_nodes(1) as (node,):
        node.on_handshake = lambda connection, _: connection.refuse(Refused((1, 7, 0), "starting", 11))
        client = AioClient(Options())
        with pytest.raises(ig.ClusterUnavailable, match="starting"):
            await client.open([node.address])
        await until(lambda: not node.connections)
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("ignitemap")]
        node.on_handshake = type(node)().on_handshake
        await client.open([node.address])
        await client.close()


async def test_user_attributes_and_credentials_are_sent() -> None:
    """The handshake carries user, password and attributes."""
    async with (
        fake_nodes(1) as (node,),
        connected(node, username="ann", password=CANARY, user_attributes={"app": "test"}),
    ):
        assert node.handshakes == [
            Handshake(credentials=Credentials("ann", CANARY), user_attributes={"app": "test"}),
        ]


@pytest.mark.parametrize("host", ["10.1.2.3", "example.invalid", "::2"])
async def test_credentials_stay_off_plain_networks(host: str) -> None:
    """Credentials for another machine without TLS are refused before anything is dialled, unless that is asked for."""
    options = {"username": "ann", "password": CANARY, "connect_timeout": 0.05}
    with pytest.raises(ig.InsecureCredentialsError, match="allow_plaintext_auth"):
        await AioClient(Options(**options)).open([Address("127.0.0.1", 1), Address(host, 1)])
    with pytest.raises(ig.ClusterUnavailable):
        await AioClient(Options(**options, allow_plaintext_auth=True)).open([Address("127.0.0.1", 1)])


@pytest.mark.parametrize(
    "options",
    [
        {"retry": "sometimes"},
        {"naive_datetime": "guess"},
        {"username": "ann"},
        {"password": "x"},
        {"timeout": 0},
        {"timeout": -1},
        {"connect_timeout": float("nan")},
        {"max_in_flight": 0},
    ],
)
def test_impossible_options(options: dict[str, Any]) -> None:
    """An impossible option is a ConfigurationError that names it."""
    with pytest.raises(ig.ConfigurationError) as caught:
        Options(**options)
    assert caught.value.option in {*options, "username"}


async def test_no_password_anywhere(caplog: pytest.LogCaptureFixture) -> None:
    """No repr, log record, error or traceback with its locals shows the password; a client can't be pickled."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    async with fake_nodes(1) as (node,):
        options = {"username": "ann", "password": CANARY}
        async with connected(node, **options) as client:
            session = client.session
            (connection,) = session.nodes.open
            for each in (client, client.options, session, session.nodes, connection, connection.protocol):
                shown += [repr(each), str(each), f"{each}"]
            for copied in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match="pickle"):
                    copied(client)
            node.on(CacheGetNames, lambda call: call.close())
            shown += await _failure(client.get_cache_names())
            await node.stop()
            shown += await _failure(client.get_cache_names())
        await node.start()
        node.on_handshake = lambda connection, _: connection.refuse(Refused((0, 0, 0), "no", 2000))
        shown += await _failure(AioClient(Options(**options)).open([node.address]))
        node.on_handshake = lambda connection, _: connection.send(b"nonsense")
        shown += await _failure(AioClient(Options(**options)).open([node.address]))
        shown += await _failure(AioClient(Options(**options)).open([Address("10.0.0.1", 1)]))
        shown += [repr(Options(**options)), str(Options(**options, tls=ssl.create_default_context()))]
    shown += [record.getMessage() for record in caplog.records]
    assert len(shown) > 30
    assert not [text for text in shown if CANARY in text]


async def _failure(awaitable: Any) -> list[str]:
    """Everything that an error shows, with the locals of our frames, and its pickle."""
    try:
        await awaitable
    except ig.IgniteMapError as error:
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        ours = [f"{frame.name}: {frame.locals}" for frame in trace.stack if frame.filename.find("/ignitemap/") >= 0]
        causes = getattr(error, "causes", {})
        return [str(error), repr(error), str(vars(error)), repr(causes), pickle.dumps(error).decode("latin1"), *ours]
    raise AssertionError("it did not fail")
