"""pyignite.constants."""

MAX_INT = 2**31 - 1
