"""Which addresses of a cluster's nodes a client may dial, out of those that a node tells of. Pure."""

import logging
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from ignitemap.client.connection import Address
from ignitemap.exceptions import ConfigurationError

__all__ = ["AddressMap", "is_loopback", "map_function", "packed_address", "reachable"]

logger: Final = logging.getLogger("ignitemap")

AddressMap = Mapping[str, str] | Callable[[str, int], Any]
"""From the address that a node has to the one under which the client sees it."""

Translate = Callable[[Address], Address | None]

MAX_NODES: Final = 1024
MAX_ADDRESSES: Final = 32  # of one node that are looked at
ANY_HOST: Final = frozenset({"0.0.0.0", "::", "0:0:0:0:0:0:0:0"})  # noqa: S104 - nothing binds to it here
IPV6_LOOPBACK: Final = bytes(15) + b"\x01"
_HOST: Final = re.compile(r"[0-9A-Za-z._:%-]{1,255}")


def reachable(
    endpoints: Iterable[tuple[UUID, int, Sequence[str]]],
    told_by: Address,
    peer: str | None,
    translate: Translate | None,
    allowed: Callable[[Address], bool],
) -> dict[UUID, tuple[Address, ...]]:
    """The addresses to try for each node, the likeliest first.

    Args:
        endpoints: Id, port and hosts of each node, as a node tells.
        told_by: The address of that node, as the client dials it.
        peer: The IP address at which it answered; None where it has none.
        translate: `map_function`'s.
        allowed: Whether an address may be dialled at all: where credentials would cross the network in plain text, not.

    A node tells its loopback addresses, too. They are of use only to a client on the same machine, and lead astray any
    other, which may have a node of another cluster there.
    """
    here = peer is not None and is_loopback(peer)
    named = packed_address(told_by.host) is None

    def rank(address: Address) -> tuple[bool, bool, bool]:
        # As it was reached itself; then what looks alike (a certificate may be for names only, or for numbers).
        return (
            address.host != told_by.host,
            here and not is_loopback(address.host),
            (packed_address(address.host) is None) is not named,
        )

    found: dict[UUID, tuple[Address, ...]] = {}
    for node_id, port, hosts in endpoints:
        if len(found) == MAX_NODES:
            logger.warning("the cluster tells of more than %s nodes: the others are not dialled", MAX_NODES)
            break
        usable: list[Address] = []
        for host in hosts[:MAX_ADDRESSES]:
            if not host or host in ANY_HOST or not 0 < port < 65536 or _HOST.fullmatch(host) is None:
                continue
            address: Address | None = Address(host, port)
            mapped = address if translate is None else translate(Address(host, port))
            if mapped is None or (mapped == address and not here and is_loopback(host)) or not allowed(mapped):
                continue
            usable.append(mapped)
        found[node_id] = tuple(sorted(dict.fromkeys(usable), key=rank))
    return found


def map_function(address_map: AddressMap | None) -> Translate | None:
    """The function that an option ``address_map`` stands for. Raises ConfigurationError for what is none."""
    if address_map is None:
        return None
    if isinstance(address_map, Mapping):
        table: dict[str, tuple[str, int | None]] = {}
        given: Mapping[object, object] = cast(Any, address_map)  # callers may be untyped
        for name, target in given.items():
            if not isinstance(name, str) or not isinstance(target, str):
                raise ConfigurationError("address_map must be a mapping of str to str", option="address_map")
            table[name] = _host_and_port(target)
        return lambda address: _looked_up(table, address)
    if not callable(address_map):
        raise ConfigurationError("address_map must be a mapping or a callable", option="address_map")
    return lambda address: _asked(address_map, address)


def packed_address(host: str) -> bytes | None:
    """The 4 or 16 bytes of an IP address, None for a name. As `ipaddress` does it, which is large for one question."""
    try:
        if ":" in host:
            return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        return socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):  # a ValueError is a character that no address has
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, whatever network it is in. Of a name only "localhost" is."""
    packed = packed_address(host)
    if packed is None:
        return host == "localhost"  # any other name may be anywhere
    return packed[0] == 127 if len(packed) == 4 else packed == IPV6_LOOPBACK


def _looked_up(table: Mapping[str, tuple[str, int | None]], address: Address) -> Address:
    found = table.get(str(address)) or table.get(address.host)
    if found is None:
        return address
    host, port = found
    return Address(host, address.port if port is None else port)


def _asked(function: Callable[[str, int], Any], address: Address) -> Address | None:
    """What the program's function says; None for an address that it doesn't want, or can't answer for."""
    try:
        answer = function(address.host, address.port)
        if answer is None:
            return None
        host, port = cast("tuple[Any, Any]", answer)
        return Address(str(host), int(port))
    except Exception:  # it is the program's: its mistake costs an address and not the connection that is there
        logger.exception("address_map failed, an address of the cluster is not used")
        return None


def _host_and_port(target: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:/]+))(?::([0-9]{1,5}))?", target)
    if match is None or (match[3] is not None and not 0 < int(match[3]) < 65536):
        raise ConfigurationError(f"address_map: {target!r} is not host, host:port or [IPv6]:port", option="address_map")
    return match[1] or match[2], None if match[3] is None else int(match[3])
