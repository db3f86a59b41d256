"""Start and stop the farm on this machine; what already runs is kept or repaired."""

from __future__ import annotations

import hashlib
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rushes
from rushes.errors import ConfigError, TransientError
from rushes_queue.errors import BrokerError
from rushes_queue.local import server as local_server
from rushes_queue.local.farm_file import (
    SHARED_VARIABLES,
    About,
    FarmSpec,
    LocalFarm,
    about_in,
    last_about,
)
from rushes_queue.local.farm_store import live_workers, open_store
from rushes_queue.local.process_guard import ProcessGuard, stop_all
from rushes_queue.settings.loaded import LoadedSettings, to_variables
from rushes_queue.storage.whole_files import write_private

WORKER_COMMAND = (sys.executable, "-m", "rushes_queue", "worker")
DRAIN_SECONDS = 30.0  # a worker gives its job back within 20 s
SECONDS_TO_START = 90.0

_PORTS = range(20_000, 32_000)  # below the ports that systems use for outgoing connections
_SECONDS_AT_ONCE = 5.0  # after a second signal
_SECONDS_OF_OTHERS = 120.0  # to wait for another rushes up or down
_OLD = 60.0  # seconds, for which a worker may be starting
_SECONDS_TO_ANSWER = 10.0  # for an older one, while all are waited for
_DEATHS_TO_GIVE_UP = 2
_SECONDS_BETWEEN_LOOKS = 0.2

Report = Callable[[str], None]


def plan_farm(
    farm: LocalFarm,
    loaded: LoadedSettings,
    *,
    workers: Sequence[str] | None = None,
    port: int | None = None,
    elsewhere: bool = False,
    worker_command: Sequence[str] = WORKER_COMMAND,
) -> FarmSpec:
    """Decide what should run: what is asked for, else what ran last time.

    With ``elsewhere`` the workers belong to the broker of the settings, on another machine.
    Raises: ConfigError when there is no server, the port is taken, or another farm runs here.
    """
    before = farm.spec()
    if before is not None and before.has_broker is elsewhere and farm.is_running():
        other = "a broker of its own" if before.has_broker else "another machine's broker"
        raise ConfigError(f"{farm.folder}: a farm with {other} runs here; rushes down stops it")
    environment = to_variables(loaded.settings)
    del environment["RUSHES_BROKER_URL"]
    environment["RUSHES_BROKER_URL_FILE"] = str(farm.url_file)
    # By default the storage of last time: the records of jobs name documents in it.
    is_same_kind = before is not None and before.has_broker is not elsewhere
    for name, value in (before.environment if before and is_same_kind else {}).items():
        setting = name.removeprefix("RUSHES_").lower()
        if name in SHARED_VARIABLES and loaded.origin(setting).kind == "default":
            environment[name] = value
    if elsewhere:
        place: dict[str, Any] = {"elsewhere": _fingerprint(loaded)}
    else:
        port = _choose_port(farm, before, port)
        place = {"server": str(local_server.find_server()), "port": port}
    return FarmSpec(
        version=rushes.__version__,
        **place,
        workers=tuple(workers if workers is not None else before.workers if before else ("cpu",)),
        worker_command=tuple(worker_command),
        environment=environment,
    )


def bring_up(
    farm: LocalFarm, spec: FarmSpec, report: Report, seconds: float = SECONDS_TO_START
) -> bool:
    """Run exactly this, and wait until the broker answers and every worker is alive.

    Where the broker is elsewhere, ``farm.url_file`` leads to it already.
    Returns False when it ran already. Workers with another specification are drained first.
    ``report`` is called with each step.
    Raises: TransientError when something does not start.
    """
    if spec.has_broker:
        local_server.write_config(farm.folder, spec.port)
    write_private(farm.file, spec.model_dump_json())
    about = about_in(farm.supervisor)
    is_change = about is None or about.key != spec.version
    if is_change:
        stop_all([farm.supervisor], [_SECONDS_AT_ONCE])
        command = [sys.executable, "-m", "rushes_queue.local.supervisor", str(farm.folder)]
        farm.supervisor.start(command, about=About(key=spec.version).model_dump_json())
    is_change |= _stop_others(farm, spec, report)
    begin, deaths = time.monotonic(), dict[str, int]()
    silent = _old_workers(farm, spec)
    while (missing := _missing(farm, spec)) is not None:
        is_change = True
        if missing.name in silent and time.monotonic() - begin > _SECONDS_TO_ANSWER:
            report(f"{missing.name}: sends no heartbeat; it is ended and started again")
            silent.remove(missing.name)
            missing.kill()
        _refuse_the_dying(missing, deaths, _cure(farm, missing))
        if time.monotonic() > begin + seconds:
            raise TransientError(
                f"{missing.name}: is not ready after {seconds:.0f} s; see rushes ps; "
                f"{missing.log} ends with: {missing.last_lines()}"
            )
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        _stop_others(farm, spec, report)
    return is_change


def bring_down(
    farm: LocalFarm, *, now: bool, drain_seconds: float = DRAIN_SECONDS
) -> list[ProcessGuard]:
    """Stop all processes, workers first; returns those that had to be killed.

    A worker saves and releases its job, unless ``now``: then the job continues from its last save
    point.
    """
    killed = stop_all([farm.supervisor], [_SECONDS_AT_ONCE])
    killed += stop_all(farm.workers(), [0.2 if now else drain_seconds, _SECONDS_AT_ONCE])
    return killed + stop_all([farm.server], [_SECONDS_AT_ONCE])


@contextmanager
def alone(farm: LocalFarm) -> Iterator[None]:
    """Hold the lock for starting and stopping the farm.

    Raises: SlotTakenError when another process holds it for too long; ConfigError when the folder
    cannot be made.
    """
    try:
        farm.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"{farm.folder}: cannot be made: {error.strerror}; set RUSHES_STATE_DIR"
        ) from error
    with ProcessGuard(farm.folder, "control").locked(_SECONDS_OF_OTHERS):
        yield


def _choose_port(farm: LocalFarm, before: FarmSpec | None, port: int | None) -> int:
    """Return the port asked for, else that of last time, else a free one.

    Raises: ConfigError when the port asked for is taken.
    """
    if before is not None and farm.server.is_taken():
        if port not in (None, before.port):
            raise ConfigError(
                f"--port {port}: the farm runs at port {before.port}; rushes down stops it"
            )
        return before.port
    wanted = port or (before.port if before else None)
    if wanted and _is_free(wanted):
        return wanted
    if port:
        raise ConfigError(f"--port {port}: cannot be had; choose another, or leave it out")
    free = next((each for each in random.sample(_PORTS, 100) if _is_free(each)), None)
    if free is None:
        raise ConfigError("no free port was found; choose one with --port")
    return free


def _fingerprint(loaded: LoadedSettings) -> str:
    url = loaded.settings.broker_url.get_secret_value()
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((local_server.HOST, port))
        except (OSError, OverflowError):
            return False
    return True


def _stop_others(farm: LocalFarm, spec: FarmSpec, report: Report) -> bool:
    """Stop processes with another specification; returns whether there were any."""
    others = []
    for index, slot in enumerate(map(farm.worker, range(len(farm.workers())))):
        about = about_in(slot)
        is_wanted = index < len(spec.workers)
        if about is not None and not (is_wanted and about.key == spec.worker_key(index)):
            reason = "its settings have changed" if is_wanted else "it is one too many"
            report(f"{slot.name}: {reason}; it releases its job and ends")
            others.append(slot)
    about = about_in(farm.server)
    stop_all(others, [DRAIN_SECONDS, _SECONDS_AT_ONCE])
    if about is not None and spec.has_broker and about.key != str(spec.port):
        stop_all([farm.server], [_SECONDS_AT_ONCE])
    return bool(others)


def _old_workers(farm: LocalFarm, spec: FarmSpec) -> set[str]:
    """Return the names of workers that should have sent a heartbeat by now."""
    slots = map(farm.worker, range(len(spec.workers)))
    return {slot.name for slot in slots if time.time() - (slot.started() or time.time()) > _OLD}


def _missing(farm: LocalFarm, spec: FarmSpec) -> ProcessGuard | None:
    """Return the first process that has not started, or sent no heartbeat yet.

    Raises: BrokerError when another machine's broker does not answer.
    """
    store = open_store(farm, spec)
    try:
        is_there = farm.server.is_taken() or not spec.has_broker
        live = live_workers(farm, store) if is_there else None
    except BrokerError:
        if not spec.has_broker:
            raise
        live = None
    finally:
        store.close()
    if live is None:
        return farm.server
    slots = map(farm.worker, range(len(spec.workers)))
    return next((slot for slot in slots if slot.name not in live), None)


def _cure(farm: LocalFarm, slot: ProcessGuard) -> str:
    """Return a cure for a process that does not start, if one is known."""
    if slot.name != farm.server.name:
        return ""
    data = farm.folder / local_server.DATA
    return (
        f"; where its file is damaged, move {data} away, then rushes up, and rushes reconcile "
        "brings the jobs back"
    )


def _refuse_the_dying(slot: ProcessGuard, deaths: dict[str, int], cure: str) -> None:
    """Give up on a process that has died several times since the first look.

    Raises: TransientError.
    """
    about = last_about(slot)  # it may end before it can be seen running
    if about is None:
        return
    deaths[slot.name] = min(about.deaths, deaths.get(slot.name, about.deaths))
    if about.deaths - deaths[slot.name] >= _DEATHS_TO_GIVE_UP:
        raise TransientError(
            f"{slot.name}: ends as soon as it is started; {slot.log} ends with: "
            f"{slot.last_lines()}{cure}"
        )
