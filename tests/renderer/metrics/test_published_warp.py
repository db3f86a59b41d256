"""The paper's warp error: right on known motion and noise, and with the wrap of its code."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from renders.tiny_models import seeded
from rushes.metrics.published_warp import hidden, warp_errors

SIDE, ACROSS, DOWN = 96, 3, 2


def moving_picture() -> tuple[Tensor, Tensor]:
    """Two windows on one picture, the later one further left and up: [H, W, 3] uint8 each."""
    picture = torch.randint(60, 200, (128, 128, 3), generator=seeded(), dtype=torch.uint8)
    later = picture[8 : 8 + SIDE, 8 : 8 + SIDE]
    earlier = picture[8 + DOWN : 8 + DOWN + SIDE, 8 + ACROSS : 8 + ACROSS + SIDE]
    return earlier, later


def flows() -> tuple[Tensor, Tensor]:
    """Where pixels of the earlier frame go, and where those of the later one come from."""
    backward = torch.tensor([-ACROSS, -DOWN]).float().view(2, 1, 1).expand(2, SIDE, SIDE)
    return -backward, backward


def test_what_moves_with_the_reference_has_no_error() -> None:
    right, _ = warp_errors(*moving_picture(), *flows())
    assert right == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("noise", "error", "wrapped"), [(1, 0.76, 79), (2, 1.58, 103), (4, 3.18, 115)]
)
def test_a_small_error_wraps_to_the_range_of_the_tables(
    noise: int, error: float, wrapped: float
) -> None:
    earlier, later = moving_picture()
    spoilt = later + noise * torch.randn(later.shape, generator=seeded(1))
    right, published = warp_errors(earlier, spoilt.round().byte(), *flows())
    assert right == pytest.approx(error, rel=0.03)
    assert published == pytest.approx(wrapped, abs=4)  # the border, where black comes in, is in it


def test_what_is_hidden_does_not_count() -> None:
    earlier, later = moving_picture()
    spoilt = later.clone()
    spoilt[40:60, 40:60] = 255
    forward, backward = (flow.clone() for flow in flows())
    backward[0, 40:60, 40:60] += 8  # comes from elsewhere, and leads elsewhere back
    assert warp_errors(earlier, spoilt, forward, backward)[0] == pytest.approx(0, abs=1e-3)
    assert warp_errors(earlier, spoilt, *flows())[0] > 1


def test_the_published_code_masks_what_is_hidden_in_the_earlier_frame() -> None:
    forward, backward = flows()
    one_sided = backward.clone()
    one_sided[0, :10] += 8
    assert hidden(one_sided, forward)[4:8, 20:40].all()
    assert not hidden(forward, one_sided)[20:80, 20:60].any()
    earlier, later = moving_picture()
    spoilt = later.clone()
    spoilt[:10] = 255
    right, published = warp_errors(earlier, spoilt, forward, one_sided)
    assert right == pytest.approx(0, abs=1e-3)
    assert published > right


@pytest.mark.parametrize("across", [0.0, 5.0])
def test_flows_that_lead_back_hide_nothing(across: float) -> None:
    flow = torch.zeros(2, 32, 32)
    flow[0] = across
    inner = hidden(flow, -flow)[:, :20]
    assert not inner.any()
