"""In which fields the manifests of results differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rushes.errors import ConfigError
from rushes.video.names import name_beside

# What differs between two renders of the same pictures, and what the manifest says twice.
_LEFT_OUT = (
    *("peak_memory", "timings", "resumed_at_chunk", "save_points", "request.output", "fps"),
    *("plan.schema_version", "plan.fps", "plan.warnings", "plan.num_frames", "plan.num_chunks"),
    *("plan.num_frames_made", "plan.width", "plan.height", "plan.seed", "plan.profile"),
    *("plan.noise", "plan.noise_device"),
)
_KEPT = ("timings.total", "plan.normalise_latents")
_CHUNKS = "plan.chunks"


@dataclass(frozen=True)
class Difference:
    """A field with its value in each manifest; ``None`` where the manifest has none.

    A field of chunks has the numbers of those in which it differs, and the values in the first.
    """

    field: str
    values: tuple[Any, ...]
    chunks: tuple[int, ...] = ()


def read_manifest(video: Path) -> dict[str, Any] | None:
    """Return the manifest beside a result, if there is one.

    Raises: ConfigError when the file there is not a manifest.
    """
    file = name_beside(video, ".json")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: is not the manifest of a render: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file}: is not the manifest of a render: it holds no object")
    return content


def find_differences(manifests: Sequence[Mapping[str, Any] | None]) -> list[Difference]:
    """Return the fields that decide or describe the pictures and are not alike in all manifests.

    A result without a manifest (``None``) has ``None`` for every value, and decides nothing.
    """
    flat = [None if each is None else dict(_flatten(each)) for each in manifests]
    known = [fields for fields in flat if fields is not None]
    found = []
    for name in dict.fromkeys(name for fields in known for name in fields):
        if _counts(name) and not _are_alike([fields.get(name) for fields in known]):
            values = tuple(None if fields is None else fields.get(name) for fields in flat)
            found.append(Difference(name, values))
    return found + _differing_chunks(manifests)


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of a document with its path; the chunks of a plan are left out."""
    if name == _CHUNKS:
        return
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _flatten(below, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value:
        for index, below in enumerate(value):
            yield from _flatten(below, f"{name}[{index}]")
    else:
        yield name, value


def _counts(name: str) -> bool:
    top = name.split("[")[0]
    is_left_out = any(top == each or top.startswith(f"{each}.") for each in _LEFT_OUT)
    return not is_left_out or top in _KEPT


def _are_alike(values: Sequence[Any]) -> bool:
    return all(value == values[0] for value in values)


def _differing_chunks(manifests: Sequence[Mapping[str, Any] | None]) -> list[Difference]:
    """Return one difference for each field of chunks, over the chunks that all of them have."""
    found: dict[str, Difference] = {}
    rows = [_chunks_of(manifest) for manifest in manifests if manifest is not None]
    for index, chunks in enumerate(zip(*rows, strict=False)):
        for name in dict.fromkeys(key for chunk in chunks for key in chunk):
            if _are_alike([chunk.get(name) for chunk in chunks]):
                continue
            each = iter(chunks)
            values = tuple(None if one is None else next(each).get(name) for one in manifests)
            before = found.get(name, Difference(f"{_CHUNKS}.{name}", values))
            found[name] = replace(before, chunks=(*before.chunks, index))
    return list(found.values())


def _chunks_of(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    plan = manifest.get("plan")
    chunks = plan.get("chunks") if isinstance(plan, Mapping) else None
    return [each for each in chunks if isinstance(each, Mapping)] if chunks else []
