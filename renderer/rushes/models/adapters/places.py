"""Where the changes of a LoRA file belong: the layers of a network, by every name they go by."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rushes.errors import AdapterError
from rushes.models.adapters.keys import Entry, Shape, read_entries

# What trainers and wrappers put before the names of layers, and into them.
_PREFIXES = (
    *("base_model.model.", "model.", "diffusion_model.", "transformer.", "module."),
    *("pipe.dit.", "pipe.", "pipeline.", "dit.", "generator.", "unet.", "net.", "network.", "wan."),
    "video_model.",
)
_WRAPPERS = re.compile(r"(?:_fsdp_wrapped_module|_orig_mod|_checkpoint_wrapped_module)\.")
_KOHYA = re.compile(r"^(?:lora|lycoris|loha|lokr|oft|boft|glora)_+(?![AB](?:\.|$))")

# The names that diffusers gives the same layers.
_DIFFUSERS = (
    (r"^time_embedding\.0$", "condition_embedder.time_embedder.linear_1"),
    (r"^time_embedding\.2$", "condition_embedder.time_embedder.linear_2"),
    (r"^text_embedding\.0$", "condition_embedder.text_embedder.linear_1"),
    (r"^text_embedding\.2$", "condition_embedder.text_embedder.linear_2"),
    (r"^time_projection\.1$", "condition_embedder.time_proj"),
    (r"^head\.head$", "proj_out"),
    (r"^head\.modulation$", "scale_shift_table"),
    (r"\.modulation$", ".scale_shift_table"),
    (r"\.norm3$", ".norm2"),
    (r"\.self_attn\.", ".attn1."),
    (r"\.cross_attn\.", ".attn2."),
    (r"\.([qkv])$", r".to_\1"),
    (r"\.o$", ".to_out.0"),
    (r"\.ffn\.0$", ".ffn.net.0.proj"),
    (r"\.ffn\.2$", ".ffn.net.2"),
)


@dataclass(frozen=True)
class Placed:
    """The entries of a file by the layers that they change, and what has no place here."""

    entries: Mapping[str, Entry]
    unused: tuple[str, ...] = ()


def place_keys(shapes: Mapping[str, Shape], parameters: Mapping[str, Shape], origin: str) -> Placed:
    """Find the layer of every entry of a file, from names and shapes alone.

    ``parameters`` are the shapes of a network's parameters by name.
    Raises: AdapterError when nothing has a layer here, when something does not fit its layer, or
        when a layer is changed in a way that is not known: the picture would be another.
    """
    entries, unknown = read_entries(shapes, origin)
    find = layer_finder(parameters)
    placed: dict[str, Entry] = {}
    unused: list[str] = []
    for key in unknown:
        words = key.split(".")
        layers = (find(".".join(words[:end])) for end in range(1, len(words)))
        if layer := next(filter(None, layers), None):
            raise AdapterError(
                f"{origin}: changes {layer} in a way that is not known here (its key {key}); use a "
                "LoRA, DoRA, LoKr or LoHa, or merge it into a checkpoint with its own tool"
            )
        unused.append(key)
    for base, entry in entries.items():
        name = find(base)
        if name is None:
            unused.append(base)
        elif entry.parts.keys() == {"alpha"}:
            unused.append(f"{base}.alpha")
        elif name in placed:
            raise AdapterError(f"{origin}: changes {name} twice; take one LoRA a file")
        else:
            refuse_misfit(entry, name, parameters, origin)
            placed[name] = entry
    if not placed:
        named = ", ".join([*entries][:3]) + (f" and {len(entries) - 3} more" * (len(entries) > 3))
        raise AdapterError(
            f"{origin}: is a LoRA of another model: none of its {len(entries)} layers "
            f"({named}) is in this one; use one made for Wan2.1"
        )
    return Placed(placed, tuple(unused))


def warn_of_unused(name: str, unused: Sequence[str]) -> str:
    """Return what to say of the keys of a LoRA that change nothing."""
    listed = ", ".join(unused[:3]) + f" and {len(unused) - 3} more" * (len(unused) > 3)
    count = len(unused)
    return f"{name}: {count} of its keys have no place in this model and change nothing: {listed}"


def layer_finder(parameters: Iterable[str]) -> Callable[[str], str | None]:
    """Return the function from a name in a file to that of a layer here, if there is one.

    A layer is called like its weight without that word; a lone parameter by its whole name.
    """
    names: dict[str, str] = {}
    for parameter in parameters:
        layer = re.sub(r"\.(weight|bias)$", "", parameter)
        for name in (layer, _diffusers_name(layer)):
            names[name] = names[name.replace(".", "_")] = layer
    return lambda base: names.get(_without_prefixes(base))


def refuse_misfit(entry: Entry, name: str, parameters: Mapping[str, Shape], origin: str) -> None:
    """Refuse an entry whose shapes are not those of its layer.

    Raises: AdapterError.
    """
    if entry.changes_weight:
        shape = parameters.get(f"{name}.weight") or parameters[name]
        wanted = (shape[0], math.prod(shape[1:]))
        given = entry.weight_size(origin)
        if given != wanted or ("diff" in entry.parts and entry.shapes["diff"] != shape):
            _refuse_size(name, list(given), list(wanted), origin)
        magnitude = entry.shapes.get("magnitude")
        rows = entry.shapes.get("row_magnitude")
        fits = magnitude is None or is_magnitude(magnitude, wanted)
        if not fits or (rows is not None and math.prod(rows) != wanted[0]):
            found = list(magnitude or rows or ())
            _refuse_size(f"the magnitude of {name}", found, list(wanted), origin)
    if entry.changes_bias:
        bias = parameters.get(f"{name}.bias")
        for part in ("bias", "diff_b"):
            given_bias = entry.shapes.get(part)
            if given_bias is not None and given_bias != bias:
                _refuse_size(f"the bias of {name}", list(given_bias), list(bias or ()), origin)


def is_magnitude(shape: Shape, weight: tuple[int, int]) -> bool:
    """Say whether a shape holds one number for each row, or for each column, of a weight."""
    columns_only = len(shape) > 1 and shape[0] == 1
    return math.prod(shape) == (weight[1] if columns_only and weight[0] != 1 else weight[0])


def _refuse_size(what: str, given: list[int], wanted: list[int], origin: str) -> None:
    raise AdapterError(
        f"{origin}: is a LoRA of another base: {what} is {given} in it and {wanted} in this "
        "model; use one made for this size of Wan2.1"
    )


def _without_prefixes(base: str) -> str:
    prefixes: tuple[str, ...] = _PREFIXES
    if _KOHYA.match(base):
        base = _KOHYA.sub("", base)
        prefixes = (*(prefix.replace(".", "_") for prefix in _PREFIXES), "_")
    else:
        base = _WRAPPERS.sub("", base)
    while prefix := next((each for each in prefixes if base.startswith(each)), None):
        base = base.removeprefix(prefix)
    return base


def _diffusers_name(layer: str) -> str:
    for pattern, replacement in _DIFFUSERS:
        layer = re.sub(pattern, replacement, layer)
    return layer
