"""Which frames stand for their prompt blocks on the contact sheet, and keeping them."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rushes.files.publish import PendingOutput, make_folder
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.video.contact_sheet import Tile, choose_blocks

Frames = NDArray[np.uint8]  # [T, H, W, 3]


class ContactFrames:
    """Keeps the middle frame of every prompt block that the sheet will show, as files in a folder.

    What lies there from an earlier attempt at the same render counts.
    """

    def __init__(self, plan: RenderPlan, folder: Path) -> None:
        self._plan, self._folder = plan, make_folder(folder)
        blocks = middle_frames(plan)
        chosen = choose_blocks(len(blocks))
        self._wanted = {blocks[index][1]: blocks[index][0] for index in chosen}  # frame: block
        self.num_blocks = len(blocks)

    def take(self, first_frame: int, frames: Frames, source: Frames | None) -> None:
        """Look at the frames of a chunk, and at the input frames they were made from."""
        for offset, frame in enumerate(frames):
            block = self._wanted.get(first_frame + offset)
            if block is not None:
                self._keep(f"{block}-after", frame)
                if source is not None:
                    self._keep(f"{block}-before", source[offset])

    def tiles(self) -> list[Tile]:
        """Return what was kept, in order."""
        return [self._tile(block) for block in self._wanted.values()]

    def _tile(self, block: int) -> Tile:
        after = self._load(f"{block}-after")
        assert after is not None, "a chosen frame was not rendered"
        return Tile(
            number=block,
            start_seconds=self._plan.block_times[block][0],
            prompt=caption(self._plan, block),
            after=after,
            before=self._load(f"{block}-before"),
        )

    def _keep(self, name: str, frame: NDArray[np.uint8]) -> None:
        with PendingOutput(self._folder / f"{name}.png") as pending:
            Image.fromarray(frame).save(pending.temporary, "PNG", compress_level=1)
            pending.publish()

    def _load(self, name: str) -> NDArray[np.uint8] | None:
        path = self._folder / f"{name}.png"
        return np.asarray(Image.open(path)) if path.exists() else None


def middle_frames(plan: RenderPlan) -> list[tuple[int, int]]:
    """Return (prompt block, middle frame) for the first time that each block is shown."""
    middles: dict[int, int] = {}
    for block, run in groupby(plan.chunks, key=lambda chunk: chunk.prompt_block):
        chunks = list(run)
        end = min(chunks[-1].first_frame + chunks[-1].num_frames, plan.num_frames)
        middles.setdefault(block, (chunks[0].first_frame + end - 1) // 2)
    return list(middles.items())


def caption(plan: RenderPlan, block: int) -> str:
    """Return the prompts of a block on one line, with their weights if there are several."""
    prompts = plan.prompts[block]
    if len(prompts) == 1:
        return prompts[0].text
    return " + ".join(f"{prompt.weight:g} x {prompt.text}" for prompt in prompts)
