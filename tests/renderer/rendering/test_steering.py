"""Renders steered through VACE: control video, mask, references, first and last frame."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from renders.shots import SIZE, block, moving, timeline, write_clip
from renders.studio import Studio
from rushes.errors import CheckpointError, ConfigError, InputError, MissingFileError
from rushes.files.hashes import sha256_of
from rushes.presets.preset import load_preset
from rushes.rendering.chunk_reader import GREY, ChunkReader
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.render import render
from rushes.rendering.save_points import SavePolicy
from rushes.rendering.work import Work
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan, Steering
from rushes.timeline.read.load import load_timeline
from rushes.weights.networks import find_weights
from rushes.weights.vace import load_vace

TEXT = timeline()
TWO = (block("a boat", 0, 0.5), block("a pond", 0.5, 1))


def write_image(path: Path, seed: int = 3, size: tuple[int, int] = (SIZE, SIZE)) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    picture = pixels.repeat(size[0] // 4, axis=0).repeat(size[1] // 4, axis=1)
    Image.fromarray(picture).save(path)
    return path


def write_mask(path: Path, white_columns: slice) -> Path:
    frames = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    frames[:, :, white_columns] = 255
    return write_clip(path, frames)


@pytest.fixture
def files(studio: Studio) -> dict[str, Any]:
    """Names of files beside the timeline."""
    write_clip(studio.folder / "control.mp4", moving(16))
    write_mask(studio.folder / "mask.mkv", slice(32, 64))
    write_image(studio.folder / "face.png")
    write_image(studio.folder / "end.png", seed=4, size=(SIZE, 2 * SIZE))
    return {
        "control": "control.mp4",
        "mask": "mask.mkv",
        "first_frame": "face.png",
        "last_frame": "end.png",
    }


def inputs_of(studio: Studio, plan_and_request: tuple[Any, Any]) -> list[Any]:
    plan, request = plan_and_request
    with closing(ChunkReader(plan, request)) as reader:
        return [reader.read(chunk).inputs for chunk in plan.chunks]


# --- what goes into the chunks -------------------------------------------------------------------


def test_a_control_video_is_read_in_step_with_the_chunks(
    studio: Studio, files: dict[str, Any]
) -> None:
    made = inputs_of(studio, studio.prepare(TEXT, control="control.mp4"))
    frames = np.concatenate([inputs.control.numpy() for inputs in made])[:16]
    assert [len(inputs.control) for inputs in made] == [5, 4, 4, 4]
    off = [np.abs(frames[0].astype(int) - other).mean() for other in moving(16)]
    assert off[0] < min(off[1:]) / 2  # the file is YUV, so it is not zero
    assert np.abs(frames.astype(int) - moving(16)).mean() < 1.1 * off[0]
    assert all(bool(inputs.masks.all()) and inputs.video is None for inputs in made)


def test_white_of_the_mask_is_made_anew(studio: Studio, files: dict[str, Any]) -> None:
    plan = studio.prepare(TEXT, control="control.mp4", mask="mask.mkv")
    for inputs in inputs_of(studio, plan):
        assert not inputs.masks[:, :, :32].any()
        assert bool(inputs.masks[:, :, 32:].all())


def test_without_control_video_the_other_frames_are_grey(
    studio: Studio, files: dict[str, Any]
) -> None:
    chosen = studio.prepare(TEXT, first_frame="face.png", last_frame="end.png")
    made = inputs_of(studio, chosen)
    first, last = made[0], made[-1]
    assert bool((first.control == first.control[0]).all())
    assert not first.masks.any()
    assert not last.masks.any()
    assert not torch.equal(first.control[0], last.control[0])
    for inputs in made[1:-1]:
        assert bool((inputs.control == GREY).all())
        assert bool(inputs.masks.all())


def test_an_image_keeps_its_proportions(studio: Studio, files: dict[str, Any]) -> None:
    made = inputs_of(studio, studio.prepare(TEXT, last_frame="end.png"))
    picture = made[-1].control[0].numpy()
    columns = np.unique(picture[0].reshape(-1, 3), axis=0)
    assert len(columns) >= 2  # the middle two of four columns, not all four squeezed
    assert picture.shape == (SIZE, SIZE, 3)


def steering_of(plan: RenderPlan) -> list[Steering | None]:
    return [chunk.steering for chunk in plan.chunks]


def test_references_act_where_their_block_begins(studio: Studio, files: dict[str, Any]) -> None:
    blocks = (TWO[0], TWO[1] | {"ext": {"vace": {"ref_images": ["face.png"], "scale": 0.8}}})
    document = timeline(*blocks, ext={"unit": "seconds"})
    plan, _ = studio.prepare(document)
    assert steering_of(plan) == [None, None, Steering(0.8, ("face.png",)), None]
    assert not plan.has_control_frames


def test_references_act_again_where_the_caches_begin_anew(
    studio: Studio, files: dict[str, Any]
) -> None:
    blocks = (TWO[0], TWO[1] | {"ext": {"cache": "reset"}})
    document = timeline(*blocks, ext={"unit": "seconds"})
    plan, _ = studio.prepare(document, references=("face.png",))
    given = [steering is not None for steering in steering_of(plan)]
    assert given == [chunk.reset for chunk in plan.chunks]
    assert sum(given) == 2


def test_a_block_begins_and_ends_with_its_images(studio: Studio, files: dict[str, Any]) -> None:
    vace = {"first_frame": "face.png", "last_frame": "end.png"}
    document = timeline(TWO[0] | {"ext": {"vace": vace}}, TWO[1], ext={"unit": "seconds"})
    plan, _ = studio.prepare(document)
    assert steering_of(plan) == [
        Steering(1.0, first_frame="face.png"),
        Steering(1.0, last_frame="end.png"),
        Steering(1.0),
        Steering(1.0),
    ]


@pytest.mark.parametrize(
    ("options", "scales"),
    [({}, [0.0, 0.0, 0.5, 1.5]), ({"control_scale": 0.25}, [0.25] * 4)],
)
def test_the_scale_follows_keyframes_and_blocks_unless_it_is_given(
    options: dict[str, Any], scales: list[float], studio: Studio, files: dict[str, Any]
) -> None:
    keys = [{"t": 0, "v": 0}, {"t": 0.5, "v": 0.5, "ease": "step"}]
    ext = {"schedules": {"vace_scale": keys}, "control": {"input": "control.mp4", "scale": 2}}
    blocks = (block("a boat", 0, 0.8), block("a pond", 0.8, 1, ext={"vace": {"scale": 1.5}}))
    plan, _ = studio.prepare(timeline(*blocks, ext=ext), **options)
    assert [steering and steering.scale for steering in steering_of(plan)] == scales


def test_a_plan_comes_back_from_its_data(studio: Studio, files: dict[str, Any]) -> None:
    plan, _ = studio.prepare(TEXT, references=("end.png",), **files)
    assert RenderPlan.from_dict(plan.to_dict()) == plan
    assert set(plan.steering_files) == {*files.values(), "end.png"}


# --- renders -------------------------------------------------------------------------------------

WAYS: dict[str, dict[str, Any]] = {
    "control": {"control": "control.mp4"},
    "mask": {"control": "control.mp4", "mask": "mask.mkv"},
    "reference": {"references": ("face.png",)},
    "two references": {"references": ("face.png", "end.png")},
    "control and reference": {"control": "control.mp4", "references": ("face.png",)},
    "first frame": {"first_frame": "face.png"},
    "last frame": {"last_frame": "end.png"},
    "everything": {
        "control": "control.mp4",
        "mask": "mask.mkv",
        "references": ("end.png",),
        "first_frame": "face.png",
        "last_frame": "end.png",
        "control_scale": 0.5,
    },
}


def test_every_way_to_steer_gives_pictures_of_its_own(
    studio: Studio, files: dict[str, Any]
) -> None:
    hashes = {"none": studio.render(TEXT)["frames_sha256"]}
    for name, options in WAYS.items():
        manifest = studio.render(TEXT, **options)
        hashes[name] = manifest["frames_sha256"]
        assert "vace" in manifest["sha256"]["weights"]
        steering = manifest["sha256"]["steering"]
        assert steering.keys() == set(PlanOptions(**options).steering_files)
        assert all(value == sha256_of(studio.folder / key) for key, value in steering.items())
    assert len(set(hashes.values())) == len(hashes)
    assert studio.render(TEXT)["frames_sha256"] == hashes["none"]
    assert "vace" not in studio.render(TEXT)["sha256"]["weights"]


def test_a_scale_of_zero_steers_nothing(studio: Studio, files: dict[str, Any]) -> None:
    without = studio.render(TEXT)["frames_sha256"]
    assert studio.render(TEXT, control_scale=0, **files)["frames_sha256"] == without


def test_the_input_can_be_what_steers(studio: Studio, files: dict[str, Any]) -> None:
    source = studio.folder / "control.mp4"
    settings: dict[str, Any] = {
        "vaceEnabled": True,
        "vaceUseInputVideo": True,
        "vaceContextScale": 0.5,
    }
    as_input = studio.frames(timeline(mode="video", **settings), source=source)
    as_control = studio.frames(TEXT, control="control.mp4", control_scale=0.5)
    assert np.array_equal(as_input, as_control)


def test_video_to_video_can_be_steered_as_well(studio: Studio, files: dict[str, Any]) -> None:
    source = write_clip(studio.folder / "clip.mp4", moving(16, seed=5))
    video = timeline(mode="video")
    plain = studio.frames(video, source=source)
    steered = studio.frames(video, source=source, control="control.mp4")
    assert steered.shape == plain.shape
    assert not np.array_equal(steered, plain)


@pytest.mark.parametrize("vae_type", ["wan", "tae"])
def test_a_stopped_render_goes_on(vae_type: Any, studio: Studio, files: dict[str, Any]) -> None:
    options = {"references": ("face.png",), "vae_type": vae_type, **files}
    whole = studio.render(TEXT, "whole.mp4", **options)
    plan, request = studio.prepare(TEXT, "parts.mp4", **options)
    work = Work(studio.folder / "work", SavePolicy(every_chunks=1))

    def stop(progress: Progress) -> None:
        if progress.chunk == 2:
            raise StopRender("enough", save=True)

    with pytest.raises(StopRender):
        render(studio.pipeline, plan, request, report=stop, work=work)
    manifest = render(studio.pipeline, plan, request, work=work)
    assert manifest["resumed_at_chunk"] > 0
    assert manifest["frames_sha256"] == whole["frames_sha256"]


def test_another_file_of_the_same_name_starts_afresh(studio: Studio, files: dict[str, Any]) -> None:
    plan, request = studio.prepare(TEXT, first_frame="face.png")
    work = Work(studio.folder / "work", SavePolicy(every_chunks=1))

    def stop(progress: Progress) -> None:
        raise StopRender("enough", save=True)

    with pytest.raises(StopRender):
        render(studio.pipeline, plan, request, report=stop, work=work)
    write_image(studio.folder / "face.png", seed=9)
    assert render(studio.pipeline, plan, request, work=work)["resumed_at_chunk"] == 0


# --- what goes wrong -----------------------------------------------------------------------------


def refusal(studio: Studio, document: dict[str, Any], **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        studio.prepare(document, **options)
    return str(caught.value)


def test_all_faults_of_a_plan_are_told_at_once(studio: Studio) -> None:
    vace = {"ref_images": ["a.png", "b.png"], "first_frame": "a.png", "last_frame": "b.png"}
    blocks = (block("a boat", 0, 0.8), block("a pond", 0.8, 1, ext={"vace": vace}))
    message = refusal(studio, timeline(*blocks, ext={"control": {"mask": "m.png"}}))
    assert "a mask needs frames" in message
    assert "prompts[1].ext.vace.ref_images: 2 reference images, but chunk 3 has room" in message
    assert "prompts[1].ext.vace.first_frame: begins and ends in chunk 3" in message


def test_references_of_the_command_line_are_counted_too(studio: Studio) -> None:
    message = refusal(studio, TEXT, references=("a.png", "b.png", "c.png"))
    assert "--reference: 3 reference images, but chunk 0 has room for 2; leave 1 out" in message


def test_a_preset_without_vace_says_so(studio: Studio, tmp_path: Path) -> None:
    preset = load_preset("streamdiffusionv2-14b")
    _, request = studio.prepare(TEXT)
    loaded = load_timeline(request.timeline).require()
    with pytest.raises(ConfigError, match=r"14b has no VACE.*use preset streamdiffusionv2-1.3b"):
        plan_render(loaded, PlanOptions(control="x.mp4"), preset)


def test_missing_vace_weights_are_named_with_the_next_step(tmp_path: Path) -> None:
    preset = load_preset("streamdiffusionv2-1.3b")
    name = r"vace \(WanVideo_comfy/Wan2_1-VACE_module_1_3B_bf16.safetensors\)"
    with pytest.raises(CheckpointError, match=f"{name}.*rushes models download .*vace-1.3b"):
        find_weights(preset, tmp_path, tmp_path, with_vace=True)


def test_all_missing_files_are_told_at_once(studio: Studio) -> None:
    with pytest.raises(MissingFileError, match=r"no\.mp4, .*no\.png: there is no such file"):
        studio.render(TEXT, control="no.mp4", references=("no.png",))
    assert studio.files() == ["shot.json"]


@pytest.mark.parametrize("way", ["control", "references", "mask"])
def test_a_file_that_is_no_picture_is_told(way: str, studio: Studio, files: dict[str, Any]) -> None:
    (studio.folder / "notes.txt").write_text("not a picture")
    given: Any = ("notes.txt",) if way == "references" else "notes.txt"
    with pytest.raises(InputError, match=r"notes\.txt"):
        studio.render(TEXT, **{"control": "control.mp4"} | {way: given})


def test_a_result_never_replaces_what_steers_it(studio: Studio, files: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="would replace its own source"):
        studio.render(TEXT, "control.mp4", control="control.mp4")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("only other keys", "holds no VACE weights"),
        ("one key gone", "missing: vace_blocks.0.after_proj.bias"),
        ("another size", "mis-shaped"),
        ("all zeros", "is all zeros"),
        ("more keys", ""),
    ],
)
def test_only_the_right_vace_weights_are_loaded(
    change: str, says: str, studio: Studio, tmp_path: Path
) -> None:
    pipeline = studio.pipeline
    folders = pipeline.folders
    path = find_weights(pipeline.preset, folders.models, folders.cache, with_vace=True).vace
    assert path is not None
    state = load_file(path)
    entry = "vace_patch_embedding.weight"
    match change:
        case "only other keys":
            state = {"blocks.0.norm3.weight": torch.ones(2)}
        case "one key gone":
            del state["vace_blocks.0.after_proj.bias"]
        case "another size":
            state[entry] = state[entry][:, :64].contiguous()
        case "all zeros":
            state[entry] = torch.zeros_like(state[entry])
        case "more keys":
            state["blocks.0.norm3.weight"] = torch.ones(2)
    save_file(state, tmp_path / "vace.safetensors")
    models = pipeline.models
    arguments = (models.dit.config, tmp_path / "vace.safetensors", models.device, models.dtype)
    if says:
        with pytest.raises(CheckpointError, match=says):
            load_vace(*arguments)
    else:
        assert len(load_vace(*arguments).vace_blocks) == 1


def test_an_input_that_is_control_needs_weights_of_vace(studio: Studio) -> None:
    source = write_clip(studio.folder / "clip.mp4")
    document = timeline(mode="video", vaceEnabled=True, vaceUseInputVideo=True)
    plan, request = studio.prepare(document, source=source)
    real = load_preset("tiny").model_copy(update={"random_weights_seed": None})
    pipeline = replace(studio.pipeline, preset=real, folders=replace(studio.pipeline.folders))
    with pytest.raises(CheckpointError, match="vace"):
        render(pipeline, plan, request)
