"""The files of a job on the machine of a worker: under their own names, undamaged, with room."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from farm.documents import TIMELINE, blob, document, plan_data
from rushes.timeline.document import Audio, Lora
from rushes_queue.jobs.document import JobRequest
from rushes_queue.storage.blobs import blob_key
from rushes_queue.storage.errors import DiskFullError, MissingKeyError
from rushes_queue.storage.folder import FolderStorage
from rushes_queue.worker import inputs as inputs_module
from rushes_queue.worker.inputs import AttemptFolder, fetch_inputs, refuse_full_disk

SOUND, FACE, FILM = (
    blob("sound", "sound.wav"),
    blob("face", "face.png"),
    blob("film", "film.safetensors"),
)


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    storage = FolderStorage(tmp_path / "storage")
    for text in (TIMELINE, "sound", "face", "film"):
        storage.put_bytes(blob_key(blob(text).sha256), text.encode())
    return storage


@pytest.fixture
def folder(tmp_path: Path) -> AttemptFolder:
    (tmp_path / "attempt").mkdir()
    return AttemptFolder.make(tmp_path / "attempt")


def plan_with(**more: Any) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(json.dumps(plan_data()))
    return plan | more


def test_an_attempt_has_a_folder_for_each_kind(folder: AttemptFolder) -> None:
    assert sorted(path.name for path in folder.path.iterdir()) == ["inputs", "output", "work"]


def test_a_timeline_has_its_own_name_and_the_result_that_of_the_job(
    storage: FolderStorage, folder: AttemptFolder, tmp_path: Path
) -> None:
    job = document(request=JobRequest(extension=".mkv"))
    request = fetch_inputs(job, storage, folder, tmp_path / "cache", "cpu")
    assert request.timeline == folder.inputs / "cat.json"
    assert request.timeline.read_text() == TIMELINE
    assert request.output == folder.output / "cat.mkv"
    assert (request.device, request.input, request.audio) == ("cpu", None, None)


def test_files_are_fetched_once_for_all_attempts(
    storage: FolderStorage, folder: AttemptFolder, tmp_path: Path
) -> None:
    fetch_inputs(document(), storage, folder, tmp_path / "cache", "cpu")
    storage.delete("blobs")
    (tmp_path / "second").mkdir()
    second = AttemptFolder.make(tmp_path / "second")
    request = fetch_inputs(document(), storage, second, tmp_path / "cache", "cpu")
    assert request.timeline.read_text() == TIMELINE


def test_the_sound_lies_beside_the_timeline_that_names_it(
    storage: FolderStorage, folder: AttemptFolder, tmp_path: Path
) -> None:
    plan = plan_with(audio=asdict(Audio("file", "sound.wav")))
    job = document(plan=plan, audio=SOUND)
    request = fetch_inputs(job, storage, folder, tmp_path / "cache", "cpu")
    assert request.audio is None
    assert (folder.inputs / "sound.wav").read_text() == "sound"


def test_loras_are_files_of_their_own_and_images_lie_beside_the_timeline(
    storage: FolderStorage, folder: AttemptFolder, tmp_path: Path
) -> None:
    plan = plan_with(loras=[asdict(Lora(FILM.name))])
    plan["chunks"][0]["steering"] = {
        "references": [FACE.name],
        "first_frame": None,
        "last_frame": None,
        "scale": 1.0,
    }
    job = document(plan=plan, files=(FILM, FACE))
    fetch_inputs(job, storage, folder, tmp_path / "cache", "cpu")
    (film,) = folder.inputs.rglob("film.safetensors")
    assert film.parent != folder.inputs
    assert not film.is_symlink()
    assert film.read_text() == "film"
    assert (folder.inputs / "face.png").read_text() == "face"


def test_what_was_submitted_and_is_gone_is_named(
    storage: FolderStorage, folder: AttemptFolder, tmp_path: Path
) -> None:
    storage.delete(blob_key(blob().sha256))
    with pytest.raises(MissingKeyError, match=r"cat\.json: its content"):
        fetch_inputs(document(), storage, folder, tmp_path / "cache", "cpu")


# --- room ----------------------------------------------------------------------------------------


class Bounded(FolderStorage):
    """A storage with so much room."""

    def __init__(self, folder: Path, free: int | None) -> None:
        super().__init__(folder)
        self._free = free

    def free_space(self) -> int | None:
        return self._free


def needed() -> int:
    plan = document().plan
    return 64 * 2**20 + plan["num_frames"] * plan["width"] * plan["height"] // 4


def test_a_job_is_refused_before_it_fills_the_storage(tmp_path: Path) -> None:
    refuse_full_disk(document(), tmp_path, Bounded(tmp_path / "s", needed()))
    refuse_full_disk(document(), tmp_path, Bounded(tmp_path / "s", None))
    with pytest.raises(DiskFullError, match=r"/s: \d+ MiB are free, the job may need \d+ MiB"):
        refuse_full_disk(document(), tmp_path, Bounded(tmp_path / "s", needed() - 1))


def test_a_job_is_refused_before_it_fills_the_disk_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs_module, "free_bytes", lambda folder: needed() - 1)
    with pytest.raises(DiskFullError, match="make room there") as caught:
        refuse_full_disk(document(), tmp_path, Bounded(tmp_path / "s", None))
    assert str(caught.value).startswith(f"{tmp_path}: ")
