"""Reading a timeline file, version 1.0 (both shapes), 2.0 or 2.1."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rushes.timeline.document import Settings, Timeline
from rushes.timeline.fields import Fields
from rushes.timeline.nearby import Nearby
from rushes.timeline.pipelines import PipelineChoice
from rushes.timeline.read.blocks import read_blocks
from rushes.timeline.read.ext import check_schema, read_top_ext, uses_ext
from rushes.timeline.read.lora_strengths import check_lora_names
from rushes.timeline.read.pictures import with_images
from rushes.timeline.read.settings import camel, read_timeline_settings, with_clips

NEWEST_VERSION = "2.1"
KNOWN_VERSIONS = ("1.0", "2.0", NEWEST_VERSION)

_LOST_TEXT = (
    ": files of the day on which this version was written (2025-10-21) never held the text of "
    "a single prompt"
)


def read_timeline(
    document: Fields, *, allow_version: bool, nearby: Nearby, choice: PipelineChoice
) -> Timeline:
    """Read the document.

    Source: scope @ b000adb5^: frontend/src/components/PromptTimeline.tsx
    """
    version = check_version(document, "version", KNOWN_VERSIONS, (1, 2), allow_version)
    document.take("exportedAt")
    ext = read_top_ext(document)
    entries = document.take("prompts")
    lost_text = _LOST_TEXT if version == "1.0" else ""
    objects = document.objects("prompts") if isinstance(entries, list) else []
    blocks = read_blocks(objects, camel, ext.unit, lost_text=lost_text)
    check_schema(document, is_used=uses_ext(entries))
    fields = document.object("settings")
    settings = read_timeline_settings(fields, nearby, choice) if fields else Settings()
    document.note_unread()
    problems = document.problems
    block_scales = ((f"prompts[{block.index}]", block.lora_scales) for block in blocks)
    check_lora_names(ext, block_scales, settings.loras, problems)
    if entries == []:
        problems.error("prompts", "is empty; a timeline needs at least one block")
    elif not blocks and not problems.has_errors:
        problems.error("prompts", "no block is left to show; give one an endTime after 0")
    blocks = with_images(blocks, settings.images)
    return Timeline("timeline", version, blocks, settings, with_clips(ext, settings))


def check_version(
    document: Fields, key: str, known: Sequence[str], majors: Sequence[int], allow: bool
) -> str | None:
    """Read a version: unknown minor ones are accepted with a warning, other major ones refused."""
    version, problems, path = document.take(key), document.problems, document.path_of(key)
    newest = known[-1]
    if version is None:
        problems.note(path, f"is missing; read as {newest}")
        return None
    is_text = isinstance(version, str)
    match = re.fullmatch(r"([0-9]{1,4})(\.[0-9]{1,4}){0,2}", version) if is_text else None
    if match is None or int(match[1]) not in majors:
        say = problems.warn if allow else problems.error
        cure = "read anyway" if allow else "export it again, or pass --allow-version"
        if not is_text:
            say(path, f'must be a string such as "{newest}"; {cure}', version)
        elif match and int(match[1]) > majors[-1]:
            say(path, f'"{version}" is newer than this program knows ({newest}); {cure}', version)
        else:
            say(
                path, f'"{version}" is not a version this program knows ({newest}); {cure}', version
            )
    elif version not in known:
        message = f'"{version}" is unknown; read as {newest}, which may miss something'
        problems.warn(path, message, version)
    return version if is_text else None
