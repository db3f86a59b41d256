"""How long the frames of earlier renders took on this machine, and how large they became."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from rushes.errors import WriteError
from rushes.files.publish import write_atomically

SCHEMA_VERSION = 1
_FILE = "rates.json"  # below the cache folder
_KEPT = 8  # renders of a kind; later ones count, since drivers and code change
_LEAST_FRAMES = 16  # of a render that counts: shorter ones measure how it starts


@dataclass(frozen=True)
class Kind:
    """Renders that take equally long for a frame; ``steps`` are the denoising steps of a chunk."""

    preset: str
    vae_type: str
    device: str
    dtype: str
    width: int
    height: int
    steps: int


@dataclass(frozen=True)
class Rate:
    """What the last renders of a kind took for a frame, and the bytes of it in their files."""

    kind: Kind
    seconds: tuple[float, ...]
    num_bytes: tuple[float, ...] = ()

    @property
    def seconds_per_frame(self) -> float:
        """The median, so that one render on a busy machine does not count for much."""
        return median(self.seconds)

    @property
    def bytes_per_frame(self) -> float | None:
        """The median, where it was measured."""
        return median(self.num_bytes) if self.num_bytes else None


def rates_file(cache: Path) -> Path:
    """Return the file below a cache folder that keeps what was measured."""
    return cache / _FILE


def read_rates(cache: Path) -> list[Rate]:
    """Return all that was measured; a damaged file counts as none."""
    try:
        return parse_rates(rates_file(cache).read_bytes())
    except OSError:
        return []


def parse_rates(content: bytes) -> list[Rate]:
    """Return what such a file holds; a damaged one counts as none."""
    try:
        return [_read(each) for each in json.loads(content)["rates"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def joined_rates(rates: Iterable[Rate]) -> list[Rate]:
    """Join what several machines measured of renders of one kind."""
    joined: dict[Kind, Rate] = {}
    for rate in rates:
        known = joined.get(rate.kind, Rate(rate.kind, ()))
        seconds, sizes = known.seconds + rate.seconds, known.num_bytes + rate.num_bytes
        joined[rate.kind] = Rate(rate.kind, seconds, sizes)
    return [*joined.values()]


def note_render(cache: Path, manifest: Mapping[str, Any], num_bytes: int | None) -> None:
    """Note what a complete render took; one that was taken up on the way does not count.

    ``num_bytes`` is the size of its video, where that says how large others become. A machine that
    cannot keep it goes without.
    """
    num_frames = int(manifest["num_frames"])
    if manifest["resumed_at_chunk"] or num_frames < _LEAST_FRAMES:
        return
    kind = _kind_of(manifest)
    rates = {rate.kind: rate for rate in read_rates(cache)}
    rate = rates.get(kind, Rate(kind, ()))
    seconds = (*rate.seconds, float(manifest["timings"]["total"]) / num_frames)[-_KEPT:]
    sizes = rate.num_bytes if num_bytes is None else (*rate.num_bytes, num_bytes / num_frames)
    rates[kind] = replace(rate, seconds=seconds, num_bytes=sizes[-_KEPT:])
    listed = [
        asdict(each.kind) | {"seconds": each.seconds, "bytes": each.num_bytes}
        for each in rates.values()
    ]
    content = json.dumps({"schema_version": SCHEMA_VERSION, "rates": listed}, indent=1)
    with contextlib.suppress(WriteError):
        write_atomically(rates_file(cache), content.encode())


def steps_of(chunks: list[Mapping[str, Any]]) -> int:
    """Return how many denoising steps most chunks of a plan have."""
    return int(median(len(chunk["denoising_steps"]) for chunk in chunks))


def _kind_of(manifest: Mapping[str, Any]) -> Kind:
    plan = manifest["plan"]
    return Kind(
        preset=manifest["preset"],
        vae_type=plan["vae_type"],
        device=manifest["device"],
        dtype=manifest["dtype"],
        width=manifest["width"],
        height=manifest["height"],
        steps=steps_of(plan["chunks"]),
    )


def _read(entry: Mapping[str, Any]) -> Rate:
    fields = {name: entry[name] for name in Kind.__dataclass_fields__}
    seconds = tuple(float(each) for each in entry["seconds"] if each > 0)
    if not seconds:
        raise ValueError("a rate without a render")
    return Rate(Kind(**fields), seconds, tuple(float(each) for each in entry["bytes"]))
