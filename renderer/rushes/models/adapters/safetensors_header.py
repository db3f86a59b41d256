"""The header of a safetensors file, and its single numbers, without PyTorch.

Source: huggingface/safetensors: README, Format (the length of a JSON header, the header, the data)
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open

from rushes.errors import AdapterError

Shape = tuple[int, ...]

_LENGTH = struct.Struct("<Q")
_FORMATS = {"F64": "<d", "F32": "<f", "F16": "<e", "I64": "<q", "I32": "<i", "I16": "<h", "U8": "B"}
_BFLOAT16 = "BF16"


@dataclass(frozen=True)
class TensorsHeader:
    """Names, shapes and types of tensors, the free text, and the numbers that stand alone."""

    shapes: Mapping[str, Shape]
    types: Mapping[str, str]
    texts: Mapping[str, str]
    numbers: Mapping[str, float]


def read_safetensors_header(path: Path, ending: str) -> TensorsHeader:
    """Read a header, and the single numbers whose names have an ending.

    Raises: AdapterError when the file is damaged or incomplete.
    """
    try:
        with safe_open(path, framework="numpy") as file:  # it compares header and size
            texts = file.metadata() or {}
        with path.open("rb") as content:
            (length,) = _LENGTH.unpack(content.read(_LENGTH.size))
            tensors = json.loads(content.read(length))
            tensors.pop("__metadata__", None)
            wanted = [name for name in tensors if name.endswith(ending)]
            read = {name: _number(content, tensors[name]) for name in wanted}
    except (SafetensorError, OSError, ValueError, struct.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AdapterError(f"{path}: damaged or incomplete ({reason}); fetch it again") from error
    return TensorsHeader(
        {name: tuple(tensor["shape"]) for name, tensor in tensors.items()},
        {name: tensor["dtype"] for name, tensor in tensors.items()},
        texts,
        {name: number for name, number in read.items() if number is not None},
    )


def _number(content: BinaryIO, tensor: Mapping[str, Any]) -> float | None:
    """Return the number of a tensor that holds one, unless it is of a rarer type."""
    begin, _ = tensor["data_offsets"]
    kind = tensor["dtype"]
    if math.prod(tensor["shape"]) != 1 or kind not in (*_FORMATS, _BFLOAT16):
        return None
    content.seek(0)
    (length,) = _LENGTH.unpack(content.read(_LENGTH.size))
    content.seek(_LENGTH.size + length + begin)
    if kind == _BFLOAT16:  # the upper half of a float32
        return float(struct.unpack("<f", b"\0\0" + content.read(2))[0])
    form = struct.Struct(_FORMATS[kind])
    return float(form.unpack(content.read(form.size))[0])
