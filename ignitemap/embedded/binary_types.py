"""What the cluster knows of complex types and enums: operations 3000 to 3004, with the merge rules of a real node.

The rules and texts are those of BinaryUtils.mergeMetadata and BinaryMetadata.mergeEnumValues, seen from 2.17.0.
"""

from typing import Any, Final

import attrs

from ignitemap.embedded.errors import Refused, failed
from ignitemap.embedded.store import Store
from ignitemap.protocol.binary_type import BinaryType, Field, KnownTypes
from ignitemap.protocol.codecs import UNTYPED, Codecs
from ignitemap.protocol.codegen import compile_layout
from ignitemap.protocol.message import layout_of
from ignitemap.protocol.operations import TypeBlock
from ignitemap.protocol.types import codes
from ignitemap.protocol.wire import ProtocolContext

__all__ = ["BinaryTypes"]

_BLOCK: Final = compile_layout(layout_of(TypeBlock), "type_block", UNTYPED)
_CONTEXT: Final = ProtocolContext()
_TEXTS: Final = Codecs()  # blocks hold no objects
PLATFORMS: Final = {0: "Java", 1: ".NET"}

# BinaryUtils.FIELD_TYPE_NAMES; what is not here is "null" in the text.
_NAMES: Final = {
    codes.BYTE: "byte",
    codes.SHORT: "short",
    codes.INT: "int",
    codes.LONG: "long",
    codes.FLOAT: "float",
    codes.DOUBLE: "double",
    codes.CHAR: "char",
    codes.BOOL: "boolean",
    codes.STRING: "String",
    codes.UUID: "UUID",
    codes.DATE: "Date",
    codes.BYTE_ARRAY: "byte[]",
    codes.SHORT_ARRAY: "short[]",
    codes.INT_ARRAY: "int[]",
    codes.LONG_ARRAY: "long[]",
    codes.FLOAT_ARRAY: "float[]",
    codes.DOUBLE_ARRAY: "double[]",
    codes.CHAR_ARRAY: "char[]",
    codes.BOOL_ARRAY: "boolean[]",
    codes.STRING_ARRAY: "String[]",
    codes.UUID_ARRAY: "UUID[]",
    codes.DATE_ARRAY: "Date[]",
    codes.OBJECT_ARRAY: "Object[]",
    codes.COLLECTION: "Collection",
    codes.MAP: "Map",
    codes.WRAPPED: "Object",
    codes.ENUM: "Enum",
    codes.ENUM_ARRAY: "Enum[]",
    codes.DECIMAL: "decimal",
    codes.DECIMAL_ARRAY: "decimal[]",
    codes.CLASS: "Class",
    codes.TIMESTAMP: "Timestamp",
    codes.TIMESTAMP_ARRAY: "Timestamp[]",
    codes.TIME: "Time",
    codes.TIME_ARRAY: "Time[]",
    codes.BINARY_ENUM: "Enum",
    codes.OBJECT: "Object",
}


@attrs.define
class _Known:
    """One type as it is now; fields by name, since a real node keeps names that differ in case apart."""

    name: str | None
    affinity_field: str | None
    is_enum: bool
    fields: dict[str, tuple[int, int]] = attrs.field(factory=dict[str, tuple[int, int]])
    constants: dict[str, int] = attrs.field(factory=dict[str, int])
    schemas: dict[int, tuple[int, ...]] = attrs.field(factory=dict[int, tuple[int, ...]])


class BinaryTypes:
    """The types of one cluster, kept in its store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._types: dict[int, _Known] = {}
        self._names: dict[tuple[int, int], str] = {}
        self.known = KnownTypes()
        """The same in the form that codecs read."""
        for _, meta in store.execute("SELECT type_id, meta FROM ig_binary_type").fetchall():
            block, _ = _BLOCK.decode(_TEXTS, _CONTEXT, meta, 0)
            self._unite(block)
        for platform, type_id, name in store.execute("SELECT platform, type_id, name FROM ig_type_name").fetchall():
            self._names[platform, type_id] = name

    def find(self, type_id: int) -> TypeBlock | None:
        """What is known of a type, None for nothing."""
        known = self._types.get(type_id)
        return None if known is None else _block(type_id, known)

    def put(self, block: TypeBlock) -> None:
        """Unite a type with what is known of it. Raises Refused where they contradict each other."""
        self._check(block)
        if self._unite(block):
            out = bytearray()
            _BLOCK.encode(_TEXTS, _CONTEXT, out, _block(block.type_id, self._types[block.type_id]))
            self._store.begin()
            self._store.execute("INSERT OR REPLACE INTO ig_binary_type VALUES (?, ?)", (block.type_id, bytes(out)))

    def register(self, binary_type: BinaryType) -> None:
        """Unite a type that SQL has made with what is known of it. Raises Refused."""
        fields = [(field.name, field.code, field.id) for field in binary_type.fields.values()]
        constants = binary_type.constants
        self.put(
            TypeBlock(
                binary_type.id,
                binary_type.name,
                binary_type.affinity_field,
                fields,
                constants is not None,
                list((constants or {}).items()),
                list(binary_type.schemas.items()),
            )
        )

    def name(self, platform: int, type_id: int) -> str:
        """The registered class name of a type. Raises Refused."""
        found = self._names.get((platform, type_id))
        if found is None:
            kind = PLATFORMS.get(platform, "Unknown")
            if platform and (java := self._names.get((0, type_id))) is not None:
                text = f"Failed to resolve Java class '{java}' in {kind}"
                raise failed(f"{text} [platformId={platform}, typeId={type_id}].")
            raise failed(f"Failed to resolve class name [platformId={platform}, platform={kind}, typeId={type_id}]")
        return found

    def register_name(self, platform: int, type_id: int, name: str) -> None:
        """Register the class name of a type. Raises Refused where it has another."""
        found = self._names.get((platform, type_id))
        if found == name:
            return
        if found is not None:
            raise failed(f"Duplicate ID [platformId={platform}, typeId={type_id}, oldCls={found}, newCls={name}]")
        self._names[platform, type_id] = name
        self._store.begin()
        self._store.execute("INSERT INTO ig_type_name VALUES (?, ?, ?)", (platform, type_id, name))

    # --- merging ----------------------------------------------------------------------------------------------------

    def _check(self, block: TypeBlock) -> None:
        known = self._types.get(block.type_id)
        if known is None:
            _check_constants({}, block)
            return
        if known.name != block.name:
            raise failed(
                f"Two binary types have duplicate type ID [typeId={block.type_id}, typeName1={known.name},"
                f" typeName2={block.name}]"
            )
        if known.is_enum != block.is_enum:
            raise failed(f"Binary type already registered as {'enum' if known.is_enum else 'non-enum'}: {block.name}")
        if known.affinity_field != block.affinity_field:
            raise failed(
                f"Binary type has different affinity key fields [typeName={block.name},"
                f" affKeyFieldName1={_shown(known.affinity_field)}, affKeyFieldName2={_shown(block.affinity_field)}]"
            )
        for name, code, _ in block.fields:
            old = known.fields.get(name)
            if old is not None and old[0] != code:
                raise _other_type(block, name, old[0], code)
        _check_constants(known.constants, block)

    def _unite(self, block: TypeBlock) -> bool:
        """Take over what is new of a type; whether anything was."""
        known = self._types.get(block.type_id)
        changed = known is None
        if known is None:
            known = self._types[block.type_id] = _Known(block.name, block.affinity_field, block.is_enum)
        for name, code, field_id in block.fields:
            changed |= name not in known.fields
            known.fields.setdefault(name, (code, field_id))
        for name, ordinal in block.constants:
            changed |= name not in known.constants
            known.constants[name] = ordinal
        for schema_id, order in block.schemas:
            changed |= schema_id not in known.schemas
            known.schemas.setdefault(schema_id, tuple(order))
        if changed:
            fields = {number: Field(name, code, number) for name, (code, number) in known.fields.items()}
            self.known.learn(
                BinaryType(
                    block.type_id,
                    known.name or "",
                    fields,
                    dict(known.schemas),
                    known.affinity_field,
                    dict(known.constants) if known.is_enum else None,
                )
            )
        return changed


def _block(type_id: int, known: _Known) -> TypeBlock:
    return TypeBlock(
        type_id,
        known.name,
        known.affinity_field,
        [(name, code, number) for name, (code, number) in known.fields.items()],
        known.is_enum,
        list(known.constants.items()),
        list(known.schemas.items()),
    )


def _check_constants(known: dict[str, int], block: TypeBlock) -> None:
    """Raise Refused where a constant has another ordinal, or an ordinal another constant."""
    names = {ordinal: name for name, ordinal in known.items()}
    for name, ordinal in block.constants:
        if known.get(name, ordinal) != ordinal:
            raise failed(
                f"Conflicting enum values. Value ({ordinal}) has name '{name}' that is also used for value"
                f" '{known[name]}' [typeName='{block.name}']"
            )
        if names.get(ordinal, name) != name:
            raise failed(
                f"Conflicting enum values. Name '{name}' uses ordinal value ({ordinal}) that is also used for name"
                f" '{names[ordinal]}' [typeName='{block.name}']"
            )


def _other_type(block: TypeBlock, field: str, old: int, new: int) -> Refused:
    return failed(
        f"Type '{block.name}' with typeId {block.type_id} has a different/incorrect type for field '{field}'."
        f" Expected '{_NAMES.get(old, 'null')}' but '{_NAMES.get(new, 'null')}' was provided. The type of an existing"
        " field can not be changed. Use a different field name or follow this procedure to reuse the current name:\n"
        "- Delete data records that use the old field type;\n"
        f"- Remove metadata by the command: 'control.sh --meta remove --typeId {block.type_id}'."
    )


def _shown(text: str | None) -> Any:
    return "null" if text is None else text
