"""The library of PyTorch, brought into memory while Python does other things."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Thread


def read_torch_ahead() -> Thread | None:
    """Load PyTorch's library in a thread, so that importing it later takes less time.

    Python's lock is not held meanwhile. Only builds for CPUs on Linux gain enough by it; elsewhere
    nothing happens, nor where the library is not in its usual place.
    """
    spec = find_spec("torch") if sys.platform == "linux" and "torch" not in sys.modules else None
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "lib"
    if (folder / "libtorch_cuda.so").exists():
        return None
    thread = Thread(target=_load, args=(folder / "libtorch_cpu.so",), name="read-ahead")
    thread.start()
    return thread


def _load(library: Path) -> None:
    with suppress(OSError):
        ctypes.CDLL(str(library))
