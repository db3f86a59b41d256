"""Prompt travel of the web UI: lines of ``frame: words`` between lines for all frames.

Source: continue-revolution/sd-webui-animatediff: docs/features.md, Prompt Travel
"""

from __future__ import annotations

import re
from fractions import Fraction

from rushes.timeline.convert.prompt_maps import PromptMap
from rushes.timeline.problems import Problems
from rushes.timeline.read.prompt_lines import FRAME_LINE

_DEFAULT_FPS = 8
_ODD_FRAME = re.compile(r"\s*[-+]?[0-9][0-9.,\s-]{0,20}:")
_NEGATIVE, _SETTINGS = "negative prompt:", re.compile(r"(?i)steps: *[0-9]+, *\w")


def read_prompt_travel(text: str, problems: Problems) -> PromptMap:
    """Read the lines; those before and after the numbered ones hold for all frames."""
    before: list[str] = []
    after: list[str] = []
    prompts: dict[int, str] = {}
    for number, line in enumerate(_without_settings(text.splitlines(), problems), 1):
        match = FRAME_LINE.fullmatch(line)
        if match is None:
            if _ODD_FRAME.match(line):
                message = "does not begin with one whole frame number; write such as 16: words"
                problems.error(f"line {number}", message, line)
            elif line.strip():
                (after if prompts else before).append(line.strip().strip(","))
            continue
        frame, words = int(match[1]), _without_negative(match[2].strip(), number, problems)
        if after:
            problems.error(f"line {number}", "a frame stands behind words for all frames; move it")
        if frame in prompts:
            problems.error(f"line {number}", f"names frame {frame} twice; keep one", frame)
        if not words:
            problems.error(f"line {number}", f"frame {frame} has no words", frame)
        prompts[frame] = words
    problems.note("", f"read as {_DEFAULT_FPS} frames a second, unless --fps says otherwise")
    return PromptMap(
        prompts=dict(sorted(prompts.items())),
        fps=Fraction(_DEFAULT_FPS),
        hold_ratio=Fraction(0),
        prefix=", ".join(before),
        suffix=", ".join(after),
    )


def _without_negative(words: str, number: int, problems: Problems) -> str:
    positive, mark, negative = words.partition("--neg")
    if mark and negative.strip():
        message = "negative prompts are not offered (no guidance); the part is left out"
        problems.warn(f"line {number}", message, words)
    return positive.strip()


def _without_settings(lines: list[str], problems: Problems) -> list[str]:
    """Return the lines before the negative prompt and the settings that the web UI puts behind."""
    kept: list[str] = []
    is_negative = False
    for number, line in enumerate(lines, 1):
        if line.strip().lower().startswith(_NEGATIVE):
            message = "negative prompts are not offered (no guidance); left out"
            problems.warn(f"line {number}", message, line)
            is_negative = True
        elif _SETTINGS.match(line.strip()):
            problems.warn(f"line {number}", "settings of an image are not converted", line)
            is_negative = False
        elif not is_negative:
            kept.append(line)
    return kept
