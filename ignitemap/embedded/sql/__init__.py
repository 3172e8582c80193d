"""The SQL engine of the embedded node: Ignite's dialect, compiled by type to SQLite.

A statement goes ``lexer`` -> ``parser`` -> ``syntax`` (the tree) -> ``compile_*`` or ``dml``/``ddl`` -> SQLite, and comes
back as a `Result` of marshalled values. ``seam`` says what the engine needs of the node and what it gives to it.
"""
