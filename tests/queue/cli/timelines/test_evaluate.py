"""``rushes eval`` on files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from renders.tiny_clip import write_clip_model
from renders.tiny_lpips import write_weights
from rushes.files.resources import data_folder
from rushes_queue.cli import app

MEADOW = data_folder("timelines") / "meadow.mp4"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the shipped film, small, in colours of their own."""
    from fractions import Fraction

    from rushes.video.read.reader import VideoReader
    from rushes.video.write.writer import open_writer

    path = tmp_path_factory.mktemp("eval") / "small.mp4"
    fps = Fraction(16)
    with VideoReader(MEADOW, fps=fps, height=64, width=64) as reader:
        frames = reader.read(0, 12)
    writer = open_writer(path, fps=fps, width=64, height=64)
    writer.write(255 - frames)
    writer.close()
    return path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["eval", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_json_has_a_value_a_frame_and_their_means(small: Path) -> None:
    code, out, _ = run(str(small), "--reference", str(MEADOW), "--json")
    answer = json.loads(out)
    assert code == 0
    assert len(answer["frames"]["psnr"]) == 12
    assert len(answer["frames"]["warp_error"]) == 11
    assert answer["means"]["psnr"] < 15  # a negative is unlike its picture
    assert answer["means"]["warp_error"] < 0.005  # but moves as it does


def test_a_table_is_printed_and_a_plot_made(small: Path, tmp_path: Path) -> None:
    code, out, err = run(
        str(small), "--reference", str(small), "--plot", str(tmp_path / "curves.png")
    )
    assert code == 0
    assert out.splitlines()[0].split() == ["measure", "mean"]
    assert "psnr" in out
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert str(tmp_path / "curves.png") in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none.mp4", "--reference", str(MEADOW)], 4, "none.mp4"),
        ([str(MEADOW), "--reference", "none.mp4"], 4, "none.mp4"),
        ([str(MEADOW), "--reference", str(MEADOW), "--plot", "curves.txt"], 3, ".png"),
        (["none.mp4", "--reference", str(MEADOW), "--plot", "no/curves.png"], 1, "make it first"),
    ],
    ids=["no output", "no reference", "wrong plot", "no folder"],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], code: int, words: str) -> None:
    found, _, err = run(*arguments)
    assert found == code
    assert words in err


def test_scores_of_clip_stand_beside_the_others(small: Path, tmp_path: Path) -> None:
    clip = write_clip_model(tmp_path / "clip")
    arguments = (str(small), "--reference", str(MEADOW), "--clip", str(clip), "--json")
    code, out, err = run(*arguments)
    answer = json.loads(out)
    assert code == 0
    assert len(answer["frames"]["clip_consistency"]) == 11
    assert "clip_prompt" not in answer["means"]
    assert "no prompt score" in err
    plan = {
        "prompts": {"0": [{"text": "a meadow", "weight": 1}]},
        "chunks": [{"prompt_block": 0, "num_frames": 12}],
    }
    (tmp_path / "other.json").write_text(json.dumps({"plan": plan}))
    code, out, _ = run(*arguments, "--manifest", str(tmp_path / "other.json"))
    assert len(json.loads(out)["frames"]["clip_prompt"]) == 12


def test_a_folder_that_is_no_model_is_refused(small: Path, tmp_path: Path) -> None:
    code, _, err = run(str(small), "--reference", str(MEADOW), "--clip", str(tmp_path))
    assert code != 0
    assert "rushes models download eval" in err


def test_lpips_is_measured_with_the_weights_of_a_file(small: Path, tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "lpips.pth")
    arguments = (str(small), "--reference", str(MEADOW), "--lpips")
    code, out, _ = run(*arguments, str(weights), "--json")
    answer = json.loads(out)
    assert (code, len(answer["frames"]["lpips"])) == (0, 12)
    assert answer["means"]["lpips"] > 0
    code, _, err = run(*arguments, str(MEADOW))
    assert (code != 0, "does not hold LPIPS with AlexNet" in err) == (True, True)
