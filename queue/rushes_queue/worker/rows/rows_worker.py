"""A worker that renders several jobs of one kind at the same time.

Each job has a lease, a log, save points and a result of its own, as if a worker did nothing else.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing

from rushes.errors import RushesError
from rushes_queue.archive.job_files import read_document
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.jobs.record import JobRecord
from rushes_queue.settings.model import Settings
from rushes_queue.worker.options import WorkerOptions
from rushes_queue.worker.rows.company import Company
from rushes_queue.worker.rows.row_renderer import JoiningRenderer, RowRenderer
from rushes_queue.worker.shared_status import Activity
from rushes_queue.worker.worker import Worker

logger = logging.getLogger(__name__)

_SECONDS_BEFORE_OTHERS = 0.1  # between two looks whether the first job has loaded the networks
_SECONDS_BETWEEN_LOOKS = 1.0  # for jobs that may join


class RowsWorker(Worker):
    """A worker whose child fills a batch with jobs; they come and go between two chunks."""

    def __init__(
        self,
        settings: Settings,
        options: WorkerOptions,
        renderer: JoiningRenderer,
        start_again: Callable[[], None] = lambda: None,
    ) -> None:
        """Arguments as those of ``Worker``; ``options.rows`` is how many jobs at once."""
        super().__init__(settings, options, renderer, start_again)
        self._joining = renderer
        self._company: Company | None = None

    def _take_job(self, links: FarmLinks) -> bool:
        for number in range(self._options.rows):  # what a child left that has died
            self._shared.row(number).write(Activity(preset=self._joining.preset))
        if self._shared.is_draining:
            return False
        batch = uuid.uuid4().hex
        record = self._claim(links, batch=batch)
        if record is None:
            return False
        self._company = self._company or Company(links, self._options)
        kind = self._company.kind_of(record)
        if kind is None:
            self._attempt(links, record, self._joining)
        else:
            self._fill_rows(links, record, kind, batch)
        return True

    def _fill_rows(self, links: FarmLinks, first: JobRecord, kind: str, batch: str) -> None:
        """Render a job, and others that fit while there is room, until none of them is left."""
        most = self._options.rows
        try:
            document = read_document(links.storage, first.id)
        except RushesError:  # its attempt says why
            self._attempt(links, first, self._joining)
            return
        running: dict[int, Future[None]] = {}
        is_first_time = True
        with (
            self._joining.computing(document),
            ThreadPoolExecutor(most, "row") as threads,
            closing(RowRenderer(self._joining, most)) as renderer,
        ):
            running[0] = threads.submit(self._attempt, links, first, renderer)
            while running:
                seconds = _SECONDS_BETWEEN_LOOKS if renderer.is_open else _SECONDS_BEFORE_OTHERS
                wait(running.values(), seconds, FIRST_COMPLETED)
                running = {row: each for row, each in running.items() if not _is_over(each)}
                room = renderer.num_rows - len(running)
                if not running or room < 1:
                    continue
                for record in self._claim_more(links, kind, batch, room, is_first_time):
                    row = min(set(range(most)) - set(running))
                    running[row] = threads.submit(self._attempt, links, record, renderer, row)
                is_first_time = False

    def _claim_more(
        self, links: FarmLinks, kind: str, batch: str, room: int, is_first_time: bool
    ) -> Iterator[JobRecord]:
        """Claim jobs that fit, as many as there is room for."""
        preset, company = self._joining.preset, self._company
        if self._shared.is_draining or preset is None or company is None:
            return
        try:
            jobs = company.joinable(kind, preset, is_first_time=is_first_time)
            for _ in range(min(room, len(jobs))):
                record = self._claim(links, only=jobs, batch=batch)
                if record is None:
                    return
                yield record
        except RushesError as error:  # those that run go on
            logger.warning("no job can join now: %s", error)


def _is_over(attempt: Future[None]) -> bool:
    """Say whether an attempt has ended; raises what it raised, which no job can make it do."""
    if not attempt.done():
        return False
    attempt.result()
    return True
