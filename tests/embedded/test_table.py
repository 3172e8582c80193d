"""The table of operations: a node answers every row, or names it as what it does not support."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ignitemap.embedded import Node
from ignitemap.embedded.errors import UNSUPPORTED
from ignitemap.embedded.handlers import HANDLERS
from ignitemap.protocol.connection import Failure
from ignitemap.protocol.message import OPERATIONS
from tests.embedded.wire import Wire

# The constants of ClientMessageParser of Ignite 2.17.0; 2007 and 6001 are notifications.
CODES = {
    *range(3),
    *range(1000, 1026),
    *range(1050, 1057),
    *range(1100, 1102),
    *range(2000, 2007),
    2008,
    2009,
    *range(3000, 3005),
    4000,
    4001,
    *range(5000, 5004),
    *range(5100, 5103),
    6000,
    *range(7000, 7004),
    8000,
    8001,
    *range(9000, 9008),
    *range(9010, 9024),
    10000,
}


@pytest.fixture
async def wire(node: Node) -> AsyncIterator[Wire]:
    opened = await Wire.open(node)
    yield opened
    await opened.close()


def test_every_operation_is_answered_or_named() -> None:
    """Each operation of the protocol has a handler or stands among those that are not supported, never both."""
    assert HANDLERS.keys() | UNSUPPORTED.keys() == CODES
    assert not HANDLERS.keys() & UNSUPPORTED.keys()


def test_every_row_has_its_own_handler() -> None:
    """A row of the table that has a handler is decoded by its own class; rows without one are named."""
    for code, row in OPERATIONS.items():
        if code in HANDLERS:
            assert HANDLERS[code].operation is row
        else:
            assert code in UNSUPPORTED, row.__name__


@pytest.mark.parametrize(("code", "name"), UNSUPPORTED.items())
async def test_what_is_not_supported(wire: Wire, code: int, name: str) -> None:
    """An operation that needs Java is answered with an error that names it, and the connection lives on."""
    answer = await wire.ask(code)
    assert isinstance(answer, Failure)
    assert answer.status == 1
    assert answer.message is not None
    assert f"does not support {name}" in answer.message
    assert isinstance(await wire.ask(1), bytes)


@pytest.mark.parametrize("code", [3, 999, 1026, 1057, 2007, 2010, 5004, 6001, 7004, 9008, 9024, 10001, -1])
async def test_what_is_no_operation(wire: Wire, code: int) -> None:
    """A code that the protocol does not have is status 2, with the text of a real node."""
    assert await wire.ask(code) == Failure(2, f"Invalid request op code: {code}")


async def test_general_operations(wire: Wire, node: Node) -> None:
    """Heartbeats are answered, the idle timeout is told in ms, an unknown resource is status 1011."""
    assert await wire.ask(1) == b""
    answer = await wire.ask(2)
    assert isinstance(answer, bytes)
    assert node.idle_timeout is not None
    assert int.from_bytes(answer, "little") == node.idle_timeout * 1000
    assert await wire.ask(0, (77).to_bytes(8, "little")) == Failure(1011, "Failed to find resource with id: 77")
    assert await wire.ask(10000) == Failure(1, "Node has already started.")


async def test_bytes_behind_a_request_are_ignored(wire: Wire) -> None:
    """What stands behind a complete request is not looked at, as on a real node."""
    assert await wire.ask(1, b"more") == b""
