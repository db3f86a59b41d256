"""Counts what PyTorch is asked to do: launches, copies between host and device, bytes.

Tensors on the meta device stand for those of a GPU: operations on them compute nothing, but each
is seen here with its shapes. What counts as one launch is what CUDA does in one: a linear layer
with its bias, ``rms_norm``, attention. A convolution adds its bias in a second one, as cuDNN does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_aten = torch.ops.aten
_CONVOLUTIONS = (
    _aten.conv1d,
    _aten.conv2d,
    _aten.conv3d,
    _aten.conv_transpose2d,
    _aten.conv_transpose3d,
)
_WHOLE = (  # PyTorch takes these apart where there is no GPU
    _aten.linear,
    _aten.rms_norm,
    _aten.scaled_dot_product_attention,
    *_CONVOLUTIONS,
)
_GROUPED = (_aten._foreach_copy_,)  # many small tensors in one launch
_COPIES = (_aten._to_copy, _aten.copy_)
# What makes the host wait for a number, and what it reads here.
_READS = {_aten._local_scalar_dense: 0.5, _aten.is_nonzero: False, _aten.equal: False}
_ALLOCATIONS = (
    _aten.empty,
    _aten.empty_like,
    _aten.empty_strided,
    _aten.new_empty,
    _aten.new_empty_strided,
    _aten.detach,
    _aten.alias,
    _aten.lift_fresh,
    _aten._unsafe_view,
    _aten._reshape_alias,
    _aten.resize_,
)
_LARGE = 4096  # elements on the host from which their arithmetic is work for it


@dataclass(frozen=True)
class Counts:
    """What some part of a render asks of the machine.

    ``uploads`` are copies from host to device, ``downloads`` those back; of each, ``blocking`` ones
    end in a wait. ``host_ops`` are operations of the host on more than a few numbers.
    Units: ``bytes`` that launches read and write, each tensor of an operation once.
    """

    launches: int = 0
    bytes: int = 0
    uploads: int = 0
    blocking_uploads: int = 0
    downloads: int = 0
    blocking_downloads: int = 0
    host_ops: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: getattr(self, name) + value for name, value in vars(other).items()})

    def __sub__(self, other: Counts) -> Counts:
        return self + other * -1

    def __mul__(self, times: int) -> Counts:
        return Counts(**{name: value * times for name, value in vars(self).items()})


class OpCounter(TorchDispatchMode):
    """Counts operations by the stage during which they are asked for.

    Only what runs in inference mode is seen whole; elsewhere PyTorch has taken linear layers and
    norms apart before.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch gives it no types
        self.by_stage: defaultdict[str, Counts] = defaultdict(Counts)
        self.ops: defaultdict[str, int] = defaultdict(int)  # launches by operation
        self._stage = "other"

    @property
    def total(self) -> Counts:
        return sum(self.by_stage.values(), Counts())

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count under a name until the end of the block."""
        before, self._stage = self._stage, name
        try:
            yield
        finally:
            self._stage = before

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        if packet not in _WHOLE:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if not any(tensor.is_meta for tensor in tensors) and _device(kwargs) != "meta":
            return self._on_host(func, args, kwargs)
        if packet in _READS:
            self._add(Counts(downloads=1, blocking_downloads=1))
            return _READS[packet]
        if packet in _COPIES and _is_download(packet, args, kwargs):
            self._add(Counts(downloads=1, blocking_downloads=int(_waits(args, kwargs))))
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        if packet in _COPIES and _is_upload(packet, tensors):
            self._add(Counts(uploads=1, blocking_uploads=int(_waits(args, kwargs))))
            return func(*args, **kwargs)
        result = self._run(func, packet, args, kwargs)
        results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        results = results or (tensors[:1] if packet in _GROUPED else [])
        if results and not func.is_view and packet not in _ALLOCATIONS:
            launches = 1 + (packet in _CONVOLUTIONS and args[2:3] not in ((), (None,)))
            self.ops[str(packet).removeprefix("aten.")] += launches
            self._add(Counts(launches=launches, bytes=_traffic(func, tensors, results)))
        return result

    def _run(self, func: Any, packet: Any, args: Any, kwargs: Any) -> Any:
        if packet is _aten.scaled_dot_product_attention:
            return torch.empty_like(args[0])  # kernels of GPUs keep the order of the query's axes
        return func(*args, **kwargs)

    def _on_host(self, func: Any, args: Any, kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        large = any(
            isinstance(leaf, Tensor) and leaf.numel() >= _LARGE
            for leaf in tree_leaves((args, kwargs, result))
        )
        is_free = func.is_view or func.overloadpacket in _ALLOCATIONS
        self._add(Counts(host_ops=int(large and not is_free)))
        return result

    def _add(self, counts: Counts) -> None:
        self.by_stage[self._stage] += counts


def _device(kwargs: Any) -> str:
    device = kwargs.get("device")
    return "" if device is None else torch.device(device).type


def _is_download(packet: Any, args: Any, kwargs: Any) -> bool:
    if packet is _aten.copy_:
        return not args[0].is_meta
    return bool(args[0].is_meta and _device(kwargs) == "cpu")


def _is_upload(packet: Any, tensors: list[Tensor]) -> bool:
    """Say whether it is a copy from the host; a number of ``copy_`` is part of the launch."""
    source = tensors[-1]
    return not source.is_meta and (packet is _aten._to_copy or source.dim() > 0)


def _waits(args: Any, kwargs: Any) -> bool:
    return not (kwargs.get("non_blocking") or args[2:3] == (True,))


def _traffic(func: Any, tensors: list[Tensor], results: list[Tensor]) -> int:
    """Return the bytes that an operation reads and writes; repeated ones of views once."""
    only_written = [t for t in results if any(t is each for each in tensors)]
    if func._schema.is_mutable and not func._schema.name.endswith(("copy_", "fill_", "zero_")):
        only_written = [] if func._schema.name.endswith("_") else only_written
    read = [t for t in tensors if not any(t is each for each in only_written)]
    return sum(map(_bytes_of, read)) + sum(map(_bytes_of, results))


def _bytes_of(tensor: Tensor) -> int:
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else 1
    return count * tensor.element_size()
