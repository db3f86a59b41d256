"""Weight files: reading the public containers, and loading them strictly into a network."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from rushes.errors import CheckpointError, MissingFileError

StateDict = dict[str, Tensor]

# The entry that holds the weights, where a checkpoint holds more than weights.
_CONTAINERS = ("generator", "generator_ema", "state_dict")
_MAX_NAMES = 8  # of each kind of mismatch that a message lists


def read_state_dict(path: Path) -> StateDict:
    """Read the weights of a ``.safetensors``, ``.pt`` or ``.pth`` file under their bare names.

    Tensors are mapped from the file, not copied. Of a pickled checkpoint only tensors are accepted
    (``weights_only``), so a file that carries code is refused. A checkpoint may hold its weights
    under ``generator``, ``generator_ema`` or ``state_dict``, and may put ``model.`` in front of
    every name.

    Raises: MissingFileError; CheckpointError when the file is not what its ending says.
    Source: sdv2: streamv2v/inference_common.py; scope: .../wan2_1/components/generator.py
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such weights file")
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: holds something else than tensors and was refused, or is damaged; "
            "download it again from its publisher"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path}: damaged or incomplete ({reason}); fetch it again"
        ) from error
    return _bare_names(_unwrapped(path, content))


def _unwrapped(path: Path, content: Any) -> Mapping[str, Any]:
    for name in _CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path}: holds no weights")
    strangers = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if strangers:
        raise CheckpointError(f"{path}: {_listed(strangers)} are no tensors; not a weights file")
    return content


def _bare_names(state: Mapping[str, Any]) -> StateDict:
    return {str(name).removeprefix("model."): tensor for name, tensor in state.items()}


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Put weights into a network built on the meta device; every one must be there and fit.

    The tensors are taken over as they are (dtype included), not copied.

    Raises: CheckpointError that lists missing, unexpected and mis-shaped weights.
    """
    wanted = module.state_dict()
    faults = {
        "missing": [name for name in wanted if name not in state],
        "unexpected": [name for name in state if name not in wanted],
        "mis-shaped": [
            f"{name} {list(state[name].shape)} instead of {list(tensor.shape)}"
            for name, tensor in wanted.items()
            if name in state and state[name].shape != tensor.shape
        ],
    }
    if any(faults.values()):
        listed = "; ".join(f"{kind}: {_listed(names)}" for kind, names in faults.items() if names)
        raise CheckpointError(f"{origin}: does not fit this model: {listed}")
    module.load_state_dict(state, strict=True, assign=True)
    module.requires_grad_(False)
    empty = [name for name, tensor in _tensors(module) if tensor.is_meta]
    if empty:
        raise CheckpointError(f"{origin}: left {_listed(empty)} without values")


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(str, names[:_MAX_NAMES]))
    return f"{shown} and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else shown
