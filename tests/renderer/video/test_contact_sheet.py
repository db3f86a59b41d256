"""The contact sheet shows every prompt block, or an even choice, and never breaks on a prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rushes.video.contact_sheet import (
    MAX_TILES,
    Picture,
    Tile,
    choose_blocks,
    clean_caption,
    save_contact_sheet,
)


def tile(
    number: int = 1, prompt: str = "a cat", *, has_before: bool = True, num_pictures: int = 1
) -> Tile:
    after = np.full((48, 80, 3), (200, 30, 30), np.uint8)
    before = np.full((48, 80, 3), (30, 200, 30), np.uint8) if has_before else None
    pictures = [Picture(40 + index, 2.5, after, before) for index in range(num_pictures)]
    return Tile(number, prompt, tuple(pictures))


def draw(path: Path, tiles: list[Tile], num_blocks: int = 1) -> Image.Image:
    save_contact_sheet(path, tiles, num_blocks=num_blocks)
    with Image.open(path) as picture:
        return picture.convert("RGB")


def places(sheet: Image.Image, colour: tuple[int, int, int]) -> NDArray[np.int64]:
    """Rows and columns of the pixels of a colour."""
    return np.argwhere((np.asarray(sheet) == colour).all(axis=2))


def test_the_input_stands_above_the_result(tmp_path: Path) -> None:
    sheet = draw(tmp_path / "sheet.png", [tile()])
    green, red = places(sheet, (30, 200, 30)), places(sheet, (200, 30, 30))
    assert green[:, 0].max() < red[:, 0].min()
    assert set(green[:, 1]) == set(red[:, 1])
    assert len(green) == len(red) > 10_000


def test_without_input_there_is_only_the_result(tmp_path: Path) -> None:
    pair = draw(tmp_path / "pair.png", [tile()])
    single = draw(tmp_path / "single.png", [tile(has_before=False)])
    assert single.height < pair.height
    assert single.width == pair.width


def test_frames_of_a_block_stand_beside_each_other(tmp_path: Path) -> None:
    one, three = (
        places(draw(tmp_path / "sheet.png", [tile(num_pictures=count)]), (200, 30, 30))
        for count in (1, 3)
    )
    assert len(three) == 3 * len(one)
    assert set(three[:, 0]) == set(one[:, 0])


def test_a_block_of_which_nothing_was_kept_is_only_told(tmp_path: Path) -> None:
    sheet = draw(tmp_path / "sheet.png", [tile(num_pictures=0), tile(2)])
    assert len(places(sheet, (200, 30, 30))) > 10_000


def test_labels_have_the_time_and_number_of_the_frame() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    assert Picture(1234, 77.125, pixels).label == "1:17.125  frame 1,234"
    assert Picture(3, 3605.0, pixels, transition=0.3).label == "1:00:05.000  frame 3  change 30%"


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
