"""``rushes models``: a process, its files, its exit codes, text for people and JSON for scripts."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner, Result

from farm.hub_server import Hub, running_hub
from rushes.presets.catalogue import load_catalogue
from rushes.presets.preset import load_preset
from rushes.weights.networks import find_weights
from rushes.weights.random_weights import save_weights
from rushes_queue.cli import app
from rushes_queue.cli.show import table

TOKENIZER = load_catalogue()["tokenizer"]


def models(*arguments: object, folder: Path, **environment: str) -> Result:
    command = [*map(str, arguments), "--models-dir", str(folder / "models")]
    places = [*command, "--cache-dir", str(folder / "cache")]
    return CliRunner().invoke(app, ["models", *places], env=environment)


def as_data(result: Result) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(result.stdout)
    assert data["schema_version"] == 1
    return data


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A preset of the tiny sizes whose files a user brings."""
    tiny = load_preset("tiny")
    path = tmp_path / "mine.yaml"
    data = tiny.model_dump(mode="json", exclude={"name", "random_weights_seed"})
    path.write_text(yaml.safe_dump(data))
    shutil.copytree(find_weights(tiny, tmp_path, tmp_path).dit.parents[2], tmp_path / "models")
    return path


def test_the_list_says_what_is_here(tmp_path: Path) -> None:
    put = load_catalogue()["wan-vae"]
    path = put.path(put.files[0], tmp_path / "models")
    path.parent.mkdir(parents=True)
    path.touch()
    result = models("list", folder=tmp_path)
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert lines["wan-vae"].split()[1:3] == ["here", "507.6"]
    assert lines["generator-14b"].split()[1] == "absent"
    entries = as_data(models("list", "--json", folder=tmp_path))["entries"]
    assert entries["wan-vae"]["state"] == "here"
    assert entries["tae"]["repositories"][0] == "lightx2v/Autoencoders"


def test_where_names_the_folder_and_files(tmp_path: Path) -> None:
    assert models("where", folder=tmp_path).stdout.strip() == str(tmp_path / "models")
    result = models("where", "tae", folder=tmp_path)
    assert result.stdout.strip() == str(tmp_path / "models/Autoencoders/taew2_1.pth")
    files = as_data(models("where", "streamdiffusionv2-1.3b", "--json", folder=tmp_path))["files"]
    assert files.keys() == {"generator-1.3b", "wan-vae", "text-encoder-fp8", "tokenizer"}
    assert not files["wan-vae"][0]["exists"]


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    for command in ("where", "download", "verify"):
        result = models(command, "sdxl", folder=tmp_path)
        assert result.exit_code == 3
        assert "neither a preset" in result.stderr


# --- download and verify -------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that publishes TAE; the library has read the address of the real one already."""
    with running_hub() as hub:
        hub.add("lightx2v/Autoencoders", "taew2_1.pth", b"weights")
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
        template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield hub


def test_a_download_is_verified_until_the_file_changes(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "models/Autoencoders/taew2_1.pth"
    result = models("download", "tae", folder=tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == ["tae", str(path)]
    assert path.read_bytes() == b"weights"

    (report,) = as_data(models("verify", "tae", "--json", folder=tmp_path))["files"]
    assert report["verdict"] == "right"
    assert report["sha256"] == hashlib.sha256(b"weights").hexdigest()

    path.write_bytes(b"wEights")
    result = models("verify", folder=tmp_path)
    assert result.exit_code == 1
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["tae", "wrong", str(path), report["origin"]] in lines
    assert report["origin"].startswith("lightx2v/Autoencoders@")
    assert "--force" in result.stderr
    assert models("download", "tae", "--force", "--json", folder=tmp_path).exit_code == 0
    assert models("verify", folder=tmp_path).exit_code == 0


def test_sizes_and_hashes_are_said_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    result = models("download", "tae", "--dry-run", folder=tmp_path)
    assert (result.exit_code, result.stdout) == (0, "")
    header, row, total = result.stderr.splitlines()
    sha256 = hashlib.sha256(b"weights").hexdigest()
    assert header.split() == ["file", "size", "SHA-256", "repository@revision"]
    assert f"{sha256[:16]} as published" in row
    assert "lightx2v/Autoencoders@01234567" in row
    assert total.startswith("1 file, 7 bytes in all; ")
    (planned,) = as_data(models("download", "tae", "--dry-run", "--json", folder=tmp_path))[
        "planned"
    ]
    assert (planned["size"], planned["sha256"], planned["is_pinned"]) == (7, sha256, False)
    assert hub.requests == []
    assert models("download", "tae", folder=tmp_path).stderr.startswith(f"{header}\n{row}\n")


def test_a_newer_file_is_taken_only_when_it_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    assert models("download", "tae", folder=tmp_path).exit_code == 0
    hub.add("lightx2v/Autoencoders", "taew2_1.pth", b"newer")
    result = models("download", "tae", "--force", folder=tmp_path)
    assert result.exit_code == 1
    assert "--latest" in result.stderr
    assert models("download", "tae", "--force", "--latest", folder=tmp_path).exit_code == 0
    assert (tmp_path / "models/Autoencoders/taew2_1.pth").read_bytes() == b"newer"


def test_one_publisher_can_be_asked_first(hub: Hub, tmp_path: Path) -> None:
    hub.add("daydreamlive/Autoencoders", "taew2_1.pth", b"weights")
    wanted = ("tae", "--prefer", "daydreamlive")
    assert models("download", *wanted, folder=tmp_path).exit_code == 0
    (report,) = as_data(models("verify", "tae", "--json", folder=tmp_path))["files"]
    assert report["origin"].startswith("daydreamlive/Autoencoders@")


def test_a_file_with_a_known_hash_needs_no_record(tmp_path: Path) -> None:
    path = TOKENIZER.path(TOKENIZER.files[0], tmp_path / "models")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    (report,) = as_data(models("verify", "--json", folder=tmp_path))["files"]
    assert (report["verdict"], report["expected"]) == ("wrong", TOKENIZER.files[0].sha256)


def test_a_file_that_nobody_knows_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "models/Autoencoders/taew2_1.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"from a friend")
    result = models("verify", "tae", "--json", folder=tmp_path)
    assert result.exit_code == 0
    assert as_data(result)["files"][0]["verdict"] == "unknown"


def test_verifying_what_is_not_here_has_its_own_code(tmp_path: Path) -> None:
    assert models("verify", "tae", folder=tmp_path).exit_code == 4


def test_offline_has_its_own_code_and_names_the_file(tmp_path: Path) -> None:
    result = models("download", "tae", "--offline", folder=tmp_path)
    assert result.exit_code == 4
    assert "taew2_1.pth" in result.stderr


# --- import --------------------------------------------------------------------------------------


def test_all_pickled_files_of_a_preset_are_imported(mine: Path, tmp_path: Path) -> None:
    result = models("import", "--preset", mine, "--json", folder=tmp_path)
    assert result.exit_code == 0, result.output
    made = as_data(result)["files"]
    assert len(made) == 6
    for each in made:
        assert each["sha256"] == hashlib.sha256(Path(each["path"]).read_bytes()).hexdigest()
    assert models("import", "--preset", mine, folder=tmp_path).exit_code == 6


def test_one_file_is_imported_from_anywhere(mine: Path, tmp_path: Path) -> None:
    vae = find_weights(load_preset(str(mine)), tmp_path / "models", tmp_path).vae
    elsewhere = vae.rename(tmp_path / "download.bin.pth")
    result = models("import", elsewhere, "--preset", mine, "--bfloat16", folder=tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(vae.with_suffix(".safetensors"))


def test_a_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "x.pt", {"patch_embedding.weight": torch.zeros(3)})
    result = models("import", tmp_path / "x.pt", folder=tmp_path)
    assert result.exit_code == 1
    assert "does not fit this model" in result.stderr
    assert models("import", tmp_path / "none.pt", folder=tmp_path).exit_code == 4
    assert models("import", folder=tmp_path).exit_code == 4


def test_weights_of_another_program_are_linked(tmp_path: Path) -> None:
    theirs = tmp_path / "scope" / "Wan2.1-T2V-1.3B" / "Wan2.1_VAE.pth"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"vae")
    (file,) = as_data(models("link", tmp_path / "scope", "--json", folder=tmp_path))["files"]
    assert (file["name"], file["source"], file["new"]) == ("wan-vae", str(theirs), True)
    assert Path(file["path"]).read_bytes() == b"vae"
    assert "here already" in models("link", tmp_path / "scope", folder=tmp_path).stdout


def test_without_a_folder_it_is_scopes(tmp_path: Path) -> None:
    nothing = models("link", folder=tmp_path, DAYDREAM_SCOPE_MODELS_DIR=str(tmp_path / "none"))
    assert nothing.exit_code == 4
    assert str(tmp_path / "none") in nothing.stderr


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_list_fits_the_terminal_with_whole_names(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "terminal_width", lambda: width)
    lines = CliRunner().invoke(app, ["models", "list"]).stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert {line.split()[0] for line in lines[1:]} == set(load_catalogue())
    assert all(line.split()[1] in {"absent", "here", "partly", "state"} for line in lines)
