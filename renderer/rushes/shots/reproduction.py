"""What is here to render a published film again, and how close the result can be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.errors import MissingFileError
from rushes.files.hashes import sha256_of
from rushes.files.resources import data_folder
from rushes.shots.recordings import CLIP, CLIP_NAMES, MIRROR, TIMELINES, PublishedFile
from rushes.timeline.era import OLD_PROFILE

if TYPE_CHECKING:
    from rushes.presets.preset import Preset
    from rushes.shots.shot import Shot


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that decides the pictures: what is here, and whether it is the original."""

    topic: str
    is_original: bool
    text: str

    def __str__(self) -> str:
        return f"{self.topic:9} {'as published' if self.is_original else 'differs'}: {self.text}"


def find_timeline(name: str, folder: Path) -> Path:
    """Return the file of a published film by its name, or any file by its path.

    The published file is looked for in ``folder``; without it the shipped timeline of that name,
    which has the same times and texts of its own, stands in.
    Raises: MissingFileError when it is neither a name nor a file.
    """
    published = TIMELINES.get(name)
    if published is None:
        path = Path(name)
        if not path.exists():
            known = ", ".join(TIMELINES)
            raise MissingFileError(f"{name}: there is no such file; known by name are {known}")
        return path
    here = folder / published.name
    return here if here.exists() else data_folder("timelines") / f"{name}.json"


def find_clip(folder: Path) -> Path | None:
    """Return the published clip if it is in a folder, under either of its two names."""
    candidates = [folder / name for name in CLIP_NAMES]
    return next((path for path in candidates if path.is_file() and _is(path, CLIP)), None)


def compare(shot: Shot, preset: Preset, origins: dict[str, str]) -> list[Finding]:
    """Return what a render shares with the published film, and what differs.

    ``origins`` has the source of the weight files by part, as far as known.
    """
    plan, request = shot.plan, shot.request
    return [
        _compare_timeline(request.timeline),
        _compare_clip(request.input),
        _compare_weights(preset, origins),
        Finding(
            "noise",
            plan.noise == "cuda",
            f"as an {plan.noise_device} draws it; large chunks depend on that, see --noise-device"
            if plan.noise == "cuda"
            else "as a CPU draws it; give --noise cuda",
        ),
        Finding(
            "size",
            (plan.width, plan.height) == (512, 512),
            f"{plan.width}x{plan.height}"
            + ("" if (plan.width, plan.height) == (512, 512) else "; the films have 512x512"),
        ),
        Finding(
            "rules",
            plan.profile == OLD_PROFILE,
            f"profile {plan.profile}, {float(plan.fps):g} frames a second",
        ),
    ]


# What cannot be reproduced, for those who compare.
LIMITS = (
    "the published films are live recordings, whose frames came when the GPU was ready",
    "another GPU, or another version of PyTorch, rounds bfloat16 in another order",
)


def _compare_timeline(path: Path) -> Finding:
    for name, published in TIMELINES.items():
        if _is(path, published):
            return Finding("timeline", True, f"{path}, the published {name}")
    stem = path.stem.removeprefix("timeline-")
    if stem in TIMELINES:
        other = TIMELINES[stem]
        text = f"{path} has texts of its own; put {other.name} here, from {_where(other)}"
        return Finding("timeline", False, text)
    return Finding("timeline", False, f"{path} is none of {', '.join(TIMELINES)}")


def _compare_clip(path: Path | None) -> Finding:
    where = f"the published one is {_where(CLIP)}"
    if path is None:
        return Finding("clip", False, f"there is none; {where}")
    if _is(path, CLIP):
        return Finding("clip", True, f"{path}, probably that of the films")
    return Finding("clip", False, f"{path} is another; {where}")


def _compare_weights(preset: Preset, origins: dict[str, str]) -> Finding:
    if preset.brings_weights:
        fetch = f"'rushes models download streamdiffusionv2-1.3b --prefer {MIRROR}'"
        return Finding("weights", False, f"preset {preset.name} stands in; fetch them with {fetch}")
    known = "; ".join(f"{part} from {origin}" for part, origin in sorted(origins.items()))
    is_real = preset.name == "streamdiffusionv2-1.3b"
    return Finding("weights", is_real, f"preset {preset.name}" + (f": {known}" if known else ""))


def _where(published: PublishedFile) -> str:
    return f"{published.address} ({published.licence})"


def _is(path: Path, published: PublishedFile) -> bool:
    return sha256_of(path) == published.sha256
