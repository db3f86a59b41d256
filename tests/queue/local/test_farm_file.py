"""The file of a farm on this machine: what is to run, and what leads to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rushes.errors import ConfigError
from rushes_queue.local.farm_file import (
    SHARED_VARIABLES,
    About,
    FarmSpec,
    LocalFarm,
    about_in,
    last_about,
)
from rushes_queue.local.process_guard import stop_all

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

SPEC = FarmSpec(
    version="0.1.0",
    server="/usr/bin/valkey-server",
    port=20_001,
    workers=("0", "cpu"),
    worker_command=("rushes", "worker"),
    environment={
        "RUSHES_STORAGE_URL": "/srv/farm",
        "RUSHES_KEY_PREFIX": "rushes:",
        "RUSHES_LEASE_SECONDS": "30",
    },
)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LocalFarm]:
    farm = LocalFarm(tmp_path)
    yield farm
    farm.server.kill()


def test_a_worker_has_its_gpu_and_its_slot() -> None:
    assert SPEC.command_of(1) == ["rushes", "worker", "--gpu", "cpu", "--slot", "worker-1"]


@pytest.mark.parametrize(
    "change",
    [
        {"version": "0.2.0"},
        {"port": 20_002},
        {"workers": ("1", "cpu")},
        {"worker_command": ("rushes", "worker", "-v")},
        {"environment": {"RUSHES_LEASE_SECONDS": "31"}},
    ],
    ids=str,
)
def test_what_changes_a_worker_changes_its_key(change: dict[str, Any]) -> None:
    assert SPEC.model_copy(update=change).worker_key(0) != SPEC.worker_key(0)
    assert SPEC.worker_key(0) != SPEC.worker_key(1)


def test_another_server_program_or_order_of_variables_changes_no_worker() -> None:
    turned = dict(reversed(SPEC.environment.items()))
    same = SPEC.model_copy(update={"server": "/opt/redis-server", "environment": turned})
    assert same.worker_key(0) == SPEC.worker_key(0)


def test_the_file_is_read_as_it_was_written(farm: LocalFarm) -> None:
    assert farm.spec() is None
    farm.file.write_text(SPEC.model_dump_json())
    assert farm.spec() == SPEC


@pytest.mark.parametrize("text", ["", "{", "[]", '{"port": 1}'])
def test_a_damaged_file_is_told_with_the_cure(farm: LocalFarm, text: str) -> None:
    farm.file.write_text(text)
    with pytest.raises(ConfigError, match=r"farm\.json: cannot be read .*; remove it, then rushes"):
        farm.spec()


def test_the_url_of_the_broker_is_in_a_file(farm: LocalFarm) -> None:
    with pytest.raises(ConfigError, match=r"broker\.url: cannot be read: .*; rushes up"):
        farm.broker_url()
    farm.url_file.write_text("redis://:secret@127.0.0.1:20001/0\n")
    assert farm.broker_url() == "redis://:secret@127.0.0.1:20001/0"


def test_slots_of_all_workers_that_ever_were_are_in_order(farm: LocalFarm) -> None:
    for number in (10, 2, 0):
        (farm.folder / f"worker-{number}.lock").touch()
    (farm.folder / "broker.lock").touch()
    assert [slot.name for slot in farm.workers()] == ["worker-0", "worker-2", "worker-10"]


def test_only_a_farm_that_runs_leads_anybody_to_it(farm: LocalFarm) -> None:
    farm.file.write_text(SPEC.model_dump_json())
    farm.url_file.touch()
    assert not farm.is_running()
    assert farm.shared_variables() == {}
    farm.server.start(["sleep", "60"], about="")
    assert farm.is_running()
    assert farm.shared_variables() == {
        name: SPEC.environment[name] for name in SHARED_VARIABLES if name in SPEC.environment
    }
    farm.url_file.unlink()
    assert farm.shared_variables() == {}


def test_what_a_slot_tells_of_its_process(farm: LocalFarm) -> None:
    assert last_about(farm.server) is about_in(farm.server) is None
    farm.server.start(["sleep", "60"], about=About(key="a", deaths=3).model_dump_json())
    assert about_in(farm.server) == About(key="a", deaths=3)
    stop_all([farm.server], [5.0])
    assert about_in(farm.server) is None
    assert last_about(farm.server) == About(key="a", deaths=3)


def test_what_another_version_tells_fits_no_specification(farm: LocalFarm) -> None:
    farm.server.start(["sleep", "60"], about="something else")
    assert about_in(farm.server) == About(key="")
