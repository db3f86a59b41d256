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
