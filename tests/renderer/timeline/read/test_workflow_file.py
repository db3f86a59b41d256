"""Workflow files: read into the same model as timelines."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from rushes.timeline.document import Prompt
from rushes.timeline.read.load import LoadedTimeline, parse_timeline

PROMPTS = [{"text": "a paper boat", "weight": 1.0}]


def pipeline(name: str = "streamdiffusionv2", **more: Any) -> dict[str, Any]:
    return {"pipeline_id": name, "source": {"type": "builtin"}, "loras": [], "params": {}} | more


def workflow(*pipelines: Any, **more: Any) -> dict[str, Any]:
    return {
        "format": "scope-workflow",
        "format_version": "1.0",
        "metadata": {"name": "Boats", "created_at": "", "scope_version": "0.2.4"},
        "pipelines": list(pipelines or (pipeline(role="main"),)),
        "prompts": PROMPTS,
    } | more


def entry(start: Any, end: Any, text: str = "a paper boat", **more: Any) -> dict[str, Any]:
    return {"start_time": start, "end_time": end, "prompts": [{"text": text}]} | more


def load(data: Any, **options: Any) -> LoadedTimeline:
    return parse_timeline(json.dumps(data), **options)


def found(loaded: LoadedTimeline, severity: str) -> list[str]:
    return [problem.path for problem in loaded.problems if problem.severity == severity]


def test_entries_and_parameters_are_read() -> None:
    params = {
        "height": 480,
        "width": 832,
        "denoising_step_list": [700, 500],
        "noise_scale": 0.8,
        "noise_controller": False,
        "manage_cache": False,
        "input_mode": "video",
        "base_seed": 9,
        "vae_type": "wan",
        "quantization": None,
    }
    entries = [entry(0, 4), entry(4, 8.5, "a red boat", transition_steps=2)]
    data = workflow(
        pipeline(role="main", params=params),
        timeline={"entries": entries},
        interpolation_method="slerp",
        transition_steps=3,
        temporal_interpolation_method="linear",
    )
    loaded = load(data)
    timeline = loaded.require()
    assert loaded.problems == ()
    assert timeline.name == "Boats"
    assert [(b.start, b.end) for b in timeline.blocks] == [(0, 4_000_000), (4_000_000, 8_500_000)]
    assert timeline.blocks[1].transition_steps == 2
    assert (timeline.transition_steps, timeline.transition_method) == (3, "linear")
    assert timeline.spatial_method == "slerp"
    settings = timeline.settings
    assert (settings.height, settings.width, settings.seed) == (480, 832, 9)
    assert (settings.denoising_steps, settings.noise_scale) == ((700, 500), 0.8)


def test_the_transition_of_a_silent_file_takes_four_chunks() -> None:
    timeline = load(workflow()).require()
    assert (timeline.transition_steps, timeline.transition_method) == (4, "slerp")


def test_without_a_timeline_the_prompts_last_as_long_as_the_job() -> None:
    (block,) = load(workflow(timeline=None)).require().blocks
    assert (block.start, block.end, block.prompts) == (0, None, (Prompt("a paper boat", 1.0),))


def test_a_prompt_that_only_the_graph_holds_is_found() -> None:
    graph = {
        "nodes": [{"id": "sd", "type": "pipeline", "pipeline_id": "streamdiffusionv2"}],
        "edges": [],
        "ui_state": {"node_params": {"sd": {"__prompt": "a blue boat"}}},
    }
    timeline = load(workflow(prompts=None, graph=graph)).require()
    assert timeline.blocks[0].prompts == (Prompt("a blue boat"),)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"pipelines": []}, "pipelines"),
        ({"pipelines": None}, "pipelines"),
        ({"pipelines": "all"}, "pipelines"),
        ({"pipelines": [7]}, "pipelines[0]"),
        ({"pipelines": [{"params": {}}]}, "pipelines[0].pipeline_id"),
        ({"pipelines": [pipeline("mystery")]}, "pipelines[0].pipeline_id"),
        ({"pipelines": [pipeline(role="boss")]}, "pipelines[0].role"),
        ({"pipelines": [pipeline(params={"noise_scale": 2})]}, "pipelines[0].params.noise_scale"),
        ({"pipelines": [pipeline(params={"height": 512})]}, "pipelines[0].params"),
        ({"prompts": None}, "prompts"),
        ({"prompts": [{"text": ""}]}, "prompts"),
        ({"timeline": {"entries": [entry(2, 1)]}}, "timeline.entries[0].end_time"),
        ({"timeline": {"entries": [{"start_time": 0}]}}, "timeline.entries[0].end_time"),
        ({"timeline": [entry(0, 1)]}, "timeline"),
        ({"format_version": "2.0"}, "format_version"),
        ({"transition_steps": -1}, "transition_steps"),
        ({"interpolation_method": "cubic"}, "interpolation_method"),
        ({"metadata": {"name": 5}}, "metadata.name"),
    ],
    ids=str,
)
def test_a_fault_is_refused_with_its_path(change: dict[str, Any], path: str) -> None:
    assert path in found(load(workflow() | change), "error")


def test_stages_around_the_main_pipeline_are_errors_but_for_more_frames() -> None:
    data = workflow(
        pipeline("video-depth-anything", role="preprocessor"),
        pipeline(role="main"),
        pipeline("rife", role="postprocessor"),
        pipeline("passthrough", role="postprocessor"),
    )
    loaded = load(data)
    assert found(loaded, "error") == ["pipelines[0].pipeline_id"]
    assert found(loaded, "warning") == ["pipelines[2].pipeline_id"]


def test_without_roles_the_first_generating_pipeline_is_the_main_one() -> None:
    params = {"base_seed": 9}
    loaded = load(workflow(pipeline("passthrough"), pipeline(params=params), pipeline("blur")))
    assert loaded.require().settings.seed == 9
    assert found(loaded, "note") == ["pipelines[2]"]


def test_without_roles_and_graph_what_stands_before_the_main_pipeline_feeds_it() -> None:
    loaded = load(workflow(pipeline("depth"), pipeline()))
    assert found(loaded, "error") == ["pipelines[0].pipeline_id"]


def node(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": kind} | more


def graph(*nodes: dict[str, Any]) -> dict[str, Any]:
    """Chain the nodes one after another."""
    edges = [{"from": a["id"], "to_node": b["id"], "kind": "stream"} for a, b in pairwise(nodes)]
    return {"nodes": list(nodes), "edges": edges}


SOURCE, SINK = node("in", "source"), node("out", "sink")
MAIN = node("sd", "pipeline", pipeline_id="streamdiffusionv2")


@pytest.mark.parametrize(
    ("inner", "blocking"),
    [
        ([MAIN], []),
        ([MAIN, node("pass", "pipeline", pipeline_id="passthrough")], []),
        ([node("depth", "pipeline", pipeline_id="depth"), MAIN], ["depth"]),
        ([MAIN, node("blur", "node", node_type_id="blur")], ["blur"]),
        ([MAIN, node("sd2", "pipeline", pipeline_id="streamdiffusionv2")], ["sd2"]),
    ],
    ids=["alone", "passthrough", "before", "custom node", "twice"],
)
def test_nodes_on_the_pictures_way_are_errors(
    inner: list[dict[str, Any]], blocking: list[str]
) -> None:
    for nodes in ([SOURCE, *inner, SINK], [*inner, SINK]):
        loaded = load(workflow(graph=graph(*nodes)))
        errors = [problem for problem in loaded.problems if problem.severity == "error"]
        assert [problem.value for problem in errors] == blocking


def test_nodes_beside_the_pictures_way_are_let_be() -> None:
    chain = graph(SOURCE, MAIN, SINK)
    chain["nodes"].append(node("meter", "node"))
    chain["edges"].append({"from": "sd", "to_node": "meter", "kind": "stream"})
    assert load(workflow(graph=chain)).problems == ()


def test_a_flag_allows_a_newer_format() -> None:
    assert load(workflow(format_version="2.0"), allow_version=True).ok


def test_ext_is_read_at_the_top_and_in_entries() -> None:
    data = workflow(
        timeline={"entries": [entry(0, 1, ext={"params": {"seed": 5}})]},
        ext={"schema": 1, "prefix": "film grain"},
    )
    timeline = load(data).require()
    assert timeline.blocks[0].seed == 5
    assert timeline.ext.prefix == "film grain"
