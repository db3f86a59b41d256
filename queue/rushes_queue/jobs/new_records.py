"""Records that are not from the broker: of new jobs, and restored ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rushes_queue.errors import JobError
from rushes_queue.jobs.find_id import JOB_ID_PATTERN
from rushes_queue.jobs.queue_names import queue_name, split_queue_name
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State

if TYPE_CHECKING:  # it takes as long to load as all else that lists jobs
    from rushes_queue.jobs.document import JobDocument

_ID = re.compile(JOB_ID_PATTERN)


def new_record(
    document: JobDocument, document_key: str, asked: JobDocument | None = None
) -> JobRecord:
    """Return the record with which a job begins; its times are the broker's to set.

    ``asked`` says how urgent it is, who is told and so on, if that is not as in the document.
    """
    asked = asked or document
    return JobRecord(
        id=document.id,
        state=State.QUEUED,
        name=document.name,
        preset=document.preset,
        queue=queue_name(document.preset, asked.gpu_class, asked.priority),
        priority=asked.priority,
        tags=asked.tags,
        notify=None if asked.notify == document.notify else asked.notify,
        schema=document.schema_version,
        version=document.submitter.version,
        seed=document.seed,
        take=document.take,
        num_chunks=document.num_chunks,
        num_frames=document.num_frames,
        document=document_key,
        document_sha256=document.content_sha256,
        created_ms=0,
        updated_ms=0,
    )


def check_adopted(record: JobRecord) -> None:
    """Refuse a record that the scripts could not process.

    Raises: JobError.
    """
    split_queue_name(record.queue)
    is_held = record.owner is not None and record.fence > 0
    if not _ID.fullmatch(record.id) or is_held != (record.state is State.RUNNING):
        raise JobError(
            f"this is not a record of a job: {record.id!r}, {record.state}", job=record.id
        )
