"""Generators of a CPU and of a GPU behind one face."""

from __future__ import annotations

import pytest
import torch

from rushes.noise.normals import seeded_normals
from rushes.presets.device_classes import DeviceClass

SHAPE = (2, 3, 4)


@pytest.mark.parametrize("device_class", [None, "h100"])
def test_skipped_and_restored_ones_go_on_alike(device_class: DeviceClass | None) -> None:
    plain, skipped, restored = (seeded_normals(5, device_class) for _ in range(3))
    plain.draw(SHAPE)
    skipped.skip(SHAPE)
    restored.set_state(plain.state())
    expected = plain.draw(SHAPE)
    assert torch.equal(skipped.draw(SHAPE), expected)
    assert torch.equal(restored.draw(SHAPE), expected)
    assert expected.dtype == (torch.float32 if device_class is None else torch.bfloat16)
