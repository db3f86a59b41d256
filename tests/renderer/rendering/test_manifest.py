"""What a manifest says about the machine; the rest of it is tested where a render makes it."""

from __future__ import annotations

import json
import os
import platform

import torch

import rushes
from rushes.rendering.manifest import peak_memory, versions


def test_versions_are_those_of_everything_that_can_change_a_picture() -> None:
    found = versions()
    assert {"torch", "av", "numpy", "transformers", "safetensors"} <= found.keys()
    assert found["rushes"] == rushes.__version__
    assert found["python"] == platform.python_version()
    assert found["torch"] == torch.__version__
    assert ("cuda" in found) == (torch.version.cuda is not None)


def test_peak_memory_is_counted_in_bytes() -> None:
    memory = peak_memory(torch.device("cpu"))
    assert memory.keys() == {"host"}
    of_machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 50 * 2**20 < memory["host"] < of_machine  # PyTorch alone takes more than 50 MiB


def test_all_of_it_is_json() -> None:
    json.dumps([versions(), peak_memory(torch.device("cpu"))])
