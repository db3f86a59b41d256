"""PyTorch's library is read ahead where that helps, and never gets in the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from rushes.files.read_ahead import _load, read_torch_ahead


def test_nothing_is_read_where_torch_is_there() -> None:
    assert torch.__version__
    assert read_torch_ahead() is None


def test_torch_is_imported_as_ever_after_it_was_read() -> None:
    code = (
        "import sys; from rushes.files.read_ahead import read_torch_ahead; "
        "thread = read_torch_ahead(); assert 'torch' not in sys.modules; "
        "import torch; assert torch.ones(2).sum().item() == 2; "
        "print('read' if thread else 'not read')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    is_cpu_build = sys.platform == "linux" and torch.version.cuda is torch.version.hip is None
    assert result.stdout.strip() == ("read" if is_cpu_build else "not read")


def test_a_library_that_cannot_be_read_does_not_matter(tmp_path: Path) -> None:
    _load(tmp_path / "libtorch_cpu.so")
