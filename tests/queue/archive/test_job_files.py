"""What the storage keeps of each job survives other writers and damage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from farm.documents import document, plan_data
from rushes_queue.archive.job_files import (
    document_key,
    list_jobs,
    read_document,
    read_state,
    save_state,
    state_key,
    write_document,
    write_state,
)
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.errors import DocumentError, JobConflictError, JobError
from rushes_queue.jobs.states import State
from rushes_queue.storage.errors import MissingKeyError
from rushes_queue.storage.open import open_storage
from rushes_queue.storage.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "storage"))


def test_a_document_is_read_as_it_was_written(storage: Storage) -> None:
    written = document()
    assert write_document(storage, written).to_bytes() == written.to_bytes()
    assert read_document(storage, written.id).to_bytes() == written.to_bytes()
    assert list(list_jobs(storage)) == [written.id]


def test_the_first_document_of_a_job_stays(storage: Storage) -> None:
    first = document(tags=("a",))
    again = document(tags=("b",), created_at=datetime(2027, 1, 1, tzinfo=UTC))
    write_document(storage, first)
    assert write_document(storage, again).to_bytes() == first.to_bytes()
    assert read_document(storage, first.id).tags == ("a",)


def test_a_document_with_another_plan_is_a_conflict(storage: Storage) -> None:
    first = document()
    other = first.model_copy(update={"plan": plan_data() | {"fps": "12"}})
    write_document(storage, first)
    with pytest.raises(JobConflictError, match="--new"):
        write_document(storage, other)


def test_a_damaged_document_is_replaced(storage: Storage) -> None:
    written = document()
    storage.put_bytes(document_key(written.id), b"{}")
    with pytest.raises(DocumentError):
        read_document(storage, written.id)
    assert write_document(storage, written).to_bytes() == written.to_bytes()
    assert read_document(storage, written.id).to_bytes() == written.to_bytes()


def test_a_document_in_the_place_of_another_is_refused(storage: Storage) -> None:
    first, other = document(), document(take=1)
    storage.put_bytes(document_key(first.id), other.to_bytes())
    with pytest.raises(DocumentError, match=other.id):
        read_document(storage, first.id)


def test_a_record_is_read_as_it_was_written(storage: Storage, store: JobRecords) -> None:
    store.submit(document(), "jobs/x/job.json")
    assert save_state(store, storage, document().id)
    assert read_state(storage, document().id) == store.get(document().id)


def test_an_older_record_does_not_replace_a_newer_one(storage: Storage, store: JobRecords) -> None:
    store.submit(document(), "jobs/x/job.json")
    record = store.get(document().id)
    newer = replace(record, state=State.CANCELLED, updated_ms=record.updated_ms + 5)
    write_state(storage, newer)
    write_state(storage, record)
    assert read_state(storage, record.id) == newer


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"id": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_record_is_refused_and_replaced(
    storage: Storage, store: JobRecords, damage: bytes
) -> None:
    store.submit(document(), "jobs/x/job.json")
    storage.put_bytes(state_key(document().id), damage)
    with pytest.raises(JobError):
        read_state(storage, document().id)
    assert save_state(store, storage, document().id)
    assert read_state(storage, document().id).state is State.QUEUED


def test_what_is_missing_is_told_apart_from_damage(storage: Storage, store: JobRecords) -> None:
    with pytest.raises(MissingKeyError):
        read_document(storage, document().id)
    with pytest.raises(MissingKeyError):
        read_state(storage, document().id)
    assert not save_state(store, storage, document().id)
    assert list(list_jobs(storage)) == []


def test_other_things_beside_the_jobs_are_no_jobs(storage: Storage) -> None:
    write_document(storage, document())
    storage.put_bytes("jobs/readme.txt", b"hello")
    storage.put_bytes("jobs/UPPER/job.json", b"hello")
    assert list(list_jobs(storage)) == [document().id]
