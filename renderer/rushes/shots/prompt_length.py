"""Prompts that are longer than the text encoder reads, and the words that it does not see."""

from __future__ import annotations

from pathlib import Path

from rushes.files.folders import Folders
from rushes.files.machine_folders import machine_folders
from rushes.files.resources import data_folder
from rushes.models.clean_prompt import clean_prompt
from rushes.presets.preset import Preset
from rushes.text import both_ends, printable, shortened
from rushes.timeline.plan.render_plan import RenderPlan

_SHOWN = 160


def warn_of_cut_prompts(
    plan: RenderPlan, preset: Preset, folders: Folders | None = None
) -> tuple[str, ...]:
    """Return a warning for each prompt whose end is not seen.

    The preset's tokenizer counts; without it, each word counts as one token, the least possible.
    """
    limit = preset.dit.text_len
    texts = dict.fromkeys(prompt.text for each in plan.prompts.values() for prompt in each)
    warnings = []
    for text in texts:
        if len(text.encode("utf-8", "replace")) < limit:
            continue  # a token has a byte or more
        unseen = _unseen(text, limit, preset, folders)
        if unseen:
            start = shortened(printable(text), 40)
            warnings.append(
                f'the prompt "{start}" is longer than the {limit} tokens that the text encoder '
                f'takes; it does not see: "{both_ends(printable(unseen), _SHOWN)}"'
            )
    return tuple(warnings)


def _unseen(text: str, limit: int, preset: Preset, folders: Folders | None) -> str:
    cleaned = clean_prompt(text)
    file = _tokenizer_file(preset, folders or machine_folders())
    if file is None:
        return " ".join(cleaned.split(" ")[limit - 1 :])  # the last token ends the prompt
    from tokenizers import Tokenizer

    encoding = Tokenizer.from_file(str(file)).encode(cleaned)
    if len(encoding.ids) <= limit:
        return ""
    return cleaned[encoding.offsets[limit - 1][0] :].strip()


def _tokenizer_file(preset: Preset, folders: Folders) -> Path | None:
    if preset.weights_folder is not None:
        root = data_folder(preset.weights_folder)
    elif preset.random_weights_seed is not None:
        from rushes.weights.networks import weights_root

        root = weights_root(preset, folders.models, folders.cache)
    else:
        root = folders.models
    files = (root / name / "tokenizer.json" for name in preset.weights.tokenizer)
    return next((file for file in files if file.is_file()), None)
