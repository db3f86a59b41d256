"""Documents of every schema version are read for good; no field changes without a new version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from checkout import ROOT
from rushes.presets import kinds
from rushes.presets.device_classes import DeviceClass
from rushes.timeline import document as timeline
from rushes.timeline.plan import versions as plan_versions
from rushes.timeline.plan.options import AtEnd, PlanOptions
from rushes.timeline.plan.profiles import ProfileName
from rushes.timeline.plan.render_plan import SCHEMA_VERSION as PLAN_VERSION
from rushes.timeline.plan.render_plan import Chunk, RenderPlan, Steering
from rushes.timeline.plan.versions import Added, oldest_form
from rushes_queue.errors import DocumentError, NewerDocumentError
from rushes_queue.jobs import versions
from rushes_queue.jobs.document import JobDocument, JobRequest, Submitter
from rushes_queue.jobs.record import STORED_NAMES, JobFailure, JobRecord
from rushes_queue.jobs.versions import JOB_VERSION, upgrade, upgrade_job
from rushes_queue.storage.blobs import BlobRef

DOCUMENTS = ROOT / "tests" / "data" / "documents"
JOB = DOCUMENTS / "v1" / "jobs" / "462926691ef09bcb" / "job.json"


def job_fields() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(JOB.read_text())
    return data


@pytest.mark.parametrize("file", sorted(DOCUMENTS.glob("v[0-9]*/jobs/*/job.json")), ids=str)
def test_a_document_of_any_version_is_read(file: Path) -> None:
    written = json.loads(file.read_text())
    document = JobDocument.from_bytes(file.read_bytes())
    assert document.id == file.parent.name
    assert document.num_chunks == len(written["plan"]["chunks"])
    assert document.render_plan().num_frames == written["plan"]["num_frames"]


def test_the_hash_of_an_old_document_stays_that_of_its_record() -> None:
    record = JobRecord.from_dict(json.loads(JOB.with_name("state.json").read_text()))
    assert JobDocument.from_bytes(JOB.read_bytes()).content_sha256 == record.document_sha256


@pytest.mark.parametrize("file", sorted(DOCUMENTS.glob("v[0-9]*/jobs/*/state.json")), ids=str)
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


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version 9 that has brought a field to plan, chunks and options, and a 10 with another."""
    monkeypatch.setattr(versions, "JOB_VERSION", 10)
    monkeypatch.setattr(versions, "PLAN_VERSION", 10)
    monkeypatch.setattr(
        plan_versions,
        "ADDED",
        (
            Added(9, "plan", "mood", "calm"),
            Added(9, "plan.chunks", "gain", 1.0),
            Added(9, "request.plan", "mood", None),
            Added(10, "plan", "tint", []),
        ),
    )


@pytest.mark.usefixtures("grown")
def test_older_documents_get_the_fields_that_newer_versions_brought() -> None:
    before = job_fields()
    todays = upgrade_job(before)
    assert (todays["schema_version"], todays["plan"]["schema_version"]) == (10, 10)
    assert (todays["plan"]["mood"], todays["plan"]["tint"]) == ("calm", [])
    assert {chunk["gain"] for chunk in todays["plan"]["chunks"]} == {1.0}
    assert todays["request"]["plan"]["mood"] is None
    assert before == job_fields(), "the given fields have changed"


@pytest.mark.usefixtures("grown")
def test_a_document_that_lacks_a_field_of_its_own_version_is_not_filled_up() -> None:
    fields = upgrade_job(job_fields())
    del fields["plan"]["mood"]
    assert "mood" not in upgrade_job(fields)["plan"]
    fields["plan"]["schema_version"] = 9
    del fields["plan"]["tint"]
    assert "mood" not in upgrade_job(fields)["plan"]
    assert upgrade_job(fields)["plan"]["tint"] == []


@pytest.mark.usefixtures("grown")
def test_a_job_that_uses_no_new_field_is_the_same_job_as_before() -> None:
    assert oldest_form(upgrade_job(job_fields()))["plan"] == job_fields()["plan"]
    todays = upgrade_job(job_fields())
    assert oldest_form(todays)["request"] == job_fields()["request"]


@pytest.mark.parametrize(("field", "value", "version"), [("mood", "wild", 9), ("tint", [1], 10)])
@pytest.mark.usefixtures("grown")
def test_what_uses_a_new_field_keeps_it_and_its_version(
    field: str, value: object, version: int
) -> None:
    todays = upgrade_job(job_fields())
    todays["plan"][field] = value
    plan = oldest_form(todays)["plan"]
    assert (plan[field], plan["schema_version"]) == (value, version)
    assert len(set(plan) & {"mood", "tint"}) == 1


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
        each.__name__: sorted(STORED_NAMES.get(field.name, field.name) for field in fields(each))
        for each in classes
    }


def todays_values() -> dict[str, list[str]]:
    """Return what can be chosen by name; an older worker refuses a name that it does not know."""
    return {
        "variant": sorted(get_args(kinds.Variant)),
        "mode": sorted(get_args(kinds.Mode)),
        "method": sorted(get_args(kinds.Method)),
        "vae_type": sorted(get_args(kinds.VaeType)),
        "on_prompt_change": sorted(get_args(kinds.CachePolicy)),
        "at_end": sorted(get_args(AtEnd)),
        "profile": sorted(get_args(ProfileName)),
        "noise": sorted(get_args(kinds.NoiseKind)),
        "positions": sorted(get_args(kinds.Positions)),
        "noise_device": sorted(get_args(DeviceClass)),
    }


def test_no_value_is_added_without_a_new_version() -> None:
    recorded = json.loads((DOCUMENTS / "values.json").read_text())
    key = f"job {JOB_VERSION}, plan {PLAN_VERSION}"
    assert recorded.get(key) == todays_values(), (
        "a name that a document can hold has been added or taken away: raise the version as for a "
        f"field, unless it is raised since the last release, and record the names under {key!r}"
    )


def test_no_field_changes_without_a_new_version() -> None:
    recorded = json.loads((DOCUMENTS / "fields.json").read_text())
    key = f"job {JOB_VERSION}, plan {PLAN_VERSION}"
    assert recorded.get(key) == todays_fields(), (
        "a field of what is written down has changed: raise JOB_VERSION or the plan's "
        "SCHEMA_VERSION, add an upgrade to jobs/versions.py, put documents of the new version "
        f"beside those of the old ones, and record its fields under {key!r} in fields.json"
    )
