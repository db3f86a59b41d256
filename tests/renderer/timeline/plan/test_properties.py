"""What holds for every timeline: coverage, chunk lengths, seeds, positions, and that nothing leaks.

A plan is compared with the definition of the active block, evaluated with fractions.
"""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.presets.preset import Preset, load_preset
from rushes.timeline.document import PromptBlock, Timeline
from rushes.timeline.easing import NAMED_EASES, eased
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.profiles import PROFILES
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import parse_timeline

PRESET: Preset = load_preset("tiny")
RATES = (Fraction(1), Fraction(15), Fraction(16), Fraction(30000, 1001), Fraction(24000, 1001))

microseconds = st.integers(0, 20_000_000)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Valid timelines with gaps, overlaps, any order, transitions and a few texts."""
    blocks = []
    for _ in range(draw(st.integers(1, 8))):
        start = draw(microseconds)
        block: dict[str, Any] = {
            "startTime": start / 1e6,
            "endTime": (start + draw(st.integers(1, 6_000_000))) / 1e6,
            "prompts": [{"text": draw(st.sampled_from("abc")), "weight": 1}],
        }
        if draw(st.booleans()):
            block["transitionSteps"] = draw(st.integers(0, 9))
        blocks.append(block)
    mode = draw(st.sampled_from(["text", "video"]))
    chosen = {"inputMode": mode, "manageCache": draw(st.booleans()), "seed": 42}
    return {"prompts": blocks, "settings": chosen, "version": "2.1"}


options = st.builds(
    PlanOptions,
    fps=st.sampled_from(RATES),
    profile=st.sampled_from(sorted(PROFILES)),
    on_prompt_change=st.sampled_from([None, "auto", "reset", "keep"]),
    duration=st.sampled_from([None, Fraction(1, 3), Fraction(7), Fraction(60)]),
    ramp=st.sampled_from([None, "scope", "eager"]),
)


def load(document: dict[str, Any]) -> Timeline:
    return parse_timeline(json.dumps(document)).require()


def active(blocks: tuple[PromptBlock, ...], frame: int, fps: Fraction) -> PromptBlock:
    """Return the active block by its definition, looking back frame by frame through gaps."""
    for earlier in range(frame, -1, -1):
        at = earlier / fps * 1_000_000
        for block in blocks:
            assert block.end is not None
            if block.start <= at < block.end:
                return block
    return min(blocks, key=lambda block: block.start)


@given(documents(), options)
@settings(max_examples=150, deadline=None)
def test_chunks_cover_every_frame_once_and_follow_the_rules(
    document: dict[str, Any], chosen: PlanOptions
) -> None:
    timeline = load(document)
    profile = PROFILES[chosen.profile]
    try:
        made = plan_render(timeline, chosen, PRESET)
    except Exception as error:
        assert profile.whole_chunks_only
        assert "do not fill" in str(error)  # noqa: PT017
        return
    chunks = made.chunks
    assert chunks[0].first_frame == 0
    assert chunks[0].reset
    assert [c.index for c in chunks] == list(range(len(chunks)))
    assert all(a.first_frame + a.num_frames == b.first_frame for a, b in pairwise(chunks))
    assert chunks[-1].first_frame < made.num_frames <= made.num_frames_made
    since_reset = 0
    for chunk in chunks:
        assert chunk.num_frames == (5 if chunk.reset else 4)
        assert chunk.num_latent_frames == (2 if chunk.reset else 1)
        since_reset = 0 if chunk.reset else since_reset
        if profile.rewind_position is None:
            assert chunk.position == since_reset
        assert 0 <= chunk.position < 1024
        if not profile.seeds_in_tokens:
            assert chunk.seed == 42 + since_reset
        since_reset += chunk.num_latent_frames
        assert chunk.transition is None or 0 <= chunk.transition <= 1
        assert (chunk.noise_scale is None) == (made.mode == "text")
    assert {chunk.prompt_block for chunk in chunks} == set(made.prompts) == set(made.block_times)


@given(documents(), st.sampled_from(RATES))
@settings(max_examples=100, deadline=None)
def test_each_chunk_shows_the_block_that_is_active_at_its_first_frame(
    document: dict[str, Any], fps: Fraction
) -> None:
    timeline = load(document)
    made = plan_render(timeline, PlanOptions(fps=fps), PRESET)
    for chunk in made.chunks[:: max(1, len(made.chunks) // 12)]:
        assert chunk.prompt_block == active(timeline.blocks, chunk.first_frame, fps).index


@given(documents(), st.sampled_from(RATES), st.integers(1, 15))
@settings(max_examples=100, deadline=None)
def test_where_a_timeline_is_cut_does_not_change_what_comes_before(
    document: dict[str, Any], fps: Fraction, seconds: int
) -> None:
    timeline = load(document)
    short = plan_render(timeline, PlanOptions(fps=fps, duration=Fraction(seconds)), PRESET)
    long = plan_render(timeline, PlanOptions(fps=fps, duration=Fraction(100)), PRESET)
    assert long.chunks[: len(short.chunks)] == short.chunks


@given(documents(), options.filter(lambda chosen: not chosen.profile.startswith("upstream")))
@settings(max_examples=60, deadline=None)
def test_a_plan_survives_json(document: dict[str, Any], chosen: PlanOptions) -> None:
    made = plan_render(load(document), chosen, PRESET)
    assert RenderPlan.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@given(documents())
@settings(max_examples=60, deadline=None)
def test_a_transition_ends_at_its_target_unless_it_is_overtaken(document: dict[str, Any]) -> None:
    chunks = plan_render(load(document), PlanOptions(), PRESET).chunks
    for before, after in pairwise(chunks):
        if before.transition is not None and after.transition is None:
            assert before.transition == 1 or after.prompt_block != before.prompt_block


@given(
    st.tuples(*[st.floats(0, 1)] * 4) | st.sampled_from(sorted(NAMED_EASES.values())),
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_easing_keeps_order_and_ends(
    ease: tuple[float, float, float, float], places: list[float]
) -> None:
    heights = [eased(ease, place) for place in (0.0, *sorted(places), 1.0)]
    assert (heights[0], heights[-1]) == (0, 1)
    assert all(before <= after + 1e-9 for before, after in pairwise(heights))


@pytest.mark.parametrize(
    ("name", "height"), [("linear", 0.25), ("in", 0.0935), ("out", 0.3781), ("in-out", 0.1292)]
)
def test_named_curves_are_those_of_css(name: str, height: float) -> None:
    assert eased(NAMED_EASES[name], 0.25) == pytest.approx(height, abs=5e-5)
