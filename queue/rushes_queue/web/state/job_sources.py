"""A job's own timeline and files as the source of another job: "render again with ..."."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rushes.timeline.loras import BESIDE
from rushes_queue.jobs.document import JobDocument
from rushes_queue.storage.blobs import BlobRef
from rushes_queue.web.state.backend import Backend
from rushes_queue.web.state.uploads import put_beside

_OF_THE_INPUT = {"input_fps", "input_frames", "input_duration"}  # read anew
_OF_THE_RESULT = {
    *("dtype", "threads", "fit", "deinterlace", "codec", "crf", "hardware_encoder", "enlarge"),
    "audio",
}
_INPUT_FOLDER = "video"  # the input may be called like the timeline


def bring_files(document: JobDocument, backend: Backend, folder: Path, cache: Path) -> Path | None:
    """Put the files of a job into a folder as its timeline names them; return the input.

    Raises: MissingKeyError, DamagedBlobError, StorageError.
    """

    def bring(ref: BlobRef, place: Path) -> Path:
        if not place.exists():
            put_beside(backend.stored_file(ref, cache), place)
        return place

    bring(document.timeline, folder / document.timeline.name)
    if document.audio is not None:
        bring(document.audio, folder / document.audio.name)
    loras = document.lora_names | document.lora_config_names
    for ref in document.files:
        bring(ref, folder / (BESIDE if ref.name in loras else ".") / ref.name)
    if document.input is None:
        return None
    return bring(document.input, folder / _INPUT_FOLDER / document.input.name)


def options_of(document: JobDocument) -> dict[str, Any]:
    """Return the options with which a job was submitted, with bare names of files."""
    request = document.request
    plan = request.plan.model_dump(exclude=_OF_THE_INPUT, exclude_defaults=True)
    result = request.model_dump(include=_OF_THE_RESULT, exclude_defaults=True)
    if result.get("audio") == "file" and document.audio is not None:
        result["audio"] = document.audio.name
    return plan | result
