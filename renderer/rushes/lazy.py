"""Imports when they are needed: public names of a package (PEP 562), and large modules."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of ``package``.

    ``homes`` maps each public name to the module that defines it.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with quick_imports():
            return getattr(import_module(homes[name]), name)

    return get


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import without looking for garbage: modules make much that stays, and hardly any.

    For PyTorch that saves a tenth of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
