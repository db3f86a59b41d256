"""Chunks that are prepared before their turn render as those that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from renders.streams import clip, inputs_of, open_stream, plan
from rushes.models.caches.snapshot import Snapshot
from rushes.stream.ahead import ChunkInputs
from rushes.stream.noise_controller import (
    NoiseController,
    ScopeNoiseController,
    SmoothedNoiseController,
)
from rushes.stream.stream import Stream
from rushes.timeline.plan.render_plan import Chunk

CHUNKS = plan(5, resets=(0, 3), noise_scale=0.7)
VIDEO = clip()

controllers = pytest.mark.parametrize(
    "make", [ScopeNoiseController, SmoothedNoiseController], ids=["scope", "smoothed"]
)


def given(chunks: list[Chunk]) -> Iterator[tuple[Chunk, ChunkInputs]]:
    return ((chunk, inputs_of(chunk, VIDEO)) for chunk in chunks)


def prepare_all(stream: Stream, chunks: list[Chunk] = CHUNKS) -> None:
    with ThreadPoolExecutor(1) as thread:
        for chunk in chunks:
            thread.submit(stream.prepare, chunk, inputs_of(chunk, VIDEO)).result()


def undisturbed(make: Callable[[], NoiseController]) -> list[Tensor]:
    return list(open_stream(make()).render(given(CHUNKS)))


@controllers
def test_chunks_prepared_in_another_thread_render_the_same(
    make: Callable[[], NoiseController],
) -> None:
    stream = open_stream(make())
    prepare_all(stream)
    for frames, expected in zip(stream.render(given(CHUNKS)), undisturbed(make), strict=True):
        assert torch.equal(frames, expected)


@controllers
def test_what_was_prepared_ahead_is_not_in_a_snapshot(make: Callable[[], NoiseController]) -> None:
    early = open_stream(make())
    prepare_all(early)
    rendering = early.render(given(CHUNKS))
    first = [next(rendering), next(rendering)]
    snapshot: Snapshot = deepcopy(early.snapshot())

    late = open_stream(make())
    late.restore(snapshot)
    prepare_all(late)  # also those that come again, which the controller must not see twice
    frames = first + list(late.render(given(CHUNKS)))
    for one, expected in zip(frames, undisturbed(make), strict=True):
        assert torch.equal(one, expected)
