"""A certificate authority for one cluster, with stores for Java and a context for Python."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

import attrs

from ignitemap.local.resolve import missing_extra

__all__ = ["Certificates", "client_context", "issue_certificates"]

# Guards nothing: the keys are made for one cluster, never leave its folder and go with it. Java refuses an empty one.
_STORE_PASSWORD: Final = "changeit"  # noqa: S105


@attrs.frozen
class Certificates:
    """Files of one cluster's TLS: what its nodes present and trust, what a client trusts and may present."""

    ca_file: Path
    """The authority's certificate, PEM."""
    client_file: Path
    """A client's key and certificate chain, PEM; nodes ask for it only with mutual TLS."""
    key_store: Path
    """Key and certificate of the nodes, for 127.0.0.1 and localhost; PKCS#12 for Java."""
    trust_store: Path
    """The authority's certificate again, as Java wants it."""
    store_password: str


def issue_certificates(folder: Path) -> Certificates:
    """Make an authority, a node and a client certificate in `folder`; about 0.1 s.

    Raises ConfigurationError when the extra `local` is not installed.
    """
    try:
        import trustme
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import pkcs12
    except ImportError as error:
        raise missing_extra("trustme") from error

    authority = trustme.CA()
    node = authority.issue_cert("127.0.0.1", "localhost")
    client = authority.issue_cert("client@ignitemap.invalid")
    certificates = Certificates(
        ca_file=folder / "ca.pem",
        client_file=folder / "client.pem",
        key_store=folder / "node.p12",
        trust_store=folder / "trust.p12",
        store_password=_STORE_PASSWORD,
    )
    authority.cert_pem.write_to_path(str(certificates.ca_file))
    client.private_key_and_cert_chain_pem.write_to_path(str(certificates.client_file))

    encryption = serialization.BestAvailableEncryption(_STORE_PASSWORD.encode())
    authority_certificate = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = serialization.load_pem_private_key(node.private_key_pem.bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    chain = [x509.load_pem_x509_certificate(pem.bytes()) for pem in node.cert_chain_pems]
    certificates.key_store.write_bytes(
        pkcs12.serialize_key_and_certificates(b"node", key, chain[0], [*chain[1:], authority_certificate], encryption)
    )
    # Java takes a certificate of a PKCS#12 file for trusted only if an attribute of Oracle's says so; this call adds it.
    trusted = pkcs12.PKCS12Certificate(authority_certificate, b"authority")
    certificates.trust_store.write_bytes(pkcs12.serialize_java_truststore([trusted], encryption))
    return certificates


def client_context(certificates: Certificates, *, mutual: bool) -> ssl.SSLContext:
    """A context that trusts this cluster's authority alone; with `mutual` it presents the client's certificate."""
    context = ssl.create_default_context(cafile=certificates.ca_file)
    if mutual:
        context.load_cert_chain(certificates.client_file)
    return context
