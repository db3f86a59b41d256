"""Converts a checkpoint, once, into a safetensors file of bare names that loads by memory map."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rushes.errors import CheckpointError, ConflictError
from rushes.files.publish import PendingOutput, make_folder
from rushes.models import text_encoder
from rushes.models.adapters.lora import place_lora, targets_of
from rushes.models.checkpoint import read_state_dict, refuse_misfit
from rushes.models.dit import CausalDit
from rushes.models.vace import VaceBranch
from rushes.presets.catalogue import imported
from rushes.presets.preset import Preset
from rushes.weights.autoencoders import empty_autoencoder
from rushes.weights.networks import LORA_ENTRY, dit_config, text_encoder_config
from rushes.weights.records import Record

_DTYPE_NAMES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.uint8: "U8",
}


def import_weights(
    source: Path,
    preset: Preset,
    models_dir: Path,
    *,
    dtype: torch.dtype | None = None,
    force: bool = False,
) -> tuple[Path, Record]:
    """Convert a checkpoint to the place where the preset looks for it; return path and record.

    It is compared with the preset's network first, so that what is there afterwards fits. Tensors
    are read from the mapped file one by one, so a conversion needs little memory of its own.

    Raises: MissingFileError; CheckpointError when the file does not hold exactly the weights of one
        of the preset's networks; ConflictError when the result is there, unless ``force``.
    """
    is_lora = source.name in {Path(name).name for name in preset.weights.lora}
    state = read_state_dict(source, LORA_ENTRY if is_lora else preset.dit_entry)
    part = _part_of(state, preset, source)
    _refuse_other_weights(part, preset, state, str(source))
    names = dict((*preset.weights, *preset.extras))[part]
    if not names:
        raise CheckpointError(f"{source}: is {part}, which preset {preset.name} does not have")
    path = imported(models_dir / _name_of(source, names, state, models_dir))
    if path.exists() and not force:
        raise ConflictError(f"{path}: is there already; give --force to replace it")
    sha256 = write_safetensors(path, state, dtype)
    return path, Record(path.stat().st_size, sha256, f"imported from {source}")


def _name_of(
    source: Path, names: Sequence[str], state: Mapping[str, Tensor], models_dir: Path
) -> str:
    """Return under which of a part's names it belongs: its own, else one of the same precision."""
    own = [name for name in names if source in (models_dir / name, imported(models_dir / name))]
    alike = [name for name in names if Path(name).stem == source.stem]
    is_fp8 = any(tensor.dtype == torch.float8_e4m3fn for tensor in state.values())
    fitting = [name for name in names if ("fp8" in name) == is_fp8]
    return (own or alike or fitting or list(names))[0]


def write_safetensors(path: Path, state: Mapping[str, Tensor], dtype: torch.dtype | None) -> str:
    """Write weights one after another and return the SHA-256 of the file.

    ``dtype`` is what float32 weights become; the library's own writer needs all of them in memory.

    Raises: CheckpointError for a dtype that such files do not have here; WriteError.
    """
    kinds = {
        name: dtype if dtype is not None and tensor.dtype == torch.float32 else tensor.dtype
        for name, tensor in state.items()
    }
    make_folder(path.parent)
    digest = hashlib.sha256()
    with PendingOutput(path) as pending:
        with pending.temporary.open("wb") as file:
            for piece in _pieces(state, kinds):
                file.write(piece)
                digest.update(piece)
        pending.publish()
    return digest.hexdigest()


def _pieces(
    state: Mapping[str, Tensor], kinds: Mapping[str, torch.dtype]
) -> Iterator[bytes | memoryview]:
    """Yield a safetensors file: the length of its header, the header, the tensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in state.items():
        if kinds[name] not in _DTYPE_NAMES:
            raise CheckpointError(f"{name} is {kinds[name]}; that is not known in weights files")
        begin, end = end, end + tensor.numel() * kinds[name].itemsize
        shape = list(tensor.shape)
        header[name] = {
            "dtype": _DTYPE_NAMES[kinds[name]],
            "shape": shape,
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text))
    yield text
    for name in state:
        flat = state[name].to(kinds[name]).contiguous().flatten()
        yield flat.view(torch.uint8).numpy().data


def _part_of(state: Mapping[str, Tensor], preset: Preset, source: Path) -> str:
    """Say which part of a preset some weights are; TAE and LightTAE differ in the name only."""
    if "patch_embedding.weight" in state:
        return "dit"
    if any(name.endswith(".lora_A.weight") for name in state):
        return "lora"
    if "vace_patch_embedding.weight" in state:
        return "vace"
    if "token_embedding.weight" in state or "shared.weight" in state:
        return "text_encoder"
    if "encoder.conv1.weight" in state:
        is_light = state["encoder.conv1.weight"].shape[0] == preset.vae.light_dim
        return "lightvae" if is_light else "vae"
    if "encoder.0.weight" in state:
        return "lighttae" if "light" in source.name.lower() else "tae"
    raise CheckpointError(
        f"{source}: neither a diffusion transformer, an autoencoder, a text encoder nor VACE; its "
        f"names begin with {', '.join(sorted(state)[:3])}; leave it as it is"
    )


def _refuse_other_weights(
    part: str, preset: Preset, state: Mapping[str, Tensor], origin: str
) -> None:
    network: nn.Module
    with torch.device("meta"):
        match part:
            case "text_encoder":
                text_encoder.refuse_other_weights(text_encoder_config(preset), state, origin)
                return
            case "lora":
                place_lora(state, targets_of(CausalDit(dit_config(preset))), origin)
                return
            case "dit":
                network = CausalDit(dit_config(preset))
            case "vace":
                network = VaceBranch(dit_config(preset))
            case "lightvae" | "tae" | "lighttae":
                network = empty_autoencoder(preset, part)
            case _:
                network = empty_autoencoder(preset, "wan")
    refuse_misfit(network, state, origin)
