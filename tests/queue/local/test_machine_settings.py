"""A farm that runs on this machine is one of the sources of its settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rushes_queue.local.farm_file import FarmSpec, LocalFarm
from rushes_queue.local.machine_settings import load_settings, read_settings
from rushes_queue.local.process_guard import stop_all

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return {"RUSHES_STATE_DIR": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "home")}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[LocalFarm]:
    folder = tmp_path / "state" / "farm"
    folder.mkdir(parents=True)
    farm = LocalFarm(folder)
    spec = FarmSpec(
        version="1",
        server="",
        port=1,
        workers=(),
        worker_command=(),
        environment={
            "RUSHES_BROKER_URL_FILE": str(farm.url_file),
            "RUSHES_KEY_PREFIX": "local:",
            "RUSHES_LEASE_SECONDS": "99",
        },
    )
    farm.file.write_text(spec.model_dump_json())
    farm.url_file.write_text("redis://:secret@127.0.0.1:20001/0")
    farm.server.start(["sleep", "60"], about="")
    yield farm
    farm.server.kill()


@pytest.mark.usefixtures("running")
def test_commands_find_the_farm_that_runs_here(variables: dict[str, str], tmp_path: Path) -> None:
    loaded = read_settings(environment=variables, folder=tmp_path)
    assert loaded.settings.key_prefix == "local:"
    assert loaded.settings.broker_url.get_secret_value() == "redis://:secret@127.0.0.1:20001/0"
    assert loaded.origin("key_prefix").kind == "local farm"


@pytest.mark.usefixtures("running")
def test_only_what_both_must_agree_on_comes_from_it(
    variables: dict[str, str], tmp_path: Path
) -> None:
    assert load_settings(environment=variables, folder=tmp_path).lease_seconds != 99


@pytest.mark.usefixtures("running")
def test_whoever_names_another_broker_gets_it(variables: dict[str, str], tmp_path: Path) -> None:
    by_variable = variables | {"RUSHES_BROKER_URL": "redis://other:6379/0"}
    found = load_settings(environment=by_variable, folder=tmp_path)
    assert found.broker_url.get_secret_value() == "redis://other:6379/0"
    by_flag = load_settings({"broker_url": "redis://flag"}, variables, tmp_path)
    assert by_flag.broker_url.get_secret_value() == "redis://flag"


def test_a_farm_that_does_not_run_is_not_asked(
    running: LocalFarm, variables: dict[str, str], tmp_path: Path
) -> None:
    stop_all([running.server], [5.0])
    loaded = read_settings(environment=variables, folder=tmp_path)
    assert loaded.origin("key_prefix").kind == "default"
