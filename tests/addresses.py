"""URLs in other forms."""

from __future__ import annotations


def host_ports(url: str) -> list[tuple[str, int]]:
    """The (host, port) pairs of an ignite:// URL, as pyignite takes them."""
    hosts = url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]
    return [(host, int(port)) for host, _, port in (each.rpartition(":") for each in hosts.split(","))]
