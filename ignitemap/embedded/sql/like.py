"""LIKE as H2 has it: ``%`` for any text, ``_`` for one UTF-16 unit, a backslash before what stands for itself.

SQLite's GLOB does the same without ``_``, compares with case and can use an index.
"""

import struct
from typing import Final

from ignitemap.embedded.sql.functions import pattern_of

__all__ = ["glob_of", "like", "like_of_units", "like_without_case", "read_pattern"]

ALIKE: Final = frozenset((*map(chr, range(0xD800, 0xE000)), "\ufffd", "\ufffe", "\uffff"))
"""GLOB takes these characters for one another."""


def read_pattern(pattern: str, escape: str = "\\", *, loose: bool = False) -> list[tuple[str, bool]] | None:
    """A pattern as (character, whether it is a wildcard); None where its escapes are wrong.

    With ``loose`` any character may be escaped, in a pattern without wildcards: H2 makes ``=`` of those first.
    """
    out: list[tuple[str, bool]] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == escape:
            at += 1
            if at >= len(pattern) or (pattern[at] not in f"{escape}%_" and not loose):
                return None
            out.append((pattern[at], False))
        else:
            out.append((char, char in "%_"))
        at += 1
    return None if loose and any(wild for _, wild in out) else out


def glob_of(pattern: str | None) -> str | None:
    """A pattern for GLOB that finds all that LIKE does, and more where the pattern has ``_``."""
    parts = None if pattern is None else read_pattern(pattern)
    if parts is None:
        return None
    return "".join("*" if wild else f"[{char}]" if char in "*?[" else char for char, wild in parts)


def like_of_units(pattern: str | None) -> str | None:
    """The pattern where GLOB is not enough for it, otherwise None."""
    parts = None if pattern is None else read_pattern(pattern)
    if parts is None or not (("_", True) in parts or any(char in ALIKE for char, _ in parts)):
        return None
    return pattern


def units(text: str) -> str:
    """A text with one character for each UTF-16 unit."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(map(chr, struct.unpack(f"<{len(data) // 2}H", data)))


def like(value: str | None, pattern: str | None, escape: str = "\\") -> int | None:
    """LIKE."""
    return matches(value, pattern, "", escape)


def like_without_case(value: str | None, pattern: str | None) -> int | None:
    """ILIKE."""
    return matches(value, pattern, "i")


def matches(value: str | None, pattern: str | None, flags: str, escape: str = "\\") -> int | None:
    """Whether a text is of a pattern."""
    if value is None or pattern is None:
        return None
    parts = read_pattern(units(pattern), escape)
    if parts is None:
        return None
    regex = "".join((".*" if char == "%" else ".") if wild else escaped(char) for char, wild in parts)
    return int(pattern_of(f"(?:{regex})\\Z", f"{flags}n").match(units(value)) is not None)


def escaped(char: str) -> str:
    """A character of a regular expression that stands for itself."""
    return char if char.isalnum() or ord(char) > 127 else f"\\{char}"
