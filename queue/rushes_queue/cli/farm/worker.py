"""``rushes worker``: a process that renders the farm's jobs, one after another, on one GPU."""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.errors import ConfigError
from rushes_queue.cli.flags import exit_codes
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.folder_flags import FolderFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.show.console import say

if TYPE_CHECKING:
    from rushes.files.folders import Folders
    from rushes_queue.settings.model import Settings
    from rushes_queue.worker.gpus import Gpu
    from rushes_queue.worker.options import WorkerOptions

_SECONDS_BEFORE_RESTART = 3.0


@takes_flags
def worker(
    farm: FarmFlags,
    places: FolderFlags,
    gpu: Annotated[
        str, typer.Option(help="Number of the GPU, or cpu; auto is the first GPU.")
    ] = "auto",
    models: Annotated[
        list[str] | None,
        typer.Option(help="Presets to serve; may be repeated. By default all that are installed."),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tags", help="Take only jobs with this tag; may be repeated."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Its name; by default host, GPU and pid.")
    ] = None,
    slot: Annotated[
        str | None, typer.Option(help="Its place on this machine, if it has no GPU of its own.")
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Render one waiting job, or batch of jobs, if there is one, and end."
        ),
    ] = False,
    drain_after: Annotated[
        str | None,
        typer.Option(
            help="End after this time: 90s, 30m, 8h; a running job is saved and released."
        ),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Render up to this many alike jobs at the same time, as rows of one batch; "
            "default: the setting worker_rows, else 1.",
        ),
    ] = None,
    health: Annotated[
        bool, typer.Option("--health", help="Show the health of this machine's workers, and end.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Render jobs until a signal ends it.

    SIGTERM or Ctrl-C: save, release the job, end. A second time: end at once.
    """
    settings = farm.settings()
    if health:
        raise typer.Exit(_show_health(settings, name))
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    from rushes_queue.cli.jobs.jobs import parse_duration
    from rushes_queue.worker.gpus import choose_gpu
    from rushes_queue.worker.options import WorkerOptions, worker_name, worker_place

    card = choose_gpu(gpu)
    if card is not None:  # before anything imports torch
        os.environ["CUDA_VISIBLE_DEVICES"] = card.uuid
    folders = replace(places.folders(), loras=settings.lora_dir)
    options = WorkerOptions(
        name=name or worker_name(card),
        presets=_presets(folders, models),
        tags=tuple(tags or ()),
        gpu=card,
        device=_device(gpu, card),
        drain_after_seconds=parse_duration(drain_after).total_seconds() if drain_after else None,
        place=worker_place(card, slot),
        rows=rows or settings.worker_rows,
    )
    raise typer.Exit(_serve(settings, folders, options, once=once))


def _serve(settings: Settings, folders: Folders, options: WorkerOptions, *, once: bool) -> int:
    from rushes_queue.worker.rows.rows_worker import RowsWorker
    from rushes_queue.worker.warm_renderer import WarmRenderer, import_networks
    from rushes_queue.worker.worker import Worker

    renderer = WarmRenderer(folders, options.device, settings.graphs)
    kind_of_worker = RowsWorker if options.rows > 1 else Worker
    worker = kind_of_worker(settings, options, renderer, _start_again)
    if once:
        if not worker.run_once():
            say("no job waits")
        return exit_codes.OK
    import_networks()  # in the parent, so that every child has them at once
    say(f"worker {options.name}: {', '.join(options.presets)} on {options.device}")
    code = worker.run()
    if code and not worker.is_draining:
        # Celery gives up where the broker refuses; a fresh process tries again.
        say(f"worker {options.name} starts again")
        time.sleep(_SECONDS_BEFORE_RESTART)
        _start_again()
    return code


def _start_again() -> None:
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _presets(folders: Folders, wanted: list[str] | None) -> tuple[str, ...]:
    """Return the presets to serve.

    Raises: ConfigError when one is unknown, or none is installed.
    """
    from rushes.presets.catalogue import is_installed
    from rushes.presets.preset import load_preset, preset_names

    if wanted:
        names = [name.strip() for each in wanted for name in each.split(",")]
        return tuple(dict.fromkeys(load_preset(name).name for name in names))
    found = [
        preset.name
        for preset in map(load_preset, preset_names())
        if preset.brings_weights or is_installed(preset, folders.models)
    ]
    if not found:
        raise ConfigError(f"no preset is installed below {folders.models}; see rushes models")
    return tuple(found)


def _device(wanted: str, gpu: Gpu | None) -> str:
    if gpu is not None:
        return "cuda"
    return "cpu" if wanted == "cpu" or sys.platform != "darwin" else "auto"


def _show_health(settings: Settings, name: str | None) -> int:
    """Print a line a worker; return 1 when one, or the one asked for, is unhealthy."""
    from rushes_queue.worker.health import read_health

    found = [each for each in read_health(settings.work_dir) if name in (None, each.name)]
    for each in found:
        typer.echo(str(each) if each.is_alive else f"{each}: silent")
    if not found:
        say("no worker of this machine has reported its health")
    return exit_codes.OK if found and all(each.is_alive for each in found) else exit_codes.FAILED
