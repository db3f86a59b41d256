"""The prompts of a result, from its manifest: of every frame, and where they change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rushes.errors import ConfigError, MissingFileError


@dataclass(frozen=True)
class PromptChange:
    """A frame from which on another block of prompts holds."""

    frame: int
    block: int
    text: str


def prompts_of_frames(manifest: Path) -> list[str]:
    """Return the prompt of each frame of a result; of a blend the text that weighs most.

    Raises: MissingFileError; ConfigError when the file is not the manifest of a render.
    """
    with _reading(manifest) as plan:
        return [plan.texts[block] for block in plan.blocks]


def changes_of_prompt(manifest: Path) -> list[PromptChange]:
    """Return the frames at which the prompts of a result change, the very first among them.

    Raises: MissingFileError; ConfigError when the file is not the manifest of a render.
    """
    with _reading(manifest) as plan:
        frames = enumerate(plan.blocks)
        runs = [(block, next(run)[0]) for block, run in groupby(frames, lambda each: each[1])]
        return [PromptChange(frame, block, plan.texts[block]) for block, frame in runs]


@dataclass(frozen=True)
class _Plan:
    texts: dict[int, str]  # of a block
    blocks: list[int]  # of a frame


@contextmanager
def _reading(manifest: Path) -> Iterator[_Plan]:
    try:
        plan: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["plan"]
        texts = {
            int(block): max(prompts, key=lambda prompt: prompt["weight"])["text"]
            for block, prompts in plan["prompts"].items()
        }
        chunks = [(chunk["prompt_block"], chunk["num_frames"]) for chunk in plan["chunks"]]
        yield _Plan(texts, [block for block, count in chunks for _ in range(count)])
    except FileNotFoundError as error:
        raise MissingFileError(f"{manifest}: there is no such file; give --manifest") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{manifest}: is not the manifest of a render: {error!r}") from error
