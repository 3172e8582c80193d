"""pyignite.client: fixtures of asynchronous tests ask the synchronous client what nodes can do. Ours can do all of it."""

from types import TracebackType
from typing import Any, Self

from pyignite.aio_client import AioClient, ProtocolContext


class Client:
    """Answers such questions, and refuses options as the asynchronous client does. It does not connect."""

    partition_awareness_supported_by_protocol = True
    protocol_context = ProtocolContext()

    def __init__(self, **options: Any) -> None:
        AioClient(**options)

    def connect(self, *where: Any) -> Self:
        return self

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        pass
