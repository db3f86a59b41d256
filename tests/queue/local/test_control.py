"""What is decided before a farm on this machine is started; starting it is tried as a whole."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.servers import free_port, server_binary
from rushes.errors import ConfigError
from rushes_queue.local.control import alone, bring_down, plan_farm
from rushes_queue.local.farm_file import FarmSpec, LocalFarm
from rushes_queue.local.machine_settings import read_settings

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LocalFarm]:
    server_binary()
    (tmp_path / "farm").mkdir()
    farm = LocalFarm(tmp_path / "farm")
    yield farm
    farm.server.kill()


def plan(farm: LocalFarm, variables: dict[str, str] | None = None, **more: Any) -> FarmSpec:
    home = {"XDG_CONFIG_HOME": str(farm.folder / "home")}
    loaded = read_settings(environment=home | (variables or {}), folder=farm.folder)
    return plan_farm(farm, loaded, **more)


def keep(farm: LocalFarm, spec: FarmSpec) -> FarmSpec:
    farm.file.write_text(spec.model_dump_json())
    return spec


def test_a_first_farm_has_one_worker_and_a_free_port(farm: LocalFarm) -> None:
    spec = plan(farm)
    assert spec.workers == ("cpu",)
    assert 20_000 <= spec.port < 32_000
    assert spec.environment["RUSHES_BROKER_URL_FILE"] == str(farm.url_file)
    assert "RUSHES_BROKER_URL" not in spec.environment


def test_what_is_not_asked_for_is_as_last_time(farm: LocalFarm) -> None:
    first = keep(farm, plan(farm, workers=["0", "1"], port=free_port()))
    again = plan(farm)
    assert (again.workers, again.port) == (first.workers, first.port)
    assert plan(farm, workers=[]).workers == ()


def test_the_storage_of_last_time_is_kept_unless_another_is_named(
    farm: LocalFarm, tmp_path: Path
) -> None:
    keep(farm, plan(farm, {"RUSHES_STORAGE_URL": str(tmp_path / "one")}))
    assert plan(farm).environment["RUSHES_STORAGE_URL"] == str(tmp_path / "one")
    other = plan(farm, {"RUSHES_STORAGE_URL": str(tmp_path / "two")})
    assert other.environment["RUSHES_STORAGE_URL"] == str(tmp_path / "two")


def test_other_settings_are_those_of_now(farm: LocalFarm) -> None:
    keep(farm, plan(farm, {"RUSHES_LEASE_SECONDS": "7.5"}))
    assert plan(farm).environment["RUSHES_LEASE_SECONDS"] != "7.5"


def test_a_port_that_is_taken_is_refused_if_it_was_asked_for(farm: LocalFarm) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--port {port}: cannot be had; choose another"):
            plan(farm, port=port)
        keep(farm, plan(farm).model_copy(update={"port": port}))
        assert plan(farm).port != port


@pytest.mark.parametrize("port", [65_536, 10**9])
def test_a_port_that_cannot_be_one_is_refused(farm: LocalFarm, port: int) -> None:
    with pytest.raises(ConfigError, match="cannot be had"):
        plan(farm, port=port)


def test_a_farm_that_runs_keeps_its_port(farm: LocalFarm) -> None:
    spec = keep(farm, plan(farm))
    farm.server.start(["sleep", "60"], about="")
    assert plan(farm).port == plan(farm, port=spec.port).port == spec.port
    with pytest.raises(ConfigError, match=f"the farm runs at port {spec.port}; rushes down stops"):
        plan(farm, port=free_port())


def test_the_folder_of_a_farm_is_for_its_owner_alone(tmp_path: Path) -> None:
    farm = LocalFarm(tmp_path / "new" / "farm")
    with alone(farm):
        assert farm.folder.stat().st_mode & 0o077 == 0
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match=r"cannot be made: .*; set RUSHES_STATE_DIR"),
        alone(LocalFarm(tmp_path / "file" / "farm")),
    ):
        pass


def test_what_does_not_end_when_asked_is_killed_and_named(farm: LocalFarm) -> None:
    assert bring_down(farm, now=True) == []
    farm.server.start(["sleep", "60"], about="")
    assert bring_down(farm, now=True) == []
    assert not farm.is_running()
