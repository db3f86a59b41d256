"""Save points in the storage: found again, checked, and no more of them than are needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rushes_queue.archive.saved_work import SavedWork
from rushes_queue.storage.storage import Storage

JOB = "a" * 16


def make_save(folder: Path, chunk: int, segments: int) -> Path:
    """Make the files of a save point as a render leaves them."""
    (folder / "segments").mkdir(parents=True, exist_ok=True)
    (folder / "tiles").mkdir(exist_ok=True)
    names = [f"{number:06}.mov" for number in range(segments)]
    for name in names:
        (folder / "segments" / name).write_bytes(name.encode())
    (folder / "tiles" / "0-after.png").write_bytes(b"tile")
    save = folder / "saves" / f"{chunk:09}"
    save.mkdir(parents=True)
    (save / "state.safetensors").write_bytes(b"tensors %d" % chunk)
    (save / "state.json").write_text(json.dumps({"segments": dict.fromkeys(names, "")}))
    return save


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_one_worker_saves_another_finds(storage: Storage, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    SavedWork(storage, JOB, 1, here).store(make_save(here, 4, segments=2))
    assert SavedWork(storage, JOB, 2, there).restore() == 4
    assert contents(there) == contents(here)


def test_without_save_points_nothing_is_found(storage: Storage, tmp_path: Path) -> None:
    assert SavedWork(storage, JOB, 1, tmp_path).restore() is None


def test_only_the_last_two_are_kept_with_what_they_need(storage: Storage, tmp_path: Path) -> None:
    saved = SavedWork(storage, JOB, 1, tmp_path / "here")
    for chunk in (2, 4, 6, 8):
        saved.store(make_save(tmp_path / "here", chunk, segments=chunk))
    points = [entry.key.rpartition("/")[2] for entry in storage.list(f"work/{JOB}/points")]
    assert points == ["000000006-1.json", "000000008-1.json"]
    named = {
        sha256
        for entry in storage.list(f"work/{JOB}/points")
        for sha256 in json.loads(storage.get_bytes(entry.key))["files"].values()
    }
    files = {entry.key.rpartition("/")[2] for entry in storage.list(f"work/{JOB}/files")}
    assert files == named


def test_a_point_of_a_newer_worker_keeps_all_files(storage: Storage, tmp_path: Path) -> None:
    saved = SavedWork(storage, JOB, 1, tmp_path / "here")
    saved.store(make_save(tmp_path / "here", 2, segments=1))
    newer = f"work/{JOB}/points/000000009-2.json"
    storage.put_bytes(newer, json.dumps({"schema_version": 99, "places": {}}).encode())
    files = {entry.key for entry in storage.list(f"work/{JOB}/files")}
    for chunk in (4, 6):
        saved.store(make_save(tmp_path / "here", chunk, segments=1))
    assert storage.exists(newer)
    assert files <= {entry.key for entry in storage.list(f"work/{JOB}/files")}


@pytest.mark.parametrize("damage", ["index", "file", "missing file", "hostile name"])
def test_a_damaged_one_falls_back_to_the_one_before(
    storage: Storage, tmp_path: Path, damage: str
) -> None:
    saved = SavedWork(storage, JOB, 1, tmp_path / "here")
    for chunk in (2, 4):
        saved.store(make_save(tmp_path / "here", chunk, segments=1))
    *_, last = storage.list(f"work/{JOB}/points")
    point = json.loads(storage.get_bytes(last.key))
    tensors = f"work/{JOB}/files/{point['files']['saves/000000004/state.safetensors']}"
    match damage:
        case "index":
            storage.put_bytes(last.key, b"{")
        case "file":
            storage.put_bytes(tensors, b"broken")
        case "missing file":
            storage.delete(tensors)
        case "hostile name":
            point["files"]["../../etc/passwd"] = "0" * 64
            storage.put_bytes(last.key, json.dumps(point).encode())
    assert SavedWork(storage, JOB, 2, tmp_path / "there").restore() == 2


def test_those_before_a_new_start_do_not_count(storage: Storage, tmp_path: Path) -> None:
    SavedWork(storage, JOB, 1, tmp_path).store(make_save(tmp_path, 4, segments=1))
    assert SavedWork(storage, JOB, 3, tmp_path / "there").restore(oldest_fence=2) is None


def test_who_begins_further_back_has_save_points_of_its_own(
    storage: Storage, tmp_path: Path
) -> None:
    SavedWork(storage, JOB, 1, tmp_path / "a").store(make_save(tmp_path / "a", 8, segments=1))
    again = SavedWork(storage, JOB, 2, tmp_path / "b")
    for chunk in (2, 4, 6):
        again.store(make_save(tmp_path / "b", chunk, segments=1))
    assert SavedWork(storage, JOB, 3, tmp_path / "there").restore() == 6


def test_a_damaged_file_is_stored_anew(storage: Storage, tmp_path: Path) -> None:
    SavedWork(storage, JOB, 1, tmp_path / "a").store(make_save(tmp_path / "a", 2, segments=1))
    (point,) = storage.list(f"work/{JOB}/points")
    segment = json.loads(storage.get_bytes(point.key))["files"]["segments/000000.mov"]
    storage.put_bytes(f"work/{JOB}/files/{segment}", b"broken")
    assert SavedWork(storage, JOB, 2, tmp_path / "b").restore() is None
    SavedWork(storage, JOB, 2, tmp_path / "c").store(make_save(tmp_path / "c", 2, segments=1))
    assert SavedWork(storage, JOB, 3, tmp_path / "there").restore() == 2
