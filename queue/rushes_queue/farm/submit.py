"""From a timeline file to a queued job: checked, planned, its files stored once, submitted."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Lock

import rushes
from rushes.errors import ConfigError, InputError
from rushes.models.adapters.header import config_name, read_header
from rushes.shots.shot import Shot, refuse_contradictions
from rushes.timeline.loras import BESIDE, find_all
from rushes.timeline.names import bare_name, timeline_name
from rushes_queue.archive.job_files import document_key, save_state, write_document
from rushes_queue.broker.replies import Change
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.document import (
    JobDocument,
    JobRequest,
    Submitter,
)
from rushes_queue.jobs.job_id import job_id
from rushes_queue.jobs.job_options import JobOptions
from rushes_queue.jobs.limits import Limits, check_limits
from rushes_queue.jobs.plan_document import portable_plan
from rushes_queue.jobs.queue_names import PRESET_PATTERN
from rushes_queue.storage.blobs import BlobRef, put_blob
from rushes_queue.storage.storage import Storage
from rushes_queue.text_fields import check_line

_STORED_AT_A_TIME = 8  # storing waits for disks and networks


def make_document(shot: Shot, blobs: dict[Path, BlobRef], options: JobOptions) -> JobDocument:
    """Return the document of a job whose files are stored.

    Raises: ConfigError when it cannot be a job.
    """
    request = JobRequest.from_request(shot.request)
    timeline = blobs[shot.timeline_file]
    video = blobs[shot.request.input] if shot.request.input else None
    audio_file = audio_file_of(shot)
    audio = blobs[audio_file] if audio_file else None
    files = tuple(
        blobs[path].model_copy(update={"name": name}) for name, path in named_files(shot).items()
    )
    return JobDocument.make(
        id=job_id(
            timeline_sha256=timeline.sha256,
            input_sha256=video.sha256 if video else None,
            audio_sha256=audio.sha256 if audio else None,
            preset=shot.request.preset,
            request=request,
            take=shot.take,
            files=files,
            nonce=options.nonce,
        ),
        created_at=datetime.now(UTC),
        submitter=Submitter(version=rushes.__version__, user=_user(), host=socket.gethostname()),
        name=timeline_name(shot.request.timeline),
        request=request,
        plan=portable_plan(shot.plan).to_dict(),
        timeline=timeline,
        input=video,
        audio=audio,
        files=files,
        preset=shot.request.preset,
        gpu_class=options.gpu_class,
        seed=shot.plan.seed,
        take=shot.take,
        tags=options.tags,
        priority=options.priority,
        after=options.after,
        notify=options.notify,
    )


def check_shot(shot: Shot, limits: Limits, options: JobOptions) -> None:
    """Refuse invalid jobs, and those beyond the limits, before anything is stored.

    Raises: ConfigError, InputError, MissingFileError, DocumentError.
    """
    refuse_contradictions(shot.request, shot.plan)
    if not re.fullmatch(PRESET_PATTERN, shot.request.preset):
        raise ConfigError(
            f"--preset {shot.request.preset}: workers know presets by name only; put the file into "
            "the configs of the farm, and give its name"
        )
    audio = audio_file_of(shot)
    if audio is not None:
        from rushes.video.audio import holds_sound  # late: it loads av

        if not holds_sound(audio):
            raise InputError(f"{audio}: holds no sound; name a sound file, or give --audio none")
    refs = {path: _unstored(path) for path in files_of(shot)}
    check_limits(make_document(shot, refs, options), limits)


def hand_in(
    links: FarmLinks, shots: Sequence[Shot], options: JobOptions
) -> Iterator[tuple[Shot, JobDocument, Change]]:
    """Store files and documents, several at a time; then queue the jobs in order.

    Nothing is stored twice; the same submission twice is the same job.
    Raises: what storage and store raise; jobs that were not yielded yet are not queued.
    """
    pool = ThreadPoolExecutor(_STORED_AT_A_TIME, "submit")
    files = _Files(links.storage)
    try:
        documents = pool.map(lambda shot: store_job(links.storage, shot, options, files), shots)
        for shot, (document, asked) in zip(shots, documents, strict=True):
            change = links.store.submit(document, document_key(document.id), asked=asked)
            if change.is_change and asked is not document:  # which the document does not tell
                save_state(links.store, links.storage, document.id)
            links.ring(change.bells)
            yield shot, document, change
    finally:
        pool.shutdown(cancel_futures=True)


class _Files:
    """The files of one submission, each read and stored once, however many jobs share it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._refs: dict[Path, Future[BlobRef]] = {}
        self._lock = Lock()

    def store(self, path: Path) -> BlobRef:
        """Return where a file is stored; several threads may ask.

        Raises: what ``put_blob`` raises, for all who ask.
        """
        with self._lock:
            is_new = path not in self._refs
            ref = self._refs.setdefault(path, Future())
        if is_new:
            try:
                ref.set_result(put_blob(self._storage, path))
            except BaseException as error:
                ref.set_exception(error)
        return ref.result()


def store_job(
    storage: Storage, shot: Shot, options: JobOptions, files: _Files | None = None
) -> tuple[JobDocument, JobDocument]:
    """Store a job's files and its document.

    Returns the document that counts, which may be an earlier one, and the one just made.
    Raises: what the storage raises.
    """
    files = files or _Files(storage)
    blobs = {path: files.store(path) for path in files_of(shot)}
    asked = make_document(shot, blobs, options)
    return write_document(storage, asked), asked


def files_of(shot: Shot) -> Sequence[Path]:
    """Return the files of a job."""
    audio = audio_file_of(shot)
    files = (shot.timeline_file, shot.request.input, audio, *named_files(shot).values())
    return [path for path in files if path]


def named_files(shot: Shot) -> dict[str, Path]:
    """Return the LoRAs of a plan and what steers it, by the names that the job's plan has.

    Raises: MissingFileError when a LoRA is not there; AdapterError when it cannot be applied.
    """
    folder = shot.request.timeline.parent
    files = {bare_name(file): folder / file for file in shot.plan.steering_files}
    loras = find_all(shot.plan.loras, (folder / BESIDE, *shot.lora_folders))
    settings = {name: read_header(path).config for name, path in loras.items()}
    configs = {config_name(name): path for name, path in settings.items() if path is not None}
    return files | loras | configs


def audio_file_of(shot: Shot) -> Path | None:
    """Return the sound file that goes with the result: the request's, else the timeline's."""
    request, audio = shot.request, shot.plan.audio
    if request.audio is not None:
        return None if request.audio in ("input", "none") else Path(request.audio)
    return request.timeline.parent / audio.uri if audio and audio.uri else None


def _unstored(path: Path) -> BlobRef:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return BlobRef(sha256="0" * 64, size=size, name=path.name)


@cache
def _user() -> str:
    try:
        return check_line(getpass.getuser())
    except (OSError, KeyError, ValueError):  # a user without a name, as in a container
        return "unknown"
