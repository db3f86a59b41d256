"""The layout traps that no linter sees."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

from checkout import ROOT

SOURCE_ROOTS = {"renderer": "rushes", "queue": "rushes_queue"}


@pytest.mark.parametrize("folder", [*SOURCE_ROOTS, "tests"])
def test_folder_is_not_a_package(folder: str) -> None:
    inside = [ROOT / folder] if folder in SOURCE_ROOTS else sorted((ROOT / folder).rglob("*"))
    assert not [place for place in inside if (place / "__init__.py").exists()]


@pytest.mark.parametrize(("folder", "package"), SOURCE_ROOTS.items())
def test_source_root_holds_exactly_one_package(folder: str, package: str) -> None:
    folders = [
        entry.name
        for entry in (ROOT / folder).iterdir()
        if entry.is_dir() and entry.name != "__pycache__"
    ]
    assert folders == [package]


def test_no_module_of_ours_is_called_queue() -> None:
    for folder, package in SOURCE_ROOTS.items():
        assert not list((ROOT / folder / package).rglob("queue"))
        assert not list((ROOT / folder / package).rglob("queue.py"))


def test_queue_is_the_standard_library() -> None:
    spec = find_spec("queue")
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(sysconfig.get_paths()["stdlib"])


HEAVY = {
    *("torch", "av", "numpy", "transformers", "celery", "redis", "boto3", "pydantic_settings"),
    *("prometheus_client", "flower"),
}


@pytest.mark.parametrize(
    "module", ["rushes_queue.cli", "rushes.timeline.plan.planner", "rushes.timeline.read.load"]
)
def test_import_is_light(module: str) -> None:
    code = (
        f"import {module}, sys; "
        f"heavy = {HEAVY} & set(sys.modules); "
        "sys.exit(f'{heavy} imported' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_renderer_never_imports_the_queue() -> None:
    for file in (ROOT / "renderer").rglob("*.py"):
        assert "rushes_queue" not in file.read_text(), file


def test_nothing_advises_to_install_from_an_index_where_the_project_is_not() -> None:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    files += [file for folder in SOURCE_ROOTS for file in (ROOT / folder).rglob("*.py")]
    assert not [file for file in files if "install 'rushes" in file.read_text(encoding="utf-8")]
    assert not [file for file in files if "install rushes" in file.read_text(encoding="utf-8")]
