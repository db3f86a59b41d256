"""The contact sheet shows every prompt block, or an even choice, and never breaks on a prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rushes.video.contact_sheet import (
    MAX_TILES,
    Tile,
    choose_blocks,
    clean_caption,
    save_contact_sheet,
)


def tile(number: int = 1, prompt: str = "a cat", *, has_before: bool = True) -> Tile:
    after = np.full((48, 80, 3), (200, 30, 30), np.uint8)
    before = np.full((48, 80, 3), (30, 200, 30), np.uint8) if has_before else None
    return Tile(number=number, start_seconds=2.5, prompt=prompt, after=after, before=before)


def draw(path: Path, tiles: list[Tile], num_blocks: int = 1) -> Image.Image:
    save_contact_sheet(path, tiles, num_blocks=num_blocks)
    with Image.open(path) as picture:
        return picture.convert("RGB")


def test_before_stands_left_of_after(tmp_path: Path) -> None:
    sheet = draw(tmp_path / "sheet.png", [tile()])
    pixels = np.asarray(sheet).astype(int)
    green = np.argwhere((pixels == (30, 200, 30)).all(axis=2))
    red = np.argwhere((pixels == (200, 30, 30)).all(axis=2))
    assert green[:, 1].max() < red[:, 1].min()
    assert set(green[:, 0]) == set(red[:, 0])
    assert len(green) == len(red) > 10_000


def test_without_input_there_is_only_after(tmp_path: Path) -> None:
    pair = draw(tmp_path / "pair.png", [tile()])
    single = draw(tmp_path / "single.png", [tile(has_before=False)])
    assert single.width < pair.width
    assert single.height == pair.height


def test_the_prompt_is_under_the_pictures(tmp_path: Path) -> None:
    blank = np.asarray(draw(tmp_path / "blank.png", [tile(prompt="")]))
    written = np.asarray(draw(tmp_path / "written.png", [tile(prompt="a cat")]))
    rows = np.flatnonzero((blank != written).any(axis=(1, 2)))
    assert len(rows) > 5
    assert rows.min() > np.flatnonzero((blank == (200, 30, 30)).all(axis=2).any(axis=1)).max()


@pytest.mark.parametrize(
    "prompt",
    [
        "word " * 2000,
        "x" * 100_000,
        "狐狸在雪地里奔跑" * 50,
        "e\u0301moji 🦊 and \u202eturned\u202c",
        "\x00\x1b[31m\ud800",
        "i" * 399,
    ],
    ids=["long", "one word", "no spaces", "marks", "control", "narrow"],
)
def test_every_prompt_stays_in_its_tile(prompt: str, tmp_path: Path) -> None:
    blank = np.asarray(draw(tmp_path / "blank.png", [tile(prompt="")]))
    written = np.asarray(draw(tmp_path / "written.png", [tile(prompt=prompt)]))
    changed = np.argwhere((blank != written).any(axis=2))
    assert changed[:, 1].min() >= 32 - 2
    assert changed[:, 1].max() < blank.shape[1] - 32 + 2
    assert changed[:, 0].max() < blank.shape[0] - 24


def test_captions_hold_only_what_can_be_printed() -> None:
    assert clean_caption("a\x00 cat\n\tin\x1b \u202esnow\ud800 ") == "a cat in snow"
    assert len(clean_caption("word " * 2000)) == 400


def test_many_blocks_are_chosen_evenly_and_told(tmp_path: Path) -> None:
    chosen = choose_blocks(10_000)
    assert (len(chosen), chosen[0], chosen[-1]) == (MAX_TILES, 0, 9_999)
    assert set(np.diff(chosen)) == {169, 170}
    assert choose_blocks(3) == [0, 1, 2]
    tiles = [tile(number) for number in range(3)]
    silent = draw(tmp_path / "silent.png", tiles)
    told = draw(tmp_path / "told.png", tiles, num_blocks=10_000)
    assert told.height > silent.height
