"""Prompt maps of other tools, keyed by frame: animatediff, FizzNodes and Deforum."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from rushes.presets.kinds import Method, Mode
from rushes.timeline.convert.frame_numbers import read_frame
from rushes.timeline.fields import Fields, as_integer
from rushes.timeline.nearby import base_name
from rushes.timeline.plan.lengths import MOST_FRAMES
from rushes.timeline.read.schedules import parse_deforum
from rushes.timeline.times import exact_rate

MapKind = Literal["animatediff", "fizznodes", "deforum", "parseq", "a1111"]

_DEFORUM_PROMPTS = ("prompts", "animation_prompts")  # of the web UI, and of the notebook
_DEFORUM_POSITIVE = ("animation_prompts_positive", "positive_prompts")
_DEFORUM_NEGATIVE = ("animation_prompts_negative", "negative_prompts")
_FRAME = re.compile(r"\s*([0-9]{1,9})\s*")


@dataclass(frozen=True, slots=True)
class PromptMap:
    """The content of a prompt map, independent of its tool.

    ``hold_ratio``: the share of the time to the next key for which a prompt is held before it
    moves; ``None`` holds it to the end. ``noise_scale`` has a value for some frames.
    """

    prompts: dict[int, str]
    fps: Fraction
    hold_ratio: Fraction | None = None
    method: Method = "linear"
    length: int | None = None
    seed: int | None = None
    size: tuple[int, int] | None = None
    mode: Mode = "text"
    prefix: str = ""
    suffix: str = ""
    noise_scale: list[tuple[int, float]] = field(default_factory=list)
    crf: int | None = None
    audio: Any = None
    input: str | None = None
    starts: Mapping[int, int] = field(default_factory=dict)  # where the move to a key begins


def detect_kind(document: dict[str, Any]) -> MapKind | None:
    """Return the tool that a prompt map is from."""
    if "prompt_map" in document:
        return "animatediff"
    if any(isinstance(document.get(key), dict) for key in _DEFORUM_PROMPTS):
        return "deforum"
    return "fizznodes" if any(_FRAME.fullmatch(key) for key in document) else None


def read_animatediff(document: Fields) -> PromptMap:
    """Read a configuration of animatediff-cli-prompt-travel.

    Source: animatediff-cli-prompt-travel: README and prompt preprocessing
    """
    problems = document.problems
    ratio = document.number("prompt_fixed_ratio", 0, 1)
    output = document.object("output")
    fps = output.number("fps") if output else None
    encoding = output.object("encode_param") if output else None
    for key, what in (("n_prompt", "negative prompts"), ("lora_map", "LoRAs of another model")):
        if document.take(key):
            problems.warn(key, f"{what} are not offered; left out", document.data[key])
    prompts = document.object("prompt_map") or Fields({}, "prompt_map", problems)
    return PromptMap(
        prompts=_read_prompts(prompts, list(prompts.data)),
        fps=read_rate(fps, 8, document, "output.fps"),
        hold_ratio=Fraction(1, 2) if ratio is None else Fraction(ratio),
        method="slerp",
        seed=_read_seed(document),
        prefix=_common_words(document, "head_prompt"),
        suffix=_common_words(document, "tail_prompt"),
        crf=encoding.integer("crf", 0, 63) if encoding else None,
    )


def read_fizznodes(document: Fields) -> PromptMap:
    """Read the prompt schedule of FizzNodes: weights ramp linearly from key to key.

    Source: FizzleDorf/ComfyUI_FizzNodes: ScheduleFuncs.py, ScheduledNodes.py
    """
    options = ("pre_text", "app_text", "max_frames", "fps")
    frames = [key for key in document.data if key not in options]
    length = document.integer("max_frames", 1, MOST_FRAMES)
    return PromptMap(
        prompts=_read_prompts(document, frames, length and length - 1),
        fps=read_rate(document.number("fps"), 16, document, "fps"),
        hold_ratio=Fraction(0),
        length=length,
        prefix=_common_words(document, "pre_text"),
        suffix=_common_words(document, "app_text"),
    )


def read_deforum(document: Fields) -> PromptMap:
    """Read a settings file of Deforum: a prompt holds until the next one.

    Source: deforum-art/sd-webui-deforum: scripts/deforum_helpers/animation_key_frames.py
    """
    named = next((key for key in _DEFORUM_PROMPTS if document.data.get(key)), "prompts")
    prompts = document.object(named) or Fields({}, named, document.problems)
    is_video = document.take("animation_mode") == "Video Input"
    length = document.integer("max_frames", 1, MOST_FRAMES)
    for key in _DEFORUM_NEGATIVE:
        if document.take(key):
            message = "negative prompts are not offered (no guidance); left out"
            document.problems.warn(key, message)
    positive = [_common_words(document, key) for key in _DEFORUM_POSITIVE]
    _warn_of_overrides(document)
    width, height = (document.integer(key, 1, 100_000) for key in ("W", "H"))
    return PromptMap(
        prompts=_read_prompts(prompts, list(prompts.data), length and length - 1),
        fps=read_rate(document.number("fps"), 15, document, "fps"),
        length=length,
        seed=_read_seed(document),
        size=(width, height) if width and height else None,
        mode="video" if is_video else "text",
        noise_scale=_read_strength(document, is_video),
        audio=_read_soundtrack(document, is_video),
        prefix=", ".join(
            dict.fromkeys(words.strip(" ,") for words in positive if words.strip(" ,"))
        ),
        input=_read_video(document, is_video),
    )


def _common_words(document: Fields, key: str) -> str:
    """Return words that belong to every prompt, without a negative part."""
    return without_negative(document, key, document.text(key) or "")


def _warn_of_overrides(document: Fields) -> None:
    """Warn of what takes the place of a file's own prompts or frames of its video."""
    if document.take("parseq_manifest"):
        message = "the prompts of Parseq replace those of this file; convert its file instead"
        document.problems.warn("parseq_manifest", message)
    for key, usual in (
        *(("extract_nth_frame", (1,)), ("extract_from_frame", (0,))),
        ("extract_to_frame", (-1,)),
    ):
        value = document.take(key)
        if value is not None and value not in usual and document.data.get("video_init_path"):
            message = "is not converted; cut the input video before"
            document.problems.warn(key, message, value)


def _read_video(document: Fields, is_video: bool) -> str | None:
    """Return the name of the input video, which is expected beside the timeline."""
    path = document.text("video_init_path")
    if not path:
        return None
    name = _file_name(path)
    if not is_video:
        document.problems.warn("video_init_path", "is not used in this mode; left out", path)
        return None
    message = f"{name} is looked for beside the timeline; copy it there"
    document.problems.note("video_init_path", message, path)
    return name or None


def _file_name(path: str) -> str:
    """Return the file's name in a path, or in an address with its options."""
    return base_name(re.split(r"[?#]", path)[0] if "://" in path else path)


def _read_prompts(fields: Fields, keys: list[str], last_frame: int | None = None) -> dict[int, str]:
    """Read frame numbers and texts; what the model cannot follow is reported and left out."""
    prompts: dict[int, str] = {}
    for key in keys:
        text = fields.text(key)
        frame = read_frame(key, last_frame)
        if text is None:
            if fields.data.get(key) is None:
                fields.problems.warn(fields.path_of(key), "holds no words; left out")
            continue
        if frame is None:
            message = "is neither a frame number nor a sum of numbers; this prompt is left out"
            fields.problems.warn(fields.path_of(key), message, key)
            continue
        if frame in prompts:
            message = f"names frame {frame} a second time; keep one"
            fields.problems.error(fields.path_of(key), message, key)
        prompts[frame] = without_negative(fields, key, text)
    if not prompts and not fields.problems.has_errors:
        fields.problems.error(fields.path, "names no prompt at a frame number; write one at 0")
    return dict(sorted(prompts.items()))


def without_negative(fields: Fields, key: str, text: str) -> str:
    """Return a prompt without its negative part, which is reported, as expressions in it are."""
    positive, mark, _ = text.partition("--neg")
    if mark and text.partition("--neg")[2].strip():
        message = "negative prompts are not offered (no guidance); the part is left out"
        fields.problems.warn(fields.path_of(key), message, text)
    if "`" in positive:
        message = "holds an expression in backticks, which is kept as text; edit it"
        fields.problems.warn(fields.path_of(key), message, text)
    return positive.strip()


def read_rate(fps: Any, default: int, document: Fields, path: str) -> Fraction:
    """Return the frame rate, or the other tool's default with a note."""
    rate = exact_rate(fps) if fps is not None else None
    if rate is None:
        if fps is not None:
            document.problems.error(path, f"{fps} is not a frame rate that a video has; mend it")
        document.problems.note(path, f"read as {default}, unless --fps says otherwise")
    return rate or Fraction(default)


def _read_seed(document: Fields) -> int | None:
    value = document.take("seed")
    seeds = value if isinstance(value, list) else [value]
    fixed = [seed for seed in map(as_integer, seeds) if seed is not None and 0 <= seed < 2**63]
    if value is not None and len(fixed) != 1:
        taken = f"{fixed[0]} is taken" if fixed else "the default is taken"
        document.problems.warn("seed", f"names no single fixed seed; {taken}", value)
    return fixed[0] if fixed else None


def _read_strength(document: Fields, is_video: bool) -> list[tuple[int, float]]:
    """Turn strength, the share of the picture that is kept, into the noise scale, 1 - strength."""
    if document.take("noise_schedule"):
        message = "noise on the picture has no counterpart here; left out"
        document.problems.note("noise_schedule", message)
    key = "strength_schedule"
    text = document.text(key)
    if text is None:
        return []
    if not is_video:
        document.problems.note(key, "means nothing without an input video; left out")
        return []
    try:
        keys = parse_deforum(text)
    except ValueError as error:
        document.problems.warn(key, f"{error}; left out", text)
        return []
    message = "becomes the noise scale 1 - strength, against the input video's frames"
    document.problems.note(key, message, text)
    return [(frame, float(max(Decimal(0), 1 - strength))) for frame, strength in keys]


def _read_soundtrack(document: Fields, is_video: bool) -> Any:
    """Return ``ext.audio``; a sound file is expected beside the timeline."""
    choice, path = document.take("add_soundtrack"), document.take("soundtrack_path")
    if choice == "File" and isinstance(path, str) and path:
        name = _file_name(path)
        if "://" in path:
            message = f"is not fetched; save it beside the timeline as {name}"
            document.problems.warn("soundtrack_path", message, path)
        elif name != path:
            message = f"{name} is looked for beside the timeline; copy it there"
            document.problems.note("soundtrack_path", message, path)
        return {"uri": name}
    if choice == "Init Video" and not is_video:
        message = "there is no input video in this mode, so there is no sound"
        document.problems.warn("add_soundtrack", message, choice)
        return "none"
    return {"None": "none", "Init Video": "input"}.get(choice) if isinstance(choice, str) else None
