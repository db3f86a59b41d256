"""After watching: where the results are, or that they were fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.commands import Farm
from rushes_queue.cli.jobs.results import show_results

Capture = pytest.CaptureFixture[str]


def test_it_says_where_each_result_is_and_how_to_fetch_it(farm: Farm, capsys: Capture) -> None:
    jobs = [farm.done(take) for take in range(7)]
    assert show_results(farm.store, farm.storage, jobs, None) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7
    where = Path(lines[0].partition(": ")[2])
    assert where.read_bytes() == b"video of " + jobs[0].encode()
    assert lines[5] == "and 2 more"
    short = " ".join(job[:8] for job in jobs[:5])
    assert lines[6].startswith(f"rushes fetch {short} -o results brings ")


def test_results_are_fetched_and_what_cannot_be_is_said(farm: Farm, capsys: Capture) -> None:
    good, damaged, waiting = farm.done(0), farm.done(1), farm.submit(2)
    farm.storage.delete(f"results/2026-01-02/cat-42-{damaged}.mp4")
    folder = farm.folder / "new"
    assert show_results(farm.store, farm.storage, [good, damaged, waiting], folder) == 4
    assert len(list(folder.iterdir())) == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"fetched {folder / f'cat-42-{good}.mp4'}"
    assert lines[1].startswith("error: ")


def test_without_a_result_nothing_is_said(farm: Farm, capsys: Capture) -> None:
    assert show_results(farm.store, farm.storage, [farm.submit()], None) == 0
    assert capsys.readouterr().err == ""
