"""Every sample file gets the answer of its README from ``check``, ``plan``, ``render``, ``submit``.

The files stay in ``$DATA_DIR``; without that folder these tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout import ROOT
from farm.answers import COMMANDS, Answer, Asker, asker
from renders.lora_files import write_lora
from rushes.presets.default import preset_of
from rushes.presets.preset import TINY

FOLDER = Path(os.environ.get("DATA_DIR", ROOT.parent / "shared" / "data"))
TIMELINES = FOLDER / "timelines"
FILES = sorted(TIMELINES.rglob("*.json"))
SHORT = ("--size", "64x64", "--duration", "0.3")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no sample files in {FOLDER}")

# What is refused beside the folder of invalid files, as regular expressions, one for each error;
# the words of all other answers are in tests/renderer/timeline/test_shared_data.py.
REFUSED: dict[str, tuple[str, ...]] = {
    "ltx-example": (r"LTX-2 is another architecture, not a Wan model",),
    "ltx-example-2": (r"LTX-2 is another architecture, not a Wan model",),
    "camera-check": (r"there is nothing to render", r"write a prompt"),
    **dict.fromkeys(
        ("vace-chain", "dissolving-sunflower-depth", "dissolving-sunflower-depth-rife"),
        (r"video-depth-anything.* cannot run here.*--control",),
    ),
}
MISSING = "is not on this machine"  # of a LoRA
QUICK = "tiny"  # the preset whose renders are part of every run of the tests


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with asker(tmp_path_factory.mktemp("asked")) as asked:
        yield asked


def stem(file: Path) -> str:
    return file.name.removesuffix(".json").removesuffix(".scope-workflow")


def preset_for(content: str) -> str:
    """Return the small stand-in of the model that a file names."""
    named = re.findall(r'"(?:pipelineId|pipeline_id)": *"([^"]+)"', content)
    presets = [f"{preset_of(name)}{TINY}" for name in named if preset_of(name) != preset_of(None)]
    return presets[0] if presets else "tiny"


def with_loras(file: Path, folder: Path) -> Path:
    """Copy a file with a LoRA for every one that it names."""
    content = file.read_text()
    for name in re.findall(r'[^"/\\]+\.safetensors', content):
        write_lora(folder / "loras" / name)
    document = json.loads(content)
    for pipeline in document.get("pipelines", []):
        for lora in pipeline.get("loras") or []:
            lora.pop("sha256", None)  # that of the author's file
    copy = folder / file.name
    copy.write_text(json.dumps(document))
    return copy


def answers(ask: Asker, file: Path, *, renders: bool = True) -> dict[str, Answer]:
    """Ask the commands, with an input for files of video to video; they must not differ."""
    preset = preset_for(file.read_text(errors="replace"))
    plan = ask.one("plan", file, preset=preset)
    video = ("--input", FOLDER / "original.mp4") if "there is no input" in plan.output else ()
    commands = COMMANDS if renders or plan.code else ("check", "plan", "submit")
    found = ask.all(file, *video, preset=preset, cut=SHORT, commands=commands)
    check = found["check"]
    assert {(each.code, each.errors) for each in found.values()} == {(check.code, check.errors)}
    if not check.code:
        assert check.warnings == plan.warnings
        assert found["submit"].warnings >= check.warnings
    return found


def is_quick(file: Path) -> bool:
    content = file.read_text(errors="replace")
    return preset_for(content) == QUICK and len(content) < 100_000


@pytest.mark.parametrize(
    ("file", "renders"),
    [pytest.param(file, is_quick(file), id=str(file.relative_to(TIMELINES))) for file in FILES]
    + [
        pytest.param(file, True, id=f"long-{file.name}", marks=pytest.mark.long)
        for file in FILES
        if not is_quick(file)
    ],
)
def test_a_file_gets_its_answer(ask: Asker, file: Path, renders: bool, tmp_path: Path) -> None:
    if file.parent.name == "invalid":
        assert answers(ask, file)["check"].code == 3
        return
    expected = REFUSED.get(stem(file), ())
    if not expected and '.safetensors"' in file.read_text():
        missing = answers(ask, file)["check"]
        assert missing.code == 3
        assert all(MISSING in error and "/home" not in error for error in missing.errors)
        file = with_loras(file, tmp_path)
    found = answers(ask, file, renders=renders)["check"]
    errors = [error for error in found.errors if MISSING not in error]
    assert (found.code, len(errors)) == ((3, len(expected)) if expected else (0, 0)), errors
    for words, error in zip(expected, errors, strict=True):
        assert re.search(words, error), error
