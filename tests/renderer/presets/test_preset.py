"""Presets: every shipped one loads, and what is wrong with one's own is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from rushes.errors import ConfigError
from rushes.files.resources import data_folder
from rushes.presets.preset import ChunkSpec, load_preset, preset_names

WEIGHTS = {
    "dit": ["dit.pt"],
    "vae": ["vae.pth"],
    "text_encoder": ["t5.pth"],
    "tokenizer": ["umt5-xxl"],
}
SMALL: dict[str, Any] = {
    "description": "my own",
    "dit": {"dim": 8, "ffn_dim": 8, "num_heads": 1, "num_layers": 1},
    "weights": WEIGHTS,
}


def write(folder: Path, data: Any) -> str:
    path = folder / "mine.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
    return str(path)


def refusal(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_preset(name)
    return str(caught.value)


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_loads_under_its_name(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.description
    assert preset.licence.source
    assert preset.chunk.sinks + preset.chunk.latent_frames <= preset.chunk.window


def test_the_shipped_presets_are_listed_in_order() -> None:
    assert preset_names() == sorted(preset_names())
    assert {"tiny", "streamdiffusionv2-1.3b", "streamdiffusionv2-14b"} <= set(preset_names())


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("streamdiffusionv2-1.3b", (1536, 8960, 12, 30, 4096, 512, 256, 2)),
        ("streamdiffusionv2-14b", (5120, 13824, 40, 40, 4096, 512, 256, 2)),
    ],
)
def test_the_real_presets_have_the_public_sizes(name: str, sizes: tuple[int, ...]) -> None:
    preset = load_preset(name)
    assert tuple(preset.dit.model_dump().values()) == sizes
    assert preset.random_weights_seed is None
    assert (preset.vae.dim, preset.vae.normalise_encoded) == (96, False)
    assert (preset.chunk.latent_frames, preset.chunk.window, preset.chunk.sinks) == (1, 6, 3)


def test_a_preset_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    preset = load_preset(write(tmp_path, SMALL))
    assert (preset.name, preset.description) == ("mine", "my own")
    assert preset.weights.dit == ("dit.pt",)


def test_an_unknown_name_lists_the_known_ones() -> None:
    message = refusal("nonesuch")
    assert "unknown preset 'nonesuch'" in message
    assert all(name in message for name in preset_names())


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "none.yaml" in refusal(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    "text", ["dit: [unclosed", "a: b: c", "\t- x", "just words", "- 1\n- 2", ""], ids=repr
)
def test_a_file_that_is_no_preset_is_refused(text: str, tmp_path: Path) -> None:
    told = refusal(write(tmp_path, text))
    assert "mine.yaml" in told
    assert "\n" not in told


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80")
    assert "not a preset" in refusal(str(path))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"widow": 6}, "widow"),
        ({"chunk": {"widow": 6}}, "chunk.widow"),
        ({"chunk": {"window": 1}}, "chunk.window"),
        ({"chunk": {"latent_frames": 0}}, "chunk.latent_frames"),
        ({"schedule": {"shift": 0}}, "schedule.shift"),
        ({"schedule": {"noise_scale": 1.5}}, "schedule.noise_scale"),
        ({"dit": {"dim": "wide"}}, "dit.dim"),
        ({"dit": {"dim": 8}}, "dit.num_heads"),
        ({"weights": {"dit": ["a.pt"]}}, "weights.vae"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_is_named(change: dict[str, Any], fault: str, tmp_path: Path) -> None:
    message = refusal(write(tmp_path, SMALL | change))
    assert fault in message
    assert "mine.yaml" in message


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, SMALL | {"fog": 1, "chunk": {"sinks": -1}}))
    assert "fog" in message
    assert "chunk.sinks" in message


def test_text_widths_must_agree(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, SMALL | {"dit": SMALL["dit"] | {"text_dim": 64}}))
    assert "dit.text_dim 64 differs from text_encoder.dim 4096" in message


def test_a_preset_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_preset("tiny").name = "other"


@pytest.mark.parametrize(
    ("latent_frames", "mode", "sizes"),
    [
        (1, "video", (5, 4)),
        (1, "text", (5, 4)),
        (3, "video", (13, 12)),
        (3, "text", (9, 12)),
    ],
)
def test_a_chunk_has_the_frames_of_the_references(
    latent_frames: int, mode: Any, sizes: tuple[int, int]
) -> None:
    spec = ChunkSpec(latent_frames=latent_frames)
    assert (spec.num_frames(mode, True), spec.num_frames(mode, False)) == sizes


def test_the_folders_with_data_are_there() -> None:
    assert (data_folder("configs") / "tiny.yaml").is_file()
    assert list(data_folder("timelines").glob("*.json"))
