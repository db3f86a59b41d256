"""What can be known of a LoRA file without its numbers: names, shapes, and what is said of alpha.

A safetensors file is judged from its header alone, without PyTorch; a pickled one is opened with
``weights_only``, so that a file that carries code is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from rushes.errors import AdapterError, CheckpointError
from rushes.models.adapters.alphas import NO_ALPHAS, Alphas, alphas_of_header, alphas_of_peft
from rushes.models.adapters.keys import Shape, split_key

CONFIG = "adapter_config.json"
PEFT_NAME = "adapter_model"  # what PEFT calls the LoRA itself
_LARGEST_CONFIG = 2**20


@dataclass(frozen=True)
class LoraHeader:
    """Names and shapes of a LoRA file, and the alphas that hold where its tensors have none.

    ``config`` is the file beside it that the alphas come from, ``warnings`` what is odd about one.
    """

    shapes: Mapping[str, Shape]
    alphas: Alphas = NO_ALPHAS
    config: Path | None = None
    warnings: tuple[str, ...] = ()


def read_header(path: Path) -> LoraHeader:
    """Read what a LoRA file says without its numbers.

    Raises: AdapterError when it is damaged, or its settings cannot be meant.
    """
    shapes, texts = _read_safetensors(path) if path.suffix == ".safetensors" else _unpickle(path)
    alphas = alphas_of_header(texts, str(path))
    if alphas is not None:
        return LoraHeader(shapes, alphas)
    found = {part for _, part in map(split_key, shapes)}
    config = config_beside(path)
    if config is None or "alpha" in found:
        return LoraHeader(shapes)
    alphas = _read_config(config)
    ranks = {shape[0] for key, shape in shapes.items() if split_key(key)[1] == "down" and shape}
    if alphas.rank is not None and ranks and alphas.rank not in ranks:
        if config.name == CONFIG and path.stem != PEFT_NAME:
            said = f"{config}: is for a LoRA of rank {alphas.rank:g}, so not for {path.name}"
            return LoraHeader(shapes, warnings=(f"{said}; its alpha is not used",))
        raise AdapterError(
            f"{path}: has ranks {sorted(ranks)} and {config.name} beside it says {alphas.rank:g}; "
            "fetch both again"
        )
    return LoraHeader(shapes, alphas, config)


def config_beside(path: Path) -> Path | None:
    """Return the PEFT settings that belong to a LoRA file: of its own name, else of its folder."""
    for name in (config_name(path.name), f"{path.stem}.{CONFIG}", f"{path.stem}_{CONFIG}", CONFIG):
        config = path.with_name(name)
        if config.is_file():
            return config
    return None


def config_name(lora: str) -> str:
    """Return what the settings of a LoRA are called where several lie in one folder."""
    return f"{lora}.{CONFIG}"


def _read_config(path: Path) -> Alphas:
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_CONFIG + 1)
    except OSError as error:
        raise AdapterError(f"{path}: cannot be read ({error.strerror})") from error
    if len(text) > _LARGEST_CONFIG:
        raise AdapterError(f"{path}: is too large for the settings of a LoRA; fetch it again")
    return alphas_of_peft(text, str(path))


def _read_safetensors(path: Path) -> tuple[dict[str, Shape], Mapping[str, str]]:
    try:
        with safe_open(path, framework="numpy") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
            return shapes, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AdapterError(f"{path}: damaged or incomplete ({reason}); fetch it again") from error


def _unpickle(path: Path) -> tuple[dict[str, Shape], Mapping[str, str]]:
    from rushes.models.checkpoint import read_state_dict  # PyTorch, for pickled files only

    try:
        state = read_state_dict(path)
    except CheckpointError as error:
        raise AdapterError(str(error)) from error
    return {key: tuple(tensor.shape) for key, tensor in state.items()}, {}
