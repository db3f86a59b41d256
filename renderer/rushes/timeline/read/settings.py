"""Reading the settings of both file kinds into one model.

Timelines of the web page use camelCase, its workflows the pipeline's own names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields as field_names
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic.alias_generators import to_camel

from rushes.presets.kinds import MODES, VAE_TYPES
from rushes.text import shortened
from rushes.timeline.document import MERGE_MODES, NO_IMAGES, Extensions, MergeMode, Settings
from rushes.timeline.fields import Fields
from rushes.timeline.loras import read_timeline_loras, read_workflow_loras
from rushes.timeline.nearby import Nearby
from rushes.timeline.pipelines import PASSTHROUGH, PipelineChoice
from rushes.timeline.problems import describe
from rushes.timeline.read.pictures import (
    TIMELINE_KEYS,
    WORKFLOW_KEYS,
    merged,
    read_file,
    read_images,
)
from rushes.timeline.steps import read_size, read_steps

BROWSER_INTEGERS = 2**53  # above it a browser cannot distinguish neighbours
QUANTIZATIONS = ("fp8_e4m3fn",)
FRAME_INTERPOLATION = ("rife",)  # stages that add frames and change none

Spelling = Callable[[str], str]

camel: Spelling = cache(to_camel)
_PARAMETERS = {"seed": "base_seed", "denoising_steps": "denoising_step_list"}


def snake(name: str) -> str:
    """Return the pipeline's name of a setting."""
    return _PARAMETERS.get(name, name)


def read_timeline_settings(fields: Fields, nearby: Nearby, choice: PipelineChoice) -> Settings:
    """Read ``settings`` of a timeline file; ``schemaFieldOverrides`` win, their size excepted.

    Source: scope @ b000adb5^: frontend/src/components/PromptTimeline.tsx
    """
    name = fields.text("pipelineId")
    has_bias = choice.has_bias(name)
    settings = _with_older_bias(_read_common(fields, camel, has_bias), fields, has_bias)
    if name is not None:
        choice.check(fields.path_of("pipelineId"), name, fields.problems)
    resolution = fields.object("resolution")
    if resolution is not None:
        settings = _with_size(settings, resolution)
        resolution.note_unread()
    if fields.boolean("useFp8E4m3fn") and settings.quantization is None:
        settings = replace(settings, quantization="fp8_e4m3fn")
    merge_mode: MergeMode = fields.choice("loraMergeStrategy", MERGE_MODES) or "permanent_merge"
    loras = read_timeline_loras(fields, "loras", merge_mode, nearby.lora_folders)
    for key in ("preprocessorIds", "postprocessorIds"):
        for processor in fields.array(key) or ():
            refuse_processor(fields, key, processor, is_behind=key.startswith("post"))
        fields.object(key.replace("Ids", "SchemaFieldOverrides"))  # of stages that are named above
    settings = _with_overrides(settings, fields.object("schemaFieldOverrides"), nearby, has_bias)
    settings = _with_pictures(settings, fields, TIMELINE_KEYS, nearby)
    fields.note_unread()
    return replace(settings, pipeline_id=name, loras=loras)


def read_workflow_settings(
    entry: Fields, nearby: Nearby, choice: PipelineChoice, more: Mapping[str, Any]
) -> Settings:
    """Read the main entry of a workflow's ``pipelines``; ``more`` are parameters from its graph.

    Source: scope: frontend/src/lib/workflowSettings.ts
    """
    key, name = entry_id(entry)
    if name is not None:
        choice.check(entry.path_of(key), name, entry.problems)
    own = entry.object("params")
    data = {**more, **(own.data if own else {})}
    parameters = Fields(data, entry.path_of("params"), entry.problems)
    settings = _with_size(_read_parameters(parameters, choice.has_bias(name)), parameters)
    settings = _with_pictures(settings, parameters, WORKFLOW_KEYS, nearby)
    mode: MergeMode = parameters.choice("lora_merge_mode", MERGE_MODES) or "permanent_merge"
    parameters.note_unread()
    loras = read_workflow_loras(entry, nearby.lora_folders, mode)
    return replace(settings, pipeline_id=name, loras=loras)


def entry_id(entry: Fields) -> tuple[str, str | None]:
    """Return the pipeline of an entry, and the key that holds it: the older one, or the newer."""
    key = "pipeline_id" if entry.data.get("pipeline_id") is not None else "node_type_id"
    name = entry.text(key)
    return (key if name is not None else "pipeline_id"), name


def with_clips(ext: Extensions, settings: Settings) -> Extensions:
    """Override the clips of the settings with those of ``ext``."""
    control = ext.control
    if control.video is None:
        control = replace(control, video=settings.control_video)
    return replace(ext, control=control, input=ext.input or settings.input_video)


def refuse_processor(fields: Fields, key: str, name: Any, *, is_behind: bool = False) -> None:
    """Report a stage before or after the pipeline; one without effect is left out."""
    shown = f'"{shortened(name, 40)}"' if isinstance(name, str) else describe(name)
    if name in FRAME_INTERPOLATION and is_behind:
        message = f"{name} makes more frames in between; it is left out"
        fields.problems.warn(fields.path_of(key), message, name)
    elif name != PASSTHROUGH:
        cure = (
            "remove it, and do it to the result"
            if is_behind
            else "make its pictures elsewhere, give them with --control or --input, and remove it"
        )
        fields.problems.error(fields.path_of(key), f"{shown} cannot run here; {cure}", name)


def _read_common(fields: Fields, spelling: Spelling, has_bias: bool) -> Settings:
    """Read what both kinds have, in either spelling."""
    noise_scale = fields.number(spelling("noise_scale"), 0, 1)
    context_scale = fields.number(spelling("vace_context_scale"), 0, 2)
    bias_key = spelling("kv_cache_attention_bias")
    bias = fields.number(bias_key, 0.01, 1) if has_bias else None
    if not has_bias:
        _note_bias(fields, bias_key)
    return Settings(
        input_mode=fields.choice(spelling("input_mode"), MODES),
        seed=_read_seed(fields, spelling("seed")),
        denoising_steps=read_steps(fields, spelling("denoising_steps")),
        noise_scale=None if noise_scale is None else float(noise_scale),
        noise_controller=fields.boolean(spelling("noise_controller")),
        manage_cache=fields.boolean(spelling("manage_cache")),
        quantization=fields.choice("quantization", QUANTIZATIONS),
        vace_enabled=fields.boolean(spelling("vace_enabled")),
        vace_use_input_video=fields.boolean(spelling("vace_use_input_video")),
        vace_context_scale=None if context_scale is None else float(context_scale),
        attention_bias=None if bias is None else float(bias),
    )


def _read_parameters(fields: Fields, has_bias: bool) -> Settings:
    vae_type = fields.choice("vae_type", VAE_TYPES)
    return replace(_read_common(fields, snake, has_bias), vae_type=vae_type)


def _read_seed(fields: Fields, key: str) -> int | None:
    seed = fields.integer(key, 0)
    if seed is not None and seed >= BROWSER_INTEGERS:
        message = f"{seed} cannot have passed through a browser intact; check its last digits"
        fields.problems.note(fields.path_of(key), message, seed)
    return seed


def _with_older_bias(settings: Settings, fields: Fields, has_bias: bool) -> Settings:
    """Read the name of the bias in a branch of scope that was never merged."""
    key = "negativeAttentionBias"
    if not has_bias:
        _note_bias(fields, key)
        return settings
    bias = fields.number(key, 0.01, 1)
    if bias is None or settings.attention_bias is not None:
        return settings
    return replace(settings, attention_bias=float(bias))


def _note_bias(fields: Fields, key: str) -> None:
    bias = fields.number(key, 0.01, 1)
    if bias is not None and bias != 1:
        message = f"{bias} has no effect: this pipeline's attention has no such bias"
        fields.problems.warn(fields.path_of(key), message, bias)


def _with_pictures(
    settings: Settings, fields: Fields, keys: tuple[str, str, str], nearby: Nearby
) -> Settings:
    """Read the files that steer through VACE."""
    is_off = settings.vace_enabled is False
    images = merged(read_images(fields, keys, nearby, is_off=is_off), settings.images)
    clip = fields.take("vace_video_path")
    control = read_file(fields, "vace_video_path", clip, nearby, is_off=is_off)
    return replace(settings, images=images, control_video=control or settings.control_video)


def _with_size(settings: Settings, fields: Fields) -> Settings:
    height, width = read_size(fields) or (None, None)
    return replace(settings, height=height, width=width)


def _with_overrides(
    settings: Settings, overrides: Fields | None, nearby: Nearby, has_bias: bool
) -> Settings:
    """Override the page's settings with the pipeline's own parameters."""
    if overrides is None:
        return settings
    for key in ("height", "width"):
        if overrides.take(key) is not None:
            message = "is ignored, as in Scope; the size is settings.resolution"
            overrides.problems.note(overrides.path_of(key), message, overrides.data[key])
    parameters = _with_pictures(
        _read_parameters(overrides, has_bias), overrides, WORKFLOW_KEYS, nearby
    )
    overrides.choice("lora_merge_mode", MERGE_MODES)  # settings.loraMergeStrategy says the same
    overrides.note_unread()
    given = {field.name: getattr(parameters, field.name) for field in field_names(parameters)}
    return replace(
        settings,
        **{name: value for name, value in given.items() if value not in (None, (), NO_IMAGES)},
    )
