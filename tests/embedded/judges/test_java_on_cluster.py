"""Java's own thin client, on an embedded node and on a real one: the same program, part by part."""

from __future__ import annotations

import asyncio
import os
import uuid
from urllib.parse import urlsplit

import pytest

from ignitemap.local.configure import _OPENED_PACKAGES
from ignitemap.local.resolve import find_java
from tests.interop.conftest import java_classes

__all__ = ["java_classes"]


async def parts(classes: str, url: str) -> dict[str, str]:
    """What the program Acceptance.java says of each of its parts: "passed", or why not."""
    process = await asyncio.create_subprocess_exec(
        *(str(find_java()), *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED_PACKAGES)),
        *("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-DIGNITE_QUIET=true"),
        *("-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classes, "com.acme.interop.Acceptance"),
        *(f"acceptance-{os.getpid()}-{uuid.uuid4().hex[:8]}", *urlsplit(url).netloc.split(",")),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    lines = [line.split("\t") for line in output.decode().splitlines()]
    return {name: " ".join([outcome, *why]) for outcome, name, *why in lines if outcome in ("passed", "failed")}


@pytest.mark.stress  # starts nodes of its own
async def test_java_finds_an_embedded_node_as_good_as_a_real_one(
    java_classes: str, real_url: str, embedded_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A Java program passes all of its parts on an embedded node, as it does on a real one.

    On a real one some of them in a second run: of a continuous query that starts on a busy machine Java may never hear.
    """
    real, embedded = await parts(java_classes, real_url), await parts(java_classes, embedded_url)
    if failed := [name for name, outcome in real.items() if outcome != "passed"]:
        again = await parts(java_classes, real_url)
        real |= {name: again[name] for name in failed}
    with capfd.disabled():
        for where, found in (("real", real), ("embedded", embedded)):
            print(f"\nJava on the {where} node: {sum(each == 'passed' for each in found.values())} of {len(found)}")
    assert len(real) >= 20
    assert real == dict.fromkeys(real, "passed")
    assert embedded == real
