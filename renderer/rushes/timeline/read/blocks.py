"""Reading prompt blocks of both file kinds, and how they lie on the time axis."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from rushes.presets.kinds import METHODS
from rushes.timeline.document import LONGEST_PROMPT, MOST_PROMPTS, Prompt, PromptBlock, Unit
from rushes.timeline.fields import Fields
from rushes.timeline.problems import Problems, describe
from rushes.timeline.prompt_syntax import warn_of_syntax
from rushes.timeline.read.ext import BlockExt, read_block_ext
from rushes.timeline.read.settings import Spelling
from rushes.timeline.times import LONGEST_SECONDS, show_seconds, to_microseconds

MOST_PROMPTS_OF_BLOCK = 50  # what Scope's editor can hold
USUAL_PROMPTS = 4  # what its button makes
MOST_WEIGHT = 1_000_000  # keeps the sum of the weights finite in every number format
USUAL_STEPS = 16  # the end of its slider


def read_blocks(
    entries: Iterable[Fields | None], spelling: Spelling, unit: Unit, *, lost_text: str = ""
) -> tuple[PromptBlock, ...]:
    """Read all blocks, report overlaps and gaps, and drop blocks that are never shown.

    ``lost_text`` is added where a block of an old file has no prompt: the reason.
    Source: scope @ b000adb5^: frontend/src/components/PromptTimeline.tsx; scope:
    frontend/src/hooks/useTimelinePlayback.ts
    """
    blocks: list[PromptBlock] = []
    starts: dict[int, str] = {}
    problems = None
    for index, entry in enumerate(entries):
        if entry is None:
            continue
        problems = entry.problems
        block = _read_block(entry, index, spelling, unit, lost_text)
        if block is not None:
            blocks.append(block)
            starts[index] = _time_path(entry, spelling, unit, "start")
    if problems is not None:
        _refuse_many_prompts(blocks, problems)
        _report_layout(blocks, starts, unit, problems)
    return tuple(blocks)


def _refuse_many_prompts(blocks: list[PromptBlock], problems: Problems) -> None:
    count = sum(len(block.prompts) for block in blocks)
    if count > MOST_PROMPTS:
        message = (
            f"the file holds {count:,} prompts; at most {MOST_PROMPTS:,} are allowed, split it"
        )
        problems.error("", message, count)


def _read_block(
    entry: Fields, index: int, spelling: Spelling, unit: Unit, lost_text: str
) -> PromptBlock | None:
    ext = read_block_ext(entry.object("ext"), unit)
    span = _read_span(entry, spelling, unit, ext)
    for cosmetic in ("id", "color"):
        entry.take(cosmetic)
    entry.boolean("isLive")
    steps = entry.integer(spelling("transition_steps"), 0)
    if steps is not None and steps > USUAL_STEPS:
        message = f"is {steps}, more than the {USUAL_STEPS} that Scope's editor offers"
        entry.problems.warn(entry.path_of(spelling("transition_steps")), message, steps)
    method = entry.choice(spelling("temporal_interpolation_method"), METHODS)
    if span is not None and _is_dropped(entry, span, unit):
        return None
    prompts = read_prompts(entry, "prompts", label_key="text", lost_text=lost_text)
    entry.note_unread()
    if span is None or prompts is None:
        return None
    return PromptBlock(
        index,
        max(span[0], 0),
        span[1],
        prompts,
        steps,
        method,
        ext.transition,
        ext.cache,
        ext.seed,
        ext.denoising_steps,
        ext.lora_scales,
        ext.images,
    )


def _time_path(entry: Fields, spelling: Spelling, unit: Unit, edge: str) -> str:
    if unit == "frames":
        return f"{entry.path_of('ext')}.{edge}Frame"
    return entry.path_of(spelling(f"{edge}_time"))


def _read_span(
    entry: Fields, spelling: Spelling, unit: Unit, ext: BlockExt
) -> tuple[int, int] | None:
    in_frames = unit == "frames"
    start = _read_time(entry, spelling("start_time"), required=not in_frames)
    end = _read_time(entry, spelling("end_time"), required=not in_frames)
    if in_frames:
        start, end = ext.start_frame, ext.end_frame
    if start is None or end is None:
        return None
    if end < start:
        path = _time_path(entry, spelling, unit, "end")
        message = f"{_show(end, unit)} is before its start {_show(start, unit)}"
        entry.problems.error(path, f"{message}; swap them or drop the block", _show(end, unit))
        return None
    if start < 0 < end:
        path = _time_path(entry, spelling, unit, "start")
        message = f"{_show(start, unit)} is before 0; cut to 0"
        entry.problems.warn(path, message, _show(start, unit))
    return start, end


def _is_dropped(entry: Fields, span: tuple[int, int], unit: Unit) -> bool:
    """Report a block without any instant from 0 on; Scope's exporter drops empty ones."""
    start, end = span
    if start == end:
        message = f"has no length at {_show(start, unit)}; dropped"
        entry.problems.note(entry.path, message, _show(end, unit))
    elif end <= 0:
        message = f"ends at {_show(end, unit)}, before the timeline begins; dropped"
        entry.problems.warn(entry.path, message, _show(end, unit))
    return start == end or end <= 0


def _read_time(entry: Fields, key: str, *, required: bool) -> int | None:
    seconds = entry.number(key, -LONGEST_SECONDS, LONGEST_SECONDS, required)
    return None if seconds is None else to_microseconds(seconds)


def _show(at: int, unit: Unit) -> str:
    return f"frame {at}" if unit == "frames" else f"{show_seconds(at)} s"


def read_prompts(
    entry: Fields, key: str, *, label_key: str | None = None, lost_text: str = ""
) -> tuple[Prompt, ...] | None:
    """Read a weighted list of prompts; ``label_key`` names a field that holds a lone text."""
    items = entry.array(key)
    label = entry.text(label_key, longest=LONGEST_PROMPT) if label_key else None
    if items is None and entry.data.get(key) is not None:
        return None
    path, problems = entry.path_of(key), entry.problems
    if not items and label is not None:
        warn_of_syntax(label, entry.path_of(label_key or key), problems)
        prompts: list[Prompt | None] = [Prompt(label, 100.0)]
    else:
        if len(items or ()) > MOST_PROMPTS_OF_BLOCK:
            message = (
                f"holds {len(items or ()):,} prompts; at most {MOST_PROMPTS_OF_BLOCK} are allowed"
            )
            problems.error(path, message, items)
            return None
        prompts = [_read_prompt(entry, key, i, item) for i, item in enumerate(items or ())]
    found = [prompt for prompt in prompts if prompt is not None]
    if len(found) < len(prompts):
        return None
    if not any(prompt.text.strip() for prompt in found):
        message = f"has no prompt text{lost_text}; write one, or drop the block"
        problems.error(entry.path or path, message, items)
        return None
    if len(found) > USUAL_PROMPTS:
        problems.note(path, f"blends {len(found)} prompts; Scope's editor makes {USUAL_PROMPTS}")
    if not any(prompt.weight for prompt in found):
        problems.warn(path, "has weights of 0 only; all prompts get equal weight")
    return tuple(found)


def _read_prompt(entry: Fields, key: str, index: int, item: Any) -> Prompt | None:
    if isinstance(item, str):
        path = f"{entry.path_of(key)}[{index}]"
        message = f'must be an object, is {describe(item)}; write {{"text": …, "weight": 100}}'
        entry.problems.error(path, message, item)
        return None
    fields = entry.item(key, index)
    if fields is None:
        return None
    text = fields.text("text", longest=LONGEST_PROMPT)
    weight = fields.number("weight", 0)
    if weight is not None and weight > MOST_WEIGHT:
        fields.wrong("weight", f"at most {MOST_WEIGHT:,}; only the ratio of weights counts")
    fields.note_unread()
    warn_of_syntax(text or "", fields.path_of("text"), fields.problems)
    if _is_wrong(fields, "text", text) or _is_wrong(fields, "weight", weight):
        return None
    return Prompt(text or "", 1.0 if weight is None else float(weight))


def _is_wrong(fields: Fields, key: str, value: Any) -> bool:
    return value is None and fields.data.get(key) is not None


def _report_layout(
    blocks: list[PromptBlock], starts: dict[int, str], unit: Unit, problems: Problems
) -> None:
    """Report blocks out of order, overlaps and gaps: all of them play, by fixed rules."""
    for before, block in pairwise(blocks):
        if block.start < before.start:
            message = "the blocks are not in order of time; they play in order of time"
            problems.warn(starts[block.index], message, _show(block.start, unit))
            break
    reach, last = 0, None
    for block in sorted(blocks, key=lambda block: block.start):
        path = starts[block.index]
        if last is not None and block.start < reach:
            message = (
                f"{_show(block.start, unit)} lies before the end of block {last} "
                f"({_show(reach, unit)}); while both last, the first in the file plays"
            )
            problems.warn(path, message, _show(block.start, unit))
        elif block.start > reach and last is not None:
            message = f"gap {_show(reach, unit)} … {_show(block.start, unit)}"
            problems.note(path, f"{message}, the prompts of block {last} hold")
        elif block.start > reach:
            message = f"nothing before {_show(block.start, unit)}; its prompts hold from the start"
            problems.note(path, message)
        end = block.end or 0
        if end > reach:
            reach, last = end, block.index
