"""The cat's coat: colours and patterns, strand by strand.

Shapes: coordinates are [H, W], colours [H, W, 3].
"""

from __future__ import annotations

import numpy as np

from paint import Array, Color, f32, mix, noise, sample, smoothstep

GINGER: Color = (0.56, 0.225, 0.055)
STRIPE: Color = (0.20, 0.055, 0.012)
CREAM: Color = (0.82, 0.66, 0.45)
PINK: Color = (0.62, 0.25, 0.21)


def fur(x: Array, y: Array) -> Array:
    """Fine strands that run along x, about -1 to 1."""
    return sample(noise(20, 6, 1), x * 2.6, y * 2.6)


def body_coat(x: Array, y: Array, along: Array, across: Array) -> Array:
    """Ginger with broken bars over the back, cream below."""
    drift = 9 * sample(noise(21, 14, 14), x + 256, y)
    bars = smoothstep(0.15, 0.75, np.sin((x + drift + 0.25 * y) * 0.36)) * smoothstep(62, 96, y)
    color = mix(mix(GINGER, STRIPE, 0.85 * bars), CREAM, smoothstep(76, 56, y + drift * 0.6))
    bib = smoothstep(62, 84, x + drift + 0.2 * (100 - y)) * smoothstep(128, 108, y)
    return mix(color, CREAM, bib) * (1 + 0.20 * fur(x, y + 0.35 * x))[..., None]


def leg_coat(x: Array, y: Array, along: Array, across: Array) -> Array:
    """Ginger with rings, cream socks."""
    rings = smoothstep(0.3, 0.9, np.sin(y * 0.30 + 0.05 * x)) * smoothstep(22, 34, y)
    color = mix(mix(GINGER, STRIPE, 0.7 * rings), CREAM, smoothstep(22, 13, y))
    return color * (1 + 0.20 * fur(y, x))[..., None]


def tail_coat(x: Array, y: Array, along: Array, across: Array) -> Array:
    """Ginger with rings and a dark tip."""
    rings = np.maximum(smoothstep(0.1, 0.7, np.sin(along * 0.34)), smoothstep(108, 116, along))
    return mix(GINGER, STRIPE, f32(0.9 * rings)) * (1 + 0.2 * fur(along, across * 8))[..., None]


COATS = {"body": body_coat, "leg": leg_coat, "tail": tail_coat}
