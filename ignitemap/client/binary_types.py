"""What a program asks and tells its cluster about complex types, in pyignite's words.

The client itself announces and learns types without being asked (metadata.py); these are for programs that look.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from ignitemap.client.session import Session
from ignitemap.exceptions import DecodeError, EncodeTypeError
from ignitemap.protocol.binary_type import binary_type
from ignitemap.protocol.codecs import MALFORMED, Codecs, SchemaMissing, Spec, decode_object, malformed
from ignitemap.protocol.hashing import type_id
from ignitemap.protocol.operations.binary_types import GetBinaryType, PutBinaryType, RegisterBinaryTypeName, TypeBlock
from ignitemap.protocol.types import raw_hints
from ignitemap.protocol.types.raw_hints import BinaryObject, Hint

__all__ = ["describe", "entity_id", "put", "unwrap"]

JAVA: Final = 0
MAX_LEARNED: Final = 100

HINTS: Final[Mapping[int, Hint]] = {
    hint.code: hint
    for hint in (getattr(raw_hints, name) for name in reversed(raw_hints.__all__))
    if isinstance(hint, Hint) and hint is not raw_hints.AnyDataObject
}
"""The hint of each type code."""


def entity_id(name: str | int) -> int:
    """The id of a type that is named or given by its id."""
    return name if isinstance(name, int) else type_id(name)


async def describe(session: Session, type_id: int) -> dict[str, Any]:
    """What the cluster knows of a type, as pyignite's dict."""
    answer = await session.call(GetBinaryType(type_id))
    if answer.type is None:
        return {"type_exists": False}
    block = answer.type
    hints = {field_id: (name, HINTS.get(code, BinaryObject)) for name, code, field_id in block.fields}
    found: dict[str, Any] = {
        "type_exists": True,
        "type_id": block.type_id,
        "type_name": block.name,
        "affinity_key_field": block.affinity_field,
        "is_enum": block.is_enum,
    }
    if block.is_enum:
        found["enums"] = [{"literal": name, "type_id": ordinal} for name, ordinal in block.constants]
    found["schemas"] = [OrderedDict(hints[field] for field in order if field in hints) for _, order in block.schemas]
    return found


async def put(
    session: Session, name: str, affinity_field: str | None, is_enum: bool, schema: Mapping[str, Any]
) -> dict[str, int | None]:
    """Unite a type with what the cluster knows of it; the ids of the type and of its schema, which enums have none of."""
    if is_enum:
        known = binary_type(name, ())
        block = TypeBlock(known.id, name, affinity_field, (), True, list(schema.items()), ())
        schema_id = None
    else:
        for field, hint in schema.items():
            if not isinstance(hint, Spec):
                raise EncodeTypeError(f"{name}.{field}: a field is declared by a hint, not by {hint!r}")
        known = binary_type(name, [(field, hint.code) for field, hint in schema.items()])
        ((schema_id, order),) = known.schemas.items()
        fields = [(field.name, field.code, field.id) for field in known.fields.values()]
        block = TypeBlock(known.id, name, affinity_field, fields, False, (), [(schema_id, list(order))])
    await session.call(RegisterBinaryTypeName(JAVA, known.id, name))
    await session.call(PutBinaryType(block))
    remembered = session.codecs.known
    if known.id in remembered.types:  # what was learned before is no longer all of it
        remembered.forget(known.id)
    remembered.absent.difference_update([(known.id, schema) for schema in known.schemas])
    return {"type_id": known.id, "schema_id": schema_id}


async def unwrap(session: Session, codecs: Codecs, value: Any) -> Any:
    """A value without the wrapping that pyignite shows: ``(bytes, offset)`` of an object, in collections and maps too."""
    if not _is_pair(value):
        return value
    kind, what = value
    if type(kind) is bytes and type(what) is int:
        return await _read(session, codecs, kind, what)
    if type(kind) is int and _is_list(what):
        return kind, [await unwrap(session, codecs, item) for item in what]
    if type(kind) is int and _is_dict(what):
        return kind, {
            await unwrap(session, codecs, key): await unwrap(session, codecs, item) for key, item in what.items()
        }
    return value


def _is_pair(value: Any) -> TypeGuard[tuple[Any, Any]]:
    match value:
        case (_, _):
            return isinstance(value, tuple)
        case _:
            return False


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_dict(value: Any) -> TypeGuard[dict[Any, Any]]:
    return isinstance(value, dict)


async def _read(session: Session, codecs: Codecs, data: bytes, offset: int) -> Any:
    if not 0 <= offset < len(data):
        raise DecodeError("the offset of a wrapped object is outside of it", offset=offset)
    for _ in range(MAX_LEARNED):
        codecs.depth = codecs.repeated = 0
        try:
            return decode_object(codecs, data, offset)[0]
        except SchemaMissing as missing:
            await session.metadata.learn(missing.type_id, missing.schema_id)
        except MALFORMED as error:
            raise malformed("a wrapped object", error) from error
    raise DecodeError(f"a wrapped object has more than {MAX_LEARNED} unknown types")
