"""Presets: a YAML in ``configs/`` for each pipeline, with sizes, schedule and weight files."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rushes.errors import ConfigError
from rushes.files.resources import data_folder
from rushes.presets.device_classes import DEFAULT_DEVICE_CLASS, DeviceClass
from rushes.presets.kinds import CachePolicy, Method, Mode, NoiseKind, VaeType, Variant

# Seven times as fast where PyYAML was built with libyaml.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

TINY = "-tiny"  # suffix of a preset's name


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class ChunkSpec(_Data):
    """How many latent frames the stream makes at a time, and remembers.

    ``sink_refresh``: with profile upstream, a sink frame whose similarity to a new one is below
    this is renewed. ``first_text_frames`` is the length of the first chunk in text mode, if it
    differs from the others. ``first_video_step_back``: the frames by which the position moves less
    than the first chunk of video mode is long, so that the next one takes the place of its end.
    """

    latent_frames: int = Field(default=1, ge=1)
    first_text_frames: int | None = Field(default=None, ge=1)
    first_video_step_back: int = Field(default=0, ge=0)
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
        return 4 * ((self.first_text_frames or max(self.latent_frames, 2)) - 1) + 1


class MemorySpec(_Data):
    """What kinds of cache need beside window and sinks; each kind reads its own fields.

    ``keeps_sinks`` (recache, bank): filling the window again keeps the sinks. ``bank_frames`` and
    ``record_every``, in chunks (bank): how much is recorded, and how often; never if ``null``.
    ``sink_kept`` (ema-sink): the share of a sink that is kept at an eviction. ``context_frames``
    (rebuilt): the number of clean frames from which the cache is built; ``context_bias`` is their
    weight, which files may change; ``null`` where the model has none. ``attended`` (step-window):
    frames that take part in a pass. Units: latent frames.
    """

    keeps_sinks: bool = True
    bank_frames: int = Field(default=3, ge=1)
    record_every: int | None = Field(default=3, ge=1)
    sink_kept: float = Field(default=0.999, ge=0, le=1)
    context_frames: int = Field(default=3, ge=1)
    context_bias: float | None = Field(default=None, gt=0, le=1)
    attended: int = Field(default=21, ge=1)


class ClipSpec(_Data):
    """A model that makes clips of a fixed length; longer videos are several.

    A clip after the first begins with the last ``overlap`` latent frames of the one before.
    ``extends_itself``: the authors do not offer longer videos; this project does. ``draws_given``:
    noise is drawn for frames that are given, too.
    Units: latent frames.
    """

    frames: int = Field(default=21, ge=1)
    overlap: int = Field(default=3, ge=1)
    extends_itself: bool = True
    draws_given: bool = False

    @property
    def overlap_frames(self) -> int:
        """The length of the overlap in frames of the video."""
        return 4 * (self.overlap - 1) + 1


class ScheduleSpec(_Data):
    """The noise schedule, and defaults for timelines.

    ``noise`` names the generator; a GPU's is of the class ``noise_device``. ``warps``: steps go
    through the shifted table first. ``first_text_steps`` are those of the first chunk, if they
    differ. A model without ``video_steps`` makes videos of text only.
    """

    shift: float = Field(default=8.0, gt=0)
    warps: bool = False
    video_steps: tuple[int, ...] = (750, 250)
    text_steps: tuple[int, ...] = (1000, 750)
    first_text_steps: tuple[int, ...] = ()
    noise_scale: float = Field(default=0.7, ge=0, le=1)
    noise: NoiseKind = "torch-cpu"
    noise_device: DeviceClass = DEFAULT_DEVICE_CLASS

    def steps(self, mode: Mode) -> tuple[int, ...]:
        return self.video_steps if mode == "video" else self.text_steps


class PlaySpec(_Data):
    """Defaults for files of the pipeline, where neither options nor profile decide.

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
    """The licences of the reference code and of the weights.

    ``code`` and ``weights`` are SPDX names where there is one, or ``unknown``; ``commercial_use``
    is about the weights, ``None`` where nothing is known. ``source`` is where that was read.
    """

    code: str = "unknown"
    weights: str = "unknown"
    commercial_use: bool | None = None
    source: str = ""


class DitSpec(_Data):
    """Sizes of the causal DiT; VACE has a block for each ``vace_stride`` of its blocks."""

    dim: int
    ffn_dim: int
    num_heads: int
    num_layers: int
    text_dim: int = 4096
    text_len: int = 512
    freq_dim: int = 256
    vace_stride: int = Field(default=2, ge=1)

    @property
    def num_vace_blocks(self) -> int:
        return len(range(0, self.num_layers, self.vace_stride))


class VaeSpec(_Data):
    """The default autoencoder, and the sizes of all that can be chosen.

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
    """The path of each part below the models folder; of several, the first that exists.

    ``lora`` is the other half of a ``dit`` that is published in two files.
    """

    dit: tuple[str, ...]
    lora: tuple[str, ...] = ()
    vae: tuple[str, ...]
    text_encoder: tuple[str, ...]
    tokenizer: tuple[str, ...]

    def parts(self) -> dict[str, tuple[str, ...]]:
        """The names of the files of every part that there is."""
        return {part: names for part, names in self if names}


class ExtraFiles(_Data):
    """Likewise for networks that only some renders need; empty if a preset has none."""

    lightvae: tuple[str, ...] = ()
    tae: tuple[str, ...] = ()
    lighttae: tuple[str, ...] = ()
    vace: tuple[str, ...] = ()


class Preset(_Data):
    """Everything that tells one pipeline from another.

    ``pipeline_id`` is what timelines call it. ``cache`` is what remembers past frames, with what it
    needs in ``memory``. ``dit_entry`` is the key of the weights in their file, ``None`` for its top
    level. Weights lie in the models folder, or are made from ``random_weights_seed``, or are
    shipped in ``weights_folder``. A model trained on small pictures only has a ``largest_side`` in
    pixels.
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
    memory: MemorySpec = MemorySpec()
    clip: ClipSpec | None = None
    play: PlaySpec = PlaySpec()
    schedule: ScheduleSpec = ScheduleSpec()
    dit: DitSpec
    dit_entry: str | None = "generator"
    vae: VaeSpec = VaeSpec()
    text_encoder: TextEncoderSpec = TextEncoderSpec()
    weights: WeightFiles
    extras: ExtraFiles = ExtraFiles()

    @property
    def brings_weights(self) -> bool:
        """Whether no download is needed: the weights are shipped, or made on first use."""
        return self.random_weights_seed is not None or self.weights_folder is not None

    def files(self, vae_type: VaeType, with_vace: bool = False) -> dict[str, tuple[str, ...]]:
        """The names of all files that a render needs, by part."""
        files = self.weights.parts()
        if vae_type != "wan":
            files["vae"] = getattr(self.extras, vae_type)
        if with_vace:
            files["vace"] = self.extras.vace
        return files

    @property
    def is_text_only(self) -> bool:
        return not self.schedule.video_steps

    @property
    def draws_whole_clips(self) -> bool:
        """Whether noise comes from one generator, clip by clip, and not from each chunk's seed."""
        return self.clip is not None or self.cache == "step-window"

    @property
    def positions_grow(self) -> bool:
        """Whether the network sees positions that grow with the video, up to a limit."""
        return self.cache not in ("ema-sink", "rebuilt")

    @model_validator(mode="after")
    def _memory_fits(self) -> Self:
        chunk, clip = self.chunk, self.clip
        if (clip is not None) != (self.cache == "clip"):
            raise ValueError("clip belongs to cache: clip, and only there")
        if clip is not None and clip.overlap > chunk.latent_frames:
            raise ValueError(
                f"clip.overlap {clip.overlap} is more than chunk.latent_frames "
                f"{chunk.latent_frames}"
            )
        if self.cache == "rebuilt" and self.memory.context_frames != chunk.latent_frames:
            raise ValueError(
                f"memory.context_frames {self.memory.context_frames} differs from "
                f"chunk.latent_frames {chunk.latent_frames}; others are not published"
            )
        return self

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
    """Load a shipped preset by name, or the user's own from a path that ends in ``.yaml``.

    The name of a shipped one with the suffix ``-tiny`` is the same model with the small random
    networks of preset tiny.
    Raises: ConfigError when there is none, or when it is not valid.
    """
    of_full_size = name.removesuffix(TINY)
    if of_full_size != name and of_full_size in preset_names():
        return tiny_form(load_preset(of_full_size))
    path = Path(name) if name.endswith(".yaml") else data_folder("configs") / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(preset_names())
        raise ConfigError(
            f"unknown preset {name!r}; known are {known}, each also with {TINY} behind it, for "
            "small random networks, or give a .yaml file"
        )
    return _read_preset(path)


def tiny_form(preset: Preset) -> Preset:
    """Return the same model with the small random networks of preset tiny, in its own files."""
    tiny = _read_preset(data_folder("configs") / "tiny.yaml")
    first = {part: names[:1] for part, names in preset.weights.parts().items()}
    random = {
        "name": preset.name + TINY,
        "description": f"{preset.name} with random weights; its pictures mean nothing",
        "licence": tiny.licence,
        "random_weights_seed": tiny.random_weights_seed,
        "weights_folder": None,
        "schedule": preset.schedule.model_copy(update={"noise": tiny.schedule.noise}),
        "dit": tiny.dit.model_copy(update={"vace_stride": preset.dit.vace_stride}),
        "vae": tiny.vae.model_copy(update={"normalise_encoded": preset.vae.normalise_encoded}),
        "text_encoder": tiny.text_encoder,
        "weights": WeightFiles(**first | {"text_encoder": tiny.weights.text_encoder}),
    }
    return preset.model_copy(update=random)


def _read_preset(path: Path) -> Preset:
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
        return Preset.model_validate({"name": path.stem, **data})
    except (yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not a preset: {reason}", path=str(path)) from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigError(f"{path}: {faults}", path=str(path)) from error
