"""The progress of a render: a line now and then, a bar on a terminal."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from rich.console import Console

from rushes.rendering.loop import Progress
from rushes_queue.cli.show.progress import ProgressDisplay, where

Capture = pytest.CaptureFixture[str]


def at(chunk: int, prompt: str = "a cat") -> Progress:
    return Progress(
        chunk=chunk,
        num_chunks=100,
        frame=4 * chunk + 1,
        num_frames=401,
        frames_per_second=8.0,
        seconds_left=75.0,
        prompt=prompt,
        last_frame=np.zeros((2, 2, 3), np.uint8),
    )


def test_a_place_is_in_chunks_and_frames() -> None:
    assert where(at(3)) == "chunk 3/100, frame 13/401"


def test_without_a_terminal_a_line_comes_for_each_tenth(capsys: Capture) -> None:
    with ProgressDisplay() as display:
        for chunk in range(1, 101):
            display(at(chunk))
    lines = capsys.readouterr().err.splitlines()
    assert 9 <= len(lines) <= 10
    assert lines[0] == "chunk 10/100, frame 41/401, 8.0 fps, 1:15 left: a cat"


def test_a_slow_render_has_a_line_each_half_minute(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with ProgressDisplay() as display:
        for clock[0] in (10.0, 29.0, 31.0, 60.0, 62.0):
            display(at(1))
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_prompt_is_short_and_harmless(capsys: Capture) -> None:
    with ProgressDisplay() as display:
        display(at(50, prompt="\x1b[2J" + "x" * 200))
    line = capsys.readouterr().err.rstrip("\n")
    assert line.isprintable()
    assert line.endswith("x…")
    assert len(line) < 120


def test_a_terminal_gets_a_bar_and_no_lines(capsys: Capture) -> None:
    display = ProgressDisplay()
    text = io.StringIO()
    display._console = Console(file=text, force_terminal=True, width=160)
    with display:
        display(at(50, prompt="[red]a cat"))
    assert "chunk 50/100, frame 201/401" in text.getvalue()
    assert "[red]a cat" in text.getvalue()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("width", [60, 80, 140])
def test_place_and_speed_are_whole_on_every_terminal(width: int) -> None:
    display = ProgressDisplay()
    text = io.StringIO()
    display._console = Console(file=text, force_terminal=True, color_system=None, width=width)
    with display:
        display(at(50, prompt="a cat that walks over a meadow " * 3))
    last = text.getvalue().rsplit("chunk", 1)[1]
    assert last.startswith(" 50/100, frame 201/401 ")
    assert " 8.0 fps, 1:15 left a" in last
    assert last.count("\n") <= 1
