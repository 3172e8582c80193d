"""Any model in a real cluster: classes of random hints, random objects, random changes of the classes.

20,000 objects: `pytest tests/models/test_generated_on_cluster.py -m stress`.
"""

import os
import uuid
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import attrs
import pytest

import ignitemap as ig
from tests.models.generated import Form, Made, Maker

BATCH = 50  # objects of a class, written and read in one request each


def prefix() -> str:
    """What the names of types begin with that nothing else in the cluster has."""
    return f"Gen{os.getpid()}x{uuid.uuid4().hex[:6]}"


@pytest.fixture
async def name(url: str) -> AsyncIterator[str]:
    """The name of a cache that is dropped when the test is over."""
    made = prefix()
    async with ig.connect(url) as client:
        await client.cache(made, int, Any, durability="fast")
        yield made
        await client.drop(made)


async def round_trips(url: str, name: str, seed: int, classes: int) -> int:
    """Write and read objects of that many classes: declared, and untyped."""
    registry = ig.Registry()
    async with ig.connect(url, registry=registry) as client:
        maker = Maker(seed, prefix(), registry)
        count = 0
        for _ in range(classes):
            made = maker.model(4)
            values = {key: made.object(maker.random) for key in range(BATCH)}
            cache = await client.cache(name, int, made.hint)
            await cache.update(values)
            assert await cache.get_many(values) == values, (seed, made)
            untyped = await client.cache(name, int, Any)
            assert await untyped.get_many(values) == values, (seed, made)
            key = maker.random.choice([*values])
            assert await cache.replace(key, values[key], expected=values[key]), (seed, made)
            count += BATCH
        return count


async def test_any_model_round_trips(url: str, name: str) -> None:
    """Objects of random classes come back equal, and equal to the server, too."""
    assert await round_trips(url, name, seed=1, classes=6) == 6 * BATCH


@pytest.mark.stress
@pytest.mark.timeout(1800)
async def test_20_000_objects_of_any_model_round_trip(url: str, name: str) -> None:
    """20,000 objects of 400 random classes come back equal."""
    count = 0
    for seed in range(100, 140):
        count += await round_trips(url, name, seed, classes=10)
    print(f"{count:,} objects came back equal")
    assert count == 20_000


# --- a class changes --------------------------------------------------------------------------------------------------


@attrs.frozen
class Field:
    """One field through all releases: its form, its default, its names in Ignite, the present one first."""

    form: Form
    default: Any
    names: tuple[str, ...]


class Release:
    """A class as it was at one time."""

    def __init__(self, registry: ig.Registry, type_name: str, fields: list[Field]) -> None:
        self.fields = fields
        body: dict[str, Any] = {
            each.names[0]: ig.field(default=each.default, aliases=each.names[1:], kw_only=True) for each in fields
        }
        hints = {each.names[0]: each.form.hint for each in fields}
        # Made by ig.model, so that it keeps what it doesn't know.
        cls = type("Released", (), {**body, "__annotations__": hints, "__module__": __name__})
        self.cls: Any = registry.model(type_name=type_name)(cls)
        self.made = Made(self.cls, self.cls, type_name, {each.names[0]: each.form for each in fields})

    def stored(self, value: Any) -> dict[str, Any]:
        """What an object has in the cluster, by Ignite's names."""
        return {each.names[0]: getattr(value, each.names[0]) for each in self.fields}

    def read(self, stored: dict[str, Any]) -> Any:
        """The object that this release must make of what is stored."""
        found = {
            each.names[0]: next((stored[name] for name in each.names if name in stored), each.default)
            for each in self.fields
        }
        return self.cls(**found)


def changed_fields(random: Random, fields: list[Field], more: list[Field]) -> list[Field]:
    """The fields after one to three random steps: one is added, removed or renamed, all of them are reordered."""
    fields = [*fields]
    for _ in range(random.randint(1, 3)):
        step = random.choice(["add", "remove", "rename", "reorder"]) if fields else "add"
        at = random.randrange(len(fields)) if fields else 0
        if step == "add":
            fields.insert(at, more.pop())
        elif step == "remove":
            del fields[at]
        elif step == "rename":
            fields[at] = attrs.evolve(fields[at], names=(f"r{random.getrandbits(40)}", *fields[at].names))
        else:
            random.shuffle(fields)
    return fields


async def evolutions(url: str, name: str, seed: int, types: int, batch: int) -> int:
    """Let two releases of each of that many types write, read and change each other's objects."""
    registries = ig.Registry(), ig.Registry()
    async with ig.connect(url, registry=registries[0]) as first, ig.connect(url, registry=registries[1]) as second:
        maker = Maker(seed, prefix(), *registries)
        random = maker.random
        for _ in range(types):
            type_name = maker.name()
            forms = [maker.form(3) for _ in range(10)]
            fields = [Field(form, form.make(random), (f"f{index}",)) for index, form in enumerate(forms)]
            before = Release(registries[0], type_name, fields[:5])
            after = Release(registries[1], type_name, changed_fields(random, fields[:5], fields[5:]))
            old = await first.cache(name, int, before.cls)
            new = await second.cache(name, int, after.cls)

            written = {key: before.made.object(random) for key in range(batch)}
            await old.update(written)
            assert await new.get_many(written) == {
                key: after.read(before.stored(value)) for key, value in written.items()
            }, (seed, type_name)

            written = {key: after.made.object(random) for key in range(batch)}
            await new.update(written)
            found = await old.get_many(written)
            assert found == {key: before.read(after.stored(value)) for key, value in written.items()}, (seed, type_name)
            # The old release changes a field; what it has never heard of is still there for the new one.
            at = random.choice(before.fields)
            changed = {key: ig.evolve(value, **{at.names[0]: at.form.make(random)}) for key, value in found.items()}
            await old.update(changed)
            assert await new.get_many(written) == {
                key: after.read({**after.stored(written[key]), **before.stored(value)})
                for key, value in changed.items()
            }, (seed, type_name)
    return 3 * batch * types


async def test_any_change_of_a_class(url: str, name: str) -> None:
    """Releases that add, remove, rename and reorder fields at random read and keep what each other wrote."""
    assert await evolutions(url, name, seed=2, types=8, batch=5) == 8 * 3 * 5


@pytest.mark.stress
@pytest.mark.timeout(1800)
async def test_many_changes_of_classes(url: str, name: str) -> None:
    """The same with 400 classes, and 12,000 objects that are read by another release than wrote them."""
    count = 0
    for seed in range(200, 210):
        count += await evolutions(url, name, seed, types=40, batch=10)
    print(f"{count:,} objects survived a change of their class")
    assert count == 12_000
