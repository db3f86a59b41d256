"""The work of local renders: kept when they end early, and by nobody else's leave forgotten."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from renders.shots import block, timeline
from renders.studio import Studio
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.render import render
from rushes.rendering.save_points import SavePolicy
from rushes.rendering.work import KeptWork

SHOT = timeline(block("a boat", 0, 2), block("a pond", 2, 4))
EVERY = SavePolicy(every_chunks=1)


def stop(progress: Progress) -> None:
    if progress.chunk == 6:
        raise StopRender("enough", save=True)


def test_a_render_goes_on_and_leaves_nothing(studio: Studio, tmp_path: Path) -> None:
    plan, request = studio.prepare(SHOT)
    whole = render(studio.pipeline, plan, request, force=True)["frames_sha256"]
    kept = KeptWork(tmp_path / "kept", EVERY, resume=False)
    with pytest.raises(StopRender):
        render(studio.pipeline, plan, request, work=kept, report=stop, force=True)
    assert kept.saved_chunk is not None
    assert kept.saved_chunk >= 6
    going_on = KeptWork(tmp_path / "kept", EVERY, resume=True)
    resumed = render(studio.pipeline, plan, request, work=going_on, force=True)
    assert resumed["resumed_at_chunk"] == kept.saved_chunk
    assert resumed["frames_sha256"] == whole
    assert list((tmp_path / "kept").iterdir()) == []


def test_without_being_asked_it_begins_anew(studio: Studio, tmp_path: Path) -> None:
    plan, request = studio.prepare(SHOT)
    kept = KeptWork(tmp_path, EVERY, resume=False)
    with pytest.raises(StopRender):
        render(studio.pipeline, plan, request, work=kept, report=stop)
    assert render(studio.pipeline, plan, request, work=kept)["resumed_at_chunk"] == 0


def test_another_result_has_work_of_its_own(studio: Studio, tmp_path: Path) -> None:
    plan, request = studio.prepare(SHOT)
    work = KeptWork(tmp_path / "kept", EVERY, resume=False)
    with pytest.raises(StopRender):
        render(studio.pipeline, plan, request, work=work, report=stop)
    other, request = studio.prepare(SHOT, seed=7)
    work = KeptWork(tmp_path / "kept", EVERY, resume=True)
    assert render(studio.pipeline, other, request, work=work)["resumed_at_chunk"] == 0
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_what_fails_before_anything_is_saved_leaves_nothing(tmp_path: Path) -> None:
    kept = KeptWork(tmp_path, EVERY, resume=False)
    with pytest.raises(OSError, match="full"), kept.open("a" * 64):
        raise OSError("full")
    assert kept.saved_chunk is None
    assert list(tmp_path.iterdir()) == []


def test_two_at_the_same_time_do_not_share_a_place(tmp_path: Path) -> None:
    kept = KeptWork(tmp_path, EVERY, resume=True)
    with kept.open("a" * 64) as first, KeptWork(tmp_path, EVERY, resume=False).open("a" * 64) as no:
        assert first is not None
        assert no is None
        assert first.folder.is_dir()


def test_work_of_last_week_is_removed_unless_somebody_has_it(tmp_path: Path) -> None:
    eight_days_ago = time.time() - 8 * 24 * 3600
    kept = KeptWork(tmp_path, EVERY, resume=True)
    (tmp_path / "old").mkdir()
    with kept.open("held"):
        for name in ("old", "held"):
            os.utime(tmp_path / name, (eight_days_ago, eight_days_ago))
        with kept.open("new"):
            assert sorted(path.name for path in tmp_path.iterdir()) == ["held", "new"]
