"""The measures of the paper's tables over two files, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from rushes.errors import ConfigError
from rushes.metrics.clip_score import ClipScorer, consistency
from rushes.metrics.lpips import Lpips
from rushes.metrics.published_warp import warp_errors
from rushes.metrics.report import PIECE_FRAMES
from rushes.video.read.fit import Fit
from rushes.video.read.probe import probe_video
from rushes.video.read.reader import VideoReader


class Flow(Protocol):
    """Finds motion, as ``RaftFlow`` does."""

    def between(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the flows from one frame to another and back, [2, H, W] each."""
        ...


def measure_as_paper(
    output: Path,
    reference: Path,
    *,
    clip: ClipScorer | None = None,
    flow: Flow | None = None,
    lpips: Lpips | None = None,
    prompts: list[str] | None = None,
    fit: Fit = "stretch",
) -> dict[str, list[float]]:
    """Return the values of every frame (or step from one to the next), by measure.

    ``prompts`` are those of the frames; without them there is no prompt score.
    Raises: MissingFileError, InputError as ``probe_video``; ConfigError when there are fewer
        prompts than frames.
    """
    info = probe_video(output)
    if prompts is not None and len(prompts) < info.num_frames:
        raise ConfigError(
            f"the manifest has prompts for {len(prompts)} frames, {output} has {info.num_frames}; "
            "give its own with --manifest"
        )
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        made, original = (
            stack.enter_context(
                VideoReader(path, fps=info.fps, height=info.height, width=info.width, fit=fit)
            )
            for path in (output, reference)
        )
        if clip is not None:
            found |= _clip_scores(made, info.num_frames, clip, prompts)
        if flow is not None:
            found |= _warp_errors(made, original, info.num_frames, flow)
        if lpips is not None:
            pairs = zip(*(_pieces(each, info.num_frames) for each in (made, original)), strict=True)
            found["lpips"] = torch.cat([lpips.between(*pair) for pair in pairs]).tolist()
    return found


def _clip_scores(
    made: VideoReader, num_frames: int, clip: ClipScorer, prompts: list[str] | None
) -> dict[str, list[float]]:
    pieces = [clip.of_frames(frames) for frames in _pieces(made, num_frames)]
    embeddings = torch.cat(pieces)  # [T, E]
    found = {"clip_consistency": consistency(embeddings).tolist()}
    if prompts is not None:
        texts = list(dict.fromkeys(prompts[:num_frames]))
        by_text = dict(zip(texts, clip.of_texts(texts), strict=True))
        wanted = torch.stack([by_text[text] for text in prompts[:num_frames]])
        found["clip_prompt"] = (embeddings * wanted).sum(dim=1).tolist()
    return found


def _warp_errors(
    made: VideoReader, original: VideoReader, num_frames: int, flow: Flow
) -> dict[str, list[float]]:
    meant: list[float] = []
    published: list[float] = []
    for index in range(num_frames - 1):
        before, after = torch.from_numpy(made.read(index, 2))
        forward, backward = flow.between(*torch.from_numpy(original.read(index, 2)))
        right, wrapped = warp_errors(before, after, forward, backward)
        meant.append(right)
        published.append(wrapped)
    return {"raft_warp_error": meant, "raft_warp_error_as_published": published}


def _pieces(reader: VideoReader, num_frames: int) -> Iterator[Tensor]:
    for start in range(0, num_frames, PIECE_FRAMES):
        yield torch.from_numpy(reader.read(start, min(PIECE_FRAMES, num_frames - start)))
