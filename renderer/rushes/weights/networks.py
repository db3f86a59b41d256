"""From a preset and a models folder to networks on a device."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from rushes.errors import CheckpointError
from rushes.files.publish import make_folder, written_as
from rushes.files.resources import data_folder
from rushes.memory.estimate import Quantise
from rushes.models.adapters.part_of_model import merge_part
from rushes.models.checkpoint import files_of, load_strictly, read_state_dict
from rushes.models.dit import CausalDit, DitConfig
from rushes.models.quantise import quantise_blocks
from rushes.models.text_encoder import (
    TextEncoder,
    TextEncoderConfig,
    load_text_network,
    load_tokenizer,
)
from rushes.presets.catalogue import PICKLED, imported, load_catalogue, publishers
from rushes.presets.default import REAL_PRESET, STAND_IN_PRESET
from rushes.presets.kinds import VaeType
from rushes.presets.preset import TINY, Preset, load_preset
from rushes.stream.schedule import FlowSchedule
from rushes.stream.stream import Models
from rushes.weights import random_weights
from rushes.weights.autoencoders import load_autoencoder, tiny_vae_config, vae_config

LORA_ENTRY = "generator_lora"  # longlive: utils/lora_utils.py

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightPaths:
    """The files of one pipeline on this machine."""

    dit: Path
    vae: Path
    text_encoder: Path
    tokenizer: Path
    vace: Path | None = None
    lora: Path | None = None

    def files(self) -> dict[str, Path]:
        """The weight files by part, for hashing; of shards all, as ``part/file``."""
        parts = {"dit": self.dit, "vae": self.vae, "text_encoder": self.text_encoder}
        optional = {"vace": self.vace, "lora": self.lora}
        parts |= {part: path for part, path in optional.items() if path is not None}
        files = dict(parts)
        for part, path in parts.items():
            files |= {f"{part}/{shard.name}": shard for shard in files_of(path)[1:]}
        return files


def find_weights(
    preset: Preset,
    models_dir: Path,
    cache_dir: Path,
    vae_type: VaeType = "wan",
    with_vace: bool = False,
) -> WeightPaths:
    """Find the files of a preset; those of a random-weight preset are made on first use.

    Raises: CheckpointError that names everything that is missing and where it was looked for.
    """
    root = weights_root(preset, models_dir, cache_dir)
    found: dict[str, Path] = {}
    missing: list[str] = []
    entries: list[str] = []
    for part, names in preset.files(vae_type, with_vace).items():
        existing = [path for name in names if (path := _present(root / name)) is not None]
        if existing:
            found[part] = existing[0]
        else:
            missing.append(f"{part} ({' or '.join(names)})")
            entries += list(publishers(load_catalogue(), names))[:1]
    if missing:
        command = f"with 'rushes models download {' '.join(entries)}'"
        raise CheckpointError(
            f"preset {preset.name}: not found below {root}: {'; '.join(missing)}; fetch them "
            f"{command if entries else 'from their publisher'}, name their folder with "
            f"--models-dir, or try --preset {_stand_in(preset)}"
        )
    return WeightPaths(**found)


def _stand_in(preset: Preset) -> str:
    """Name a preset that renders the same files without anything to fetch."""
    same = load_preset(REAL_PRESET).pipeline_id == preset.pipeline_id
    return STAND_IN_PRESET if same else preset.name + TINY


def weights_root(preset: Preset, models_dir: Path, cache_dir: Path) -> Path:
    """Return the folder below which the files of a preset lie; random weights are made there."""
    if preset.weights_folder is not None:
        return data_folder(preset.weights_folder)
    if preset.random_weights_seed is None:
        return models_dir
    return _random_weights_folder(preset, cache_dir)


def _present(path: Path) -> Path | None:
    """Return a weights file, or rather what was imported of it, if one of them is there."""
    if path.suffix in PICKLED and imported(path).exists():
        return imported(path)
    return path if path.exists() else None


def load_models(
    preset: Preset,
    paths: WeightPaths,
    device: torch.device,
    dtype: torch.dtype,
    vae_type: VaeType = "wan",
    quantise: Quantise | None = None,
    blocks: range | None = None,
) -> Models:
    """Load the diffusion transformer, with its linear layers in fp8 if so, and the autoencoder.

    With ``blocks`` it has only these of its blocks, for a rank of several.

    Raises: CheckpointError when a file does not hold exactly the weights of its network.
    """
    with torch.device("meta"):
        dit = CausalDit(dit_config(preset))
    load_strictly(dit, read_state_dict(paths.dit, preset.dit_entry), str(paths.dit))
    if paths.lora is not None:
        merge_part(dit, read_state_dict(paths.lora, LORA_ENTRY), str(paths.lora), dtype)
    if blocks is not None:
        dit.blocks = dit.blocks[blocks.start : blocks.stop]
        dit.config = replace(dit.config, num_layers=len(blocks))
    if quantise is not None:
        dit = quantise_blocks(dit, device, dtype)
    else:
        dit = dit.to(device=device, dtype=dtype)
    return Models(
        dit=dit.eval(),
        vae=load_autoencoder(preset, paths.vae, vae_type, device, dtype),
        schedule=FlowSchedule(shift=preset.schedule.shift),
        warps_steps=preset.schedule.warps,
        normalise_encoded=preset.vae.normalise_encoded,
        device=device,
        dtype=dtype,
    )


def load_text_encoder(
    preset: Preset, paths: WeightPaths, device: torch.device, dtype: torch.dtype
) -> TextEncoder:
    """Load the text encoder and its tokenizer.

    Raises: CheckpointError as ``load_models``.
    """
    network = load_text_network(
        text_encoder_config(preset),
        read_state_dict(paths.text_encoder),
        dtype,
        str(paths.text_encoder),
    )
    tokenizer = load_tokenizer(paths.tokenizer)
    return TextEncoder(network.to(device), tokenizer, preset.dit.text_len, dtype)


def dit_config(preset: Preset) -> DitConfig:
    return DitConfig(**preset.dit.model_dump())


def text_encoder_config(preset: Preset) -> TextEncoderConfig:
    return TextEncoderConfig(**preset.text_encoder.model_dump())


def _random_weights_folder(preset: Preset, cache_dir: Path) -> Path:
    """Return the folder of a preset's random weights, which a change of the preset renews."""
    digest = hashlib.sha256(preset.model_dump_json().encode()).hexdigest()[:12]
    folder = cache_dir / "random-weights" / f"{preset.name}-{digest}"
    if not folder.is_dir():
        logger.info("making the random weights of preset %s", preset.name)
        make_folder(folder.parent)
        with written_as(folder):
            staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
            try:
                _write_random_weights(preset, staging)
                os.rename(staging, folder)
            except OSError:
                if not folder.is_dir():  # else another process was faster
                    raise
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    return folder


def _write_random_weights(preset: Preset, root: Path) -> None:
    generator = torch.Generator().manual_seed(preset.random_weights_seed or 0)
    names = preset.weights
    state = random_weights.random_dit(dit_config(preset), generator)
    container, prefix = preset.dit_entry, random_weights.DIT_PREFIX
    random_weights.save_weights(root / names.dit[0], state, container, prefix)
    state = random_weights.random_vae(vae_config(preset, "wan"), generator)
    random_weights.save_weights(root / names.vae[0], state)
    state = random_weights.random_text_encoder(text_encoder_config(preset), generator)
    random_weights.save_weights(root / names.text_encoder[0], state)
    random_weights.write_byte_tokenizer(root / names.tokenizer[0])
    _write_random_extras(preset, root, generator)
    if names.lora:
        state = random_weights.random_lora(dit_config(preset), generator)
        random_weights.save_weights(root / names.lora[0], state, LORA_ENTRY)


def _write_random_extras(preset: Preset, root: Path, generator: torch.Generator) -> None:
    for part, names in preset.extras:
        match part:
            case "lightvae":
                state = random_weights.random_vae(vae_config(preset, part), generator)
            case "tae" | "lighttae":
                state = random_weights.random_tiny_vae(tiny_vae_config(preset, part), generator)
            case _:
                state = random_weights.random_vace(dit_config(preset), generator)
        for name in names[:1]:
            random_weights.save_weights(root / name, state)
