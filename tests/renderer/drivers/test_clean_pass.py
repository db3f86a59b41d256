"""The clean pass of a chunk, in one with the first step of the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from renders.family_streams import chunks_of, frames_of, open_stream
from renders.streams import ROLLING, models
from renders.tiny_models import tiny_dit
from rushes.drivers.clean_pass import CleanPass
from rushes.drivers.variants import DriverOptions
from rushes.models.dit import CausalDit
from rushes.rows.row_batch import RowBatch
from rushes.stream.ahead import ChunkInputs
from rushes.stream.stream import Stream
from rushes.timeline.plan.render_plan import Chunk

OPTIONS = replace(ROLLING, window=9, sinks=3, chunk_frames=3)
CHUNKS = chunks_of(OPTIONS, 8, blocks=[0, 0, 0, 0, 1, 1, 1, 1])


def rows_of_passes(dit: CausalDit) -> list[int]:
    """Return a list that gets the number of rows of each pass."""
    rows: list[int] = []
    dit.register_forward_hook(lambda _module, inputs, _output: rows.append(len(inputs[0])))
    return rows


SERIAL = replace(OPTIONS, pairs_chunks=False)


def row_frames(chunks: Sequence[Chunk]) -> list[Tensor]:
    """Render as a row of a batch, whose clean passes are passes of their own."""
    with RowBatch(models().dit).row() as network:
        return frames_of(open_stream(OPTIONS, chunks, dit=network), chunks)


def latents_of(stream: Stream, chunks: Sequence[Chunk]) -> Iterator[Tensor]:
    """Render, and yield the clean latents of every chunk."""
    driver = stream.driver
    assert isinstance(driver, CleanPass)
    for _ in stream.render((chunk, ChunkInputs()) for chunk in chunks):
        assert driver._pending is not None
        yield driver._pending.clean


def test_a_full_window_takes_a_pass_less_a_chunk() -> None:
    dit = tiny_dit()
    rows = rows_of_passes(dit)
    list(latents_of(open_stream(OPTIONS, CHUNKS, dit=dit), CHUNKS))
    num_steps = len(CHUNKS[0].denoising_steps)
    first_full = rows.index(2)
    assert set(rows) == {1, 2}
    assert rows[first_full:] == ([2] + [1] * (num_steps - 1)) * rows.count(2)
    assert rows.count(2) >= len(CHUNKS) - 4


def test_frames_are_those_of_passes_of_their_own() -> None:
    merged = frames_of(open_stream(OPTIONS, CHUNKS), CHUNKS)
    alone = frames_of(open_stream(SERIAL, CHUNKS), CHUNKS)
    for frames, serial, row in zip(merged, alone, row_frames(CHUNKS), strict=True):
        for expected in (serial, row):
            assert (frames.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize(("first", "then"), [(OPTIONS, SERIAL), (SERIAL, OPTIONS)])
def test_a_stream_goes_on_where_there_is_less_or_more_room(
    first: DriverOptions, then: DriverOptions
) -> None:
    expected = frames_of(open_stream(OPTIONS, CHUNKS), CHUNKS)[5:]
    stream, rest = open_stream(first, CHUNKS), open_stream(then, CHUNKS)
    frames_of(stream, CHUNKS[:5])
    rest.restore(deepcopy(stream.snapshot()))
    for frames, wanted in zip(frames_of(rest, CHUNKS[5:]), expected, strict=True):
        assert (frames.int() - wanted.int()).abs().max() <= 1


@pytest.mark.parametrize("at", range(1, len(CHUNKS)))
def test_a_restored_stream_goes_on_bit_by_bit(at: int) -> None:
    """Also where a clean pass was pending, and the prompt changes at the next chunk."""
    whole = open_stream(OPTIONS, CHUNKS)
    rendering = whole.render((chunk, ChunkInputs()) for chunk in CHUNKS)
    expected = [next(rendering) for _ in range(at)]
    snapshot = deepcopy(whole.snapshot())  # whose tensors are the caches' own
    expected += list(rendering)
    resumed = open_stream(OPTIONS, CHUNKS)
    resumed.restore(snapshot)
    for frames, wanted in zip(frames_of(resumed, CHUNKS), expected[at:], strict=True):
        assert torch.equal(frames, wanted)


def test_a_reset_drops_what_is_pending() -> None:
    chunks = [replace(chunk, reset=chunk.index in (0, 5)) for chunk in CHUNKS]
    made = frames_of(open_stream(OPTIONS, chunks), chunks)
    alone = frames_of(open_stream(OPTIONS, chunks[5:]), chunks[5:])
    # The decoder begins anew as well, so the section is what it is alone.
    assert torch.equal(made[5], alone[0])


@pytest.mark.parametrize("options", [replace(OPTIONS, window=8), SERIAL], ids=["small", "off"])
def test_without_room_for_two_chunks_each_pass_is_its_own(options: DriverOptions) -> None:
    chunks = chunks_of(options, 5)
    dit = tiny_dit()
    rows = rows_of_passes(dit)
    frames_of(open_stream(options, chunks, dit=dit), chunks)
    assert set(rows) == {1}
