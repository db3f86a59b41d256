"""The preset of a job that nobody has chosen one for."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.live_workers import WorkerInfo
from rushes_queue.farm.presets import preset_for_farm
from rushes_queue.jobs.queue_names import served_queues
from rushes_queue.local.machine_settings import read_settings
from rushes_queue.settings.loaded import LoadedSettings


def settings(folder: Path, **variables: str) -> LoadedSettings:
    return read_settings(environment={"RUSHES_BROKER_URL": "redis://farm:6379/0"} | variables)


def let_work(store: JobRecords, *presets: str) -> None:
    info = WorkerInfo(
        name=presets[0],
        host="far",
        pid=1,
        version="1",
        max_schema=2,
        started_ms=0,
        queues=tuple(served_queues(presets, "any")),
    )
    store.workers.heartbeat(info, ttl_ms=60_000)


def choose(store: JobRecords, folder: Path, **variables: str) -> str:
    folders = Folders(folder / "models", folder / "cache")
    return preset_for_farm(settings(folder, **variables), store, folders, "streamdiffusionv2")[0]


def test_what_live_workers_serve_decides_not_what_lies_here(
    store: JobRecords, tmp_path: Path
) -> None:
    let_work(store, "pocket", "tiny", "streamdiffusionv2-14b")
    assert choose(store, tmp_path) == "streamdiffusionv2-14b"
    let_work(store, "streamdiffusionv2-1.3b")
    assert choose(store, tmp_path) == "streamdiffusionv2-1.3b"


def test_the_setting_comes_first(store: JobRecords, tmp_path: Path) -> None:
    let_work(store, "streamdiffusionv2-1.3b")
    assert choose(store, tmp_path, RUSHES_PRESET="pocket") == "pocket"


def test_a_stand_in_is_never_chosen_for_a_farm_elsewhere(store: JobRecords, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no worker lives; name one with --preset"):
        choose(store, tmp_path)
    let_work(store, "pocket", "tiny")
    with pytest.raises(ConfigError, match=r"live workers serve pocket, tiny; name one with"):
        choose(store, tmp_path)
