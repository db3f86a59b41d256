"""A farm on this machine, in real processes: up, down, and whatever may die in between."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from checkout import ROOT
from farm.servers import free_port, server_binary
from farm.timelines import write_shot
from rushes.errors import ConfigError, TransientError
from rushes_queue.cli import app
from rushes_queue.local.control import alone, bring_down, bring_up, plan_farm
from rushes_queue.local.farm_file import FarmSpec, LocalFarm
from rushes_queue.local.farm_store import live_workers, open_store
from rushes_queue.local.machine_settings import read_settings
from rushes_queue.local.process_guard import ProcessGuard, stop_all, wait_until_free
from rushes_queue.settings.loaded import LoadedSettings
from rushes_queue.storage.whole_files import write_private

# The supervisor is to outlive who starts it.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

STAND_IN = (sys.executable, "-P", str(ROOT / "tests" / "support" / "farm" / "stand_in_worker.py"))
SECONDS_TO_START = 90.0


class Machine:
    """A machine with its folders, on which a farm is started and stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = self.first_environment()
        self.farm = LocalFarm(folder / "state" / "farm")
        self.said: list[str] = []

    def first_environment(self) -> dict[str, str]:
        return {
            "RUSHES_STATE_DIR": str(self.folder / "state"),
            "RUSHES_STORAGE_URL": str(self.folder / "storage"),
        }

    def up(self, *workers: str, port: int | None = None, command: Sequence[str] = STAND_IN) -> bool:
        loaded = read_settings(environment=self.environment, folder=self.farm.folder)
        with alone(self.farm):
            spec = plan_farm(
                self.farm, loaded, workers=workers or None, port=port, worker_command=command
            )
            return bring_up(self.farm, spec, self.said.append, SECONDS_TO_START)

    def down(self, *, now: bool = False) -> list[ProcessGuard]:
        with alone(self.farm):
            return bring_down(self.farm, now=now)

    @property
    def spec(self) -> FarmSpec:
        spec = self.farm.spec()
        assert spec is not None
        return spec

    def slots(self) -> list[ProcessGuard]:
        return [self.farm.supervisor, self.farm.server, *self.farm.workers()]

    def pids(self) -> dict[str, int | None]:
        return {slot.name: slot.pid() for slot in self.slots()}


@pytest.fixture(scope="module")
def shared_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine of these tests; each finds the farm as the one before left it."""
    server_binary()
    machine = Machine(tmp_path_factory.mktemp('somebody\'s "own" machine'))
    yield machine
    for slot in machine.slots():  # the supervisor first
        slot.kill()


@pytest.fixture
def machine(shared_machine: Machine) -> Machine:
    """A machine on which a farm with one worker runs."""
    shared_machine.environment = shared_machine.first_environment()
    shared_machine.up("cpu")
    shared_machine.said.clear()
    return shared_machine


def run(*arguments: str, machine: Machine) -> Result:
    """Run a command in this process, on a machine where no broker is configured."""
    hidden = {"RUSHES_BROKER_URL": "", "REDIS_URL": "", "XDG_CONFIG_HOME": str(machine.folder)}
    return CliRunner().invoke(app, arguments, env=machine.environment | hidden)


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def put_mark(machine: Machine) -> None:
    """Write something into the broker, and see it on its disk."""
    store = open_store(machine.farm, machine.spec)
    store.client.set("mark", "here")
    store.client.waitaof(1, 0, 5000)
    store.client.close()


def has_mark(machine: Machine) -> bool:
    store = open_store(machine.farm, machine.spec)
    try:
        return bool(store.client.get("mark") == "here")
    finally:
        store.client.close()


def test_up_starts_everything_once_and_down_ends_it(machine: Machine) -> None:
    pids = machine.pids()
    assert set(pids) == {"supervisor", "broker", "worker-0"}
    assert None not in pids.values()
    assert not machine.up()
    assert machine.pids() == pids
    assert machine.down() == []
    assert set(machine.pids().values()) == {None}
    assert machine.down() == []


def test_the_broker_is_private_and_keeps_all_on_disk(machine: Machine) -> None:
    for name in ("farm.json", "broker.url", "broker.conf"):
        assert (machine.farm.folder / name).stat().st_mode & 0o777 == 0o600
    store = open_store(machine.farm, machine.spec)
    config: dict[Any, Any] = store.client.config_get()
    store.client.close()
    assert config["bind"] == "127.0.0.1"
    assert len(config["requirepass"]) > 30
    assert (config["appendonly"], config["appendfsync"], config["save"]) == ("yes", "everysec", "")
    assert config["maxmemory-policy"] == "noeviction"
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            assert config["requirepass"] not in command.read_text(errors="replace")


def test_other_numbers_of_workers_are_had_at_once(machine: Machine) -> None:
    before = machine.pids()
    assert machine.up("cpu", "cpu")
    assert machine.pids()["worker-1"] is not None
    assert machine.up("cpu")
    assert machine.pids() == before | {"worker-1": None}
    assert machine.said == ["worker-1: it is one too many; it releases its job and ends"]


def test_workers_are_started_anew_when_settings_change(machine: Machine) -> None:
    before = machine.pids()
    machine.environment["RUSHES_LEASE_SECONDS"] = "7"
    assert machine.up()
    after = machine.pids()
    assert {name for name in before if before[name] != after[name]} == {"worker-0"}
    assert machine.said == ["worker-0: its settings have changed; it releases its job and ends"]


@pytest.mark.parametrize("victim", ["supervisor", "broker", "worker-0"])
def test_what_is_killed_is_replaced_and_the_others_live_on(machine: Machine, victim: str) -> None:
    put_mark(machine)
    before = machine.pids()
    ProcessGuard(machine.farm.folder, victim).kill()
    if victim == "supervisor":
        machine.up()
    wait_for(lambda: machine.pids()[victim] not in (None, before[victim]))
    after = machine.pids()
    assert {name for name in before if before[name] != after[name]} == {victim}
    machine.up()
    assert has_mark(machine)


def test_a_farm_killed_as_a_whole_comes_back_with_its_data(machine: Machine) -> None:
    """As after a power cut: all files are there, and their numbers mean nothing any more."""
    put_mark(machine)
    port = machine.spec.port
    for slot in machine.slots():
        slot.kill()
    assert wait_until_free(machine.slots(), 30)
    for file in machine.farm.folder.glob("*.pid"):
        file.write_text(f"{os.getpid()}\n")
    assert machine.up()
    assert has_mark(machine)
    assert (machine.spec.port, machine.spec.workers) == (port, ("cpu",))


def test_workers_whose_supervisor_is_dead_are_stopped_too(machine: Machine) -> None:
    machine.farm.supervisor.kill()
    machine.down(now=True)
    assert set(machine.pids().values()) == {None}


def test_a_frozen_worker_cannot_hold_up_the_end(machine: Machine) -> None:
    machine.farm.supervisor.kill()
    machine.farm.worker(0).send(signal.SIGSTOP)
    assert stop_all(machine.farm.workers(), [0.2, 0.2]) == [machine.farm.worker(0)]


def test_a_silent_worker_is_replaced_by_up(machine: Machine) -> None:
    before = machine.pids()
    worker = machine.farm.worker(0)
    worker.send(signal.SIGSTOP)
    os.utime(machine.farm.folder / "worker-0.pid", (1, 1))  # it has had time enough to start
    store = open_store(machine.farm, machine.spec)
    wait_for(lambda: not store.workers.live())
    store.close()
    assert machine.up()
    after = machine.pids()
    assert {name for name in before if before[name] != after[name]} == {"worker-0"}
    assert machine.said == ["worker-0: sends no heartbeat; it is ended and started again"]


def test_a_worker_that_cannot_start_is_reported_with_its_last_words(machine: Machine) -> None:
    with pytest.raises(TransientError, match=r"worker-0: ends as soon .*this worker is broken"):
        machine.up(command=(*STAND_IN, "--broken"))


def test_a_broker_whose_file_is_damaged_is_reported_with_the_cure(machine: Machine) -> None:
    put_mark(machine)
    machine.down(now=True)
    (file,) = (machine.farm.folder / "broker").rglob("*.incr.aof")
    data = file.read_bytes()
    file.write_bytes(b"nonsense" + data)
    try:
        with pytest.raises(TransientError, match=r"broker: ends .*Bad file.*rushes reconcile"):
            machine.up()
    finally:
        machine.down(now=True)
        file.write_bytes(data)
    machine.up()
    assert has_mark(machine)


def test_a_port_that_is_taken_is_refused(machine: Machine) -> None:
    with pytest.raises(ConfigError, match="the farm runs at port"):
        machine.up(port=machine.spec.port + 1)
    other = Machine(machine.folder / "other")
    with pytest.raises(ConfigError, match="cannot be had"):
        other.up(port=machine.spec.port)


def test_commands_find_the_running_farm_unless_another_broker_is_named(machine: Machine) -> None:
    def read(**variables: str) -> LoadedSettings:
        variables["RUSHES_STATE_DIR"] = machine.environment["RUSHES_STATE_DIR"]
        return read_settings(environment=variables, folder=machine.folder)

    found = read()
    assert found.settings.broker_url.get_secret_value() == machine.farm.broker_url()
    assert found.settings.storage_url == machine.environment["RUSHES_STORAGE_URL"]
    assert str(found.origin("broker_url")) == f"local farm {machine.farm.folder}"
    assert found.origin("storage_url").kind == "local farm"
    assert found.origin("lease_seconds").kind == "default"
    shown = run("config", "show", "--origin", "--json", machine=machine)
    assert json.loads(shown.stdout)["origins"]["broker_url"]["kind"] == "local farm"
    assert machine.farm.broker_url() not in shown.stdout
    other = read(REDIS_URL="redis://elsewhere:6379/0")
    assert other.origin("broker_url").name == "REDIS_URL"
    assert other.origin("storage_url").kind == "default"
    machine.down()
    assert read().origin("broker_url").kind == "default"


def test_who_finds_no_broker_is_told_how_to_get_one(machine: Machine) -> None:
    shot = write_shot(machine.folder / "shot.json")
    for command in (["jobs"], ["submit", str(shot), "--preset", "tiny"]):
        result = run(*command, "--broker", f"redis://127.0.0.1:{free_port()}/0", machine=machine)
        assert result.exit_code == 5
        assert "rushes up" in result.stderr


def test_the_storage_of_last_time_is_kept(machine: Machine) -> None:
    """The records in the broker name documents in it."""
    machine.down()
    del machine.environment["RUSHES_STORAGE_URL"]
    machine.up()
    assert machine.spec.environment["RUSHES_STORAGE_URL"] == str(machine.folder / "storage")


def test_a_further_machine_keeps_workers_alive_for_the_broker_of_the_first(
    machine: Machine, tmp_path: Path
) -> None:
    further = Machine(tmp_path)
    further.environment |= {
        "RUSHES_BROKER_URL": machine.farm.broker_url(),
        "RUSHES_STORAGE_URL": machine.environment["RUSHES_STORAGE_URL"],
    }
    loaded = read_settings(environment=further.environment, folder=tmp_path)
    try:
        with alone(further.farm):
            spec = plan_farm(
                *(further.farm, loaded), workers=["cpu"], elsewhere=True, worker_command=STAND_IN
            )
            write_private(further.farm.url_file, machine.farm.broker_url())
            assert bring_up(further.farm, spec, further.said.append, SECONDS_TO_START)
            assert not bring_up(further.farm, spec, further.said.append, SECONDS_TO_START)
        assert not further.farm.server.is_taken()
        with closing(open_store(further.farm, spec)) as store:
            assert len(store.workers.live()) == 2
            assert list(live_workers(further.farm, store)) == ["worker-0"]
        shown = json.loads(run("ps", "--json", machine=further).stdout)
        assert (shown["broker"]["state"], shown["running"]) == ("elsewhere", True)
        assert machine.farm.broker_url().split("@")[0] not in shown["broker"]["detail"]

        first = further.farm.worker(0).pid()
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: further.farm.worker(0).pid() not in (None, first))
        with pytest.raises(ConfigError, match="another machine's broker runs here; rushes down"):
            further.up("cpu")
    finally:
        further.down(now=True)
    assert not further.farm.is_running()
    assert machine.farm.server.is_taken()
