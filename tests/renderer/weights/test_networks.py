"""Finding and loading the weights of a preset; making random ones, also by two at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from checkout import SOURCES
from rushes.errors import CheckpointError
from rushes.files.folders import Folders
from rushes.models.autoencoder import Autoencoder
from rushes.presets.catalogue import is_installed
from rushes.presets.preset import load_preset
from rushes.rendering.pipeline import Pipeline, load_pipeline
from rushes.weights.networks import find_weights, load_models, load_text_encoder

CPU = torch.device("cpu")
REAL = load_preset("streamdiffusionv2-1.3b")
TINY = load_preset("tiny")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


# --- finding -------------------------------------------------------------------------------------


def test_everything_that_is_missing_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        find_weights(REAL, tmp_path / "models", tmp_path / "cache")
    message = str(caught.value)
    assert str(tmp_path / "models") in message
    for part, names in REAL.weights.parts().items():
        assert part in message
        assert all(name in message for name in names)
    assert "--models-dir" in message
    assert "\n" not in message
    assert not (tmp_path / "cache").exists()


def test_only_what_is_missing_is_named(tmp_path: Path) -> None:
    touch(tmp_path, REAL.weights.dit[0], REAL.weights.vae[0])
    with pytest.raises(CheckpointError) as caught:
        find_weights(REAL, tmp_path, tmp_path)
    assert REAL.weights.dit[0] not in str(caught.value)
    assert REAL.weights.text_encoder[0] in str(caught.value)


def test_of_several_names_the_first_that_exists_is_taken(tmp_path: Path) -> None:
    preferred, other = REAL.weights.text_encoder
    touch(
        tmp_path,
        *(names[0] for _, names in REAL.weights.parts().items() if names[0] != preferred),
        other,
    )
    assert find_weights(REAL, tmp_path, tmp_path).text_encoder == tmp_path / other
    touch(tmp_path, preferred)
    assert find_weights(REAL, tmp_path, tmp_path).text_encoder == tmp_path / preferred


def test_a_preset_is_installed_when_all_of_its_files_are_there(tmp_path: Path) -> None:
    names = [names[-1] for _, names in REAL.weights.parts().items()]
    touch(tmp_path, *names[1:])
    assert not is_installed(REAL, tmp_path)
    touch(tmp_path, names[0])
    assert is_installed(REAL, tmp_path)


# --- loading -------------------------------------------------------------------------------------


def as_module(autoencoder: Autoencoder) -> nn.Module:
    assert isinstance(autoencoder, nn.Module)
    return autoencoder


def test_the_random_weights_of_the_tiny_preset_load_into_every_network(
    pipeline: Pipeline,
) -> None:
    networks = [pipeline.models.dit, as_module(pipeline.models.vae)]
    encoder = load_text_encoder(TINY, pipeline.paths, CPU, torch.float32)
    for network in [*networks, encoder.model]:
        assert not network.training
        assert not any(parameter.is_meta for parameter in network.parameters())
    assert encoder.encode(["a boat"]).shape == (1, TINY.dit.text_len, TINY.dit.text_dim)


def test_networks_have_the_number_format_that_was_asked_for(pipeline: Pipeline) -> None:
    models = load_models(TINY, pipeline.paths, CPU, torch.bfloat16)
    for network in (models.dit, as_module(models.vae)):
        assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}


def test_weights_of_another_size_are_refused(pipeline: Pipeline) -> None:
    wider = TINY.model_copy(update={"dit": TINY.dit.model_copy(update={"ffn_dim": 256})})
    with pytest.raises(CheckpointError, match=r"blocks\.0\.ffn\.0\.weight \[128, 64\] instead"):
        load_models(wider, pipeline.paths, CPU, torch.float32)


def test_weights_of_another_network_are_refused(pipeline: Pipeline) -> None:
    swapped = replace(pipeline.paths, dit=pipeline.paths.vae)
    with pytest.raises(CheckpointError, match=f"{swapped.dit}: does not fit this model: missing"):
        load_models(TINY, swapped, CPU, torch.float32)


def test_weight_files_are_known_by_their_hashes(pipeline: Pipeline) -> None:
    hashes = pipeline.weights_sha256
    assert hashes.keys() == {"dit", "vae", "text_encoder"}
    assert all(len(value) == 64 for value in hashes.values())
    assert (pipeline.folders.cache / "hashes.json").is_file()


# --- making random ones --------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_random_weights_are_made_once_and_are_the_same_everywhere(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    again = find_weights(TINY, tmp_path, tmp_path)
    (made,) = (tmp_path / "random-weights").iterdir()
    (before,) = (pipeline.folders.cache / "random-weights").iterdir()
    assert made.name == before.name
    assert contents(made) == contents(before)
    stamp = again.dit.stat().st_mtime_ns
    assert find_weights(TINY, tmp_path, tmp_path).dit.stat().st_mtime_ns == stamp


def test_a_change_of_the_preset_renews_its_random_weights(tmp_path: Path) -> None:
    other = TINY.model_copy(update={"random_weights_seed": 1})
    paths = [find_weights(preset, tmp_path, tmp_path) for preset in (TINY, other)]
    assert paths[0].dit != paths[1].dit
    assert paths[0].dit.read_bytes() != paths[1].dit.read_bytes()


TWO_AT_ONCE = """
import os, sys
from pathlib import Path
from rushes.presets.preset import load_preset
from rushes.weights.networks import find_weights
preset, folder = load_preset("tiny"), Path(sys.argv[1])
is_child = os.fork() == 0
dit = find_weights(preset, folder, folder).dit
if is_child:
    os._exit(0 if dit.is_file() else 1)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]) or not dit.is_file())
"""


def test_two_processes_that_make_random_weights_at_once_both_succeed(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(SOURCES), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", TWO_AT_ONCE, str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "random-weights").iterdir())) == 1
    load_models(TINY, find_weights(TINY, tmp_path, tmp_path), CPU, torch.float32)


def test_a_process_that_died_while_making_them_is_no_obstacle(tmp_path: Path) -> None:
    leftover = tmp_path / "random-weights" / ".making-dead"
    leftover.mkdir(parents=True)
    (leftover / "half").touch()
    load_pipeline(TINY, Folders(tmp_path, tmp_path), CPU, torch.float32)


# --- prompts -------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Pipeline:
    """A pipeline whose files a test may destroy."""
    return load_pipeline(TINY, Folders(tmp_path, tmp_path / "cache"), CPU, torch.float32)


def test_prompts_are_encoded_once(own: Pipeline) -> None:
    first = own.prompt_embeddings(["a boat", "a pond"])["a boat"]
    damage(own.paths.text_encoder)  # who reads it now, fails
    assert torch.equal(own.prompt_embeddings(["a pond", "a boat"])["a boat"], first)
    with pytest.raises(CheckpointError):
        own.prompt_embeddings(["a fox"])


def damage(path: Path) -> None:
    """Destroy a file so that size and time stay, by which its hash is remembered."""
    stamp, size = path.stat().st_mtime_ns, path.stat().st_size
    path.write_bytes(bytes(size))
    os.utime(path, ns=(stamp, stamp))


def test_another_tokenizer_has_embeddings_of_its_own(own: Pipeline) -> None:
    own.prompt_embeddings(["a boat"])
    settings = own.paths.tokenizer / "tokenizer_config.json"
    settings.write_text(settings.read_text() + "\n")
    assert own.prompt_embeddings([]).missing(["a boat"]) == ["a boat"]
