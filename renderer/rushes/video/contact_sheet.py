"""Draw one sheet that shows a whole result: a tile for each prompt block, before and after."""

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

_PICTURE_WIDTH = 320  # pixels, as all of these
_MARGIN, _GUTTER, _PAIR_GAP = 32, 28, 4
_HEADING_HEIGHT, _LINE_HEIGHT, _CAPTION_LINES = 34, 22, 3
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
class Tile:
    """A prompt block as the sheet shows it.

    Shapes:
        after, before: [H, W, 3]; before is None where there is no input video
    """

    number: int
    start_seconds: float
    prompt: str
    after: NDArray[np.uint8]
    before: NDArray[np.uint8] | None = None


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
    has_pairs = any(tile.before is not None for tile in tiles)
    height, width = tiles[0].after.shape[:2]
    picture_size = _PICTURE_WIDTH, max(1, round(_PICTURE_WIDTH * height / width))
    tile_width = _PICTURE_WIDTH * 2 + _PAIR_GAP if has_pairs else _PICTURE_WIDTH
    tile_height = picture_size[1] + _HEADING_HEIGHT + _CAPTION_LINES * _LINE_HEIGHT
    columns = round(math.sqrt(len(tiles) * _SHEET_RATIO * tile_height / tile_width))
    columns = min(max(columns, 1), len(tiles))
    rows = math.ceil(len(tiles) / columns)
    note_height = _NOTE_HEIGHT if num_blocks > len(tiles) else 0
    sheet = Image.new(
        "RGB",
        (
            2 * _MARGIN + columns * (tile_width + _GUTTER) - _GUTTER,
            2 * _MARGIN + rows * (tile_height + _GUTTER) - _GUTTER + note_height,
        ),
        _BACKGROUND,
    )
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        left = _MARGIN + column * (tile_width + _GUTTER)
        top = _MARGIN + row * (tile_height + _GUTTER)
        _draw_tile(sheet, tile, (left, top), picture_size, has_pairs)
    if note_height:
        note = f"{len(tiles)} of {num_blocks:,} prompt blocks, evenly chosen"
        position = (_MARGIN, sheet.height - _MARGIN - _LINE_HEIGHT)
        ImageDraw.Draw(sheet).text(position, note, _DIM, ImageFont.load_default(_SMALL_SIZE))
    return sheet


def _draw_tile(
    sheet: Image.Image,
    tile: Tile,
    corner: tuple[int, int],
    picture_size: tuple[int, int],
    has_pairs: bool,
) -> None:
    left, top = corner
    pictures = [tile.before, tile.after] if has_pairs else [tile.after]
    draw = ImageDraw.Draw(sheet)
    for index, picture in enumerate(pictures):
        x = left + index * (picture_size[0] + _PAIR_GAP)
        if picture is None:
            draw.rectangle((x, top, x + picture_size[0] - 1, top + picture_size[1] - 1), _EMPTY)
        else:
            small = Image.fromarray(picture).resize(picture_size, Image.Resampling.LANCZOS)
            sheet.paste(small, (x, top))
    width = len(pictures) * (picture_size[0] + _PAIR_GAP) - _PAIR_GAP
    baseline = top + picture_size[1] + _HEADING_HEIGHT - 8
    draw.text((left, baseline), str(tile.number), _BRIGHT, font_for(_TEXT_SIZE, ""), anchor="ls")
    time = _clock(tile.start_seconds)
    draw.text((left + width, baseline), time, _DIM, font_for(_SMALL_SIZE, ""), anchor="rs")
    font = font_for(_TEXT_SIZE, tile.prompt)
    for index, line in enumerate(_wrap(clean_caption(tile.prompt), font, width)):
        y = top + picture_size[1] + _HEADING_HEIGHT + index * _LINE_HEIGHT
        draw.text((left, y), line, _TEXT, font)


def clean_caption(text: str) -> str:
    """Return a text on one line, without control, formatting and other unprintable characters."""
    text = " ".join(text[: 4 * _LONGEST_CAPTION].split())
    text = "".join(c for c in text if not unicodedata.category(c).startswith("C"))
    return text if len(text) <= _LONGEST_CAPTION else text[: _LONGEST_CAPTION - 1] + "…"


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Break a text into at most three lines, between words where it can, and mark what is left."""
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


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"


def font_for(size: int, text: str) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return a font of this size that has the letters of a text, if one is installed."""
    if any(c > _LAST_LATIN and unicodedata.category(c).startswith("L") for c in text):
        for name in _WIDE_FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)
