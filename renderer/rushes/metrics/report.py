"""Measures of a whole video against its input, frame after frame, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from rushes.errors import VideoError
from rushes.metrics.likeness import psnr, ssim
from rushes.metrics.steadiness import drift, flicker, style, warp_error

PIECE_FRAMES = 32
FIRST_SECONDS = 5  # whose mean style drift is measured from


@dataclass
class Curves:
    """One number a frame; measures between frames have no value for the first ones."""

    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    warp_error: list[float] = field(default_factory=list)
    flicker: list[float] = field(default_factory=list)
    drift: list[float] = field(default_factory=list)

    def means(self) -> dict[str, float]:
        """Return the mean of every measure; one without frames is left out."""
        return {name: sum(values) / len(values) for name, values in asdict(self).items() if values}

    def to_dict(self) -> dict[str, Any]:
        return {"means": self.means(), "frames": asdict(self)}


def measure(
    pairs: Iterable[tuple[Tensor, Tensor]], fps: float, *, along_motion: bool = True
) -> Curves:
    """Measure a video; the warp error, which takes longest, only ``along_motion``.

    Shapes:
        pairs: of one output and one input frame, [H, W, 3] each, uint8, of the same size
    Raises: VideoError when there are no frames.
    """
    curves = Curves()
    styles: list[Tensor] = []
    held: list[tuple[Tensor, Tensor]] = []  # the last two of the piece before

    piece: list[tuple[Tensor, Tensor]] = []
    for pair in pairs:
        piece.append(pair)
        if len(piece) == PIECE_FRAMES:
            styles.append(_measure_piece(curves, held + piece, len(held), along_motion))
            held, piece = piece[-2:], []
    if piece:
        styles.append(_measure_piece(curves, held + piece, len(held), along_motion))
    if not styles:
        raise VideoError("there are no frames to measure")
    num_first = max(1, round(FIRST_SECONDS * fps))
    curves.drift = drift(torch.cat(styles), num_first).tolist()
    return curves


def _measure_piece(
    curves: Curves, pairs: Sequence[tuple[Tensor, Tensor]], num_known: int, along_motion: bool
) -> Tensor:
    """Add the values of the frames behind the first ``num_known`` to curves; return their style."""
    frames, reference = (_unit(torch.stack(side)) for side in zip(*pairs, strict=True))
    new = slice(num_known, None)
    curves.psnr += psnr(frames[new], reference[new]).tolist()
    curves.ssim += ssim(frames[new], reference[new]).tolist()
    pairwise = slice(max(0, num_known - 1), None)
    if along_motion and len(frames[pairwise]) > 1:
        curves.warp_error += warp_error(frames[pairwise], reference[pairwise]).tolist()
    if len(frames) > 2:
        curves.flicker += flicker(frames).tolist()
    return style(frames[new])


def _unit(frames: Tensor) -> Tensor:
    """[T, H, W, 3] bytes -> [T, 3, H, W] in [0, 1]."""
    return frames.permute(0, 3, 1, 2).float() / 255
