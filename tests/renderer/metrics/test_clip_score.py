"""CLIP scores with a small model of random weights: shapes, order, and what they mean."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from renders.shots import moving
from renders.tiny_clip import write_clip_model
from renders.tiny_models import CPU
from rushes.errors import CheckpointError
from rushes.metrics.clip_score import ClipScorer, consistency


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> ClipScorer:
    return ClipScorer(write_clip_model(tmp_path_factory.mktemp("models") / "clip"), CPU)


@pytest.mark.parametrize("size", [(32, 32), (48, 80), (80, 48), (16, 24)], ids=str)
def test_frames_of_any_size_have_embeddings_of_length_one(
    scorer: ClipScorer, size: tuple[int, int]
) -> None:
    frames = torch.from_numpy(moving(3))[:, : size[0], : size[1]]
    found = scorer.of_frames(frames)
    assert found.shape == (3, 8)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))


def test_a_still_clip_is_consistent_and_a_changing_one_less_so(scorer: ClipScorer) -> None:
    clip = torch.from_numpy(moving(3))
    still = consistency(scorer.of_frames(clip[:1].expand(3, -1, -1, -1)))
    torch.testing.assert_close(still, torch.ones(2))
    other = torch.from_numpy(moving(1, seed=5))
    changing = consistency(scorer.of_frames(torch.cat((clip[:1], other, clip[:1]))))
    assert (changing < 0.9999).all()
    torch.testing.assert_close(changing[0], changing[1])  # there and back


def test_the_middle_of_a_wide_frame_counts(scorer: ClipScorer) -> None:
    wide = torch.from_numpy(moving(1))[:, :32]  # 32x64
    edges = wide.clone()
    edges[:, :, :12], edges[:, :, -12:] = 0, 255
    torch.testing.assert_close(scorer.of_frames(wide), scorer.of_frames(edges), atol=1e-3, rtol=0)


def test_texts_have_embeddings_of_their_own_and_may_be_long(scorer: ClipScorer) -> None:
    found = scorer.of_texts(["a boat", "a pond", "a boat", "a whale" * 50])
    assert found.shape == (4, 8)
    torch.testing.assert_close(found[0], found[2])
    assert not torch.allclose(found[0], found[1], atol=1e-3)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no CLIP model"):
        ClipScorer(tmp_path, CPU)
