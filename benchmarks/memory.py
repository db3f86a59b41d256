"""Whether memory grows with length: one timeline, and the same one twenty times as long.

    python benchmarks/memory.py [--size 256x256]

Renders both with the preset ``tiny`` in processes of their own and prints the peak memory of each
and the ratio; every prompt block of the long one is new.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMES = 20
BLOCK_SECONDS = 1.0
BLOCKS = 8


def timeline(num_blocks: int) -> dict[str, object]:
    blocks = [
        {
            "startTime": index * BLOCK_SECONDS,
            "endTime": (index + 1) * BLOCK_SECONDS,
            "prompts": [{"text": f"the meadow on day {index}", "weight": 100}],
        }
        for index in range(num_blocks)
    ]
    return {"version": "2.1", "prompts": blocks, "settings": {"inputMode": "video"}}


def peak_bytes(folder: Path, num_blocks: int, size: str) -> tuple[int, int]:
    """Render a timeline of so many blocks; return its frames and the peak memory of the process."""
    document = folder / f"{num_blocks}.json"
    document.write_text(json.dumps(timeline(num_blocks)))
    output = folder / f"{num_blocks}.mp4"
    command = [sys.executable, "-c", "from rushes_queue.cli import main; main()", "render"]
    command += [str(document), "--input", str(ROOT / "timelines" / "meadow.mp4")]
    command += ["--preset", "tiny", "--size", size, "--output", str(output)]
    subprocess.run(command, check=True, capture_output=True)
    manifest = json.loads(output.with_name(f"{output.name}.json").read_text())
    return manifest["num_frames"], manifest["peak_memory"]["host"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of a timeline and of a long one.")
    parser.add_argument("--size", default="256x256")
    size = parser.parse_args().size
    with tempfile.TemporaryDirectory() as name:
        peaks = [peak_bytes(Path(name), blocks, size) for blocks in (BLOCKS, BLOCKS * TIMES)]
    for frames, peak in peaks:
        print(f"{frames:6} frames at {size}: {peak / 2**20:7.0f} MiB")
    print(f"ratio {peaks[1][1] / peaks[0][1]:.3f}")


if __name__ == "__main__":
    main()
