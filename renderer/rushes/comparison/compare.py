"""Compare results: the differences of their manifests, their measures, and a video of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rushes.comparison.manifests import Difference, find_differences, read_manifest
from rushes.comparison.pictures import Layout, write_comparison
from rushes.errors import ConfigError
from rushes.metrics.compare import compare_files
from rushes.video.read.fit import Fit
from rushes.video.read.probe import probe_video

SCHEMA_VERSION = 1
_MOST_VIDEOS = 4


@dataclass(frozen=True)
class Comparison:
    """What was found, in the order of the videos.

    ``measures`` are means over all frames: flicker and drift of each, ``psnr_to_first`` and
    ``ssim_to_first`` of all but the first, and those of ``rushes eval`` where there is a reference.
    ``are_same_frames`` says whether the frames were the same before encoding, and is ``None`` where
    a manifest is missing.
    """

    videos: tuple[Path, ...]
    output: Path | None
    differences: tuple[Difference, ...]
    measures: tuple[dict[str, float], ...]
    without_manifest: tuple[Path, ...] = ()
    are_same_frames: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-safe data."""
        return {
            "schema_version": SCHEMA_VERSION,
            "videos": list(map(str, self.videos)),
            "output": None if self.output is None else str(self.output),
            "are_same_frames": self.are_same_frames,
            "without_manifest": list(map(str, self.without_manifest)),
            "differences": [asdict(each) for each in self.differences],
            "measures": list(self.measures),
        }


def compare_results(
    videos: Sequence[Path],
    output: Path | None = None,
    *,
    layout: Layout = "side",
    reference: Path | None = None,
    fit: Fit = "stretch",
    force: bool = False,
) -> Comparison:
    """Compare results, and make a video of them where an ``output`` is named.

    Raises: as ``rushes.compare``.
    """
    _refuse_number(len(videos), layout if output is not None else "side")
    if output is not None and output.resolve() in [video.resolve() for video in videos]:
        raise ConfigError(f"{output}: is one of the videos to compare; choose another name")
    clips = [probe_video(video) for video in videos]
    manifests = [read_manifest(video) for video in videos]
    hashes = {manifest and manifest.get("frames_sha256") for manifest in manifests}
    if output is not None:
        write_comparison(output, clips, layout, force=force)
    return Comparison(
        videos=tuple(videos),
        output=output,
        differences=tuple(find_differences(manifests)),
        measures=(
            _measure(videos[0], None, reference, fit),
            *(_measure(video, videos[0], reference, fit) for video in videos[1:]),
        ),
        without_manifest=tuple(
            video for video, manifest in zip(videos, manifests, strict=True) if manifest is None
        ),
        are_same_frames=None if None in hashes else len(hashes) == 1,
    )


def _refuse_number(number: int, layout: Layout) -> None:
    if not 2 <= number <= _MOST_VIDEOS:
        raise ConfigError(f"{number} videos cannot be compared; name two to {_MOST_VIDEOS}")
    if layout == "wipe" and number != 2:
        raise ConfigError(f"a wipe shows two videos, not {number}; name two, or use layout side")


def _measure(video: Path, first: Path | None, reference: Path | None, fit: Fit) -> dict[str, float]:
    """Return the means of all measures of one video; ``first`` is None for the first itself."""
    measures = compare_files(video, first or video, loops=False, along_motion=False).means()
    likeness = {f"{name}_to_first": measures.pop(name) for name in ("psnr", "ssim")}
    if first is not None:
        measures |= likeness
    if reference is not None:
        measures = compare_files(video, reference, fit).means() | measures
    return measures
