"""Type parameters of generic models: what each one stands for in each class that a model is derived from."""

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar, get_args, get_origin

from typing_extensions import Format, get_annotations

from ignitemap.exceptions import ModelError

__all__ = ["Bindings", "binding_of_field", "bindings_of", "parameters_of", "substitute"]

Bindings = Mapping[type, Mapping[Any, Any]]
"""Of each class in a model's line what its type parameters stand for."""


def parameters_of(hint: Any) -> tuple[Any, ...]:
    """The type parameters that a class, or a hint, leaves open."""
    if isinstance(hint, TypeVar):
        return (hint,)
    if not isinstance(hint, type) and get_origin(hint) is None:  # an object that has a generic class
        return ()
    found: tuple[Any, ...] = getattr(hint, "__parameters__", ())
    return found


def substitute(hint: Any, bound: Mapping[Any, Any], path: str) -> Any:
    """A hint with its type parameters replaced; those that nothing is bound to stay.

    Raises ModelError for a parameter that is no TypeVar.
    """
    if isinstance(hint, TypeVar):
        return bound.get(hint, hint)
    parameters = parameters_of(hint)
    if not parameters or isinstance(hint, type):
        return hint
    for each in parameters:
        if not isinstance(each, TypeVar):
            raise ModelError(f"{path}: {each!r} is no TypeVar, and Ignite has nothing like it", path=path)
    return hint[tuple(bound.get(each, each) for each in parameters)]


def bindings_of(cls: type, arguments: tuple[Any, ...], path: str) -> Bindings:
    """What the type parameters of a class and of its bases stand for, where the class's own are ``arguments``.

    Raises ModelError for a parameter that is no TypeVar.
    """
    found: dict[type, Mapping[Any, Any]] = {cls: dict(zip(parameters_of(cls), arguments, strict=True))}

    def visit(derived: type) -> None:
        for base in derived.__dict__.get("__orig_bases__", derived.__bases__):
            origin = get_origin(base) or base
            if origin is Generic or origin is Protocol or not isinstance(origin, type) or origin in found:
                continue
            given = [substitute(each, found[derived], path) for each in get_args(base)]
            # A base without brackets leaves its parameters open.
            found[origin] = dict(zip(parameters_of(origin), given, strict=False))
            visit(origin)

    visit(cls)
    return found


def binding_of_field(cls: type, name: str, bindings: Bindings) -> Mapping[Any, Any]:
    """What the type parameters stand for in the class that a field's hint was written in."""
    for base in cls.__mro__:
        if name in get_annotations(base, format=Format.STRING):
            return bindings.get(base, {})
    return bindings[cls]
