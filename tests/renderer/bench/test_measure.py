"""The bench renders what a render would, and its figures add up."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from rushes.bench.measure import STAGES, BenchOptions, measure
from rushes.presets.preset import load_preset

CPU = torch.device("cpu")


@cache
def figures(takes: int = 1, **options: Any) -> dict[str, Any]:
    wanted = BenchOptions(
        CPU, torch.float32, size=(64, 64), takes=takes, chunks=2, warmup=1, **options
    )
    return measure(load_preset("tiny"), wanted)


def test_every_stage_is_measured() -> None:
    found = figures()
    assert tuple(found["ms_per_chunk"]) == STAGES
    assert all(ms > 0 for ms in found["ms_per_chunk"].values())
    assert found["chunks"] == 2
    assert found["peak_memory"]["host"] > 1e6


def test_frames_a_second_are_those_of_the_median_chunk() -> None:
    found = figures()
    assert found["frames_per_second"] == pytest.approx(4000 / found["ms_together"])
    assert found["slowest"] <= found["frames_per_second"] <= found["fastest"]


def test_takes_count_together() -> None:
    found = figures(takes=2)
    assert found["takes"] == 2
    assert found["frames_per_second"] == pytest.approx(8000 / found["ms_together"])


def test_steps_autoencoder_and_blocks_are_those_asked_for() -> None:
    found = figures(steps=(700,), vae_type="tae", num_blocks=1)
    assert (found["steps"], found["vae"], found["blocks"]) == ([700], "tae", 1)


def test_a_device_that_is_not_known_has_no_floor() -> None:
    assert figures()["floor_ms"] == {}
    assert figures()["share_of_floor"] is None
