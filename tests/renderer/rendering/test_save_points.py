"""Renders that are stopped and taken up again: the result has the bytes of an undisturbed one."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from checkout import ROOT
from renders.full_disk import largest_file
from renders.shots import block, timeline, write_clip, write_timeline
from rushes.errors import WriteError
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.render import render
from rushes.rendering.request import RenderRequest
from rushes.rendering.save_points import SCHEMA_VERSION, SavePolicy
from rushes.rendering.work import Work
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import load_timeline

NEVER = SavePolicy(every_chunks=1_000_000)
ALWAYS = SavePolicy(every_chunks=1)


@dataclass
class Job:
    """One render, and a folder in which attempts at it leave their work."""

    folder: Path
    pipeline: Pipeline
    plan: RenderPlan
    request: RenderRequest

    def attempt(self, name: str, work: Work | None, **more: Any) -> dict[str, Any]:
        output = self.folder / name / self.request.output.name
        output.parent.mkdir(exist_ok=True)
        request = self.request.model_copy(update={"output": output})
        return render(self.pipeline, self.plan, request, work=work, **more)

    def work(self, policy: SavePolicy) -> Work:
        return Work(self.folder / "work", policy)

    def stopped_at(self, chunk: int, policy: SavePolicy, *, save: bool) -> None:
        """Run an attempt that is told to stop when it reports this chunk."""

        def report(progress: Progress) -> None:
            if progress.chunk >= chunk:
                raise StopRender("enough", save=save)

        with pytest.raises(StopRender):
            self.attempt("stopped", self.work(policy), report=report)

    def result(self, name: str) -> Path:
        return self.folder / name / self.request.output.name


def make_job(folder: Path, pipeline: Pipeline, output: str = "out.mp4", **options: Any) -> Job:
    """Five seconds with a transition, a hard change with reset, and the noise controller on."""
    source = write_clip(folder / "in.mp4", fps=Fraction(16))
    document = timeline(
        block("a boat", 0, 1.5),
        block("a ship", 1.5, 3, transitionSteps=4, temporalInterpolationMethod="slerp"),
        block("a whale", 3, 5),
        mode="video",
        noiseController=True,
        manageCache=True,
    )
    path = write_timeline(folder / "t.json", document)
    plan_options = PlanOptions(
        input_fps=Fraction(16), input_frames=21, input_duration=Fraction(21, 16), **options
    )
    plan = plan_render(load_timeline(path).require(), plan_options, pipeline.preset)
    request = RenderRequest(
        timeline=path,
        output=folder / output,
        input=source,
        options=plan_options,
        preset=pipeline.preset.name,
    )
    return Job(folder, pipeline, plan, request)


@pytest.fixture
def job(tmp_path: Path, pipeline: Pipeline) -> Job:
    return make_job(tmp_path, pipeline)


@pytest.mark.parametrize("chunk", [1, 2, 7, 8, 12, 13, 16, 19])
def test_a_render_stopped_and_resumed_equals_an_undisturbed_one(job: Job, chunk: int) -> None:
    undisturbed = job.attempt("whole", None)
    job.stopped_at(chunk, NEVER, save=True)
    resumed = job.attempt("resumed", job.work(NEVER))
    assert chunk <= resumed["resumed_at_chunk"] <= chunk + 1
    assert resumed["frames_sha256"] == undisturbed["frames_sha256"]
    assert job.result("resumed").read_bytes() == job.result("whole").read_bytes()
    sheets = [job.result(name).with_name("out.mp4.png") for name in ("resumed", "whole")]
    assert sheets[0].read_bytes() == sheets[1].read_bytes()


@pytest.mark.parametrize("profile", ["scope", "upstream"])
def test_noise_of_a_gpu_goes_on_where_it_was(
    tmp_path: Path, pipeline: Pipeline, profile: str
) -> None:
    job = make_job(tmp_path, pipeline, noise="cuda", profile=profile)
    undisturbed = job.attempt("whole", None)
    job.stopped_at(7, NEVER, save=True)
    resumed = job.attempt("resumed", job.work(NEVER))
    assert resumed["resumed_at_chunk"] > 0
    assert resumed["frames_sha256"] == undisturbed["frames_sha256"]


def test_a_render_that_dies_goes_on_from_its_last_save_point(job: Job) -> None:
    undisturbed = job.attempt("whole", None)
    job.stopped_at(15, SavePolicy(every_chunks=4), save=False)
    resumed = job.attempt("resumed", job.work(NEVER))
    assert resumed["resumed_at_chunk"] in (12, 16)  # chunk 16 may be under way when 15 is told
    assert resumed["frames_sha256"] == undisturbed["frames_sha256"]
    assert job.result("resumed").read_bytes() == job.result("whole").read_bytes()


def test_a_render_may_be_stopped_again_and_again(job: Job) -> None:
    undisturbed = job.attempt("whole", None)
    for chunk in (3, 6, 8, 14, 18):
        job.stopped_at(chunk, NEVER, save=True)
    assert (
        job.attempt("resumed", job.work(ALWAYS))["frames_sha256"] == (undisturbed["frames_sha256"])
    )
    assert job.result("resumed").read_bytes() == job.result("whole").read_bytes()


@pytest.mark.parametrize("output", ["out.png", "out.gif"])
def test_pictures_and_gifs_are_resumed_too(tmp_path: Path, pipeline: Pipeline, output: str) -> None:
    job = make_job(tmp_path, pipeline, output)
    undisturbed = job.attempt("whole", None)
    job.stopped_at(9, NEVER, save=True)
    resumed = job.attempt("resumed", job.work(NEVER))
    assert resumed["frames_sha256"] == undisturbed["frames_sha256"]
    files = {
        name: {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file() and path.suffix != ".json"
        }
        for name in ("whole", "resumed")
    }
    assert files["whole"] == files["resumed"]


def save_folders(job: Job) -> list[Path]:
    return sorted((job.folder / "work" / "saves").iterdir())


def test_the_last_two_save_points_are_kept(job: Job) -> None:
    job.stopped_at(9, ALWAYS, save=True)
    assert len(save_folders(job)) == 2


def spoil(path: Path) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["state.safetensors", "state.json"])
def test_a_damaged_save_point_falls_back_to_the_one_before(job: Job, file: str) -> None:
    undisturbed = job.attempt("whole", None)
    job.stopped_at(9, ALWAYS, save=True)
    before, last = save_folders(job)
    spoil(last / file)
    resumed = job.attempt("resumed", job.work(NEVER))
    assert resumed["resumed_at_chunk"] == int(before.name)
    assert resumed["frames_sha256"] == undisturbed["frames_sha256"]


def test_a_save_point_has_the_fields_that_are_recorded_for_its_version(job: Job) -> None:
    """Another field needs another version: raise the save point's SCHEMA_VERSION, and record it."""
    job.stopped_at(2, ALWAYS, save=False)
    (written, *_) = sorted((job.folder / "work").rglob("state.json"))
    file = ROOT / "tests" / "data" / "documents" / "save_point_fields.json"
    recorded = json.loads(file.read_text())[f"save point {SCHEMA_VERSION}"]
    assert sorted(json.loads(written.read_text())) == recorded


def test_a_damaged_segment_starts_the_render_anew(job: Job) -> None:
    undisturbed = job.attempt("whole", None)
    job.stopped_at(18, ALWAYS, save=True)
    spoil(job.folder / "work" / "segments" / "000000.mov")
    resumed = job.attempt("resumed", job.work(NEVER))
    assert resumed["resumed_at_chunk"] == 0
    assert job.result("resumed").read_bytes() == job.result("whole").read_bytes()
    assert resumed["frames_sha256"] == undisturbed["frames_sha256"]


def test_a_save_point_of_another_render_is_not_used(job: Job) -> None:
    job.stopped_at(9, NEVER, save=True)
    other = make_job(job.folder, job.pipeline, seed=43)
    assert other.attempt("other", other.work(NEVER))["resumed_at_chunk"] == 0


def mixtures(manifest: dict[str, Any]) -> list[str]:
    return [text for text in manifest["warnings"] if "different kinds of machines" in text]


def test_a_save_point_of_another_kind_of_machine_is_used_with_a_warning(job: Job) -> None:
    assert not mixtures(job.attempt("whole", None))
    job.stopped_at(4, NEVER, save=True)
    job.request = job.request.model_copy(update={"threads": 2})
    job.stopped_at(9, NEVER, save=True)
    (warning,) = mixtures(job.attempt("resumed", job.work(NEVER)))
    assert warning.index("1 thread,") < warning.index("2 threads,")
    job.request = job.request.model_copy(update={"threads": None})
    third = job.attempt("third", job.work(NEVER))  # of what only two threads have saved last
    assert third["resumed_at_chunk"] > 4
    assert mixtures(third)[0].count("torch") == 3


def change_kinds(job: Job, **changes: Any) -> None:
    """Have the save points come from another machine."""
    for file in (job.folder / "work" / "saves").glob("*/state.json"):
        values = json.loads(file.read_text())
        values["kinds"] = [kind | changes for kind in values["kinds"]]
        file.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"device": "another"}, "another"),
        ({"torch": "another"}, "torch another"),
        ({"cpu_capability": "another"}, "another"),
        ({"pairs_chunks": False}, "each clean pass by itself"),
        ({"in_rows": True}, "passes shared with other renders"),
    ],
    ids=["device", "torch", "cpu-capability", "pairs-chunks", "rows"],
)
def test_every_part_of_a_kind_counts(job: Job, change: dict[str, Any], named: str) -> None:
    job.stopped_at(4, NEVER, save=True)
    change_kinds(job, **change)
    (warning,) = mixtures(job.attempt("resumed", job.work(NEVER)))
    assert named in warning


def test_a_save_point_that_does_not_tell_its_kind_is_used_without_a_word(job: Job) -> None:
    job.stopped_at(4, NEVER, save=True)
    for file in (job.folder / "work" / "saves").glob("*/state.json"):
        values = json.loads(file.read_text())
        del values["kinds"]
        file.write_text(json.dumps(values | {"schema_version": 1}))
    resumed = job.attempt("resumed", job.work(NEVER))
    assert resumed["resumed_at_chunk"] > 0
    assert not mixtures(resumed)


def test_half_a_save_point_is_never_seen(job: Job) -> None:
    job.stopped_at(9, NEVER, save=True)
    (last,) = save_folders(job)
    shutil.copytree(last, last.with_name(".rushes-0123456789abcdef.tmp"))
    (last.with_name("000000019")).mkdir()  # as if its files had not been written
    assert job.attempt("resumed", job.work(NEVER))["resumed_at_chunk"] == int(last.name)


def test_what_is_saved_is_told_to_whoever_wants_to_carry_it_away(job: Job) -> None:
    told: list[str] = []
    work = Work(
        job.folder / "work", SavePolicy(every_chunks=5), lambda folder: told.append(folder.name)
    )
    manifest = job.attempt("whole", work)
    assert told == ["000000005", "000000010", "000000015", "000000020"][: len(told)]
    assert manifest["save_points"] == len(told) > 2
    values = json.loads((job.folder / "work" / "saves" / told[-1] / "state.json").read_text())
    assert values["next_chunk"] == int(told[-1])


def test_saving_takes_no_more_than_its_share_of_the_time() -> None:
    policy = SavePolicy(every_seconds=10, max_share=0.05)
    assert not policy.is_due(chunks=99, seconds=9, last_cost_seconds=0.1)
    assert policy.is_due(chunks=1, seconds=10, last_cost_seconds=0.1)
    assert not policy.is_due(chunks=99, seconds=59, last_cost_seconds=3)
    assert policy.is_due(chunks=1, seconds=60, last_cost_seconds=3)


@pytest.mark.parametrize(("chunk", "stream_batch"), [(1, True), (12, True), (12, False)], ids=str)
def test_renders_by_upstreams_rules_are_resumed_too(
    tmp_path: Path, pipeline: Pipeline, chunk: int, stream_batch: bool
) -> None:
    job = make_job(tmp_path, pipeline, profile="upstream", stream_batch=stream_batch)
    undisturbed = job.attempt("whole", None)
    job.stopped_at(chunk, NEVER, save=True)
    resumed = job.attempt("resumed", job.work(NEVER))
    assert chunk <= resumed["resumed_at_chunk"] <= chunk + 1
    assert resumed["frames_sha256"] == undisturbed["frames_sha256"]
    assert job.result("resumed").read_bytes() == job.result("whole").read_bytes()
    sheets = [job.result(name).with_name("out.mp4.png") for name in ("resumed", "whole")]
    assert sheets[0].read_bytes() == sheets[1].read_bytes()


def test_a_full_disk_is_told_with_the_name_of_the_save_point(
    tmp_path: Path, pipeline: Pipeline
) -> None:
    job = make_job(tmp_path, pipeline)
    with largest_file(40_000), pytest.raises(WriteError, match=r"saves/\d+: .*the disk is full"):
        job.attempt("full", job.work(ALWAYS))
