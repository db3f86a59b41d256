"""The results of watched jobs that have ended: printed, or fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.errors import RushesError
from rushes.text import printable
from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.jobs.fetch import fetch_all
from rushes_queue.cli.show.console import say, say_error
from rushes_queue.cli.show.job_view import SHORT_ID
from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords
    from rushes_queue.jobs.record import JobRecord
    from rushes_queue.storage.storage import Storage

_MOST_NAMED = 5


def show_results(
    store: JobRecords, storage: Storage, jobs: Sequence[str], folder: Path | None
) -> int:
    """Print where the results of done jobs are, or fetch them into a folder.

    Returns the exit code: that of the first result that cannot be fetched.
    """
    try:
        records = store.get_many(jobs).values()
    except RushesError:
        return exit_codes.OK  # watching has printed that the broker is away
    done = [record for record in records if record.state is State.DONE]
    if not done:
        return exit_codes.OK
    if folder is None:
        _say_where(storage, done)
        return exit_codes.OK
    faults: list[RushesError] = []
    for fetched in fetch_all(storage, done, folder, None, faults):
        say(f"fetched {printable(str(fetched.output))}")
    for fault in faults:
        say_error(fault)
    return faults[0].exit_code if faults else exit_codes.OK


def _say_where(storage: Storage, done: Sequence[JobRecord]) -> None:
    for record in done[:_MOST_NAMED]:
        place = f"{storage.url}/{(record.result or {}).get('output', '')}"
        say(f"{record.id[:SHORT_ID]}: {printable(place)}")
    if len(done) > _MOST_NAMED:
        say(f"and {len(done) - _MOST_NAMED:,} more")
    named = " ".join(record.id[:SHORT_ID] for record in done[:_MOST_NAMED])
    say(f"rushes fetch {named} -o results brings video, manifest and contact sheet here")
