"""Streams of the model family on tiny networks, and what each of their rules is good for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from renders.family_streams import (
    BANK,
    CLIP,
    EMA,
    REBUILT,
    RECACHE,
    STEPS,
    chunks_of,
    frames_of,
    open_stream,
)
from renders.streams import HEIGHT, WIDTH
from rushes.drivers.tail import Tail
from rushes.drivers.variants import DriverOptions
from rushes.stream.ahead import ChunkInputs


def after_a_switch(options: DriverOptions, **parts: Any) -> Tensor:
    """The frames of a stream from a change of the prompt on; there the window is full."""
    chunks = chunks_of(options, 7, blocks=(0, 0, 0, 0, 1, 1, 1))
    return torch.cat(frames_of(open_stream(options, chunks, **parts), chunks)[4:])


WITHOUT = {
    "sinks": (RECACHE, replace(RECACHE, sinks=0)),
    "re-cache": (RECACHE, replace(RECACHE, variant="rolling")),
    "spared sinks": (RECACHE, replace(RECACHE, keeps_sinks=False)),
    "bank": (BANK, replace(BANK, record_every=None)),
    "average": (EMA, replace(EMA, sink_kept=1.0)),
    "bias": (REBUILT, replace(REBUILT, context_bias=1.0)),
    "frames attended": (STEPS, replace(STEPS, attended=15)),
}


@pytest.mark.parametrize(("with_rule", "without"), WITHOUT.values(), ids=WITHOUT)
def test_without_a_rule_there_are_other_frames_after_a_switch(
    with_rule: DriverOptions, without: DriverOptions
) -> None:
    assert not torch.equal(after_a_switch(with_rule), after_a_switch(without))


def test_an_empty_bank_is_the_rule_of_longlive() -> None:
    empty = replace(BANK, record_every=None)
    assert torch.equal(after_a_switch(empty), after_a_switch(RECACHE))


@pytest.mark.parametrize("options", [REBUILT, CLIP], ids=["rebuilt", "clip"])
def test_without_an_anchor_encoded_anew_there_are_other_frames(
    options: DriverOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_anchor = after_a_switch(options)
    anchor = Tail.anchor
    monkeypatch.setattr(Tail, "anchor", lambda tail: torch.zeros_like(anchor(tail)))
    assert not torch.equal(with_anchor, after_a_switch(options))


@pytest.mark.parametrize("options", [RECACHE, BANK], ids=["recache", "bank"])
def test_each_chunk_of_a_transition_fills_the_cache_again(options: DriverOptions) -> None:
    chunks = chunks_of(options, 6, blocks=(0, 0, 0, 1, 1, 1))
    moving = [
        replace(chunk, transition=weight)
        for chunk, weight in zip(chunks[3:], (0.0, 0.5, 1.0), strict=True)
    ]
    stream = open_stream(options, chunks)
    passes: list[int] = []
    begin = stream.driver.kv_cache.begin_recache

    def note(start: int, count: int, text_keys: Sequence[Tensor]) -> int:
        passes.append(start)
        return int(begin(start, count, text_keys))

    stream.driver.kv_cache.begin_recache = note
    frames_of(stream, [*chunks[:3], *moving])
    assert passes == [0, 3, 6]


def test_a_clip_begins_with_the_end_of_the_one_before() -> None:
    chunks = chunks_of(CLIP, 4)
    stream = open_stream(CLIP, chunks)
    rendered = stream.render((chunk, ChunkInputs()) for chunk in chunks)
    before = [next(rendered) for _ in range(3)]
    tail = stream.driver.snapshot().part("tail")
    carried = next(rendered)
    assert carried.shape[0] == 9
    kept = stream.driver.snapshot().part("tail").tensors["latents"]
    assert torch.equal(kept, tail.tensors["latents"])
    assert len(before) == 3


def test_an_image_is_shown_as_the_first_latent() -> None:
    options = replace(CLIP, chunk_frames=1, window=5)
    first = replace(chunks_of(CLIP, 1)[0], num_frames=1, num_latent_frames=1)
    later = [replace(first, index=n, position=n, num_frames=4, reset=False) for n in (1, 2)]
    stream = open_stream(options, [first])
    image = torch.full((1, HEIGHT, WIDTH, 3), 200, dtype=torch.uint8)
    inputs = [ChunkInputs(given=image), ChunkInputs(), ChunkInputs()]
    frames = list(stream.render(zip([first, *later], inputs, strict=True)))
    alone = stream._encode_alone(torch.full((1, 1, 3, HEIGHT, WIDTH), 200 / 255 * 2 - 1))
    shown = stream.models.vae.decode(alone, type(stream.decoder_cache)()).clamp(-1, 1)
    assert [len(each) for each in frames] == [1, 4, 4]
    assert (frames[0].float() / 127.5 - 1 - shown[0].permute(0, 2, 3, 1)).abs().max() < 0.02
