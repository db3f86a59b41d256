"""The whole training, with next to no steps: every part runs, and the result is rendered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes_training.__main__ import main

pytestmark = pytest.mark.slow


def small(work: Path) -> list[str]:
    sizes = "--motions 4 --latent-frames 2 --vae-steps 2 --decoder-steps 1"
    how = "--dit-steps 7 --refine-steps 2 --threads 1 --device cpu"
    return [*sizes.split(), *how.split(), "--work", str(work)]


def test_all_parts_run_and_write_the_files_of_the_preset(tmp_path: Path) -> None:
    work, weights = tmp_path / "work", tmp_path / "weights"
    main([*small(work), "--weights", str(weights)])
    names = {str(file.relative_to(weights)) for file in weights.rglob("*") if file.is_file()}
    assert names == {
        "Wan2.1_VAE.safetensors",
        "dit.safetensors",
        "text_encoder.safetensors",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
    }
    first = (weights / "dit.safetensors").read_bytes()
    (weights / "dit.safetensors").unlink()
    main(["export", *small(work), "--weights", str(weights)])
    assert (weights / "dit.safetensors").read_bytes() == first


def test_what_is_not_trained_is_not_exported(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    with pytest.raises(SystemExit, match="dit, refine not trained there yet"):
        main(["films", "export", *small(tmp_path / "work"), "--weights", str(weights)])
    assert not weights.exists()
