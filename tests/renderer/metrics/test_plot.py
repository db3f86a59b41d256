"""The picture of curves: where a value, a time and a change of prompt stand on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rushes.metrics.plot import Series, save_plot, series_of, ticks
from rushes.metrics.prompts import PromptChange
from rushes.metrics.report import Curves

BLUE, ORANGE = (42, 111, 176), (194, 87, 26)


def draw(path: Path, *series: Series, changes: tuple[PromptChange, ...] = ()) -> NDArray[np.uint8]:
    save_plot(path, series, 10.0, changes)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def columns(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.intp]:
    return np.flatnonzero((pixels == colour).all(axis=2).any(axis=0))


@pytest.mark.parametrize(
    ("low", "high", "about", "expected"),
    [
        (0, 30, 6, [0, 5, 10, 15, 20, 25, 30]),
        (0.32, 0.614, 4, [0.4, 0.5, 0.6]),
        (7.2, 17.02, 4, [10, 15]),
        (-1e-5, 2e-5, 3, [-1e-5, 0, 1e-5, 2e-5]),
        (3, 3, 4, []),
    ],
)
def test_ticks_are_round_and_inside(
    low: float, high: float, about: int, expected: list[float]
) -> None:
    assert ticks(low, high, about) == expected


def test_a_value_between_frames_belongs_to_the_later_one() -> None:
    curves = Curves(psnr=[1.0] * 4, warp_error=[1.0] * 3, flicker=[1.0] * 2)
    found = {each.title.split()[0]: each.first_frame for each in series_of(curves)}
    assert found == {"PSNR": 0, "warp": 1, "flicker": 1}
    more = series_of(curves, {"clip_prompt": [0.3] * 4, "other_one": [0.1] * 3})
    assert [each.title for each in more[-2:]] == ["CLIP: likeness to the prompt", "other one"]


def test_the_picture_grows_with_panels_and_prompts(tmp_path: Path) -> None:
    series = Series("one", [1.0, 2.0])
    one = draw(tmp_path / "one.png", series)
    two = draw(tmp_path / "two.png", series, series)
    listed = draw(tmp_path / "listed.png", series, changes=(PromptChange(0, 0, "a boat"),))
    assert one.shape[0] < listed.shape[0] < two.shape[0]


def test_curves_and_changes_share_the_axis_of_time(tmp_path: Path) -> None:
    values = [0.0] * 101
    values[60] = 1.0
    changes = (PromptChange(0, 0, "a"), PromptChange(60, 1, "b"))
    pixels = draw(tmp_path / "plot.png", Series("peak", values), changes=changes)
    rows = pixels[75:120]  # the upper part of the panel
    left, right = columns(pixels, BLUE)[[0, -1]]
    expected = left + 0.6 * (right - left)
    assert columns(rows, BLUE).mean() == pytest.approx(expected, abs=3)
    assert columns(rows, ORANGE) == pytest.approx(expected, abs=3)


@pytest.mark.parametrize("values", [[2.0], [2.0, 2.0], [0.0, 0.0, 0.0]], ids=str)
def test_what_never_changes_can_be_drawn(tmp_path: Path, values: list[float]) -> None:
    pixels = draw(tmp_path / "flat.png", Series("flat", values))
    assert len(columns(pixels, BLUE))


def test_many_changes_are_not_all_listed(tmp_path: Path) -> None:
    changes = tuple(PromptChange(index, index, "x" * 500) for index in range(300))
    pixels = draw(tmp_path / "many.png", Series("m", [1.0] * 300), changes=changes)
    assert pixels.shape[0] < 800
