"""What programs import: the same frames, plans and faults as those of the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import rushes
from renders.shots import block, read_pngs, timeline, write_clip, write_timeline
from rushes.files.folders import Folders
from rushes.presets.preset import Preset
from rushes.video.frame_hash import FrameHash

HEAVY = ("torch", "av", "numpy", "yaml", "pydantic", "transformers", "celery", "redis")
BAD = {"prompts": [{"startTime": 1, "endTime": 0, "prompts": []}], "settings": {"seed": "x"}}
VIDEO = timeline(mode="video", ext={"inputs": [{"uri": "clip.mp4"}]}, noiseController=True)


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_it_loads_nothing_heavy() -> None:
    result = run(f"import rushes, sys; print(*set({HEAVY}) & set(sys.modules))")
    assert (result.returncode, result.stdout.strip()) == (0, ""), result.stderr


def test_checking_and_planning_need_neither_networks_nor_videos() -> None:
    shot = json.dumps(timeline())
    code = f"import json, rushes, sys; shot = json.loads({shot!r})"
    code += "; rushes.check(shot); rushes.plan(shot, preset='tiny')"
    result = run(f"{code}; print(*{{'torch', 'av'}} & set(sys.modules))")
    assert (result.returncode, result.stdout.strip()) == (0, ""), result.stderr


def test_public_names_are_sorted_and_all_there() -> None:
    assert rushes.__all__ == sorted(rushes.__all__)
    assert set(rushes.__all__) <= set(dir(rushes))
    assert all(getattr(rushes, name) is not None for name in rushes.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        rushes.nothing  # noqa: B018


def test_every_error_of_the_renderer_is_public() -> None:
    from rushes import errors

    mine = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert mine <= set(rushes.__all__)


def rendered(shot: rushes.TimelineDocument | Path, folders: Folders) -> tuple[str, list[int]]:
    """The hash of the frames of a shot, and how many there are in each chunk."""
    frame_hash, counts = FrameHash(), []
    for chunk, frames in rushes.frames(shot, preset="tiny", device="cpu", folders=folders):
        assert frames.dtype == np.uint8
        frame_hash.update(frames)
        counts.append(len(frames))
        assert chunk.index == len(counts) - 1
    return frame_hash.hexdigest(), counts


@pytest.mark.parametrize(
    "document",
    [
        timeline(block("a cat", 0, 1), block("a dog", 1, 1.7)),  # its last chunk is cut
        VIDEO,
    ],
    ids=["text", "video"],
)
def test_frames_are_those_that_render_writes(
    tmp_path: Path, folders: Folders, document: dict[str, object]
) -> None:
    write_clip(tmp_path / "clip.mp4")
    shot = write_timeline(tmp_path / "shot.json", document)
    frames_sha256, counts = rendered(shot, folders)
    manifest = rushes.render(
        shot, tmp_path / "out.png", preset="tiny", device="cpu", folders=folders
    )
    assert manifest["frames_sha256"] == frames_sha256
    assert sum(counts) == len(read_pngs(tmp_path / "out")) == manifest["num_frames"]


def test_the_stream_batch_of_upstream_gives_its_frames_with_their_own_chunks(
    tmp_path: Path, folders: Folders
) -> None:
    write_clip(tmp_path / "clip.mp4")
    shot = write_timeline(tmp_path / "shot.json", VIDEO)
    how = {"preset": "tiny", "device": "cpu", "folders": folders, "profile": "upstream"}
    frame_hash, indices = FrameHash(), []
    for chunk, frames in rushes.frames(shot, **how):  # type: ignore[arg-type]
        frame_hash.update(frames)
        indices.append(chunk.index)
    manifest = rushes.render(shot, tmp_path / "out.mp4", **how)  # type: ignore[arg-type]
    assert manifest["frames_sha256"] == frame_hash.hexdigest()
    assert indices == list(range(len(manifest["plan"]["chunks"])))


def test_who_stops_looking_at_frames_leaves_the_networks_as_they_were(
    tmp_path: Path, folders: Folders
) -> None:
    shot = write_timeline(tmp_path / "shot.json", timeline())
    some = rushes.frames(shot, preset="tiny", device="cpu", folders=folders)
    next(some)
    some.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == [shot]


def test_a_document_in_memory_is_rendered_and_no_file_is_made_of_it(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4")
    file = write_timeline(tmp_path / "shot.json", VIDEO)
    how = {"preset": "tiny", "device": "cpu", "folders": folders}
    from_memory = rushes.render(VIDEO, "out.mp4", **how)  # type: ignore[arg-type]
    from_file = rushes.render(file, "file.mp4", **how)  # type: ignore[arg-type]
    assert from_memory["frames_sha256"] == from_file["frames_sha256"]
    made = {"out.mp4", "out.mp4.json", "out.mp4.png", "file.mp4", "file.mp4.json", "file.mp4.png"}
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "shot.json"} | made


def test_what_was_read_once_can_be_checked_planned_and_rendered(
    tmp_path: Path, folders: Folders
) -> None:
    shot = write_timeline(tmp_path / "shot.json", timeline(seed=7))
    document = rushes.load_timeline(shot)
    assert document.timeline.settings.seed == 7
    assert rushes.check(document) == rushes.check(shot)
    assert rushes.plan(document, preset="tiny") == rushes.plan(shot, preset="tiny")
    assert rendered(document, folders) == rendered(shot, folders)


def test_options_are_those_of_a_plan(tmp_path: Path) -> None:
    made = rushes.plan(timeline(), preset="tiny", seed=3, fps="24", width=96, height=64)
    assert (made.seed, made.width, made.height) == (3, 96, 64)
    assert made.fps == 24
    with pytest.raises(rushes.ConfigError, match="fps is 0"):
        rushes.plan(timeline(), preset="tiny", fps=0)
    with pytest.raises(rushes.ConfigError, match="nonsense"):
        rushes.plan(timeline(), preset="tiny", nonsense=1)  # type: ignore[call-arg]


def test_a_plan_is_data() -> None:
    made = rushes.plan(timeline(), preset="tiny").to_dict()
    assert json.loads(json.dumps(made)) == made


def test_all_faults_of_a_document_are_data_and_are_raised_at_once() -> None:
    faults = [problem for problem in rushes.check(BAD) if problem.severity == "error"]
    assert len(faults) > 1
    assert any(fault.path == "settings.seed" and fault.value == "x" for fault in faults)
    json.dumps([fault.to_dict() for fault in faults])
    with pytest.raises(rushes.TimelineError) as raised:
        rushes.load_timeline(BAD)
    assert all(str(fault) in str(raised.value) for fault in faults)
    for verb in (rushes.plan, rushes.frames):
        with pytest.raises(rushes.TimelineError):
            verb(BAD, preset="tiny")


def test_what_only_a_plan_shows_is_a_problem_too(preset: Preset) -> None:
    long = timeline(block("a boat", 0, 604_800), ext={"output": {"fps": 240}})
    found = rushes.check(long, preset="tiny")
    assert [problem.severity for problem in found if "of one job" in problem.message] == ["error"]


def test_a_file_that_is_not_there_is_not_a_fault_of_its_content(tmp_path: Path) -> None:
    for verb in (rushes.check, rushes.plan, rushes.load_timeline):
        with pytest.raises(rushes.MissingFileError, match=r"none\.json"):
            verb(tmp_path / "none.json")
    with pytest.raises(rushes.MissingFileError, match=r"none\.json"):
        rushes.frames(tmp_path / "none.json", preset="tiny")


def test_a_document_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(rushes.TimelineError, match="is not JSON"):
        rushes.load_timeline({"prompts": {1, 2}})


def test_frames_refuses_at_the_call_what_render_refuses(tmp_path: Path, folders: Folders) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    with pytest.raises(rushes.ConfigError, match="is text to video"):
        rushes.frames(timeline(), preset="tiny", input=clip, folders=folders)


def test_a_result_that_is_there_is_kept(tmp_path: Path, folders: Folders) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"mine")
    with pytest.raises(rushes.ConflictError):
        rushes.render(timeline(), output, preset="tiny", device="cpu", folders=folders)
    assert output.read_bytes() == b"mine"


def test_the_stand_in_is_warned_of(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "models", tmp_path / "cache")
    with pytest.warns(UserWarning, match="using preset pocket"):
        rushes.frames(timeline(), device="cpu", folders=folders)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rushes.frames(timeline(), preset="pocket", device="cpu", folders=folders)


def test_progress_is_reported_and_can_stop_a_render(tmp_path: Path, folders: Folders) -> None:
    seen: list[rushes.Progress] = []

    def stop(progress: rushes.Progress) -> None:
        seen.append(progress)
        if progress.chunk == 2:
            raise rushes.StopRender("enough", save=False)

    how = {"preset": "tiny", "device": "cpu", "folders": folders}
    with pytest.raises(rushes.StopRender):
        rushes.render(timeline(), tmp_path / "out.mp4", report=stop, **how)  # type: ignore[arg-type]
    assert [progress.chunk for progress in seen] == [1, 2]
    assert not list(tmp_path.iterdir())
