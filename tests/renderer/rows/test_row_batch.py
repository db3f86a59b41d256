"""Streams that share the passes of a network: each must render what it renders alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from renders.family_streams import KINDS, chunks_of, frames_of, open_stream
from renders.streams import ROLLING, embed, models
from rushes.drivers.variants import DriverOptions
from rushes.models.dit import CausalDit
from rushes.rows.row_batch import RowBatch, RowNetwork
from rushes.stream.ahead import ChunkInputs
from rushes.timeline.plan.render_plan import Chunk

RING = DriverOptions(window=9, sinks=3, variant="ring", chunk_frames=3)
ALL_KINDS = {
    "rolling": replace(ROLLING, window=9, chunk_frames=3),
    "ring": RING,
    "stream batch": replace(RING, stream_batch=True, rows=2),
    **KINDS,
}


def seeded(chunks: Sequence[Chunk], seed: int) -> list[Chunk]:
    return [replace(chunk, seed=chunk.seed + seed) for chunk in chunks]


def together(options: DriverOptions, rows: Sequence[Sequence[Chunk]]) -> list[Tensor]:
    """Render each list of chunks as a row; all rows are there from the begin on."""
    batch = RowBatch(models().dit)

    def one(row: ExitStack, network: RowNetwork, chunks: Sequence[Chunk]) -> Tensor:
        with row:
            return made_by(network, options, chunks)

    with ThreadPoolExecutor(len(rows)) as threads:
        started = []
        for chunks in rows:
            row = ExitStack()
            started.append((row, row.enter_context(batch.row()), chunks))
        return list(threads.map(lambda row: one(*row), started))


def made_by(network: Any, options: DriverOptions, chunks: Sequence[Chunk]) -> Tensor:
    stream = open_stream(options, chunks, dit=cast("CausalDit", network))
    return torch.cat(frames_of(stream, chunks))


def assert_equal(frames: Tensor, expected: Tensor) -> None:
    assert frames.equal(expected)  # in float32 on a CPU, bit by bit


@pytest.mark.parametrize("options", ALL_KINDS.values(), ids=ALL_KINDS)
@given(
    counts=st.lists(st.integers(1, 3), min_size=2, max_size=3),
    blocks=st.lists(st.integers(0, 1), min_size=3, max_size=3),
    resets=st.sets(st.integers(1, 2), max_size=1),
)
@settings(deadline=None, max_examples=2)
def test_rows_of_different_lengths_are_what_they_are_alone(
    options: DriverOptions, counts: list[int], blocks: list[int], resets: set[int]
) -> None:
    """Rows end whenever they end, and reset where they reset; the others go on."""
    rows = [
        seeded(
            chunks_of(options, count, sorted(each for each in resets if each < count), blocks), n
        )
        for n, count in enumerate(counts)
    ]
    for frames, chunks in zip(together(options, rows), rows, strict=True):
        assert_equal(frames, made_by(models().dit, options, chunks))


def test_a_row_that_joins_later_is_what_it_is_alone() -> None:
    options = ALL_KINDS["rolling"]
    batch = RowBatch(models().dit)
    early, late = seeded(chunks_of(options, 4), 1), seeded(chunks_of(options, 3), 2)
    first, second = ExitStack(), ExitStack()
    stream = open_stream(options, early, dit=cast("CausalDit", first.enter_context(batch.row())))
    rendering = stream.render((chunk, ChunkInputs()) for chunk in early)
    made = [next(rendering), next(rendering)]

    def go_on() -> list[Tensor]:
        with first:
            return list(rendering)

    def join(network: RowNetwork) -> Tensor:
        with second:
            return made_by(network, options, late)

    with ThreadPoolExecutor(2) as threads:
        joined = threads.submit(join, second.enter_context(batch.row()))
        made += threads.submit(go_on).result()
    assert_equal(torch.cat(made), made_by(models().dit, options, early))
    assert_equal(joined.result(), made_by(models().dit, options, late))


def test_a_row_that_fails_takes_no_other_with_it() -> None:
    options = ALL_KINDS["rolling"]
    chunks = chunks_of(options, 3)

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(f"no {name}")

    broken = [*chunks[:1], cast("Chunk", Broken())]
    batch = RowBatch(models().dit)
    bad, good = ExitStack(), ExitStack()

    def fail(network: RowNetwork) -> Tensor:
        with bad:
            return made_by(network, options, broken)

    def work(network: RowNetwork) -> Tensor:
        with good:
            return made_by(network, options, chunks)

    with ThreadPoolExecutor(2) as threads:
        failing = threads.submit(fail, bad.enter_context(batch.row()))
        working = threads.submit(work, good.enter_context(batch.row()))
    with pytest.raises(RuntimeError, match="no index"):
        failing.result()
    assert_equal(working.result(), made_by(models().dit, options, chunks))


def test_an_error_of_the_network_reaches_every_row_of_the_pass() -> None:
    class Full:
        def __call__(self, *_: Any) -> Tensor:
            raise RuntimeError("out of memory")

        def __getattr__(self, name: str) -> Any:
            return getattr(models().dit, name)

    options = ALL_KINDS["rolling"]
    chunks = chunks_of(options, 1)
    batch = RowBatch(cast("CausalDit", Full()))
    rows = [ExitStack(), ExitStack()]

    def work(row: ExitStack, network: RowNetwork) -> Tensor:
        with row:
            return made_by(network, options, chunks)

    with ThreadPoolExecutor(2) as threads:
        results = [threads.submit(work, row, row.enter_context(batch.row())) for row in rows]
    for result in results:
        with pytest.raises(RuntimeError, match="out of memory"):
            result.result()


def test_a_row_that_spoils_a_pass_fails_alone() -> None:
    """What fails in company is done again one by one."""

    class Picky:
        def __call__(self, latents: Tensor, *more: Any) -> Tensor:
            if latents.isnan().any():
                raise RuntimeError("not a number")
            flow: Tensor = models().dit(latents, *more)
            return flow

        def __getattr__(self, name: str) -> Any:
            return getattr(models().dit, name)

    options = ALL_KINDS["rolling"]
    chunks = chunks_of(options, 3)
    batch = RowBatch(cast("CausalDit", Picky()))
    bad, good = ExitStack(), ExitStack()
    spoiled, whole = bad.enter_context(batch.row()), good.enter_context(batch.row())

    def spoil(latents: Tensor, *more: Any) -> Tensor:
        return spoiled(latents * float("nan"), *more)

    with ThreadPoolExecutor(2) as threads:
        failing = threads.submit(_in_row, bad, options, chunks, _Called(spoiled, spoil))
        working = threads.submit(_in_row, good, options, chunks, whole)
        with pytest.raises(RuntimeError, match="not a number"):
            failing.result()
    difference = working.result().int() - made_by(models().dit, options, chunks).int()
    assert difference.abs().max() <= 1  # what stands in for a network may round differently


class _Called:
    """A network that is called in another way."""

    def __init__(self, network: Any, call: Any) -> None:
        self._network, self._call = network, call

    def __call__(self, *arguments: Any) -> Tensor:
        called: Tensor = self._call(*arguments)
        return called

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


def _in_row(
    row: ExitStack, options: DriverOptions, chunks: Sequence[Chunk], network: Any
) -> Tensor:
    with row:
        return made_by(network, options, chunks)


def test_rows_with_the_same_prompt_share_its_keys() -> None:
    batch = RowBatch(models().dit)
    with batch.row() as first, batch.row() as second:
        embedding = embed("a boat")
        keys = first.prompt_keys(first.embed_prompt(embedding))
        assert second.prompt_keys(second.embed_prompt(embedding.clone())) is keys
        assert second.prompt_keys(second.embed_prompt(embed("a pond"))) is not keys
