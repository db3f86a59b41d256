"""The published timelines and the hand-written edge and invalid files get the answers they should.

The files stay in ``$DATA_DIR/timelines``; without that folder these tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from checkout import ROOT
from rushes.errors import TimelineError
from rushes.presets.default import preset_of
from rushes.presets.preset import load_preset
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.planner import plan_render
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.read.load import LoadedTimeline, load_timeline

FOLDER = Path(os.environ.get("DATA_DIR", ROOT.parent / "shared" / "data")) / "timelines"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no sample files in {FOLDER}")


@dataclass
class Answer:
    """What a file must be answered with: problems in part, and the plan at default settings.

    ``starts`` are (block, chunk, first frame) where a block takes effect.
    """

    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    starts: tuple[tuple[int, int, int], ...] | None = None
    num_frames: int | None = None
    plan_warnings: tuple[str, ...] = field(default=())


def cuts(*pairs: tuple[int, int]) -> tuple[tuple[int, int, int], ...]:
    return tuple((index, *pair) for index, pair in enumerate(pairs))


def longer_cuts(*chunks: int) -> tuple[tuple[int, int, int], ...]:
    """Where blocks take effect in text mode of a model that makes 9 frames, then 12 at a time."""
    return tuple((index, chunk, chunk and 12 * chunk - 3) for index, chunk in enumerate(chunks))


BIAS = "settings.kvCacheAttentionBias: "

ACCEPTED = {
    "timeline-evolution.json": Answer(
        starts=cuts((0, 0), (18, 73), (37, 149), (51, 205), (73, 293)), num_frames=458
    ),
    "timeline-feline.json": Answer(
        starts=cuts((0, 0), (19, 77), (41, 165), (60, 241), (80, 321)), num_frames=389
    ),
    "timeline-prey.json": Answer(
        starts=cuts((0, 0), (20, 81), (49, 197), (79, 317)), num_frames=493
    ),
    "timeline-factory.json": Answer(starts=longer_cuts(0, 16, 30)),
    "timeline-panda.json": Answer(starts=longer_cuts(0, 16, 33)),
    "timeline-krea-abstract-shape.json": Answer(starts=longer_cuts(0, 18, 42), num_frames=910),
    "timeline-krea-flower-bloom.json": Answer(starts=longer_cuts(0, 16, 33), num_frames=630),
    "timeline-krea-flower-bloom-low-res.json": Answer(num_frames=630),
    "timeline-memflow-beekeeper.json": Answer((BIAS,), starts=longer_cuts(0, 7), num_frames=179),
    "timeline-memflow-detective.json": Answer((BIAS,), num_frames=179),
    "timeline-reward-forcing-ink.json": Answer((BIAS,), starts=longer_cuts(0, 10), num_frames=261),
    "timeline-reward-forcing-melt.json": Answer((BIAS,), starts=longer_cuts(0, 8), num_frames=253),
    "0.31bias.json": Answer(num_frames=160),
    "edge/gap.json": Answer(
        notes=("gap 4 s … 6.5 s, the prompts of block 0 hold",), starts=cuts((0, 0), (26, 105))
    ),
    "edge/overlap.json": Answer(
        ("prompts[1].startTime: ", "prompts[2].startTime: "),
        starts=cuts((0, 0), (24, 97)),
        plan_warnings=("prompts[2]: is never shown",),
    ),
    "edge/negative-times.json": Answer(
        ("prompts[0]: ", "prompts[1].startTime: "), starts=((1, 0, 0), (2, 16, 65)), num_frames=128
    ),
    "edge/zero-length-and-tiny-blocks.json": Answer(
        notes=("prompts[1]: has no length",),
        starts=((0, 0, 0), (3, 12, 49)),
        plan_warnings=("prompts[2]: is never shown",),
    ),
    "edge/unsorted-blocks.json": Answer(
        ("prompts[1].startTime: ",), starts=((1, 0, 0), (2, 12, 49), (0, 24, 97)), num_frames=144
    ),
    "edge/weights-zero.json": Answer(("prompts[1].prompts: ",)),
    "edge/resolution-not-multiple-of-16.json": Answer(("rendered as 496 x 1008",)),
    "edge/transition-one-step-and-return.json": Answer(
        starts=cuts((0, 0), (16, 65), (32, 129), (48, 193), (64, 257), (66, 265))
    ),
    "edge/v1-shape.json": Answer(notes=("prompts[2]: has no length",), num_frames=128),
    "edge/noise-scale-extremes.json": Answer(plan_warnings=("[-50, 750, 500, 250]",)),
    "edge/blocks-10000.json": Answer(
        num_frames=40_000,
        plan_warnings=("prompts[3067]: is never shown", "prompts[7156]: is never shown"),
    ),
}

# What is named and not at hand, or cannot run here, is an error: the picture would be another.
NOT_AT_HAND = {
    "edge/v21-schema-overrides.json": ["settings.loras[0].path: paper_style.safetensors"],
    "workflow/timeline-linear.scope-workflow.json": [
        "pipelines[0].loras[0].filename: paper_style.safetensors"
    ],
    "workflow/vace-chain.scope-workflow.json": [
        'pipelines[0].pipeline_id: "video-depth-anything" cannot run here'
    ],
    "workflow/legacy-no-roles.scope-workflow.json": [
        "pipelines[0].loras[0].filename: paper_style.safetensors"
    ],
}

REFUSED = {
    "truncated.json": ["is not JSON: Invalid control character at line 35, column 5"],
    "nan-and-infinity.json": [
        "prompts[0].endTime: is not a finite number",
        "prompts[1].endTime: is not a finite number",
        "prompts[2].endTime: is not a finite number",
        "prompts[2].prompts[0].weight: is not a finite number",
    ],
    "deep-nesting.json": ["is not usable JSON"],
    "prompts-not-an-array.json": ["prompts: must be an array"],
    "wrong-types.json": [
        "version: must be a string",
        "prompts[2]: must be an object",
        "prompts[3]: must be an object",
        "prompts[0].startTime: must be a number",
        "prompts[0].prompts[0].weight: must be a number",
        "prompts[1].prompts[0]: must be an object",
        "settings.noiseScale: must be a number",
        "settings.seed: must be an integer of at least 0",
        "settings.manageCache: must be true or false",
    ],
    "end-before-start.json": ["prompts[1].endTime: 5 s is before its start 8 s"],
    "empty-prompts.json": ["prompts[1]: has no prompt text", "prompts[2]: has no prompt text"],
    "v1-text-lost.json": ["prompts[0]: has no prompt text", "prompts[2]: has no prompt text"],
    "weight-negative.json": ["prompts[0].prompts[0].weight: must be a number of at least 0"],
    "denoising-steps-empty.json": ["settings.denoisingSteps: is empty"],
    "denoising-steps-increasing.json": ["settings.denoisingSteps: must strictly decrease"],
    "resolution-zero.json": [
        "settings.resolution.height: is 7",
        "settings.resolution.width: is 0",
    ],
    "unknown-pipeline.json": ["settings.pipelineId: "],
    "wrong-version.json": ['version: "3.0" is newer'],
}


def texts(loaded: LoadedTimeline, severity: str) -> list[str]:
    return [str(problem) for problem in loaded.problems if problem.severity == severity]


def entries(plan: RenderPlan) -> tuple[tuple[int, int, int], ...]:
    found: list[tuple[int, int, int]] = []
    for chunk in plan.chunks:
        if not found or found[-1][0] != chunk.prompt_block:
            found.append((chunk.prompt_block, chunk.index, chunk.first_frame))
    return tuple(found)


def assert_match(found: list[str], wanted: tuple[str, ...]) -> None:
    """Each wanted part occurs in one text, and no text is unexpected."""
    assert len(found) == len(wanted), found
    for part in wanted:
        assert any(part in text for text in found), (part, found)


@pytest.mark.parametrize("name", ACCEPTED)
def test_file_is_accepted_with_its_remarks(name: str) -> None:
    answer = ACCEPTED[name]
    loaded = load_timeline(FOLDER / name)
    timeline = loaded.require()
    assert_match(texts(loaded, "warning"), answer.warnings)
    assert_match(texts(loaded, "note"), answer.notes)
    preset = preset_of(timeline.settings.pipeline_id)
    plan = plan_render(timeline, PlanOptions(), load_preset(preset))
    assert_match(list(plan.warnings[len(timeline.warnings) :]), answer.plan_warnings)
    if answer.starts is not None:
        assert entries(plan) == answer.starts
    assert answer.num_frames in (None, plan.num_frames)


@pytest.mark.parametrize("name", REFUSED)
def test_file_is_refused_with_all_its_faults(name: str) -> None:
    found = texts(load_timeline(FOLDER / "invalid" / name), "error")
    assert len(found) == len(REFUSED[name]), found
    assert all(text.startswith(part) for text, part in zip(found, REFUSED[name], strict=True))


@pytest.mark.parametrize("name", NOT_AT_HAND)
def test_what_is_not_at_hand_is_an_error(name: str) -> None:
    found = texts(load_timeline(FOLDER / name), "error")
    assert len(found) == len(NOT_AT_HAND[name]), found
    assert all(text.startswith(part) for text, part in zip(found, NOT_AT_HAND[name], strict=True))


def without(name: str, tmp_path: Path, *, key: str) -> Path:
    """Write a file anew without what is not at hand."""
    document = json.loads((FOLDER / name).read_text())
    for part in [document.get("settings", {}), *document.get("pipelines", [])]:
        part.pop(key, None)
    if key == "role":
        document["pipelines"] = [
            part for part in document["pipelines"] if part["pipeline_id"] == "streamdiffusionv2"
        ]
    path = tmp_path / "without.json"
    path.write_text(json.dumps(document))
    return path


def test_a_linear_workflow_is_planned_once_its_lora_is_out(tmp_path: Path) -> None:
    file = without("workflow/timeline-linear.scope-workflow.json", tmp_path, key="loras")
    plan = plan_render(load_timeline(file).require(), PlanOptions(), load_preset("tiny"))
    assert entries(plan) == cuts((0, 0), (18, 73), (37, 149))


# The workflows that Scope's page starts with: why none of them can be rendered yet.
STARTERS = {
    "camera-check": "there is nothing to render",
    "dissolving-sunflower-depth": 'node "video-depth-anything" cannot run here',
    "dissolving-sunflower-depth-rife": 'node "video-depth-anything" cannot run here',
    "ltx-example": '"ltx2": LTX-2 is another architecture, not a Wan model',
    "ltx-example-2": '"ltx2": LTX-2 is another architecture, not a Wan model',
    "mythical-creature": "diffslime_acidzlime-000016.safetensors is not on this machine",
    "mythical-creature-rife": "daydream-scope-dissolve.safetensors is not on this machine",
}


@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_workflow_is_refused_with_its_reason(name: str) -> None:
    loaded = load_timeline(FOLDER / "starter" / f"{name}.scope-workflow.json")
    with pytest.raises(TimelineError, match=re.escape(STARTERS[name])):
        loaded.require()


def test_every_file_of_the_folder_is_named_here() -> None:
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.json")}
    starters = {f"starter/{name}.scope-workflow.json" for name in STARTERS}
    assert (
        files
        == ACCEPTED.keys() | NOT_AT_HAND.keys() | {f"invalid/{name}" for name in REFUSED} | starters
    )


def test_ten_thousand_blocks_restart_every_1022_chunks() -> None:
    timeline = load_timeline(FOLDER / "edge" / "blocks-10000.json").require()
    plan = plan_render(timeline, PlanOptions(), load_preset("tiny"))
    assert len(plan.chunks) == 9998
    assert [chunk.index for chunk in plan.chunks if chunk.reset] == list(range(0, 9998, 1022))


def test_overrides_of_the_pipelines_own_fields_are_honoured(tmp_path: Path) -> None:
    file = without("edge/v21-schema-overrides.json", tmp_path, key="loras")
    loaded = load_timeline(file)
    timeline = loaded.require()
    assert_match(
        texts(loaded, "note"),
        ("schemaFieldOverrides.height", "settings.somethingNew, unknownTopLevel"),
    )
    plan = plan_render(timeline, PlanOptions(), load_preset("tiny"))
    assert (plan.seed, plan.vae_type, plan.width, plan.height) == (1234, "tae", 512, 512)


def test_a_control_video_makes_a_workflow_run_in_text_mode(tmp_path: Path) -> None:
    file = without("workflow/vace-chain.scope-workflow.json", tmp_path, key="role")
    timeline = load_timeline(file).require()
    plan = plan_render(timeline, PlanOptions(), load_preset("tiny"))
    assert (plan.mode, plan.takes_input, plan.input_is_control) == ("text", True, True)
    assert {chunk.steering and chunk.steering.scale for chunk in plan.chunks} == {0.5}
    assert plan.spatial_method == "slerp"
    assert plan.chunks[0].noise_scale is None
