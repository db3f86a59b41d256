"""The alpha of a LoRA where its tensors have none: in the header of its file, or beside it.

Diffusers writes PEFT's settings into the header as ``lora_adapter_metadata``, kohya's trainer
writes ``ss_network_alpha``, PEFT a file ``adapter_config.json`` into the same folder.

Source: peft: src/peft/utils/save_and_load.py, src/peft/tuners/lora/layer.py (use_rslora,
alpha_pattern); diffusers: src/diffusers/loaders/lora_base.py (LORA_ADAPTER_METADATA_KEY)
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rushes.errors import AdapterError
from rushes.text import printable, shortened

_LAYER_NAME = re.compile(r"[\w.]+")
_DIFFUSERS, _KOHYA = "lora_adapter_metadata", "ss_network_alpha"


@dataclass(frozen=True)
class Alphas:
    """What settings say of alpha: of all layers, and of layers whose names end in these words.

    PEFT allows regular expressions in ``patterns``. Trainers write names of layers, and an
    expression of a stranger could keep a worker busy for ever: only names are taken. ``rank`` is
    what alpha is divided by where a layer's change has no rank of its own, as in a whole LoKr.
    """

    default: float | None = None
    patterns: Mapping[str, float] = field(default_factory=dict)
    by_root_of_rank: bool = False  # rank-stabilised: alpha / sqrt(r) instead of alpha / r
    rank: float | None = None

    def factor(self, base: str, rank: int | None, own: float | None) -> float:
        """Return what a change is multiplied by; ``own`` is the alpha among the tensors, if any.

        Trainers of LoKr write an alpha also where it has no rank, and leave it out of account.
        """
        alpha = self._alpha_of(base) if own is None else own
        divisor = self.rank if rank is None and own is None else rank
        if alpha is None or divisor is None:
            return 1.0
        return alpha / (math.sqrt(divisor) if self.by_root_of_rank else divisor)

    def _alpha_of(self, base: str) -> float | None:
        for pattern, alpha in self.patterns.items():
            if f".{base}".endswith(f".{pattern}"):
                return alpha
        return self.default


NO_ALPHAS = Alphas()


def alphas_of_header(header: Mapping[str, str], origin: str) -> Alphas | None:
    """Return what the free text of a LoRA's header says of alpha; None where it says nothing.

    Raises: AdapterError when it says something that cannot be meant.
    """
    if _DIFFUSERS in header:
        return alphas_of_peft(header[_DIFFUSERS], origin)
    if header.get(_KOHYA, "None") != "None":  # as kohya writes an alpha that was not given
        return Alphas(_number(header[_KOHYA], origin))
    return None


def alphas_of_peft(text: str | bytes, origin: str) -> Alphas:
    """Read PEFT's settings; diffusers puts the name of the network before each key.

    Raises: AdapterError.
    """
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"{origin}: its LoRA settings are not JSON ({error})") from error
    if not isinstance(config, dict):
        raise AdapterError(f"{origin}: its LoRA settings are not an object")
    named = {key.rpartition(".")[2]: value for key, value in config.items()}
    alpha = named.get("lora_alpha", named.get("alpha"))
    patterns = named.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise AdapterError(f"{origin}: alpha_pattern is not an object")
    for pattern in patterns:
        if not _LAYER_NAME.fullmatch(pattern):
            raise AdapterError(
                f"{origin}: alpha_pattern {shortened(printable(pattern))!r} is not the name of a "
                "layer; regular expressions are not taken"
            )
    rank = named.get("r")
    return Alphas(
        None if alpha is None else _number(alpha, origin),
        {pattern: _number(value, origin) for pattern, value in patterns.items()},
        bool(named.get("use_rslora", False)),
        None if rank is None else _positive(rank, origin),
    )


def _positive(value: Any, origin: str) -> float:
    number = _number(value, origin, "rank")
    if number <= 0:
        raise AdapterError(f"{origin}: its rank {str(value)[:40]!r} is not above 0")
    return number


def _number(value: Any, origin: str, what: str = "alpha") -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise AdapterError(f"{origin}: its {what} {str(value)[:40]!r} is not a finite number")
    return number
