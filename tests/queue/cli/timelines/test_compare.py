"""``rushes compare`` on files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from renders.clips import write_clip
from rushes_queue.cli import app


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("results")
    for seed, name in enumerate(("one.mp4", "two.mp4")):
        write_clip(folder / name, np.full((3, 32, 32, 3), 90 + 20 * seed, np.uint8))
        manifest = {"seed": seed, "frames_sha256": str(seed) * 64}
        (folder / f"{name}.json").write_text(json.dumps(manifest))
    return [str(folder / name) for name in ("one.mp4", "two.mp4")]


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["compare", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_tables_have_a_column_for_each(results: list[str], tmp_path: Path) -> None:
    video = tmp_path / "both.mp4"
    code, out, _ = run(*results, "--output", str(video))
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["seed", "0", "1"] in lines
    assert ["field", "A", "B"] in lines
    assert ["measure", "A", "B"] in lines
    assert "frames before encoding: not the same" in out
    assert ["video", str(video)] in lines
    assert video.exists()


def test_json_is_one_object(results: list[str]) -> None:
    code, out, _ = run(*results, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["differences"][0] == {"field": "seed", "values": [0, 1], "chunks": []}
    assert answer["measures"][1]["psnr_to_first"] == pytest.approx(22.1, abs=0.5)


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["none.mp4"], 4, "none.mp4"),
        (["--output", "no/all.mp4"], 1, "make it first"),
        (["--output", "all.txt"], 3, "all.txt"),
    ],
    ids=["no video", "no folder", "wrong kind"],
)
def test_what_is_wrong_is_said(results: list[str], more: list[str], code: int, words: str) -> None:
    found, _, err = run(*results, *more)
    assert found == code
    assert words in err
