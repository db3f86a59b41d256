"""The streaming loop on tiny networks: chunk by chunk, in one go or in several, always the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from renders.shots import block, timeline, write_timeline
from renders.streams import (
    HEIGHT,
    PROMPTS,
    ROLLING,
    TEXTS,
    WIDTH,
    clip,
    inputs_of,
    models,
    open_stream,
    plan,
)
from renders.tiny_models import CPU, DIT, tiny_dit, tiny_vae
from rushes.errors import ShapeError
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.dit import CausalDit
from rushes.noise.chunk_noise import ChunkNoise
from rushes.presets.preset import load_preset
from rushes.stream.ahead import ChunkInputs
from rushes.stream.noise_controller import FixedNoiseScale, ScopeNoiseController
from rushes.stream.pixels import to_bytes, to_pixels
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import ClipSpan, Stream
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import Chunk
from rushes.timeline.read.load import load_timeline

NOISE_SCALE = 0.7


def render(stream: Stream, chunks: Sequence[Chunk], video: Tensor | None = None) -> list[Tensor]:
    return list(stream.render((chunk, inputs_of(chunk, video)) for chunk in chunks))


def text_render(**options: object) -> Tensor:
    return torch.cat(render(open_stream(), plan(3, **options)))  # type: ignore[arg-type]


def mean_difference(first: Tensor, second: Tensor) -> float:
    return (first.float() - second.float()).abs().mean().item()


mode = pytest.mark.parametrize(
    ("noise_scale", "video"), [(None, None), (NOISE_SCALE, clip())], ids=["text", "video"]
)


# --- chunks --------------------------------------------------------------------------------------


@mode
def test_a_stream_gives_five_frames_then_four(
    noise_scale: float | None, video: Tensor | None
) -> None:
    rendered = render(open_stream(), plan(4, noise_scale=noise_scale), video)
    assert [tuple(frames.shape) for frames in rendered] == [
        (count, HEIGHT, WIDTH, 3) for count in (5, 4, 4, 4)
    ]
    assert {frames.dtype for frames in rendered} == {torch.uint8}
    assert all(frames.float().std() > 1 for frames in rendered)


@mode
def test_five_frames_come_again_after_a_reset(
    noise_scale: float | None, video: Tensor | None
) -> None:
    chunks = plan(5, resets=(0, 2), noise_scale=noise_scale)
    assert [len(frames) for frames in render(open_stream(), chunks, video)] == [5, 4, 5, 4, 4]


def test_frames_are_made_as_they_are_asked_for() -> None:
    """What is read ahead is the caller's choice: a stream asks for one chunk at a time."""
    asked: list[int] = []

    def inputs() -> Iterator[tuple[Chunk, ChunkInputs]]:
        for chunk in plan(3):
            asked.append(chunk.index)
            yield chunk, ChunkInputs()

    rendered = open_stream().render(inputs())
    assert asked == []
    for index in range(3):
        next(rendered)
        assert asked == list(range(index + 1))


# --- the same picture ----------------------------------------------------------------------------


@mode
@pytest.mark.parametrize("cuts", [(1,), (3,), (1, 2, 3, 4)], ids=str)
def test_rendering_in_several_goes_gives_the_same_bytes(
    noise_scale: float | None, video: Tensor | None, cuts: tuple[int, ...]
) -> None:
    chunks = plan(5, noise_scale=noise_scale)
    whole = torch.cat(render(open_stream(ScopeNoiseController()), chunks, video))
    stream = open_stream(ScopeNoiseController())
    pieces = [
        torch.cat(render(stream, chunks[begin:end], video))
        for begin, end in pairwise((0, *cuts, len(chunks)))
    ]
    assert torch.equal(torch.cat(pieces), whole)


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[Chunk], int]:
    count = draw(st.integers(2, 6))
    resets = {0} | draw(st.sets(st.integers(1, count - 1)))
    blocks = draw(st.lists(st.sampled_from(list(PROMPTS)), min_size=count, max_size=count))
    is_video = draw(st.booleans())
    chunks = plan(
        count,
        resets=sorted(resets),
        blocks=blocks,
        noise_scale=draw(st.floats(0.2, 1)) if is_video else None,
        seed=draw(st.integers(0, 9)),
        steps=draw(st.sampled_from([(900,), (750, 250), (1000, 500, 250)])),
    )
    return chunks, draw(st.integers(1, count - 1))


@given(sessions())
@settings(deadline=None, max_examples=20)
def test_any_session_can_be_cut_anywhere(session: tuple[list[Chunk], int]) -> None:
    chunks, cut = session
    video = clip() if chunks[0].noise_scale is not None else None
    whole = torch.cat(render(open_stream(), chunks, video))
    stream = open_stream()
    pieces = [*render(stream, chunks[:cut], video), *render(stream, chunks[cut:], video)]
    assert torch.equal(torch.cat(pieces), whole)


@mode
def test_a_reset_chunk_equals_the_start_of_a_fresh_stream(
    noise_scale: float | None, video: Tensor | None
) -> None:
    chunks = plan(6, resets=(0, 3), noise_scale=noise_scale)
    section = render(open_stream(), chunks, video)[3:]
    alone = render(open_stream(), chunks[3:], video)
    assert torch.equal(torch.cat(section), torch.cat(alone))


def test_without_a_reset_the_past_is_seen() -> None:
    blocks = ([0, 0, 0], [1, 0, 0])
    ends = [render(open_stream(), plan(3, blocks=chosen))[2] for chosen in blocks]
    assert not torch.equal(*ends)


def test_streams_that_share_networks_stay_apart() -> None:
    alone = [text_render(seed=seed) for seed in (1, 2)]
    streams = [
        open_stream().render((c, ChunkInputs()) for c in plan(3, seed=seed)) for seed in (1, 2)
    ]
    pieces = list(zip(*streams, strict=True))
    for index, expected in enumerate(alone):
        assert torch.equal(torch.cat([chunk[index] for chunk in pieces]), expected)


def test_streams_of_two_sizes_can_share_networks() -> None:
    small, large = open_stream(), open_stream(height=64)
    shapes = [render(stream, plan(2))[1].shape for stream in (small, large, small)]
    assert [shape[1] for shape in shapes] == [32, 64, 32]


def test_a_stream_on_bfloat16_networks_renders() -> None:
    dit, vae = tiny_dit().bfloat16(), tiny_vae().bfloat16()
    narrow = replace(models(), dit=dit, vae=vae, dtype=torch.bfloat16)
    frames = torch.cat(render(open_stream(parts=narrow), plan(3, noise_scale=0.6), clip()))
    wide = torch.cat(render(open_stream(), plan(3, noise_scale=0.6), clip()))
    assert mean_difference(frames, wide) < 0.1 * wide.float().std().item()


# --- what a picture depends on -------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"seed": 43}, {"blocks": [1, 1, 1]}, {"steps": (1000, 500)}, {"steps": (1000,)}],
    ids=["seed", "prompts", "steps", "number of steps"],
)
def test_what_is_asked_for_changes_the_picture(change: dict[str, object]) -> None:
    assert mean_difference(text_render(), text_render(**change)) > 0.5
    assert torch.equal(text_render(**change), text_render(**change))


def test_the_input_changes_the_picture() -> None:
    chunks = plan(3, noise_scale=NOISE_SCALE)
    first, second = (torch.cat(render(open_stream(), chunks, clip(seed=s))) for s in (1, 2))
    assert mean_difference(first, second) > 0.5


def test_a_prompt_change_in_mid_stream_changes_what_follows_only() -> None:
    stayed, changed = (
        render(open_stream(), plan(4, blocks=blocks)) for blocks in ([0, 0, 0, 0], [0, 0, 1, 1])
    )
    same = [torch.equal(a, b) for a, b in zip(stayed, changed, strict=True)]
    assert same == [True, True, False, False]


class Louder:
    """Stands for LoRAs: with strength s, some weights of a network are 1 + s times as large."""

    def __init__(self, dit: CausalDit) -> None:
        self.strengths: tuple[float, ...] = (0.0,)
        names = ("time_projection.1.weight", "blocks.0.self_attn.v.weight")
        changed = [dit.get_parameter(name) for name in names]
        self._weights = [(weight, weight.detach().clone()) for weight in changed]

    def set_strengths(self, strengths: tuple[float, ...]) -> bool:
        changed, self.strengths = strengths != self.strengths, strengths
        with torch.no_grad():
            for weight, before in self._weights:
                weight.copy_(before * (1 + strengths[0]))
        return changed


@pytest.mark.parametrize("scales", [(0.0, 2.0, 2.0, 0.0), (0.0, 0.0, 2.0, 2.0)], ids=str)
def test_another_strength_waits_for_the_keys_of_the_chunk_before(scales: Sequence[float]) -> None:
    chunks = [
        replace(chunk, lora_scales=(scale,)) for chunk, scale in zip(plan(4), scales, strict=True)
    ]
    made = {}
    for pairs_chunks in (True, False):
        dit = tiny_dit()
        driver = replace(ROLLING, window=4, sinks=1, pairs_chunks=pairs_chunks)
        stream = open_stream(parts=replace(models(), dit=dit), driver=driver)
        stream.adapted_layers = Louder(dit)  # type: ignore[assignment]
        made[pairs_chunks] = torch.cat(render(stream, chunks)).float()
    assert (made[True] - made[False]).abs().max() <= 1
    plain = torch.cat(render(open_stream(driver=driver), plan(4))).float()
    assert mean_difference(made[False][9:], plain[9:]) > 1


def test_strengths_come_back_with_the_rest() -> None:
    streams = []
    for _ in range(2):
        dit = tiny_dit()
        streams.append(open_stream(parts=replace(models(), dit=dit)))
        streams[-1].adapted_layers = Louder(dit)  # type: ignore[assignment]
    before, after = streams
    chunks = [replace(chunk, lora_scales=(2.0,)) for chunk in plan(3)]
    render(before, chunks[:2])
    after.restore(before.snapshot())
    assert after.snapshot().values["lora_strengths"] == [2.0]
    assert torch.equal(*(render(each, chunks[2:])[0] for each in streams))


@pytest.mark.parametrize("clips", [None, {0: ClipSpan(0, 4)}], ids=["chunks", "clips"])
def test_noise_is_drawn_ahead_but_for_clips(
    clips: dict[int, ClipSpan] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(ChunkNoise, "send_ahead", lambda noise, count, to: drawn.append(count))
    stream = open_stream(clips=clips)
    (chunk,) = plan(1)
    stream.prepare(chunk, ChunkInputs())
    assert drawn == ([] if clips else [len(chunk.denoising_steps)])


def test_a_stream_is_told_where_it_stands() -> None:
    stream = open_stream()
    begun = stream.snapshot().values
    render(stream, plan(3))
    values = stream.snapshot().values
    assert (begun["next_chunk"], values["next_chunk"]) == (0, 3)
    assert (begun["lora_strengths"], values["lora_strengths"]) == (None, None)


def test_a_transition_begins_where_it_comes_from_and_ends_at_its_target() -> None:
    chunks = plan(4, blocks=[0, 0, 1, 1])
    hard = render(open_stream(), chunks)
    stayed = render(open_stream(), plan(4))
    found = []
    for weight in (0.0, 0.5, 1.0):
        moving = [*chunks[:2], replace(chunks[2], transition=weight), chunks[3]]
        found.append(render(open_stream(), moving)[2])
    assert torch.equal(found[0], stayed[2])
    assert torch.equal(found[2], hard[2])
    assert not torch.equal(found[1], hard[2])
    assert not torch.equal(found[1], stayed[2])


# --- noise over the input ------------------------------------------------------------------------


@torch.inference_mode()
def encoded(video: Tensor) -> Tensor:
    return models().vae.encode(to_pixels(video), FeatureCache(), normalise=False)


@torch.inference_mode()
def recoded(video: Tensor) -> Tensor:
    """The input through the autoencoder and nothing else."""
    return to_bytes(models().vae.decode(encoded(video), FeatureCache()))


def covered(noise_scale: float) -> tuple[Tensor, Tensor]:
    """Return the latents that denoising starts from, and the frames."""
    seen: list[Tensor] = []
    dit = tiny_dit()
    dit.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    stream = open_stream(parts=replace(models(), dit=dit))
    frames = render(stream, plan(3, noise_scale=noise_scale, steps=(500,)), clip())
    return torch.cat(seen[::2], dim=1), torch.cat(frames)  # every second pass is a clean one


def test_no_noise_keeps_the_latents_of_the_input() -> None:
    """What the network then still changes is its flow times the table's last sigma, 0.008."""
    latents, frames = covered(0.0)
    torch.testing.assert_close(latents, encoded(clip()[:13]))
    hidden = mean_difference(covered(0.9)[1], recoded(clip()[:13]))
    assert mean_difference(frames, recoded(clip()[:13])) < 0.1 * hidden


def test_full_noise_hides_the_input() -> None:
    latents, _ = covered(1.0)
    other = torch.cat([chunk_noise(chunk) for chunk in plan(3)], dim=1)
    torch.testing.assert_close(latents, other)


def chunk_noise(chunk: Chunk) -> Tensor:
    shape = (1, chunk.num_latent_frames, DIT.in_dim, HEIGHT // 8, WIDTH // 8)
    return ChunkNoise(chunk.seed, shape).draw(CPU, torch.float32)


class Recorder(FixedNoiseScale):
    """A noise controller that keeps what it is asked, and answers what it was told to."""

    def __init__(self, *answers: float) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Tensor, float]] = []

    def num_seen(self, num_frames: int) -> int:
        return num_frames

    def noise_scale(self, pixels: Tensor, requested: float) -> float:
        self.asked.append((pixels, requested))
        return self.answers[len(self.asked) - 1]


def test_the_controller_sees_the_pixels_and_the_wish_of_every_chunk() -> None:
    controller, video = Recorder(0.7, 0.7, 0.7), clip()
    render(open_stream(controller), plan(3, noise_scale=0.35), video)
    assert [requested for _, requested in controller.asked] == [0.35] * 3
    seen = torch.cat([pixels for pixels, _ in controller.asked], dim=1)
    torch.testing.assert_close(seen, to_pixels(video[:13]))


def test_the_first_timestep_follows_the_noise_scale_and_the_others_stay() -> None:
    timesteps: list[float] = []
    dit = tiny_dit()
    dit.register_forward_hook(
        lambda _module, inputs, _output: timesteps.append(inputs[1].timesteps.item())
    )
    stream = open_stream(Recorder(0.8, 0.55), parts=replace(models(), dit=dit))
    render(stream, plan(2, noise_scale=0.1, steps=(700, 500, 300)), clip())
    assert timesteps == [700, 500, 300, 0, 450, 500, 300]  # none follows the last clean one


def test_in_text_mode_nothing_is_encoded() -> None:
    clock = StageClock()
    render(open_stream(Recorder(), clock=clock), plan(2))
    assert clock.seconds().keys() == {"denoise", "clean pass", "decode"}


def test_in_video_mode_every_stage_is_timed() -> None:
    clock = StageClock()
    render(open_stream(clock=clock), plan(2, noise_scale=0.5), clip())
    assert clock.seconds().keys() == {"encode", "denoise", "clean pass", "decode"}


def test_a_chunk_with_the_wrong_number_of_input_frames_is_refused() -> None:
    (chunk,) = plan(1, noise_scale=0.5)
    with pytest.raises(ShapeError, match="4 frames"):
        next(open_stream().render([(chunk, ChunkInputs(video=clip(4)))]))


# --- positions and memory ------------------------------------------------------------------------


def test_the_last_position_of_the_table_can_be_rendered_and_no_later_one() -> None:
    stream = open_stream()
    chunks = plan(3)
    render(stream, chunks[:1])
    (frames,) = render(stream, [replace(chunks[1], position=1023)])
    assert frames.shape == (4, HEIGHT, WIDTH, 3)
    with pytest.raises(ShapeError, match="1024"):
        render(stream, [replace(chunks[2], position=1024)])


def test_a_stream_goes_on_after_a_reset_at_the_end_of_the_table() -> None:
    stream = open_stream()
    first, last, again = plan(3, resets=(0, 2))
    start = torch.cat(render(stream, [first, replace(last, position=1023)])[:1])
    assert torch.equal(torch.cat(render(stream, [again])), start)


def test_memory_does_not_grow_with_the_stream() -> None:
    stream = open_stream()
    cache = stream.driver.kv_cache
    assert isinstance(cache, RollingKVCache)

    def held() -> list[int]:
        caches = (stream.encoder_cache, stream.decoder_cache)
        slots = [sum(slot.numel() for slot in part.slots.values()) for part in caches]
        return [
            *slots,
            cache.frames.numel(),
            len(cache.positions),
        ]

    chunks, sizes = plan(30, noise_scale=0.5), []
    for chunk in chunks:
        render(stream, [chunk], clip(4 * 30 + 1))
        sizes.append(held())
    assert sizes[5:] == [sizes[5]] * 25
    assert cache.positions == [0, 1, 2, 28, 29, 30]


def test_a_long_timeline_passes_the_end_of_the_rotary_table(tmp_path: Path) -> None:
    """Its plan resets the stream there; what follows is what follows the start."""
    path = write_timeline(tmp_path / "long.json", timeline(block(TEXTS[0], 0, 260)))
    chunks = plan_render(load_timeline(path).require(), PlanOptions(), load_preset("tiny")).chunks
    passing = chunks[1018:1026]
    assert [chunk.position for chunk in passing] == [1019, 1020, 1021, 1022, 0, 2, 3, 4]
    rendered = render(open_stream(), passing)
    for after, at_start in zip(rendered[4:], render(open_stream(), chunks[:4]), strict=True):
        assert torch.equal(after, at_start)
