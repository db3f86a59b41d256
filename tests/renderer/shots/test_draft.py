"""The first chunk of every block on one sheet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from renders.shots import block, moving, timeline, write_clip
from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes.presets.preset import load_preset
from rushes.shots.draft import draft_sheet
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.read.load import parse_timeline
from rushes.video.contact_sheet import PICTURE_WIDTH

RED = block("a red house in the snow", 0, 2)
SEA = block("the sea at night", 2, 4, transitionSteps=4)


def draw(
    folder: Path,
    *blocks: dict[str, object],
    name: str = "draft.png",
    noise: tuple[float, ...] = (),
    **how: object,
) -> int:
    """Draw a draft; ``noise`` is the noise scale of each two seconds."""
    mode = "video" if "video" in how else "text"
    points = [{"t": 2 * place, "v": v, "ease": "step"} for place, v in enumerate(noise)]
    document = timeline(*blocks, mode=mode)
    document["ext"] = {"schema": 1} | ({"schedules": {"noise_scale": points}} if points else {})
    return draft_sheet(
        folder / name,
        parse_timeline(json.dumps(document)).require(),
        folder / "shot.json",
        load_preset("pocket"),
        PlanOptions(),
        folders=Folders(folder, folder),
        device="cpu",
        **how,  # type: ignore[arg-type]
    )


def test_every_block_has_a_picture_as_if_it_began_there(tmp_path: Path) -> None:
    assert draw(tmp_path, RED, SEA) == 2
    assert draw(tmp_path, block("a meadow", 0, 2), SEA, name="other.png") == 2
    pictures = [np.asarray(Image.open(tmp_path / name)) for name in ("draft.png", "other.png")]
    height, width = pictures[0].shape[:2]
    assert max(height, width) > 2 * PICTURE_WIDTH
    halves = np.array_split(np.stack(pictures), 2, axis=1 if height > width else 2)
    assert not np.array_equal(*halves[0])
    assert np.array_equal(*halves[1])
    assert sorted(path.name for path in tmp_path.glob("*.png*")) == ["draft.png", "other.png"]


def test_the_input_is_that_of_the_blocks_time(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", moving(64))
    assert draw(tmp_path, RED, SEA, video=clip) == 2


def test_the_noise_scale_is_that_of_the_blocks_time(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", moving(64))
    night = block("the sea at night", 2, 4)
    draw(tmp_path, RED, night, video=clip, noise=(0.2, 0.9), name="points.png")
    draw(tmp_path, RED, night, video=clip, noise=(0.9,), name="flat.png")
    both = [np.asarray(Image.open(tmp_path / name)) for name in ("points.png", "flat.png")]
    height, width = both[0].shape[:2]
    firsts, seconds = np.array_split(np.stack(both), 2, axis=1 if height > width else 2)
    assert not np.array_equal(*firsts)
    assert np.array_equal(*seconds)


def test_a_draft_is_a_png(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name it \.png"):
        draw(tmp_path, RED, name="draft.mp4")
