"""Words with numbers in messages."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 run`, `3 runs`, `1,200 runs`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
