"""The keys of LoRA files: which layer each one means, and which part of its change it holds.

Only names and shapes are looked at, so that a file can be judged from its header.

Source: kohya-ss/sd-scripts: networks/lora.py; peft: src/peft/tuners/{lora,lokr,loha}/layer.py;
LyCORIS: docs/Network-Args.md, lycoris/modules; ComfyUI's spelling of full changes (diff, diff_b)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rushes.errors import AdapterError

Shape = tuple[int, ...]

_ENDINGS = {
    "lora_down.weight": "down",
    "lora_up.weight": "up",
    "lora.down.weight": "down",
    "lora.up.weight": "up",
    "lora_up.bias": "bias",
    "alpha": "alpha",
    "dora_scale": "magnitude",
    "diff": "diff",
    "diff_b": "diff_b",
    "lora_A": "down",  # a parameter of its own, as loralib makes it
    "lora_B": "up",
    "w_norm": "diff",
    "b_norm": "diff_b",
}
# With or without the name of an adapter in between or behind.
_PEFT = re.compile(r"\.lora_([AB])(?:\.[^.]+)?\.(weight|bias)$")
_PEFT_MAGNITUDE = re.compile(r"\.lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?$")
_LYCORIS = re.compile(r"\.(lokr_w[12](?:_[ab])?|hada_w[12]_[ab])(?:\.[^.]+)?$")
_PEFT_PARTS = {("A", "weight"): "down", ("B", "weight"): "up", ("B", "bias"): "bias"}

# Of a DoRA: in either layout; and PEFT's, which holds one number for each row in any layout.
MAGNITUDES = ("magnitude", "row_magnitude")
_LIGHTX2V = re.compile(r"(?:^|\.)diff_m$")  # what is added to a modulation

_LOHA = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
_HALVES_TOLD = {"down": "lora_A", "up": "lora_B"}


@dataclass
class Entry:
    """What a file says of one layer: the key of each part, under the name that the file gives it.

    ``base`` is that name; parts are ``down``, ``up``, ``alpha``, ``bias``, ``diff``, ``diff_b``,
    one of ``MAGNITUDES``, and those of LoKr and LoHa.
    """

    base: str
    parts: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)

    @property
    def changes_weight(self) -> bool:
        return bool(self.parts.keys() - {"alpha", "bias", "diff_b"})

    @property
    def changes_bias(self) -> bool:
        return bool(self.parts.keys() & {"bias", "diff_b"})

    @property
    def rank(self) -> int | None:
        """How many rows a low-rank change has between input and output; None for a whole one."""
        for part in ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"):
            if part in self.shapes:
                return self.shapes[part][0]
        return None

    def weight_size(self, origin: str) -> tuple[int, int]:
        """Return [out, in] of the weight that is changed, axes of a convolution being one.

        Raises: AdapterError when parts are missing, or do not fit each other.
        """
        given = self.parts.keys()
        if {"down", "up"} <= given:
            return self._product("up", "down", origin)
        if _LOHA[0] in given and set(_LOHA) <= given:
            first = self._product("hada_w1_a", "hada_w1_b", origin)
            if first != self._product("hada_w2_a", "hada_w2_b", origin):
                self._refuse("two products of different sizes", origin)
            return first
        if "diff" in given:
            return _flat(self.shapes["diff"])
        if any(part.startswith("lokr") for part in given):
            (rows, columns), (inner_rows, inner_columns) = (
                self._kronecker_half(half, origin) for half in ("lokr_w1", "lokr_w2")
            )
            return rows * inner_rows, columns * inner_columns
        missing = [told for part, told in _HALVES_TOLD.items() if part not in given]
        named = " and ".join(missing) if len(missing) == 1 else "all of its parts"
        raise AdapterError(f"{origin}: {self.base} lacks {named}; fetch the file again")

    def _kronecker_half(self, half: str, origin: str) -> tuple[int, int]:
        if half in self.parts:
            return _flat(self.shapes[half])
        if f"{half}_a" not in self.parts or f"{half}_b" not in self.parts:
            raise AdapterError(f"{origin}: {self.base} lacks {half}; fetch the file again")
        return self._product(f"{half}_a", f"{half}_b", origin)

    def _product(self, left: str, right: str, origin: str) -> tuple[int, int]:
        a, b = _flat(self.shapes[left]), _flat(self.shapes[right])
        if a[1] != b[0] or not b[0] or min(len(self.shapes[p]) for p in (left, right)) < 2:
            self._refuse(f"halves {list(b)} and {list(a)}, whose ranks do not agree", origin)
        return a[0], b[1]

    def _refuse(self, what: str, origin: str) -> None:
        raise AdapterError(f"{origin}: {self.base} has {what}; fetch the file again")


def read_entries(shapes: Mapping[str, Shape], origin: str) -> tuple[dict[str, Entry], list[str]]:
    """Sort the keys of a file by the layers that they name; return the unknown keys besides.

    Raises: AdapterError when the file holds no change, or two of one layer.
    """
    entries: dict[str, Entry] = {}
    unknown: list[str] = []
    for key, shape in shapes.items():
        base, part = split_key(key)
        if part is None:
            unknown.append(key)
            continue
        entry = entries.setdefault(base, Entry(base))
        if part in entry.parts:
            raise AdapterError(f"{origin}: changes {base} twice; take one LoRA a file")
        entry.parts[part], entry.shapes[part] = key, shape
        if set(MAGNITUDES) <= entry.parts.keys():
            raise AdapterError(f"{origin}: {base} has two magnitudes; fetch the file again")
        if part == "alpha" and math.prod(shape) != 1:
            count = math.prod(shape)
            raise AdapterError(f"{origin}: {base}.alpha holds {count} numbers, not one")
    if not any(entry.changes_weight or entry.changes_bias for entry in entries.values()):
        raise AdapterError(
            f"{origin}: is not a LoRA: it holds no pair of lora_A and lora_B, or of lora_down and "
            "lora_up, and nothing of a LoKr, LoHa or full change"
        )
    return entries, unknown


def split_key(key: str) -> tuple[str, str | None]:
    """Part a key into the name of its layer and the part that it holds, None if that is unknown."""
    for ending, part in _ENDINGS.items():
        if key.endswith(f".{ending}"):
            return key.removesuffix(f".{ending}"), part
    if match := _PEFT.search(key):
        named = _PEFT_PARTS.get((match[1], match[2]))
        return key[: match.start()], named
    if match := _PEFT_MAGNITUDE.search(key):
        return key[: match.start()], "row_magnitude"
    if match := _LIGHTX2V.search(key):
        return f"{key[: match.start()]}.modulation", "diff"
    if match := _LYCORIS.search(key):
        return key[: match.start()], match[1]
    return key, None


def _flat(shape: Shape) -> tuple[int, int]:
    """Return a shape as that of a matrix: the axes of a convolution belong to its input."""
    return (shape[0] if shape else 1), math.prod(shape[1:])
