"""LoRA files: low-rank changes of linear layers, in every spelling that trainers publish.

A pair of a file, ``down`` [r, in] and ``up`` [out, r], changes a layer's weight W to
``W + strength * alpha / r * up @ down``; without an alpha the quotient is 1.

Source: scope: src/scope/core/pipelines/wan2_1/lora/{utils.py,manager.py}. It ignores alpha where
keys have ``diffusion_model.`` before ``lora_A``, and drops what it cannot place without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rushes.errors import CheckpointError
from rushes.models.adapters.header import NO_ALPHAS, Alphas
from rushes.models.checkpoint import listed

Modules = Mapping[str, nn.Linear]  # the layers that can be adapted, by their checkpoint names

_HALVES = (
    (".lora_down.weight", "down"),
    (".lora_up.weight", "up"),
    (".lora.down.weight", "down"),
    (".lora.up.weight", "up"),
    (".alpha", "alpha"),
)
_PEFT = re.compile(r"\.lora_([AB])(?:\.[^.]+)?\.weight$")  # with or without an adapter's name
# How keys end that tell adapters of other kinds.
_OTHER_KINDS = {
    ".dora_scale": "DoRA",
    ".lora_magnitude_vector": "DoRA",
    ".lora_magnitude_vector.weight": "DoRA",
    ".lokr_w1": "LoKr",
    ".lokr_w1_a": "LoKr",
    ".lokr_w2": "LoKr",
    ".lokr_w2_a": "LoKr",
    ".hada_w1_a": "LoHa",
}
_PREFIXES = ("base_model.model.", "model.", "diffusion_model.", "transformer.")
_KOHYA = re.compile(r"^lora_(?:unet|transformer)_+")

# The names that diffusers gives the same layers.
_DIFFUSERS = (
    (r"^time_embedding\.0$", "condition_embedder.time_embedder.linear_1"),
    (r"^time_embedding\.2$", "condition_embedder.time_embedder.linear_2"),
    (r"^text_embedding\.0$", "condition_embedder.text_embedder.linear_1"),
    (r"^text_embedding\.2$", "condition_embedder.text_embedder.linear_2"),
    (r"^time_projection\.1$", "condition_embedder.time_proj"),
    (r"^head\.head$", "proj_out"),
    (r"\.self_attn\.", ".attn1."),
    (r"\.cross_attn\.", ".attn2."),
    (r"\.([qkv])$", r".to_\1"),
    (r"\.o$", ".to_out.0"),
    (r"\.ffn\.0$", ".ffn.net.0.proj"),
    (r"\.ffn\.2$", ".ffn.net.2"),
)


@dataclass(frozen=True)
class RawPair:
    """One low-rank change as it stands in a file."""

    base: str  # the key without what names the half
    down: Tensor
    up: Tensor
    alpha: float | None

    @property
    def rank(self) -> int:
        return self.down.shape[0]


@dataclass(frozen=True)
class LoraPair:
    """A low-rank change of one layer.

    Shapes:
        down: [r, in]
        up: [out, r]
    """

    down: Tensor
    up: Tensor
    factor: float

    def change(self, device: torch.device) -> Tensor:
        """Return what is added to the layer's weight at strength 1, [out, in], in float32."""
        return self.factor * (self.up.to(device).float() @ self.down.to(device).float())


@dataclass(frozen=True)
class LoraWeights:
    """The changes of one file, by layer, and the keys of it that change nothing here."""

    pairs: Mapping[str, LoraPair]
    unused: tuple[str, ...] = ()


def linear_layers(*networks: nn.Module | None) -> dict[str, nn.Linear]:
    """Return all linear layers of some networks, by their checkpoint names."""
    return {
        name: module
        for network in networks
        if network is not None
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear)
    }


def place_lora(
    state: Mapping[str, Tensor], layers: Modules, origin: str, alphas: Alphas = NO_ALPHAS
) -> LoraWeights:
    """Find the layer of every pair of a file; ``alphas`` are those of its header.

    Raises: CheckpointError when the file holds no pair, when none of its pairs has a layer here,
        when one does not fit its layer, or holds numbers that are none.
    """
    raw_pairs, unused = read_pairs(state, origin)
    find = layer_finder(layers)
    pairs: dict[str, LoraPair] = {}
    for raw in raw_pairs:
        name = find(raw.base)
        if name is None:
            unused.append(raw.base)
            continue
        _refuse_misfit(raw, layers[name], name, origin)
        if name in pairs:
            raise CheckpointError(f"{origin}: changes {name} twice; take one LoRA a file")
        factor = alphas.factor(raw.base, raw.rank, raw.alpha)
        pairs[name] = LoraPair(raw.down, raw.up, factor)
    if not pairs:
        named = listed([raw.base for raw in raw_pairs], 3)
        raise CheckpointError(
            f"{origin}: is a LoRA of another model: none of its {len(raw_pairs)} layers "
            f"({named}) is in this one; use one made for Wan2.1"
        )
    return LoraWeights(pairs, tuple(unused))


def read_pairs(state: Mapping[str, Tensor], origin: str) -> tuple[list[RawPair], list[str]]:
    """Put the halves of each low-rank change together; return the other keys besides.

    Raises: CheckpointError when there is no complete pair, or one whose halves do not fit.
    """
    _refuse_other_kinds(state, origin)
    parts: dict[str, dict[str, Tensor]] = {}
    unused: list[str] = []
    for key, tensor in state.items():
        base, half = _split(key)
        if half is None:
            unused.append(key)
        elif half in parts.setdefault(base, {}):
            raise CheckpointError(f"{origin}: changes {base} twice; take one LoRA a file")
        else:
            parts[base][half] = tensor
    pairs: list[RawPair] = []
    for base, found in parts.items():
        if "down" in found and "up" in found:
            pairs.append(_raw_pair(base, found, origin))
        else:
            unused.extend(f"{base}.{half}" for half in found)
    if not pairs:
        raise CheckpointError(
            f"{origin}: is not a LoRA: it holds no pair of lora_A and lora_B, or "
            "lora_down and lora_up"
        )
    return pairs, unused


def _refuse_other_kinds(state: Mapping[str, Tensor], origin: str) -> None:
    """Refuse adapters of which the low-rank pairs are a part only: the picture would be another.

    Raises: CheckpointError.
    """
    for ending, kind in _OTHER_KINDS.items():
        if any(key.endswith(ending) for key in state):
            raise CheckpointError(
                f"{origin}: is a {kind} (it has keys *{ending}), which cannot be applied yet; "
                "use a plain LoRA, or merge it into a checkpoint with its own tool"
            )


def layer_finder(layers: Iterable[str]) -> Callable[[str], str | None]:
    """Return the function from a key without its half to the name of a layer, if there is one."""
    names: dict[str, str] = {}
    for layer in layers:
        for name in (layer, _diffusers_name(layer)):
            names[name] = names[name.replace(".", "_")] = layer
    return lambda base: names.get(_without_prefixes(base))


def _split(key: str) -> tuple[str, str | None]:
    """Part a key into its layer and its half."""
    for ending, half in _HALVES:
        if key.endswith(ending):
            return key.removesuffix(ending), half
    match = _PEFT.search(key)
    if match is None:
        return key, None
    return key[: match.start()], "down" if match[1] == "A" else "up"


def _raw_pair(base: str, found: Mapping[str, Tensor], origin: str) -> RawPair:
    down, up = (_flat(found[half]) for half in ("down", "up"))
    alpha = found.get("alpha")
    if down.ndim != 2 or up.ndim != 2 or down.shape[0] != up.shape[1] or not down.shape[0]:
        raise CheckpointError(
            f"{origin}: {base} has halves {list(down.shape)} and {list(up.shape)}, whose ranks do "
            "not agree; fetch the file again"
        )
    if alpha is not None and alpha.numel() != 1:
        raise CheckpointError(f"{origin}: {base}.alpha holds {alpha.numel()} numbers, not one")
    if not all(bool(part.isfinite().all()) for part in found.values()):
        raise CheckpointError(f"{origin}: {base} holds infinite numbers; fetch the file again")
    return RawPair(base, down, up, None if alpha is None else float(alpha))


def _flat(half: Tensor) -> Tensor:
    """Drop the axes of length one that some trainers keep behind the two of a linear layer."""
    is_kernel = half.ndim > 2 and all(size == 1 for size in half.shape[2:])
    return half.flatten(1) if is_kernel else half


def _refuse_misfit(raw: RawPair, layer: nn.Linear, name: str, origin: str) -> None:
    wanted, given = [layer.out_features, layer.in_features], [raw.up.shape[0], raw.down.shape[1]]
    if wanted != given:
        raise CheckpointError(
            f"{origin}: is a LoRA of another base: {name} is {given} in it and {wanted} in this "
            "model; use one made for this size of Wan2.1"
        )


def _without_prefixes(base: str) -> str:
    if _KOHYA.match(base):
        return _KOHYA.sub("", base)
    while prefix := next((each for each in _PREFIXES if base.startswith(each)), None):
        base = base.removeprefix(prefix)
    return base


def _diffusers_name(layer: str) -> str:
    for pattern, replacement in _DIFFUSERS:
        layer = re.sub(pattern, replacement, layer)
    return layer
