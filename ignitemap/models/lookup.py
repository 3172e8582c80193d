"""What a hint, a class or a type id is to a client: numbers, text and anything at once, all others by a registry.

A client that holds numbers and text only never loads the default registry, and with it none of what models need.
"""

from collections.abc import Callable
from typing import Any, TypeGuard

from ignitemap import models
from ignitemap.protocol.codecs import ANY, Decoder, Encoder, Spec
from ignitemap.protocol.types.numeric import BOOL, DOUBLE, LONG
from ignitemap.protocol.types.text import STRING

__all__ = ["PLAIN", "Lookup", "is_spec", "plain_spec"]


PLAIN: dict[Any, Spec[Any]] = {int: LONG, float: DOUBLE, bool: BOOL, str: STRING, Any: ANY, object: ANY}


def plain_spec(hint: Any) -> Spec[Any] | None:
    """What a hint is to Ignite; None where a registry has to say it. Raises TypeError for what can't be a hint."""
    return hint if is_spec(hint) else PLAIN.get(hint)


def is_spec(thing: Any) -> TypeGuard[Spec[Any]]:
    """Whether a hint says what it is to Ignite itself."""
    return isinstance(thing, Spec)


class Lookup:
    """A registry, or else the default one, as a client asks it: loaded with the first hint or class beyond PLAIN."""

    def __init__(self, registry: "models.registry.Registry | None") -> None:
        self._registry = registry

    @property
    def registry(self) -> "models.registry.Registry":
        """The registry as a whole."""
        return models.registry.default_registry if self._registry is None else self._registry

    def find(self, hint: Any) -> "models.registry.Model | None":
        """As `Registry.find`."""
        return self.registry.find(hint) if _plain_or_none(hint) is None else None

    def spec(self, hint: Any, *, path: str) -> Spec[Any]:
        """As `Registry.spec`."""
        plain = _plain_or_none(hint)
        return self.registry.spec(hint, path=path) if plain is None else plain

    def encoder_for(self, cls: type) -> Encoder | None:
        """As `Registry.encoder_for`."""
        return self.registry.encoder_for(cls)

    def decoder_for(self, type_id: int) -> Decoder | None:
        """As `Registry.decoder_for`."""
        return self.registry.decoder_for(type_id)

    def enum_for(self, type_id: int) -> Callable[[int], Any] | None:
        """As `Registry.enum_for`."""
        return self.registry.enum_for(type_id)


def _plain_or_none(hint: Any) -> Spec[Any] | None:
    try:
        return plain_spec(hint)
    except TypeError:  # an unhashable object is no hint: the registry says so
        return None
