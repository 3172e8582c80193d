"""Certificates of every kind, and peers that stall: who gets the password, and what is left open. No node is needed."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import ignitemap as ig
from ignitemap.client.connection import Address, Limits, open_connection
from ignitemap.protocol.handshake import Credentials, Handshake, Refused
from tests.client.fake_server import FakeConnection, FakeNode, fake_nodes, session_of, until

CANARY = "hunter2-CANARY"
DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates of any kind."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.certificate = self._sign(self.name, self.key, self.name, self.key, x509.BasicConstraints(True, None))

    def context(self, tmp_path: Path, **given: Any) -> ssl.SSLContext:
        """What a server with such a certificate uses."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = given.pop("self_signed", False)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
        host = given.pop("host", "127.0.0.1")
        usage = x509.ExtendedKeyUsage([given.pop("usage", ExtendedKeyUsageOID.SERVER_AUTH)])
        name = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        issuer, signer = (subject, key) if own else (self.name, self.key)
        certificate = self._sign(subject, key, issuer, signer, usage, name, **given)
        chain = tmp_path / "chain.pem"
        chain.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def trusted(self) -> ssl.SSLContext:
        """What a client that trusts this authority uses."""
        pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        issuer: x509.Name,
        signer: ec.EllipticCurvePrivateKey,
        *extensions: x509.ExtensionType,
        begins: datetime.timedelta = -DAY,
        ends: datetime.timedelta = DAY,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now + begins).not_valid_after(now + ends)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(signer, hashes.SHA256())


@asynccontextmanager
async def tls_node(context: ssl.SSLContext) -> AsyncIterator[FakeNode]:
    """A fake node behind TLS."""
    node = FakeNode()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: FakeConnection(node), "127.0.0.1", 0, ssl=context)
    node.port = server.sockets[0].getsockname()[1]
    yield node
    server.close()
    node.cut()


def old(context: ssl.SSLContext) -> ssl.SSLContext:
    """A server that speaks nothing above TLS 1.1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


REFUSED: dict[str, dict[str, Any]] = {
    "wrong host": {"host": "127.0.0.2"},
    "rogue authority": {},
    "expired": {"begins": -2 * DAY, "ends": -DAY},
    "not yet valid": {"begins": DAY, "ends": 2 * DAY},
    "self-signed": {"self_signed": True},
    "wrong usage": {"usage": ExtendedKeyUsageOID.CLIENT_AUTH},
    "client certificate missing": {},
    "TLS 1.1": {},
}


async def test_a_good_certificate(tmp_path: Path) -> None:
    """To a node whose certificate is right the password goes, over TLS 1.2 or later."""
    authority = Authority()
    async with tls_node(authority.context(tmp_path)) as node:
        options = {"tls": authority.trusted(), "username": "ann", "password": CANARY}
        async with ig.connect([str(node.address)], **options) as client:
            assert await client.cache_names() == ["one"]
            (connection,) = client.raw.session.nodes.open
            assert connection._transport is not None
            assert connection._transport.get_extra_info("ssl_object").version() in {"TLSv1.2", "TLSv1.3"}
        assert [each.credentials for each in node.handshakes] == [Credentials("ann", CANARY)]


@pytest.mark.parametrize("fault", REFUSED)
async def test_certificates_that_are_refused(tmp_path: Path, fault: str) -> None:
    """A certificate that is not right in any of eight ways is a TlsError, and no byte of the protocol is sent."""
    authority = Authority()
    context = (Authority() if fault == "rogue authority" else authority).context(tmp_path, **REFUSED[fault])
    if fault == "TLS 1.1":
        old(context)
    if fault == "client certificate missing":
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority.certificate.public_bytes(serialization.Encoding.PEM).decode())
    async with tls_node(context) as node:
        with pytest.raises(ig.TlsError) as caught:
            await ig.connect(f"ignite://ann:{CANARY}@{node.address}", tls=authority.trusted())
        assert node.handshakes == []
        assert not [chunk for connection in node.connections for chunk in connection.chunks]
        assert CANARY not in repr(caught.value) + str(vars(caught.value))
        assert caught.value.node == str(node.address)


async def test_what_is_verified_can_only_be_turned_off_by_name(tmp_path: Path) -> None:
    """With tls=True authority and host are checked; only allow_unverified_tls=True takes a certificate as it is."""
    async with tls_node(Authority().context(tmp_path, self_signed=True, host="127.0.0.2")) as node:
        with pytest.raises(ig.TlsError):
            await ig.connect([str(node.address)], tls=True)
        async with ig.connect([str(node.address)], tls=True, allow_unverified_tls=True) as client:
            assert await client.cache_names() == ["one"]


@pytest.mark.parametrize("version", [(1, 0, 0), (1, 3, 0), (1, 6, 0)])
async def test_the_least_protocol(version: tuple[int, int, int]) -> None:
    """A node that speaks only older versions than asked for is refused, and others serve on."""
    async with fake_nodes(2) as (older, node):

        def downgrade(connection: FakeConnection, handshake: Handshake) -> None:
            if handshake.version == version:
                connection.accept(handshake)
            else:
                connection.refuse(Refused(version, "Unsupported version", 1))

        older.on_handshake = downgrade
        text = ".".join(map(str, version))
        with pytest.raises(ig.ClusterUnavailable, match=f"speaks protocol {text}, and at least 1.7.0"):
            await ig.connect([str(older.address)], min_protocol="1.7.0")
        assert [each.version for each in older.handshakes] == [(1, 7, 0)]
        async with ig.connect([str(older.address)], min_protocol=text) as client:
            assert await client.cache_names() == ["one"]
        async with ig.connect([str(older.address), str(node.address)], min_protocol="1.7.0") as client:
            assert await client.cache_names() == ["one"]
            assert [each.address for each in client.raw.session.nodes.open] == [node.address]
    for wrong in ("1.8.0", "1.7", "x", "2.0.0"):
        with pytest.raises(ig.ConfigurationError) as caught:
            ig.connect("ignite://h", min_protocol=wrong)
        assert caught.value.option == "min_protocol"


async def test_one_attempt_for_a_refused_user_at_every_node() -> None:
    """A user who is refused is tried at most once a node, and the client never tries again."""
    async with fake_nodes(3) as nodes:
        for node in nodes:
            node.on_handshake = lambda connection, _: connection.refuse(Refused((0, 0, 0), "no", 2000))
        with pytest.raises(ig.AuthenticationError):
            async with session_of(*nodes, username="ann", password=CANARY):
                pass
        assert max(node.accepted for node in nodes) == 1


# --- peers that stall -------------------------------------------------------------------------------------------------

STALLS = 300


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def give_up(address: Address, tls: ssl.SSLContext | None) -> set[str]:
    """The errors of many connections to one address that all wait for the same thing."""

    async def one() -> str:
        try:
            await open_connection(
                address, Handshake(), Limits(connect_timeout=0.5), tls, lambda _: None, lambda _: None
            )
        except ig.ConnectError as error:
            return error.message
        return "it connected"

    return set(await asyncio.gather(*(one() for _ in range(STALLS))))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux for the descriptors of a process")
@pytest.mark.parametrize("stage", ["connect", "tls", "tls half-way", "handshake", "handshake over tls"])
async def test_stalls_leave_nothing_open(stage: str) -> None:
    """A peer that stalls while connecting, in TLS or in the handshake is given up in time, and 0 of 300 sockets stay."""
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    peers: list[asyncio.StreamWriter] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer)
        if stage == "tls half-way":
            writer.write(bytes.fromhex("160303007a0200"))  # a ServerHello that never ends
        await reader.read()
        writer.close()

    await asyncio.get_running_loop().run_in_executor(None, socket.getaddrinfo, "127.0.0.1", 1)  # its thread stays
    if stage == "connect":
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(0)
            filling = [socket.socket() for _ in range(4)]
            for each in filling:
                each.setblocking(False)
                each.connect_ex(listening.getsockname())
            before = descriptors()
            said = await give_up(Address(*listening.getsockname()), None)
            assert descriptors() <= before
            for each in filling:
                each.close()
    else:
        server = await asyncio.start_server(
            keep, "127.0.0.1", 0, ssl=theirs if stage == "handshake over tls" else None, backlog=2 * STALLS
        )
        before = descriptors()
        said = await give_up(Address(*server.sockets[0].getsockname()[:2]), None if stage == "handshake" else ours)
        server.close()
        for writer in peers:
            writer.close()
        await until(lambda: descriptors() <= before)
    (message,) = said
    assert "did not answer within 0.5 s" in message
