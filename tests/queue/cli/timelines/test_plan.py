"""``rushes plan``: the chunk table on stdout, warnings on stderr, the whole plan as JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from renders.shots import write_clip
from rushes.files.resources import data_folder
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.video.read.probe import probe_video
from rushes_queue.cli import app
from rushes_queue.cli.show import table


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was rendered on this machine yet."""
    monkeypatch.setenv("RUSHES_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    blocks = [
        {"startTime": 0, "endTime": 2, "prompts": [{"text": "a boat", "weight": 100}]},
        {
            "startTime": 2,
            "endTime": 4,
            "prompts": [{"text": "a pond\x1b[31m", "weight": 100}],
            "transitionSteps": 2,
        },
    ]
    settings = {"resolution": {"height": 500, "width": 1000}}
    path = tmp_path / "shot.json"
    path.write_text(json.dumps({"prompts": blocks, "settings": settings, "version": "2.1"}))
    return path


def plan(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["plan", str(file), "--preset", "tiny", *arguments])


def rows(result: Result) -> list[str]:
    return [line.split()[0] for line in result.stdout.splitlines()[1:-3]]


def as_data(file: Path, *arguments: str) -> dict[str, Any]:
    result = plan(file, "--json", *arguments)
    assert result.exit_code == 0, result.output
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def test_alike_chunks_are_folded_into_one_row(file: Path) -> None:
    result = plan(file)
    assert result.exit_code == 0
    assert rows(result) == ["0-7", "8", "9", "10-15"]
    assert "16 chunks, 64 frames (1 more made and dropped), 4.000 s at 16 fps" in result.stdout


def test_every_chunk_can_have_its_row(file: Path) -> None:
    assert rows(plan(file, "--every-chunk")) == [str(index) for index in range(16)]


def test_a_reset_begins_a_row(file: Path) -> None:
    result = plan(file, "--on-prompt-change", "reset", "--profile", "scope-2025-10")
    assert "reset" in result.stdout.splitlines()[1]


def test_warnings_go_to_stderr(file: Path) -> None:
    result = plan(file)
    assert "warning: settings.resolution: 500 x 1000" in result.stderr
    assert "warning" not in result.stdout


def test_texts_cannot_command_the_terminal(file: Path) -> None:
    assert "\x1b" not in plan(file).stdout


def test_json_is_the_plan(file: Path) -> None:
    data = as_data(file)
    assert (data["fps"], data["num_frames"], data["num_chunks"]) == (16, 64, 16)
    assert (data["width"], data["height"]) == (1008, 496)
    assert len(data["warnings"]) == 1
    assert data["chunks"][8] | {"transition": 0.0, "prompt_block": 1} == data["chunks"][8]
    assert RenderPlan.from_dict(data).chunks[1].seed == 44


def test_the_memory_of_a_gpu_is_estimated(file: Path) -> None:
    line = plan(file).stdout.splitlines()[-2]
    assert re.match(r"memory of a GPU, in bfloat16: about \d+\.\d MB \(weights .*, KV cache ", line)
    memory = as_data(file)["memory"]
    assert memory["rendering"] > memory["kv_cache"] > 0
    quantised = as_data(file, "--quantise", "fp8", "--vae", "tae")
    assert quantised["quantization"] == "fp8_e4m3fn"
    assert quantised["memory"]["dit"] < memory["dit"]
    assert quantised["memory"]["vae_caches"] < memory["vae_caches"]


def test_options_reach_the_plan(file: Path) -> None:
    data = as_data(
        file,
        *("--fps", "30000/1001", "--duration", "1.5", "--seed", "7", "--size", "832x480"),
        *("--steps", "900,300", "--noise-scale", "0.5", "--mode", "video", "--ramp", "eager"),
    )
    assert (data["fps_exact"], data["num_frames"], data["seed"]) == ("30000/1001", 45, 7)
    assert (data["width"], data["height"]) == (832, 480)
    assert data["chunks"][0]["denoising_steps"] == [900, 300]
    assert data["chunks"][0]["noise_scale"] == 0.5


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fps", "fast"),
        ("--size", "big"),
        ("--size", "500x500"),
        ("--steps", "a,b"),
        ("--steps", "500,700"),
        ("--duration", "-1"),
        ("--noise-scale", "2"),
        ("--seed", "-1"),
        ("--mode", "image"),
        ("--profile", "other"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_a_usage_error(file: Path, arguments: tuple[str, ...]) -> None:
    result = plan(file, *arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_an_invalid_file_is_refused_with_every_error(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text('{"prompts": [], "settings": {"seed": -1}}')
    result = plan(path)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "settings.seed" in result.stderr
    assert "prompts: is empty" in result.stderr


def test_a_missing_file_has_its_own_code(tmp_path: Path) -> None:
    assert plan(tmp_path / "none.json").exit_code == 4


def test_the_length_of_an_input_needs_one(file: Path) -> None:
    result = plan(file, "--duration", "input")
    assert result.exit_code == 3
    assert "--input" in result.stderr


def test_an_unknown_preset_is_refused(file: Path) -> None:
    result = CliRunner().invoke(app, ["plan", str(file), "--preset", "none"])
    assert result.exit_code == 3
    assert "unknown preset" in result.stderr


def test_an_input_brings_its_rate_and_length(file: Path) -> None:
    video = data_folder("timelines") / "meadow.mp4"
    if not video.is_file():
        pytest.skip(f"no example video {video}")
    data = as_data(file, "--input", str(video), "--duration", "input")
    info = probe_video(video)
    assert data["fps_exact"] == str(info.fps)
    assert data["num_frames"] == info.num_frames
    assert "note:" not in plan(file, "--input", str(video)).stderr


def test_a_missing_input_has_its_own_code(file: Path) -> None:
    assert plan(file, "--input", "none.mp4").exit_code == 4


@pytest.mark.parametrize(
    ("flag", "vae_type"),
    [("wan", "wan"), ("light", "lightvae"), ("tae", "tae"), ("tiny-light", "lighttae")],
)
def test_the_autoencoder_is_part_of_the_plan(file: Path, flag: str, vae_type: str) -> None:
    assert as_data(file, "--vae", flag)["vae_type"] == vae_type


def test_what_steers_a_render_is_part_of_the_plan(file: Path) -> None:
    folder = file.parent
    for name in ("mask", "a", "b", "end"):
        Image.new("RGB", (64, 64)).save(folder / f"{name}.png")
    made = as_data(
        file,
        *("--mode", "text", "--fps", "16", "--mask", str(folder / "mask.png")),
        *("--control", str(write_clip(folder / "depth.mp4"))),
        *("--reference", str(folder / "a.png"), "--reference", str(folder / "b.png")),
        *("--last-frame", str(folder / "end.png"), "--control-scale", "0.5"),
    )
    names = {"video": f"{folder}/depth.mp4", "mask": f"{folder}/mask.png", "scale": None}
    assert made["control"] == names
    first, *_, last = (chunk["steering"] for chunk in made["chunks"])
    assert first["references"] == [f"{folder}/a.png", f"{folder}/b.png"]
    assert last["last_frame"] == f"{folder}/end.png"
    assert {chunk["steering"]["scale"] for chunk in made["chunks"]} == {0.5}
    del made["memory"], made["estimates"], made["input"]  # are not part of the plan
    assert RenderPlan.from_dict(made).to_dict() == made


def test_the_control_video_decides_the_rate_where_there_is_no_input(file: Path) -> None:
    clip = write_clip(file.parent / "depth.mp4", fps=Fraction(10))
    made = as_data(file, "--mode", "text", "--control", str(clip))
    assert (made["fps"], made["num_frames"]) == (10, 40)


def test_noise_and_normalisation_are_chosen(file: Path) -> None:
    made = as_data(file, "--noise", "cuda", "--noise-device", "4090", "--normalise-latents", "on")
    assert (made["noise"], made["noise_device"], made["normalise_latents"]) == (
        "cuda",
        "4090",
        True,
    )
    made = as_data(file, "--normalise-latents", "off")
    assert (made["noise"], made["noise_device"]) == ("torch-cpu", None)
    assert made["normalise_latents"] is False


def test_a_gpu_that_is_not_known_is_refused_by_the_names_that_are(file: Path) -> None:
    result = plan(file, "--noise", "cuda", "--noise-device", "rtx")
    assert result.exit_code == 2
    assert "h100" in result.output


def test_a_scale_out_of_bounds_is_refused(file: Path) -> None:
    result = plan(file, "--control-scale", "3")
    assert result.exit_code == 2
    assert "control_scale" in result.output


def test_the_input_that_a_timeline_names_is_looked_at(file: Path) -> None:
    document = json.loads(file.read_text()) | {
        "ext": {"schema": 1, "inputs": [{"uri": "clip.mp4"}]}
    }
    document["settings"]["inputMode"] = "video"
    file.write_text(json.dumps(document))
    missing = plan(file)
    assert missing.exit_code == 3
    assert f"{file.parent / 'clip.mp4'}: there is no such input file" in missing.stderr
    write_clip(file.parent / "clip.mp4", fps=Fraction(25))
    found = plan(file, "--json")
    assert found.stderr.count("input") == 0
    assert json.loads(found.stdout)["fps"] == 25


def test_a_plan_with_an_input_needs_no_torch(file: Path) -> None:
    clip = file.parent / "clip.mp4"
    write_clip(clip, fps=Fraction(25))
    code = (
        "import sys\n"
        "from rushes_queue.cli import app\n"
        "app(standalone_mode=False)\n"
        "sys.exit('torch imported' if 'torch' in sys.modules else 0)"
    )
    command = ["plan", str(file), "--mode", "video", "--input", str(clip)]
    result = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_table_fits_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "terminal_width", lambda: width)
    file = data_folder("timelines") / "evolution.json"
    lines = plan(file, "--noise-scale", "0.8").stdout.splitlines()
    assert max(map(len, lines)) <= width
    for name in ("chunk", "frames", "seconds", "block", "prompt"):
        assert name in lines[0].split()


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    path = tmp_path / "long.json"
    blocks = [{"startTime": 0, "endTime": 300, "prompts": [{"text": "a boat", "weight": 100}]}]
    path.write_text(json.dumps({"prompts": blocks, "version": "2.1"}))
    return path


def words(result: Result) -> str:
    return " ".join(result.stdout.split())


def test_where_positions_end_is_said(long_file: Path) -> None:
    shown = words(plan(long_file, "--mode", "text"))
    assert "1 reset after the start, 1 of them because positions end" in shown
    assert "(first at frame 4,089, 255.6 s; --positions rewind goes on without)" in shown


def test_where_positions_go_back_is_said(long_file: Path) -> None:
    shown = words(plan(long_file, "--mode", "text", "--positions", "rewind"))
    assert "0 resets after the start" in shown
    assert "positions go back 26 times (first at frame 197, 12.3 s)" in shown
    assert as_data(long_file, "--positions", "rewind")["positions"] == "rewind"


def test_time_and_disk_come_from_earlier_renders_of_this_machine(
    file: Path, tmp_path: Path
) -> None:
    assert "time: not known" in plan(file).stdout
    kind = {"preset": "tiny", "vae_type": "wan", "device": "H200", "dtype": "bfloat16"}
    size = {"width": 1008, "height": 496, "steps": 4}
    rate = kind | size | {"seconds": [2.0], "bytes": [50_000]}
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "rates.json").write_text(json.dumps({"rates": [rate]}))
    (found,) = as_data(file)["estimates"]
    assert (found["device"], found["renders"]) == ("H200", 1)
    last = plan(file).stdout.splitlines()[-1]
    assert re.match(r"time: about \d+ (s|min) and \d\.\d MB of disk on H200 in bfloat16", last)


def test_a_draft_is_drawn_and_named(file: Path, tmp_path: Path) -> None:
    result = plan(file, "--draft", str(tmp_path / "draft.png"))
    assert result.exit_code == 0, result.output
    assert f"draft  {tmp_path / 'draft.png'}: 2 blocks, by pocket" in result.stderr
    with Image.open(tmp_path / "draft.png") as sheet:
        assert sheet.format == "PNG"
    assert plan(file, "--draft", str(tmp_path / "draft.mp4")).exit_code == 3


@pytest.mark.parametrize(
    ("fit", "words"), [("crop", "cropped"), ("pad", "padded"), ("stretch", "stretched")]
)
def test_what_is_done_to_the_input_is_shown(
    file: Path, tmp_path: Path, fit: str, words: str
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", fps=Fraction(16))
    arguments = ("--input", str(clip), "--mode", "video", "--size", "128x64", "--fit", fit)
    assert as_data(file, *arguments)["input"] == {
        "file": "clip.mp4",
        "size": [64, 64],
        "fps": "16",
        "seconds": 21 / 16,
        "fit": fit,
        "resized": [128, 64],
        "num_frames": 21,
        "at_end": "loop",
        "changes": [],
    }
    told = " ".join(plan(file, *arguments).stdout.split())
    assert f"64 x 64, 1.312 s at 16 fps; {words} to 128 x 64; 21 frames, then from its" in told


def test_an_input_of_the_same_size_is_kept_and_none_is_none(file: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    arguments = ("--input", str(clip), "--mode", "video", "--size", "64x64", "--duration", "1")
    used = as_data(file, *arguments)["input"]
    assert (used["fit"], used["resized"], used["at_end"]) == (None, None, None)
    assert "its size kept" in " ".join(plan(file, *arguments).stdout.split())
    assert as_data(file, "--mode", "text")["input"] is None


def test_time_and_disk_come_from_other_machines_of_the_farm_too(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = {"preset": "tiny", "vae_type": "wan", "device": "H200", "dtype": "bfloat16"}
    size = {"width": 1008, "height": 496, "steps": 4}
    for place, seconds in (("cache", 2.0), ("farm/rates", 4.0), ("farm/rates", 6.0)):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        name = "rates" if place == "cache" else f"machine{seconds:g}"
        rate = kind | size | {"seconds": [seconds], "bytes": [50_000]}
        (tmp_path / place / f"{name}.json").write_text(json.dumps({"rates": [rate]}))
    monkeypatch.setenv("RUSHES_STORAGE_URL", str(tmp_path / "farm"))
    (found,) = as_data(file)["estimates"]
    assert found["renders"] == 3
    (tmp_path / "farm/rates/machine6.json").write_text("{")
    (found,) = as_data(file)["estimates"]
    assert found["renders"] == 2
    monkeypatch.setenv("RUSHES_STORAGE_URL", "s3://")
    (found,) = as_data(file)["estimates"]
    assert found["renders"] == 1
