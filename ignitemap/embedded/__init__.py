"""An Apache Ignite node in your process: no Java, in memory or in one SQLite file, for tests and small applications.

>>> import ignitemap as ig
>>> async with ig.connect("embedded://") as client:  # a node of its own, in memory
...     ages = await client.cache("ages", str, int)
>>> async with ig.connect("embedded:///app.db") as client:  # durable: an answered write survives kill -9
...     ages = await client.cache("ages", str, int)
>>> async with ig.embedded.Node() as node:  # for any thin client, over loopback
...     print(node.url)
ignite://127.0.0.1:...
>>> async with ig.embedded.cluster(nodes=3) as nodes:  # one cluster, its partitions over three nodes
...     async with ig.connect(nodes.url) as client:
...         ages = await client.cache("ages", str, int)
"""

from ignitemap.embedded.errors import NotLoopback, StoreError
from ignitemap.embedded.faults import Fault, Faults
from ignitemap.embedded.node import EmbeddedCluster, Node, cluster

__all__ = ["EmbeddedCluster", "Fault", "Faults", "Node", "NotLoopback", "StoreError", "cluster"]
