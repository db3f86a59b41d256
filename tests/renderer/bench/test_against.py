"""The comparison with the public package: what it says without it, what it shows with it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from rushes.bench.against import PACKAGE, compare_with_public_package
from rushes.bench.measure import BenchOptions
from rushes.errors import ConfigError
from rushes.presets.preset import load_preset

OPTIONS = BenchOptions(torch.device("cpu"), torch.float32, size=(64, 64), chunks=1, warmup=2)
is_here = find_spec(PACKAGE) is not None


@pytest.mark.skipif(is_here, reason=f"{PACKAGE} is installed")
def test_without_the_package_it_is_said_how_to_get_it() -> None:
    with pytest.raises(ConfigError, match=f"{PACKAGE} is not installed here; install it"):
        compare_with_public_package(load_preset("tiny"), OPTIONS)


@pytest.mark.skipif(not is_here, reason=f"{PACKAGE} is not installed")
def test_both_compute_the_same() -> None:
    parts = compare_with_public_package(load_preset("tiny"), OPTIONS)["parts"]
    assert list(parts) == ["VAE step", "pass", "chunk"]
    assert parts["VAE step"]["difference"] < 1e-4
    assert parts["pass"]["difference"] < 1e-4
    assert all(part["ratio"] > 0 for part in parts.values())
