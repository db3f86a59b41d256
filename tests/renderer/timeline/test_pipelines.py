"""The pipelines that files name, and which of them can be rendered here."""

from __future__ import annotations

import pytest

from rushes.presets.preset import Preset, load_preset
from rushes.timeline.pipelines import PipelineChoice, known_pipelines
from rushes.timeline.problems import Problem, Problems

MINE = load_preset("tiny").model_copy(update={"name": "mine", "pipeline_id": "dreamer"})
NOT_OFFERED = [name for name, each in known_pipelines().items() if not each.is_offered]


def found(name: str, *, instead: str | None = None, preset: Preset | None = None) -> list[Problem]:
    problems = Problems()
    PipelineChoice(instead, preset).check("settings.pipelineId", name, problems)
    return list(problems)


def test_a_pipeline_of_a_shipped_preset_is_rendered_as_it_is() -> None:
    assert not found("streamdiffusionv2")


def test_an_unknown_one_is_an_error_that_names_those_that_are_known() -> None:
    (problem,) = found("dreamer")
    assert problem.severity == "error"
    assert "streamdiffusionv2" in problem.message


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_one_without_a_preset_is_known_but_not_rendered(name: str) -> None:
    (problem,) = found(name)
    assert problem.severity == "error"
    says = "--pipeline streamdiffusionv2" if name != "passthrough" else "there is nothing to render"
    assert says in problem.message


def test_the_pipeline_of_a_preset_of_ones_own_is_known_where_it_is_chosen() -> None:
    assert not found("dreamer", preset=MINE)


def test_a_file_of_another_pipeline_than_the_chosen_presets_is_not_rendered() -> None:
    (problem,) = found("streamdiffusionv2", preset=MINE)
    assert problem.severity == "error"
    assert "--pipeline dreamer" in problem.message


def test_who_asks_for_another_pipeline_gets_it_with_a_warning() -> None:
    (problem,) = found("streamdiffusionv2", instead="dreamer", preset=MINE)
    assert problem.severity == "warning"
    assert "rendered with dreamer" in problem.message


@pytest.mark.parametrize(
    ("name", "title"),
    [("ltx2", "LTX-2"), ("scope-ltx-2", "LTX-2"), ("ltx_video", "LTX-Video"), ("flux2", "FLUX")],
)
def test_another_architecture_is_named_as_one(name: str, title: str) -> None:
    (problem,) = found(name)
    assert f"{title} is another architecture, not a Wan model" in problem.message
