"""Images and clips that documents name: used where they are at hand, else an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rushes.timeline.document import Images
from rushes.timeline.read.load import LoadedTimeline, load_timeline

AUTHORS = "/home/ann/.daydream-scope/assets/"


def timeline(**settings: Any) -> dict[str, Any]:
    blocks = [
        {"startTime": 2, "endTime": 4, "text": "a boat"},
        {"startTime": 0, "endTime": 2, "text": "a shore"},
    ]
    return {"version": "2.1", "prompts": blocks, "settings": {"inputMode": "text"} | settings}


def workflow(graph: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    main = {"pipeline_id": "streamdiffusionv2", "params": {"input_mode": "text"} | params}
    document = {
        "format": "scope-workflow",
        "format_version": "1.0",
        "metadata": {"name": "t"},
        "pipelines": [main],
        "prompts": [{"text": "a boat", "weight": 1}],
    }
    return document | ({"graph": graph} if graph else {})


def graph(*page: tuple[str, str, dict[str, Any]], **source: Any) -> dict[str, Any]:
    """A main node and a sink; page nodes of (id, port of what they end at, data)."""
    nodes: list[dict[str, Any]] = [
        {"id": "sd", "type": "pipeline", "pipeline_id": "streamdiffusionv2"},
        {"id": "out", "type": "sink"},
    ]
    edges = [{"from": "sd", "to_node": "out", "kind": "stream"}]
    if source:
        port = source.pop("port", "video")
        nodes.append({"id": "in", "type": "source"} | source)
        edges.append({"from": "in", "to_node": "sd", "to_port": port, "kind": "stream"})
    state = {
        "nodes": [{"id": name, "type": data["nodeType"], "data": data} for name, _, data in page],
        "edges": [
            {
                "source": name,
                "target": port.partition(".")[0],
                "targetHandle": f"param:{port.partition('.')[2]}",
            }
            for name, port, _ in page
        ],
    }
    return {"nodes": nodes, "edges": edges, "ui_state": state}


def vace(**images: str) -> tuple[str, str, dict[str, Any]]:
    empty = {"vaceRefImage": "", "vaceFirstFrame": "", "vaceLastFrame": "", "vaceVideo": ""}
    return "vace", "sd.__vace", {"nodeType": "vace", **empty, **images}


def image(port: str, name: str = "ref.png") -> tuple[str, str, dict[str, Any]]:
    return "picture", port, {"nodeType": "image", "imagePath": AUTHORS + name}


def load(folder: Path, document: dict[str, Any]) -> LoadedTimeline:
    path = folder / "t.json"
    path.write_text(json.dumps(document))
    return load_timeline(path)


def errors(loaded: LoadedTimeline) -> list[str]:
    return [str(problem) for problem in loaded.problems if problem.severity == "error"]


REF = AUTHORS + "ref.png"
NAMED = {
    "settings": timeline(refImages=[REF]),
    "overrides": timeline(schemaFieldOverrides={"vace_ref_images": [REF]}),
    "params": workflow(vace_ref_images=[REF]),
    "one text": workflow(vace_ref_images=REF),
    "vace node": workflow(graph(vace(vaceRefImage=REF))),
    "image node of a vace node": workflow(graph(vace(), image("vace.ref_image"))),
    "image node": workflow(graph(image("sd.vace_ref_images"))),
    "node params": workflow(
        graph() | {"ui_state": {"node_params": {"sd": {"vace_ref_images": [REF]}}}}
    ),
    "windows": workflow(vace_ref_images=["C:\\Users\\ann\\ref.png"]),
}


@pytest.mark.parametrize("kind", NAMED)
def test_a_reference_is_an_error_until_it_lies_beside_the_file(tmp_path: Path, kind: str) -> None:
    loaded = load(tmp_path, NAMED[kind])
    assert len(errors(loaded)) == 1
    assert (
        "ref.png steers the render and is not here; copy it beside this file" in errors(loaded)[0]
    )
    (tmp_path / "ref.png").write_bytes(b"x")
    blocks = load(tmp_path, NAMED[kind]).require().blocks
    first = min(blocks, key=lambda block: block.start)
    assert first.images == Images(references=("ref.png",))
    assert all(block.images == Images() for block in blocks if block is not first)


def test_a_folder_of_assets_beside_the_file_is_searched(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "ref.png").write_bytes(b"x")
    block = load(tmp_path, workflow(vace_ref_images=[REF])).require().blocks[0]
    assert block.images.references == ("assets/ref.png",)


@pytest.mark.parametrize(
    "document",
    [
        timeline(firstFrameImage="a.png", lastFrameImage="b.png"),
        workflow(first_frame_image="/x/a.png", last_frame_image="/x/b.png"),
        workflow(graph(vace(vaceFirstFrame="/x/a.png", vaceLastFrame="/x/b.png"))),
    ],
)
def test_first_and_last_images_likewise(tmp_path: Path, document: dict[str, Any]) -> None:
    assert len(errors(load(tmp_path, document))) == 2
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"x")
    blocks = load(tmp_path, document).require().blocks
    images = min(blocks, key=lambda block: block.start).images
    assert (images.first_frame, images.last_frame) == ("a.png", "b.png")


@pytest.mark.parametrize(
    "document",
    [
        workflow(vace_video_path="/x/depth.mp4"),
        workflow(graph(vace(vaceVideo="/x/depth.mp4"))),
        workflow(graph(vace(), image("vace.video", "depth.mp4"))),
    ],
)
def test_a_control_clip_likewise(tmp_path: Path, document: dict[str, Any]) -> None:
    assert len(errors(load(tmp_path, document))) == 1
    (tmp_path / "depth.mp4").write_bytes(b"x")
    assert load(tmp_path, document).require().ext.control.video == "depth.mp4"


@pytest.mark.parametrize(
    "document",
    [
        timeline(refImages=[REF], vaceEnabled=False),
        workflow(vace_enabled=False, vace_ref_images=[REF]),
        workflow(graph(vace(vaceRefImage=REF)), vace_enabled=False),
    ],
)
def test_images_of_a_vace_that_is_off_are_noted_only(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    loaded = load(tmp_path, document)
    assert all(block.images == Images() for block in loaded.require().blocks)
    assert any("VACE is switched off" in str(problem) for problem in loaded.problems)


def test_a_blocks_own_images_count_more(tmp_path: Path) -> None:
    document = timeline(refImages=[REF]) | {"ext": {"schema": 1}}
    document["prompts"][1]["ext"] = {"vace": {"ref_images": ["mine.png"]}}
    (tmp_path / "ref.png").write_bytes(b"x")
    blocks = load(tmp_path, document).require().blocks
    assert blocks[1].images.references == ("mine.png",)


def test_a_node_that_moves_a_value_is_an_error(tmp_path: Path) -> None:
    node = ("lfo", "sd.noise_scale", {"nodeType": "control"})
    loaded = load(tmp_path, workflow(graph(node)))
    assert "moves noise_scale while it plays" in errors(loaded)[0]
    assert not errors(load(tmp_path, workflow(graph(("s", "sd.x", {"nodeType": "slider"})))))


def test_a_lora_that_only_the_graph_has_is_looked_for(tmp_path: Path) -> None:
    loras = [{"path": "/x/ink.safetensors", "scale": 0.5}]
    node = ("l", "sd.__loras", {"nodeType": "lora", "loras": loras})
    assert (
        "ink.safetensors is not on this machine" in errors(load(tmp_path, workflow(graph(node))))[0]
    )
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "ink.safetensors").write_bytes(b"x")
    settings = load(tmp_path, workflow(graph(node))).require().settings
    assert [(lora.name, lora.scale) for lora in settings.loras] == [("ink.safetensors", 0.5)]


@pytest.mark.parametrize(("port", "is_control"), [("video", False), ("vace_input_frames", True)])
def test_the_clip_of_a_source_is_the_input(tmp_path: Path, port: str, is_control: bool) -> None:
    source = {"source_mode": "video_file", "source_name": "/home/ann/cat.mp4", "port": port}
    loaded = load(tmp_path, workflow(graph(**source), input_mode="video"))
    assert loaded.require().ext.input == "cat.mp4"
    assert any("cat.mp4 is not beside this file" in str(problem) for problem in loaded.problems)
    (tmp_path / "cat.mp4").write_bytes(b"x")
    loaded = load(tmp_path, workflow(graph(**source), input_mode="video"))
    assert not [problem for problem in loaded.problems if problem.severity != "note"]
    settings = loaded.require().settings
    assert bool(settings.vace_enabled and settings.vace_use_input_video) is is_control


def test_the_newer_spelling_of_nodes_is_read(tmp_path: Path) -> None:
    document = workflow(width=96, height=96)
    document["nodes"] = document.pop("pipelines")
    document["nodes"][0]["node_type_id"] = document["nodes"][0].pop("pipeline_id")
    loaded = load(tmp_path, document | {"format_version": "1.1"})
    assert loaded.problems == ()
    assert loaded.require().settings.pipeline_id == "streamdiffusionv2"
    page = {
        "nodes": [{"id": "n", "type": "node", "node_type_id": "streamdiffusionv2"}],
        "edges": [],
    }
    assert load(tmp_path, document | {"graph": page}).ok


MAIN = {"id": "sd", "type": "pipeline", "pipeline_id": "streamdiffusionv2"}
DEPTH = {"id": "d", "type": "pipeline", "pipeline_id": "video-depth-anything"}
REROUTE = {"nodeType": "reroute"}


def wired(*nodes: tuple[str, dict[str, Any]], edges: list[tuple[str, str]]) -> dict[str, Any]:
    """A main node and page nodes, with an edge of a parameter for each pair of names."""
    state = {
        "nodes": [{"id": name, "data": data} for name, data in nodes],
        "edges": [
            {"source": a, "target": b.split(".")[0], "targetHandle": f"param:{b.split('.')[1]}"}
            for a, b in edges
        ],
    }
    return workflow({"nodes": [MAIN], "edges": [], "ui_state": state})


def fed(*edges: dict[str, Any], nodes: tuple[dict[str, Any], ...] = (DEPTH,)) -> dict[str, Any]:
    last = {"from": "sd", "to_node": "out", "kind": "stream"}
    return workflow(
        {"nodes": [*nodes, MAIN, {"id": "out", "type": "sink"}], "edges": [*edges, last]}
    )


VACE = {"nodeType": "vace", "vaceRefImage": REF}
PICTURE = {"nodeType": "image", "imagePath": REF}
REACHED: dict[str, dict[str, Any]] = {
    "image, reroute, vace": wired(
        *(("v", {"nodeType": "vace"}), ("i", PICTURE), ("r", REROUTE)),
        edges=[("i", "r.value"), ("r", "v.ref_image"), ("v", "sd.__vace")],
    ),
    "image, two reroutes": wired(
        *(("i", PICTURE), ("r", REROUTE), ("q", REROUTE)),
        edges=[("i", "r.value"), ("r", "q.value"), ("q", "sd.first_frame_image")],
    ),
    "vace, reroute": wired(
        ("v", VACE), ("r", REROUTE), edges=[("v", "r.value"), ("r", "sd.__vace")]
    ),
    "text of a primitive": wired(
        *(("v", {"nodeType": "vace"}), ("p", {"nodeType": "primitive", "value": REF})),
        edges=[("p", "v.first_frame"), ("v", "sd.__vace")],
    ),
}


@pytest.mark.parametrize("kind", REACHED)
def test_a_picture_is_found_behind_other_nodes(tmp_path: Path, kind: str) -> None:
    assert "ref.png steers the render" in errors(load(tmp_path, REACHED[kind]))[0]
    (tmp_path / "ref.png").write_bytes(b"x")
    assert load(tmp_path, REACHED[kind]).require().blocks[0].images.files == ("ref.png",)


def test_a_circle_of_reroutes_ends(tmp_path: Path) -> None:
    document = wired(
        *(("q", REROUTE), ("r", REROUTE)),
        edges=[("q", "r.value"), ("r", "q.value"), ("r", "sd.first_frame_image")],
    )
    assert load(tmp_path, document).ok


def test_the_strength_of_a_vace_node_counts(tmp_path: Path) -> None:
    document = wired(("v", VACE | {"vaceContextScale": 0.4}), edges=[("v", "sd.__vace")])
    (tmp_path / "ref.png").write_bytes(b"x")
    assert load(tmp_path, document).require().settings.vace_context_scale == 0.4


MOVED: dict[str, dict[str, Any]] = {
    "through mathematics": wired(
        *(("c", {"nodeType": "control"}), ("m", {"nodeType": "math"})),
        edges=[("c", "m.a"), ("m", "sd.noise_scale")],
    ),
    "by a pipeline": fed(
        {"from": "d", "to_node": "sd", "to_port": "__prompt", "kind": "parameter"}
    ),
}


@pytest.mark.parametrize("kind", MOVED)
def test_what_moves_a_parameter_from_farther_off_is_an_error(tmp_path: Path, kind: str) -> None:
    assert "while it plays, which cannot be followed here" in errors(load(tmp_path, MOVED[kind]))[0]


SOURCE = {"id": "s", "type": "source"}
FEEDING: dict[str, tuple[dict[str, Any], str]] = {
    "from_node": (
        fed({"from_node": "d", "to_node": "sd", "to_port": "vace_input_frames"}),
        "cannot run here",
    ),
    "the page's edges": (
        fed({"source": "d", "target": "sd", "targetHandle": "stream:vace_input_frames"}),
        "cannot run here",
    ),
    "the page's nodes": (
        fed(
            {"from": "d", "to_node": "sd", "kind": "stream"},
            nodes=({"id": "d", "type": "pipeline", "data": {"pipelineId": "depth"}},),
        ),
        "cannot run here",
    ),
    "frames in between before": (
        fed({"from": "d", "to_node": "sd"}, nodes=(DEPTH | {"pipeline_id": "rife"},)),
        "cannot run here",
    ),
    "a mask": (
        fed({"from": "s", "to_node": "sd", "to_port": "vace_input_masks"}, nodes=(SOURCE,)),
        "give it with --mask",
    ),
    "input and VACE": (
        fed(
            {"from": "s", "to_node": "sd", "to_port": "video"},
            {"from": "s", "to_node": "sd", "to_port": "vace_input_frames"},
            nodes=(SOURCE,),
        ),
        "feeds VACE beside the input",
    ),
    "a node without id": (fed(nodes=({"type": "pipeline"},)), "without an id"),
    "another main node": (
        workflow(
            {
                "nodes": [DEPTH, {"id": "x", "pipeline_id": "krea"}],
                "edges": [{"from": "d", "to_node": "x"}],
            }
        ),
        'has no node of "streamdiffusionv2"',
    ),
    "listed without a graph": (workflow() | {"nodes": [{"node_type_id": "depth"}]}, "cannot run"),
}


@pytest.mark.parametrize("kind", FEEDING)
def test_what_feeds_the_main_node_is_found_in_every_spelling(tmp_path: Path, kind: str) -> None:
    document, words = FEEDING[kind]
    (error, *_) = errors(load(tmp_path, document))
    assert words in error


def test_two_clips_feed_input_and_vace(tmp_path: Path) -> None:
    clips = tuple(
        {"id": name, "type": "source", "source_mode": "video_file", "source_name": f"{name}.mp4"}
        for name in ("a", "b")
    )
    document = fed(
        {"from": "a", "to_node": "sd", "to_port": "video"},
        {"from": "b", "to_node": "sd", "to_port": "vace_input_frames"},
        nodes=clips,
    )
    settings = load(tmp_path, document).require().settings
    assert (settings.input_video, settings.control_video) == ("a.mp4", "b.mp4")


def test_a_beat_that_is_not_followed_is_a_warning(tmp_path: Path) -> None:
    loaded = load(tmp_path, workflow({"nodes": [MAIN | {"tempo_sync": True}], "edges": []}))
    assert "tempo_sync" in loaded.require().warnings[0]


STEERING: dict[str, dict[str, Any]] = {
    "identifier of an image": workflow(i2v_image="8d4f"),
    "file under a harmless key": workflow(style="/x/y.png"),
    "processors": workflow(pre_processors=["depth"]),
    "chain": timeline(pipelineIds=["depth", "streamdiffusionv2"]),
    "hidden value of the page": workflow(
        {
            "nodes": [MAIN],
            "edges": [],
            "ui_state": {"node_params": {"sd": {"__vace": {"image": REF}}}},
        }
    ),
}


@pytest.mark.parametrize("kind", STEERING)
def test_unknown_keys_that_may_steer_are_errors(tmp_path: Path, kind: str) -> None:
    assert "may steer the picture" in errors(load(tmp_path, STEERING[kind]))[0]


HARMLESS: dict[str, dict[str, Any]] = {
    "about the file": workflow() | {"metadata": {"name": "t", "preview_image": "x.png"}},
    "thumbnail": workflow() | {"thumbnail": "x.png"},
    "merge mode": workflow(lora_merge_mode="runtime_peft"),
    "overrides of no stage": timeline(postprocessorSchemaFieldOverrides={"rife": {"a": 1}}),
    "one pipeline": timeline(pipelineIds=["streamdiffusionv2"]),
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_keys_that_cannot_steer_are_let_be(tmp_path: Path, kind: str) -> None:
    assert errors(load(tmp_path, HARMLESS[kind])) == []


@pytest.mark.parametrize(
    "document", [workflow(negative_prompt="ugly"), timeline(negativePrompt="ugly")]
)
def test_negative_prompts_are_a_warning(tmp_path: Path, document: dict[str, Any]) -> None:
    assert "no guidance" in load(tmp_path, document).require().warnings[-1]
