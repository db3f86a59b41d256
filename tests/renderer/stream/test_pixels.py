"""Bytes, pixels, and reference images that cover a size."""

from __future__ import annotations

import pytest
import torch

from rushes.stream.pixels import cover_image, to_bytes, to_pixels


def test_bytes_become_pixels_and_the_same_bytes_again() -> None:
    frames = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(-1, -1, -1, 3)
    pixels = to_pixels(frames)
    assert (float(pixels.min()), float(pixels.max())) == (-1, 1)
    assert int((to_bytes(pixels).int() - frames.int()).abs().max()) <= 1  # it truncates


@pytest.mark.parametrize("size", [(47, 34), (1, 500), (500, 1), (16, 16), (96, 64)], ids=str)
def test_a_reference_covers_the_whole_size_whatever_its_shape(size: tuple[int, int]) -> None:
    """96 / 47 * 47 is a little less than 96 in floating point."""
    image = torch.full((*size, 3), 255, dtype=torch.uint8)
    covered = cover_image(image, 96, 64)
    assert covered.shape == (1, 1, 3, 96, 64)
    torch.testing.assert_close(covered, torch.ones_like(covered))


@pytest.mark.parametrize("axis", [0, 1], ids=["tall", "wide"])
def test_of_a_reference_the_middle_is_seen(axis: int) -> None:
    image = torch.zeros(192, 192, 3, dtype=torch.uint8)
    image.narrow(axis, 64, 64).fill_(255)
    image = image.narrow(1 - axis, 0, 64)
    covered = cover_image(image, 64, 64)
    torch.testing.assert_close(covered, torch.ones_like(covered))
