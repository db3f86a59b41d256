"""The networks of one job stay loaded for the next one of the same kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.documents import document
from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes_queue.jobs.document import JobRequest
from rushes_queue.worker.warm_renderer import WarmRenderer


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return Folders(tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("cache"))


@pytest.fixture
def renderer(folders: Folders) -> WarmRenderer:
    return WarmRenderer(folders, "cpu")


def test_networks_are_loaded_once(renderer: WarmRenderer) -> None:
    said: list[str] = []
    assert renderer.preset is None
    renderer.load(document(0), said.append)
    renderer.load(document(1), said.append)
    assert renderer.preset == "tiny"
    assert len(said) == 1
    assert said[0].startswith("loaded tiny in ")


def test_another_number_format_is_loaded_anew(renderer: WarmRenderer) -> None:
    said: list[str] = []
    renderer.load(document(0), said.append)
    renderer.load(document(1, request=JobRequest(dtype="bfloat16")), said.append)
    assert len(said) == 2


def test_a_preset_that_is_not_here_leaves_nothing_loaded(
    renderer: WarmRenderer, tmp_path: Path
) -> None:
    renderer.load(document(0), lambda line: None)
    with pytest.raises(ConfigError, match="unknown preset 'other'"):
        renderer.load(document(1, preset="other"), lambda line: None)
    assert renderer.preset is None
