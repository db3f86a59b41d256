"""The image's wheel: what the Dockerfile copies is enough to build, install and render."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import pytest

from checkout import ROOT
from docker_context import IgnoreRules, build_stage, copy_context, wheel_command

NO_INDEX = "No matching distribution found for hatchling"
IMPORTED_FROM = "import rushes, rushes_queue; print(rushes.__file__, rushes_queue.__file__)"


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as on a machine that knows nothing of this checkout."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith("RUSHES_")
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def succeed(command: list[str], folder: Path) -> str:
    result = run(command, folder)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the Dockerfile's build stage makes of its own copy of the files."""
    context, wheels = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("wheels")
    stage = build_stage((ROOT / "Dockerfile").read_text())
    ignored = IgnoreRules.parse((ROOT / ".dockerignore").read_text())
    copy_context(ROOT, stage, ignored, context)
    command = [sys.executable, "-m", *wheel_command(stage)]
    command[command.index("--wheel-dir") + 1] = str(wheels)
    if find_spec("hatchling") is not None:
        command.append("--no-build-isolation")
    result = run(command, context)
    if NO_INDEX in result.stdout + result.stderr:
        pytest.skip("hatchling is not installed, and no package index can be reached")
    assert result.returncode == 0, result.stdout + result.stderr
    [wheel] = wheels.glob("rushes-*.whl")
    return wheel


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and with what is installed here but for this checkout.

    A ``.pth`` file is not followed in a folder that another one names, so that an editable
    installation among the dependencies stays out of sight.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = str(folder / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", str(wheel)]
    succeed(install, folder)
    [site_packages] = folder.glob("lib/python*/site-packages")
    dependencies = [
        entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}
    ]
    (site_packages / "dependencies.pth").write_text("\n".join(dependencies) + "\n")
    return folder


def test_the_wheel_from_the_images_paths_renders(environment: Path, tmp_path: Path) -> None:
    python, rushes = environment / "bin" / "python", environment / "bin" / "rushes"
    imported = [
        Path(file) for file in succeed([str(python), "-c", IMPORTED_FROM], tmp_path).split()
    ]
    assert all(file.is_relative_to(environment) for file in imported), imported
    timeline, output = imported[0].parent / "timelines" / "short-text.json", tmp_path / "text.mp4"
    render = [str(rushes), "render", str(timeline), "--preset", "pocket", "--output", str(output)]
    succeed(render, tmp_path)
    assert output.read_bytes()[4:8] == b"ftyp"
    copies = succeed([str(rushes), "examples", "--to", str(tmp_path / "mine")], tmp_path).split()
    shipped = {file.name for file in (ROOT / "timelines").iterdir()}
    assert {Path(copy).name for copy in copies} == shipped
    succeed([str(rushes), "check", str(tmp_path / "mine")], tmp_path)


def test_the_image_never_sees_secrets_or_history() -> None:
    ignored = IgnoreRules.parse((ROOT / ".dockerignore").read_text())
    for hidden in (".env", ".git/config", "models/dit.safetensors", "renderer/__pycache__/x.pyc"):
        assert ignored.ignore(PurePosixPath(hidden)), hidden


@pytest.mark.parametrize(
    ("path", "is_ignored"),
    [("a.txt", True), ("kept/b.txt", False), ("kept/deep/cache/c", True), ("cache/c", True)],
)
def test_the_last_rule_that_fits_decides(path: str, is_ignored: bool) -> None:
    rules = IgnoreRules.parse("# everything\n*\n!kept\n**/cache\n")
    assert rules.ignore(PurePosixPath(path)) is is_ignored


def test_a_copied_path_that_is_ignored_is_reported(tmp_path: Path) -> None:
    (tmp_path / "pocket").mkdir()
    (tmp_path / "pocket" / "weights").write_text("")
    stage = build_stage("FROM x AS build\nCOPY pocket pocket\n")
    with pytest.raises(FileNotFoundError, match="COPY pocket"):
        copy_context(tmp_path, stage, IgnoreRules.parse("*"), tmp_path / "context")
