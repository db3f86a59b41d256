"""Reading a workflow file, ``scope-workflow`` 1.0 or 1.1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rushes.presets.kinds import METHODS
from rushes.timeline.document import MERGE_MODES, MergeMode, Prompt, PromptBlock, Settings, Timeline
from rushes.timeline.fields import Fields
from rushes.timeline.loras import read_timeline_loras
from rushes.timeline.nearby import Nearby
from rushes.timeline.pipelines import PASSTHROUGH, PipelineChoice
from rushes.timeline.read.blocks import read_blocks, read_prompts
from rushes.timeline.read.embedded import warn_of_unused, with_embedded
from rushes.timeline.read.ext import check_schema, read_top_ext, uses_ext
from rushes.timeline.read.graph import graph_prompt, main_params, read_graph, tells_ways
from rushes.timeline.read.lora_strengths import check_lora_names
from rushes.timeline.read.pictures import merged, with_images
from rushes.timeline.read.settings import (
    entry_id,
    read_workflow_settings,
    refuse_processor,
    snake,
    with_clips,
)
from rushes.timeline.read.timeline_file import check_version

FORMAT = "scope-workflow"
DEFAULT_TRANSITION_STEPS = 4
MOST_PIPELINES = 150
ROLES = ("preprocessor", "main", "postprocessor")


def read_workflow(
    document: Fields, *, allow_version: bool, nearby: Nearby, choice: PipelineChoice
) -> Timeline:
    """Read the document into the same model as a timeline file.

    Source: scope: frontend/src/lib/workflowApi.ts, frontend/src/lib/workflowSettings.ts
    """
    for key in ("format", "min_scope_version"):
        document.take(key)
    version = check_version(document, "format_version", ("1.0", "1.1"), (1,), allow_version)
    nearby = with_embedded(document, nearby)
    entries = _read_entries(document)
    main = _choose_main(entries, choice)
    settings = _read_settings(document, main, nearby, choice)
    _check_entries(entries, main, has_graph=tells_ways(document))
    settings = _with_graph(document, settings, nearby)
    _check_nodes(document, entries)
    ext = with_clips(read_top_ext(document), settings)
    blocks = _read_blocks(document, ext.unit, settings.pipeline_id)
    block_scales = ((f"timeline.entries[{block.index}]", block.lora_scales) for block in blocks)
    check_lora_names(ext, block_scales, settings.loras, document.problems)
    steps = document.integer("transition_steps", 0)
    timeline = Timeline(
        kind="workflow",
        version=version,
        blocks=with_images(blocks, settings.images),
        settings=settings,
        ext=ext,
        name=_read_name(document),
        transition_steps=DEFAULT_TRANSITION_STEPS if steps is None else steps,
        transition_method=document.choice("temporal_interpolation_method", METHODS) or "slerp",
        spatial_method=document.choice("interpolation_method", METHODS) or "linear",
    )
    document.note_unread()
    _warn_of_unused(document, nearby, timeline)
    return timeline


def _warn_of_unused(document: Fields, nearby: Nearby, timeline: Timeline) -> None:
    """Warn of embedded files that the timeline does not use; LoRAs go by their names."""
    ext = timeline.ext
    named = [file for block in timeline.blocks for file in block.images.files]
    named += [file for file in (ext.input, ext.control.video, ext.control.mask) if file]
    loras = {lora.name.lower() for lora in timeline.settings.loras}
    named += [str(file) for name, file in nearby.embedded.items() if name.lower() in loras]
    if ext.audio is not None and ext.audio.uri:
        named.append(ext.audio.uri)
    warn_of_unused(document, nearby, named)


def _read_settings(
    document: Fields, main: Fields | None, nearby: Nearby, choice: PipelineChoice
) -> Settings:
    if main is None:
        return Settings()
    more = main_params(document, entry_id(main)[1])
    return read_workflow_settings(main, nearby, choice, more)


def _read_entries(document: Fields) -> list[Fields | None]:
    """Return the stages of a workflow: ``pipelines``, else ``nodes`` of the newer spelling."""
    entries = document.objects("pipelines", most=MOST_PIPELINES)
    nodes = document.array("nodes") or []
    if not entries and nodes:
        entries = document.objects("nodes", most=MOST_PIPELINES)
    if not entries and document.data.get("pipelines") in (None, []):
        document.problems.error("pipelines", "names no pipeline; a workflow needs at least one")
    return entries


def _with_graph(document: Fields, settings: Settings, nearby: Nearby) -> Settings:
    """Add settings of the main pipeline that only the graph holds."""
    found = read_graph(
        document, settings.pipeline_id, nearby, vace_is_off=settings.vace_enabled is False
    )
    if found.feeds_vace:
        uses = settings.vace_use_input_video
        settings = replace(
            settings,
            vace_enabled=True if settings.vace_enabled is None else settings.vace_enabled,
            vace_use_input_video=True if uses is None else uses,
        )
    is_text = settings.input_mode == "text"
    loras = settings.loras
    for fields in found.loras:
        mode: MergeMode = fields.choice("loraMergeMode", MERGE_MODES) or "permanent_merge"
        known = {lora.name.lower() for lora in loras}
        own = read_timeline_loras(fields, "loras", mode, nearby.lora_folders, known)
        loras = (*loras, *own)
    control = settings.control_video or found.control
    scale = found.context_scale
    return replace(
        settings,
        vace_context_scale=settings.vace_context_scale if scale is None else scale,
        images=merged(settings.images, found.images),
        control_video=control or (found.input if found.feeds_vace and is_text else None),
        input_video=found.input,
        loras=loras,
    )


def _choose_main(entries: list[Fields | None], choice: PipelineChoice) -> Fields | None:
    """Return the generating pipeline: by its role, else by its id."""
    found = [entry for entry in entries if entry is not None]
    roles = [entry.choice("role", ROLES) for entry in found]
    if "main" in roles:
        return found[roles.index("main")]
    if not any(roles):
        for entry in found:
            known = choice.find(str(entry_id(entry)[1]))
            if known and known.generates:
                return entry
    return found[0] if found else None


def _check_entries(entries: list[Fields | None], main: Fields | None, *, has_graph: bool) -> None:
    """Check what is common to all entries; stages around the main one cannot run here.

    Without roles the graph says what is connected; without a graph, entries before the main
    pipeline feed it.
    """
    is_before = True
    for entry in entries:
        if entry is None:
            continue
        is_before = is_before and entry is not main
        key, name = entry_id(entry)
        if not name and entry.data.get(key) in (None, ""):
            entry.problems.error(entry.path_of(key), "is missing; name the pipeline", name)
        for other in ("pipeline_version", "node_version", "source", "role"):
            entry.take(other)
        if entry is not main:
            for other in ("loras", "params"):
                entry.take(other)
            if entry.data.get("role") is not None or (is_before and not has_graph):
                refuse_processor(entry, key, name, is_behind=not is_before)
            elif name != PASSTHROUGH:
                message = "has no role and is not used; only the main pipeline runs"
                entry.problems.note(entry.path, message, name)
        entry.note_unread()


def _check_nodes(document: Fields, entries: list[Fields | None]) -> None:
    """Refuse nodes that a workflow lists beside its pipelines where no graph tells their place."""
    known = {entry_id(entry)[1] for entry in entries if entry is not None}
    if tells_ways(document) or not document.data.get("pipelines"):
        return
    for node in document.objects("nodes", most=MOST_PIPELINES):
        if node is not None:
            key, name = entry_id(node)
            if name not in known:
                refuse_processor(node, key, name)


def _read_name(document: Fields) -> str | None:
    metadata = document.object("metadata")
    if metadata is None:
        return None
    name = metadata.text("name")
    for key in ("created_at", "scope_version"):
        metadata.take(key)
    metadata.note_unread()
    return name


def _read_blocks(document: Fields, unit: Any, pipeline_id: str | None) -> tuple[PromptBlock, ...]:
    """Read the timeline; without one the prompts in the input box last as long as the job."""
    problems = document.problems
    timeline = document.object("timeline")
    start_prompts = document.data.get("prompts")
    prompts: tuple[Prompt, ...] | None = None
    if start_prompts:
        prompts = read_prompts(document, "prompts")
    document.take("prompts")
    entries = timeline.array("entries") if timeline else None
    check_schema(document, is_used=uses_ext(entries))
    if timeline:
        timeline.note_unread()
    if timeline and entries:
        blocks = read_blocks(timeline.objects("entries"), snake, unit)
        if not blocks and not problems.has_errors:
            message = "no entry is left to show; give one an end_time after 0"
            problems.error(timeline.path_of("entries"), message)
        return blocks
    if not start_prompts:
        text = graph_prompt(document, pipeline_id)
        prompts = (Prompt(text),) if text and text.strip() else None
        if prompts is None:
            problems.error("prompts", "is missing and there is no timeline; write a prompt")
    return (PromptBlock(0, 0, None, prompts),) if prompts else ()
