"""README and docs say what is true: their Python snippets run, page by page, on the cluster of the other tests."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser

import ignitemap as ig
from ignitemap import raw
from tests.addresses import host_ports

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# What the pages call their cluster; the tests' own stands in for it.
SHOWN_URL = "ignite://127.0.0.1:10800"
SHOWN_ADDRESS = '"127.0.0.1", 10800'


def parse(page: Path) -> list[Example]:
    """The snippets of a page that are marked as Python."""
    document = Document.parse(str(page), CodeBlockParser(language="python", evaluator=lambda example: None))
    return list(document.examples())


async def run(example: Example, namespace: dict[str, Any], url: str) -> None:
    """Run a snippet, with await at the top level, as `python -m asyncio` does."""
    # Line numbers of a failure are those of the page.
    host, port = host_ports(url)[0]
    source = "\n" * example.line + str(example.parsed).replace(SHOWN_URL, url).replace(
        SHOWN_ADDRESS, f'"{host}", {port}'
    )
    code = compile(source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        await result


@pytest.mark.parametrize(
    "page",
    [  # that of local nodes starts some
        pytest.param(page, id=str(page.relative_to(ROOT)), marks=[pytest.mark.stress] * (page.stem == "local"))
        for page in PAGES
    ],
)
async def test_page(page: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snippets of a page run one after the other, and what they claim with `assert` holds."""
    monkeypatch.setenv("IGNITEMAP_URL", url)
    async with ig.connect(url) as own:
        before = set(await own.cache_names())
        namespace: dict[str, Any] = {"__name__": f"page_{page.stem}"}
        try:
            for example in parse(page):
                for attempt in range(10):
                    try:
                        await run(example, namespace, url)
                        break
                    except ig.ServerError as error:
                        # Right after a cache was created, a node that hasn't heard of it refuses it in transactions.
                        if attempt == 9 or "Cannot start/stop cache within lock or transaction" not in error.message:
                            raise
        finally:
            if isinstance(client := namespace.get("client"), ig.Client):
                await client.aclose()
            elif isinstance(client, raw.AioClient):
                await client.close()
            for name in set(await own.cache_names()) - before:
                await own.drop(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path) -> None:
    """Every relative link of a page leads to a file."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
