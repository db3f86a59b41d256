"""The catalogue of public weights: where they are published, and which are here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from rushes.errors import ConfigError
from rushes.files.resources import data_folder
from rushes.presets.preset import Licence, Preset, load_preset, preset_names

State = Literal["here", "partly", "absent"]
PICKLED = (".pt", ".pth")


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CatalogueFile(_Data):
    """One published file; ``name`` is its path in the repository and below the folder."""

    name: str
    size: int | None = Field(default=None, gt=0)  # bytes
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")

    @field_validator("name")
    @classmethod
    def _stays_below_its_folder(cls, name: str) -> str:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{name!r} leads out of its folder")
        return name


class CatalogueEntry(_Data):
    """Files that belong together, and the repositories that publish them."""

    description: str
    licence: Licence = Licence()
    repositories: tuple[str, ...] = Field(min_length=1)
    folder: str
    files: tuple[CatalogueFile, ...] = Field(min_length=1)

    @property
    def size(self) -> int | None:
        """The bytes of all files, where they are known."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None

    def preferring(self, owner: str | None) -> CatalogueEntry:
        """Return the entry with the repositories of one publisher first."""
        first = sorted(self.repositories, key=lambda name: name.split("/")[0] != owner)
        return self.model_copy(update={"repositories": tuple(first)})

    def path(self, file: CatalogueFile, models_dir: Path) -> Path:
        return models_dir / self.folder / file.name

    def state(self, models_dir: Path) -> State:
        """Say whether the files are here, as published or imported."""
        here = [is_here(self.path(file, models_dir)) for file in self.files]
        return "here" if all(here) else "partly" if any(here) else "absent"

    def provides(self, name: str) -> bool:
        """Say whether a name in a preset is one of the files, or a folder with all of them."""
        paths = [f"{self.folder}/{file.name}" for file in self.files]
        return name in paths or all(path.startswith(f"{name}/") for path in paths)


Catalogue = Mapping[str, CatalogueEntry]


def load_catalogue() -> Catalogue:
    """Load the shipped catalogue, by the names of its entries."""
    path = data_folder("configs") / "models" / "catalogue.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, CatalogueEntry]).validate_python(data)


def imported(path: Path) -> Path:
    """Return the path of the safetensors file made from a pickled checkpoint."""
    return path.with_suffix(".safetensors")


def is_here(path: Path) -> bool:
    return path.exists() or (path.suffix in PICKLED and imported(path).exists())


def is_installed(preset: Preset, models_dir: Path) -> bool:
    """Say whether every file of a preset with real weights is in the models folder."""
    return all(
        any(is_here(models_dir / name) for name in names)
        for names in preset.weights.parts().values()
    )


def choose_entries(
    catalogue: Catalogue, names: Iterable[str], models_dir: Path
) -> dict[str, CatalogueEntry]:
    """Return the entries of these names, in order; a preset's name means its missing files.

    Raises: ConfigError for a name that is neither.
    """
    chosen: dict[str, CatalogueEntry] = {}
    for name in names:
        if name in catalogue:
            chosen[name] = catalogue[name]
        elif name in preset_names() or name.endswith(".yaml"):
            chosen |= _lacking(catalogue, load_preset(name), models_dir)
        else:
            known = ", ".join(catalogue)
            raise ConfigError(
                f"{name!r} is neither a preset ({', '.join(preset_names())}) nor in the catalogue "
                f"({known})"
            )
    return chosen


def publishers(catalogue: Catalogue, names: Iterable[str]) -> dict[str, CatalogueEntry]:
    """Return the entries that provide one of these names of a preset, the preferred first."""
    return {
        key: entry for name in names for key, entry in catalogue.items() if entry.provides(name)
    }


def _lacking(catalogue: Catalogue, preset: Preset, models_dir: Path) -> dict[str, CatalogueEntry]:
    if preset.brings_weights:
        return {}
    lacking: dict[str, CatalogueEntry] = {}
    for part, names in preset.weights.parts().items():
        published = publishers(catalogue, names)
        is_file_here = any(is_here(models_dir / name) and Path(name).suffix for name in names)
        if is_file_here or any(entry.state(models_dir) == "here" for entry in published.values()):
            continue
        if not published:
            raise ConfigError(
                f"preset {preset.name}: {part} ({' or '.join(names)}) is not in the catalogue; "
                "put it into the models folder yourself, or use 'rushes models import'"
            )
        key, entry = next(iter(published.items()))
        lacking[key] = entry
    return lacking
