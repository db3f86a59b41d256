"""``rushes worker`` before it serves: what it would serve, where, and how the others are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from farm.commands import Farm
from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes.presets.preset import load_preset, preset_names
from rushes_queue.cli.farm.worker import _device, _presets
from rushes_queue.worker.gpus import Gpu


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "models", tmp_path / "cache")


def test_without_a_choice_what_is_installed_is_served(folders: Folders) -> None:
    own = {name for name in preset_names() if load_preset(name).brings_weights}
    assert set(_presets(folders, None)) == own
    installed = load_preset("streamdiffusionv2-1.3b")
    for _, names in installed.weights:
        if names:
            path = folders.models / names[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if not path.suffix else path.touch()
    assert set(_presets(folders, None)) == own | {installed.name}


@pytest.mark.parametrize(
    ("wanted", "served"),
    [
        (["tiny"], ("tiny",)),
        (["tiny, pocket", "tiny"], ("tiny", "pocket")),
        (["pocket", "tiny"], ("pocket", "tiny")),
    ],
    ids=str,
)
def test_a_choice_is_served_in_its_order(
    folders: Folders, wanted: list[str], served: tuple[str, ...]
) -> None:
    assert _presets(folders, wanted) == served


def test_a_preset_that_is_not_known_is_refused(folders: Folders) -> None:
    with pytest.raises(ConfigError, match="unknown preset 'other'"):
        _presets(folders, ["tiny,other"])


@pytest.mark.parametrize(
    ("wanted", "system", "device"),
    [("cpu", "linux", "cpu"), ("auto", "linux", "cpu"), ("auto", "darwin", "auto")],
)
def test_without_a_card_it_computes_where_the_system_allows(
    monkeypatch: pytest.MonkeyPatch, wanted: str, system: str, device: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert _device(wanted, None) == device
    assert _device(wanted, Gpu(0, "GPU-a", "X", 1)) == "cuda"


def test_a_card_that_is_not_here_is_refused(farm: Farm) -> None:
    result = farm.run("worker", "--gpu", "77")
    assert result.exit_code == 3
    assert "--gpu 77: not on this machine" in result.stderr


def test_without_a_worker_nobody_is_well(farm: Farm, tmp_path: Path) -> None:
    environment = farm.environment | {"RUSHES_WORK_DIR": str(tmp_path / "work")}
    farm = Farm(farm.store, farm.storage, environment, farm.folder)
    result = farm.run("worker", "--health")
    assert result.exit_code == 1
    assert "no worker of this machine has reported its health" in result.stderr
