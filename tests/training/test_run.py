"""Trainings go on where they were interrupted, as if they had not been."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from renders.tiny_models import normal
from rushes_training.muon import even_out, optimisers_for
from rushes_training.run import Run, keep_initial_rates, learning_rate_share, save_sheet


class Interrupted(Exception):
    """Stands for a kill."""


def train(folder: Path, num_steps: int, stop_at: int | None = None) -> tuple[nn.Linear, Run]:
    """Teach a layer to be the identity, on data that the step's number decides."""
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    run = Run(folder, "layer", seed=3, num_steps=num_steps)
    optimisers = keep_initial_rates(
        *optimisers_for(layer, [cast(nn.Parameter, layer.weight)], 0.05, 0.05)
    )

    def loss(run: Run) -> Tensor:
        if run.step == stop_at:
            run.save(layer, optimisers)
            raise Interrupted
        x = torch.randn(8, 4, generator=run.generator())
        return (layer(x) - x).square().mean()

    run.train(layer, optimisers, loss, lambda run: None, sample_every=1000)
    return layer, run


def test_an_interrupted_run_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole, _ = train(tmp_path / "whole", 60)
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", 60, stop_at=23)
    resumed, run = train(tmp_path / "cut", 60)
    torch.testing.assert_close(resumed.weight, whole.weight, rtol=0, atol=0)
    assert len(run.losses) == 60
    assert run.losses[-1] < 0.2 * run.losses[0]


def test_a_finished_run_takes_no_step_more(tmp_path: Path) -> None:
    first, _ = train(tmp_path, 10)
    again, run = train(tmp_path, 10)
    torch.testing.assert_close(again.weight, first.weight, rtol=0, atol=0)
    assert run.step == 10


def test_the_learning_rate_rises_and_falls() -> None:
    shares = [learning_rate_share(step, 400) for step in range(400)]
    assert shares.index(max(shares)) in (49, 50)
    assert shares[0] < 0.05
    assert shares[-1] < 0.01


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)], ids=str)
def test_muon_makes_all_directions_of_a_step_about_equal(shape: tuple[int, int]) -> None:
    values = torch.linalg.svdvals(even_out(normal(*shape)))
    assert values.min() > 0.3
    assert values.max() < 1.4


def test_a_sheet_has_its_pictures_in_rows(tmp_path: Path) -> None:
    rows = torch.full((2, 3, 3, 4, 5), -1.0)
    rows[1, 2] = 1.0
    save_sheet(tmp_path / "sheet.png", rows)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (15, 8)
        assert sheet.getpixel((14, 7)) == (255, 255, 255)
        assert sheet.getpixel((9, 7)) == (0, 0, 0)
