"""What steers a plan: who says so, how strongly, and what cannot be."""

from __future__ import annotations

import pytest

from renders.plans import block, chain, document, plan
from rushes.errors import ConfigError
from rushes.presets.preset import Preset
from rushes.timeline.document import ControlVideo


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("file.mp4", "file.png")),
        ({"control": "mine.mp4"}, ("mine.mp4", "file.png")),
        ({"mask": "mine.png"}, ("file.mp4", "mine.png")),
    ],
    ids=["the file", "my control video", "my mask"],
)
def test_the_command_line_wins_over_the_file(
    preset: Preset, options: dict[str, str], expected: tuple[str, str]
) -> None:
    control = {"input": "file.mp4", "mask": "file.png"}
    data = document(*chain(0, 2), inputMode="text", ext={"control": control})
    made = plan(data, preset, **options)
    assert (made.control.video, made.control.mask) == expected
    assert made.is_steered


@pytest.mark.parametrize(
    ("control", "mask"), [("mine.mp4", None), ("mine.mp4", "mine.png")], ids=["alone", "with mask"]
)
def test_the_command_line_alone_steers_too(preset: Preset, control: str, mask: str | None) -> None:
    data = document(*chain(0, 2), inputMode="text")
    made = plan(data, preset, control=control, mask=mask)
    assert made.control == ControlVideo(control, mask, None)
    assert {chunk.steering and chunk.steering.scale for chunk in made.chunks} == {1.0}
    assert not plan(data, preset).is_steered


def test_a_mask_needs_frames(preset: Preset) -> None:
    with pytest.raises(ConfigError, match="a mask needs frames"):
        plan(document(*chain(0, 2), inputMode="text"), preset, mask="mine.png")


@pytest.mark.parametrize("source", ["options", "block"])
def test_images_alone_keep_a_stream_batch_out(preset: Preset, source: str) -> None:
    images = {"ref_images": ["a.png"]} if source == "block" else {}
    options = {"references": ("a.png",)} if source == "options" else {}
    data = document(block(0, 2, "a boat", ext={"vace": images}), inputMode="text", ext={})
    made = plan(data, preset, profile="upstream", **options)
    assert made.is_steered
    assert not made.stream_batch
    plain = document(*chain(0, 2), inputMode="text")
    assert plan(plain, preset, profile="upstream").stream_batch
    with pytest.raises(ConfigError, match="cannot run in a stream batch"):
        plan(data, preset, profile="upstream", stream_batch=True, **options)


def test_scales_come_from_the_command_line_then_the_block_then_the_schedule(
    preset: Preset,
) -> None:
    vace = {"ref_images": ["a.png"], "scale": 0.4}
    data = document(
        block(0, 1, "a", ext={"vace": vace}),
        block(1, 2, "b"),
        inputMode="text",
        ext={
            "control": {"input": "depth.mp4", "scale": 0.9},
            "schedules": {"vace_scale": [{"t": 0, "v": 1.5}]},
        },
    )
    found = [chunk.steering and chunk.steering.scale for chunk in plan(data, preset).chunks]
    assert (found[0], found[-1]) == (0.4, 1.5)
    fixed = plan(data, preset, control_scale=0.2).chunks
    assert {chunk.steering and chunk.steering.scale for chunk in fixed} == {0.2}
    del data["ext"]["schedules"]
    assert plan(data, preset).chunks[-1].steering.scale == 0.9  # type: ignore[union-attr]


def test_references_act_where_their_block_begins(preset: Preset) -> None:
    data = document(
        block(0, 1, "a"),
        block(1, 2, "b", ext={"vace": {"ref_images": ["b.png"]}}),
        inputMode="text",
        ext={},
    )
    made = plan(data, preset)
    with_images = [c.index for c in made.chunks if c.steering and c.steering.references]
    first = next(chunk.index for chunk in made.chunks if chunk.prompt_block == 1)
    assert with_images == [first]


def test_too_many_references_and_two_ends_of_one_chunk_are_refused(preset: Preset) -> None:
    data = document(*chain(0, 2), inputMode="text")
    assert plan(data, preset, references=("a.png", "b.png")).is_steered
    with pytest.raises(ConfigError, match=r"3 reference images, .* has room for 2; leave 1 out"):
        plan(data, preset, references=("a.png", "b.png", "c.png"))
    short = document(*chain(0, 0.25), inputMode="text")
    with pytest.raises(ConfigError, match="cannot show two images"):
        plan(short, preset, first_frame="a.png", last_frame="b.png")
    assert plan(data, preset, first_frame="a.png", last_frame="b.png").is_steered
