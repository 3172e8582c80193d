"""What a client and its cluster tell each other about complex types: announced before the first object, learned once."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import attrs

from ignitemap.exceptions import DecodeError, SchemaConflictError, ServerError
from ignitemap.protocol.binary_type import BYTES_OF_FIELD, MAX_FIELDS, BinaryType, Field, KnownTypes
from ignitemap.protocol.codecs import UNTYPED, Codecs, EntryTypes, NoResolver, TypeResolver
from ignitemap.protocol.codegen import compile_operation
from ignitemap.protocol.operations.binary_types import GetBinaryType, PutBinaryType, RegisterBinaryTypeName, TypeBlock

__all__ = ["Metadata"]

JAVA: Final = 0  # the platform under which Java looks class names up
ANY_OBJECT: Final = 103
STATUS_FAILED: Final = 1  # what a contradiction is answered with
HEARD_WITHIN: Final = (0.0, 0.02, 0.05, 0.1, 0.2)
"""Seconds between the questions for a type that was refused: another node than the one that refused it may be asked, and
hear of what it contradicts a moment later."""
MAX_ABSENT: Final = 10_000  # a peer can name any number of types that don't exist
MAX_DESCRIPTION: Final = 2 << 20
"""How many bytes the description of one type may take: 32 bytes for each of 65,535 fields."""
LEAST_FIELD: Final = 13  # bytes of one without a name

_TYPE_NAMES: Final[Mapping[int, str]] = {
    1: "byte", 2: "short", 3: "int", 4: "long", 5: "float", 6: "double", 7: "char", 8: "boolean", 9: "String",
    10: "UUID", 11: "Date", 12: "byte[]", 13: "short[]", 14: "int[]", 15: "long[]", 16: "float[]", 17: "double[]",
    18: "char[]", 19: "boolean[]", 20: "String[]", 21: "UUID[]", 22: "Date[]", 23: "Object[]", 24: "Collection",
    25: "Map", 28: "enum", 29: "enum[]", 30: "Decimal", 31: "Decimal[]", 33: "Timestamp", 34: "Timestamp[]",
    36: "Time", 37: "Time[]", 103: "Object",
}  # fmt: skip


class Metadata:
    """Announces and learns binary types, each once at a time, over the session's ``call``.

    Types that the program announces, and those that ``resolver`` has classes for, are the program's own: they are never
    forgotten, however many others are learned.
    """

    def __init__(
        self, known: KnownTypes, call: Callable[..., Awaitable[Any]], resolver: TypeResolver | None = None
    ) -> None:
        self.known = known
        self._call = call
        self._resolver: TypeResolver = NoResolver() if resolver is None else resolver
        self._types = self._bounded_types()
        # A lock lives as long as someone holds it or waits for it.
        self._locks: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    async def announce(self, binary_type: BinaryType) -> None:
        """Make a type and its schemas known to the cluster, united with what it knows already.

        Where the cluster declares a field as Object, it stays Object. Raises SchemaConflictError where the two
        contradict each other, ServerError where the cluster refuses for another reason.
        """
        async with self._lock(binary_type.id):
            self.known.keep(binary_type.id)
            wanted = {(binary_type.id, schema) for schema in binary_type.schemas} or {(binary_type.id, 0)}
            if wanted <= self.known.announced:
                return
            found = await self._fetch(binary_type.id)
            united = binary_type if found is None else _unite(found, binary_type)
            if united == found:
                self.known.announced.update(wanted)
                return
            try:
                await self._call(RegisterBinaryTypeName(JAVA, binary_type.id, binary_type.name))
                await self._call(PutBinaryType(_block(united)))
            except ServerError as error:
                if error.status != STATUS_FAILED:
                    raise
                for wait in HEARD_WITHIN:  # someone was faster: this says which field it is, once the node asked knows
                    await asyncio.sleep(wait)
                    now = await self._fetch(binary_type.id)
                    if now is not None:
                        _unite(now, binary_type)
                raise SchemaConflictError(
                    f"the cluster refused the type {binary_type.name}: {error.message}", path=binary_type.name
                ) from error
            self.known.learn(united)
            self.known.announced.update(wanted)

    async def learn(self, type_id: int, schema_id: int) -> None:
        """Ask the cluster for a type; what it doesn't have is remembered as absent.

        Raises DecodeError for a type that the cluster describes at too great length.
        """
        async with self._lock(type_id):
            pair = (type_id, schema_id)
            if pair in self.known.absent or schema_id in getattr(self.known.types.get(type_id), "schemas", ()):
                return
            found = await self._fetch(type_id)
            if found is None or schema_id not in found.schemas:
                if len(self.known.absent) >= MAX_ABSENT:
                    self.known.absent.clear()
                self.known.absent.add(pair)

    def _lock(self, type_id: int) -> asyncio.Lock:
        lock = self._locks.get(type_id)
        if lock is None:
            lock = self._locks[type_id] = asyncio.Lock()
        return lock

    async def _fetch(self, type_id: int) -> BinaryType | None:
        answer = await self._call(GetBinaryType(type_id), types=self._types)
        if not answer.exists:
            return None
        if answer.type.type_id != type_id:
            raise DecodeError(f"asked for the type {type_id}, a node described the type {answer.type.type_id}")
        found = _binary_type(answer.type)
        if self._resolver.decoder_for(type_id) is not None or self._resolver.enum_for(type_id) is not None:
            self.known.keep(type_id)
        self.known.learn(found)
        return found

    def _bounded_types(self) -> EntryTypes:
        """How the description of a type is read: one that is too long is refused before anything is made of it."""
        codec = compile_operation(GetBinaryType, UNTYPED)
        read = codec.decode

        def decode(codecs: Codecs, context: Any, body: bytes, request: Any) -> Any:
            if len(body) > MAX_DESCRIPTION:
                raise DecodeError(f"a type described in {len(body)} bytes, at most {MAX_DESCRIPTION} are allowed")
            self.known.make_room(len(body) // LEAST_FIELD * BYTES_OF_FIELD)
            answer = read(codecs, context, body, request)
            if answer.exists and max(len(answer.type.fields), len(answer.type.constants)) > MAX_FIELDS:
                raise DecodeError(f"a type of more than {MAX_FIELDS} fields")
            return answer

        types = EntryTypes()
        types.compiled[GetBinaryType] = attrs.evolve(codec, decode=decode)
        return types


def _unite(found: BinaryType, wanted: BinaryType) -> BinaryType:
    """The fields of both; raises SchemaConflictError where a field has two types."""
    if found.name and found.name != wanted.name:
        raise SchemaConflictError(
            f"the type id of {wanted.name} belongs to {found.name} in this cluster", path=wanted.name
        )
    if (found.constants is None) != (wanted.constants is None):
        kinds = ("an enum", "a class") if found.constants is not None else ("a class", "an enum")
        raise SchemaConflictError(
            f"{wanted.name} is {kinds[0]} in the cluster and {kinds[1]} in this program", path=wanted.name
        )
    fields: dict[int, Field] = dict(found.fields)
    for field_id, field in wanted.fields.items():
        known = fields.get(field_id)
        if known is None:
            fields[field_id] = field
        elif known.code not in {field.code, ANY_OBJECT} and field.code != ANY_OBJECT:
            raise SchemaConflictError(
                f"{wanted.name}.{field.name} is {_type_name(known.code)} in the cluster"
                f" and {_type_name(field.code)} in this program",
                path=f"{wanted.name}.{field.name}",
            )
    constants = None
    if wanted.constants is not None:
        constants = {**(found.constants or {}), **wanted.constants}
        ordinals: dict[int, str] = {}
        for name, ordinal in constants.items():
            other = ordinals.setdefault(ordinal, name)
            if other != name:
                raise SchemaConflictError(
                    f"{wanted.name}: ordinal {ordinal} is {other} in the cluster and {name} in this program",
                    path=wanted.name,
                )
    return BinaryType(
        wanted.id,
        wanted.name,
        fields,
        {**found.schemas, **wanted.schemas},
        found.affinity_field or wanted.affinity_field,
        constants,
    )


def _type_name(code: int) -> str:
    return _TYPE_NAMES.get(code, f"type {code}")


def _block(binary_type: BinaryType) -> TypeBlock:
    return TypeBlock(
        binary_type.id,
        binary_type.name,
        binary_type.affinity_field,
        [(field.name, field.code, field.id) for field in binary_type.fields.values()],
        binary_type.constants is not None,
        list((binary_type.constants or {}).items()),
        [(schema, list(order)) for schema, order in binary_type.schemas.items()],
    )


def _fields_by_id(block: TypeBlock) -> dict[int, Field]:
    """The fields of a type, of two that differ in case only the one that a class declared.

    Into a column that ALTER TABLE added, SQL writes under the column's name, in upper case, and declares that beside the
    field of the class, it may be with another type: a TIMESTAMP for a Date (seen from a 2.17.0 node).
    """
    fields: dict[int, Field] = {}
    for name, code, field_id in sorted(block.fields, key=lambda field: field[0] != field[0].upper()):
        fields[field_id] = Field(name, code, field_id)
    return fields


def _binary_type(block: TypeBlock) -> BinaryType:
    return BinaryType(
        block.type_id,
        block.name or "",
        _fields_by_id(block),
        {schema: tuple(order) for schema, order in block.schemas},
        block.affinity_field,
        dict(block.constants) if block.is_enum else None,
    )
