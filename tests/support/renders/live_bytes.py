"""The most memory that operations on tensors without values would hold at once."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Sees what is made while it is entered; what was there before, and its views, do not count.

    ``peak`` is the largest sum of the storages that were alive together, in bytes.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch gives it no types
        self.peak = 0
        self._made: list[weakref.ref[Tensor]] = []
        self._before: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        known = {_storage(tensor) for ref in self._made if (tensor := ref()) is not None}
        self._before |= {_storage(tensor) for tensor in _tensors((args, kwargs))} - known
        result = func(*args, **(kwargs or {}))
        self._made += [
            weakref.ref(tensor)
            for tensor in _tensors(result)
            if _storage(tensor) not in self._before
        ]
        alive = [tensor for ref in self._made if (tensor := ref()) is not None]
        self._made = [weakref.ref(tensor) for tensor in alive]
        sizes = {_storage(tensor): tensor.untyped_storage().nbytes() for tensor in alive}
        self.peak = max(self.peak, sum(sizes.values()))
        return result


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
