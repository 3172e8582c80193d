"""The mapping face: a cache of a cluster as an asynchronous mapping with typed keys and values."""
