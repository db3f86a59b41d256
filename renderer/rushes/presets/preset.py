"""Presets: one YAML a pipeline in ``configs/``; its sizes, schedule and weight files as data."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rushes.errors import ConfigError
from rushes.files.resources import data_folder
from rushes.presets.device_classes import DEFAULT_DEVICE_CLASS, DeviceClass
from rushes.presets.kinds import CachePolicy, Method, Mode, NoiseKind, VaeType, Variant


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class ChunkSpec(_Data):
    """How much the stream makes at a time and remembers, in latent frames.

    ``sink_refresh``: with profile upstream, a sink frame less like a new one than this is renewed.
    """

    latent_frames: int = Field(default=1, ge=1)
    window: int = Field(default=6, ge=2)
    sinks: int = Field(default=3, ge=0)
    sink_refresh: float | None = Field(default=0.2, ge=-1, le=1)

    def num_frames(self, mode: Mode, is_first: bool) -> int:
        """Return the frames of one chunk; the first of a stream has its own length.

        Source: scope: src/scope/core/pipelines/wan2_1/blocks (chunk sizes per mode)
        """
        if not is_first:
            return 4 * self.latent_frames
        if mode == "video":
            return 4 * self.latent_frames + 1
        return 4 * (max(self.latent_frames, 2) - 1) + 1


class ScheduleSpec(_Data):
    """The noise schedule and what a timeline that says nothing gets.

    ``noise`` says whose generator draws; of the GPUs one of the class ``noise_device``.
    """

    shift: float = Field(default=8.0, gt=0)
    video_steps: tuple[int, ...] = (750, 250)
    text_steps: tuple[int, ...] = (1000, 750)
    noise_scale: float = Field(default=0.7, ge=0, le=1)
    noise: NoiseKind = "torch-cpu"
    noise_device: DeviceClass = DEFAULT_DEVICE_CLASS

    def steps(self, mode: Mode) -> tuple[int, ...]:
        return self.video_steps if mode == "video" else self.text_steps


class PlaySpec(_Data):
    """What a file of the pipeline leaves to it, where neither options nor profile decide.

    ``on_prompt_change`` is what a hard prompt change does to the caches. ``transition_steps``, in
    chunks, are those of text mode; in video mode prompts change at once. Units: pixels.
    """

    default_mode: Mode = "video"
    height: int = Field(default=512, ge=64, multiple_of=16)
    width: int = Field(default=512, ge=64, multiple_of=16)
    on_prompt_change: CachePolicy = "auto"
    transition_steps: int = Field(default=0, ge=0)
    transition_method: Method = "slerp"


class Licence(_Data):
    """What the code that the rules come from, and the weights, may be used for.

    ``code`` and ``weights`` are SPDX names where there is one, or ``unknown``; ``commercial_use``
    is about the weights, ``None`` where nothing is known. ``source`` says where that was read.
    """

    code: str = "unknown"
    weights: str = "unknown"
    commercial_use: bool | None = None
    source: str = ""


class DitSpec(_Data):
    """Sizes of the causal DiT."""

    dim: int
    ffn_dim: int
    num_heads: int
    num_layers: int
    text_dim: int = 4096
    text_len: int = 512
    freq_dim: int = 256


class VaeSpec(_Data):
    """The autoencoder that renders get by default, and the sizes of all that they can choose.

    ``dim`` is the Wan VAE's, ``light_dim`` LightVAE's, ``tiny_channels`` those of TAE and LightTAE.
    ``normalise_encoded``: the encoded input is brought to unit variance.
    """

    type: VaeType = "wan"
    dim: int = 96
    light_dim: int = 24
    tiny_channels: int = 64
    num_res_blocks: int = 2
    normalise_encoded: bool = False


class TextEncoderSpec(_Data):
    """Sizes of the UMT5 encoder."""

    vocab_size: int = 256384
    dim: int = 4096
    ffn_dim: int = 10240
    num_heads: int = 64
    head_dim: int = 64
    num_layers: int = 24


class WeightFiles(_Data):
    """Where each part lies below the models folder; of several names the first that exists."""

    dit: tuple[str, ...]
    vae: tuple[str, ...]
    text_encoder: tuple[str, ...]
    tokenizer: tuple[str, ...]


class ExtraFiles(_Data):
    """Likewise for the networks that only some renders need; empty where a preset has none."""

    lightvae: tuple[str, ...] = ()
    tae: tuple[str, ...] = ()
    lighttae: tuple[str, ...] = ()
    vace: tuple[str, ...] = ()


class Preset(_Data):
    """Everything that tells one pipeline from another.

    ``pipeline_id`` is what timelines call it. ``cache`` is what remembers past frames.
    Weights lie in the models folder, or are made from ``random_weights_seed``, or travel with the
    package in ``weights_folder``. A model that was trained on small pictures only names its
    ``largest_side`` in pixels.
    """

    name: str
    description: str
    pipeline_id: str = "streamdiffusionv2"
    licence: Licence = Licence()
    random_weights_seed: int | None = None
    weights_folder: str | None = None
    largest_side: int | None = Field(default=None, ge=64, multiple_of=16)
    chunk: ChunkSpec = ChunkSpec()
    cache: Variant = "rolling"
    play: PlaySpec = PlaySpec()
    schedule: ScheduleSpec = ScheduleSpec()
    dit: DitSpec
    vae: VaeSpec = VaeSpec()
    text_encoder: TextEncoderSpec = TextEncoderSpec()
    weights: WeightFiles
    extras: ExtraFiles = ExtraFiles()

    @property
    def brings_weights(self) -> bool:
        """Whether nothing has to be downloaded: the weights are shipped or made on first use."""
        return self.random_weights_seed is not None or self.weights_folder is not None

    def files(self, vae_type: VaeType, with_vace: bool = False) -> dict[str, tuple[str, ...]]:
        """The names of all files that a render needs, by part."""
        files = dict(self.weights)
        if vae_type != "wan":
            files["vae"] = getattr(self.extras, vae_type)
        if with_vace:
            files["vace"] = self.extras.vace
        return files

    @model_validator(mode="after")
    def _text_widths_agree(self) -> Self:
        if self.dit.text_dim != self.text_encoder.dim:
            raise ValueError(
                f"dit.text_dim {self.dit.text_dim} differs from text_encoder.dim "
                f"{self.text_encoder.dim}"
            )
        return self


def preset_names() -> list[str]:
    """Return the names of the shipped presets, sorted."""
    return sorted(file.stem for file in data_folder("configs").glob("*.yaml"))


def load_preset(name: str) -> Preset:
    """Load a shipped preset by name, or one of the user's from a path that ends in ``.yaml``.

    Raises: ConfigError when there is none, or when it does not fit the model above.
    """
    path = Path(name) if name.endswith(".yaml") else data_folder("configs") / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(preset_names())
        raise ConfigError(f"unknown preset {name!r}; known are {known}, or give a .yaml file")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Preset.model_validate({"name": path.stem, **data})
    except (yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not a preset: {reason}", path=str(path)) from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigError(f"{path}: {faults}", path=str(path)) from error
