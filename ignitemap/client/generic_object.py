"""pyignite's classes for complex objects: a metaclass, a schema of hints, and which classes one client knows.

A client knows a class from the first object of it that it writes, or from `AioClient.register_binary_type`. An object
whose type and schema belong to a class that the client knows is read as an instance of it; every other one is an inert
BinaryObject. No class is made from what a cluster says.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from ignitemap.exceptions import DecodeError, EncodeError, EncodeValueError, ModelError
from ignitemap.protocol.binary_type import BinaryType, binary_type
from ignitemap.protocol.codecs import (
    MAX_ENCODE_DEPTH,
    Codecs,
    Decoder,
    Encoder,
    NoResolver,
    Spec,
    TypeResolver,
    decode_object,
    too_deep,
)
from ignitemap.protocol.types.binary_object import (
    HEADER_LENGTH,
    BinaryObject,
    need_schemas,
    object_bytes,
    offsets_of,
    parse_header,
)
from ignitemap.protocol.types.codes import NULL

__all__ = ["GenericObjectMeta", "GenericObjectProps", "ObjectClasses"]

VERSION: Final = 1


class GenericObjectProps:
    """What every class of `GenericObjectMeta` inherits: attributes by its schema, equality, and its names."""

    _schema: ClassVar[Mapping[str, Spec[Any]]] = {}
    _type_name: ClassVar[str] = ""
    _type_id: ClassVar[int] = 0
    _binary_type: ClassVar[BinaryType]

    version: int

    def __init__(self, *values: Any, **fields: Any) -> None:
        names = [*self._schema, "version"]
        if len(values) > len(names):
            raise TypeError(f"{type(self).__name__}() takes {len(names)} values, not {len(values)}")
        given = dict(zip(names, values, strict=False))
        for name, value in fields.items():
            if name not in names:
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            if name in given:
                raise TypeError(f"{type(self).__name__}() got {name!r} twice")
            given[name] = value
        for name, spec in self._schema.items():
            setattr(self, name, given[name] if name in given else _default(spec))
        self.version = given.get("version", VERSION)

    @property
    def type_name(self) -> str:
        """The name of the complex type."""
        return self._type_name

    @property
    def type_id(self) -> int:
        """The id of the complex type."""
        return self._type_id

    @property
    def schema(self) -> "OrderedDict[str, Spec[Any]]":
        """The hint of each field, in the order in which they are written; a copy."""
        return OrderedDict(self._schema)

    @property
    def schema_id(self) -> int:
        """The id of the schema."""
        return _schema_id(self._binary_type)

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return _values(self) == _values(other) and self.version == getattr(other, "version", None)

    def __hash__(self) -> int:
        return hash((self._type_id, *_values(self)))

    def __repr__(self) -> str:
        values = [*zip(self._schema, _values(self), strict=True), ("version", self.version)]
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values)})"


class GenericObjectMeta(type):
    """The metaclass of classes for complex objects.

    >>> from collections import OrderedDict
    >>> class Person(metaclass=GenericObjectMeta, type_name="Person", schema=OrderedDict(name=String, age=IntObject)):
    ...     pass
    >>> await cache.put(1, Person(name="Ann", age=41))
    >>> (await cache.get(1)).name
    'Ann'

    ``type_name`` is the class's name by default. The fields are arguments of the constructor, by position or name;
    one that is not given has its hint's default (0, "", an empty list, None). ``schema``, ``schema_id``, ``type_name``
    and ``type_id`` are there on the class and on its instances.

    Raises ModelError for a schema whose values aren't hints, or whose names can't be told apart.
    """

    _schema: Mapping[str, Spec[Any]]
    _type_name: str
    _type_id: int
    _binary_type: BinaryType

    if TYPE_CHECKING:  # fields are known at run time only

        def __call__(cls, *values: Any, **fields: Any) -> Any:
            """An object of the class."""
            ...

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        type_name: str | None = None,
        schema: Mapping[str, Spec[Any]] | None = None,
        **options: Any,
    ) -> "GenericObjectMeta":
        """Make the class, which inherits from GenericObjectProps."""
        if not any(isinstance(base, GenericObjectMeta) for base in bases):
            bases = (GenericObjectProps, *bases)
        return super().__new__(mcs, name, bases, namespace)

    def __init__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        type_name: str | None = None,
        schema: Mapping[str, Spec[Any]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, bases, namespace)
        cls._type_name = type_name or name
        cls._schema = dict(schema or {})
        _check(cls._type_name, cls._schema)
        cls._binary_type = binary_type(cls._type_name, [(field, spec.code) for field, spec in cls._schema.items()])
        cls._type_id = cls._binary_type.id

    @property
    def type_name(cls) -> str:
        """The name of the complex type.

        >>> class Town(metaclass=GenericObjectMeta, schema={"name": String}): ...
        >>> Town.type_name, Town("Bern").type_name
        ('Town', 'Town')
        """
        return cls._type_name

    @property
    def type_id(cls) -> int:
        """The id of the complex type.

        >>> class Town(metaclass=GenericObjectMeta, schema={"name": String}): ...
        >>> await client.register_binary_type(Town)
        >>> (await client.get_binary_type(Town.type_id))["type_name"]
        'Town'
        """
        return cls._type_id

    @property
    def schema(cls) -> "OrderedDict[str, Spec[Any]]":
        """The hint of each field, in the order in which they are written; a copy.

        >>> class Town(metaclass=GenericObjectMeta, schema={"name": String}): ...
        >>> Town.schema["name"] is String
        True
        """
        return OrderedDict(cls._schema)

    @property
    def schema_id(cls) -> int:
        """The id of the schema.

        >>> class Town(metaclass=GenericObjectMeta, schema={"name": String}): ...
        >>> Town.schema_id == Town("Bern").schema_id
        True
        """
        return _schema_id(cls._binary_type)

    def values_of(cls, value: Any) -> list[Any]:
        """Not for users: the fields of an object; the default of one that was never set."""
        return [getattr(value, name, _default(spec)) for name, spec in cls._schema.items()]

    @property
    def binary_type(cls) -> BinaryType:
        """Not for users: the type as a cluster's metadata holds it."""
        return cls._binary_type


class ObjectClasses:
    """The classes of one client, before what another resolver knows."""

    def __init__(self, beyond: TypeResolver | None = None) -> None:
        self._beyond: TypeResolver = NoResolver() if beyond is None else beyond
        self._classes: dict[int, dict[int, GenericObjectMeta]] = {}

    def add(self, cls: GenericObjectMeta) -> None:
        """Read objects of the class's type and schema as its instances; the last class of several wins."""
        self._classes.setdefault(cls.type_id, {})[cls.schema_id] = cls

    def of(self, type_id: int) -> dict[int, GenericObjectMeta]:
        """The classes of a type by their schema ids."""
        return dict(self._classes.get(type_id, {}))

    def encoder_for(self, cls: type) -> Encoder | None:
        """The encoder of a class, which is known from now on."""
        if not isinstance(cls, GenericObjectMeta):
            return self._beyond.encoder_for(cls)
        self.add(cls)
        return _encode

    def decoder_for(self, type_id: int) -> Decoder | None:
        """The decoder of a type that a class is known of."""
        classes = self._classes.get(type_id)
        return self._beyond.decoder_for(type_id) if classes is None else _make_decoder(classes)

    def enum_for(self, type_id: int) -> Callable[[int], Any] | None:
        """What the other resolver knows of an enum."""
        return self._beyond.enum_for(type_id)


def _encode(codecs: Codecs, out: bytearray, value: Any) -> None:
    cls: GenericObjectMeta = value.__class__
    if value.version != VERSION:
        raise EncodeValueError(f"the version of complex objects is {VERSION}, not {value.version!r}")
    known, schema_id = cls.binary_type, cls.schema_id
    if (known.id, schema_id) not in codecs.known.announced:
        codecs.announce(known, schema_id)
    codecs.depth += 1
    if codecs.depth > MAX_ENCODE_DEPTH:
        raise EncodeValueError(too_deep(MAX_ENCODE_DEPTH))
    fields = bytearray()
    offsets: list[int] = []
    for (name, spec), item in zip(cls.schema.items(), _values(value), strict=True):
        offsets.append(HEADER_LENGTH + len(fields))
        try:
            if item is None:
                fields.append(NULL)
            else:
                spec.encode(codecs, fields, item)
        except EncodeError as error:
            error.path = f"{cls.__name__}.{name}" if not error.path else f"{cls.__name__}.{name}: {error.path}"
            raise
    codecs.depth -= 1
    out += object_bytes(known.id, schema_id, fields, offsets)


def _make_decoder(classes: Mapping[int, GenericObjectMeta]) -> Decoder:
    def decode(codecs: Codecs, buf: bytes, start: int) -> tuple[Any, int]:
        header = parse_header(buf, start)
        cls = classes.get(header.schema_id)
        if cls is None:  # a schema that the program has no class for
            need_schemas(codecs.known, buf, header)
            known = codecs.known.types.get(header.type_id)
            if buf is codecs.shared:
                return BinaryObject(codecs, buf, start, known), header.end
            return BinaryObject(codecs, buf[start : header.end], 0, known), header.end
        (order,) = cls.binary_type.schemas.values()
        offsets = offsets_of(header, order if header.compact else None, buf, start)
        values: dict[str, Any] = {}
        for field, name in zip(order, cls.schema, strict=True):
            if field in offsets:
                values[name], _ = decode_object(codecs, buf, offsets[field])
        result: Any = cast(Any, cls).__new__(cls)  # its __init__ is for those who make new ones
        try:
            for name, value in values.items():
                setattr(result, name, value)
            result.version = VERSION
        except Exception as error:  # properties of the program's own, which may raise anything
            raise DecodeError(f"{cls.__name__} refuses what the cluster has: {type(error).__name__}") from error
        return result, header.end

    return decode


def _check(type_name: str, schema: Mapping[str, Spec[Any]]) -> None:
    taken = {"version", "schema", "schema_id", "type_name", "type_id"}
    seen: dict[str, str] = {}
    for name, spec in schema.items():
        path = f"{type_name}.{name}"
        if not isinstance(spec, Spec):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
            raise ModelError(f"{path}: a field is declared by a hint, not by {spec!r}", path=path)
        if name in taken:
            raise ModelError(f"{path}: a field can't have this name", path=path)
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise ModelError(f"{path}: Ignite can't tell it from the field {other}", path=path)


def _schema_id(known: BinaryType) -> int:
    (schema_id,) = known.schemas
    return schema_id


def _default(spec: Spec[Any]) -> Any:
    return getattr(spec, "default", None)


def _values(value: Any) -> list[Any]:
    cls: GenericObjectMeta = value.__class__
    return cls.values_of(value)
