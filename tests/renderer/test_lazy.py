"""Imports that are made when they are needed."""

from __future__ import annotations

import gc

import pytest

from rushes.lazy import lazy_names, quick_imports


def test_garbage_is_looked_for_again_after_an_import_even_one_that_fails() -> None:
    def fail() -> None:
        with quick_imports():
            assert not gc.isenabled()
            raise ImportError

    assert gc.isenabled()
    with pytest.raises(ImportError):
        fail()
    assert gc.isenabled()


def test_where_garbage_is_not_looked_for_that_stays_so() -> None:
    gc.disable()
    try:
        with quick_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_name_is_imported_from_its_home() -> None:
    get = lazy_names("here", {"gcd": "math"})
    assert get("gcd")(12, 18) == 6
    with pytest.raises(AttributeError, match="'here' has no attribute 'lcm'"):
        get("lcm")
