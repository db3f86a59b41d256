"""Numbers as people write them."""

from __future__ import annotations


def readable_bytes(count: float) -> str:
    """Write a number of bytes: 507.6 MB."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
