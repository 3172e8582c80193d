"""TLS and passwords against a real node: verified by default, and nothing secret leaves before that."""

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme

import ignitemap as ig
from ignitemap.local import LocalCluster, cluster as local_cluster

CANARY = "hunter2-CANARY"


@pytest.fixture(scope="module")
async def secure() -> AsyncIterator[LocalCluster]:
    """One node with TLS and a user `ignite`."""
    async with local_cluster(tls=True, auth=True) as running:
        yield running


class Relay:
    """Passes bytes on to a node, and counts the connections and what the client said."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = 0
        self.said = bytearray()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answers, requests = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(self._pass_on(reader, requests, self.said), self._pass_on(answers, writer, bytearray()))

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, seen: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                seen += data
                target.write(data)
                await target.drain()
        target.close()


@contextlib.asynccontextmanager
async def relay_to(node: LocalCluster, host: str = "127.0.0.1") -> AsyncIterator[tuple[Relay, str]]:
    """A relay on another address, and that address."""
    relay = Relay(int(node.addresses[0].rpartition(":")[2]))
    server = await asyncio.start_server(relay.serve, host, 0)
    try:
        yield relay, f"{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_put_and_get(secure: LocalCluster) -> None:
    """With the authority trusted, by context or by file, everything works over TLS with a password."""
    async with ig.connect(secure.url, tls=secure.ssl_context) as client:
        cache = await client.cache("secrets", str, str)
        await cache.set("a", "b")
        await cache.update({str(number): "x" * number for number in range(500)})
        assert await cache["a"] == "b"
        assert await cache.size() == 501
    async with ig.connect(f"{secure.url}?tls=true", tls_ca_file=secure.ca_file) as client:
        cache = await client.cache("secrets", str, str)
        assert await cache["499"] == "x" * 499
        assert len(await client.sql("select 1")) == 1
    address = secure.addresses[0].replace("127.0.0.1", "localhost")
    async with ig.connect([address], tls=secure.ssl_context, username="ignite", password="ignite") as client:
        assert "secrets" in await client.cache_names()


async def test_an_authority_that_is_not_trusted(secure: LocalCluster) -> None:
    """A certificate of an authority that the client does not trust is a TlsError that says so."""
    with pytest.raises(ig.TlsError, match="certificate was not accepted") as caught:
        await ig.connect(secure.url, tls=True)
    assert caught.value.node == secure.addresses[0]
    assert isinstance(caught.value, ConnectionError)


async def test_another_host_name(secure: LocalCluster) -> None:
    """A certificate of another host is a TlsError, though its authority is trusted."""
    async with relay_to(secure, "127.0.0.2") as (relay, address):
        with pytest.raises(ig.TlsError, match="IP address mismatch"):
            await ig.connect([address], tls=secure.ssl_context, username="ignite", password=CANARY)
        assert relay.connections == 1
        async with ig.connect(
            [address], tls=True, allow_unverified_tls=True, username="ignite", password="ignite"
        ) as client:
            assert isinstance(await client.cache_names(), list)


async def test_wrong_passwords(secure: LocalCluster) -> None:
    """A wrong user or password is an AuthenticationError after exactly one attempt, and shows no password."""
    for username, password in (("ignite", CANARY), ("Ignite", "ignite"), ("ignite", "")):
        async with relay_to(secure) as (relay, address):
            with pytest.raises(ig.AuthenticationError) as caught:
                await ig.connect([address], tls=secure.ssl_context, username=username, password=password)
            assert relay.connections == 1
            assert CANARY not in str(caught.value)
    with pytest.raises(ig.AuthenticationError):
        await ig.connect(secure.addresses, tls=secure.ssl_context)


async def test_one_side_without_tls(secure: LocalCluster, cluster: LocalCluster) -> None:
    """A client without TLS on a TLS port, and one with TLS on a plain port, fail at once with the reason's class."""
    with pytest.raises(ig.ClusterUnavailable):
        await ig.connect(secure.url, connect_timeout=3)
    with pytest.raises(ig.TlsError):
        await ig.connect(cluster.addresses[:1], tls=secure.ssl_context)


async def test_no_credentials_before_the_certificate_was_checked() -> None:
    """To a server whose certificate is not accepted no byte goes but the TLS handshake's own."""
    rogue = trustme.CA()
    trusted = trustme.CA()
    for authority, host in ((rogue, "127.0.0.1"), (trusted, "other.example")):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(context)
        received: list[bytes] = []

        async def read(reader: asyncio.StreamReader, writer: Any, received: list[bytes] = received) -> None:
            received.append(await reader.read())
            writer.close()

        server = await asyncio.start_server(read, "127.0.0.1", 0, ssl=context)
        ours = ssl.create_default_context()
        trusted.configure_trust(ours)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ig.TlsError):
            await ig.connect(f"ignite://ann:{CANARY}@127.0.0.1:{port}", tls=ours)
        server.close()
        assert b"".join(received) == b""


async def test_old_tls_is_refused() -> None:
    """A server that speaks nothing above TLS 1.1 is refused."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=context)
    with authority.cert_pem.tempfile() as ca_file, pytest.raises(ig.TlsError):
        port = server.sockets[0].getsockname()[1]
        await ig.connect([f"127.0.0.1:{port}"], tls=True, tls_ca_file=ca_file)
    server.close()


@pytest.mark.stress  # starts nodes of its own
async def test_mutual_tls() -> None:
    """A node that asks for the client's certificate refuses a client without one as TlsError, and takes one with it."""
    async with local_cluster(tls="mutual") as node:
        with pytest.raises(ig.TlsError):
            await ig.connect(node.url, tls=True, tls_ca_file=node.ca_file)
        async with ig.connect(node.url, tls=node.ssl_context) as client:
            cache = await client.cache("mutual", int, int)
            await cache.set(1, 2)
            assert await cache[1] == 2
