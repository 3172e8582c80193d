"""What a real node answered, recorded (capture_pairs.py), against what the embedded node answers to the same bytes."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import pytest

from ignitemap.embedded import Node
from ignitemap.protocol.message import OPERATIONS
from tests.embedded.judges.capture_pairs import PAIRS, converse
from tests.embedded.judges.conversations import conversations, encoded, write_handshake

RECORDED: Final[list[dict[str, Any]]] = json.loads(PAIRS.read_text("utf-8"))["conversations"]
NODE_ID: Final = 16
"""The last bytes of an answer to a handshake, since protocol 1.4."""

# Everything that is answered otherwise, each with its reason. What no longer differs must leave the list.
DIFFERENCES: Final[dict[str, str]] = {
    "general 1: GetIdleTimeout": "a setting of the node: none on the real one, 300 s on the embedded one",
    "handshake 0.9.0": "a real node hangs up; the embedded one says which version it takes",
    "scans 23: QueryIndex": "the words only: the embedded node leaves out the description of the query",
    "cluster 5: CacheCreateWithName": "the words only: one text for all that a read-only cluster refuses",
    "sql 17: QuerySqlFields": "MAX of a DECIMAL(10, 2) loses the column's scale",
}


def without_id(answer: str, version: list[int]) -> str:
    """An answer to a handshake but for the node's id."""
    return answer[: -2 * NODE_ID] if answer.startswith("01") and version >= [1, 4, 0] else answer


@pytest.mark.parametrize("recorded", RECORDED, ids=[each["name"] for each in RECORDED])
async def test_the_answers_are_those_of_a_real_node(recorded: dict[str, Any]) -> None:
    """Handshakes and requests are answered with the bytes of a real node, but for what is listed above."""
    async with Node() as node:
        welcome, answers = await asyncio.to_thread(converse, "127.0.0.1", node.port, recorded)
    version = recorded["version"]
    same = without_id(welcome.hex(), version) == without_id(recorded["answer"], version)
    assert same is (recorded["name"] not in DIFFERENCES), welcome
    assert len(answers) == len(recorded["pairs"])
    told = {
        pair[
            "name"
        ]: f"{bytes.fromhex(pair['request'])!r}\n  real:     {pair['status']} {bytes.fromhex(pair['answer'])!r}"
        f"\n  embedded: {status} {answer!r}"
        for pair, (status, answer) in zip(recorded["pairs"], answers, strict=True)
        if (status, answer.hex()) != (pair["status"], pair["answer"])
    }
    unlisted = [f"{name}: {text}" for name, text in told.items() if name not in DIFFERENCES]
    assert not unlisted, "\n".join(unlisted)
    stale = [pair["name"] for pair in recorded["pairs"] if pair["name"] in DIFFERENCES and pair["name"] not in told]
    assert not stale, "listed, and no longer different"


def test_what_is_recorded() -> None:
    """At least 300 pairs are recorded, of every operation of the table and of what the conversations say today."""
    pairs = [pair for each in RECORDED for pair in each["pairs"]]
    assert len(pairs) >= 300
    assert {code for code in OPERATIONS if code not in {pair["operation"] for pair in pairs}} == set()
    assert DIFFERENCES.keys() <= {each["name"] for each in [*pairs, *RECORDED]}
    said = [
        (name, write_handshake(shake).hex(), [(text, *encoded(message)) for text, message in messages])
        for name, shake, messages in conversations()
    ]
    assert said == [
        (
            each["name"],
            each["handshake"],
            [(pair["name"], pair["operation"], bytes.fromhex(pair["request"])) for pair in each["pairs"]],
        )
        for each in RECORDED
    ]
