"""Which node owns a key: the key's hash code, then its partition, then the owner of that partition.

The hash is computed from the key's encoded bytes. The bytes are at hand when an operation is routed, they are what the
server computes it from, and no second description of the types is needed.

A wrong or missing answer is harmless: the server passes the operation on to the owner, which costs a hop. Keys whose
hash a client cannot know therefore simply have no owner here.

Sources: Ignite's `RendezvousAffinityFunction`, `IgniteUtils.hashCode(Object)` and `BinaryObjectExImpl`; the hash of each
type was compared with the partition that a 2.17.0 node had put the key in.
"""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Final
from uuid import UUID

import attrs

from ignitemap.protocol.key_hash import (
    LONG,
    MAYBE_COMPLEX,
    Buffer,
    Schemas,
    hash_of,
    hash_of_complex_key,
    partition_of,
    unpack_long,
)

__all__ = ["AffinityMapping", "Schemas", "hash_of", "owner", "owners_of", "partition_of"]

_NO_SCHEMAS: Final[Schemas] = {}


@attrs.frozen
class AffinityMapping:
    """Who owns the partitions of a cache, as one version of the cluster's topology has it."""

    version: tuple[int, int]
    """The affinity topology version, major and minor. Versions compare as tuples do."""

    owners: tuple[UUID | None, ...]
    """The primary node of each partition, by partition number; None where the cluster named no node."""

    key_fields: Mapping[int, int] = attrs.field(factory=dict[int, int])
    """The id of the field that stands for the whole key, by the type id of a complex key."""


def owner(mapping: AffinityMapping, buf: Buffer, pos: int = 0, schemas: Schemas = _NO_SCHEMAS) -> UUID | None:
    """The node that owns an encoded key, or None when any node is as good as another.

    Args:
        mapping: The partitions of the key's cache.
        buf: Holds the whole encoded key, type code first.
        pos: Where the key begins.
        schemas: The schemas known so far. Only a complex key with an affinity field and a compact footer needs its own.

    Returns:
        The id of the node; None when the hash of the key cannot be known or its partition has no owner.
    """
    owners = mapping.owners
    if not owners:
        return None
    kind = buf[pos]
    if kind == LONG and not len(owners) & (len(owners) - 1):  # nearly all keys: `partition_of`, in line
        value: int = unpack_long(buf, pos + 1)[0]
        value ^= value >> 32
        return owners[(value ^ (value & 0xFFFF_FFFF) >> 16) & (len(owners) - 1)]
    if mapping.key_fields and kind in MAYBE_COMPLEX:
        key_hash = hash_of_complex_key(mapping.key_fields, buf, pos, schemas)
    else:
        key_hash = hash_of(buf, pos)
    return None if key_hash is None else owners[partition_of(key_hash, len(owners))]


def owners_of(
    mapping: AffinityMapping, keys: Sequence[Buffer], schemas: Schemas = _NO_SCHEMAS
) -> Sequence[UUID | None]:
    """The owners of many encoded keys, each as `owner` says it. Numbers, as most keys are, take a third of the time."""
    owners = mapping.owners
    mask = len(owners) - 1
    if not owners or len(owners) & mask or any(key[0] != LONG for key in keys):
        return [owner(mapping, key, 0, schemas) for key in keys]
    hashes: list[int] = [value ^ value >> 32 for (value,) in map(unpack_long, keys, repeat(1))]
    return [owners[(value ^ (value & 0xFFFF_FFFF) >> 16) & mask] for value in hashes]
