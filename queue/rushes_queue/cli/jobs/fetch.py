"""``rushes fetch`` and ``rushes preview``: pictures from the farm to this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from rushes.errors import InputError, RushesError
from rushes.text import printable
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.flags import takes_flags
from rushes_queue.cli.jobs.choosing import ChoiceFlags, JobsArgument, end_with
from rushes_queue.cli.show.console import faults_json, print_json, say
from rushes_queue.cli.show.job_view import SHORT_ID
from rushes_queue.jobs.public_json import SCHEMA_VERSION

if TYPE_CHECKING:
    pass

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
        typer.Option(help="What to do where other files are in the way; else exit code 6."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring video, manifest and contact sheet of jobs that are done into a folder.

    Every file is checked against its hash; a result appears whole or not at all.
    """
    from rushes_queue.archive.fetch import fetch_result
    from rushes_queue.client.answers import FetchedJob
    from rushes_queue.client.json_forms import to_json

    store, storage = farm.open_store(), farm.open_storage()
    chosen = choice.choose(store, job)
    faults: list[RushesError] = list(chosen.faults)
    results = []
    for each, record in store.get_many(chosen.jobs).items():
        try:
            fetched = fetch_result(storage, record, output, conflict)
        except RushesError as error:
            faults.append(error)
            continue
        results.append(to_json(FetchedJob(each, fetched.output, fetched.files, fetched.is_new)))
        if not as_json:
            typer.echo(printable(str(fetched.output)))
            if not fetched.is_new:
                say(f"{each[:SHORT_ID]}: was there already; left as it is")
    if as_json:
        print_json(
            {"schema_version": SCHEMA_VERSION, "jobs": results, "errors": faults_json(faults)}
        )
    end_with(faults, len(results))


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
