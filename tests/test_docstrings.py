"""Public docstrings say what is true: each shows an example, as doctest writes it, and the examples run.

An example is typed as in ``python -m asyncio``, where await needs no function around it::

    >>> await cache.set(1, "Ann")
    >>> await cache[1]
    'Ann'

What it may use without saying where it comes from is in `Example.make`. What is shown must come out: ``...`` stands for
any text, and of a traceback the last line is compared, with the plain name of the exception.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import contextlib
import contextvars
import copy
import datetime
import doctest
import enum
import functools
import inspect
import io
import json
import re
import sys
import types
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import pytest

import ignitemap as ig
from ignitemap import abc, exceptions, raw
from ignitemap.client import client
from ignitemap.client.cluster import ClusterNode
from ignitemap.ignite import Cluster, Connecting
from ignitemap.mapping import query, rows, transactions, views
from ignitemap.mapping.guarantees import Guarantees
from ignitemap.protocol.types import raw_hints
from tests.abc.memory_mapping import MemorySet
from tests.addresses import host_ports

# --- what is public ---------------------------------------------------------------------------------------------------

MODULES: Final = {"ig": ig, "raw": raw, "aio_cache": ig.aio_cache, "local": ig.local, "embedded": ig.embedded}

# What calls give that has no public name of its own.
GIVEN: Final = [
    Cluster, ClusterNode, Connecting, Guarantees, abc.AsyncView, abc.ItemsView, client.Connecting,
    query.IndexEntries, rows.Column, rows.ModelQuery, rows.Query,
    transactions.Attempt, transactions.Attempts, transactions.Transaction,
    views.CacheItems, views.CacheView,
]  # fmt: skip

# Names without a docstring of their own, by what shows them: one of its examples has to mention each.
SHOWN_BY: Final[dict[Any, Callable[[str, Any], bool]]] = {
    ig.Spec: lambda name, value: isinstance(value, ig.Spec) and name.startswith("ig."),
    ig.Registry: lambda name, value: name == "ig.default_registry",
    ig.model: lambda name, value: name.startswith("ig."),
    raw_hints: lambda name, value: isinstance(value, ig.Spec),
    raw: lambda name, value: name.startswith("raw."),
}

# Classes of few lines whose own example shows their methods and properties.
SHOW_THEIR_METHODS: Final = [ig.local.LocalCluster, ig.embedded.Fault]

# What starts real nodes.
REAL: Final = ["local", "local.cluster", "local.LocalCluster"]

FLAGS: Final = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
# Where `client` and `cache` are those of the raw layer, and its names stand without a prefix.
BELOW: Final = ("ignitemap.raw", "ignitemap.aio_cache", "ignitemap.client.", "ignitemap.protocol.types.raw_hints")

ERRORS: Final = {*vars(builtins), *vars(exceptions), *raw.__all__, *ig.local.__all__, *ig.embedded.__all__}

NOT_FOR_USERS: Final = "Not for users"
Documented = dict[str, Any]


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class has beyond its builtin bases."""
    for name in dir(cls):
        if name.startswith("_") and name != "__getitem__":
            continue
        owner = next(base for base in cls.__mro__ if name in vars(base))
        member = vars(owner)[name]
        kinds = (types.FunctionType, classmethod, staticmethod, property, functools.cached_property)
        documented = member.__doc__ or not name.startswith("_")
        if owner.__module__.startswith("ignitemap") and isinstance(member, kinds) and documented:
            yield name, member


def collect() -> tuple[Documented, Documented]:
    """Public names: those that have a docstring to themselves, and constants. What has two names comes once."""
    documented: Documented = {}
    constants: Documented = {}
    found: dict[int, str] = {}

    def add(name: str, value: Any) -> None:
        if id(value) not in found and not (value.__doc__ or "").startswith(NOT_FOR_USERS):
            found[id(value)] = name
            documented[name] = value

    for prefix, module in MODULES.items():
        add(prefix, module)
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, types.ModuleType):
                continue
            own = getattr(value, "__module__", "").startswith("ignitemap") and not isinstance(value, ig.Spec)
            if own and (inspect.isclass(value) or inspect.isroutine(value)):
                add(f"{prefix}.{name}", value)
            else:
                constants[f"{prefix}.{name}"] = value
    add("raw_hints", raw_hints)
    for cls in GIVEN:
        add(f"{cls.__module__}.{cls.__name__}", cls)
    for name, cls in [*documented.items()]:
        if inspect.isclass(cls) and not issubclass(cls, enum.Enum | BaseException):
            for method, member in members(cls):
                add(f"{name}.{method}", member)
    return documented, constants


DOCUMENTED, CONSTANTS = collect()


def text_of(value: Any) -> str:
    """A docstring: of a method that has none, that of what it overrides."""
    if isinstance(value, types.FunctionType) and not value.__doc__:
        owner = getattr(sys.modules[value.__module__], value.__qualname__.split(".")[0])
        return inspect.getdoc(getattr(owner, value.__name__)) or ""
    return inspect.getdoc(value) or ""


def examples_of(value: Any) -> list[doctest.Example]:
    """The steps of all examples of a docstring."""
    return doctest.DocTestParser().get_examples(text_of(value))


def is_shared(value: Any, name: str) -> bool:
    """Whether the example of a method is its class's."""
    owner, _, method = name.rpartition(".")
    if (cls := DOCUMENTED.get(owner)) not in SHOW_THEIR_METHODS:
        return False
    return f".{method}" in used(cls)


# --- running ----------------------------------------------------------------------------------------------------------


shown = ig.Registry()


@ig.model(type_name="examples.City", registry=shown)
class City:
    """A city of the examples."""

    id: int = ig.key()
    name: str


@ig.model(type_name="examples.Person", registry=shown)
class Person:
    """A person of the examples."""

    id: int = ig.key()
    name: str = ig.field(index=True)
    age: ig.Int = ig.field(default=0, index=True)
    city_id: int = 1
    nick: str | None = None


@attrs.define
class Example:
    """What the examples of one docstring may use, made when they mention it."""

    client: ig.Client
    node: ig.embedded.Node
    below: bool

    async def make(self, wanted: set[str]) -> dict[str, Any]:
        """The names that are wanted, and modules."""
        names: dict[str, Any] = {
            "__name__": "example",
            **{module.__name__: module for module in (asyncio, contextvars, datetime, enum, json, uuid)},
            "ig": ig,
            "Annotated": Annotated,
            "Decimal": Decimal,
            "Person": Person,
            "City": City,
            "node": self.node,
            "host": "127.0.0.1",
            "port": host_ports(self.node.url)[0][1],
            "client": self.client.raw if self.below else self.client,
        }
        if self.below:
            names |= {name: getattr(raw, name) for name in raw.__all__} | {"raw": raw}
        for name in wanted - names.keys():
            if make := getattr(self, f"make_{name}", None):
                names[name] = await make()
        return names

    async def make_cache(self) -> Any:
        """An empty cache: of texts by numbers, or of the raw layer."""
        if self.below:
            return await self.client.raw.get_or_create_cache("cache")
        return await self.client.cache("cache", int, str)

    make_mapping = make_cache

    async def make_items(self) -> Any:
        """An empty set."""
        return MemorySet()

    async def make_accounts(self) -> Any:
        """A transactional cache: balances by name."""
        accounts = await self.client.cache("accounts", str, int, atomicity="transactional")
        await accounts.update(ann=100, ben=50)
        return accounts.raw if self.below else accounts

    async def make_people(self) -> Any:
        """A cache of models."""
        people = await self.client.cache(Person, durability="fast")
        await people.save_many(
            [Person(1, "Ann", 41, 1, "a"), Person(2, "Ben", 30, 2), Person(3, "Cleo", 17, 1), Person(4, "Dan", 30, 3)]
        )
        return people

    async def make_cities(self) -> Any:
        """A cache of models that people refer to."""
        cities = await self.client.cache(City, durability="fast")
        await cities.save_many([City(1, "Graz"), City(2, "Linz")])
        return cities


def is_below(value: Any) -> bool:
    """Whether a docstring is one of the raw layer, where client and cache are those of that layer."""
    module = value.__name__ if isinstance(value, types.ModuleType) else getattr(_plain(value), "__module__", "")
    return module.startswith(BELOW)


def _plain(value: Any) -> Any:
    if isinstance(value, property):
        return value.fget
    return value.func if isinstance(value, functools.cached_property) else getattr(value, "__func__", value)


async def run(value: Any, name: str, names: dict[str, Any]) -> None:
    """Run the examples of a docstring one after the other. Fails with the first that comes out otherwise."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for number, step in enumerate(examples_of(value), 1):
        output = io.StringIO()

        def show(result: object, output: io.StringIO = output) -> None:
            if result is not None:
                print(repr(result), file=output)

        code = compile(step.source, f"<{name} {number}>", "single", FLAGS, dont_inherit=True)
        with contextlib.redirect_stdout(output), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "displayhook", show)
            try:
                result = eval(code, names)
                if inspect.iscoroutine(result):
                    await result
            except Exception as error:
                if step.exc_msg is None:
                    raise
                print(f"{type(error).__name__}: {error}", file=output)
        checker, wanted = doctest.OutputChecker(), doctest.Example(step.source, step.exc_msg or step.want)
        if not checker.check_output(wanted.want, output.getvalue(), flags):
            pytest.fail(f"{name}:\n{step.source}{checker.output_difference(wanted, output.getvalue(), flags)}")


def used(value: Any) -> set[str]:
    """The names that the examples of a docstring use and don't set, and the attributes, those with a dot before them."""
    names, own = set[str](), set[str]()
    for step in examples_of(value):
        for node in ast.walk(compile(step.source, "<example>", "single", FLAGS | ast.PyCF_ONLY_AST, dont_inherit=True)):
            if isinstance(node, ast.Name):
                (names if isinstance(node.ctx, ast.Load) else own).add(node.id)
            elif isinstance(node, ast.Attribute):
                names.add(f".{node.attr}")
    return names - own


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where examples may write files."""
    return tmp_path_factory.mktemp("examples")


# --- tests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCUMENTED)
async def test_docstring(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The docstring of a public name says what it is, names real exceptions, and has an example that is true."""
    value = DOCUMENTED[name]
    text = text_of(value)
    assert re.match(r"[^\n]+(\n[^\n]+)*[.:]($|\s|``)", text), f"{name}: {text!r} begins with no sentence"
    for error in re.findall(r"\b[A-Z]\w*(?:Error|Conflict|Timeout|NotFound|Lost|Unavailable|Closed)\b", text):
        assert error in ERRORS, f"{name} speaks of {error}, which there isn't"
    if is_shared(value, name):
        return
    assert examples_of(value), f"{name} has no example"
    if name in REAL:
        return
    monkeypatch.chdir(folder)
    for attribute, content in vars(shown).items():  # examples register models where others have theirs
        monkeypatch.setattr(ig.default_registry, attribute, copy.copy(content))
    async with ig.embedded.Node() as node, ig.connect(node.url) as connected:
        await run(value, name, await Example(connected, node, is_below(value)).make(used(value)))


@pytest.mark.on_nodes
@pytest.mark.stress  # starts nodes of its own
async def test_examples_of_real_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of `ig.local` run, one after the other on the same node, which takes a while to start."""
    async with ig.local.cluster() as nodes:

        @contextlib.asynccontextmanager
        async def running() -> AsyncGenerator[ig.local.LocalCluster]:
            yield nodes

        monkeypatch.setattr(ig.local, "cluster", running)
        for name in REAL:
            await run(DOCUMENTED[name], name, {"ig": ig})


@pytest.mark.parametrize("name", CONSTANTS)
def test_constant(name: str) -> None:
    """An example mentions each public constant: that of what it belongs to."""
    holder = next(holder for holder, fits in SHOWN_BY.items() if fits(name, CONSTANTS[name]))
    bare = name.rpartition(".")[2]
    assert {bare, f".{bare}"} & used(holder), f"no example of {holder} mentions {bare}"


@pytest.mark.parametrize(
    "docstring",
    [
        """Shows another result.\n\n>>> 1 + 1\n3""",
        """Shows none.\n\n>>> 1 + 1""",
        """Shows one that does not come.\n\n>>> two = await asyncio.sleep(0, 2)\n2""",
        """Shows an error that does not come.\n\n>>> two = 1 + 1\nTraceback (most recent call last):\nKeyError: 1""",
        """Shows another error.\n\n>>> {}[1]\nTraceback (most recent call last):\nValueError: ...""",
    ],
)
async def test_wrong_example(docstring: str) -> None:
    """An example that comes out otherwise than it is shown is found."""
    with pytest.raises(pytest.fail.Exception):
        await run(types.ModuleType("wrong", docstring), "wrong", {"asyncio": asyncio})


async def test_failing_example() -> None:
    """An error that an example doesn't show is raised."""
    with pytest.raises(ZeroDivisionError):
        await run(types.ModuleType("fails", "Fails.\n\n>>> 1 / 0"), "fails", {})
