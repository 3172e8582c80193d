"""Java reads any model: objects of random classes, field by field, and arrays as its own."""

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import pytest

import ignitemap as ig
from tests.interop.acme import REGISTRY, Address, Color
from tests.interop.literals import (
    array_literal,
    decimal_literal,
    numbers_literal,
    object_literal,
    text_literal,
    timestamp_literal,
)
from tests.models.generated import Maker

Java = Callable[..., Awaitable[list[str]]]


@ig.model(type_name="com.acme.interop.Team", registry=REGISTRY)
class Team:
    """A class with arrays of every kind of object."""

    offices: Annotated[list[Address], ig.Array]
    colors: Annotated[list[Color | None], ig.Array]
    names: Annotated[list[str], ig.Array]
    badges: Annotated[list[uuid.UUID], ig.Array]
    prices: Annotated[list[Decimal], ig.Array]
    moments: Annotated[list[datetime], ig.Array]
    numbers: Annotated[list[ig.Int], ig.Array]


@pytest.fixture
async def generated(url: str) -> AsyncIterator[tuple[ig.Client, Maker]]:
    """A client, and what makes models that it knows."""
    registry = ig.Registry()
    async with ig.connect(url, registry=registry) as client:
        yield client, Maker(3, f"com.acme.made.M{os.getpid()}x{uuid.uuid4().hex[:6]}", registry)


async def test_java_reads_any_model(generated: tuple[ig.Client, Maker], name: str, java: Java) -> None:
    """Java finds in objects of random classes, nested four deep, every field with the value that Python gave it."""
    client, maker = generated
    await client.cache(name, int, int)
    for _ in range(25):
        made = maker.model(4)
        values = {key: made.object(maker.random) for key in range(6)}
        await (await client.cache(name, int, made.hint)).update(values)
        told = await java("describe", name, *(f"long {key}" for key in values))
        for line, value in zip(told, values.values(), strict=True):
            assert line == made.literal(value), made


async def test_java_reads_arrays_as_its_own(client: ig.Client, name: str, java: Java) -> None:
    """What is marked as an array is an array of the right class to Java: of a POJO, an enum, and the others."""
    team = Team(
        [Address("Main Street", "1"), Address(None, "2")],
        [Color.GREEN, None],
        ["a", ""],
        [uuid.UUID(int=5)],
        [Decimal("1.10")],
        [datetime(2024, 1, 2, tzinfo=UTC)],
        [1, -2],
    )
    teams = await client.cache(name, int, Team)
    await teams.set(1, team)
    assert await teams[1] == team
    address = [
        object_literal("Address", street=text_literal("Main Street"), zipCode=text_literal("1")),
        object_literal("Address", street="null", zipCode=text_literal("2")),
    ]
    expected = object_literal(
        "Team",
        offices=" ".join(["address[] 2", *address]),
        colors="color[] 2 color GREEN null",
        names=array_literal("text", text_literal, team.names),
        badges=array_literal("uuid", lambda badge: f"uuid {badge}", team.badges),
        prices=array_literal("decimal", decimal_literal, team.prices),
        moments=array_literal("timestamp", timestamp_literal, team.moments),
        numbers=numbers_literal("int", team.numbers),
    )
    assert await java("judge", name, "long 1", expected) == []
    # Java writes it again, and Python reads that.
    await java("copy", name, "long 1", "long 2")
    assert await teams[2] == team
    assert await java("same", name, "long 1", "long 2") == ["true"]
