"""Two video files side by side, frame by frame, as a render saw its input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from rushes.errors import VideoError
from rushes.metrics.likeness import LEAST_SIDE
from rushes.metrics.report import PIECE_FRAMES, Curves, measure
from rushes.video.read.fit import Fit
from rushes.video.read.probe import probe_video
from rushes.video.read.reader import VideoReader


@torch.inference_mode()
def compare_files(
    output: Path,
    reference: Path,
    fit: Fit = "stretch",
    *,
    loops: bool = True,
    along_motion: bool = True,
) -> Curves:
    """Measure an output against its input, which is brought to its rate and size.

    The input starts again where it ends early; unless it ``loops``, only the frames that both have
    count. Without ``along_motion`` there is no warp error, which takes longest.
    Raises: MissingFileError, InputError as ``probe_video``; VideoError for pictures too small.
    """
    info = probe_video(output)
    if min(info.width, info.height) < LEAST_SIDE:
        raise VideoError(
            f"{output}: is {info.width}x{info.height}; pictures can be measured from "
            f"{LEAST_SIDE} pixels a side on"
        )
    with ExitStack() as stack:
        sides = [
            stack.enter_context(
                VideoReader(path, fps=info.fps, height=info.height, width=info.width, fit=fit)
            )
            for path in (output, reference)
        ]
        num_frames = info.num_frames
        if not loops:
            num_frames = min(num_frames, sides[1].info.num_frames_at(info.fps))
        pairs = _pairs(sides[0], sides[1], num_frames)
        return measure(pairs, float(info.fps), along_motion=along_motion)


def _pairs(
    output: VideoReader, reference: VideoReader, num_frames: int
) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, num_frames, PIECE_FRAMES):
        count = min(PIECE_FRAMES, num_frames - start)
        pieces = [torch.from_numpy(side.read(start, count)) for side in (output, reference)]
        yield from zip(*pieces, strict=True)
