"""Pictures and clips that steer a render.

A file that is named but not found is an error, since the result would differ.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rushes.timeline.document import NO_IMAGES, Images, PromptBlock
from rushes.timeline.fields import Fields
from rushes.timeline.nearby import Nearby, base_name
from rushes.timeline.read.embedded import is_data_url, keep_data_url

# The names of the same three in timelines, in workflows, and in the VACE node of a graph.
TIMELINE_KEYS = ("refImages", "firstFrameImage", "lastFrameImage")
WORKFLOW_KEYS = ("vace_ref_images", "first_frame_image", "last_frame_image")
NODE_KEYS = ("vaceRefImage", "vaceFirstFrame", "vaceLastFrame")


def read_images(
    fields: Fields, keys: tuple[str, str, str], nearby: Nearby, *, is_off: bool = False
) -> Images:
    """Read reference, first and last images under these keys; ``is_off``: VACE is not wanted."""
    references, first, last = keys
    given = fields.take(references)
    if isinstance(given, str):
        given = [given]
    if given is not None and not isinstance(given, list):
        fields.wrong(references, "an array of images")
        given = []
    found = tuple(
        read_file(fields, references, value, nearby, is_off=is_off) for value in given or ()
    )
    images = Images(
        tuple(file for file in found if file is not None),
        read_file(fields, first, fields.take(first), nearby, is_off=is_off),
        read_file(fields, last, fields.take(last), nearby, is_off=is_off),
    )
    return NO_IMAGES if is_off else images


def read_file(
    fields: Fields, key: str, value: Any, nearby: Nearby, *, is_off: bool = False
) -> str | None:
    """Return the file that a value names; report it if it is not found."""
    if value in (None, "", False):
        return None
    path = fields.path_of(key)
    if is_off:
        fields.problems.note(path, "is not used: VACE is switched off", value)
        return None
    if not isinstance(value, str):
        fields.wrong(key, "the name of a file")
        return None
    if is_data_url(value, nearby):
        kept = keep_data_url(fields, key, value, nearby)
        return None if kept is None else str(kept.absolute())
    found = nearby.find(value)
    if found is None:
        message = (
            f"{base_name(value)[:80]} steers the render and is not here; copy it beside this file, "
            "or remove it and name yours in ext.vace of a block, or with --reference, "
            "--first-frame, --last-frame or --control"
        )
        fields.problems.error(path, message, value)
    return found


def merged(images: Images, others: Images) -> Images:
    """Merge the images of two places in a file; the first one takes precedence."""
    return Images(
        images.references or others.references,
        images.first_frame or others.first_frame,
        images.last_frame or others.last_frame,
        images.scale if images.scale is not None else others.scale,
    )


def with_images(blocks: tuple[PromptBlock, ...], images: Images) -> tuple[PromptBlock, ...]:
    """Give the images of a whole document to the block that plays first; its own take precedence.

    Source: scope: docs/api/parameters (images are taken once, by the next call)
    """
    if images == NO_IMAGES or not blocks:
        return blocks
    first = min(blocks, key=lambda block: block.start)
    return tuple(
        replace(block, images=merged(block.images, images)) if block is first else block
        for block in blocks
    )
