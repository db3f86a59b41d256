"""Weight files: reading the public containers, and loading them strictly into a network."""

from __future__ import annotations

import json
import pickle
import struct
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from rushes.errors import CheckpointError, MissingFileError

StateDict = dict[str, Tensor]

INDEX_ENDING = ".safetensors.index.json"  # of the file that lists the shards beside it

# The entry that holds the weights, where a checkpoint holds more than weights.
_CONTAINERS = ("generator", "generator_ema", "generator_lora", "state_dict")
# What wrappers of a training run leave in the names of weights.
_WRAPPERS = ("_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_orig_mod.")
# What bytes that are not pickle make its reader stumble over.
_UNREADABLE = (IndexError, KeyError, AttributeError, TypeError, struct.error, AssertionError)


def read_state_dict(path: Path, entry: str | None = None) -> StateDict:
    """Read the weights of a ``.safetensors``, ``.pt`` or ``.pth`` file under their bare names.

    Of a checkpoint in several files ``path`` is its index, ``*.safetensors.index.json``.
    Tensors are mapped from the file, not copied. Of a pickled checkpoint only tensors are accepted
    (``weights_only``), so a file that carries code is refused. A checkpoint may hold its weights
    under ``generator``, ``generator_ema``, ``generator_lora`` or ``state_dict``, and may put
    ``model.`` in front of every name.

    Raises: MissingFileError; CheckpointError when the file is not what its ending says.
    Source: sdv2: streamv2v/inference_common.py; scope: .../wan2_1/components/generator.py
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such weights file")
    try:
        if path.name.endswith(INDEX_ENDING):
            content: Any = _read_shards(path)
        elif path.suffix.lower() == ".safetensors":
            content = load_file(path)
        else:
            content = _unpickle(path)
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
    return _bare_names(_unwrapped(path, content, entry), path)


def _unpickle(path: Path) -> Any:
    with path.open("rb") as file:
        can_map = file.read(4) == b"PK\x03\x04"  # else the layout before PyTorch 1.6, or rubbish
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd pickles, which are refused or read rightly
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=can_map)
        except _UNREADABLE as error:
            raise pickle.UnpicklingError(str(error)) from error


def files_of(path: Path) -> list[Path]:
    """Return the files that make up a checkpoint: itself, and the shards that an index lists.

    Raises: CheckpointError when the index is not one.
    """
    return [path, *_shards(path)] if path.name.endswith(INDEX_ENDING) else [path]


def _shards(index: Path) -> dict[Path, list[str]]:
    """Return the shards of an index and the names that each one must hold."""
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        shards: dict[Path, list[str]] = {}
        for name, file in weight_map.items():
            if Path(file).name != file:
                raise ValueError(f"{file!r} is not beside it")
            shards.setdefault(index.with_name(file), []).append(name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{index}: not an index of shards ({error!r}); fetch it again"
        ) from error
    return shards


def _read_shards(index: Path) -> StateDict:
    state: StateDict = {}
    for shard, names in _shards(index).items():
        if not shard.is_file():
            raise MissingFileError(f"{shard}: missing, though {index.name} lists it; fetch it")
        try:
            content = load_file(shard)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{shard}: damaged or incomplete ({error}); fetch it again"
            ) from error
        lacking = [name for name in names if name not in content]
        if lacking:
            raise CheckpointError(
                f"{shard}: lacks {listed(lacking)}, which {index.name} says it holds; "
                "fetch both again"
            )
        state |= {name: content[name] for name in names}
    return state


def _unwrapped(path: Path, content: Any, entry: str | None) -> Mapping[str, Any]:
    names = _CONTAINERS if entry in (None, _CONTAINERS[0]) else (entry,)
    found = [
        name
        for name in names
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping)
    ]
    if found:
        content = content[found[0]]
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path}: holds no weights")
    strangers = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if strangers:
        wanted = f"lacks {entry}" if entry is not None else "is not a weights file"
        raise CheckpointError(f"{path}: {wanted}; {listed(strangers)} are not tensors")
    return content


def _bare_names(state: Mapping[str, Any], path: Path) -> StateDict:
    bare: StateDict = {}
    for name, tensor in state.items():
        plain = str(name)
        for wrapper in _WRAPPERS:
            plain = plain.replace(wrapper, "")
        plain = plain.removeprefix("model.")
        if plain in bare:
            raise CheckpointError(f"{path}: holds {plain} twice; fetch it again")
        bare[plain] = tensor
    return bare


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Put weights into a network built on the meta device; every one must be there and fit.

    The tensors are taken over as they are (dtype included), not copied.

    Raises: CheckpointError that lists missing, unexpected and mis-shaped weights.
    """
    refuse_misfit(module, state, origin)
    module.load_state_dict(state, strict=True, assign=True)
    module.requires_grad_(False)
    empty = [name for name, tensor in _tensors(module) if tensor.is_meta]
    if empty:
        raise CheckpointError(f"{origin}: left {listed(empty)} without values")


def refuse_misfit(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Compare names and shapes of weights with those of a network.

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
        told = "; ".join(f"{kind}: {listed(names)}" for kind, names in faults.items() if names)
        raise CheckpointError(f"{origin}: does not fit this model: {told}")


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return the first of some names, and how many there are besides."""
    shown = ", ".join(map(str, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
