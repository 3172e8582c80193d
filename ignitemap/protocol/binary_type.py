"""What the cluster knows of a complex type: its name, its fields, its schemas.

Plain data. The wire form of these records is a layout in ``operations/binary_types.py``; what a schema is good for is
decided in ``types/binary_object.py`` and in the models.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from ignitemap.protocol.hashing import field_id, schema_id, type_id

__all__ = ["BinaryType", "Field", "KnownTypes", "binary_type", "enum_type"]

ENUM_SCHEMA: Final = 0
"""The schema id under which an enum is noted as announced: enums have no schema."""

# A cluster can advertise any number of types, each with any number of fields. What a client remembers of those that are
# not its program's own stays bounded: in number, and in bytes as measured on CPython 3.11.
MAX_KNOWN_TYPES: Final = 10_000
MAX_KNOWN_BYTES: Final = 24 << 20
MAX_FIELDS: Final = 65_535
BYTES_OF_TYPE: Final = 800
BYTES_OF_FIELD: Final = 260
BYTES_OF_SCHEMA: Final = 300
BYTES_OF_PLACE: Final = 8  # of a field in a schema, whose id is the field's own


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

    The program's own types (`keep`) stay for good. Of the others those learned first are forgotten when there are more
    than MAX_KNOWN_TYPES, or they take more than MAX_KNOWN_BYTES; they are learned again when they are next met.
    """

    __slots__ = ("_own", "_sizes", "_total", "absent", "affinity_fields", "announced", "orders", "types")

    def __init__(self) -> None:
        self.types: dict[int, BinaryType] = {}
        self.announced: set[tuple[int, int]] = set()
        self.absent: set[tuple[int, int]] = set()
        self.orders: dict[tuple[int, int], tuple[int, ...]] = {}
        """The field order of every known schema, by (type id, schema id)."""
        self.affinity_fields: dict[int, int] = {}
        """The id of the field that stands for a whole key, by type id."""
        self._own: set[int] = set()
        self._sizes: dict[int, int] = {}  # of the types that can be forgotten, the oldest first
        self._total = 0

    def keep(self, type_id: int) -> None:
        """A type is the program's own, and is never forgotten, whether it is known by now or not."""
        self._own.add(type_id)
        self._total -= self._sizes.pop(type_id, 0)

    def learn(self, known: BinaryType) -> None:
        """Remember what the cluster said of a type; the oldest of too many is forgotten (and learned again)."""
        self._total -= self._sizes.pop(known.id, 0)
        if known.id not in self._own:
            size = _size(known)
            self.make_room(size)
            self._sizes[known.id] = size
            self._total += size
        before = self.types.get(known.id)
        if before is not None:
            for schema in before.schemas.keys() - known.schemas.keys():
                self.orders.pop((known.id, schema), None)
        self.types[known.id] = known
        for schema, order in known.schemas.items():
            self.orders[known.id, schema] = order
        if known.affinity_field is not None:
            self.affinity_fields[known.id] = field_id(known.affinity_field)
        self.absent.difference_update([(known.id, schema) for schema in known.schemas])

    def make_room(self, size: int) -> None:
        """Forget the oldest types until another one of some size would be within the limits, or the only one."""
        while self._sizes and (len(self._sizes) >= MAX_KNOWN_TYPES or self._total + size > MAX_KNOWN_BYTES):
            self.forget(next(iter(self._sizes)))

    def forget(self, type_id: int) -> None:
        """Forget a type; it is learned or announced again when it is next met."""
        self._total -= self._sizes.pop(type_id, 0)
        known = self.types.pop(type_id)
        if known.affinity_field is not None:
            self.affinity_fields.pop(type_id, None)
        for schema in known.schemas:
            self.orders.pop((type_id, schema), None)
            self.announced.discard((type_id, schema))


def _size(known: BinaryType) -> int:
    """About how many bytes a type takes."""
    names = len(known.name) + sum(len(field.name) for field in known.fields.values())
    constants = known.constants or {}
    names += sum(len(name) for name in constants)
    places = sum(map(len, known.schemas.values()))
    return (
        BYTES_OF_TYPE
        + BYTES_OF_FIELD * (len(known.fields) + len(constants))
        + BYTES_OF_SCHEMA * len(known.schemas)
        + BYTES_OF_PLACE * places
        + 4 * names  # text beyond the BMP takes four bytes a character
    )
