"""Noise controllers: the more the input moves, the less noise; each within its own range."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from renders.tiny_models import normal
from rushes.stream.noise_controller import (
    FixedNoiseScale,
    NoiseController,
    ScopeNoiseController,
    SmoothedNoiseController,
    motion,
)
from rushes.timeline.steps import first_timestep

REQUESTED = 0.7


def still(num_frames: int = 4, level: float = 0.0) -> Tensor:
    return torch.full((1, num_frames, 3, 4, 4), level)


def moving(seed: int = 0, strength: float = 1.0, num_frames: int = 4) -> Tensor:
    return (strength * normal(1, num_frames, 3, 4, 4, seed=seed)).clamp(-1, 1)


def scales(controller: NoiseController, *chunks: Tensor) -> list[float]:
    return [controller.noise_scale(chunk, REQUESTED) for chunk in chunks]


def test_a_fixed_noise_scale_stays_what_was_asked_for() -> None:
    assert scales(FixedNoiseScale(), still(), moving()) == [REQUESTED, REQUESTED]


# --- scope ---------------------------------------------------------------------------------------


def test_scope_gives_a_still_picture_the_most_noise() -> None:
    assert scales(ScopeNoiseController(), still(), still()) == pytest.approx([0.79, 0.79])


def test_scope_gives_fast_motion_the_least_noise() -> None:
    chunks = [moving(seed) for seed in range(3)]
    assert scales(ScopeNoiseController(), *chunks) == pytest.approx([0.61] * 3)


@pytest.mark.parametrize("strength", [0.01, 0.03, 0.06, 0.1])
def test_scope_stays_in_its_range_in_between(strength: float) -> None:
    (scale,) = scales(ScopeNoiseController(), moving(strength=strength))
    assert 0.61 < scale < 0.79


def test_scope_compares_with_the_end_of_the_chunk_before() -> None:
    """Motion between two chunks counts, motion within a chunk does not."""
    controller = ScopeNoiseController()
    inside = torch.cat((still(), moving(num_frames=3), still(1)), dim=1)
    assert scales(controller, still(), inside) == pytest.approx([0.79, 0.79])
    (jumped,) = scales(controller, still(level=0.1))
    assert jumped == pytest.approx((0.8 - 0.2 * 0.5) * 0.9 + 0.07)


def test_scope_compares_the_first_chunk_with_itself() -> None:
    chunk = torch.cat((still(3), still(1, level=0.2)), dim=1)
    assert scales(ScopeNoiseController(), chunk) == pytest.approx([0.61])


def test_scope_does_not_look_at_its_own_past() -> None:
    fresh, used = ScopeNoiseController(), ScopeNoiseController()
    scales(used, moving(1), moving(2), still())
    scales(fresh, still())
    assert scales(used, still(level=0.05)) == scales(fresh, still(level=0.05))


def test_scope_takes_a_tenth_of_what_was_asked_for() -> None:
    low, high = (ScopeNoiseController().noise_scale(still(), asked) for asked in (0.2, 0.9))
    assert high - low == pytest.approx(0.07)


# --- sdv2 ----------------------------------------------------------------------------------------


def test_smoothed_begins_with_what_was_asked_for() -> None:
    assert scales(SmoothedNoiseController(), moving()) == [REQUESTED]


def test_smoothed_leaves_a_still_picture_at_what_was_asked_for() -> None:
    assert scales(SmoothedNoiseController(), *[still()] * 5) == pytest.approx([REQUESTED] * 5)


def test_smoothed_moves_towards_a_tenth_less_in_fast_motion() -> None:
    found = scales(SmoothedNoiseController(), *[moving(seed) for seed in range(8)])
    assert found[1] == pytest.approx(0.61)
    assert found[1:] == sorted(found[1:], reverse=True)
    assert all(0.6 < scale < 0.7 for scale in found[1:])
    assert found[-1] == pytest.approx(0.6, abs=1e-5)


def test_smoothed_sees_motion_within_a_chunk() -> None:
    inside = torch.cat((still(), moving(num_frames=3), still(1)), dim=1)
    assert scales(SmoothedNoiseController(), still(), inside)[1] < 0.65


def test_smoothed_follows_its_own_past() -> None:
    controller = SmoothedNoiseController()
    scales(controller, still(), moving())
    calming = scales(controller, still(), still())  # the first still looks back at motion
    assert calming[0] < calming[1] < REQUESTED


# --- restarts ------------------------------------------------------------------------------------

STEPS = (750, 250)


def scale_after_jump(controller: NoiseController, *chunks: tuple[tuple[int, ...], bool]) -> float:
    """The scale of the last of some chunks whose pictures are still, but jump from each to each."""
    for index, (steps, reset) in enumerate(chunks):
        controller.begin_chunk(steps, reset)
        scale = controller.noise_scale(still(level=float(index % 2)), REQUESTED)
    return scale


def test_scope_looks_back_over_a_restart_for_a_prompt() -> None:
    jump = scale_after_jump(ScopeNoiseController(), (STEPS, True), (STEPS, True))
    assert jump == pytest.approx(0.61)


def test_scope_looks_back_over_no_restart_for_other_steps() -> None:
    """Only if the caches restart with the change itself, not at a later restart."""
    other = (900, 500)
    cut = scale_after_jump(ScopeNoiseController(), (STEPS, True), (other, True))
    assert cut == pytest.approx(0.79)
    kept = scale_after_jump(ScopeNoiseController(), (STEPS, True), (other, False), (other, True))
    assert kept == pytest.approx(0.61)


def test_scope_knows_its_steps_again_after_a_save() -> None:
    saved, resumed = ScopeNoiseController(), ScopeNoiseController()
    scale_after_jump(saved, (STEPS, True))
    resumed.restore(saved.snapshot())
    resumed.begin_chunk((900, 500), True)
    assert resumed.noise_scale(still(level=1.0), REQUESTED) == pytest.approx(0.79)


def test_scope_can_be_saved_before_its_first_chunk() -> None:
    resumed = ScopeNoiseController()
    resumed.restore(ScopeNoiseController().snapshot())
    assert scale_after_jump(resumed, (STEPS, True)) == pytest.approx(0.79)


def test_upstream_looks_back_over_no_restart() -> None:
    controller = SmoothedNoiseController()
    assert scale_after_jump(controller, (STEPS, True), (STEPS, True)) == pytest.approx(REQUESTED)
    moving_on = scale_after_jump(SmoothedNoiseController(), (STEPS, True), (STEPS, False))
    assert moving_on < REQUESTED


# --- arithmetic ----------------------------------------------------------------------------------


def test_motion_is_a_share_of_full_motion() -> None:
    amounts = [0.0, 0.05, 0.1, 0.2, 1.0]
    found = [motion(still(), still(level=amount)) for amount in amounts]
    assert found == pytest.approx([0, 0.25, 0.5, 1, 1])


def test_the_frame_that_moves_most_counts() -> None:
    after = still()
    after[:, 2] = 0.1
    assert motion(still(), after) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("scale", "timestep"),
    [(0.79, 690), (0.61, 510), (0.7, 600), (0.29, 190), (0.6789, 578), (1.0, 900), (0.0, -100)],
)
def test_the_first_timestep_is_truncated(scale: float, timestep: int) -> None:
    assert first_timestep(scale) == timestep
