"""The shipped pocket weights: what they show of what docs/pocket.md says they do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from rushes.pipeline import Folders, Pipeline, load_pipeline
from rushes.presets import load_preset
from rushes.resources import data_folder
from rushes_training.probe import recognise
from rushes_training.trial import Shot, render_shot
from rushes_training.world import Look, film, random_motion

SIZE = 80
CARD = Path(__file__).parents[2] / "docs" / "pocket.md"
FILES = sorted(data_folder("pocket").rglob("*.safetensors"))


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("pocket")
    cpu = torch.device("cpu")
    return load_pipeline(load_preset("pocket"), Folders(folder, folder), cpu, torch.float32)


def test_the_weights_are_small() -> None:
    assert len(FILES) == 3
    assert sum(file.stat().st_size for file in FILES) < 24_000_000


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_model_card_names_the_weights_by_their_hash(file: Path) -> None:
    assert hashlib.sha256(file.read_bytes()).hexdigest() in CARD.read_text()


@pytest.mark.parametrize("place", ["sea", "city", "fire"])
def test_a_prompt_that_changes_the_place_changes_the_picture(pocket: Pipeline, place: str) -> None:
    """Video to video, from snow: the old prompt's place first, soon after the new one's."""
    motion = random_motion(29, torch.Generator().manual_seed(11), shaken=False)
    clip = film(Look("cat", "ginger", "snow"), motion, SIZE, SIZE)
    shot = Shot([(9, "a ginger cat in the meadow"), (20, f"a ginger cat at the {place}")])
    frames = render_shot(pocket, shot, clip)
    before = recognise(frames[8:9], motion.part(8, 9))
    assert before.chance("place", "meadow").item() > 0.5
    after = recognise(frames[28:29], motion.part(28, 29))
    assert after.chance("place", place).item() > 0.5


def test_text_alone_shows_its_place(pocket: Pipeline) -> None:
    frames = render_shot(pocket, Shot([(13, "a black cat stands in the snow")]), None)
    motion = random_motion(13, torch.Generator().manual_seed(11), shaken=False)
    reading = recognise(frames[12:], motion.part(12, 13))
    assert reading.chance("place", "snow").item() > 0.5
