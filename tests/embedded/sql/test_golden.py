"""The engine against the recorded answers of a real node: rows, wire types, column names, SQLSTATEs."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ignitemap.embedded import Node
from tests.embedded.sql.differences import CONCAT, DIFFERENCES, OF_THE_NODE, ORDER
from tests.embedded.sql.generated import SETUP, same
from tests.embedded.sql.real_node import RealNode
from tests.embedded.sql.small_node import SmallNode

GOLDEN = Path(__file__).parent / "golden"
GENERATED_SEED = 2024


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without what a node makes up: the bytes of whole objects."""
    if "rows" not in answer:
        return answer
    rows = [[["OBJECT", 0] if cell[0] == "OBJECT" else cell for cell in row] for row in answer["rows"]]
    return {**answer, "rows": rows}


@pytest.mark.parametrize("name", sorted(DIFFERENCES.keys() - OF_THE_NODE))
def test_the_recorded_answers_of_a_real_node(name: str) -> None:
    """Every statement of a recording answers as the real node did; those that differ are listed with a reason."""
    recorded = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    node = SmallNode()
    answers = [node.ask(each["sql"], each["args"]) for each in recorded]
    node.close()
    judge(name, recorded, answers)


@pytest.mark.parametrize("name", sorted(DIFFERENCES))
async def test_the_recorded_answers_over_a_socket(name: str) -> None:
    """The same from an embedded node, asked over a socket."""
    recorded = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    async with Node(port=0) as node:
        assert node.port is not None
        answers = await asyncio.to_thread(asked, node.host, node.port, recorded)
    judge(name, recorded, answers)


def asked(host: str, port: int, recorded: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a node answers to recorded statements."""
    connection = RealNode(host, port)
    try:
        return [connection.ask(each["sql"], each["args"]) for each in recorded]
    finally:
        connection.close()


def judge(name: str, recorded: list[dict[str, Any]], answers: list[dict[str, Any]]) -> None:
    """Only the listed statements differ, and each of them does."""
    differing = {
        each["sql"]: (each, got)
        for each, got in zip(recorded, answers, strict=True)
        if same(comparable(each), comparable(got), each["sql"]) in {"differs", "names"}
    }
    unexpected = {sql: pair for sql, pair in differing.items() if sql not in DIFFERENCES[name]}
    assert not unexpected
    assert set(differing) == set(DIFFERENCES[name]), "a listed difference is none any more"
    assert len(differing) <= len(recorded) * 0.05


def test_two_thousand_generated_statements() -> None:
    """Of 2,000 random typed statements all but a few answer as the real node did, the others for two known reasons."""
    lines = gzip.decompress((GOLDEN / "generated.jsonl.gz").read_bytes()).decode().splitlines()
    recorded = [json.loads(line) for line in lines]
    assert len(recorded) >= 2000
    node = SmallNode()
    for each in SETUP:
        assert "error" not in node.ask(each.format(t=f"G{GENERATED_SEED}"))
    differing = [
        each["sql"] for each in recorded if same(each, node.ask(each["sql"]), each["sql"]) in {"differs", "names"}
    ]
    node.close()
    reasons = {CONCAT: [sql for sql in differing if "CONCAT(" in sql]}
    reasons[ORDER] = [sql for sql in differing if sql not in reasons[CONCAT]]
    assert len(reasons[CONCAT]) <= 1
    assert len(reasons[ORDER]) <= 2
