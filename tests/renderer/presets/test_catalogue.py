"""The catalogue: it covers the shipped presets, and knows what is here."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rushes.errors import ConfigError
from rushes.presets.catalogue import (
    CatalogueEntry,
    CatalogueFile,
    choose_entries,
    is_installed,
    load_catalogue,
)
from rushes.presets.preset import Licence, load_preset, preset_names

CATALOGUE = load_catalogue()
REAL = [name for name in preset_names() if not load_preset(name).brings_weights]


def put_all(entries: dict[str, CatalogueEntry], models_dir: Path) -> None:
    for entry in entries.values():
        for file in entry.files:
            path = entry.path(file, models_dir)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_what_is_known_of_a_licence_has_a_source(entry: CatalogueEntry) -> None:
    licence = entry.licence
    assert licence.source or licence == Licence()
    assert (licence.commercial_use is None) == (licence.weights == "unknown")


def test_it_is_no_preset() -> None:
    assert not {"catalogue", "models"} & set(preset_names())


@pytest.mark.parametrize("name", REAL)
def test_what_it_has_for_a_preset_is_all_that_the_preset_needs(name: str, tmp_path: Path) -> None:
    entries = choose_entries(CATALOGUE, [name], tmp_path)
    put_all(entries, tmp_path)
    assert is_installed(load_preset(name), tmp_path)
    assert choose_entries(CATALOGUE, [name], tmp_path) == {}


def test_a_part_that_is_here_under_another_name_is_not_wanted(tmp_path: Path) -> None:
    put_all({"bf16": CATALOGUE["text-encoder-bf16"]}, tmp_path)
    wanted = choose_entries(CATALOGUE, ["streamdiffusionv2-1.3b"], tmp_path)
    assert not any(name.startswith("text-encoder") for name in wanted)


def test_a_folder_that_lacks_a_file_is_wanted(tmp_path: Path) -> None:
    put_all(choose_entries(CATALOGUE, ["streamdiffusionv2-1.3b"], tmp_path), tmp_path)
    entry = CATALOGUE["tokenizer"]
    entry.path(entry.files[0], tmp_path).unlink()
    assert entry.state(tmp_path) == "partly"
    assert list(choose_entries(CATALOGUE, ["streamdiffusionv2-1.3b"], tmp_path)) == ["tokenizer"]


def test_a_preset_with_random_weights_needs_nothing(tmp_path: Path) -> None:
    assert choose_entries(CATALOGUE, ["tiny"], tmp_path) == {}


def test_entries_are_chosen_by_name(tmp_path: Path) -> None:
    assert list(choose_entries(CATALOGUE, ["tae", "wan-vae"], tmp_path)) == ["tae", "wan-vae"]


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_entries(CATALOGUE, ["sdxl"], tmp_path)
    assert "wan-vae" in str(caught.value)
    assert "streamdiffusionv2-14b" in str(caught.value)


def test_an_imported_file_counts_as_here(tmp_path: Path) -> None:
    entry = CATALOGUE["wan-vae"]
    path = entry.path(entry.files[0], tmp_path).with_suffix(".safetensors")
    path.parent.mkdir(parents=True)
    path.touch()
    assert entry.state(tmp_path) == "here"


@pytest.mark.parametrize("name", ["../model.pt", "/etc/passwd", "a/../../b"])
def test_a_name_that_leads_out_of_its_folder_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="leads out"):
        CatalogueFile(name=name)


def test_sizes_are_summed_where_all_are_known() -> None:
    assert CATALOGUE["tokenizer"].size == 6623 + 4548313 + 16837417 + 61728
    assert CATALOGUE["generator-1.3b"].size is None
