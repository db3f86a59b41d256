"""Which frames of a render go onto its contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from renders.shots import block, timeline
from rushes.presets.preset import load_preset
from rushes.rendering.contact_frames import ContactFrames, Frames, caption, middle_frames
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import parse_timeline
from rushes.video.contact_sheet import MAX_TILES


def plan_of(*blocks: dict[str, object]) -> RenderPlan:
    parsed = parse_timeline(json.dumps(timeline(*blocks))).require()
    return plan_render(parsed, PlanOptions(), load_preset("tiny"))


def numbered(plan: RenderPlan) -> Frames:
    """Frames whose pixels tell their number."""
    numbers = np.arange(plan.num_frames_made, dtype=np.uint8)
    return np.broadcast_to(numbers[:, None, None, None], (len(numbers), 2, 2, 3))


def collect(plan: RenderPlan, folder: Path, source: Frames | None = None) -> ContactFrames:
    frames, contact = numbered(plan), ContactFrames(plan, folder)
    for chunk in plan.chunks:
        begin, end = chunk.first_frame, min(chunk.first_frame + chunk.num_frames, plan.num_frames)
        part = None if source is None else source[begin : begin + chunk.num_frames]
        contact.take(begin, frames[begin:end], part)
    return contact


def test_every_block_is_shown_by_its_middle_frame(tmp_path: Path) -> None:
    plan = plan_of(block("a boat", 0, 1), block("a pond", 1, 2))
    assert [(c.first_frame, c.prompt_block) for c in plan.chunks][4] == (17, 1)
    assert middle_frames(plan) == [(0, 8), (1, 24)]
    contact = collect(plan, tmp_path)
    assert [(tile.number, int(tile.after[0, 0, 0])) for tile in contact.tiles()] == [
        (0, 8),
        (1, 24),
    ]
    assert contact.num_blocks == 2


def test_tiles_of_an_earlier_attempt_count(tmp_path: Path) -> None:
    plan = plan_of(block("a boat", 0, 1), block("a pond", 1, 2))
    frames, first = numbered(plan), ContactFrames(plan, tmp_path)
    first.take(0, frames[:17], None)
    again = ContactFrames(plan, tmp_path)
    again.take(17, frames[17:32], None)
    assert [int(tile.after[0, 0, 0]) for tile in again.tiles()] == [8, 24]


def test_frames_that_are_dropped_do_not_count() -> None:
    plan = plan_of(block("a boat", 0, 6 / 16))
    assert (plan.num_frames, plan.num_frames_made) == (6, 9)
    assert middle_frames(plan) == [(0, 2)]


def test_a_block_shown_twice_has_one_tile() -> None:
    plan = plan_of(block("a", 0, 3), block("b", 1, 2))
    seen = [number for number, _ in middle_frames(plan)]
    assert len(seen) == len(set(seen))


def test_tiles_know_time_prompt_and_what_they_were_made_from(tmp_path: Path) -> None:
    plan = plan_of(block("a boat", 0, 1), block("a pond", 1, 2))
    source = 100 + numbered(plan)
    tile = collect(plan, tmp_path, source).tiles()[1]
    assert (tile.start_seconds, tile.prompt) == (1.0, "a pond")
    assert tile.before is not None
    assert int(tile.before[0, 0, 0]) == 124


def test_tiles_keep_their_frame_when_the_chunk_is_overwritten(tmp_path: Path) -> None:
    plan = plan_of(block("a boat", 0, 5 / 16))
    contact, frames = ContactFrames(plan, tmp_path), numbered(plan).copy()
    contact.take(0, frames, frames)
    frames[:] = 99
    (tile,) = contact.tiles()
    assert tile.before is not None
    assert int(tile.after.max()) == int(tile.before.max()) == 2


def test_of_many_blocks_an_even_choice_is_kept(tmp_path: Path) -> None:
    blocks = [block(f"shot {index}", index / 4, (index + 1) / 4) for index in range(200)]
    contact = collect(plan_of(*blocks), tmp_path)
    assert contact.num_blocks == 200
    assert len(contact.tiles()) == MAX_TILES
    assert contact.tiles()[0].number == 0
    assert contact.tiles()[-1].number == 199


def test_weights_are_told_if_there_are_several_prompts() -> None:
    two = block("", 0, 1, prompts=[{"text": "a", "weight": 100}, {"text": "b", "weight": 50}])
    assert caption(plan_of(two), 0) == "100 x a + 50 x b"
    assert caption(plan_of(block("a", 0, 1)), 0) == "a"
