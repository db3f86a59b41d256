"""``rushes up``, ``down`` and ``ps``: what is said where no farm runs, and how many workers fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from rushes_queue.cli import app
from rushes_queue.cli.farm import local
from rushes_queue.local.farm_file import FarmSpec, LocalFarm
from rushes_queue.local.machine_settings import read_settings


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return {"RUSHES_STATE_DIR": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "home")}


def run(variables: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env=variables)


@pytest.mark.parametrize(
    ("gpus", "text", "workers"),
    [
        ([], "0", []),
        ([], "3", ["cpu"] * 3),
        (["0", "1"], "gpus", ["0", "1"]),
        (["0", "1"], "1", ["0"]),
        (["0", "1"], "2", ["0", "1"]),
    ],
    ids=str,
)
def test_a_worker_has_a_card_of_its_own_or_the_cpu(
    monkeypatch: pytest.MonkeyPatch, gpus: list[str], text: str, workers: list[str]
) -> None:
    monkeypatch.setattr(local, "_gpus", lambda: gpus)
    assert local._choose_workers(text) == workers


@pytest.mark.parametrize(
    ("gpus", "text", "fault"),
    [
        ([], "gpus", "there is no GPU here; write a number"),
        ([], "many", "'many' is neither a number nor 'gpus'"),
        ([], "-1", "is neither a number"),
        ([], "1000", "is neither a number"),
        (["0", "1"], "3", "there are 2 GPUs, one for each"),
    ],
    ids=str,
)
def test_workers_that_cannot_be_had_are_refused(
    monkeypatch: pytest.MonkeyPatch, gpus: list[str], text: str, fault: str
) -> None:
    monkeypatch.setattr(local, "_gpus", lambda: gpus)
    with pytest.raises(typer.BadParameter, match=fault):
        local._choose_workers(text)


def test_where_no_farm_ever_was_the_next_step_is_named(variables: dict[str, str]) -> None:
    shown = run(variables, "ps")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "no farm runs here; rushes up starts one" in shown.stderr
    assert "no farm runs here" in run(variables, "down").stderr


def test_a_farm_that_is_down_is_shown_with_its_parts(
    variables: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "state" / "farm"
    folder.mkdir(parents=True)
    spec = FarmSpec(
        version="1",
        server="",
        port=20_001,
        workers=("0", "cpu"),
        worker_command=(),
        environment={"RUSHES_STORAGE_URL": "/srv/farm"},
    )
    LocalFarm(folder).file.write_text(spec.model_dump_json())
    data: dict[str, Any] = json.loads(run(variables, "ps", "--json").stdout)
    assert (data["running"], data["storage_url"]) == (False, "/srv/farm")
    assert data["broker"]["detail"] == "127.0.0.1:20001"
    assert [part["detail"] for part in data["workers"]] == ["gpu 0", "cpu"]
    assert {part["state"] for part in data["workers"]} == {"not running"}
    rows = run(variables, "ps").stdout.splitlines()
    assert [row.split()[0] for row in rows] == [
        *("part", "broker", "supervisor", "worker-0", "worker-1"),
    ]


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_cannot_be_one_is_a_wrong_usage(variables: dict[str, str], port: str) -> None:
    assert run(variables, "up", "--port", port).exit_code == 2


def test_whoever_names_another_broker_is_told(
    variables: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local._mention_other_broker(read_settings(environment=variables, folder=tmp_path))
    assert capsys.readouterr().err == ""
    other = variables | {"RUSHES_BROKER_URL": "redis://desk"}
    local._mention_other_broker(read_settings(environment=other, folder=tmp_path))
    assert "RUSHES_BROKER_URL names another broker" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--broker", "redis://127.0.0.1:1/0"], 3, "give --storage"),
        (["--broker", "redis://127.0.0.1:1/0", "--storage", "HERE"], 5, "127.0.0.1:1"),
        (["--broker", "redis://127.0.0.1:1/0", "--port", "20000"], 2, "exclude each other"),
        (["--storage", "HERE"], 2, "goes with --broker"),
    ],
    ids=["no storage", "no answer", "port", "storage alone"],
)
def test_a_further_machine_needs_a_broker_that_answers_and_the_shared_storage(
    variables: dict[str, str], tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    named = [str(tmp_path / "storage") if each == "HERE" else each for each in arguments]
    result = run(variables, "up", "--workers", "1", *named)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert not list((tmp_path / "state").rglob("*.url"))
