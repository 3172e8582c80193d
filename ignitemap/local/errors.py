"""What can go wrong with nodes that this process starts itself."""

from __future__ import annotations

from ignitemap.exceptions import IgniteMapError

__all__ = ["LocalClusterError"]


class LocalClusterError(IgniteMapError):
    """A local node could not be downloaded, started, activated or reached; the message ends with the tail of its log.

    >>> issubclass(ig.local.LocalClusterError, ig.IgniteMapError)
    True
    """
