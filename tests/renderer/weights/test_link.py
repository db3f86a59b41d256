"""Weights of other programs: found in their layouts, linked file by file, never touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.errors import MissingFileError
from rushes.presets.catalogue import choose_entries, is_installed, load_catalogue
from rushes.presets.preset import load_preset
from rushes.weights.link import link_weights, scope_folder

CATALOGUE = load_catalogue()
PRESET = load_preset("streamdiffusionv2-1.3b")


def put(folder: Path, layout: str) -> list[Path]:
    """Write the files of the preset as another program has them."""
    made = []
    for entry in choose_entries(CATALOGUE, [PRESET.name], folder / "nowhere").values():
        for file in entry.files:
            is_generator = entry.folder == "StreamDiffusionV2"
            if layout == "scope":
                path = folder / entry.folder / file.name
            elif is_generator:
                path = folder / "ckpts" / file.name
            else:
                path = folder / "wan_models" / entry.folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"weights")
            made.append(path)
    return made


@pytest.mark.parametrize("layout", ["scope", "checkout"])
def test_a_folder_of_another_program_installs_the_preset(tmp_path: Path, layout: str) -> None:
    theirs, models = tmp_path / "theirs", tmp_path / "models"
    made = put(theirs, layout)
    links = link_weights(theirs, CATALOGUE, models)
    assert {link.source for link in links} == set(made)
    assert all(link.is_new and link.path.is_symlink() for link in links)
    assert is_installed(PRESET, models)


def test_what_is_here_already_stays(tmp_path: Path) -> None:
    theirs, models = tmp_path / "theirs", tmp_path / "models"
    put(theirs, "scope")
    mine = models / "Wan2.1-T2V-1.3B" / "Wan2.1_VAE.pth"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    links = {link.path: link.is_new for link in link_weights(theirs, CATALOGUE, models)}
    assert not links[mine]
    assert mine.read_bytes() == b"mine"
    assert not any(link.is_new for link in link_weights(theirs, CATALOGUE, models))


def test_a_link_whose_file_has_gone_is_made_anew(tmp_path: Path) -> None:
    theirs, models = tmp_path / "theirs", tmp_path / "models"
    put(theirs, "scope")
    path = models / "Wan2.1-T2V-1.3B" / "Wan2.1_VAE.pth"
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "gone")
    link_weights(theirs, CATALOGUE, models)
    assert path.read_bytes() == b"weights"


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="holds no weights that are known"):
        link_weights(tmp_path, CATALOGUE, tmp_path / "models")


def test_scopes_folder_is_where_its_variable_points(tmp_path: Path) -> None:
    assert scope_folder({"DAYDREAM_SCOPE_MODELS_DIR": str(tmp_path)}) == tmp_path
    assert scope_folder({}) == Path.home() / ".daydream-scope" / "models"
