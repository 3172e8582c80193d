"""Fixtures for the tests of programs that use Ignite; pytest finds them by itself.

- ``ignite_url``: the URL of an embedded node that is fresh for each test, on loopback, on a thread of its own. Any
  client, blocking or not, can use it.
- ``ignite_local_url``: the URL of a real Apache Ignite node that lives as long as the test session (extra ``local``). A
  test that uses it gets the marker ``ignite_local``, so that ``-m "not ignite_local"`` leaves it out.

Nothing heavy is imported before a test asks for a node.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from typing import Any

import pytest

LOCAL_MARKER = "ignite_local"


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", f"{LOCAL_MARKER}: tests that use a real Ignite node (set by its fixture)")


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a real node."""
    for item in items:
        if "ignite_local_url" in getattr(item, "fixturenames", ()):
            item.add_marker(LOCAL_MARKER)


async def _settled() -> None:
    """Wait for the loop's other tasks, and for the turns that closing a transport takes."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=1)
    for _ in range(5):
        await asyncio.sleep(0)


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ignitemap pytest", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def call(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine there; its result."""
        future: Future[Any] = asyncio.run_coroutine_threadsafe(make(), self.loop)
        return future.result()

    def close(self) -> None:
        """End the thread, when what its nodes have accepted or cut is closed."""
        self.call(_settled)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(scope="session")
def _ignite_loop() -> Generator[_Loop]:
    """The thread on which the nodes of `ignite_url` live."""
    running = _Loop()
    yield running
    running.close()


@pytest.fixture
def ignite_url(_ignite_loop: _Loop) -> Generator[str]:
    """The URL of a fresh embedded node, on loopback."""
    from ignitemap.embedded import Node  # noqa: PLC0415 - tests that don't use it shall not pay for it

    node = Node()
    _ignite_loop.call(node.start)
    yield node.url
    _ignite_loop.call(node.aclose)


@pytest.fixture(scope="session")
def ignite_local_url() -> Generator[str]:
    """The URL of a real Apache Ignite node."""
    from ignitemap import local  # noqa: PLC0415 - needs the extra `local`

    running = _Loop()
    nodes = local.cluster(nodes=1)
    started: Any = running.call(nodes.__aenter__)
    yield started.url
    running.call(lambda: nodes.__aexit__(None, None, None))
    running.close()
