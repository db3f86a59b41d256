"""Tables that fit the terminal: some columns shrink, so that the others stay readable."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence

import typer
from rich.cells import cell_len, set_cell_size

_GAP = 2
_MARK = "…"
_LEAST_COLUMN = 4  # characters; a column that may be left out is, before it gets narrower
_NARROWEST = 20  # columns; narrower terminals are treated as this wide

Steps = Sequence[tuple[str, int]]
"""Which columns shrink, in this order, and to which width; 0 leaves a column out."""


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], gives_way: Steps = ()
) -> None:
    """Print aligned columns: on a terminal as wide as it is, elsewhere whole."""
    typer.echo("\n".join(table_lines(header, rows, terminal_width(), gives_way)))


def print_paragraph(text: str) -> None:
    """Print one long line: on a terminal broken between words, elsewhere whole."""
    width = terminal_width()
    typer.echo(text if width is None else textwrap.fill(text, width, break_on_hyphens=False))


def terminal_width() -> int | None:
    """Return the width of stdout in characters; ``None`` if it is not a terminal."""
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns, _NARROWEST)


def table_lines(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    gives_way: Steps = (),
) -> list[str]:
    """Return the lines of a table that is at most so wide, if its columns can shrink enough."""
    columns = list(zip(header, *rows, strict=True))
    widths = {column[0]: _widest(column) for column in columns}
    if width is not None and table_width(widths) > width:
        without_empty = {name: widths[name] if any(cells) else 0 for name, *cells in columns}
        widths = fit_columns(without_empty, width, gives_way)
    shown = [_aligned(column, widths[column[0]]) for column in columns if widths[column[0]]]
    return [(" " * _GAP).join(cells).rstrip() for cells in zip(*shown, strict=True)]


def fit_columns(wanted: Mapping[str, int], width: int, gives_way: Steps) -> dict[str, int]:
    """Shrink columns, step by step, until they fit; a width of 0 leaves a column out.

    >>> fit_columns({"job": 8, "prompt": 40}, 30, [("prompt", 10)])
    {'job': 8, 'prompt': 20}
    >>> fit_columns({"job": 8, "noise": 5}, 12, [("noise", 0)])
    {'job': 8, 'noise': 0}
    """
    widths = dict(wanted)
    for name, least in gives_way:
        excess = table_width(widths) - width
        if excess <= 0:
            break
        width_left = min(widths[name], max(widths[name] - excess, least))
        widths[name] = 0 if least == 0 and width_left < _LEAST_COLUMN else width_left
    return widths


def table_width(widths: Mapping[str, int]) -> int:
    """Return how wide columns and the gaps between them are."""
    shown = [width for width in widths.values() if width]
    return sum(shown) + _GAP * max(len(shown) - 1, 0)


def _is_plain(cells: Sequence[str]) -> bool:
    """Say whether each character is one column wide; a table may have thousands of rows."""
    text = "".join(cells)
    return text.isascii() and text.isprintable()


def _widest(cells: Sequence[str]) -> int:
    return max(map(len if _is_plain(cells) else cell_len, cells))


def _aligned(cells: Sequence[str], width: int) -> list[str]:
    if _is_plain(cells) and max(map(len, cells)) <= width:
        return [cell.ljust(width) for cell in cells]
    return [_cell(cell, width) for cell in cells]


def _cell(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + _MARK
