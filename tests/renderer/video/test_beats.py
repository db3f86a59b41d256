"""Beats of a sound: read here, found by librosa where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from renders.shots import moving, write_clip, write_sound
from rushes.errors import ConfigError, InputError
from rushes.video.beats import RATE, SoundBeats, find_beats, read_mono


def write_clicks(path: Path, *, bpm: int, seconds: int = 12) -> Path:
    """Write a sound with a click on each beat."""
    samples = np.zeros(seconds * RATE, np.float32)
    for beat in range(seconds * bpm // 60):
        at = beat * 60 * RATE // bpm
        samples[at : at + 400] = np.sin(np.arange(400) / 3) * 0.9
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("flac", rate=RATE, layout="mono")
        for first in range(0, len(samples), 1024):
            part = (samples[None, first : first + 1024] * 2**15).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(part, "s16", "mono")
            frame.sample_rate, frame.pts = RATE, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_sound_is_read_at_one_rate(tmp_path: Path) -> None:
    samples = read_mono(write_sound(tmp_path / "a.m4a", seconds=2))
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(2 * RATE, abs=RATE // 10)
    assert np.abs(samples).max() > 0.1


def test_a_file_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no sound"):
        read_mono(write_clip(tmp_path / "a.mp4", moving(4)))


def test_without_librosa_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(ConfigError, match="needs librosa, which is not installed; run 'pip"):
        find_beats(write_sound(tmp_path / "a.m4a"))


def test_what_librosa_finds_is_told_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beat_track(*, y: Any, sr: int, units: str) -> tuple[Any, Any]:
        assert (len(y) > RATE, sr, units) == (True, RATE, "time")
        return np.array([120.1234]), np.array([0.5, 1.00049])

    def onset_detect(*, y: Any, sr: int, units: str) -> Any:
        return np.array([0.25])

    stand_in = SimpleNamespace(
        beat=SimpleNamespace(beat_track=beat_track),
        onset=SimpleNamespace(onset_detect=onset_detect),
    )
    monkeypatch.setitem(sys.modules, "librosa", stand_in)
    found = find_beats(write_clicks(tmp_path / "a.flac", bpm=120))
    assert found == SoundBeats(120.12, (0.5, 1.0), (0.25,))


def test_librosa_hears_the_beat_of_a_metronome(tmp_path: Path) -> None:
    pytest.importorskip("librosa")
    found = find_beats(write_clicks(tmp_path / "a.flac", bpm=120))
    assert found.bpm == pytest.approx(120, abs=4)
    assert len(found.onsets) >= 20
    gaps = np.diff(found.beats)
    assert np.median(gaps) == pytest.approx(0.5, abs=0.03)
