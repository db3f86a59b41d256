"""The denoising loop, around a network that knows the answer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from renders.tiny_models import normal
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryEmbedding
from rushes.stream.denoise import Denoiser
from rushes.stream.schedule import FlowSchedule, add_noise

SHAPE = (1, 2, 4, 2, 2)
CLEAN = normal(*SHAPE, seed=1)
SCHEDULE = FlowSchedule()
ROTARY = RotaryEmbedding(12).factors([0], 2, 1, 1)
PROMPT = PromptKeys(())
STEPS = (1000, 750, 250)


class KnowingNetwork:
    """Predicts the flow that leads exactly to ``CLEAN``, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Tensor, Tensor]] = []  # latents, timesteps

    def __call__(self, latents: Tensor, timesteps: Tensor, *_: Any) -> Tensor:
        self.asked.append((latents, timesteps))
        sigma = SCHEDULE.sigma(timesteps)[..., None, None, None]
        return (latents - CLEAN) / sigma


class CountedNoise:
    def __init__(self) -> None:
        self.drawn: list[Tensor] = []

    def __call__(self) -> Tensor:
        self.drawn.append(normal(*SHAPE, seed=50 + len(self.drawn)))
        return self.drawn[-1]


@pytest.fixture
def network() -> KnowingNetwork:
    return KnowingNetwork()


@pytest.fixture
def noise() -> CountedNoise:
    return CountedNoise()


@pytest.fixture
def denoiser(network: KnowingNetwork) -> Denoiser:
    return Denoiser(network, SCHEDULE, kv_cache=None)  # type: ignore[arg-type]


def test_a_network_that_knows_the_picture_arrives_at_it(
    denoiser: Denoiser, noise: CountedNoise
) -> None:
    clean = denoiser.denoise(normal(*SHAPE), STEPS, noise, ROTARY, PROMPT)
    torch.testing.assert_close(clean, CLEAN, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_there_is_one_pass_a_step_and_one_draw_between_two(
    denoiser: Denoiser, network: KnowingNetwork, noise: CountedNoise, num_steps: int
) -> None:
    denoiser.denoise(normal(*SHAPE), STEPS[:num_steps], noise, ROTARY, PROMPT)
    timesteps = [seen.unique().tolist() for _, seen in network.asked]
    assert timesteps == [[step] for step in STEPS[:num_steps]]
    assert len(noise.drawn) == num_steps - 1


def test_every_frame_has_the_same_timestep(
    denoiser: Denoiser, network: KnowingNetwork, noise: CountedNoise
) -> None:
    denoiser.denoise(normal(*SHAPE), (700,), noise, ROTARY, PROMPT)
    assert network.asked[0][1].tolist() == [[700.0, 700.0]]


def test_the_first_pass_starts_from_the_latents_given(
    denoiser: Denoiser, network: KnowingNetwork, noise: CountedNoise
) -> None:
    start = normal(*SHAPE, seed=9)
    denoiser.denoise(start, STEPS, noise, ROTARY, PROMPT)
    assert network.asked[0][0] is start


def test_later_passes_start_from_the_prediction_made_noisy_again(
    denoiser: Denoiser, network: KnowingNetwork, noise: CountedNoise
) -> None:
    denoiser.denoise(normal(*SHAPE), STEPS, noise, ROTARY, PROMPT)
    for index, step in enumerate(STEPS[1:]):
        sigma = SCHEDULE.sigma(torch.full((1, 2), float(step)))
        expected = add_noise(CLEAN, noise.drawn[index], sigma)
        torch.testing.assert_close(network.asked[index + 1][0], expected, rtol=1e-4, atol=1e-5)


def test_the_clean_pass_is_at_timestep_zero(denoiser: Denoiser, network: KnowingNetwork) -> None:
    denoiser.write_clean_keys(CLEAN, ROTARY, PROMPT)
    ((latents, timesteps),) = network.asked
    assert latents is CLEAN
    assert timesteps.tolist() == [[0.0, 0.0]]
