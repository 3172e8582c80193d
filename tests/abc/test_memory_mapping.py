"""The inherited methods, over primitives that are nothing but a dict and a set."""

import inspect
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from ignitemap import abc
from ignitemap.abc import MISSING, AsyncMapping, AsyncMutableMapping, AsyncSet, AsyncView, ItemsView
from tests.abc.mapping_contract import MappingContract, MappingFactory
from tests.abc.memory_mapping import PAGE_SIZE, MemoryItems, MemoryMapping, MemorySet
from tests.abc.set_contract import SetContract, SetFactory


class TestMemoryMapping(MappingContract):
    """The contract of mappings holds for the inherited methods."""

    @pytest.fixture
    def mapping_factory(self) -> MappingFactory:
        """Makes mappings in memory."""

        async def make() -> MemoryMapping[str, int]:
            return MemoryMapping()

        return make


class TestMemorySet(SetContract):
    """The contract of sets holds for the inherited methods."""

    @pytest.fixture
    def set_factory(self) -> SetFactory:
        """Makes sets in memory."""

        async def make() -> MemorySet[str]:
            return MemorySet()

        return make


def numbers(count: int) -> MemoryMapping[int, str]:
    """A mapping of the first numbers to their texts."""
    mapping = MemoryMapping[int, str]()
    mapping.data.update({number: str(number) for number in range(count)})
    return mapping


@pytest.mark.parametrize(
    ("kind", "primitives"),
    [
        (AsyncMapping, {"get", "items", "size"}),
        (AsyncMutableMapping, {"get", "items", "size", "set", "delete"}),
        (AsyncSet, {"add", "discard", "contains", "size"}),
        (AsyncView, {"pages", "aclose"}),
        (ItemsView, {"pages", "aclose"}),
    ],
)
def test_primitives(kind: type, primitives: set[str]) -> None:
    """Exactly the documented primitives are abstract, but for `__aiter__`, which AsyncIterable makes so."""
    assert inspect.isabstract(kind)
    assert kind.__abstractmethods__ - {"__aiter__"} == primitives  # type: ignore[attr-defined]  # of ABCMeta


def test_iteration_is_primitive_for_sets_only() -> None:
    """A set has to say how it is iterated over; mappings and views iterate over their pages."""
    assert "__aiter__" in AsyncSet.__abstractmethods__
    assert "__aiter__" not in AsyncMutableMapping.__abstractmethods__
    assert "__aiter__" not in AsyncView.__abstractmethods__


def test_operations_are_coroutine_functions() -> None:
    """Every operation of a mapping is a real coroutine function, but for the three that make views."""
    for kind in (AsyncMutableMapping, AsyncSet):
        names = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
        plain = {name for name in names if not inspect.iscoroutinefunction(getattr(kind, name))}
        assert plain == ({"keys", "values", "items"} if kind is AsyncMutableMapping else set())
    assert inspect.iscoroutinefunction(MemoryMapping[str, int].__getitem__)


def test_exports_have_docstrings() -> None:
    """Every exported class and each of its public methods is documented."""
    for name in abc.__all__:
        value = getattr(abc, name)
        if inspect.isclass(value):
            for member_name, member in inspect.getmembers(value, inspect.isfunction):
                assert member_name.startswith("_") or inspect.getdoc(member), f"{name}.{member_name}"


def test_repr_of_missing() -> None:
    """The mark for an argument that was not given reads well in a signature."""
    assert repr(MISSING) == "MISSING"


async def test_pages_are_fetched_on_demand() -> None:
    """A view fetches nothing before it is used, and first() fetches one page."""
    items = numbers(10).items()
    assert items.pages_read == 0
    assert await items.first() == (0, "0")
    assert items.pages_read == 1
    assert items.held == 0


async def test_first_passes_over_empty_pages() -> None:
    """An empty page is not the end."""

    class Sparse(AsyncView[int]):
        async def pages(self) -> AsyncGenerator[list[int], None]:
            for page in ([], [7], []):
                yield page

        async def aclose(self) -> None:
            """Nothing is held."""

    assert await Sparse().first() == 7
    assert await Sparse().to_list() == [7]
    assert [item async for item in Sparse()] == [7]
    assert await Sparse().count() == 1


async def test_order_is_kept() -> None:
    """Items come in the order of their pages, over all pages."""
    mapping = numbers(2 * PAGE_SIZE + 1)
    assert [key async for key in mapping] == list(range(5))
    assert await mapping.values().to_list() == ["0", "1", "2", "3", "4"]
    assert [len(page) async for page in mapping.keys().pages()] == [2, 2, 1]


async def test_finished_iteration_holds_nothing() -> None:
    """An iteration that came to its end has let go of what it held."""
    items = numbers(5).items()
    async for _ in items:
        pass
    assert items.held == 0


async def test_closing_an_iterator_lets_go() -> None:
    """Closing the iterator of a view closes the pages under it."""
    items = numbers(5).items()
    iterator: Any = aiter(items)
    assert await anext(iterator) == (0, "0")
    assert items.held == 1
    await iterator.aclose()
    assert items.held == 0


async def test_context_manager_closes_the_view() -> None:
    """Leaving `async with` closes the view, after an exception as well, and closing keys closes the items."""
    items = numbers(5).items()
    with pytest.raises(ZeroDivisionError):
        async with items as same:
            assert same is items
            raise ZeroDivisionError
    assert items.closed == 1

    class SameItems(MemoryMapping[int, str]):
        def items(self) -> MemoryItems[int, str]:
            return items

    async with SameItems().keys():
        pass
    async with SameItems().values():
        pass
    assert items.closed == 3


async def test_pop_without_default_keeps_none_apart() -> None:
    """A default of None is a default."""
    assert await numbers(1).pop(5, None) is None


async def test_tuples_as_keys() -> None:
    """A mapping whose keys are pairs is updated from as a mapping, not as pairs."""
    source = MemoryMapping[tuple[str, int], int]()
    await source.update({("a", 1): 2})
    target = MemoryMapping[tuple[str, int], int]()
    await target.update(source)
    assert target.data == {("a", 1): 2}


async def test_update_of_bad_pairs() -> None:
    """What is no pair is refused."""
    with pytest.raises(ValueError, match="unpack"):
        await numbers(0).update([(1, "1", 1)])  # type: ignore[list-item]  # what the test is about
