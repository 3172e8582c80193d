"""The table: one class an operation, named as Ignite names its constant. Client and embedded node read the same class.

The fields are the request as it goes over the wire, the type parameter is the answer. ``effect`` says what a lost
answer allows (message.Effect). There is a file for each family. All of their names are here, too: who asks for one here
has the whole table, and a client, which has no use for most of it, names the families that it consists of.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ignitemap.protocol.operations import queries as queries
    from ignitemap.protocol.operations.binary_types import *  # noqa: F403 - what `__getattr__` finds
    from ignitemap.protocol.operations.caches import *  # noqa: F403 - what `__getattr__` finds
    from ignitemap.protocol.operations.cluster import *  # noqa: F403 - what `__getattr__` finds
    from ignitemap.protocol.operations.entries import *  # noqa: F403 - what `__getattr__` finds
    from ignitemap.protocol.operations.general import *  # noqa: F403 - what `__getattr__` finds
    from ignitemap.protocol.operations.queries import *  # noqa: F403 - what `__getattr__` finds
    from ignitemap.protocol.operations.structures import *  # noqa: F403 - what `__getattr__` finds
    from ignitemap.protocol.operations.topology import *  # noqa: F403 - what `__getattr__` finds
    from ignitemap.protocol.operations.transactions import *  # noqa: F403 - what `__getattr__` finds

FAMILIES: Final = (
    "binary_types",
    "caches",
    "cluster",
    "entries",
    "general",
    "queries",
    "structures",
    "topology",
    "transactions",
)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in FAMILIES:
            return importlib.import_module(f"{__name__}.{name}")
        if not name.startswith("__"):
            for family in FAMILIES:
                module = importlib.import_module(f"{__name__}.{family}")
                globals().update({each: getattr(module, each) for each in module.__all__})
            if name in globals():
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
