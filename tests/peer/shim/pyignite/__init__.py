"""The modules of pyignite as thin as can be over `ignitemap.raw`, for pyignite's own tests.

What is of pyignite's public API is `ignitemap.raw`'s. What its tests reach for inside of pyignite is built here from
our insides: connections, the functions of pyignite.api, log lines.
"""

from typing import Any

from ignitemap import raw
from pyignite import datatypes as datatypes, exceptions as exceptions, monitoring as monitoring
from pyignite.aio_client import AioClient as AioClient
from pyignite.client import Client as Client


def __getattr__(name: str) -> Any:
    return getattr(raw, name)
