"""Turning a prompt map of another tool into a timeline document, version 2.1 with ``ext``."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from rushes.timeline.convert.map_fields import MapFields
from rushes.timeline.convert.parseq import is_parseq, read_parseq
from rushes.timeline.convert.prompt_maps import (
    MapKind,
    PromptMap,
    detect_kind,
    read_animatediff,
    read_deforum,
    read_fizznodes,
)
from rushes.timeline.convert.prompt_travel import read_prompt_travel
from rushes.timeline.document import MICROSECONDS
from rushes.timeline.fields import Fields
from rushes.timeline.problems import Problem, Problems, describe
from rushes.timeline.read.ext import SCHEMA
from rushes.timeline.read.json_reading import MALFORMED, read_json, utf8_fault
from rushes.timeline.read.load import parse_timeline, refuse
from rushes.timeline.read.prompt_lines import has_frame_lines
from rushes.timeline.read.timeline_file import NEWEST_VERSION

PIPELINE = "streamdiffusionv2"  # of the model that converted files are for
LONE_PROMPT_FRAMES = 81
LATEST_ENTRY_FRAMES = 3  # a block may begin that late; its way must still end before the next key


READERS: dict[MapKind, Callable[[Fields], PromptMap]] = {
    "animatediff": read_animatediff,
    "fizznodes": read_fizznodes,
    "deforum": read_deforum,
    "parseq": read_parseq,
}


@dataclass(frozen=True, slots=True)
class Converted:
    """A timeline document, and what was lost or assumed in the conversion."""

    document: dict[str, Any]
    problems: tuple[Problem, ...]


def convert_prompt_map(
    data: bytes,
    *,
    kind: MapKind | None = None,
    fps: Fraction | None = None,
    length: int | None = None,
    source: str = "prompt map",
) -> Converted:
    """Convert a prompt map; ``length`` is in frames, ``fps`` and ``length`` win over the file's.

    Raises: TimelineError with all faults that prevent the conversion.
    """
    problems = Problems()
    prompt_map = _read_map(data, kind, problems)
    if prompt_map is None or problems.has_errors:
        refuse([problem for problem in problems if problem.severity == "error"], source)
    document = _to_document(prompt_map, fps or prompt_map.fps, length, problems)
    loaded = parse_timeline(json.dumps(document), source=f"{source}, converted")
    loaded.require()
    return Converted(document, (*problems, *loaded.problems))


def _read_map(data: bytes, kind: MapKind | None, problems: Problems) -> PromptMap | None:
    text = data.removeprefix(BOM_UTF8).strip()
    if kind in (None, "a1111"):
        words = text.decode("utf-8", "replace")
        if kind or has_frame_lines(words):
            if fault := utf8_fault(data):
                problems.error("", fault)
                return None
            return read_prompt_travel(words, problems)
    if text.startswith(b'"'):  # FizzNodes takes its schedule without the braces
        text = b"{%s}" % text.rstrip(b", \r\n")
    document = read_json(text, problems)
    if document is MALFORMED:
        return None
    for key in _doubled_keys(text):
        problems.error(key, "stands twice in one object; keep one", key)
    if not isinstance(document, dict):
        problems.error("", f"must be an object, is {describe(document)}", document)
        return None
    kind = kind or ("parseq" if is_parseq(document) else detect_kind(document))
    if kind is None:
        message = f"is not a prompt map of {', '.join(READERS)}; say with --from which it is"
        problems.error("", message, document)
        return None
    fields = MapFields(document, "", problems)
    prompt_map = READERS[kind](fields)
    fields.report_unread()
    return prompt_map


def _doubled_keys(text: bytes) -> list[str]:
    """Return the keys that an object has more than once; readers would see only the last one."""
    doubled: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        counts = Counter(name for name, _ in pairs)
        doubled.extend(name for name, count in counts.items() if count > 1)

    json.loads(text.decode("utf-8-sig"), object_pairs_hook=look)
    return doubled


def _to_document(
    prompt_map: PromptMap, fps: Fraction, length: int | None, problems: Problems
) -> dict[str, Any]:
    length = length or prompt_map.length or _guess_length(list(prompt_map.prompts), problems)
    late = [frame for frame in prompt_map.prompts if frame >= length]
    if late:
        problems.warn("", f"prompts from frame {late[0]} on lie beyond the {length} frames", late)
    settings: dict[str, Any] = {"pipelineId": PIPELINE, "inputMode": prompt_map.mode}
    if prompt_map.noise_scale:
        settings["noiseController"] = False  # it would override the schedule
    if prompt_map.size:
        width, height = prompt_map.size
        settings["resolution"] = {"height": height, "width": width}
    if prompt_map.seed is not None:
        settings["seed"] = prompt_map.seed
    return {
        "prompts": _to_blocks(prompt_map, fps, length),
        "settings": settings,
        "version": NEWEST_VERSION,
        "ext": _to_ext(prompt_map, fps),
    }


def _guess_length(frames: Sequence[int], problems: Problems) -> int:
    """Let the last prompt last as long as the one before it."""
    gaps = [after - before for before, after in pairwise(frames)]
    length = frames[-1] + (gaps[-1] if gaps else LONE_PROMPT_FRAMES)
    problems.warn("", f"the file has no length; {length} frames are taken; set --length", length)
    return length


def _to_blocks(prompt_map: PromptMap, fps: Fraction, length: int) -> list[dict[str, Any]]:
    """Begin each block where the move to its prompt begins; the move is its transition."""
    keys = [frame for frame in prompt_map.prompts if frame < length] or [min(prompt_map.prompts)]
    starts = [0]
    for before, key in pairwise(keys):
        ratio = prompt_map.hold_ratio
        hold = key - before if ratio is None else max(1, round((key - before) * ratio))
        starts.append(max(before + 1, prompt_map.starts.get(key, before + hold)))
    blocks: list[dict[str, Any]] = []
    for key, start, end in zip(keys, starts, [*starts[1:], length], strict=True):
        text = prompt_map.prompts[key]
        block: dict[str, Any] = {
            "startTime": _seconds(start, fps),
            "endTime": _seconds(end, fps),
            "prompts": [{"text": text, "weight": 100}],
        }
        if blocks and key > start:
            block["temporalInterpolationMethod"] = prompt_map.method
            length_frames = max(key - start - LATEST_ENTRY_FRAMES, 1)
            block["ext"] = {"transition": {"seconds": _seconds(length_frames, fps)}}
        blocks.append(block)
    return blocks


def _to_ext(prompt_map: PromptMap, fps: Fraction) -> dict[str, Any]:
    rate = fps.numerator if fps.denominator == 1 else str(fps)
    crf = {} if prompt_map.crf is None else {"crf": prompt_map.crf}
    ext: dict[str, Any] = {"schema": SCHEMA, "output": {"fps": rate, **crf}}
    for key, value in (
        ("prefix", prompt_map.prefix),
        ("suffix", prompt_map.suffix),
        ("audio", prompt_map.audio),
        ("inputs", prompt_map.input and [{"uri": prompt_map.input}]),
    ):
        if value:
            ext[key] = value
    if prompt_map.noise_scale:
        keyframes = [
            {"t": _seconds(frame, fps), "v": value} for frame, value in prompt_map.noise_scale
        ]
        ext["schedules"] = {"noise_scale": keyframes}
    return ext


def _seconds(frame: int, fps: Fraction) -> float:
    """Return a frame's time in whole microseconds, rounded down so that it is never late."""
    seconds = int(frame * MICROSECONDS / fps) / MICROSECONDS
    return int(seconds) if seconds.is_integer() else seconds
