"""Operations on what the cluster knows of complex types."""

from typing import Annotated

from ignitemap.protocol.message import Request, operation, record
from ignitemap.protocol.wire import Asked, array, boolean, i8, i32, nullable_text, text

__all__ = [
    "FoundType",
    "GetBinaryConfiguration",
    "GetBinaryType",
    "GetBinaryTypeName",
    "PutBinaryType",
    "RegisterBinaryTypeName",
    "TypeBlock",
]


@operation(3000, effect="read")
class GetBinaryTypeName(Request[text]):
    """The registered name of a type id."""

    platform: i8
    type_id: i32


@operation(3001, effect="write")
class RegisterBinaryTypeName(Request[boolean]):
    """Register the name of a type id, so that Java can resolve the class; another name for the id is status 1."""

    platform: i8
    type_id: i32
    name: text


@record
class TypeBlock:
    """A complex type or enum as operations 3002 and 3003 carry it."""

    type_id: i32
    name: nullable_text
    affinity_field: nullable_text
    fields: array[tuple[text, i32, i32]]
    is_enum: boolean
    constants: Annotated[array[tuple[text, i32]], Asked("is_enum")] = ()
    schemas: array[tuple[i32, array[i32]]] = ()


@record
class FoundType:
    """A type, where the cluster has it."""

    exists: boolean
    type: Annotated[TypeBlock | None, Asked("exists")] = None


@operation(3002, effect="read")
class GetBinaryType(Request[FoundType]):
    """What the cluster knows of a type."""

    type_id: i32


@operation(3003, effect="write")
class PutBinaryType(Request[None]):
    """Unite a type with what the cluster knows of it; contradictions are status 1."""

    type: TypeBlock


@operation(3004, effect="read")
class GetBinaryConfiguration(Request[tuple[boolean, i8]]):
    """Whether footers are compact, and the name mapper: 0 full names, 1 simple names, 2 custom."""
