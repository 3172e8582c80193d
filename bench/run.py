"""Compare clients on one real cluster: `python bench/run.py [--rounds N] [--json FILE] [--only WORKLOAD] [--check] ...`.

Every peer lives in a process of its own for the whole run. They take turns, one workload at a time, and the order of
peers turns round every other round, so that all of them meet the same weather; ratios are taken within a round. `--rounds 0 --pool a.json --pool b.json --acceptance --svg plot.svg` puts runs together.

The cluster is two nodes started for the run, or the one that IGNITEMAP_URL names.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import attrs
import java_peer
from acceptance import acceptance, plot
from more import NAMES as MORE
from report import Report, Sample
from tqdm import tqdm
from worker import PEERS
from workloads import ALL, ROWS

import ignitemap as ig
from ignitemap.local import cluster

WARM_UP = 2  # rounds before the ones that count, for the JIT compilers of the nodes


class Worker:
    """The process of one peer."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.name = name
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    async def sample(self, workload: str, number: int) -> Sample | None:
        """Let the peer do a workload once; None when it has no such workload."""
        self._stdin.write(f"{workload}\n".encode())
        line = await self.line()
        if line == "none":
            return None
        operations, wall, cpu = line.split()
        return Sample(workload, self.name, number, int(operations), float(wall), float(cpu))

    async def line(self) -> str:
        """The next line that it prints."""
        line = (await self._stdout.readline()).decode().strip()
        if not line:
            sys.exit(f"bench: {self.name} ended; its error is above")
        return line

    async def end(self) -> None:
        """Let it destroy its caches, and wait until it is gone."""
        if self._process.returncode is None:
            self._stdin.write(b"quit\n")
            self._stdin.close()
        if status := await self._process.wait():
            print(f"bench: {self.name} ended with status {status}", file=sys.stderr)


@asynccontextmanager
async def started(name: str, classes: Path, table: str, addresses: Sequence[str]) -> AsyncIterator[Worker]:
    """A worker, filled and checked."""
    script = str(Path(__file__).with_name("worker.py"))
    if name in java_peer.PEERS:
        command = java_peer.command(name, classes, table, addresses)
    else:
        command = [sys.executable, script, name, table, *addresses]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    worker = Worker(name, process)
    try:
        assert await worker.line() == "ready"
        yield worker
    finally:
        await worker.end()


@asynccontextmanager
async def numbers(addresses: Sequence[str]) -> AsyncIterator[str]:
    """The name of a table of ROWS rows of four BIGINT, which every peer reads."""
    table = f"bench_numbers_{os.getpid()}"
    async with ig.connect(list(addresses)) as client:
        await client.sql(f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, a BIGINT, b BIGINT, c BIGINT)")
        try:
            await client.sql(f"INSERT INTO {table} SELECT x, x * 7, x * x, -x FROM SYSTEM_RANGE(1, {ROWS})")
            yield table
        finally:
            await client.sql(f"DROP TABLE {table}")


@asynccontextmanager
async def nodes(count: int) -> AsyncIterator[list[str]]:
    """The addresses of IGNITEMAP_URL, or of a cluster of so many nodes for this run."""
    if url := os.environ.get("IGNITEMAP_URL"):
        yield [host if ":" in host else f"{host}:10800" for host in urlsplit(url).netloc.rpartition("@")[2].split(",")]
        return
    async with cluster(nodes=count, jvm_tiers="default") as running:
        yield running.addresses


async def measure(peers: Sequence[str], workloads: Sequence[str], rounds: int, count: int = 2) -> list[Sample]:
    """All samples of a run; those of the warm-up are not among them."""
    samples: list[Sample] = []
    turns = (WARM_UP + rounds) * len(workloads) * len(peers)
    async with AsyncExitStack() as stack:
        bar = stack.enter_context(tqdm(total=turns, file=sys.stderr, unit="sample", mininterval=1))
        bar.set_description("starting the nodes")
        addresses = await stack.enter_async_context(nodes(count))
        table = await stack.enter_async_context(numbers(addresses))
        classes = Path(stack.enter_context(TemporaryDirectory(prefix="ignitemap-bench-")))
        if java_peer.PEERS.keys() & {*peers}:
            java_peer.compile_peer(classes)
        workers = []
        for name in peers:
            bar.set_description(f"filling the caches of {name}")
            workers.append(await stack.enter_async_context(started(name, classes, table, addresses)))
        for number in range(-WARM_UP, rounds):
            for workload in workloads:
                shown = f"round {number + 1} of {rounds}, {workload}" if number >= 0 else "warming up"
                bar.set_description(shown, refresh=False)
                for worker in workers if number % 2 == 0 else reversed(workers):
                    sample = await worker.sample(workload, number)
                    if sample is not None and number >= 0:
                        samples.append(sample)
                    bar.update()
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare ignitemap with pyignite and with the limit of asyncio.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument(
        "--only", action="append", choices=[*ALL, *MORE], metavar="WORKLOAD", help=", ".join([*ALL, *MORE])
    )
    parser.add_argument("--more", action="store_true", help=f"also {', '.join(MORE)}, of peers that have them")
    parser.add_argument("--nodes", type=int, default=2, help="how many to start (default: %(default)s)")
    parser.add_argument(
        "--pool", type=Path, action="append", default=[], metavar="FILE", help="add an earlier run's JSON"
    )
    parser.add_argument("--acceptance", action="store_true", help="print what is reached of the goals")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw how fast the peers are")
    parser.add_argument(
        "--peers",
        default="raw,pyignite,java,ours,ours-raw",
        help=f"of {', '.join([*PEERS, *java_peer.PEERS])}; with @uvloop behind the name for that event loop (default: %(default)s)",
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 when ours misses a mark")
    options = parser.parse_args()
    peers = options.peers.split(",")
    if unknown := [peer for peer in peers if peer.removesuffix("@uvloop") not in {*PEERS, *java_peer.PEERS}]:
        parser.error(f"no such peer: {', '.join(unknown)}")

    workloads = options.only or [*ALL, *(MORE if options.more else ())]
    samples = asyncio.run(measure(peers, workloads, options.rounds, options.nodes)) if options.rounds else []
    if options.json:
        options.json.write_text(json.dumps([attrs.asdict(sample) for sample in samples], indent=1) + "\n", "utf-8")
    for number, path in enumerate(options.pool, 1):  # whose rounds were other ones
        earlier = [Sample(**sample) for sample in json.loads(path.read_text("utf-8"))]
        samples += [attrs.evolve(sample, round=sample.round + 1_000 * number) for sample in earlier]
    report = Report(samples)
    for line in report.table():
        print(line)
    if options.acceptance:
        print(*acceptance(report), sep="\n")
    if options.svg:
        options.svg.write_text(plot(report), "utf-8")
    missed = 0
    for text, passed in report.marks():
        print("passed" if passed else "MISSED", text)
        missed += not passed
    if options.check and missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
