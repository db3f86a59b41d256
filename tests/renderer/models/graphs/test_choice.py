"""When steps are replayed."""

from __future__ import annotations

import logging

import pytest
import torch

from rushes.models.graphs.choice import LEAST_CHUNKS, uses_graphs
from rushes.presets.kinds import GraphsChoice

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("choice", "device", "num_chunks", "saves_memory", "expected"),
    [
        ("auto", CUDA, LEAST_CHUNKS, False, True),
        ("auto", CUDA, LEAST_CHUNKS - 1, False, False),
        ("auto", CUDA, LEAST_CHUNKS, True, False),
        ("auto", CPU, 1000, False, False),
        ("on", CPU, 1, True, True),
        ("off", CUDA, 1000, False, False),
    ],
)
def test_long_renders_on_a_gpu_with_memory_to_spare_use_graphs(
    choice: GraphsChoice,
    device: torch.device,
    num_chunks: int,
    saves_memory: bool,
    expected: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        assert uses_graphs(choice, device, num_chunks, saves_memory=saves_memory) is expected
    assert f"graphs {'on' if expected else 'off'}" in caplog.text
