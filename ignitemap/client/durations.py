"""How callers of the raw layer say a duration."""

from datetime import timedelta

__all__ = ["Duration"]

Duration = int | timedelta
"""Milliseconds, or a timedelta."""
