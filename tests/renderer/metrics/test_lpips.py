"""LPIPS with small random weights, beside the same computed pixel by pixel."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from renders.shots import moving, write_clip
from renders.tiny_lpips import alexnet, shares, write_weights
from renders.tiny_models import CPU
from rushes.errors import CheckpointError
from rushes.metrics.lpips import Lpips
from rushes.metrics.paper import measure_as_paper


@torch.inference_mode()
def slow_distance(first: Tensor, second: Tensor) -> float:
    """Of two frames [H, W, 3]: unit features of every place, squared differences, weighed."""
    layers = []
    for frame in (first, second):
        x = (frame.float() * 2 / 255 - 1).permute(2, 0, 1)
        shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        x = ((x - shift.view(3, 1, 1)) / scale.view(3, 1, 1))[None]
        layers.append([x := part(x) for part in alexnet()])
    total = 0.0
    for one, other, share in zip(*layers, shares(), strict=True):
        _, _, height, width = one.shape
        for row in range(height):
            for column in range(width):
                a, b = ([float(v) for v in each[0, :, row, column]] for each in (one, other))
                size_a, size_b = (math.sqrt(sum(v * v for v in each)) + 1e-10 for each in (a, b))
                weighed = zip(a, b, share.flatten().tolist(), strict=True)
                place = sum(w * (u / size_a - v / size_b) ** 2 for u, v, w in weighed)
                total += place / (height * width)
    return total


def test_it_is_the_weighed_distance_of_unit_features(tmp_path: Path) -> None:
    lpips = Lpips(write_weights(tmp_path / "lpips.pth"), CPU)
    frames = torch.from_numpy(moving(3))[:, :47]
    others = torch.from_numpy(255 - moving(3))[:, :47]
    found = lpips.between(frames, others).tolist()
    expected = [slow_distance(*pair) for pair in zip(frames, others, strict=True)]
    assert found == pytest.approx(expected, rel=1e-4)
    assert min(found) > 0.01
    assert lpips.between(frames, frames).tolist() == [0, 0, 0]
    assert lpips.between(others, frames).tolist() == pytest.approx(found, rel=1e-5)


def test_frames_of_few_pixels_are_measured_too(tmp_path: Path) -> None:
    lpips = Lpips(write_weights(tmp_path / "lpips.pth"), CPU)
    frames = torch.from_numpy(moving(2))[:, :16, :16]
    assert lpips.between(frames, 255 - frames).min() > 0


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    whole = torch.load(write_weights(tmp_path / "lpips.pth"), weights_only=True)
    torch.save(whole | {"net.slice2.3.weight": torch.zeros(6, 5, 5, 5)}, tmp_path / "shape.pth")
    torch.save({k: v for k, v in whole.items() if "lin2" not in k}, tmp_path / "part.pth")
    for name in ("text.pth", "shape.pth", "part.pth", "absent.pth"):
        with pytest.raises(CheckpointError, match="does not hold LPIPS with AlexNet"):
            Lpips(tmp_path / name, CPU)


def test_every_frame_of_a_result_is_measured_against_its_input(tmp_path: Path) -> None:
    lpips = Lpips(write_weights(tmp_path / "lpips.pth"), CPU)
    source = write_clip(tmp_path / "in.mp4", moving(40))  # more than a piece
    other = write_clip(tmp_path / "other.mp4", 255 - moving(40))
    same = measure_as_paper(source, source, lpips=lpips)
    unlike = measure_as_paper(other, source, lpips=lpips)
    assert same == {"lpips": [0.0] * 40}
    assert len(unlike["lpips"]) == 40
    assert np.min(unlike["lpips"]) > 0.01
