"""A plan inside a job: without paths, and refused where no planner would have made it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from farm.documents import plan_data
from rushes.errors import ConfigError
from rushes.presets.preset import load_preset, preset_names
from rushes.timeline.document import Audio
from rushes.timeline.plan.options import make_options
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan, Steering
from rushes.timeline.problems import MOST_OF_A_KIND
from rushes.timeline.read.load import parse_timeline
from rushes_queue.jobs.plan_document import (
    check_plan,
    portable_plan,
    steering_names,
    unknown_fields,
)

PLAN = RenderPlan.from_dict(plan_data())


def data() -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(plan_data()))
    return copy


def steered(*references: str, first: str | None = None) -> RenderPlan:
    """The plan with images at its second chunk."""
    steering = Steering(references=references, first_frame=first, last_frame=None, scale=1.0)
    chunks = list(PLAN.chunks)
    chunks[1] = replace(chunks[1], steering=steering)
    return replace(PLAN, chunks=tuple(chunks))


# --- without paths -------------------------------------------------------------------------------


def test_files_lose_their_folders_wherever_they_are_named() -> None:
    plan = replace(
        steered("/home/ann/face.png", first="C:\\art\\first.png"),
        control=replace(PLAN.control, video="depth/clip.mp4", mask="../mask.png"),
        audio=Audio(source="file", uri="/srv/sound.wav"),
    )
    made = portable_plan(plan)
    assert (made.control.video, made.control.mask) == ("clip.mp4", "mask.png")
    assert made.audio is not None
    assert made.audio.uri == "sound.wav"
    steering = made.chunks[1].steering
    assert steering is not None
    assert (steering.references, steering.first_frame) == (("face.png",), "first.png")
    assert steering_names(made.to_dict()) == {"clip.mp4", "mask.png", "face.png", "first.png"}


def test_a_plan_without_files_stays_as_it_is() -> None:
    assert portable_plan(PLAN) == PLAN
    assert steering_names(data()) == set()


def test_two_files_that_would_share_a_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"face\.png: are two files of the same name; rename one"):
        portable_plan(steered("a/face.png", first="b/face.png"))
    assert steering_names(portable_plan(steered("a/f.png", first="a/f.png")).to_dict()) == {"f.png"}


# --- fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("add", "name"),
    [
        (lambda plan: plan, "plan.mood"),
        (lambda plan: plan["chunks"][1], "plan.chunks.mood"),
        (lambda plan: plan["control"], "plan.control.mood"),
        (lambda plan: plan["output"], "plan.output.mood"),
        (lambda plan: plan["prompts"]["0"][0], "plan.prompts.0.mood"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_that_is_not_known_is_named(add: Callable[[Any], Any], name: str) -> None:
    plan = data()
    add(plan)["mood"] = "calm"
    assert unknown_fields(plan) == [name]


def test_fields_inside_loras_sound_and_steering_are_looked_at_too() -> None:
    plan = steered("face.png").to_dict()
    plan["chunks"][1]["steering"]["mood"] = 1
    plan["loras"] = [{"mood": 1}]
    plan["audio"] = {"mood": 1}
    assert unknown_fields(plan) == [
        "plan.audio.mood",
        "plan.chunks.steering.mood",
        "plan.loras.mood",
    ]


@pytest.mark.parametrize("plan", [None, [], 5, {"chunks": 5, "prompts": [], "loras": {}}, {}])
def test_what_is_not_a_plan_has_no_unknown_fields(plan: Any) -> None:
    assert unknown_fields(plan) == []


def test_all_fields_of_a_plan_are_known() -> None:
    assert unknown_fields(data()) == unknown_fields(steered("face.png").to_dict()) == []


# --- sense ---------------------------------------------------------------------------------------


def test_the_data_of_a_plan_is_handed_back() -> None:
    plan = data()
    assert check_plan(plan) is plan


def chunk(place: int, /, **more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda plan: plan["chunks"][place].update(more)


def of_plan(**more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda plan: plan.update(more)


LORA_SCALES = chunk(1, lora_scales=[1.0])
VALUE = "chunk 1 has a value out of range"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (of_plan(schema_version=99), "must be a plan of schema version"),
        (of_plan(chunks=[]), "chunks: is empty"),
        (of_plan(width="wide"), "width"),
        (of_plan(num_chunks=5), "unknown or contradictory fields"),
        (of_plan(mood=1), "unknown or contradictory fields"),
        (of_plan(width=100), "width is 100"),
        (of_plan(height=0), "height is 0"),
        (of_plan(fps=0.001, fps_exact="1/1000"), "unknown or contradictory fields|fps is"),
        (of_plan(pipeline_id="a" * 201), "over 200 characters"),
        (of_plan(pipeline_id="a\nb"), "one line of text"),
        (of_plan(warnings=["a"] * (3 * MOST_OF_A_KIND + 1)), "too many warnings"),
        (of_plan(warnings=["a" * 10_001]), "too many warnings"),
        (of_plan(prompts={}), "prompt block is empty|value that no plan has"),
        (of_plan(prompts={"0": []}), "a prompt block is empty or has no times"),
        (LORA_SCALES, "chunk 1 has strengths of 1 LoRAs"),
        (chunk(1, index=2), "chunk 1 does not follow|contradict"),
        (chunk(1, seed=-1), VALUE),
        (chunk(1, seed=2**64), VALUE),
        (chunk(1, num_latent_frames=99), VALUE),
        (chunk(1, position=-1), VALUE),
        (chunk(1, transition=1.5), VALUE),
        (chunk(1, noise_scale=2.0), VALUE),
        (chunk(1, prompt_block=7), VALUE),
        (chunk(1, denoising_steps=[]), VALUE),
        (chunk(1, denoising_steps=[250, 500]), VALUE),
        (chunk(0, reset=False), "the first chunk must reset"),
        (chunk(0, noise_scale=0.5), "noise_scale must be set in video mode"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_planner_makes_is_refused(
    change: Callable[[dict[str, Any]], None], fault: str
) -> None:
    plan = data()
    change(plan)
    with pytest.raises(ValueError, match=fault):
        check_plan(plan)


def fault_of(plan: dict[str, Any]) -> str:
    try:
        check_plan(plan)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ({"seed": 2**64 - 1}, {"seed": 2**64}),
        ({"seed": 0}, {"seed": -1}),
        ({"position": 0}, {"position": -1}),
        ({"transition": 0.0}, {"transition": -0.01}),
        ({"transition": 1.0}, {"transition": 1.01}),
        ({"noise_scale": 0.0}, {"noise_scale": -0.01}),
        ({"noise_scale": 1.0}, {"noise_scale": 1.01}),
        ({"num_latent_frames": 1}, {"num_latent_frames": 0}),
        ({"num_latent_frames": 21}, {"num_latent_frames": 22}),
        ({"num_frames": 1}, {"num_frames": 0}),
        (
            {"num_frames": 1000, "num_latent_frames": 250},
            {"num_frames": 1001, "num_latent_frames": 251},
        ),
    ],
    ids=lambda values: ", ".join(f"{name} {value}" for name, value in values.items()),
)
def test_the_edges_of_what_a_chunk_may_have(
    allowed: dict[str, Any], refused: dict[str, Any]
) -> None:
    for values, is_refused in ((allowed, False), (refused, True)):
        plan = data()
        chunk(1, **values)(plan)
        assert (VALUE in fault_of(plan)) is is_refused


@pytest.mark.parametrize(("scale", "is_refused"), [(0.0, False), (2.0, False), (2.01, True)])
def test_the_edges_of_how_strongly_vace_steers(scale: float, is_refused: bool) -> None:
    plan = steered("face.png").to_dict()
    plan["chunks"][1]["steering"]["scale"] = scale
    assert (VALUE in fault_of(plan)) is is_refused


def test_chunks_cover_the_plan_and_not_more() -> None:
    plan = data()
    last = plan["chunks"].pop()
    plan["num_chunks"] -= 1
    plan["num_frames_made"] -= last["num_frames"]
    with pytest.raises(ValueError, match=r"the chunks make \d+ frames, num_frames is \d+"):
        check_plan(plan)


@pytest.mark.parametrize("name", ["a/b.png", "..", "a\nb.png"])
def test_names_of_files_are_names(name: str) -> None:
    with pytest.raises(ValueError, match=r"file name|one line"):
        check_plan(steered(name).to_dict())


@pytest.mark.parametrize(("source", "uri"), [("file", None), ("input", "sound.wav")])
def test_a_sound_is_a_file_with_a_name_or_is_none(source: Any, uri: str | None) -> None:
    plan = replace(PLAN, audio=Audio(source=source, uri=uri))
    with pytest.raises(ValueError, match=r"audio\.source and audio\.uri contradict each other"):
        check_plan(plan.to_dict())


@pytest.mark.parametrize(
    "change",
    [of_plan(noise="cuda"), of_plan(noise_device="h100")],
    ids=["no GPU", "a GPU too many"],
)
def test_a_gpu_is_named_for_its_noise_and_for_no_other(
    change: Callable[[dict[str, Any]], None],
) -> None:
    plan = data()
    change(plan)
    with pytest.raises(ValueError, match="noise is"):
        check_plan(plan)


# --- the model family ----------------------------------------------------------------------------

FAMILY_SHOT = {
    "version": "2.1",
    "prompts": [
        {"startTime": 0, "endTime": 5, "prompts": [{"text": "a boat", "weight": 1}]},
        {"startTime": 5, "endTime": 14, "prompts": [{"text": "a pond", "weight": 1}]},
    ],
}


def family_plan(preset: str, **options: Any) -> RenderPlan:
    timeline = parse_timeline(json.dumps(FAMILY_SHOT)).require()
    return plan_render(timeline, make_options(mode="text", **options), load_preset(preset))


@pytest.mark.parametrize("preset", preset_names())
def test_the_plan_of_every_preset_is_one_that_a_worker_takes(preset: str) -> None:
    """Clips of more than one length hide frames, and begin with those of the clip before."""
    plan = family_plan(preset)
    written = json.loads(json.dumps(plan.to_dict()))
    assert RenderPlan.from_dict(written) == plan
    check_plan(written)


def test_an_image_that_is_shown_travels_by_its_bare_name() -> None:
    plan = portable_plan(family_plan("causal-forcing-framewise", first_frame="stills/boat.png"))
    assert plan.chunks[0].given_file == "boat.png"
    assert steering_names(plan.to_dict()) == {"boat.png"}
