"""The examples of docs/python.md do what they say."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import rushes
import rushes_queue
from checkout import ROOT
from farm.commands import Farm
from rushes.video.frame_hash import FrameHash

TEXT = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def finish(farm: Farm, stop: threading.Event) -> None:
    """Do for one job of preset pocket what a worker does."""
    while not stop.is_set():
        record = farm.store.leases.claim(
            ["pocket.any.normal"], "w@host", ttl_ms=60_000, host="host", gpu="cpu"
        )
        if record is not None:
            farm.publish(record)
            return
        time.sleep(0.05)


def test_the_examples_run_one_after_another(
    farm: Farm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in farm.environment.items():
        monkeypatch.setenv(name, value)
    stop = threading.Event()
    worker = threading.Thread(target=finish, args=(farm, stop))
    worker.start()
    values: dict[str, Any] = {}
    try:
        for example in EXAMPLES:
            exec(compile(example, "docs/python.md", "exec"), values)
    finally:
        stop.set()
        worker.join()
    frame_hash = FrameHash()
    frame_hash.update(values["movie"])
    assert frame_hash.hexdigest() == values["manifest"]["frames_sha256"]
    assert len(values["movie"]) == values["plan"].num_frames == 16
    assert {"boat.mp4", "boat.mp4.json", "boat.mp4.png", "results"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert not (tmp_path / "nothing.mp4").exists()
    assert values["result"].output.is_file()
    said = capsys.readouterr().out
    assert "16 frames at 16 fps in 4 chunks" in said
    assert "a blue boat" in said
    assert "done" in said


def test_every_public_verb_is_in_the_document() -> None:
    verbs = [name for name in rushes.__all__ if name.islower() and not name.startswith("_")]
    verbs += [name for name in vars(rushes_queue.Farm) if not name.startswith("_")]
    lacking = [verb for verb in verbs if not re.search(rf"`{verb}\b", TEXT) and verb != "close"]
    assert not lacking
