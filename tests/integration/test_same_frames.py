"""One timeline gives one set of frames: in memory, in a file, on the command line, on a farm."""

from __future__ import annotations

import json

import pytest

import rushes
from farm.running import RunningFarm
from farm.timelines import write_shot
from renders.shots import moving, write_clip
from rushes.presets.kinds import Mode
from rushes.video.frame_hash import FrameHash
from rushes_queue import Farm


@pytest.mark.parametrize("mode", ["text", "video"])
def test_every_way_renders_the_same_frames(
    running: RunningFarm, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    shot = write_shot(running.folder / "shot.json", chunks=3)
    clip = write_clip(running.folder / "clip.mp4", moving(16)) if mode == "video" else None
    output = running.folder / "command.mp4"
    given = ["--mode", mode, *(("--input", clip) if clip else ())]
    printed = running.run("render", shot, "--preset", "tiny", "-o", output, "--json", *given)
    assert printed.exit_code == 0, printed.output
    expected = json.loads(printed.stdout)["frames_sha256"]

    frame_hash = FrameHash()
    for _, pixels in rushes.frames(shot, preset="tiny", device="cpu", mode=mode, input=clip):
        frame_hash.update(pixels)
    assert frame_hash.hexdigest() == expected

    document = json.loads(shot.read_text())
    manifest = rushes.render(
        document, running.folder / "memory.mp4", preset="tiny", device="cpu", mode=mode, input=clip
    )
    assert manifest["frames_sha256"] == expected

    with Farm() as farm:
        (job,) = farm.submit(document, preset="tiny", mode=mode, input=clip)
        running.work_once()
        (*_, last) = farm.watch(job.id, timeout_seconds=60)
    assert last.result is not None
    assert last.result["frames_sha256"] == expected
