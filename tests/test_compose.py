"""The containers: what Compose thinks of the file, and what we promise about it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from typing import Any

import pytest
import yaml

from checkout import ROOT

SECRETS = {"RUSHES_BROKER_PASSWORD": "a" * 64, "RUSHES_S3_SECRET": "b" * 64}
PROFILES = ("cpu", "gpu", "gpu2", "client")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text())["services"])


def workers(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if name.startswith("worker-")}


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("docker") is None:
        pytest.skip("there is no docker")
    if run(["docker", "compose", "version"], dict(os.environ)).returncode:
        pytest.skip("docker has no compose plug-in")
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    profiles = [part for profile in PROFILES for part in ("--profile", profile)]
    command = ["docker", "compose", *profiles, "--env-file", os.devnull, *arguments]
    return run(command, kept | environment)


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run docker; its plug-in is a process of its own, and must not outlive it."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def test_compose_accepts_the_file() -> None:
    result = compose("config", "--quiet", **SECRETS)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("missing", SECRETS)
def test_compose_refuses_to_start_without_a_secret(missing: str) -> None:
    given = {name: value for name, value in SECRETS.items() if name != missing}
    result = compose("config", "--quiet", **given)
    assert result.returncode != 0
    assert missing in result.stderr


def test_every_secret_comes_from_the_environment() -> None:
    text = (ROOT / "compose.yaml").read_text() + (ROOT / "Dockerfile").read_text()
    for line in text.splitlines():
        if re.search(r"(PASSWORD|SECRET\w*):", line) and not line.startswith("#"):
            assert re.search(r"\$\{RUSHES_\w+:\?put it into \.env\}", line), line
    assert ".env" in (ROOT / ".gitignore").read_text()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_images_are_pinned_and_nothing_listens_on_the_network(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.search(r":[\w.]+$", service["image"]), name
        assert not service["image"].endswith(":latest")
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_all_that_is_to_stay_up_is_watched_and_started_again(services: dict[str, Any]) -> None:
    for name in ("broker", "storage", *workers(services)):
        assert services[name]["restart"] == "unless-stopped"
        assert services[name]["healthcheck"]["test"]


def test_workers_may_save_and_cannot_write_elsewhere(services: dict[str, Any]) -> None:
    for worker in workers(services).values():
        assert int(worker["stop_grace_period"].removesuffix("s")) >= 30
        assert worker["read_only"]
        assert any(volume.endswith(":/models:ro") for volume in worker["volumes"])


def test_each_gpu_belongs_to_one_worker(services: dict[str, Any]) -> None:
    devices = [
        device
        for worker in workers(services).values()
        for device in worker.get("deploy", {})
        .get("resources", {})
        .get("reservations", {})
        .get("devices", ())
    ]
    assert [device["capabilities"] for device in devices] == [["gpu"]] * len(devices)
    numbers = [number for device in devices for number in device["device_ids"]]
    assert numbers == [str(index) for index in range(len(devices))]


def test_the_broker_keeps_what_it_is_told(services: dict[str, Any]) -> None:
    config = services["broker"]["command"][-1].splitlines()
    assert {"appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction"} <= set(config)
    assert "requirepass $$RUSHES_BROKER_PASSWORD" in config


def test_images_are_built_from_targets_that_run_as_nobody_special(services: dict[str, Any]) -> None:
    stages = re.split(r"(?m)^FROM ", (ROOT / "Dockerfile").read_text())
    by_name = {stage.split("\n")[0].split()[-1]: stage for stage in stages[1:]}
    targets = {service["build"]["target"] for service in services.values() if "build" in service}
    assert targets == {"cpu", "cuda"}
    for target in targets:
        assert "\nUSER rushes\n" in by_name[target]
        assert '\nENTRYPOINT ["rushes"]' in by_name[target]
