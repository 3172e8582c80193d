"""Captures what a real Apache Ignite 2.17.0 node answers: `python -m tests.embedded.judges.capture_pairs`.

Frames go over a plain socket and are kept as bytes; nothing of them is decoded but their heads. Writes
pairs_2_17_0.json beside this file. The nodes are fresh, since one is asked for the names of all its caches.
"""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from struct import pack, unpack_from
from typing import Any, Final

from ignitemap.local import cluster
from ignitemap.protocol.operations import CacheNodePartitions, CachePartitions, SetGetOrCreate
from tests.embedded.judges.conversations import SET_ID, conversations, encoded, passwords, write_handshake

PAIRS: Final = Path(__file__).with_name("pairs_2_17_0.json")

FAILED: Final = 1
TOPOLOGY: Final = 2
NOTIFICATION: Final = 4


class Line:
    """A connection to a node, frame by frame."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=60)
        self._number = 0

    def close(self) -> None:
        self._socket.close()

    def exchange(self, body: bytes) -> bytes:
        """Send a frame; the next one that comes, empty where the node hangs up instead."""
        self._socket.sendall(pack("<i", len(body)) + body)
        return self._receive()

    def ask(self, operation: int, body: bytes, *, flagged: bool = True) -> tuple[int, bytes]:
        """A request; its status, -1 where the node hangs up, and what is behind the head of the answer.

        Before protocol 1.4 an answer has no flags (``flagged``).
        """
        self._number += 1
        answer = self.exchange(pack("<hq", operation, self._number) + body)
        while answer and flagged and unpack_from("<h", answer, 8)[0] & NOTIFICATION:
            answer = self._receive()
        if not answer:
            return -1, b""
        assert unpack_from("<q", answer)[0] == self._number
        if not flagged:
            return unpack_from("<i", answer, 8)[0], answer[12:]
        flags = unpack_from("<h", answer, 8)[0]
        rest = answer[22 if flags & TOPOLOGY else 10 :]
        return (unpack_from("<i", rest)[0], rest[4:]) if flags & FAILED else (0, rest)

    def _receive(self) -> bytes:
        head = self._read(4)
        return self._read(unpack_from("<i", head)[0]) if head else b""

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                return b""
            data += part
        return data


def converse(host: str, port: int, conversation: dict[str, Any]) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Say all of a conversation; the answer to the handshake, and those to the requests."""
    line = Line(host, port)
    try:
        welcome = line.exchange(bytes.fromhex(conversation["handshake"]))
        flagged = tuple(conversation["version"]) >= (1, 4, 0)
        answers = []
        placeholder = own = pack("<i", SET_ID)
        for pair in conversation["pairs"] if welcome[:1] == b"\x01" else ():
            request = bytes.fromhex(pair["request"]).replace(placeholder, own)
            status, answer = line.ask(pair["operation"], request, flagged=flagged)
            if pair["operation"] == SetGetOrCreate.code and answer[:1] == b"\x01":
                own = answer[2:6]
                answer = answer.replace(own, placeholder)
            elif pair["operation"] == CachePartitions.code:
                answer = answer[12:]  # behind the version of the topology
            elif pair["operation"] == CacheNodePartitions.code and status == 0:
                answer = answer[:4] + answer[8:]  # without the port of the node
            answers.append((status, answer))
        return welcome, answers
    finally:
        line.close()


def shake_hands(host: str, port: int, handshake: str) -> bytes:
    """The answer to a handshake alone."""
    line = Line(host, port)
    try:
        return line.exchange(bytes.fromhex(handshake))
    finally:
        line.close()


def capture_passwords(host: str, port: int) -> list[dict[str, Any]]:
    """What a node that asks for a password says to handshakes."""
    said = [(name, shake.version, write_handshake(shake).hex()) for name, shake in passwords()]
    return [
        {"name": name, "version": version, "handshake": data, "answer": shake_hands(host, port, data).hex()}
        for name, version, data in said
    ]


def capture(host: str, port: int) -> dict[str, Any]:
    """All conversations, with what the node says."""
    found = []
    for name, shake, messages in conversations():
        requests = [(text, *encoded(message)) for text, message in messages]
        conversation = {
            "name": name,
            "version": shake.version,
            "handshake": write_handshake(shake).hex(),
            "pairs": [{"name": text, "operation": code, "request": body.hex()} for text, code, body in requests],
        }
        welcome, answers = converse(host, port, conversation)
        conversation["answer"] = welcome.hex()
        for pair, (status, answer) in zip(conversation["pairs"], answers, strict=True):
            pair["status"], pair["answer"] = status, answer.hex()
        found.append(conversation)
    return {"version": "2.17.0", "conversations": found}


async def main() -> None:
    """Capture from two nodes of our own: one, and one that asks for a password."""
    async with cluster(nodes=1) as running:
        host, _, port = running.addresses[0].rpartition(":")
        found = await asyncio.to_thread(capture, host, int(port))
    async with cluster(nodes=1, auth=True) as running:
        host, _, port = running.addresses[0].rpartition(":")
        found["passwords"] = await asyncio.to_thread(capture_passwords, host, int(port))
    PAIRS.write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
