"""A result made again from its manifest, which holds the plan and the hash of every file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rushes.errors import ConfigError, MissingFileError
from rushes.files.hashes import sha256_of
from rushes.presets.preset import Preset, load_preset
from rushes.rendering.render import hash_audio, hash_sources
from rushes.rendering.request import RenderRequest
from rushes.timeline.plan.render_plan import SCHEMA_VERSION, RenderPlan
from rushes.timeline.plan.versions import add_fields
from rushes.video.names import name_beside

_PARTS = ("plan", "request", "sha256", "frames_sha256")  # of a manifest, as far as needed here
# What else decides the last bits of frames: places in a manifest.
_KIND = (("device",), ("threads",), ("cpu_capability",), ("versions", "torch"))


@dataclass(frozen=True)
class Recorded:
    """A manifest, and what makes its result again; LoRAs lie in ``lora_folders``."""

    file: Path
    manifest: Mapping[str, Any]
    preset: Preset
    plan: RenderPlan
    request: RenderRequest
    lora_folders: tuple[Path, ...]

    def compare(self, manifest: Mapping[str, Any]) -> str | None:
        """Return what is to say of a new manifest whose frames differ; None if they are equal."""
        if manifest["frames_sha256"] == self.manifest["frames_sha256"]:
            return None
        weights = [parts["sha256"].get("weights", {}) for parts in (self.manifest, manifest)]
        changed = [
            f"weights of {part}" for part in weights[1] if weights[0].get(part) != weights[1][part]
        ]
        for place in _KIND:
            before, now = _at(self.manifest, place), _at(manifest, place)
            if before != now:
                changed.append(f"{place[-1]} was {before}, is {now}")
        return f"its frames differ from those of {self.file}: {'; '.join(changed) or 'unknown why'}"


def _at(manifest: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    found: Any = manifest
    for name in place:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def find_manifest(file: Path) -> Path:
    """Return the manifest that is named, or that lies beside the result that is.

    Raises: MissingFileError.
    """
    beside = name_beside(file, ".json")
    if beside.is_file():
        return beside
    if file.is_file() and file.suffix == ".json":
        return file
    raise MissingFileError(
        f"{file}: there is no manifest {beside}; name a manifest, or a video with its manifest "
        "beside it"
    )


def read_recorded(
    file: Path,
    *,
    output: Path | None = None,
    video: Path | None = None,
    device: str = "auto",
    lora_folders: tuple[Path, ...] = (),
) -> Recorded:
    """Return the render that a manifest tells of, with files that are those of then.

    Files are looked for where they lay, else beside the manifest. ``output``, ``video`` and
    ``device`` replace what the manifest says.
    Raises: ConfigError when it is not a manifest, or files have changed; MissingFileError.
    """
    file = find_manifest(file)
    manifest = _read(file)
    plan, request = _plan_of(file, manifest), _request_of(file, manifest)
    changes: dict[str, Any] = {
        "timeline": _found(request.timeline, file) or file.parent / request.timeline.name,
        "input": video or _require(request.input, file, "--input"),
        "output": output or request.output,
        "device": request.device if device == "auto" else device,
    }
    if request.audio not in (None, "input", "none"):
        changes["audio"] = str(_require(Path(str(request.audio)), file, None))
    request = request.model_copy(update=changes)
    _refuse_changed(file, manifest["sha256"], plan, request)
    recorded = tuple(map(Path, manifest.get("lora_folders", ())))
    preset = load_preset(request.preset)
    return Recorded(file, manifest, preset, plan, request, (*lora_folders, *recorded))


def _read(file: Path) -> Mapping[str, Any]:
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: cannot be read as a manifest: {error}") from error
    if not isinstance(manifest, dict) or not all(part in manifest for part in _PARTS):
        raise ConfigError(f"{file}: is not the manifest of a render; name one, or its video")
    return manifest


def _plan_of(file: Path, manifest: Mapping[str, Any]) -> RenderPlan:
    plan = manifest["plan"]
    version = plan.get("schema_version") if isinstance(plan, dict) else None
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise ConfigError(
            f"{file}: its plan has schema version {version}, this program reads up to "
            f"{SCHEMA_VERSION}; update it"
        )
    fields = {"plan": dict(plan)}
    add_fields(fields, version, version)
    return RenderPlan.from_dict(fields["plan"])


def _request_of(file: Path, manifest: Mapping[str, Any]) -> RenderRequest:
    try:
        return RenderRequest.model_validate(manifest["request"])
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise ConfigError(f"{file}: request.{place}: {fault['msg']}") from error


def _found(path: Path, manifest: Path) -> Path | None:
    beside = manifest.parent / path.name
    return next((each for each in (path, beside) if each.is_file()), None)


def _require(path: Path | None, manifest: Path, flag: str | None) -> Path | None:
    if path is None:
        return None
    found = _found(path, manifest)
    if found is None:
        cure = f", or name it with {flag}" if flag else ""
        raise MissingFileError(
            f"{path}: is not there any more, nor {manifest.parent / path.name}; put it back{cure}"
        )
    return found


def _refuse_changed(
    file: Path, before: Mapping[str, Any], plan: RenderPlan, request: RenderRequest
) -> None:
    """Refuse files that are not those of then.

    Raises: ConfigError that names each; MissingFileError.
    """
    now = hash_sources(plan, request)
    now["audio"] = hash_audio(plan, request, now)
    steering = now.pop("steering", {})
    then = before.get("steering", {})
    changed = [name for name in steering if then.get(name) != steering[name]]
    changed += [
        str(getattr(request, name) or name)
        for name in ("input", "audio")
        if before.get(name) not in (None, now[name])
    ]
    if changed:
        raise ConfigError(
            f"{', '.join(changed)}: changed since {file} was written; put back what it was made "
            "from, or render the timeline"
        )


def is_made(plan: RenderPlan, request: RenderRequest, timeline: Path) -> bool:
    """Say whether a result is there already, whole; ``timeline`` is the file that holds it."""
    path = request.manifest_path
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        is_same = all(
            _plain(manifest[name]) == _plain(made)
            for name, made in (
                ("plan", plan.to_dict()),
                ("request", request.to_dict()),
            )
        )
        return is_same and manifest["sha256"]["timeline"] == sha256_of(timeline)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _plain(data: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps({**data, "warnings": []}))
