"""pyignite.queries."""
