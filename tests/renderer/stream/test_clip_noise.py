"""The noise of a clip: all of it first, then that of the steps, from one generator."""

from __future__ import annotations

import pytest
import torch

from renders.tiny_models import CPU
from rushes.noise.philox import CudaGenerator
from rushes.presets.device_classes import GPUS, DeviceClass
from rushes.stream.clip_noise import ClipNoise

FRAME = (16, 60, 104)  # of the references: a clip is more than a GPU has threads
SMALL = (4, 6, 8)
BF16 = torch.bfloat16


def test_a_gpus_clip_is_one_draw_and_each_step_another() -> None:
    """sf: pipeline/causal_inference.py: randn of the clip, then randn_like of a chunk's frames."""
    noise = ClipNoise(FRAME, "h100")
    noise.begin_clip(0, 21, seed=7)
    made = [noise.of_chunk(3, 3), noise.of_chunk(6, 3)]
    drawn = [made[0].draw(CPU, BF16), made[0].draw(CPU, BF16), made[1].draw(CPU, BF16)]
    drawn.append(made[1].draw(CPU, BF16))
    generator = CudaGenerator(7, GPUS["h100"].threads)
    numbers = [generator.normal(frames * 16 * 60 * 104) for frames in (21, 3, 3)]
    clip, first, second = (
        torch.from_numpy(each).to(BF16).reshape(1, -1, *FRAME) for each in numbers
    )
    for found, wanted in zip(drawn, (clip[:, 3:6], first, clip[:, 6:9], second), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("device_class", [None, "h100", "4090"])
def test_it_goes_on_from_a_snapshot(device_class: DeviceClass | None) -> None:
    noise, other = ClipNoise(SMALL, device_class), ClipNoise(SMALL, device_class)
    noise.begin_clip(0, 6, seed=3)
    noise.draw_frames(2)
    other.restore(noise.snapshot())
    for _ in range(2):
        assert torch.equal(noise.draw_frames(3), other.draw_frames(3))
    noise.begin_clip(1, 5, seed=3)
    other.begin_clip(1, 5, seed=3)
    first, again = (each.of_chunk(0, 2).draw(CPU, torch.float32) for each in (noise, other))
    assert torch.equal(first, again)
    assert not first[:, 0].any()  # given: it has no noise


@pytest.mark.parametrize("device_class", [None, "h100"])
def test_another_seed_begins_anew(device_class: DeviceClass | None) -> None:
    noise = ClipNoise(SMALL, device_class)
    noise.begin_clip(0, 2, seed=3)
    first = noise.draw_frames(2)
    noise.begin_clip(0, 2, seed=4)
    assert not torch.equal(noise.draw_frames(2), first)
    noise.begin_clip(0, 2, seed=3)
    assert torch.equal(noise.draw_frames(2), first)


def test_one_that_has_drawn_nothing_is_saved_too() -> None:
    other = ClipNoise(SMALL, "h100")
    other.restore(ClipNoise(SMALL, "h100").snapshot())
    other.begin_clip(0, 1, seed=1)
