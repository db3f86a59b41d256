"""Files of Parseq: prompts with spans that overlap, and values by keyframe.

Source: rewbs/sd-parseq: README, src/ParseqUI.tsx (prompts v2, rendered_frames)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from rushes.text import shortened
from rushes.timeline.convert.prompt_maps import PromptMap, read_rate, without_negative
from rushes.timeline.fields import Fields, as_integer
from rushes.timeline.plan.lengths import MOST_FRAMES

_DEFAULT_FPS = 20


def is_parseq(document: dict[str, Any]) -> bool:
    """Say whether a document is one of Parseq's."""
    meta, prompts = document.get("meta"), document.get("prompts")
    named = isinstance(meta, dict) and "parseq" in str(meta.get("generated_by"))
    return named or (isinstance(prompts, dict) and "promptList" in prompts)


def read_parseq(document: Fields) -> PromptMap:
    """Read the prompts of a Parseq file; where two overlap, one becomes the other.

    Keyframes of other values are listed and left out.
    """
    for key in ("meta", "keyframeLock", "reverseRender", "managedFields", "displayedFields"):
        document.take(key)
    options = document.object("options")
    prompts = document.object("prompts")
    starts: dict[int, int] = {}
    length: int | None = None
    prefix = suffix = ""
    if prompts is None or "promptList" not in prompts.data:
        texts = _rendered(document) or _only_prompt(prompts)
    else:
        texts, starts, length = _listed(prompts)
        prefix, suffix = _common(prompts)
        prompts.take("format")
        if prompts.boolean("enabled") is False:
            document.problems.warn(
                prompts.path_of("enabled"), "is false; they are read all the same"
            )
        document.take("rendered_frames")  # made from the above
    last = max(_frames_of(document.array("keyframes") or ()), default=None)
    _warn_of_the_rest(document)
    if not texts and not document.problems.has_errors:
        document.problems.error("prompts", "holds no prompt")
    return PromptMap(
        prompts=dict(sorted(texts.items())),
        fps=_fps(options, document),
        hold_ratio=None,
        length=last + 1 if last else length,
        prefix=prefix,
        suffix=suffix,
        starts=starts,
    )


def _only_prompt(prompts: Fields | None) -> dict[int, str]:
    text = prompts.text("positive") if prompts is not None else None
    return {0: without_negative(prompts, "positive", text)} if prompts and text else {}


def _warn_of_the_rest(document: Fields) -> None:
    if document.data.get("keyframes"):
        message = "strength, noise, seeds and movement by keyframe have no counterpart; left out"
        document.problems.warn("keyframes", message)
    if document.take("timeSeries"):
        document.problems.warn("timeSeries", "is left out")


def _fps(options: Fields | None, document: Fields) -> Fraction:
    if options is None:
        return read_rate(None, _DEFAULT_FPS, document, "options.output_fps")
    value = options.take("output_fps")
    for key in ("input_fps", "cc_window_width", "cc_window_slide_rate", "cc_use_input"):
        options.take(key)  # of its own page
    return read_rate(value, _DEFAULT_FPS, document, "options.output_fps")


def _listed(prompts: Fields) -> tuple[dict[int, str], dict[int, int], int | None]:
    """Return texts by the frame from which they hold alone, the starts of moves, and the end."""
    texts: dict[int, str] = {}
    starts: dict[int, int] = {}
    ends: list[int] = []
    for index, entry in enumerate(_objects(prompts, "promptList")):
        text = entry.text("positive")
        entry.take("name")
        if entry.boolean("enabled") is False:
            message = f'is false; "{shortened(text or "", 40)}" is left out'
            entry.problems.warn(entry.path_of("enabled"), message, text)
            text = None
        elif not text or not text.strip():
            entry.problems.warn(entry.path_of("positive"), "holds no words; left out")
        if entry.text("negative"):
            message = "negative prompts are not offered (no guidance); left out"
            entry.problems.warn(entry.path_of("negative"), message)
        is_all = entry.boolean("allFrames")
        start = 0 if is_all else entry.integer("from", 0, MOST_FRAMES) or 0
        end = entry.integer("to", 0, MOST_FRAMES)
        overlap = entry.object("overlap")
        way = overlap.integer("inFrames", 0, MOST_FRAMES) if overlap else 0
        key = start + (way or 0 if index else 0)
        _note_overlap(overlap)
        if end is not None and not is_all:
            ends.append(end)
        if not text or not text.strip():
            continue
        if key in texts:
            message = f"begins at frame {start} like another; blends are not converted"
            entry.problems.error(entry.path, f"{message}; keep one", start)
        else:
            texts[key] = without_negative(entry, "positive", text)
            starts[key] = start
    return texts, starts, max(ends, default=None)


def _note_overlap(overlap: Fields | None) -> None:
    """Say of an overlap that it is a straight line here, and as long as the way in."""
    if overlap is None:
        return
    for key in ("outFrames", "custom"):
        overlap.take(key)
    if overlap.take("type") not in (None, "linear"):
        message = "becomes a linear way, as long as inFrames says"
        overlap.problems.warn(overlap.path_of("type"), message, overlap.data["type"])


def _frames_of(keyframes: Iterable[Any]) -> Iterator[int]:
    for keyframe in keyframes:
        frame = as_integer(keyframe.get("frame")) if isinstance(keyframe, dict) else None
        if frame is not None and 0 <= frame <= MOST_FRAMES:
            yield frame


def _common(prompts: Fields) -> tuple[str, str]:
    common = prompts.object("commonPrompt")
    position = prompts.take("commonPromptPos") or "append"
    text = (common.text("positive") or "") if common else ""
    if common:
        common.take("name")
        if text and common.boolean("allFrames") is False:
            message = "holds at some frames only; here it holds throughout"
            prompts.problems.warn(common.path_of("allFrames"), message)
        for key in ("from", "to", "overlap"):
            common.take(key)
    if common and common.text("negative"):
        message = "negative prompts are not offered (no guidance); left out"
        prompts.problems.warn(common.path_of("negative"), message)
    if position == "prepend":
        return text, ""
    if text and position != "append":
        message = f"stands {position!s:.40}, not before or after; left out"
        prompts.problems.warn(prompts.path_of("commonPrompt"), message, text)
        return "", ""
    return "", text


def _rendered(document: Fields) -> dict[int, str]:
    """Return the texts of the rendered frames at which they change."""
    texts: dict[int, str] = {}
    before = None
    for entry in _objects(document, "rendered_frames"):
        frame, text = entry.integer("frame", 0, MOST_FRAMES), entry.text("deforum_prompt")
        if frame is not None and text and text != before:
            texts[frame] = without_negative(entry, "deforum_prompt", text)
            before = text
    return texts


def _objects(fields: Fields, key: str) -> Iterator[Fields]:
    yield from (entry for entry in fields.objects(key) if entry is not None)
