"""Streams whose steps are replayed on fixed buffers render as those whose steps run plainly."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from renders.streams import ROLLING, clip, inputs_of, open_stream, plan
from rushes.models.graphs.runner import Runner
from rushes.stream.stream import Stream
from rushes.timeline.plan.render_plan import Chunk

PAIRED = replace(ROLLING, window=6, sinks=2, chunk_frames=1)
ALONE = replace(PAIRED, pairs_chunks=False)
COUNT = 14
VIDEO = clip(64)

drivers = pytest.mark.parametrize("driver", [PAIRED, ALONE], ids=["paired", "alone"])


def frames_of(stream: Stream, chunks: list[Chunk]) -> Iterator[Tensor]:
    return stream.render((chunk, inputs_of(chunk, VIDEO)) for chunk in chunks)


def both(driver: Any, chunks: list[Chunk]) -> tuple[Stream, list[Tensor], list[Tensor]]:
    """Return a stream with runners, its frames, and those of one without."""
    stream = open_stream(driver=driver, graphs=True)
    return (
        stream,
        list(frames_of(stream, chunks)),
        list(frames_of(open_stream(driver=driver), chunks)),
    )


def assert_equal(frames: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(frames, expected, strict=True):
        assert torch.equal(one, other)


@drivers
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"noise_scale": 0.7},
        {"blocks": [0] * 9 + [1] * 5, "noise_scale": 0.7},
        {"resets": (0, 9), "noise_scale": 0.7},
        {"steps": (1000, 800, 600, 400)},
    ],
    ids=["text", "video", "another prompt", "reset", "four steps"],
)
def test_frames_are_those_of_the_plain_path(driver: Any, change: dict[str, Any]) -> None:
    stream, frames, expected = both(driver, plan(COUNT, **change))
    assert_equal(frames, expected)
    assert stream.runners is not None
    assert len(stream.runners) >= 1


@drivers
def test_a_transition_and_other_steps_in_mid_stream_are_followed(driver: Any) -> None:
    chunks = plan(COUNT, blocks=[0] * 8 + [1] * 6, noise_scale=0.7)
    for index, weight in ((8, 0.25), (9, 0.5), (10, 0.75)):
        chunks[index] = replace(chunks[index], transition=weight)
    chunks[11:] = [replace(chunk, denoising_steps=(900, 500, 250)) for chunk in chunks[11:]]
    _, frames, expected = both(driver, chunks)
    assert_equal(frames, expected)


@drivers
def test_a_restored_stream_goes_on_with_and_without_runners(driver: Any) -> None:
    chunks = plan(COUNT, noise_scale=0.7)
    expected = list(frames_of(open_stream(driver=driver), chunks))
    early = open_stream(driver=driver, graphs=True)
    rendering = frames_of(early, chunks)
    first = [next(rendering) for _ in range(9)]
    snapshot = deepcopy(early.snapshot())
    for graphs in (True, False):
        late = open_stream(driver=driver, graphs=graphs)
        late.restore(deepcopy(snapshot))
        assert_equal(first + list(frames_of(late, chunks)), expected)
    early.restore(snapshot)  # into the buffers of runners that there are
    assert_equal(list(frames_of(early, chunks)), expected[9:])


class Seen(TorchDispatchMode):
    """Notes every operation, and where its tensors lie."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ops: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.ops.append(str(func))
        return func(*args, **(kwargs or {}))


def addresses(value: Any) -> list[int]:
    return [leaf.data_ptr() for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


@drivers
def test_two_chunks_in_a_row_run_the_same_operations_on_the_same_buffers(
    driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a CUDA graph needs it: what a runner reads and returns stays where it is."""
    seen: list[tuple[list[int], int, tuple[str, ...]]] = []
    run = Runner.__call__

    def noted(runner: Runner, inputs: Any) -> Tensor:
        with Seen() as mode:
            result = run(runner, inputs)
        seen.append((addresses(runner.inputs), result.data_ptr(), tuple(mode.ops)))
        return result

    monkeypatch.setattr(Runner, "__call__", noted)
    rendering = frames_of(open_stream(driver=driver, graphs=True), plan(COUNT, noise_scale=0.7))
    for _ in range(COUNT - 2):
        next(rendering)
    chunks = []
    for _ in range(2):
        seen.clear()
        next(rendering)
        chunks.append(list(seen))
    passes = 2 if driver is PAIRED else 3
    assert len(chunks[0]) == passes + 2  # and an encoder's, and a decoder's
    assert chunks[0] == chunks[1]
    assert all(len(ops) > 20 for _, _, ops in chunks[0])


def test_runners_are_forgotten_when_weights_change() -> None:
    stream = open_stream(driver=PAIRED, graphs=True)
    rendering = frames_of(stream, plan(COUNT))
    for _ in range(COUNT - 1):
        next(rendering)
    assert stream.runners is not None
    assert len(stream.runners) > 0
    stream.runners.forget()
    assert len(stream.runners) == 0
    expected = list(frames_of(open_stream(driver=PAIRED), plan(COUNT)))
    assert torch.equal(next(rendering), expected[-1])
