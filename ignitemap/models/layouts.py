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

__all__ = ["FLAGS", "HEADER_LENGTH", "OTHER", "TEXT_HEAD", "ReadLayouts", "WriteLayouts"]

OTHER: Final = "other"
HEADER_LENGTH: Final = HEADER.size
TEXT_HEAD: Final = 5  # bytes: the type code and the length
HASH: Final = slice(8, 12)
"""Where an object's hash is, of the header the only part that differs among objects of a layout."""
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


class ReadLayouts(dict[bytes, tuple[Any, ...]]):
    """By the footer, and the offset behind it where the object is wrapped: a mask, a number, `unpack_from`, and of each
    OTHER where it starts and ends.

    The bytes of an object, read as one number, are this number under the mask: that compares at once all that objects of
    a layout have in common, from the header over type codes and lengths of texts to the footer.
    """

    def __init__(self, forms: Sequence[str]) -> None:
        super().__init__()
        self._forms = tuple(forms)

    def learn(self, data: bytes, footer: int, length: int) -> None:
        """Keep the layout of an object that was read and found whole, if it is to be one.

        ``data`` is the object, and the offset behind it where it is wrapped; ``footer`` is where its footer starts.
        """
        count = len(self._forms)
        width = {count: "B", 2 * count: "H"}.get(length - footer)
        if len(self) >= MOST or footer > LONGEST or width is None or any(data[length:]):
            return
        offsets = [*Struct(f"<{count}{width}").unpack(data[footer:length]), footer]
        mask = bytearray(b"\xff" * len(data))
        mask[HASH] = bytes(4)
        formats: list[str] = [f"{HEADER_LENGTH}x"]
        others: list[int] = []
        for form, (start, stop) in zip(self._forms, pairwise(offsets), strict=True):
            size = stop - start
            least = TEXT_HEAD if form == TEXT else 1 if form == OTHER else calcsize("<" + form)
            if size < least or (size > least and form not in {TEXT, OTHER}):
                return  # the footer says something else than the fields
            if form == OTHER:
                formats.append(f"{size}x")
                others += start, stop
                mask[start:stop] = bytes(size)
            elif form == TEXT:
                formats.append(f"{TEXT_HEAD}x{size - TEXT_HEAD}s")
                mask[start + TEXT_HEAD : stop] = bytes(size - TEXT_HEAD)
            else:
                formats.append("x" + form[1:])
                mask[start + 1 : stop] = bytes(size - 1)
        if offsets[0] == HEADER_LENGTH:
            fixed = int.from_bytes(mask, "little")
            unpack = Struct("<" + "".join(formats)).unpack_from
            self[data[footer:]] = fixed, int.from_bytes(data, "little") & fixed, unpack, *others
