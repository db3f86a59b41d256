"""A render shared by real processes: its files, and what happens when one of them dies."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from renders.shots import block, moving, timeline, write_clip
from renders.slow_rank import render_as_slow_rank
from renders.studio import Studio
from rushes.errors import ConfigError, RenderProcessError, ShapeError
from rushes.files.folders import Folders
from rushes.presets.preset import load_preset
from rushes.rendering.loop import Progress
from rushes.rendering.pipeline import load_pipeline
from rushes.rendering.processes.shared_render import render_ranks, render_sections
from rushes.rendering.render import render
from rushes.rendering.takes import Take

BLOCKS = (block("a boat", 0, 0.4), block("a pond", 0.4, 0.8), block("a boat", 0.8, 1.2))
LONG = (block("a boat", 0, 30), block("a pond", 30, 60))
RESETTING: dict[str, Any] = {"profile": "scope-2025-10"}


def test_the_files_are_those_of_a_single_process(studio: Studio, folders: Folders) -> None:
    plan, request = studio.prepare(timeline(*BLOCKS), **RESETTING)
    alone = render(studio.pipeline, plan, request)
    movie = request.output.read_bytes()
    sheet = request.sheet_path.read_bytes()
    manifest = render_sections(
        load_preset("tiny"), folders, Take(plan, request), processes=2, force=True
    )
    assert (alone["processes"], manifest["processes"]) == (1, 2)
    assert manifest["frames_sha256"] == alone["frames_sha256"]
    assert request.output.read_bytes() == movie
    assert request.sheet_path.read_bytes() == sheet
    assert manifest["timings"]["decode"] > 0  # of all processes
    assert studio.files() == ["out.mp4", "out.mp4.json", "out.mp4.png", "shot.json"]


def kill_first_child(killed: list[int], until: float) -> None:
    while not killed and time.monotonic() < until:
        for child in active_children():
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            killed.append(child.pid)
            return
        time.sleep(0.05)


def test_a_killed_process_ends_the_render_and_leaves_nothing(
    studio: Studio, folders: Folders
) -> None:
    plan, request = studio.prepare(timeline(*LONG), **RESETTING)
    killed: list[int] = []
    killer = Thread(target=kill_first_child, args=(killed, time.monotonic() + 60))
    killer.start()
    with pytest.raises(RenderProcessError, match=r"of 2 was killed \(SIGKILL\)"):
        render_sections(load_preset("tiny"), folders, Take(plan, request), processes=2)
    killer.join()
    assert killed
    assert studio.files() == ["shot.json"]
    assert not active_children()


def test_what_a_process_refuses_is_raised_here(studio: Studio, folders: Folders) -> None:
    """Its own errors come with type and message; here positions that no network has."""
    plan, request = studio.prepare(timeline(*BLOCKS), **RESETTING)
    strange = replace(plan, chunks=tuple(replace(c, position=5000) for c in plan.chunks))
    with pytest.raises(ShapeError, match="lie outside the rotary table"):
        render_sections(load_preset("tiny"), folders, Take(strange, request), processes=2)


def test_a_plan_of_one_section_is_refused(studio: Studio, folders: Folders) -> None:
    plan, request = studio.prepare(timeline(*BLOCKS))
    with pytest.raises(ConfigError, match="one section without a reset"):
        render_sections(load_preset("tiny"), folders, Take(plan, request), processes=2)


# --- the blocks of a network among ranks ---------------------------------------------------------


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.long)])
def test_ranks_make_what_one_process_makes(
    count: int, studio: Studio, folders: Folders, tmp_path: Path
) -> None:
    """Video to video through the network of `pocket`, whose four blocks are shared."""
    clip = write_clip(tmp_path / "clip.mp4", moving(24))
    document = timeline(*BLOCKS, mode="video")
    plan, request = studio.prepare(document, source=clip, **RESETTING)
    preset = load_preset("pocket")
    pipeline = load_pipeline(preset, folders, torch.device("cpu"), torch.float32)
    alone = render(pipeline, plan, request)
    manifest = render_ranks(preset, folders, Take(plan, request), count, force=True)
    assert manifest["frames_sha256"] == alone["frames_sha256"]
    assert manifest["processes"] == count


@pytest.mark.slow  # the slow rank is measured
def test_a_slow_rank_gives_blocks_away(studio: Studio, folders: Folders) -> None:
    plan, request = studio.prepare(timeline(*BLOCKS), **RESETTING)
    preset = load_preset("pocket")
    pipeline = load_pipeline(preset, folders, torch.device("cpu"), torch.float32)
    alone = render(pipeline, plan, request)
    manifest = render_ranks(
        *(preset, folders, Take(plan, request), 2), force=True, body=render_as_slow_rank
    )
    assert (alone["blocks_of_ranks"], manifest["blocks_of_ranks"]) == (None, [1, 3])
    assert manifest["frames_sha256"] == alone["frames_sha256"]


def test_a_killed_rank_ends_the_render(studio: Studio, folders: Folders) -> None:
    """In the midst of it, where the other rank waits for the killed one."""
    plan, request = studio.prepare(timeline(*LONG))
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        kill_first_child(killed, time.monotonic() + 60)

    begin = time.monotonic()
    with pytest.raises(RenderProcessError, match=r"of 2 was killed \(SIGKILL\)"):
        render_ranks(load_preset("tiny"), folders, Take(plan, request), ranks=2, report=kill)
    assert time.monotonic() - begin < 60
    assert studio.files() == ["shot.json"]


def test_more_ranks_than_blocks_are_refused(studio: Studio, folders: Folders) -> None:
    plan, request = studio.prepare(timeline(*BLOCKS))
    with pytest.raises(ConfigError, match="has 2 blocks to share"):
        render_ranks(load_preset("tiny"), folders, Take(plan, request), ranks=3)
