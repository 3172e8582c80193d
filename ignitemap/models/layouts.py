"""One struct call for all of an object: what the objects of a class have in common whose texts are as long.

An object is its fields one behind the other, and where each starts depends on nothing but the lengths of those that are
not of fixed size. So these lengths name a layout when an object is written, and the footer, which has the offsets, names
it when one is read. Layouts are made as they come up, for short objects only, and for so many that they pay:
texts of all lengths would need one for nearly every object.
"""

from collections.abc import Sequence
from itertools import pairwise
from struct import Struct, calcsize
from typing import Any, Final

from ignitemap.protocol.types.binary_object import HEADER

__all__ = ["FLAGS", "HEADER_LENGTH", "OTHER", "TEXT", "TEXT_HEAD", "ReadLayouts", "WriteLayouts"]

TEXT: Final = "text"
OTHER: Final = "other"
HEADER_LENGTH: Final = HEADER.size
TEXT_HEAD: Final = 5  # bytes: the type code and the length
# USER_TYPE | HAS_SCHEMA | COMPACT_FOOTER, and the width of the footer's offsets.
FLAGS: Final = {"B": 0x2B, "H": 0x33, "I": 0x23}
MOST: Final = 512
"""How many layouts of a class are kept, of about 1 KiB each."""
LONGEST: Final = 1024
"""Up to how many bytes an object has a layout: of a longer one the texts take most of the time, and vary more."""


class WriteLayouts(dict[tuple[int, ...], "tuple[Any, bytes, int, int, int] | None"]):
    """By the lengths of what is not of fixed size: the struct's `pack`, the footer, the flags, where the footer starts,
    and the length of the object. None where there is to be no layout.

    ``forms`` says of each field the struct format of its type code and value, or TEXT, or OTHER: bytes as they are.
    """

    def __init__(self, forms: Sequence[str]) -> None:
        super().__init__()
        self._forms = tuple(forms)

    def __missing__(self, lengths: tuple[int, ...]) -> tuple[Any, bytes, int, int, int] | None:
        if len(self) >= MOST or sum(lengths) > LONGEST:
            return None
        left = iter(lengths)
        formats = [
            f"BI{next(left)}s" if form == TEXT else f"{next(left)}s" if form == OTHER else form for form in self._forms
        ]
        offsets = [HEADER_LENGTH]
        for each in formats:
            offsets.append(offsets[-1] + calcsize("<" + each))
        end = offsets.pop()
        if end > LONGEST:
            return None
        width = "B" if offsets[-1] < 1 << 8 else "H"
        footer = Struct(f"<{len(offsets)}{width}").pack(*offsets)
        layout = self[lengths] = Struct("<" + "".join(formats)).pack, footer, FLAGS[width], end, end + len(footer)
        return layout


class ReadLayouts(dict[bytes, tuple[Any, ...]]):
    """By the footer: the struct's `unpack_from`, then of each TEXT its length, of each OTHER its start and its end."""

    def __init__(self, forms: Sequence[str]) -> None:
        super().__init__()
        self._forms = tuple(forms)

    def learn(self, footer: bytes, end: int) -> None:
        """Keep the layout of an object that was read, of which the footer starts at ``end``; if it is to be one."""
        count = len(self._forms)
        width = {count: "B", 2 * count: "H"}.get(len(footer))
        if len(self) >= MOST or end > LONGEST or width is None:
            return
        offsets = [*Struct(f"<{count}{width}").unpack(footer), end]
        formats: list[str] = []
        rest: list[int] = []
        for form, (start, stop) in zip(self._forms, pairwise(offsets), strict=True):
            size = stop - start
            least = TEXT_HEAD if form == TEXT else 1 if form == OTHER else calcsize("<" + form)
            if size < least or (size > least and form not in {TEXT, OTHER}):
                return  # the footer says something else than the fields
            if form == TEXT:
                formats.append(f"BI{size - TEXT_HEAD}s")
                rest.append(size - TEXT_HEAD)
            elif form == OTHER:
                formats.append(f"{size}x")
                rest += start, stop
            else:
                formats.append(form)
        if offsets[0] == HEADER_LENGTH:
            self[footer] = Struct("<" + "".join(formats)).unpack_from, *rest
