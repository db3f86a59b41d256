"""The noise schedule: its table, its lookup, and that mixing and unmixing undo each other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from references.schedule_rules import clean_to_flow, euler_step
from renders.tiny_models import normal
from rushes.stream.schedule import FlowSchedule, add_noise, cover, flow_to_clean

SCHEDULE = FlowSchedule()
CLEAN, NOISE = normal(2, 3, 4, 2, 2, seed=1), normal(2, 3, 4, 2, 2, seed=2)
SIGMA = torch.tensor([[0.1, 0.5, 1.0], [0.25, 0.75, 0.9]])


def sigma_of(timestep: float) -> float:
    return SCHEDULE.sigma(torch.tensor([timestep])).item()


def test_the_table_falls_from_pure_noise() -> None:
    assert SCHEDULE.sigmas.shape == (1000,)
    assert SCHEDULE.sigmas[0] == 1
    assert (SCHEDULE.sigmas.diff() < 0).all()
    assert SCHEDULE.sigmas[[1, -2, -1]].tolist() == pytest.approx(
        [0.999875, 0.015779, 0.007944], abs=1e-6
    )


@pytest.mark.parametrize(
    ("timestep", "index", "sigma"),
    [
        (1000, 0, 1.0),
        (750, 727, 0.750258),
        (700, 774, 0.700232),
        (500, 889, 0.499719),
        (400, 923, 0.400260),
        (250, 960, 0.250000),
        (0, 999, 0.007944),
        (-100, 999, 0.007944),
        (2000, 0, 1.0),
    ],
)
def test_a_timestep_takes_the_sigma_of_the_nearest_entry(
    timestep: int, index: int, sigma: float
) -> None:
    assert SCHEDULE.nearest(torch.tensor([timestep])).item() == index
    assert sigma_of(timestep) == pytest.approx(sigma, abs=1e-6)


def test_the_lookup_keeps_the_shape() -> None:
    assert SCHEDULE.sigma(torch.full((2, 3), 500.0)).shape == (2, 3)


@given(st.integers(0, 1000))
def test_sigma_is_about_a_thousandth_of_the_timestep(timestep: int) -> None:
    assert sigma_of(timestep) == pytest.approx(timestep / 1000, abs=0.008)


def test_the_flow_leads_from_noisy_back_to_clean() -> None:
    noisy = add_noise(CLEAN, NOISE, SIGMA)
    torch.testing.assert_close(flow_to_clean(noisy, NOISE - CLEAN, SIGMA), CLEAN)


def test_flow_and_clean_are_each_others_inverse() -> None:
    noisy = add_noise(CLEAN, NOISE, SIGMA)
    flow = clean_to_flow(noisy, CLEAN, SIGMA)
    torch.testing.assert_close(flow, NOISE - CLEAN, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(flow_to_clean(noisy, flow, SIGMA), CLEAN)


def test_full_noise_leaves_nothing_of_the_picture() -> None:
    assert torch.equal(add_noise(CLEAN, NOISE, torch.ones(2, 3)), NOISE)


def test_each_frame_has_its_own_sigma() -> None:
    noisy = add_noise(CLEAN, NOISE, SIGMA)
    alone = add_noise(CLEAN[1:, 2:], NOISE[1:, 2:], SIGMA[1:, 2:])
    assert torch.equal(noisy[1:, 2:], alone)


def test_results_have_the_dtype_of_the_network() -> None:
    narrow = NOISE.bfloat16()
    assert add_noise(CLEAN.bfloat16(), narrow, SIGMA).dtype == torch.bfloat16
    assert flow_to_clean(narrow, narrow, SIGMA).dtype == torch.bfloat16


def test_euler_steps_down_the_table_arrive_at_the_picture() -> None:
    schedule = FlowSchedule(num_steps=8)
    noisy, flow = NOISE, NOISE - CLEAN
    for timestep in schedule.timesteps.tolist():
        noisy = euler_step(schedule, flow, torch.full((2,), timestep), noisy)
    torch.testing.assert_close(noisy, CLEAN, rtol=1e-5, atol=1e-5)


def test_warping_keeps_both_ends() -> None:
    warped = SCHEDULE.warp(torch.tensor([1000, 750, 500, 250, 0]))
    assert warped.tolist() == pytest.approx([1000, 960, 888.889, 727.273, 0], abs=1e-3)


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0])
def test_covered_input_is_a_mix_of_input_and_noise(scale: float) -> None:
    encoded, noise = CLEAN, NOISE
    expected = encoded + scale * (noise - encoded)
    torch.testing.assert_close(cover(encoded, noise, scale), expected)
