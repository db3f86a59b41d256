"""What a render needs of a GPU's memory, computed from sizes alone: nothing is loaded for it.

Weights and caches are exact; the workspace is what the largest step was found to need on tensors
without values, plus a share for what the allocator loses.

Source: the sizes of every tensor in ``rushes.models``; measured peaks of the autoencoders at
480x832 (encoder 22.75 and decoder 17.25 values a pixel and unit of ``dim``, tiny ones 400 and 680).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from rushes.presets.kinds import VaeType, Variant
from rushes.presets.preset import DitSpec, Preset
from rushes.timeline.steps import TOKEN_PIXELS

Quantise = Literal["fp8"]

_CHANNELS = 16
_ALLOCATOR_SHARE = 0.05
_PROMPT_BATCH = 8  # texts that are encoded together, see rushes.rendering.prompt_cache


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes of a GPU: all, and those that this process has or can get."""

    total: int
    free: int


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes by what they are for; the text encoder is there only before the first chunk.

    ``pairing`` (the clean pass and the next chunk's first step in one) and ``vae_rooms`` make a
    render faster where there is memory for them, and are not part of what is needed.
    """

    dit: int
    vace: int
    vae: int
    kv_cache: int
    prompt_keys: int
    vae_caches: int
    vae_rooms: int
    workspace: int
    pairing: int
    text_encoder: int
    text_workspace: int

    @property
    def rendering(self) -> int:
        """What is needed while chunks are made."""
        caches = self.kv_cache + self.prompt_keys + self.vae_caches
        return _with_loss(self.dit + self.vace + self.vae + caches + self.workspace)

    @property
    def paired(self) -> int:
        """What is used while chunks are made and clean passes are not passes of their own."""
        return self.rendering + _with_loss(self.pairing)

    @property
    def at_ease(self) -> int:
        """What is used while chunks are made, where there is that much."""
        return self.paired + _with_loss(self.vae_rooms)

    @property
    def encoding_prompts(self) -> int:
        """What is needed before, while new prompts are encoded on the same device."""
        weights = self.dit + self.vace + self.vae
        return _with_loss(weights + self.text_encoder + self.text_workspace)

    def to_dict(self) -> dict[str, Any]:
        totals = {"rendering": self.rendering, "encoding_prompts": self.encoding_prompts}
        return asdict(self) | totals


def estimate_memory(
    preset: Preset,
    width: int,
    height: int,
    *,
    value_bytes: int = 2,
    vae_type: VaeType = "wan",
    quantise: Quantise | None = None,
    with_vace: bool = False,
    text_encoder_bytes: int | None = None,
    rows: int = 1,
    takes: int = 1,
) -> MemoryEstimate:
    """Estimate a render of a preset at a size.

    ``rows`` are those of a stream batch, each with a KV cache and a prompt of its own; ``takes``
    share the passes, and each has its own state.
    ``value_bytes`` is what a number takes in the dtype that is computed with. Without the size of
    the text encoder's file its linear layers count as fp8, as in the preferred file.
    """
    dit, text = preset.dit, preset.text_encoder
    frame_tokens = width * height // TOKEN_PIXELS**2
    tokens = takes * _longest_pass(preset, rows) * frame_tokens
    layers = dit.num_layers + (dit.num_vace_blocks if with_vace else 0)
    num_linear = text.num_layers * (4 * text.num_heads * text.head_dim + 3 * text.ffn_dim)
    num_linear *= text.dim
    default_text = num_linear + 2 * (text.vocab_size * text.dim)
    vae = _vae_values(preset, vae_type, width * height)
    bank = preset.memory.bank_frames + 1 if preset.cache == "bank" else 0
    frame_bytes = dit.num_layers * 2 * frame_tokens * dit.dim * value_bytes  # of a KV cache
    prompts = 1 if rows == 1 else 2 * rows  # also joined into a batch
    workspace = max(round(vae.workspace * value_bytes), _dit_workspace(dit, tokens, value_bytes))
    pair = preset.chunk.latent_frames if can_pair_chunks(preset.cache, rows, takes) else 0
    pair_workspace = _dit_workspace(dit, 2 * pair * frame_tokens, value_bytes)
    return MemoryEstimate(
        dit=_dit_bytes(dit, value_bytes, quantise),
        vace=vace_parameters(dit) * value_bytes if with_vace else 0,
        vae=vae.weights * value_bytes,
        kv_cache=takes * (rows * preset.chunk.window + bank) * frame_bytes,
        prompt_keys=takes * prompts * layers * 2 * dit.text_len * dit.dim * value_bytes,
        vae_caches=round(takes * vae.caches * value_bytes),
        vae_rooms=round(takes * vae.rooms * value_bytes),
        workspace=workspace,
        pairing=pair * frame_bytes + max(0, pair_workspace - workspace),
        text_encoder=default_text if text_encoder_bytes is None else text_encoder_bytes,
        text_workspace=_PROMPT_BATCH
        * dit.text_len
        * (4 * text.ffn_dim * value_bytes + 2 * text.num_heads * dit.text_len * 4),
    )


def can_pair_chunks(variant: Variant, rows: int, takes: int) -> bool:
    """Say whether a clean pass and the first step of the next chunk can be one pass."""
    return variant == "rolling" and rows == takes == 1


def _longest_pass(preset: Preset, rows: int) -> int:
    """Return the latent frames of the longest pass of the network."""
    chunk = preset.chunk
    longest = max(chunk.latent_frames + 1, rows * chunk.latent_frames)  # the first, or a batch
    if preset.cache in ("recache", "bank"):
        return max(longest, chunk.window)
    if preset.cache == "step-window":
        return max(longest, chunk.latent_frames * len(preset.schedule.text_steps))
    return longest


def dit_parameters(dit: DitSpec) -> int:
    """Count the parameters of the causal DiT."""
    dim = dit.dim
    patch = _CHANNELS * 4 * dim + dim
    text = dit.text_dim * dim + dim + dim * dim + dim
    time = dit.freq_dim * dim + dim + dim * dim + dim + 6 * dim * dim + 6 * dim
    head = 4 * _CHANNELS * dim + 4 * _CHANNELS + 2 * dim
    return patch + text + time + head + dit.num_layers * block_parameters(dit)


def block_parameters(dit: DitSpec) -> int:
    """Count the parameters of one transformer block."""
    return _block_weights(dit) + 8 * dit.dim + 4 * dit.dim + 8 * dit.dim + dit.ffn_dim + dit.dim


def vace_parameters(dit: DitSpec) -> int:
    """Count the parameters of the VACE branch for a DiT of these sizes."""
    dim = dit.dim
    projections = (dit.num_vace_blocks + 1) * (dim * dim + dim)
    patch = 96 * 4 * dim + dim
    return patch + projections + dit.num_vace_blocks * block_parameters(dit)


def _block_weights(dit: DitSpec) -> int:
    """Count the weights of a block's linear layers, which are what can be stored as fp8."""
    return 8 * dit.dim * dit.dim + 2 * dit.dim * dit.ffn_dim


def _dit_bytes(dit: DitSpec, value_bytes: int, quantise: Quantise | None) -> int:
    if quantise is None:
        return dit_parameters(dit) * value_bytes
    narrow = dit.num_layers * _block_weights(dit)
    scales = dit.num_layers * (9 * dit.dim + dit.ffn_dim) * 4
    return (dit_parameters(dit) - narrow) * value_bytes + narrow + scales


def _dit_workspace(dit: DitSpec, tokens: int, value_bytes: int) -> int:
    """Return what a block holds at once: the tokens some times over, wide and hidden ones."""
    return tokens * (value_bytes * (8 * dit.dim + 2 * dit.ffn_dim) + 4 * 4 * dit.dim)


@dataclass(frozen=True)
class _VaeValues:
    """Numbers that an autoencoder holds; ``rooms`` are those of chunks, behind what it caches."""

    weights: int
    caches: float
    rooms: float
    workspace: float


def _vae_values(preset: Preset, vae_type: VaeType, pixels: int) -> _VaeValues:
    """Count what an autoencoder holds for one stream."""
    if vae_type in ("tae", "lighttae"):
        share = preset.vae.tiny_channels / 64
        return _VaeValues(
            weights=round(11_315_539 * share**2),
            caches=(174 + 216) * share * pixels,  # with their rooms, which are small
            rooms=0,
            workspace=680 * share * pixels,
        )
    dim = preset.vae.light_dim if vae_type == "lightvae" else preset.vae.dim
    positions = pixels // 64  # the attention in the middle may hold all their pairs
    return _VaeValues(
        weights=_vae_parameters(dim),
        caches=pixels * (6 + 14.5625 * dim + 0.5 + 24.625 * dim),
        rooms=pixels * (12 + 25.9375 * dim + 0.25 + 43.9375 * dim),
        workspace=23 * dim * pixels + 2 * positions**2,
    )


def _vae_parameters(dim: int) -> int:
    """Count the parameters of the Stream-VAE with two residual blocks a level."""
    return 13_709 * dim**2 + 5_719 * dim + 1_363


def _with_loss(count: int) -> int:
    return round(count * (1 + _ALLOCATOR_SHARE))
