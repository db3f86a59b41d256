"""What all tests of the renderer share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from renders.studio import Studio
from rushes.files.folders import Folders
from rushes.presets.preset import Preset, load_preset
from rushes.rendering.pipeline import Pipeline, load_pipeline


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Run tiny networks on one thread: more are slower, much so where others need the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Folders of this test run; the random weights of preset tiny are made there once."""
    return Folders(tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def pipeline(folders: Folders) -> Pipeline:
    """The tiny pipeline, loaded once: it keeps no state of a render."""
    return load_pipeline(load_preset("tiny"), folders, torch.device("cpu"), torch.float32)


@pytest.fixture
def studio(tmp_path: Path, pipeline: Pipeline) -> Studio:
    return Studio(tmp_path, pipeline)


@pytest.fixture(scope="session")
def preset() -> Preset:
    return load_preset("tiny")
