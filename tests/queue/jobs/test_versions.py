"""Documents of every schema version are read for good; no field changes without a new version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from checkout import ROOT
from rushes.timeline import document as timeline
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.render_plan import Chunk, RenderPlan, Steering
from rushes_queue.errors import DocumentError, NewerDocumentError
from rushes_queue.jobs.document import JobDocument, JobRequest, Submitter
from rushes_queue.jobs.record import JobFailure, JobRecord
from rushes_queue.jobs.versions import JOB_VERSION, PLAN_VERSION, upgrade
from rushes_queue.storage.blobs import BlobRef

DOCUMENTS = ROOT / "tests" / "data" / "documents"
JOB = DOCUMENTS / "v1" / "jobs" / "462926691ef09bcb" / "job.json"


def job_fields() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(JOB.read_text())
    return data


@pytest.mark.parametrize("file", sorted(DOCUMENTS.glob("v*/jobs/*/job.json")), ids=str)
def test_a_document_of_any_version_is_read(file: Path) -> None:
    written = json.loads(file.read_text())
    document = JobDocument.from_bytes(file.read_bytes())
    assert document.id == file.parent.name
    assert document.num_chunks == len(written["plan"]["chunks"])
    assert document.render_plan().num_frames == written["plan"]["num_frames"]


def test_the_hash_of_an_old_document_stays_that_of_its_record() -> None:
    record = JobRecord.from_dict(json.loads(JOB.with_name("state.json").read_text()))
    assert JobDocument.from_bytes(JOB.read_bytes()).content_sha256 == record.document_sha256


@pytest.mark.parametrize("file", sorted(DOCUMENTS.glob("v*/jobs/*/state.json")), ids=str)
def test_a_record_of_any_version_is_read(file: Path) -> None:
    record = JobRecord.from_dict(json.loads(file.read_text()))
    assert record.id == file.parent.name
    assert JobRecord.from_fields(record.id, record.to_fields()) == record


def test_steps_of_upgrades_are_taken_in_order() -> None:
    def add_a(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {**fields, "a": 1}

    def double_a(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {**fields, "a": 2 * fields["a"]}

    old = {"schema_version": 1, "name": "cat"}
    steps = {1: add_a, 2: double_a}
    assert upgrade(old, steps, 3) == {"schema_version": 3, "name": "cat", "a": 2}
    assert upgrade({**old, "schema_version": 3}, steps, 3) == {"schema_version": 3, "name": "cat"}
    assert old == {"schema_version": 1, "name": "cat"}


@pytest.mark.parametrize("version", [0, -1, True, "1", None, 1.0])
def test_a_version_that_never_was_is_refused(version: object) -> None:
    with pytest.raises(DocumentError, match="schema_version"):
        JobDocument.from_bytes(json.dumps(job_fields() | {"schema_version": version}).encode())


def test_a_newer_plan_in_a_known_document_is_for_newer_workers() -> None:
    fields = job_fields()
    fields["plan"]["schema_version"] = PLAN_VERSION + 1
    with pytest.raises(NewerDocumentError, match="update it"):
        JobDocument.from_bytes(json.dumps(fields).encode())


@pytest.mark.parametrize("place", ["mood", "plan.mood", "plan.chunks.mood"])
def test_an_unknown_field_is_refused_by_its_name(place: str) -> None:
    fields = job_fields()
    inside = fields if place == "mood" else fields["plan"]
    (inside["chunks"][3] if "chunks" in place else inside)["mood"] = "calm"
    with pytest.raises(NewerDocumentError, match=rf"\({place}\)"):
        JobDocument.from_bytes(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "place",
    [
        *("request", "request.plan", "submitter", "timeline"),
        *("plan.control", "plan.output", "plan.prompts.0.0"),
    ],
)
def test_an_unknown_field_deeper_inside_is_for_newer_workers(place: str) -> None:
    fields = job_fields()
    inside: Any = fields
    for name in place.split("."):
        inside = inside[int(name) if isinstance(inside, list) else name]
    inside["mood"] = "calm"
    with pytest.raises(NewerDocumentError, match="mood"):
        JobDocument.from_bytes(json.dumps(fields).encode())


def todays_fields() -> dict[str, list[str]]:
    """Return the fields of all that is written down, by the name of its class."""
    models = (JobDocument, JobRequest, PlanOptions, BlobRef, Submitter)
    parts = (timeline.ControlVideo, timeline.Lora, timeline.Audio, timeline.OutputOptions)
    classes = (RenderPlan, Chunk, Steering, *parts, timeline.Prompt, JobRecord, JobFailure)
    return {model.__name__: sorted(model.model_fields) for model in models} | {
        each.__name__: sorted(field.name for field in fields(each)) for each in classes
    }


def test_no_field_changes_without_a_new_version() -> None:
    recorded = json.loads((DOCUMENTS / "fields.json").read_text())
    key = f"job {JOB_VERSION}, plan {PLAN_VERSION}"
    assert recorded.get(key) == todays_fields(), (
        "a field of what is written down has changed: raise JOB_VERSION or the plan's "
        "SCHEMA_VERSION, add an upgrade to jobs/versions.py, put documents of the new version "
        f"beside those of the old ones, and record its fields under {key!r} in fields.json"
    )
