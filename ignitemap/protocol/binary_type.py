"""What the cluster knows of a complex type: its name, its fields, its schemas.

Plain data. The wire form of these records is a layout in ``operations.py``; what a schema is good for is
decided in ``types/binary_object.py`` and in the models.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from ignitemap.protocol.hashing import field_id, schema_id, type_id

__all__ = ["BinaryType", "Field", "KnownTypes", "binary_type", "enum_type"]

ENUM_SCHEMA: Final = 0
"""The schema id under which an enum is noted as announced: enums have no schema."""

# A cluster can advertise any number of types; what a client remembers of them stays bounded (reliability C10).
MAX_KNOWN_TYPES: Final = 10_000


@attrs.frozen
class Field:
    """One named field of a complex type: its name, the type code of its values (103 for any object), its id."""

    name: str
    code: int
    id: int


@attrs.frozen
class BinaryType:
    """One complex type or enum as the cluster's metadata holds it (operations 3002 and 3003).

    ``schemas`` maps a schema id to the field ids in the order in which an object of that schema writes them.
    ``constants`` is None unless the type is an enum; then it maps a constant's name to its ordinal.
    """

    id: int
    name: str
    fields: Mapping[int, Field] = attrs.field(factory=dict[int, Field])
    schemas: Mapping[int, tuple[int, ...]] = attrs.field(factory=dict[int, tuple[int, ...]])
    affinity_field: str | None = None
    constants: Mapping[str, int] | None = None


def binary_type(name: str, fields: Iterable[tuple[str, int]], *, affinity_field: str | None = None) -> BinaryType:
    """A type with one schema: ``fields`` as (name, type code) in the order in which objects write them."""
    described = [Field(field, code, field_id(field)) for field, code in fields]
    order = tuple(field.id for field in described)
    return BinaryType(
        type_id(name), name, {field.id: field for field in described}, {schema_id(order): order}, affinity_field
    )


def enum_type(name: str, constants: Mapping[str, int]) -> BinaryType:
    """An enum: ``constants`` maps each name to its ordinal."""
    return BinaryType(type_id(name), name, constants=dict(constants))


class KnownTypes:
    """What one client knows of its cluster's types: learned from it (``types``), or announced to it.

    ``announced`` holds the (type id, schema id) pairs that the program has announced, so that an encoder decides with
    one set lookup whether a type must be announced before its first object is sent. What was only learned is not among
    them: a schema is names in order, and their types may differ from the program's. ``absent`` holds the pairs that
    the cluster was asked for and did not have, so that it is asked once.
    """

    __slots__ = ("absent", "affinity_fields", "announced", "orders", "types")

    def __init__(self) -> None:
        self.types: dict[int, BinaryType] = {}
        self.announced: set[tuple[int, int]] = set()
        self.absent: set[tuple[int, int]] = set()
        self.orders: dict[tuple[int, int], tuple[int, ...]] = {}
        """The field order of every known schema, by (type id, schema id)."""
        self.affinity_fields: dict[int, int] = {}
        """The id of the field that stands for a whole key, by type id."""

    def learn(self, known: BinaryType) -> None:
        """Remember what the cluster said of a type; the oldest of too many is forgotten (and learned again)."""
        self.types.pop(known.id, None)
        if len(self.types) >= MAX_KNOWN_TYPES:
            self.forget(next(iter(self.types)))
        self.types[known.id] = known
        for schema, order in known.schemas.items():
            self.orders[known.id, schema] = order
        if known.affinity_field is not None:
            self.affinity_fields[known.id] = field_id(known.affinity_field)
        self.absent.difference_update([(known.id, schema) for schema in known.schemas])

    def forget(self, type_id: int) -> None:
        """Forget a type; it is learned or announced again when it is next met."""
        for schema in self.types.pop(type_id).schemas:
            self.orders.pop((type_id, schema), None)
            self.announced.discard((type_id, schema))
