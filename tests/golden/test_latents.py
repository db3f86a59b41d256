"""Starting latents, their noise and re-noising against recorded ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from references.cases import Case, cases_of
from rushes.noise.chunk_noise import ChunkNoise
from rushes.stream.schedule import FlowSchedule, add_noise, cover, flow_to_clean

CPU = torch.device("cpu")


def latents_cases(is_preparation: bool) -> list[Any]:
    cases = cases_of("latents")
    return [
        c
        for c in cases
        if c.values[0] is None
        or c.values[0].calls[0]["call"].startswith("prepare_") == is_preparation
    ]


@pytest.mark.parametrize("case", latents_cases(is_preparation=True))
def test_starting_latents_equal_the_recorded_ones(case: Case) -> None:
    for index, call in enumerate(case.calls):
        outputs = case.outputs(index)
        noise = ChunkNoise(call["block_seed"], tuple(outputs["latents"].shape))
        first = noise.draw(CPU, torch.float32)
        case.assert_close(first, case.tensors[f"inputs.{index}.noise.0"], f"call {index} noise")
        encoded = case.get(f"inputs.{index}.encoded")
        latents = first if encoded is None else cover(encoded, first, call["noise_scale"])
        case.assert_close(latents, outputs["latents"], f"call {index} latents")
        following = noise.draw(CPU, torch.float32).view(outputs["next_draw"].shape)
        case.assert_close(following, outputs["next_draw"], f"call {index} next draw")


@pytest.mark.parametrize("case", latents_cases(is_preparation=False))
def test_renoising_equals_the_recorded_one(case: Case) -> None:
    settings = ("shift", "sigma_min", "extra_one_step", "num_steps")
    schedule = FlowSchedule(**{name: case.config[name] for name in settings})
    get = case.tensors
    clean, noise, timesteps = (get[f"inputs.{name}"] for name in ("x0", "noise", "timesteps"))
    sigma = schedule.sigma(timesteps)
    actual = {
        "all_sigmas": schedule.sigmas,
        "all_timesteps": schedule.timesteps,
        "index": schedule.nearest(timesteps),
        "sigma": sigma,
        "renoised": add_noise(clean, noise, sigma),
        "x0_from_flow": flow_to_clean(clean, noise, sigma),
    }
    for name, tensor in get.items():
        if name.startswith("outputs."):
            case.assert_close(actual[name.removeprefix("outputs.")], tensor, name)
