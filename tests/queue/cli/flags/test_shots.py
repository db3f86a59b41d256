"""From a timeline and options to takes: which seeds, which preset, which warnings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from farm.documents import plan_data
from renders.shots import block, timeline, write_timeline
from rushes.errors import TimelineError
from rushes.files.folders import Folders
from rushes.timeline.plan.render_plan import RenderPlan
from rushes_queue.cli.flags.load_flags import LoadFlags
from rushes_queue.cli.flags.plan_flags import PlanFlags
from rushes_queue.cli.flags.result_flags import ResultFlags
from rushes_queue.cli.flags.shots import default_preset, make_shots, warn_of
from rushes_queue.cli.flags.take_flags import TakeFlags
from rushes_queue.cli.flags.timeline_files import TimelineFile

TEXT = timeline(block("a cat", 0, 1), seed=5)


def test_every_take_has_its_seed_and_its_name(tmp_path: Path) -> None:
    file = write_timeline(tmp_path / "cat.json", TEXT)
    preset, shots = make_shots(
        *(TimelineFile.at(file), Folders(tmp_path, tmp_path), PlanFlags(size="64x64")),
        *(ResultFlags(preset="tiny", crf=7), LoadFlags()),
        takes=TakeFlags(takes=2),
    )
    assert preset.name == "tiny"
    assert [shot.plan.seed for shot in shots] == [5, 10_005]
    assert [shot.take for shot in shots] == [0, 1]
    assert len({shot.request.output for shot in shots}) == 2
    assert {shot.request.crf for shot in shots} == {7}


def test_a_file_with_faults_is_refused_with_all_of_them(tmp_path: Path) -> None:
    bad = timeline(block("a", 2, 1), block("b", 5, 3))
    file = write_timeline(tmp_path / "bad.json", bad)
    with pytest.raises(TimelineError) as caught:
        make_shots(
            *(
                TimelineFile.at(file),
                Folders(tmp_path, tmp_path),
                PlanFlags(),
                ResultFlags(preset="tiny"),
            ),
            LoadFlags(),
            takes=TakeFlags(),
        )
    assert "prompts[0]" in str(caught.value)
    assert "prompts[1]" in str(caught.value)


def test_a_stand_in_for_weights_that_are_not_here_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = Folders(tmp_path / "no models", tmp_path)
    assert default_preset(folders) == default_preset(folders)
    assert capsys.readouterr().err.count("note: ") == 1


def test_the_same_warning_of_many_takes_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    plan = RenderPlan.from_dict(plan_data())
    warn_of([replace(plan, warnings=("one", "two")), replace(plan, warnings=("two", "three"))])
    assert capsys.readouterr().err.splitlines() == [
        "warning: one",
        "warning: two",
        "warning: three",
    ]
