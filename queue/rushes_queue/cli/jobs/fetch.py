"""``rushes fetch`` and ``rushes preview``: pictures from the farm to this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from rushes.errors import InputError, RushesError
from rushes.text import printable
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.jobs.choosing import ChoiceFlags, Chosen, JobsArgument, end_with
from rushes_queue.cli.show.console import faults_json, print_json, say
from rushes_queue.cli.show.job_view import SHORT_ID
from rushes_queue.errors import BrokerError
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from rushes_queue.archive.fetch import OnConflict
    from rushes_queue.client.answers import FetchedJob
    from rushes_queue.client.choosing import JobList
    from rushes_queue.jobs.record import JobRecord
    from rushes_queue.storage.storage import Storage

Folder = Annotated[Path, typer.Option("--output", "-o", help="Folder; made if missing.")]
HERE = Path()


@takes_flags
def fetch(
    choice: ChoiceFlags,
    farm: FarmFlags,
    job: JobsArgument = None,
    output: Folder = HERE,
    conflict: Annotated[
        Literal["skip", "overwrite", "copy"] | None,
        typer.Option(help="What to do with other files of the same name; by default exit code 6."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring video, manifest and contact sheet of jobs that are done into a folder.

    Every file is checked against its hash; a result appears whole or not at all. Without a broker
    the storage is asked instead. Of --tag, --state and --all unfinished jobs are left out.
    """
    from rushes_queue.client.json_forms import to_json

    storage = farm.open_storage()
    chosen, records, num_unfinished = _choose(choice, job, farm, storage)
    faults: list[RushesError] = list(chosen.faults)
    results = []
    for each in fetch_all(storage, records, output, conflict, faults):
        results.append(to_json(each))
        if not as_json:
            typer.echo(printable(str(each.output)))
            if not each.is_new:
                say(f"{each.job[:SHORT_ID]}: was there already; left as it is")
    if as_json:
        print_json(
            {"schema_version": SCHEMA_VERSION, "jobs": results, "errors": faults_json(faults)}
        )
    end_with(faults, len(results), is_any_known=num_unfinished > 0)


@takes_flags
def preview(
    choice: ChoiceFlags,
    farm: FarmFlags,
    job: JobsArgument = None,
    output: Folder = HERE,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the picture of each job.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring the last frame of running jobs into a folder, as JPEG.

    Exit code 6 when a job does not run, 8 when its worker sends no picture in time.
    """
    from rushes_queue.broker.preview import wait_for_frame

    store = farm.open_store()
    chosen = choice.choose(store, job)
    faults: list[RushesError] = list(chosen.faults)
    results = []
    for each in chosen.jobs:
        try:
            jpeg = wait_for_frame(store, each, timeout)
            path = output / f"{each}.jpg"
            _write(path, jpeg)
        except RushesError as error:
            faults.append(error)
            continue
        results.append({"id": each, "file": str(path), "chunk": store.get(each).chunk})
        if not as_json:
            typer.echo(printable(str(path)))
    if as_json:
        print_json(
            {"schema_version": SCHEMA_VERSION, "jobs": results, "errors": faults_json(faults)}
        )
    end_with(faults, len(results))


def fetch_all(
    storage: Storage,
    records: Iterable[JobRecord],
    folder: Path,
    conflict: OnConflict | None,
    faults: list[RushesError],
) -> Iterator[FetchedJob]:
    """Fetch results into a folder; errors are added to the faults."""
    from rushes_queue.archive.fetch import fetch_result
    from rushes_queue.client.answers import FetchedJob

    for record in records:
        try:
            fetched = fetch_result(storage, record, folder, conflict)
        except RushesError as error:
            faults.append(error)
        else:
            yield FetchedJob(record.id, fetched.output, fetched.files, fetched.is_new)


def _choose(
    choice: ChoiceFlags, job: list[str] | None, farm: FarmFlags, storage: Storage
) -> tuple[Chosen, list[JobRecord], int]:
    """Look the jobs up in the broker, or in the storage where there is no broker.

    Also returns how many are left out, since they are not done.
    """
    from rushes_queue.archive.stored_jobs import StoredJobs

    try:
        chosen, records = _look_up(choice, job, farm.open_store())
    except BrokerError as error:
        say(f"note: {printable(str(error))}; the storage says what is there")
        chosen, records = _look_up(choice, job, StoredJobs(storage))
    if not choice.is_bulk:
        return chosen, records, 0
    done = [record for record in records if record.state is State.DONE]
    left_out = Counter(record.state for record in records if record.state is not State.DONE)
    if left_out:
        states = ", ".join(f"{count:,} {state}" for state, count in left_out.items())
        say(f"not done, left out: {states}")
    return chosen, done, left_out.total()


def _look_up(
    choice: ChoiceFlags, job: list[str] | None, jobs: JobList
) -> tuple[Chosen, list[JobRecord]]:
    chosen = choice.choose(jobs, job)
    return chosen, list(jobs.get_many(chosen.jobs).values())


def _write(path: Path, data: bytes) -> None:
    from rushes.files.atomic import make_folder
    from rushes_queue.storage.whole_files import write_whole

    def write(file: BinaryIO) -> None:
        file.write(data)

    try:
        make_folder(path.absolute().parent)
        write_whole(path, write)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error}; choose another folder") from error
