"""Models: what a Python class is to Ignite. The only part of the package that knows attrs classes and type hints."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ignitemap.models import registry, schema

__all__ = ["registry", "schema"]

# Written as `models.registry.Registry`, and loaded then: numbers and text need no models.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        if name in __all__:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
