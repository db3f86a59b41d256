"""Prompts as the text encoder's tokenizer takes them; apart from the network, which takes long.

Source: sdv2: models/wan/wan_base/modules/tokenizers.py
"""

from __future__ import annotations

import html
import re

import ftfy


def clean_prompt(text: str) -> str:
    """Repair mis-decoded text, unescape HTML, and make every run of white space one blank."""
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return re.sub(r"\s+", " ", text).strip()
