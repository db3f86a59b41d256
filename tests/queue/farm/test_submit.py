"""From a planned timeline to a queued job: its files, its document, its bell."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from farm.commands import Farm
from renders.lora_files import write_lora
from renders.shots import block, timeline, write_clip, write_sound, write_timeline
from rushes.errors import ConfigError, InputError, MissingFileError
from rushes.presets.preset import load_preset
from rushes.shots.shot import Shot, plan_shots
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.read.load import load_timeline
from rushes_queue.errors import DocumentError
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.farm.submit import (
    _user,
    audio_file_of,
    check_shot,
    files_of,
    hand_in,
    make_document,
    named_files,
)
from rushes_queue.jobs.job_options import JobOptions
from rushes_queue.jobs.limits import Limits
from rushes_queue.jobs.states import State
from rushes_queue.settings.model import Settings
from rushes_queue.storage.blobs import blob_key, put_blob

TEXT = timeline(block("a cat", 0, 1))


def shots_of(folder: Path, data: dict[str, Any] = TEXT, count: int = 1, **more: Any) -> list[Shot]:
    file = write_timeline(folder / "cat.json", data)
    loras = more.pop("lora_folders", ())
    loaded = load_timeline(file, lora_folders=loras).require()
    size = {"width": 64, "height": 64} | more.pop("options", {})
    options = [PlanOptions(seed=seed, **size) for seed in range(count)]
    return plan_shots(
        *(loaded, file, load_preset("tiny"), options),
        lora_folders=loras,
        **more,
    )


@pytest.fixture
def links(farm: Farm) -> FarmLinks:
    settings = Settings(broker_url=SecretStr(farm.environment["RUSHES_BROKER_URL"]))
    return FarmLinks(settings, farm.store, farm.storage)


# --- which files ---------------------------------------------------------------------------------


def test_a_text_job_has_its_timeline_only(tmp_path: Path) -> None:
    (shot,) = shots_of(tmp_path)
    assert files_of(shot) == [tmp_path / "cat.json"]
    assert audio_file_of(shot) is None


def test_input_sound_images_and_loras_travel(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    write_clip(tmp_path / "art" / "depth.mp4")
    write_lora(tmp_path / "loras" / "film.safetensors")
    write_sound(tmp_path / "sound.wav")
    data = timeline(block("a cat", 0, 1), loras=[{"path": "film.safetensors", "scale": 1}])
    (shot,) = shots_of(
        *(tmp_path, data),
        options={"control": "art/depth.mp4"},
        audio=str(tmp_path / "sound.wav"),
        lora_folders=(tmp_path / "loras",),
    )
    assert named_files(shot) == {
        "depth.mp4": tmp_path / "art" / "depth.mp4",
        "film.safetensors": tmp_path / "loras" / "film.safetensors",
    }
    assert audio_file_of(shot) == tmp_path / "sound.wav"
    assert {path.name for path in files_of(shot)} == {
        *("cat.json", "sound.wav", "depth.mp4", "film.safetensors"),
    }


@pytest.mark.parametrize("audio", ["none", "input"])
def test_a_sound_that_is_no_file_does_not_travel(tmp_path: Path, audio: str) -> None:
    (shot,) = shots_of(tmp_path)
    request = shot.request.model_copy(update={"audio": audio})
    assert audio_file_of(replace(shot, request=request)) is None


# --- the document --------------------------------------------------------------------------------


def test_a_document_says_what_was_asked_for(farm: Farm, tmp_path: Path) -> None:
    (shot,) = shots_of(tmp_path, crf=7)
    blobs = {path: put_blob(farm.storage, path) for path in files_of(shot)}
    options = JobOptions(
        priority="high",
        tags=("night",),
        after=("0" * 16,),
        gpu_class="gpu24",
        notify=("https://host/",),
    )
    made = make_document(shot, blobs, options)
    assert (made.name, made.preset, made.seed, made.take) == ("cat", "tiny", 0, 0)
    assert (made.priority, made.tags, made.after) == ("high", ("night",), ("0" * 16,))
    assert (made.gpu_class, made.notify, made.request.crf) == ("gpu24", ("https://host/",), 7)
    assert str(tmp_path) not in made.to_bytes().decode()
    again = make_document(shot, blobs, JobOptions())
    assert again.id == made.id
    assert make_document(shot, blobs, JobOptions(nonce="new")).id != made.id


def test_a_user_without_a_name_can_submit(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(_: int) -> None:
        raise KeyError("uid not found")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setattr("rushes_queue.farm.submit._user", _user.__wrapped__)  # not kept
    (shot,) = shots_of(tmp_path)
    blobs = {path: put_blob(farm.storage, path) for path in files_of(shot)}
    assert make_document(shot, blobs, JobOptions()).submitter.user == "unknown"


# --- before anything is stored -------------------------------------------------------------------


def test_what_is_too_much_is_refused_before_it_is_stored(tmp_path: Path) -> None:
    (shot,) = shots_of(tmp_path)
    check_shot(shot, Limits(), JobOptions())
    with pytest.raises(DocumentError, match=r"limits\.max_pixels"):
        check_shot(shot, Limits(max_pixels=64 * 64 - 1), JobOptions())


@pytest.mark.parametrize("name", ["secret.txt", "silent.mp4"])
def test_only_what_holds_sound_travels_as_sound(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("root:x:0:0:root:/root:/bin/sh\n" * 20)
    write_clip(tmp_path / "silent.mp4")
    (shot,) = shots_of(tmp_path)
    request = shot.request.model_copy(update={"audio": str(tmp_path / name)})
    with pytest.raises(InputError, match=name):
        check_shot(replace(shot, request=request), Limits(), JobOptions())


def test_a_preset_of_ones_own_is_not_known_to_workers(tmp_path: Path) -> None:
    (shot,) = shots_of(tmp_path)
    request = shot.request.model_copy(update={"preset": "./my.yaml"})
    with pytest.raises(ConfigError, match="workers know presets by name only"):
        check_shot(replace(shot, request=request), Limits(), JobOptions())


def test_a_file_that_went_away_is_named(tmp_path: Path) -> None:
    (shot,) = shots_of(tmp_path)
    os.remove(tmp_path / "cat.json")
    with pytest.raises(InputError, match=r"cat\.json: cannot be read"):
        check_shot(shot, Limits(), JobOptions())


# --- handing in ----------------------------------------------------------------------------------


def test_jobs_are_stored_recorded_and_rung_in_their_order(
    links: FarmLinks, farm: Farm, tmp_path: Path
) -> None:
    shots = shots_of(tmp_path, count=12)
    handed = list(hand_in(links, shots, JobOptions()))
    assert [shot.plan.seed for shot, _, _ in handed] == list(range(12))
    ids = [document.id for _, document, _ in handed]
    assert len(set(ids)) == 12
    records = farm.store.get_many(ids)
    assert {record.state for record in records.values()} == {State.QUEUED}
    for job in ids:
        assert farm.document(job).id == job
    timelines = [entry.key for entry in farm.storage.list("blobs")]
    assert timelines == [blob_key(handed[0][1].timeline.sha256)]
    prefix = f"{farm.store.prefix}bell:"
    assert farm.store.client.llen(f"{prefix}tiny.any.normal") == 12


def test_the_same_submission_twice_is_the_same_job(links: FarmLinks, tmp_path: Path) -> None:
    (first,) = hand_in(links, shots_of(tmp_path), JobOptions())
    (second,) = hand_in(links, shots_of(tmp_path), JobOptions(priority="high"))
    assert first[1].id == second[1].id
    assert first[2].is_change
    assert not second[2].is_change


def test_a_file_that_cannot_be_stored_stops_what_comes_after(
    links: FarmLinks, farm: Farm, tmp_path: Path
) -> None:
    shots = shots_of(tmp_path, count=3)
    gone = shots[1].request.model_copy(update={"timeline": tmp_path / "gone.json"})
    shots[1] = replace(shots[1], request=gone)
    handed = hand_in(links, shots, JobOptions())
    first = next(handed)[1].id
    with pytest.raises(MissingFileError, match=r"gone\.json"):
        next(handed)
    assert [record.id for record in farm.store.list()] == [first]
