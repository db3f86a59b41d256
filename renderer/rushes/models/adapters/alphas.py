"""The alpha of a LoRA where its tensors have none: in the header of its file, or beside it.

Diffusers writes PEFT's settings into the header as ``lora_adapter_metadata``, other trainers write
single ones (``transformer.lora_alpha``, ``network_alpha``, ``alpha``) or kohya's
``ss_network_alpha``, PEFT a file ``adapter_config.json`` into the same folder.

Source: peft: src/peft/utils/save_and_load.py, src/peft/tuners/lora/layer.py (use_rslora,
alpha_pattern); diffusers: src/diffusers/loaders/lora_base.py (LORA_ADAPTER_METADATA_KEY);
kohya-ss/sd-scripts: networks/lora.py (an alpha of 0 or none is the rank); sglang#36082
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rushes.errors import AdapterError
from rushes.text import printable, shortened

_LAYER_NAME = re.compile(r"[\w.]+")
_SCALAR = re.compile(r"[\w.]*\(\s*([-+.\deE]+)[^()]*\)")  # as numpy and PyTorch print one number
_DIFFUSERS, _KOHYA = "lora_adapter_metadata", "ss_network_alpha"
_OBJECTS = (_DIFFUSERS, "adapter_config", "lora_config", "peft_config")  # keys that hold settings
_ALPHA = ("lora_alpha", "network_alpha", "alpha")
_RANK = ("r", "rank", "lora_rank", "network_dim")
_OTHERS = ("alpha_pattern", "use_rslora", "use_dora", "init_lora_weights")
# The names of the network that is adapted here, before its settings; others are of text encoders.
_NETWORKS = ("", "transformer", "dit", "diffusion_model", "unet", "model")
# Ways to begin a training that change the base as well, which is not in the file.
_OTHER_BASES = ("pissa", "olora", "loftq", "corda")


@dataclass(frozen=True)
class Alphas:
    """What settings say of alpha: of all layers, and of layers whose names end in these words.

    PEFT allows regular expressions in ``patterns``. Trainers write names of layers, and an
    expression of a stranger could keep a worker busy for ever: only names are taken. ``rank`` is
    what alpha is divided by where a layer's change has no rank of its own, as in a whole LoKr.
    ``has_magnitudes``: the layers are those of a DoRA.
    """

    default: float | None = None
    patterns: Mapping[str, float] = field(default_factory=dict)
    by_root_of_rank: bool = False  # rank-stabilised: alpha / sqrt(r) instead of alpha / r
    rank: float | None = None
    has_magnitudes: bool = False

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

    Raises: AdapterError when it says something that cannot be meant, or two things.
    """
    settings: list[tuple[str, Any]] = []
    for key in _OBJECTS:
        if key in header:
            settings += _flat(_parsed(header[key], origin))
    settings += [(key, header[key]) for key in header if _parted(key)[1] in _ALPHA + _OTHERS]
    if settings or _DIFFUSERS in header:
        settings += [(key, header[key]) for key in header if _parted(key)[1] in _RANK]
    kohyas = header.get(_KOHYA, "None")  # as kohya writes an alpha that was not given
    if kohyas != "None" and _number(kohyas, origin) != 0:
        settings.append(("lora_alpha", kohyas))
    return _alphas(settings, origin) if settings or _DIFFUSERS in header else None


def alphas_of_peft(text: str | bytes, origin: str) -> Alphas:
    """Read PEFT's settings; diffusers puts the name of the network before each key.

    Raises: AdapterError.
    """
    return _alphas(list(_flat(_parsed(text, origin))), origin)


def _parsed(text: str | bytes, origin: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"{origin}: its LoRA settings are not JSON ({error})") from error
    if not isinstance(config, dict):
        raise AdapterError(f"{origin}: its LoRA settings are not an object")
    return config


def _flat(config: Mapping[str, Any], network: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all settings, those of an object for one network under that network's name."""
    for key, value in config.items():
        if isinstance(value, dict) and key in _NETWORKS and not network:
            yield from _flat(value, f"{key}.")
        else:
            yield f"{network}{key}", value


def _parted(key: str) -> tuple[str, str]:
    network, _, name = key.rpartition(".")
    return network, name


def _alphas(settings: list[tuple[str, Any]], origin: str) -> Alphas:
    """Choose what is said of the network that is adapted here."""
    said: dict[str, list[Any]] = {}
    networks = {_parted(key)[0] for key, _ in settings}
    wanted = [name for name in _NETWORKS if name in networks]
    for key, value in settings:
        network, name = _parted(key)
        is_only = not wanted and len(networks) == 1 and "text" not in network
        if (network in wanted or is_only) and value is not None:
            said.setdefault(name, []).append(value)
    alphas = {_number(value, origin): value for name in _ALPHA for value in said.get(name, ())}
    if len(alphas) > 1:
        told = " and ".join(f"{alpha:g}" for alpha in alphas)
        raise AdapterError(f"{origin}: its settings give alpha as {told}; keep the right one")
    _refuse_other_base(said.get("init_lora_weights", ()), origin)
    ranks = [_positive(value, origin) for name in _RANK for value in said.get(name, ())]
    return Alphas(
        next(iter(alphas), None),
        _patterns(next(iter(said.get("alpha_pattern", ())), None), origin),
        any(map(_is_true, said.get("use_rslora", ()))),
        next(iter(ranks), None),
        any(map(_is_true, said.get("use_dora", ()))),
    )


def _patterns(patterns: Any, origin: str) -> dict[str, float]:
    if isinstance(patterns, str) and patterns:
        patterns = _parsed(patterns, origin)
    if patterns and not isinstance(patterns, dict):
        raise AdapterError(f"{origin}: alpha_pattern is not an object")
    found = {}
    for pattern, value in (patterns or {}).items():
        name = pattern.removeprefix("^").removesuffix("$").replace("\\.", ".")
        if not _LAYER_NAME.fullmatch(name):
            raise AdapterError(
                f"{origin}: alpha_pattern {shortened(printable(pattern))!r} is not the name of a "
                "layer; regular expressions are not taken"
            )
        found[name] = _number(value, origin)
    return found


def _refuse_other_base(ways: Any, origin: str) -> None:
    for way in ways:
        if isinstance(way, str) and way.lower().startswith(_OTHER_BASES):
            raise AdapterError(
                f"{origin}: was begun by {shortened(printable(way), 20)}, which changes the base "
                "too; convert it to a plain LoRA with PEFT"
            )


def _is_true(value: Any) -> bool:
    return value.strip().lower() in ("true", "1") if isinstance(value, str) else bool(value)


def _positive(value: Any, origin: str) -> float:
    number = _number(value, origin, "rank")
    if number <= 0:
        raise AdapterError(f"{origin}: its rank {str(value)[:40]!r} is not above 0")
    return number


def _number(value: Any, origin: str, what: str = "alpha") -> float:
    try:
        match = _SCALAR.fullmatch(value.strip()) if isinstance(value, str) else None
        number = float(match[1] if match else value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise AdapterError(f"{origin}: its {what} {str(value)[:40]!r} is not a finite number")
    return number
