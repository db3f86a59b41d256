"""RAFT with random weights: sizes, both directions, and files that are something else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from renders.shots import moving
from rushes.errors import CheckpointError, ConfigError
from rushes.metrics.raft import RaftFlow

CPU = torch.device("cpu")
try:
    from torchvision.models.optical_flow import raft_large  # type: ignore[import-not-found]
except (ImportError, RuntimeError):  # not there, or not built for this torch
    raft_large = None
has_torchvision = raft_large is not None
needs_torchvision = pytest.mark.skipif(not has_torchvision, reason="no torchvision for this torch")


@pytest.mark.skipif(has_torchvision, reason="torchvision is installed")
def test_without_torchvision_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--raft needs"):
        RaftFlow(tmp_path / "raft.pth", CPU)


@needs_torchvision
def test_flows_have_the_size_of_the_frames(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(raft_large(weights=None, progress=False).state_dict(), tmp_path / "raft.pth")
    flow = RaftFlow(tmp_path / "raft.pth", CPU)
    first, second = torch.from_numpy(moving(2))[:, :60, :]
    forward, backward = flow.between(first, second)
    assert forward.shape == backward.shape == (2, 60, 64)
    again = flow.between(second, first)
    torch.testing.assert_close(again[0], backward, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(again[1], forward, atol=1e-3, rtol=1e-3)


@needs_torchvision
def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raft.pth").write_text("no weights")
    with pytest.raises(CheckpointError, match="does not hold raft_large"):
        RaftFlow(tmp_path / "raft.pth", CPU)
