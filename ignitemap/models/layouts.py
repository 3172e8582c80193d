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

from ignitemap.protocol.codegen import TEXT
from ignitemap.protocol.hashing import SEEDS
from ignitemap.protocol.types.binary_object import HEADER

__all__ = ["FLAGS", "HEADER_LENGTH", "OPTIONAL", "OTHER", "TEXT_HEAD", "ReadLayouts", "WriteLayouts"]

OTHER: Final = "other"
OPTIONAL: Final = "optional"
"""OTHER, or a null: of all values this alone is one byte."""
HEADER_LENGTH: Final = HEADER.size
TEXT_HEAD: Final = 5  # bytes: the type code and the length
NULL: Final = b"\x65"
unpack_uint: Final = Struct("<I").unpack_from
VARYING: Final = frozenset({TEXT, OTHER, OPTIONAL})
# USER_TYPE | HAS_SCHEMA | COMPACT_FOOTER, and the width of the footer's offsets.
FLAGS: Final = {"B": 0x2B, "H": 0x33, "I": 0x23}
MOST: Final = 512
"""How many layouts of a class are kept, of about 1 to 2 KiB each."""
LONGEST: Final = HEADER_LENGTH + len(SEEDS) - 1
"""Up to where the fields of an object end that has a layout. The hash of so many bytes is one sum; and of a longer object
the texts take most of the time, and vary more."""


class WriteLayouts(dict[tuple[int, ...], "tuple[Any, bytes, int, int, int, int] | None"]):
    """By the lengths of what is not of fixed size: the struct's `pack`, the footer, the flags, where the footer starts,
    the length of the object, and the seed of its hash. None where there is to be no layout.

    ``forms`` says of each field the struct format of its type code and value, or TEXT, or OTHER: bytes as they are.
    """

    def __init__(self, forms: Sequence[str]) -> None:
        super().__init__()
        self._forms = tuple(forms)

    def __missing__(self, lengths: tuple[int, ...]) -> tuple[Any, bytes, int, int, int, int] | None:
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
        pack, seed = Struct("<" + "".join(formats)).pack, SEEDS[end - HEADER_LENGTH]
        layout = self[lengths] = pack, footer, FLAGS[width], end, end + len(footer), seed
        return layout


class ReadLayouts(dict[Any, tuple[Any, ...]]):
    """By the footer, and the offset behind it where the object is wrapped: a struct's `unpack_from` and what it has to
    give, another's for the values, and of each field that is neither a number nor a text where it starts and ends.

    The first struct reads at once all that objects of a layout have in common, but for the footer: the header, the type
    codes, the lengths of texts. A null that is OPTIONAL is among it; it ends at 0.

    Where the last field is not of fixed size, the footer does not say where it ends, so that a layout is found by a pair:
    these bytes, and the length that the object has there.
    """

    def __init__(self, forms: Sequence[str]) -> None:
        super().__init__()
        self._forms = tuple(forms)
        self.ends_open: Final = not VARYING.isdisjoint(self._forms[-1:])
        """Whether layouts are found by a pair."""

    def learn(self, data: bytes, footer: int, length: int) -> None:
        """Keep the layout of an object that was read and found whole, if it is to be one.

        ``data`` is the object, and the offset behind it where it is wrapped; ``footer`` is where its footer starts.
        """
        count = len(self._forms)
        width = {count: "B", 2 * count: "H"}.get(length - footer)
        if len(self) >= MOST or footer > LONGEST or width is None or any(data[length:]):
            return
        offsets = [*Struct(f"<{count}{width}").unpack(data[footer:length]), footer]
        fixed, values = ["q4xIiI"], [f"{HEADER_LENGTH}x"]
        others: list[int] = []
        for form, (start, stop) in zip(self._forms, pairwise(offsets), strict=True):
            size = stop - start
            least = {TEXT: TEXT_HEAD, OTHER: 1, OPTIONAL: 1}.get(form) or calcsize("<" + form)
            if size < least or (size > least and form not in VARYING):
                return  # the footer says something else than the fields
            if form == TEXT:
                if unpack_uint(data, start + 1)[0] != size - TEXT_HEAD:
                    return
                fixed.append(f"BI{size - TEXT_HEAD}x")
                values.append(f"{TEXT_HEAD}x{size - TEXT_HEAD}s")
            elif form not in VARYING:
                fixed.append(f"B{size - 1}x")
                values.append("x" + form[1:])
            else:
                absent = form == OPTIONAL and data[start:stop] == NULL
                fixed.append("B" if absent else f"{size}x")
                values.append(f"{size}x")
                others += start, 0 if absent else stop
        if offsets[0] == HEADER_LENGTH:
            have, unpack = (Struct("<" + "".join(formats)).unpack_from for formats in (fixed, values))
            found_by = (data[footer:], length) if self.ends_open else data[footer:]
            self[found_by] = have, have(data), unpack, *others
