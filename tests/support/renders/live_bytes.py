"""The most memory that operations hold at once, on tensors with or without values."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Sees what is made while it is entered, and what is given up of what was there before.

    ``peak`` is the largest sum of the storages that were made and alive together, less those that
    were there before and had been given up by then, in bytes.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch gives it no types
        self.peak = 0
        # By address, which does not come again while there is a reference.
        self._made: dict[int, tuple[StorageWeakRef, int]] = {}
        self._before: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self._note(self._before, (args, kwargs))
        result = func(*args, **(kwargs or {}))
        self._note(self._made, result)
        made = sum(size for ref, size in self._made.values() if not ref.expired())
        given_up = sum(size for ref, size in self._before.values() if ref.expired())
        self.peak = max(self.peak, made - given_up)
        return result

    def _note(self, storages: dict[int, tuple[StorageWeakRef, int]], values: Any) -> None:
        for tensor in (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)):
            storage = tensor.untyped_storage()
            address = int(storage._cdata)
            if address not in self._made and address not in self._before:
                storages[address] = (StorageWeakRef(storage), storage.nbytes())
