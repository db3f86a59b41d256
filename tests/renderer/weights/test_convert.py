"""Importing: any container becomes one safetensors file that fits and loads by memory map."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from renders.tiny_models import normal
from rushes.errors import CheckpointError, ConflictError, MissingFileError
from rushes.models.checkpoint import read_state_dict
from rushes.presets.preset import TINY, Preset, load_preset
from rushes.rendering.pipeline import Pipeline
from rushes.weights.convert import import_weights, write_safetensors
from rushes.weights.networks import find_weights, load_models

CPU = torch.device("cpu")


@pytest.fixture
def preset(pipeline: Pipeline) -> Preset:
    """The tiny networks as a preset whose files are looked for in the models folder."""
    return pipeline.preset.model_copy(update={"random_weights_seed": None, "name": "mine"})


@pytest.mark.parametrize("part", ["dit", "vae", "text_encoder"])
def test_a_pickled_checkpoint_becomes_safetensors_of_bare_names(
    part: str, pipeline: Pipeline, preset: Preset, tmp_path: Path
) -> None:
    source = pipeline.paths.files()[part]
    path, record = import_weights(source, preset, tmp_path)
    name = getattr(preset.weights, part)[0]
    assert path == (tmp_path / name).with_suffix(".safetensors")
    before, after = read_state_dict(source), load_file(path)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.size == path.stat().st_size


@pytest.mark.parametrize("part", ["lightvae", "tae", "lighttae", "vace"])
def test_what_only_some_renders_need_is_imported_too(
    part: str, pipeline: Pipeline, preset: Preset, tmp_path: Path
) -> None:
    """LightVAE is told by its width, TAE and LightTAE by their names: they have the same shapes."""
    (name,) = getattr(preset.extras, part)
    paths = find_weights(pipeline.preset, tmp_path, pipeline.folders.cache)
    root = paths.vae.parents[len(Path(preset.weights.vae[0]).parts) - 1]
    path, _ = import_weights(root / name, preset, tmp_path)
    assert path == (tmp_path / name).with_suffix(".safetensors")
    assert load_file(path).keys() == read_state_dict(root / name).keys()


@pytest.mark.parametrize("stem", ["models_t5_umt5-xxl-enc-bf16", "from-somewhere"])
def test_a_text_encoder_does_not_get_the_name_of_the_one_in_fp8(
    stem: str, pipeline: Pipeline, preset: Preset, tmp_path: Path
) -> None:
    names = ("umt5-xxl-enc-fp8_e4m3fn.safetensors", "models_t5_umt5-xxl-enc-bf16.pth")
    weights = preset.weights.model_copy(update={"text_encoder": names})
    source = tmp_path / f"{stem}.pth"
    source.write_bytes(pipeline.paths.text_encoder.read_bytes())
    path, _ = import_weights(source, preset.model_copy(update={"weights": weights}), tmp_path / "m")
    assert path.name == "models_t5_umt5-xxl-enc-bf16.safetensors"


def test_what_was_imported_is_what_a_pipeline_loads(
    pipeline: Pipeline, preset: Preset, tmp_path: Path
) -> None:
    tokenizer = tmp_path / preset.weights.tokenizer[0]
    tokenizer.parent.mkdir(parents=True)
    tokenizer.symlink_to(pipeline.paths.tokenizer)
    for source in pipeline.paths.files().values():
        import_weights(source, preset, tmp_path)
    paths = find_weights(preset, tmp_path, tmp_path)
    assert {path.suffix for path in paths.files().values()} == {".safetensors"}
    models = load_models(preset, paths, CPU, torch.float32)
    for name, parameter in pipeline.models.dit.named_parameters():
        assert torch.equal(models.dit.get_parameter(name), parameter)


def test_float32_weights_can_be_halved(pipeline: Pipeline, preset: Preset, tmp_path: Path) -> None:
    path, _ = import_weights(pipeline.paths.dit, preset, tmp_path, dtype=torch.bfloat16)
    assert {tensor.dtype for tensor in load_file(path).values()} == {torch.bfloat16}
    assert path.stat().st_size < 0.6 * pipeline.paths.dit.stat().st_size


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn], ids=str
)
def test_every_dtype_of_the_public_files_survives(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {"a": normal(3, 5).to(dtype), "scale": torch.tensor(2.0), "empty": torch.zeros(0)}
    write_safetensors(tmp_path / "x.safetensors", state, None)
    loaded = load_file(tmp_path / "x.safetensors")
    assert loaded["a"].dtype == dtype
    assert torch.equal(loaded["a"].float(), state["a"].float())
    assert (loaded["scale"].shape, loaded["scale"].item()) == ((), 2.0)


def test_a_view_into_another_tensor_is_written_alone(tmp_path: Path) -> None:
    whole = normal(4, 6)
    write_safetensors(tmp_path / "x.safetensors", {"part": whole.t()[1:3]}, None)
    assert torch.equal(load_file(tmp_path / "x.safetensors")["part"], whole.t()[1:3])


# --- refusals ------------------------------------------------------------------------------------


def test_weights_of_another_size_are_refused(
    pipeline: Pipeline, preset: Preset, tmp_path: Path
) -> None:
    wider = preset.model_copy(update={"dit": preset.dit.model_copy(update={"ffn_dim": 256})})
    with pytest.raises(CheckpointError, match="mis-shaped"):
        import_weights(pipeline.paths.dit, wider, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_no_known_network_are_refused(preset: Preset, tmp_path: Path) -> None:
    torch.save({"unet.weight": torch.zeros(1)}, tmp_path / "sd.pt")
    with pytest.raises(CheckpointError, match=r"sd\.pt: neither .* begin with unet\.weight"):
        import_weights(tmp_path / "sd.pt", preset, tmp_path / "models")


def test_a_result_is_not_replaced_unasked(
    pipeline: Pipeline, preset: Preset, tmp_path: Path
) -> None:
    import_weights(pipeline.paths.vae, preset, tmp_path)
    with pytest.raises(ConflictError, match="give --force"):
        import_weights(pipeline.paths.vae, preset, tmp_path)
    import_weights(pipeline.paths.vae, preset, tmp_path, force=True)


class Payload:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.victim,)


def test_a_hostile_file_is_refused_and_not_executed(preset: Preset, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(pickle.dumps({"a": Payload(tmp_path / "executed")}))
    with pytest.raises(CheckpointError, match=r"model\.pt: holds something else than tensors"):
        import_weights(tmp_path / "model.pt", preset, tmp_path / "models")
    assert not (tmp_path / "executed").exists()


def test_a_missing_file_is_named(preset: Preset, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.pt"):
        import_weights(tmp_path / "none.pt", preset, tmp_path)


def test_nothing_is_left_of_a_write_that_failed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is torch\.complex64"):
        write_safetensors(
            tmp_path / "x.safetensors", {"a": torch.zeros(2, dtype=torch.complex64)}, None
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["longlive", "causal-forcing-framewise"])
def test_the_files_of_the_family_are_imported(name: str, tmp_path: Path) -> None:
    """Two halves, and an average of a training run beside what it is the average of."""
    tiny = load_preset(name + TINY)
    given = find_weights(tiny, tmp_path, tmp_path / "cache")
    mine = tiny.model_copy(update={"random_weights_seed": None, "name": "mine"})
    models_dir = tmp_path / "models"
    for part, source in given.files().items():
        import_weights(source, mine, models_dir)
        imported = load_file(
            (models_dir / getattr(mine.weights, part)[0]).with_suffix(".safetensors")
        )
        assert imported
    tokenizer = models_dir / mine.weights.tokenizer[0]
    tokenizer.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.symlink_to(given.tokenizer)
    before = load_models(tiny, given, CPU, torch.float32).dit
    after = load_models(mine, find_weights(mine, models_dir, tmp_path), CPU, torch.float32).dit
    for key, weight in before.named_parameters():
        assert torch.equal(after.get_parameter(key), weight)
