"""Where the LoRAs of a document came from, so that they can be downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rushes.errors import MissingFileError, TimelineError
from rushes.files.machine_folders import machine_folders
from rushes.timeline.loras import LoraSource
from rushes.timeline.nearby import base_name, is_file_name
from rushes.timeline.problems import Problems
from rushes.timeline.read.json_reading import MALFORMED, read_json
from rushes.timeline.read.load import ASSETS, opened_document

_PLACES = ("source", "repo_id", "hf_filename", "model_id", "version_id", "url")


def read_lora_sources(file: Path, source: str | None = None) -> list[LoraSource]:
    """Return the LoRAs of a workflow, each with its stated origin.

    ``source`` is the file's name in messages.
    Raises: MissingFileError; TimelineError when the file is not JSON.
    """
    name = source or str(file)
    try:
        with opened_document(file, machine_folders().cache / ASSETS) as lifted:
            data = lifted.data
    except FileNotFoundError as error:
        raise MissingFileError(f"{name}: there is no such file") from error
    except OSError as error:
        raise TimelineError(f"{name}: cannot be read: {error.strerror}", path=name) from error
    problems = Problems()
    document = read_json(data, problems)
    if document is MALFORMED or not isinstance(document, dict):
        faults = "; ".join(map(str, problems)) or "is not an object"
        raise TimelineError(f"{name}: {faults}", path=name)
    found = map(_source_of, _entries(document))
    return [each for each in found if each is not None]


def _entries(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    stages = [document.get("settings")]
    for key in ("pipelines", "nodes"):
        listed = document.get(key)
        stages += listed if isinstance(listed, list) else []
    stages += _graph_stages(document.get("graph"))
    for stage in stages:
        loras = stage.get("loras") if isinstance(stage, dict) else None
        yield from (lora for lora in loras or () if isinstance(lora, dict))


def _graph_stages(graph: Any) -> list[Any]:
    """Return the data of the page's nodes, some of which hold LoRAs."""
    state = graph.get("ui_state") if isinstance(graph, dict) else None
    nodes = state.get("nodes") if isinstance(state, dict) else None
    listed = nodes if isinstance(nodes, list) else []
    return [node.get("data") for node in listed if isinstance(node, dict)]


def _source_of(entry: dict[str, Any]) -> LoraSource | None:
    name = base_name(str(entry.get("filename") or entry.get("path") or ""))
    if not is_file_name(name):
        return None
    told = entry.get("provenance")
    provenance = told if isinstance(told, dict) else {}
    values = {key: str(provenance[key]) for key in _PLACES if provenance.get(key) is not None}
    sha256 = entry.get("sha256")
    return LoraSource(name, sha256.lower() if isinstance(sha256, str) else None, values)
