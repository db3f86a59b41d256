"""Our extensions: the reserved key ``ext`` at the top level of a document and in its blocks.

Inside it an unknown key is always an error, because a typo must not be silent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from rushes.presets.device_classes import DEVICE_CLASSES
from rushes.presets.kinds import CACHE_POLICIES, NOISE_KINDS, POSITIONS, CachePolicy
from rushes.text import file_name_fault
from rushes.timeline.document import (
    LONGEST_PROMPT,
    NO_IMAGES,
    RAMPS,
    Audio,
    ControlVideo,
    Extensions,
    Images,
    LengthUnit,
    OutputOptions,
    Transition,
    Unit,
)
from rushes.timeline.easing import LINEAR
from rushes.timeline.fields import Fields, file_fault
from rushes.timeline.prompt_syntax import warn_of_syntax
from rushes.timeline.read.lora_strengths import LORA_SCALE, read_lora_scales, read_lora_schedules
from rushes.timeline.read.schedules import read_ease, read_schedule
from rushes.timeline.steps import read_steps
from rushes.timeline.times import LONGEST_SECONDS, MOST_FPS, exact_rate

SCHEMA = 1
UNITS = ("seconds", "frames", "beats")  # beats have become seconds before
MOST_FRAMES = LONGEST_SECONDS * MOST_FPS
VACE_SCALE = "vace_scale"
MOST_VACE_SCALE = 2
MOST_IMAGES = 16
LENGTH_UNITS: tuple[LengthUnit, ...] = ("seconds", "frames", "chunks")

_TOP_KEYS = (
    *(
        "schema",
        "unit",
        "bpm",
        "prefix",
        "suffix",
        "inputs",
        "audio",
        "output",
        "schedules",
        "control",
    ),
    *("noise", "noise_device", "normalise_latents", "positions"),
)
_BLOCK_KEYS = (
    "transition",
    "params",
    "cache",
    "vace",
    "startFrame",
    "endFrame",
    "note",
    "startBeat",
    "endBeat",
)
_SCHEDULES = ("noise_scale", VACE_SCALE, LORA_SCALE)
_CONTROL_KEYS = ("input", "mask", "scale")
_VACE_KEYS = ("ref_images", "first_frame", "last_frame", "scale")
_NOT_OFFERED_YET = {
    "from_ratio",
    "input",
    "loop",
    "negative_prompt",
    "start",
}
_LONGEST_RESULT_NAME = 200  # characters; seed and extension follow
_CODEC = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class BlockExt:
    """The ``ext`` object of a block."""

    start_frame: int | None = None
    end_frame: int | None = None
    transition: Transition | None = None
    cache: CachePolicy | None = None
    seed: int | None = None
    denoising_steps: tuple[int, ...] | None = None
    lora_scales: tuple[tuple[str, float], ...] = ()
    images: Images = NO_IMAGES


def read_top_ext(document: Fields) -> Extensions:
    """Read the top-level ``ext``; a document without one gets the defaults."""
    ext = document.object("ext")
    if ext is None:
        return Extensions()
    unit: Unit = "frames" if ext.choice("unit", UNITS) == "frames" else "microseconds"
    schedules = ext.object("schedules")
    extensions = Extensions(
        unit=unit,
        noise_schedule=read_schedule(schedules, "noise_scale", 0, 1) if schedules else None,
        lora_schedules=read_lora_schedules(schedules) if schedules else (),
        vace_schedule=read_schedule(schedules, VACE_SCALE, 0, MOST_VACE_SCALE)
        if schedules
        else None,
        control=_read_control(ext.object("control")),
        prefix=_words(ext, "prefix"),
        suffix=_words(ext, "suffix"),
        input=_read_inputs(ext),
        audio=_read_audio(ext),
        output=_read_output(ext.object("output")),
        noise=ext.choice("noise", NOISE_KINDS),
        noise_device=ext.choice("noise_device", DEVICE_CLASSES),
        normalise_latents=ext.boolean("normalise_latents"),
        positions=ext.choice("positions", POSITIONS),
    )
    if schedules:
        refuse_unread(schedules, _SCHEDULES)
    ext.take("schema")
    refuse_unread(ext, _TOP_KEYS, elsewhere=_BLOCK_KEYS, place="a block's ext")
    return extensions


def check_schema(document: Fields, *, is_used: bool) -> None:
    """Report an ``ext`` that does not say which version of the extensions it uses."""
    ext = document.data.get("ext")
    schema = ext.get("schema") if isinstance(ext, dict) else None
    if (not is_used and ext is None) or (schema == SCHEMA and not isinstance(schema, bool)):
        return
    path = f"{document.path_of('ext')}.schema"
    if schema is None:
        message = f'is missing; write "ext": {{"schema": {SCHEMA}}} at the top level'
    else:
        message = f"must be {SCHEMA}, the only edition that this program knows"
    document.problems.error(path, message, schema)


def read_block_ext(ext: Fields | None, unit: Unit) -> BlockExt:
    """Read the ``ext`` of a block."""
    if ext is None:
        return BlockExt()
    start, end = (_read_frame(ext, key, unit) for key in ("startFrame", "endFrame"))
    ext.text("note")
    params = ext.object("params")
    block = BlockExt(
        start_frame=start,
        end_frame=end,
        transition=_read_transition(ext.object("transition")),
        cache=ext.choice("cache", CACHE_POLICIES),
        seed=params.integer("seed", 0) if params else None,
        denoising_steps=read_steps(params, "denoising_steps") if params else None,
        lora_scales=read_lora_scales(params) if params else (),
        images=_read_images(ext.object("vace")),
    )
    if params:
        refuse_unread(params, ("seed", "denoising_steps", LORA_SCALE))
    refuse_unread(ext, _BLOCK_KEYS, elsewhere=_TOP_KEYS, place="the top-level ext")
    return block


def refuse_unread(
    fields: Fields, known: tuple[str, ...], elsewhere: tuple[str, ...] = (), place: str = ""
) -> None:
    """Report unknown keys inside ``ext``, with what may have been meant."""
    for key in fields.unread():
        close = get_close_matches(key, known, n=1)
        if key.partition(".")[0] in _NOT_OFFERED_YET or "negative" in key:
            message = "is not offered yet; remove it"
        elif key in elsewhere:
            message = f"belongs into {place}; move it there"
        elif close:
            message = f"is unknown; did you mean {close[0]}?"
        else:
            message = f"is unknown; known here are {', '.join(known)}"
        fields.problems.error(fields.path_of(key), message, fields.data[key])


def _words(ext: Fields, key: str) -> str:
    text = ext.text(key, longest=LONGEST_PROMPT) or ""
    warn_of_syntax(text, ext.path_of(key), ext.problems)
    return text


def _read_frame(ext: Fields, key: str, unit: Unit) -> int | None:
    frame = ext.integer(key, -MOST_FRAMES, MOST_FRAMES)
    given = ext.data.get(key) is not None
    if unit == "frames" and not given:
        ext.problems.error(ext.path_of(key), "is missing, and the unit is frames; add it")
    elif given and unit != "frames":
        message = 'needs "unit": "frames" in the top-level ext'
        ext.problems.error(ext.path_of(key), message, frame)
    return frame


def _read_transition(fields: Fields | None) -> Transition | None:
    if fields is None:
        return None
    lengths: dict[LengthUnit, Fraction] = {}
    for length_unit in LENGTH_UNITS:
        length = fields.number(length_unit, 0, MOST_FRAMES)
        if length is not None:
            lengths[length_unit] = Fraction(length)
    chunks = lengths.get("chunks")
    if chunks is not None and chunks.denominator != 1:
        fields.wrong("chunks", "an integer")
    if len(lengths) > 1:
        message = f"has {' and '.join(lengths)}; one length is enough"
        fields.problems.error(fields.path, message, fields.data)
    ease = read_ease(fields, "ease") or LINEAR
    ramp = fields.choice("ramp", RAMPS)
    refuse_unread(fields, (*LENGTH_UNITS, "ease", "ramp"))
    unit = next(iter(lengths), LENGTH_UNITS[-1])
    return Transition(lengths.get(unit), unit, ease, ramp)


def _read_control(fields: Fields | None) -> ControlVideo:
    if fields is None:
        return ControlVideo()
    control = ControlVideo(fields.file("input"), fields.file("mask"), _scale(fields))
    refuse_unread(fields, _CONTROL_KEYS)
    return control


def _read_images(fields: Fields | None) -> Images:
    if fields is None:
        return NO_IMAGES
    images = Images(
        _files(fields, "ref_images"),
        fields.file("first_frame"),
        fields.file("last_frame"),
        _scale(fields),
    )
    refuse_unread(fields, _VACE_KEYS)
    return images


def _files(fields: Fields, key: str) -> tuple[str, ...]:
    names = fields.array(key, most=MOST_IMAGES) or []
    faults = [(index, fault) for index, name in enumerate(names) if (fault := file_fault(name))]
    for index, fault in faults:
        path = f"{fields.path_of(key)}[{index}]"
        fields.problems.error(path, f"{fault}; rename it", names[index])
    return () if faults else tuple(names)


def _scale(fields: Fields) -> float | None:
    scale = fields.number("scale", 0, MOST_VACE_SCALE)
    return None if scale is None else float(scale)


def _read_inputs(ext: Fields) -> str | None:
    """Read the input video; the format has room for several."""
    inputs = ext.array("inputs")
    if not inputs:
        return None
    if len(inputs) > 1:
        ext.wrong("inputs", "one clip; several are not offered yet")
        return None
    if not isinstance(inputs[0], dict):
        ext.wrong("inputs", 'an array with one object, such as [{"uri": "cat.mp4"}]')
        return None
    fields = Fields(inputs[0], f"{ext.path_of('inputs')}[0]", ext.problems)
    fields.take("uri", required=True)
    uri = fields.file("uri")
    fields.text("id")
    refuse_unread(fields, ("id", "uri"))
    return uri


def _read_audio(ext: Fields) -> Audio | None:
    value = ext.take("audio")
    if value is None:
        return None
    if value in ("input", "none"):
        return Audio(value)
    if not isinstance(value, dict):
        ext.wrong("audio", '"input", "none" or {"uri": …, "offset": seconds}')
        return None
    fields = Fields(value, ext.path_of("audio"), ext.problems)
    if fields.take("uri") in (None, ""):
        message = "is missing; name a sound file"
        fields.problems.error(fields.path_of("uri"), message, fields.data.get("uri"))
        uri = None
    else:
        uri = fields.file("uri")
    offset = fields.number("offset", 0, LONGEST_SECONDS)
    refuse_unread(fields, ("uri", "offset"))
    return Audio("file", uri, float(offset or 0))


def _read_output(fields: Fields | None) -> OutputOptions:
    if fields is None:
        return OutputOptions()
    rate = fields.take("fps")
    is_rate = isinstance(rate, str) or fields.number("fps") is not None
    fps = exact_rate(rate) if is_rate else None
    if is_rate and fps is None:
        fields.wrong("fps", f'a frame rate up to {MOST_FPS}, such as 24 or "30000/1001"')
    codec, name = fields.text("codec"), fields.text("name")
    if codec is not None and not _CODEC.fullmatch(codec):
        fields.wrong("codec", "the name of a codec, such as h264")
    if name is not None and (len(name) > _LONGEST_RESULT_NAME or name.startswith(".")):
        fields.wrong(
            "name", f"a file name of at most {_LONGEST_RESULT_NAME} characters, no dot first"
        )
    elif name is not None and (fault := file_name_fault(name)):
        fields.problems.error(fields.path_of("name"), f"{fault}; rename it", name)
    crf = fields.integer("crf", 0, 63)
    refuse_unread(fields, ("fps", "codec", "crf", "name"))
    return OutputOptions(fps, codec, crf, name)


def uses_ext(blocks: Any) -> bool:
    """Return whether any block of the raw document carries an ``ext``."""
    return isinstance(blocks, list) and any(
        isinstance(block, dict) and block.get("ext") is not None for block in blocks
    )
