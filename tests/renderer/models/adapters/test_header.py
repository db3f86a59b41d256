"""LoRA files judged from their headers: settings beside them, damage, pickled ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from rushes.errors import AdapterError
from rushes.models.adapters.header import read_header
from rushes.models.adapters.network_shapes import dit_shapes
from rushes.models.adapters.places import place_keys

Q = "base_model.model.blocks.0.self_attn.q"
RANK = 4


def lora(rank: int = RANK) -> dict[str, Tensor]:
    return {f"{Q}.lora_A.weight": torch.ones(rank, 8), f"{Q}.lora_B.weight": torch.ones(8, rank)}


def write(path: Path, state: dict[str, Tensor] | None = None) -> Path:
    save_file(state or lora(), path)
    return path


def factor(path: Path) -> float:
    return read_header(path).alphas.factor(Q, RANK, None)


@pytest.mark.parametrize(
    ("lora_name", "config_name"),
    [
        ("adapter_model.safetensors", "adapter_config.json"),
        ("film.safetensors", "adapter_config.json"),
        ("film.safetensors", "film.safetensors.adapter_config.json"),
        ("film.safetensors", "film.adapter_config.json"),
        ("film.safetensors", "film_adapter_config.json"),
    ],
)
def test_settings_beside_a_file_hold_for_it(
    tmp_path: Path, lora_name: str, config_name: str
) -> None:
    path = write(tmp_path / lora_name)
    assert factor(path) == 1
    (tmp_path / config_name).write_text(json.dumps({"lora_alpha": 8, "r": RANK}))
    assert factor(path) == 2
    assert read_header(path).config == tmp_path / config_name


def test_settings_beside_a_file_that_has_its_own_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8, "r": RANK}))
    path = write(tmp_path / "film.safetensors", lora() | {f"{Q}.alpha": torch.tensor(2.0)})
    assert read_header(path).config is None
    save_file(lora(), path, {"ss_network_alpha": "4"})
    assert factor(path) == 1


def test_settings_of_another_rank_are_those_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8, "r": 64}))
    header = read_header(write(tmp_path / "film.safetensors"))
    assert header.config is None
    assert "is for a LoRA of rank 64" in header.warnings[0]
    with pytest.raises(AdapterError, match="fetch both again"):
        read_header(write(tmp_path / "adapter_model.safetensors"))


def test_a_header_and_settings_that_belong_to_it_must_agree(tmp_path: Path) -> None:
    path = tmp_path / "adapter_model.safetensors"
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8, "r": RANK}))
    save_file(lora(), path, {"lora_alpha": "8"})
    assert factor(path) == 2
    save_file(lora(), path, {"lora_alpha": "2"})
    with pytest.raises(AdapterError, match="says alpha 2, and adapter_config"):
        read_header(path)


def test_a_dora_without_magnitudes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "adapter_model.safetensors")
    config = json.dumps({"lora_alpha": 8, "r": RANK, "use_dora": True})
    (tmp_path / "adapter_config.json").write_text(config)
    with pytest.raises(AdapterError, match="no magnitudes"):
        read_header(path)
    write(path, lora() | {f"{Q}.lora_magnitude_vector": torch.ones(8)})
    assert read_header(path).alphas.has_magnitudes


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.uint8], ids=str)
@pytest.mark.parametrize("name", ["film.safetensors", "film.pt"])
def test_whole_numbers_are_refused(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    path = tmp_path / name
    state = {key: tensor.to(dtype) for key, tensor in lora().items()}
    torch.save(state, path) if path.suffix == ".pt" else save_file(state, path)
    with pytest.raises(AdapterError, match="holds whole numbers"):
        read_header(path)


@pytest.mark.parametrize("name", ["film.safetensors", "film.pt"])
def test_an_alpha_that_is_no_number_is_refused_and_one_of_0_is_named(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    for alpha in (0.0, float("nan")):
        state = lora() | {f"{Q}.alpha": torch.tensor(alpha)}
        torch.save(state, path) if path.suffix == ".pt" else save_file(state, path)
        if alpha == 0:
            assert "alpha is 0 in 1 of its layers" in read_header(path).warnings[0]
    with pytest.raises(AdapterError, match="is not a finite number"):
        read_header(path)


def test_an_alpha_of_0_for_all_layers_is_named(tmp_path: Path) -> None:
    path = tmp_path / "film.safetensors"
    save_file(lora(), path, {"lora_alpha": "0"})
    assert "changes nothing" in read_header(path).warnings[0]


def test_the_ending_may_be_written_large(tmp_path: Path) -> None:
    assert len(read_header(write(tmp_path / "FILM.SAFETENSORS")).shapes) == 2


@pytest.mark.parametrize("text", ["", "[]", '{"lora_alpha": "x"}', '{"lora_alpha": 1, "r": 0}'])
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "film.safetensors")
    (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(AdapterError, match=r"adapter_config\.json: its"):
        read_header(path)


@pytest.mark.parametrize("num_bytes", [0, 4, 40, 200])
def test_a_file_that_is_cut_is_refused(tmp_path: Path, num_bytes: int) -> None:
    path = write(tmp_path / "film.safetensors")
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(AdapterError, match="damaged or incomplete"):
        read_header(path)


@pytest.mark.parametrize("container", [None, "generator_lora", "state_dict"])
def test_a_pickled_file_is_read_without_running_its_code(
    tmp_path: Path, container: str | None
) -> None:
    path = tmp_path / "film.pt"
    torch.save({container: lora(), "step": 5} if container else lora(), path)
    parameters = dit_shapes(8, 16, 1, 8, 4)
    assert list(place_keys(read_header(path).shapes, parameters, "film").entries) == [
        "blocks.0.self_attn.q"
    ]


class Bad:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


def test_a_pickled_file_with_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "film.pt"
    torch.save(lora() | {"code": Bad()}, path)
    with pytest.raises(AdapterError, match="was refused"):
        read_header(path)
    assert "run" not in capsys.readouterr().out


def test_a_safetensors_file_is_judged_without_pytorch(tmp_path: Path) -> None:
    path = write(tmp_path / "film.safetensors", {k: v.bfloat16() for k, v in lora().items()})
    code = (
        "import sys; from pathlib import Path\n"
        "from rushes.weights.lora_check import check_lora\n"
        "from rushes.models.adapters.header import read_header\n"
        f"print(len(read_header(Path({str(path)!r})).shapes), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]
