"""``rushes beats``: what is found, for people and scripts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from renders.shots import write_sound
from rushes.video import beats
from rushes_queue.cli import app


def test_beats_and_onsets_are_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = beats.SoundBeats(120.5, tuple(range(12)), (0.25,))
    monkeypatch.setattr(beats, "find_beats", lambda path: found)
    shown = CliRunner().invoke(app, ["beats", "a.wav"])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[:2] == ["120.5 beats a minute", "12 beats, in seconds:"]
    assert shown.stdout.splitlines()[-1] == "  0.250"
    told = json.loads(CliRunner().invoke(app, ["beats", "a.wav", "--json"]).stdout)
    assert (told["bpm"], told["beats"][-1], told["onsets"]) == (120.5, 11, [0.25])


def test_without_librosa_the_exit_code_is_3(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    result = CliRunner().invoke(app, ["beats", str(write_sound(tmp_path / "a.m4a"))])
    assert result.exit_code == 3
    assert "pip install librosa" in result.stderr
