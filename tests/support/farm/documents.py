"""Job documents for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

from rushes.presets.preset import load_preset
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.read.load import parse_timeline
from rushes_queue.jobs.document import JobDocument, JobRequest, Submitter
from rushes_queue.jobs.job_id import job_id
from rushes_queue.storage.blobs import BlobRef

TIMELINE = """{"version": "2.1", "settings": {"inputMode": "text"}, "prompts": [
    {"startTime": 0, "endTime": 2, "prompts": [{"text": "a cat", "weight": 1}]}]}"""


@cache
def plan_data(seed: int = 42) -> dict[str, Any]:
    """The plan of two seconds of text to video."""
    timeline = parse_timeline(TIMELINE).require()
    return plan_render(timeline, PlanOptions(seed=seed), load_preset("tiny")).to_dict()


def blob(text: str = TIMELINE, name: str = "cat.json") -> BlobRef:
    data = text.encode()
    return BlobRef(sha256=sha256(data).hexdigest(), size=len(data), name=name)


def document(take: int = 0, **more: Any) -> JobDocument:
    """A valid document; each take is a job of its own."""
    request = more.pop("request", JobRequest())
    values: dict[str, Any] = {
        "id": job_id(
            timeline_sha256=blob().sha256,
            input_sha256=None,
            audio_sha256=None,
            preset="tiny",
            request=request,
            take=take,
        ),
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
        "submitter": Submitter(version="0.1.0", user="ann", host="desk"),
        "name": "cat",
        "request": request,
        "plan": plan_data(),
        "timeline": blob(),
        "preset": "tiny",
        "seed": 42,
        "take": take,
    }
    return JobDocument.model_validate(values | more)
