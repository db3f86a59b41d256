"""What can be known of a LoRA file without its numbers: names, shapes, and what is said of alpha.

A safetensors file is judged from its header alone, without PyTorch; a pickled one is opened with
``weights_only``, so that a file that carries code is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import AdapterError, CheckpointError
from rushes.models.adapters.alphas import NO_ALPHAS, Alphas, alphas_of_header, alphas_of_peft
from rushes.models.adapters.keys import MAGNITUDES, Shape, split_key
from rushes.models.adapters.safetensors_header import TensorsHeader, read_safetensors_header

CONFIG = "adapter_config.json"
PEFT_NAME = "adapter_model"  # what PEFT calls the LoRA itself
_LARGEST_CONFIG = 2**20
_FRACTIONS = ("F", "BF")  # how the types of fractions begin


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
    content = _read(path)
    parts = {split_key(key)[1] for key in content.shapes}
    _refuse_whole_numbers(content, path)
    warnings = _judge_numbers(content.numbers, path)
    alphas, config, said = _settings(path, content, has_own="alpha" in parts)
    if alphas.has_magnitudes and not parts & set(MAGNITUDES):
        raise AdapterError(
            f"{path}: holds no magnitudes, though its settings say that it is a DoRA; fetch it "
            "again"
        )
    if alphas.default == 0 and "alpha" not in parts:
        warnings = (*warnings, f"{path}: its alpha is 0, so it changes nothing")
    return LoraHeader(content.shapes, alphas, config, (*warnings, *said))


def _settings(
    path: Path, content: TensorsHeader, *, has_own: bool
) -> tuple[Alphas, Path | None, tuple[str, ...]]:
    """Return the alphas of a file's header or of the settings beside it, those, and warnings."""
    own = alphas_of_header(content.texts, str(path))
    config = None if has_own else config_beside(path)
    if config is None:
        return own or NO_ALPHAS, None, ()
    is_for_it = config.name != CONFIG or path.stem == PEFT_NAME
    if own is not None and not is_for_it:
        return own, None, ()
    alphas = _read_config(config)
    if own is not None:
        if None not in (own.default, alphas.default) and own.default != alphas.default:
            raise AdapterError(
                f"{path}: says alpha {own.default:g}, and {config.name} beside it "
                f"{alphas.default:g}; remove what does not hold"
            )
        return own, None, ()
    shapes = content.shapes
    ranks = {shape[0] for key, shape in shapes.items() if split_key(key)[1] == "down" and shape}
    if alphas.rank is None or not ranks or alphas.rank in ranks:
        return alphas, config, ()
    if not is_for_it:
        said = f"{config}: is for a LoRA of rank {alphas.rank:g}, so not for {path.name}"
        return NO_ALPHAS, None, (f"{said}; its alpha is not used",)
    raise AdapterError(
        f"{path}: has ranks {sorted(ranks)} and {config.name} beside it says {alphas.rank:g}; "
        "fetch both again"
    )


def _refuse_whole_numbers(content: TensorsHeader, path: Path) -> None:
    """Refuse changes in whole numbers: those of a quantised file, without its scales."""
    for key, kind in content.types.items():
        part = split_key(key)[1]
        if part not in (None, "alpha") and not kind.startswith(_FRACTIONS):
            raise AdapterError(
                f"{path}: holds whole numbers ({kind}) in {key}, as a quantised file does; use one "
                "in bf16, fp16 or fp8"
            )


def _judge_numbers(numbers: Mapping[str, float], path: Path) -> tuple[str, ...]:
    odd = [key for key, number in numbers.items() if not math.isfinite(number)]
    if odd:
        raise AdapterError(f"{path}: {odd[0]} is not a finite number; fetch the file again")
    still = [key for key, number in numbers.items() if number == 0]
    if not still:
        return ()
    return (f"{path}: alpha is 0 in {len(still)} of its layers, which change nothing",)


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


def _read(path: Path) -> TensorsHeader:
    if path.suffix.lower() == ".safetensors":
        return read_safetensors_header(path, ending=".alpha")
    from rushes.models.checkpoint import read_state_dict  # PyTorch, for pickled files only

    try:
        state = read_state_dict(path)
    except CheckpointError as error:
        raise AdapterError(str(error)) from error
    kinds = {
        key: "F" if each.is_floating_point() else str(each.dtype) for key, each in state.items()
    }
    alphas = {
        key: float(each)
        for key, each in state.items()
        if key.endswith(".alpha") and each.numel() == 1
    }
    return TensorsHeader({key: tuple(each.shape) for key, each in state.items()}, kinds, {}, alphas)
