"""A thin client of one socket and two operations that asks a real node and keeps the types of what it answers.

``python -m tests.embedded.sql.real_node HOST:PORT statements.json answers.json`` captures golden answers.
"""

import json
import socket
import struct
import sys
from pathlib import Path
from typing import Any

from tests.embedded.sql.typed import encode_argument, read_cell


class RealNode:
    """A connection to a real node."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=60)
        # Version 1.2.0 has everything that SQL needs and no features to agree upon.
        body = struct.pack("<BhhhB", 1, 1, 2, 0, 2) + b"\x65\x65"
        self.socket.sendall(struct.pack("<i", len(body)) + body)
        if self._receive()[0] != 1:
            raise ConnectionError("the handshake was refused")
        self.last_id = 0

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def _receive(self) -> bytes:
        data = b""
        wanted = 4
        while len(data) < wanted:
            part = self.socket.recv(1 << 16)
            if not part:
                raise ConnectionError("the node closed the connection")
            data += part
            if wanted == 4 and len(data) >= 4:
                wanted = 4 + struct.unpack_from("<i", data)[0]
        return data[4:]

    def request(self, operation: int, body: bytes) -> tuple[int, bytes]:
        """One request: (status, payload or message)."""
        self.last_id += 1
        body = struct.pack("<hq", operation, self.last_id) + body
        self.socket.sendall(struct.pack("<i", len(body)) + body)
        data = self._receive()
        return struct.unpack_from("<i", data, 8)[0], data[12:]

    def ask(self, sql: str, arguments: list[list[Any]] = [], *, cache: int = 0) -> dict[str, Any]:  # noqa: B006
        """One statement: {"columns": ..., "rows": ...} with typed cells, or {"error": "SQLSTATE: message"}."""
        text = sql.encode()
        body = struct.pack("<iBBiiBi", cache, 0, 101, 100_000, -1, 9, len(text)) + text
        body += struct.pack("<i", len(arguments)) + b"".join(encode_argument(kind, value) for kind, value in arguments)
        body += struct.pack("<BBBBBBBqB", 0, 0, 0, 0, 0, 0, 0, 0, 1)
        status, answer = self.request(2004, body)
        if status:
            return {"error": read_cell(answer, 0)[0][1]}
        pos = 12
        (count,) = struct.unpack_from("<i", answer, 8)
        columns: list[str] = []
        for _ in range(count):
            cell, pos = read_cell(answer, pos)
            columns.append(cell[1])
        (rows_count,) = struct.unpack_from("<i", answer, pos)
        pos += 4
        rows: list[list[Any]] = []
        for _ in range(rows_count):
            row: list[Any] = []
            for _ in range(count):
                cell, pos = read_cell(answer, pos)
                row.append(cell)
            rows.append(row)
        return {"columns": columns, "rows": rows}


def capture(node: RealNode, statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The statements, each with what the node answered."""
    return [
        {"sql": each["sql"], "args": each.get("args", []), **node.ask(each["sql"], each.get("args", []))}
        for each in statements
    ]


def main() -> None:
    """Capture answers into a file."""
    address, source, target = sys.argv[1:]
    host, _, port = address.rpartition(":")
    answers = capture(RealNode(host, int(port)), json.loads(Path(source).read_text(encoding="utf-8")))
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in answers)
    Path(target).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
