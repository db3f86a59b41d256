"""A published result in a folder: checked, whole, and never over something else unasked."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from farm.documents import document
from rushes.errors import ConflictError, InputError
from rushes_queue.archive.fetch import fetch_result, result_of
from rushes_queue.errors import JobConflictError, JobError
from rushes_queue.jobs.new_records import new_record
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State
from rushes_queue.storage.errors import InvalidKeyError, MissingKeyError, StorageError
from rushes_queue.storage.folder import FolderStorage

OUTPUT = "results/2026/cat.mp4"
CONTENTS = {OUTPUT: b"video", f"{OUTPUT}.json": b"{}", f"{OUTPUT}.png": b"sheet"}


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    storage = FolderStorage(tmp_path / "storage")
    for key, data in CONTENTS.items():
        storage.put_bytes(key, data)
    return storage


def done(contents: dict[str, bytes] = CONTENTS, output: str = OUTPUT, **more: Any) -> JobRecord:
    """The record of a job with this result."""
    result = {
        "output": output,
        "manifest": f"{output}.json",
        "contact_sheet": f"{output}.png",
        "files": {
            key: {"size": len(data), "sha256": sha256(data).hexdigest()}
            for key, data in contents.items()
        },
    }
    return replace(
        new_record(document(), "jobs/x/job.json"), state=State.DONE, result=result | more
    )


def found(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


EXPECTED = {os.path.basename(key): data for key, data in CONTENTS.items()}


def test_all_files_arrive_the_video_last(storage: FolderStorage, tmp_path: Path) -> None:
    fetched = fetch_result(storage, done(), tmp_path / "new" / "here")
    assert found(tmp_path / "new" / "here") == EXPECTED
    assert fetched.output == fetched.files[-1] == tmp_path / "new" / "here" / "cat.mp4"
    assert fetched.is_new


def test_what_is_there_already_is_not_fetched_again(storage: FolderStorage, tmp_path: Path) -> None:
    fetch_result(storage, done(), tmp_path / "here")
    for key in CONTENTS:
        storage.delete(key)
    fetched = fetch_result(storage, done(), tmp_path / "here")
    assert not fetched.is_new
    assert len(fetched.files) == 3


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "cat.mp4.png").write_bytes(b"mine")
    return folder


def test_a_file_in_the_way_is_told(storage: FolderStorage, taken: Path) -> None:
    with pytest.raises(
        ConflictError, match=r"cat\.mp4\.png: exists already with other content; use --conflict"
    ):
        fetch_result(storage, done(), taken)
    assert found(taken) == {"cat.mp4.png": b"mine"}


def test_a_file_in_the_way_is_left_replaced_or_stepped_aside_from(
    storage: FolderStorage, taken: Path
) -> None:
    skipped = fetch_result(storage, done(), taken, "skip")
    assert (skipped.files, skipped.is_new) == ((), False)
    assert found(taken) == {"cat.mp4.png": b"mine"}
    (taken / "cat-1.mp4").symlink_to("nowhere")
    copied = fetch_result(storage, done(), taken, "copy")
    assert copied.output == taken / "cat-2.mp4"
    assert found(taken) == {
        "cat.mp4.png": b"mine",
        "cat-2.mp4": b"video",
        "cat-2.mp4.json": b"{}",
        "cat-2.mp4.png": b"sheet",
    }
    fetch_result(storage, done(), taken, "overwrite")
    assert EXPECTED.items() <= found(taken).items()


@pytest.mark.parametrize("key", CONTENTS)
@pytest.mark.parametrize("data", [b"VIDEO", b"", None])
def test_a_damaged_or_missing_file_leaves_nothing(
    storage: FolderStorage, tmp_path: Path, key: str, data: bytes | None
) -> None:
    storage.delete(key) if data is None else storage.put_bytes(key, data)
    with pytest.raises(MissingKeyError if data is None else StorageError):
        fetch_result(storage, done(), tmp_path / "here")
    assert found(tmp_path / "here") == {}


def test_a_folder_that_is_none_is_refused(storage: FolderStorage, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: cannot be used: .* choose another folder"):
        fetch_result(storage, done(), tmp_path / "file")


def test_pictures_keep_their_folder(storage: FolderStorage, tmp_path: Path) -> None:
    pictures = {"results/a/cat/1.png": b"1", "results/a/cat/2.png": b"2"}
    for key, data in pictures.items():
        storage.put_bytes(key, data)
    fetched = fetch_result(storage, done(pictures, "results/a/cat"), tmp_path / "here")
    assert found(tmp_path / "here") == {"cat/1.png": b"1", "cat/2.png": b"2"}
    assert fetched.output == tmp_path / "here" / "cat"


# --- the record ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [state for state in State if state is not State.DONE])
def test_only_a_job_that_is_done_has_a_result(state: State) -> None:
    with pytest.raises(JobConflictError, match=f"is {state} and has no result"):
        result_of(replace(done(), state=state))


@pytest.mark.parametrize(
    "change",
    [
        {"files": {}},
        {"files": {OUTPUT: {"size": -1, "sha256": "0" * 64}}},
        {"files": {OUTPUT: {"size": 1, "sha256": "x"}}},
        {"files": {"results/other/a": {"size": 1, "sha256": "0" * 64}}},
        {"files": {"results/2026x/a": {"size": 1, "sha256": "0" * 64}}},
        {"output": None},
    ],
    ids=str,
)
def test_a_result_that_cannot_be_one_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(JobError, match=r"its result cannot be read|is not a file of its result"):
        result_of(done(**change))


@pytest.mark.parametrize("key", ["../secret", "results/2026/../../x", "/etc/passwd"])
def test_a_result_never_leads_elsewhere(key: str) -> None:
    with pytest.raises(InvalidKeyError):
        result_of(done(files={key: {"size": 1, "sha256": "0" * 64}}))
    with pytest.raises(InvalidKeyError):
        result_of(done(output=key))


def test_a_record_without_a_result_is_damaged() -> None:
    with pytest.raises(JobError, match="its result cannot be read"):
        result_of(replace(done(), result=None))
