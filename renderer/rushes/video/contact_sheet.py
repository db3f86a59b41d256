"""Draw one sheet that shows a whole result: some frames of every prompt block."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

MAX_TILES = 60
PICTURE_WIDTH = 256  # pixels, like all of these

_MARGIN, _GUTTER, _GAP = 32, 28, 4
_LABEL_HEIGHT, _HEADING_HEIGHT, _LINE_HEIGHT, _CAPTION_LINES = 22, 30, 22, 3
_NOTE_HEIGHT = 36
_SHEET_RATIO = 16 / 10
_BACKGROUND, _EMPTY = (24, 24, 26), (36, 36, 39)
_BRIGHT, _TEXT, _DIM = (240, 240, 240), (200, 200, 202), (138, 138, 142)
_TEXT_SIZE, _SMALL_SIZE = 16, 14
_LONGEST_CAPTION = 400  # characters; more than three lines ever hold
# Pillow's own font has Latin letters only; these, where installed, have more.
_LAST_LATIN = "\u024f"
_WIDE_FONTS = ("NotoSansCJK-Regular.ttc", "DejaVuSans.ttf", "Arial Unicode.ttf")


@dataclass(frozen=True)
class Picture:
    """A frame on the sheet, and the input frame that it was made from, if there is one.

    ``transition`` is how far the change of prompt has come in this frame, from 0 to 1.

    Shapes:
        after, before: [H, W, 3]
    """

    frame: int
    seconds: float
    after: NDArray[np.uint8]
    before: NDArray[np.uint8] | None = None
    transition: float | None = None

    @property
    def label(self) -> str:
        """The frame's time and number."""
        label = f"{clock(self.seconds)}  frame {self.frame:,}"
        return label if self.transition is None else f"{label}  change {self.transition:.0%}"


@dataclass(frozen=True)
class Tile:
    """A prompt block as the sheet shows it."""

    number: int
    prompt: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class _Sizes:
    """The sizes of a tile and its parts."""

    picture: tuple[int, int]  # width and height
    columns: int  # pictures side by side
    rows: int  # 2 with the input above the result, else 1

    @classmethod
    def of(cls, tiles: Sequence[Tile]) -> _Sizes:
        pictures = [picture for tile in tiles for picture in tile.pictures]
        height, width = pictures[0].after.shape[:2] if pictures else (9, 16)
        has_input = any(picture.before is not None for picture in pictures)
        return cls(
            picture=(PICTURE_WIDTH, max(1, round(PICTURE_WIDTH * height / width))),
            columns=max([len(tile.pictures) for tile in tiles] + [1]),
            rows=2 if has_input else 1,
        )

    @property
    def width(self) -> int:
        return self.columns * (self.picture[0] + _GAP) - _GAP

    @property
    def pictures_height(self) -> int:
        return self.rows * (self.picture[1] + _GAP) - _GAP

    @property
    def height(self) -> int:
        captions = _HEADING_HEIGHT + _CAPTION_LINES * _LINE_HEIGHT
        return self.pictures_height + _LABEL_HEIGHT + captions


def choose_blocks(num_blocks: int) -> list[int]:
    """Return the indices of the blocks that a sheet shows: all, or an even choice of them."""
    if num_blocks <= MAX_TILES:
        return list(range(num_blocks))
    return [round(i * (num_blocks - 1) / (MAX_TILES - 1)) for i in range(MAX_TILES)]


def save_contact_sheet(file: Path, tiles: Sequence[Tile], *, num_blocks: int) -> None:
    """Draw the tiles into a PNG file, with a note where there are more blocks than tiles.

    Raises: OSError when the file cannot be written.
    """
    _draw_sheet(tiles, num_blocks).save(file, "PNG")


def _draw_sheet(tiles: Sequence[Tile], num_blocks: int) -> Image.Image:
    sizes = _Sizes.of(tiles)
    columns = round(math.sqrt(len(tiles) * _SHEET_RATIO * sizes.height / sizes.width))
    columns = min(max(columns, 1), len(tiles))
    rows = math.ceil(len(tiles) / columns)
    note_height = _NOTE_HEIGHT if num_blocks > len(tiles) else 0
    sheet = Image.new(
        "RGB",
        (
            2 * _MARGIN + columns * (sizes.width + _GUTTER) - _GUTTER,
            2 * _MARGIN + rows * (sizes.height + _GUTTER) - _GUTTER + note_height,
        ),
        _BACKGROUND,
    )
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        left = _MARGIN + column * (sizes.width + _GUTTER)
        top = _MARGIN + row * (sizes.height + _GUTTER)
        _draw_tile(sheet, tile, (left, top), sizes)
    if note_height:
        note = f"{len(tiles)} of {num_blocks:,} prompt blocks, evenly chosen"
        position = (_MARGIN, sheet.height - _MARGIN - _LINE_HEIGHT)
        ImageDraw.Draw(sheet).text(position, note, _DIM, ImageFont.load_default(_SMALL_SIZE))
    return sheet


def _draw_tile(sheet: Image.Image, tile: Tile, corner: tuple[int, int], sizes: _Sizes) -> None:
    left, top = corner
    draw = ImageDraw.Draw(sheet)
    for index, picture in enumerate(tile.pictures):
        x = left + index * (sizes.picture[0] + _GAP)
        above = [picture.before] if sizes.rows > 1 else []
        for row, pixels in enumerate([*above, picture.after]):
            _draw_picture(sheet, pixels, (x, top + row * (sizes.picture[1] + _GAP)), sizes.picture)
        middle = top + sizes.pictures_height + _LABEL_HEIGHT // 2
        draw.text((x, middle), picture.label, _DIM, font_for(_SMALL_SIZE, ""), anchor="lm")
    top += sizes.pictures_height + _LABEL_HEIGHT
    number, baseline = f"block {tile.number}", top + _HEADING_HEIGHT - 8
    draw.text((left, baseline), number, _BRIGHT, font_for(_TEXT_SIZE, ""), anchor="ls")
    font = font_for(_TEXT_SIZE, tile.prompt)
    for index, line in enumerate(_wrap(clean_caption(tile.prompt), font, sizes.width)):
        draw.text((left, top + _HEADING_HEIGHT + index * _LINE_HEIGHT), line, _TEXT, font)


def _draw_picture(
    sheet: Image.Image, pixels: NDArray[np.uint8] | None, at: tuple[int, int], size: tuple[int, int]
) -> None:
    if pixels is None:
        x, y = at
        ImageDraw.Draw(sheet).rectangle((x, y, x + size[0] - 1, y + size[1] - 1), _EMPTY)
    else:
        sheet.paste(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), at)


def clean_caption(text: str) -> str:
    """Return a text on one line, without control, formatting and other unprintable characters."""
    text = " ".join(text[: 4 * _LONGEST_CAPTION].split())
    text = "".join(c for c in text if not unicodedata.category(c).startswith("C"))
    return text if len(text) <= _LONGEST_CAPTION else text[: _LONGEST_CAPTION - 1] + "…"


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Break a text into at most three lines, between words if possible, and mark the omission."""
    lines: list[str] = []
    while text and len(lines) < _CAPTION_LINES:
        mark = "…" if len(lines) == _CAPTION_LINES - 1 else ""
        length = len(text)
        while length > 1 and font.getlength(_line(text, length, mark)) > width:
            cut = text.rfind(" ", 0, length)
            length = cut if cut > 0 else length - 1
        lines.append(_line(text, length, mark))
        text = text[length:].lstrip()
    return lines


def _line(text: str, length: int, mark: str) -> str:
    return text[:length].rstrip(" ,;") + mark if mark and length < len(text) else text[:length]


def clock(seconds: float) -> str:
    """Return a time to the millisecond: 0:01.063, or 1:00:00.000."""
    minutes, seconds = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:06.3f}" if hours else f"{minutes}:{seconds:06.3f}"


def font_for(size: int, text: str) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return a font of this size that has the letters of a text, if one is installed."""
    if any(c > _LAST_LATIN and unicodedata.category(c).startswith("L") for c in text):
        for name in _WIDE_FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)
