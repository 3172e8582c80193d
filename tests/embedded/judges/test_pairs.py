"""What a real node answered, recorded (capture_pairs.py), against what the embedded node answers to the same bytes."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any, Final

import pytest

from ignitemap.embedded import Node
from ignitemap.embedded.users import Users
from ignitemap.protocol.message import OPERATIONS
from tests.embedded.judges.capture_pairs import PAIRS, converse, shake_hands
from tests.embedded.judges.conversations import conversations, encoded, passwords, write_handshake

_FILE: Final = json.loads(PAIRS.read_text("utf-8"))
RECORDED: Final[list[dict[str, Any]]] = _FILE["conversations"]
PASSWORDS: Final[list[dict[str, Any]]] = _FILE["passwords"]
NODE_ID: Final = 16
"""The last bytes of an answer to a handshake, since protocol 1.4."""

# Everything that is answered otherwise, each with its reason. What no longer differs must leave the list.
DIFFERENCES: Final[dict[str, str]] = {
    "general 1: GetIdleTimeout": "a setting of the node: none on the real one, 300 s on the embedded one",
    "handshake 0.9.0": "a real node hangs up; the embedded one says which version it takes",
    "scans 23: QueryIndex": "the words only: the embedded node leaves out the description of the query",
    "cluster 5: CacheCreateWithName": "the words only: one text for all that a read-only cluster refuses",
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


async def test_passwords() -> None:
    """A node with a user answers handshakes with and without his password with the bytes of a real one."""
    async with Node(users={"ignite": "ignite"}) as node:
        node.users = Users({"ignite": "ignite"}, clock=itertools.count(0, 60).__next__)  # a minute for each failure
        told: list[str] = []
        for each in PASSWORDS:
            answer = await asyncio.to_thread(shake_hands, "127.0.0.1", node.port, each["handshake"])
            if without_id(answer.hex(), each["version"]) != without_id(each["answer"], each["version"]):
                told.append(f"{each['name']}\n  real:     {bytes.fromhex(each['answer'])!r}\n  embedded: {answer!r}")
    assert not told, "\n".join(told)


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
    assert [(each["name"], each["handshake"]) for each in PASSWORDS] == [
        (name, write_handshake(shake).hex()) for name, shake in passwords()
    ]
