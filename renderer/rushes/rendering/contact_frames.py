"""Chooses the frames for each prompt block on the contact sheet, and keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rushes.files.publish import PendingOutput, make_folder
from rushes.timeline.plan.render_plan import Chunk, RenderPlan
from rushes.video.contact_sheet import PICTURE_WIDTH, Picture, Tile, choose_blocks

Frames = NDArray[np.uint8]  # [T, H, W, 3]


@dataclass(frozen=True)
class Moment:
    """A frame that stands for a block; ``transition`` is how far that has come there."""

    frame: int
    transition: float | None = None


class ContactFrames:
    """Keeps the frames that the sheet will show, small, as files in a folder.

    Frames kept by an earlier attempt at the same render are used.
    """

    def __init__(self, plan: RenderPlan, folder: Path) -> None:
        self._plan, self._folder = plan, make_folder(folder)
        blocks = list(moments_of(plan).items())
        self._blocks = [blocks[index] for index in choose_blocks(len(blocks))]
        self._wanted = {moment.frame for _, moments in self._blocks for moment in moments}
        self.num_blocks = len(blocks)

    def take(self, first_frame: int, frames: Frames, source: Frames | None) -> None:
        """Look at the frames of a chunk, and at the input frames they were made from."""
        for offset, frame in enumerate(frames):
            number = first_frame + offset
            if number in self._wanted:
                self._keep(f"{number:09}-after", frame)
                if source is not None:
                    self._keep(f"{number:09}-before", source[offset])

    def tiles(self) -> list[Tile]:
        """Return the kept frames, in order, as far as an earlier version kept them."""
        tiles = []
        for block, moments in self._blocks:
            pictures = [picture for each in moments if (picture := self._picture(each)) is not None]
            tiles.append(Tile(block, caption(self._plan, block), tuple(pictures)))
        return tiles

    def _picture(self, moment: Moment) -> Picture | None:
        after = self._load(f"{moment.frame:09}-after")
        if after is None:
            return None
        return Picture(
            frame=moment.frame,
            seconds=float(moment.frame / self._plan.fps),
            after=after,
            before=self._load(f"{moment.frame:09}-before"),
            transition=moment.transition,
        )

    def _keep(self, name: str, frame: NDArray[np.uint8]) -> None:
        small = Image.fromarray(frame)
        small.thumbnail((PICTURE_WIDTH, frame.shape[0]), Image.Resampling.LANCZOS)
        with PendingOutput(self._folder / f"{name}.png") as pending:
            small.save(pending.temporary, "PNG", compress_level=1)
            pending.publish()

    def _load(self, name: str) -> NDArray[np.uint8] | None:
        path = self._folder / f"{name}.png"
        return np.asarray(Image.open(path)) if path.exists() else None


def moments_of(plan: RenderPlan) -> dict[int, tuple[Moment, ...]]:
    """Return the frames that stand for each prompt block, of the first time that it is shown.

    They are its first, middle and last frame. Of a block that begins with a transition they are the
    middle of that, and the middle and last frame of what follows.
    """
    found: dict[int, tuple[Moment, ...]] = {}
    for block, run in groupby(plan.chunks, key=lambda chunk: chunk.prompt_block):
        if block not in found:
            found[block] = _moments_of_run(list(run), plan.num_frames)
    return found


def _moments_of_run(run: list[Chunk], num_frames: int) -> tuple[Moment, ...]:
    first, end = run[0].first_frame, min(_end_of(run[-1]), num_frames)
    changing = [chunk for chunk in run if chunk.transition is not None]
    settled = max((_end_of(chunk) for chunk in changing), default=first)
    rest = [] if settled >= end else [settled, (settled + end - 1) // 2, end - 1]
    if not changing:
        return tuple(map(Moment, dict.fromkeys(rest)))
    middle = changing[len(changing) // 2]
    frame = min(middle.first_frame + middle.num_frames // 2, end - 1)
    return Moment(frame, middle.transition), *map(Moment, dict.fromkeys(rest[1:]))


def _end_of(chunk: Chunk) -> int:
    return chunk.first_frame + chunk.num_frames


def caption(plan: RenderPlan, block: int) -> str:
    """Return the prompts of a block on one line, with their weights if there are several."""
    prompts = plan.prompts[block]
    if len(prompts) == 1:
        return prompts[0].text
    return " + ".join(f"{prompt.weight:g} x {prompt.text}" for prompt in prompts)
