"""pyignite's own tests, from its source distribution: pip fetches it into the cache folder, nothing of it lives here."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from ignitemap.local.certificates import issue_certificates
from ignitemap.local.resolve import cache_dir

VERSION: Final = "0.6.1"
# What comes is run, so it is the file that was read, or nothing.
SHA256: Final = "e143d7a907e2662da11f63d2e9e34234dc722cd63c9aeb74486280e3aef3369d"

SUITES: Final = ("tests/common", "tests/affinity", "tests/custom", "tests/security")

_HERE: Final = Path(__file__).parent
_PASSWORD: Final = b"654321"  # tests/security/conftest.py names it

# 10800 is their first port; 10900 and above are ports where nothing listens.
_PORT: Final = re.compile(r"\b10([89])(\d\d)\b")

# What else is changed in a file: as little as lets a test of the public API run.
_CHANGES: Final = {
    # Errors are ours, and so are their words.
    "tests/affinity/test_affinity_bad_servers.py": [("Can not connect.", "no node could be reached")],
    "tests/common/test_cache_class.py": [("You should supply at least cache name", "a cache is created from a name")],
    "tests/custom/test_handshake_timeout.py": [("'timed out' in", "'did not answer within' in")],
    # Our hints are objects, and an object's hash is no part of the API.
    "tests/common/test_binary.py": [
        ("type_.__name__", "api.name_of_hint(type_)"),
        ("BinaryObject.hashcode_async", "api.object_hash"),
        ("from pyignite import GenericObjectMeta\n", "from pyignite import GenericObjectMeta, api\n"),
    ],
    # pyignite writes its defaults into the dict that it is given, and the test compares with that dict.
    "tests/common/test_cache_config.py": [
        (
            "'type_name': 'java.lang.String'\n",
            (
                "'type_name': 'java.lang.String', 'is_key_field': False, 'is_notnull_constraint_field': False,\n"
                "                    'default_value': None, 'precision': -1, 'scale': -1,\n"
            ),
        )
    ],
    # Ours knows where a cache's partitions are a moment after its first operations: one of them may come to the right
    # node by chance, two in a row not.
    "tests/affinity/test_affinity_request_routing.py": [
        (
            "await cache.get(key)\n            real_node_idx = requests.pop()\n",
            (
                "await cache.get(key)\n            await cache.get(key)\n            real_node_idx = requests.pop()\n"
                "            if requests.pop() != real_node_idx:\n                return False\n"
            ),
        )
    ],
    # Its proxy's port, where our second node listens.
    "tests/custom/test_timeouts.py": [("10802", "10805")],
}

_PORTS_ONLY: Final = ("tests/custom/test_timeouts.py",)


def fetch() -> Path:
    """The archive, downloaded at most once. Raises CalledProcessError with pip's words, ValueError for another file."""
    folder = cache_dir() / "sdists"
    archive = folder / f"pyignite-{VERSION}.zip"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
        subprocess.run([sys.executable, "-m", *command, f"pyignite=={VERSION}"], check=True)
    if (digest := hashlib.sha256(archive.read_bytes()).hexdigest()) != SHA256:
        raise ValueError(f"{archive} has the SHA-256 {digest}, not {SHA256}")
    return archive


def unpack(folder: Path, base_port: int, *, shim: bool = True) -> None:
    """Lay the tests out in `folder`, on our ports, with our nodes (util.py), certificates and fixtures (peer_plugin.py).

    pyignite itself stays in the archive: what the tests import is the shim, or without it the pyignite that is
    installed, which needs none of the changes but those of ports.
    """
    with zipfile.ZipFile(fetch()) as archive:
        for name in archive.namelist():
            path = Path(*Path(name).parts[1:])
            if name.endswith(".py") and path.is_relative_to("tests"):
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(
                    _adapted(path.as_posix(), archive.read(name).decode("utf-8"), base_port, shim), "utf-8"
                )
    (folder / "tests" / "conftest.py").unlink()
    shutil.copy(_HERE / "nodes.py", folder / "tests" / "util.py")
    _issue(folder / "tests" / "config" / "ssl")
    (folder / "pytest.ini").write_text(
        "[pytest]\n"
        "asyncio_mode = auto\n"
        "asyncio_default_fixture_loop_scope = session\n"
        "asyncio_default_test_loop_scope = session\n"
        f"timeout = {90 if shim else 240}\n",  # pyignite itself reads 10,000 nested maps in a minute
        "utf-8",
    )


def _adapted(name: str, source: str, base_port: int, shim: bool) -> str:
    """The source of a file with its ports moved to ours; the last two digits stay, for tests count nodes by them."""
    for theirs, ours in _CHANGES.get(name, ()) if shim or name in _PORTS_ONLY else ():
        if theirs not in source:
            raise ValueError(f"{name} has no {theirs!r}")
        source = source.replace(theirs, ours)
    return _PORT.sub(lambda found: str(base_port + int(found[2]) + (50 if found[1] == "9" else 0)), source)


def _issue(folder: Path) -> None:
    """Certificates under the names that the tests know. Theirs name no host, and ours is checked."""
    from cryptography.hazmat.primitives import serialization

    folder.mkdir(parents=True)
    certificates = issue_certificates(folder)
    chain, authority = certificates.client_file.read_bytes(), certificates.ca_file.read_bytes()
    (folder / "client_full.pem").write_bytes(chain + authority)
    key = serialization.load_pem_private_key(chain, password=None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(_PASSWORD),
    )
    public = chain[chain.index(b"-----BEGIN CERTIFICATE-----") :]
    (folder / "client_with_pass_full.pem").write_bytes(locked + public + authority)
