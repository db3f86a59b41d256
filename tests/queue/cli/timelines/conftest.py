"""What the tests of commands about timelines share."""

from __future__ import annotations

from pathlib import Path

import pytest

from renders.command import Desk, Rushes, command_in
from renders.shots import timeline, write_timeline


@pytest.fixture(scope="session")
def rushes(tmp_path_factory: pytest.TempPathFactory) -> Rushes:
    """The command, in processes of their own."""
    return command_in(tmp_path_factory.mktemp("home"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rushes: Rushes) -> Desk:
    write_timeline(tmp_path / "shot.json", timeline())
    return Desk(tmp_path, monkeypatch, rushes)
