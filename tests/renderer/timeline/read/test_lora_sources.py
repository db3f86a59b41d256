"""LoRAs that a document names, wherever it names them, however large it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rushes.timeline.read.lora_sources import read_lora_sources


@pytest.mark.parametrize("size", [1, 17 * 2**20], ids=["small", "with media"])
def test_loras_of_pipelines_and_of_the_page_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setenv("RUSHES_CACHE_DIR", str(tmp_path / "cache"))
    node = {"id": "l", "data": {"nodeType": "lora", "loras": [{"path": "/x/ink.safetensors"}]}}
    document = {
        "pipelines": [{"loras": [{"filename": "film.safetensors", "provenance": {"url": "u"}}]}],
        "graph": {"ui_state": {"nodes": [node, "x"]}},
        "embedded_assets": [{"data": "A" * size}],
    }
    file = tmp_path / "t.json"
    file.write_text(json.dumps(document))
    found = read_lora_sources(file)
    assert [each.name for each in found] == ["film.safetensors", "ink.safetensors"]
    assert found[0].provenance == {"url": "u"}
