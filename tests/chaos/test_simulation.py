"""The real client in the simulated network: 10,000 seeds, and broken clients that it must find.

CHAOS_SEED=4711 pytest tests/chaos/test_simulation.py -k one_seed    # run a seed again that has failed
CHAOS_SEEDS=100000 pytest tests/chaos/test_simulation.py -m stress   # more of them
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.chaos.mutants import MUTANTS
from tests.chaos.simulation import UNKNOWN, Call, Simulation, Violation, linearizable, run_seed

SEEDS = int(os.environ.get("CHAOS_SEEDS", "10000"))
SHARDS = 8
WITHIN = 400  # seeds that may be needed to find a mutant; most need a few


def run_all(seeds: range) -> Counter[str]:
    """Run seeds; how often operations have ended in which way. Fails with the first that shows a violation."""
    outcomes = Counter[str]()
    for seed in seeds:
        outcomes.update(call.outcome.split(" (")[0] for call in run_seed(seed).calls)
    return outcomes


def told(simulation: Simulation) -> list[str]:
    """All that callers saw in a run."""
    return list(map(str, simulation.calls))


@pytest.mark.skipif("CHAOS_SEED" not in os.environ, reason="CHAOS_SEED names the seed to run")
def test_one_seed() -> None:
    """The client keeps its promises in the run that CHAOS_SEED names."""
    for line in told(run_seed(int(os.environ["CHAOS_SEED"]))):
        print(line)


def test_some_seeds() -> None:
    """The client keeps its promises in 300 runs, in which operations end in all ways that there are."""
    outcomes = run_all(range(300))
    assert outcomes.keys() == {"ok", "not sent", "unknown", "cancelled"}
    assert min(outcomes.values()) > 50


@pytest.mark.stress
@pytest.mark.timeout(max(120, SEEDS // SHARDS))
@pytest.mark.parametrize("shard", range(SHARDS))
def test_many_seeds(shard: int) -> None:
    """The client keeps its promises in 10,000 runs: no wrong answer, no write twice, no outcome but the true one."""
    outcomes = run_all(range(shard, SEEDS, SHARDS))
    assert len(outcomes) == 4 or SEEDS < 10_000


def test_a_seed_is_a_run() -> None:
    """The same seed shows the same run."""
    for seed in range(25):
        assert told(run_seed(seed)) == told(run_seed(seed))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_simulation_finds_a_client_that(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken client shows within 400 seeds."""
    MUTANTS[mutant](monkeypatch)
    with pytest.raises(Violation):
        run_all(range(WITHIN))


# --- the judge itself -------------------------------------------------------------------------------------------------


def call(kind: str, called: int, ended: float, answer: object, value: str | None = None) -> Call:
    """An operation on a key."""
    return Call("k", kind, value, None, called, ended, answer, "ok")  # type: ignore[arg-type]  # a Kind


def test_what_has_an_order() -> None:
    """Overlapping operations may take effect in any order; one of unknown outcome at any time, or never."""
    never = float("inf")
    assert linearizable([call("put", 1, 4, None, "a"), call("put", 2, 3, None, "b"), call("get", 5, 6, "a")])
    assert linearizable([call("put", 1, 4, None, "a"), call("put", 2, 3, None, "b"), call("get", 5, 6, "b")])
    assert linearizable([call("put", 1, never, UNKNOWN, "a"), call("get", 2, 3, None), call("get", 4, 5, "a")])
    assert linearizable([call("put", 1, never, UNKNOWN, "a"), call("get", 2, 3, None), call("get", 4, 5, None)])
    assert linearizable([call("put_if_absent", 1, 2, True, "a"), call("put_if_absent", 3, 4, False, "b")])


def test_what_has_no_order() -> None:
    """A lost write, an old answer, an answer that nobody wrote, and a write that comes back have no explanation."""
    never = float("inf")
    assert not linearizable([call("put", 1, 2, None, "a"), call("get", 3, 4, None)])
    assert not linearizable([call("put", 1, 2, None, "a"), call("put", 3, 4, None, "b"), call("get", 5, 6, "a")])
    assert not linearizable([call("get", 1, 2, "a")])
    assert not linearizable([call("get", 1, 2, "a"), call("put", 3, never, UNKNOWN, "a")])
    assert not linearizable([call("put_if_absent", 1, 2, False, "a"), call("get", 3, 4, "a")])
    back = [call("put", 1, never, UNKNOWN, "a"), call("get", 2, 3, "a"), call("put", 4, 5, None, "b")]
    assert not linearizable([*back, call("get", 6, 7, "b"), call("get", 8, 9, "a")])
