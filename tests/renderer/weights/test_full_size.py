"""Networks and checkpoints of full width: what the small ones of other tests cannot show.

The figures that go with these are made by ``benchmarks/loading.py`` and ``two_blocks.py``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from checkout import ROOT
from rushes.files.resources import data_folder
from rushes.models.dit import CausalDit
from rushes.presets.preset import load_preset
from rushes.weights.networks import dit_config

BENCHMARKS = ROOT / "benchmarks"
NAME = "streamdiffusionv2-1.3b"
FULL = 30  # blocks
TENSORS_A_BLOCK = 27
DISK = 9e9  # bytes that a checkpoint of 1.4 billion bfloat16 numbers and its copies take


def run(script: str, *arguments: object) -> Any:
    """Run a benchmark and return the figures that it writes."""
    file = arguments[-1]
    subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *map(str, arguments[:-1]), "--json", str(file)],
        check=True,
        stdout=subprocess.PIPE,
        timeout=540,
    )
    return json.loads(Path(str(file)).read_text())


def table(dim: int, ffn: int, num_layers: int) -> dict[str, list[int]]:
    """Return the keys and shapes of the public generators, written down by hand."""
    shapes: dict[str, list[int]] = {
        "patch_embedding.weight": [dim, 16, 1, 2, 2],
        "patch_embedding.bias": [dim],
        "text_embedding.0.weight": [dim, 4096],
        "text_embedding.0.bias": [dim],
        "text_embedding.2.weight": [dim, dim],
        "text_embedding.2.bias": [dim],
        "time_embedding.0.weight": [dim, 256],
        "time_embedding.0.bias": [dim],
        "time_embedding.2.weight": [dim, dim],
        "time_embedding.2.bias": [dim],
        "time_projection.1.weight": [6 * dim, dim],
        "time_projection.1.bias": [6 * dim],
        "head.head.weight": [64, dim],
        "head.head.bias": [64],
        "head.modulation": [1, 2, dim],
    }
    for index in range(num_layers):
        block = f"blocks.{index}"
        shapes[f"{block}.modulation"] = [1, 6, dim]
        for attention in ("self_attn", "cross_attn"):
            for name in "qkvo":
                shapes[f"{block}.{attention}.{name}.weight"] = [dim, dim]
                shapes[f"{block}.{attention}.{name}.bias"] = [dim]
            shapes[f"{block}.{attention}.norm_q.weight"] = [dim]
            shapes[f"{block}.{attention}.norm_k.weight"] = [dim]
        shapes[f"{block}.norm3.weight"] = shapes[f"{block}.norm3.bias"] = [dim]
        shapes[f"{block}.ffn.0.weight"] = [ffn, dim]
        shapes[f"{block}.ffn.0.bias"] = [ffn]
        shapes[f"{block}.ffn.2.weight"] = [dim, ffn]
        shapes[f"{block}.ffn.2.bias"] = [dim]
    return shapes


@pytest.mark.parametrize(
    ("name", "sizes", "tensors"),
    [
        ("streamdiffusionv2-1.3b", (1536, 8960, 30), 825),
        ("streamdiffusionv2-14b", (5120, 13824, 40), 1095),
    ],
)
def test_keys_and_shapes_are_those_of_the_public_generators(
    name: str, sizes: tuple[int, int, int], tensors: int
) -> None:
    with torch.device("meta"):
        state = CausalDit(dit_config(load_preset(name))).state_dict()
    assert {key: list(tensor.shape) for key, tensor in state.items()} == table(*sizes)
    assert len(state) == tensors


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("num_layers", [3, pytest.param(FULL, marks=pytest.mark.long)])
def test_a_checkpoint_of_full_width_loads_in_little_more_memory_than_its_file(
    num_layers: int, tmp_path: Path
) -> None:
    """Of a few blocks in short, of all 30 in the long form."""
    if shutil.disk_usage(tmp_path).free < DISK:
        pytest.skip(f"less than {DISK / 1e9:.0f} GB free")
    if not Path("/proc/self/status").is_file():
        pytest.skip("the memory of a process is read from /proc")
    preset = yaml.safe_load((data_folder("configs") / f"{NAME}.yaml").read_text())
    preset["dit"]["num_layers"] = num_layers
    (tmp_path / "wide.yaml").write_text(yaml.safe_dump(preset))
    preset_option = ("--preset", tmp_path / "wide.yaml")
    arguments = ("--folder", tmp_path / "made", "--stored", "bfloat16")
    figures = run("loading.py", *preset_option, *arguments, tmp_path / "loading.json")
    size, around = figures["make"]["bytes"], figures["load"]["host_bytes_before"]
    for step in ("load", "import", "load again"):
        assert figures[step]["peak_host_bytes"] < 1.2 * size + around
    for step in ("load", "load again"):
        assert figures[step]["tensors"] == 825 - (FULL - num_layers) * TENSORS_A_BLOCK
        if num_layers == FULL:
            assert figures[step]["parameters"] == 1_418_996_800
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_wide_blocks_agree_in_float32_and_bfloat16(tmp_path: Path) -> None:
    found = run("two_blocks.py", "--size", "64x64", "--vae", "tae", tmp_path / "two.json")
    assert found["frames"] == 5
    assert 0 < found["rms_difference"] < 0.03 * found["spread_of_float32"]
