"""Single numbers of a safetensors file, read without PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rushes.models.adapters.safetensors_header import read_safetensors_header


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.uint8),
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(), (1,)], ids=str)
def test_a_number_of_every_type_is_read(
    tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    state = {
        "a.weight": torch.zeros(3, 5),
        "b.alpha": torch.full(shape, 6).to(dtype),
        "c.alpha": torch.zeros(2),
    }
    path = tmp_path / "x.safetensors"
    save_file(state, path, {"note": "x"})
    header = read_safetensors_header(path, ".alpha")
    assert header.numbers == {"b.alpha": 6.0}
    assert header.shapes["a.weight"] == (3, 5)
    assert header.types["a.weight"] == "F32"
    assert header.texts == {"note": "x"}


def test_a_number_of_a_rarer_type_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"b.alpha": torch.tensor(6.0).to(torch.float8_e4m3fn)}, path)
    assert read_safetensors_header(path, ".alpha").numbers == {}
