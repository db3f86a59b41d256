"""Mixing prompt embeddings: several at one instant, or two of them over time.

Source: scope: src/scope/core/pipelines/blending.py. It differs here where two prompts have a token
in common: the reference's slerp turns such tokens to zero, ours decides per token and mixes them
linearly. All arithmetic is float32; results have the dtype of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rushes.presets.kinds import Method

# Radians; the threshold of the reference, which looks at the largest token only.
_SMALL_ANGLE = 1e-4
_EPSILON = 1e-8


def normalise_weights(weights: Sequence[float], dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the weights' shares of their sum; equal shares if the sum is not positive: [n]."""
    values = torch.tensor(weights, dtype=dtype)
    total = values.sum()
    return values / total if total > 0 else torch.full_like(values, 1 / len(weights))


def blend(embeddings: Sequence[Tensor], weights: Tensor, method: Method = "linear") -> Tensor:
    """Mix the embeddings of one prompt block; slerp exists between two only.

    A linear mix is scaled back to the weighted mean of the norms, since averaging shortens it.

    Shapes:
        embeddings: [1, P, E] each
        weights: [n], normalised
        returns: [1, P, E]
    """
    if method == "slerp" and len(embeddings) == 2:
        return slerp(embeddings[0], embeddings[1], float(weights[1]))
    stacked = torch.stack([embedding.float() for embedding in embeddings])  # [n, 1, P, E]
    shares = weights.float().to(stacked.device)
    mixed = torch.einsum("n,n...->...", shares, stacked)
    wanted = (shares * stacked.flatten(1).norm(dim=1)).sum()
    norm = mixed.norm()
    scaled = torch.where(norm > _EPSILON, mixed * (wanted / norm), mixed)
    return scaled.to(embeddings[0].dtype)


def interpolate(source: Tensor, target: Tensor, weight: float, method: Method) -> Tensor:
    """Return the embedding that lies ``weight`` of the way from source to target.

    Shapes:
        source, target: [1, P, E]
        returns: [1, P, E]
    """
    if method == "slerp":
        return slerp(source, target, weight)
    return torch.lerp(source.float(), target.float(), weight).to(source.dtype)


def slerp(first: Tensor, second: Tensor, weight: float) -> Tensor:
    """Turn every token of one embedding towards the other's; nearly parallel tokens are lerped.

    The angle is that of the normalised tokens, the coefficients apply to the tokens as they are.

    Shapes:
        first, second: [1, P, E]
        returns: [1, P, E]
    """
    a, b = first.float(), second.float()
    unit_a = a / (a.norm(dim=-1, keepdim=True) + _EPSILON)
    unit_b = b / (b.norm(dim=-1, keepdim=True) + _EPSILON)
    angle = (unit_a * unit_b).sum(-1, keepdim=True).clamp(-1, 1).acos()  # [1, P, 1]
    sine = angle.sin() + _EPSILON
    turned = torch.sin((1 - weight) * angle) / sine * a + torch.sin(weight * angle) / sine * b
    return torch.where(angle < _SMALL_ANGLE, torch.lerp(a, b, weight), turned).to(first.dtype)
