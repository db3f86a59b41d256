"""Draw ``timelines/meadow.mp4``, the input clip of the examples: a cat in a summer meadow.

Run ``python tools/meadow [OUT]``. Everything is computed here, nothing is photographed. Every
motion repeats after ``NUM_FRAMES``, so the last frame flows into the first.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from film import encode
from frame import draw_frame
from scene import NUM_FRAMES


def main() -> None:
    """Draw the clip into the file named on the command line, else among the timelines."""
    default = Path(__file__).resolve().parents[2] / "timelines" / "meadow.mp4"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    with ProcessPoolExecutor() as pool:
        encode(pool.map(draw_frame, range(NUM_FRAMES), chunksize=4), path)
    print(path)


if __name__ == "__main__":
    main()
