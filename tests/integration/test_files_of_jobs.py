"""Jobs with files of their own: LoRAs, control video, mask and images travel with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from farm.running import RunningFarm
from farm.timelines import SIDE, write_shot
from renders.lora_files import write_lora
from renders.shots import moving, write_clip
from rushes_queue.archive.job_files import read_document
from rushes_queue.jobs.states import State


def write_files(folder: Path) -> list[str]:
    """Make what steers a render; return the options that name it."""
    folder.mkdir()
    write_clip(folder / "depth.mp4", moving(16))
    columns = np.zeros((SIDE, SIDE, 3), np.uint8)
    columns[:, SIDE // 2 :] = 255
    Image.fromarray(columns).save(folder / "mask.png")
    Image.fromarray(columns[::-1]).save(folder / "face.png")
    names = {"control": "depth.mp4", "mask": "mask.png", "reference": "face.png"}
    return [part for key, name in names.items() for part in (f"--{key}", str(folder / name))]


def test_a_job_with_files_makes_what_a_render_makes(running: RunningFarm) -> None:
    shot = write_shot(running.folder / "shot.json", chunks=3)
    document = json.loads(shot.read_text())
    document["settings"]["loras"] = [{"id": "1", "path": "film.safetensors", "scale": 0.5}]
    shot.write_text(json.dumps(document))
    write_lora(running.folder / "my loras" / "film.safetensors")
    options = [*write_files(running.folder / "art"), "--lora-dir", str(running.folder / "my loras")]

    (job,) = running.submit(shot, *options)
    stored = read_document(running.storage, job)
    assert {ref.name for ref in stored.files} == {
        *("depth.mp4", "mask.png", "face.png", "film.safetensors"),
    }
    assert str(running.folder) not in stored.to_bytes().decode()
    running.work_once()
    record = running.store.get(job)
    assert record.state is State.DONE, record

    output = running.folder / "here.mp4"
    result = running.run("render", shot, "-o", output, "--preset", "tiny", *options)
    assert result.exit_code == 0, result.stderr
    here = json.loads((running.folder / "here.mp4.json").read_text())
    there = running.manifest(record)
    assert there["frames_sha256"] == here["frames_sha256"]
    assert there["sha256"]["weights"] == here["sha256"]["weights"]
    assert sorted(there["sha256"]["steering"].values()) == sorted(
        here["sha256"]["steering"].values()
    )


def test_another_file_of_the_same_name_is_another_job(running: RunningFarm) -> None:
    shot = write_shot(running.folder / "shot.json", chunks=3)
    options = write_files(running.folder / "art")
    first, again = running.submit(shot, *options), running.submit(shot, *options)
    write_clip(running.folder / "art" / "depth.mp4", moving(16, seed=9))
    assert first == again
    assert running.submit(shot, *options) != first


def test_two_files_of_one_name_are_refused(running: RunningFarm) -> None:
    shot = write_shot(running.folder / "shot.json", chunks=3)
    options = write_files(running.folder / "art")
    (running.folder / "other").mkdir()
    Image.new("RGB", (SIDE, SIDE)).save(running.folder / "other" / "face.png")
    more = ["--first-frame", str(running.folder / "other" / "face.png")]
    result = running.run("submit", shot, "--preset", "tiny", *options, *more)
    assert result.exit_code == 3
    assert "face.png: are two files of the same name" in result.stderr
    assert running.store.list() == ()


def test_results_are_brought_here_and_made_again_where_somebody_deleted_them(
    running: RunningFarm,
) -> None:
    shot = write_shot(running.folder / "shot.json", chunks=4)
    (job,) = running.submit(shot)
    running.work_once()
    frames = running.manifest(running.store.get(job))["frames_sha256"]
    brought = running.run("submit", shot, "--preset", "tiny", "--fetch", running.folder / "here")
    assert brought.exit_code == 0, brought.stderr
    (video,) = (running.folder / "here").glob(f"*{job}.mp4")
    assert f"fetched {video}" in brought.stderr
    assert len(list(video.parent.iterdir())) == 3
    running.storage.delete("results")
    told = running.run("fetch", job, "-o", running.folder / "fetched")
    assert told.exit_code == 4
    assert "was deleted from the storage" in told.stderr
    assert "submit the job again with --new" in told.stderr
    assert not list((running.folder / "fetched").glob("*"))
    (new,) = running.submit(shot, "--new")
    running.work_once()
    assert running.manifest(running.store.get(new))["frames_sha256"] == frames
