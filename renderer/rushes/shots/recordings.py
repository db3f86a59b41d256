"""Films that were published with their timelines: the files that made them, and how to play these.

Only hashes: the files belong to another project, whose licence does not allow to ship them here.

Source: scope @ 68b0f956 and its history. That the three films were made from the clip is an
inference: it was Scope's default input when their timelines were committed, at their size, and is
what their first prompts describe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rushes.presets.device_classes import DEFAULT_DEVICE_CLASS
from rushes.timeline.era import OLD_PROFILE


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file of another project: its name there, its place, and its hash."""

    name: str
    address: str
    sha256: str
    licence: str = "CC BY-NC-SA 4.0"


_SCOPE = "https://github.com/daydreamlive/scope/blob/68b0f956"
_EXAMPLES = f"{_SCOPE}/src/scope/core/pipelines/streamdiffusionv2/docs/examples"

CLIP = PublishedFile(
    "test.mp4",
    f"{_SCOPE}/frontend/public/assets/test.mp4",
    "0ec4ce11233f4019b62d676e079968168a033365848fac93b62504f57c8a1e70",
)
CLIP_NAMES = (CLIP.name, "scope-test.mp4")
TIMELINES = {
    name: PublishedFile(f"timeline-{name}.json", f"{_EXAMPLES}/timeline-{name}.json", sha256)
    for name, sha256 in {
        "evolution": "19e10be9cf4043d359b92dd6d67ebfb982b04a272657ce6919a527e5796fc512",
        "feline": "615731123e27e42233042b61f104a95cc60671b661df79fded17ce5a7553a4b6",
        "prey": "af1b1ef1c9dc70ee1ad18ebd2f7af711e11cf3a4b5ac49234cbfa8068ba06447",
    }.items()
}
# Options of the plan that play these files as they were seen; the rate is the model's own.
PLAYED_WITH: dict[str, Any] = {
    "profile": OLD_PROFILE,
    "fps": "16",
    "noise": "cuda",
    "noise_device": DEFAULT_DEVICE_CLASS,
}
MIRROR = "daydreamlive"  # who publishes the weights that Scope fetched
