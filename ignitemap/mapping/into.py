"""Rows of SQL answers as models: columns by the names of fields, values as the fields' types."""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, Protocol, TypeVar, cast

import attrs

from ignitemap.exceptions import DecodeError, EncodeError, QueryError
from ignitemap.mapping.expressions import Kind, kind_of
from ignitemap.models.codecs import make_constructor
from ignitemap.models.registry import Registry
from ignitemap.models.schema import ModelField, ModelOptions, Schema
from ignitemap.protocol.codecs import Codecs

__all__ = ["ModelReader"]

T = TypeVar("T")

Make = Callable[[Any], Any]


class Values(Protocol):
    """The values of a row."""

    def __getitem__(self, index: int, /) -> Any:
        """The value of a column."""
        ...


MILLISECOND: Final = timedelta(milliseconds=1)


@attrs.frozen(eq=False)
class ModelReader:
    """Makes models of rows, with the models and the types of one client."""

    registry: Registry
    codecs: Codecs

    def of(self, cls: type[T], names: Mapping[str, int]) -> Callable[[Values], T]:
        """The function from a row to an object.

        Args:
            cls: A model, or any attrs class or dataclass.
            names: The columns in upper case, and their positions.

        Raises:
            QueryError: A field without a default has no column, a column no field; the class has no fields.
            ModelError: A class that is no model yet can't be one.
        """
        schema = self._schema_of(cls)
        wanted = _fields_by_column(schema)
        found: dict[str, tuple[str, int]] = {}
        for name, position in names.items():
            field = wanted.get(name)
            if field is None:
                raise QueryError(f"{cls.__name__} has no field for the column {name}{_near(name, wanted)}")
            if field.attribute in found:
                raise QueryError(
                    f"{cls.__name__}.{field.attribute} has two columns: {found[field.attribute][0]}, {name}"
                )
            found[field.attribute] = (name, position)
        steps: list[tuple[int, str, Make, str, ModelField]] = []
        for field in schema.fields:
            if field.attribute in found:
                name, position = found[field.attribute]
                steps.append((position, name, self._fitting(field), f"{cls.__name__}.{field.attribute}", field))
            elif field.required:
                raise QueryError(
                    f"{cls.__name__}.{field.attribute} needs a column {field.name.upper()}{_near(field.name.upper(), names)}"
                )
        construct = make_constructor(schema)

        def make(row: Values) -> T:
            arguments: dict[str, Any] = {}
            later: dict[str, Any] = {}
            for position, name, fit, path, field in steps:
                value = row[position]
                if value is None and not field.spec.nullable:
                    if field.required:
                        raise QueryError(f"{path} can't be None, and the column {name} is NULL")
                    continue
                try:
                    fitted = None if value is None else fit(value)
                except (EncodeError, DecodeError) as error:
                    raise QueryError(
                        f"{path} can't hold what the column {name} has: a Python {type(value).__qualname__}; {error}"
                    ) from error
                if field.in_constructor:
                    arguments[field.parameter] = fitted
                else:
                    later[field.attribute] = fitted
            made = construct(arguments)
            for attribute, fitted in later.items():
                object.__setattr__(made, attribute, fitted)  # of a frozen class, too
            return cast("T", made)

        return make

    def _schema_of(self, cls: Any) -> Schema:
        model = self.registry.find(cls)
        if model is None:
            if not isinstance(cls, type) or not (attrs.has(cls) or dataclasses.is_dataclass(cls)):
                raise QueryError(f"into() takes a model, an attrs class or a dataclass, not {cls!r}")
            own = Registry()  # not the client's, to whose models it does not belong
            own.add(cls, ModelOptions(unknown_fields="ignore"))
            model = own.find(cls)
        assert model is not None
        return model.schema

    def _fitting(self, field: ModelField) -> Make:
        """What turns an untyped value into one of a field's type: by way of its encoding, which refuses what doesn't fit."""
        spec, kind, codecs = field.spec, kind_of(field.spec), self.codecs
        classes = tuple(each for each in (typing.get_args(field.hint) or (field.hint,)) if isinstance(each, type))

        def fit(value: Any) -> Any:
            if kind == "any" or (kind in {"other", "enum"} and isinstance(value, classes)):
                return value
            out = bytearray()
            spec.encode(codecs, out, _of_kind(kind, value))
            result, _ = spec.decode(codecs, bytes(out), 0)
            return result

        return fit


def _of_kind(kind: Kind, value: Any) -> Any:
    """A value as the kind that is wanted, where it stays what it is: SQL's SUM of longs is a DECIMAL, for one."""
    if isinstance(value, bool):
        return value
    match kind:
        case "int" if isinstance(value, Decimal) and value == value.to_integral_value():
            return int(value)
        case "float" if isinstance(value, int | Decimal):
            return float(value)
        case "decimal" if isinstance(value, int):
            return Decimal(value)
        case "timedelta" if isinstance(value, int):
            return value * MILLISECOND
        case "date" if isinstance(value, datetime) and value.time() == time(0):
            return value.date()  # a java.util.Date is a TIMESTAMP to SQL
        case _:
            return value


def _fields_by_column(schema: Schema) -> dict[str, ModelField]:
    """The fields by Ignite's names, their aliases and Python's names, in upper case."""
    found: dict[str, ModelField] = {}
    for names_of in (_own_name, _other_names):
        for field in schema.fields:
            for name in names_of(field):
                found.setdefault(name.upper(), field)
    return found


def _own_name(field: ModelField) -> tuple[str, ...]:
    return (field.name,)


def _other_names(field: ModelField) -> tuple[str, ...]:
    return (*field.options.aliases, field.attribute)


def _near(name: str, names: Mapping[str, object]) -> str:
    near = get_close_matches(name, names, 1)
    return f"; did you mean {near[0]}? In SQL, AS renames a column" if near else f"; there are {', '.join(names)}"
