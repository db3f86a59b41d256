"""Prompt syntax of other programs, which a text encoder reads as plain words.

Source: AUTOMATIC1111/stable-diffusion-webui: wiki, Features; dynamic-prompts; sd-parseq
"""

from __future__ import annotations

import re

from rushes.text import shortened
from rushes.timeline.problems import Problems

_CURES = (
    (r"<(?:lora|lyco|lycoris|hypernet)\s*:[^<>]{1,200}>", "name the file in loras instead"),
    (r"\([^()]{1,200}:\s*-?\d+(?:\.\d*)?\s*\)", "weigh whole prompts of a block instead"),
    (r"\[[^\[\]]{0,200}[|:][^\[\]]{0,200}\]", "write blocks with a transition instead"),
    (r"\{[^{}]{0,200}\|[^{}]{0,200}\}", "write out the choice"),
    (r"(?<!\w)__[A-Za-z0-9][\w/*. -]{0,100}?__(?!\w)", "write out what it stands for"),
    (r"\$\{[^{}]{1,200}\}", "write out its value"),
    (r"(?<!\S)embedding:\S{1,100}", "there are no embeddings here"),
    (r"(?<!\S)--neg\b", "there are no negative prompts here"),
    (r"(?<!\S)BREAK(?!\S)", "leave it out"),
    (r"(?<=[a-z0-9),] )AND(?= [a-z0-9(])", "write two prompts of one block instead"),
)
_SYNTAX = tuple((re.compile(pattern), cure) for pattern, cure in _CURES)


def odd_syntax(text: str) -> list[tuple[str, str]]:
    """Return the first of each kind of unsupported syntax, and what to do."""
    found = ((pattern.search(text), cure) for pattern, cure in _SYNTAX)
    return [(match[0], cure) for match, cure in found if match is not None]


def warn_of_syntax(text: str, path: str, problems: Problems) -> None:
    """Warn of unsupported syntax in words that a document has at a path."""
    for found, cure in odd_syntax(text):
        message = f'"{shortened(found, 60)}" means nothing here and is taken as plain words; {cure}'
        problems.warn(path, message, found)
