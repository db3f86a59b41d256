"""Measures of pictures: known motion, known noise, known change."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from renders.tiny_models import normal
from rushes.errors import VideoError
from rushes.metrics.flow import optical_flow, warp
from rushes.metrics.likeness import BEST_PSNR, psnr, ssim
from rushes.metrics.report import PIECE_FRAMES, measure
from rushes.metrics.steadiness import drift, flicker, style, warp_error


def scene(height: int = 64, width: int = 64, seed: int = 0) -> Tensor:
    """A smooth picture with something to follow everywhere, [3, height, width]."""
    coarse = normal(1, 3, height // 8, -(-width // 8), seed=seed)
    return functional.interpolate(coarse, (height, width), mode="bicubic")[0].mul(0.2).add(0.5)


def sliding(num_frames: int, across: int, down: int) -> Tensor:
    """A window that moves over a larger scene by whole pixels a frame, [T, 3, 48, 48]."""
    large = scene(128, 40 + 48 + 8 * abs(across) * num_frames)
    left = 20 if across >= 0 else large.shape[2] - 68
    starts = [(20 + down * index, left + across * index) for index in range(num_frames)]
    return torch.stack([large[:, top : top + 48, left : left + 48] for top, left in starts])


def as_bytes(frames: Tensor) -> Tensor:
    return frames.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1)


def test_psnr_is_what_its_definition_says() -> None:
    picture = scene().unsqueeze(0)
    torch.testing.assert_close(psnr(picture, picture + 0.1), torch.tensor([20.0]))
    assert psnr(picture, picture).tolist() == [BEST_PSNR]


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise() -> None:
    picture = scene().unsqueeze(0)
    noise = normal(*picture.shape, seed=1)
    values = [ssim(picture, picture + level * noise).item() for level in (0.0, 0.02, 0.1, 0.4)]
    assert values[0] == pytest.approx(1, abs=1e-5)
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.5


@pytest.mark.parametrize(("across", "down"), [(1, 0), (0, -2), (2, 2), (-2, 1)], ids=str)
def test_the_flow_of_a_sliding_window_is_its_step(across: int, down: int) -> None:
    flow = optical_flow(sliding(3, across, down))
    inner = flow[:, :, 10:-10, 10:-10]
    expected = torch.tensor([float(across), float(down)]).view(1, 2, 1, 1).expand_as(inner)
    assert (inner - expected).abs().mean() < 0.2


def test_warping_along_the_flow_gives_the_next_frame() -> None:
    frames = sliding(2, 2, 1)
    moved = warp(frames[:1], optical_flow(frames))
    still_error = (frames[0] - frames[1]).square()[:, 8:-8, 8:-8].mean()
    assert (moved[0] - frames[1]).square()[:, 8:-8, 8:-8].mean() < 0.02 * still_error


def test_a_clip_that_moves_with_its_input_has_a_low_warp_error() -> None:
    reference = sliding(5, 2, 0)
    recoloured = 1 - reference
    frozen = recoloured[:1].expand_as(recoloured)
    assert warp_error(recoloured, reference).mean() < 0.1 * warp_error(frozen, reference).mean()


def test_flicker_sees_what_comes_and_goes_but_not_what_changes_steadily() -> None:
    levels = torch.linspace(0.2, 0.8, 8).view(8, 1, 1, 1)
    fading = levels.expand(8, 3, 16, 16)
    blinking = fading.clone()
    blinking[::2] += 0.1
    assert flicker(fading).max() < 1e-10
    torch.testing.assert_close(flicker(blinking), torch.full((6,), 0.01))


def test_drift_grows_with_the_distance_from_the_first_frames() -> None:
    frames = scene().unsqueeze(0).expand(6, -1, -1, -1).clone()
    frames[3:] += torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1, 1)
    values = drift(style(frames), num_first=3)
    assert values[:3].max() < 1e-5
    assert values[3] < values[4] < values[5]


@pytest.mark.parametrize("num_frames", [1, 2, 3, PIECE_FRAMES, PIECE_FRAMES + 1, 2 * PIECE_FRAMES])
def test_pieces_give_the_curves_of_the_whole(num_frames: int) -> None:
    reference = as_bytes(sliding(num_frames, 1, 0))
    output = as_bytes(sliding(num_frames, 1, 0) + 0.05 * normal(num_frames, 3, 48, 48))
    curves = measure(zip(output, reference, strict=True), fps=16)
    whole = [frames.permute(0, 3, 1, 2).float() / 255 for frames in (output, reference)]
    assert len(curves.psnr) == len(curves.ssim) == len(curves.drift) == num_frames
    assert curves.psnr == pytest.approx(psnr(*whole).tolist())
    if num_frames > 1:
        expected = warp_error(*whole).tolist()
        assert curves.warp_error == pytest.approx(expected, rel=1e-3, abs=1e-6)
    if num_frames > 2:
        assert curves.flicker == pytest.approx(flicker(whole[0]).tolist(), abs=1e-7)


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(VideoError, match="no frames"):
        measure([], fps=16)


def test_ssim_of_flat_pictures_is_what_its_definition_says() -> None:
    """Without any structure only the levels count: equation 6 of the paper, C1 = 0.0001."""
    dark, light = torch.full((1, 3, 16, 16), 0.2), torch.full((1, 3, 16, 16), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert ssim(dark, light).item() == pytest.approx(expected, abs=1e-3)


def test_ssim_of_a_fainter_copy_is_what_its_definition_says() -> None:
    """Half the contrast around the same mean: (2 s + C2) / (s^2 + 1 + ...) per window, here whole.

    Every 11x11 window of the stripes has the same statistics up to its weights.
    """
    stripes = torch.tensor([0.3, 0.7]).repeat(16).expand(1, 3, 32, 32)
    faint = 0.5 + (stripes - 0.5) / 2
    variance = 0.04
    expected = (2 * variance / 2 + 9e-4) / (variance + variance / 4 + 9e-4)
    assert ssim(stripes, faint).item() == pytest.approx(expected, abs=0.01)
