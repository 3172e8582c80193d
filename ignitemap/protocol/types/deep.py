"""Values that nest deeper than `NATIVE_DEPTH`: read by an explicit stack instead of recursion.

Each kind of container has a walker beside its decoder: a generator that reads what is flat itself, yields
``(walker, pos)`` for every container inside it, and is sent that one's value and end. A walker starts where a decoder
does, behind the type code.
"""

from typing import Any

from ignitemap.exceptions import DecodeError
from ignitemap.protocol.codecs import MAX_DECODE_DEPTH, Codecs, Steps, too_deep

__all__ = ["read_deep", "walk_items"]


def read_deep(codecs: Codecs, buf: bytes, pos: int) -> tuple[Any, int]:
    """Read the container behind the type code before ``pos``, which the caller has counted in ``codecs.depth``."""
    codecs.add_further()  # which a spec may be ahead of
    stack = [codecs.walkers[buf[pos - 1]](codecs, buf, pos)]
    found: Any = None  # a generator starts with None, and goes on with the value and end that it asked for
    while True:
        if codecs.depth > MAX_DECODE_DEPTH:
            raise DecodeError(too_deep(MAX_DECODE_DEPTH), offset=pos)
        try:
            walk, pos = stack[-1].send(found)
        except StopIteration as done:
            value: tuple[Any, int] = done.value
            codecs.depth -= 1
            stack.pop()
            if not stack:
                return value
            found = value
        else:
            codecs.depth += 1
            stack.append(walk(codecs, buf, pos))
            found = None


def walk_items(codecs: Codecs, buf: bytes, pos: int, count: int) -> Steps:
    """Read ``count`` objects one after another, as a list."""
    decoders, walkers = codecs.decoders, codecs.walkers
    items: list[Any] = []
    for _ in range(count):
        code = buf[pos]
        walk = walkers.get(code)
        if walk is None:
            item, pos = decoders[code](codecs, buf, pos + 1)
        else:
            item, pos = yield walk, pos + 1
        items.append(item)
    return items, pos
