"""Operations 3000 to 3004: names and metadata of binary types."""

from typing import TYPE_CHECKING

from ignitemap.embedded.handlers.table import Needs, answers
from ignitemap.protocol.operations import (
    FoundType,
    GetBinaryConfiguration,
    GetBinaryType,
    GetBinaryTypeName,
    PutBinaryType,
    RegisterBinaryTypeName,
)

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session


@answers(GetBinaryTypeName, needs=Needs.NOTHING)
def type_name(session: "Session", request: GetBinaryTypeName) -> str:
    """3000."""
    return session.cluster.types.name(request.platform, request.type_id)


@answers(RegisterBinaryTypeName, needs=Needs.NOTHING)
def register_type_name(session: "Session", request: RegisterBinaryTypeName) -> bool:
    """3001."""
    session.cluster.types.register_name(request.platform, request.type_id, request.name)
    return True


@answers(GetBinaryType, needs=Needs.NOTHING)
def get_type(session: "Session", request: GetBinaryType) -> FoundType:
    """3002."""
    found = session.cluster.types.find(request.type_id)
    return FoundType(found is not None, found)


@answers(PutBinaryType, needs=Needs.NOTHING)
def put_type(session: "Session", request: PutBinaryType) -> None:
    """3003."""
    session.cluster.types.put(request.type)


@answers(GetBinaryConfiguration, needs=Needs.NOTHING)
def configuration(session: "Session", request: GetBinaryConfiguration) -> tuple[bool, int]:
    """3004: compact footers, full names."""
    return True, 0
