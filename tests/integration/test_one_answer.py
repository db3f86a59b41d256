"""Made-up documents: ``check``, ``plan``, ``render`` and ``submit`` give one answer to each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from farm.answers import Asker, asker
from renders.lora_files import write_lora
from renders.shots import block, timeline, write_clip, write_sound

MAIN = {"id": "m", "type": "pipeline", "pipeline_id": "streamdiffusionv2"}
HERE, GONE = "/home/ann/here.png", "/home/ann/gone.png"


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with asker(tmp_path_factory.mktemp("asked")) as asked:
        folder = asked.farm.folder
        Image.new("RGB", (64, 64), "red").save(folder / "here.png")
        (folder / "words.png").write_text("no picture" * 100)
        others = tmp_path_factory.mktemp("others")
        Image.new("RGB", (64, 64), "blue").save(others / "secret.png")
        write_sound(others / "secret.m4a")
        for name in ("secret.png", "secret.m4a"):
            (folder / name).symlink_to(others / name)
        write_clip(folder / "clip.mp4")
        write_sound(folder / "sound.m4a")
        write_lora(folder / "loras" / "film.safetensors")
        write_lora(folder / "loras" / "more.safetensors", layers=("blocks.0.self_attn.q", "te.q"))
        (folder / "loras" / "odd.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
        (folder / "loras" / "cut.safetensors").write_bytes(b"\x99\x88\0\0")
        yield asked


def shot(*blocks: dict[str, Any], ext: Any = None, **settings: Any) -> dict[str, Any]:
    blocks = blocks or (block("a boat", 0, 0.3),)
    return timeline(*blocks, **({} if ext is None else {"ext": ext}), **settings)


def workflow(graph: Any = None, **params: Any) -> dict[str, Any]:
    size = {"width": 64, "height": 64, "input_mode": "text", "vace_enabled": True}
    return {
        "format": "scope-workflow",
        "format_version": "1.1",
        "metadata": {"name": "t"},
        "pipelines": [{"pipeline_id": "streamdiffusionv2", "params": size | params}],
        "prompts": [{"text": "a boat", "weight": 1}],
        **({"graph": graph} if graph else {}),
    }


def fed_by(node: dict[str, Any], port: str, kind: str = "parameter") -> dict[str, Any]:
    edge = {"from": "i", "from_port": "out", "to_node": "m", "to_port": port, "kind": kind}
    return {"nodes": [MAIN, {"id": "i", **node}], "edges": [edge]}


def page(node: dict[str, Any], port: str) -> dict[str, Any]:
    edge = {"source": "i", "target": "m", "targetHandle": f"param:{port}"}
    state = {"nodes": [{"id": "i", "data": node}], "edges": [edge]}
    return {"nodes": [MAIN], "edges": [], "ui_state": state}


def named(node: str, at: str) -> dict[str, Any]:
    return {"type": node, "image_path": at}


FIRST = "first_frame_image"
ACCEPTED: dict[str, dict[str, Any]] = {
    "plain": shot(),
    "first frame here": shot(firstFrameImage=HERE),
    "references here": shot(refImages=[HERE, "here.png"]),
    "override here": shot(schemaFieldOverrides={"vace_ref_images": [HERE]}),
    "block's reference": shot(
        block("a", 0, 0.3, ext={"vace": {"ref_images": ["here.png"]}}), ext={"schema": 1}
    ),
    "control here": shot(ext={"control": {"input": "clip.mp4"}}),
    "sound here": shot(ext={"audio": {"uri": "sound.m4a"}}),
    "webm's codec": shot(ext={"output": {"codec": "vp9"}}),
    "LoRA here": shot(loras=[{"path": "/x/film.safetensors", "scale": 1}]),
    "clip that is not used": shot(ext={"inputs": [{"uri": "gone.mp4"}]}),
    "VACE is off": shot(vaceEnabled=False, refImages=[GONE]),
    "rife": shot(postprocessorIds=["rife"]),
    "harmless key": shot(theme="dark"),
    "workflow's picture": workflow(vace_ref_images=[HERE]),
    "node's picture": workflow(fed_by(named("image", HERE), FIRST)),
    "page's picture": workflow(page({"nodeType": "image", "imagePath": HERE}, FIRST)),
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "first frame gone": (shot(firstFrameImage=GONE), "gone.png steers"),
    "last frame gone": (shot(lastFrameImage=GONE), "gone.png steers"),
    "references gone": (shot(refImages=[HERE, GONE]), "gone.png steers"),
    "override gone": (shot(schemaFieldOverrides={"vace_ref_images": [GONE]}), "gone.png steers"),
    "block's reference gone": (
        shot(block("a", 0, 0.3, ext={"vace": {"ref_images": ["gone.png"]}}), ext={"schema": 1}),
        "gone.png: there is no such file to steer",
    ),
    "no picture": (shot(refImages=["words.png"]), "words.png"),
    "control gone": (shot(ext={"control": {"input": "gone.mp4"}}), "gone.mp4: there is no such"),
    "mask gone": (
        shot(ext={"control": {"input": "clip.mp4", "mask": "gone.mp4"}}),
        "gone.mp4: there is no such",
    ),
    "clip gone": (
        shot(ext={"inputs": [{"uri": "gone.mp4"}]}, inputMode="video"),
        "gone.mp4: there is no such input file",
    ),
    "clip without pictures": (
        shot(ext={"inputs": [{"uri": "sound.m4a"}]}, inputMode="video"),
        "holds no pictures",
    ),
    "sound gone": (
        shot(ext={"audio": {"uri": "gone.wav"}}),
        "gone.wav: there is no such sound file",
    ),
    "no sound": (shot(ext={"audio": {"uri": "here.png"}}), "here.png: holds no sound"),
    "sound of no input": (shot(ext={"audio": "input"}), "this is text to video, without one"),
    "sound outside": (shot(ext={"audio": {"uri": "/etc/passwd"}}), "/etc/passwd is outside the"),
    "clip outside": (shot(ext={"inputs": [{"uri": "../clip.mp4"}]}), "clip.mp4 is outside the"),
    "mask outside": (
        shot(ext={"control": {"input": "clip.mp4", "mask": "/dev/zero"}}),
        "/dev/zero is outside the",
    ),
    "picture behind a link": (shot(refImages=["secret.png"]), "secret.png is outside the"),
    "sound behind a link": (shot(ext={"audio": {"uri": "secret.m4a"}}), "secret.m4a is outside"),
    "unknown codec": (shot(ext={"output": {"codec": "mpeg9"}}), "codec 'mpeg9'"),
    "codec of another file": (shot(ext={"output": {"codec": "prores"}}), "do not hold prores"),
    "crf of another codec": (shot(ext={"output": {"crf": 60}}), "crf is 60; h264 takes"),
    "LoRA gone": (shot(loras=[{"path": "gone.safetensors", "scale": 1}]), "is not on this machine"),
    "no LoRA": (shot(loras=[{"path": "odd.safetensors", "scale": 1}]), "is not a LoRA"),
    "LoRA cut": (shot(loras=[{"path": "cut.safetensors", "scale": 1}]), "cut.safetensors: "),
    "preprocessor": (shot(preprocessorIds=["depth"]), '"depth" cannot run here'),
    "postprocessor": (shot(postprocessorIds=["flashvsr"]), '"flashvsr" cannot run here'),
    "unknown control": (shot(controlNetImage="x.png"), "may steer the picture"),
    "unknown LoRA": (shot(lycoris=["x"]), "may steer the picture"),
    "key of a block": (shot(block("a", 0, 1) | {"maskVideo": "m.mp4"}), "may steer the picture"),
    "other model": (shot(pipelineId="hunyuan-video"), "is another architecture"),
    "nothing to render": (shot(pipelineId="passthrough"), "nothing to render"),
    "workflow's picture gone": (workflow(vace_ref_images=[GONE]), "gone.png steers"),
    "workflow's mask": (workflow(vace_input_masks="m.png"), "may steer the picture"),
    "node's picture gone": (workflow(fed_by(named("image", GONE), FIRST)), "gone.png steers"),
    "node's unknown port": (workflow(fed_by(named("image", HERE), "style")), "feeds style"),
    "node in the stream": (workflow(fed_by(named("image", HERE), "video", "stream")), "cannot run"),
    "unknown node": (workflow(fed_by({"type": "pose"}, "vace_input")), "cannot be followed here"),
    "page's picture gone": (
        workflow(page({"nodeType": "image", "imagePath": GONE}, FIRST)),
        "gone.png steers",
    ),
    "page's VACE gone": (
        workflow(page({"nodeType": "vace", "vaceLastFrame": GONE}, "__vace")),
        "gone.png steers",
    ),
}


def write(ask: Asker, document: dict[str, Any]) -> Path:
    file = ask.farm.folder / "t.json"
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_can_be_rendered_is_accepted_by_all(ask: Asker, name: str) -> None:
    answer = ask.agreed(write(ask, ACCEPTED[name]))
    assert answer.code == 0, answer.output


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_rendered_is_refused_by_all(ask: Asker, name: str) -> None:
    document, words = REFUSED[name]
    answer = ask.agreed(write(ask, document))
    assert answer.code == 3, answer.output
    assert words in "\n".join(answer.errors)


def test_a_clip_that_is_not_used_is_named(ask: Asker) -> None:
    for answer in ask.all(write(ask, ACCEPTED["clip that is not used"])).values():
        assert "the input gone.mp4 is not used: this is text to video" in answer.warnings


def test_keys_of_a_lora_that_change_nothing_are_named_by_all_and_once(ask: Asker) -> None:
    document = shot(loras=[{"path": "/x/more.safetensors", "scale": 1}])
    words = "1 of its keys have no place in this model and change nothing: diffusion_model.te.q"
    for answer in ask.all(write(ask, document)).values():
        assert [each for each in answer.warnings if words in each] != []
    assert sum(words in each for each in ask.manifest()["warnings"]) == 1
