"""The attention layers of a block: their projections, and what goes into a cache."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rushes.models.caches.kv_cache import KVCache, PlacesValues, Seen, SeenByRow
from rushes.models.layers.stacked import StackedLinear, WideWeights, is_plain
from rushes.models.rope import RotaryFactors, turn


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis, in float32."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.dtype is not x.dtype:  # no single kernel takes both
            return functional.rms_norm(x, x.shape[-1:], None, self.eps) * self.weight
        return functional.rms_norm(x, x.shape[-1:], self.weight, self.eps)


class Attention(nn.Module):
    """The projections that self- and cross-attention share."""

    def __init__(self, dim: int, head_dim: int, eps: float) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)
        self.norm_q = RMSNorm(dim, eps)
        self.norm_k = RMSNorm(dim, eps)

    def query(self, x: Tensor) -> Tensor:
        return self._heads(self.norm_q(self.q(x)))

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._heads(self.norm_k(self.k(x))), self._heads(self.v(x))

    def project(self, x: Tensor) -> Tensor:
        return self.o(x.flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim))  # [B, S, N, D]


class SelfAttention(Attention):
    """Attention of a chunk to itself and to what a cache keeps of the frames before."""

    def __init__(self, dim: int, head_dim: int, eps: float) -> None:
        super().__init__(dim, head_dim, eps)
        self._stack: StackedLinear | None = None
        self._norm_weights: WideWeights | None = None

    def attended(
        self, y: Tensor, rotary: RotaryFactors, kv_cache: KVCache, index: int
    ) -> tuple[Tensor, Seen | SeenByRow]:
        """Write the keys and values of block ``index``; return the queries and all they may see.

        Shapes:
            y: [B, S, E]
            returns: [B, S, N, D], then as ``KVCache.write``
        """
        both = self.queries_keys(y)
        if kv_cache.rotates_keys:
            q, k = turn(both[:, :, 0], rotary), both[:, :, 1].to(y.dtype)
        else:
            q, k = turn(both, rotary).unbind(2)
        return q.to(y.dtype), kv_cache.write(index, k, self._values(y, kv_cache, index))

    def queries_keys(self, y: Tensor) -> Tensor:
        """Return queries and keys before they are turned, in one product where that can be.

        Shapes:
            y: [B, S, E]
            returns: [B, S, 2, N, D], float32 unless layers are apart
        """
        if self._stack is None or not self._stack.is_of(self.q, self.k):
            self._stack = StackedLinear(self.q, self.k)
            self._norm_weights = WideWeights(self.norm_q, self.norm_k)
        stack, weights = self._stack.tensors(), self._norm_weights
        if stack is None or weights is None:
            return self._heads(torch.stack((self.norm_q(self.q(y)), self.norm_k(self.k(y))), 2))
        both = functional.linear(y, *stack).unflatten(-1, (2, -1))  # [B, S, 2, E]
        normed = functional.rms_norm(both, both.shape[-1:], None, self.norm_q.eps)
        return self._heads(normed * weights.tensor())

    def _values(self, y: Tensor, kv_cache: KVCache, index: int) -> Tensor | None:
        """Compute the values, in the memory of a cache that offers it; then return nothing."""
        slot = kv_cache.value_slot(index) if isinstance(kv_cache, PlacesValues) else None
        if slot is None or torch.is_grad_enabled() or not is_plain(self.v):
            return self._heads(self.v(y))
        weight = self.v.weight
        if weight.dtype != slot.dtype:
            return self._heads(self.v(y))
        torch.addmm(self.v.bias, y.flatten(0, 1), weight.t(), out=slot)
        return None
