"""A password is nowhere to be seen: not in logs, texts, errors, tracebacks with their locals, pickles or warnings.

The whole suite rides along: tests/conftest.py looks at every log record for the same word, and the tests of passwords on
real nodes use it too.
"""

import asyncio
import copy
import gc
import logging
import pickle
import traceback
import types
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import pytest

import ignitemap as ig
from ignitemap import raw
from tests.conftest import CANARY

Attempt = Callable[[str], Awaitable[Any]]


@pytest.fixture
async def guarded() -> AsyncIterator[ig.embedded.Node]:
    """A node on loopback that asks for the password."""
    async with ig.embedded.Node(users={"ann": CANARY}) as node:
        yield node


def with_password(node: ig.embedded.Node, password: str = CANARY) -> str:
    return node.url.replace("ignite://", f"ignite://ann:{password}@")


def shown(error: BaseException) -> str:
    """All that a program could print of an error: its chain, with the locals of every frame, and its attributes."""
    texts = ["".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())]
    waiting: list[BaseException | None] = [error]
    known: set[int] = set()  # an error may stand in the context of its own cause
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in known:
            known.add(id(each))
            texts += [str(each), repr(each), repr(vars(each)), repr(each.args)]
            waiting += [each.__cause__, each.__context__]
    return "\n".join(texts)


async def work(node: ig.embedded.Node) -> None:
    async with ig.connect(with_password(node), allow_plaintext_auth=True) as client:
        cache = await client.cache("canary", int, str)
        await cache.update({key: str(key) for key in range(100)})
        assert await cache[1] == "1"
        assert await cache.items().count() == 100


async def wrong_password(node: ig.embedded.Node) -> None:
    await ig.connect(with_password(node, f"{CANARY}-wrong"))


async def raw_wrong_password(node: ig.embedded.Node) -> None:
    client = raw.AioClient(username="ann", password=f"{CANARY}-wrong")
    async with client.connect("127.0.0.1", int(node.url.rpartition(":")[2])):
        pass


async def nobody_there(_: ig.embedded.Node) -> None:
    await ig.connect(f"ignite://ann:{CANARY}@127.0.0.1:1", connect_timeout=0.5)


async def plain_text_far_away(_: ig.embedded.Node) -> None:
    await ig.connect(f"ignite://ann:{CANARY}@192.0.2.1:10800", connect_timeout=0.5)


async def wrong_url(_: ig.embedded.Node) -> None:
    await ig.connect(f"ignite://ann:{CANARY}@127.0.0.1:port")


async def unknown_option(node: ig.embedded.Node) -> None:
    await ig.connect(with_password(node), colour="red")


async def unknown_url_option(node: ig.embedded.Node) -> None:
    await ig.connect(with_password(node) + "?colour=red")


async def password_of_a_wrong_type(node: ig.embedded.Node) -> None:
    await ig.connect(node.url, username="ann", password=[CANARY])  # type: ignore[arg-type]


async def tls_to_a_plain_port(node: ig.embedded.Node) -> None:
    await ig.connect(with_password(node), tls=True, connect_timeout=2)


async def cut(node: ig.embedded.Node) -> None:
    async with ig.connect(with_password(node), timeout=2) as client:
        cache = await client.cache("canary", int, str)
        await node.aclose()
        await cache.set(1, "x")


async def encode_error(node: ig.embedded.Node) -> None:
    async with ig.connect(with_password(node)) as client:
        cache = await client.cache("canary", int, str)
        wrong: Any = 5
        await cache.set(1, wrong)


FAILING = [
    wrong_password, raw_wrong_password, nobody_there, plain_text_far_away, wrong_url, unknown_option, unknown_url_option,
    password_of_a_wrong_type, tls_to_a_plain_port, cut, encode_error,
]  # fmt: skip


@pytest.mark.parametrize("attempt", FAILING, ids=lambda attempt: attempt.__name__)
async def test_errors_hide_it(
    guarded: ig.embedded.Node, attempt: Callable[[ig.embedded.Node], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    """No error shows the password, nor the locals of the package's frames, nor the log at DEBUG."""
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned, pytest.raises(Exception) as caught:
        warnings.simplefilter("always")
        await attempt(guarded)
    assert isinstance(caught.value, ig.IgniteMapError)
    # The frames of this file are the program's own: it may know its password.
    error = caught.value
    frame = error.__traceback__
    while frame is not None and "ignitemap/" not in frame.tb_frame.f_code.co_filename:
        frame = frame.tb_next
    assert CANARY not in shown(error.with_traceback(frame))
    assert CANARY not in caplog.text + "".join(record.getMessage() + repr(record.args) for record in caplog.records)
    assert CANARY not in "".join(map(str, warned))


async def test_work_hides_it(guarded: ig.embedded.Node, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged of it at DEBUG while a client connects and works."""
    caplog.set_level(logging.DEBUG)
    await work(guarded)
    assert caplog.records
    assert CANARY not in caplog.text + repr([record.__dict__ for record in caplog.records])


async def test_objects_hide_it(guarded: ig.embedded.Node) -> None:
    """No object of the package shows it by repr, str, vars or asdict; a client can't be pickled or copied with it."""
    async with ig.connect(with_password(guarded)) as client:
        cache = await client.cache("canary", int, str)
        await cache.set(1, "x")
        own = [each for each in gc.get_objects() if type(each).__module__.startswith("ignitemap")]
        assert len(own) > 100
        for each in own:
            if isinstance(each, type | types.ModuleType):
                continue
            texts = [repr(each), str(each)]
            if hasattr(each, "__dict__"):
                texts.append(repr(vars(each)))
            if attrs.has(type(each)):
                texts.append(repr([getattr(each, field.name, None) for field in attrs.fields(type(each))]))
            assert CANARY not in "\n".join(texts), type(each)
        for each in (client, client.raw, cache, client.raw.session, client.raw.session.nodes):
            for take in (pickle.dumps, copy.deepcopy):
                with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever refuses it
                    take(each)
                assert CANARY not in str(caught.value)


async def test_the_environment_is_as_silent(
    guarded: ig.embedded.Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A password from IGNITEMAP_PASSWORD is kept as one from a URL."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("IGNITEMAP_USERNAME", "ann")
    monkeypatch.setenv("IGNITEMAP_PASSWORD", CANARY)
    async with ig.connect(guarded.url) as client:
        await client.cache_names()
        assert CANARY not in repr(vars(client)) + repr(vars(client.raw))
    assert CANARY not in caplog.text


async def test_a_leak_would_be_seen(guarded: ig.embedded.Node, caplog: pytest.LogCaptureFixture) -> None:
    """The ways of looking find a password that is there: in a local, an argument, a log record."""

    def leak(password: str) -> None:
        logging.getLogger("elsewhere").debug("password %s", len(password))
        raise ValueError

    with pytest.raises(ValueError) as caught:
        leak(CANARY)
    await asyncio.sleep(0)
    assert CANARY in shown(caught.value)
