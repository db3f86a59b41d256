"""What the bank knows of its films."""

from __future__ import annotations

import pytest
import torch

from renders.tiny_models import normal, seeded
from rushes_training.bank import NUM_FRAMES, draw_films, draw_scene, subject_square, subjects_of
from rushes_training.creatures import KINDS
from rushes_training.world import Look, film, random_motion

CELLS, PIXELS = 10, 80


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_shown_changes_little_outside_the_square_of_the_subject(kind: str) -> None:
    motion = random_motion(6, seeded(3))
    films = [film(Look(each, "white", "fire"), motion, PIXELS, PIXELS) for each in (kind, "ball")]
    change = (films[0] - films[1]).abs().amax(1)  # [T, H, W]
    square = subject_square(motion, CELLS, CELLS)
    inside = square.repeat_interleave(8, 1).repeat_interleave(8, 2).bool()
    assert square.mean() < 0.6
    assert change[~inside].sum() <= 0.1 * change.sum()


def test_scenes_are_drawn_again_as_they_were_filmed() -> None:
    footage = normal(8, 3, 256, 256).clamp(-1, 1)
    films, labels = draw_films(footage, 4, seed=5)
    again, _ = draw_films(footage, 4, seed=5)
    assert torch.equal(films, again)
    latents = torch.zeros(4, 1, 6, 16, CELLS, CELLS)
    subjects = subjects_of(len(footage), 5, latents)
    assert subjects.shape == (4, 6, CELLS, CELLS)
    for index in range(4):
        generator = seeded(5 * 1_000_003 + index)
        scene = draw_scene(index, len(footage), generator)
        assert (scene.cut is not None) == bool(labels.is_footage[index])
        assert torch.equal(scene.opening, labels.opening[index])
        frames = torch.arange(0, NUM_FRAMES, 4)
        square = subject_square(scene.motion.part(frames), CELLS, CELLS)
        assert torch.equal(subjects[index], square)
