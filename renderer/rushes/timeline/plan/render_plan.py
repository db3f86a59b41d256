"""The plan of a render, chunk by chunk: plain data that can be printed, stored and compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any, Literal, Self

from rushes.errors import ConfigError
from rushes.presets.device_classes import DeviceClass
from rushes.presets.kinds import Method, Mode, NoiseKind, Positions, VaeType, Variant
from rushes.timeline.document import Audio, ControlVideo, Lora, OutputOptions, Prompt
from rushes.timeline.plan.options import AtEnd
from rushes.timeline.plan.profiles import ProfileName
from rushes.timeline.times import parse_fraction

SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Steering:
    """What steers a chunk through VACE beside control video and mask: strength and images.

    ``references`` take the place of its first latent frames; it begins with ``first_frame`` and
    ends with ``last_frame``.
    """

    scale: float
    references: tuple[str, ...] = ()
    first_frame: str | None = None
    last_frame: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"references": list(self.references)}


@dataclass(frozen=True, slots=True)
class Chunk:
    """One pass of the streaming loop and everything it runs with.

    ``position`` is the latent frame at which the chunk starts, for rotary positions; 0 after a
    reset. ``prompt_block`` counts in the file's order; its prompts are the target. ``transition``
    is the weight of the target while a transition runs, else ``None``; a new transition starts
    where the target differs from the chunk before, from the embedding reached there.
    ``noise_scale`` is ``None`` in text mode. ``denoising_steps`` are as written: in video mode the
    first one follows the noise scale when the chunk is made, unless ``keeps_first_step``.
    ``lora_scales`` are those of all LoRAs of the plan; empty where no strength ever changes. A
    chunk that ``is_carried_over`` is not generated but taken from the end of the clip before, and
    shows its last frames; the chunk before it shows fewer frames than it makes. ``given_file`` is
    the image, or the video, whose first frames a chunk shows instead.
    """

    index: int
    first_frame: int
    num_frames: int
    num_latent_frames: int
    position: int
    prompt_block: int
    transition: float | None
    transition_method: Method
    reset: bool
    seed: int
    noise_scale: float | None
    denoising_steps: tuple[int, ...]
    keeps_first_step: bool = False
    lora_scales: tuple[float, ...] = ()
    steering: Steering | None = None
    is_carried_over: bool = False
    given_file: str | None = None


@dataclass(frozen=True, slots=True)
class RenderPlan:
    """Everything about a render that is decided before a GPU is used.

    ``prompts`` and ``block_times`` hold the prompt blocks that occur, prefix and suffix applied.
    ``takes_input``: frames of an input video are read, as the start of the latents (video mode) or
    as a control video (then ``mode`` is text). ``control`` has a control video apart from the
    input, and the mask of whichever is one. Files lie relative to the timeline, unless absolute.
    ``context_bias`` replaces the preset's weight of cached frames in the attention.
    Frames of the last chunk beyond ``num_frames`` are dropped. ``variant`` is what remembers past
    frames; with ``stream_batch`` the denoising steps of consecutive chunks run in one pass.
    ``noise`` says whose generator draws, ``noise_device`` which class of GPU if it is one's.
    ``normalise_latents`` of ``None`` leaves it to the preset whether encoded input is normalised,
    ``positions`` of ``None`` to the profile what happens where they end.
    Units: block times in seconds, as in the document.
    """

    profile: ProfileName
    variant: Variant
    stream_batch: bool
    pipeline_id: str
    mode: Mode
    takes_input: bool
    fps: Fraction
    num_frames: int
    width: int
    height: int
    seed: int
    spatial_method: Method
    noise_controller: bool
    manage_cache: bool
    vae_type: VaeType
    quantization: Literal["fp8_e4m3fn"] | None
    control: ControlVideo
    at_end: AtEnd
    frames_one_to_one: bool
    loras: tuple[Lora, ...]
    audio: Audio | None
    output: OutputOptions
    prompts: dict[int, tuple[Prompt, ...]]
    block_times: dict[int, tuple[float, float]]
    warnings: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    noise: NoiseKind = "torch-cpu"
    noise_device: DeviceClass | None = None
    normalise_latents: bool | None = None
    context_bias: float | None = None
    positions: Positions | None = None

    @property
    def num_frames_made(self) -> int:
        """Frames that leave the decoder, including those dropped at the end."""
        return self.chunks[-1].first_frame + self.chunks[-1].num_frames

    @property
    def input_is_control(self) -> bool:
        """Whether the input steers the render, instead of being the start of its latents."""
        return self.takes_input and self.mode == "text"

    @property
    def is_steered(self) -> bool:
        """Whether VACE has any part in the render."""
        return any(chunk.steering is not None for chunk in self.chunks)

    @property
    def has_control_frames(self) -> bool:
        """Whether every chunk has control frames, grey ones where no file has any."""
        return (
            self.input_is_control
            or self.control.video is not None
            or any(
                chunk.steering is not None
                and (chunk.steering.first_frame or chunk.steering.last_frame)
                for chunk in self.chunks
            )
        )

    @property
    def steering_files(self) -> tuple[str, ...]:
        """The files that steer the render or are shown in it, each once."""
        images = [
            (*chunk.steering.references, chunk.steering.first_frame, chunk.steering.last_frame)
            for chunk in self.chunks
            if chunk.steering is not None
        ]
        files = [self.control.video, self.control.mask, *(file for some in images for file in some)]
        files += [chunk.given_file for chunk in self.chunks]
        return tuple(dict.fromkeys(file for file in files if file is not None))

    @property
    def num_rows(self) -> int:
        """Rows of a batch of the network: the most denoising steps of a chunk in a stream batch."""
        most = max(len(chunk.denoising_steps) for chunk in self.chunks)
        return most if self.stream_batch else 1

    @property
    def prompt_texts(self) -> list[str]:
        """The texts of all prompts."""
        return [prompt.text for prompts in self.prompts.values() for prompt in prompts]

    @property
    def duration(self) -> Fraction:
        """Length of the result in seconds."""
        return self.num_frames / self.fps

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-safe data from which ``from_dict`` builds an equal plan."""
        return _values_of(self) | {
            "schema_version": SCHEMA_VERSION,
            "fps": float(self.fps),
            "fps_exact": str(self.fps),
            "num_chunks": len(self.chunks),
            "num_frames_made": self.num_frames_made,
            "loras": [_values_of(lora) for lora in self.loras],
            "control": _values_of(self.control),
            "audio": self.audio and _values_of(self.audio),
            "output": _values_of(self.output) | {"fps": self.output.fps and str(self.output.fps)},
            "prompts": {
                str(index): [_values_of(prompt) for prompt in prompts]
                for index, prompts in self.prompts.items()
            },
            "block_times": {str(index): list(times) for index, times in self.block_times.items()},
            "warnings": list(self.warnings),
            "chunks": [self._chunk_to_dict(chunk) for chunk in self.chunks],
        }

    def _chunk_to_dict(self, chunk: Chunk) -> dict[str, Any]:
        data = _values_of(chunk)
        data["denoising_steps"] = list(chunk.denoising_steps)
        data["lora_scales"] = list(chunk.lora_scales)
        data["steering"] = chunk.steering and chunk.steering.to_dict()
        data["time"] = round(float(chunk.first_frame / self.fps), 6)
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Build the plan that ``to_dict`` wrote.

        Raises: ConfigError when the data is not a plan.
        """
        try:
            values = {field.name: data[field.name] for field in fields(cls)}
            output = data["output"]
            return cls(
                **values
                | {
                    "fps": parse_fraction(data["fps_exact"]),
                    "loras": tuple(Lora(**lora) for lora in data["loras"]),
                    "control": ControlVideo(**data["control"]),
                    "audio": Audio(**data["audio"]) if data["audio"] else None,
                    "output": OutputOptions(
                        **output | {"fps": output["fps"] and parse_fraction(output["fps"])}
                    ),
                    "prompts": {
                        int(index): tuple(Prompt(**prompt) for prompt in prompts)
                        for index, prompts in data["prompts"].items()
                    },
                    "block_times": {
                        int(index): (start, end)
                        for index, (start, end) in data["block_times"].items()
                    },
                    "warnings": tuple(data["warnings"]),
                    "chunks": tuple(map(_chunk_from_dict, data["chunks"])),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"this is not a render plan: {error!r}; plan it again") from error


def _chunk_from_dict(data: dict[str, Any]) -> Chunk:
    values = {name: data[name] for name in Chunk.__slots__}
    tuples = {name: tuple(data[name]) for name in ("denoising_steps", "lora_scales")}
    steering = data["steering"]
    if steering is not None:
        steering = Steering(**steering | {"references": tuple(steering["references"])})
    return Chunk(**values | tuples | {"steering": steering})


def _values_of(data: Any) -> dict[str, Any]:
    """Return the fields of a dataclass with slots whose values are plain."""
    return {name: getattr(data, name) for name in data.__slots__}
