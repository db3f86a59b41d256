"""The alpha of a LoRA where its tensors have none: in the header of its file.

Diffusers writes PEFT's settings there as ``lora_adapter_metadata``, kohya's trainer writes
``ss_network_alpha``. A file beside it is not looked at: a job takes along the LoRA's file alone,
and must give the same picture everywhere.

Source: peft: src/peft/utils/save_and_load.py, src/peft/tuners/lora/layer.py (use_rslora,
alpha_pattern); diffusers: src/diffusers/loaders/lora_base.py (LORA_ADAPTER_METADATA_KEY)
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from rushes.errors import CheckpointError
from rushes.text import printable, shortened

_LAYER_NAME = re.compile(r"[\w.]+")
_DIFFUSERS, _KOHYA = "lora_adapter_metadata", "ss_network_alpha"


@dataclass(frozen=True)
class Alphas:
    """What a header says of alpha: of all layers, and of layers whose names end in these words.

    PEFT allows regular expressions in ``patterns``. Trainers write names of layers, and an
    expression of a stranger could keep a worker busy for ever: only names are taken.
    """

    default: float | None = None
    patterns: Mapping[str, float] = field(default_factory=dict)
    by_root_of_rank: bool = False  # rank-stabilised: alpha / sqrt(r) instead of alpha / r

    def factor(self, base: str, rank: int, own: float | None) -> float:
        """Return what a pair is multiplied by; ``own`` is the alpha among the tensors, if any."""
        alpha = self._alpha_of(base) if own is None else own
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(rank) if self.by_root_of_rank else rank)

    def _alpha_of(self, base: str) -> float | None:
        for pattern, alpha in self.patterns.items():
            if f".{base}".endswith(f".{pattern}"):
                return alpha
        return self.default


NO_ALPHAS = Alphas()


def read_alphas(path: Path) -> Alphas:
    """Read what the header of a LoRA file says of alpha.

    Raises: CheckpointError when it says something that cannot be meant.
    """
    header = _read_header(path)
    if _DIFFUSERS in header:
        return _from_peft(_parse(path, header[_DIFFUSERS]), str(path))
    if header.get(_KOHYA, "None") != "None":  # as kohya writes an alpha that was not given
        return Alphas(_number(header[_KOHYA], str(path)))
    return NO_ALPHAS


def _read_header(path: Path) -> Mapping[str, str]:
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError):
        return {}  # whoever reads the tensors says so


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its LoRA settings are not JSON ({error})") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: its LoRA settings are not an object")
    return config


def _from_peft(config: Mapping[str, Any], origin: str) -> Alphas:
    """Read PEFT's settings; diffusers puts the name of the network before each key."""
    named = {key.rpartition(".")[2]: value for key, value in config.items()}
    alpha = named.get("lora_alpha")
    patterns = named.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise CheckpointError(f"{origin}: alpha_pattern is not an object")
    for pattern in patterns:
        if not _LAYER_NAME.fullmatch(pattern):
            raise CheckpointError(
                f"{origin}: alpha_pattern {shortened(printable(pattern))!r} is not the name of a "
                "layer; regular expressions are not taken"
            )
    return Alphas(
        None if alpha is None else _number(alpha, origin),
        {pattern: _number(value, origin) for pattern, value in patterns.items()},
        bool(named.get("use_rslora", False)),
    )


def _number(value: Any, origin: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise CheckpointError(f"{origin}: its alpha {str(value)[:40]!r} is not a finite number")
    return number
