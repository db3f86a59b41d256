"""LoRA entries of both file kinds, looked up by file name in the folders of this machine."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from rushes.errors import MissingFileError
from rushes.files.hashes import sha256_of
from rushes.text import file_name_fault
from rushes.timeline.document import MERGE_MODES, Lora, MergeMode
from rushes.timeline.fields import Fields
from rushes.timeline.names import bare_name

MOST_LORAS = 100
LEAST_SCALE, MOST_SCALE = -10, 10
BESIDE = "loras"  # a folder beside the timeline, which is searched first
SUFFIXES = (".safetensors", ".pt", ".bin")


@dataclass(frozen=True)
class LoraSource:
    """A LoRA by its file name, and what its document says about its origin.

    ``provenance`` may have source, repo_id, hf_filename, model_id, version_id and url.
    """

    name: str
    sha256: str | None
    provenance: Mapping[str, str]


_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def read_timeline_loras(
    fields: Fields,
    key: str,
    merge_mode: MergeMode,
    folders: Sequence[Path],
    known: Collection[str] = (),
) -> tuple[Lora, ...]:
    """Read ``settings.loras``; of the exporting machine's path only the file name counts.

    Those of ``known`` names, in lower case, are left out.
    """
    loras = []
    for entry in fields.objects(key, most=MOST_LORAS):
        if entry is None:
            continue
        entry.take("id")
        path = entry.text("path")
        scale = entry.number("scale", LEAST_SCALE, MOST_SCALE)
        own_mode = entry.choice("mergeMode", MERGE_MODES)
        entry.note_unread()
        name = bare_name(path or "")
        if fault := file_name_fault(name):
            message = f"must end in the LoRA's file name, which {fault}"
            entry.problems.error(entry.path_of("path"), message, path)
            continue
        if name.lower() in known:
            continue
        lora = Lora(name, 1.0 if scale is None else float(scale), own_mode or merge_mode)
        _check_presence(entry, "path", lora, folders)
        loras.append(lora)
    return tuple(loras)


def read_workflow_loras(
    fields: Fields, folders: Sequence[Path], merge_mode: MergeMode = "permanent_merge"
) -> tuple[Lora, ...]:
    """Read ``pipelines[].loras``; the first one's merge mode holds where one names no known mode.

    ``merge_mode`` is that of the first one if it names none either.

    Source: scope: frontend/src/lib/workflowSettings.ts
    """
    loras: list[Lora] = []
    for entry in fields.objects("loras", most=MOST_LORAS):
        if entry is None:
            continue
        entry.take("id")
        name = entry.text("filename")
        scale = entry.number("weight", LEAST_SCALE, MOST_SCALE)
        mode = entry.text("merge_mode")
        sha256 = entry.text("sha256")
        origin = _origin(entry)
        entry.note_unread()
        if mode not in MERGE_MODES:
            if mode is not None:
                entry.problems.warn(entry.path_of("merge_mode"), "is unknown; not used", mode)
            mode = loras[0].merge_mode if loras else merge_mode
        if sha256 is not None and not _SHA256.fullmatch(sha256):
            entry.wrong("sha256", "64 hexadecimal digits")
        if name is None or (fault := file_name_fault(name)):
            message = "is missing; name the LoRA's file" if name is None else fault
            entry.problems.error(entry.path_of("filename"), message, name)
            continue
        scale_value = 1.0 if scale is None else float(scale)
        lora = Lora(name, scale_value, mode, sha256 and sha256.lower())  # type: ignore[arg-type]
        _check_presence(entry, "filename", lora, folders, origin)
        loras.append(lora)
    return tuple(loras)


def find_lora(name: str, folders: Sequence[Path]) -> Path | None:
    """Find a LoRA by path below a folder, else by file name, else by stem; case never matters.

    A file outside the folders is never returned, whatever the name or a link says.
    Source: scope: src/scope/core/workflows/resolve.py
    """
    installed = [(file.relative_to(folder), file) for folder in folders for file in _files(folder)]
    wanted = PurePosixPath(name.replace("\\", "/").lower())
    for key in (PurePath.as_posix, _name, _stem):
        for place, file in installed:
            if key(place).lower() == key(wanted):
                return file
    return None


def find_all(loras: Sequence[Lora], folders: Sequence[Path]) -> dict[str, Path]:
    """Find the file of every LoRA, by its name.

    Raises: MissingFileError that names all that are not there.
    """
    found = {lora.name: find_lora(lora.name, folders) for lora in loras}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise MissingFileError(
            f"LoRA {', '.join(missing)} not found; searched {', '.join(map(str, folders))}; copy "
            "it there, or name its folder with --lora-dir"
        )
    return {name: path for name, path in found.items() if path is not None}


def has_name(lora: Lora, name: str) -> bool:
    """Say whether a name means a LoRA: its file name, with or without the extension."""
    return name.lower() in (lora.name.lower(), PurePosixPath(lora.name).stem.lower())


def _name(path: PurePath) -> str:
    return path.name


def _stem(path: PurePath) -> str:
    return path.stem


def _files(folder: Path) -> Iterator[Path]:
    inside = folder.resolve()
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in SUFFIXES and file.resolve().is_relative_to(inside):
            yield file


def _check_presence(
    entry: Fields, key: str, lora: Lora, folders: Sequence[Path], origin: str = ""
) -> None:
    if not folders:
        return  # a document in memory: the machine that renders it looks
    file = find_lora(lora.name, folders)
    path = entry.path_of(key)
    if file is None:
        searched = ", ".join(map(str, folders))
        cure = f"; it came from {origin}" if origin else "; copy it there"
        message = f"{lora.name} is not on this machine; searched {searched}{cure}"
        entry.problems.error(path, message, lora.name)
    elif lora.sha256 and _sha256(file) != lora.sha256:
        message = (
            f"{file} is not the author's {lora.name}: its SHA-256 differs; fetch the right one"
        )
        entry.problems.error(path, message, lora.name)


def _origin(entry: Fields) -> str:
    """Describe where the author got the file; it is never downloaded from there automatically."""
    provenance = entry.object("provenance")
    if provenance is None:
        return ""
    keys = ("source", "repo_id", "hf_filename", "model_id", "version_id", "url")
    parts = [provenance.text(key) for key in keys]
    provenance.note_unread()
    return " ".join(part for part in parts if part)


def _sha256(file: Path) -> str | None:
    try:
        return sha256_of(file)
    except OSError:
        return None
