"""Where the LoRAs of a document came from, so that they can be downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rushes.errors import MissingFileError, TimelineError
from rushes.timeline.loras import LoraSource
from rushes.timeline.nearby import base_name, is_file_name
from rushes.timeline.problems import Problems
from rushes.timeline.read.json_reading import MALFORMED, MAX_BYTES, read_json

_PLACES = ("source", "repo_id", "hf_filename", "model_id", "version_id", "url")


def read_lora_sources(file: Path, source: str | None = None) -> list[LoraSource]:
    """Return the LoRAs of a workflow, each with its stated origin.

    ``source`` is the file's name in messages.
    Raises: MissingFileError; TimelineError when the file is not JSON.
    """
    name = source or str(file)
    try:
        with file.open("rb") as content:
            data = content.read(MAX_BYTES + 1)
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
    for stage in stages:
        loras = stage.get("loras") if isinstance(stage, dict) else None
        yield from (lora for lora in loras or () if isinstance(lora, dict))


def _source_of(entry: dict[str, Any]) -> LoraSource | None:
    name = base_name(str(entry.get("filename") or entry.get("path") or ""))
    if not is_file_name(name):
        return None
    told = entry.get("provenance")
    provenance = told if isinstance(told, dict) else {}
    values = {key: str(provenance[key]) for key in _PLACES if provenance.get(key) is not None}
    sha256 = entry.get("sha256")
    return LoraSource(name, sha256.lower() if isinstance(sha256, str) else None, values)
