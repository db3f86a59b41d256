"""One frame, painted back to front: plate, far grass, cat, near grass, seeds, lens.

Shapes: the canvas is [H, W, 3], in linear light; from the middle rows on it holds SUPERSAMPLING
    samples a stage pixel along both axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cat import draw_cat
from film import develop
from grass import BEHIND_ROWS, FAR_ROWS, FRONT_ROWS, LENS_ROW, MIDDLE_ROWS, draw_row
from light import draw_seeds, lens
from motion import drag, handheld
from paint import Array, soften
from plate import cut_plate
from scene import NUM_FRAMES, SIZE, SUPERSAMPLING


def draw_frame(index: int) -> NDArray[np.uint8]:
    """Paint one frame: [SIZE, SIZE, 3]."""
    moment = index / NUM_FRAMES
    canvas = cut_plate(*handheld(moment))
    for row in FAR_ROWS:
        draw_row(canvas, row, moment)
        canvas = soften(canvas, 2)
    canvas = canvas.repeat(SUPERSAMPLING, axis=0).repeat(SUPERSAMPLING, axis=1)
    for row in MIDDLE_ROWS:
        draw_row(canvas, row, moment)
    canvas = soften(canvas, 4)
    draw_row(canvas, BEHIND_ROWS[0], moment)
    canvas = soften(canvas, 1)
    draw_row(canvas, BEHIND_ROWS[1], moment)
    drag(canvas, moment, 0.9)
    draw_cat(canvas, moment)
    draw_front_rows(canvas, moment)
    draw_lens_row(canvas, moment)
    draw_seeds(canvas, moment)
    veil, vignette = lens()
    return develop((canvas + veil) * vignette)


def draw_front_rows(canvas: Array, moment: float) -> None:
    """Lay the grass before the cat over the canvas."""
    grass = np.zeros((*canvas.shape[:2], 4), np.float32)
    for row in FRONT_ROWS:
        draw_row(grass, row, moment)
    low = slice(canvas.shape[0] * 2 // 5, None)
    drag(grass[low], moment, 1.1)
    canvas[low] *= 1 - grass[low, :, 3:]
    canvas[low] += grass[low, :, :3]


def draw_lens_row(canvas: Array, moment: float) -> None:
    """Lay the nearest grass, out of focus, over the canvas."""
    grass = np.zeros((SIZE, SIZE, 4), np.float32)
    draw_row(grass, LENS_ROW, moment)
    grass = soften(grass, 10).repeat(SUPERSAMPLING, axis=0).repeat(SUPERSAMPLING, axis=1)
    canvas *= 1 - grass[..., 3:]
    canvas += grass[..., :3]
