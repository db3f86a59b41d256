"""A job document: what it may hold, what decides its hash, and the request that comes of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from farm.documents import blob, document, plan_data
from rushes.errors import ConfigError
from rushes.rendering.request import RenderRequest
from rushes.timeline.document import Audio, Lora
from rushes.timeline.plan.options import PlanOptions
from rushes_queue.errors import DocumentError, NewerDocumentError
from rushes_queue.jobs import document as document_module
from rushes_queue.jobs.document import (
    JobDocument,
    JobRequest,
    Submitter,
    canonical_json,
)

JOB = document()
SOUND = blob("sound", "sound.wav")
FACE = blob("face", "face.png")
STEERING = {
    "references": [FACE.name],
    "first_frame": None,
    "last_frame": None,
    "scale": 1.0,
}


def changed(**more: Any) -> bytes:
    return json.dumps(json.loads(JOB.to_bytes()) | more).encode()


def request_for(folder: Path, **more: Any) -> RenderRequest:
    values = {"timeline": folder / "cat.json", "output": folder / "cat.MP4", "preset": "tiny"}
    return RenderRequest.model_validate(values | more)


# --- what agrees ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"seed": 43}, "seed 43 differs from the plan's 42"),
        ({"input": blob("clip", "clip.mp4")}, "input contradicts the plan's takes_input"),
        ({"audio": SOUND}, "audio contradicts"),
        ({"request": JobRequest(audio="file")}, "audio contradicts"),
        ({"request": JobRequest(audio="input")}, "but there is no input"),
        ({"files": (FACE,)}, "files differ from those that the plan names"),
        ({"files": (FACE, FACE)}, "files has two entries with the same name"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_parts_that_do_not_agree_are_refused(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        document(**change)


def test_a_sound_of_its_own_goes_with_a_request_for_it() -> None:
    job = document(request=JobRequest(audio="file"), audio=SOUND)
    assert JobDocument.from_bytes(job.to_bytes()).to_bytes() == job.to_bytes()


def test_a_lora_may_be_among_the_files_or_be_left_to_the_worker() -> None:
    film = blob("film", "film.safetensors")
    plan = plan_data() | {"loras": [asdict(Lora(film.name))]}
    assert document(plan=plan).lora_names == {film.name}
    assert document(plan=plan, files=(film,)).files == (film,)
    with pytest.raises(ValidationError, match="files differ from those that the plan names"):
        document(plan=plan, files=(film, FACE))


def test_a_file_may_not_have_the_name_of_another() -> None:
    plan = json.loads(json.dumps(plan_data()))
    plan["chunks"][0]["steering"] = STEERING | {"references": ["cat.json"]}
    with pytest.raises(ValidationError, match=r"files: cat\.json is also the name of another"):
        document(plan=plan, files=(blob("other", "cat.json"),))
    steered = json.loads(json.dumps(plan_data()))
    steered["chunks"][0]["steering"] = STEERING
    assert document(plan=steered, files=(FACE,)).files == (FACE,)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x" * 16},
        {"id": "0" * 15},
        {"created_at": "2026-01-01T00:00:00"},
        {"name": "a/b"},
        {"preset": "../tiny"},
        {"gpu_class": "gpu32"},
        {"take": -1},
        {"take": 1_000_001},
        {"tags": ["a\nb"]},
        {"tags": [""]},
        {"tags": ["a"] * 33},
        {"priority": "urgent"},
        {"after": ["x"]},
        {"notify": ["file:///etc/passwd"]},
        {"notify": ["http://host/"] * 9},
        {"seed": True},
        {"submitter": {"version": "1", "user": "a\nb", "host": ""}},
    ],
    ids=str,
)
def test_values_of_a_stranger_are_refused_in_one_line(change: dict[str, Any]) -> None:
    with pytest.raises(DocumentError, match=r"the job document is wrong: \w+") as caught:
        JobDocument.from_bytes(changed(**change))
    assert next(iter(change)) in str(caught.value)
    assert str(caught.value).isprintable()


def test_many_faults_are_counted() -> None:
    with pytest.raises(DocumentError, match="; and 2 more"):
        JobDocument.from_bytes(changed(after=["x"] * 10))


@pytest.mark.parametrize("place", ["", "submitter", "request", "timeline"])
def test_a_field_that_is_not_known_is_left_to_a_newer_worker(place: str) -> None:
    fields = json.loads(JOB.to_bytes())
    (fields[place] if place else fields)["mood"] = "calm"
    with pytest.raises(NewerDocumentError, match=r"does not know \(.*mood\); update it"):
        JobDocument.from_bytes(json.dumps(fields).encode())


@pytest.mark.parametrize("text", [b"[]", b"5", b"", b"{", b'{"a": NaN}', b"[" * 100_000])
def test_what_is_not_an_object_is_refused(text: bytes) -> None:
    with pytest.raises(DocumentError, match=r"is not usable JSON|is not an object"):
        JobDocument.from_bytes(text)


def test_a_document_that_is_too_large_is_neither_written_nor_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = JOB.to_bytes()
    monkeypatch.setattr(document_module, "MAX_BYTES", len(data))
    assert JobDocument.from_bytes(JOB.to_bytes()).to_bytes() == data
    monkeypatch.setattr(document_module, "MAX_BYTES", len(data) - 1)
    with pytest.raises(DocumentError, match="split the timeline") as caught:
        JOB.to_bytes()
    assert caught.value.job == JOB.id
    with pytest.raises(DocumentError, match="is larger than 0 MiB"):
        JobDocument.from_bytes(data)


# --- the hash ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"created_at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"submitter": Submitter(version="9", user="bob", host="x")},
        {"name": "dog"},
        {"tags": ("a",)},
        {"priority": "high"},
        {"gpu_class": "gpu80"},
        {"after": ("0" * 16,)},
        {"notify": ("https://host/",)},
        {"plan": plan_data() | {"warnings": ["something"]}},
        {"timeline": blob(name="dog.json")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_who_asks_and_how_urgently_does_not_change_the_hash(change: dict[str, Any]) -> None:
    assert document(**change).content_sha256 == JOB.content_sha256


@pytest.mark.parametrize(
    "change",
    [
        {"preset": "pocket"},
        {"take": 1},
        {"timeline": blob("other")},
        {"request": JobRequest(crf=1)},
        {"plan": plan_data(7), "seed": 7},
        {"request": JobRequest(audio="file"), "audio": SOUND},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_decides_the_result_changes_the_hash(change: dict[str, Any]) -> None:
    assert document(**change).content_sha256 != JOB.content_sha256


def test_canonical_json_does_not_depend_on_the_order() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


# --- the request ---------------------------------------------------------------------------------


def test_a_request_loses_its_folders(tmp_path: Path) -> None:
    options = PlanOptions(control=str(tmp_path / "depth.mp4"), references=("a/face.png",))
    made = JobRequest.from_request(request_for(tmp_path, options=options, crf=7))
    assert (made.plan.control, made.plan.references) == ("depth.mp4", ("face.png",))
    assert (made.extension, made.crf, made.audio) == (".mp4", 7, None)


@pytest.mark.parametrize(
    ("audio", "kind"), [("input", "input"), ("none", "none"), (None, None), ("a.wav", "file")]
)
def test_a_sound_of_its_own_is_called_a_file(
    tmp_path: Path, audio: str | None, kind: str | None
) -> None:
    assert JobRequest.from_request(request_for(tmp_path, audio=audio)).audio == kind


@pytest.mark.parametrize(
    "change",
    [
        {"output": Path("cat.avi")},
        {"codec": "a b"},
        {"crf": 256},
        {"dtype": "int8"},
    ],
)
def test_a_request_that_cannot_be_a_job_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="this cannot be submitted as a job: is wrong"):
        JobRequest.from_request(request_for(tmp_path, **change))


def test_a_worker_gets_the_request_with_files_of_its_own(tmp_path: Path) -> None:
    request = JobRequest(crf=7, audio="file", dtype="float32")
    job = document(request=request, audio=SOUND)
    made = job.to_request(
        timeline=tmp_path / "cat.json",
        output=tmp_path / "out.mp4",
        audio=tmp_path / "sound.wav",
        device="cpu",
    )
    assert (made.crf, made.dtype, made.device, made.preset) == (7, "float32", "cpu", "tiny")
    assert made.audio == str(tmp_path / "sound.wav")


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"input": "clip.mp4"}, "has no input file"),
        ({"audio": "sound.wav"}, "has no audio file"),
        ({"output": "out.mkv"}, r"makes a \.mp4 file"),
    ],
)
def test_files_that_do_not_fit_the_job_are_refused(
    tmp_path: Path, files: dict[str, str], fault: str
) -> None:
    names = {"timeline": "cat.json", "output": "out.mp4"} | files
    here: dict[str, Any] = {name: tmp_path / file for name, file in names.items()}
    with pytest.raises(ConfigError, match=fault):
        JOB.to_request(**here)


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    job = document(request=JobRequest(audio="file"), audio=SOUND)
    with pytest.raises(ConfigError, match="has an audio file"):
        job.to_request(timeline=tmp_path / "cat.json", output=tmp_path / "out.mp4")


def test_the_sound_of_a_timeline_lies_beside_it(tmp_path: Path) -> None:
    plan = plan_data() | {"audio": asdict(Audio("file", "sound.wav"))}
    job = document(plan=plan, audio=SOUND)
    files: dict[str, Any] = {"timeline": tmp_path / "cat.json", "output": tmp_path / "out.mp4"}
    assert job.to_request(**files, audio=tmp_path / "sound.wav").audio is None
    with pytest.raises(ConfigError, match=r"must be .*sound\.wav"):
        job.to_request(**files, audio=tmp_path / "other" / "sound.wav")
