"""LPIPS with small random weights, in the layout of the public file."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

WIDTHS = (4, 6, 5, 3, 3)  # AlexNet has 64, 192, 384, 256, 256


def alexnet() -> list[nn.Sequential]:
    """Its convolutions in the five slices of the public package, with the names of its file."""
    first, second, third, fourth, fifth = WIDTHS
    torch.manual_seed(0)
    layers: list[list[tuple[str, nn.Module]]] = [
        [("0", nn.Conv2d(3, first, 11, 4, 2)), ("1", nn.ReLU())],
        [("2", nn.MaxPool2d(3, 2)), ("3", nn.Conv2d(first, second, 5, 1, 2)), ("4", nn.ReLU())],
        [("5", nn.MaxPool2d(3, 2)), ("6", nn.Conv2d(second, third, 3, 1, 1)), ("7", nn.ReLU())],
        [("8", nn.Conv2d(third, fourth, 3, 1, 1)), ("9", nn.ReLU())],
        [("10", nn.Conv2d(fourth, fifth, 3, 1, 1)), ("11", nn.ReLU())],
    ]
    return [nn.Sequential(OrderedDict(each)) for each in layers]


def shares() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(1, width, 1, 1, generator=generator) for width in WIDTHS]


def write_weights(path: Path) -> Path:
    state = {"scaling_layer.shift": torch.zeros(1, 3, 1, 1)}
    for number, part in enumerate(alexnet(), start=1):
        state |= {f"net.slice{number}.{name}": each for name, each in part.state_dict().items()}
    for number, share in enumerate(shares()):
        state |= {f"{name}.model.1.weight": share for name in (f"lin{number}", f"lins.{number}")}
    torch.save(state, path)
    return path
