"""One video out of several: side by side, or one behind a line that wipes over the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from rushes.video.contact_sheet import clean_caption, font_for
from rushes.video.read.probe import VideoInfo
from rushes.video.read.reader import VideoReader
from rushes.video.write.writer import open_writer

Layout = Literal["side", "wipe"]
Frames = NDArray[np.uint8]

_LEAST_HEIGHT = 360  # pixels; smaller pictures are enlarged by whole times
_MOST_WIDTH = 3840  # of all together; larger pictures are shrunk
_GAP, _STRIP, _TEXT_SIZE = 4, 28, 16  # pixels
_WIPE_SECONDS = 6  # for the line to go right, left, and back to the middle
_PIECE_FRAMES = 16
_PAPER, _INK, _LINE = (24, 24, 26), (240, 240, 240), 255


def write_comparison(
    output: Path, clips: Sequence[VideoInfo], layout: Layout, *, force: bool = False
) -> None:
    """Write a video with all clips, each under its letter and name.

    It has the rate of the first and lasts as long as the longest; one that ends earlier holds its
    last frame. All pictures get the height of the highest, enlarged to 360 pixels or more.
    Raises: ConflictError when the file is there, unless ``force``; as ``open_writer``.
    """
    fps = clips[0].fps
    height, widths = _sizes(clips if layout == "side" else clips[:1])
    if layout == "wipe":
        widths *= len(clips)
    strip = _draw_strip([clip.path.name for clip in clips], widths, layout)
    with ExitStack() as stack:
        readers = [
            stack.enter_context(
                VideoReader(clip.path, fps=fps, height=height, width=width, at_end="hold")
            )
            for clip, width in zip(clips, widths, strict=True)
        ]
        size = {"height": height + _STRIP, "width": strip.shape[1]}
        with open_writer(output, fps=fps, replace=force, **size) as writer:
            for first, sides in _read_together(readers, _num_frames(clips, fps)):
                frames = _beside(sides) if layout == "side" else _wiped(sides, first, fps)
                top = np.broadcast_to(strip, (len(frames), *strip.shape))
                writer.write(np.concatenate((top, frames), axis=1))


def _read_together(
    readers: Sequence[VideoReader], num_frames: int
) -> Iterator[tuple[int, list[Frames]]]:
    for first in range(0, num_frames, _PIECE_FRAMES):
        count = min(_PIECE_FRAMES, num_frames - first)
        yield first, [reader.read(first, count) for reader in readers]


def _beside(sides: Sequence[Frames]) -> Frames:
    """[T, H, W, 3] each -> [T, H, all W and gaps, 3]."""
    gap = np.full((*sides[0].shape[:2], _GAP, 3), _PAPER, np.uint8)
    parts = [part for side in sides for part in (gap, side)]
    return np.concatenate(parts[1:], axis=2)


def _wiped(sides: Sequence[Frames], first: int, fps: Fraction) -> Frames:
    """[T, H, W, 3] each -> [T, H, W, 3]: the first left of the line, the second right of it."""
    left, frames = sides[0], sides[1].copy()
    width = frames.shape[2]
    for index in range(len(frames)):
        turn = math.sin(2 * math.pi * float((first + index) / fps) / _WIPE_SECONDS)
        line = round(width * (1 + turn) / 2)
        frames[index, :, :line] = left[index, :, :line]
        frames[index, :, max(0, line - 1) : line + 1] = _LINE
    return frames


def _draw_strip(names: Sequence[str], widths: Sequence[int], layout: Layout) -> Frames:
    """Return the strip above the pictures, [H, W, 3], with the letter and name of each."""
    width = sum(widths) + _GAP * (len(widths) - 1) if layout == "side" else widths[0]
    room = widths if layout == "side" else [width // 2] * 2
    strip = Image.new("RGB", (width, _STRIP), _PAPER)
    draw = ImageDraw.Draw(strip)
    left = 0
    for letter, name, space in zip("ABCD", names, room, strict=False):
        text = f"{letter}  {clean_caption(name)}"
        font = font_for(_TEXT_SIZE, text)
        while len(text) > 1 and font.getlength(text) > space - 2 * _GAP:
            text = text[:-2] + "…"
        draw.text((left + _GAP, _STRIP // 2), text, _INK, font, anchor="lm")
        left += space + (_GAP if layout == "side" else 0)
    return np.asarray(strip)


def _sizes(clips: Sequence[VideoInfo]) -> tuple[int, list[int]]:
    """Return the height of all pictures beside each other, and the width of each."""
    aspects = [float(clip.width * clip.sample_aspect / clip.height) for clip in clips]
    highest = max(clip.height for clip in clips)
    height = highest * max(1, math.ceil(_LEAST_HEIGHT / highest))
    height = _even(min(height, _MOST_WIDTH / sum(aspects)))
    return height, [_even(height * aspect) for aspect in aspects]


def _num_frames(clips: Sequence[VideoInfo], fps: Fraction) -> int:
    return max(clip.num_frames_at(fps) for clip in clips)


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))
