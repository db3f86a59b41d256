"""The doctor's checks against a real broker and storage, well and sick."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rushes
from checkout import ROOT
from farm import sick_checks
from farm.documents import document
from farm.servers import RunningServer, free_port
from rushes_queue.archive.job_files import document_key
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.live_workers import WorkerInfo
from rushes_queue.cli import app
from rushes_queue.doctor import broker, codecs, config, disk, farm, machine, storage, weights
from rushes_queue.doctor.examine import IN_CHILD, SUBJECTS, examine
from rushes_queue.doctor.finding import Check, Finding, Level
from rushes_queue.jobs.document import SCHEMA_VERSION
from rushes_queue.local.machine_settings import read_settings
from rushes_queue.settings.loaded import LoadedSettings


def settings(folder: Path, **variables: str) -> LoadedSettings:
    variables.setdefault("RUSHES_STATE_DIR", str(folder / "state"))
    return read_settings(environment=variables, folder=folder)


def run(checks: Iterable[Check], loaded: LoadedSettings) -> dict[str, Finding]:
    return {finding.name: finding for check in checks for finding in check(loaded)}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A server that keeps what it is told; tests may change its settings."""
    with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
        server = RunningServer(Path(folder), is_saving=True).start()
        yield server
        server.kill()


def test_every_module_of_checks_is_a_subject() -> None:
    modules = {"config": config, "broker": broker, "codecs": codecs, "disk": disk, "farm": farm}
    modules |= {"machine": machine, "storage": storage, "weights": weights}
    assert dict(SUBJECTS) == {name: module.CHECKS for name, module in modules.items()}
    assert set(SUBJECTS) > IN_CHILD


@pytest.mark.parametrize("is_in_child", [True, False], ids=["in the child", "in this process"])
def test_a_check_that_fails_dies_or_hangs_hides_no_other(is_in_child: bool, tmp_path: Path) -> None:
    checks: tuple[Check, ...] = (
        sick_checks.check_fine,
        sick_checks.check_that_raises,
        sick_checks.check_our_error,
        *((sick_checks.check_that_dies,) if is_in_child else ()),
        sick_checks.check_after_all,
    )
    examined = examine(
        settings(tmp_path),
        {"sick": checks, "config": config.CHECKS},
        in_child=frozenset({"sick"} if is_in_child else ()),
        seconds=60,
    )
    sick, well = examined
    found = {finding.name: finding for finding in sick.findings}
    assert found["fine"].level == Level.OK
    assert found["that raises"].message == "ZeroDivisionError: by nothing"
    assert found["our error"].message == "this setting is wrong"
    assert found["last"].level == Level.OK
    assert (found["last"].message == f"in process {os.getpid()}") is not is_in_child
    if is_in_child:
        assert found["that dies"].level == Level.FAULT
        assert found["that dies"].message == "ended with status -9: last words"
    assert len(well.findings) > 3


@pytest.mark.parametrize("is_in_child", [True, False], ids=["in the child", "in this process"])
def test_a_check_that_hangs_is_given_up(is_in_child: bool, tmp_path: Path) -> None:
    seconds = 8.0 if is_in_child else 0.5  # a process starts slowly on a busy machine
    began = time.monotonic()
    (sick,) = examine(
        settings(tmp_path),
        {"sick": (sick_checks.check_that_hangs, sick_checks.check_after_all)},
        in_child=frozenset({"sick"} if is_in_child else ()),
        seconds=seconds,
    )
    assert time.monotonic() - began < 2 * seconds + 10
    assert [(finding.level, finding.name) for finding in sick.findings] == [
        (Level.FAULT, "that hangs"),
        (Level.OK, "last"),
    ]
    assert sick.findings[0].message == f"took longer than {seconds:g} s"


def test_a_broker_that_is_well(server: RunningServer, tmp_path: Path) -> None:
    found = run(broker.CHECKS, settings(tmp_path, RUSHES_BROKER_URL=server.url))
    assert {finding.level for finding in found.values()} == {Level.OK}, found
    assert set(found) == {
        *("broker", "version", "persistence", "memory", "clock", "security", "leases")
    }


@pytest.mark.parametrize(
    ("setting", "value", "name", "level"),
    [
        ("appendonly", "no", "persistence", Level.FAULT),
        ("appendfsync", "no", "persistence", Level.WARNING),
        ("maxmemory-policy", "allkeys-lru", "memory", Level.WARNING),
        ("maxmemory", "1mb", "memory", Level.WARNING),
        ("protected-mode", "no", "security", Level.WARNING),
    ],
)
def test_a_broker_that_forgets_or_is_open_is_found(
    server: RunningServer, tmp_path: Path, setting: str, value: str, name: str, level: Level
) -> None:
    with server.client() as client:
        before = client.config_get(setting)[setting]
        client.config_set(setting, value)
        try:
            found = run(broker.CHECKS, settings(tmp_path, RUSHES_BROKER_URL=server.url))
        finally:
            client.config_set(setting, before)
    assert found[name].level == level
    assert found[name].cure


def test_a_broker_that_evicts_is_at_fault(server: RunningServer, tmp_path: Path) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", "volatile-lru")
        client.config_set("maxmemory", "1gb")
        try:
            found = run(broker.CHECKS, settings(tmp_path, RUSHES_BROKER_URL=server.url))
        finally:
            client.config_set("maxmemory", "0")
            client.config_set("maxmemory-policy", "noeviction")
    assert found["memory"].level == Level.FAULT


def test_a_broker_that_is_named_and_out_of_reach_is_at_fault(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    found = run(broker.CHECKS, settings(tmp_path, RUSHES_BROKER_URL=url))
    assert found["broker"].level == Level.FAULT


def test_a_storage_is_tried(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.touch()
    found = run(storage.CHECKS, settings(tmp_path, RUSHES_STORAGE_URL=str(good)))
    assert found["storage"].level == Level.OK
    assert "room" in found
    assert list(good.rglob("checks/*")) == []
    found = run(storage.CHECKS, settings(tmp_path, RUSHES_STORAGE_URL=str(bad)))
    assert found["storage"].level == Level.FAULT
    found = run(storage.CHECKS, settings(tmp_path, RUSHES_STORAGE_URL=str(tmp_path / "none")))
    assert found["storage"].level == Level.OK


def test_workers_and_queues_are_compared(server: RunningServer, tmp_path: Path) -> None:
    loaded = settings(tmp_path, RUSHES_BROKER_URL=server.url)
    with server.client() as client:
        client.flushall()
        store = JobRecords(client)
        assert run(farm.CHECKS, loaded)["workers"].level == Level.WARNING
        job = document()
        store.submit(job, document_key(job.id))
        waiting = run(farm.CHECKS, loaded)["queue tiny.any.normal"]
        assert (waiting.level, waiting.message) == (
            Level.FAULT,
            "1 jobs wait: no worker lives",
        )
        for name, version, schema in (
            ("good", rushes.__version__, SCHEMA_VERSION),
            ("other", "0.0.1", SCHEMA_VERSION),
            ("old", rushes.__version__, 0),
        ):
            worker = WorkerInfo(
                name=name,
                host="here",
                pid=1,
                version=version,
                max_schema=schema,
                started_ms=0,
                queues=("tiny.any.normal",),
            )
            store.workers.heartbeat(worker, ttl_ms=60_000)
        store.events.add_notice("message", "a message cannot be read")
        found = run(farm.CHECKS, loaded)
    levels = {name: finding.level for name, finding in found.items()}
    assert levels == {
        "worker good": Level.OK,
        "worker other": Level.WARNING,
        "worker old": Level.WARNING,
        "queue tiny.any.normal": Level.OK,
        "notices": Level.WARNING,
    }


def test_a_job_that_waits_for_one_without_a_record_is_found(
    server: RunningServer, tmp_path: Path
) -> None:
    with server.client() as client:
        client.flushall()
        store = JobRecords(client)
        first = document()
        store.submit(first, document_key(first.id))
        second = document(1, after=(first.id,))
        store.submit(second, document_key(second.id))
        loaded = settings(tmp_path, RUSHES_BROKER_URL=server.url)
        assert f"job {second.id}" not in run(farm.CHECKS, loaded)
        record = store.get(second.id)
        client.flushall()
        store.adopt(record)  # as when a broker is rebuilt, and the storage has lost the first one
        found = run(farm.CHECKS, loaded)[f"job {second.id}"]
    assert found.level == Level.WARNING
    assert found.message == f"waits for job {first.id}, which is unknown"


def test_this_machine_can_compute_and_encode(tmp_path: Path) -> None:
    found = run((*machine.CHECKS, *codecs.CHECKS), settings(tmp_path))
    faults = [finding for finding in found.values() if finding.level == Level.FAULT]
    assert not faults
    assert {"torch", "attention", "flash-attn", "h264", "h265", "vp9", "av1", "prores"} <= set(
        found
    )


def test_without_a_gpu_the_preset_that_is_fast_enough_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr(machine, "_gpus_of_driver", list)
    assert run((machine.check_gpus,), settings(tmp_path))["gpu"].message.endswith("preset pocket")


def test_who_is_not_installed_is_told_how_the_readme_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(machine, "requires", absent)
    found = run((machine.check_packages,), settings(tmp_path))["packages"]
    assert found.level == Level.WARNING
    command = found.cure.partition(" in the checkout")[0]
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_weights_that_are_missing_are_named_with_the_command_that_gets_them(tmp_path: Path) -> None:
    found = run(weights.CHECKS, settings(tmp_path, RUSHES_MODELS_DIR=str(tmp_path)))
    assert found["tiny"].level == Level.OK
    missing = found["streamdiffusionv2-1.3b"]
    assert missing.level == Level.WARNING
    assert "GiB of GPU memory at 832x480" in missing.message
    assert missing.cure == "rushes models download streamdiffusionv2-1.3b"


def test_folders_that_cannot_be_written_to_are_at_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = run(disk.CHECKS, settings(tmp_path, RUSHES_WORK_DIR=str(tmp_path / "file" / "work")))
    assert found["work_dir"].level == Level.FAULT
    assert found["state_dir"].level != Level.FAULT


def test_settings_that_do_nothing_are_found(tmp_path: Path) -> None:
    found = run(config.CHECKS, settings(tmp_path, RUSHES_BROKER="redis://nowhere"))
    assert found["RUSHES_BROKER"].level == Level.WARNING
    assert found["broker_url"].message == "from default"


def test_the_command_prints_cures_and_ends_with_code_9(tmp_path: Path) -> None:
    environment = {
        "RUSHES_BROKER_URL": f"redis://:secret@127.0.0.1:{free_port()}/0",
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    result = CliRunner().invoke(app, ["doctor", "config", "broker"], env=environment)
    assert result.exit_code == 9
    assert "  fault   broker: " in result.stdout
    assert "cure: start it" in result.stdout
    assert result.stderr == "1 fault, 0 warnings\n"
    assert "secret" not in result.output
    result = CliRunner().invoke(app, ["doctor", "config", "--json"], env=environment)
    data = json.loads(result.stdout)
    assert (result.exit_code, data["faults"], data["warnings"]) == (0, 0, 0)
    assert {finding["subject"] for finding in data["findings"]} == {"config"}
    assert CliRunner().invoke(app, ["doctor", "nothing"]).exit_code == 2
