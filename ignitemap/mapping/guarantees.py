"""What a cache promises, read from its configuration and said in words."""

from typing import TypeVar

import attrs

from ignitemap.protocol.cache_config import (
    CacheAtomicityMode,
    CacheConfig,
    CacheMode,
    PartitionLossPolicy,
    WriteSynchronizationMode,
)
from ignitemap.protocol.message import ExpiryPolicy

__all__ = ["Guarantees", "guarantees_of"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Guarantees:
    """The settings of a cache that decide what survives. Whether it persists to disk, a thin client can't see.

    >>> print(await cache.guarantees())
    partitioned, atomic; copies: 2, on as many nodes; ...
    """

    mode: CacheMode
    backups: int
    """Copies beside the primary one, on nodes of their own. A replicated cache has a copy on every node."""
    atomicity: CacheAtomicityMode
    write_sync: WriteSynchronizationMode
    """Which copies have a write before it is acknowledged."""
    read_from_backup: bool
    partition_loss_policy: PartitionLossPolicy
    expiry: ExpiryPolicy | None
    """When entries expire, in ms; None where they don't or where only the server's own configuration knows."""

    @property
    def copies(self) -> str:
        """How many copies of an entry the cluster keeps, in words.

        >>> (await cache.guarantees()).copies
        '2, on as many nodes'
        """
        if self.mode is CacheMode.REPLICATED:
            return "one on every node"
        return "one" if self.backups == 0 else f"{self.backups + 1}, on as many nodes"

    @property
    def survives_one_node(self) -> bool:
        """Whether every acknowledged write is still there after any one node is lost, without help from its disk.

        >>> fast = await client.cache("fast", int, str, durability="fast")
        >>> (await fast.guarantees()).survives_one_node
        False
        """
        return self.write_sync is WriteSynchronizationMode.FULL_SYNC and (
            self.mode is CacheMode.REPLICATED or self.backups > 0
        )

    @property
    def acknowledged_write(self) -> str:
        """Whether an acknowledged write survives the loss of one node, in words.

        >>> (await cache.guarantees()).acknowledged_write
        'yes: all copies have a write before it is acknowledged...'
        """
        if self.mode is CacheMode.PARTITIONED and self.backups == 0:
            return (
                "no: an acknowledged write is lost with the node that has its only copy, unless that node persists it"
            )
        match self.write_sync:
            case WriteSynchronizationMode.FULL_SYNC:
                return "yes: all copies have a write before it is acknowledged (given a second node to hold one)"
            case WriteSynchronizationMode.PRIMARY_SYNC:
                return (
                    "not always: a write is acknowledged by its primary node, which may be lost before a backup has it"
                )
            case WriteSynchronizationMode.FULL_ASYNC:
                return "not always: a write is acknowledged before any node has it"

    def __str__(self) -> str:
        return (
            f"{self.mode.name.lower()}, {self.atomicity.name.lower()}; copies: {self.copies};"
            f" acknowledged writes survive the loss of a node: {self.acknowledged_write};"
            f" when all copies of a partition are lost: {self.partition_loss_policy.name}"
        )


def guarantees_of(config: CacheConfig) -> Guarantees:
    """The guarantees in a configuration that a server answered, which has every property."""
    return Guarantees(
        mode=_known(config.mode),
        backups=_known(config.backups),
        atomicity=_known(config.atomicity),
        write_sync=_known(config.write_sync),
        read_from_backup=_known(config.read_from_backup),
        partition_loss_policy=_known(config.partition_loss_policy),
        expiry=config.expiry,
    )


def _known(value: T | None) -> T:
    assert value is not None, "an answer of operation 1055 has every property"
    return value
