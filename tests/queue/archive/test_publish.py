"""A result is published once, however many attempts there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from farm.documents import document
from rushes.rendering.request import RenderRequest
from rushes_queue.archive.publish import Attempted, describe, publish, published
from rushes_queue.archive.result_names import DEFAULT_TEMPLATE, result_key
from rushes_queue.storage.storage import Storage


def finished(folder: Path, content: bytes = b"video") -> tuple[RenderRequest, dict[str, Any]]:
    """Make the files of a finished render."""
    folder.mkdir()
    request = RenderRequest(timeline=folder / "cat.json", output=folder / "cat.mp4", preset="tiny")
    manifest = {
        "frames_sha256": "f" * 64,
        "num_frames": 5,
        "timings": {"total": 1.0},
        "request": request.model_dump(mode="json"),
    }
    request.output.write_bytes(content)
    request.sheet_path.write_bytes(b"sheet")
    request.manifest_path.write_text(json.dumps(manifest))
    return request, manifest


def test_the_first_to_publish_wins(storage: Storage, tmp_path: Path) -> None:
    job = document()
    first = publish(
        *(storage, job, Attempted(1, 10, "a"), *finished(tmp_path / "a", b"first")),
        DEFAULT_TEMPLATE,
    )
    second = publish(
        *(storage, job, Attempted(2, 20, "b"), *finished(tmp_path / "b", b"second")),
        DEFAULT_TEMPLATE,
    )
    assert second == first == published(storage, job.id)
    assert storage.get_bytes(first["output"]) == b"first"
    assert [entry.key for entry in storage.list("results")] == sorted(first["files"])


def test_publishing_again_with_the_same_fence_changes_nothing(
    storage: Storage, tmp_path: Path
) -> None:
    job, attempt = document(), Attempted(1, 10, "a")
    files = finished(tmp_path / "a")
    first = publish(storage, job, attempt, *files, DEFAULT_TEMPLATE)
    assert publish(storage, job, attempt, *files, DEFAULT_TEMPLATE) == first
    assert len(list(storage.list("results"))) == 3


def test_an_attempt_that_died_before_the_last_step_published_nothing(
    storage: Storage, tmp_path: Path
) -> None:
    job = document()
    storage.put_bytes(f"jobs/{job.id}/name.json", b'{"fence":10}')
    plain = result_key(
        DEFAULT_TEMPLATE,
        created_at=job.created_at,
        timeline=job.name,
        seed=job.seed,
        job=job.id,
        preset=job.preset,
    )
    for key in (f"{plain}.mp4", f"{plain}-15.mp4", f"{plain}-15.mp4.png"):
        storage.put_bytes(key, b"of one that died")
    storage.put_bytes(f"{plain[:-1]}x.mp4", b"of another job")
    assert published(storage, job.id) is None
    result = publish(
        *(storage, job, Attempted(2, 20, "b"), *finished(tmp_path / "b")), DEFAULT_TEMPLATE
    )
    assert result["output"] == f"{plain}-20.mp4"
    left = {entry.key for entry in storage.list("results")}
    assert left == {*result["files"], f"{plain[:-1]}x.mp4"}


@pytest.mark.parametrize("damaged", [b"[", b"{}", b"null", b'{"output": 1, "files": {}}'])
def test_a_damaged_result_is_replaced(storage: Storage, tmp_path: Path, damaged: bytes) -> None:
    job = document()
    storage.put_bytes(f"jobs/{job.id}/result.json", damaged)
    result = publish(
        *(storage, job, Attempted(1, 10, "a"), *finished(tmp_path / "a")), DEFAULT_TEMPLATE
    )
    assert published(storage, job.id) == result


def test_a_manifest_names_no_folders_of_the_worker(tmp_path: Path) -> None:
    _, manifest = finished(tmp_path / "a")
    described = describe(manifest, document(), Attempted(1, 10, "a"))
    assert str(tmp_path) not in json.dumps(described)
    assert described["job"]["id"] == document().id
