"""Whole renders with the tiny preset; what is in the files, and that it is repeatable."""

from __future__ import annotations

import json
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from renders.shots import (
    SIZE,
    Frames,
    block,
    moving,
    picture_size,
    read_movie,
    timeline,
    write_clip,
)
from renders.studio import Studio
from rushes.errors import ConfigError
from rushes.files.hashes import sha256_of
from rushes.rendering.loop import Progress
from rushes.rendering.render import render
from rushes.rendering.request import RenderRequest
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.video.read.probe import probe_video


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("input") / "clip.mp4")


@pytest.fixture(scope="module")
def clip_with_sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("input") / "sound.mp4", moving(32), with_sound=True)


def hash_of(frames: Frames) -> str:
    return sha256(np.ascontiguousarray(frames).tobytes()).hexdigest()


TEXT = timeline()
VIDEO = timeline(mode="video")
TWO_PROMPTS = timeline(block("a boat", 0, 0.5), block("a pond", 0.5, 1))


# --- what is in the files ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["text", "video"])
def test_a_movie_has_the_planned_frames_rate_and_size(
    mode: str, studio: Studio, clip: Path
) -> None:
    source = clip if mode == "video" else None
    manifest = studio.render(timeline(mode=mode), source=source, fps="25/2")
    path = studio.folder / "out.mp4"
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (SIZE, SIZE, Fraction(25, 2))
        assert sum(1 for _ in container.decode(stream)) == 13
        assert not container.streams.audio
    assert (manifest["num_frames"], manifest["fps"], manifest["fps_exact"]) == (13, 12.5, "25/2")


@pytest.mark.parametrize("mode", ["text", "video"])
def test_the_hash_is_that_of_the_frames_before_encoding(
    mode: str, studio: Studio, clip: Path
) -> None:
    source = clip if mode == "video" else None
    document = timeline(mode=mode)
    frames = studio.frames(document, source=source)
    movie = studio.render(document, source=source)
    assert frames.shape == (16, SIZE, SIZE, 3)
    assert movie["frames_sha256"] == hash_of(frames)
    shown = read_movie(studio.folder / "out.mp4")
    grey = [pictures.mean(axis=-1).ravel() for pictures in (shown, frames)]
    assert np.corrcoef(*grey)[0, 1] > 0.85  # the rest is the codec's loss


def test_an_enlarged_result_has_the_hash_of_the_rendered_frames(studio: Studio) -> None:
    plain = studio.render(TEXT)
    plan, request = studio.prepare(TEXT, "large.mp4")
    request = request.model_copy(update={"enlarge": 3})
    manifest = render(studio.pipeline, plan, request)
    assert manifest["frames_sha256"] == plain["frames_sha256"]
    assert plain["enlarged"] is None
    size = 3 * SIZE
    wanted = {"times": 3, "filter": "lanczos", "width": size, "height": size}
    assert manifest["enlarged"] == wanted
    assert (manifest["width"], manifest["request"]["enlarge"]) == (SIZE, 3)
    assert read_movie(request.output).shape[1:] == (size, size, 3)


def test_frames_are_not_enlarged_beyond_what_encoders_hold(studio: Studio) -> None:
    plan, request = studio.prepare(TEXT, "huge.mp4")
    request = request.model_copy(update={"enlarge": 8192 // SIZE + 1})
    with pytest.raises(ConfigError, match="at most 8192 pixels"):
        render(studio.pipeline, plan, request)


def test_frames_beyond_the_end_are_neither_shown_nor_hashed(studio: Studio) -> None:
    short = studio.frames(TEXT, duration="0.375")
    whole = studio.frames(TEXT)
    assert len(short) == 6
    assert np.array_equal(short, whole[:6])


def test_the_pictures_are_no_flat_colour(studio: Studio) -> None:
    frames = studio.frames(TEXT)
    assert frames.std(axis=(1, 2, 3)).min() > 5
    assert not any(np.array_equal(a, b) for a, b in pairwise(frames))


@pytest.mark.parametrize("name", ["out.mkv", "out.mov", "out.webm", "out.gif"])
def test_every_kind_of_result_has_manifest_and_contact_sheet(name: str, studio: Studio) -> None:
    studio.render(TEXT, name)
    assert studio.files() == [name, f"{name}.json", f"{name}.png", "shot.json"]
    assert picture_size(studio.folder / f"{name}.png")[0] > SIZE


def test_pictures_are_a_folder(studio: Studio) -> None:
    studio.render(TEXT, "out.png")
    assert studio.files() == ["out", "out.png.json", "out.png.png", "shot.json"]
    assert len(list((studio.folder / "out").iterdir())) == 16


def test_pictures_can_have_names_of_their_own(studio: Studio) -> None:
    studio.render(TEXT, "boat/frame_%03d.png")
    pictures = sorted(file.name for file in (studio.folder / "boat").glob("frame_???.png"))
    assert pictures == [f"frame_{index:03}.png" for index in range(16)]


def test_pictures_with_names_of_their_own_can_be_made_again(studio: Studio) -> None:
    for _ in range(2):
        studio.render(TEXT, "boat/frame_%03d.png", force=True)
    assert len(list((studio.folder / "boat").glob("frame_???.png"))) == 16


def test_the_sound_of_the_input_is_copied(studio: Studio, clip_with_sound: Path) -> None:
    studio.render(VIDEO, source=clip_with_sound, audio="input")
    sounds = []
    for path in (clip_with_sound, studio.folder / "out.mp4"):
        with av.open(path) as container:
            (stream,) = container.streams.audio
            sounds.append([bytes(packet) for packet in container.demux(stream) if packet.size])
    assert 40 < len(sounds[1]) < len(sounds[0])  # 16 of 32 frames
    assert sounds[1] == sounds[0][: len(sounds[1])]


@pytest.mark.parametrize(
    ("in_file", "asked", "has_sound"),
    [("input", None, True), ("input", "none", False), ("none", "input", True), (None, None, False)],
)
def test_the_command_line_decides_about_sound_over_the_timeline(
    in_file: str | None, asked: str | None, has_sound: bool, studio: Studio, clip_with_sound: Path
) -> None:
    document = timeline(mode="video", ext={"audio": in_file} if in_file else None)
    studio.render(document, source=clip_with_sound, audio=asked)
    assert probe_video(studio.folder / "out.mp4").has_audio == has_sound


def test_a_silent_input_is_told_in_the_manifest(studio: Studio, clip: Path) -> None:
    manifest = studio.render(VIDEO, source=clip, audio="input")
    assert any("holds no sound" in warning for warning in manifest["warnings"])


def test_replayed_steps_give_the_same_pictures(studio: Studio) -> None:
    plan, request = studio.prepare(timeline(block("a boat", 0, 2)))
    plain, replayed = (
        render(studio.pipeline, plan, request.model_copy(update={"graphs": graphs}), force=True)
        for graphs in ("off", "on")
    )
    assert (plain["graphs"], replayed["graphs"]) == (False, True)
    assert plain["frames_sha256"] == replayed["frames_sha256"]


# --- the manifest --------------------------------------------------------------------------------


def test_the_manifest_has_every_field(studio: Studio, clip: Path) -> None:
    returned = studio.render(VIDEO, source=clip)
    manifest = json.loads((studio.folder / "out.mp4.json").read_text(encoding="utf-8"))
    assert manifest == returned
    assert manifest.keys() >= {
        *("schema_version", "num_frames", "fps", "fps_exact", "width", "height", "seed"),
        *("preset", "random_weights", "frames_sha256", "sha256", "request", "device", "dtype"),
        *("versions", "timings", "peak_memory", "warnings", "plan"),
    }
    assert manifest["versions"].keys() >= {"rushes", "python", "torch", "av", "numpy"}
    stages = {
        "read",
        "prepare",
        "prompts",
        "encode",
        "denoise",
        "clean pass",
        "decode",
        "write",
        "total",
    }
    assert manifest["timings"].keys() == stages
    assert manifest["timings"]["total"] > manifest["timings"]["denoise"] > 0
    assert (manifest["seed"], manifest["device"], manifest["dtype"]) == (42, "cpu", "float32")
    assert manifest["peak_memory"]["host"] > 1 << 20


def test_the_manifest_holds_the_hashes_of_everything_that_went_in(
    studio: Studio, clip: Path
) -> None:
    manifest = studio.render(VIDEO, source=clip)
    files = studio.pipeline.paths.files()
    assert manifest["sha256"] == {
        "timeline": sha256_of(studio.folder / "shot.json"),
        "input": sha256_of(clip),
        "weights": {part: sha256_of(path) for part, path in files.items()},
    }


def test_plan_and_request_can_be_had_back_from_the_manifest(studio: Studio, clip: Path) -> None:
    plan, request = studio.prepare(VIDEO, source=clip)
    manifest = render(studio.pipeline, plan, request)
    assert RenderPlan.from_dict(manifest["plan"]) == plan
    assert RenderRequest.model_validate(manifest["request"]) == request


def test_the_manifest_warns_of_random_weights_and_repeats_the_plans_warnings(
    studio: Studio,
) -> None:
    manifest = studio.render(timeline(resolution={"height": 70, "width": 64}))
    assert manifest["random_weights"]
    assert "random" in manifest["warnings"][0]
    assert any("resolution" in warning for warning in manifest["warnings"])


def test_prompts_in_every_script_survive_in_the_manifest(studio: Studio) -> None:
    manifest = studio.render(timeline(block("Füße, 船, 🚤", 0, 0.3)))
    text = (studio.folder / "out.mp4.json").read_text(encoding="utf-8")
    assert json.loads(text)["plan"]["prompts"] == manifest["plan"]["prompts"]
    assert "船" in text


# --- the same again ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["text", "video"])
def test_the_same_render_gives_the_same_bytes(mode: str, studio: Studio, clip: Path) -> None:
    source = clip if mode == "video" else None
    found = []
    for name in ("first.mp4", "again.mp4"):
        manifest = studio.render(timeline(mode=mode), name, source=source)
        found.append((manifest["frames_sha256"], (studio.folder / name).read_bytes()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "other",
    [
        timeline(seed=43),
        timeline(block("a pond", 0, 1)),
        timeline(denoisingSteps=[900, 400]),
        TWO_PROMPTS,
    ],
    ids=["seed", "prompt", "steps", "second block"],
)
def test_what_a_timeline_asks_for_changes_the_frames(other: dict[str, Any], studio: Studio) -> None:
    assert studio.frames_hash(other) != studio.frames_hash(TEXT)


def test_a_seed_on_the_command_line_replaces_that_of_the_file(studio: Studio) -> None:
    assert studio.frames_hash(TEXT, seed=7) == studio.frames_hash(timeline(seed=7))


def test_a_weight_of_zero_does_not_count(studio: Studio) -> None:
    silent = block("", 0, 1, prompts=[{"text": "a boat"}, {"text": "a pond", "weight": 0}])
    frames = [studio.frames(document) for document in (timeline(silent), TEXT)]
    assert np.abs(frames[0].astype(int) - frames[1]).max() <= 1


def test_a_prompt_block_changes_nothing_before_it(studio: Studio) -> None:
    plain, two = studio.frames(TEXT), studio.frames(TWO_PROMPTS)
    changed = [not np.array_equal(a, b) for a, b in zip(plain, two, strict=True)]
    assert changed == [False] * 9 + [True] * 7  # chunks begin at frames 0, 5, 9 and 13


def test_a_transition_leads_over_in_steps(studio: Studio) -> None:
    def with_steps(num_steps: int) -> Frames:
        blocks = (block("a boat", 0, 0.5), block("a pond", 0.5, 2, transitionSteps=num_steps))
        return studio.frames(timeline(*blocks, manageCache=False))

    hard, soft = with_steps(0), with_steps(3)
    changed = [not np.array_equal(a, b) for a, b in zip(hard, soft, strict=True)]
    assert not any(changed[:9])
    assert all(changed[9:])
    stayed = studio.frames(timeline(block("a boat", 0, 2), manageCache=False))
    assert np.array_equal(soft[9:13], stayed[9:13])  # the first of the steps is the start itself


# --- profiles and options ------------------------------------------------------------------------


def test_a_profile_plays_a_file_in_its_own_way(studio: Studio, clip: Path) -> None:
    document = TWO_PROMPTS | {"settings": VIDEO["settings"]}
    manifest = studio.render(document, source=clip, profile="scope-2025-10")
    chunks = manifest["plan"]["chunks"]
    assert (manifest["fps"], manifest["num_frames"]) == (15, 15)
    assert [chunk["reset"] for chunk in chunks] == [True, False, True, False]
    assert chunks[1]["seed"] == 42 + 2 * (SIZE // 16) ** 2
    assert len(read_movie(studio.folder / "out.mp4")) == 15


def test_an_input_can_loop_or_hold_or_end_the_result(studio: Studio, tmp_path: Path) -> None:
    """Each is compared with an input that already has the 17 frames which the chunks take."""
    frames = moving(10)
    document = timeline(mode="video", noiseController=False)
    short = write_clip(tmp_path / "short.mp4", frames)
    held = write_clip(tmp_path / "held.mp4", frames[[*range(10), *[9] * 7]])
    looped = write_clip(tmp_path / "looped.mp4", frames[[*range(10), *range(7)]])

    def rendered(source: Path, at_end: str) -> Frames:
        return studio.frames(document, source=source, at_end=at_end)

    assert np.array_equal(rendered(short, "hold"), rendered(held, "loop"))
    assert np.array_equal(rendered(short, "loop"), rendered(looped, "hold"))
    assert not np.array_equal(rendered(short, "loop"), rendered(short, "hold"))
    assert np.array_equal(rendered(short, "stop"), rendered(held, "loop")[:10])


def test_a_noise_schedule_reaches_the_stream(studio: Studio, clip: Path) -> None:
    def rendered(keys: list[dict[str, Any]] | None, noise_scale: float) -> Frames:
        ext = {"schedules": {"noise_scale": keys}} if keys else None
        settings = {"noiseController": False, "noiseScale": noise_scale}
        return studio.frames(timeline(mode="video", ext=ext, **settings), source=clip)

    flat = rendered(None, 0.5)
    assert np.array_equal(rendered([{"t": 0, "v": 0.5}], 0.9), flat)
    jumping = rendered([{"t": 0, "v": 0.5}, {"t": 0.5, "v": 0.9, "ease": "step"}], 0.5)
    changed = [not np.array_equal(a, b) for a, b in zip(jumping, flat, strict=True)]
    assert changed == [False] * 9 + [True] * 7


def test_the_noise_controller_can_be_switched_off(studio: Studio, clip: Path) -> None:
    on, off = (timeline(mode="video", noiseController=value) for value in (True, False))
    assert studio.frames_hash(on, source=clip) != studio.frames_hash(off, source=clip)


def test_noise_of_a_gpu_gives_other_pictures_and_stands_in_the_manifest(studio: Studio) -> None:
    cpu, gpu = studio.render(TEXT), studio.render(TEXT, noise="cuda", noise_device="a100")
    assert (cpu["noise"], cpu["noise_device"]) == ("torch-cpu", None)
    assert (gpu["noise"], gpu["noise_device"]) == ("cuda", "a100")
    assert cpu["frames_sha256"] != gpu["frames_sha256"]
    again = studio.render(TEXT, noise="cuda", noise_device="h100")
    assert again["frames_sha256"] == gpu["frames_sha256"]  # a small chunk, so any GPU will do


def test_normalised_input_gives_other_pictures(studio: Studio, clip: Path) -> None:
    plain, off, on = (
        studio.render(VIDEO, source=clip, normalise_latents=value) for value in (None, False, True)
    )
    assert (plain["normalise_latents"], on["normalise_latents"]) == (False, True)
    assert plain["frames_sha256"] == off["frames_sha256"] != on["frames_sha256"]


def test_text_and_video_mode_are_two_things(studio: Studio, clip: Path) -> None:
    assert studio.frames_hash(VIDEO, source=clip) != studio.frames_hash(TEXT)


# --- progress ------------------------------------------------------------------------------------


def test_every_chunk_is_reported_when_it_is_written(studio: Studio) -> None:
    reports: list[Progress] = []
    frames = studio.frames(TWO_PROMPTS, report=reports.append)
    assert [report.chunk for report in reports] == [1, 2, 3, 4]
    assert [report.frame for report in reports] == [5, 9, 13, 16]
    assert {(report.num_chunks, report.num_frames) for report in reports} == {(4, 16)}
    assert [report.prompt for report in reports] == ["a boat", "a boat", "a pond", "a pond"]
    assert reports[-1].seconds_left == 0
    assert all(report.frames_per_second > 0 for report in reports)
    for report in reports:
        assert np.array_equal(report.last_frame, frames[report.frame - 1])


def test_a_timeline_may_be_edited_while_it_renders(studio: Studio) -> None:
    """The manifest names the one that was rendered."""
    shot = studio.folder / "shot.json"
    plan, request = studio.prepare(TEXT)
    before = sha256(shot.read_bytes()).hexdigest()
    manifest = render(studio.pipeline, plan, request, report=lambda _: shot.unlink(missing_ok=True))
    assert manifest["sha256"]["timeline"] == before


# --- contact sheet -------------------------------------------------------------------------------


def test_the_contact_sheet_shows_before_and_after(studio: Studio, clip: Path) -> None:
    sizes = {}
    for name, source in (("text", None), ("video", clip)):
        studio.render(timeline(mode=name), f"{name}.mp4", source=source)
        sizes[name] = picture_size(studio.folder / f"{name}.mp4.png")
    assert sizes["video"][1] > 1.4 * sizes["text"][1]
