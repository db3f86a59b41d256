"""Jobs that wait, run and are saved while a farm is upgraded: the new workers render them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from checkout import ROOT
from farm.running import RunningFarm
from farm.timelines import write_shot
from rushes.rendering.render import PICTURE_VERSION
from rushes_queue.archive.job_files import document_key
from rushes_queue.farm.reconcile import reconcile
from rushes_queue.jobs.states import State

FOLDERS = sorted((ROOT / "tests" / "data" / "documents").glob("v[0-9]*"))
SAVED, WAITING = "462926691ef09bcb", "5907e1b17ac1f12d"


MADE_WITH = "0.1.0"  # the picture version of what is kept


def bring(running: RunningFarm, folder: Path) -> None:
    """Put what workers of an older version have left into the storage, and the broker."""
    for part in ("jobs", "work", "blobs"):
        for file in (folder / part).rglob("*"):
            if file.is_file():
                running.storage.put_file(file.relative_to(folder).as_posix(), file)
    clip = ROOT / "timelines" / "meadow.mp4"
    sha256 = hashlib.sha256(clip.read_bytes()).hexdigest()
    running.storage.put_file(f"blobs/{sha256[:2]}/{sha256}", clip)
    reconcile(running.store, running.storage, ttl_ms=1)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_jobs_of_an_older_version_are_rendered_by_this_one(
    running: RunningFarm, folder: Path, tmp_path: Path
) -> None:
    bring(running, folder)
    before = {record.id: record.state for record in running.store.list()}
    assert before == {SAVED: State.RUNNING, WAITING: State.QUEUED}
    running.start_worker()
    records = running.wait([SAVED, WAITING])
    assert {job: record.state for job, record in records.items()} == dict.fromkeys(
        records, State.DONE
    )
    before_manifest = json.loads((folder / "manifest.json").read_text())
    fetched = running.run("fetch", SAVED, "-o", tmp_path)
    assert fetched.exit_code == 0, fetched.stderr
    (found,) = tmp_path.rglob("*.mp4.json")
    manifest = json.loads(found.read_text())
    assert manifest["num_frames"] == before_manifest["num_frames"]
    if PICTURE_VERSION == MADE_WITH:
        assert manifest["resumed_at_chunk"] == 1
        assert manifest["frames_sha256"] == before_manifest["frames_sha256"]
    else:  # its pictures are rounded differently: what was begun is made anew, not mixed
        assert manifest["resumed_at_chunk"] == 0


def test_a_document_with_fields_from_elsewhere_is_left_to_others(running: RunningFarm) -> None:
    strange, plain = running.submit(
        write_shot(running.folder / "strange.json", chunks=2),
        write_shot(running.folder / "plain.json", chunks=2, seed=2),
    )
    key = document_key(strange)
    fields = json.loads(running.storage.get_bytes(key))
    running.storage.put_bytes(key, json.dumps(fields | {"mood": "calm"}).encode())
    running.start_worker()
    assert running.wait([plain])[plain].state is State.DONE
    record = running.store.get(strange)
    assert record.state is State.QUEUED
    assert record.attempts == 1
    assert "mood" in record.notes["refused_by"]
