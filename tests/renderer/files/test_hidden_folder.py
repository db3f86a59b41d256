"""What killed renders left behind goes with the next one; what is in use or new stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from rushes.errors import WriteError
from rushes.files.hidden_folder import hidden_folder, remove_abandoned


def make_old(folder: Path) -> None:
    an_hour_ago = time.time() - 3600
    os.utime(folder, (an_hour_ago, an_hour_ago))


def leave_behind(place: Path) -> Path:
    folder = place / ".rushes-render-abc.tmp"
    (folder / "segments").mkdir(parents=True)
    (folder / "segments" / "000000.mov").write_bytes(b"half")
    return folder


def test_the_folder_goes_at_the_end_whatever_happens(tmp_path: Path) -> None:
    def fail() -> None:
        with hidden_folder(tmp_path / "out.mp4") as folder:
            assert folder.parent == tmp_path
            (folder / "file").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(tmp_path) == []


def test_what_a_killed_render_left_is_removed(tmp_path: Path) -> None:
    make_old(leave_behind(tmp_path))
    with hidden_folder(tmp_path / "out.mp4") as folder:
        assert os.listdir(tmp_path) == [folder.name]


def test_what_is_new_may_not_be_locked_yet(tmp_path: Path) -> None:
    left = leave_behind(tmp_path)
    remove_abandoned(tmp_path)
    assert left.exists()


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    with hidden_folder(tmp_path / "out.mp4") as folder:
        make_old(folder)
        remove_abandoned(tmp_path)
        assert folder.exists()


def test_a_place_that_cannot_hold_it_is_told_under_the_name_of_the_result(tmp_path: Path) -> None:
    result = tmp_path / "nowhere" / "out.mp4"
    with pytest.raises(WriteError, match=f"{result}: the folder .* does not exist"):
        hidden_folder(result).__enter__()
