"""The frames of a plan, chunk by chunk and without a file, for other programs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rushes.rendering.chunk_reader import ChunkReader
from rushes.rendering.machine_kind import computed_in_threads, computing_threads
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.request import RenderRequest
from rushes.stream.ahead import ChunkInputs
from rushes.timeline.plan.render_plan import Chunk, RenderPlan

Frames = NDArray[np.uint8]  # [T, H, W, 3]


def render_frames(
    pipeline: Pipeline, plan: RenderPlan, request: RenderRequest
) -> Iterator[tuple[Chunk, Frames]]:
    """Render a plan; the frames are those of ``render.render``, before they are encoded.

    Shapes:
        yields: [T, H, W, 3] with each chunk, without frames beyond the end of the plan
    Raises: MissingFileError, InputError, CheckpointError as the parts do.
    """
    pipeline = pipeline.for_plan(plan, request.timeline.parent)
    rendered: deque[Chunk] = deque()
    threads, device = request.threads, pipeline.models.device
    with ExitStack() as stack:
        reader = stack.enter_context(closing(ChunkReader(plan, request)))
        with computing_threads(threads, device):
            layers = stack.enter_context(pipeline.with_loras())
            stream = pipeline.open_stream(plan, adapted_layers=layers, graphs=request.graphs)

        def inputs() -> Iterator[tuple[Chunk, ChunkInputs]]:
            for chunk in plan.chunks:
                rendered.append(chunk)
                yield chunk, reader.read(chunk).inputs

        for pixels in computed_in_threads(stream.render(inputs()), threads, device):
            chunk = rendered.popleft()
            yield chunk, wanted_frames(plan, chunk, pixels)


def wanted_frames(plan: RenderPlan, chunk: Chunk, rendered: Tensor) -> Frames:
    """Return the frames of a chunk without those beyond the end of the plan.

    Shapes:
        rendered: [T, H, W, 3], uint8, on any device
    """
    count = min(chunk.num_frames, plan.num_frames - chunk.first_frame)
    return np.ascontiguousarray(rendered.cpu().numpy()[:count])
