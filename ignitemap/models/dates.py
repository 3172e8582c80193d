"""The form of date fields: a Date (11), or the java.sql.Date that SQL DATE columns hold, as the cluster has it.

A field that SQL's DATE made is an Object in the cluster's metadata, since the binary format has no code of its own for a
java.sql.Date (seen from a 2.17.0 node); one that the program registered first is a Date.
"""

from collections.abc import Callable
from typing import Any, Final

from ignitemap.protocol.codecs import Codecs, Spec
from ignitemap.protocol.types.temporal import SQL_DATE

__all__ = ["following_encoder"]

OBJECT: Final = 103


def following_encoder(spec: Spec[Any], type_id: int, field_id: int) -> Callable[..., None]:
    """The encoder of a date field of a complex type, whose form is the one that the cluster's metadata has.

    Args:
        spec: The field's own type: a Date, or a Date or None.
        type_id: The complex type.
        field_id: The field.
    """
    encode_own, encode_sql = spec.encode, SQL_DATE.encode

    def encode(codecs: Codecs, out: bytearray, value: Any) -> None:
        known = codecs.known.types.get(type_id)
        field = None if known is None else known.fields.get(field_id)
        if value is None or field is None or field.code != OBJECT:
            encode_own(codecs, out, value)
        else:
            encode_sql(codecs, out, value)

    return encode
