"""Prompts as the text encoder's tokenizer takes them; apart from the network, which takes long.

Source: sdv2: models/wan/wan_base/modules/tokenizers.py
"""

from __future__ import annotations

import html
import re

# What needs no repair: ASCII without control characters and without the sign of HTML's entities.
_PLAIN = re.compile(r"[\t\n\x20-\x25\x27-\x7e]*")


def clean_prompt(text: str) -> str:
    """Repair mis-decoded text, unescape HTML, and make every run of white space one blank."""
    if not _PLAIN.fullmatch(text):
        import ftfy  # late: its tables take long to load

        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return re.sub(r"\s+", " ", text).strip()
