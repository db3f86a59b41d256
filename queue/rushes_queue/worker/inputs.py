"""The files of a job on this machine: fetched by hash, checked, and under their own names."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rushes.files.disk import free_bytes
from rushes.rendering.request import RenderRequest
from rushes.timeline.loras import BESIDE
from rushes_queue.jobs.document import JobDocument
from rushes_queue.storage.blobs import BlobRef, fetch_blob
from rushes_queue.storage.errors import DiskFullError
from rushes_queue.storage.storage import Storage

BLOB_CACHE = "blobs"  # below the cache folder
_LEAST_FREE_BYTES = 64 * 2**20
_PIXELS_PER_BYTE = 4  # of a result: twice the size of detailed pictures at a high quality


@dataclass(frozen=True)
class AttemptFolder:
    """The folder of one attempt; it is removed when the attempt ends."""

    path: Path

    @property
    def work(self) -> Path:
        """Save points of the render."""
        return self.path / "work"

    @property
    def output(self) -> Path:
        """The finished files."""
        return self.path / "output"

    @property
    def inputs(self) -> Path:
        """The timeline and what lies beside it."""
        return self.path / "inputs"

    @classmethod
    def make(cls, path: Path) -> Self:
        """Make the folders inside an empty one."""
        folder = cls(path)
        for each in (folder.work, folder.output, folder.inputs):
            each.mkdir()
        return folder


def refuse_full_disk(document: JobDocument, folder: Path, storage: Storage) -> None:
    """Check before hours of work that the result will have room, here and in the storage.

    Raises: DiskFullError.
    """
    plan = document.plan
    needed = _LEAST_FREE_BYTES
    needed += plan["num_frames"] * plan["width"] * plan["height"] // _PIXELS_PER_BYTE
    for place, free in ((str(folder), free_bytes(folder)), (storage.url, storage.free_space())):
        if free is not None and free < needed:
            raise DiskFullError(
                f"{place}: {free / 2**20:,.0f} MiB are free, the job may need "
                f"{needed / 2**20:,.0f} MiB; make room there"
            )


def fetch_inputs(
    document: JobDocument, storage: Storage, folder: AttemptFolder, cache: Path, device: str
) -> RenderRequest:
    """Fetch the inputs of a job; return the request for its render.

    Raises: MissingKeyError, DamagedBlobError when the storage does not have what was submitted.
    """
    blobs = cache / BLOB_CACHE

    def fetch(ref: BlobRef, path: Path) -> Path:
        source = fetch_blob(storage, ref, blobs)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(source.absolute())
        return path

    def copy(source: Path, path: Path) -> None:
        """Move or copy the file itself: LoRAs behind a link to elsewhere are not used."""
        path.parent.mkdir(exist_ok=True)
        try:
            path.hardlink_to(source)
        except OSError:  # another file system
            shutil.copyfile(source, path)

    timeline = fetch(document.timeline, folder.inputs / document.timeline.name)
    video = audio = None
    if document.input is not None:  # in a folder of its own: it may have the timeline's name
        video = fetch(document.input, folder.inputs / "video" / document.input.name)
    if document.audio is not None:  # beside the timeline, which may name it
        audio = fetch(document.audio, folder.inputs / document.audio.name)
    for ref in document.files:
        if ref.name in document.lora_names | document.lora_config_names:
            copy(fetch_blob(storage, ref, blobs), folder.inputs / BESIDE / ref.name)
        elif not (folder.inputs / ref.name).exists():  # else it is the sound as well
            fetch(ref, folder.inputs / ref.name)
    return document.to_request(
        timeline=timeline,
        output=folder.output / f"{document.name}{document.request.extension}",
        input=video,
        audio=audio,
        device=device,
    )
