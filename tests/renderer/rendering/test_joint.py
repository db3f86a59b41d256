"""Renders that share the passes of a network while they come and go."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from farm.running import wait_until
from renders.shots import block, timeline
from renders.studio import Studio
from rushes.errors import ConfigError, InputError
from rushes.files.folders import Folders
from rushes.presets.preset import load_preset
from rushes.rendering.fitted import FittedRenderer
from rushes.rendering.joint import JointRenders, open_joint
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.render import render
from rushes.rendering.request import RenderRequest
from rushes.rendering.save_points import SavePolicy
from rushes.rendering.work import Work
from rushes.timeline.plan.render_plan import RenderPlan

Shot = tuple[RenderPlan, RenderRequest]


@pytest.fixture
def shots(studio: Studio, tmp_path: Path) -> list[Shot]:
    """Timelines of different prompts, seeds and lengths; one begins anew on the way."""
    lengths = {"a boat": 1.2, "a pond": 0.8, "a tower": 0.6}
    shots = []
    for number, (text, seconds) in enumerate(lengths.items()):
        document = timeline(block(text, 0, seconds / 2), block("a path", seconds / 2, seconds))
        plan, request = studio.prepare(document, f"{number}.mp4", seed=number)
        shots.append((plan, request))
    return shots


def alone(studio: Studio, shot: Shot) -> str:
    plan, request = shot
    output = request.output.with_name(f"alone-{request.output.name}")
    made = render(studio.pipeline, plan, request.model_copy(update={"output": output}), force=True)
    return str(made["frames_sha256"])


class Company:
    """Renders in threads; each is told of by its number."""

    def __init__(self, renders: JointRenders, threads: ThreadPoolExecutor) -> None:
        self._renders, self._threads = renders, threads

    def begin(self, shot: Shot, report: Any = lambda progress: None) -> Future[dict[str, Any]]:
        plan, request = shot
        return self._threads.submit(self._renders.render, plan, request, report=report)

    def render_together(self, first: Shot, *others: Shot) -> list[dict[str, Any]]:
        """Render all; the first waits at a chunk until the others are there."""
        started: list[Future[dict[str, Any]]] = []

        def others_join(progress: Progress) -> None:
            if not started:
                started.extend(self.begin(shot) for shot in others)
                batch = self._renders._batch
                wait_until(lambda: len(batch._joining) == len(others), "the others")

        made = self.begin(first, others_join).result()
        return [made, *(each.result() for each in started)]


def test_renders_that_come_and_go_are_what_they_are_alone(
    studio: Studio, shots: list[Shot]
) -> None:
    with (
        ThreadPoolExecutor(3) as threads,
        open_joint(studio.pipeline, shots[0][0], studio.folder, 3) as it,
    ):
        made = Company(it, threads).render_together(*shots)
    assert [each["frames_sha256"] for each in made] == [alone(studio, shot) for shot in shots]
    assert all(each["rows"] > 1 for each in made)
    assert not any("last bits" in warning for each in made for warning in each["warnings"])


def test_one_that_stops_and_one_that_fails_leave_the_others_alone(
    studio: Studio, shots: list[Shot]
) -> None:
    def stop(progress: Progress) -> None:
        raise StopRender("cancel", save=False)

    def fail(progress: Progress) -> None:
        raise InputError("clip.mp4: is truncated")

    with (
        ThreadPoolExecutor(3) as threads,
        open_joint(studio.pipeline, shots[0][0], studio.folder, 3) as it,
    ):
        company = Company(it, threads)
        stopped, failed = company.begin(shots[1], stop), company.begin(shots[2], fail)
        made = company.begin(shots[0]).result()
        with pytest.raises(StopRender):
            stopped.result()
        with pytest.raises(InputError):
            failed.result()
    assert made["frames_sha256"] == alone(studio, shots[0])


def test_in_a_narrow_type_the_manifest_says_what_may_differ(
    studio: Studio, folders: Folders, shots: list[Shot]
) -> None:
    renderer = FittedRenderer(load_preset("tiny"), folders, torch.device("cpu"), torch.bfloat16)
    with (
        ThreadPoolExecutor(2) as threads,
        renderer.joint(shots[0][0], shots[0][1].timeline.parent, 2) as it,
    ):
        assert it.most == 2
        made = Company(it, threads).render_together(*shots[:2])
        work = Work(studio.folder / "work", SavePolicy(1))
        plan, request = shots[2]
        saving = it.render(plan, request, force=True, work=work)
    assert saving["save_points"] > 0
    state = next((work.folder / "saves").glob("*/state.json"))
    assert [kind["in_rows"] for kind in json.loads(state.read_text())["kinds"]] == [True]
    assert [each["rows"] for each in made] == [2, 2]
    assert all("bfloat16" in " ".join(each["warnings"]) for each in made)


def test_lora_strengths_that_change_are_refused(studio: Studio, shots: list[Shot]) -> None:
    plan, request = shots[0]
    chunks = tuple(replace(chunk, lora_scales=(float(chunk.index),)) for chunk in plan.chunks)
    changing = replace(plan, chunks=chunks)
    with (
        open_joint(studio.pipeline, plan, studio.folder, 2) as it,
        pytest.raises(ConfigError, match="strengths"),
    ):
        it.render(changing, request)
