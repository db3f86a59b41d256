"""A farm's answers without a farm: a folder as storage, records of its own, one child process."""

from __future__ import annotations

import platform
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Unpack

import rushes
from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes.presets.preset import preset_names
from rushes.shots.shot import Shot
from rushes.shots.sources import Source
from rushes_queue.archive.fetch import fetch_result
from rushes_queue.archive.job_files import document_key, read_document
from rushes_queue.archive.saved_work import work_key
from rushes_queue.broker.events import check_place
from rushes_queue.broker.live_workers import LiveWorker, WorkerInfo
from rushes_queue.broker.preview import NoFrameError
from rushes_queue.broker.replies import Change
from rushes_queue.client.answers import FarmStats, FetchedJob, JobLine, JobStatus, Submitted
from rushes_queue.client.choosing import select_jobs
from rushes_queue.client.submitting import (
    SubmitValues,
    ask_for_shots,
    job_options,
    with_files,
)
from rushes_queue.errors import JobConflictError
from rushes_queue.farm.submit import check_shot, store_job
from rushes_queue.jobs.document import SCHEMA_VERSION, JobDocument
from rushes_queue.jobs.job_options import JobOptions
from rushes_queue.jobs.limits import Limits
from rushes_queue.jobs.new_records import new_record
from rushes_queue.jobs.queue_names import Priority, queue_name, served_queues
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import Event, State
from rushes_queue.storage.blobs import BlobRef, fetch_blob
from rushes_queue.storage.open import open_storage
from rushes_queue.web.alone.child import WORKER
from rushes_queue.web.alone.counts import count_own
from rushes_queue.web.alone.records import OwnRecords, now_ms
from rushes_queue.web.alone.renders import OwnRenders

_SECONDS_BETWEEN_LOOKS = 0.1


class OwnJobs:
    """The jobs of this machine below a folder; methods and errors as of ``rushes_queue.Farm``."""

    def __init__(self, folder: Path, folders: Folders) -> None:
        self._folders = folders
        self._storage = open_storage(str(folder / "storage"))
        self._records = OwnRecords(self._storage)
        self._renders = OwnRenders(self._records, self._storage.url, folder / "work", folders)

    def close(self) -> None:
        """End the child process."""
        self._renders.close()

    def submit(self, source: Source, **asked: Unpack[SubmitValues]) -> list[Submitted]:
        """Check and plan a timeline, store what it needs, and queue a job for each take.

        Raises: ConfigError for ``notify`` too, which only a farm does.
        """
        if asked.get("notify"):
            raise ConfigError("notify: needs a farm; leave it out, or start one with rushes up")
        asked["gpu_class"] = "any"  # there is one device
        made = ask_for_shots(source, asked, self._folders)
        options = job_options(asked, map(self._records.find, asked.get("after", ())))
        with with_files(made) as shots:
            for shot in shots:
                check_shot(shot, Limits(), options)
            return [self._queue(shot, options) for shot in shots]

    def _queue(self, shot: Shot, options: JobOptions) -> Submitted:
        document, wanted = store_job(self._storage, shot, options)
        record = new_record(document, document_key(document.id), wanted)
        change = self._records.add(record, options.after)
        return Submitted.of(shot.request.timeline, document, change)

    def jobs(
        self,
        *,
        states: Collection[State | str] = (),
        tags: Collection[str] = (),
        name: str | None = None,
        since_ms: int | None = None,
        limit: int | None = None,
    ) -> list[JobRecord]:
        """Return the jobs in one of the states and with one of the tags, the newest first."""
        wanted = [State(state) for state in states]
        found = select_jobs(self._records, states=wanted, tags=tags, name=name, since_ms=since_ms)
        return list(found[:limit])

    def ids(self) -> list[str]:
        """Return the ids of all jobs."""
        return list(self._records.ids())

    def records(self, jobs: Iterable[str]) -> list[JobRecord]:
        """Return how jobs stand, by their whole ids."""
        return list(self._records.get_many(jobs).values())

    def status(self, job: str) -> JobStatus:
        """Return all that is known about a job."""
        record = self._records.get(self._records.find(job))
        return JobStatus(record, self._records.attempts(record.id))

    def logs(
        self, job: str, *, last: int | None = None, follow: bool = False, after: str = "0"
    ) -> Iterator[JobLine]:
        """Yield what happened to a job since this process started; ``follow`` has no effect."""
        found = self._records.find(job)
        begin = _number(check_place(after))
        events = [each for each in self._records.events(found) if _number(each.id) > begin]
        for event in events if last is None else events[len(events) - min(last, len(events)) :]:
            yield JobLine(found, event)

    def document(self, job: str) -> JobDocument:
        """Return what a job makes."""
        return read_document(self._storage, self._records.find(job))

    def stored_file(self, ref: BlobRef, folder: Path) -> Path:
        """Bring a file of a job's document into a folder, where it is called by its hash."""
        return fetch_blob(self._storage, ref, folder)

    def fetch(self, job: str, folder: Path | str = ".") -> FetchedJob:
        """Bring video, manifest and contact sheet of a job that is done into a folder."""
        record = self._records.get(self._records.find(job))
        fetched = fetch_result(self._storage, record, Path(folder))
        return FetchedJob(record.id, fetched.output, fetched.files, fetched.is_new)

    def preview(self, job: str, *, timeout_seconds: float = 60.0) -> bytes:
        """Return the last frame of a running job, as JPEG."""
        found = self._records.find(job)
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._renders.ask("look", found)
            if (jpeg := self._renders.frame(found)) is not None:
                return jpeg
            state = self._records.get(found).state
            if state is not State.RUNNING:
                raise JobConflictError(f"job {found}: is {state} and has no new frame", job=found)
            if time.monotonic() >= deadline:
                raise NoFrameError(f"job {found}: no frame came within {timeout_seconds:g} s")
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def cancel(self, job: str) -> Change:
        """End a job; one that runs stops at its next chunk."""
        return self._stop(job, Event.CANCEL, "cancel")

    def pause(self, job: str) -> Change:
        """Pause a job; one that runs is saved at its next chunk."""
        return self._stop(job, Event.PAUSE, "pause")

    def resume(self, job: str) -> Change:
        """Queue a paused job again."""
        return self._records.happen(self._records.find(job), Event.RESUME, pause=False)

    def retry(self, job: str, *, from_start: bool = False) -> Change:
        """Queue a job that has ended without a result again, from save points that are left."""
        found = self._records.find(job)
        changed: dict[str, Any] = {"error": None, "cancel": False, "pause": False}
        if from_start:
            oldest = self._records.get(found).attempts + 1
            changed |= {"chunk": 0, "frame": 0, "oldest_fence": oldest}
        change = self._records.happen(found, Event.RETRY, **changed)
        if from_start:
            self._storage.delete(work_key(found))
        return change

    def set_priority(self, job: str, priority: Priority) -> Change:
        """Make a job more or less urgent."""
        found = self._records.find(job)
        queue = queue_name(self._records.get(found).preset, "any", priority)
        return self._records.happen(found, Event.SET_PRIORITY, priority=priority, queue=queue)

    def workers(self) -> list[LiveWorker]:
        """Return this machine as the one worker."""
        job = self._renders.current
        info = WorkerInfo(
            name=WORKER,
            host=platform.node(),
            pid=self._renders.pid,
            version=rushes.__version__,
            max_schema=SCHEMA_VERSION,
            started_ms=self._renders.started_ms,
            queues=tuple(served_queues(preset_names(), "any")),
            status="busy" if job else "idle",
            preset=self._renders.preset,
        )
        return [LiveWorker(info, now_ms(), (job,) if job else ())]

    def stats(self) -> FarmStats:
        """Count the jobs, and what got done within the last hour."""
        status = "busy" if self._renders.current else "idle"
        return FarmStats(count_own(self._records.list()), {status: 1})

    def _stop(self, job: str, event: Event, order: Literal["cancel", "pause"]) -> Change:
        found = self._records.find(job)
        is_running = self._records.get(found).state is State.RUNNING
        change = self._records.happen(found, event, **({order: True} if is_running else {}))
        if is_running:
            self._renders.ask(order, found)
        return change


def _number(place: str) -> int:
    """Return the number of an event among those of its job; -1 for the place before all."""
    return int(place.partition("-")[2] or -1)
