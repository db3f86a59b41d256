"""What a browser sends of a timeline, made into a folder: the document and the files it names."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rushes.errors import ConfigError
from rushes.files.machine_folders import machine_folders
from rushes.text import file_name_fault
from rushes.timeline.document import Timeline
from rushes.timeline.loras import BESIDE
from rushes.timeline.loras import SUFFIXES as LORA_SUFFIXES
from rushes.timeline.problems import Problem
from rushes.timeline.read.load import ASSETS
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.queue_names import PRESET_PATTERN
from rushes_queue.web.safety.hidden_places import REQUEST
from rushes_queue.web.state.backend import Backend
from rushes_queue.web.state.job_sources import bring_files
from rushes_queue.web.state.named_files import foreign_files, named_files
from rushes_queue.web.state.uploads import Uploads, put_beside

_MOST_FILES = 200


class SentTimeline(BaseModel):
    """A timeline from a browser: the document itself, an upload's hash, or a job's id.

    ``name`` is what its file is called. ``files`` are uploads that it names, by their names. Of a
    ``job`` it is that job's timeline, with all files that it was made from; a ``timeline`` beside
    it takes the place of the job's own.
    """

    model_config = ConfigDict(extra="forbid")

    timeline: dict[str, Any] | None = None
    upload: str | None = None
    job: str | None = None
    name: str = "timeline.json"
    files: dict[str, str] = Field(default_factory=dict, max_length=_MOST_FILES)
    preset: str | None = Field(default=None, pattern=rf"^{PRESET_PATTERN}$")


@dataclass(frozen=True)
class SourceFolder:
    """A folder for one request, in which the timeline lies beside the files that came with it.

    ``again`` is the job whose files they are, and ``video`` its input.
    """

    file: Path
    again: JobDocument | None = None
    video: Path | None = None

    def place(self, name: str, field: str) -> Path:
        """Return a file that came with the timeline.

        Raises: ConfigError when none of this name did.
        """
        path = self.file.parent / name
        if file_name_fault(name) or not path.is_file():
            raise ConfigError(f"{field}: no file of this name came with the timeline", field=field)
        return path

    def problems_of(self, timeline: Timeline) -> list[Problem]:
        """Return what stands against the names in a timeline; bring files where it wants them."""
        problems = foreign_files(timeline, machine_folders().cache / ASSETS)
        if not problems:
            for _, name in named_files(timeline):
                self._bring(name)
        return problems

    def _bring(self, name: str) -> None:
        """Put a file that is named with a folder there: browsers send names alone."""
        wanted = self.file.parent / name
        sent = self.file.parent / re.split(r"[\\/]", name)[-1]
        if sent.is_file() and not wanted.exists():
            put_beside(sent, wanted)


@contextmanager
def opened_source(
    sent: SentTimeline, uploads: Uploads, folder: Path, backend: Backend
) -> Iterator[SourceFolder]:
    """Make the folder of a request below another one, for as long as the request takes.

    Raises: ConfigError for names that files cannot have, and where not one document is given;
        MissingFileError for an upload that is not here; UnknownJobError, StorageError.
    """
    is_edited = sent.job is not None and sent.upload is None
    if not is_edited and [sent.timeline, sent.upload, sent.job].count(None) != 2:
        raise ConfigError("timeline, upload, job: give one of them")
    for name in (sent.name, *sent.files):
        if fault := file_name_fault(name):
            raise ConfigError(f"files: {name[:40]!r} {fault}", field="files")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=REQUEST, dir=folder) as name:
        own = Path(name)
        for called, sha256 in sent.files.items():
            is_lora = Path(called).suffix.lower() in LORA_SUFFIXES
            put_beside(uploads.path(sha256), own / (BESIDE if is_lora else "") / called)
        if sent.job is not None:
            document = backend.document(sent.job)
            video = bring_files(document, backend, own, folder / "blobs")
            if video is not None and not (own / video.name).exists():
                put_beside(video, own / video.name)  # where the timeline may name it
            file = own / document.timeline.name
            if sent.timeline is not None:
                file = _write_timeline(sent, uploads, file)
            yield SourceFolder(file, document, video)
        else:
            yield SourceFolder(_write_timeline(sent, uploads, own / sent.name))


def _write_timeline(sent: SentTimeline, uploads: Uploads, file: Path) -> Path:
    file.unlink(missing_ok=True)
    if sent.upload is not None:
        put_beside(uploads.path(sent.upload), file)
    else:
        text = json.dumps(sent.timeline, indent=2, ensure_ascii=False)
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
    return file
