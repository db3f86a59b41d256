"""What a training step asks: targets, prompts and noise belong together."""

from __future__ import annotations

import math

import pytest
import torch

from renders.tiny_models import normal, seeded
from rushes.stream.schedule import FlowSchedule
from rushes_training.bank import NUM_LATENT_FRAMES, NUM_LOOKS, Bank, Labels, opening_motion
from rushes_training.lessons import (
    OPENING_CHANNELS,
    Lesson,
    chunks_of,
    draw_lesson,
    imprint,
)
from rushes_training.networks import text_encoder
from rushes_training.prompts import WordTable

MOTIONS = 12
SCHEDULE = FlowSchedule()


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> WordTable:
    return WordTable(text_encoder(tmp_path_factory.mktemp("tokenizer")))


@pytest.fixture(scope="module")
def bank() -> Bank:
    """Latents that are constant, at the number of their motion and version."""
    number = torch.arange(MOTIONS * NUM_LOOKS).view(MOTIONS, NUM_LOOKS, 1, 1, 1, 1)
    latents = number.expand(-1, -1, NUM_LATENT_FRAMES, 16, 4, 4).half()
    looks = torch.stack(
        [torch.randint(size, (MOTIONS, NUM_LOOKS), generator=seeded(size)) for size in (8, 10, 5)],
        dim=-1,
    )
    is_footage = torch.arange(MOTIONS) % 4 == 0
    opening = torch.where((torch.arange(MOTIONS) % 4 == 1)[:, None], 0.5, 0.0).expand(-1, 2)
    subjects = torch.arange(MOTIONS)[:, None, None, None].expand(-1, NUM_LATENT_FRAMES, 4, 4)
    labels = Labels(looks, torch.arange(MOTIONS) % 4, is_footage, opening)
    return Bank(latents, labels, subjects)


def draw(bank: Bank, words: WordTable, from_text: bool, batch: int = 64, seed: int = 0) -> Lesson:
    return draw_lesson(bank, words, SCHEDULE, batch, from_text, seeded(seed))


@pytest.mark.parametrize("from_text", [True, False], ids=["text", "video"])
def test_the_same_randomness_draws_the_same_lesson(
    bank: Bank, words: WordTable, from_text: bool
) -> None:
    first, second = (draw(bank, words, from_text) for _ in range(2))
    torch.testing.assert_close(first.noisy, second.noisy, rtol=0, atol=0)
    torch.testing.assert_close(first.prompts, second.prompts, rtol=0, atol=0)


def test_the_subject_is_where_the_motion_has_it(bank: Bank, words: WordTable) -> None:
    lesson = draw(bank, words, from_text=False)
    motion = lesson.target[:, :, 0, 0, 0].div(NUM_LOOKS).floor()
    assert (lesson.subject == motion[:, :, None, None]).all()


def test_footage_is_never_what_a_prompt_asks_for(bank: Bank, words: WordTable) -> None:
    lesson = draw(bank, words, from_text=False, batch=256)
    number = lesson.target[:, :, 0, 0, 0]  # of the version, at every frame that is not a transition
    whole = number == number.round()
    motion, version = number.round() // NUM_LOOKS, number.round() % NUM_LOOKS
    assert not (whole & (motion % 4 == 0) & (version == 0)).all(dim=1).any()


def test_clips_from_text_have_a_beginning_that_the_noise_tells(
    bank: Bank, words: WordTable
) -> None:
    lesson = draw(bank, words, from_text=True)
    assert lesson.chunks == chunks_of(NUM_LATENT_FRAMES, from_text=True)
    motions = lesson.target[:, 0, 0, 0, 0].div(NUM_LOOKS).floor().unique()
    assert (motions % 4 == 1).all()


def test_prompts_change_with_their_target(bank: Bank, words: WordTable) -> None:
    lesson = draw(bank, words, from_text=True)
    target_moves = lesson.target.diff(dim=1).flatten(2).any(dim=2)
    prompt_moves = lesson.prompts.diff(dim=1).flatten(2).any(dim=2)
    assert target_moves.any()
    assert (prompt_moves | ~target_moves).all()


def test_later_frames_may_stand_far_behind_the_sinks(bank: Bank, words: WordTable) -> None:
    positions = draw(bank, words, from_text=False, batch=256).positions
    assert (positions.diff(dim=1) >= 1).all()
    assert positions.max() > 100
    assert positions.max() < 1024


def test_the_beginning_of_a_lesson_keeps_whole_chunks(bank: Bank, words: WordTable) -> None:
    lesson = draw(bank, words, from_text=True).first_frames(2)
    assert lesson.noisy.shape[1] == lesson.sigma.shape[1] == lesson.prompts.shape[1] == 2
    assert lesson.chunks == [(0, 2)]
    assert draw(bank, words, from_text=False).first_frames(3).chunks == [(0, 1), (1, 2), (2, 3)]


def test_the_imprint_leaves_normal_noise_and_tells_place_and_side() -> None:
    count = 2000
    opening = torch.stack([opening_motion(2, seeded(index))[1] for index in range(count)])
    noise = imprint(normal(count, 2, 16, 4, 4), opening)
    assert noise.mean().abs() < 0.01
    assert abs(noise.std().item() - 1) < 0.01
    size = math.sqrt(noise[0, :, 0].numel())
    place_channel, side_channel = OPENING_CHANNELS
    across = torch.tensor([-1.0, -1.0, 1.0, 1.0])
    place = (noise[:, :, place_channel] * across).flatten(1).sum(1) / size
    side = noise[:, :, side_channel].flatten(1).sum(1) / size
    for told in (place, side):
        assert abs(told.mean().item()) < 0.1
        assert abs(told.std().item() - 1) < 0.1
    assert torch.equal(side.sign(), opening[:, 1])
    order = opening[:, 0].argsort()
    assert (place[order].diff() > -1e-3).all()


def test_openings_are_spread_evenly() -> None:
    opening = torch.stack([opening_motion(2, seeded(index))[1] for index in range(400)])
    assert abs(opening[:, 0].mean().item()) < 0.1
    assert set(opening[:, 1].tolist()) == {1.0, -1.0}
