"""Who may connect: passwords kept as scrypt hashes, compared in constant time, with a limit to guessing."""

import asyncio
import hashlib
import hmac
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from ignitemap.protocol.handshake import Credentials

__all__ = ["Users"]

COST: Final = 2**14
BLOCK: Final = 8
PARALLEL: Final = 1
SALT: Final = 16
MAX_FAILURES: Final = 10  # a minute and address
MINUTE: Final = 60.0
MAX_ADDRESSES: Final = 10_000


class Users:
    """The users of a node, by name and password."""

    def __init__(self, passwords: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._hashes = {
            name: _hash(password, salt) for name, password in passwords.items() if (salt := os.urandom(SALT))
        }
        self._nobody = _hash("", os.urandom(SALT))  # so that an unknown name takes as long as a wrong password
        self._failures: dict[str, deque[float]] = {}
        self._clock = clock

    async def check(self, address: str, given: Credentials | None) -> bool:
        """Whether somebody is who he says; after too many failures from an address nobody is, for a minute."""
        failures = self._failures.get(address)
        now = self._clock()
        while failures and failures[0] <= now - MINUTE:
            failures.popleft()
        allowed = failures is None or len(failures) < MAX_FAILURES
        name = "" if given is None else given.username
        salt, kept = self._hashes.get(name, self._nobody)
        password = "" if given is None else given.password.reveal()
        _, found = await asyncio.get_running_loop().run_in_executor(None, _hash, password, salt)
        right = hmac.compare_digest(found, kept) and name in self._hashes and allowed
        if not right:
            if failures is None:
                while len(self._failures) >= MAX_ADDRESSES:
                    del self._failures[next(iter(self._failures))]
                failures = self._failures[address] = deque(maxlen=MAX_FAILURES)
            failures.append(now)
        return right


def _hash(password: str, salt: bytes) -> tuple[bytes, bytes]:
    return salt, hashlib.scrypt(password.encode(), salt=salt, n=COST, r=BLOCK, p=PARALLEL)
