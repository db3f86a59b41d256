"""A render plan inside a job document: checked as untrusted input, and without paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rushes.errors import ConfigError
from rushes.timeline.document import (
    LONGEST_PROMPT,
    MOST_PROMPTS,
    Audio,
    ControlVideo,
    Lora,
    OutputOptions,
    Prompt,
)
from rushes.timeline.loras import LEAST_SCALE, MOST_SCALE
from rushes.timeline.names import bare_name
from rushes.timeline.plan.render_plan import SCHEMA_VERSION, Chunk, RenderPlan, Steering
from rushes.timeline.problems import MOST_OF_A_KIND
from rushes.timeline.read.ext import MOST_VACE_SCALE
from rushes.timeline.steps import round_side, side_fault, steps_fault
from rushes.timeline.times import LEAST_FPS, LONGEST_SECONDS, MOST_FPS
from rushes_queue.text_fields import check_file_name, check_line

_LONGEST_WRAPPED = 3 * LONGEST_PROMPT + len(", ") * 2  # prefix, text, suffix
LARGEST_SEED = 2**64 - 1
MOST_CHUNK_FRAMES = 1000
MOST_HIDDEN_FRAMES = 20  # latent ones at the end of a clip, which the next clip shows

_MOST_WARNINGS = 3 * MOST_OF_A_KIND  # those of the file, of its plan, and a few more
_DERIVED = ("schema_version", "fps_exact", "num_chunks", "num_frames_made")


def portable_plan(plan: RenderPlan) -> RenderPlan:
    """Return the plan with file names instead of paths.

    Raises: ConfigError when two files have the same name.
    """
    names = {file: bare_name(file) for file in plan.steering_files}
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise ConfigError(f"{', '.join(twice)}: are two files of the same name; rename one")
    audio = plan.audio
    if audio is not None and audio.uri is not None:
        audio = replace(audio, uri=bare_name(audio.uri))
    if not names:
        return replace(plan, audio=audio)
    control = plan.control
    return replace(
        plan,
        audio=audio,
        control=replace(
            control,
            video=control.video and names[control.video],
            mask=control.mask and names[control.mask],
        ),
        chunks=tuple(
            replace(
                chunk,
                steering=_with_names(chunk.steering, names),
                given_file=chunk.given_file and names[chunk.given_file],
            )
            for chunk in plan.chunks
        ),
    )


def steering_names(plan: Mapping[str, Any]) -> set[str]:
    """Return the names of the files that steer a render or are shown in it, from its plan's data.

    Plans of version 1 show no images.
    """
    names = {plan["control"]["video"], plan["control"]["mask"]}
    names |= {chunk.get("given_file") for chunk in plan["chunks"]}
    for steering in filter(None, (chunk["steering"] for chunk in plan["chunks"])):
        names |= {*steering["references"], steering["first_frame"], steering["last_frame"]}
    return names - {None}


def _with_names(steering: Steering | None, names: Mapping[str, str]) -> Steering | None:
    if steering is None:
        return None
    return replace(
        steering,
        references=tuple(names[file] for file in steering.references),
        first_frame=steering.first_frame and names[steering.first_frame],
        last_frame=steering.last_frame and names[steering.last_frame],
    )


def unknown_fields(plan: Any) -> list[str]:
    """Return the names of a plan's fields, and of its chunks', that this version does not know."""
    if not isinstance(plan, Mapping):
        return []
    chunks = plan.get("chunks")
    in_chunks = {
        str(name)
        for chunk in (chunks if isinstance(chunks, list) else ())
        if isinstance(chunk, Mapping)
        for name in chunk
    }
    in_plan = set(map(str, plan)) - {field.name for field in fields(RenderPlan)} - {*_DERIVED}
    in_chunks -= {field.name for field in fields(Chunk)} | {"time"}
    found = [f"plan.{name}" for name in in_plan] + [f"plan.chunks.{name}" for name in in_chunks]
    for place, part, known in _parts(plan):
        if isinstance(part, Mapping):
            strange = set(map(str, part)) - {field.name for field in fields(known)}
            found += [f"plan.{place}.{name}" for name in strange]
    return sorted(set(found))


def _parts(plan: Mapping[str, Any]) -> Iterator[tuple[str, Any, type]]:
    """Yield the objects inside a plan: place, data, and class."""
    singles: dict[str, type] = {"control": ControlVideo, "output": OutputOptions, "audio": Audio}
    for place, known in singles.items():
        yield place, plan.get(place), known
    lists: dict[str, tuple[Any, type]] = {"loras": (plan.get("loras"), Lora)}
    prompts = plan.get("prompts")
    if isinstance(prompts, Mapping):
        lists |= {f"prompts.{index}": (each, Prompt) for index, each in prompts.items()}
    for place, (entries, known) in lists.items():
        for entry in entries if isinstance(entries, list) else ():
            yield place, entry, known
    chunks = plan.get("chunks")
    for chunk in chunks if isinstance(chunks, list) else ():
        if isinstance(chunk, Mapping):
            yield "chunks.steering", chunk.get("steering"), Steering


def check_plan(data: dict[str, Any]) -> dict[str, Any]:
    """Refuse data that is not exactly a plan that can be rendered.

    Raises: ValueError.
    """
    plan = _read(data)
    if plan.to_dict() != data:
        raise ValueError("has unknown or contradictory fields")
    for fault in _faults(plan):
        raise ValueError(fault)
    return data


def _read(data: Mapping[str, Any]) -> RenderPlan:
    if data.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"must be a plan of schema version {SCHEMA_VERSION}")
    if not data.get("chunks"):
        raise ValueError("chunks: is empty")
    values = {key: value for key, value in data.items() if key not in _DERIVED}
    values["fps"] = data.get("fps_exact")
    try:
        return _adapter().validate_python(values)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise ValueError(f"{place}: {fault['msg']}") from error


@cache
def _adapter() -> TypeAdapter[RenderPlan]:
    return TypeAdapter(RenderPlan)


def _faults(plan: RenderPlan) -> Iterator[str]:
    """Yield faults that involve several fields; the caller needs only the first."""
    if not LEAST_FPS <= plan.fps <= MOST_FPS:
        yield f"fps is {float(plan.fps):g}"
    if not 0 < plan.duration <= LONGEST_SECONDS:
        yield f"num_frames is {plan.num_frames}"
    for name, side in (("width", plan.width), ("height", plan.height)):
        if side_fault(side) or round_side(side) != side:
            yield f"{name} is {side}"
    if (plan.noise == "cuda") != (plan.noise_device is not None):
        yield f"noise is {plan.noise}, noise_device is {plan.noise_device}"
    yield from _name_faults(plan)
    yield from _prompt_faults(plan)
    yield from _chunk_faults(plan)


def _name_faults(plan: RenderPlan) -> Iterator[str]:
    names = [*(lora.name for lora in plan.loras), *plan.steering_files]
    names += [name for name in (plan.output.name, plan.audio and plan.audio.uri) if name]
    for name in names:
        check_file_name(name)
    if plan.audio is not None and (plan.audio.source == "file") != (plan.audio.uri is not None):
        yield "audio.source and audio.uri contradict each other"
    texts = (plan.pipeline_id, plan.vae_type, plan.output.codec or "")
    for text in texts:
        if len(check_line(text)) > 200:
            yield "a name has over 200 characters"
    if len(plan.warnings) > _MOST_WARNINGS or any(len(text) > 10_000 for text in plan.warnings):
        yield "has too many warnings"


def _prompt_faults(plan: RenderPlan) -> Iterator[str]:
    prompts = [prompt for block in plan.prompts.values() for prompt in block]
    if len(prompts) > MOST_PROMPTS:
        yield f"there are {len(prompts):,} prompts; at most {MOST_PROMPTS:,} are allowed"
    if any(len(prompt.text) > _LONGEST_WRAPPED for prompt in prompts):
        yield f"a prompt has over {_LONGEST_WRAPPED:,} characters"
    if not all(plan.prompts.values()) or plan.prompts.keys() != plan.block_times.keys():
        yield "a prompt block is empty or has no times"


def _chunk_faults(plan: RenderPlan) -> Iterator[str]:
    """Yield faults of the chunks: they follow each other and cover the plan."""
    frame = 0
    for index, chunk in enumerate(plan.chunks):
        if chunk.index != index or chunk.first_frame != frame:
            yield f"chunk {index} does not follow the one before"
        if chunk.lora_scales and len(chunk.lora_scales) != len(plan.loras):
            yield f"chunk {index} has strengths of {len(chunk.lora_scales)} LoRAs"
        if not _is_sane(chunk) or chunk.prompt_block not in plan.prompts:
            yield f"chunk {index} has a value out of range"
        frame += chunk.num_frames
    if not plan.chunks[-1].first_frame < plan.num_frames <= frame:
        yield f"the chunks make {frame:,} frames, num_frames is {plan.num_frames:,}"
    if not plan.chunks[0].reset:
        yield "the first chunk must reset"
    if (plan.mode == "text") != (plan.chunks[0].noise_scale is None):
        yield "noise_scale must be set in video mode, and only there"


def _is_sane(chunk: Chunk) -> bool:
    return (
        1 <= chunk.num_frames <= MOST_CHUNK_FRAMES
        and 0 <= chunk.num_latent_frames - (chunk.num_frames + 3) // 4 <= MOST_HIDDEN_FRAMES
        and chunk.position >= 0
        and 0 <= chunk.seed <= LARGEST_SEED
        and (chunk.transition is None or 0 <= chunk.transition <= 1)
        and (chunk.noise_scale is None or 0 <= chunk.noise_scale <= 1)
        and not steps_fault(list(chunk.denoising_steps))
        and all(LEAST_SCALE <= scale <= MOST_SCALE for scale in chunk.lora_scales)
        and (chunk.steering is None or 0 <= chunk.steering.scale <= MOST_VACE_SCALE)
    )
