"""Streams by upstream's rules: what a stream batch makes, and that it can be stopped anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from references.ranked_batch import as_ranked
from renders.streams import clip, inputs_of, models, open_stream, plan
from renders.tiny_models import normal, tiny_dit
from rushes.drivers.step_batch import StepBatch
from rushes.drivers.variants import DriverOptions
from rushes.models.prompt_keys import PromptKeys, join_prompts
from rushes.stream.noise_controller import NoiseController, SmoothedNoiseController
from rushes.stream.stream import Stream
from rushes.timeline.plan.render_plan import Chunk

COUNT = 10
VARIANTS = ["ring", "ring-exact"]
STEPS = {1: (700,), 2: (700, 500), 3: (700, 500, 400), 4: (700, 500, 400, 200)}
VIDEO = clip(4 * COUNT + 8)


def open_upstream(
    variant: Any = "ring",
    *,
    stream_batch: bool = True,
    controller: NoiseController | None = None,
    sink_refresh: float | None = 0.2,
    **parts: Any,
) -> Stream:
    driver = DriverOptions(
        window=6,
        sinks=3,
        variant=variant,
        stream_batch=stream_batch,
        sink_refresh=sink_refresh,
        rows=4 if stream_batch else 1,
    )
    return open_stream(controller or SmoothedNoiseController(), driver=driver, **parts)


def upstream_plan(num_steps: int, count: int = COUNT, **more: Any) -> list[Chunk]:
    chunks = plan(count, noise_scale=0.8, steps=STEPS[num_steps], **more)
    return [replace(chunk, keeps_first_step=chunk.reset) for chunk in chunks]


def render(stream: Stream, chunks: Sequence[Chunk]) -> list[Tensor]:
    return list(stream.render((chunk, inputs_of(chunk, VIDEO)) for chunk in chunks))


def same(first: Sequence[Tensor], second: Sequence[Tensor]) -> list[bool]:
    return [torch.equal(a, b) for a, b in zip(first, second, strict=True)]


@pytest.mark.parametrize("num_steps", STEPS)
@pytest.mark.parametrize("stream_batch", [True, False], ids=["batch", "sequential"])
def test_every_chunk_comes_out_in_order(num_steps: int, stream_batch: bool) -> None:
    chunks = upstream_plan(num_steps)
    rendered = render(open_upstream(stream_batch=stream_batch), chunks)
    assert [len(frames) for frames in rendered] == [chunk.num_frames for chunk in chunks]
    assert all(frames.float().std() > 1 for frames in rendered)


@pytest.mark.parametrize("variant", VARIANTS)
def test_with_one_step_batch_and_sequence_are_the_same(variant: str) -> None:
    chunks = upstream_plan(1)
    batch = render(open_upstream(variant), chunks)
    assert all(same(batch, render(open_upstream(variant, stream_batch=False), chunks)))


@pytest.mark.parametrize("num_steps", [2, 3, 4])
def test_with_more_steps_they_agree_until_the_past_differs(num_steps: int) -> None:
    """The first chunk is made alone and the second sees it; the third sees the second's steps."""
    chunks = upstream_plan(num_steps, count=4)
    batch = render(open_upstream(), chunks)
    sequence = render(open_upstream(stream_batch=False), chunks)
    assert torch.equal(batch[0], sequence[0])
    difference = (batch[1].int() - sequence[1].int()).abs()
    assert difference.max() <= 1  # rows of a batch are summed in another order
    assert not any(same(batch[2:], sequence[2:]))


def test_nothing_waits_but_for_its_steps() -> None:
    """A chunk comes out when the chunks that go with its later steps have come in, no later."""
    asked: list[int] = []

    def inputs() -> Iterator[Any]:
        for chunk in upstream_plan(3, count=6):
            asked.append(chunk.index)
            yield chunk, inputs_of(chunk, VIDEO)

    rendered = open_upstream().render(inputs())
    taken = [len(asked) for _ in rendered]
    assert taken == [1, 4, 5, 6, 6, 6]


def test_a_step_takes_one_pass_for_all_rows() -> None:
    passes: list[tuple[int, list[float]]] = []
    dit = tiny_dit()
    dit.register_forward_hook(
        lambda _module, inputs, _output: passes.append(
            (len(inputs[0]), inputs[1].timesteps[:, 0].tolist())
        )
    )
    stream = open_upstream(parts=replace(models(), dit=dit))
    render(stream, upstream_plan(2, count=4))
    assert [rows for rows, _ in passes] == [1, 1, 2, 2, 2, 2]
    assert [steps for _, steps in passes[:2]] == [[700], [500]]
    assert all(600 <= first <= 700 and second == 500 for _, (first, second) in passes[2:])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("num_steps", [2, 4])
def test_a_reset_begins_like_a_fresh_stream(variant: str, num_steps: int) -> None:
    chunks = upstream_plan(num_steps, resets=(0, 5))
    section = render(open_upstream(variant), chunks)[5:]
    assert all(same(section, render(open_upstream(variant), chunks[5:])))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("stream_batch", [True, False], ids=["batch", "sequential"])
def test_a_stream_restored_after_any_chunk_goes_on_the_same(
    variant: str, stream_batch: bool
) -> None:
    """Resets, prompts that change while rows are under way, a full window: all is carried over."""
    blocks = [0] * 3 + [1] * (COUNT - 3)
    chunks = upstream_plan(3, resets=(0, 2), blocks=blocks)
    stream = open_upstream(variant, stream_batch=stream_batch)
    whole, saved = [], []
    for frames in stream.render((chunk, inputs_of(chunk, VIDEO)) for chunk in chunks):
        whole.append(frames)
        saved.append(stream.snapshot())
        for name, tensor in saved[-1].tensors.items():
            saved[-1].tensors[name] = tensor.clone()
    for done in (1, 4, 8):
        resumed = open_upstream(variant, stream_batch=stream_batch)
        resumed.restore(saved[done - 1])
        assert all(same(render(resumed, chunks[done:]), whole[done:])), f"after {done}"


def test_a_changed_prompt_reaches_rows_with_its_chunk_only() -> None:
    stayed, changed = (
        render(open_upstream(), upstream_plan(2, count=5, blocks=blocks))
        for blocks in ([0] * 5, [0, 0, 0, 1, 1])
    )
    assert same(stayed, changed) == [True, True, True, False, False]


def test_prompts_of_rows_are_joined_in_order() -> None:
    first, second = (PromptKeys(((normal(1, 2, 1, 3, seed=s),) * 2,)) for s in (1, 2))
    ((k, _v),) = join_prompts([first, second]).blocks
    assert torch.equal(k, torch.cat([first.blocks[0][0], second.blocks[0][0]]))


def test_the_caches_agree_where_nothing_is_odd() -> None:
    """One step, two frames first, three sinks: the queue goes round as the ring does."""
    chunks = upstream_plan(1)
    ring, exact = (
        open_stream(
            SmoothedNoiseController(), driver=DriverOptions(6, 3, variant, stream_batch=True)
        )
        for variant in ("ring", "ring-exact")
    )
    assert all(same(render(ring, chunks), render(exact, chunks)))


def rendered_on(num_ranks: int, *, shifts_undone: bool = False, num_steps: int = 2) -> list[Tensor]:
    """Render as if so many ranks shared the network, each with a batch under way."""
    stream = open_upstream("ring-exact", sink_refresh=None)
    assert isinstance(stream.driver, StepBatch)
    as_ranked(stream.driver, num_ranks=num_ranks, shifts_undone=shifts_undone)
    return render(stream, upstream_plan(num_steps))


@pytest.mark.parametrize(("num_ranks", "num_steps"), [(2, 2), (3, 2), (2, 3)])
def test_any_number_of_ranks_makes_the_same_pictures(num_ranks: int, num_steps: int) -> None:
    alone = rendered_on(1, num_steps=num_steps)
    assert all(same(rendered_on(num_ranks, num_steps=num_steps), alone))


def test_rows_that_are_passed_on_undone_disturb_the_queue() -> None:
    """What the research system does while three ranks fill up: some slots are queued twice."""
    assert not all(same(rendered_on(3, shifts_undone=True), rendered_on(1)))
