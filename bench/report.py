"""Samples of a run, and the tables made of them."""

import statistics
from collections.abc import Iterator

import attrs

# A node that waits for a delayed acknowledgement takes 40 ms or a multiple; such a sample says nothing about a client.
STALL = 3.0

# What ours must reach: workloads, peer to compare with, ratio of operations per second.
MARKS = (
    (("get", "put", "get-64", "put-64"), "raw", 0.7),
    (("get-64", "put-64"), "pyignite", 3.0),
    (("models-get_many", "models-items"), "pyignite", 50.0),
)


@attrs.frozen
class Sample:
    """What one workload took one peer in one round."""

    workload: str
    peer: str
    round: int
    operations: int
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        """Operations per second."""
        return self.operations / self.wall

    @property
    def cpu_each(self) -> float:
        """Microseconds of the client's CPU per operation."""
        return self.cpu / self.operations * 1e6


class Report:
    """Medians over rounds, and medians of ratios within a round, in which every peer met the same weather."""

    def __init__(self, samples: list[Sample]) -> None:
        self.stalls = 0
        self._samples: dict[tuple[str, str], dict[int, Sample]] = {}
        for sample in samples:
            self._samples.setdefault((sample.workload, sample.peer), {})[sample.round] = sample
        for rounds in self._samples.values():
            limit = STALL * statistics.median(sample.wall / sample.operations for sample in rounds.values())
            for stalled in [number for number, one in rounds.items() if one.wall / one.operations > limit]:
                del rounds[stalled]
                self.stalls += 1
        self.workloads = list(dict.fromkeys(workload for workload, _ in self._samples))
        self.peers = list(dict.fromkeys(peer for _, peer in self._samples))

    def rate(self, workload: str, peer: str) -> float | None:
        """Median of operations per second."""
        rounds = self._samples.get((workload, peer))
        return statistics.median(sample.rate for sample in rounds.values()) if rounds else None

    def cpu(self, workload: str, peer: str) -> float | None:
        """Median of the client's CPU per operation, in microseconds."""
        rounds = self._samples.get((workload, peer))
        return statistics.median(sample.cpu_each for sample in rounds.values()) if rounds else None

    def ratio(self, workload: str, peer: str, other: str, figure: str = "rate") -> float | None:
        """Median of how many times the other's rate (or `cpu_each`) a peer's is."""
        mine, theirs = self._samples.get((workload, peer), {}), self._samples.get((workload, other), {})
        # A CPU time of 0 is shorter than the peer's clock can tell.
        both = [one for one in mine.keys() & theirs.keys() if getattr(theirs[one], figure)]
        if not both:
            return None
        return statistics.median(getattr(mine[one], figure) / getattr(theirs[one], figure) for one in both)

    def table(self) -> Iterator[str]:
        """Lines for people."""
        yield (
            f"{'workload':<17}{'peer':<15}{'ops/s':>11}{'CPU µs/op':>11}"
            f"{'× pyignite':>13}{'× raw':>8}{'CPU ÷ pyignite':>17}{'CPU ÷ raw':>11}"
        )
        for workload in self.workloads:
            for peer in self.peers:
                rate, cpu = self.rate(workload, peer), self.cpu(workload, peer)
                if rate is None or cpu is None:
                    continue
                yield (
                    f"{workload:<17}{peer:<15}{rate:>11,.0f}{cpu:>11.2f}"
                    f"{_cell(self.ratio(workload, peer, 'pyignite')):>13}{_cell(self.ratio(workload, peer, 'raw')):>8}"
                    f"{_cell(self.ratio(workload, peer, 'pyignite', 'cpu_each')):>17}"
                    f"{_cell(self.ratio(workload, peer, 'raw', 'cpu_each')):>11}"
                )
            yield ""
        if self.stalls:
            yield f"{self.stalls} samples above {STALL:g} times their median were left out"

    def marks(self) -> Iterator[tuple[str, bool]]:
        """Each mark that can be judged, and whether it was passed."""
        for workloads, other, least in MARKS:
            for workload in workloads:
                ratio = self.ratio(workload, "ours", other)
                if ratio is not None:
                    yield f"{workload}: {ratio:.2f} × {other}, at least {least:g}", ratio >= least


def _cell(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    return f"{ratio:.3g}" if ratio < 10 else f"{ratio:.0f}"
