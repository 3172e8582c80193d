"""Entries become bytes, many in one loop: the inside of a bulk write, generated for a cache's declared types.

A key or value of exactly the expected Python class is packed in line. All else, and whatever that fails on, is left to
the encoder of its type, which knows what to say about it.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, TypeVar

from ignitemap.protocol.codecs import Codecs, EntryTypes
from ignitemap.protocol.codegen import INLINE, TEXT, Source, packer

__all__ = ["Fill", "ModelKeys", "check_model", "compile_filler"]

K_co = TypeVar("K_co", covariant=True)
V_contra = TypeVar("V_contra", contravariant=True)

Fill = Callable[[Any, Iterable[Any], int, list[Any], list[bytes]], int]
"""``fill(codecs, entries, limit, keys, items) -> size``: adds keys and encoded entries until these have ``limit`` bytes.

The entries are pairs of a key and a value, or models that hold their keys. When it raises, ``keys`` has one more than
``items`` if it was about an entry, and as many if it was the source.
"""

WRITTEN: Final = {spec.encode: (spec.code, spec.fixed or TEXT) for spec in INLINE}
CLASSES: Final = {"?": "bool", "f": "float", "d": "float", TEXT: "str"}
IDENTICAL: Final = frozenset({"b", "h", "i", "q", TEXT})
"""The forms of keys that are equal in Python exactly if they have the same bytes; they stand for their bytes."""
# Of a number that the struct does not take, and of a text that is not UTF-8: its encoder says what is wrong.
FAILURES: Final = (struct.error, OverflowError, UnicodeEncodeError)


class ModelKeys(Protocol[K_co, V_contra]):
    """What a cache of models asks about its model."""

    @property
    def cls(self) -> type:
        """The model class."""
        ...

    def key_of(self, model: V_contra, /) -> K_co:
        """The key under which a model is stored."""
        ...


def check_model(cls: type, value: object) -> None:
    """Raise TypeError for what is no object of a model class."""
    if not isinstance(value, cls):
        raise TypeError(f"expected {cls.__qualname__}, got a Python {type(value).__qualname__}")


def compile_filler(types: EntryTypes, *, values: bool, models: ModelKeys[Any, Any] | None = None) -> Fill:
    """The function for one pair of types: from pairs, with ``values`` false from their keys alone, or from ``models``."""
    name = "fill", values, models is not None
    fill: Fill | None = types.compiled.get(name)
    if fill is None:
        fill = types.compiled[name] = _compile(types, models, values=values)
    return fill


def _compile(types: EntryTypes, models: ModelKeys[Any, Any] | None, *, values: bool) -> Fill:
    source = Source("fill")
    key_code, key_form = _written(types.key.encode)
    code, form = _written(types.value.encode) if values else (None, "")
    source.line("def fill(codecs, entries, limit, keys, items):")
    source.depth = 1
    source.line("size = 0")
    source.line("add_key, add = keys.append, items.append")
    if models is None:
        source.line("for key, value in entries:")
        source.depth = 2
    else:
        cls = source.bind("Model", models.cls)
        source.line("for value in entries:")
        source.depth = 2
        source.line(f"if value.__class__ is not {cls}:")
        source.line(f"    {source.bind('check_model', check_model)}({cls}, value)")
        source.line(f"key = {source.bind('key_of', models.key_of)}(value)")
    source.line("add_key(key)")
    in_line = True
    if key_code is None or key_form not in IDENTICAL:
        in_line = False
    elif code is not None or not values:
        _pack_in_line(source, (key_code, key_form), (code, form) if code is not None else None)
    elif types.value.emit_item is not None:
        types.value.emit_item(source, key_code, key_form, own_key=models is not None)
    else:
        in_line = False
    encode = source.bind("encode", _encoder(types, key_form, values=values))
    if in_line:
        source.line("if item is None:")
        source.line(f"    item = {encode}(codecs, keys, key, value)")
    else:
        source.line(f"item = {encode}(codecs, keys, key, value)")
    source.line("add(item)")
    source.line("size += len(item)")
    # What was noted is of the last entry then.
    source.line("if size >= limit or codecs.unannounced:")
    source.line("    break")
    source.depth = 1
    source.line("return size")
    return source.compile()


def _encoder(types: EntryTypes, key_form: str, *, values: bool) -> Callable[[Codecs, list[Any], Any, Any], bytes]:
    """The function that encodes one entry by the encoders of its types, whose key is the last of the keys."""
    encode_key, decode_key = types.key.encode, types.key.decode
    encode_value, joins_key = types.value.encode, types.value.joins_key
    stands_for_itself = key_form in IDENTICAL
    key_class = {TEXT: str}.get(key_form, int)

    def encode(codecs: Codecs, keys: list[Any], key: Any, value: Any) -> bytes:
        codecs.depth = 0
        out = bytearray()
        encode_key(codecs, out, key)
        if not stands_for_itself:
            keys[-1] = bytes(out)
        elif key.__class__ is not key_class:
            keys[-1] = decode_key(codecs, bytes(out), 0)[0]
        if values:
            if value is None:
                raise ValueError("None cannot be stored, it stands for a missing key")
            encode_value(codecs, out, value, *((key,) if joins_key else ()))
        return bytes(out)

    return encode


def _pack_in_line(source: Source, key: tuple[int, str], value: tuple[int, str] | None) -> None:
    """Emit the packing of keys and values that are numbers or texts: the bytes ``item``, or None."""
    formats = ""
    arguments: list[str] = []
    data: list[str] = []
    for name, (code, form) in (("key", key), *((("value", value),) if value is not None else ())):
        if form == TEXT:
            data.append(name)
            formats += "BI"
            arguments.append(f"{code}, len({name}_data)")
        else:
            formats += "B" + form
            arguments.append(f"{code}, {name}")
    classes = [f"key.__class__ is {_class(key[1])}", *([f"value.__class__ is {_class(value[1])}"] if value else [])]
    source.line(f"if {' and '.join(classes)}:")
    source.line("    try:")
    for name in data:
        source.line(f"        {name}_data = {name}.encode()")
    if data == ["key", "value"]:  # the one text stands between the heads
        pack = source.bind("pack_BI", packer("BI"))
        tail = f"{pack}({arguments[0]}) + key_data + {pack}({arguments[1]}) + value_data"
    elif data == ["key"] and value is not None:
        first, second = (source.bind(f"pack_{part}".replace("?", "z"), packer(part)) for part in ("BI", formats[2:]))
        tail = f"{first}({arguments[0]}) + key_data + {second}({arguments[1]})"
    else:
        pack = source.bind(f"pack_{formats.replace('?', 'z')}", packer(formats))
        tail = " + ".join([f"{pack}({', '.join(arguments)})", *(f"{name}_data" for name in data)])
    source.line(f"        item = {tail}")
    source.line(f"    except {source.bind('FAILURES', FAILURES)}:")
    source.line("        item = None")
    source.line("else:")
    source.line("    item = None")


def _written(encode: Callable[..., None]) -> tuple[int | None, str]:
    """The type code and the form that an encoder writes, if it can be done in line for values of one class."""
    return WRITTEN.get(getattr(encode, "__wrapped__", encode), (None, ""))


def _class(form: str) -> str:
    return CLASSES.get(form, "int")
