"""pyignite.queries.op_codes: those that its tests name."""

from ignitemap.protocol.operations import CacheGetNames, CachePartitions, CachePut

OP_CACHE_PUT = CachePut.code
OP_CACHE_GET_NAMES = CacheGetNames.code
OP_CACHE_PARTITIONS = CachePartitions.code
