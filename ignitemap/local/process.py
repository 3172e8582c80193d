"""One node as an operating system process: start it, wait until it is ready, end it."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import attrs

from ignitemap.local.errors import LocalClusterError

__all__ = ["NodeProcess", "end", "log_tail", "spawn", "wait_ready"]

_SUPERVISOR: Final = Path(__file__).with_name("supervisor.py")
_STARTED: Final = "Ignite node started OK"
_TOPOLOGY: Final = re.compile(r"Topology snapshot \[ver=(\d+),.*?\bservers=(\d+)")
_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 40


@attrs.frozen
class NodeProcess:
    """A running (or ended) node: the supervisor in between and the Java process behind it."""

    supervisor: asyncio.subprocess.Process
    pid: int
    """Process id of the Java process."""
    log: Path
    log_start: int
    """Where in the log file the lines of this start begin, in bytes; a restarted node appends."""

    @property
    def running(self) -> bool:
        """Whether the Java process has not ended."""
        return self.supervisor.returncode is None


async def spawn(command: Sequence[str], *, log: Path, orphaned_folder: Path | None) -> NodeProcess:
    """Start a node and return at once, long before it is ready.

    The node ends with this process, however this one ends (supervisor.py says how); `orphaned_folder` is removed then.

    Raises LocalClusterError when the command cannot be run at all.
    """
    log_start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as errors:
        supervisor = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_SUPERVISOR), str(log), str(orphaned_folder or ""), *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            # Ctrl-C in a terminal goes to this process alone, which then ends its nodes in good order.
            start_new_session=True,
        )
    assert supervisor.stdout is not None
    try:
        line = await supervisor.stdout.readline()
    except asyncio.CancelledError:
        _order(supervisor, b"k")
        await supervisor.wait()
        raise
    if not line.strip().isdigit():
        await supervisor.wait()
        raise LocalClusterError(f"{command[0]} did not start:\n{log_tail(log, log_start)}")
    return NodeProcess(supervisor, int(line), log, log_start)


async def wait_ready(node: NodeProcess, *, name: str, servers: Callable[[], int]) -> None:
    """Wait until the node says that it started and sees as many server nodes as there are at that moment.

    Raises LocalClusterError, with the tail of its log, when it ends instead. Has no time limit of its own.
    """
    text = ""
    with node.log.open("rb") as log:
        log.seek(node.log_start)
        while True:
            alive = node.running  # asked before reading, so that the last lines of a node that ends are read
            text += log.read().decode("utf-8", "replace")
            # By version: two threads of a node log snapshots, and the older one may be written last.
            newest = max(((int(version), int(count)) for version, count in _TOPOLOGY.findall(text)), default=(0, 0))
            if _STARTED in text and newest[1] == servers():
                return
            if not alive:
                raise LocalClusterError(f"{name} ended while it was starting:\n{log_tail(node.log, node.log_start)}")
            await asyncio.sleep(_POLL_SECONDS)


async def end(node: NodeProcess, *, polite_seconds: float = 0) -> None:
    """End the node and wait until it is gone: by SIGTERM, and by SIGKILL when that takes longer than `polite_seconds`."""
    if polite_seconds > 0:
        _order(node.supervisor, b"t")
        try:
            async with asyncio.timeout(polite_seconds):
                await node.supervisor.wait()
        except TimeoutError:
            pass
    _order(node.supervisor, b"k")
    await node.supervisor.wait()


def _order(supervisor: asyncio.subprocess.Process, order: bytes) -> None:
    """Leave signals to the supervisor: it is the parent and knows when the pid is no longer its child's."""
    stdin = supervisor.stdin
    if supervisor.returncode is None and stdin is not None and not stdin.is_closing():
        stdin.write(order)


def log_tail(log: Path, start: int = 0) -> str:
    """The last lines of a log file, indented."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:]) or "    (its log is empty)"
