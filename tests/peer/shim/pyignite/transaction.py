"""pyignite.transaction, from ignitemap.raw; the synchronous class refuses the same parameters."""

from ignitemap.raw import AioTransaction

Transaction = AioTransaction
