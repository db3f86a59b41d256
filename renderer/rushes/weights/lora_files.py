"""The LoRA files of a plan: found in this machine's folders, and in the networks for one render."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import AdapterError, CheckpointError
from rushes.models.adapters.adapted_layers import AdaptedLayers, Adapter
from rushes.models.adapters.header import read_header
from rushes.models.adapters.lora import LoraWeights, Targets, place_lora, targets_of
from rushes.models.adapters.places import warn_of_unused
from rushes.models.checkpoint import read_state_dict
from rushes.stream.stream import Models
from rushes.timeline.document import Lora
from rushes.timeline.loras import find_all


@dataclass(frozen=True)
class LoraFile:
    """A LoRA of a plan, where it lies, and the hash of the settings beside it that hold for it."""

    lora: Lora
    path: Path
    sha256: str
    config_sha256: str | None = None


def find_loras(
    loras: Sequence[Lora], folders: Sequence[Path], hash_of: Callable[[Path], str]
) -> tuple[LoraFile, ...]:
    """Find the file of every LoRA.

    Raises: MissingFileError that names all that are not there; AdapterError for another file of
        the same name than the plan's author had.
    """
    paths = find_all(loras, folders)
    files = []
    for lora in loras:
        path = paths[lora.name]
        config = read_header(path).config
        files.append(LoraFile(lora, path, hash_of(path), hash_of(config) if config else None))
    for file in files:
        if file.lora.sha256 not in (None, file.sha256):
            raise AdapterError(
                f"{file.path}: is another file than the author's {file.lora.name}: its SHA-256 is "
                f"{file.sha256}, not {file.lora.sha256}; fetch the right one"
            )
    return tuple(files)


def read_adapters(models: Models, files: Sequence[LoraFile]) -> AdaptedLayers:
    """Read LoRAs for networks, which stay as they are until these are attached.

    Raises: AdapterError when a file is not a LoRA, or one of another model.
    """
    targets = targets_of(models.dit, models.vace)
    adapters = [
        Adapter(
            _read(file.path, targets),
            file.lora.scale,
            is_merged=file.lora.merge_mode == "permanent_merge",
        )
        for file in files
    ]
    return AdaptedLayers(targets, adapters)


@contextmanager
def adapted(models: Models, files: Sequence[LoraFile]) -> Iterator[AdaptedLayers]:
    """Have LoRAs in the networks; afterwards these are what they were, to the bit.

    Raises: AdapterError when a file is not a LoRA, or one of another model.
    """
    adapted_layers = read_adapters(models, files)
    try:
        adapted_layers.attach()
        yield adapted_layers
    finally:
        adapted_layers.remove()


def _read(path: Path, targets: Targets) -> LoraWeights:
    header = read_header(path)
    try:
        state = read_state_dict(path)
    except CheckpointError as error:
        raise AdapterError(str(error)) from error
    return place_lora(state, targets, str(path), header.alphas)


def unused_keys(files: Sequence[LoraFile], layers: AdaptedLayers) -> tuple[str, ...]:
    """Return a warning for every file some of whose keys change nothing."""
    return tuple(
        warn_of_unused(file.lora.name, adapter.weights.unused)
        for file, adapter in zip(files, layers.adapters, strict=True)
        if adapter.weights.unused
    )
