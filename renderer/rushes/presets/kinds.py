"""The kinds of which a preset chooses: caches, autoencoders, noise and others."""

from __future__ import annotations

from typing import Literal, get_args

Mode = Literal["text", "video"]
Method = Literal["linear", "slerp"]
CachePolicy = Literal["auto", "reset", "keep"]
VaeType = Literal["wan", "lightvae", "tae", "lighttae"]
# What remembers past frames.
Variant = Literal[
    "rolling",
    "ring",
    "ring-exact",
    "recache",
    "bank",
    "ema-sink",
    "rebuilt",
    "clip",
    "step-window",
]

# Where the positions of a model end, the caches are reset, or positions are rewound.
Positions = Literal["reset", "rewind"]

NoiseKind = Literal["torch-cpu", "cuda"]  # the generator whose noise is drawn

GraphsChoice = Literal["auto", "on", "off"]  # whether steps that are alike are replayed

MOST_THREADS = 256  # that may compute a render on a CPU

MODES: tuple[Mode, ...] = get_args(Mode)
METHODS: tuple[Method, ...] = get_args(Method)
CACHE_POLICIES: tuple[CachePolicy, ...] = get_args(CachePolicy)
POSITIONS: tuple[Positions, ...] = get_args(Positions)
NOISE_KINDS: tuple[NoiseKind, ...] = get_args(NoiseKind)
VAE_TYPES: tuple[VaeType, ...] = get_args(VaeType)
VARIANTS: tuple[Variant, ...] = get_args(Variant)
