"""The same submission is the same job; whatever changes the result is another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from checkout import ROOT
from farm.documents import blob
from rushes.timeline.plan.options import PlanOptions
from rushes_queue.jobs.document import JobDocument, JobRequest
from rushes_queue.jobs.job_id import job_id

FACE = blob("face", "face.png")


def make(**more: Any) -> str:
    values: dict[str, Any] = {
        "timeline_sha256": "1" * 64,
        "input_sha256": None,
        "audio_sha256": None,
        "preset": "tiny",
        "request": JobRequest(),
    }
    return job_id(**values | more)


def test_an_id_is_sixteen_hexadecimal_digits_and_stays_the_same() -> None:
    assert make() == make()
    assert re.fullmatch(r"[0-9a-f]{16}", make())


@pytest.mark.parametrize(
    "folder",
    sorted((ROOT / "tests/data/documents/v1/jobs").iterdir()),
    ids=lambda folder: folder.name,
)
def test_jobs_of_an_older_version_are_found_again(folder: Path) -> None:
    job = JobDocument.from_bytes((folder / "job.json").read_bytes())
    found = job_id(
        timeline_sha256=job.timeline.sha256,
        input_sha256=None if job.input is None else job.input.sha256,
        audio_sha256=None if job.audio is None else job.audio.sha256,
        preset=job.preset,
        request=job.request,
        take=job.take,
        files=job.files,
    )
    assert found == job.id == folder.name


CHANGES: list[dict[str, Any]] = [
    {"timeline_sha256": "2" * 64},
    {"input_sha256": "1" * 64},
    {"audio_sha256": "1" * 64},
    {"preset": "pocket"},
    {"request": JobRequest(extension=".mkv")},
    {"request": JobRequest(plan=PlanOptions(seed=7))},
    {"request": JobRequest(threads=1)},
    {"request": JobRequest(threads=2)},
    {"take": 1},
    {"nonce": "again"},
    {"files": [FACE]},
    {"files": [FACE.model_copy(update={"name": "other.png"})]},
    {"files": [blob("other", "face.png")]},
]


def test_every_part_of_the_identity_counts() -> None:
    ids = [make(), *(make(**change) for change in CHANGES)]
    assert len(set(ids)) == len(ids)


def test_the_order_of_files_does_not_count() -> None:
    mask = blob("mask", "mask.png")
    assert make(files=[FACE, mask]) == make(files=[mask, FACE])


@pytest.mark.parametrize("names", [("input_sha256", "audio_sha256")])
def test_an_input_is_not_taken_for_a_sound(names: tuple[str, str]) -> None:
    first, second = ({name: "3" * 64} for name in names)
    assert make(**first) != make(**second)
