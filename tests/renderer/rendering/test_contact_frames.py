"""Which frames of a render go onto its contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from renders.shots import block, timeline
from rushes.presets.preset import load_preset
from rushes.rendering.contact_frames import ContactFrames, Frames, Moment, caption, moments_of
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


def frames_of(plan: RenderPlan) -> list[list[int]]:
    return [[moment.frame for moment in moments] for moments in moments_of(plan).values()]


def shown(contact: ContactFrames) -> list[list[int]]:
    """What the pictures say that they are, by tile."""
    return [[int(picture.after[0, 0, 0]) for picture in tile.pictures] for tile in contact.tiles()]


def test_every_block_is_shown_by_its_first_middle_and_last_frame(tmp_path: Path) -> None:
    plan = plan_of(block("a boat", 0, 1), block("a pond", 1, 2))
    assert [(c.first_frame, c.prompt_block) for c in plan.chunks][4] == (17, 1)
    assert frames_of(plan) == [[0, 8, 16], [17, 24, 31]]
    contact = collect(plan, tmp_path)
    assert shown(contact) == [[0, 8, 16], [17, 24, 31]]
    assert [tile.number for tile in contact.tiles()] == [0, 1]
    assert contact.num_blocks == 2


def test_of_a_block_with_a_transition_the_middle_of_that_is_shown() -> None:
    plan = plan_of(block("a boat", 0, 1), block("a pond", 1, 3, transitionSteps=3))
    changing = [chunk for chunk in plan.chunks if chunk.transition is not None]
    assert [chunk.first_frame for chunk in changing] == [17, 21, 25]
    first, *rest = moments_of(plan)[1]
    assert first == Moment(23, changing[1].transition)
    assert rest == [Moment(38), Moment(47)]


def test_tiles_of_an_earlier_attempt_count(tmp_path: Path) -> None:
    plan = plan_of(block("a boat", 0, 1), block("a pond", 1, 2))
    frames, first = numbered(plan), ContactFrames(plan, tmp_path)
    first.take(0, frames[:17], None)
    again = ContactFrames(plan, tmp_path)
    again.take(17, frames[17:32], None)
    assert shown(again) == [[0, 8, 16], [17, 24, 31]]


def test_what_an_earlier_version_did_not_keep_is_left_out(tmp_path: Path) -> None:
    plan = plan_of(block("a boat", 0, 1), block("a pond", 1, 2))
    contact = ContactFrames(plan, tmp_path)
    (tmp_path / "0-after.png").write_bytes(b"of a block, not of a frame")
    contact.take(17, numbered(plan)[17:32], None)
    assert shown(contact) == [[], [17, 24, 31]]


def test_frames_that_are_dropped_do_not_count() -> None:
    plan = plan_of(block("a boat", 0, 6 / 16))
    assert (plan.num_frames, plan.num_frames_made) == (6, 9)
    assert frames_of(plan) == [[0, 2, 5]]


def test_a_frame_is_shown_once() -> None:
    assert frames_of(plan_of(block("a boat", 0, 1 / 16))) == [[0]]
    assert frames_of(plan_of(block("a boat", 0, 2 / 16))) == [[0, 1]]


def test_a_block_shown_twice_has_one_tile(tmp_path: Path) -> None:
    plan = plan_of(block("a", 0, 3), block("b", 1, 2))
    assert len(collect(plan, tmp_path).tiles()) == len({c.prompt_block for c in plan.chunks})


def test_pictures_know_their_time_and_what_they_were_made_from(tmp_path: Path) -> None:
    plan = plan_of(block("a boat", 0, 1), block("a pond", 1, 2))
    source = 100 + numbered(plan)
    tile = collect(plan, tmp_path, source).tiles()[1]
    assert tile.prompt == "a pond"
    picture = tile.pictures[1]
    assert (picture.frame, picture.seconds) == (24, 1.5)
    assert picture.before is not None
    assert int(picture.before[0, 0, 0]) == 124


def test_large_frames_are_kept_small(tmp_path: Path) -> None:
    plan = plan_of(block("a boat", 0, 1 / 16))
    contact = ContactFrames(plan, tmp_path)
    contact.take(0, np.zeros((1, 80, 1024, 3), np.uint8), None)
    (picture,) = contact.tiles()[0].pictures
    assert picture.after.shape == (20, 256, 3)


def test_tiles_keep_their_frame_when_the_chunk_is_overwritten(tmp_path: Path) -> None:
    plan = plan_of(block("a boat", 0, 5 / 16))
    contact, frames = ContactFrames(plan, tmp_path), numbered(plan).copy()
    contact.take(0, frames, frames)
    frames[:] = 99
    assert shown(contact) == [[0, 2, 4]]
    before = contact.tiles()[0].pictures[1].before
    assert before is not None
    assert int(before.max()) == 2


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
