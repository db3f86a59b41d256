"""A picture of curves over time, one panel a measure, with the changes of prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from rushes.files.publish import PendingOutput
from rushes.metrics.prompts import PromptChange
from rushes.metrics.report import Curves
from rushes.text import printable, shortened

_WIDTH, _LEFT, _RIGHT, _TOP = 1200, 84, 24, 44  # pixels, as all of these
_PANEL, _TITLE, _AXIS, _LINE_HEIGHT = 168, 30, 40, 20
_TEXT_SIZE = 14
_PAPER, _INK, _DIM, _LINE, _GRID, _CHANGE = (
    *("white", "#222222", "#666666", "#2a6fb0", "#e4e4e4", "#c2571a"),
)
_TIME_TICKS, _VALUE_TICKS = 12, 4  # about so many
_LONGEST_PROMPT = 140  # characters
_MOST_PROMPTS = 20  # in the list below
_TITLES = {
    "psnr": "PSNR to the input, dB",
    "ssim": "SSIM to the input",
    "warp_error": "warp error along the input's motion",
    "flicker": "flicker",
    "drift": "drift of style from the first 5 seconds",
    "clip_consistency": "CLIP: likeness to the frame before",
    "clip_prompt": "CLIP: likeness to the prompt",
}


@dataclass(frozen=True)
class Series:
    """The values of a measure, the first of them for ``first_frame``."""

    title: str
    values: Sequence[float]
    first_frame: int = 0


def series_of(curves: Curves, more: dict[str, list[float]] | None = None) -> list[Series]:
    """Return all measures under their titles; those between frames belong to the later one."""
    num_frames = len(curves.psnr)
    values = curves.to_dict()["frames"] | (more or {})
    return [
        Series(_TITLES.get(name, name.replace("_", " ")), each, int(len(each) < num_frames))
        for name, each in values.items()
        if each
    ]


def save_plot(
    path: Path, series: Sequence[Series], fps: float, changes: Sequence[PromptChange] = ()
) -> None:
    """Draw every measure over time and save it as a picture.

    Vertical lines are the changes of prompt, whose texts stand below with their numbers.
    Raises: WriteError.
    """
    listed = changes[:_MOST_PROMPTS]
    height = _TOP + _PANEL * len(series) + _AXIS + _LINE_HEIGHT * (len(listed) + 1)
    image = Image.new("RGB", (_WIDTH, height), _PAPER)
    last_frame = max(each.first_frame + len(each.values) - 1 for each in series)
    plot = _Plot(ImageDraw.Draw(image), fps, max(1, last_frame))
    bottom = _TOP + _PANEL * len(series)
    plot.draw_times(bottom)
    plot.draw_changes(changes, bottom)
    for index, each in enumerate(series):
        plot.draw_panel(_TOP + index * _PANEL, each)
    plot.draw_prompts(bottom + _AXIS, listed, len(changes) - len(listed))
    with PendingOutput(path) as pending:
        image.save(pending.temporary, format=Image.registered_extensions()[path.suffix.lower()])
        pending.publish()


class _Plot:
    """Draws on a picture whose columns are frames."""

    def __init__(self, draw: ImageDraw.ImageDraw, fps: float, last_frame: int) -> None:
        self._draw, self._fps, self._last_frame = draw, fps, last_frame
        self._font = ImageFont.load_default(_TEXT_SIZE)

    def draw_times(self, bottom: int) -> None:
        """Draw the axis below all panels, and a line through them at every tick."""
        for seconds in ticks(0, self._last_frame / self._fps, _TIME_TICKS):
            x = self._column(seconds * self._fps)
            self._draw.line((x, _TOP, x, bottom), _GRID)
            label = _clock(seconds)
            self._text((x, bottom + 6), label, _INK, "ma")
        self._text((_LEFT - 26, bottom + 6), "time", _DIM, "ra")

    def draw_changes(self, changes: Sequence[PromptChange], bottom: int) -> None:
        """Draw a line at every change of prompt, with the number of the block that begins there."""
        free_from = 0.0
        for change in changes:
            x = self._column(change.frame)
            if change.frame:
                for top in range(_TOP - 8, bottom, 8):
                    self._draw.line((x, top, x, top + 3), _CHANGE)
            if x >= free_from:
                self._text((x, _TOP - 12), str(change.block), _CHANGE, "ms")
                free_from = x + self._font.getlength(str(change.block)) + 6

    def draw_panel(self, top: int, series: Series) -> None:
        """Draw one measure with the axis of its values."""
        values = series.values
        low, high = min(values), max(values)
        mean = sum(values) / len(values)
        upper, lower = top + _TITLE, top + _PANEL - 12
        title = f"{series.title}   mean {mean:.4g}, {low:.4g} to {high:.4g}"
        self._draw.rectangle(self._box((_LEFT, top + 8), title), _PAPER)  # lines run through here
        self._text((_LEFT, top + 8), title, _INK, "la")
        scale = (lower - upper) / ((high - low) or 1.0)
        for value in ticks(low, high, _VALUE_TICKS) or [low]:
            y = lower - (value - low) * scale
            self._draw.line((_LEFT, y, _WIDTH - _RIGHT, y), _GRID)
            self._text((_LEFT - 8, y), f"{value:.4g}", _DIM, "rm")
        self._draw.rectangle((_LEFT, upper, _WIDTH - _RIGHT, lower), outline=_DIM)
        points = [
            (self._column(series.first_frame + index), lower - (value - low) * scale)
            for index, value in enumerate(values)
        ]
        if len(points) > 1:
            self._draw.line(points, _LINE, width=2)
        else:
            x, y = points[0]
            self._draw.ellipse((x - 3, y - 3, x + 3, y + 3), _LINE)

    def draw_prompts(self, top: int, changes: Sequence[PromptChange], num_more: int) -> None:
        """List the prompts by the numbers of their blocks."""
        for index, change in enumerate(changes):
            text = shortened(printable(" ".join(change.text.split())), _LONGEST_PROMPT)
            start = _clock(change.frame / self._fps)
            y = top + index * _LINE_HEIGHT
            self._text((_LEFT - 10, y), str(change.block), _CHANGE, "ra")
            self._text((_LEFT, y), f"{start}  {text}", _INK, "la")
        if num_more:
            y = top + len(changes) * _LINE_HEIGHT
            self._text((_LEFT, y), f"and {num_more:,} more changes", _DIM, "la")

    def _column(self, frame: float) -> float:
        return _LEFT + frame / self._last_frame * (_WIDTH - _RIGHT - _LEFT)

    def _box(self, at: tuple[float, float], text: str) -> tuple[float, float, float, float]:
        return self._draw.textbbox(at, text, self._font, anchor="la")

    def _text(self, at: tuple[float, float], text: str, colour: str, anchor: str) -> None:
        self._draw.text(at, text, colour, self._font, anchor=anchor)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Return round values between two, about so many: steps of 1, 2 or 5 of some power of ten.

    >>> ticks(0, 30, 6)
    [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]
    """
    if not high > low:
        return []
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 2), 60)
    return f"{int(minutes)}:{rest:05.2f}".removesuffix(".00") if minutes else f"{rest:g} s"
