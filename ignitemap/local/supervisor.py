"""Ties one Java process to the Python process that wanted it. Run as a script, by process.py only.

    python -I -S supervisor.py LOG ORPHANED COMMAND...

It starts COMMAND with output appended to the file LOG, prints the pid of it, and ends when it ends, with its exit code
(128 + n for signal n). Orders are single bytes on stdin: `t` ends the child politely, `k` at once.

Why a process in between: a parent that is killed with SIGKILL runs no handler, so somebody else has to notice.
- End of file on stdin: the parent held the other end of the pipe, and the kernel closes it however the parent died.
  Works everywhere.
- A changed parent pid: the same for a parent that forked without exec; the fork's copy of the pipe keeps it open.
- PR_SET_PDEATHSIG (Linux) on the child, for the case that this supervisor is killed. The signal is bound to the *thread*
  that forked, which makes it unreliable in a big program with threads that come and go; here the thread is the main one
  of a process that does nothing else, and lives as long as the process.

An orphaned child is killed, and the folder ORPHANED (or nothing, when empty) is removed: nobody is left to do it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_PARENT_CHECK_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent_thread() -> Callable[[], None] | None:
    """What the forked child runs before exec, or None where the system has no such thing."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)  # looked up before the fork: after it only calls that are safe there
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def next_order(parent: int) -> bytes:
    """Wait for the next order; empty when the parent is gone."""
    while sys.platform != "win32" and not select.select([0], [], [], _PARENT_CHECK_SECONDS)[0]:
        if os.getppid() != parent:
            return b""
    return os.read(0, 1)


def obey(child: subprocess.Popen[bytes], parent: int, orphaned: threading.Event) -> None:
    """Carry out orders until the parent is gone."""
    while order := next_order(parent):
        with contextlib.suppress(OSError):
            if order == b"t":
                child.terminate()
            else:
                child.kill()
    orphaned.set()
    child.kill()


def main(log_path: str, orphaned_folder: str, *command: str) -> int:
    """Run COMMAND to its end; the result is the exit code to leave with."""
    parent = os.getppid()
    with Path(log_path).open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent_thread(),  # noqa: PLW1509 - the only other thread starts below
        )
    print(child.pid, flush=True)
    orphaned = threading.Event()
    threading.Thread(target=obey, args=(child, parent, orphaned), daemon=True).start()
    code = child.wait()
    if orphaned.is_set() and orphaned_folder:
        shutil.rmtree(orphaned_folder, ignore_errors=True)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
