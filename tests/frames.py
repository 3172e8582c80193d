"""An independent reader of requests: every frame that a test sends is read whole by it.

It shares nothing with the package. It knows the sizes of objects and the order of fields, and checks that a frame ends
where its fields do: a wrong count or length is never sent to a cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from

FIXED = {1: 1, 2: 2, 3: 4, 4: 8, 5: 4, 6: 8, 7: 2, 8: 1, 10: 16, 11: 8, 33: 12, 36: 8, 101: 0, 102: 4}
ARRAYS = {12: 1, 13: 2, 14: 4, 15: 8, 16: 4, 17: 8, 18: 2, 19: 1}
OF_OBJECTS = {20, 21, 22, 31, 34, 37}  # arrays of nullable objects
OF_A_CLASS = {23, 29}  # the same behind the class of the component

# What follows the operation code. c: cache, k: object, [..]: a count and items, s: nullable string, b h i q: numbers.
BODIES = {
    0: "q", 1: "", 2: "",
    1000: "ck", 1001: "ckk", 1002: "ckk", 1003: "c[k]", 1004: "c[kk]", 1005: "ckk", 1006: "ckk", 1007: "ck", 1008: "ckk",
    1009: "ckk", 1010: "ckkk", 1011: "ck", 1012: "c[k]", 1013: "c", 1014: "ck", 1015: "c[k]", 1016: "ck", 1017: "ckk",
    1018: "c[k]", 1019: "c", 1020: "c[b]", 1021: "ck", 1050: "", 1051: "s", 1052: "s", 1055: "c", 1056: "i",
    1100: "c", 1101: "b[i]", 2001: "q", 2003: "q", 2005: "q", 2009: "q", 3000: "bi", 3001: "bis", 3002: "i", 3004: "",
    4000: "bbqs", 4001: "ib", 5000: "", 5001: "bb", 5002: "sb", 5003: "s", 5101: "[qq]", 5102: "qq",
    9001: "ss", 9002: "ss", 9003: "ss", 9004: "ssq", 9005: "ssq", 9006: "ssqq", 9007: "ssqq",
}  # fmt: skip


class Frame:
    """One request; `read` goes through all of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, code: str) -> int:
        size = {"b": 1, "h": 2, "i": 4, "q": 8}[code]
        (value,) = unpack_from(f"<{code}", self.data, self.at)
        self.at += size
        return int(value)

    def skip(self, size: int) -> None:
        assert 0 <= size <= len(self.data) - self.at, f"{size} bytes of {len(self.data) - self.at}"
        self.at += size

    def times(self, item: Callable[[], None]) -> None:
        count = self.number("i")
        assert count >= 0, count
        for _ in range(count):
            item()

    def text(self) -> None:
        code = self.number("b")
        assert code in (9, 101), code
        if code == 9:
            size = self.number("i")
            self.data[self.at : self.at + size].decode()
            self.skip(size)

    def of_class(self) -> None:
        if self.number("i") == 0:  # a class without an id is named
            self.text()

    def object(self) -> None:
        start = self.at
        code = self.number("b")
        if code in FIXED:
            self.skip(FIXED[code])
        elif code in ARRAYS:
            self.skip(self.number("i") * ARRAYS[code])
        elif code in (9, -2):
            self.skip(self.number("i"))
        elif code == 30:
            self.skip(4)
            self.skip(self.number("i"))
        elif code in (28, 38):
            self.of_class()
            self.skip(4)
        elif code == 32:
            self.of_class()
        elif code in OF_OBJECTS:
            self.times(self.object)
        elif code in OF_A_CLASS:
            self.of_class()
            self.times(self.object)
        elif code in (24, 25):
            count = self.number("i")
            self.skip(1)
            for _ in range(count * (code - 23)):
                self.object()
        elif code == 27:
            self.skip(self.number("i"))
            self.skip(4)
        elif code == 103:
            assert self.number("b") == 1
            flags, size = unpack_from("<h8xi", self.data, self.at)
            assert size >= 24, size
            assert flags & 0x40 == 0 or size > 24 or flags & 4 == 0
            self.at = start
            self.skip(size)
        else:
            raise AssertionError(f"type code {code}")

    def cache(self) -> None:
        self.skip(4)
        flags = self.number("b")
        if flags & 4:
            self.skip(24)
        if flags & 2:
            self.skip(4)

    def fields(self, layout: str) -> None:
        steps = {"c": self.cache, "k": self.object, "s": self.text}
        while layout:
            if layout[0] == "[":
                item, _, layout = layout[1:].partition("]")
                self.times(lambda item=item: self.fields(item))  # type: ignore[misc]
                continue
            if layout[0] in steps:
                steps[layout[0]]()
            else:
                self.number(layout[0])
            layout = layout[1:]

    def rest(self, operation: int) -> None:
        """Layouts that depend on what they hold."""
        if operation == 2000:
            self.cache()
            if self.data[self.at] != 101:
                self.object()
                self.skip(1)
            else:
                self.skip(1)
            self.skip(9)
        elif operation == 2004:
            self.fields("csiis[k]")
            self.skip(1 + 6 + 8 + 1)
            if self.at < len(self.data):  # feature 7
                count = self.number("i")
                self.skip(4 * max(count, 0) + 4)
        elif operation == 3003:
            self.fields("iss[sii]")
            if self.number("b"):
                self.fields("[si]")
            self.times(lambda: self.fields("i[i]"))
        elif operation == 5100:
            self.fields("q")
            self.times(lambda: self.fields("ss" if self.number("h") == 1 else "b"))
        elif operation in (1053, 1054):
            size = self.number("i")
            assert size == len(self.data) - self.at, (size, len(self.data) - self.at)
            self.at = len(self.data)
        else:
            self.at = len(self.data)  # not in the table: only the frame's own length is checked


def read(operation: int, body: bytes, features: frozenset[int]) -> None:
    """Read the body of one request whole. Raises AssertionError, struct.error or UnicodeDecodeError if it is wrong."""
    request = Frame(body)
    layout = BODIES.get(operation)
    if operation == 1101 and 13 not in features:
        layout = "[i]"
    elif operation == 5001 and 19 not in features:
        layout = "b"
    if layout is None:
        request.rest(operation)
    else:
        request.fields(layout)
    assert request.at == len(body), f"operation {operation}: {len(body) - request.at} bytes behind its fields"
