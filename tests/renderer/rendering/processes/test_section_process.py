"""Sections rendered apart: the frames of each are those of the whole render."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from renders.shots import block, moving, timeline, write_clip
from renders.studio import Studio
from rushes.rendering.chunk_reader import ChunkReader
from rushes.rendering.frames import render_frames
from rushes.rendering.machine_kind import computing_threads
from rushes.rendering.processes.cutting import cut_sections
from rushes.rendering.processes.section_process import follow

BLOCKS = (block("a boat", 0, 0.4), block("a pond", 0.4, 0.8), block("a boat", 0.8, 1.2))
IN_TRANSITION = (
    BLOCKS[0],
    block("a pond", 0.4, 0.8, transitionSteps=4, temporalInterpolationMethod="slerp"),
    block("a cat", 0.8, 1.2, transitionSteps=0),
)


@pytest.mark.parametrize(
    ("document", "options"),
    [
        (timeline(*BLOCKS), {"profile": "scope-2025-10"}),
        (timeline(*BLOCKS, mode="video"), {"profile": "scope-2025-10"}),
        (timeline(*BLOCKS, mode="video"), {"profile": "upstream", "on_prompt_change": "reset"}),
        (timeline(*IN_TRANSITION, mode="video"), {"on_prompt_change": "reset"}),
    ],
    ids=["text", "video", "stream batch", "transition"],
)
def test_sections_one_by_one_make_the_whole(
    document: dict[str, Any], options: dict[str, Any], studio: Studio, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", moving(24)) if "video" in str(document) else None
    plan, request = studio.prepare(document, source=clip, **options)
    whole = [frames for _, frames in render_frames(studio.pipeline, plan, request)]
    sections = cut_sections(plan)
    assert len(sections) == sum(chunk.reset for chunk in plan.chunks) > 1
    for section in reversed(sections):  # in any order, for each is made of itself alone
        with (
            closing(ChunkReader(plan, request)) as reader,
            studio.pipeline.with_loras() as layers,
            computing_threads(None, torch.device("cpu")),
        ):
            stream = studio.pipeline.open_stream(plan, adapted_layers=layers)
            follow(stream, plan, reader, section.start)
            chunks = plan.chunks[section.start : section.stop]
            made = list(stream.render((chunk, reader.read(chunk).inputs) for chunk in chunks))
        for chunk, frames in zip(chunks, made, strict=True):
            expected = torch.from_numpy(whole[chunk.index])
            assert torch.equal(frames[: len(expected)], expected), chunk.index
