"""What the storage keeps of each job: its document, and its record as last saved.

``jobs/<id>/job.json`` never changes; ``jobs/<id>/state.json`` follows the record in the broker,
which is rebuilt from both if it is lost (``reconcile``).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from rushes.errors import RushesError
from rushes_queue.archive.prune import DOCUMENT, JOBS
from rushes_queue.errors import DocumentError, JobConflictError, JobError, NewerDocumentError
from rushes_queue.jobs.document import MAX_BYTES, JobDocument, canonical_json
from rushes_queue.jobs.find_id import JOB_ID_PATTERN
from rushes_queue.jobs.record import JobRecord
from rushes_queue.storage.errors import MissingKeyError
from rushes_queue.storage.storage import Storage

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords

logger = logging.getLogger(__name__)

STATE = "state.json"

_JOB_ID = re.compile(JOB_ID_PATTERN)
_LARGEST_STATE = 2**20  # bytes


def document_key(job: str) -> str:
    """Return the key of a job's document."""
    return f"{JOBS}/{job}/{DOCUMENT}"


def state_key(job: str) -> str:
    """Return the key of a job's record."""
    return f"{JOBS}/{job}/{STATE}"


def write_document(storage: Storage, document: JobDocument) -> JobDocument:
    """Store a document and return the one that is valid: an earlier one, if any.

    If a submission is repeated, the first document stays, with its time and tags.
    Raises: JobConflictError when an earlier one makes another result.
    """
    key = document_key(document.id)
    if storage.put_bytes(key, document.to_bytes(), if_absent=True):
        return document
    try:
        before = read_document(storage, document.id)
    except DocumentError as error:
        logger.warning("%s; it is replaced", error)
        storage.put_bytes(key, document.to_bytes())
        return document
    except NewerDocumentError as error:
        raise _conflict(document.id) from error
    if before.content_sha256 != document.content_sha256:
        raise _conflict(document.id)
    return before


def read_document(storage: Storage, job: str) -> JobDocument:
    """Read a job's document as untrusted input.

    Raises: MissingKeyError; NewerDocumentError; DocumentError when it is not valid, or of another
    job.
    """
    document = JobDocument.from_bytes(storage.get_bytes(document_key(job), MAX_BYTES + 1))
    if document.id != job:
        raise DocumentError(f"{document_key(job)}: is the document of job {document.id}", job=job)
    return document


def write_state(storage: Storage, record: JobRecord) -> None:
    """Store a record, unless the stored one is newer: several processes may save it."""
    try:
        if read_state(storage, record.id).updated_ms > record.updated_ms:
            return
    except (MissingKeyError, JobError):
        pass
    storage.put_bytes(state_key(record.id), canonical_json(record.to_dict()))


def read_state(storage: Storage, job: str) -> JobRecord:
    """Read a job's record as untrusted input.

    Raises: MissingKeyError; JobError when it is not valid, or of another job.
    """
    try:
        data = json.loads(storage.get_bytes(state_key(job), _LARGEST_STATE))
    except (ValueError, RecursionError) as error:
        raise JobError(f"{state_key(job)}: is not JSON: {error}", job=job) from error
    record = JobRecord.from_dict(data)
    if record.id != job:
        raise JobError(f"{state_key(job)}: is the record of job {record.id}", job=job)
    return record


def save_state(store: JobRecords, storage: Storage, job: str) -> bool:
    """Save a job's record as the broker has it now; returns False when that fails.

    The broker is authoritative, so nothing stops while the storage is briefly unreachable.
    """
    try:
        write_state(storage, store.get(job))
    except RushesError as error:
        logger.warning("job %s: its state was not saved: %s", job, error)
        return False
    return True


def list_jobs(storage: Storage) -> Iterator[str]:
    """Yield the ids of all jobs that have anything in the storage."""
    entries = storage.list(JOBS)
    for job, _ in groupby(entries, key=lambda entry: entry.key.split("/")[1]):
        if _JOB_ID.fullmatch(job):
            yield job


def _conflict(job: str) -> JobConflictError:
    return JobConflictError(
        f"job {job}: the storage holds a document of this job with another plan; submit it with "
        "--new to make it a job of its own",
        job=job,
    )
