"""Manifests read back: of every version, and refused where they are not manifests."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkout import ROOT
from rushes.errors import ConfigError, MissingFileError
from rushes.files.hashes import sha256_of
from rushes.rendering.again import Recorded, find_manifest, is_made, read_recorded

OLD = sorted((ROOT / "tests" / "data" / "documents").glob("v*/manifest.json"))


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    shutil.copy(OLD[0], tmp_path / "out.mp4.json")
    return read_recorded(tmp_path / "out.mp4")


@pytest.mark.parametrize("file", OLD, ids=lambda file: file.parent.name)
def test_a_manifest_of_an_older_version_tells_its_plan(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path / "out.mp4.json")
    found = read_recorded(tmp_path / "out.mp4", output=tmp_path / "new.mp4")
    plan = json.loads(file.read_text())["plan"]
    assert len(found.plan.chunks) == len(plan["chunks"])
    assert (found.plan.seed, found.plan.num_frames) == (plan["seed"], plan["num_frames"])
    assert found.request.output == tmp_path / "new.mp4"


def test_the_manifest_beside_a_file_comes_before_the_file(tmp_path: Path) -> None:
    for name in ("out.json", "out.json.json"):
        (tmp_path / name).write_text("{}")
    assert find_manifest(tmp_path / "out.json") == tmp_path / "out.json.json"
    assert find_manifest(tmp_path / "out.json.json") == tmp_path / "out.json.json"
    with pytest.raises(MissingFileError, match=r"there is no manifest .*other.mp4.json"):
        find_manifest(tmp_path / "other.mp4")


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"plan": 1}', "[" * 100_000])
def test_what_is_not_a_manifest_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "out.mp4.json").write_text(text)
    with pytest.raises(ConfigError, match=r"out.mp4.json: (is not the manifest|cannot be read)"):
        read_recorded(tmp_path / "out.mp4")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"plan": {"schema_version": 99}}, "has schema version 99"),
        ({"plan": 7}, "has schema version None"),
        ({"plan": {"schema_version": 1}}, "this is not a render plan"),
        ({"request": {"timeline": "a.json"}}, r"request\.output: "),
    ],
    ids=["newer", "no-plan", "half-a-plan", "half-a-request"],
)
def test_what_cannot_be_read_is_named(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    manifest = json.loads(OLD[0].read_text()) | change
    (tmp_path / "out.mp4.json").write_text(json.dumps(manifest))
    with pytest.raises(ConfigError, match=says):
        read_recorded(tmp_path / "out.mp4")


def test_equal_frames_need_no_word(recorded: Recorded) -> None:
    assert recorded.compare(recorded.manifest) is None
    other = {**recorded.manifest, "frames_sha256": "0" * 64}
    assert "unknown why" in str(recorded.compare(other))
    versions = {**recorded.manifest["versions"], "torch": "1.0"}
    assert "torch was" in str(recorded.compare({**other, "versions": versions}))


def test_only_what_is_there_and_of_the_same_render_is_made(recorded: Recorded) -> None:
    plan, request = recorded.plan, recorded.request
    request = request.model_copy(update={"output": recorded.file.parent / "out.mp4"})
    timeline = recorded.file.parent / "timeline.json"
    assert not is_made(plan, request, timeline)
    timeline.write_bytes(b"{}")
    manifest = {
        **recorded.manifest,
        "plan": plan.to_dict() | {"warnings": ["other words"]},
        "request": request.to_dict(),
        "sha256": recorded.manifest["sha256"] | {"timeline": sha256_of(timeline)},
    }
    recorded.file.write_text(json.dumps(manifest))
    assert is_made(plan, request, timeline)
    assert not is_made(replace(plan, seed=plan.seed + 1), request, timeline)
    assert not is_made(plan, request.model_copy(update={"crf": 7}), timeline)
    timeline.write_bytes(b"[]")
    assert not is_made(plan, request, timeline)
