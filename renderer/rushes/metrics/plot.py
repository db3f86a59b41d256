"""A picture of curves, one panel a measure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from rushes.files.publish import PendingOutput
from rushes.metrics.report import Curves

_WIDTH, _PANEL, _MARGIN = 900, 130, 14
_PAPER, _INK, _LINE, _GRID = "white", "#222222", "#2a6fb0", "#dddddd"
_TITLES = {
    "psnr": "PSNR to the input, dB",
    "ssim": "SSIM to the input",
    "warp_error": "warp error along the input's motion",
    "flicker": "flicker",
    "drift": "drift of style from the first 5 seconds",
}


def save_plot(path: Path, curves: Curves) -> None:
    """Draw every measure over the frames and save it as a picture."""
    panels = {title: getattr(curves, name) for name, title in _TITLES.items()}
    image = Image.new("RGB", (_WIDTH, _PANEL * len(panels)), _PAPER)
    draw = ImageDraw.Draw(image)
    for index, (title, values) in enumerate(panels.items()):
        _draw_panel(draw, index * _PANEL, title, values)
    with PendingOutput(path) as pending:
        image.save(pending.temporary, format=Image.registered_extensions()[path.suffix.lower()])
        pending.publish()


def _draw_panel(draw: ImageDraw.ImageDraw, top: int, title: str, values: Sequence[float]) -> None:
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = (high - low) or 1.0
    upper, lower = top + 30, top + _PANEL - _MARGIN
    draw.text((_MARGIN, top + 8), f"{title}   {low:.4g} to {high:.4g}", fill=_INK)
    draw.rectangle((_MARGIN, upper, _WIDTH - _MARGIN, lower), outline=_GRID)
    step = (_WIDTH - 2 * _MARGIN) / max(1, len(values) - 1)
    points = [
        (_MARGIN + index * step, lower - (value - low) / span * (lower - upper))
        for index, value in enumerate(values)
    ]
    if len(points) > 1:
        draw.line(points, fill=_LINE, width=2)
