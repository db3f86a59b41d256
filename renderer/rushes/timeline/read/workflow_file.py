"""Reading a workflow file, ``scope-workflow`` 1.0."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rushes.presets.kinds import METHODS
from rushes.timeline.document import Prompt, PromptBlock, Settings, Timeline
from rushes.timeline.fields import Fields
from rushes.timeline.pipelines import PASSTHROUGH, PipelineChoice
from rushes.timeline.read.blocks import read_blocks, read_prompts
from rushes.timeline.read.ext import check_schema, read_top_ext, uses_ext
from rushes.timeline.read.graph import check_graph, graph_prompt
from rushes.timeline.read.lora_strengths import check_lora_names
from rushes.timeline.read.settings import read_workflow_settings, refuse_processor, snake
from rushes.timeline.read.timeline_file import check_version

FORMAT = "scope-workflow"
DEFAULT_TRANSITION_STEPS = 4
MOST_PIPELINES = 150
ROLES = ("preprocessor", "main", "postprocessor")


def read_workflow(
    document: Fields, *, allow_version: bool, lora_folders: Sequence[Path], choice: PipelineChoice
) -> Timeline:
    """Read the document into the same model as a timeline file.

    Source: scope: frontend/src/lib/workflowApi.ts, frontend/src/lib/workflowSettings.ts
    """
    for key in ("format", "min_scope_version", "nodes"):
        document.take(key)
    version = check_version(document, "format_version", ("1.0",), (1,), allow_version)
    entries = document.objects("pipelines", most=MOST_PIPELINES)
    main = _choose_main(entries, choice)
    if document.data.get("pipelines") in (None, []):
        document.problems.error("pipelines", "names no pipeline; a workflow needs at least one")
    settings = read_workflow_settings(main, lora_folders, choice) if main else Settings()
    _check_entries(entries, main)
    check_graph(document, settings.pipeline_id)
    ext = read_top_ext(document)
    blocks = _read_blocks(document, ext.unit, settings.pipeline_id)
    block_scales = ((f"timeline.entries[{block.index}]", block.lora_scales) for block in blocks)
    check_lora_names(ext, block_scales, settings.loras, document.problems)
    steps = document.integer("transition_steps", 0)
    timeline = Timeline(
        kind="workflow",
        version=version,
        blocks=blocks,
        settings=settings,
        ext=ext,
        name=_read_name(document),
        transition_steps=DEFAULT_TRANSITION_STEPS if steps is None else steps,
        transition_method=document.choice("temporal_interpolation_method", METHODS) or "slerp",
        spatial_method=document.choice("interpolation_method", METHODS) or "linear",
    )
    document.note_unread()
    return timeline


def _choose_main(entries: list[Fields | None], choice: PipelineChoice) -> Fields | None:
    """Return the generating pipeline: by its role, else by what is known of its id."""
    found = [entry for entry in entries if entry is not None]
    roles = [entry.choice("role", ROLES) for entry in found]
    if "main" in roles:
        return found[roles.index("main")]
    if not any(roles):
        for entry in found:
            known = choice.find(str(entry.data.get("pipeline_id")))
            if known and known.generates:
                return entry
    return found[0] if found else None


def _check_entries(entries: list[Fields | None], main: Fields | None) -> None:
    """Check what is common to all entries; stages around the main one cannot run here."""
    for entry in entries:
        if entry is None:
            continue
        name = entry.text("pipeline_id")
        if not name and entry.data.get("pipeline_id") in (None, ""):
            message = "is missing; name the pipeline"
            entry.problems.error(entry.path_of("pipeline_id"), message, name)
        for key in ("pipeline_version", "source"):
            entry.take(key)
        if entry is not main:
            for key in ("loras", "params"):
                entry.take(key)
            if entry.data.get("role") is not None:
                refuse_processor(entry, "pipeline_id", name)
            elif name != PASSTHROUGH:
                message = "has no role and is not used; only the main pipeline runs"
                entry.problems.note(entry.path, message, name)
        entry.note_unread()


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
