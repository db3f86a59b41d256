"""The probe reads the world's own clips right, and renders of them can be made in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from rushes.files.folders import Folders
from rushes.presets.preset import load_preset
from rushes.rendering.pipeline import Pipeline, load_pipeline
from rushes_training.probe import locate, recognise
from rushes_training.trial import Shot, render_shot
from rushes_training.world import Look, Motion, film, random_motion

CPU = torch.device("cpu")


def motion_of(num_frames: int) -> Motion:
    return random_motion(num_frames, torch.Generator().manual_seed(4), shaken=False)


@pytest.mark.parametrize("blur", [1, 4], ids=["sharp", "blurred"])
def test_kind_coat_and_place_are_recognised(blur: int) -> None:
    look, motion = Look("fish", "red", "city"), motion_of(2)
    frames = film(look, motion, 80, 80)
    soft = functional.interpolate(functional.avg_pool2d(frames, blur), (80, 80), mode="bilinear")
    reading = recognise(soft, motion)
    for attribute in ("kind", "coat", "place"):
        assert reading.shows(attribute, look).all()
    assert reading.chance("place", "city").min() > 0.9
    assert reading.chance("coat", "blue").max() < 0.1


@pytest.mark.parametrize("x", [-0.3, 0.0, 0.25])
def test_the_subject_is_located_whatever_the_motion_says(x: float) -> None:
    look, motion = Look("box", "blue", "snow"), motion_of(2)
    frames = film(look, replace(motion, x=torch.full((2,), x)), 80, 80)
    torch.testing.assert_close(locate(frames, look, motion), torch.full((2,), x), rtol=0, atol=0.05)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("tiny")
    return load_pipeline(load_preset("tiny"), Folders(folder, folder), CPU, torch.float32)


@pytest.mark.parametrize("from_text", [True, False], ids=["text", "video"])
def test_a_shot_is_rendered_from_its_film_and_its_seed(tiny: Pipeline, from_text: bool) -> None:
    clip = film(Look("cat", "grey", "sea"), motion_of(9), 64, 64)
    pipeline = replace(tiny, preset=tiny.preset.model_copy(update={"largest_side": 64}))

    def frames(seed: int) -> torch.Tensor:
        shot = Shot([(5, "a cat"), (4, "a dog")], seed=seed)
        return render_shot(pipeline, shot, None if from_text else clip)

    assert frames(1).shape == (9, 3, 64, 64)
    torch.testing.assert_close(frames(1), frames(1), rtol=0, atol=0)
    assert not torch.equal(frames(1), frames(2))
