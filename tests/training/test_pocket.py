"""The shipped pocket weights: what they show of what docs/pocket.md says they do."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from checkout import ROOT
from rushes.files.folders import Folders
from rushes.files.resources import data_folder
from rushes.presets.preset import load_preset
from rushes.rendering.pipeline import Pipeline, load_pipeline
from rushes_training.probe import locate, recognise
from rushes_training.trial import Shot, render_shot
from rushes_training.world import Look, film, random_motion

SIZE = 80
CARD = ROOT / "docs" / "pocket.md"
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
    before = recognise(frames[8:9], motion.part(slice(8, 9)))
    assert before.chance("place", "meadow").item() > 0.5
    after = recognise(frames[28:29], motion.part(slice(28, 29)))
    assert after.chance("place", place).item() > 0.5


def test_text_alone_shows_its_place(pocket: Pipeline) -> None:
    frames = render_shot(pocket, Shot([(13, "a black cat stands in the snow")]), None)
    motion = random_motion(13, torch.Generator().manual_seed(11), shaken=False)
    reading = recognise(frames[12:], motion.part(slice(12, 13)))
    assert reading.chance("place", "snow").item() > 0.5


def test_a_transition_takes_its_chunks(pocket: Pipeline) -> None:
    """From frame 9 on, four chunks of four frames: not yet there after one, there after all."""
    motion = random_motion(33, torch.Generator().manual_seed(11), shaken=False)
    clip = film(Look("cat", "ginger", "meadow"), motion, SIZE, SIZE)
    prompts = [(9, "a ginger cat in the meadow"), (24, "a ginger cat in the snow")]
    frames = render_shot(pocket, Shot(prompts, transition_steps=4), clip)
    seen = torch.tensor([11, 32])
    early, late = recognise(frames[seen], motion.part(seen)).chance("place", "snow").tolist()
    assert early < 0.5 < late


def test_the_subject_stands_where_that_of_the_input_does(pocket: Pipeline) -> None:
    look, found = Look("cat", "ginger", "meadow"), []
    for x in (-0.3, 0.3):
        motion = random_motion(9, torch.Generator().manual_seed(11), shaken=False)
        motion = replace(motion, x=torch.full((9,), x))
        shot = Shot([(9, "a ginger cat in the meadow")], noise_scale=0.4)
        frames = render_shot(pocket, shot, film(look, motion, SIZE, SIZE))
        found.append(locate(frames[8:9], look, motion.part(slice(8, 9))).item())
    left, right = found
    assert left < -0.1 < 0.1 < right
