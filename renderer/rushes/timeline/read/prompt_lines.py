"""Texts that are not JSON but prompts by frame: lines of ``frame: words``."""

from __future__ import annotations

import re

CONVERT = "it looks like a prompt map by frame; turn it into a timeline with rushes convert"
FRAME_LINE = re.compile(r"\s*([0-9]{1,9})\s*:\s*(.*)")
_QUOTED_FRAME = re.compile(r'\s*"\s*[0-9]{1,9}\s*"\s*:')  # FizzNodes: JSON without the braces


def has_frame_lines(text: str) -> bool:
    """Say whether a text has a line that begins with a frame, and is not JSON."""
    return text[:1] not in ("{", "[", '"') and any(map(FRAME_LINE.fullmatch, text.splitlines()))


def looks_like_prompt_map(text: str) -> bool:
    """Say whether a text that is not JSON is a prompt map of another tool."""
    return has_frame_lines(text) or _QUOTED_FRAME.match(text) is not None
