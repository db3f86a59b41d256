"""Weights of full size with random values, in the layout of the public files, for measurements.

They are written piece by piece, so that making them takes little memory.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from rushes.weights.convert import write_safetensors

M = TypeVar("M", bound=nn.Module)
_POOL = 1 << 24  # random values, of which every weight takes some


def random_pool() -> Tensor:
    return torch.randn(_POOL, generator=torch.Generator().manual_seed(0))


def random_values(shape: torch.Size, std: float, dtype: torch.dtype, pool: Tensor) -> Tensor:
    """Return random values of a shape; large ones repeat the pool, which costs no drawing."""
    count = shape.numel()
    start = count * 7919 % (len(pool) // 2)
    values = pool[start : start + count]
    if len(values) < count:
        values = pool.repeat(-(-count // len(pool)))[:count]
    return (values * std).to(dtype).view(shape)


def fill(network: M, dtype: torch.dtype) -> M:
    """Give a network from the meta device random weights that keep signals at about their size."""
    pool = random_pool()
    for name, parameter in list(network.named_parameters()):
        parent_name, _, own_name = name.rpartition(".")
        setattr(
            network.get_submodule(parent_name),
            own_name,
            nn.Parameter(_weight(name, parameter, dtype, pool), requires_grad=False),
        )
    return network.eval()


def write_checkpoint(
    path: Path, network: nn.Module, dtype: torch.dtype, container: str | None
) -> None:
    """Write the checkpoint of a network on the meta device as its publisher would.

    The values go by way of a mapped file, so ``torch.save`` does not need them in memory.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        mapped = Path(folder) / "values.safetensors"
        write_safetensors(mapped, _Lazily(network, dtype), None)
        state = load_file(mapped)
        if container:
            torch.save({container: {f"model.{name}": state[name] for name in state}}, path)
        else:
            torch.save(state, path)


class _Lazily(dict[str, Tensor]):
    """A network's state without values, which are made only as one is looked up."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__(network.to(dtype).state_dict())
        self._pool = random_pool()

    def __getitem__(self, name: str) -> Tensor:
        like = super().__getitem__(name)
        return _weight(name, like, like.dtype, self._pool)


def _weight(name: str, like: Tensor, dtype: torch.dtype, pool: Tensor) -> Tensor:
    if name.endswith(("norm_q.weight", "norm_k.weight", "norm3.weight", "gamma")):
        return torch.ones(like.shape, dtype=dtype)
    fan_in = max(1, like.shape[1:].numel())
    std = 0.02 if name.endswith("bias") else fan_in**-0.5
    return random_values(like.shape, std, dtype, pool)
