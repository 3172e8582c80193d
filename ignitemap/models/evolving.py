"""``ig.evolve``: a changed copy of a model, typed for attrs classes and dataclasses alike."""

import dataclasses
from typing import Any, TypeVar, cast

import attrs

from ignitemap.exceptions import ModelError

__all__ = ["evolve"]

T = TypeVar("T")


def evolve(obj: T, /, **changes: Any) -> T:
    """A copy of a model with some fields changed: ``ig.evolve(person, age=42)``.

    ``attrs.evolve`` for attrs classes and ``dataclasses.replace`` for dataclasses, with a signature that type
    checkers accept for both. Raises ModelError for any other object, TypeError for a field that the class lacks.

    >>> ann = await people[1]
    >>> ig.evolve(ann, age=42).age
    42
    """
    cls = type(obj)
    if attrs.has(cls):
        return cast(T, attrs.evolve(cast(Any, obj), **changes))
    if dataclasses.is_dataclass(cls):
        return cast(T, dataclasses.replace(cast(Any, obj), **changes))
    raise ModelError(f"{cls.__name__} is neither an attrs class nor a dataclass", path=cls.__name__)
