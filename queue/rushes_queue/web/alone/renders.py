"""The thread that gives jobs to the child process, and writes down what that tells."""

from __future__ import annotations

import base64
import logging
import os
import platform
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from rushes.errors import RushesError
from rushes.files.folders import Folders
from rushes_queue.errors import JobError
from rushes_queue.jobs.record import Attempt, FailureKind, JobFailure, JobRecord
from rushes_queue.jobs.states import Event
from rushes_queue.web.alone.child import WORKER
from rushes_queue.web.alone.messages import Asked, Order, Told
from rushes_queue.web.alone.records import OwnRecords, now_ms

logger = logging.getLogger(__name__)

_SECONDS_TO_END = 5.0
_SECONDS_AFTER_FAULT = 2.0  # of the storage


class OwnRenders:
    """One child process, started when the first job comes; one that dies is started again."""

    def __init__(self, records: OwnRecords, storage_url: str, work: Path, folders: Folders) -> None:
        self._records = records
        self._command = [
            *(sys.executable, "-m", "rushes_queue.web.alone.child", storage_url, str(work)),
            *(str(folders.models), str(folders.cache), *map(str, folders.loras)),
        ]
        self._child: subprocess.Popen[str] | None = None
        self._frame: tuple[str, bytes] | None = None  # of which job
        self.current: str | None = None
        self.preset: str | None = None
        self.started_ms = now_ms()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="renders", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The child's, once there is one."""
        return self._child.pid if self._child else os.getpid()

    def ask(self, order: Order, job: str) -> None:
        """Ask the child something about the job that it renders."""
        if self._child is not None and self.current == job:
            with suppress(OSError, ValueError):  # it has died, which the thread notices
                _send(self._child, Asked(order, job))

    def frame(self, job: str) -> bytes | None:
        """Return the last frame of a job, if the child has sent any."""
        return self._frame[1] if self._frame and self._frame[0] == job else None

    def close(self) -> None:
        """End the child; the job that it renders is queued again at the next start."""
        with self._records.is_change:
            self._is_closed = True
            self._records.is_change.notify_all()
            child = self._child
            if child is not None:
                child.kill()
        self._thread.join(_SECONDS_TO_END)
        if child is not None:
            _bury(child)

    def _run(self) -> None:
        while True:
            self._records.wait(lambda: self._is_closed or self._records.best() is not None)
            if self._is_closed:
                return
            record = self._records.best()
            try:
                if record is not None:
                    self._render(record)
            except RushesError:
                logger.exception("the job cannot be rendered now")
                time.sleep(_SECONDS_AFTER_FAULT)

    def _render(self, record: JobRecord) -> None:
        job, number = record.id, record.attempts + 1
        begun = {"attempts": number, "fence": number, "owner": WORKER, "error": None}
        with suppress(JobError):  # somebody was faster, and cancelled it
            self._records.happen(
                job, Event.CLAIM, started_ms=record.started_ms or now_ms(), **begun
            )
            attempt = Attempt(number, number, WORKER, platform.node(), "", now_ms(), record.chunk)
            self._records.begin_attempt(job, attempt)
            self.current = job
            try:
                child = self._live_child()
                _send(child, Asked("render", job, number, record.oldest_fence))
                self._follow(child, job)
            except (OSError, ValueError):  # it died, or this server ends
                self._lose(job)
            finally:
                self.current, self._frame = None, None

    def _follow(self, child: subprocess.Popen[str], job: str) -> None:
        """Write down what the child tells, until the job has ended."""
        assert child.stdout is not None
        for line in child.stdout:
            told = Told.from_line(line)
            if told.job == job and self._note(told):
                return
        self._lose(job)

    def _note(self, told: Told) -> bool:
        """Write one message down; return whether the job has ended."""
        records, job = self._records, told.job
        match told.kind:
            case "say":
                records.tell(job, "log", level=told.level, message=told.text)
            case "busy":
                self.preset = told.text
            case "progress":
                moved = {"chunk": told.chunk, "frame": told.frame, "fps": told.fps}
                records.move(job, prompt=told.text, **moved)
            case "frame":
                self._frame = (job, base64.b64decode(told.text))
            case "done":
                self._end(job, Event.FINISH, "done", result=told.result)
            case "stopped":
                event = Event.REST if told.text == "pause" else Event.STOP
                self._end(job, event, told.text)
            case "failed":
                failure = JobFailure(FailureKind(told.level), told.text)
                self._end(job, Event.FAIL, told.text, error=failure)
        return told.kind in ("done", "stopped", "failed")

    def _lose(self, job: str) -> None:
        if self._is_closed:
            return
        child, self._child = self._child, None
        if child is not None:
            _bury(child)
        message = "the process that rendered it has died; try again"
        self._end(job, Event.FAIL, message, error=JobFailure(FailureKind.LOST, message))

    def _end(self, job: str, event: Event, reason: str, **changed: object) -> None:
        self._records.end_attempt(job, reason)
        self._records.happen(job, event, owner=None, pause=False, cancel=False, **changed)

    def _live_child(self) -> subprocess.Popen[str]:
        """Return the child, started if there is none. Raises: ValueError once this is closed."""
        with self._records.is_change:
            if self._is_closed:
                raise ValueError("no child is started any more")
            if self._child is not None and self._child.poll() is not None:
                _bury(self._child)
                self._child = None
            if self._child is None:
                pipe = subprocess.PIPE
                self._child = subprocess.Popen(
                    self._command, stdin=pipe, stdout=pipe, text=True, bufsize=1
                )
            return self._child


def _send(child: subprocess.Popen[str], asked: Asked) -> None:
    assert child.stdin is not None
    child.stdin.write(asked.to_line())
    child.stdin.flush()


def _bury(child: subprocess.Popen[str]) -> None:
    """End a child for good, and close the ways to it."""
    child.kill()
    child.wait(_SECONDS_TO_END)
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
