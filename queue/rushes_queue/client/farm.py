"""A farm: jobs submitted, watched, fetched and changed, for programs."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from rushes.files.folders import Folders
from rushes.shots.sources import Source
from rushes_queue.archive.fetch import OnConflict, fetch_result
from rushes_queue.archive.job_files import read_document
from rushes_queue.broker.census import take_census
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.live_workers import LiveWorker
from rushes_queue.broker.preview import wait_for_frame
from rushes_queue.broker.replies import Change
from rushes_queue.broker.waiting import with_reasons
from rushes_queue.client.answers import FarmStats, FetchedJob, JobLine, JobStatus, Submitted
from rushes_queue.client.changes import Act, change_jobs, open_links
from rushes_queue.client.choosing import select_jobs
from rushes_queue.client.event_log import follow_events, kept_events
from rushes_queue.client.submitting import (
    SubmitValues,
    ask_for_shots,
    job_options,
    with_files,
)
from rushes_queue.client.watch import ChangedRecords, Watch
from rushes_queue.errors import JobTimeoutError, UnknownJobError
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.farm.presets import preset_for_farm
from rushes_queue.farm.submit import check_shot, hand_in
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.queue_names import Priority
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import FINISHED, State
from rushes_queue.local.machine_settings import read_settings
from rushes_queue.storage.blobs import BlobRef, fetch_blob

_MOST_IDS = 10_000_000


class Farm:
    """The farm that the settings of this machine lead to, or the one whose places are given.

    ``broker`` and ``storage`` are what ``--broker`` and ``--storage`` are. Nothing is connected
    before the first question. Jobs are named by their id, or its first characters (4 or more).
    The answers are plain data; ``rushes_queue.to_json`` makes of them what the commands print
    with ``--json``.

    Raises: ConfigError; every method also BrokerError when the broker does not answer,
        UnknownJobError and AmbiguousJobError for an id that is not that of one job.
    """

    def __init__(self, broker: str | None = None, storage: str | None = None) -> None:
        flags = {"broker_url": broker, "storage_url": storage}
        self._loaded = read_settings(flags)
        self._settings = self._loaded.settings
        self._links = FarmLinks.open(self._settings)
        self._quick_links = open_links(self._settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the broker."""
        self._links.store.close()
        self._quick_links.store.close()

    def submit(self, source: Source, **asked: Unpack[SubmitValues]) -> list[Submitted]:
        """Check and plan a timeline, store what it needs, and queue a job for each take.

        What was submitted before is the same job, unless ``new``.
        Raises: TimelineError, ConfigError, MissingFileError, InputError before anything is stored;
            StorageError.
        """
        settings, links = self._settings, self._links
        asked.setdefault("threads", settings.threads)
        here = Folders(settings.models_dir, settings.cache_dir, settings.lora_dir)
        folders = asked.get("folders") or here
        made = ask_for_shots(
            source, asked, here, lambda pipeline: self._choose_preset(pipeline, folders)
        )
        options = job_options(asked, map(links.store.find, asked.get("after", ())))
        with with_files(made) as shots:
            for shot in shots:
                check_shot(shot, settings.limits, options)
            return [
                Submitted.of(shot.request.timeline, document, change)
                for shot, document, change in hand_in(links, shots, options)
            ]

    def _choose_preset(self, pipeline: str | None, folders: Folders) -> str:
        name, note = preset_for_farm(self._loaded, self._links.store, folders, pipeline)
        if note is not None:
            warnings.warn(note, stacklevel=6)
        return name

    def jobs(
        self,
        *,
        states: Collection[State | str] = (),
        tags: Collection[str] = (),
        name: str | None = None,
        since_ms: int | None = None,
        limit: int | None = None,
    ) -> list[JobRecord]:
        """Return the jobs in one of the states and with one of the tags, the newest first.

        ``name`` is a pattern such as ``shot-*``. The note ``waits`` of a queued job says why no
        live worker takes it, if none does. Units: milliseconds since 1970.
        """
        store = self._links.store
        found = select_jobs(
            store,
            states=[State(state) for state in states],
            tags=tags,
            name=name,
            since_ms=since_ms,
        )
        return with_reasons(store, found[:limit])

    def ids(self) -> list[str]:
        """Return the ids of all jobs, in the order of the alphabet."""
        return list(self._links.store.ids("", _MOST_IDS))

    def records(self, jobs: Iterable[str]) -> list[JobRecord]:
        """Return how jobs stand, by their whole ids; those that are not there are left out."""
        store = self._links.store
        return with_reasons(store, store.get_many(jobs).values())

    def status(self, job: str) -> JobStatus:
        """Return all that is known about a job."""
        store = self._links.store
        (record,) = with_reasons(store, [store.get(store.find(job))])
        return JobStatus(record, store.attempts(record.id))

    def watch(self, *jobs: str, timeout_seconds: float | None = None) -> Iterator[JobRecord]:
        """Yield a job's record now and whenever it changes, until all jobs have ended.

        Without any it is all that have not ended yet. A broker that goes away is waited for.
        Raises: JobTimeoutError when time is over; UnknownJobError when a record is gone for good.
        """
        store = self._links.store
        chosen = [store.find(job) for job in jobs]
        if not jobs:
            chosen = [record.id for record in store.list() if record.state not in FINISHED]
        watch, changed = Watch(store, chosen, timeout_seconds=timeout_seconds), ChangedRecords()
        for look in watch.looks():
            yield from changed.of(look.records)
        if watch.is_timed_out:
            raise JobTimeoutError(
                f"not ended after {timeout_seconds:g} s: {', '.join(watch.left)}; they go on",
                job=watch.left[0],
            )
        if watch.lost:
            raise UnknownJobError(
                f"no record any more of {', '.join(watch.lost)}; see rushes reconcile",
                job=watch.lost[0],
            )

    def fetch(
        self, job: str, folder: Path | str = ".", *, on_conflict: OnConflict | None = None
    ) -> FetchedJob:
        """Bring video, manifest and contact sheet of a job that is done into a folder.

        Every file is checked against its hash; the result appears whole or not at all.
        Raises: JobConflictError when it is not done; ConflictError when other files are in the
            way, unless ``on_conflict`` says what to do; StorageError; InputError.
        """
        store = self._links.store
        record = store.get(store.find(job))
        fetched = fetch_result(self._links.storage, record, Path(folder), on_conflict)
        return FetchedJob(record.id, fetched.output, fetched.files, fetched.is_new)

    def document(self, job: str) -> JobDocument:
        """Return what a job makes: its plan and request, and the hashes of its files.

        Raises: MissingKeyError, DocumentError, StorageError.
        """
        return read_document(self._links.storage, self._links.store.find(job))

    def stored_file(self, ref: BlobRef, folder: Path) -> Path:
        """Bring a file of a job's document into a folder, where it is called by its hash.

        Raises: MissingKeyError; DamagedBlobError; StorageError.
        """
        return fetch_blob(self._links.storage, ref, folder)

    def preview(self, job: str, *, timeout_seconds: float = 60.0) -> bytes:
        """Return the last frame of a running job, as JPEG.

        Raises: JobConflictError when it does not run; NoFrameError when none comes in time.
        """
        store = self._links.store
        return wait_for_frame(store, store.find(job), timeout_seconds)

    def cancel(self, job: str) -> Change:
        """Cancel a job; a running one stops at its next chunk."""
        return self._change(job, lambda changes, each: changes.cancel(each))

    def pause(self, job: str) -> Change:
        """Pause a job; a running one is saved at its next chunk."""
        return self._change(job, lambda changes, each: changes.pause(each))

    def resume(self, job: str) -> Change:
        """Queue a paused job again, or withdraw a request to pause."""
        return self._change(job, lambda changes, each: changes.resume(each))

    def retry(self, job: str, *, from_start: bool = False) -> Change:
        """Queue a failed, cancelled or quarantined job again, from save points that are left."""
        return self._change(job, lambda changes, each: changes.retry(each, from_start=from_start))

    def set_priority(self, job: str, priority: Priority) -> Change:
        """Make a job more or less urgent; one that runs keeps its worker."""
        return self._change(job, lambda changes, each: changes.set_priority(each, priority))

    def logs(
        self, job: str, *, last: int | None = None, follow: bool = False, after: str = "0"
    ) -> Iterator[JobLine]:
        """Yield what happened to a job; with ``follow`` go on until it has ended.

        ``last`` leaves out all but so many of the events that are there already; ``after`` is the
        id of an event that was read, and leaves out what came before the next one.
        Raises: JobError when ``after`` is not such an id.
        """
        store = self._links.store
        found = store.find(job)
        kept = list(kept_events(store, found, after))
        for event in kept if last is None else kept[len(kept) - min(last, len(kept)) :]:
            yield JobLine(found, event)
        if follow:
            for _, event in follow_events(store, {found: kept[-1].id if kept else after}):
                yield JobLine(found, event)

    def workers(self) -> list[LiveWorker]:
        """Return the workers that were heard of lately."""
        return list(self._links.store.workers.live())

    def stats(self) -> FarmStats:
        """Count jobs, queues and workers, and what got done within the last hour."""
        return count_farm(self._links.store)

    def _change(self, job: str, act: Act) -> Change:
        found = self._quick_links.store.find(job)
        ((_, answer),) = change_jobs(self._quick_links, [found], act)
        if isinstance(answer, Exception):
            raise answer
        return answer


def count_farm(store: JobRecords) -> FarmStats:
    """Count a whole farm.

    Raises: BrokerError.
    """
    workers = Counter[str](worker.info.status for worker in store.workers.live())
    return FarmStats(take_census(store), workers)
