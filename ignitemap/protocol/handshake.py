"""The first frame each way: version, features, credentials; and what the server answers.

Protocol 1.7.0 with its feature bits, falling back to what the server offers. Sent alone: a request that is
pipelined behind the handshake is lost by real servers (seen from 2.17.0 nodes).
"""

import functools
import struct
from collections.abc import Mapping
from typing import Final, final
from uuid import UUID

import attrs

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import Codecs
from ignitemap.protocol.wire import NULL, Feature, ProtocolContext
from ignitemap.protocol.words import (
    decode_blob,
    decode_nullable_text,
    decode_uuid_obj,
    encode_blob,
    encode_nullable_text,
    encode_uuid_obj,
)

__all__ = [
    "CURRENT_VERSION",
    "LEAST_VERSION",
    "SUPPORTED_VERSIONS",
    "Accepted",
    "Credentials",
    "Handshake",
    "Refused",
    "Secret",
    "read_answer",
    "read_handshake",
    "write_accepted",
    "write_handshake",
    "write_refused",
]

CURRENT_VERSION: Final = (1, 7, 0)
SUPPORTED_VERSIONS: Final = frozenset((1, minor, 0) for minor in range(8))
LEAST_VERSION: Final = (1, 0, 0)
HANDSHAKE: Final = 1
THIN_CLIENT: Final = 2
FEATURES_SINCE: Final = (1, 7, 0)
NODE_ID_SINCE: Final = (1, 4, 0)
STATUS_SINCE: Final = (1, 1, 0)
MAP: Final = 25
HASH_MAP: Final = 1

_codecs = Codecs()


@final
class Secret:
    """A text that never shows itself: not printed, not formatted, not pickled. ``reveal()`` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: "str | Secret") -> None:
        self._text: Final = text.reveal() if isinstance(text, Secret) else text

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret can't be pickled or copied")

    @property
    def is_text(self) -> bool:
        """Whether it is a str, and one that can be sent."""
        try:
            self._text.encode()
        except (AttributeError, UnicodeEncodeError):  # the latter holds the text, which nobody may see
            return False
        return True

    def reveal(self) -> str:
        """The text."""
        return self._text


@attrs.frozen
class Credentials:
    """A user name and a password that never shows itself."""

    username: str
    password: Secret = attrs.field(converter=Secret, repr=False)


@attrs.frozen
class Handshake:
    """What the client asks for, and the version below which it does not go (which it keeps for itself)."""

    version: tuple[int, int, int] = CURRENT_VERSION
    features: frozenset[int] = frozenset(Feature)
    credentials: Credentials | None = None
    user_attributes: Mapping[str, str] = attrs.field(factory=dict[str, str])
    least: tuple[int, int, int] = LEAST_VERSION


@attrs.frozen
class Accepted:
    """The server's yes: what both ends have, and which node it is."""

    context: ProtocolContext
    node_id: UUID | None


@attrs.frozen
class Refused:
    """The server's no, with the version it would take (0.0.0 where versions are not the reason)."""

    version: tuple[int, int, int]
    message: str
    status: int


def write_handshake(asked: Handshake) -> bytes:
    """The body of the client's first frame."""
    out = bytearray(struct.pack("<bhhhb", HANDSHAKE, *asked.version, THIN_CLIENT))
    if asked.version >= FEATURES_SINCE:
        encode_blob(_codecs, out, _feature_bytes(asked.features))
        if Feature.USER_ATTRIBUTES in asked.features:
            _write_attributes(out, asked.user_attributes)
    if asked.credentials is not None:
        encode_nullable_text(_codecs, out, asked.credentials.username)
        encode_nullable_text(_codecs, out, asked.credentials.password.reveal())
    return bytes(out)


def read_handshake(body: bytes) -> Handshake:
    """What a client asked for: the server's side. Raises DecodeError."""
    try:
        code, major, minor, patch, client = struct.unpack_from("<bhhhb", body)
        if code != HANDSHAKE or client != THIN_CLIENT:
            raise DecodeError(f"not a thin client's handshake (code {code}, client type {client})")
        pos, features, attributes, credentials = 8, frozenset[int](), dict[str, str](), None
        if (major, minor, patch) not in SUPPORTED_VERSIONS:
            # Refused by its version: what stands behind that is a later protocol's business (ClientListenerNioListener).
            return Handshake((major, minor, patch), features)
        if (major, minor, patch) >= FEATURES_SINCE:
            data, pos = decode_blob(_codecs, body, pos)
            features = _features(data)
            if Feature.USER_ATTRIBUTES in features:
                attributes, pos = _read_attributes(body, pos)
        if pos < len(body):
            username, pos = decode_nullable_text(_codecs, body, pos)
            password, pos = decode_nullable_text(_codecs, body, pos)
            credentials = Credentials(username or "", password or "")
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise DecodeError(f"a cut or malformed handshake: {type(error).__name__}") from error
    return Handshake((major, minor, patch), features, credentials, attributes)


def write_accepted(accepted: Accepted) -> bytes:
    """The body of a server's yes."""
    out = bytearray(b"\x01")
    if accepted.context.version >= FEATURES_SINCE:
        encode_blob(_codecs, out, _feature_bytes(accepted.context.features))
    if accepted.context.version >= NODE_ID_SINCE:
        encode_uuid_obj(_codecs, out, accepted.node_id)
    return bytes(out)


def write_refused(refused: Refused, asked: tuple[int, int, int]) -> bytes:
    """The body of a server's no."""
    out = bytearray(struct.pack("<bhhh", 0, *refused.version))
    encode_nullable_text(_codecs, out, refused.message)
    if asked >= STATUS_SINCE:
        out += struct.pack("<i", refused.status)
    return bytes(out)


def read_answer(body: bytes, asked: Handshake) -> Accepted | Refused:
    """What the server answered to ``asked``. Raises DecodeError."""
    try:
        if body[0]:
            features, node_id, pos = frozenset[int](), None, 1
            if asked.version >= FEATURES_SINCE:
                data, pos = decode_blob(_codecs, body, pos)
                features = _features(data) & asked.features
            if asked.version >= NODE_ID_SINCE:
                node_id, pos = decode_uuid_obj(_codecs, body, pos)
            return Accepted(_agreed(asked.version, features), node_id)
        major, minor, patch = struct.unpack_from("<hhh", body, 1)
        message, pos = decode_nullable_text(_codecs, body, 7)
        status = struct.unpack_from("<i", body, pos)[0] if asked.version >= STATUS_SINCE else 1
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise DecodeError(f"a cut or malformed handshake answer: {type(error).__name__}") from error
    return Refused((major, minor, patch), message or "", status)


@functools.cache
def _agreed(version: tuple[int, int, int], features: frozenset[int]) -> ProtocolContext:
    """One object per agreement: that two connections speak alike is an identity check."""
    return ProtocolContext(version, features)


def _feature_bytes(features: frozenset[int]) -> bytes:
    bits = sum(1 << feature for feature in features)
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _features(data: bytes) -> frozenset[int]:
    bits = int.from_bytes(data[:64], "little")  # unknown high bits of later servers are none of ours
    return frozenset(feature for feature in Feature if bits >> feature & 1)


def _write_attributes(out: bytearray, attributes: Mapping[str, str]) -> None:
    if not attributes:
        out.append(NULL)
        return
    out += struct.pack("<Bib", MAP, len(attributes), HASH_MAP)
    for name, text in attributes.items():
        encode_nullable_text(_codecs, out, name)
        encode_nullable_text(_codecs, out, text)


def _read_attributes(body: bytes, pos: int) -> tuple[dict[str, str], int]:
    if body[pos] == NULL:
        return {}, pos + 1
    code, count, _ = struct.unpack_from("<Bib", body, pos)
    if code != MAP or not 0 <= count <= len(body):
        raise DecodeError("user attributes are not a map")
    pos += 6
    attributes: dict[str, str] = {}
    for _ in range(count):
        name, pos = decode_nullable_text(_codecs, body, pos)
        text, pos = decode_nullable_text(_codecs, body, pos)
        attributes[name or ""] = text or ""
    return attributes, pos
