"""``rushes workers``, ``stats``, ``metrics`` and ``flower``: the farm as a whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.errors import ConfigError
from rushes.text import printable
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.job_view import SHORT_ID, age, clock
from rushes_queue.cli.show.table import Steps, print_table
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    from rushes_queue.broker.live_workers import LiveWorker

DEFAULT_PORT = 9463
_GIVES_WAY: Steps = (
    *(("note", 16), ("loaded", 8), ("gpu", 8), ("version", 0), ("up", 0), ("worker", 12)),
    *(("loaded", 0), ("gpu", 0), ("note", 0)),
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@takes_flags
def workers(farm: FarmFlags, as_json: AsJson = False) -> None:
    """List the live workers, and what they do."""
    store = farm.open_store()
    now_ms, found = store.now_ms(), store.workers.live()
    if as_json:
        from rushes_queue.client.json_forms import to_json

        listed = list(map(to_json, found))
        print_json({"schema_version": SCHEMA_VERSION, "workers": listed})
        return
    if not found:
        say("no workers; rushes worker starts one")
        return
    header = ("worker", "status", "gpu", "holds", "loaded", "up", "heard", "version", "note")
    print_table(header, [_worker_row(worker, now_ms) for worker in found], _GIVES_WAY)


@takes_flags
def stats(farm: FarmFlags, as_json: AsJson = False) -> None:
    """Count jobs, queues and workers, and what got done within the last hour."""
    from rushes_queue.client.farm import count_farm
    from rushes_queue.client.json_forms import to_json

    counted = count_farm(farm.open_store())
    census, statuses = counted.census, counted.workers
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION} | to_json(counted))
        return
    states = ", ".join(f"{n:,} {state}" for state, n in census.states.items() if n) or "none"
    lines = {
        "jobs": states,
        "delayed": f"{census.num_parked:,} wait for a time or for other jobs",
        "oldest waiting": clock(census.waiting_seconds) if census.depths else "nothing waits",
        "workers": ", ".join(f"{n} {status}" for status, n in statuses.items()) or "none",
        "speed": f"{census.fps:.1f} fps, {census.states[State.RUNNING]} running",
        "last hour": f"{census.num_done:,} jobs done, {census.num_frames:,} frames",
    }
    for label, text in lines.items():
        typer.echo(f"{label:15} {text}")
    for queue, depth in census.depths.items():
        typer.echo(f"{'queue':15} {queue}: {depth:,}")


@takes_flags
def metrics(
    farm: FarmFlags,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port on which to serve /metrics.")
    ] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    once: Annotated[bool, typer.Option("--once", help="Print them and end.")] = False,
) -> None:
    """Serve the farm's metrics for Prometheus, until Ctrl-C."""
    from rushes_queue.farm.metrics import metrics_text, serve_metrics

    store = farm.open_store()
    if once:
        store.now_ms()  # a broker that is away is an error here
        typer.echo(metrics_text(store), nl=False)
        return
    try:
        server, _ = serve_metrics(store, port, host)
    except OSError as error:
        raise ConfigError(
            f"--port {port}: cannot be listened on: {error}; choose another"
        ) from error
    say(f"serving http://{host}:{port}/metrics; Ctrl-C ends it")
    try:
        while True:
            time.sleep(3600)
    finally:
        server.shutdown()
        server.server_close()


@takes_flags
def flower(farm: FarmFlags, context: typer.Context) -> None:
    """Show workers and doorbells on Flower's web pages; Flower must be installed.

    Other options are passed to Flower: rushes flower --port=5555. For jobs see rushes jobs.
    """
    from importlib.util import find_spec

    from rushes_queue.doorbell.app import make_app

    if find_spec("flower") is None:
        raise ConfigError("Flower is not installed: pip install flower")
    from tornado.options import Error

    # Whoever reaches it can stop workers, so by default it serves this machine only.
    arguments = ["flower", "--address=127.0.0.1", *context.args]
    try:
        make_app(farm.settings()).start(arguments)
    except Error as error:
        raise typer.BadParameter(f"{error}; write options as --port=5555") from error


def _worker_row(worker: LiveWorker, now_ms: int) -> tuple[str, ...]:
    info = worker.info
    row = (
        info.name,
        info.status,
        info.gpu or "cpu",
        " ".join(job[:SHORT_ID] for job in worker.holds),
        info.preset or "",
        age(info.started_ms, now_ms),
        f"{age(worker.heartbeat_ms, now_ms)} ago",
        info.version,
        info.note,
    )
    return tuple(map(printable, row))
