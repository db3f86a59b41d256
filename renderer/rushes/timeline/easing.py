"""Easing curves: cubic Bezier curves from (0, 0) to (1, 1), named as in CSS."""

from __future__ import annotations

Ease = tuple[float, float, float, float]
"""The two inner control points: x1, y1, x2, y2, each within 0 and 1."""

LINEAR: Ease = (0.0, 0.0, 1.0, 1.0)
NAMED_EASES: dict[str, Ease] = {
    "linear": LINEAR,
    "in": (0.42, 0.0, 1.0, 1.0),
    "out": (0.0, 0.0, 0.58, 1.0),
    "in-out": (0.42, 0.0, 0.58, 1.0),
}

_HALVINGS = 60  # more than the bits of a double's fraction


def eased(ease: Ease, x: float) -> float:
    """Return the height of the curve above x, both within 0 and 1.

    Source: CSS Easing Functions Level 1, cubic-bezier()
    """
    if ease == LINEAR or x <= 0.0 or x >= 1.0:
        return min(max(x, 0.0), 1.0)
    x1, y1, x2, y2 = ease
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _bezier(x1, x2, middle) < x:
            low = middle
        else:
            high = middle
    return min(max(_bezier(y1, y2, high), 0.0), 1.0)


def _bezier(p1: float, p2: float, s: float) -> float:
    """Return one coordinate of the curve with end points 0 and 1 at parameter s."""
    r = 1.0 - s
    return 3 * r * r * s * p1 + 3 * r * s * s * p2 + s * s * s
