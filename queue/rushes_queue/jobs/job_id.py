"""The id of a job: what decides its result, hashed, so that the same submission is the same job."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from rushes.timeline.plan.versions import oldest_form
from rushes_queue.jobs.document import JobRequest, canonical_json
from rushes_queue.storage.blobs import BlobRef

ID_LENGTH = 16  # hexadecimal characters: 64 bits


def job_id(
    *,
    timeline_sha256: str,
    input_sha256: str | None,
    audio_sha256: str | None,
    preset: str,
    request: JobRequest,
    take: int = 0,
    files: Iterable[BlobRef] = (),
    nonce: str | None = None,
) -> str:
    """Return the id; tags, priority, dependencies and file names are not part of it.

    ``nonce`` is a random text that makes an equal submission a new job.
    """
    identity: dict[str, Any] = {
        "timeline": timeline_sha256,
        "input": input_sha256,
        "audio": audio_sha256,
        "preset": preset,
        "request": oldest_form({"request": request.model_dump(mode="json")})["request"],
        "take": take,
        "nonce": nonce,
    }
    if named := sorted((ref.name, ref.sha256) for ref in files):
        identity["files"] = named
    return hashlib.sha256(canonical_json(identity)).hexdigest()[:ID_LENGTH]
