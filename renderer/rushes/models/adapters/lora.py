"""LoRA files and their relatives: the changes of a network's parameters that they hold.

Source: scope: src/scope/core/pipelines/wan2_1/lora/{utils.py,manager.py}. It ignores alpha where
keys have ``diffusion_model.`` before ``lora_A``, and drops what it cannot place without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from rushes.errors import AdapterError
from rushes.models.adapters.alphas import NO_ALPHAS, Alphas
from rushes.models.adapters.changes import WeightChange, weight_change
from rushes.models.adapters.keys import Entry, Shape
from rushes.models.adapters.places import place_keys
from rushes.models.cast_linear import CastLinear

Modules = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Targets:
    """What can be adapted of some networks, by checkpoint names.

    ``layers`` are the linear ones, also those whose weights are stored narrow; ``parameters`` all
    others: biases, norms, modulations, convolutions.
    """

    layers: Modules
    parameters: Mapping[str, nn.Parameter]

    def shapes(self) -> dict[str, Shape]:
        """Return the shape of every parameter."""
        weights = {
            f"{name}.weight": tuple(narrow_weight(layer).shape)
            for name, layer in self.layers.items()
        }
        return weights | {name: tuple(each.shape) for name, each in self.parameters.items()}


@dataclass(frozen=True)
class LoraWeights:
    """The changes of one file, and the keys of it that change nothing here.

    ``changes`` are those of linear layers' weights, by layer; ``plain`` what is added to other
    parameters at strength 1, by parameter, float32.
    """

    changes: Mapping[str, WeightChange]
    plain: Mapping[str, Tensor] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


def targets_of(*networks: nn.Module | None) -> Targets:
    """Return everything in some networks that a LoRA can change."""
    layers: dict[str, nn.Module] = {}
    parameters: dict[str, nn.Parameter] = {}
    for network in networks:
        for name, module in network.named_modules() if network is not None else ():
            is_linear = isinstance(module, nn.Linear | CastLinear)
            if is_linear:
                layers[name] = module
            for own, parameter in module.named_parameters(name, recurse=False):
                if not is_linear or own == f"{name}.bias":
                    parameters[own] = parameter
    return Targets(layers, parameters)


def narrow_weight(layer: nn.Module) -> Tensor:
    """Return the weight of a linear layer as it is stored."""
    weight = layer.stored if isinstance(layer, CastLinear) else layer.weight
    assert isinstance(weight, Tensor)
    return weight.data


def wide_weight(layer: nn.Module) -> Tensor:
    """Return the weight of a linear layer in float32, whatever it is stored as, [out, in]."""
    weight = narrow_weight(layer)
    if type(weight) is not Tensor:  # a quantised one, which knows how to become plain
        weight = weight.dequantize()
    wide = weight.float()
    scale = layer.scale if isinstance(layer, CastLinear) else None
    if scale is None:
        return wide
    return wide * scale.float().reshape(-1, 1)


def place_lora(
    state: Mapping[str, Tensor], targets: Targets, origin: str, alphas: Alphas = NO_ALPHAS
) -> LoraWeights:
    """Find the parameter of every change of a file; ``alphas`` are those written beside it.

    Raises: AdapterError when the file cannot be applied to these networks, or holds numbers that
        are none.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    known = targets.shapes()
    placed = place_keys(shapes, known, origin)
    changes: dict[str, WeightChange] = {}
    plain: dict[str, Tensor] = {}
    for name, entry in placed.entries.items():
        parts = _finite_parts(state, entry, origin)
        alpha = parts.get("alpha")
        factor = alphas.factor(entry.base, entry.rank, None if alpha is None else float(alpha))
        if "diff" in parts:
            factor = 1.0
        if entry.changes_weight:
            change = weight_change(parts, factor)
            if name in targets.layers:
                changes[name] = change
            else:
                parameter = f"{name}.weight" if f"{name}.weight" in known else name
                own = targets.parameters[parameter]
                matrix = own.data.reshape(own.shape[0], -1) if change.magnitude is not None else own
                plain[parameter] = change.of(matrix.data).reshape(own.shape).cpu()
        biases = [parts["diff_b"].float()] if "diff_b" in parts else []
        biases += [factor * parts["bias"].float()] if "bias" in parts else []
        if biases:
            plain[f"{name}.bias"] = sum(biases[1:], biases[0])
    return LoraWeights(changes, plain, placed.unused)


def _finite_parts(state: Mapping[str, Tensor], entry: Entry, origin: str) -> dict[str, Tensor]:
    parts = {part: state[key] for part, key in entry.parts.items()}
    if not all(bool(part.float().isfinite().all()) for part in parts.values()):
        raise AdapterError(f"{origin}: {entry.base} holds infinite numbers; fetch the file again")
    return parts
