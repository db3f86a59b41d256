"""The little world: seeded, paired, and what its captions say is what can be seen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rushes_training.creatures import COATS, KINDS
from rushes_training.places import PLACES
from rushes_training.world import MOTIONS, Look, caption, film, random_look, random_motion

SIZE = 48


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def still(look: Look) -> Tensor:
    """One frame of a look, [3, H, W]."""
    return film(look, random_motion(1, seeded(5), shaken=False), SIZE, SIZE)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_pixels_in_range_and_is_unlike_the_others(kind: str) -> None:
    own = still(Look(kind, "red", "sea"))
    assert own.shape == (3, SIZE, SIZE)
    assert -1 <= own.min() < own.max() <= 1
    others = [still(Look(other, "red", "sea")) for other in KINDS if other != kind]
    assert min((own - other).abs().mean() for other in others) > 0.005


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_unlike_the_others(place: str) -> None:
    own = still(Look("cat", "grey", place))
    others = [still(Look("cat", "grey", other)) for other in PLACES if other != place]
    assert min((own - other).abs().mean() for other in others) > 0.2


@pytest.mark.parametrize("coat", COATS)
def test_a_coat_gives_a_ball_its_colour(coat: str) -> None:
    motion = random_motion(1, seeded(5), shaken=False)
    picture = film(Look("ball", coat, "snow"), motion, SIZE, SIZE)[0]
    column = round((motion.x[0].item() + 1) / 2 * SIZE)
    row = round((motion.y[0].item() - 0.7 * 0.6 * motion.size[0].item() + 1) / 2 * SIZE)
    seen = (picture[:, row - 2 : row + 3, column - 6 : column + 7] + 1).flatten(1) / 2
    nearest = {
        name: (seen - torch.tensor(each.main)[:, None]).norm(dim=0).min().item()
        for name, each in COATS.items()
    }
    assert nearest[coat] < 0.25


def test_the_same_seed_films_the_same_clip() -> None:
    clips = []
    for _ in range(2):
        generator = seeded(7)
        look = random_look(generator)
        clips.append(film(look, random_motion(9, generator), SIZE, SIZE))
    torch.testing.assert_close(clips[0], clips[1], rtol=0, atol=0)


def test_films_of_one_motion_differ_in_looks_only() -> None:
    """Where the picture changes from frame to frame is the same for two subjects of one shape."""
    motion = random_motion(9, seeded(3), shaken=False)
    red, blue = (film(Look("ball", coat, "snow"), motion, SIZE, SIZE) for coat in ("red", "blue"))
    changed = [(clip.diff(dim=0).abs().sum(1) > 0.3).float() for clip in (red, blue)]
    assert (changed[0] - changed[1]).abs().mean() < 0.1 * changed[0].mean() + 0.01


@pytest.mark.parametrize("verb", MOTIONS)
def test_motions_do_what_their_verb_says(verb: str) -> None:
    motion = next(
        motion
        for motion in (random_motion(33, seeded(seed)) for seed in range(100))
        if motion.verb == verb
    )
    steps = (motion.phase[-1] - motion.phase[0]).item()
    assert (steps == 0) == (verb == "stands")
    turned = (motion.facing[0] * motion.facing[-1]).item() < 0
    assert turned == (verb == "turns")


def test_a_part_of_a_motion_films_a_part_of_the_clip() -> None:
    motion, look = random_motion(9, seeded(1)), Look("bird", "white", "city")
    whole = film(look, motion, SIZE, SIZE)
    torch.testing.assert_close(film(look, motion.part(slice(4, 7)), SIZE, SIZE), whole[4:7])


def test_a_caption_names_all_that_is_to_be_seen() -> None:
    assert caption(Look("fish", "blue", "sea"), "turns") == "a blue fish turns in the sea"
