"""Everything that awaits: connections, nodes, the session that carries out operations, and the raw cache on top."""
