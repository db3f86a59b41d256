"""``rushes up``, ``down`` and ``ps``: a whole farm on this machine."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.errors import ConfigError, RushesError
from rushes_queue.cli.show.console import print_json, say
from rushes_queue.cli.show.job_view import age
from rushes_queue.cli.show.table import print_table

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords
    from rushes_queue.local.farm_file import LocalFarm
    from rushes_queue.local.process_guard import ProcessGuard
    from rushes_queue.settings.loaded import LoadedSettings

SCHEMA_VERSION = 1


def up(
    workers: Annotated[
        str | None,
        typer.Option(
            help="How many, or 'gpus': one for each GPU. By default as last time; the first time "
            "one for each GPU, or one on the CPU."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the broker on this machine.")
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Only keep workers alive here, of the farm with this broker."
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="With --broker: that farm's storage, seen from here."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Start a farm on this machine: broker, workers, and a supervisor that restarts them.

    What already runs is kept. Jobs and their save points survive restarts. With --broker this is a
    further machine of another farm, and has no broker of its own.
    """
    from rushes_queue.local.control import alone, bring_up, plan_farm

    if storage is not None and broker is None:
        raise typer.BadParameter("--storage goes with --broker; else set RUSHES_STORAGE_URL")
    if port is not None and broker is not None:
        raise typer.BadParameter("--port and --broker exclude each other")
    farm, loaded = _find_farm({"broker_url": broker, "storage_url": storage})
    wanted = None if workers is None else _choose_workers(workers)
    if broker is not None:
        _refuse_no_farm(loaded)
    elif not _belongs_elsewhere(farm):
        _mention_other_broker(loaded)
    with alone(farm):
        if wanted is None and farm.spec() is None:
            wanted = _choose_workers("gpus") if _gpus() else ["cpu"]
        elsewhere = broker is not None or _belongs_elsewhere(farm)
        spec = plan_farm(farm, loaded, workers=wanted, port=port, elsewhere=elsewhere)
        if elsewhere:
            _lead_to(farm, loaded)
        is_change = bring_up(farm, spec, say)
    say("the farm is up; rushes down stops it" if is_change else "the farm already runs")
    _show(farm, as_json)


def down(
    now: Annotated[
        bool,
        typer.Option("--now", help="Do not wait; jobs continue from their last save points later."),
    ] = False,
) -> None:
    """Stop the farm on this machine; its jobs continue after the next rushes up."""
    from rushes_queue.local.control import alone, bring_down

    farm, _ = _find_farm()
    with alone(farm):
        if not (farm.is_running() or any(slot.is_taken() for slot in farm.workers())):
            say("no farm runs here")
            return
        waiting = _count_waiting(farm)
        say("workers end at once" if now else "workers release their jobs and end")
        killed = bring_down(farm, now=now)
    for slot in killed:
        say(f"warning: {slot.name} did not end in time, and was killed")
    jobs = f"; {waiting} jobs go on after rushes up" if waiting else ""
    say(f"the farm is down{jobs}")


def ps(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the processes of the farm on this machine, and the job of each worker."""
    farm, _ = _find_farm()
    _show(farm, as_json)


def _find_farm(
    flags: dict[str, str | None] | None = None,
) -> tuple[LocalFarm, LoadedSettings]:
    if os.name != "posix":
        raise ConfigError("a farm on this machine needs Linux or macOS; see docs/farm.md")
    from rushes_queue.local.farm_file import LocalFarm
    from rushes_queue.local.machine_settings import read_settings
    from rushes_queue.settings.model import LOCAL_FARM

    loaded = read_settings(flags)
    return LocalFarm(loaded.settings.state_dir / LOCAL_FARM), loaded


def _choose_workers(text: str) -> list[str]:
    """Return the GPU of each worker, or ``cpu``.

    Raises: typer.BadParameter.
    """
    gpus = _gpus()
    if text == "gpus":
        if not gpus:
            raise typer.BadParameter("--workers gpus: there is no GPU here; write a number")
        return gpus
    if not text.isdecimal() or len(text) > 3:
        raise typer.BadParameter(f"--workers {text!r} is neither a number nor 'gpus'")
    count = int(text)
    if gpus and count > len(gpus):
        raise typer.BadParameter(f"--workers {count}: there are {len(gpus)} GPUs, one for each")
    return gpus[:count] if gpus else ["cpu"] * count


def _gpus() -> list[str]:
    """Return the numbers of this machine's GPUs."""
    from rushes_queue.worker.gpus import list_gpus

    return [str(gpu.index) for gpu in list_gpus()]


def _belongs_elsewhere(farm: LocalFarm) -> bool:
    """Say whether the workers that run here belong to another machine's broker."""
    spec = farm.spec()
    return spec is not None and not spec.has_broker and farm.is_running()


def _refuse_no_farm(loaded: LoadedSettings) -> None:
    """Refuse a broker that does not answer, and a storage that only this machine has.

    Raises: ConfigError, BrokerError.
    """
    from rushes_queue.broker.job_records import JobRecords

    if loaded.origin("storage_url").kind == "default":
        raise ConfigError(
            "the storage of that farm is not known here; give --storage or RUSHES_STORAGE_URL"
        )
    settings = loaded.settings
    store = JobRecords.open(settings.broker_url.get_secret_value(), settings.key_prefix)
    try:
        store.workers.live()
    finally:
        store.close()


def _lead_to(farm: LocalFarm, loaded: LoadedSettings) -> None:
    """Write where the broker is into a file that only its owner reads, for the workers."""
    from rushes_queue.storage.whole_files import write_private

    write_private(farm.url_file, f"{loaded.settings.broker_url.get_secret_value()}\n")


def _mention_other_broker(loaded: LoadedSettings) -> None:
    origin = loaded.origin("broker_url")
    if origin.kind not in ("local farm", "default"):
        say(f"warning: {origin} names another broker; rushes submit goes there, not to this farm")


def _show(farm: LocalFarm, as_json: bool) -> None:
    shown = _describe(farm)
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, **shown})
        return
    if not shown["running"]:
        say("no farm runs here; rushes up starts one")
    if shown["storage_url"] is None:
        return
    parts = [shown["broker"], shown["supervisor"], *shown["workers"]]
    rows = [
        (
            *(part["name"], part["state"], str(part["pid"] or "-")),
            *(_since(part["started"]), part["detail"]),
        )
        for part in parts
    ]
    print_table(("part", "state", "pid", "for", ""), rows)
    say(f"storage {shown['storage_url']}; logs in {farm.folder}")


def _describe(farm: LocalFarm) -> dict[str, Any]:
    """Return what runs, as JSON-safe data."""
    from rushes_queue.broker.connection import hide_password
    from rushes_queue.local.farm_store import open_store

    spec = farm.spec()
    if spec is None:
        return {"running": False, "folder": str(farm.folder), "storage_url": None}
    workers = [
        _part(slot, f"gpu {gpu}" if gpu != "cpu" else "cpu")
        for slot, gpu in zip(map(farm.worker, range(len(spec.workers))), spec.workers, strict=True)
    ]
    broker = _part(farm.server, f"127.0.0.1:{spec.port}")
    if not spec.has_broker:
        broker |= {"state": "elsewhere", "detail": hide_password(farm.broker_url())}
    if farm.server.is_taken() or (farm.is_running() and not spec.has_broker):
        from rushes_queue.broker.server_facts import read_version

        store = open_store(farm, spec)
        try:
            broker["detail"] += f", {' '.join(read_version(store.client))}"
            _add_jobs(farm, store, workers)
        except RushesError as error:
            broker["state"], broker["detail"] = "does not answer", str(error)
        finally:
            store.close()
    return {
        "running": farm.is_running(),
        "folder": str(farm.folder),
        "storage_url": spec.environment["RUSHES_STORAGE_URL"],
        "broker": broker,
        "supervisor": _part(farm.supervisor, ""),
        "workers": workers,
    }


def _part(slot: ProcessGuard, detail: str) -> dict[str, Any]:
    from rushes_queue.local.farm_file import about_in

    about = about_in(slot)
    deaths = about.deaths if about else 0
    return {
        "name": slot.name,
        "state": "running" if about else "not running",
        "pid": slot.pid(),
        "started": slot.started(),
        "deaths": deaths,
        "detail": detail + (f", restarts: {deaths}" if deaths else ""),
    }


def _add_jobs(farm: LocalFarm, store: JobRecords, workers: list[dict[str, Any]]) -> None:
    """Describe each worker; one that runs and has sent no heartbeat is starting."""
    from rushes_queue.local.farm_store import live_workers

    live = live_workers(farm, store)
    records = store.get_many(job for worker in live.values() for job in worker.holds)
    for part in workers:
        worker = live.get(part["name"])
        part["jobs"] = list(worker.holds) if worker else []
        if worker is None:
            part["state"] = "starting" if part["pid"] else part["state"]
            continue
        part["state"] = worker.info.status
        part["preset"] = worker.info.preset
        held = [records[job] for job in worker.holds if job in records]
        details = [f"{job.id} {job.name}, chunk {job.chunk}/{job.num_chunks}" for job in held]
        part["detail"] = ", ".join([part["detail"], *details])


def _count_waiting(farm: LocalFarm) -> int:
    """Count the jobs that wait or run; none when the broker does not answer."""
    from rushes_queue.local.farm_store import open_store

    spec = farm.spec()
    if spec is None or not farm.server.is_taken():
        return 0
    store = open_store(farm, spec)
    try:
        held = sum(len(worker.holds) for worker in store.workers.live())
        return sum(store.depths().values()) + held
    except RushesError:
        return 0
    finally:
        store.close()


def _since(started: float | None) -> str:
    return age(None if started is None else int(started * 1000), int(time.time() * 1000)) or "-"
