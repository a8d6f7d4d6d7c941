"""The fixtures of the watch."""

from watch_host import made, watched

__all__ = ["made", "watched"]
