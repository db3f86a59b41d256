"""LoRAs are found by file name in the folders of this machine, and nowhere else."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rushes.timeline.loras import find_lora
from rushes.timeline.read.load import LoadedTimeline, parse_timeline


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "loras"
    for name in ("paper.safetensors", "sub/Ink.safetensors", "sub/paper.safetensors", "notes.txt"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(name.encode())
    (tmp_path / "secret.safetensors").write_bytes(b"")
    (place / "link.safetensors").symlink_to(tmp_path / "secret.safetensors")
    return place


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("paper.safetensors", "paper.safetensors"),
        ("sub/paper.safetensors", "sub/paper.safetensors"),
        ("sub\\paper.safetensors", "sub/paper.safetensors"),
        ("INK.safetensors", "sub/Ink.safetensors"),
        ("ink.pt", "sub/Ink.safetensors"),
        ("elsewhere/ink", "sub/Ink.safetensors"),
        ("notes.txt", None),
        ("link.safetensors", None),
        ("../secret.safetensors", None),
        ("other.safetensors", None),
    ],
)
def test_a_name_is_looked_up_by_path_then_name_then_stem(
    folder: Path, name: str, found: str | None
) -> None:
    assert find_lora(name, [folder]) == (folder / found if found else None)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert find_lora("paper.safetensors", [tmp_path / "none"]) is None


def timeline(*loras: Any, **settings: Any) -> str:
    block = {"startTime": 0, "endTime": 1, "text": "a boat"}
    return json.dumps({"prompts": [block], "settings": {"loras": loras} | settings})


def workflow(*loras: Any) -> str:
    pipeline = {"pipeline_id": "streamdiffusionv2", "loras": loras}
    prompts = [{"text": "a boat"}]
    return json.dumps(
        {
            "format": "scope-workflow",
            "format_version": "1.0",
            "pipelines": [pipeline],
            "prompts": prompts,
        }
    )


def blocking(loaded: LoadedTimeline) -> list[str]:
    return [str(problem) for problem in loaded.problems if problem.severity == "error"]


@pytest.mark.parametrize(
    "path", ["/home/stranger/loras/paper.safetensors", "C:\\loras\\paper.safetensors"]
)
def test_of_the_exporters_path_only_the_file_name_counts(folder: Path, path: str) -> None:
    data = timeline({"path": path, "scale": 0.8}, loraMergeStrategy="runtime_peft")
    loaded = parse_timeline(data, lora_folders=[folder])
    assert blocking(loaded) == []
    (lora,) = loaded.require().settings.loras
    assert (lora.name, lora.scale, lora.merge_mode) == ("paper.safetensors", 0.8, "runtime_peft")


def test_a_loras_own_merge_mode_wins(folder: Path) -> None:
    data = timeline({"path": "paper.safetensors", "mergeMode": "runtime_peft"})
    (lora,) = parse_timeline(data, lora_folders=[folder]).require().settings.loras
    assert lora.merge_mode == "runtime_peft"


def test_a_missing_file_is_an_error_that_names_file_folders_and_origin(folder: Path) -> None:
    provenance = {"source": "huggingface", "repo_id": "someone/chalk"}
    data = workflow({"filename": "chalk.safetensors", "weight": 1, "provenance": provenance})
    loaded = parse_timeline(data, lora_folders=[folder])
    assert not loaded.ok
    (message,) = blocking(loaded)
    for part in ("chalk.safetensors", str(folder), "huggingface someone/chalk"):
        assert part in message


def test_a_workflows_hash_is_compared(folder: Path) -> None:
    good = sha256(b"paper.safetensors").hexdigest()
    for digest, is_blocking in ((good, False), (good.upper(), False), ("0" * 64, True)):
        data = workflow({"filename": "paper.safetensors", "weight": 1, "sha256": digest})
        assert bool(blocking(parse_timeline(data, lora_folders=[folder]))) is is_blocking


@pytest.mark.parametrize("name", ["../x.safetensors", "/x", "a\\b", "", "..", "x" * 256])
def test_a_workflow_names_bare_files_only(name: str) -> None:
    loaded = parse_timeline(workflow({"filename": name, "weight": 1}))
    assert [p.path for p in loaded.problems if p.severity == "error"] == [
        "pipelines[0].loras[0].filename"
    ]


def test_an_unknown_merge_mode_of_a_workflow_falls_back_to_the_first_ones(folder: Path) -> None:
    data = workflow(
        {"filename": "paper.safetensors", "merge_mode": "runtime_peft"},
        {"filename": "ink.safetensors", "merge_mode": "magic"},
    )
    loras = parse_timeline(data, lora_folders=[folder]).require().settings.loras
    assert [lora.merge_mode for lora in loras] == ["runtime_peft", "runtime_peft"]


def test_too_many_loras_are_refused() -> None:
    loaded = parse_timeline(timeline(*[{"path": "a.safetensors"}] * 101))
    assert [p.path for p in loaded.problems][:1] == ["settings.loras"]
