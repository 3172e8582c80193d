"""Which function answers which operation."""

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from ignitemap.protocol.codecs import UNTYPED
from ignitemap.protocol.codegen import Nothing, OperationCodec, compile_server_side
from ignitemap.protocol.message import Request

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session

__all__ = ["HANDLERS", "Handler", "Needs", "answers"]

Q = TypeVar("Q", bound=Request[Any])
A = TypeVar("A")


class Needs(enum.IntEnum):
    """The state of the cluster that an operation needs."""

    NOTHING = 0
    ACTIVE = 1
    WRITABLE = 2


@attrs.define(eq=False)
class Handler:
    """How one operation is answered: ``answer(session, request)``; it is synchronous and may raise Refused or Locked."""

    operation: type[Request[Any]]
    answer: Callable[["Session", Any], Any]
    needs: Needs
    silent: bool
    """Whether the answer is empty."""
    codec: OperationCodec | None = None

    def compiled(self) -> OperationCodec:
        """Its codec, made when the operation first comes."""
        if self.codec is None:
            self.codec = compile_server_side(self.operation, UNTYPED, whole=False)
        return self.codec


HANDLERS: Final[dict[int, Handler]] = {}
"""By operation code."""


def answers(
    operation: type[Request[A]], *, needs: Needs = Needs.ACTIVE
) -> Callable[[Callable[["Session", Q], A]], Callable[["Session", Q], A]]:
    """Make a function the one that answers an operation."""

    def enter(function: Callable[["Session", Q], A]) -> Callable[["Session", Q], A]:
        HANDLERS[operation.code] = Handler(operation, function, needs, isinstance(operation.answer_layout, Nothing))
        return function

    return enter
