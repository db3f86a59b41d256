"""Files that people brought, with their right answers; they stay in ``$FIELD_DIR``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from checkout import ROOT

FIELD = Path(os.environ.get("FIELD_DIR", ROOT.parent / "shared" / "field"))

pytestmark = pytest.mark.skipif(not FIELD.is_dir(), reason=f"{FIELD} is not here")


def render(timeline: Path, output: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-c", "from rushes_queue.cli import main; main()", "render"),
            *(str(timeline), "--preset", "tiny", "-o", str(output)),
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def frames_sha256(timeline: Path, output: Path) -> str:
    done = render(timeline, output)
    assert done.returncode == 0, done.stderr
    return str(json.loads(output.with_name(f"{output.name}.json").read_text())["frames_sha256"])


@pytest.mark.parametrize("case", sorted(FIELD.glob("*-lora-alpha-in-metadata")), ids=str)
def test_alpha_in_tensors_and_in_the_header_gives_equal_frames(case: Path, tmp_path: Path) -> None:
    found = {
        frames_sha256(timeline, tmp_path / f"{timeline.stem}.mp4")
        for timeline in case.glob("*.json")
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    "timeline",
    sorted([*FIELD.glob("*-lora-dora/*.json"), *FIELD.glob("*-lora-bad-file-found-late/*.json")]),
    ids=str,
)
def test_every_kind_of_adapter_changes_the_picture(timeline: Path, tmp_path: Path) -> None:
    document = json.loads(timeline.read_text())
    del document["settings"]["loras"]
    plain = tmp_path / "plain.json"
    plain.write_text(json.dumps(document))
    without = frames_sha256(plain, tmp_path / "plain.mp4")
    assert frames_sha256(timeline, tmp_path / "out.mp4") != without
