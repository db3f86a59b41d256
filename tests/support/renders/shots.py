"""Clips and timelines, made here, for tests that render."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Frames = NDArray[np.uint8]  # [T, H, W, 3]

SIZE = 64  # pixels a side, the least that can be rendered
RATE = 48_000  # of the sound, hertz


def moving(count: int, seed: int = 0) -> Frames:
    """A coarse pattern that wanders: frames that differ, and survive a video codec."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    picture = coarse.repeat(SIZE // 8, axis=0).repeat(SIZE // 8, axis=1)
    return np.stack([np.roll(picture, 2 * index, axis=1) for index in range(count)])


def write_clip(
    path: Path,
    frames: Frames | None = None,
    *,
    fps: Fraction = Fraction(16),
    with_sound: bool = False,
) -> Path:
    """Encode frames without loss (21 moving ones by default), and a tone as long as they last."""
    frames = moving(21) if frames is None else frames
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"qp": "0", "preset": "ultrafast"}
        sound = _add_sound(container) if with_sound else None
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _write_tone(container, sound, seconds=float(len(frames) / fps))
    return path


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """Write a file with sound and no pictures."""
    with av.open(path, "w") as container:
        _write_tone(container, _add_sound(container), seconds)
    return path


def _add_sound(container: Any) -> Any:
    stream = container.add_stream("aac", rate=RATE)
    stream.codec_context.layout = "mono"
    return stream


def _write_tone(container: Any, stream: Any, seconds: float) -> None:
    times = np.arange(round(seconds * RATE)) / RATE
    samples = (0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    for first in range(0, len(samples), 960):
        frame = av.AudioFrame.from_ndarray(samples[None, first : first + 960], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def block(text: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {"startTime": start, "endTime": end, "prompts": [{"text": text, "weight": 100}]} | more


def timeline(
    *blocks: dict[str, Any],
    mode: str = "text",
    ext: dict[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Return a timeline document; one second of a boat if nothing else is said."""
    size = {"height": SIZE, "width": SIZE}
    document: dict[str, Any] = {
        "prompts": list(blocks) or [block("a boat", 0, 1)],
        "settings": {"inputMode": mode, "resolution": size, "seed": 42} | settings,
        "version": "2.1",
    }
    return document | ({"ext": {"schema": 1} | ext} if ext else {})


def write_timeline(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def read_movie(path: Path) -> Frames:
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def read_png(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def read_pngs(folder: Path) -> Frames:
    return np.stack([read_png(path) for path in sorted(folder.glob("*.png"))])


def picture_size(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG file."""
    height, width = read_png(path).shape[:2]
    return width, height
