"""One attempt at a job: from the claim to a published result or a reported failure.

Celery is not used here. Every change of the job carries the attempt's fence, so an attempt that has
lost its lease cannot change anything.
"""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rushes.errors import RushesError
from rushes.files.hidden_folder import hidden_folder
from rushes.history.rates import rates_file
from rushes_queue.archive.job_files import read_document, save_state
from rushes_queue.archive.publish import Attempted, describe, publish, published
from rushes_queue.archive.saved_work import SavedWork, work_key
from rushes_queue.archive.shared_rates import share_rates
from rushes_queue.broker import preview
from rushes_queue.broker.replies import Change
from rushes_queue.errors import (
    BrokerAnswerError,
    BrokerError,
    DocumentError,
    FencedError,
    JobConflictError,
    NewerDocumentError,
    UnknownJobError,
)
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.failures import delay_ms, kind_of, message_of
from rushes_queue.jobs.limits import check_limits
from rushes_queue.jobs.record import FailureKind, JobProgress, JobRecord
from rushes_queue.jobs.states import FINISHED
from rushes_queue.storage.errors import MissingKeyError
from rushes_queue.worker.inputs import AttemptFolder, fetch_inputs, refuse_full_disk
from rushes_queue.worker.job_log import JobLog
from rushes_queue.worker.lease_renewer import LeaseRenewer, Wish
from rushes_queue.worker.phases import PhaseClock, PhaseTimes
from rushes_queue.worker.shared_status import Activity, ChildStatus, SharedStatus
from rushes_queue.worker.warm_renderer import Renderer

if TYPE_CHECKING:
    from pathlib import Path

    from rushes.rendering.loop import Progress

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 300.0  # with a broker that is away at the end of an attempt
_SECONDS_BETWEEN_TRIES = 2.0
_PATIENCE_WITH_ANSWERS_SECONDS = 10.0  # that are unexpected: waiting longer does not help
_DONE_TRACEBACK_LINES = 30


EXIT_STUCK = 71  # of a process that hangs


class Interrupted(Exception):  # not an error: a user or the worker asked for it
    """Raised between the steps of an attempt when it was asked to stop."""


class AttemptRun:
    """One attempt at a job, from the claim to its end."""

    def __init__(
        self,
        farm: FarmLinks,
        record: JobRecord,
        renderer: Renderer,
        shared: SharedStatus,
        *,
        device: str,
        times: PhaseTimes | None = None,
    ) -> None:
        """``times`` are the durations of earlier attempts; this one adds its own."""
        self._farm, self._record, self._renderer, self._shared = farm, record, renderer, shared
        self._device = device
        self._who = Attempted(record.attempts, record.fence, record.owner or "")
        self._log = JobLog(farm.store, record.id, record.attempts)
        self._document: JobDocument | None = None
        self._last: Progress | None = None
        lease_seconds = farm.settings.lease_seconds
        self._clock = PhaseClock(
            farm.settings.deadlines, times or PhaseTimes(), longest_step=lease_seconds
        )
        self._renewer = LeaseRenewer(
            farm.store,
            record.id,
            record.fence,
            lease_seconds=lease_seconds,
            clock=self._clock,
            is_draining=lambda: shared.is_draining,
            on_renewed=self._show_frame,
            on_unknown=self._register_again,
            on_stuck=self._end_stuck,
        )

    def run(self) -> None:
        """Render and publish, or report why not; no job can make this raise."""
        self._show_status("loading")
        self._log.say(f"attempt {self._who.number} on {self._who.worker}")
        try:
            with self._renewer:
                save_state(self._farm.store, self._farm.storage, self._job)
                result = self._make_result()
            self._end(lambda: self._farm.store.ends.finish(self._job, self._fence, result))
            self._log.say("done")
            share_rates(self._farm.storage, rates_file(self._farm.settings.cache_dir))
        except Interrupted:
            self._answer(self._renewer.wish)
        except FencedError:
            self._answer("fenced")
        except Exception as error:  # the outermost frame: the farm goes on
            self._report(error)
        finally:
            self._show_status("idle")

    @property
    def _job(self) -> str:
        return self._record.id

    @property
    def _fence(self) -> int:
        return self._record.fence

    def _make_result(self) -> dict[str, Any]:
        """Return the published result."""
        result = published(self._farm.storage, self._job)
        if result is not None:
            self._log.say("an earlier attempt has published the result")
            return result
        document = self._document = self._read_document()
        self._clock.set_kind(_kind_of_work(document))
        work_dir = self._farm.settings.work_dir
        refuse_full_disk(document, work_dir, self._farm.storage)
        work_dir.mkdir(parents=True, exist_ok=True)
        with hidden_folder(work_dir / self._job) as path:
            return self._make_result_in(AttemptFolder.make(path), document)

    def _make_result_in(self, folder: AttemptFolder, document: JobDocument) -> dict[str, Any]:
        farm, store = self._farm, self._farm.storage
        request = fetch_inputs(document, store, folder, farm.settings.cache_dir, self._device)
        saved = SavedWork(store, self._job, self._fence, folder.work)
        chunk = saved.restore(self._record.oldest_fence)
        if chunk is not None:
            self._log.say(f"continues from the save point before chunk {chunk}")
        self._report_start(document, chunk or 0)
        self._step()
        self._clock.begin("load")
        self._renderer.load(document, self._log.say)
        self._step()
        self._show_status("busy")
        manifest = self._render(document, request, saved, folder)
        manifest = describe(manifest, document, self._who)
        self._clock.begin("publish")
        self._write_manifest(request.manifest_path, manifest)
        if self._renewer.renew() == "fenced":
            raise Interrupted
        template = farm.settings.result_template
        return publish(store, document, self._who, request, manifest, template)

    def _render(
        self,
        document: JobDocument,
        request: Any,
        saved: SavedWork,
        folder: AttemptFolder,
    ) -> dict[str, Any]:
        from rushes.rendering.loop import StopRender
        from rushes.rendering.save_points import SavePolicy
        from rushes.rendering.work import Work

        def report(progress: Progress) -> None:
            self._last = progress
            self._renewer.move(
                JobProgress(
                    progress.chunk, progress.frame, progress.frames_per_second, progress.prompt
                )
            )
            if progress.chunk == progress.num_chunks:
                self._clock.begin("join")
            self._show_status("busy", progress.chunk)
            wish = self._renewer.wish
            if wish is not None:
                raise StopRender(wish, save=wish in ("drain", "pause"))

        settings = self._farm.settings
        policy = SavePolicy(settings.save_point_chunks, settings.save_point_seconds)
        work = Work(folder.work, policy, lambda save: self._store_save(saved, save))
        begin = time.monotonic()
        self._clock.begin("first chunk")
        try:
            manifest = self._renderer.render(document, request, work, report)
        except StopRender as stop:
            raise Interrupted from stop
        seconds = time.monotonic() - begin
        self._log.say(f"rendered {manifest['num_frames']} frames in {seconds:.1f} s")
        return manifest

    def _store_save(self, saved: SavedWork, folder: Path) -> None:
        """Store a save point; the render goes on without it."""
        begin = time.monotonic()
        try:
            with self._clock.saving():
                saved.store(folder)
        except (RushesError, OSError) as error:
            self._log.say(f"save point {folder.name} is not stored: {message_of(error)}", "warning")
        else:
            seconds = time.monotonic() - begin
            self._log.say(f"saved before chunk {int(folder.name)}, stored in {seconds:.2f} s")

    def _report_start(self, document: JobDocument, chunk: int) -> None:
        """Report the chunk at which this attempt starts."""
        chunks = document.plan["chunks"]
        first = chunks[chunk]["first_frame"] if chunk < len(chunks) else document.num_frames
        farm, ttl_ms = self._farm, round(self._farm.settings.lease_seconds * 1000)
        try:
            farm.store.leases.renew(self._job, self._fence, ttl_ms, JobProgress(chunk, first))
        except BrokerError as error:
            logger.warning("job %s: %s", self._job, error)

    def _register_again(self) -> None:
        """Restore the record that the broker has lost."""
        farm, ttl_ms = self._farm, round(self._farm.settings.lease_seconds * 1000)
        if farm.store.adopt(self._record, ttl_ms=ttl_ms).is_change:
            self._log.say("the broker had lost this job; its worker restored it", "warning")

    def _read_document(self) -> JobDocument:
        """Read the document that was submitted.

        Raises: DocumentError when it cannot be read, or is not the one that was submitted.
        """
        document = read_document(self._farm.storage, self._job)
        if document.content_sha256 != self._record.document_sha256:
            raise DocumentError(
                f"job {self._job}: its document was changed after it was submitted; submit it again"
            )
        check_limits(document, self._farm.settings.limits)
        return document

    def _step(self) -> None:
        """Stop between two steps if that was asked for."""
        if self._renewer.wish is not None:
            raise Interrupted

    def _answer(self, wish: Wish | None) -> None:
        """Do what was asked for instead of rendering on."""
        store = self._farm.store
        match wish:
            case "cancel":
                self._end(lambda: store.ends.settle(self._job, self._fence, "cancelled"))
            case "pause":
                self._end(lambda: store.ends.settle(self._job, self._fence, "paused"))
            case "fenced":
                self._log.say("this attempt has lost its lease; it leaves nothing", "warning")
            case _:
                self._end(lambda: store.ends.release(self._job, self._fence, "the worker drains"))

    def _report(self, error: Exception) -> None:
        """Report what went wrong to the broker."""
        kind, message = kind_of(error), message_of(error)
        if isinstance(error, NewerDocumentError):
            self._leave_to_others(message)
            return
        self._log.say(f"{kind}: {message}", "error")
        if kind is FailureKind.BUG:
            lines = "".join(traceback.format_exception(error)).splitlines()
            self._log.say("\n".join(lines[-_DONE_TRACEBACK_LINES:]), "error")
        store, retries = self._farm.store, self._farm.settings.retries
        num_before = self._record.failures + self._record.infrastructure_failures
        delay = delay_ms(num_before, retries.first_delay_seconds)
        # No worker can read such a document, however often it tries.
        is_hopeless = isinstance(error, DocumentError | MissingKeyError)
        if is_hopeless and self._document is None:
            self._end(lambda: store.ends.quarantine(self._job, self._fence, kind, message))
        else:
            self._end(
                lambda: store.ends.fail(
                    *(self._job, self._fence, kind, message),
                    delay_ms=delay,
                    max_failures=retries.max_failures,
                    max_infrastructure_failures=retries.max_infrastructure_failures,
                )
            )

    def _leave_to_others(self, message: str) -> None:
        """Release a job that a newer worker can read; this one gets it again much later."""
        self._log.say(f"left to other workers: {message}", "warning")
        self._end(
            lambda: self._farm.store.ends.release(self._job, self._fence, message, is_refused=True)
        )

    def _end(self, change: Callable[[], Change]) -> None:
        """End the attempt in the broker, waiting while it is away; then do what follows from it."""
        farm = self._farm
        begin = time.monotonic()
        deadline = begin + _PATIENCE_SECONDS
        while True:
            try:
                done = change()
                break
            except FencedError as error:
                self._log.say(str(error), "warning")
                return
            except (UnknownJobError, JobConflictError) as error:
                self._log.say(str(error), "warning")
                return
            except BrokerError as error:
                if isinstance(error, BrokerAnswerError):
                    deadline = min(deadline, begin + _PATIENCE_WITH_ANSWERS_SECONDS)
                if time.monotonic() > deadline or self._shared.is_draining:
                    logger.error("job %s: its end cannot be reported: %s", self._job, error)
                    return  # the lease runs out, and the next attempt finds what was published
                time.sleep(_SECONDS_BETWEEN_TRIES)
        farm.ring(done.bells)
        if done.after in FINISHED:
            self._clean_up(done)
        save_state(farm.store, farm.storage, self._job)

    def _end_stuck(self, reason: str) -> None:
        """Give up the job and end this process, which hangs; called from another thread."""
        farm, retries = self._farm, self._farm.settings.retries
        self._log.say(f"{reason}; this process ends", "error")
        try:
            change = farm.store.ends.lose(
                *(self._job, self._fence, reason),
                max_losses=retries.max_losses,
                max_infrastructure_failures=retries.max_infrastructure_failures,
                max_in_a_row=retries.max_losses_in_a_row,
            )
            farm.ring(change.bells)
        except RushesError as error:  # the lease runs out
            logger.warning("job %s: %s", self._job, error)
        os._exit(EXIT_STUCK)

    def _clean_up(self, done: Change) -> None:
        """Remove what only the attempts needed, and send the webhooks."""
        try:
            if done.after in ("done", "cancelled"):
                self._farm.storage.delete(work_key(self._job))
            for fault in self._farm.announce_end(self._job, self._document):
                self._log.say(fault, "warning")
        except RushesError as error:
            self._log.say(f"after the end: {error}", "warning")

    def _show_frame(self) -> None:
        """Send the last frame to viewers, if there are any."""
        store = self._farm.store
        if self._last is not None and preview.is_wanted(store.client, store.prefix, self._job):
            jpeg = preview.to_jpeg(self._last.last_frame)
            preview.store_frame(store.client, store.prefix, self._job, jpeg)

    def _write_manifest(self, path: Path, manifest: dict[str, Any]) -> None:
        path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")

    def _show_status(self, status: ChildStatus, chunk: int = 0) -> None:
        job, fence = ("", 0) if status == "idle" else (self._job, self._fence)
        preset, pid = self._renderer.preset, os.getpid()
        self._shared.write(Activity(status, preset, job, fence, chunk, pid))


def _kind_of_work(document: JobDocument) -> str:
    """Return the key of jobs whose phases take about as long."""
    plan = document.plan
    return f"{document.preset} {document.request.dtype} {plan['width']}x{plan['height']}"
