"""The paper's measures over two files, with a flow that is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from renders.shots import SIZE, moving, write_clip
from renders.tiny_clip import write_clip_model
from renders.tiny_models import CPU
from rushes.errors import ConfigError, MissingFileError
from rushes.metrics.clip_score import ClipScorer
from rushes.metrics.paper import measure_as_paper
from rushes.metrics.prompts import PromptChange, changes_of_prompt, prompts_of_frames


class KnownFlow:
    """The step of ``moving``: two pixels to the right a frame."""

    def between(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        forward = torch.zeros(2, SIZE, SIZE)
        forward[0] = 2
        return forward, -forward


def test_a_clip_that_moves_with_its_input_has_a_low_error(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", moving(6))
    still = write_clip(tmp_path / "still.mp4", np.repeat(moving(1), 6, axis=0))
    moves = measure_as_paper(source, source, flow=KnownFlow())
    stays = measure_as_paper(still, source, flow=KnownFlow())
    assert len(moves["raft_warp_error"]) == len(moves["raft_warp_error_as_published"]) == 5
    assert np.mean(moves["raft_warp_error"]) < 0.2 * np.mean(stays["raft_warp_error"])


def test_scores_of_clip_come_with_prompts_or_without(tmp_path: Path) -> None:
    clip = ClipScorer(write_clip_model(tmp_path / "clip"), CPU)
    source = write_clip(tmp_path / "in.mp4", moving(40))  # more than a piece
    alone = measure_as_paper(source, source, clip=clip)
    assert list(alone) == ["clip_consistency"]
    assert len(alone["clip_consistency"]) == 39
    prompts = ["a boat"] * 20 + ["a pond"] * 25
    found = measure_as_paper(source, source, clip=clip, prompts=prompts)
    assert len(found["clip_prompt"]) == 40
    frames = torch.from_numpy(moving(40))
    embeddings, texts = clip.of_frames(frames), clip.of_texts(["a boat", "a pond"])
    expected = [float(embeddings[0] @ texts[0]), float(embeddings[39] @ texts[1])]
    actual = [found["clip_prompt"][0], found["clip_prompt"][39]]
    assert actual == pytest.approx(expected, abs=0.05)  # the file has other bytes than the frames
    with pytest.raises(ConfigError, match="prompts for 3 frames"):
        measure_as_paper(source, source, clip=clip, prompts=prompts[:3])


def test_prompts_are_those_of_the_chunks(tmp_path: Path) -> None:
    plan = {
        "prompts": {
            "0": [{"text": "a boat", "weight": 30}, {"text": "a ship", "weight": 70}],
            "1": [{"text": "a pond", "weight": 1}],
        },
        "chunks": [{"prompt_block": 0, "num_frames": 5}, {"prompt_block": 1, "num_frames": 4}],
    }
    file = tmp_path / "out.mp4.json"
    file.write_text(json.dumps({"plan": plan}))
    assert prompts_of_frames(file) == ["a ship"] * 5 + ["a pond"] * 4
    changes = [PromptChange(0, 0, "a ship"), PromptChange(5, 1, "a pond")]
    assert changes_of_prompt(file) == changes


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="give --manifest"):
        prompts_of_frames(tmp_path / "none.json")
    for content in ("no json", "{}", "[]", '{"plan": {"prompts": {}, "chunks": [{}]}}'):
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(ConfigError, match="is not the manifest of a render"):
            prompts_of_frames(tmp_path / "other.json")
