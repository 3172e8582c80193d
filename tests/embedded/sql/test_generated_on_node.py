"""Fresh random statements, asked of a real node and of the engine at once."""

import random
import uuid
from urllib.parse import urlsplit

from tests.embedded.sql.generated import SETUP, TEARDOWN, same, statements
from tests.embedded.sql.real_node import RealNode
from tests.embedded.sql.small_node import SmallNode

COUNT = 300


def test_fresh_statements_answer_the_same(url: str) -> None:
    """At least 97 % of random typed statements give the same rows, types, names or SQLSTATE on a real node."""
    first = urlsplit(url.split(",")[0])
    assert first.hostname is not None
    assert first.port is not None
    real, own = RealNode(first.hostname, first.port), SmallNode()
    table = f"G{uuid.uuid4().hex[:12]}".upper()
    seed = random.randrange(10**6)
    try:
        for each in SETUP:
            assert "error" not in real.ask(each.format(t=table))
            assert "error" not in own.ask(each.format(t=table))
        differing: list[str] = []
        for sql in statements(seed, COUNT):
            text = sql.format(t=table)
            if same(real.ask(text), own.ask(text), text) in {"differs", "names"}:
                differing.append(text)
        assert len(differing) <= COUNT * 0.03, (seed, differing)
    finally:
        for each in TEARDOWN:
            real.ask(each.format(t=table))
        real.close()
        own.close()
