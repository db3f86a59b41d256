"""Reads the inputs of each chunk from files, in step with the chunks."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rushes.errors import InputError
from rushes.rendering.request import RenderRequest
from rushes.stream.ahead import ChunkInputs
from rushes.timeline.plan.render_plan import Chunk, RenderPlan, Steering
from rushes.video.read.reader import AtEnd, VideoReader

Frames = NDArray[np.uint8]  # [T, H, W, 3]

GREY = 128  # of control frames where nothing is known: 0 between -1 and 1
FIRST_GROUP, GROUP = 5, 4  # frames of the latent frames that one image fills
_WHITE = 128  # a mask is white from here on


@dataclass(frozen=True)
class ChunkSource:
    """The inputs of a chunk, and the frames that the contact sheet shows as its source."""

    inputs: ChunkInputs
    shown: Frames | None = None


class ChunkReader:
    """Reads input video, control video, mask and images of a plan.

    Raises: MissingFileError, InputError for a file that cannot be read.
    """

    def __init__(self, plan: RenderPlan, request: RenderRequest) -> None:
        self._plan, self._request = plan, request
        self._images: dict[str, Tensor] = {}
        with ExitStack() as stack:
            source = request.input if plan.takes_input else None
            # The plan ends with the input on "stop"; only its last chunk may need a frame more.
            at_end: AtEnd = "hold" if plan.at_end == "stop" else plan.at_end
            self._input = self._open(stack, source, at_end)
            self._control = self._open(stack, self._path(plan.control.video), at_end)
            self._mask = self._open(stack, self._path(plan.control.mask), at_end)
            for name in plan.steering_files:
                if name not in (plan.control.video, plan.control.mask):
                    self._images[name] = self._read_image(name)
            self._stack = stack.pop_all()

    def read(self, chunk: Chunk) -> ChunkSource:
        """Read the inputs of a chunk."""
        frames = self._frames(self._input, chunk)
        source = ChunkSource(ChunkInputs(video=_tensor(frames)), frames)
        if chunk.steering is not None:
            source = self._steered(chunk, chunk.steering, frames)
        if chunk.given_file is not None:  # beside its control, of which later chunks go on
            given = self._given_frames(chunk.given_file, chunk.num_frames)
            source = ChunkSource(replace(source.inputs, given=given), given.numpy())
        return source

    def _steered(self, chunk: Chunk, steering: Steering, frames: Frames | None) -> ChunkSource:
        """Return what VACE takes beside the input frames."""
        shown, control, masks = frames, None, None
        if self._plan.has_control_frames:
            found = frames if self._plan.input_is_control else self._frames(self._control, chunk)
            shown = found if frames is None else frames
            control, masks = self._control_frames(chunk, steering, found)
        inputs = ChunkInputs(
            video=None if self._plan.input_is_control else _tensor(frames),
            control=control,
            masks=masks,
            references=tuple(self._images[name] for name in steering.references),
            control_scale=steering.scale,
        )
        return ChunkSource(inputs, shown)

    def close(self) -> None:
        """Release the files."""
        self._stack.close()

    def _control_frames(
        self, chunk: Chunk, steering: Steering, frames: Frames | None
    ) -> tuple[Tensor, Tensor]:
        """Return the control frames of a chunk and their masks, its images laid over them.

        An image fills whole latent frames, since the masks inside one become a single mask.
        Source: scope: src/scope/core/pipelines/wan2_1/vace/blocks/vace_encoding.py (extension)

        Shapes:
            returns: [T, H, W, 3] uint8 and [T, H, W]
        """
        size = (self._plan.height, self._plan.width)
        count = chunk.num_frames
        if frames is None:
            frames = np.full((count, *size, 3), GREY, np.uint8)
        control = torch.from_numpy(frames.copy())
        masks = torch.ones(count, *size)
        white = self._frames(self._mask, chunk)
        if white is not None:
            masks = torch.from_numpy(white.mean(axis=3) >= _WHITE).float()
        if steering.first_frame is not None:
            filled = FIRST_GROUP if chunk.reset else GROUP
            control[:filled] = self._images[steering.first_frame]
            masks[:filled] = 0
        if steering.last_frame is not None:
            filled = count if count <= FIRST_GROUP else GROUP
            control[count - filled :] = self._images[steering.last_frame]
            masks[count - filled :] = 0
        return control, masks

    def _frames(self, reader: VideoReader | None, chunk: Chunk) -> Frames | None:
        return None if reader is None else reader.read(chunk.first_frame, chunk.num_frames)

    def _path(self, name: str | None) -> Path | None:
        return None if name is None else self._request.file_path(name)

    def _open(self, stack: ExitStack, path: Path | None, at_end: AtEnd) -> VideoReader | None:
        if path is None:
            return None
        reader = VideoReader(
            path,
            fps=self._plan.fps,
            height=self._plan.height,
            width=self._plan.width,
            fit=self._request.fit,
            at_end=at_end,
            one_to_one=self._plan.frames_one_to_one,
            deinterlace=self._request.deinterlace,
        )
        return stack.enter_context(reader)

    def _given_frames(self, name: str, count: int) -> Tensor:
        """Return the first frames of a file that are shown as they are, [T, H, W, 3].

        Raises: InputError when it has fewer.
        """
        if count == 1:
            return self._images[name].unsqueeze(0)
        frames = self._first_frames(name, count, self._plan.fps, "stop")
        if len(frames) < count:
            raise InputError(
                f"{name}: has {len(frames)} frames at {float(self._plan.fps):g} a second, and the "
                f"render begins with {count} of them; give a longer video"
            )
        return frames

    def _read_image(self, name: str) -> Tensor:
        """Return an image that covers the size, [H, W, 3]."""
        return self._first_frames(name, 1, Fraction(1), "hold")[0]

    def _first_frames(self, name: str, count: int, fps: Fraction, at_end: AtEnd) -> Tensor:
        path = self._request.file_path(name)
        height, width = self._plan.height, self._plan.width
        with VideoReader(
            path, fps=fps, height=height, width=width, fit="crop", at_end=at_end
        ) as reader:
            return torch.from_numpy(reader.read(0, count))


def _tensor(frames: Frames | None) -> Tensor | None:
    return None if frames is None else torch.from_numpy(frames)
