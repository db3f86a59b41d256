"""Streams of every kind of memory: equal when saved anywhere, and equal to the rule done slowly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from references.slow_family import RULES as FAMILY_RULES
from references.slow_family import Scene
from references.slow_queue import NothingMayGo, ring_exact
from renders.plain_vae import PlainVae
from renders.streams import FIRST, HEIGHT, PROMPTS, TEXTS, WIDTH, embed, models
from rushes.drivers.variants import DriverOptions
from rushes.errors import ShapeError
from rushes.models.caches.snapshot import Snapshot
from rushes.stream.ahead import ChunkInputs
from rushes.stream.conditioning import Conditioning
from rushes.stream.noise_controller import FixedNoiseScale
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import ClipSpan, Stream
from rushes.timeline.plan.render_plan import Chunk

RULES = {**FAMILY_RULES, "ring-exact": ring_exact}
RINGS = ("ring", "ring-exact")
STEPS = {"step-window": st.just((1000, 750, 500))} | dict.fromkeys(
    RINGS, st.sampled_from([(700,), (1000, 500), (1000, 750, 500)])
)
# From which position on a stream may go back to the end of its window.
REWOUND_FROM = {"rolling": 5} | dict.fromkeys(RINGS, 10)
DRAWS_CLIPS = ("clip", "step-window")


@dataclass(frozen=True)
class Story:
    """A memory, the chunks that it lives through, and the chunk before which it is saved."""

    options: DriverOptions
    chunks: tuple[Chunk, ...]
    clips: dict[int, ClipSpan] | None
    saved: int


@st.composite
def stories(draw: st.DrawFn, variant: str) -> Story:
    """Random sizes of window, sinks and chunks, prompts, new beginnings and a save."""
    options = draw(options_of(variant))
    steps = draw(STEPS.get(variant, st.just((1000, 500))))
    chunks: list[Chunk] = []
    position = block = 0
    for index in range(draw(st.integers(4, 9))):
        block = draw(st.sampled_from([block, block, 1 - block]))
        is_over = variant == "clip" and position >= options.window
        wants_reset = index == 0 or draw(st.integers(0, 5)) == 0
        is_reset = wants_reset or is_over
        if position >= REWOUND_FROM.get(variant, options.window + 99) and draw(st.booleans()):
            position = options.window - 1
        position = 0 if is_reset else position
        length = draw(lengths(variant, options, is_reset))
        chunk = a_chunk(variant, index, position, length, block, is_reset)
        is_carried_over = is_over and not wants_reset
        chunks.append(replace(chunk, denoising_steps=steps, is_carried_over=is_carried_over))
        position += length
    spans = spans_of(variant, options.window, chunks)
    return Story(options, tuple(chunks), spans, draw(st.integers(1, 3)))


@st.composite
def options_of(draw: st.DrawFn, variant: str) -> DriverOptions:
    size = draw(st.integers(1, 3))
    sinks, window = draw(sinks_and_window(variant, size))
    return DriverOptions(
        window,
        sinks,
        variant=variant,  # type: ignore[arg-type]
        stream_batch=variant in RINGS and draw(st.booleans()),
        rows=3 if variant in RINGS else 1,
        sink_refresh=draw(st.sampled_from([None, 0.9])) if variant in RINGS else None,
        chunk_frames=size,
        keeps_sinks=draw(st.booleans()),
        bank_frames=draw(st.integers(1, 3)),
        record_every=draw(st.sampled_from([None, 1, 2])),
        sink_kept=0.6,
        context_frames=size,
        context_bias=draw(st.sampled_from([1.0, 0.3])),
        attended=sinks + draw(st.integers(3, 5)) * size,
    )


def lengths(variant: str, options: DriverOptions, is_reset: bool) -> st.SearchStrategy[int]:
    size = options.chunk_frames
    if variant in ("clip", "rebuilt", "step-window"):
        return st.just(size)
    if options.stream_batch:  # the first chunk may be longer
        return st.integers(size, min(size + 1, options.window)) if is_reset else st.just(size)
    return st.integers(1, size)


def sinks_and_window(variant: str, size: int) -> st.SearchStrategy[tuple[int, int]]:
    if variant in ("clip", "rebuilt"):
        return st.integers(2, 3).map(lambda chunks: (0, chunks * size))
    if variant == "step-window":
        return st.integers(5, 6).map(lambda chunks: (size, chunks * size))
    return st.integers(0, 3).flatmap(
        lambda sinks: st.integers(sinks + max(sinks, size), sinks + 6).map(lambda w: (sinks, w))
    )


def a_chunk(
    variant: str, index: int, position: int, length: int, block: int, is_reset: bool
) -> Chunk:
    return replace(
        FIRST,
        index=index,
        num_frames=4 * length - 3 * is_reset,
        num_latent_frames=length,
        position=position,
        prompt_block=block,
        reset=is_reset,
        seed=42 if variant in DRAWS_CLIPS else 42 + 10 * index,
    )


def spans_of(variant: str, window: int, chunks: Sequence[Chunk]) -> dict[int, ClipSpan] | None:
    if variant not in DRAWS_CLIPS:
        return None
    frames = window if variant == "clip" else sum(chunk.num_latent_frames for chunk in chunks)
    return {chunk.index: ClipSpan(0, frames) for chunk in chunks if chunk.reset}


def open_stream(story: Story) -> Stream:
    return Stream(
        replace(models(), vae=PlainVae()),
        height=HEIGHT,
        width=WIDTH,
        driver=story.options,
        prompts=PROMPTS,
        conditioning=Conditioning(embed),
        noise_controller=FixedNoiseScale(),
        clock=StageClock(),
        clips=story.clips,
    )


def frames_of(stream: Stream, chunks: Sequence[Chunk]) -> list[Tensor]:
    return list(stream.render((chunk, ChunkInputs()) for chunk in chunks))


def saved_and_resumed(story: Story) -> Tensor:
    """Render with one stream until some frames are there, and go on with another."""
    first = open_stream(story)
    rendering = first.render((chunk, ChunkInputs()) for chunk in story.chunks)
    made = [next(rendering) for _ in range(story.saved)]
    snapshot = first.snapshot()
    tensors = {name: tensor.clone() for name, tensor in snapshot.tensors.items()}
    second = open_stream(story)
    second.restore(Snapshot(tensors, snapshot.values))
    return torch.cat(made + frames_of(second, story.chunks))


@torch.inference_mode()
def slow_latents(story: Story) -> list[Tensor]:
    scene = Scene(
        replace(models(), vae=PlainVae()),
        HEIGHT,
        WIDTH,
        lambda block: embed(TEXTS[block]),
        story.clips,
    )
    return list(RULES[story.options.variant](scene, story.options, story.chunks))


def latents_of(stream: Stream) -> list[Tensor]:
    vae = stream.models.vae
    assert isinstance(vae, PlainVae)
    return vae.seen


@pytest.mark.parametrize("variant", RULES)
@given(data=st.data())
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
def test_a_stream_is_what_the_slow_rule_makes_wherever_it_was_saved(
    variant: str, data: st.DataObject
) -> None:
    story = data.draw(stories(variant))
    stream = open_stream(story)
    try:
        expected = slow_latents(story)
    except NothingMayGo:
        with pytest.raises(ShapeError, match=r"full before|does not fit"):
            frames_of(stream, story.chunks)
        return
    frames = torch.cat(frames_of(stream, story.chunks))
    torch.testing.assert_close(latents_of(stream), expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(saved_and_resumed(story), frames)
