"""Both noise controllers against recorded runs over a clip."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from references.cases import Case, cases_of
from rushes.stream.noise_controller import (
    ScopeNoiseController,
    SmoothedNoiseController,
)
from rushes.timeline.steps import first_timestep


def normalised_clip(case: Case) -> Tensor:
    """Bytes to [-1, 1] in the order of rounding that the case names: [1, T, 3, H, W]."""
    clip = case.tensors["inputs.clip_u8"].permute(0, 3, 1, 2).unsqueeze(0)
    dtype = getattr(torch, case.config["dtype"].removeprefix("torch."))
    if case.config["normalisation"].startswith("x/255"):
        return clip.to(dtype) / 255 * 2 - 1
    return (clip.float() / 127.5 - 1).to(dtype)


def scope_scales(case: Case, clip: Tensor) -> list[float]:
    controller = ScopeNoiseController(case.config["num_frame_per_block"])
    scales: list[float] = []
    for call in case.calls:
        if call["init_cache"]:
            controller = ScopeNoiseController(case.config["num_frame_per_block"])
        requested = call["noise_scale_in"]
        frames = clip[:, call["start"] : call["end"]]
        scales.append(
            controller.noise_scale(frames, requested) if call["controller"] else requested
        )
    return scales


def smoothed_scales(case: Case, clip: Tensor) -> list[float]:
    controller = SmoothedNoiseController()
    first: dict[str, Any] = case.calls[0]
    controller.noise_scale(clip[:, : first["start"]], first["init_noise_scale"])
    return [
        controller.noise_scale(clip[:, call["start"] : call["end"]], call["init_noise_scale"])
        for call in case.calls
    ]


@pytest.mark.parametrize("case", cases_of("noise_controller"))
def test_controller_equals_the_recorded_one(case: Case) -> None:
    run = scope_scales if case.calls[0]["call"].startswith("scope") else smoothed_scales
    scales = run(case, normalised_clip(case))
    case.assert_close(
        torch.tensor(scales, dtype=torch.float64), case.tensors["outputs.noise_scale"], "scales"
    )
    steps = torch.tensor([first_timestep(scale) for scale in scales])
    difference = (steps - case.tensors["outputs.first_timestep"]).abs().max().item()
    assert difference <= case.tolerance.get("first_timestep_max_diff", 0)
