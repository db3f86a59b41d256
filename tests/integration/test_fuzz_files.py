"""Damaged documents, videos and LoRAs through the real commands: an answer, never a traceback.

``FUZZ`` multiplies the numbers: with 30 there are 3,000 documents, 600 videos and 300 LoRAs.
"""

from __future__ import annotations

import json
import os
import random
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from rushes.errors import RushesError
from rushes.video.read.reader import VideoReader
from rushes_queue.cli import app

TIMES = int(os.environ.get("FUZZ", "1"))
LONGEST_SECONDS = 60
ANSWERS = {0, 1, 2, 3, 4}
ODD: list[Any] = [
    *(None, True, -1, 0, 1e308, 2**70, "", "x" * 300, "\u0000", "../a", "data:image/png;base64,A"),
    *([], {}, [[]], {"a": {}}, "a.png", ["a.png"], "embedded", 0.5, "streamdiffusionv2", "rife"),
]
IMAGE = {"id": "i", "type": "image", "data": {"nodeType": "image", "imagePath": "/x/a.png"}}
VACE = {"id": "v", "type": "vace", "data": {"nodeType": "vace", "vaceRefImage": "/x/a.png"}}
DOCUMENTS: list[dict[str, Any]] = [
    {
        "version": "2.1",
        "prompts": [
            {"startTime": 0, "endTime": 1, "prompts": [{"text": "a (boat:1.2)", "weight": 1}]},
            {"startTime": 1, "endTime": 2, "text": "a sea", "ext": {"vace": {"scale": 1}}},
        ],
        "settings": {
            "pipelineId": "streamdiffusionv2",
            "resolution": {"height": 64, "width": 64},
            "loras": [{"path": "film.safetensors", "scale": 1}],
            "refImages": ["a.png"],
            "schemaFieldOverrides": {"base_seed": 4, "vace_ref_images": []},
        },
        "ext": {"schema": 1, "prefix": "film", "inputs": [{"uri": "a.mp4"}]},
    },
    {
        "format": "scope-workflow",
        "format_version": "1.1",
        "metadata": {"name": "t"},
        "nodes": [{"node_type_id": "streamdiffusionv2", "params": {"vace_ref_images": ["a.png"]}}],
        "prompts": [{"text": "a boat", "weight": 1}],
        "embedded_assets": [
            {"filename": "a.png", "mime_type": "x", "size_bytes": 3, "data": "QUJD", "sha256": None}
        ],
        "graph": {
            "nodes": [
                {"id": "s", "type": "source", "source_mode": "video_file", "source_name": "a.mp4"},
                {"id": "m", "type": "pipeline", "pipeline_id": "streamdiffusionv2", "params": {}},
                {"id": "o", "type": "sink"},
            ],
            "edges": [
                {"from": "s", "to_node": "m", "to_port": "video", "kind": "stream"},
                {"from": "m", "to_node": "o", "to_port": "video", "kind": "stream"},
            ],
            "ui_state": {
                "nodes": [VACE, IMAGE],
                "edges": [
                    {"source": "v", "target": "m", "targetHandle": "param:__vace"},
                    {"source": "i", "target": "v", "targetHandle": "param:ref_image"},
                ],
                "node_params": {"m": {"__prompt": "a boat", "noise_scale": 0.5}},
            },
        },
    },
]
PROMPT_MAPS: list[dict[str, Any]] = [
    {"max_frames": 60, "prompts": {"0": "a cat", "max_f/2": "a dog"}, "fps": 15},
    {
        "prompts": {"promptList": [{"positive": "a", "from": 0, "to": 9, "overlap": {}}]},
        "options": {"output_fps": "20"},
        "keyframes": [{"frame": 0}],
        "rendered_frames": [{"frame": 0, "deforum_prompt": "a"}],
    },
]


def answer(*arguments: object) -> int:
    begin = time.monotonic()
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in ANSWERS, result.output
    assert "Traceback" not in result.output
    assert time.monotonic() - begin < LONGEST_SECONDS
    return result.exit_code


def mutated(document: Any, dice: random.Random) -> Any:
    """Change, remove or double some values, wherever they stand."""
    document = json.loads(json.dumps(document))
    for _ in range(dice.randint(1, 4)):
        here = document
        while isinstance(here, dict | list) and here:
            key = dice.choice(list(here) if isinstance(here, dict) else range(len(here)))
            if not isinstance(here[key], dict | list) or not here[key] or dice.random() < 0.2:
                match dice.randrange(3):
                    case 0:
                        here[key] = dice.choice(ODD)
                    case 1:
                        del here[key]
                    case _ if isinstance(here, dict):
                        here[str(dice.choice(("image", "extra", "pipeline_id", "id")))] = here[key]
                    case _:
                        here.append(here[key])
                break
            here = here[key]
    return document


def damaged(content: bytes, dice: random.Random) -> bytes:
    """Cut, zero or scramble some of the bytes."""
    data = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(data)) if dice.random() < 0.7 else dice.randrange(64)
        match dice.randrange(4):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                data[at : at + dice.randint(1, 64)] = dice.randbytes(dice.randint(1, 64))
            case 2:
                data[at : at + dice.randint(1, 200)] = b""
            case _:
                data = data[: max(1, at)] if dice.random() < 0.2 else data
        if len(data) < 65:
            break
    return bytes(data)


@pytest.mark.parametrize("seed", range(100 * TIMES))
def test_a_mutated_document_gets_an_answer(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    path = tmp_path / "t.json"
    if dice.random() < 0.2:
        path.write_text(json.dumps(mutated(dice.choice(PROMPT_MAPS), dice)))
        answer("convert", path)
        return
    content = json.dumps(mutated(dice.choice(DOCUMENTS), dice)).encode()
    path.write_bytes(damaged(content, dice) if dice.random() < 0.1 else content)
    if answer("check", path) == 3 and dice.random() < 0.3:
        assert answer("plan", path, "--preset", "tiny") in (3, 4)


def write_video(path: Path) -> None:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(12):
            picture = np.full((64, 64, 3), 20 * index, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(stream.encode(None))


RATE = Fraction(25)
VIDEOS = ("a.mp4", "a.mkv", "a.ts", "a.mov", "a.avi", "a.flv")


@pytest.mark.parametrize("seed", range(20 * TIMES))
def test_a_damaged_video_gets_an_answer(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    path = tmp_path / dice.choice(VIDEOS)
    write_video(path)
    path.write_bytes(damaged(path.read_bytes(), dice))
    timeline = tmp_path / "t.json"
    block = {"startTime": 0, "endTime": 0.5, "text": "a boat"}
    settings = {"inputMode": "video", "resolution": {"height": 64, "width": 64}}
    timeline.write_text(json.dumps({"prompts": [block], "settings": settings, "version": "2.1"}))
    code = answer("plan", timeline, "--preset", "tiny", "--input", path)
    assert code in (0, 3)
    with suppress(RushesError), VideoReader(path, fps=RATE, height=64, width=64) as reader:
        reader.read(0, 24)


@pytest.mark.parametrize("seed", range(10 * TIMES))
def test_a_damaged_lora_gets_an_answer(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    name = "film.safetensors" if seed % 3 else "film.pt"
    path = tmp_path / "loras" / name
    path.parent.mkdir()
    base = "blocks.0.self_attn.q"
    state = {f"{base}.lora_A.weight": torch.ones(2, 64), f"{base}.lora_B.weight": torch.ones(64, 2)}
    if name.endswith("pt"):
        torch.save(state, path)
    else:
        save_file(state, path, {"lora_adapter_metadata": '{"lora_alpha": 2, "r": 2}'})
    path.write_bytes(damaged(path.read_bytes(), dice))
    if dice.random() < 0.3:
        config = damaged(
            b'{"lora_alpha": 2, "r": 2, "alpha_pattern": {"q": 1}, "pad": "......."}' * 2, dice
        )
        (path.parent / "adapter_config.json").write_bytes(config)
    timeline = tmp_path / "t.json"
    block = {"startTime": 0, "endTime": 0.5, "text": "a boat"}
    settings = {"loras": [{"path": name, "scale": 1}]}
    timeline.write_text(json.dumps({"prompts": [block], "settings": settings, "version": "2.1"}))
    assert answer("check", timeline) in (0, 3)
    answer("plan", timeline, "--preset", "tiny")
