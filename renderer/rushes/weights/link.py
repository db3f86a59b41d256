"""Weights that another program has on this machine, linked into the models folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import MissingFileError
from rushes.files.publish import make_folder
from rushes.presets.catalogue import CatalogueEntry, CatalogueFile

# Where a file of the catalogue may lie below the folder of another program. {folder} is the
# entry's folder, {name} the file's name.
# Source: scope: src/scope/core/config.py (models folder), sdv2: README.md (ckpts, wan_models)
_LAYOUTS = ("{folder}/{name}", "models/{folder}/{name}", "wan_models/{folder}/{name}")
_GENERATORS = "ckpts/{name}"  # of a checkout of StreamDiffusionV2
_GENERATOR_FOLDER = "StreamDiffusionV2"


@dataclass(frozen=True)
class Link:
    """A file that was found; ``is_new`` unless it was in the models folder before."""

    name: str  # of its catalogue entry
    source: Path
    path: Path
    is_new: bool


def scope_folder(environment: Mapping[str, str]) -> Path:
    """Return where Daydream Scope keeps its models.

    Source: scope: docs (DAYDREAM_SCOPE_MODELS_DIR)
    """
    named = environment.get("DAYDREAM_SCOPE_MODELS_DIR")
    return Path(named or "~/.daydream-scope/models").expanduser()


def link_weights(
    folder: Path, catalogue: Mapping[str, CatalogueEntry], models_dir: Path
) -> list[Link]:
    """Link every file of the catalogue that lies below a folder; what is there already stays.

    Files are linked one by one, so that what is written into the models folder never lands in the
    other program's.
    Raises: MissingFileError when none of them is there; WriteError.
    """
    links = []
    for name, entry in catalogue.items():
        for file in entry.files:
            source = _find(folder, entry, file)
            if source is not None:
                path = entry.path(file, models_dir)
                links.append(Link(name, source, path, _link(source, path)))
    if not links:
        raise MissingFileError(
            f"{folder}: holds no weights that are known; name the models folder of Daydream Scope, "
            "or a checkout of StreamDiffusionV2 with its ckpts and wan_models"
        )
    return links


def _find(folder: Path, entry: CatalogueEntry, file: CatalogueFile) -> Path | None:
    layouts = list(_LAYOUTS)
    if entry.folder == _GENERATOR_FOLDER:
        layouts.append(_GENERATORS)
    for layout in layouts:
        path = folder / layout.format(folder=entry.folder, name=file.name)
        if path.is_file():
            return path.resolve()
    return None


def _link(source: Path, path: Path) -> bool:
    if path.exists():
        return False
    make_folder(path.parent)
    path.unlink(missing_ok=True)  # a link whose file has gone
    os.symlink(source, path)
    return True
