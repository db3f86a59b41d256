"""Damaged documents, videos, LoRAs and weights through the real commands: always an answer.

``python -m farm.fuzz`` (with ``tests/support`` on the path) tries many and prints what they got;
``make fuzz`` is the full run. Each case is told by its seed.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from rushes_queue.cli import app

LONGEST_SECONDS = 60
FULL = {"documents": 3000, "videos": 500, "loras": 300, "weights": 300}
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
    """Return the exit code of a command: one of ours, in time, without a traceback."""
    begin = time.monotonic()
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in ANSWERS, result.output
    assert "Traceback" not in result.output, result.output
    assert time.monotonic() - begin < LONGEST_SECONDS, arguments
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


def try_document(seed: int, folder: Path) -> int:
    """Ask ``check`` or ``convert`` about a document, and ``plan`` and ``render`` the same."""
    dice = random.Random(seed)
    path = folder / "t.json"
    if dice.random() < 0.2:
        path.write_text(json.dumps(mutated(dice.choice(PROMPT_MAPS), dice)))
        return answer("convert", path)
    content = json.dumps(mutated(dice.choice(DOCUMENTS), dice)).encode()
    path.write_bytes(damaged(content, dice) if dice.random() < 0.1 else content)
    code = answer("check", path, "--preset", "tiny")
    if dice.random() < 0.3:
        assert answer("plan", path, "--preset", "tiny") == code
        short = ("--preset", "tiny", "--size", "64x64", "--duration", "0.3", "--force")
        made = answer("render", path, *short, "-o", folder / "out.mp4")
        assert made == code or not code, path.read_text()
    return code


def write_video(path: Path) -> None:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(12):
            picture = np.full((64, 64, 3), 20 * index, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(stream.encode(None))


VIDEOS = ("a.mp4", "a.mkv", "a.ts", "a.mov", "a.avi", "a.flv")


def try_video(seed: int, folder: Path) -> int:
    """Render over a damaged video, after a plan; a damaged end may show only in the render."""
    dice = random.Random(seed)
    path = folder / dice.choice(VIDEOS)
    write_video(path)
    path.write_bytes(damaged(path.read_bytes(), dice))
    block = {"startTime": 0, "endTime": 0.5, "text": "a boat"}
    settings = {"inputMode": "video", "resolution": {"height": 64, "width": 64}}
    timeline = _write_timeline(folder, block, settings)
    code = answer("plan", timeline, "--preset", "tiny", "--input", path)
    made = _render(timeline, folder, "--input", path)
    assert code in (0, 3)
    assert made == code or not code
    return made


def try_lora(seed: int, folder: Path) -> int:
    """Ask ``check`` about a damaged LoRA, and render with it."""
    dice = random.Random(seed)
    name = "film.safetensors" if seed % 3 else "film.pt"
    path = folder / "loras" / name
    path.parent.mkdir()
    base = "blocks.0.self_attn.q"
    state = {f"{base}.lora_A.weight": torch.ones(2, 64), f"{base}.lora_B.weight": torch.ones(64, 2)}
    if name.endswith("pt"):
        torch.save(state, path)
    else:
        save_file(state, path, {"lora_adapter_metadata": '{"lora_alpha": 2, "r": 2}'})
    path.write_bytes(damaged(path.read_bytes(), dice))
    if dice.random() < 0.3:
        config = b'{"lora_alpha": 2, "r": 2, "alpha_pattern": {"q": 1}, "pad": "......."}' * 2
        (path.parent / "adapter_config.json").write_bytes(damaged(config, dice))
    block = {"startTime": 0, "endTime": 0.3, "text": "a boat"}
    settings = {
        "inputMode": "text",
        "resolution": {"height": 64, "width": 64},
        "loras": [{"path": name, "scale": 1}],
    }
    timeline = _write_timeline(folder, block, settings)
    code = answer("check", timeline, "--preset", "tiny")
    assert code in (0, 3)
    made = _render(timeline, folder)
    assert made == code or not code
    return made


def try_weights(seed: int, folder: Path) -> int:
    """Render with one damaged file of a model: its networks, tokenizer, or a kept embedding."""
    dice = random.Random(seed)
    place = folder / "cache"
    shutil.copytree(_whole_cache(), place)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    path = files[seed % len(files)]
    path.write_bytes(damaged(path.read_bytes(), dice))
    timeline = _small_timeline(folder)
    if path.suffix in (".pt", ".pth") and dice.random() < 0.3:
        models = ("--models-dir", folder / "models", "--cache-dir", place)
        return answer("models", "import", path, "--preset", "tiny", *models)
    return _render(timeline, folder, "--cache-dir", place)


@cache
def _whole_cache() -> Path:
    """Return a cache in which one render has left the files of a small model."""
    folder = Path(tempfile.mkdtemp(prefix="rushes-fuzz-"))
    _render(_small_timeline(folder), folder, "--cache-dir", folder / "cache")
    return folder / "cache"


def _small_timeline(folder: Path) -> Path:
    block = {"startTime": 0, "endTime": 0.3, "text": "a boat"}
    settings = {"inputMode": "text", "resolution": {"height": 64, "width": 64}}
    return _write_timeline(folder, block, settings)


def _write_timeline(folder: Path, block: dict[str, Any], settings: dict[str, Any]) -> Path:
    timeline = folder / "t.json"
    timeline.write_text(json.dumps({"prompts": [block], "settings": settings, "version": "2.1"}))
    return timeline


def _render(timeline: Path, folder: Path, *options: object) -> int:
    output = folder / "out.mp4"
    return answer("render", timeline, "--preset", "tiny", "-o", output, "--force", *options)


KINDS: dict[str, Callable[[int, Path], int]] = {
    "documents": try_document,
    "videos": try_video,
    "loras": try_lora,
    "weights": try_weights,
}


def run(counts: dict[str, int]) -> dict[str, Any]:
    """Try so many of each kind; return how often each exit code came, and the faulty seeds."""
    found: dict[str, Any] = {}
    for kind, count in counts.items():
        begin, codes, faults, slowest = time.monotonic(), Counter[int](), [], 0.0
        for seed in range(count):
            faulthandler.dump_traceback_later(5 * LONGEST_SECONDS, exit=True)
            start = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="rushes-fuzz-") as folder:
                try:
                    codes[KINDS[kind](seed, Path(folder))] += 1
                except Exception as error:
                    faults.append(f"{seed}: {type(error).__name__} {error}"[:300])
            slowest = max(slowest, time.monotonic() - start)
        found[kind] = {
            "tried": count,
            "exit_codes": {str(code): codes[code] for code in sorted(codes)},
            "faults": faults,
            "slowest_seconds": round(slowest, 1),
            "seconds": round(time.monotonic() - begin),
        }
        print(json.dumps({kind: found[kind]}), file=sys.stderr, flush=True)
    faulthandler.cancel_dump_traceback_later()
    return found


def main() -> None:
    """Try as many as are asked for and print the figures as JSON; fail if there is a fault."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for kind, count in FULL.items():
        parser.add_argument(f"--{kind}", type=int, default=count)
    found = run(vars(parser.parse_args()))
    print(json.dumps(found, indent=1))
    sys.exit(any(each["faults"] for each in found.values()))


if __name__ == "__main__":
    main()
